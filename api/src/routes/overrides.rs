//! `/api/v1/overrides`: what people decided about a deployment or an incident. A decision is an event like any
//! other: kept durably, translated by the source of events, and taken back by a later one.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dorado_ingest::events;
use dorado_lake::{Delivery, Fact, Override};
use dorado_query::{About, Decision, decision_row};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::access::{Admin, Visit, WholeReader};
use crate::answer::{Tag, Wanted};
use crate::api::Api;
use crate::extract::{Body, Encoded, Nothing, Path, Query};
use crate::problem::{Kind, Problem};
use crate::routes::question::PageParams;

/// A decision. Its schema is that of an event that is an override, as far as it may be said here.
#[derive(Debug, ToSchema)]
pub(crate) struct NewOverride;

/// A decision and what became of it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OverrideRow {
    /// Its id.
    #[schema(example = "3f1c8a52-6f0e-4e0a-9a39-0b1f7f0f6f55")]
    r#override: String,
    /// Source that told it.
    #[schema(example = "events")]
    source: String,
    /// `failed`, `not_failed`, `caused_by` or `not_caused`; `withdrawn` where only that is known.
    #[schema(example = "failed")]
    verdict: String,
    /// The deployment that it is about.
    deployment: Option<String>,
    /// The incident that it is about.
    incident: Option<String>,
    /// Who decided.
    author: String,
    /// Why.
    reason: String,
    /// When.
    decided_at: Option<String>,
    /// Whether it was taken back.
    withdrawn: bool,
    /// When it was taken back.
    withdrawn_at: Option<String>,
    /// By whom.
    withdrawn_by: Option<String>,
    /// Why.
    withdrawn_reason: Option<String>,
}

/// A decision that was just kept.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct KeptOverride {
    #[serde(flatten)]
    row: OverrideRow,
    /// Whether the numbers have it already; else they have it in a moment.
    visible: bool,
}

/// What the rows are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct OverrideMeta {
    /// Version of the tables that the answer was read from.
    table_version: u64,
    /// Every delivery that arrived until then is in the answer.
    complete_through: Option<String>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}

/// Decisions.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Overrides {
    data: Vec<OverrideRow>,
    meta: OverrideMeta,
}

/// Which decisions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OverrideParams {
    /// Only those about this deployment.
    deployment: Option<String>,
    /// Only those about this incident.
    incident: Option<String>,
}

/// Who takes a decision back.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct WithdrawParams {
    /// Who takes it back.
    #[param(required = true, pattern = "\\S", max_length = 512, example = "Ada")]
    author: Option<String>,
    /// Why, in a sentence.
    #[param(pattern = "^$|\\S", example = "It was another deployment.")]
    reason: Option<String>,
    /// The source that told it, where several have told one of this id.
    source: Option<String>,
}

/// Longest reason.
pub(crate) const REASON_AT_MOST: usize = 2_000;

/// What a decision may say.
pub(crate) const DECISION_FIELDS: [&str; 5] = ["verdict", "deployment", "incident", "author", "reason"];

/// What may be decided; DELETE takes it back.
pub(crate) const VERDICTS: [&str; 4] = ["failed", "not_failed", "caused_by", "not_caused"];

/// What people decided, the latest first
#[utoipa::path(get, path = "/api/v1/overrides", tag = "Lists", params(OverrideParams, PageParams), responses(
    (status = 200, description = "A page of them, those that were taken back too; `Link: rel=next` leads to the next", body = Overrides),
))]
pub(crate) async fn overrides(
    _: WholeReader,
    State(api): State<Api>,
    Query(asked, page): Query<OverrideParams, PageParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let about = About { deployment: asked.deployment, incident: asked.incident };
    let page = page.page()?;
    let engine = api.engine().clone();
    let answer = api.on_queries(async move { Ok(engine.overrides(&about, &page).await?) }).await?;
    let body = wanted.format.encode(&answer)?;
    let tag = Tag::of_body(&body);
    let next_cursor = answer.meta.get("next_cursor").and_then(Value::as_str);
    Ok(if wanted.has(&tag) { Wanted::not_modified(&tag) } else { wanted.respond(body, &tag, next_cursor) })
}

/// Decides about a deployment or an incident
///
/// The decision beats every rule. It is on stable storage when the answer comes, and the numbers have it,
/// unless `visible` says otherwise.
#[utoipa::path(post, path = "/api/v1/overrides", tag = "Deliveries", request_body = NewOverride, responses(
    (status = 201, description = "It is kept", body = KeptOverride),
    (status = 422, description = "The body makes no sense, or names a deployment or an incident that nobody told", body = Problem,
        content_type = "application/problem+json"),
))]
pub(crate) async fn decide(
    _: Admin,
    visit: Visit,
    State(api): State<Api>,
    _: Query<Nothing>,
    body: Body,
) -> Result<Response, Problem> {
    let mut event = decision_of(&body)?;
    let id = uuid::Uuid::new_v4().to_string();
    event.insert("id".to_owned(), json!(id));
    event.insert("decided_at".to_owned(), json!(api.now().to_rfc3339()));
    let (decided, delivery) = delivery_of(&api, &id, event)?;
    let about = About { deployment: decided.deployment.clone(), incident: decided.incident.clone() };
    let engine = api.engine().clone();
    api.on_queries(async move { Ok(engine.check_known(&about).await?) }).await?;
    let visible = api.keep_and_see(delivery).await?;
    api.audit(&visit.caller, "override.decided", &decided.id, Some(said(&decided))).await?;
    let clock = api.now();
    Ok(kept(StatusCode::CREATED, &Decision { decided, withdrawn: None, clock }, visible))
}

/// Takes a decision back
///
/// The rules decide again. Both the decision and who took it back stay listed.
#[utoipa::path(delete, path = "/api/v1/overrides/{id}", tag = "Deliveries",
    params(("id" = String, Path, description = "Id of the override", example = "3f1c8a52-6f0e-4e0a-9a39-0b1f7f0f6f55"), WithdrawParams),
    responses(
        (status = 200, description = "It is taken back, now or before", body = KeptOverride),
        (status = 404, description = "No such override", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn withdraw(
    _: Admin,
    visit: Visit,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(by, _): Query<WithdrawParams>,
) -> Result<Response, Problem> {
    let author = by.author.ok_or_else(|| {
        Problem::new(Kind::InvalidParameter, "nobody is named who takes it back")
            .parameter("author")
            .value("")
            .expected("a name")
    })?;
    let engine = api.engine().clone();
    let asked = id.clone();
    let mut found = api.on_queries(async move { Ok(engine.decisions(&asked).await?) }).await?;
    found.retain(|decision| by.source.as_ref().is_none_or(|source| *source == decision.decided.source));
    let decision = only(&id, found)?;
    if decision.withdrawn.is_some() {
        return Ok(kept(StatusCode::OK, &decision, true));
    }
    let event = withdrawal(&api, &decision, &author, by.reason.as_deref())?;
    let (withdrawn, delivery) = delivery_of(&api, &format!("{id}:withdrawn"), event)?;
    let visible = api.keep_and_see(delivery).await?;
    api.audit(&visit.caller, "override.withdrawn", &id, Some(said(&withdrawn))).await?;
    Ok(kept(StatusCode::OK, &Decision { withdrawn: Some(withdrawn), ..decision }, visible))
}

/// What the audit log keeps of it.
pub(crate) fn said(decided: &Override) -> Value {
    json!({ "verdict": decided.verdict, "deployment": decided.deployment, "incident": decided.incident,
        "author": decided.author, "reason": decided.reason })
}

fn kept(status: StatusCode, decision: &Decision, visible: bool) -> Response {
    let mut row = decision_row(decision);
    row.insert("visible".to_owned(), json!(visible));
    (status, Json(row)).into_response()
}

/// The body's fields, as far as only this address knows what may be in them.
fn decision_of(body: &Body) -> Result<Map<String, Value>, Problem> {
    if body.encoding()? != Encoded::Plain || body.media_type().is_some_and(|kind| kind != "application/json") {
        return Err(Problem::new(Kind::UnsupportedMediaType, "a decision comes as plain JSON")
            .parameter("Content-Type")
            .value(body.content_type().unwrap_or_default())
            .expected("application/json"));
    }
    let invalid = |problem: String| Problem::new(Kind::InvalidBody, problem);
    let fields: Map<String, Value> = serde_json::from_slice(&body.bytes).map_err(|error| {
        invalid(format!("the body is not a JSON object: {error}"))
            .parameter("body")
            .expected("an object with `verdict`, `author`, `reason`")
    })?;
    if let Some(unknown) = fields.keys().find(|name| !DECISION_FIELDS.contains(&name.as_str())) {
        return Err(invalid(format!("`{unknown}` is not a field of a decision"))
            .parameter(unknown)
            .expected(format!("some of {}", DECISION_FIELDS.join(", "))));
    }
    let verdict = fields.get("verdict").and_then(Value::as_str).unwrap_or_default();
    if !VERDICTS.contains(&verdict) {
        return Err(invalid("it is not a verdict".to_owned())
            .parameter("verdict")
            .value(verdict)
            .expected(format!("one of {}; DELETE takes one back", VERDICTS.join(", "))));
    }
    let reason = fields.get("reason").and_then(Value::as_str).unwrap_or_default();
    if reason.chars().count() > REASON_AT_MOST {
        return Err(invalid(format!("the reason is longer than {REASON_AT_MOST} characters"))
            .parameter("reason")
            .expected("a sentence"));
    }
    Ok(fields)
}

/// An event as the source of events reads it, and as it is kept.
fn delivery_of(api: &Api, id: &str, mut event: Map<String, Value>) -> Result<(Override, Delivery), Problem> {
    event.insert("type".to_owned(), json!("override"));
    let body = Value::Object(event).to_string();
    let parsed = events::parse(body.as_bytes(), None)
        .map_err(|error| Problem::new(Kind::InvalidBody, error.to_string()).parameter("body"))?;
    if let Some(wrong) = parsed.rejected.into_iter().next() {
        let field = wrong.field.unwrap_or_else(|| "body".to_owned());
        return Err(Problem::new(Kind::InvalidBody, format!("`{field}` {}", wrong.problem))
            .parameter(field)
            .expected("a decision as /openapi.json describes it"));
    }
    let Some(Fact::Override(decided)) = parsed.accepted.into_iter().next() else {
        return Err(Problem::new(Kind::Internal, "an override gave no fact"));
    };
    let delivery = Delivery {
        source: events::NAME.to_owned(),
        connection: String::new(),
        id: format!("override:{id}"),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.into(),
        received_at: api.now(),
    };
    Ok((decided, delivery))
}

fn only(id: &str, mut found: Vec<Decision>) -> Result<Decision, Problem> {
    if found.len() > 1 {
        let sources: Vec<&str> = found.iter().map(|decision| decision.decided.source.as_str()).collect();
        return Err(Problem::new(Kind::InvalidParameter, "several sources have told an override of this id")
            .parameter("source")
            .expected(format!("one of {}", sources.join(", "))));
    }
    found.pop().ok_or_else(|| {
        Problem::new(Kind::NotFound, format!("there is no override `{id}`"))
            .parameter("id")
            .value(id)
            .expected("an `override` that /api/v1/overrides lists")
    })
}

/// The event that takes a decision back. It is later than the decision, whatever clock that named.
fn withdrawal(
    api: &Api,
    decision: &Decision,
    author: &str,
    reason: Option<&str>,
) -> Result<Map<String, Value>, Problem> {
    let Override { source, id, deployment, incident, .. } = &decision.decided;
    let namespace = source.strip_prefix(events::NAME).map(|rest| rest.strip_prefix('/').unwrap_or(rest));
    let Some(namespace) = namespace else {
        return Err(Problem::new(Kind::NotFound, format!("`{source}` told it, and can take it back"))
            .parameter("id")
            .value(id)
            .expected("an override that was sent as an event or decided here"));
    };
    let mut event = Map::new();
    if !namespace.is_empty() {
        event.insert("source".to_owned(), json!(namespace));
    }
    let now = api.now();
    event.insert("id".to_owned(), json!(id));
    event.insert("verdict".to_owned(), json!("withdrawn"));
    event.insert("deployment".to_owned(), json!(deployment));
    event.insert("incident".to_owned(), json!(incident));
    event.insert("author".to_owned(), json!(author));
    event.insert("reason".to_owned(), json!(reason.unwrap_or("Taken back.")));
    event.insert("decided_at".to_owned(), json!(now.to_rfc3339()));
    event.insert("updated_at".to_owned(), json!(decision.later_than_all(now).to_rfc3339()));
    event.retain(|_, value| !value.is_null());
    Ok(event)
}
