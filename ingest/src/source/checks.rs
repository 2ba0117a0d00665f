//! What the tests of sources share: fixtures by name, and checks that hold for every source.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use dorado_lake::{Delivery, Fact, Instant};
use serde_json::{Value, json};

use super::Source;

/// A delivery without headers.
pub(super) fn delivery(source: &str, body: impl Into<Bytes>) -> Delivery {
    Delivery {
        source: source.to_owned(),
        connection: String::new(),
        id: "1".to_owned(),
        headers: Vec::new(),
        body: body.into(),
        received_at: Instant::UNIX_EPOCH,
    }
}

/// The fixtures of a source by their file's name.
pub(super) fn fixtures(source: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(source);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// The facts that a delivery gives, or why it gives none.
pub(super) fn told(source: &dyn Source, delivery: &Delivery) -> Value {
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

/// Every fixture gives the facts of its snapshot.
pub(super) fn check_snapshots(source: &dyn Source) {
    check_snapshots_of(source, |_, body| delivery(source.name(), body));
}

/// The same where a delivery is more than its body; `deliver` makes it of a fixture's name and body.
pub(super) fn check_snapshots_of(source: &dyn Source, deliver: impl Fn(&str, Vec<u8>) -> Delivery) {
    let fixtures = fixtures(source.name());
    assert!(fixtures.len() > 3, "{}", fixtures.len());
    for (name, body) in fixtures {
        let told = told(source, &deliver(&name, body));
        insta::with_settings!({
            snapshot_path => format!("{}/fixtures/{}/snapshots", env!("CARGO_MANIFEST_DIR"), source.name()),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_json_snapshot!(name, told); });
    }
}

/// Takes fields away and nulls them, one by one, all over every fixture: nothing may be refused as unreadable but
/// what a fact cannot do without.
pub(super) fn no_parse_errors(source: &dyn Source) {
    no_parse_errors_of(source, |_, body| delivery(source.name(), body));
}

/// The same where a delivery is more than its body.
pub(super) fn no_parse_errors_of(source: &dyn Source, deliver: impl Fn(&str, Vec<u8>) -> Delivery) {
    for (name, body) in fixtures(source.name()) {
        let whole: Value = serde_json::from_slice(&body).unwrap();
        for pointer in pointers(&whole, String::new()) {
            for other in [Value::Null, json!({"not": ["this"]}), json!(7)] {
                let mut changed = whole.clone();
                *changed.pointer_mut(&pointer).unwrap() = other;
                if let Err(e) = source.translate(&deliver(&name, changed.to_string().into_bytes())) {
                    let is_said = ["is missing", "is no instant"].iter().any(|end| e.to_string().contains(end));
                    assert!(is_said, "{name} without {pointer}: {e}");
                }
            }
        }
    }
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => {
            fields.iter().map(|(k, v)| (format!("{at}/{}", k.replace('~', "~0").replace('/', "~1")), v)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (format!("{at}/{n}"), v)).collect(),
        _ => Vec::new(),
    };
    let mut found: Vec<String> = inner.into_iter().flat_map(|(path, v)| pointers(v, path)).collect();
    if !at.is_empty() {
        found.push(at);
    }
    found
}
