//! `/api/v1/events`: neutral events come in. Each is accepted or rejected on its own; what was accepted is
//! on stable storage before the sender hears of it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use dorado_ingest::{Error, events};
use dorado_lake::{Delivery, Fact, redacted};
use http::StatusCode;
use http::header::{ACCEPT_ENCODING, HeaderValue};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::access::{Ingester, Visit};
use crate::api::Api;
use crate::extract::{Body, Encoded, Nothing, Query, expand};
use crate::problem::{Kind, Problem};
use crate::routes::overrides::said;

/// What became of a batch of events.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Accepted {
    /// Events that were accepted.
    #[schema(example = 2)]
    accepted: usize,
    /// Events that were not, and why.
    rejected: Vec<RejectedEvent>,
    /// Number of the delivery; null where there was nothing to keep.
    #[schema(example = 4711)]
    arrival: Option<i64>,
    /// Whether this delivery was sent before and still waits to be settled.
    duplicate: bool,
}

/// An event that was not accepted.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RejectedEvent {
    /// Its place in the body, from 0.
    #[schema(example = 3)]
    index: usize,
    /// Its type, as far as it could be read.
    #[schema(example = "deployment")]
    r#type: Option<String>,
    /// Its id, as far as it could be read.
    #[schema(example = "d-17")]
    id: Option<String>,
    /// The field that is wrong.
    #[schema(example = "finished_at")]
    field: Option<String>,
    /// What is wrong, and what would have been right.
    #[schema(example = "has no offset from UTC; write 2026-01-31T12:00:00Z or 2026-01-31T12:00:00+01:00")]
    problem: String,
}

impl From<events::Rejected> for RejectedEvent {
    fn from(rejected: events::Rejected) -> Self {
        let events::Rejected { index, r#type, id, field, problem } = rejected;
        // Who puts a token where it does not belong should not find it in a log of answers too.
        let safe = |text: String| redacted(&text).into_owned();
        Self { index, r#type: r#type.map(safe), id: id.map(safe), field: field.map(safe), problem: safe(problem) }
    }
}

/// Sends events
///
/// One JSON object, an array of them, one object a line, or gzip of these. Send the same
/// `Idempotency-Key` when you send the same events again.
#[utoipa::path(post, path = "/api/v1/events", tag = "Deliveries",
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this delivery, so that sending it again changes nothing", pattern = "^[!-~]([ -~]{0,253}[!-~])?$", example = "build-4711")),
    request_body(description = "Events, as `/api/v1/events/schema` describes them", content(
        (Object = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 202, description = "At least one event was accepted and is kept, or there was none", body = Accepted),
        (status = 422, description = "No event was accepted; `rejected` says why", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn events(
    ingester: Ingester,
    visit: Visit,
    State(api): State<Api>,
    _: Query<Nothing>,
    body: Body,
) -> Result<Response, Problem> {
    ingester.of(events::NAME)?;
    let content_type = body.content_type();
    let packed = is_packed(&body)?;
    let key = idempotency_key(&body)?;
    let _turn = api.upload_turn().await?;
    let limit = api.limits().expanded_bytes;
    let (bytes, parsed, digest) = api
        .aside(move || {
            let bytes = if packed { expand(&body.bytes, limit)? } else { body.bytes };
            let parsed = events::parse(&bytes, content_type.as_deref()).map_err(|error| unreadable(&error))?;
            let digest = hex::encode(Sha256::digest(&bytes));
            Ok((bytes, (parsed, content_type), digest))
        })
        .await?;
    let (parsed, content_type) = parsed;

    let rejected: Vec<RejectedEvent> = parsed.rejected.into_iter().map(RejectedEvent::from).collect();
    api.telemetry().events(parsed.n_accepted, rejected.len());
    if parsed.n_accepted == 0 && rejected.is_empty() {
        return Ok(answer(Accepted { accepted: 0, rejected, arrival: None, duplicate: false }));
    }
    // One key with another body is another delivery: nothing that is accepted may be lost.
    let id = key.map_or_else(|| digest.clone(), |key| format!("{key}:{}", &digest[..16]));
    let kept = api.keep(delivery(&api, id, content_type, bytes)).await?;
    if parsed.n_accepted == 0 {
        return Err(none_accepted(rejected));
    }
    if let Some(detail) = overrides(&parsed.accepted) {
        api.audit(&visit.caller, "override.sent", &format!("delivery {}", kept.arrival), Some(detail)).await?;
    }
    let (arrival, duplicate) = (Some(kept.arrival), kept.duplicate);
    Ok(answer(Accepted { accepted: parsed.n_accepted, rejected, arrival, duplicate }))
}

/// What people decided, for the audit log: how much of it there is, and as much of it as a line holds.
fn overrides(facts: &[Fact]) -> Option<Value> {
    const TOLD_AT_MOST: usize = 100;
    let decided = facts.iter().filter_map(|fact| match fact {
        Fact::Override(decided) => Some(decided),
        _ => None,
    });
    let n = decided.clone().count();
    let told: Vec<Value> = decided.take(TOLD_AT_MOST).map(said).collect();
    (n > 0).then(|| json!({ "n": n, "overrides": told }))
}

fn answer(accepted: Accepted) -> Response {
    (StatusCode::ACCEPTED, [(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))], Json(accepted)).into_response()
}

fn delivery(api: &Api, id: String, content_type: Option<String>, body: Bytes) -> Delivery {
    Delivery {
        source: events::NAME.to_owned(),
        connection: String::new(),
        id,
        headers: content_type.map(|text| ("content-type".to_owned(), text)).into_iter().collect(),
        body,
        received_at: api.now(),
    }
}

/// Whether the body is gzip; a problem where it is of a type that cannot be events.
fn is_packed(body: &Body) -> Result<bool, Problem> {
    let is_gzip = body.bytes.starts_with(&[0x1f, 0x8b]);
    let packed = match body.media_type().as_deref() {
        None | Some("" | "application/octet-stream") => is_gzip,
        Some("application/gzip" | "application/x-gzip") => true,
        Some(kind) if kind.starts_with("text/plain") || kind.contains("json") => is_gzip,
        Some(kind) => {
            return Err(Problem::new(Kind::UnsupportedMediaType, format!("events do not come as `{kind}`"))
                .parameter("Content-Type")
                .value(kind)
                .expected("application/json, application/x-ndjson or application/gzip"));
        }
    };
    Ok(packed || body.encoding()? == Encoded::Gzip)
}

fn idempotency_key(body: &Body) -> Result<Option<String>, Problem> {
    const LONGEST: usize = 255;
    let Some(key) = body.headers.get("idempotency-key") else { return Ok(None) };
    let plain = key.to_str().ok().map(str::trim).filter(|key| (1..=LONGEST).contains(&key.len()));
    plain.map(|key| Some(key.to_owned())).ok_or_else(|| {
        Problem::new(Kind::InvalidParameter, "the idempotency key is not a key")
            .parameter("Idempotency-Key")
            .value(String::from_utf8_lossy(key.as_bytes()))
            .expected("1 to 255 visible ASCII characters")
    })
}

/// A body in which no event can be told from another.
fn unreadable(error: &Error) -> Problem {
    let problem = Problem::new(Kind::InvalidBody, error.to_string());
    match error {
        Error::Malformed { place, .. } => problem.parameter(place),
        _ => problem.parameter("body"),
    }
    .expected("a JSON object, an array of them, or one a line: see /api/v1/events/schema")
}

fn none_accepted(rejected: Vec<RejectedEvent>) -> Problem {
    let problem = Problem::new(Kind::InvalidEvents, format!("none of {} events was accepted", rejected.len()));
    let problem = match rejected.first() {
        Some(RejectedEvent { index, field: Some(field), .. }) => problem.parameter(format!("events[{index}].{field}")),
        Some(RejectedEvent { index, .. }) => problem.parameter(format!("events[{index}]")),
        None => problem,
    };
    problem.rejected(rejected).expected("events as /api/v1/events/schema describes them")
}

/// The JSON schema of an event
#[utoipa::path(get, path = "/api/v1/events/schema", tag = "Deliveries", responses(
    (status = 200, description = "JSON schema, draft 2020-12, of one event", body = Object,
        content_type = "application/schema+json"),
))]
pub(crate) async fn schema(_: Query<Nothing>) -> Response {
    let content_type = HeaderValue::from_static("application/schema+json");
    ([(http::header::CONTENT_TYPE, content_type)], events::schema().to_string()).into_response()
}
