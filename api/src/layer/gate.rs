//! What is refused before anybody reads it: addresses that are too long, and requests that a browser was
//! made to send by another site's page.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};

use crate::api::Api;
use crate::problem::{Kind, Problem};

pub(crate) async fn gate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let limit = api.limits().url_bytes;
    let length = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
    if length > limit {
        return Problem::new(Kind::UrlTooLong, format!("the address has {length} bytes"))
            .expected(format!("at most {limit} bytes"))
            .into_response();
    }
    if !request.method().is_safe() && from_another_site(request.headers(), request.uri()) {
        api.telemetry().refused("cross-site");
        let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default();
        return Problem::new(Kind::CrossSite, "a browser sent this for another site's page")
            .parameter("Origin")
            .value(origin)
            .expected("a page of this server, or a client that is no browser")
            .into_response();
    }
    next.run(request).await
}

/// Only browsers send `Origin`; what they send for our own page names our own host.
fn from_another_site(headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    };
    // HTTP/2 has the host in its address.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(Authority::as_str));
    let named = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    named.is_none() || named != host
}
