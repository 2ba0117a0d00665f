//! `/api/v1/flow/…`: how changes flow through a service on their way to users.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::Query;
use crate::problem::Problem;
use crate::routes::list::{ListParams, ListQuery};
use crate::routes::period::PeriodParams;
use crate::routes::question::{Meta, PageParams, QuestionParams, Rows};

/// Changes a deployment in one bucket, of one group where groups were asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BatchSizeRow {
    /// Start of the bucket, with the time zone's offset.
    #[schema(example = "2026-08-03T00:00:00+02:00")]
    time: String,
    /// The service, where rows are grouped by it.
    service: Option<String>,
    /// The team, where rows are grouped by it.
    team: Option<String>,
    /// The repository, where rows are grouped by it.
    repository: Option<String>,
    /// The environment, where rows are grouped by it.
    environment: Option<String>,
    /// Median changes a deployment. Null where no deployment shipped a known change.
    #[schema(example = 3.0)]
    value: Option<f64>,
    /// 25th percentile.
    p25: Option<f64>,
    /// 75th percentile.
    p75: Option<f64>,
    /// 90th percentile.
    p90: Option<f64>,
    /// Largest.
    max: Option<f64>,
    /// Deployments that shipped at least one known change.
    #[schema(example = 12)]
    n: u64,
    /// Deployments that shipped none that is known.
    n_without: u64,
    /// Whether `n` is large enough for `value` to mean something.
    enough_data: bool,
}

/// What the rows are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BatchSizeMeta {
    #[serde(flatten)]
    meta: Meta,
    /// What is counted and what is left out.
    definition: String,
}

/// Batch sizes over time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct BatchSizes {
    data: Vec<BatchSizeRow>,
    meta: BatchSizeMeta,
}

/// Changes a deployment, over time
#[utoipa::path(get, path = "/api/v1/flow/batch-size", tag = "Flow", params(QuestionParams), responses(
    (status = 200, description = "One row a bucket and group, in order of time", body = BatchSizes),
))]
pub(crate) async fn batch_size(
    reader: Reader,
    State(api): State<Api>,
    Query(asked, _): Query<QuestionParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = asked.question(&api, &reader)?;
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.batch_size(&question).await }).await
}

/// A change that waits.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnshippedRow {
    /// The service that it waits to ship in.
    #[schema(example = "checkout")]
    service: String,
    /// Id of the change.
    change: String,
    /// First line of its message.
    title: Option<String>,
    /// Repository.
    repository: Option<String>,
    /// Its pull request.
    pull_request: Option<String>,
    /// When it was merged, or where nobody told that, written.
    #[schema(example = "2026-10-01T09:30:00Z")]
    waiting_since: String,
    /// Seconds from then to the end of the period.
    #[schema(example = 172_800.0)]
    age_seconds: f64,
    /// Where to look at it.
    url: Option<String>,
}

/// What waits, all in all.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct UnshippedMeta {
    #[serde(flatten)]
    meta: Meta,
    /// How many changes wait.
    n: u64,
    /// Median age in seconds at the end of the period.
    age_p50: Option<f64>,
    /// 75th percentile of the ages.
    age_p75: Option<f64>,
    /// 90th percentile of the ages.
    age_p90: Option<f64>,
    /// The highest age.
    age_max: Option<f64>,
}

/// Changes that wait.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Unshipped {
    data: Vec<UnshippedRow>,
    meta: UnshippedMeta,
}

/// Changes that have not shipped, the oldest first
///
/// Merged in the period and in no production deployment that is known today. Services that were never
/// deployed are left out: nobody knows that anything waits there.
#[utoipa::path(get, path = "/api/v1/flow/unshipped", tag = "Flow", params(ListParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Unshipped),
))]
pub(crate) async fn unshipped(
    reader: Reader,
    State(api): State<Api>,
    Query(asked, page): ListQuery,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = asked.question(&api, &reader)?;
    let page = page.page()?;
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.unshipped(&question, &page).await }).await
}

/// An environment on the way to users.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RungRow {
    /// Its name.
    #[schema(example = "staging")]
    environment: String,
    /// `production`, `staging`, `testing`, `development` or `other`.
    #[schema(example = "staging")]
    tier: String,
    /// Successful deployments to it in the period.
    n_deployments: u64,
    /// Changes that reached it in the period.
    n: u64,
    /// Whether `n` is large enough for the percentiles to mean something.
    enough_data: bool,
    /// Median seconds from commit to the first deployment there.
    #[schema(example = 7_200.0)]
    p50: Option<f64>,
    /// 90th percentile of the same.
    p90: Option<f64>,
    /// The environment after it; null for the last.
    #[schema(example = "production")]
    next_environment: Option<String>,
    /// Median seconds from the arrival there to the arrival in the next, of changes that reached the next in the period.
    wait_p50: Option<f64>,
    /// 90th percentile of the same.
    wait_p90: Option<f64>,
    /// Changes that were seen in both, in this order.
    n_wait: u64,
}

/// The ladder of environments
///
/// How long changes take from commit to each environment, and wait in each for the next. Found by the rules that find
/// what ships: listed, reachable, or by time. Needs `service` or `team`, with at most 50 services.
#[utoipa::path(get, path = "/api/v1/flow/ladder", tag = "Flow", params(PeriodParams), responses(
    (status = 200, description = "One row an environment, the farthest from users first", body = Rows<RungRow>),
))]
pub(crate) async fn ladder(
    reader: Reader,
    State(api): State<Api>,
    Query(asked, _): Query<PeriodParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = asked.question(&api, &reader)?;
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.ladder(&question).await }).await
}
