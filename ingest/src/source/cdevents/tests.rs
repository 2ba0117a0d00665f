//! Fixtures to facts, in each of the bindings' modes.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::{any, prop_assert, proptest};
use serde_json::{Value, json};

use super::*;
use crate::source::checks::{check_snapshots, delivery, fixtures, no_parse_errors, told};

fn cdevents() -> Arc<dyn Source> {
    connect(Connection::default()).unwrap()
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots(cdevents().as_ref());
}

#[test]
fn missing_and_null_fields_are_never_a_parse_error() {
    no_parse_errors(cdevents().as_ref());
}

#[test]
fn an_event_says_the_same_in_every_mode() {
    use base64::Engine as _;
    let source = cdevents();
    let plain: Value = serde_json::from_slice(&fixtures(NAME)["incident.detected"]).unwrap();
    let told = |body: &Value| told(source.as_ref(), &delivery(NAME, body.to_string()));
    let expected = told(&plain);
    assert_eq!(expected.as_array().unwrap().len(), 1);
    let kind = "dev.cdevents.incident.detected.0.3.0";
    let structured = json!({"specversion": "1.0", "id": "1", "source": "/s", "type": kind, "data": plain});
    assert_eq!(told(&structured), expected);
    let encoded = base64::engine::general_purpose::STANDARD.encode(plain.to_string());
    assert_eq!(told(&json!({"specversion": "1.0", "id": "1", "type": kind, "data_base64": encoded})), expected);
    assert_eq!(told(&json!([structured])), expected);

    let mut headless = plain.clone();
    let context = headless["context"].as_object_mut().unwrap();
    let header = |name: &str, value: Option<Value>| (name.to_owned(), value.unwrap().as_str().unwrap().to_owned());
    let mut binary = delivery(NAME, "");
    binary.headers = vec![
        header("ce-type", context.remove("type")),
        header("ce-time", context.remove("timestamp")),
        header("ce-id", context.remove("id")),
        header("ce-source", context.remove("source")),
    ];
    binary.body = headless.to_string().into();
    assert_eq!(self::told(source.as_ref(), &binary), expected);
}

#[test]
fn an_incident_is_one_from_its_detection_to_its_end() {
    let source = cdevents();
    let id = |name: &str| told(source.as_ref(), &delivery(NAME, fixtures(NAME)[name].clone()))[0]["id"].clone();
    assert_eq!(id("incident.detected"), id("incident.reported"));
    assert_eq!(id("incident.detected"), id("incident.resolved"));
}

#[test]
fn a_run_of_a_pipeline_that_deploys_is_an_attempt_where_it_did_not_end_well() {
    let run = |options: Value, outcome: &str| {
        let connection = Connection { options: options.as_object().unwrap().clone(), ..Connection::default() };
        let mut event: Value = serde_json::from_slice(&fixtures(NAME)["pipelinerun.finished"]).unwrap();
        event["subject"]["content"]["outcome"] = json!(outcome);
        event["customData"] = json!({"service": "quay", "revision": "9fceb02d0ae598e95dc970b74767f19372d61af8"});
        told(connect(connection).unwrap().as_ref(), &delivery(NAME, event.to_string()))
    };
    let deploys = || json!({"pipelines": [{"name": "p", "environment": "staging"}]});
    let failed = &run(deploys(), "failure")[0];
    let of = |key: &str| failed[key].as_str().unwrap().to_owned();
    assert_eq!(
        ["id", "service", "environment", "status", "finished_at", "revision"].map(of),
        [
            "/clusters/one/run-1/run",
            "quay",
            "staging",
            "failed",
            "2026-03-02T10:00:00.123Z",
            "9fceb02d0ae598e95dc970b74767f19372d61af8"
        ]
    );
    assert_eq!(run(deploys(), "error")[0]["status"], "failed");
    assert_eq!(run(deploys(), "cancel")[0]["status"], "cancelled");
    assert!(run(deploys(), "success")["nothing"].as_str().unwrap().contains("service.deployed"));
    let both = json!({"pipelines": [{"name": "p", "service": "crane", "successes": true}]});
    assert_eq!(run(both.clone(), "success")[0]["status"], "success");
    assert_eq!(run(both, "success")[0]["service"], "crane");
    let other = json!({"pipelines": [{"name": "other"}]});
    assert!(run(other, "failure")["nothing"].as_str().unwrap().contains("not configured"));
}

proptest! {
    /// Events of every type and of three versions of the specification, by the specification's own model of them.
    #[test]
    fn every_valid_event_is_understood(event in any::<cdevents_sdk::CDEvent>()) {
        let source = cdevents();
        let body = serde_json::to_string(&event).unwrap();
        let kind = event.ty().strip_prefix("dev.cdevents.").unwrap_or_default().to_owned();
        let mut words = kind.split('.');
        let (subject, predicate) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let n_facts = match (subject, predicate) {
            ("service", "deployed" | "upgraded" | "rolledback") | ("incident", _) => 1,
            _ => 0,
        };
        match source.translate(&delivery(NAME, body.clone())) {
            Ok(facts) => prop_assert!(facts.len() >= n_facts, "{body}"),
            // An id of blanks alone is none.
            Err(error) => prop_assert!(error.to_string().ends_with("is missing"), "{error}: {body}"),
        }
    }
}
