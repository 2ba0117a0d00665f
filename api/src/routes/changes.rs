//! `/api/v1/changes`.

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

/// A change.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangeRow {
    /// The service that it ships in.
    service: String,
    /// Id of the change: the commit where there is one.
    change: String,
    /// First line of its message.
    title: Option<String>,
    /// Repository.
    repository: Option<String>,
    /// Its pull request.
    pull_request: Option<String>,
    /// Where its lead time begins.
    committed_at: Option<String>,
    /// Which of its dates that is.
    commit_time_is: Option<String>,
    /// When the first commit of its pull request was written.
    first_commit_at: Option<String>,
    /// When its pull request was opened.
    opened_at: Option<String>,
    /// When its pull request was first reviewed.
    first_review_at: Option<String>,
    /// When its pull request was approved.
    approved_at: Option<String>,
    /// When it was merged.
    merged_at: Option<String>,
    /// The deployment that it shipped with; null where it has not shipped.
    deployment: Option<String>,
    /// The environment that it shipped to.
    environment: Option<String>,
    /// When it shipped.
    shipped_at: Option<String>,
    /// Its lead time.
    lead_time_seconds: Option<f64>,
    /// From the first commit of its pull request to the opening.
    coding_seconds: Option<f64>,
    /// From the opening to the first review.
    pickup_seconds: Option<f64>,
    /// From the first review to the approval.
    review_seconds: Option<f64>,
    /// From the approval to the merge.
    merge_seconds: Option<f64>,
    /// From the merge to running in production.
    deploy_seconds: Option<f64>,
    /// The rule that puts it on its deployment.
    rule: Option<String>,
    /// Whether it counts.
    included: bool,
    /// Why it does not.
    excluded_reason: Option<String>,
    /// Where to look at it.
    url: Option<String>,
}

/// Changes, newest first
#[utoipa::path(get, path = "/api/v1/changes", tag = "Lists", params(ListParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Rows<ChangeRow>),
))]
pub(crate) async fn changes(
    reader: Reader,
    State(api): State<Api>,
    query: ListQuery,
    wanted: Wanted,
) -> Result<Response, Problem> {
    api.list(List::Changes, reader, query, wanted).await
}
