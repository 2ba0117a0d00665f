//! Answers leave as gzip where the caller takes it and it pays.

use std::io::Write;

use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue};

use crate::api::Api;
use crate::extract::{accepts_gzip, header_text};
use crate::problem::{Kind, Problem};

/// Below this, headers cost more than compression saves.
const WORTHWHILE: u64 = 1024;
/// Above this, compressing holds a thread for longer than a request should.
const LONG: usize = 256 << 10;

pub(crate) async fn compress(State(api): State<Api>, request: Request, next: Next) -> Response {
    let wanted = accepts_gzip(header_text(request.headers(), &ACCEPT_ENCODING).as_deref());
    let mut response = next.run(request).await;
    if !compressible(response.headers()) {
        return response;
    }
    vary(response.headers_mut());
    if !wanted || response.body().size_hint().exact().is_none_or(|size| size < WORTHWHILE) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let packed = match to_bytes(body, usize::MAX).await {
        Ok(plain) if plain.len() > LONG => api.aside(move || gzip(&plain)).await,
        Ok(plain) => gzip(&plain),
        Err(error) => Err(Problem::new(Kind::Internal, "the answer cannot be read back").caused_by(&error)),
    };
    match packed {
        Ok(packed) => {
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            weaken(&mut parts.headers);
            Response::from_parts(parts, Body::from(packed))
        }
        Err(problem) => problem.into_response(),
    }
}

fn gzip(plain: &Bytes) -> Result<Vec<u8>, Problem> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 4), Compression::new(5));
    encoder
        .write_all(plain)
        .and_then(|()| encoder.finish())
        .map_err(|error| Problem::new(Kind::Internal, "the answer cannot be compressed").caused_by(&error))
}

fn compressible(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = kind.starts_with("text/") || ["json", "javascript", "svg", "xml"].iter().any(|word| kind.contains(word));
    text && !headers.contains_key(CONTENT_ENCODING)
}

fn vary(headers: &mut HeaderMap) {
    let with = match headers.get(VARY).and_then(|value| value.to_str().ok()) {
        Some(others) => format!("{others}, Accept-Encoding"),
        None => "Accept-Encoding".to_owned(),
    };
    if let Ok(value) = HeaderValue::try_from(with) {
        headers.insert(VARY, value);
    }
}

/// A strong tag promises the same bytes, which the two encodings of one answer do not have.
fn weaken(headers: &mut HeaderMap) {
    let strong = headers.get(ETAG).and_then(|tag| tag.to_str().ok()).filter(|tag| tag.starts_with('"'));
    if let Some(weak) = strong.and_then(|tag| HeaderValue::try_from(format!("W/{tag}")).ok()) {
        headers.insert(ETAG, weak);
    }
}
