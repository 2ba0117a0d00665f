//! The real binary, started on an empty or a used directory, and asked over HTTP.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::subject::{History, Subject};
use crate::tables::assert_tables;

/// How long the server may take to start, or to make numbers of what it was told.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running `dorado serve` on a directory. Ends with the value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: String,
    data: PathBuf,
    client: reqwest::Client,
}

impl Server {
    /// Starts the server and waits until it says where it listens.
    pub(crate) fn start(data: &Path) -> Self {
        let (child, address) = spawn(data);
        Self { child, address, data: data.to_owned(), client: reqwest::Client::new() }
    }

    /// Ends the process as a power cut would: no signal that it could catch.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts again on the same directory; kills first what still runs.
    pub(crate) fn restart(&mut self) {
        self.kill();
        (self.child, self.address) = spawn(&self.data);
    }

    /// `GET path`, whatever the status.
    pub(crate) async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client.get(format!("{}{path}", self.address)).send().await
    }

    /// `POST path`, whatever the status.
    pub(crate) async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: String,
    ) -> reqwest::Result<reqwest::Response> {
        let request = self.client.post(format!("{}{path}", self.address));
        request.header("content-type", content_type).body(body).send().await
    }

    /// `GET path` that must succeed, as JSON.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        assert!(status.is_success(), "GET {path} answered {status}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// Posts newline-separated events, all of which must be accepted.
    pub(crate) async fn tell(&self, events: &str) {
        let response = self.post("/api/v1/events", "application/x-ndjson", events.to_owned()).await.unwrap();
        let status = response.status();
        let body = response.text().await.unwrap();
        assert_eq!(status, 202, "{body}\nfor\n{events}");
        let answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["rejected"], json!([]), "{events}");
    }

    /// Waits until everything that was accepted counts in the numbers.
    pub(crate) async fn wait_until_settled(&self) {
        let since = Instant::now();
        loop {
            let ready = self.json("/readyz").await;
            if ready["n_waiting"] == 0 && ready["gold_lag_arrivals"] == 0 {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "not settled after {PATIENCE:?}: {ready}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(data: &Path) -> (Child, String) {
    let log = data.with_extension("log");
    let mut child = Command::new(env!("CARGO_BIN_EXE_dorado"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::options().create(true).append(true).open(&log).unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    let address = loop {
        line.clear();
        let n_bytes = lines.read_line(&mut line).unwrap();
        assert!(n_bytes > 0, "the server ended: {}", std::fs::read_to_string(&log).unwrap());
        if let Some((_, address)) = line.split_once("listening on ") {
            break address.split_whitespace().next().unwrap().trim_end_matches('/').to_owned();
        }
    };
    // Whatever else it prints must not fill the pipe and stop it.
    std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
    (child, address)
}

/// One server for many histories: each gets names of its own, and is asked about by its services.
#[derive(Debug)]
pub(crate) struct Served {
    runtime: tokio::runtime::Runtime,
    server: Server,
    histories: Vec<BTreeSet<String>>,
    is_settled: bool,
    _folder: TempDir,
}

impl Served {
    /// Starts a server on a new directory.
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// The same with a configuration.
    pub(crate) fn start_with(configuration: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join("lake")).unwrap();
        std::fs::write(folder.path().join("lake/dorado.toml"), configuration).unwrap();
        Self {
            runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap(),
            server: Server::start(&folder.path().join("lake")),
            histories: Vec::new(),
            is_settled: true,
            _folder: folder,
        }
    }

    /// Kills the server and starts it again on the same directory.
    pub(crate) fn restart(&mut self) {
        self.server.restart();
        self.is_settled = false;
    }
}

impl Subject for Served {
    fn tell(&mut self, deliveries: &[String]) -> History {
        let history = History(self.histories.len());
        let prefix = prefix(history);
        let versions = values_of(deliveries, "version");
        for delivery in deliveries.iter().filter(|delivery| !delivery.trim().is_empty()) {
            let events: Vec<String> = delivery.lines().map(|event| renamed(event, &prefix, &versions)).collect();
            self.runtime.block_on(self.server.tell(&events.join("\n")));
        }
        let mut services = values_of(deliveries, "service");
        services.extend(values_of(deliveries, "services"));
        if services.is_empty() {
            // Without a service a question would be about all histories.
            services.insert("nobody".to_owned());
        }
        self.histories.push(services);
        self.is_settled = false;
        history
    }

    fn ask(&mut self, history: History, question: &str) -> Value {
        if !self.is_settled {
            self.runtime.block_on(self.server.wait_until_settled());
            self.is_settled = true;
        }
        let prefix = prefix(history);
        let folder = if question.starts_with("stages?") { "" } else { "metrics/" };
        let mut path = format!("/api/v1/{folder}{}", question.replace("service=", &format!("service={prefix}")));
        if !question.contains("&service=") {
            for service in &self.histories[history.0] {
                path.extend(["&service=", &prefix, service]);
            }
        }
        // A refusal is an answer without rows: the caller says what it differs from.
        let body = self.runtime.block_on(async { self.server.get(&path).await?.text().await }).unwrap();
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        for row in answer["data"].as_array_mut().into_iter().flatten() {
            if let Some(service) = row["service"].as_str().and_then(|service| service.strip_prefix(&prefix)) {
                row["service"] = json!(service);
            }
        }
        answer
    }
}

/// In front of names, so that the order of ids stays as it was.
fn prefix(history: History) -> String {
    format!("h{:05}-", history.0)
}

fn values_of(deliveries: &[String], field: &str) -> BTreeSet<String> {
    let events = deliveries.iter().flat_map(|delivery| delivery.lines());
    let values = events.map(|event| serde_json::from_str::<Value>(event).unwrap()[field].clone());
    values.flat_map(texts).collect()
}

fn texts(value: Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.into_iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// An event with every name in it made the history's own. Versions get theirs behind, since what they
/// begin with may make a deployment rework; whole SHAs are nobody's names.
fn renamed(event: &str, prefix: &str, versions: &BTreeSet<String>) -> String {
    const NAMES: [&str; 22] = [
        "id",
        "sha",
        "service",
        "services",
        "repository",
        "revision",
        "version",
        "parents",
        "changes",
        "commits",
        "pull_requests",
        "pull_request",
        "merge_commit",
        "reverts",
        "cherry_pick_of",
        "rolls_back",
        "repairs",
        "fixes_incident",
        "caused_by",
        "caused_by_change",
        "deployment",
        "incident",
    ];
    let rename = |name: &mut Value| {
        let Some(text) = name.as_str() else { return };
        let is_sha = text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
        *name = match text {
            _ if is_sha => return,
            _ if versions.contains(text) => json!(format!("{text}-{prefix}")),
            _ => json!(format!("{prefix}{text}")),
        };
    };
    let mut event: Value = serde_json::from_str(event).unwrap();
    for field in NAMES {
        match event.get_mut(field) {
            Some(Value::Array(names)) => names.iter_mut().for_each(rename),
            Some(name) => rename(name),
            None => {}
        }
    }
    event.to_string()
}

#[test]
fn the_server_answers_as_the_tables_say() {
    assert_tables(&mut Served::start());
}
