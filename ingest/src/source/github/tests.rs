//! Fixtures to snapshots, and signatures.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use dorado_lake::Instant;
use serde_json::{Value, json};

use super::options::DeploymentKind;
use super::*;
use crate::signature::{Secret, sign_hmac_sha256};

fn github(options: Options) -> Github {
    Github { connection: Connection::default(), options }
}

/// Everything that can be switched on is.
fn all_kinds() -> Options {
    let environment = "production".to_owned();
    Options {
        deployments: vec![
            DeploymentKind::Deployments {},
            DeploymentKind::Releases { environment: environment.clone(), prereleases: false },
            DeploymentKind::Workflow { name: "ship.yml".to_owned(), environment },
        ],
        ..Options::default()
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
    let source = github(Options::default());
    for (name, body) in fixtures() {
        let n_facts = source.translate(&delivery(event_of(&name), body)).unwrap().len();
        if ["release", "workflow_run"].contains(&event_of(&name)) {
            assert_eq!(n_facts, 0, "{name}");
        }
    }
}

#[test]
fn the_states_of_a_deployment_are_ordered_within_one_second() {
    let source = github(Options::default());
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
    let source = github(Options::default());
    let facts = source.translate(&delivery("issues", form)).unwrap();
    assert_eq!(facts, source.translate(&delivery("issues", body.clone())).unwrap());
    assert_eq!(facts.len(), 1);
}

#[test]
fn an_error_names_the_place() {
    let source = github(Options::default());
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
        let connection = Connection { secrets, ..Connection::default() };
        Github { connection, options: Options::default() }.authenticate(&delivery)
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

#[test]
fn an_option_that_is_wrong_is_named() {
    let connect = |options: Value| {
        let options = options.as_object().unwrap().clone();
        let secrets = vec![Secret::value("s")];
        (KIND.connect)(Connection { secrets, options, ..Connection::default() }).err()
    };
    assert_eq!(connect(json!({"incident_labels": ["outage"], "deployments": [{"workflow": {"name": "a.yml"}}]})), None);
    assert_eq!(connect(json!({"incident_lables": []})).unwrap().option, "incident_lables");
    assert_eq!(connect(json!({"deployments": [{"release": {}}]})).unwrap().option, "deployments");
    assert_eq!((KIND.connect)(Connection::default()).err().unwrap().option, "secrets", "nothing could come in");
}
