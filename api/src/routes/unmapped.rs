//! `/api/v1/unmapped`: names that the configuration does not know, with the lines that would map them.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::WholeReader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::{Nothing, Query};
use crate::problem::Problem;
use crate::routes::question::Rows;

/// A name that the configuration does not know.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UnmappedRow {
    /// repository, service or environment.
    #[schema(example = "repository")]
    kind: String,
    /// The name.
    #[schema(example = "acme/shop")]
    name: String,
    /// Deployments that go by it, every attempt and version.
    #[schema(example = 12)]
    n_deployments: i64,
    /// When the last of them was.
    last_deployment_at: Option<String>,
    /// What it is taken for: a service of this name, or a tier.
    #[schema(example = "shop")]
    taken_as: String,
    /// Lines of `dorado.toml` that would map it.
    #[schema(example = "[[service]]\nname = \"shop\"\nrepositories = [\"acme/shop\"]\n")]
    toml: String,
}

/// Names that the configuration does not know
#[utoipa::path(get, path = "/api/v1/unmapped", tag = "Deliveries", responses(
    (status = 200, description = "Those with the most deployments first, at most 500", body = Rows<UnmappedRow>),
))]
pub(crate) async fn unmapped(
    _: WholeReader,
    State(api): State<Api>,
    _: Query<Nothing>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let engine = api.engine().clone();
    let rows = api.on_queries(async move { Ok(engine.unmapped().await?) }).await?;
    wanted.rows(&rows)
}
