//! A request's body: read within its limits, expanded within its limits.

use std::io::Read;

use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use flate2::read::MultiGzDecoder;
use futures::StreamExt;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use tokio::time::timeout;

use crate::Limits;
use crate::api::Api;
use crate::extract::header_text;
use crate::problem::{Kind, Problem};

/// A body as it was sent, with the headers that came with it.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Bytes,
    pub(crate) headers: HeaderMap,
    /// What stood after the `?` of the address.
    pub(crate) query: Option<String>,
}

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoded {
    Plain,
    Gzip,
}

impl FromRequest<Api> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let limits = api.limits();
        let (parts, body) = request.into_parts();
        let told = header_text(&parts.headers, &CONTENT_LENGTH).and_then(|text| text.parse::<u64>().ok());
        let too_much = limits.body_bytes.saturating_mul(READ_TO_THE_END);
        if told.is_some_and(|length| length > too_much as u64) {
            return Err(too_large(limits.body_bytes, "as sent"));
        }
        let mut bytes = BytesMut::new();
        let mut n_bytes = 0_usize;
        let mut chunks = body.into_data_stream();
        let reading = async {
            while let Some(chunk) = chunks.next().await {
                let chunk = chunk.map_err(|broken| {
                    Problem::new(Kind::Unreadable, "the body ends early").parameter("body").value(broken.to_string())
                })?;
                n_bytes += chunk.len();
                if n_bytes > too_much {
                    break;
                }
                if n_bytes <= limits.body_bytes {
                    bytes.extend_from_slice(&chunk);
                }
            }
            if n_bytes > limits.body_bytes { Err(too_large(limits.body_bytes, "as sent")) } else { Ok(()) }
        };
        timeout(limits.body_timeout, reading).await.map_err(|_elapsed| too_slow(limits))??;
        let query = parts.uri.query().map(str::to_owned);
        Ok(Self { bytes: bytes.freeze(), headers: parts.headers, query })
    }
}

/// A body up to so many times too large is read to its end and dropped: a client that is still sending when
/// the connection closes never reads why.
const READ_TO_THE_END: usize = 4;

impl Body {
    pub(crate) fn content_type(&self) -> Option<String> {
        header_text(&self.headers, &CONTENT_TYPE)
    }

    /// The media type without its parameters, in lower case.
    pub(crate) fn media_type(&self) -> Option<String> {
        self.content_type().map(|text| text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
    }

    /// How the sender says that the body is encoded.
    pub(crate) fn encoding(&self) -> Result<Encoded, Problem> {
        let coding = header_text(&self.headers, &CONTENT_ENCODING).unwrap_or_default();
        match coding.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Encoded::Plain),
            "gzip" | "x-gzip" => Ok(Encoded::Gzip),
            _ => Err(Problem::new(Kind::UnsupportedMediaType, "the body's encoding is not known")
                .parameter("Content-Encoding")
                .value(coding)
                .expected("gzip, or none")),
        }
    }
}

/// Expands a gzip body of any number of members, and stops as soon as it grows beyond `limit` bytes.
pub(crate) fn expand(packed: &[u8], limit: usize) -> Result<Bytes, Problem> {
    let mut expanded = Vec::new();
    let mut reader = MultiGzDecoder::new(packed).take(limit as u64 + 1);
    reader.read_to_end(&mut expanded).map_err(|broken| {
        Problem::new(Kind::Unreadable, format!("the body is not whole gzip: {broken}"))
            .parameter("body")
            .expected("gzip (RFC 1952), as `Content-Encoding` says")
    })?;
    if expanded.len() > limit {
        return Err(too_large(limit, "once expanded"));
    }
    Ok(expanded.into())
}

fn too_large(limit: usize, when: &str) -> Problem {
    let limit = format!("{:.1} MiB", limit as f64 / f64::from(1 << 20));
    Problem::new(Kind::TooLarge, format!("the body is larger than {limit} {when}"))
        .parameter("body")
        .expected(format!("at most {limit} {when}; send it in several parts"))
}

fn too_slow(limits: &Limits) -> Problem {
    let seconds = limits.body_timeout.as_secs();
    Problem::new(Kind::TooSlow, format!("the body did not arrive within {seconds} seconds")).parameter("body")
}
