//! Fixtures to snapshots, and a history from a scripted server.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use chrono::DateTime;
use dorado_lake::Deployment;
use futures::TryStreamExt as _;
use serde_json::{Value, json};

use super::*;
use crate::http::Patience;
use crate::signature::Secret;
use crate::source::fixtures::{self, Server, all, check_lenience, check_snapshots, connected, facts};

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    check_snapshots(&*connected(&KIND, json!({})));
}

#[test]
fn missing_and_odd_fields_are_never_a_parse_error() {
    check_lenience(&*connected(&KIND, json!({})));
}

fn of(facts: Vec<Fact>) -> Vec<Deployment> {
    let deployment = |fact| match fact {
        Fact::Deployment(deployment) => deployment,
        other => unreachable!("{other:?}"),
    };
    facts.into_iter().map(deployment).collect()
}

#[test]
fn names_are_taken_from_where_the_sentence_says_they_stand() {
    let deployment = of(facts(&*connected(&KIND, json!({})), "event.succeeded")).remove(0);
    assert_eq!(deployment.service.as_deref(), Some("Kai 🚢 release shed"));
    assert_eq!((deployment.version.as_deref(), deployment.environment.as_str()), (Some("1.4.2"), "Production"));
}

#[test]
fn the_commit_of_the_deployment_process_is_not_the_applications() {
    let process = "1111111111111111111111111111111111111111";
    for fixture in ["rest.deployment", "rest.two_repositories"] {
        let revision = of(facts(&*connected(&KIND, json!({})), fixture)).remove(0).revision;
        assert_ne!(revision.as_deref(), Some(process), "{fixture}");
    }
}

fn whole(fixture: &str) -> Value {
    serde_json::from_slice(&all(NAME)[fixture]).unwrap()
}

/// A space with this many deployments besides the fixture's, all of one task.
fn answers(n_others: usize, state: &str) -> BTreeMap<String, Value> {
    let document = whole("rest.deployment");
    let mut task = document["task"].clone();
    task["State"] = json!(state);
    task["IsCompleted"] = json!(state == "Success");
    let other = |n: usize| {
        json!({"Id": format!("Deployments-a{n}"), "TaskId": "ServerTasks-9", "ProjectId": "Projects-4",
        "EnvironmentId": "Environments-1", "Created": "2026-03-01T00:00:00Z"})
    };
    let mut rows = vec![document["deployment"].clone()];
    rows.extend((0..n_others).map(other));
    let pages = rows
        .chunks(50)
        .enumerate()
        .map(|(n, page)| (format!("api/Spaces-1/deployments?skip={}", n * 50), json!({"Items": page})));
    let mut answers: BTreeMap<String, Value> = pages.collect();
    answers.insert(
        "api/spaces/all".into(),
        json!([{"Id": "Spaces-1", "Name": "Default", "IsDefault": true}, {"Id": "Spaces-2"}]),
    );
    answers.insert("api/Spaces-1/tasks/ServerTasks-9".into(), task);
    for (kind, key, id) in [
        ("releases", "release", "Releases-8"),
        ("projects", "project", "Projects-4"),
        ("environments", "environment", "Environments-1"),
        ("channels", "channel", "Channels-5"),
        ("tenants", "tenant", "Tenants-3"),
    ] {
        answers.insert(format!("api/Spaces-1/{kind}/{id}"), document[key].clone());
    }
    answers
}

async fn read(answers: BTreeMap<String, Value>, from: Cursor) -> (Vec<Deployment>, Vec<Cursor>, Vec<String>) {
    let server = Server::start(answers).await;
    let token = Some(Secret::value("API-KEY"));
    let source = connect(Connection { url: Some(server.url.clone()), token, ..Connection::default() }).unwrap();
    let now = || DateTime::from_timestamp(1_772_500_000, 0).unwrap();
    let http = Http::new(source.outgoing().unwrap(), now, Patience::default()).unwrap();
    let pages: Vec<Page> = source.collect(&http, from).try_collect().await.unwrap();
    let deliveries = pages.iter().flat_map(|page| &page.deliveries);
    let facts = deliveries.flat_map(|delivery| source.translate(delivery).unwrap()).collect();
    (of(facts), pages.into_iter().map(|page| page.cursor).collect(), server.asked())
}

fn start() -> Cursor {
    Cursor::start(DateTime::from_timestamp(1_767_225_600, 0).unwrap())
}

#[tokio::test]
async fn whole_deployments_are_read_page_by_page_and_taken_up_after_the_last() {
    let (all, cursors, asked) = read(answers(60, "Success"), start()).await;
    assert_eq!((all.len(), cursors.len()), (61, 2));
    let expected = of(facts(&*connected(&KIND, json!({})), "rest.deployment")).remove(0);
    let strip = |d: &Deployment| Deployment { url: None, ..d.clone() };
    assert_eq!(strip(&all[0]), strip(&expected));
    assert_eq!(asked.iter().filter(|path| path.contains("releases/")).count(), 1, "a document is asked for once");

    let (rest, ..) = read(answers(60, "Success"), cursors[0].clone()).await;
    assert_eq!(rest.len(), 11);
    let (new, ..) = read(answers(60, "Success"), cursors[1].clone()).await;
    assert_eq!(new.len(), 1, "only the newest is seen again");
}

#[tokio::test]
async fn what_has_not_ended_is_asked_for_again() {
    let (_, cursors, _) = read(answers(3, "Executing"), start()).await;
    let (again, ..) = read(answers(3, "Success"), cursors[0].clone()).await;
    assert_eq!(again.len(), 4);
}

#[test]
fn an_event_only_starts_collecting_where_the_whole_record_can_be_read() {
    let delivery = fixtures::delivery(NAME, all(NAME)["event.succeeded"].clone());
    let silent = connected(&KIND, json!({}));
    assert!(!silent.asks_to_collect(&delivery));
    assert_eq!(silent.translate(&delivery).unwrap().len(), 1);
    let token = Some(Secret::value("API-KEY"));
    let asking = connect(Connection { url: Some("http://127.0.0.1".into()), token, ..Connection::default() }).unwrap();
    assert!(asking.asks_to_collect(&delivery));
    assert_eq!(asking.translate(&delivery).unwrap(), []);
    assert!(!asking.asks_to_collect(&fixtures::delivery(NAME, all(NAME)["event.modified"].clone())));
}
