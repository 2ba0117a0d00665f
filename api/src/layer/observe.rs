//! Every request gets an id, is counted and timed, and is logged once: never with its body or its query.
//! A panic becomes a problem. Security headers are set where a route did not set its own.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dorado_lake::redacted;
use futures::FutureExt;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;

use crate::api::Api;
use crate::problem::{Cause, Kind, Problem};

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const LONGEST_REQUEST_ID: usize = 64;

pub(crate) async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = request.method().clone();
    let path = redacted(request.uri().path()).into_owned();
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let id = request_id(request.headers(), &api);

    let mut response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => panicked(panic.as_ref()),
    };

    let elapsed = began.elapsed();
    let status = response.status();
    api.telemetry().request(&route, &method, status, elapsed);
    let elapsed_ms = elapsed.as_secs_f64() * 1e3;
    let request_id = id.to_str().unwrap_or_default();
    if let Some(Cause(cause)) = response.extensions_mut().remove::<Cause>() {
        tracing::error!(request_id, %method, path, status = status.as_u16(), %cause, elapsed_ms, "request failed");
    } else {
        tracing::debug!(request_id, %method, path, status = status.as_u16(), elapsed_ms, "request answered");
    }
    secure(response.headers_mut());
    if api.access().tls.is_some() {
        // Without the names below ours: who runs those is not asked.
        response.headers_mut().insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}

/// The caller's id where it is a plain word, else one of our own.
fn request_id(headers: &HeaderMap, api: &Api) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let plain = |id: &str| {
        (1..=LONGEST_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/+=".contains(&b))
    };
    match headers.get(X_REQUEST_ID) {
        Some(id) if id.to_str().is_ok_and(plain) => id.clone(),
        _ => {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let id = format!("{:x}-{number:x}", api.started_at().timestamp_millis());
            HeaderValue::try_from(id).expect("hexadecimal digits and a dash")
        }
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Response {
    let said = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let mut response = Problem::new(Kind::Internal, "the request hit a defect in Dorado").into_response();
    response.extensions_mut().insert(Cause(format!("panicked: {said}").into()));
    response
}

fn secure(headers: &mut HeaderMap) {
    for (name, value) in [
        // What says nothing else of itself is for whom it was made, and for now.
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
