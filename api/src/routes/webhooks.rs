//! `/webhooks/{source}`: deliveries of the tools that are connected. Authenticated on the raw bytes, kept,
//! then answered. Who cannot be authenticated learns nothing, not even which sources there are.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dorado_ingest::{Error, Source, events};
use dorado_lake::{Delivery, Fact};
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::api::Api;
use crate::extract::{Body, Encoded, Path};
use crate::problem::{Kind, Problem};

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Taken {
    /// Number of the delivery.
    #[schema(example = 4711)]
    arrival: i64,
    /// Whether it was sent before and still waits to be settled.
    duplicate: bool,
    /// Facts that it gives.
    #[schema(example = 1)]
    n_facts: usize,
    /// Why it gives none; null where it gives some.
    ignored: Option<String>,
}

/// Takes a delivery of a connected tool
#[utoipa::path(post, path = "/webhooks/{source}", tag = "Deliveries",
    params(("source" = String, Path, description = "The source", example = "github")),
    request_body(description = "What the tool sends, signed as its documentation says", content_type = "application/json"),
    responses(
        (status = 202, description = "It is kept", body = Taken),
        (status = 401, description = "No such source, or not signed by it", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn webhook(
    State(api): State<Api>,
    Path(source): Path<String>,
    body: Body,
) -> Result<Response, Problem> {
    take(&api, source, String::new(), body).await
}

/// Takes a delivery of one connection of a tool
#[utoipa::path(post, path = "/webhooks/{source}/{connection}", tag = "Deliveries",
    params(("source" = String, Path, description = "The source", example = "github"),
        ("connection" = String, Path, description = "Name of the connection, for who has several", example = "main")),
    request_body(description = "What the tool sends, signed as its documentation says", content_type = "application/json"),
    responses(
        (status = 202, description = "It is kept", body = Taken),
        (status = 401, description = "No such source, or not signed by it", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn webhook_of_connection(
    State(api): State<Api>,
    Path((source, connection)): Path<(String, String)>,
    body: Body,
) -> Result<Response, Problem> {
    take(&api, source, connection, body).await
}

async fn take(api: &Api, source_name: String, connection: String, body: Body) -> Result<Response, Problem> {
    if body.encoding()? != Encoded::Plain {
        return Err(Problem::new(Kind::UnsupportedMediaType, "a signed delivery comes as it was signed")
            .parameter("Content-Encoding")
            .value("gzip")
            .expected("none"));
    }
    // Events have an address of their own, and no signature.
    let source = api.source(&source_name).filter(|source| source.name() != events::NAME);
    let Some(source) = source.cloned() else { return Err(unauthenticated(api)) };
    let plain_name = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if connection.len() > 64 || !connection.bytes().all(plain_name) {
        return Err(unauthenticated(api));
    }
    let mut delivery = delivery(api, &source, connection, body);
    match source.authenticate(&delivery) {
        Ok(()) => {}
        Err(Error::Unreadable { source_name }) => {
            api.telemetry().refused("secret-unreadable");
            tracing::warn!(source = source_name, "a delivery was refused because its source's secret cannot be read");
            return Err(Problem::new(Kind::Unavailable, "deliveries cannot be authenticated now; send it again later"));
        }
        Err(_) => return Err(unauthenticated(api)),
    }
    delivery.headers.retain(|(name, _)| is_kept(name));
    let (delivery, told) = tell(api, source, delivery).await?;
    let kept = api.keep(delivery).await?;
    let taken = match told {
        Ok((facts, ignored)) => {
            Taken { arrival: kept.arrival, duplicate: kept.duplicate, n_facts: facts.len(), ignored }
        }
        Err(why) => Taken { arrival: kept.arrival, duplicate: kept.duplicate, n_facts: 0, ignored: Some(why) },
    };
    Ok((StatusCode::ACCEPTED, Json(taken)).into_response())
}

/// What a delivery says: its facts, or why it gives none. Only a body that is no JSON at all is a problem;
/// one that a later version may understand is kept.
type Told = Result<(Vec<Fact>, Option<String>), String>;

async fn tell(api: &Api, source: Arc<dyn Source>, delivery: Delivery) -> Result<(Delivery, Told), Problem> {
    let _turn = api.upload_turn().await?;
    api.aside(move || {
        let told = match source.translate(&delivery) {
            Ok(facts) => {
                let ignored = if facts.is_empty() { source.ignored_reason(&delivery) } else { None };
                Ok((facts, ignored))
            }
            Err(Error::Malformed { place, problem }) if place == "body" && !is_json(&delivery.body) => {
                return Err(Problem::new(Kind::InvalidBody, format!("the body is not JSON: {problem}"))
                    .parameter("body")
                    .expected("what the tool's documentation says that it sends"));
            }
            Err(error) => Err(error.to_string()),
        };
        Ok((delivery, told))
    })
    .await
}

fn is_json(body: &[u8]) -> bool {
    body.starts_with(b"payload=") || serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
}

fn delivery(api: &Api, source: &Arc<dyn Source>, connection: String, body: Body) -> Delivery {
    let headers = plain(&body.headers);
    let id = source
        .id_header()
        .and_then(|name| headers.iter().find(|(n, _)| n == name))
        .map(|(_, value)| value.clone())
        .filter(|id| (1..=255).contains(&id.len()))
        .unwrap_or_else(|| hex::encode(Sha256::digest(&body.bytes)));
    Delivery { source: source.name().to_owned(), connection, id, headers, body: body.bytes, received_at: api.now() }
}

/// The headers that are text; names are in lower case already.
fn plain(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect()
}

/// What a source may need to read the body: its own headers, never what lets somebody in.
fn is_kept(name: &str) -> bool {
    let secret = ["token", "secret", "signature", "auth", "key", "cookie", "forwarded", "real-ip"];
    (name == "content-type" || name.starts_with("x-")) && !secret.iter().any(|word| name.contains(word))
}

/// The same whether the source is unknown or the signature is wrong.
fn unauthenticated(api: &Api) -> Problem {
    api.telemetry().refused("unauthenticated");
    Problem::new(Kind::Unauthenticated, "this is not a delivery of a connected source, or it is not signed by it")
        .expected("a source that is configured, and a signature with its secret")
}
