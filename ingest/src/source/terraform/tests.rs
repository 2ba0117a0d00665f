//! Fixtures to snapshots, the signature, and which runs are deployments.

use serde_json::json;

use super::*;
use crate::source::fixtures::{self, check_lenience, check_snapshots, connected, facts};

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots(&*connected(&KIND, json!({})));
}

#[test]
fn missing_and_odd_fields_are_never_a_parse_error() {
    check_lenience(&*connected(&KIND, json!({})));
}

#[test]
fn a_run_counts_only_in_workspaces_that_deploy() {
    let network = connected(&KIND, json!({"workspaces": [{"name": "harbour/net*", "service": "network"}]}));
    let Fact::Deployment(applied) = facts(&*network, "applied").remove(0) else { unreachable!() };
    assert_eq!((applied.service.as_deref(), applied.environment.as_str()), (Some("network"), "prod"));
    assert!(facts(&*network, "several").is_empty());
}

#[test]
fn a_signature_or_the_token_in_the_address_lets_in() {
    let source = connected(&KIND, json!({}));
    let asked = |name: &str, value: &str| {
        let mut delivery = fixtures::delivery(NAME, "Hello, World!");
        delivery.headers = vec![(name.to_owned(), value.to_owned())];
        source.authenticate(&delivery).is_ok()
    };
    // Made with openssl dgst -sha512 -hmac s3cret.
    let right = "daaf995d4ddaff27d02d6ea723445d5a4d6352ff22ad1e5e59d047c5ded213f780c20258f07ddc2a4960f0cfab01dd0e1e81d73482b3c228a4170287c2d60d67";
    assert!(asked(SIGNATURE, right));
    assert!(!asked(SIGNATURE, &right.replace('a', "b")));
    assert!(!asked(SIGNATURE, ""));
    assert!(asked("x-dorado-token", "s3cret"));
    assert!(!asked("x-dorado-token", "s3cre"));
}

/// A log as `terraform apply -json` prints it, with these lines between its first and last.
fn log(lines: &[&str]) -> RunLog {
    let version = r#"{"@level":"info","@message":"Terraform 1.9.8","@module":"terraform.ui","@timestamp":"2026-03-02T10:00:00.100000Z","terraform":"1.9.8","type":"version","ui":"1.2"}"#;
    let last = r#"{"@level":"info","@message":"Outputs: 0","@module":"terraform.ui","@timestamp":"2026-03-02T10:06:30.000000Z","type":"outputs","outputs":{}}"#;
    let mut log = RunLog::begins_with(version.as_bytes()).unwrap_or_default();
    for line in [version].iter().chain(lines).chain(&[last]) {
        log.line(line.as_bytes());
    }
    log
}

const PLANNED: &str = r#"{"@message":"Plan: 1 to add","@module":"terraform.ui","type":"change_summary","changes":{"add":1,"operation":"plan"}}"#;
const STARTED: &str =
    r#"{"@message":"null_resource.a: Creating...","@module":"terraform.ui","type":"apply_start","hook":{}}"#;
const APPLIED: &str = r#"{"@message":"Apply complete! Resources: 1 added, 0 changed, 0 destroyed.","@module":"terraform.ui","type":"change_summary","changes":{"add":1,"operation":"apply"}}"#;
const WARNED: &str = r#"{"@level":"warn","@message":"Warning: old","type":"diagnostic","diagnostic":{"severity":"warning","summary":"old"}}"#;
const FAILED: &str = r#"{"@level":"error","@message":"Error: no quota","type":"diagnostic","diagnostic":{"severity":"error","summary":"no quota"}}"#;

#[test]
fn a_log_of_an_apply_is_one_deployment() {
    let known = [("service".to_owned(), "network".to_owned()), ("environment".to_owned(), "eu-prod".to_owned())];
    let status = |lines: &[&str]| log(lines).event(&known).map(|event| event["status"].clone());
    assert_eq!(status(&[PLANNED, STARTED, WARNED, "not json", APPLIED]), Ok(json!("success")));
    assert_eq!(status(&[PLANNED, STARTED, FAILED]), Ok(json!("failed")));
    assert_eq!(status(&[FAILED]), Ok(json!("failed")));
    assert_eq!(status(&[PLANNED, STARTED]), Ok(json!("cancelled")));
    assert_eq!(status(&[PLANNED]), Err("a plan, of which nothing was applied".to_owned()));
    assert!(log(&[APPLIED]).event(&[]).is_err_and(|why| why.contains("--map service=:NAME")));
    let event = log(&[APPLIED]).event(&known);
    let expected = json!({"type": "deployment", "id": "apply/network/2026-03-02T10:00:00.100000Z", "service": "network",
        "environment": "eu-prod", "status": "success", "title": "Apply complete! Resources: 1 added, 0 changed, 0 destroyed.",
        "started_at": "2026-03-02T10:00:00.100000Z", "finished_at": "2026-03-02T10:06:30.000000Z"});
    assert_eq!(event, Ok(expected));
    assert!(RunLog::begins_with(br#"{"type":"deployment","id":"1"}"#).is_none());
}
