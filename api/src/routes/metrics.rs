//! `/api/v1/metrics`: which metrics there are, and each over time.

use axum::extract::State;
use axum::response::Response;
use dorado_query::{METRICS, Metric, metric_named};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::{Nothing, Path, Query};
use crate::problem::{Kind, Problem};
use crate::routes::question::{QuestionParams, Rows};

/// A metric and what it counts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MetricInfo {
    /// Its id in addresses.
    #[schema(example = "change-lead-time")]
    id: &'static str,
    /// Its name for people.
    title: &'static str,
    /// What is counted, from when to when, what is left out and why.
    definition: &'static str,
    /// Unit of `value`: `deployments`, `seconds` or `ratio`.
    #[schema(example = "seconds")]
    unit: &'static str,
    /// Which way is good: `higher` or `lower`.
    #[schema(value_type = String, example = "lower")]
    better: dorado_query::Better,
    /// The choices that a reader could question.
    choices: &'static [&'static str],
}

impl From<&Metric> for MetricInfo {
    fn from(metric: &Metric) -> Self {
        let Metric { id, title, definition, unit, better, choices, .. } = *metric;
        Self { id, title, definition, unit, better, choices }
    }
}

/// The metrics, in DORA's order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Catalogue {
    data: Vec<MetricInfo>,
    meta: Map<String, Value>,
}

/// Which metrics there are
#[utoipa::path(get, path = "/api/v1/metrics", tag = "Metrics", responses(
    (status = 200, description = "The metrics, in DORA's order", body = Catalogue),
))]
pub(crate) async fn catalogue(_: Reader, _: Query<Nothing>, wanted: Wanted) -> Result<Response, Problem> {
    wanted.rows(&METRICS.iter().map(MetricInfo::from).collect::<Vec<_>>())
}

/// A metric in one bucket, of one group where groups were asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct MetricRow {
    /// Start of the bucket, with the time zone's offset; a total has none.
    #[schema(example = "2026-08-03T00:00:00+02:00")]
    time: Option<String>,
    /// The service, where rows are grouped by it.
    service: Option<String>,
    /// The team, where rows are grouped by it.
    team: Option<String>,
    /// The repository, where rows are grouped by it.
    repository: Option<String>,
    /// The environment, where rows are grouped by it.
    environment: Option<String>,
    /// The metric: a count, a median in seconds, or a rate from 0 to 1. Null where nothing can be measured.
    #[schema(example = 93_600.0)]
    value: Option<f64>,
    /// Rows that it was made from.
    #[schema(example = 41)]
    n: u64,
    /// Rows that were left out; explain says why.
    n_excluded: Option<u64>,
    /// Of a rate: what is counted.
    numerator: Option<f64>,
    /// Of a rate: out of what; of a count: in how many days.
    denominator: Option<f64>,
    /// Lower end of the 95 % interval.
    low: Option<f64>,
    /// Upper end of the 95 % interval.
    high: Option<f64>,
    /// Whether `n` is large enough for `value` to mean something.
    enough_data: bool,
    /// Of a count: per day.
    #[serde(default)]
    per_day: Option<f64>,
    /// Of a count: share of days with at least one.
    #[serde(default)]
    share_of_days: Option<f64>,
    /// Of a count: median time between two.
    #[serde(default)]
    median_interval_seconds: Option<f64>,
    /// Of the fail rate: counting only what is confirmed.
    #[serde(default)]
    value_confirmed: Option<f64>,
    /// Of the fail rate: failures that are confirmed.
    #[serde(default)]
    n_confirmed: Option<u64>,
    /// Of the recovery time: failures that are not yet recovered.
    #[serde(default)]
    n_open: Option<u64>,
    /// Of durations: 25th percentile.
    #[serde(default)]
    p25: Option<f64>,
    /// Of durations: the median, as `value`.
    #[serde(default)]
    p50: Option<f64>,
    /// Of durations: 75th percentile.
    #[serde(default)]
    p75: Option<f64>,
    /// Of durations: 90th percentile.
    #[serde(default)]
    p90: Option<f64>,
    /// Of durations: 95th percentile.
    #[serde(default)]
    p95: Option<f64>,
    /// Of durations: mean.
    #[serde(default)]
    mean: Option<f64>,
    /// Of durations: shortest.
    #[serde(default)]
    min: Option<f64>,
    /// Of durations: longest.
    #[serde(default)]
    max: Option<f64>,
    /// With `compare=previous`: the value of the period before.
    #[serde(default)]
    previous_value: Option<f64>,
    /// With `compare=previous`: rows of the period before.
    #[serde(default)]
    previous_n: Option<u64>,
    /// With `compare=previous`: `better`, `worse` or `no_clear_change`.
    #[serde(default)]
    verdict: Option<String>,
    /// With `compare=previous`: the change, in the unit of `value`; of a count, as a share of it.
    #[serde(default)]
    shift: Option<f64>,
    /// With `compare=previous`: lower end of its 95 % interval.
    #[serde(default)]
    shift_low: Option<f64>,
    /// With `compare=previous`: upper end of its 95 % interval.
    #[serde(default)]
    shift_high: Option<f64>,
    /// With `compare=previous`: how likely a change like this is by chance, where a test has that.
    #[serde(default)]
    p_value: Option<f64>,
}

/// A metric over time
#[utoipa::path(get, path = "/api/v1/metrics/{id}", tag = "Metrics",
    params(("id" = String, Path, description = "Id of the metric", example = "change-lead-time"), QuestionParams),
    responses(
        (status = 200, description = "One row a bucket and group, in order of time", body = Rows<MetricRow>),
        (status = 404, description = "No such metric", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn series(
    reader: Reader,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(asked, _): Query<QuestionParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let metric = known(&id)?;
    let question = asked.question(&api, &reader)?;
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.series(metric, &question).await }).await
}

pub(crate) fn known(id: &str) -> Result<&'static Metric, Problem> {
    metric_named(id).map_err(|unknown| {
        Problem::new(Kind::NotFound, format!("there is no metric `{id}`"))
            .parameter("id")
            .value(id)
            .expected(unknown.expected)
    })
}
