//! `/api/v1/quick-check`: DORA's own scores, computed from the data instead of from a survey's answers.

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

/// Whose answers to compare with.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct QuickCheckParams {
    /// An industry of the Quick Check. Default: `all`.
    #[param(example = "financial")]
    industry: Option<String>,
}

/// A metric's score.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ScoreRow {
    /// Id of the metric.
    #[schema(example = "change-lead-time")]
    metric: String,
    /// Its name for people.
    title: Option<String>,
    /// Unit of `value`.
    #[schema(example = "seconds")]
    unit: String,
    /// The metric over the whole period; of the frequency, deployments a day and service.
    #[schema(example = 93_600.0)]
    value: Option<f64>,
    /// Rows that it was made from.
    n: u64,
    /// Whether that is enough for a score.
    enough_data: bool,
    /// The class of the Quick Check, 6 best. Null without enough data, and of rates, which have none.
    #[schema(example = 4)]
    class: Option<u8>,
    /// The class in words.
    class_title: Option<String>,
    /// From 0 to 10, 10 best; null without enough data.
    #[schema(example = 6.0)]
    score: Option<f64>,
    /// Mean score of the industry.
    industry_mean: f64,
    /// Its standard deviation.
    industry_sd: f64,
}

/// An industry.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct IndustryRow {
    /// Its id, as `industry` takes it.
    id: String,
    /// Its name.
    title: String,
}

/// A class of the Quick Check.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ClassRow {
    /// Id of the metric.
    metric: String,
    /// The class.
    class: u8,
    /// In words.
    title: String,
    /// The score that it gives.
    score: f64,
    /// Smallest value, in the unit of the metric's row; null where it has no lower end.
    at_least: Option<f64>,
    /// Largest value; null where it has no upper end.
    at_most: Option<f64>,
}

/// What the scores are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuickCheckMeta {
    #[serde(flatten)]
    meta: Meta,
    /// Edition of the Quick Check.
    edition: String,
    /// The industry compared with.
    industry: String,
    /// Its name.
    industry_title: String,
    /// Every industry that there is.
    industries: Vec<IndustryRow>,
    /// Mean of the five scores; null where one is unknown.
    overall: Option<f64>,
    /// Mean of the scores of lead time, frequency and recovery time.
    throughput: Option<f64>,
    /// Mean of the scores of fail rate and rework rate.
    stability: Option<f64>,
    /// Services that were deployed in the period.
    n_services: u64,
    /// Where each class begins and ends.
    classes: Vec<ClassRow>,
    /// How measured numbers meet the classes of a survey.
    notes: Vec<String>,
}

/// Scores and what they are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuickCheck {
    /// Lead time, frequency, recovery time, fail rate, rework rate.
    data: Vec<ScoreRow>,
    meta: QuickCheckMeta,
}

/// DORA's Quick Check, from the data
///
/// Classes and scores of the 2025 edition, beside an industry's mean. DORA asks about one application or
/// service: so should you.
#[utoipa::path(get, path = "/api/v1/quick-check", tag = "Metrics", params(QuickCheckParams, PeriodParams), responses(
    (status = 200, description = "One row a metric", body = QuickCheck),
))]
pub(crate) async fn quick_check(
    reader: Reader,
    State(api): State<Api>,
    Query(chosen, period): Query<QuickCheckParams, PeriodParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = period.question(&api, &reader)?;
    let about = question.clone();
    let industry = chosen.industry;
    api.answer(&wanted, &about, move |engine| async move { engine.quick_check(&question, industry.as_deref()).await })
        .await
}
