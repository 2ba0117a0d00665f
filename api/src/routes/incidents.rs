//! `/api/v1/incidents`.

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

/// An incident.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct IncidentRow {
    /// The service that it hit.
    service: Option<String>,
    /// Id of the incident.
    incident: String,
    /// Source that told it.
    source: String,
    /// Its title.
    title: Option<String>,
    /// Its severity.
    severity: Option<String>,
    /// When it was opened.
    opened_at: String,
    /// When somebody took it on.
    acknowledged_at: Option<String>,
    /// When it was resolved; null while it is open.
    resolved_at: Option<String>,
    /// The deployment that caused it.
    deployment: Option<String>,
    /// The rule that found the deployment.
    rule: Option<String>,
    /// How sure that is: `confirmed` or `probable`.
    confidence: Option<String>,
    /// Where to look at it.
    url: Option<String>,
}

/// Incidents, newest first
#[utoipa::path(get, path = "/api/v1/incidents", tag = "Lists", params(ListParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Rows<IncidentRow>),
))]
pub(crate) async fn incidents(
    reader: Reader,
    State(api): State<Api>,
    query: ListQuery,
    wanted: Wanted,
) -> Result<Response, Problem> {
    api.list(List::Incidents, reader, query, wanted).await
}
