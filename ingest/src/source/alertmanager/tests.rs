//! Fixtures to facts.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::source::checks::{check_snapshots, delivery, fixtures, no_parse_errors, told};

fn alertmanager(options: &serde_json::Value) -> Arc<dyn Source> {
    let options = options.as_object().unwrap().clone();
    connect(Connection { options, ..Connection::default() }).unwrap()
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots(alertmanager(&json!({})).as_ref());
}

#[test]
fn missing_and_null_fields_are_never_a_parse_error() {
    no_parse_errors(alertmanager(&json!({})).as_ref());
}

#[test]
fn an_alert_and_its_end_are_one_incident_and_the_next_alert_another() {
    let source = alertmanager(&json!({}));
    let id = |name: &str| told(source.as_ref(), &delivery(NAME, fixtures(NAME)[name].clone()))[0]["id"].clone();
    assert_eq!(id("firing"), id("resolved"));
    assert_eq!(id("firing"), id("group_of_two"));
    assert_ne!(id("firing"), id("firing_again"));
}

#[test]
fn labels_are_read_as_they_are_configured() {
    let source = alertmanager(&json!({
        "service_labels": ["team"], "environment_labels": [], "only": {"severity": ["critical", "page"]},
    }));
    let told = |name: &str| told(source.as_ref(), &delivery(NAME, fixtures(NAME)[name].clone()));
    assert_eq!(told("firing")[0]["services"], json!(["harbour"]));
    assert_eq!(told("firing")[0]["environment"], json!(null));
    assert_eq!(told("group_of_two").as_array().unwrap().len(), 1);
    assert_eq!(told("watchdog"), json!({"nothing": "none of these alerts is configured to be an incident"}));
    let wrong = Connection { options: json!({"only": 7}).as_object().unwrap().clone(), ..Connection::default() };
    assert_eq!(connect(wrong).err().unwrap().option, "only");
}
