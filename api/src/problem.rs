//! The one place where errors become statuses: every error leaves as `application/problem+json` (RFC 9457)
//! that names the parameter, the value and what would have been right.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use dorado_lake::redacted;
use dorado_query::BadParameter;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

use crate::routes::events::RejectedEvent;

/// What kind of problem it is; decides status, type and title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unreadable,
    Unauthenticated,
    TokenNeeded,
    OutOfScope,
    CrossSite,
    NotFound,
    MethodNotAllowed,
    NotAcceptable,
    UnderWay,
    TooSlow,
    TooLarge,
    UrlTooLong,
    UnsupportedMediaType,
    InvalidParameter,
    InvalidEvents,
    InvalidBody,
    Internal,
    Busy,
    Unavailable,
}

impl Kind {
    fn describe(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unreadable => (StatusCode::BAD_REQUEST, "unreadable", "The request cannot be read"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "The delivery is not authenticated"),
            Self::TokenNeeded => (StatusCode::UNAUTHORIZED, "token-needed", "A token is needed"),
            Self::OutOfScope => (StatusCode::FORBIDDEN, "out-of-scope", "The token does not allow this"),
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross-site", "The request comes from another site"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing here"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here")
            }
            Self::NotAcceptable => (StatusCode::NOT_ACCEPTABLE, "not-acceptable", "No such format"),
            Self::UnderWay => (StatusCode::CONFLICT, "under-way", "Another one is under way"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The body took too long"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::UrlTooLong => (StatusCode::URI_TOO_LONG, "url-too-long", "The address is too long"),
            Self::UnsupportedMediaType => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is of an unknown type")
            }
            Self::InvalidParameter => {
                (StatusCode::UNPROCESSABLE_ENTITY, "invalid-parameter", "A parameter makes no sense")
            }
            Self::InvalidEvents => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-events", "No event was accepted"),
            Self::InvalidBody => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-body", "The body makes no sense"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Dorado failed"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Too much is being asked at once"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Dorado cannot do this now"),
        }
    }
}

/// As the address that names it, which never changes.
impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("urn:dorado:problem:{}", self.describe().1))
    }
}

/// A kind of problem in words.
#[derive(Debug, Clone, Copy)]
struct Title(Kind);

impl Serialize for Title {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.describe().2)
    }
}

/// What went wrong, and what would have been right.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(title = "Problem", example = json!({
    "type": "urn:dorado:problem:invalid-parameter", "title": "A parameter makes no sense", "status": 422,
    "detail": "`bucket` is `fortnight`: it is not known", "parameter": "bucket", "value": "fortnight",
    "expected": "one of day, week, month, quarter, year, all"
}))]
pub(crate) struct Problem {
    /// Names the kind of problem; never changes.
    #[schema(value_type = String)]
    #[serde(rename = "type")]
    kind: Kind,
    /// The kind of problem in words.
    #[schema(value_type = String)]
    title: Title,
    /// The HTTP status.
    status: u16,
    /// What went wrong this time.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// The parameter, header or field that is wrong.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<Box<str>>,
    /// What it was.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Box<str>>,
    /// What would have been right.
    #[schema(value_type = Option<String>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<Box<str>>,
    /// Events that were not accepted.
    #[schema(value_type = Option<Vec<RejectedEvent>>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rejected: Option<Box<[RejectedEvent]>>,
    #[serde(skip)]
    cause: Option<Box<Cause>>,
}

/// Why Dorado itself failed: for the log, never for the caller.
#[derive(Debug, Clone)]
pub(crate) struct Cause(pub(crate) Arc<str>);

/// Seconds after which to try again what could not be done now.
const RETRY_AFTER_SECONDS: u16 = 2;

/// Longest value that is given back.
const LONGEST_VALUE: usize = 200;

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        let (status, _, _) = kind.describe();
        Self {
            kind,
            title: Title(kind),
            status: status.as_u16(),
            detail: redacted(&detail.into()).into(),
            parameter: None,
            value: None,
            expected: None,
            rejected: None,
            cause: None,
        }
    }

    pub(crate) fn parameter(mut self, name: impl Into<String>) -> Self {
        self.parameter = Some(redacted(&name.into()).into());
        self
    }

    pub(crate) fn value(mut self, value: impl AsRef<str>) -> Self {
        self.value = Some(redacted(value.as_ref()).chars().take(LONGEST_VALUE).collect::<String>().into());
        self
    }

    pub(crate) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(redacted(&expected.into()).into());
        self
    }

    pub(crate) fn rejected(mut self, rejected: Vec<RejectedEvent>) -> Self {
        self.rejected = Some(rejected.into());
        self
    }

    /// With the cause and all causes below it, for the log.
    pub(crate) fn caused_by(mut self, error: &dyn std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut below = error.source();
        while let Some(error) = below {
            text = format!("{text}: {error}");
            below = error.source();
        }
        self.cause = Some(Box::new(Cause(text.into())));
        self
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (self.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            let way = if self.kind == Kind::TokenNeeded { "Bearer realm=\"dorado\"" } else { "Signature" };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(way));
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        if let Some(cause) = self.cause {
            response.extensions_mut().insert(*cause);
        }
        response
    }
}

impl From<BadParameter> for Problem {
    fn from(bad: BadParameter) -> Self {
        Self::new(Kind::InvalidParameter, bad.to_string())
            .parameter(bad.parameter)
            .value(bad.value)
            .expected(bad.expected)
    }
}

impl From<dorado_query::Error> for Problem {
    fn from(error: dorado_query::Error) -> Self {
        match error {
            dorado_query::Error::BadParameter(bad) => bad.into(),
            dorado_query::Error::OutOfScope { team } => {
                Self::new(Kind::OutOfScope, "the token does not allow this team")
                    .parameter("team")
                    .value(team)
                    .expected("a team that the token names, or one below it")
            }
            dorado_query::Error::Lake(lake) => lake.into(),
            other if other.is_temporary() => {
                Self::new(Kind::Unavailable, "the store does not answer; ask again later").caused_by(&other)
            }
            other => Self::new(Kind::Internal, "the question could not be answered").caused_by(&other),
        }
    }
}

impl From<dorado_lake::Error> for Problem {
    fn from(error: dorado_lake::Error) -> Self {
        let problem = if matches!(error, dorado_lake::Error::ReadOnly) {
            Self::new(Kind::Unavailable, "this instance was started for reading only")
        } else if error.is_temporary() {
            Self::new(Kind::Unavailable, "the store does not answer; nothing was acknowledged, send it again")
        } else {
            Self::new(Kind::Internal, "the store failed")
        };
        problem.caused_by(&error)
    }
}
