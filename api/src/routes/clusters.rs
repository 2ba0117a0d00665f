//! `/api/v1/clusters`: the data beside the clusters of DORA's reports of earlier years, as published.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::Query;
use crate::problem::Problem;
use crate::routes::period::PeriodParams;
use crate::routes::question::Meta;

/// Which report.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ClusterParams {
    /// Year of the report: 2019, 2021, 2023 or 2024. Default: 2024. The report of 2025 has no clusters.
    #[param(pattern = "^(2019|2021|2023|2024)?$", example = "2024")]
    year: Option<String>,
}

/// A metric, and one level of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LevelRow {
    /// Year of the report.
    #[schema(example = 2024)]
    year: u16,
    /// Id of the metric.
    #[schema(example = "change-fail-rate")]
    metric: String,
    /// Its name for people.
    title: Option<String>,
    /// Unit of `value` and of the level's ends.
    #[schema(example = "ratio")]
    unit: String,
    /// The metric over the whole period; of the frequency, deployments a day and service.
    value: Option<f64>,
    /// Rows that it was made from.
    n: u64,
    /// Whether that is enough to say where it falls.
    enough_data: bool,
    /// `elite`, `high`, `medium` or `low`.
    #[schema(example = "high")]
    level: String,
    /// The level in the report's words.
    #[schema(example = "20 %")]
    published: String,
    /// Its lower end; null where it has none.
    at_least: Option<f64>,
    /// Its upper end; null where it has none.
    at_most: Option<f64>,
    /// Whether the report gives one number and no range.
    is_point: bool,
    /// Whether the value is of this level. One value may be of several, or of none. Null where that cannot be said.
    falls_in: Option<bool>,
}

/// What the levels are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClusterMeta {
    #[serde(flatten)]
    meta: Meta,
    /// Year of the report.
    year: u16,
    /// Years that there are.
    years: Vec<u16>,
    /// Services that were deployed in the period.
    n_services: u64,
    /// How measured numbers meet the levels of a survey.
    notes: Vec<String>,
}

/// Levels and what they are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Clusters {
    data: Vec<LevelRow>,
    meta: ClusterMeta,
}

/// The clusters of a report, and where the data falls
///
/// Metric by metric. There is no overall level: metrics disagree, and the reports' levels overlap and leave gaps.
#[utoipa::path(get, path = "/api/v1/clusters", tag = "Metrics", params(ClusterParams, PeriodParams), responses(
    (status = 200, description = "One row a metric and level", body = Clusters),
))]
pub(crate) async fn clusters(
    reader: Reader,
    State(api): State<Api>,
    Query(chosen, period): Query<ClusterParams, PeriodParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = period.question(&api, &reader)?;
    let about = question.clone();
    let year = chosen.year;
    api.answer(&wanted, &about, move |engine| async move { engine.clusters(&question, year.as_deref()).await }).await
}
