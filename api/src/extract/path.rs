//! The parts of a path.

use axum::extract::{FromRequestParts, Path as AxumPath};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// As axum's, but what cannot be read is a problem.
#[derive(Debug)]
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match AxumPath::from_request_parts(parts, state).await {
            Ok(AxumPath(found)) => Ok(Self(found)),
            Err(rejection) => Err(Problem::new(Kind::Unreadable, rejection.body_text())
                .parameter("path")
                .value(parts.uri.path())
                .expected("percent-encoded UTF-8")),
        }
    }
}
