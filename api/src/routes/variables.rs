//! `/api/v1/variables/{name}`: the names that another tool's dashboard chooses from.

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::{Path, Query};
use crate::names::{Names, names_of};
use crate::problem::{Kind, Problem};

/// A name to choose.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Variable {
    /// What is shown.
    #[serde(rename = "__text")]
    #[schema(example = "payments")]
    text: String,
    /// What is meant.
    #[serde(rename = "__value")]
    #[schema(example = "payments")]
    value: String,
}

/// The names.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Variables {
    data: Vec<Variable>,
    meta: serde_json::Map<String, serde_json::Value>,
}

/// Which names.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct VariableParams {
    /// Only services and repositories of these teams and of the teams below them; repeated or comma-separated.
    #[serde(default)]
    team: Vec<String>,
}

/// Names of teams, services, environments or repositories, for a dashboard's variable; ten thousand at most
#[utoipa::path(get, path = "/api/v1/variables/{name}", tag = "Lists",
    params(("name" = String, Path, description = "`teams`, `services`, `environments` or `repositories`", example = "teams"), VariableParams),
    responses(
        (status = 200, description = "The names, in their order", body = Variables),
        (status = 404, description = "No such names", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn variables(
    reader: Reader,
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(asked, _): Query<VariableParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let which = Names::of(&name).ok_or_else(|| {
        Problem::new(Kind::NotFound, "there are no such names")
            .parameter("name")
            .value(&name)
            .expected("one of teams, services, environments, repositories")
    })?;
    let names = names_of(&api, &reader, which, asked.team).await?;
    let rows: Vec<Variable> = names.into_iter().map(|name| Variable { text: name.clone(), value: name }).collect();
    wanted.rows(&rows)
}
