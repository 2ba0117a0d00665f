//! The page and its files, and the answer to what is nowhere.

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use dorado_dashboards::{Asset, asset};
use dorado_ingest::events::nearest;
use http::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use crate::answer::known_tags;
use crate::problem::{Kind, Problem};
use crate::router::PATHS;

/// The page runs and shows only what this server sends.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A file of the page where the path names one; else a problem.
pub(crate) async fn file_or_nothing(request: Request) -> Response {
    let path = request.uri().path();
    match asset(path) {
        Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            let mut response = not_allowed(request.method()).into_response();
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET,HEAD"));
            response
        }
        Some(asset) => file(asset, request.headers()),
        None => match lost(&request) {
            Some(page) => (StatusCode::NOT_FOUND, file(page, &HeaderMap::new())).into_response(),
            None => nothing(path).into_response(),
        },
    }
}

/// The page for a person who followed a wrong address, so that it can say where to go. Only one segment deep: what
/// the page names is relative to it.
fn lost(request: &Request) -> Option<Asset> {
    let path = request.uri().path();
    let accepts = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let person = request.method() == Method::GET && accepts.contains("text/html");
    if person && !path.trim_start_matches('/').contains('/') { asset("") } else { None }
}

/// A method that the path does not have; the router adds `Allow`.
pub(crate) async fn method_not_allowed(method: Method) -> Problem {
    not_allowed(&method)
}

fn not_allowed(method: &Method) -> Problem {
    Problem::new(Kind::MethodNotAllowed, format!("{method} is not allowed here"))
        .parameter("method")
        .value(method.as_str())
        .expected("one of the methods that the header `Allow` names")
}

fn file(asset: Asset, headers: &HeaderMap) -> Response {
    let known = known_tags(headers).iter().any(|tag| tag == "*" || *tag == asset.etag);
    let mut response =
        if known { StatusCode::NOT_MODIFIED.into_response() } else { asset.bytes.into_owned().into_response() };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Ok(etag) = HeaderValue::try_from(asset.etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn nothing(path: &str) -> Problem {
    let expected = match nearest(path, PATHS.iter().map(String::as_str)).as_slice() {
        [] => "a path that /openapi.json names".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    };
    Problem::new(Kind::NotFound, format!("there is nothing at `{path}`"))
        .parameter("path")
        .value(path)
        .expected(expected)
}
