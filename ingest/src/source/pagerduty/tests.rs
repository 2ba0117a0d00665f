//! Fixtures to facts, and who is let in.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use super::*;
use crate::http::Patience;
use crate::signature::{Secret, sign_hmac_sha256};
use crate::source::checks::{check_snapshots, delivery, fixtures, no_parse_errors, told};
use crate::source::fixtures::Server;

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

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// Deliveries, the cursor after the last page, and what was asked for.
async fn collected(answers: BTreeMap<String, Value>, from: Cursor) -> (Vec<Delivery>, Cursor, Vec<String>) {
    let server = Server::start(answers).await;
    let connection = Connection {
        url: Some(server.url.clone()),
        token: Some(Secret::value("k3y")),
        options: json!({"services": ["PCRANE1"]}).as_object().unwrap().clone(),
        ..Connection::default()
    };
    let source = connect(connection).unwrap();
    let http = Http::new(source.outgoing().unwrap(), || at("2026-02-20T00:00:00Z"), Patience::default()).unwrap();
    let pages: Vec<Page> = source.collect(&http, from).try_collect().await.unwrap();
    let cursor = pages.last().unwrap().cursor.clone();
    (pages.into_iter().flat_map(|page| page.deliveries).collect(), cursor, server.asked())
}

/// What the list and the logs answer: an incident that is over, and one that may be.
fn answers(open: &Value) -> BTreeMap<String, Value> {
    let over: Value = serde_json::from_slice(&fixtures(NAME)["rest.resolved_twice"]).unwrap();
    let january = json!({"incidents": [], "more": false});
    let first = json!({"incidents": [over["incident"]], "more": true});
    let second = json!({"incidents": [open], "more": false});
    let entries = |log: &Value| json!({"log_entries": log, "more": false});
    BTreeMap::from([
        ("incidents?since=2026-01-01T00:00:00Z".to_owned(), january),
        ("incidents?offset=0".to_owned(), first),
        ("incidents?offset=1".to_owned(), second),
        ("incidents/Q2INCIDENT0002/log_entries".to_owned(), entries(&over["log_entries"])),
        ("incidents/Q3INCIDENT0003/log_entries".to_owned(), entries(&json!([]))),
    ])
}

#[tokio::test]
async fn incidents_are_read_with_their_logs_and_open_ones_once_more() {
    let open: Value = serde_json::from_slice(&fixtures(NAME)["rest.open"]).unwrap();
    let (all, cursor, asked) = collected(answers(&open["incident"]), Cursor::start(at("2026-01-01T00:00:00Z"))).await;
    let source = pagerduty(Vec::new());
    let facts: Vec<Value> = all.iter().map(|delivery| told(source.as_ref(), delivery)[0].clone()).collect();
    let of = |n: usize| ["id", "acknowledged_at", "resolved_at"].map(|key| facts[n][key].as_str().unwrap_or("none"));
    assert_eq!(facts.len(), 2, "{facts:?}");
    assert_eq!(of(0), ["Q2INCIDENT0002", "2026-02-01T10:07:00Z", "2026-02-01T12:30:00Z"]);
    assert_eq!(of(1), ["Q3INCIDENT0003", "2026-02-03T08:04:00Z", "none"]);
    assert!(asked[0].contains("service_ids%5B%5D=PCRANE1"), "{}", asked[0]);
    assert_eq!(asked.iter().filter(|path| path.contains("log_entries")).count(), 2);

    // Nothing has changed: nothing is read in detail, and the list from the open one on.
    let (again, cursor, asked) = collected(answers(&open["incident"]), cursor).await;
    let n_new = again.iter().filter(|delivery| !delivery.id.contains("Q2INCIDENT0002")).count();
    assert_eq!(n_new, 0, "{again:?}");
    assert!(asked[0].contains("since=2026-02-03T08%3A00%3A00Z"), "{}", asked[0]);

    let mut resolved = open["incident"].clone();
    (resolved["status"], resolved["last_status_change_at"]) = (json!("resolved"), json!("2026-02-19T09:00:00Z"));
    let (new, ..) = collected(answers(&resolved), cursor).await;
    let facts: Vec<Value> = new.iter().map(|delivery| told(source.as_ref(), delivery)[0].clone()).collect();
    let found = facts.iter().find(|fact| fact["id"] == "Q3INCIDENT0003").unwrap();
    assert_eq!(found["resolved_at"], "2026-02-19T09:00:00Z");
}
