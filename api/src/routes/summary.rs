//! `/api/v1/summary`: all metrics at once, in one pass.

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

/// All metrics over the whole period, and over time.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Summary {
    /// One row a metric, for the whole period.
    data: Vec<SummaryRow>,
    /// One row a metric and bucket.
    series: Vec<SummaryRow>,
    /// What the rows are.
    meta: Meta,
}

/// A metric's row that names its metric.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct SummaryRow {
    /// Id of the metric.
    #[schema(example = "deployment-frequency")]
    metric: String,
    /// Its name for people.
    title: Option<String>,
    /// Unit of `value`.
    unit: Option<String>,
    /// Which way is good.
    better: Option<String>,
    #[serde(flatten)]
    row: MetricRow,
}

/// All metrics at once
#[utoipa::path(get, path = "/api/v1/summary", tag = "Metrics", params(QuestionParams), responses(
    (status = 200, description = "Totals and series of every metric", body = Summary),
))]
pub(crate) async fn summary(
    reader: Reader,
    State(api): State<Api>,
    Query(asked, _): Query<QuestionParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = asked.question(&api, &reader)?;
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.summary(&question).await }).await
}
