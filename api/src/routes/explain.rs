//! `/api/v1/metrics/{id}/explain`: the rows behind any number.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::{Path, Query};
use crate::problem::Problem;
use crate::routes::metrics::{MetricRow, known};
use crate::routes::question::{Meta, PageParams, QuestionParams};

/// A row behind a number: of a change for lead time, else of a deployment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ExplainedRow {
    /// The service.
    service: Option<String>,
    /// Repository.
    repository: Option<String>,
    /// Of an incident: its id.
    incident: Option<String>,
    /// Of an incident: its severity as the source gives it.
    severity: Option<String>,
    /// Of an incident: when it was resolved.
    resolved_at: Option<String>,
    /// Of an incident: where its recovery time begins.
    began_at: Option<String>,
    /// Of a change: its id.
    change: Option<String>,
    /// Of a change: first line of its message; of an incident: its title.
    title: Option<String>,
    /// Of a change: its pull request.
    pull_request: Option<String>,
    /// Of a change: where its lead time begins.
    committed_at: Option<String>,
    /// The deployment, or the one that the change shipped with.
    deployment: Option<String>,
    /// Of a change: when it shipped.
    shipped_at: Option<String>,
    /// Of a change: its lead time.
    lead_time_seconds: Option<f64>,
    /// Of a change: from the first commit of its pull request to the opening.
    coding_seconds: Option<f64>,
    /// Of a change: from the opening to the first review.
    pickup_seconds: Option<f64>,
    /// Of a change: from the first review to the approval.
    review_seconds: Option<f64>,
    /// Of a change: from the approval to the merge.
    merge_seconds: Option<f64>,
    /// Of a change: from the merge to running in production.
    deploy_seconds: Option<f64>,
    /// Of a change: the rule that puts it on its deployment.
    rule: Option<String>,
    /// Of a change: which of its dates that is.
    commit_time_is: Option<String>,
    /// Of a change: when the first commit of its pull request was written.
    first_commit_at: Option<String>,
    /// Of a change: when its pull request was opened; of an incident: when it was.
    opened_at: Option<String>,
    /// Of a change: when its pull request was first reviewed.
    first_review_at: Option<String>,
    /// Of a change: when its pull request was approved.
    approved_at: Option<String>,
    /// Of a change: when it was merged.
    merged_at: Option<String>,
    /// Of a deployment: the source that told it.
    source: Option<String>,
    /// Of a deployment: what became of it.
    status: Option<String>,
    /// Of a deployment: changes that shipped with it.
    n_changes: Option<u64>,
    /// Of a deployment: incidents that are put on it.
    n_incidents: Option<u64>,
    /// Of a deployment: version or tag.
    version: Option<String>,
    /// Of a deployment: revision.
    revision: Option<String>,
    /// Environment.
    environment: Option<String>,
    /// Of a deployment: when it began.
    started_at: Option<String>,
    /// Of a deployment: when it finished.
    finished_at: Option<String>,
    /// Of a deployment: whether it failed; null where it never reached production.
    failed: Option<bool>,
    /// The rule that says so.
    failure_rule: Option<String>,
    /// How sure that is: `confirmed` or `probable`.
    confidence: Option<String>,
    /// When service was restored.
    recovered_at: Option<String>,
    /// How long that took.
    recovery_seconds: Option<f64>,
    /// The rule that says when.
    recovery_rule: Option<String>,
    /// Whether it is rework.
    rework: Option<bool>,
    /// The rule that says so.
    rework_rule: Option<String>,
    /// Whether the row is in the value.
    included: Option<bool>,
    /// Why it is not.
    excluded_reason: Option<String>,
    /// Where to look at it.
    url: Option<String>,
}

/// The rows behind a number, and what it was made from.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Explained {
    /// Those that make the number come first, then newest first.
    data: Vec<ExplainedRow>,
    /// What the number is.
    meta: Explanation,
}

/// A number taken apart.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Explanation {
    #[serde(flatten)]
    meta: Meta,
    /// The number itself, for the whole period, with all that a row of the metric has.
    #[serde(flatten)]
    total: MetricRow,
    /// What is counted, from when to when, what is left out and why.
    definition: String,
    /// The choices that a reader could question.
    rule_notes: Vec<String>,
    /// How many rows were left out, by reason.
    excluded: Vec<CountedReason>,
    /// Of the deployments' metrics: how many incidents were put on a deployment by which rule.
    #[serde(default)]
    incidents_by_rule: Option<BTreeMap<String, u64>>,
    /// The address that gives this answer.
    api_call: String,
}

/// How many rows share a reason.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct CountedReason {
    /// The reason.
    #[schema(example = "first_deployment")]
    reason: String,
    /// How many.
    n: u64,
}

/// The rows behind a number
///
/// The same parameters as the number itself: numerator, denominator, what was left out and why, the
/// parameters in force, and the rows, paged.
#[utoipa::path(get, path = "/api/v1/metrics/{id}/explain", tag = "Metrics",
    params(("id" = String, Path, description = "Id of the metric", example = "change-fail-rate"),
        QuestionParams, PageParams),
    responses(
        (status = 200, description = "The rows, and the number that they make", body = Explained),
        (status = 404, description = "No such metric", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn explain(
    reader: Reader,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(asked, page): Query<QuestionParams, PageParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let metric = known(&id)?;
    let question = asked.question(&api, &reader)?;
    let page = page.page()?;
    let about = question.clone();
    let call = wanted.address();
    api.answer(&wanted, &about, move |engine| async move {
        let mut answer = Arc::unwrap_or_clone(engine.explain(metric, &question, &page).await?);
        answer.meta.insert("api_call".to_owned(), call.into());
        Ok(Arc::new(answer))
    })
    .await
}
