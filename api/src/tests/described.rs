//! The description agrees with what is served.

use serde_json::Value;

use super::{Bench, EVENTS, JSON};
use crate::openapi;

#[test]
fn it_is_openapi_3_1_with_every_route_and_no_dangling_reference() {
    let api = openapi();
    assert_eq!(api["openapi"], "3.1.0");
    let paths = api["paths"].as_object().map(|paths| paths.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    assert!(paths.len() >= 22, "{paths:?}");
    let mut references = Vec::new();
    collect(&api, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(api.pointer(pointer).is_some(), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str).map(String::from));
            map.values().for_each(|value| collect(value, references));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, references)),
        _ => {}
    }
}

#[test]
fn every_operation_is_described_and_every_error_is_a_problem() {
    let api = openapi();
    for (path, item) in api["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["operationId"].is_string(), "{method} {path}");
            assert!(operation.get("parameters").is_none_or(Value::is_array), "{method} {path}");
            for (status, response) in operation["responses"].as_object().into_iter().flatten() {
                let is_error = status.starts_with(['4', '5']);
                let is_problem = response["content"]["application/problem+json"].is_object();
                assert_eq!(is_error, is_problem, "{method} {path} {status}");
            }
        }
    }
}

/// Rows have the documented keys and no others, so that the description can be relied on.
#[tokio::test]
async fn every_row_that_is_served_has_only_documented_keys_of_the_documented_type() {
    let bench = Bench::new().await;
    bench.post("/api/v1/events", &[JSON], EVENTS).await;
    bench.settle().await;
    let api = openapi();
    let compare = "compare=previous&group_by=service";
    for (address, path, list) in [
        ("/api/v1/metrics".to_owned(), "/api/v1/metrics", "data"),
        (format!("/api/v1/metrics/change-lead-time?{compare}"), "/api/v1/metrics/{id}", "data"),
        (format!("/api/v1/metrics/deployment-frequency?{compare}"), "/api/v1/metrics/{id}", "data"),
        (format!("/api/v1/metrics/change-fail-rate?{compare}"), "/api/v1/metrics/{id}", "data"),
        (format!("/api/v1/metrics/failed-deployment-recovery-time?{compare}"), "/api/v1/metrics/{id}", "data"),
        (format!("/api/v1/summary?{compare}"), "/api/v1/summary", "data"),
        (format!("/api/v1/summary?{compare}"), "/api/v1/summary", "series"),
        (format!("/api/v1/stages?{compare}"), "/api/v1/stages", "data"),
        ("/api/v1/definitions".to_owned(), "/api/v1/definitions", "data"),
        ("/api/v1/definitions/compare".to_owned(), "/api/v1/definitions/compare", "data"),
        ("/api/v1/definitions/compare?window_hours=1".to_owned(), "/api/v1/definitions/compare", "differences"),
        ("/api/v1/metrics/change-fail-rate/explain?pack=gitlab".to_owned(), "/api/v1/metrics/{id}/explain", "data"),
        ("/api/v1/metrics/change-fail-rate/explain?pack=datadog".to_owned(), "/api/v1/metrics/{id}/explain", "data"),
        (
            "/api/v1/metrics/change-lead-time/explain?definition=fourkeys".to_owned(),
            "/api/v1/metrics/{id}/explain",
            "data",
        ),
        ("/api/v1/metrics/change-lead-time/explain".to_owned(), "/api/v1/metrics/{id}/explain", "data"),
        ("/api/v1/metrics/change-fail-rate/explain".to_owned(), "/api/v1/metrics/{id}/explain", "data"),
        ("/api/v1/services".to_owned(), "/api/v1/services", "data"),
        ("/api/v1/environments".to_owned(), "/api/v1/environments", "data"),
        ("/api/v1/deployments".to_owned(), "/api/v1/deployments", "data"),
        ("/api/v1/changes".to_owned(), "/api/v1/changes", "data"),
        ("/api/v1/incidents".to_owned(), "/api/v1/incidents", "data"),
        ("/api/v1/sources".to_owned(), "/api/v1/sources", "data"),
        ("/api/v1/deliveries".to_owned(), "/api/v1/deliveries", "data"),
        ("/api/v1/unmapped".to_owned(), "/api/v1/unmapped", "data"),
        ("/api/v1/quick-check".to_owned(), "/api/v1/quick-check", "data"),
        ("/api/v1/clusters".to_owned(), "/api/v1/clusters", "data"),
        ("/api/v1/flow/batch-size?group_by=service".to_owned(), "/api/v1/flow/batch-size", "data"),
        ("/api/v1/flow/ladder?service=checkout".to_owned(), "/api/v1/flow/ladder", "data"),
        ("/api/v1/data-quality".to_owned(), "/api/v1/data-quality", "data"),
    ] {
        let answer = bench.get(&address).await;
        assert_eq!(answer.status.as_u16(), 200, "{address}: {}", answer.text());
        let told = answer.json();
        let rows = told[list].as_array().cloned().unwrap_or_default();
        assert!(!rows.is_empty(), "{address}: {told}");
        let content = &api["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        let documented = &followed(&api, content)["properties"];
        for row in rows {
            check(&api, &address, &documented[list]["items"], &row);
        }
        check(&api, &address, &documented["meta"], &told["meta"]);
    }
}

fn check(api: &Value, address: &str, documented: &Value, told: &Value) {
    let properties = properties(api, documented);
    for (key, value) in told.as_object().into_iter().flatten() {
        let Some(schema) = properties.get(key) else { return undocumented(address, key, value) };
        assert!(fits(api, schema, value), "{address}: {key} is {value}, documented as {schema}");
    }
}

#[expect(clippy::panic, reason = "tests")]
fn undocumented(address: &str, key: &str, value: &Value) {
    panic!("{address} has the undocumented key {key}: {value}")
}

fn followed<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => api.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => schema,
    }
}

fn properties(api: &Value, schema: &Value) -> serde_json::Map<String, Value> {
    let schema = followed(api, schema);
    let mut all = schema["properties"].as_object().cloned().unwrap_or_default();
    for part in schema["allOf"].as_array().into_iter().flatten() {
        all.extend(properties(api, part));
    }
    all
}

fn fits(api: &Value, schema: &Value, value: &Value) -> bool {
    let schema = followed(api, schema);
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(several) => several.iter().filter_map(Value::as_str).collect(),
        _ => return true,
    };
    types.iter().any(|name| match *name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        _ => value.is_object(),
    })
}
