//! Every event of versions 0.4 and 0.5 of the specification, several times, as its own Rust SDK makes them (the samples of
//! the specification itself are in no package): each gives its facts, or says why it gives none, in every mode.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use cdevents_sdk::CDEvent;
use proptest::prelude::{Strategy as _, any};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use super::{NAME, Source, connect};
use crate::source::Connection;
use crate::source::checks::{delivery, told};

/// Subjects and what can happen to them.
const EVENTS: [(&str, &str); 14] = [
    ("artifact", "deleted downloaded packaged published signed"),
    ("branch", "created deleted"),
    ("build", "finished queued started"),
    ("change", "abandoned created merged reviewed updated"),
    ("environment", "created deleted modified"),
    ("incident", "detected reported resolved"),
    ("pipelinerun", "finished queued started"),
    ("repository", "created deleted modified"),
    ("service", "deployed published removed rolledback upgraded"),
    ("taskrun", "finished started"),
    ("testcaserun", "finished queued skipped started"),
    ("testoutput", "published"),
    ("testsuiterun", "finished queued started"),
    ("ticket", "closed created updated"),
];
/// Samples of each.
const N_SAMPLES: usize = 3;

/// The types of all events of 0.4.1 and 0.5.1.
fn types() -> Vec<String> {
    let events = EVENTS.iter().flat_map(|(subject, words)| words.split_whitespace().map(move |word| (subject, word)));
    let types = events.flat_map(|(subject, predicate)| {
        let versions = match (*subject, predicate) {
            ("ticket", _) | ("artifact", "deleted" | "downloaded") | (_, "skipped") => ["0.1.0", "0.2.0"],
            ("change", "created") => ["0.3.0", "0.4.0"],
            _ => ["0.2.0", "0.3.0"],
        };
        versions.map(|version| format!("dev.cdevents.{subject}.{predicate}.{version}"))
    });
    types.collect()
}

fn samples() -> BTreeMap<String, Vec<Value>> {
    let mut samples: BTreeMap<String, Vec<Value>> = types().into_iter().map(|kind| (kind, Vec::new())).collect();
    let (mut runner, events) = (TestRunner::deterministic(), any::<CDEvent>());
    while samples.values().any(|of_one| of_one.len() < N_SAMPLES) {
        let event = events.new_tree(&mut runner).unwrap().current();
        let Some(of_one) = samples.get_mut(event.ty()).filter(|of_one| of_one.len() < N_SAMPLES) else { continue };
        let mut event = serde_json::to_value(event).unwrap();
        // No type of a ticket that is made at random is an incident's.
        if of_one.len() % 2 == 1 && event["context"]["type"].as_str().unwrap().contains(".ticket.") {
            event["subject"]["content"]["ticketType"] = json!("incident");
        }
        if is_plain(&event) {
            of_one.push(event);
        }
    }
    samples
}

/// Whether no text in it is blank or has blanks around it, as the SDK makes some: those are trimmed.
fn is_plain(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && text.trim() == text,
        Value::Array(items) => items.iter().all(is_plain),
        Value::Object(fields) => fields.values().all(is_plain),
        _ => true,
    }
}

/// What the facts of an event must say at least; none where it must say why there are none.
fn expected(event: &Value, predicate: &str) -> Vec<Value> {
    let (at, subject) = (&event["context"]["timestamp"], &event["subject"]);
    let (id, content) = (&subject["id"], &subject["content"]);
    let of_source = format!(
        "{}/{}",
        subject["source"].as_str().or(event["context"]["source"].as_str()).unwrap(),
        id.as_str().unwrap()
    );
    match predicate {
        "service.deployed" | "service.upgraded" | "service.rolledback" => {
            let mut deployment = json!({"type": "deployment", "service": id, "status": "success", "finished_at": at,
                "environment": content["environment"]["id"]});
            if predicate == "service.rolledback" {
                deployment["is_rollback"] = json!(true);
            }
            vec![deployment]
        }
        "incident.detected" => vec![json!({"type": "incident", "id": of_source, "opened_at": at})],
        "incident.reported" => vec![json!({"type": "incident", "id": of_source})],
        "incident.resolved" => vec![json!({"type": "incident", "id": of_source, "resolved_at": at})],
        "ticket.created" if content["ticketType"] == "incident" => {
            vec![json!({"type": "incident", "id": of_source, "opened_at": at, "url": content["uri"]})]
        }
        "ticket.updated" if content["ticketType"] == "incident" => vec![json!({"type": "incident", "id": of_source})],
        "ticket.closed" if content["ticketType"] == "incident" || content["ticketType"].is_null() => {
            vec![json!({"type": "incident", "id": of_source, "resolved_at": at})]
        }
        "pipelinerun.finished" => match content["outcome"].as_str() {
            Some("failure" | "error") => vec![json!({"type": "deployment", "status": "failed", "finished_at": at})],
            Some("cancel") => vec![json!({"type": "deployment", "status": "cancelled", "finished_at": at})],
            _ => Vec::new(),
        },
        _ => {
            let repository = &content["repository"]["id"];
            let pull_request = |key: &str| json!({"type": "pull_request", "id": id, "repository": repository, key: at});
            match predicate {
                _ if repository.is_null() => Vec::new(),
                "change.created" => vec![pull_request("opened_at")],
                "change.reviewed" => vec![pull_request("first_review_at")],
                "change.abandoned" => vec![pull_request("closed_at")],
                "change.updated" => vec![json!({"type": "pull_request", "id": id})],
                "change.merged" => vec![
                    pull_request("merged_at"),
                    json!({"type": "change", "repository": repository, "merged_at": at, "pull_request": id}),
                ],
                _ => Vec::new(),
            }
        }
    }
}

/// A connection for which the pipeline of this event deploys.
fn source(event: &Value) -> std::sync::Arc<dyn Source> {
    let name = &event["subject"]["content"]["pipelineName"];
    let pipelines = if name.is_string() { json!([{"name": name, "service": "quay"}]) } else { json!([]) };
    let options = json!({ "pipelines": pipelines }).as_object().unwrap().clone();
    connect(Connection { options, ..Connection::default() }).unwrap()
}

fn has(fact: &Value, expected: &Value) -> bool {
    let instant = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok();
    expected.as_object().unwrap().iter().all(|(key, value)| {
        let is_same_instant =
            key.ends_with("_at") && instant(&fact[key]).is_some() && instant(&fact[key]) == instant(value);
        fact[key] == *value || is_same_instant
    })
}

#[test]
fn every_event_gives_its_facts_or_says_why_not_in_every_mode() {
    let samples = samples();
    assert_eq!(samples.len(), 2 * 45);
    for (kind, event) in samples.iter().flat_map(|(kind, of_one)| of_one.iter().map(move |event| (kind, event))) {
        let source = source(event);
        let context = &event["context"];
        let attributes = [("id", "id"), ("source", "source"), ("type", "type"), ("timestamp", "time")];
        let mut structured = json!({"specversion": "1.0", "datacontenttype": "application/json", "data": event});
        let mut binary = delivery(NAME, event.to_string());
        for (key, attribute) in attributes {
            structured[attribute] = context[key].clone();
            binary.headers.push((format!("ce-{attribute}"), context[key].as_str().unwrap().to_owned()));
        }
        let plain = told(source.as_ref(), &delivery(NAME, event.to_string()));
        assert_eq!(told(source.as_ref(), &binary), plain, "binary: {event}");
        assert_eq!(told(source.as_ref(), &delivery(NAME, structured.to_string())), plain, "structured: {event}");

        let predicate: Vec<&str> = kind.split('.').skip(2).take(2).collect();
        let mut expected = expected(event, &predicate.join("."));
        if event["subject"]["content"]["pipelineName"].is_null() && predicate[0] == "pipelinerun" {
            expected.clear();
        }
        if expected.is_empty() {
            assert!(plain["nothing"].is_string(), "{kind}: {plain}: {event}");
            continue;
        }
        let facts = plain.as_array().unwrap_or_else(|| unreachable!("{kind}: {plain}: {event}"));
        assert_eq!(facts.len(), expected.len(), "{kind}: {plain}");
        for (fact, expected) in facts.iter().zip(&expected) {
            assert!(has(fact, expected), "{kind}: {fact} has not {expected}: {event}");
        }
    }
}
