//! Fixtures to snapshots, what lets a delivery in, and a history from a scripted server.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::DateTime;
use dorado_lake::{Deployment, Fact, Status};
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use super::*;
use crate::http::Patience;
use crate::signature::Secret;
use crate::source::fixtures::{self, all, check_lenience, check_snapshots, connected, facts};

/// Everything that can be switched on is.
fn gitlab() -> Arc<dyn Source> {
    let pipelines = json!([{"ref": "release/*", "environment": "production"}]);
    connected(&KIND, json!({"releases": "production", "pipelines": pipelines}))
}

fn deployments(fixture: &str) -> Vec<Deployment> {
    let of = |fact| match fact {
        Fact::Deployment(deployment) => Some(deployment),
        _ => None,
    };
    facts(&*gitlab(), fixture).into_iter().filter_map(of).collect()
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    assert!(all(NAME).len() > 35);
    check_snapshots(&*gitlab());
}

#[test]
fn missing_and_odd_fields_are_never_a_parse_error() {
    check_lenience(&*gitlab());
}

#[test]
fn a_deployment_is_one_whichever_of_its_four_tellers_is_heard() {
    let told = ["deployment.success", "job.success", "pipeline.success", "rest.deployment"].map(|fixture| {
        let deployment = deployments(fixture).remove(0);
        let Deployment { id, environment, tier, status, revision, branch, .. } = deployment;
        (id, environment, tier, status, revision, branch)
    });
    assert_eq!(told[0].0, "harbour/quay/job/796");
    assert!(told.iter().all(|one| *one == told[0]), "{told:#?}");
}

#[test]
fn the_states_of_a_deployment_are_ordered_within_one_second() {
    let clock = |status: &str| {
        let body = String::from_utf8(all(NAME)["deployment.success"].clone()).unwrap();
        let body = body.replace("\"success\"", &format!("\"{status}\""));
        gitlab().translate(&fixtures::delivery(NAME, body)).unwrap()[0].clock()
    };
    assert!(clock("created") < clock("running"));
    assert!(clock("running") < clock("success"));
}

#[test]
fn by_default_releases_and_pipelines_without_environments_are_no_deployments() {
    let source = connected(&KIND, json!({}));
    assert!(facts(&*source, "release.create").is_empty());
    assert!(facts(&*source, "pipeline.release_branch").is_empty());
    assert_eq!(deployments("pipeline.release_branch")[0].status, Status::Failed);
}

#[test]
fn a_token_or_a_signature_lets_in_and_nothing_else_does() {
    let asked = |headers: &[(&str, &str)], secrets: Vec<Secret>| {
        let mut delivery = fixtures::delivery(NAME, r#"{"test": 2432232314}"#);
        delivery.received_at = DateTime::from_timestamp(1_614_265_330, 0).unwrap();
        delivery.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        connect(Connection { secrets, ..Connection::default() }).unwrap().authenticate(&delivery)
    };
    let token = || vec![Secret::value("old"), Secret::value("s3cret")];
    assert!(asked(&[("x-gitlab-token", "s3cret")], token()).is_ok());
    let forged = |headers: &[(&str, &str)], secrets| matches!(asked(headers, secrets), Err(Error::Forged { .. }));
    assert!(forged(&[("x-gitlab-token", "s3cre")], token()));
    assert!(forged(&[("x-gitlab-token", "")], token()));
    assert!(forged(&[], token()));
    assert!(forged(&[("x-gitlab-token", "s3cret")], vec![]));
    let unreadable = asked(&[("x-gitlab-token", "s3cret")], vec![Secret::unreadable()]);
    assert!(matches!(unreadable, Err(Error::Unreadable { .. })));

    // The vector of the reference implementation of Standard Webhooks.
    let key = || vec![Secret::value("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
    let signed = |signature| {
        [
            ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
            ("webhook-timestamp", "1614265330"),
            ("webhook-signature", signature),
        ]
    };
    let right = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    assert!(asked(&signed(right), key()).is_ok());
    assert!(forged(&signed("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OF="), key()));
    // Who can name the token but cannot sign is not let in by it.
    let both = [&signed("v1,AAAA")[..], &[("x-gitlab-token", "s3cret")]].concat();
    assert!(forged(&both, token()));
}

#[test]
fn a_pattern_that_names_nothing_is_refused_by_its_key() {
    let wrong = |options: Value| {
        let Value::Object(options) = options else { unreachable!() };
        connect(Connection { options, ..Connection::default() }).err().unwrap().option
    };
    for pattern in ["quay", "*", "harbour/*/quay", "/quay", "harbour/quay/**"] {
        assert_eq!(wrong(json!({"projects": [pattern]})), "projects", "{pattern}");
    }
    assert_eq!(wrong(json!({"project": ["harbour/quay"]})), "project");
}

/// A row that the fixture of this name wraps.
fn row(fixture: &str, key: &str) -> Value {
    serde_json::from_slice::<Value>(&all(NAME)[fixture]).unwrap()[key].clone()
}

/// What GitLab answers by path and, where it matters, by its query.
fn answers() -> BTreeMap<String, Value> {
    let project = json!({"id": 30, "path_with_namespace": "harbour/quay", "default_branch": "main",
        "web_url": "https://gitlab.example.org/harbour/quay"});
    let old = json!({"id": 1, "iid": 1, "state": "closed", "created_at": "2026-01-02T00:00:00Z",
        "updated_at": "2026-01-02T00:00:00Z"});
    let merge_requests: Vec<Value> = (0..100)
        .map(|n| {
            json!({"id": n, "iid": 100 + n, "state": "opened", "created_at": "2026-01-02T00:00:00Z",
            "updated_at": format!("2026-01-03T00:{:02}:00Z", n / 2)})
        })
        .collect();
    let own = "api/v4/projects/30/";
    let pairs = [
        ("api/v4/groups/harbour/projects".to_owned(), json!([project])),
        (format!("{own}environments"), json!([{"name": "production", "tier": "production"}])),
        (format!("{own}merge_requests?updated_after=2026-01-01T00:00:00.000Z&page=1"), json!(merge_requests)),
        (
            format!("{own}merge_requests?updated_after=2026-01-03T00:49:00.000Z&page=1"),
            json!([merge_requests[99], row("rest.merge_request", "merge_request")]),
        ),
        (format!("{own}merge_requests/7/commits"), row("rest.merge_request", "commits")),
        (
            format!("{own}deployments?updated_after=2026-01-01T00:00:00.000Z&page=1"),
            json!([row("rest.deployment", "deployment")]),
        ),
        (format!("{own}issues?issue_type=incident"), json!([row("rest.issue", "issue")])),
        (format!("{own}issues?labels=incident"), json!([old])),
        (format!("{own}repository/commits"), row("rest.commits", "commits")),
    ];
    pairs.into_iter().collect()
}

async fn collected(answers: BTreeMap<String, Value>, from: Cursor) -> (Vec<Fact>, Cursor, Vec<String>) {
    let server = fixtures::Server::start(answers).await;
    let options = json!({"projects": ["harbour/*"]});
    let Value::Object(options) = options else { unreachable!() };
    let connection = Connection {
        url: Some(server.url.clone()),
        token: Some(Secret::value("t0ken")),
        options,
        ..Connection::default()
    };
    let source = connect(connection).unwrap();
    let now = || DateTime::from_timestamp(1_772_500_000, 0).unwrap();
    let http = Http::new(source.outgoing().unwrap(), now, Patience::default()).unwrap();
    let pages: Vec<Page> = source.collect(&http, from).try_collect().await.unwrap();
    let deliveries = pages.iter().flat_map(|page| &page.deliveries);
    let facts = deliveries.flat_map(|delivery| source.translate(delivery).unwrap()).collect();
    (facts, pages.last().unwrap().cursor.clone(), server.asked())
}

#[tokio::test]
async fn a_history_is_read_whole_and_once() {
    let since = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
    let (facts, cursor, asked) = collected(answers(), Cursor::start(since)).await;
    for fixture in ["rest.deployment", "rest.merge_request", "rest.issue", "rest.commits"] {
        let source = gitlab();
        for fact in source.translate(&fixtures::delivery(NAME, all(NAME)[fixture].clone())).unwrap() {
            assert!(facts.contains(&fact), "{fixture}: {fact:?}");
        }
    }
    let n_requests = facts.iter().filter(|fact| matches!(fact, Fact::PullRequest(_))).count();
    assert_eq!(n_requests, 102, "a page of a hundred, its last again, and one more");
    assert_eq!(asked.len(), 9, "{asked:#?}");

    // The second run asks only for what is new; the head of the branch is the same.
    let (facts, _, asked) = collected(answers(), cursor).await;
    let after = "updated_after=2026-03-02T10%3A04%3A30.900Z";
    assert!(asked.iter().any(|path| path.contains("/deployments?") && path.contains(after)), "{asked:#?}");
    assert!(facts.iter().all(
        |fact| !matches!(fact, Fact::Change(change) if change.parents.is_some() && change.pull_request.is_none())
    ));
}

#[tokio::test]
async fn a_feature_that_is_switched_off_does_not_stop_the_others() {
    let since = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
    let mut answers = answers();
    answers
        .retain(|path, _| !path.contains("issues") && !path.contains("environments") && !path.contains("repository"));
    let (facts, _, _) = collected(answers, Cursor::start(since)).await;
    assert!(facts.iter().any(|fact| matches!(fact, Fact::Deployment(_))));
    assert!(!facts.iter().any(|fact| matches!(fact, Fact::Incident(_))));
}
