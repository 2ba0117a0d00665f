//! A body is kept only where it has the shape that the API's own description says, so that a field of the wrong kind is an
//! error here and not a fact that lacks something.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Value, json};

use super::{ROOTS, bodies};
use crate::extract::Body;
use crate::problem::{Kind, Problem};

/// What the description says of the bodies that are posted to other products' addresses, by operation.
static SHAPES: LazyLock<HashMap<String, Validator>> = LazyLock::new(|| {
    let api = crate::openapi();
    let paths = api["paths"].as_object().into_iter().flatten();
    let items = paths.filter(|(path, _)| ROOTS.iter().any(|root| path.starts_with(root))).map(|(_, item)| item);
    let operations = items.flat_map(|item| item.as_object().into_iter().flatten().map(|(_, operation)| operation));
    let shape = |operation: &Value| {
        let schema = operation.pointer("/requestBody/content/application~1json/schema")?;
        let whole = json!({"allOf": [schema], "components": api["components"]});
        let options = jsonschema::options().with_draft(Draft::Draft202012);
        let options = options.with_format(bodies::INSTANT, dorado_ingest::is_instant).should_validate_formats(true);
        Some((operation["operationId"].as_str()?.to_owned(), options.build(&whole).expect("the description is whole")))
    };
    operations.filter_map(shape).collect()
});

/// Refuses a body that is not what the description of `operation` says.
pub(super) fn check(operation: &str, body: &Body) -> Result<(), Problem> {
    let told: Value = serde_json::from_slice(&body.bytes).map_err(|error| {
        Problem::new(Kind::InvalidBody, format!("the body is not JSON: {error}")).parameter("body").expected(DESCRIBED)
    })?;
    let Err(error) = SHAPES[operation].validate(&told) else { return Ok(()) };
    let error = nearest(&error);
    let place = error.instance_path().as_str().trim_start_matches('/').replace('/', ".");
    let inside = |property: &str| if place.is_empty() { property.to_owned() } else { format!("{place}.{property}") };
    let (place, problem, expected) = match error.kind() {
        ValidationErrorKind::Required { property } => {
            (inside(property.as_str().unwrap_or_default()), "is missing".to_owned(), DESCRIBED.to_owned())
        }
        ValidationErrorKind::Type { kind } => (place, "is of another type".to_owned(), types(kind)),
        ValidationErrorKind::Format { .. } => (place, "is no instant".to_owned(), AN_INSTANT.to_owned()),
        ValidationErrorKind::Pattern { .. } => (place, "is blank".to_owned(), "text".to_owned()),
        _ => (place, error.masked().to_string(), DESCRIBED.to_owned()),
    };
    let place = if place.is_empty() { "body".to_owned() } else { place };
    let problem = Problem::new(Kind::InvalidBody, format!("{place}: {problem}")).parameter(place).expected(expected);
    Err(match error.kind() {
        ValidationErrorKind::Required { .. } => problem,
        _ => problem.value(error.instance().to_string()),
    })
}

const DESCRIBED: &str = "what /openapi.json says of this address";
const AN_INSTANT: &str = "RFC 3339, as 2026-11-01T08:09:00+00:00";

/// Of a body that has none of several forms, what it lacks of the newest, which is the first; or of another that it is nearer
/// to by half.
fn nearest<'a>(error: &'a ValidationError<'a>) -> &'a ValidationError<'a> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) = error.kind() else {
        return error;
    };
    let Some(newest) = context.first() else { return error };
    let other = context.iter().filter(|errors| errors.len() * 2 < newest.len()).min_by_key(|errors| errors.len());
    other.unwrap_or(newest).first().map_or(error, nearest)
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(several) => several.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
    }
}
