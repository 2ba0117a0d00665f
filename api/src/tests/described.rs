//! The description agrees with what is served.

use std::time::Duration;

use serde_json::Value;

use super::{Bench, EVENTS, JSON, request};
use crate::{Limits, openapi};

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
                let problem = &followed(&api, response)["content"]["application/problem+json"];
                assert_eq!(is_error, problem.is_object(), "{method} {path} {status}");
                if is_error {
                    let place = format!("{method} {path} {status}");
                    check(&api, &place, &problem["schema"], &problem["example"]);
                    assert_eq!(problem["example"]["status"].to_string(), *status, "{place}");
                }
            }
        }
    }
}

/// A query, headers and a body.
type Wrong<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

/// What anybody can do wrong with an address, whatever it is for, is answered with a status that the document names.
#[tokio::test]
async fn a_status_that_is_answered_is_documented() {
    let bench = Bench::new().await;
    let api = openapi();
    for (path, item) in api["paths"].as_object().into_iter().flatten() {
        let address: String =
            path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        for (method, operation) in item.as_object().into_iter().flatten() {
            let wrongs: [Wrong<'_>; 9] = [
                ("", &[], ""),
                ("?nothing=1", &[JSON], ""),
                ("?a=%ff", &[JSON], ""),
                (&format!("?{}", "a".repeat(9_000)), &[], ""),
                ("", &[("accept", "image/png")], ""),
                ("", &[("origin", "https://other.example.org")], ""),
                ("", &[("authorization", "Bearer nothing")], ""),
                ("", &[JSON, ("content-encoding", "br")], "{}"),
                ("", &[JSON], "{"),
            ];
            for (query, headers, body) in wrongs {
                let request = request(&method.to_uppercase(), &format!("{address}{query}"), headers, body.to_owned());
                let answer = bench.send(request).await;
                let status = answer.status.as_u16().to_string();
                let place = format!("{method} {path}{query} {headers:?} {body}: {status}");
                let documented = followed(&api, &operation["responses"][&status]);
                assert!(documented.is_object(), "{place} is not documented: {}", answer.text());
                let media_type = answer.header("content-type").split(';').next().unwrap_or_default().to_owned();
                let formats = documented["content"].as_object().into_iter().flatten();
                let mut formats = formats.map(|(format, _)| format.split(';').next().unwrap_or_default());
                assert!(media_type.is_empty() || formats.any(|format| format == media_type), "{place}: {media_type}");
            }
        }
    }
}

/// Rows have the documented keys and no others, so that the description can be relied on.
#[tokio::test]
async fn every_row_that_is_served_has_only_documented_keys_of_the_documented_type() {
    // Packs side by side take a build without optimisation long, where the machine has other things to do.
    let bench = Bench::with(Limits { query_timeout: Duration::from_mins(10), ..Limits::default() }).await;
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
        assert!(told[list].as_array().is_some_and(|rows| !rows.is_empty()), "{address}: {told}");
        let content = &api["paths"][path]["get"]["responses"]["200"]["content"]["application/json"];
        check(&api, &address, &content["schema"], &told);
    }
}

/// Holds a value against the schema that documents it: types, what must be there, and nothing undocumented.
fn check(api: &Value, place: &str, schema: &Value, told: &Value) {
    let mut wrong = Vec::new();
    compare(api, place, schema, told, &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn compare(api: &Value, place: &str, schema: &Value, told: &Value, wrong: &mut Vec<String>) {
    let schema = followed(api, schema);
    let choices = ["oneOf", "anyOf"].iter().find_map(|key| schema[*key].as_array());
    // Beside properties they only say which go together.
    if let Some(choices) = choices.filter(|_| schema.get("properties").is_none()) {
        let fits = |choice: &&Value| {
            let mut wrong = Vec::new();
            compare(api, place, choice, told, &mut wrong);
            wrong.is_empty()
        };
        if !choices.iter().any(|choice| fits(&choice)) {
            wrong.push(format!("{place}: {told} is none of {schema}"));
        }
        return;
    }
    if !fits(schema, told) {
        wrong.push(format!("{place}: {told} is documented as {schema}"));
        return;
    }
    let known = schema["enum"].as_array();
    if known.is_some_and(|known| !known.contains(told)) {
        wrong.push(format!("{place}: {told} is not in {schema}"));
    }
    let mut documented = Documented::default();
    documented.read(api, schema);
    for (key, value) in told.as_object().into_iter().flatten() {
        let place = format!("{place}.{key}");
        match documented.properties.get(key) {
            Some(schema) => compare(api, &place, schema, value, wrong),
            None if documented.properties.is_empty() => {}
            None => wrong.push(format!("{place} is undocumented: {value}")),
        }
    }
    for key in documented.required.iter().filter(|key| told.is_object() && told.get(key.as_str()).is_none()) {
        wrong.push(format!("{place} has no {key}"));
    }
    for (number, item) in told.as_array().into_iter().flatten().enumerate() {
        compare(api, &format!("{place}[{number}]"), &schema["items"], item, wrong);
    }
}

fn followed<'a>(api: &'a Value, schema: &'a Value) -> &'a Value {
    match schema["$ref"].as_str() {
        Some(reference) => api.pointer(reference.trim_start_matches('#')).unwrap_or(&Value::Null),
        None => schema,
    }
}

/// An object's keys, also those of the parts that it is made of.
#[derive(Default)]
struct Documented {
    properties: serde_json::Map<String, Value>,
    required: Vec<String>,
}

impl Documented {
    fn read(&mut self, api: &Value, schema: &Value) {
        let schema = followed(api, schema);
        self.properties.extend(schema["properties"].as_object().cloned().unwrap_or_default());
        self.required
            .extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).map(String::from));
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.read(api, part);
        }
    }
}

fn fits(schema: &Value, value: &Value) -> bool {
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

#[test]
fn every_operation_has_an_id_of_its_own_and_examples_that_fit() {
    let api = openapi();
    let mut ids = std::collections::BTreeSet::new();
    let mut wrong = Vec::new();
    for (path, item) in api["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let place = format!("{method} {path}");
            if !ids.insert(operation["operationId"].as_str()) {
                wrong.push(format!("{place}: another has its id"));
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let place = format!("{place}: parameter {}", parameter["name"]);
                match parameter.get("example") {
                    Some(example) => compare(&api, &place, &parameter["schema"], example, &mut wrong),
                    None => wrong.push(format!("{place} has no example")),
                }
            }
            if let Some(body) = operation.get("requestBody").filter(|body| body.get("content").is_some()) {
                compare_example(&api, &format!("{place}: body"), body, &mut wrong);
            }
            let responses = operation["responses"].as_object();
            let successes = responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2'));
            for (status, response) in successes.filter(|(_, response)| response.get("content").is_some()) {
                compare_example(&api, &format!("{place}: {status}"), response, &mut wrong);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Of the formats that a body comes in one has an example, which is as its schema says.
fn compare_example(api: &Value, place: &str, body: &Value, wrong: &mut Vec<String>) {
    let formats = body["content"].as_object().into_iter().flatten().map(|(_, format)| format);
    let shown: Vec<&Value> = formats.filter(|format| format.get("example").is_some()).collect();
    if shown.is_empty() {
        wrong.push(format!("{place} has no example"));
    }
    for format in shown {
        compare(api, place, &format["schema"], &format["example"], wrong);
    }
}
