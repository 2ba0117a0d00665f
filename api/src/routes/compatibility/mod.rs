//! Other products' own addresses, so that who posts there posts here by changing the base URL. What is posted goes the
//! way of every delivery, and the source of that product reads it.

pub(crate) mod bodies;
mod datadog;
mod devlake;
mod gitlab;
mod json_data_source;
mod search;
mod shape;

use axum::routing::post;
use dorado_ingest::{POSTED_TO, Source};
use http::{HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::Api;
use crate::extract::Body;
use crate::problem::{Kind, Problem};
use crate::taking::{Taken, authenticate, take};

/// What these addresses begin with. Each has a key or token of its own, so none asks for one of ours at the door.
pub(crate) const ROOTS: [&str; 5] = [
    "/api/v2/dora/",
    "/api/plugins/webhook/",
    "/api/rest/plugins/webhook/",
    "/rest/plugins/webhook/",
    "/plugins/webhook/",
];

/// Where panels of dashboards ask.
pub(crate) const PANELS: &str = "/grafana";

/// GitLab's addresses, where what makes no sense is answered with 400.
pub(crate) const SENSELESS_IS_400: &str = "/api/v4/";

/// Every such address.
pub(crate) fn routes() -> OpenApiRouter<Api> {
    let routes = OpenApiRouter::new()
        .routes(routes!(datadog::deployment))
        .routes(routes!(datadog::failure))
        .routes(routes!(datadog::incident))
        .routes(routes!(datadog::delete_deployment))
        .routes(routes!(datadog::delete_failure))
        .routes(routes!(datadog::deployments, datadog::patch_by_version))
        .routes(routes!(datadog::failures))
        .routes(routes!(datadog::one_deployment, datadog::patch))
        .routes(routes!(datadog::one_failure))
        .routes(routes!(devlake::deployments))
        .routes(routes!(devlake::issues))
        .routes(routes!(devlake::pull_requests))
        .routes(routes!(devlake::close))
        .merge(gitlab::routes())
        .merge(json_data_source::routes());
    // Newer and older ones, which the document does not repeat.
    ROOTS[1..].iter().fold(routes, |routes, root| routes.route(&format!("{root}{{*path}}"), post(devlake::elsewhere)))
}

/// What stands encoded in the header that tells the address.
const NOT_IN_HEADERS: &AsciiSet = &CONTROLS.add(b'%');

/// Takes a body that has the shape of its operation for the first of the sources that fit and authenticate it.
async fn hand_on_shaped(
    api: &Api,
    body: Body,
    operation: &str,
    posted_to: &str,
    fits: impl Fn(&dyn Source) -> bool,
) -> Result<Taken, Problem> {
    // Who is not let in learns nothing.
    authenticate(api, &body, &fits).await?;
    shape::check(operation, &body)?;
    hand_on(api, body, posted_to, fits).await
}

/// Takes a body for the first of the sources that fit and authenticate it, with the address that it was posted to.
async fn hand_on(
    api: &Api,
    mut body: Body,
    posted_to: &str,
    fits: impl Fn(&dyn Source) -> bool,
) -> Result<Taken, Problem> {
    let encoded = utf8_percent_encode(posted_to, NOT_IN_HEADERS).to_string();
    let value = HeaderValue::try_from(encoded).expect("what no header may have is encoded");
    body.headers.insert(HeaderName::from_static(POSTED_TO), value);
    let taken = take(api, body, |source, _| fits(source)).await?;
    match &taken.ignored {
        Some(why) if !taken.is_understood => Err(Problem::new(Kind::InvalidBody, why.as_str())
            .parameter(why.split(": ").next().unwrap_or("body"))
            .expected("what the documentation of this address says")),
        _ => Ok(taken),
    }
}
