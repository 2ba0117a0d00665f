//! Datadog's DORA API: deployments, failures, what became of a deployment, and lists of what was posted.

use axum::Json;
use axum::extract::State;
use dorado_ingest::Source;
use http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::bodies::{
    Datadog, DatadogDeployment, DatadogFailure, DatadogSearch, DatadogVerdict, DatadogVerdictByVersion,
};
use super::search::{Search, Seeker, Wanted};
use super::{hand_on, hand_on_shaped, shape};
use crate::access::{Caller, Credential, Visit, token_needed};
use crate::api::Api;
use crate::extract::{Body, Path};
use crate::problem::{Kind, Problem};
use crate::taking::authenticate;

/// One event, by its id.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Posted {
    data: PostedEvent,
}

/// What names an event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PostedEvent {
    /// Its id: as posted, else made of its content.
    #[schema(example = "deployment-20260302-1")]
    id: String,
    /// `dora_deployment` or `dora_failure`.
    r#type: &'static str,
}

/// Events with what was posted of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Found {
    /// The events, newest first.
    data: Vec<FoundEvent>,
}

/// One event with what was posted of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundOne {
    data: FoundEvent,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct FoundEvent {
    /// Its id.
    pub(super) id: String,
    /// `dora_deployment` or `dora_failure`.
    pub(super) r#type: &'static str,
    /// Service, times and the rest.
    #[schema(value_type = Object)]
    pub(super) attributes: Value,
}

/// What stands around what is asked.
#[derive(Debug, Deserialize)]
struct Request<T> {
    data: RequestData<T>,
}

#[derive(Debug, Deserialize)]
struct RequestData<T> {
    attributes: T,
}

/// A deployment by what was deployed where.
#[derive(Debug, Deserialize)]
struct Version {
    service: String,
    env: String,
    version: String,
}

/// Takes a deployment as it is posted to Datadog
#[utoipa::path(post, operation_id = "datadog_deployment", path = "/api/v2/dora/deployment", tag = "Compatibility",
    request_body(content = Datadog<DatadogDeployment>, description = "What Datadog's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Posted),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn deployment(State(api): State<Api>, body: Body) -> Result<Json<Posted>, Problem> {
    posted(&api, body, "datadog_deployment", "deployment", "dora_deployment").await
}

/// Takes a failure as it is posted to Datadog
#[utoipa::path(post, operation_id = "datadog_failure", path = "/api/v2/dora/failure", tag = "Compatibility",
    request_body(content = Datadog<DatadogFailure>, description = "What Datadog's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Posted),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn failure(State(api): State<Api>, body: Body) -> Result<Json<Posted>, Problem> {
    posted(&api, body, "datadog_failure", "failure", "dora_failure").await
}

/// Takes a failure as it was posted to Datadog before
#[utoipa::path(post, operation_id = "datadog_incident", path = "/api/v2/dora/incident", tag = "Compatibility",
    request_body(content = Datadog<DatadogFailure>, description = "What Datadog's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Posted),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn incident(State(api): State<Api>, body: Body) -> Result<Json<Posted>, Problem> {
    posted(&api, body, "datadog_failure", "failure", "dora_failure").await
}

/// Takes that a deployment failed or not, and what remedied it, as it is posted to Datadog
#[utoipa::path(patch, operation_id = "datadog_patch", path = "/api/v2/dora/deployments/{id}", tag = "Compatibility",
    params(("id" = String, Path, description = "Id of the deployment", example = "deployment-20260302-1")),
    request_body(content = Datadog<DatadogVerdict>, description = "What Datadog's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Posted),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn patch(State(api): State<Api>, Path(id): Path<String>, body: Body) -> Result<Json<Posted>, Problem> {
    posted(&api, body, "datadog_patch", &format!("deployments/{id}"), "dora_deployment").await
}

/// The same for the latest deployment of a service, environment and version
#[utoipa::path(patch, operation_id = "datadog_patch_by_version", path = "/api/v2/dora/deployments", tag = "Compatibility",
    request_body(content = Datadog<DatadogVerdictByVersion>, description = "What Datadog's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "It is kept", body = Posted),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "No such deployment was posted", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn patch_by_version(
    State(api): State<Api>,
    visit: Visit,
    body: Body,
) -> Result<Json<Posted>, Problem> {
    let seeker = seeker(&api, &visit, &body).await?;
    let Version { service, env, version } = read("datadog_patch_by_version", &body)?;
    let nothing = || Problem::new(Kind::NotFound, "no such deployment was posted").parameter("version").value(&version);
    let search = Search::of_version(service, env, version.clone());
    let found = search.events(&api, Wanted::Deployments, seeker).await?;
    let id = found.into_iter().next().ok_or_else(nothing)?.id;
    posted(&api, body, "datadog_patch", &format!("deployments/{id}"), "dora_deployment").await
}

/// Deletes a deployment that was posted as to Datadog
///
/// From now on it counts nowhere, whether or not it has arrived yet.
#[utoipa::path(delete, operation_id = "datadog_delete_deployment", path = "/api/v2/dora/deployment/{id}", tag = "Compatibility",
    params(("id" = String, Path, description = "Its id", example = "deployment-20260302-1")),
    responses(
        (status = 202, description = "That is kept"),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn delete_deployment(
    State(api): State<Api>,
    Path(id): Path<String>,
    visit: Visit,
    body: Body,
) -> Result<StatusCode, Problem> {
    delete(&api, &visit, body, &format!("deployment/{id}")).await
}

/// Deletes a failure that was posted as to Datadog
///
/// From now on it counts nowhere, whether or not it has arrived yet.
#[utoipa::path(delete, operation_id = "datadog_delete_failure", path = "/api/v2/dora/failure/{id}", tag = "Compatibility",
    params(("id" = String, Path, description = "Its id", example = "incident-20260302-1")),
    responses(
        (status = 202, description = "That is kept"),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn delete_failure(
    State(api): State<Api>,
    Path(id): Path<String>,
    visit: Visit,
    body: Body,
) -> Result<StatusCode, Problem> {
    delete(&api, &visit, body, &format!("failure/{id}")).await
}

/// Lists deployments that were posted as to Datadog
#[utoipa::path(post, operation_id = "datadog_deployments", path = "/api/v2/dora/deployments", tag = "Compatibility",
    request_body(content = Datadog<DatadogSearch>, description = "What Datadog's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "They, newest first", body = Found),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn deployments(State(api): State<Api>, visit: Visit, body: Body) -> Result<Json<Found>, Problem> {
    search(&api, visit, body, Wanted::Deployments).await
}

/// Lists failures that were posted as to Datadog
#[utoipa::path(post, operation_id = "datadog_failures", path = "/api/v2/dora/failures", tag = "Compatibility",
    request_body(content = Datadog<DatadogSearch>, description = "What Datadog's documentation says", content_type = "application/json"),
    responses(
        (status = 200, description = "They, newest first", body = Found),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn failures(State(api): State<Api>, visit: Visit, body: Body) -> Result<Json<Found>, Problem> {
    search(&api, visit, body, Wanted::Failures).await
}

/// One deployment that was posted as to Datadog
#[utoipa::path(get, operation_id = "datadog_one_deployment", path = "/api/v2/dora/deployments/{id}", tag = "Compatibility",
    params(("id" = String, Path, description = "Its id", example = "deployment-20260302-1")),
    responses(
        (status = 200, description = "It", body = FoundOne),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "It was not posted", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn one_deployment(
    State(api): State<Api>,
    Path(id): Path<String>,
    visit: Visit,
    body: Body,
) -> Result<Json<FoundOne>, Problem> {
    one(&api, visit, body, Wanted::Deployments, id).await
}

/// One failure that was posted as to Datadog
#[utoipa::path(get, operation_id = "datadog_one_failure", path = "/api/v2/dora/failures/{id}", tag = "Compatibility",
    params(("id" = String, Path, description = "Its id", example = "incident-20260302-1")),
    responses(
        (status = 200, description = "It", body = FoundOne),
        (status = 401, description = "Not connected, or without its key", body = Problem,
            content_type = "application/problem+json"),
        (status = 404, description = "It was not posted", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn one_failure(
    State(api): State<Api>,
    Path(id): Path<String>,
    visit: Visit,
    body: Body,
) -> Result<Json<FoundOne>, Problem> {
    one(&api, visit, body, Wanted::Failures, id).await
}

fn is_datadog(source: &dyn Source) -> bool {
    source.name() == "datadog"
}

async fn posted(
    api: &Api,
    body: Body,
    operation: &str,
    posted_to: &str,
    kind: &'static str,
) -> Result<Json<Posted>, Problem> {
    let taken = hand_on_shaped(api, body, operation, posted_to, is_datadog).await?;
    let Some(fact) = taken.facts.into_iter().next() else {
        return Err(Problem::new(Kind::InvalidBody, taken.ignored.unwrap_or_default()).parameter("body"));
    };
    Ok(Json(Posted { data: PostedEvent { id: fact.id, r#type: kind } }))
}

async fn delete(api: &Api, visit: &Visit, body: Body, what: &str) -> Result<StatusCode, Problem> {
    seeker(api, visit, &body).await?;
    // What stands in the body of such a call says nothing.
    hand_on(api, Body { bytes: bytes::Bytes::new(), ..body }, what, is_datadog).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Who may post with `DD-API-KEY`, and may read as this machine may, or with a token in `DD-APPLICATION-KEY`.
async fn seeker(api: &Api, visit: &Visit, body: &Body) -> Result<Seeker, Problem> {
    let source = authenticate(api, body, is_datadog).await?;
    let key = body.headers.get("dd-application-key").and_then(|key| key.to_str().ok());
    let audience = match (visit.caller.audience(), key) {
        (Some(audience), _) => Some(audience),
        (None, Some(key)) => {
            let grant = api.grant(&Credential::of_token(key.trim())).await?;
            grant.and_then(|grant| Caller::Holder(grant).audience())
        }
        (None, None) => None,
    };
    let audience = audience.ok_or_else(|| token_needed("the application key is no token that may read"))?;
    Ok(Seeker { source, audience })
}

async fn search(api: &Api, visit: Visit, body: Body, wanted: Wanted) -> Result<Json<Found>, Problem> {
    let seeker = seeker(api, &visit, &body).await?;
    let search: Search = read("datadog_deployments", &body)?;
    let data = search.events(api, wanted, seeker).await?;
    Ok(Json(Found { data }))
}

/// The attributes of a body that has the shape of its operation.
fn read<T: DeserializeOwned>(operation: &str, body: &Body) -> Result<T, Problem> {
    shape::check(operation, body)?;
    let request: Request<T> = serde_json::from_slice(&body.bytes).map_err(|error| {
        Problem::new(Kind::InvalidBody, format!("the body is not what is posted here: {error}")).parameter("body")
    })?;
    Ok(request.data.attributes)
}

async fn one(api: &Api, visit: Visit, body: Body, wanted: Wanted, id: String) -> Result<Json<FoundOne>, Problem> {
    let seeker = seeker(api, &visit, &body).await?;
    let search = Search::of_id(id.clone());
    let data = search.events(api, wanted, seeker).await?.into_iter().next();
    let nothing = || Problem::new(Kind::NotFound, "no such event was posted").parameter("id").value(id);
    Ok(Json(FoundOne { data: data.ok_or_else(nothing)? }))
}
