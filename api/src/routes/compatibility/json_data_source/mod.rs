//! The protocol of Grafana's JSON data source (simpod's plug-in, and the older SimpleJson): what a dashboard asks,
//! answered by the same questions as everything else. Shapes: the plug-in's README and its `openapi.yaml`.

mod query;
mod request;
mod target;

use axum::Json;
use axum::extract::State;
use axum::routing::get;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::request::{
    AnnotationRequest, KeyRequest, MetricsRequest, OptionsRequest, QueryRequest, SearchRequest, VariableRequest,
};
use self::target::{TARGETS, Target};
use crate::access::Reader;
use crate::api::Api;
use crate::extract::{Body, Nothing, Query};
use crate::names::{Names, names};
use crate::problem::Problem;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(test))
        .routes(routes!(metrics))
        .routes(routes!(options))
        .routes(routes!(query))
        .routes(routes!(variable))
        .routes(routes!(tag_keys))
        .routes(routes!(tag_values))
        .routes(routes!(search))
        .routes(routes!(annotations))
        .route("/grafana/", get(test))
}

/// Whether the data source is there
#[utoipa::path(get, operation_id = "grafana_test", path = "/grafana", tag = "Compatibility", responses(
    (status = 200, description = "It is", body = Value),
))]
pub(crate) async fn test(_: Reader, _: Query<Nothing>) -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// What can be asked, with the fields of its form
#[utoipa::path(post, operation_id = "grafana_metrics", path = "/grafana/metrics", tag = "Compatibility", request_body(content = MetricsRequest, content_type = "application/json"), responses(
    (status = 200, description = "The targets", body = Value),
))]
pub(crate) async fn metrics(_: Reader, body: Body) -> Result<Json<Value>, Problem> {
    let MetricsRequest {} = request::read(&body)?;
    let described = TARGETS
        .iter()
        .map(|target| json!({"label": target.title(), "value": target.id(), "payloads": target.payloads()}));
    Ok(Json(described.collect()))
}

/// The values that a field of the form may have
#[utoipa::path(post, operation_id = "grafana_options", path = "/grafana/metric-payload-options", tag = "Compatibility", request_body(content = OptionsRequest, content_type = "application/json"),
    responses((status = 200, description = "Labels and values", body = Value)))]
pub(crate) async fn options(reader: Reader, State(api): State<Api>, body: Body) -> Result<Json<Value>, Problem> {
    let asked: OptionsRequest = request::read(&body)?;
    let values = if let Some(which) = Names::of(&asked.name) {
        names(&api, &reader, which).await?
    } else {
        let target = asked.metric.as_deref().and_then(Target::find);
        target.map_or_else(Vec::new, |target| target.options(&asked.name))
    };
    Ok(Json(values.iter().map(|value| json!({"label": value, "value": value})).collect()))
}

/// Answers the panels of a dashboard
#[utoipa::path(post, operation_id = "grafana_query", path = "/grafana/query", tag = "Compatibility", request_body(content = QueryRequest, content_type = "application/json"), responses(
    (status = 200, description = "Time series, tables and frames, each with the `refId` that asked for it", body = Value),
))]
pub(crate) async fn query(reader: Reader, State(api): State<Api>, body: Body) -> Result<Json<Value>, Problem> {
    let asked: QueryRequest = request::read(&body)?;
    Ok(Json(Value::Array(query::answers(&api, &reader, &asked).await?)))
}

/// The values of a dashboard's variable
#[utoipa::path(post, operation_id = "grafana_variable", path = "/grafana/variable", tag = "Compatibility", request_body(content = VariableRequest, content_type = "application/json"), responses(
    (status = 200, description = "Texts and values", body = Value),
))]
pub(crate) async fn variable(reader: Reader, State(api): State<Api>, body: Body) -> Result<Json<Value>, Problem> {
    let asked: VariableRequest = request::read(&body)?;
    // A variable that somebody is still editing names nothing yet.
    let Some(name) = asked.name().filter(|name| !name.is_empty()) else { return Ok(Json(json!([]))) };
    let which = Names::asked(name)?;
    let values = names(&api, &reader, which).await?;
    Ok(Json(values.iter().map(|value| json!({"__text": value, "__value": value})).collect()))
}

/// What dashboards may be filtered by
#[utoipa::path(post, operation_id = "grafana_tag_keys", path = "/grafana/tag-keys", tag = "Compatibility", request_body(content = MetricsRequest, content_type = "application/json"), responses(
    (status = 200, description = "The keys", body = Value),
))]
pub(crate) async fn tag_keys(_: Reader, body: Body) -> Result<Json<Value>, Problem> {
    let MetricsRequest {} = request::read(&body)?;
    Ok(Json(Names::ALL.iter().map(|names| json!({"type": "string", "text": names.key()})).collect()))
}

/// The values of one such key
#[utoipa::path(post, operation_id = "grafana_tag_values", path = "/grafana/tag-values", tag = "Compatibility", request_body = KeyRequest, responses(
    (status = 200, description = "The values", body = Value),
))]
pub(crate) async fn tag_values(reader: Reader, State(api): State<Api>, body: Body) -> Result<Json<Value>, Problem> {
    let asked: KeyRequest = request::read(&body)?;
    let values = names(&api, &reader, Names::asked(&asked.key)?).await?;
    Ok(Json(values.iter().map(|value| json!({"text": value})).collect()))
}

/// What can be asked, for older clients
#[utoipa::path(post, operation_id = "grafana_search", path = "/grafana/search", tag = "Compatibility", request_body(content = SearchRequest, content_type = "application/json"), responses(
    (status = 200, description = "Ids of targets", body = Vec<String>),
))]
pub(crate) async fn search(_: Reader, body: Body) -> Result<Json<Value>, Problem> {
    let asked: SearchRequest = request::read(&body)?;
    let part = asked.target.unwrap_or_default().to_lowercase();
    Ok(Json(TARGETS.iter().map(Target::id).filter(|id| id.contains(&part)).collect()))
}

/// Deployments, failures or incidents as annotations, for older clients
#[utoipa::path(post, operation_id = "grafana_annotations", path = "/grafana/annotations", tag = "Compatibility", request_body(content = AnnotationRequest, content_type = "application/json"), responses(
    (status = 200, description = "The annotations", body = Value),
))]
pub(crate) async fn annotations(reader: Reader, State(api): State<Api>, body: Body) -> Result<Json<Value>, Problem> {
    let asked: AnnotationRequest = request::read(&body)?;
    Ok(Json(Value::Array(query::annotations(&api, &reader, &asked).await?)))
}
