//! Fixtures to facts, and who is let in.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

use super::*;
use crate::signature::sign_hmac_sha256;
use crate::source::checks::{check_snapshots, delivery, fixtures, no_parse_errors, told};

fn pagerduty(secrets: Vec<Secret>) -> Arc<dyn Source> {
    connect(Connection { secrets, ..Connection::default() }).unwrap()
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots(pagerduty(Vec::new()).as_ref());
}

#[test]
fn missing_and_null_fields_are_never_a_parse_error() {
    no_parse_errors(pagerduty(Vec::new()).as_ref());
}

#[test]
fn an_event_is_told_by_its_own_id() {
    let source = pagerduty(Vec::new());
    let event = &fixtures(NAME)["incident.triggered"];
    assert_eq!(source.delivery_id(&delivery(NAME, event.clone())).unwrap(), "01DEVENTTRIGGERED000000001");
    assert_eq!(source.delivery_id(&delivery(NAME, "{}")), None);
}

#[test]
fn what_is_no_incident_is_said() {
    let source = pagerduty(Vec::new());
    let ping = json!({"event": {"event_type": "pagey.ping", "data": {"message": "Hello", "type": "ping"}}});
    let told = told(source.as_ref(), &delivery(NAME, ping.to_string()));
    assert_eq!(told, json!({"nothing": "event `pagey.ping` tells nothing that a metric needs"}));
}

#[test]
fn one_of_several_signatures_lets_an_event_in() {
    let body: &[u8] = br#"{"event":{}}"#;
    let signed = |secret: &str| format!("v1={}", sign_hmac_sha256(secret.as_bytes(), body));
    let check = |secrets: Vec<Secret>, header: &str| {
        let mut delivery = delivery(NAME, body);
        delivery.headers.push((SIGNATURE.to_owned(), header.to_owned()));
        pagerduty(secrets).authenticate(&delivery)
    };
    let secret = || vec![Secret::value("new")];
    assert!(check(secret(), &signed("new")).is_ok());
    assert!(check(secret(), &format!("{},{}", signed("old"), signed("new"))).is_ok());
    assert!(check(secret(), &format!("{}, {}", signed("new"), signed("old"))).is_ok());
    for forged in ["", "v1=", "v1=00", &signed("old"), &signed("new").replace("v1=", ""), &signed("new")[..60]] {
        assert!(matches!(check(secret(), forged), Err(Error::Forged { .. })), "{forged}");
    }
    assert!(matches!(check(Vec::new(), &signed("")), Err(Error::Forged { .. })));
    assert!(matches!(check(vec![Secret::unreadable()], &signed("new")), Err(Error::Unreadable { .. })));
}

#[test]
fn an_incident_that_is_opened_again_is_open() {
    let source = pagerduty(Vec::new());
    let facts = |name: &str| source.translate(&delivery(NAME, fixtures(NAME)[name].clone())).unwrap();
    let version = |name: &str| serde_json::to_value(&facts(name)[0]).unwrap();
    let (resolved, reopened) = (version("incident.resolved"), version("incident.reopened"));
    assert!(resolved["resolved_at"].is_string());
    assert_eq!(reopened["resolved_at"], Value::Null);
    assert!(facts("incident.resolved")[0].clock() < facts("incident.reopened")[0].clock());
}
