//! The parameters of what is asked about a whole period, not cut into buckets.

use dorado_query::{Asked, Question};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::Reader;
use crate::api::Api;
use crate::problem::Problem;

/// Which rows of which period.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PeriodParams {
    /// Start of the period: RFC 3339, a date, or epoch seconds or milliseconds. Default: 90 days before `to`.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-08-01")]
    from: Option<String>,
    /// End of the period, not part of it. Default: now.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-11-01T00:00:00Z")]
    to: Option<String>,
    /// IANA time zone of dates in `from` and `to`. Default: `UTC`.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
    /// Only these services; repeated or comma-separated.
    #[serde(default)]
    #[param(example = json!(["checkout"]))]
    service: Vec<String>,
    /// Only services of these teams and of the teams below them.
    #[serde(default)]
    team: Vec<String>,
    /// Only these repositories.
    #[serde(default)]
    repository: Vec<String>,
    /// Only these production environments.
    #[serde(default)]
    environment: Vec<String>,
}

impl PeriodParams {
    pub(crate) fn question(self, api: &Api, reader: &Reader) -> Result<Question, Problem> {
        let asked = Asked {
            from: self.from,
            to: self.to,
            bucket: Some("all".to_owned()),
            tz: self.tz,
            service: self.service,
            team: self.team,
            repository: self.repository,
            environment: self.environment,
            ..Asked::default()
        };
        Ok(Question::new(&asked, reader.audience.clone(), api.end_of_minute())?)
    }
}
