//! Fixtures to snapshots, and a watch of an API server that closes, breaks off and forgets.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
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
    let mut signed = String::new();
    while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
        if let Some(token) = line.strip_prefix("authorization: ") {
            signed = format!(" as {token}");
        }
    }
    let target = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
    let path = target.split('?').next().unwrap().to_owned();
    asked.lock().unwrap().push(target + &signed);
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

fn list(version: &str, items: &Value) -> Answer {
    Answer::Json(json!({"metadata": {"resourceVersion": version}, "items": items}))
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

fn script(deployments: impl Into<VecDeque<Answer>>) -> Script {
    let replica_sets = (0..3).map(|_| replica_sets()).collect();
    let empty = || VecDeque::from([list("10", &json!([]))]);
    Arc::new(Mutex::new(BTreeMap::from([
        ("apis/apps/v1/deployments".to_owned(), deployments.into()),
        ("apis/apps/v1/statefulsets".to_owned(), empty()),
        ("apis/apps/v1/daemonsets".to_owned(), empty()),
        ("apis/apps/v1/namespaces/harbour-prod/replicasets".to_owned(), replica_sets),
    ])))
}

fn every_way_to_end() -> Script {
    let seen = json!({"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"resourceVersion": "12"}});
    let bookmark = event("BOOKMARK", &seen);
    script([
        list("10", &json!([object("deployment.started", 9)])),
        Answer::Watch(vec![event("MODIFIED", &object("deployment.started", 11)), bookmark], ""),
        Answer::Watch(vec![event("MODIFIED", &object("deployment.available", 13))], "{\"type\":\"MODIF"),
        Answer::Watch(vec![event("MODIFIED", &object("deployment.scaled", 14))], ""),
        Answer::Gone,
        list("20", &json!([object("deployment.rolled_back", 19)])),
        Answer::Watch(vec![json!({"type": "ERROR", "object": {"code": 410}})], ""),
        list("30", &json!([object("deployment.rolled_back", 29)])),
    ])
}

type Verdicts = Vec<(String, Status, bool)>;

/// What is told until a resource is seen up to `version`, and what was asked for meanwhile.
async fn watched(script: Script, from: Value, resource: &str, version: &str) -> (Verdicts, Vec<String>) {
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let url = api_server(script, Arc::clone(&asked)).await;
    let source = connect(Connection { url: Some(url), ..Connection::default() }).unwrap();
    let now = || DateTime::from_timestamp(1_772_500_000, 0).unwrap();
    let http = Http::new(source.outgoing().unwrap(), now, Patience::default()).unwrap();
    let mut pages = source.collect(&http, Cursor { note: from, since: now() });
    let mut told = Vec::new();
    let mut cursor = Value::Null;
    while cursor["versions"][format!("apis/apps/v1/{resource}")] != version {
        let page = pages.next().await.unwrap().unwrap();
        for delivery in &page.deliveries {
            let body = String::from_utf8(delivery.body.to_vec()).unwrap();
            assert!(!body.contains("hunter2"), "{body}");
            told.extend(source.translate(delivery).unwrap());
        }
        cursor = page.cursor.note;
    }
    let told = told.into_iter().map(|fact| match fact {
        Fact::Deployment(d) => (d.id, d.status, d.is_rollback),
        other => unreachable!("{other:?}"),
    });
    (told.collect(), asked.lock().unwrap().clone())
}

fn id(revision: u32) -> String {
    format!("harbour-prod/deployment/quay/0a1b2c3d@{revision}")
}

#[tokio::test]
async fn a_watch_goes_on_through_every_way_to_end_and_tells_each_verdict_once() {
    let (told, asked) = watched(every_way_to_end(), Value::Null, "deployments", "29").await;
    let expected = [(id(3), Status::Running, false), (id(3), Status::Success, false), (id(4), Status::Success, false)];
    assert_eq!(told, expected);
    let opened: Vec<&str> = asked
        .iter()
        .filter(|target| target.contains("v1/deployments?") && target.contains("watch=true"))
        .filter_map(|target| target.split("resourceVersion=").nth(1)?.split('&').next())
        .collect();
    assert_eq!(opened, ["10", "12", "13", "14", "20"]);
}

#[tokio::test]
async fn what_came_and_went_between_two_runs_is_told() {
    let missed = Answer::Watch(vec![event("MODIFIED", &object("deployment.available", 11))], "");
    let now = || list("20", &json!([object("deployment.rolled_back", 19)]));
    let note = json!({"versions": {"apis/apps/v1/deployments": "9"}, "told": {}});
    let (told, asked) = watched(script([missed, now()]), note.clone(), "deployments", "19").await;
    assert_eq!(told, [(id(3), Status::Success, false), (id(4), Status::Success, false)]);
    assert!(asked.iter().any(|target| target.contains("v1/deployments?") && target.contains("resourceVersion=9")));

    let (told, _) = watched(script([Answer::Gone, now()]), note, "deployments", "19").await;
    assert_eq!(told, [(id(4), Status::Success, false)], "as it is now, where the past is forgotten");
}

#[tokio::test]
async fn the_revisions_of_a_stateful_set_are_those_that_the_cluster_keeps() {
    let kept = |name: &str, revision: u32, at: &str| {
        json!({"metadata": {"name": name, "creationTimestamp": at,
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ledger",
                    "uid": "0a1b2c3d-1111-2222-3333-444455556666"}]},
            "data": {"spec": {"template": {}}}, "revision": revision})
    };
    let all_kept = [kept("ledger-5f", 6, "2026-03-02T10:00:01Z"), kept("ledger-4e", 7, "2026-01-01T00:00:00Z")];
    let script = script([list("10", &json!([]))]);
    let places = [
        ("statefulsets", list("20", &json!([object("stateful_set.rolled_back", 19)]))),
        ("namespaces/harbour-prod/controllerrevisions", list("20", &json!(all_kept))),
    ];
    script.lock().unwrap().extend(places.map(|(path, answer)| (format!("apis/apps/v1/{path}"), [answer].into())));
    let (told, _) = watched(script, Value::Null, "statefulsets", "19").await;
    assert_eq!(told, [("harbour-prod/statefulset/ledger/0a1b2c3d@7".to_owned(), Status::Success, true)]);
}

/// A connection by a kubeconfig whose user is this.
fn by_kubeconfig(folder: &Path, server: &str, user: &Value) -> Result<Kubernetes, BadOption> {
    let file = folder.join("config");
    let config = json!({
        "clusters": [{"name": "eu", "cluster": {"server": server}}],
        "users": [{"name": "dorado", "user": user}],
        "contexts": [{"name": "main", "context": {"cluster": "eu", "user": "dorado"}}],
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let options = json!({"kubeconfig": file, "context": "main"}).as_object().unwrap().clone();
    Kubernetes::new(Connection { options, ..Connection::default() })
}

async fn tested(source: &dyn Source) -> Result<String, Error> {
    let http = Http::new(source.outgoing().unwrap(), chrono::Utc::now, Patience::default()).unwrap();
    source.test(&http).await
}

#[tokio::test]
async fn a_kubeconfig_says_where_the_cluster_is_and_how_to_sign_in() {
    let credential = json!({"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1",
        "status": {"token": "from-a-plugin", "expirationTimestamp": "2099-01-01T00:00:00Z"}});
    let plugin = json!({"exec": {"command": "echo", "args": [credential.to_string()]}});
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), "from-a-file").unwrap();
    for (user, signed) in [
        (json!({"token": "t0ken"}), "as Bearer t0ken"),
        (json!({"tokenFile": "token"}), "as Bearer from-a-file"),
        (json!({"username": "a", "password": "b"}), "as Basic YTpi"),
        (plugin, "as Bearer from-a-plugin"),
    ] {
        let script = script([list("10", &json!([]))]);
        let version = Answer::Json(json!({"major": "1", "minor": "37", "gitVersion": "v1.37.1"}));
        script.lock().unwrap().insert("version".to_owned(), VecDeque::from([version]));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let url = api_server(script, Arc::clone(&asked)).await;
        let source = by_kubeconfig(folder.path(), &url, &user).unwrap();
        let said = tested(&source).await.unwrap();
        assert_eq!(said, "Kubernetes v1.37.1; deployments, stateful sets and daemon sets can be listed");
        let asked = asked.lock().unwrap();
        assert!(asked.len() == 4 && asked.iter().all(|call| call.ends_with(signed)), "{asked:?}");
    }
}

#[tokio::test]
async fn what_a_plugin_wrote_is_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = |command: &str, args: &[&str]| json!({"exec": {"command": command, "args": args}});
    for (user, expected) in [
        (plugin("sh", &["-c", "echo hunter2; exit 3"]), "failed: exit status: 3"),
        (plugin("echo", &["hunter2"]), "gave no ExecCredential"),
        (plugin("no-such-plugin", &[]), "cannot be run: No such file"),
    ] {
        let source = by_kubeconfig(folder.path(), "http://127.0.0.1:9", &user).unwrap();
        let error = tested(&source).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn a_plugin_that_does_not_end_is_not_waited_for_and_not_run_beside_itself() {
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let script = format!("echo >> '{}'; exec sleep 3", begun.display());
    let user = json!({"exec": {"command": "sh", "args": ["-c", script]}});
    let mut source = by_kubeconfig(folder.path(), "http://127.0.0.1:9", &user).unwrap();
    source.longest_signing_in = Duration::from_millis(500);
    for _ in 0..2 {
        let error = tested(&source).await.unwrap_err().to_string();
        assert!(error.contains("has not ended within 500ms"), "{error}");
    }
    assert_eq!(std::fs::read_to_string(begun).unwrap(), "\n");
}
