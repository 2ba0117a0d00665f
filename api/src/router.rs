//! All routes on one screen.

use std::sync::LazyLock;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::App;
use crate::api::Api;
use crate::layer::{admit, compress, cors, gate, observe};
use crate::openapi::head;
use crate::routes::{
    annotations, audit, changes, collect, compatibility, definitions, deliveries, deployments, docs, environments,
    events, explain, health, incidents, metrics, page, prometheus, replay, services, session, sources, stages, summary,
    teams, unmapped, variables, webhooks,
};

use crate::routes::{clusters, data_quality, export, flow, overrides, quick_check, regressions};

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(head())
        .routes(routes!(metrics::catalogue))
        .routes(routes!(metrics::series))
        .routes(routes!(explain::explain))
        .routes(routes!(summary::summary))
        .routes(routes!(stages::stages))
        .routes(routes!(definitions::definitions))
        .routes(routes!(definitions::compare))
        .routes(routes!(services::services))
        .routes(routes!(teams::teams))
        .routes(routes!(environments::environments))
        .routes(routes!(deployments::deployments))
        .routes(routes!(changes::changes))
        .routes(routes!(incidents::incidents))
        .routes(routes!(annotations::annotations))
        .routes(routes!(variables::variables))
        .routes(routes!(sources::sources))
        .routes(routes!(collect::collect))
        .routes(routes!(replay::replay, replay::begin_replay, replay::cancel_replay))
        .routes(routes!(deliveries::deliveries))
        .routes(routes!(unmapped::unmapped))
        .routes(routes!(events::events))
        .routes(routes!(events::schema))
        .routes(routes!(webhooks::webhook_of_any))
        .routes(routes!(webhooks::webhook))
        .routes(routes!(webhooks::webhook_of_connection))
        .routes(routes!(session::who, session::sign_in, session::sign_out))
        .routes(routes!(audit::audit))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(prometheus::prometheus))
        .routes(routes!(quick_check::quick_check))
        .routes(routes!(clusters::clusters))
        .routes(routes!(flow::batch_size))
        .routes(routes!(flow::unshipped))
        .routes(routes!(flow::ladder))
        .routes(routes!(regressions::regressions))
        .routes(routes!(data_quality::data_quality))
        .routes(routes!(overrides::overrides, overrides::decide))
        .routes(routes!(overrides::withdraw))
        .routes(routes!(export::export))
        .routes(routes!(docs::openapi))
        .merge(compatibility::routes())
        .route("/docs", get(docs::to_docs))
        .route("/docs/", get(docs::docs))
        .route("/docs/{*path}", get(docs::docs_file))
        .fallback(page::file_or_nothing)
}

/// Everything that Dorado answers over HTTP.
pub fn router(app: App) -> Router {
    let api = Api::new(app);
    let (router, _) = routes().split_for_parts();
    router
        .method_not_allowed_fallback(page::method_not_allowed)
        .layer(from_fn_with_state(api.clone(), compress))
        .layer(from_fn_with_state(api.clone(), admit))
        .layer(from_fn_with_state(api.clone(), gate))
        .layer(from_fn_with_state(api.clone(), cors))
        .layer(from_fn_with_state(api.clone(), observe))
        .with_state(api)
}

/// The paths that there are, for who mistypes one.
pub(crate) static PATHS: LazyLock<Vec<String>> =
    LazyLock::new(|| routes().into_openapi().paths.paths.into_keys().collect());
