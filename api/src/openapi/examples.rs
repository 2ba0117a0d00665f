//! Examples in the document: of each parameter by its name, of bodies and answers by their operation. What they say is
//! held against the document's own schemas by a test.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// What an operation is sent and answers.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    body: Option<Value>,
    answer: Option<Value>,
}

static EXAMPLES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).expect("a test has read it"));

/// Formats that an answer is shown in; the first that it has.
const SHOWN: [&str; 4] = ["application/json", "application/schema+json", "text/csv", "text/plain; version=0.0.4"];

/// Adds what the operation has of its own and nobody wrote beside it.
pub(super) fn add(operation: &mut Value) {
    add_to_parameters(operation);
    let id = operation["operationId"].as_str().unwrap_or_default();
    let example = EXAMPLES.get(id).cloned().unwrap_or_default();
    let Ok(Example { body, answer }) = serde_json::from_value(example) else { return };
    if let (Some(body), Some(told)) = (body, operation.get_mut("requestBody")) {
        show(told, body);
    }
    let responses = operation["responses"].as_object_mut();
    let success = responses.into_iter().flatten().find(|(status, _)| status.starts_with('2'));
    if let (Some(answer), Some((_, told))) = (answer, success) {
        show(told, answer);
    }
}

/// Puts an example into what is told of a body.
fn show(told: &mut Value, example: Value) {
    let Some(content) = told.get_mut("content").and_then(Value::as_object_mut) else { return };
    if let Some(format) = SHOWN.iter().find(|format| content.contains_key(**format)) {
        content[*format]["example"] = example;
    }
}

fn add_to_parameters(operation: &mut Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten().filter(|parameter| parameter.get("example").is_none()) {
        let example = match parameter["name"].as_str() {
            Some("service") => "checkout",
            Some("team") => "payments",
            Some("repository") => "acme/shop",
            Some("environment") => "production",
            Some("tz") => "Europe/Berlin",
            Some("failure") => "incident",
            Some("definition") => "dora-2025",
            Some("cursor") => "301f313739333439313434303030303030301f636865636b6f75741f6331",
            Some("deployment") => "checkout-20261101-1",
            Some("incident") => "INC-7",
            Some("source") => "events",
            Some("token") => "a long secret",
            _ => continue,
        };
        let is_list = parameter["schema"]["type"] == "array";
        parameter["example"] = if is_list { json!([example]) } else { json!(example) };
    }
}
