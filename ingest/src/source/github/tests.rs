//! Fixtures to snapshots, signatures, and a backfill from a scripted server.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use chrono::DateTime;
use futures::TryStreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::*;
use crate::signature::sign_hmac_sha256;

fn github(options: GithubOptions) -> Github {
    Github::new(options)
}

/// Everything that can be switched on is.
fn all_kinds() -> GithubOptions {
    let environment = "production".to_owned();
    GithubOptions {
        deployments: vec![
            DeploymentKind::Deployments,
            DeploymentKind::Releases { environment: environment.clone(), prereleases: false },
            DeploymentKind::Workflow { name: "ship.yml".to_owned(), environment },
        ],
        ..GithubOptions::default()
    }
}

fn delivery(event: &str, body: impl Into<Bytes>) -> Delivery {
    Delivery {
        source: NAME.to_owned(),
        connection: String::new(),
        id: "1".to_owned(),
        headers: vec![("x-github-event".to_owned(), event.to_owned())],
        body: body.into(),
        received_at: Instant::UNIX_EPOCH,
    }
}

/// Fixtures by name; the event is the name up to its first dot.
fn fixtures() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/github");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

fn event_of(fixture: &str) -> &str {
    fixture.split('.').next().unwrap()
}

fn told(source: &Github, delivery: &Delivery) -> Value {
    match (source.translate(delivery), source.ignored_reason(delivery)) {
        (Ok(facts), None) => json!(facts.iter().map(without_nulls).collect::<Vec<_>>()),
        (Ok(facts), Some(why)) if facts.is_empty() => json!({ "nothing": why }),
        (Err(e), None) => json!({ "error": e.to_string() }),
        other => unreachable!("{other:?}"),
    }
}

fn without_nulls(fact: &Fact) -> Value {
    let mut fact = serde_json::to_value(fact).unwrap();
    fact.as_object_mut().unwrap().retain(|_, v| !v.is_null() && *v != json!([]) && *v != json!(false));
    fact
}

#[test]
fn every_fixture_gives_the_facts_of_its_snapshot() {
    let source = github(all_kinds());
    let fixtures = fixtures();
    assert!(fixtures.len() > 25, "{}", fixtures.len());
    for (name, body) in fixtures {
        let told = told(&source, &delivery(event_of(&name), body));
        insta::with_settings!({
            snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/github/snapshots"),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_json_snapshot!(name, told); });
    }
}

#[test]
fn by_default_only_githubs_deployments_are_deployments() {
    let source = github(GithubOptions::default());
    for (name, body) in fixtures() {
        let n_facts = source.translate(&delivery(event_of(&name), body)).unwrap().len();
        if ["release", "workflow_run"].contains(&event_of(&name)) {
            assert_eq!(n_facts, 0, "{name}");
        }
    }
}

#[test]
fn the_states_of_a_deployment_are_ordered_within_one_second() {
    let source = github(GithubOptions::default());
    let fixtures = fixtures();
    let clock = |fixture: &str| {
        let body = String::from_utf8(fixtures[fixture].clone()).unwrap().replace("10:06:30Z", "10:00:00Z");
        source.translate(&delivery(event_of(fixture), body)).unwrap()[0].clock()
    };
    assert!(clock("deployment.created") < clock("deployment_status.in_progress"));
    assert!(clock("deployment_status.in_progress") < clock("deployment_status.success"));
}

#[test]
fn a_form_is_read_as_its_payload() {
    let body = &fixtures()["issues.closed"];
    let escaped: String = percent_encoding::percent_encode(body, percent_encoding::NON_ALPHANUMERIC).to_string();
    let form = format!("payload={}&other=1", escaped.replace("%20", "+"));
    let source = github(GithubOptions::default());
    let facts = source.translate(&delivery("issues", form)).unwrap();
    assert_eq!(facts, source.translate(&delivery("issues", body.clone())).unwrap());
    assert_eq!(facts.len(), 1);
}

#[test]
fn an_error_names_the_place() {
    let source = github(GithubOptions::default());
    let error = |event: &str, body: &str| source.translate(&delivery(event, body.to_owned())).unwrap_err().to_string();
    assert!(error("push", r#"{"commits":[{"id":7}]}"#).starts_with("commits[0].id: invalid type"));
    assert_eq!(error("push", r#"{"ref":"refs/heads/a"}"#), "repository.full_name: is missing");
    assert!(error("push", "{").contains("EOF"));
    assert!(error("push", &"[".repeat(100_000)).contains("nests deeper than 64"));
    let headless = Delivery { headers: Vec::new(), ..delivery("push", "{}") };
    assert!(source.translate(&headless).unwrap_err().to_string().contains("X-GitHub-Event"));
}

/// Takes fields away and nulls them, one by one, all over every fixture: nothing may be refused as unreadable but
/// what a fact cannot do without.
#[test]
fn missing_and_null_fields_are_never_a_parse_error() {
    let source = github(all_kinds());
    for (name, body) in fixtures() {
        let whole: Value = serde_json::from_slice(&body).unwrap();
        for pointer in pointers(&whole, String::new()) {
            let mut nulled = whole.clone();
            *nulled.pointer_mut(&pointer).unwrap() = Value::Null;
            if let Err(e) = source.translate(&delivery(event_of(&name), nulled.to_string())) {
                assert!(e.to_string().ends_with("is missing"), "{name} without {pointer}: {e}");
            }
        }
    }
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(k, v)| (format!("{at}/{k}"), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (format!("{at}/{n}"), v)).collect(),
        _ => Vec::new(),
    };
    let mut found: Vec<String> = inner.into_iter().flat_map(|(path, v)| pointers(v, path)).collect();
    let is_element = at.rsplit('/').next().is_some_and(|last| last.parse::<usize>().is_ok());
    if !at.is_empty() && !is_element {
        found.push(at);
    }
    found
}

#[test]
fn only_a_signed_delivery_is_let_in() {
    let signed = |secrets: Vec<Secret>, header: Option<&str>| {
        let mut delivery = delivery("ping", "Hello, World!");
        delivery.headers.extend(header.map(|value| ("x-hub-signature-256".to_owned(), value.to_owned())));
        github(GithubOptions { secrets, ..GithubOptions::default() }).authenticate(&delivery)
    };
    let secret = || Secret::value("It's a Secret to Everybody");
    let right = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert_eq!(
        right.strip_prefix("sha256=").unwrap(),
        sign_hmac_sha256(b"It's a Secret to Everybody", b"Hello, World!")
    );
    assert!(signed(vec![secret()], Some(right)).is_ok());
    assert!(signed(vec![Secret::value("new"), secret()], Some(right)).is_ok(), "two are live");
    let forged = [
        (vec![secret()], None),
        (vec![secret()], Some("")),
        (vec![secret()], Some("sha256=")),
        (vec![secret()], Some(&right[..70])),
        (vec![secret()], Some(right.trim_start_matches("sha256="))),
        (vec![secret()], Some("sha1=757107ea0eb2509fc211221cce984b8a37570b6d")),
        (vec![Secret::value("other")], Some(right)),
        (vec![], Some(right)),
    ];
    for (secrets, header) in forged {
        assert!(matches!(signed(secrets, header), Err(Error::Forged { .. })), "{header:?}");
    }
    assert!(matches!(signed(vec![Secret::unreadable()], Some(right)), Err(Error::Unreadable { .. })));
    assert!(matches!(signed(vec![Secret::unreadable()], None), Err(Error::Forged { .. })), "not signed at all");
}

/// Answers `GET`s by path, query included, and keeps what was asked.
async fn scripted_server(answers: BTreeMap<&'static str, Value>) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/api/v3", listener.local_addr().unwrap());
    let n_answers = answers.len();
    let served = tokio::spawn(async move {
        let mut asked = Vec::new();
        while asked.len() < n_answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.split();
            let mut lines = BufReader::new(read).lines();
            let request = lines.next_line().await.unwrap().unwrap();
            let mut authorization = String::new();
            while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
                if line.to_lowercase().starts_with("authorization:") {
                    authorization = line;
                }
            }
            assert!(authorization.ends_with("Bearer t0ken"), "{authorization}");
            let path = request.split(' ').nth(1).unwrap().to_owned();
            let answer = answers.get(path.as_str()).cloned();
            let status = if answer.is_some() { "200 OK" } else { "404 Not Found" };
            let body = answer.unwrap_or(json!({"message": "Not Found"})).to_string();
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
            write.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes()).await.unwrap();
            asked.push(path);
        }
        asked
    });
    (base_url, served)
}

fn backfilled(base_url: String) -> Github {
    let backfill = GithubBackfill {
        token: Some(Secret::value("t0ken\n")),
        base_url: Some(base_url),
        repositories: vec!["harbour/quay".to_owned()],
    };
    github(GithubOptions { backfill: Some(backfill), ..GithubOptions::default() })
}

#[tokio::test]
async fn a_backfill_says_what_the_webhooks_would_have_said() {
    let fixtures = fixtures();
    let part = |fixture: &str, field: &str| serde_json::from_slice::<Value>(&fixtures[fixture]).unwrap()[field].clone();
    let old = json!({"id": 1, "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z", "number": 1});
    let answers = BTreeMap::from([
        (
            "/api/v3/repos/harbour/quay/deployments?page=1&per_page=100",
            json!([part("deployment.created", "deployment"), old]),
        ),
        (
            "/api/v3/repos/harbour/quay/deployments/4711/statuses?per_page=100",
            json!([
                part("deployment_status.inactive", "deployment_status"),
                part("deployment_status.success", "deployment_status")
            ]),
        ),
        (
            "/api/v3/repos/harbour/quay/pulls?page=1&state=all&sort=updated&direction=desc&per_page=100",
            json!([part("pull_request.merged", "pull_request"), old]),
        ),
    ]);
    let (base_url, served) = scripted_server(answers).await;
    let source = backfilled(base_url);
    let since = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
    let deliveries: Vec<Delivery> = source.backfill(since).try_collect().await.unwrap();
    assert_eq!(served.await.unwrap().len(), 3);

    let facts: Vec<Fact> = deliveries.iter().flat_map(|d| source.translate(d).unwrap()).collect();
    let by_webhook = ["deployment.created", "pull_request.merged", "deployment_status.success"];
    let expected: Vec<Fact> = by_webhook
        .iter()
        .flat_map(|name| source.translate(&delivery(event_of(name), fixtures[*name].clone())).unwrap())
        .collect();
    assert_eq!(facts, expected);
    let ids: Vec<&str> = deliveries.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids[0], "backfill/harbour/quay/deployment/4711/2026-03-02T10:00:00Z");
}

#[tokio::test]
async fn a_backfill_that_is_refused_is_an_error_of_the_source() {
    let (base_url, _served) = scripted_server(BTreeMap::from([("/nothing", json!([]))])).await;
    let source = backfilled(base_url);
    let failed = source.backfill(Instant::UNIX_EPOCH).try_collect::<Vec<_>>().await;
    assert!(matches!(failed, Err(Error::Unreachable { .. })), "{failed:?}");
}
