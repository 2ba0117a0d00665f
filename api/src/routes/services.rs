//! `/api/v1/services`.

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

/// A service that was deployed, or is configured.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ServiceRow {
    /// Its name.
    #[schema(example = "checkout")]
    service: String,
    /// The team that owns it.
    team: Option<String>,
    /// The repositories that it is built from.
    #[schema(example = "acme/checkout")]
    repository: Option<String>,
    /// Environments that it was deployed to.
    #[schema(example = "production, staging")]
    environments: Option<String>,
    /// Successful production deployments.
    n_deployments: u64,
    /// When the first finished.
    first_deployment_at: Option<String>,
    /// When the latest finished.
    last_deployment_at: Option<String>,
}

/// Services
#[utoipa::path(get, path = "/api/v1/services", tag = "Lists", params(ListParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Rows<ServiceRow>),
))]
pub(crate) async fn services(
    reader: Reader,
    State(api): State<Api>,
    query: ListQuery,
    wanted: Wanted,
) -> Result<Response, Problem> {
    api.list(List::Services, reader, query, wanted).await
}
