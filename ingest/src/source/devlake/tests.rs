//! Fixtures to facts.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::source::POSTED_TO;
use crate::source::checks::{check_snapshots_of, delivery, fixtures, no_parse_errors_of, told};

fn devlake(options: &serde_json::Value) -> Arc<dyn Source> {
    let options = options.as_object().unwrap().clone();
    connect(Connection { options, ..Connection::default() }).unwrap()
}

/// As posted to the address that the first word of the fixture's name says.
fn posted(name: &str, body: Vec<u8>) -> Delivery {
    let path = match name.split('.').next().unwrap() {
        _ if name == "issues.close" => "1/issue/DLK-7/close".to_owned(),
        other => format!("1/{other}"),
    };
    let mut delivery = delivery(NAME, body);
    delivery.headers.push((POSTED_TO.to_owned(), path));
    delivery
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots_of(devlake(&json!({})).as_ref(), posted);
}

#[test]
fn missing_and_null_fields_are_never_a_parse_error() {
    no_parse_errors_of(devlake(&json!({})).as_ref(), posted);
}

#[test]
fn a_connection_may_say_which_service_and_repository_it_is_of() {
    let source = devlake(&json!({"service": "quay-api", "repository": "harbour/all"}));
    let told = |name: &str| told(source.as_ref(), &posted(name, fixtures(NAME)[name].clone()))[0].clone();
    assert_eq!(told("deployments.success")["service"], "quay-api");
    assert_eq!(told("deployments.success")["repository"], "harbour/quay");
    assert_eq!(told("issues.open")["services"], json!(["quay-api"]));
    assert_eq!(told("issues.done")["services"], json!(["crane"]));
    assert_eq!(told("pull_requests.open")["repository"], "harbour/all");
}

#[test]
fn ids_are_of_one_connection() {
    let source = devlake(&json!({}));
    let id = |path: &str| {
        let mut delivery = delivery(NAME, fixtures(NAME)["issues.open"].clone());
        delivery.headers.push((POSTED_TO.to_owned(), path.to_owned()));
        told(source.as_ref(), &delivery)[0]["id"].clone()
    };
    assert_eq!((id("1/issues"), id("2/issues")), (json!("webhook:1:DLK-7"), json!("webhook:2:DLK-7")));
    assert_eq!(id("1/issue/caf%C3%A9/close"), json!("webhook:1:café"));
}

#[test]
fn closings_of_two_issues_are_two_deliveries() {
    let source = devlake(&json!({}));
    let id = |path: &str| {
        let mut delivery = delivery(NAME, "");
        delivery.headers.push((POSTED_TO.to_owned(), path.to_owned()));
        assert!(told(source.as_ref(), &delivery)[0]["resolved_at"].is_string());
        source.delivery_id(&delivery).unwrap()
    };
    assert_ne!(id("1/issue/DLK-7/close"), id("1/issue/DLK-8/close"));
    assert_ne!(id("1/issue/caf%C3%A9/close"), id("1/issue/cafe/close"));
}
