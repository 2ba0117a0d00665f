//! How a delivery of a connected tool is let in, whichever address it comes to: authenticated on the raw bytes, kept,
//! then answered. Who cannot be authenticated learns nothing, not even which sources there are.

use std::sync::Arc;

use dorado_ingest::{Error, Source, events, source_name};
use dorado_lake::{Delivery, Fact};
use http::HeaderMap;
use serde::Serialize;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::access::{Caller, Credential};
use crate::api::Api;
use crate::extract::{Body, Encoded};
use crate::problem::{Kind, Problem};

/// Facts that an answer names at most; it counts them all.
const NAMED: usize = 100;

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Taken {
    /// Number of the delivery.
    #[schema(example = 4711)]
    pub(crate) arrival: i64,
    /// Whether it was sent before and still waits to be settled.
    pub(crate) duplicate: bool,
    /// Facts that it gives.
    #[schema(example = 1)]
    pub(crate) n_facts: usize,
    /// The first hundred of them.
    pub(crate) facts: Vec<FactName>,
    /// Why it gives none; null where it gives some.
    pub(crate) ignored: Option<String>,
    /// Whether it says what such a delivery must; one that does not is kept all the same.
    #[serde(skip)]
    pub(crate) is_understood: bool,
}

/// What names a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FactName {
    /// change, pull_request, deployment, incident or override.
    #[schema(example = "deployment")]
    pub(crate) kind: &'static str,
    /// Its id.
    #[schema(example = "acme/shop/4711")]
    pub(crate) id: String,
}

/// Takes a delivery for the first of the sources that fit and authenticate it. `fits` sees the delivery's headers.
pub(crate) async fn take(
    api: &Api,
    body: Body,
    fits: impl Fn(&dyn Source, &[(String, String)]) -> bool,
) -> Result<Taken, Problem> {
    if body.encoding()? != Encoded::Plain {
        return Err(Problem::new(Kind::UnsupportedMediaType, "a signed delivery comes as it was signed")
            .parameter("Content-Encoding")
            .value("gzip")
            .expected("none"));
    }
    let caller = holder(api, &body).await?;
    let mut delivery = delivery(api, body);
    let source = authenticated(api, &caller, &mut delivery, fits)?;
    let id = source.delivery_id(&delivery).filter(|id| (1..=255).contains(&id.len()));
    delivery.id = id.unwrap_or_else(|| hex::encode(Sha256::digest(&delivery.body)));
    delivery.headers.retain(|(name, _)| is_kept(name) || source.kept_headers().contains(&name.as_str()));
    let (delivery, told) = tell(api, source, delivery).await?;
    let kept = api.keep(delivery).await?;
    let is_understood = told.is_ok();
    let (facts, ignored) = told.unwrap_or_else(|why| (Vec::new(), Some(why)));
    let name = |fact: &Fact| FactName { kind: fact.kind(), id: fact.id().to_owned() };
    Ok(Taken {
        arrival: kept.arrival,
        duplicate: kept.duplicate,
        n_facts: facts.len(),
        facts: facts.iter().take(NAMED).map(name).collect(),
        ignored,
        is_understood,
    })
}

/// Who holds the token that came with it, if one did: tools that cannot sign may send one instead.
async fn holder(api: &Api, body: &Body) -> Result<Caller, Problem> {
    let grant = match Credential::of(&body.headers, true) {
        credential @ Credential::Token(_) => api.grant(&credential).await?,
        Credential::None | Credential::Session(_) | Credential::Unreadable => None,
    };
    Ok(grant.map_or(Caller::Nobody, Caller::Holder))
}

/// Lets in who only asks: the name of the first of the sources that fit and whose secret came with the request.
pub(crate) async fn authenticate(
    api: &Api,
    body: &Body,
    fits: impl Fn(&dyn Source) -> bool,
) -> Result<String, Problem> {
    let caller = holder(api, body).await?;
    let body = Body { bytes: body.bytes.clone(), headers: body.headers.clone(), query: body.query.clone() };
    let source = authenticated(api, &caller, &mut delivery(api, body), |source, _| fits(source))?;
    Ok(source_name(source.as_ref()))
}

/// The source whose delivery this is; it then names that source.
fn authenticated(
    api: &Api,
    caller: &Caller,
    delivery: &mut Delivery,
    fits: impl Fn(&dyn Source, &[(String, String)]) -> bool,
) -> Result<Arc<dyn Source>, Problem> {
    let mut unreadable = None;
    // Events have an address of their own, and no signature.
    for source in api.sources().iter().filter(|source| source.name() != events::NAME) {
        if !fits(source.as_ref(), &delivery.headers) {
            continue;
        }
        source.name().clone_into(&mut delivery.source);
        source.connection().clone_into(&mut delivery.connection);
        if caller.may_ingest(source.name()) || caller.may_ingest(&delivery.source_name()) {
            return Ok(Arc::clone(source));
        }
        match source.authenticate(delivery) {
            Ok(()) => return Ok(Arc::clone(source)),
            Err(Error::Unreadable { source_name }) => unreadable = Some(source_name),
            Err(_) => {}
        }
    }
    let Some(source_name) = unreadable else { return Err(unauthenticated(api)) };
    api.telemetry().refused("secret-unreadable");
    tracing::warn!(source = source_name, "a delivery was refused because its source's secret cannot be read");
    Err(Problem::new(Kind::Unavailable, "deliveries cannot be authenticated now; send it again later"))
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

/// A delivery of nobody yet. A token in the address is handed on as a header, so that sources look in one place.
fn delivery(api: &Api, body: Body) -> Delivery {
    let mut headers = plain(&body.headers);
    let parameters = url::form_urlencoded::parse(body.query.as_deref().unwrap_or_default().as_bytes());
    if !headers.iter().any(|(name, _)| name == "x-dorado-token")
        && let Some((_, token)) = parameters.into_iter().find(|(name, _)| name == "token")
    {
        headers.push(("x-dorado-token".to_owned(), token.into_owned()));
    }
    Delivery {
        source: String::new(),
        connection: String::new(),
        id: String::new(),
        headers,
        body: body.bytes,
        received_at: api.now(),
    }
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
