//! `/api/v1/deployments`.

use axum::extract::State;
use axum::response::Response;
use dorado_query::List;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::problem::Problem;
use crate::routes::list::{ListParams, ListQuery};
use crate::routes::question::{PageParams, Rows};

/// A deployment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DeploymentRow {
    /// The service.
    #[schema(example = "checkout")]
    service: String,
    /// Id of the deployment.
    deployment: String,
    /// Source that told it.
    source: String,
    /// Version or tag.
    version: Option<String>,
    /// Revision.
    revision: Option<String>,
    /// Repository.
    repository: Option<String>,
    /// Environment that it went to.
    environment: String,
    /// The environment's tier.
    tier: String,
    /// What became of it.
    status: String,
    /// Its title.
    title: Option<String>,
    /// When it began.
    started_at: Option<String>,
    /// When it finished.
    finished_at: Option<String>,
    /// Changes that shipped with it.
    n_changes: Option<u64>,
    /// Incidents that are put on it.
    n_incidents: Option<u64>,
    /// Whether it failed; null where it never reached production.
    failed: Option<bool>,
    /// The rule that says so.
    failure_rule: Option<String>,
    /// How sure that is: `confirmed` or `probable`.
    confidence: Option<String>,
    /// When service was restored.
    recovered_at: Option<String>,
    /// Whether it is rework.
    rework: Option<bool>,
    /// The rule that says so.
    rework_rule: Option<String>,
    /// Where to look at it.
    url: Option<String>,
}

/// Deployments, newest first
#[utoipa::path(get, path = "/api/v1/deployments", tag = "Lists", params(ListParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Rows<DeploymentRow>),
))]
pub(crate) async fn deployments(
    reader: Reader,
    State(api): State<Api>,
    query: ListQuery,
    wanted: Wanted,
) -> Result<Response, Problem> {
    api.list(List::Deployments, reader, query, wanted).await
}
