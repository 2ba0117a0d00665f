//! What is refused before anybody reads it: addresses that are too long, and requests that a browser was
//! made to send by another site's page.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::ORIGIN;
use http::{HeaderMap, Uri};

use crate::access::{Access, host};
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
    if !request.method().is_safe() && from_another_site(api.access(), request.headers(), request.uri()) {
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

/// Only browsers send `Origin`; what they send for our own page names our own host, or the address that we
/// are known by.
fn from_another_site(access: &Access, headers: &HeaderMap, uri: &Uri) -> bool {
    let Some(origin) = headers.get(ORIGIN) else {
        return headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    };
    let origin = origin.to_str().unwrap_or_default();
    let is_public = access.public_url.as_ref().is_some_and(|url| url.origin().ascii_serialization() == origin);
    if is_public || access.allowed_origins.iter().any(|allowed| allowed == origin) {
        return false;
    }
    let named = origin.split_once("://").map(|(_, host)| host);
    named.is_none() || named != host(headers, uri)
}
