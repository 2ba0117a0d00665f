//! `/api/v1/environments`.

use axum::extract::State;
use axum::response::Response;
use dorado_query::List;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::problem::Problem;
use crate::routes::list::{ListParams, ListQuery};
use crate::routes::question::{PageParams, Rows};

/// An environment.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct EnvironmentRow {
    /// Its name, as its source gives it.
    #[schema(example = "production")]
    environment: String,
    /// `production`, `staging`, `testing`, `development` or `other`.
    #[schema(example = "production")]
    tier: String,
    /// Deployments to it.
    n_deployments: u64,
}

/// Environments
#[utoipa::path(get, path = "/api/v1/environments", tag = "Lists", params(ListParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Rows<EnvironmentRow>),
))]
pub(crate) async fn environments(
    reader: Reader,
    State(api): State<Api>,
    query: ListQuery,
    wanted: Wanted,
) -> Result<Response, Problem> {
    api.list(List::Environments, reader, query, wanted).await
}
