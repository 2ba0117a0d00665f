//! `/api/v1/stages`: where the time of the changes that shipped had gone.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::Query;
use crate::problem::Problem;
use crate::routes::metrics::MetricRow;
use crate::routes::question::{Meta, QuestionParams};

/// The stages of lead time over time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Stages {
    /// Five rows a bucket and group, in the order in which a change passes the stages.
    data: Vec<StageRow>,
    /// What the rows are.
    meta: StagesMeta,
}

/// A stage in one bucket, of one group where groups were asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StageRow {
    /// `coding`, `pickup`, `review`, `merge` or `deploy`.
    #[schema(example = "pickup")]
    stage: String,
    /// Its name for people.
    title: String,
    #[serde(flatten)]
    row: MetricRow,
}

/// What the rows are, and which changes are in none of them.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct StagesMeta {
    #[serde(flatten)]
    meta: Meta,
    /// Changes that count in lead time and not in a stage.
    left_out: Vec<LeftOut>,
}

/// Why changes are not in a stage.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LeftOut {
    /// The stage; null where they are in none.
    stage: Option<String>,
    /// `no_pull_request`: none is known; `unknown`: when the stage began or ended is not; `negative`: it
    /// ended before it began.
    #[schema(example = "no_pull_request")]
    reason: String,
    /// How many.
    n: u64,
}

/// The stages of lead time
///
/// Of the changes that count in change lead time, as far as their pull requests tell: from the first commit
/// to the opening (`coding`), to the first review (`pickup`), to the approval (`review`), to the merge
/// (`merge`), to running in production (`deploy`). Medians of parts do not add up to the median of the whole.
#[utoipa::path(get, path = "/api/v1/stages", tag = "Metrics", params(QuestionParams), responses(
    (status = 200, description = "One row a bucket, group and stage, in order of time", body = Stages),
))]
pub(crate) async fn stages(
    reader: Reader,
    State(api): State<Api>,
    Query(asked, _): Query<QuestionParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = asked.question(&api, &reader)?;
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.stages(&question).await }).await
}
