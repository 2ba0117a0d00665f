//! `/api/v1/teams`.

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

/// A team.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct TeamRow {
    /// Its name.
    #[schema(example = "payments")]
    team: String,
    /// The team above it.
    parent: Option<String>,
    /// Services that it or a team below it owns.
    n_services: u64,
}

/// Teams
#[utoipa::path(get, path = "/api/v1/teams", tag = "Lists", params(ListParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Rows<TeamRow>),
))]
pub(crate) async fn teams(
    reader: Reader,
    State(api): State<Api>,
    query: ListQuery,
    wanted: Wanted,
) -> Result<Response, Problem> {
    api.list(List::Teams, reader, query, wanted).await
}
