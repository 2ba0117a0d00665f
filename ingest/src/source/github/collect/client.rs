//! octocrab over our own client. octocrab knows how GitHub is signed in to, how the tokens of an App's installations are
//! fetched and renewed, and how its answers and pages are made; where may be connected to, how long is waited and what is
//! tried again stays with [`Http`].

use std::error::Error as _;
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::header::{CONTENT_LENGTH, ETAG, IF_NONE_MATCH, LINK};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use octocrab::{AuthState, FromResponse, OctoBody, Octocrab, OctocrabBuilder};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};
use tower::Service;
use url::form_urlencoded::Serializer;

use crate::http::{Answer, Authorization, Error, Http};

/// What has no place in a path as it is; a `%` has, since names are escaped before they are put into one.
const PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'^').add(b'`').add(b'{').add(b'}');

/// A page of a list.
pub(super) struct Listed {
    pub(super) rows: Vec<Value>,
    /// The path of the next page.
    pub(super) next: Option<String>,
    /// Whether it says anything of other pages.
    pub(super) is_linked: bool,
    pub(super) etag: Option<String>,
}

/// octocrab for a connection.
pub(super) fn octocrab(http: &Http, rest: &'static str, auth: AuthState) -> Octocrab {
    let sent = Sent { http: http.with(Authorization::None), rest };
    let built = OctocrabBuilder::new_empty().with_service(sent).with_auth(auth).build();
    built.unwrap_or_else(|never| match never {})
}

/// A path with its query.
pub(super) fn route(path: &str, query: &[(&str, &str)]) -> String {
    let path = utf8_percent_encode(path, PATH);
    if query.is_empty() {
        return format!("/{path}");
    }
    format!("/{path}?{}", Serializer::new(String::new()).extend_pairs(query).finish())
}

/// Reads what is at a route.
pub(super) async fn get(octocrab: &Octocrab, route: &str) -> Result<Value, Error> {
    read(route, octocrab._get(route).await).await
}

/// Asks over GraphQL; gives the whole answer. octocrab's own way would take one with partial errors for an error.
pub(super) async fn graphql(octocrab: &Octocrab, query: &str, variables: Value) -> Result<Value, Error> {
    let body = json!({ "query": query, "variables": variables });
    read("/graphql", octocrab._post("/graphql", Some(&body)).await).await
}

/// Reads a page of a list; `None` where it is as it was when it had this ETag.
pub(super) async fn page(
    octocrab: &Octocrab,
    http: &Http,
    route: &str,
    etag: Option<&str>,
) -> Result<Option<Listed>, Error> {
    let if_changed = etag.and_then(|etag| HeaderValue::from_str(etag).ok());
    let headers = if_changed.map(|etag| HeaderMap::from_iter([(IF_NONE_MATCH, etag)]));
    let response = answered(route, octocrab._get_with_headers(route, headers).await)?;
    if response.status() == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    let etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
    let is_linked = response.headers().contains_key(LINK);
    let page = octocrab::Page::<Value>::from_response(response).await.map_err(|error| ours(route, error))?;
    let next = page.next.map(|next| http.below(&next.to_string())).transpose()?;
    Ok(Some(Listed { rows: page.items, next, is_linked, etag }))
}

type Answered = Response<http_body_util::combinators::BoxBody<bytes::Bytes, octocrab::Error>>;

async fn read(route: &str, response: octocrab::Result<Answered>) -> Result<Value, Error> {
    Value::from_response(answered(route, response)?).await.map_err(|error| ours(route, error))
}

fn answered(route: &str, response: octocrab::Result<Answered>) -> Result<Answered, Error> {
    let response = response.map_err(|error| ours(route, error))?;
    match response.extensions().get::<Error>() {
        Some(refused) => Err(refused.clone()),
        None => Ok(response),
    }
}

/// Why octocrab brought nothing.
pub(super) fn ours(route: &str, error: octocrab::Error) -> Error {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(ours) = error.downcast_ref::<Error>() {
            return ours.clone();
        }
        cause = error.source();
    }
    let url = route.split('?').next().unwrap_or_default().to_owned();
    match error {
        octocrab::Error::GitHub { source, .. } => {
            Error::Refused { url, status: source.status_code.as_u16(), said: source.message }
        }
        octocrab::Error::Json { source, .. } => {
            Error::NotJson { url, place: source.path().to_string(), problem: source.inner().to_string() }
        }
        octocrab::Error::Serde { source, .. } => {
            Error::NotJson { url, place: "body".to_owned(), problem: source.to_string() }
        }
        other => Error::Unsuitable(format!("{url} cannot be asked: {other}")),
    }
}

/// What sends octocrab's requests.
#[derive(Debug, Clone)]
struct Sent {
    http: Http,
    /// The folder of REST; GraphQL is beside it.
    rest: &'static str,
}

impl Service<Request<OctoBody>> for Sent {
    type Response = Response<OctoBody>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Response<OctoBody>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OctoBody>) -> Self::Future {
        let sent = self.clone();
        async move { sent.send(request).await }.boxed()
    }
}

impl Sent {
    async fn send(&self, request: Request<OctoBody>) -> Result<Response<OctoBody>, Error> {
        let (mut parts, body) = request.into_parts();
        // octocrab says so of calls without a body too.
        parts.headers.remove(CONTENT_LENGTH);
        let path = self.path(&parts.uri);
        let unread = |error: octocrab::Error| Error::Unsuitable(format!("{path} cannot be asked: {error}"));
        let body = body.collect().await.map_err(unread)?.to_bytes();
        match self.http.send(parts.method, &path, parts.headers, body).await {
            Ok(answer) => response(answer).ok_or(Error::Truncated { url: path }),
            // octocrab fetches a new token then, where it has one that can be renewed.
            Err(refused) if refused.status() == Some(401) => {
                let said = json!({ "message": refused.to_string() }).to_string();
                let mut response = Response::new(OctoBody::from(said));
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                response.extensions_mut().insert(refused);
                Ok(response)
            }
            Err(error) => Err(error),
        }
    }

    /// octocrab's paths are REST's, but for one.
    fn path(&self, uri: &http::Uri) -> String {
        let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if uri.authority().is_some() {
            return uri.to_string();
        }
        let is_below = self.rest.is_empty()
            || path
                .strip_prefix('/')
                .is_some_and(|path| path.strip_prefix(self.rest).is_some_and(|rest| rest.starts_with('/')));
        // A next page's path is whole already.
        if path == "/graphql" || is_below { path.to_owned() } else { format!("/{}{path}", self.rest) }
    }
}

fn response(answer: Answer) -> Option<Response<OctoBody>> {
    let mut response = Response::new(OctoBody::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).ok()?;
    for (name, value) in answer.headers {
        let header = (HeaderName::try_from(name), HeaderValue::try_from(value));
        if let (Ok(name), Ok(value)) = header {
            response.headers_mut().append(name, value);
        }
    }
    Some(response)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::http::{Outgoing, Patience};

    fn sent(url: &str, rest: &'static str) -> Sent {
        let outgoing = Outgoing {
            url: url.to_owned(),
            authorization: Authorization::None,
            certificates: None,
            identity: None,
            networks: Vec::new(),
            headers: Vec::new(),
            every: None,
            since: None,
        };
        Sent { http: Http::new(outgoing, chrono::Utc::now, Patience::default()).unwrap(), rest }
    }

    #[test]
    fn a_server_of_ones_own_has_rest_in_a_folder_and_graphql_beside_it() {
        let path = |rest, uri: &str| sent("https://git.example.org/api", rest).path(&uri.parse().unwrap());
        assert_eq!(path("v3", "/users/acme/installation"), "/v3/users/acme/installation");
        assert_eq!(path("v3", "/graphql"), "/graphql");
        assert_eq!(path("v3", "/v3/repositories/7/issues?page=2"), "/v3/repositories/7/issues?page=2");
        assert_eq!(path("", "/repos/acme/shop"), "/repos/acme/shop");
    }

    #[tokio::test]
    async fn octocrab_asks_nobody_else() {
        let sent = sent("https://git.example.org/api", "v3");
        let octocrab = octocrab(&sent.http, "v3", AuthState::None);
        for elsewhere in ["https://elsewhere.example.org/api/v3/x", "https://git.example.org/other"] {
            let error = get(&octocrab, elsewhere).await.unwrap_err();
            assert!(matches!(error, Error::NotAllowed { .. }), "{elsewhere}: {error}");
        }
    }

    #[test]
    fn a_name_is_escaped_in_a_path_and_in_a_query() {
        let query = [("labels", "sev 1&2")];
        assert_eq!(route("actions/workflows/Täglich 1.yml/runs", &[]), "/actions/workflows/T%C3%A4glich%201.yml/runs");
        assert_eq!(route("repos/a/b/commits/v1%2F2", &query), "/repos/a/b/commits/v1%2F2?labels=sev+1%262");
    }
}
