//! `/api/v1/data-quality`: what is missing in the data, and what to do about it.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::Query;
use crate::problem::Problem;
use crate::routes::period::PeriodParams;
use crate::routes::question::Rows;

/// How much of one thing is as it should be.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct QualityRow {
    /// Id of the check.
    #[schema(example = "deployment_revision")]
    check: String,
    /// What should be.
    #[schema(example = "Deployments that say which commit they put live")]
    title: String,
    /// The source that it is about; null where it is about all.
    subject: Option<String>,
    /// The share that is as it should be, from 0 to 1. Null where there is nothing of it.
    #[schema(example = 0.85)]
    value: Option<f64>,
    /// How many are as they should be; of a source's lag, seconds.
    #[schema(example = 340.0)]
    numerator: Option<f64>,
    /// Out of how many.
    #[schema(example = 400.0)]
    denominator: Option<f64>,
    /// `ratio` or `seconds`.
    #[schema(example = "ratio")]
    unit: String,
    /// From 0 to 1: how much the numbers lose by what is missing.
    #[schema(example = 0.135)]
    weight: f64,
    /// What to do; null where there is nothing to do.
    advice: Option<String>,
}

/// What is missing in the data
///
/// One row a check, and one a source. What costs the numbers most comes first.
#[utoipa::path(get, path = "/api/v1/data-quality", tag = "Metrics", params(PeriodParams), responses(
    (status = 200, description = "The checks, the gravest first", body = Rows<QualityRow>),
))]
pub(crate) async fn data_quality(
    reader: Reader,
    State(api): State<Api>,
    Query(asked, _): Query<PeriodParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = asked.question(&api, &reader)?;
    let now = api.end_of_minute();
    // The lag of a source grows while nothing else changes.
    let mut about = question.clone();
    about.to = now;
    api.answer(&wanted, &about, move |engine| async move { engine.data_quality(&question, now).await }).await
}
