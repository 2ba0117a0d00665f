//! The JSON schema of an event, made from the structs that parse it.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::event::{Change, Deployment, Incident, Override, PullRequest};
use super::field::StatusWord;
use super::read::EventType;

/// Other names that fields are taken under; the parser has the same ones, and a test holds them together.
const ALIASES: &[(EventType, &str, &str)] = &[
    (EventType::Deployment, "revision", "sha"),
    (EventType::Deployment, "revision", "commit_sha"),
    (EventType::Change, "id", "sha"),
    (EventType::Change, "id", "commit_sha"),
    (EventType::Change, "authored_at", "author_at"),
    (EventType::PullRequest, "merge_commit", "merge_commit_sha"),
];

/// The JSON schema (draft 2020-12) of one event: `oneOf` its types, told apart by `type`.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let types: Vec<Value> = EventType::ALL.into_iter().map(|kind| of_type(kind, &mut generator)).collect();
    let mut definitions = generator.take_definitions(true);
    if let Some(listed) = definitions.get_mut("Change") {
        // Whose it is, its deployment says.
        add_aliases(EventType::Change, listed);
        listed["properties"]["type"] = json!({"description": "Not read: what is listed here is a change."});
        listed["allOf"] = json!([one_of(&CHANGE_INSTANTS)]);
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "/api/v1/events/schema",
        "title": "Event",
        "description": "What was deployed, changed or broken, told by anything that can send JSON. Every instant is RFC 3339 with an offset. A record sent again under the same id is a new version of it; null means the same as leaving a field out.",
        "oneOf": types,
        "$defs": definitions,
    })
}

fn of_type(kind: EventType, generator: &mut SchemaGenerator) -> Value {
    let schema = match kind {
        EventType::Deployment => Deployment::json_schema(generator),
        EventType::Change => Change::json_schema(generator),
        EventType::PullRequest => PullRequest::json_schema(generator),
        EventType::Incident => Incident::json_schema(generator),
        EventType::Override => Override::json_schema(generator),
    };
    let mut schema = Value::from(schema);
    schema["title"] = json!(kind.name());
    require(&mut schema, "type");
    schema["properties"]["type"] = json!({"const": kind.name(), "description": "The type of the event."});
    match kind {
        EventType::Deployment => schema["anyOf"] = deployment_needs(),
        EventType::Change => schema["allOf"] = json!([one_of(&OWNERS), one_of(&CHANGE_INSTANTS)]),
        EventType::PullRequest => schema["allOf"] = json!([one_of(&OWNERS), one_of(&PULL_REQUEST_INSTANTS)]),
        // What is there was opened, and what is deleted needs not say when.
        EventType::Incident => schema["anyOf"] = json!([given(&["opened_at"]), given(&["deleted_at"])]),
        EventType::Override => schema["anyOf"] = json!(VERDICTS.map(|(verdicts, about)| needing(verdicts, about))),
    }
    add_aliases(kind, &mut schema);
    schema
}

/// A field stands under one of its names.
fn add_aliases(kind: EventType, schema: &mut Value) {
    let Some(properties) = schema["properties"].as_object_mut() else { return };
    let aliases: Vec<_> = ALIASES.iter().filter(|(of, _, _)| *of == kind).collect();
    for (_, field, alias) in &aliases {
        add_alias(properties, field, alias);
    }
    if aliases.iter().any(|(_, field, _)| *field == "id") {
        let names = ["id"].into_iter().chain(aliases.iter().filter(|a| a.1 == "id").map(|a| a.2));
        schema["oneOf"] = names.map(|name| json!({"required": [name]})).collect();
        if let Some(required) = schema["required"].as_array_mut() {
            required.retain(|name| name != "id");
        }
    }
    // Several names of an id are told apart above.
    let others: Vec<_> = aliases.iter().filter(|(_, field, _)| *field != "id").collect();
    let beside = others.iter().enumerate().flat_map(|(n, (_, field, alias))| {
        let before = others[..n].iter().filter(move |other| other.1 == *field).map(|other| other.2);
        [*field].into_iter().chain(before).map(move |name| json!({"required": [name, alias]}))
    });
    let beside: Vec<Value> = beside.collect();
    if !beside.is_empty() {
        schema["not"] = json!({"anyOf": beside});
    }
}

/// One of these says where something belongs; the rules have the same, and the same instants.
const OWNERS: [&str; 2] = ["service", "repository"];
const CHANGE_INSTANTS: [&str; 5] = ["authored_at", "author_at", "committed_at", "merged_at", "first_commit_at"];
const PULL_REQUEST_INSTANTS: [&str; 5] = ["opened_at", "first_review_at", "approved_at", "merged_at", "closed_at"];

/// A deployment belongs somewhere and says when it ended, or when it was told that it goes on; one that is deleted needs
/// neither.
fn deployment_needs() -> Value {
    let mut goes_on = given(&["status"]);
    goes_on["properties"]["status"] = json!({"enum": StatusWord::going_on().collect::<Vec<_>>()});
    let since = json!({"allOf": [goes_on, one_of(&["started_at", "updated_at"])]});
    let over_or_not = json!({"anyOf": [given(&["finished_at"]), since]});
    json!([given(&["deleted_at"]), {"allOf": [one_of(&OWNERS), over_or_not]}])
}

/// These are there, and not null.
fn given(fields: &[&str]) -> Value {
    let properties: Map<String, Value> =
        fields.iter().map(|field| ((*field).to_owned(), json!({"type": "string"}))).collect();
    json!({"properties": properties, "required": fields})
}

fn one_of(fields: &[&str]) -> Value {
    json!({"anyOf": fields.iter().map(|field| given(&[field])).collect::<Vec<_>>()})
}

/// What an override is about, by its verdict; its rules have the same.
const VERDICTS: [(&[&str], &[&str]); 4] = [
    (&["failed", "not_failed"], &["deployment"]),
    (&["caused_by"], &["deployment", "incident"]),
    (&["not_caused"], &["incident"]),
    (&["withdrawn"], &[]),
];

fn needing(verdicts: &[&str], about: &[&str]) -> Value {
    let mut properties = Map::from_iter([("verdict".to_owned(), json!({"enum": verdicts}))]);
    properties.extend(about.iter().map(|field| ((*field).to_owned(), json!({"type": ["string", "integer"]}))));
    json!({"properties": properties, "required": about})
}

fn require(schema: &mut Value, field: &str) {
    match schema["required"].as_array_mut() {
        Some(required) => required.insert(0, json!(field)),
        None => schema["required"] = json!([field]),
    }
}

fn add_alias(properties: &mut Map<String, Value>, field: &str, alias: &str) {
    let Some(mut same) = properties.get(field).cloned() else {
        return;
    };
    same["description"] = json!(format!("Another name of `{field}`; give one of them."));
    properties.insert(alias.to_owned(), same);
}
