//! DevLake's webhook API: deployments, issues, pull requests, and the closing of an issue.

use axum::Json;
use axum::extract::State;
use dorado_ingest::Source;

use super::bodies::{DevlakeDeployments, DevlakeIssues, DevlakePullRequest};
use super::{hand_on, hand_on_shaped};
use crate::api::Api;
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem};
use crate::taking::Taken;

/// Takes a deployment as it is posted to DevLake
#[utoipa::path(post, operation_id = "devlake_deployments", path = "/api/plugins/webhook/connections/{connection}/deployments", tag = "Compatibility",
    params(("connection" = String, Path, description = "DevLake's connection", example = "1")),
    request_body(content = DevlakeDeployments, description = "What DevLake's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Taken),
        (status = 401, description = "Not connected, or without its token", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn deployments(
    State(api): State<Api>,
    Path(connection): Path<String>,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    posted(&api, &connection, "deployments", body).await
}

/// Takes an issue as it is posted to DevLake; one of type `INCIDENT` is an incident
#[utoipa::path(post, operation_id = "devlake_issues", path = "/api/plugins/webhook/connections/{connection}/issues", tag = "Compatibility",
    params(("connection" = String, Path, description = "DevLake's connection", example = "1")),
    request_body(content = DevlakeIssues, description = "What DevLake's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Taken),
        (status = 401, description = "Not connected, or without its token", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn issues(
    State(api): State<Api>,
    Path(connection): Path<String>,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    posted(&api, &connection, "issues", body).await
}

/// Takes a pull request as it is posted to DevLake
#[utoipa::path(post, operation_id = "devlake_pull_requests", path = "/api/plugins/webhook/connections/{connection}/pull_requests", tag = "Compatibility",
    params(("connection" = String, Path, description = "DevLake's connection", example = "1")),
    request_body(content = DevlakePullRequest, description = "What DevLake's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Taken),
        (status = 401, description = "Not connected, or without its token", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn pull_requests(
    State(api): State<Api>,
    Path(connection): Path<String>,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    posted(&api, &connection, "pull_requests", body).await
}

/// Takes the closing of an issue as it is posted to DevLake
#[utoipa::path(post, operation_id = "devlake_close", path = "/api/plugins/webhook/connections/{connection}/issue/{key}/close", tag = "Compatibility",
    params(("connection" = String, Path, description = "DevLake's connection", example = "1"),
        ("key" = String, Path, description = "The issue's key", pattern = "^[^/]+$", example = "DLK-1234")),
    responses(
        (status = 200, description = "It is kept", body = Taken),
        (status = 401, description = "Not connected, or without its token", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn close(
    State(api): State<Api>,
    Path((connection, key)): Path<(String, String)>,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    posted(&api, &connection, &format!("issue/{key}/close"), body).await
}

/// The same under DevLake's other addresses: with `connections/by-name/{name}`, or without `connections`.
pub(crate) async fn elsewhere(
    State(api): State<Api>,
    Path(path): Path<String>,
    body: Body,
) -> Result<Json<Taken>, Problem> {
    let segments: Vec<&str> = path.split('/').collect();
    let segments = match segments[..] {
        ["connections", "by-name", ref rest @ ..] | ["connections", ref rest @ ..] => rest,
        ref all => all,
    };
    match segments {
        [connection, what @ ("deployments" | "issues" | "pull_requests" | "pullrequests")]
        | [connection, what @ "issue", _, "close"] => {
            let rest = if *what == "issue" { segments[1..].join("/") } else { (*what).to_owned() };
            posted(&api, connection, &rest, body).await
        }
        _ => Err(Problem::new(Kind::NotFound, "nothing is posted here")
            .parameter("path")
            .value(path)
            .expected("connections/{connection}/ and deployments, issues, pull_requests or issue/{key}/close")),
    }
}

/// For the connection of that name, else for the one that has none and takes all.
async fn posted(api: &Api, connection: &str, what: &str, body: Body) -> Result<Json<Taken>, Problem> {
    let is_devlake = |source: &dyn Source| source.name() == "devlake";
    let is_named = api.sources().iter().any(|source| is_devlake(source.as_ref()) && source.connection() == connection);
    let wanted = if is_named { connection } else { "" };
    let posted_to = format!("{connection}/{what}");
    let fits = |source: &dyn Source| is_devlake(source) && source.connection() == wanted;
    let operation = match what {
        "deployments" => "devlake_deployments",
        "issues" => "devlake_issues",
        "pull_requests" | "pullrequests" => "devlake_pull_requests",
        // A closing has no body.
        _ => return hand_on(api, body, &posted_to, fits).await.map(Json),
    };
    hand_on_shaped(api, body, operation, &posted_to, fits).await.map(Json)
}
