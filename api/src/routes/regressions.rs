//! `/api/v1/regressions`: which services' changes take longer than in the period before.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::Query;
use crate::problem::{Kind, Problem};
use crate::routes::period::PeriodParams;
use crate::routes::question::Meta;

/// How many.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct RegressionParams {
    /// Services at most.
    #[param(minimum = 1, maximum = 100, default = 20, example = 20)]
    limit: Option<usize>,
}

/// A service whose lead time rose.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RegressionRow {
    /// The service.
    #[schema(example = "checkout")]
    service: String,
    /// The team that owns it.
    team: Option<String>,
    /// Median lead time in seconds.
    #[schema(example = 345_600.0)]
    value: f64,
    /// Median lead time of the period before.
    #[schema(example = 86_400.0)]
    previous_value: f64,
    /// Changes.
    n: u64,
    /// Changes of the period before.
    previous_n: u64,
    /// Hodges–Lehmann shift in seconds: by how much a change takes longer.
    #[schema(example = 201_600.0)]
    shift: f64,
    /// Lower end of its 95 % interval.
    shift_low: Option<f64>,
    /// Upper end of its 95 % interval.
    shift_high: Option<f64>,
    /// Mann–Whitney: how likely a change like this is by chance.
    #[schema(example = 0.001)]
    p_value: f64,
    /// `worse`, or `no_clear_change` where ties leave the interval at zero.
    #[schema(example = "worse")]
    verdict: String,
}

/// What was looked at.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct RegressionMeta {
    #[serde(flatten)]
    meta: Meta,
    /// Services with a lead time in either period.
    n_services: u64,
    /// Services that got slower, also beyond `limit`.
    n_slower: u64,
}

/// Services that got slower.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Regressions {
    data: Vec<RegressionRow>,
    meta: RegressionMeta,
}

/// Services whose lead time rose, the worst first
///
/// The period against the one of the same length before. Only services with enough changes in both whose rise is not by
/// chance (p < 0.05).
#[utoipa::path(get, path = "/api/v1/regressions", tag = "Flow", params(RegressionParams, PeriodParams), responses(
    (status = 200, description = "Services that got slower", body = Regressions),
))]
pub(crate) async fn regressions(
    reader: Reader,
    State(api): State<Api>,
    Query(chosen, asked): Query<RegressionParams, PeriodParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let limit = chosen.limit.unwrap_or(20);
    if !(1..=100).contains(&limit) {
        return Err(Problem::new(Kind::InvalidParameter, "an answer has 1 to 100 services")
            .parameter("limit")
            .value(limit.to_string())
            .expected("a whole number from 1 to 100"));
    }
    let question = asked.question(&api, &reader)?;
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.regressions(&question, limit).await }).await
}
