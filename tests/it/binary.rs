//! The real binary with whatever arguments: run to its end, or served with configuration, environment,
//! headers and signals that a [`Server`](crate::server::Server) has no need of.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a process may take to start, to stop, or to make numbers of what it was told.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a run of the binary came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command of the binary that knows nothing of the configuration around the tests.
pub(crate) fn command<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dorado"));
    command.args(args).stdin(Stdio::null());
    for name in ["DORADO_CONFIG", "DORADO_DATA", "DORADO_LISTEN", "DORADO_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command
}

/// Runs the binary to its end, however that is.
pub(crate) fn run<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    let output = command(args).output().unwrap();
    Ran {
        succeeded: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Runs the binary, which must succeed; gives what it prints.
pub(crate) fn dorado<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> String {
    let ran = run(args);
    assert!(ran.succeeded, "{}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// An answer over HTTP.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON, of an answer with this status.
    pub(crate) fn json(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The body as a problem that says of itself what it must.
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem = self.json(status);
        assert_eq!(problem["status"], status, "{problem}");
        for key in ["type", "title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "no {key}: {problem}");
        }
        problem
    }
}

/// A running `dorado serve`. Ends with the value.
#[derive(Debug)]
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: String,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
}

/// Keeps no connection longer than the server does: nobody reads on it between two requests, to see that it was closed.
fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(2))
}

impl Serving {
    /// Serves a directory.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// Serves a directory in an environment.
    pub(crate) fn start_with(data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = command(["serve", "--listen", "127.0.0.1:0", "--data"]);
        let log = data.with_extension("log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        command.arg(data).envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            let n_bytes = lines.read_line(&mut line).unwrap();
            assert!(n_bytes > 0, "the server on {} ended", data.display());
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().to_owned();
            }
        };
        // Whatever else it prints must not fill the pipe and stop it.
        std::thread::spawn(move || lines.read_to_end(&mut Vec::new()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { child, address, client: client().build().unwrap(), runtime }
    }

    /// The same, asked by who trusts this certificate and no other.
    pub(crate) fn trusting(mut self, pem: &[u8]) -> Self {
        let certificate = reqwest::Certificate::from_pem(pem).unwrap();
        self.client = client().tls_certs_only([certificate]).build().unwrap();
        self
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new())
    }

    pub(crate) fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", path, headers, body.into())
    }

    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{path}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.runtime.block_on(async {
            let response = request.body(body).send().await.unwrap();
            let status = response.status().as_u16();
            let headers = response.headers().iter();
            let headers = headers.map(|(n, v)| (n.to_string(), v.to_str().unwrap().to_owned())).collect();
            Answer { status, headers, body: response.bytes().await.unwrap().to_vec() }
        })
    }

    /// `GET path` that must succeed, as JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        self.get(path).json(200)
    }

    /// Posts events, all of which must be accepted.
    pub(crate) fn tell(&self, events: &Value) {
        let answer = self.post("/api/v1/events", &[("content-type", "application/json")], events.to_string());
        assert_eq!(answer.json(202)["rejected"], serde_json::json!([]), "{events}");
    }

    /// All rows of a list or an explanation, page by page.
    pub(crate) fn rows(&self, path: &str) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut cursor = String::new();
        loop {
            let mut page = self.json(&format!("{path}{cursor}"));
            rows.append(page["data"].as_array_mut().unwrap());
            let Some(next) = page["meta"]["next_cursor"].as_str() else { return rows };
            cursor = format!("&cursor={next}");
        }
    }

    /// Waits until everything that was accepted counts in the numbers. Twice, because `/readyz` has been seen to
    /// speak too soon; whether it still does is a test of its own.
    pub(crate) fn wait_until_settled(&self) {
        let since = Instant::now();
        let mut n_readings = 0;
        while n_readings < 2 {
            n_readings = if self.is_settled() { n_readings + 1 } else { 0 };
            assert!(since.elapsed() < PATIENCE, "not settled after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(if n_readings == 1 { 200 } else { 20 }));
        }
    }

    /// Whether the server says that everything that was accepted counts.
    pub(crate) fn is_settled(&self) -> bool {
        let ready = self.json("/readyz");
        ready["n_waiting"] == 0 && ready["gold_lag_arrivals"] == 0
    }

    /// Asks until the answer is as it should be; gives how long that took.
    pub(crate) fn time_until(&self, path: &str, is_right: impl Fn(&Value) -> bool) -> Duration {
        let since = Instant::now();
        loop {
            let answer = self.json(path);
            if is_right(&answer) {
                return since.elapsed();
            }
            assert!(since.elapsed() < PATIENCE, "after {PATIENCE:?} {path} is {answer}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(since.elapsed() < PATIENCE, "still there {PATIENCE:?} after SIGTERM");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
