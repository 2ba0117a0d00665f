//! Fixtures to facts, and who is let in.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::source::POSTED_TO;
use crate::source::checks::{check_snapshots_of, delivery, fixtures, no_parse_errors_of, told};

fn datadog() -> Arc<dyn Source> {
    connect(Connection { secrets: vec![Secret::value("k3y")], ..Connection::default() }).unwrap()
}

/// As posted to the address that the first word of the fixture's name says.
fn posted(name: &str, body: Vec<u8>) -> Delivery {
    let path = match name.split('.').next().unwrap() {
        "patch" => "deployments/deploy:2026-03-02:0001",
        other => other,
    };
    let mut delivery = delivery(NAME, body);
    delivery.headers.push((POSTED_TO.to_owned(), path.to_owned()));
    delivery
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots_of(datadog().as_ref(), posted);
}

#[test]
fn missing_and_null_fields_are_never_a_parse_error() {
    no_parse_errors_of(datadog().as_ref(), posted);
}

#[test]
fn a_body_tells_what_it_is_where_the_address_does_not() {
    let source = datadog();
    for (name, body) in fixtures(NAME) {
        let by_address = told(source.as_ref(), &posted(&name, body.clone()));
        if name != "failure.of_a_team" {
            assert_eq!(told(source.as_ref(), &delivery(NAME, body)), by_address, "{name}");
        }
    }
}

#[test]
fn what_is_posted_without_an_id_has_one_that_stays() {
    let source = datadog();
    let id = |text: &str| {
        let body = json!({"data": {"attributes": serde_json::from_str::<Value>(text).unwrap()}}).to_string();
        told(source.as_ref(), &posted("deployment", body.into_bytes()))[0]["id"].clone()
    };
    let first = id(r#"{"service": "quay", "finished_at": 1772445660}"#);
    assert_eq!(first.as_str().unwrap().len(), 36);
    assert_eq!(first, id(r#"{"finished_at": 1772445660, "service": "quay"}"#));
    assert_ne!(first, id(r#"{"finished_at": 1772445661, "service": "quay"}"#));
}

#[test]
fn a_verdict_repeated_later_is_a_delivery_of_its_own_and_a_deployment_is_not() {
    let source = datadog();
    let later = |delivery: &Delivery| Delivery {
        received_at: delivery.received_at + chrono::Duration::seconds(1),
        ..delivery.clone()
    };
    let is_same = |name: &str| {
        let delivery = posted(name, fixtures(NAME)[name].clone());
        source.delivery_id(&delivery) == source.delivery_id(&later(&delivery))
    };
    assert!(is_same("deployment.seconds"));
    assert!(!is_same("patch.failed"));
}

#[test]
fn what_is_deleted_is_gone_from_when_that_arrives() {
    let source = datadog();
    for (path, kind) in [("deployment/d/1", "deployment"), ("failure/d/1", "incident")] {
        let mut delivery = delivery(NAME, "");
        delivery.headers.push((POSTED_TO.to_owned(), path.to_owned()));
        let facts = told(source.as_ref(), &delivery);
        let fact = &facts[0];
        assert_eq!((&fact["type"], &fact["id"]), (&json!(kind), &json!("d/1")));
        assert_eq!(fact["deleted_at"], json!(delivery.received_at));
    }
}

#[test]
fn the_api_key_lets_in() {
    let check = |name: &str, value: &str| {
        let mut delivery = delivery(NAME, "{}");
        delivery.headers.push((name.to_owned(), value.to_owned()));
        datadog().authenticate(&delivery)
    };
    assert!(check("dd-api-key", "k3y").is_ok());
    assert!(check("authorization", "Bearer k3y").is_ok());
    for (name, value) in [("dd-api-key", "other"), ("dd-api-key", ""), ("dd-application-key", "k3y"), ("x", "k3y")] {
        assert!(matches!(check(name, value), Err(Error::Forged { .. })), "{name}: {value}");
    }
}
