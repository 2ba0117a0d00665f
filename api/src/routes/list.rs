//! What all lists have in common.

use axum::response::Response;
use dorado_query::{Asked, List, Question};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::Query;
use crate::problem::Problem;
use crate::routes::question::PageParams;

/// Which entities. Without `from`, from the beginning.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Start of the period: RFC 3339, a date, or epoch seconds or milliseconds. Default: the beginning.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-08-01")]
    from: Option<String>,
    /// End of the period, not part of it. Default: now.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-11-01T00:00:00Z")]
    to: Option<String>,
    /// IANA time zone of dates in `from` and `to`. Default: `UTC`.
    tz: Option<String>,
    /// Only these services; repeated or comma-separated.
    #[serde(default)]
    service: Vec<String>,
    /// Only services of these teams and of the teams below them.
    #[serde(default)]
    team: Vec<String>,
    /// Only these repositories.
    #[serde(default)]
    repository: Vec<String>,
    /// Only these environments.
    #[serde(default)]
    environment: Vec<String>,
}

/// The parameters of a list.
pub(crate) type ListQuery = Query<ListParams, PageParams>;

impl ListParams {
    pub(crate) fn question(self, api: &Api, reader: &Reader) -> Result<Question, Problem> {
        let asked = Asked {
            from: self.from.or_else(|| Some("1970-01-01T00:00:00Z".to_owned())),
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

impl Api {
    /// Answers with a page of a list.
    pub(crate) async fn list(
        &self,
        list: List,
        reader: Reader,
        query: ListQuery,
        wanted: Wanted,
    ) -> Result<Response, Problem> {
        let Query(asked, page) = query;
        let question = asked.question(self, &reader)?;
        let page = page.page()?;
        let about = question.clone();
        self.answer(&wanted, &about, move |engine| async move { engine.list(list, &question, &page).await }).await
    }
}
