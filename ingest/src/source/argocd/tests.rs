//! Fixtures to snapshots; they are rendered from the template that we ship, but for the whole Application.
#![expect(clippy::unwrap_used, reason = "tests")]

use dorado_lake::{Deployment, Incident};
use serde_json::json;

use super::*;
use crate::source::fixtures::{self, check_lenience, check_snapshots, connected, facts};

fn told(fixture: &str) -> (Deployment, Vec<Incident>) {
    let mut facts = facts(&*connected(&KIND, json!({})), fixture).into_iter();
    let Some(Fact::Deployment(deployment)) = facts.next() else { unreachable!("{fixture}") };
    let incidents = facts.map(|fact| match fact {
        Fact::Incident(incident) => incident,
        other => unreachable!("{other:?}"),
    });
    (deployment, incidents.collect())
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots(&*connected(&KIND, json!({})));
}

#[test]
fn missing_and_odd_fields_are_never_a_parse_error() {
    check_lenience(&*connected(&KIND, json!({})));
}

#[test]
fn the_revision_of_the_manifests_is_never_the_applications() {
    let manifests = "2222222222222222222222222222222222222222";
    let (deployment, _) = told("deployed");
    assert_eq!(deployment.revision.as_deref(), Some("4f2c1d6b8a90e7f3c5d1b2a49687e0f1c2d3b4a5"));
    assert_eq!(told("whole_application").0.revision, None);
    let code = connected(&KIND, json!({"repositories": "code"}));
    let Fact::Deployment(own) = facts(&*code, "whole_application").remove(0) else { unreachable!() };
    assert_eq!((own.revision.as_deref(), own.repository.as_deref()), (Some(manifests), Some("harbour/quay")));
}

#[test]
fn degraded_after_a_sync_that_succeeded_is_an_incident_until_it_is_healthy() {
    let (deployed, none) = told("deployed");
    assert!(none.is_empty());
    let (_, open) = told("degraded");
    let (_, resolved) = told("healthy_again");
    assert_eq!((open.len(), resolved.len()), (1, 1));
    assert_eq!(open[0].id, resolved[0].id);
    assert_eq!(open[0].opened_at, resolved[0].opened_at);
    assert_eq!(
        (open[0].resolved_at, resolved[0].resolved_at.unwrap().to_rfc3339()),
        (None, "2026-03-02T10:48:00+00:00".into())
    );
    assert!(open[0].updated_at < resolved[0].updated_at);
    assert_eq!((open[0].caused_by.as_ref(), resolved[0].caused_by.as_ref()), (Some(&deployed.id), Some(&deployed.id)));
}

#[test]
fn going_back_in_the_history_is_a_rollback() {
    assert!(told("rollback").0.is_rollback);
    assert!(!told("deployed").0.is_rollback);
}

#[test]
fn only_who_has_the_token_is_let_in() {
    let source = connected(&KIND, json!({}));
    let mut delivery = fixtures::delivery(NAME, "{}");
    assert!(source.authenticate(&delivery).is_err());
    delivery.headers = vec![("authorization".to_owned(), "Bearer s3cret".to_owned())];
    assert!(source.authenticate(&delivery).is_ok());
}
