//! What a request says, read so that what cannot be read is a problem that names the place.

mod body;
mod format;
mod path;
mod query;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, HeaderName};

pub(crate) use body::{Body, Encoded, expand};
pub(crate) use format::{Format, accepts_gzip};
pub(crate) use path::Path;
pub(crate) use query::{Nothing, Query};

/// All values of a header as one list.
pub(crate) fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// The password of a header `Authorization: Basic …`.
pub(crate) fn basic_password(authorization: &str) -> Option<String> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    let decoded = scheme.eq_ignore_ascii_case("basic").then(|| BASE64_STANDARD.decode(encoded.trim()).ok())??;
    let (_, password) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(password.to_owned())
}
