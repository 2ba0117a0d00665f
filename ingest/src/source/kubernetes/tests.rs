//! Fixtures to snapshots, and a watch of an API server that closes, breaks off and forgets.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use chrono::DateTime;
use dorado_lake::{Deployment, Status};
use futures::StreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::http::Patience;
use crate::source::fixtures::{all, check_lenience, check_snapshots, connected, facts};

fn told(fixture: &str) -> Option<Deployment> {
    facts(&*connected(&KIND, json!({})), fixture).into_iter().next().map(|fact| match fact {
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
fn scaling_changes_nothing() {
    assert_eq!(told("deployment.scaled"), told("deployment.available"));
}

#[test]
fn a_rollout_under_way_never_hides_how_it_ended() {
    let clock = |fixture: &str| told(fixture).unwrap().updated_at.unwrap();
    for (under_way, ended) in [
        ("deployment.started", "deployment.available"),
        ("deployment.started", "deployment.deadline_exceeded"),
        ("stateful_set.updating", "stateful_set.current"),
        ("daemon_set.updating", "daemon_set.available"),
    ] {
        assert_eq!(told(under_way).unwrap().id, told(ended).unwrap().id);
        assert!(clock(under_way) < clock(ended), "{under_way}");
    }
}

#[test]
fn a_revision_that_is_taken_again_is_a_rollback() {
    for (fixture, is_rollback) in [
        ("deployment.rolled_back", true),
        ("deployment.available", false),
        ("stateful_set.rolled_back", true),
        ("stateful_set.current", false),
    ] {
        assert_eq!(told(fixture).unwrap().is_rollback, is_rollback, "{fixture}");
    }
}

/// What the API server does when a resource is asked for, in this order; then it says nothing more.
enum Answer {
    Json(Value),
    /// Events, and then the end of the watch; the text is sent after them as it is.
    Watch(Vec<Value>, &'static str),
    Gone,
}

type Script = Arc<Mutex<BTreeMap<String, VecDeque<Answer>>>>;

async fn api_server(script: Script, asked: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, Arc::clone(&script), Arc::clone(&asked)));
        }
    });
    url
}

async fn answer(mut stream: TcpStream, script: Script, asked: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    let Ok(Some(request)) = lines.next_line().await else { return };
    while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
    let target = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let path = target.split('?').next().unwrap().to_owned();
    asked.lock().unwrap().push(target);
    let next = script.lock().unwrap().get_mut(&path).and_then(VecDeque::pop_front);
    let (status, body) = match next {
        Some(Answer::Json(body)) => ("200 OK", body.to_string()),
        Some(Answer::Watch(events, rest)) => {
            let lines: String = events.iter().map(|event| event.to_string() + "\n").collect();
            ("200 OK", lines + rest)
        }
        Some(Answer::Gone) => ("410 Gone", json!({"kind": "Status", "code": 410}).to_string()),
        None => return std::future::pending().await,
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n");
    write.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
}

fn object(fixture: &str, version: u32) -> Value {
    let mut object = serde_json::from_slice::<Value>(&all(NAME)[fixture]).unwrap()["object"].clone();
    object["metadata"]["resourceVersion"] = json!(version.to_string());
    object["spec"]["selector"] = json!({"matchLabels": {"app": "quay"}});
    object["spec"]["template"]["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD", "value": "hunter2"}]);
    object
}

fn replica_sets() -> Answer {
    let one = |n: u32, at: &str| {
        json!({"metadata": {"name": format!("quay-{n}"), "creationTimestamp": at,
            "annotations": {"deployment.kubernetes.io/revision": n.to_string()},
            "ownerReferences": [{"uid": "0a1b2c3d-1111-2222-3333-444455556666"}]}})
    };
    Answer::Json(json!({"items": [one(2, "2026-02-01T00:00:00Z"), one(3, "2026-03-02T10:00:01Z"),
        {"metadata": {"name": "another", "ownerReferences": [{"uid": "x"}]}}]}))
}

fn script() -> Script {
    let list =
        |version: &str, items: Value| Answer::Json(json!({"metadata": {"resourceVersion": version}, "items": items}));
    let event = |kind: &str, object: Value| json!({"type": kind, "object": object});
    let bookmark = json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "12"}}});
    let deployments = VecDeque::from([
        list("10", json!([object("deployment.started", 9)])),
        Answer::Watch(vec![event("MODIFIED", object("deployment.started", 11)), bookmark], ""),
        Answer::Watch(vec![event("MODIFIED", object("deployment.available", 13))], "{\"type\":\"MODIF"),
        Answer::Watch(vec![event("MODIFIED", object("deployment.scaled", 14))], ""),
        Answer::Gone,
        list("20", json!([object("deployment.rolled_back", 19)])),
        Answer::Watch(vec![json!({"type": "ERROR", "object": {"code": 410}})], ""),
        list("30", json!([object("deployment.rolled_back", 19)])),
    ]);
    let replica_sets = (0..3).map(|_| replica_sets()).collect();
    let empty = || VecDeque::from([list("10", json!([]))]);
    Arc::new(Mutex::new(BTreeMap::from([
        ("apis/apps/v1/deployments".to_owned(), deployments),
        ("apis/apps/v1/statefulsets".to_owned(), empty()),
        ("apis/apps/v1/daemonsets".to_owned(), empty()),
        ("apis/apps/v1/namespaces/harbour-prod/replicasets".to_owned(), replica_sets),
    ])))
}

#[tokio::test]
async fn a_watch_goes_on_through_every_way_to_end_and_tells_each_verdict_once() {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let url = api_server(script(), Arc::clone(&asked)).await;
    let source = connect(Connection { url: Some(url), ..Connection::default() }).unwrap();
    let now = || DateTime::from_timestamp(1_772_500_000, 0).unwrap();
    let http = Http::new(source.outgoing().unwrap(), now, Patience::default()).unwrap();
    let mut pages = source.collect(&http, Cursor::start(now()));
    let mut told = Vec::new();
    let mut cursor = Value::Null;
    while cursor["versions"]["apis/apps/v1/deployments"] != "30" {
        let page = pages.next().await.unwrap().unwrap();
        for delivery in &page.deliveries {
            let body = String::from_utf8(delivery.body.to_vec()).unwrap();
            assert!(!body.contains("hunter2"), "{body}");
            told.extend(source.translate(delivery).unwrap());
        }
        cursor = page.cursor.note;
    }
    let told: Vec<(String, Status, bool)> = told
        .into_iter()
        .map(|fact| match fact {
            Fact::Deployment(d) => (d.id, d.status, d.is_rollback),
            other => unreachable!("{other:?}"),
        })
        .collect();
    let id = |n: u32| format!("harbour-prod/deployment/quay/0a1b2c3d@{n}");
    let expected = [(id(3), Status::Running, false), (id(3), Status::Success, false), (id(4), Status::Success, false)];
    assert_eq!(told, expected);
    let asked = asked.lock().unwrap();
    let opened: Vec<&str> = asked
        .iter()
        .filter(|target| target.contains("v1/deployments?watch"))
        .filter_map(|target| target.split("resourceVersion=").nth(1)?.split('&').next())
        .collect();
    assert_eq!(opened, ["10", "12", "13", "14", "20"]);
}
