//! `/webhooks`: deliveries of the tools that are connected, by the name of the tool and of the connection, by the
//! tool's alone, or by none: then the headers tell whose it is.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dorado_ingest::{Kind, Source};
use http::StatusCode;

use crate::api::Api;
use crate::extract::{Body, Path};
use crate::problem::Problem;
use crate::taking::{Taken, take};

/// Takes a delivery of whichever connected tool its headers show
#[utoipa::path(post, path = "/webhooks", tag = "Deliveries",
    params(("token" = Option<String>, Query, description = "The secret itself, for tools that can neither sign nor send a header")),
    request_body(description = "What the tool sends, signed as its documentation says", content_type = "application/json"),
    responses(
        (status = 202, description = "It is kept", body = Taken),
        (status = 401, description = "Of no connected source, or not signed by it", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn webhook_of_any(State(api): State<Api>, body: Body) -> Result<Response, Problem> {
    let shows = |source: &dyn Source, headers: &[(String, String)]| {
        Kind::of(source.name()).is_some_and(|kind| (kind.recognises)(headers))
    };
    take(&api, body, shows).await.map(accepted)
}

/// Takes a delivery of a connected tool: of that connection of it which authenticates it
#[utoipa::path(post, path = "/webhooks/{source}", tag = "Deliveries",
    params(("source" = String, Path, description = "The source", example = "github"),
        ("token" = Option<String>, Query, description = "The secret itself, for tools that can neither sign nor send a header")),
    request_body(description = "What the tool sends, signed as its documentation says", content_type = "application/json"),
    responses(
        (status = 202, description = "It is kept", body = Taken),
        (status = 401, description = "No such source, or not signed by it", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn webhook(
    State(api): State<Api>,
    Path(source_name): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    take(&api, body, |source, _| source.name() == source_name).await.map(accepted)
}

/// Takes a delivery of one connection of a tool
#[utoipa::path(post, path = "/webhooks/{source}/{connection}", tag = "Deliveries",
    params(("source" = String, Path, description = "The source", example = "github"),
        ("connection" = String, Path, description = "Name of the connection, for who has several", example = "main"),
        ("token" = Option<String>, Query, description = "The secret itself, for tools that can neither sign nor send a header")),
    request_body(description = "What the tool sends, signed as its documentation says", content_type = "application/json"),
    responses(
        (status = 202, description = "It is kept", body = Taken),
        (status = 401, description = "No such source, or not signed by it", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn webhook_of_connection(
    State(api): State<Api>,
    Path((source_name, connection)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    let is_it = |source: &dyn Source| source.name() == source_name && source.connection() == connection;
    take(&api, body, |source, _| is_it(source)).await.map(accepted)
}

fn accepted(taken: Taken) -> Response {
    (StatusCode::ACCEPTED, Json(taken)).into_response()
}
