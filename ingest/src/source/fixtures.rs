//! What every translator's tests do: each fixture of `ingest/fixtures/x/` gives the facts of its snapshot, and nothing
//! that is missing from it is a reason to refuse it, but what a fact cannot do without.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use chrono::DateTime;
use dorado_lake::{Delivery, Fact};
use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Connection, Kind, Source};
use crate::signature::Secret;

/// A delivery of this body that arrived in March 2026.
pub(crate) fn delivery(source: &str, body: impl Into<Bytes>) -> Delivery {
    Delivery {
        source: source.to_owned(),
        connection: String::new(),
        id: "1".to_owned(),
        headers: Vec::new(),
        body: body.into(),
        received_at: DateTime::from_timestamp(1_772_500_000, 0).unwrap(),
    }
}

/// A connection with these options, and `s3cret` for what it sends.
pub(crate) fn connected(kind: &Kind, options: Value) -> Arc<dyn Source> {
    let Value::Object(options) = options else { return (kind.connect)(Connection::default()).unwrap() };
    let secrets = vec![Secret::value("s3cret")];
    (kind.connect)(Connection { secrets, options, ..Connection::default() }).unwrap()
}

/// Fixtures of a folder by name.
pub(crate) fn all(folder: &str) -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    names.map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())).collect()
}

/// The facts that a fixture gives.
pub(crate) fn facts(source: &dyn Source, fixture: &str) -> Vec<Fact> {
    source.translate(&delivery(source.name(), all(source.name())[fixture].clone())).unwrap()
}

/// Compares what every fixture gives with its snapshot.
pub(crate) fn check_snapshots(source: &dyn Source) {
    let folder = source.name();
    for (name, body) in all(folder) {
        let told = told(source, &delivery(folder, body));
        insta::with_settings!({
            snapshot_path => format!("{}/fixtures/{folder}/snapshots", env!("CARGO_MANIFEST_DIR")),
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, { insta::assert_json_snapshot!(name, told); });
    }
}

fn told(source: &dyn Source, delivery: &Delivery) -> Value {
    match (source.translate(delivery), source.ignored_reason(delivery)) {
        (Ok(facts), None) => json!(facts.iter().map(without_nulls).collect::<Vec<_>>()),
        (Ok(facts), Some(why)) if facts.is_empty() => json!({ "nothing": why }),
        (Err(error), None) => json!({ "error": error.to_string() }),
        other => unreachable!("{other:?}"),
    }
}

fn without_nulls(fact: &Fact) -> Map<String, Value> {
    let Value::Object(mut fact) = serde_json::to_value(fact).unwrap() else { unreachable!("a fact is an object") };
    fact.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!(false));
    fact
}

/// Nulls every field of every fixture, one by one, and makes it of another kind: nothing may be refused but what a
/// fact cannot do without, and the error names it.
pub(crate) fn check_lenience(source: &dyn Source) {
    for (name, body) in all(source.name()) {
        let whole: Value = serde_json::from_slice(&body).unwrap();
        for pointer in pointers(&whole, String::new()) {
            for other in [Value::Null, json!({"a": [1]}), json!(7)] {
                let mut changed = whole.clone();
                *changed.pointer_mut(&pointer).unwrap() = other.clone();
                if let Err(error) = source.translate(&delivery(source.name(), changed.to_string())) {
                    let text = error.to_string();
                    let is_told = text.contains("is missing") || text.ends_with("is not an instant");
                    assert!(is_told, "{name} with {other} at {pointer}: {text}");
                }
            }
        }
    }
}

fn pointers(value: &Value, at: String) -> Vec<String> {
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.replace('~', "~0").replace('/', "~1"), v)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(n, v)| (n.to_string(), v)).collect(),
        _ => Vec::new(),
    };
    let below = |(key, v): (String, &Value)| pointers(v, format!("{at}/{key}"));
    let mut found: Vec<String> = inner.into_iter().flat_map(below).collect();
    if !at.is_empty() {
        found.push(at);
    }
    found
}

/// A tool's API on a loopback address: answers `GET`s by path. A key may name parts of the query too; the one that
/// names most of what was asked answers.
pub(crate) struct Server {
    /// Its base URL.
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts to answer; ends with the runtime.
    pub(crate) async fn start(answers: BTreeMap<String, Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let keep = Arc::clone(&asked);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, answers.clone(), Arc::clone(&keep)));
            }
        });
        Self { url, asked }
    }

    /// Paths with queries that were asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(mut stream: TcpStream, answers: BTreeMap<String, Value>, asked: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(request)) = lines.next_line().await {
        while lines.next_line().await.unwrap().is_some_and(|line| !line.is_empty()) {}
        let target = request.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let found = answers.iter().filter(|(key, _)| is_asked(key, &target)).max_by_key(|(key, _)| key.len());
        let (status, body) = match found {
            Some((_, body)) => ("200 OK", body.to_string()),
            None => ("404 Not Found", json!({"message": "404 Not Found"}).to_string()),
        };
        asked.lock().unwrap().push(target);
        let head =
            format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        write.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    }
}

fn is_asked(key: &str, target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = percent_encoding::percent_decode_str(query).decode_utf8_lossy().into_owned();
    let (key_path, key_query) = key.split_once('?').unwrap_or((key, ""));
    let has = |part: &str| query.split('&').any(|given| given == part);
    path == key_path && key_query.split('&').filter(|part| !part.is_empty()).all(has)
}
