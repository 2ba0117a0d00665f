//! The problems that an operation can answer with: told once each, with an example, and named by every operation that
//! can meet them.

use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::problem::{Kind, Problem};

/// What stands in the document of a problem's status.
struct Told {
    name: &'static str,
    description: &'static str,
    example: Problem,
}

/// By status, in their order.
const STATUSES: [u16; 13] = [400, 401, 403, 404, 406, 408, 409, 413, 414, 415, 422, 500, 503];

/// The answers that operations refer to.
pub(super) fn responses() -> Value {
    let told = STATUSES.into_iter().filter_map(told);
    let response = |Told { name, description, example }: Told| {
        let content = json!({"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"}, "example": example,
        }});
        (name.to_owned(), json!({"description": description, "content": content}))
    };
    Value::Object(told.map(response).collect())
}

/// Adds those of these statuses of which the operation says nothing of its own.
pub(super) fn add(responses: &mut Map<String, Value>, statuses: &[u16]) {
    for status in statuses {
        let Some(Told { name, .. }) = told(*status) else { continue };
        let reference = json!({"$ref": format!("#/components/responses/{name}")});
        responses.entry(status.to_string()).or_insert(reference);
    }
}

/// Gives what an operation says of its own the example of its status.
pub(super) fn show(responses: &mut Map<String, Value>) {
    for (status, response) in responses {
        let content = response.get_mut("content").and_then(|content| content.get_mut("application/problem+json"));
        let Some(content) = content else { continue };
        if let Some(Told { example, .. }) = status.parse().ok().and_then(told) {
            content["example"] = json!(example);
        }
    }
}

fn told(status: u16) -> Option<Told> {
    let (name, description, example) = match StatusCode::from_u16(status).ok()? {
        StatusCode::BAD_REQUEST => (
            "Unreadable",
            "The request cannot be read",
            Problem::new(Kind::Unreadable, "the query string is not UTF-8").parameter("query").value("team=%ff"),
        ),
        StatusCode::UNAUTHORIZED => (
            "TokenNeeded",
            "No token, or not a valid one",
            Problem::new(Kind::TokenNeeded, "the token is not known, or it is expired or revoked")
                .parameter("Authorization")
                .expected("`Bearer` and a valid token, as `dorado token create` makes one"),
        ),
        StatusCode::FORBIDDEN => (
            "Forbidden",
            "The token does not allow this, or a browser sends this for another site's page",
            Problem::new(Kind::OutOfScope, "the token does not allow this").expected("a token with the scope read"),
        ),
        StatusCode::NOT_FOUND => (
            "NotFound",
            "There is nothing here",
            Problem::new(Kind::NotFound, "there is nothing of this name").parameter("id").value("mttr"),
        ),
        StatusCode::NOT_ACCEPTABLE => (
            "NotAcceptable",
            "No format that `Accept` names",
            Problem::new(Kind::NotAcceptable, "no answer comes in a format that `Accept` names")
                .parameter("Accept")
                .value("image/png")
                .expected("application/json, text/csv or application/x-ndjson"),
        ),
        StatusCode::REQUEST_TIMEOUT => (
            "TooSlow",
            "The body took too long",
            Problem::new(Kind::TooSlow, "the body did not arrive within 30 seconds").parameter("body"),
        ),
        StatusCode::CONFLICT => (
            "UnderWay",
            "Another one is under way",
            Problem::new(Kind::UnderWay, "another one is under way").expected("to be asked again when it is through"),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "TooLarge",
            "The body is too large",
            Problem::new(Kind::TooLarge, "the body is larger than 5.0 MiB as sent")
                .parameter("body")
                .expected("at most 5.0 MiB as sent; send it in several parts"),
        ),
        StatusCode::URI_TOO_LONG => (
            "UrlTooLong",
            "The address is too long",
            Problem::new(Kind::UrlTooLong, "the address has 9012 bytes").expected("at most 8192 bytes"),
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            "UnsupportedMediaType",
            "The body is of an unknown type or encoding",
            Problem::new(Kind::UnsupportedMediaType, "the body's encoding is not known")
                .parameter("Content-Encoding")
                .value("br")
                .expected("gzip, or none"),
        ),
        StatusCode::UNPROCESSABLE_ENTITY => (
            "Invalid",
            "A parameter makes no sense",
            Problem::new(Kind::InvalidParameter, "`bucket` is `fortnight`: it is not known")
                .parameter("bucket")
                .value("fortnight")
                .expected("one of day, week, month, quarter, year, all"),
        ),
        StatusCode::INTERNAL_SERVER_ERROR => {
            ("Internal", "Dorado failed", Problem::new(Kind::Internal, "the question could not be answered"))
        }
        StatusCode::SERVICE_UNAVAILABLE => (
            "Unavailable",
            "Too much at once, or the store does not answer; `Retry-After` says when to try again",
            Problem::new(Kind::Busy, "too many requests wait for their turn; try again"),
        ),
        _ => return None,
    };
    Some(Told { name, description, example })
}
