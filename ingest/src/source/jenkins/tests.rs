//! Fixtures to snapshots, and which builds are deployments.

use dorado_lake::Deployment;
use serde_json::{Value, json};

use super::*;
use crate::source::fixtures::{check_lenience, check_snapshots, connected, facts};

fn told(options: Value, fixture: &str) -> Option<Deployment> {
    facts(&*connected(&KIND, options), fixture).into_iter().next().map(|fact| match fact {
        Fact::Deployment(deployment) => deployment,
        other => unreachable!("{other:?}"),
    })
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
fn the_two_ends_of_a_build_are_one_deployment() {
    let ends = ["completed", "finalized"].map(|fixture| told(json!({}), fixture).map(|d| (d.id, d.status, d.revision)));
    assert!(ends[0].is_some());
    assert_eq!(ends[0], ends[1]);
    assert_eq!(ends[0].as_ref().map(|end| end.0.as_str()), Some("harbour/deploy-quay#41"));
}

#[test]
fn rules_say_which_jobs_deploy_what_and_where() {
    let rules = json!({"jobs": [{"name": "harbour/deploy-*", "service": "pier", "environment": "eu"}]});
    let deployment = told(rules.clone(), "completed");
    let place = deployment.map(|d| (d.service, d.environment));
    assert_eq!(place, Some((Some("pier".to_owned()), "eu".to_owned())));
    assert_eq!(told(rules, "multibranch"), None);
}

#[test]
fn a_branch_of_a_multibranch_job_is_not_the_service() {
    for fixture in ["multibranch", "jenkinsfile"] {
        assert_eq!(told(json!({}), fixture).and_then(|d| d.service).as_deref(), Some("quay"), "{fixture}");
    }
}
