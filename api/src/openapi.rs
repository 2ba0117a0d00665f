//! The description of the API, made from the routes themselves: what is served at `/openapi.json` and
//! committed as `docs/openapi.json`.

mod examples;
mod problems;

use dorado_ingest::{KINDS, events};
use dorado_query::{Exported, FAILURES, METRICS, PACKS, industries};
use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use crate::access::HOST_COOKIE;
use crate::layer::OPEN;
use crate::names::Names;
use crate::problem::Problem;
use crate::router::routes;
use crate::routes::compatibility::bodies::has_several_forms;
use crate::routes::compatibility::{PANELS, ROOTS, SENSELESS_IS_400};
use crate::routes::overrides::{DECISION_FIELDS, REASON_AT_MOST, VERDICTS};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Dorado", description = "DORA metrics that can be taken apart: deployments, changes and incidents in; \
        five explained numbers out. Times are seconds, rates go from 0 to 1, unknown is null. Every error is \
        `application/problem+json` that names the parameter, the value and what would have been right. Who asks from \
        another machine needs a token. Answers carry an `ETag`; rows also come as `text/csv` and `application/x-ndjson`."),
    tags(
        (name = "Metrics", description = "The five metrics, over time and taken apart"),
        (name = "Flow", description = "How changes move towards users, and where they wait"),
        (name = "Export", description = "Tables and answers as files"),
        (name = "Lists", description = "What the metrics are about"),
        (name = "Deliveries", description = "How facts arrive"),
        (name = "Access", description = "Who is let in, and who did what"),
        (name = "Compatibility", description = "Other products' own addresses, for who posts there today"),
        (name = "Operations", description = "How this instance is doing"),
    ),
    components(schemas(Problem)),
)]
struct Head;

pub(crate) fn head() -> OpenApi {
    Head::openapi()
}

/// The API as OpenAPI 3.1.
pub fn openapi() -> Value {
    let described = serde_json::to_value(routes().into_openapi()).unwrap_or_default();
    let Value::Object(mut api) = described else { return described };
    if let Some(paths) = api.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths {
            let Some(item) = item.as_object_mut() else { continue };
            for (method, operation) in item {
                add_problems(operation, path, method);
                add_doors(operation, path);
                add_formats(operation);
                add_known_values(operation, path);
                examples::add(operation);
            }
        }
    }
    api["components"]["responses"] = problems::responses();
    api["components"]["securitySchemes"] = json!({
        "token": {"type": "http", "scheme": "bearer", "description": "A token, as `dorado token create` makes one"},
        "session": {"type": "apiKey", "in": "cookie", "name": HOST_COOKIE, "description": "The page's cookie"},
    });
    add_event(&mut api);
    add_decision(&mut api);
    let schemas = api["components"]["schemas"].as_object_mut().into_iter().flatten();
    for (_, schema) in schemas.filter(|(name, _)| has_several_forms(name)) {
        *schema = any_of(schema);
    }
    allow_empty_bodies(&mut api);
    Value::Object(api)
}

/// Answers that are not made for whom they go to, so that nobody can have them already or wish for another format.
const NOT_NEGOTIATED: [&str; 4] =
    ["/api/v1/events/schema", "/api/v1/export/{name}", "/api/v1/replay", "/api/v1/session"];

/// The problems that any operation of its kind can answer with.
fn add_problems(operation: &mut Value, path: &str, method: &str) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let mut statuses = vec![414, 500];
    let asks_the_store = ["/api/", "/webhooks", "/metrics", PANELS].iter().any(|root| path.starts_with(root));
    if asks_the_store {
        statuses.push(503);
    }
    // `/openapi.json` reads nothing of its address.
    match path {
        "/openapi.json" => {}
        _ if path.starts_with(SENSELESS_IS_400) => statuses.push(400),
        _ => statuses.extend([400, 422]),
    }
    if method == "get" && path.starts_with("/api/v1/") && !NOT_NEGOTIATED.contains(&path) {
        statuses.push(406);
        responses.entry("304").or_insert(json!({"description": "The caller has this answer already"}));
    }
    if ["post", "patch", "delete"].contains(&method) {
        statuses.push(403);
    }
    if ["post", "patch"].contains(&method) {
        statuses.extend([408, 413, 415]);
    }
    problems::add(responses, &statuses);
    problems::show(responses);
}

/// Who is let in: what is not open needs a token.
fn add_doors(operation: &mut Value, path: &str) {
    if OPEN.contains(&path) || ROOTS.iter().any(|root| path.starts_with(root)) {
        return;
    }
    operation["security"] = json!([{"token": []}, {"session": []}]);
    if let Some(responses) = operation["responses"].as_object_mut() {
        problems::add(responses, &[401, 403]);
    }
}

/// Rows come as CSV and as lines of JSON too.
fn add_formats(operation: &mut Value) {
    if !["Metrics", "Flow", "Lists"].contains(&operation["tags"][0].as_str().unwrap_or_default()) {
        return;
    }
    if let Some(content) = operation["responses"]["200"]["content"].as_object_mut() {
        for format in ["text/csv", "application/x-ndjson"] {
            content.insert(format.to_owned(), json!({"schema": {"type": "string"}}));
        }
    }
}

/// Metrics and packs are lists of `query`.
fn add_known_values(operation: &mut Value, path: &str) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        let known: Vec<&str> = match parameter["name"].as_str() {
            Some("id") if path.starts_with("/api/v1/metrics/") => METRICS.iter().map(|metric| metric.id).collect(),
            Some("name") if path.starts_with("/api/v1/export/") => Exported::names(),
            Some("name") if path.starts_with("/api/v1/variables/") => Names::PLURALS.to_vec(),
            Some("source") if path.starts_with("/webhooks") => KINDS.iter().map(|kind| kind.name).collect(),
            Some("failure") => {
                parameter["schema"]["items"]["enum"] = json!(FAILURES);
                continue;
            }
            Some("environment_tiers" | "environment_tiers[]") => {
                parameter["schema"]["items"]["enum"] = json!(["production"]);
                continue;
            }
            // Empty is none, as everywhere.
            Some("industry") => {
                let ids: Vec<&str> = industries().collect();
                parameter["schema"]["pattern"] = json!(format!("^({})?$", ids.join("|")));
                continue;
            }
            // And those that the configuration adds.
            Some("pack" | "definition") => {
                parameter["schema"]["examples"] = json!(PACKS.iter().map(|pack| &pack.id).collect::<Vec<_>>());
                continue;
            }
            _ => continue,
        };
        parameter["schema"]["enum"] = json!(known);
    }
}

/// The schema of an event, which `ingest` has, becomes a schema of this document.
fn add_event(api: &mut Map<String, Value>) {
    let mut event = events::schema();
    let definitions = match event["$defs"].take() {
        Value::Object(definitions) => definitions,
        _ => Map::new(),
    };
    if let Some(event) = event.as_object_mut() {
        for key in ["$schema", "$id", "$defs"] {
            event.remove(key);
        }
    }
    let document = &mut api["components"]["schemas"];
    document["Event"] = relocated(event);
    for (name, schema) in definitions {
        document[name] = relocated(schema);
    }
    let event = json!({"$ref": "#/components/schemas/Event"});
    let body = &mut api["paths"]["/api/v1/events"]["post"]["requestBody"]["content"]["application/json"];
    body["schema"] = json!({"oneOf": [event, {"type": "array", "items": event}]});
}

/// What may be decided is an event too, without what is known when it is posted.
fn add_decision(api: &mut Map<String, Value>) {
    let document = &mut api["components"]["schemas"];
    let events = document["Event"]["oneOf"].as_array();
    let decided = events.into_iter().flatten().find(|event| event["title"] == "override");
    let Some(mut decision) = decided.cloned() else { return };
    let properties = decision["properties"].as_object_mut().into_iter().flat_map(std::mem::take);
    let mut properties: Map<String, Value> =
        properties.filter(|(name, _)| DECISION_FIELDS.contains(&name.as_str())).collect();
    properties.insert("verdict".to_owned(), json!({"type": "string", "enum": VERDICTS, "description": "The verdict."}));
    properties["reason"]["maxLength"] = json!(REASON_AT_MOST);
    decision["properties"] = Value::Object(properties);
    decision["required"] = json!(["verdict", "author", "reason"]);
    decision["title"] = json!("decision");
    if let Some(about) = decision["anyOf"].as_array_mut() {
        about.retain(|about| about["properties"]["verdict"]["enum"] != json!(["withdrawn"]));
    }
    document["NewOverride"] = decision;
}

/// With `anyOf` in place of every `oneOf`: what has one of several forms may have more than one of them.
fn any_of(schema: &Value) -> Value {
    let name = |key: &String| if key == "oneOf" { "anyOf".to_owned() } else { key.clone() };
    match schema {
        Value::Object(fields) => fields.iter().map(|(key, value)| (name(key), any_of(value))).collect(),
        Value::Array(items) => items.iter().map(any_of).collect(),
        other => other.clone(),
    }
}

/// Dashboards leave out a body that would say nothing.
fn allow_empty_bodies(api: &mut Map<String, Value>) {
    let schemas = api["components"]["schemas"].clone();
    let says_something = |body: &Value| {
        let schema = body["content"]["application/json"]["schema"]["$ref"].as_str().unwrap_or_default();
        schemas[schema.rsplit('/').next().unwrap_or_default()].get("required").is_some()
    };
    let paths = api.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    for (_, item) in paths.filter(|(path, _)| path.starts_with(PANELS)) {
        let body = item.get_mut("post").and_then(|operation| operation.get_mut("requestBody"));
        if let Some(body) = body.filter(|body| !says_something(body)) {
            body["required"] = json!(false);
        }
    }
}

/// With references to where definitions are in this document.
fn relocated(schema: Value) -> Value {
    match schema {
        Value::String(text) => match text.strip_prefix("#/$defs/") {
            Some(name) => json!(format!("#/components/schemas/{name}")),
            None => Value::String(text),
        },
        Value::Array(items) => items.into_iter().map(relocated).collect(),
        Value::Object(map) => map.into_iter().map(|(key, value)| (key, relocated(value))).collect(),
        other => other,
    }
}
