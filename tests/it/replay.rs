//! `dorado replay`: deliveries that are kept are understood anew, and only what that changes changes; with and without a
//! server.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::binary::{Serving, command};

const SECRET: &str = "a secret of this test";
const PERIOD: &str = "from=2026-05-01&to=2026-06-01&limit=100";
const PERIOD_OF_ALL: &str = "from=2026-05-01&to=2026-06-01&bucket=all";

struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A directory with what one connection sent, understood under these options.
    fn new(options: &str) -> Self {
        let bench = Self { folder: TempDir::new().unwrap() };
        std::fs::create_dir(bench.data()).unwrap();
        bench.configure(options);
        let server = bench.serve();
        for (n, (event, body)) in sent().into_iter().enumerate() {
            deliver(&server, n, event, &body);
            server.wait_until_settled();
        }
        server.terminate();
        bench
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn configure(&self, options: &str) {
        let text =
            format!("[[connection]]\nsource = 'github'\nsecrets = [{{ env = 'DORADO_TEST_SECRET' }}]\n{options}\n");
        std::fs::write(self.data().join("dorado.toml"), text).unwrap();
    }

    fn serve(&self) -> Serving {
        Serving::start_with(&self.data(), &[("DORADO_TEST_SECRET", SECRET)])
    }

    fn command(&self, args: &[&str]) -> Command {
        let data: &Path = &self.data();
        let mut command = command(["replay", "--data"]);
        command.arg(data).arg("--config").arg(data.join("dorado.toml")).args(args).env("DORADO_TEST_SECRET", SECRET);
        command
    }

    fn replay(&self, args: &[&str]) -> String {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Deployments, incidents and what became of each delivery.
    fn told(&self) -> [Vec<Value>; 3] {
        let server = self.serve();
        let told = told_by(&server);
        server.terminate();
        told
    }
}

fn deliver(server: &Serving, n: usize, event: &str, body: &Value) {
    let body = body.to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    let headers =
        [("x-github-event", event), ("x-github-delivery", &n.to_string()), ("x-hub-signature-256", &signature)];
    server.post("/webhooks", &headers, body).json(202);
}

fn told_by(server: &Serving) -> [Vec<Value>; 3] {
    server.wait_until_settled();
    let rows = |list: &str| server.rows(&format!("/api/v1/{list}?{PERIOD}"));
    [rows("deployments"), rows("incidents"), server.rows("/api/v1/deliveries?limit=100")]
}

/// A deployment, a finished run of a workflow, and an issue.
fn sent() -> Vec<(&'static str, Value)> {
    let repository = json!({"full_name": "acme/shop", "default_branch": "main"});
    let deployment = json!({
        "id": 1, "sha": "1111111111111111111111111111111111111111", "ref": "main", "environment": "production",
        "created_at": "2026-05-10T08:00:00Z",
    });
    let status = json!({"state": "success", "environment": "production", "created_at": "2026-05-10T08:06:00Z"});
    let issue = json!({
        "number": 9, "title": "Checkout is down", "labels": [{"name": "outage"}], "created_at": "2026-05-11T09:00:00Z",
        "updated_at": "2026-05-11T10:00:00Z", "closed_at": "2026-05-11T10:00:00Z",
    });
    vec![
        ("deployment_status", json!({"deployment": deployment, "deployment_status": status, "repository": repository})),
        ("workflow_run", workflow_run(7)),
        ("issues", json!({"action": "closed", "issue": issue, "repository": repository})),
    ]
}

fn workflow_run(id: usize) -> Value {
    let run = json!({
        "id": id, "name": "Ship", "path": ".github/workflows/ship.yml", "head_sha": "2222222222222222222222222222222222222222",
        "conclusion": "success", "run_started_at": "2026-05-11T08:00:00Z", "updated_at": "2026-05-11T08:09:00Z",
    });
    let repository = json!({"full_name": "acme/shop", "default_branch": "main"});
    json!({"action": "completed", "workflow_run": run, "repository": repository})
}

const BY_WORKFLOW: &str = "incident_labels = ['outage']\ndeployments = [{ workflow = { name = 'ship.yml' } }]";

#[test]
fn a_replay_comes_to_what_would_have_been_understood_at_once_and_changes_nothing_else() {
    let bench = Bench::new("");
    let before = bench.told();
    assert_eq!(before.each_ref().map(Vec::len), [1, 0, 3]);
    assert_eq!(bench.replay(&[]), "3 records replayed; 0 of them say something else now\n");
    assert_eq!(bench.told(), before);

    bench.configure(BY_WORKFLOW);
    assert_not_connected(bench.command(&["--source", "github/other"]));
    assert_eq!(bench.replay(&["--since", "2126-01-01"]), "0 records replayed; 0 of them say something else now\n");
    assert_eq!(bench.replay(&["--source", "github"]), "3 records replayed; 3 of them say something else now\n");
    let mut after = bench.told();
    let mut at_once = Bench::new(BY_WORKFLOW).told();
    for told in [&mut after, &mut at_once] {
        for delivery in &mut told[2] {
            delivery["received_at"] = Value::Null;
        }
    }
    assert_eq!(after, at_once);
    assert_eq!(after.each_ref().map(Vec::len), [1, 1, 3]);
    assert_eq!(
        after[2].iter().map(|row| row["outcome"].as_str().unwrap()).collect::<Vec<_>>(),
        ["kept", "kept", "ignored"]
    );
    assert_eq!(bench.replay(&[]), "3 records replayed; 0 of them say something else now\n");
}

/// Nobody can say what the deliveries of another mean.
fn assert_not_connected(mut replay: Command) {
    let output = replay.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("no connection is called `github/other`"), "{said}");
}

#[test]
fn what_came_from_a_connection_that_is_gone_goes_on_meaning_what_it_did() {
    let bench = Bench::new("");
    let before = bench.told();
    std::fs::write(bench.data().join("dorado.toml"), "").unwrap();
    assert_eq!(bench.replay(&[]), "3 records replayed; 0 of them say something else now\n");
    bench.configure("");
    assert_eq!(bench.told(), before);
}

#[test]
fn a_replay_beside_a_server_changes_the_same() {
    let bench = Bench::new("");
    bench.configure(BY_WORKFLOW);
    let server = bench.serve();
    assert_eq!(server.json("/api/v1/replay")["state"], "none");
    assert_not_connected(bench.command(&["--source", "github/other"]));
    let problem = server.post("/api/v1/replay?source=github/other", &[], "").problem(422);
    assert_eq!((&problem["parameter"], &problem["expected"]), (&json!("source"), &json!("one of events, github")));
    assert_eq!(server.json("/api/v1/replay")["state"], "none", "nothing was begun");
    assert_eq!(bench.replay(&["--cancel"]), "no replay is under way\n");
    assert_eq!(bench.replay(&["--since", "2099-01-01"]), "0 records replayed; 0 of them say something else now\n");
    assert_eq!(bench.replay(&["--source", "github"]), "3 records replayed; 3 of them say something else now\n");
    // Its results count when the command is through.
    let found = told_by(&server);
    assert_eq!(found.each_ref().map(Vec::len), [1, 1, 3]);
    let status = server.json("/api/v1/replay");
    assert_eq!((&status["state"], &status["n_done"], &status["n_changed"]), (&json!("done"), &json!(3), &json!(3)));
    assert_eq!(bench.replay(&[]), "3 records replayed; 0 of them say something else now\n");
    assert_eq!(told_by(&server), found);
    server.terminate();
    assert_eq!(bench.told(), found);
}

#[test]
fn a_replay_that_cannot_go_on_says_why_and_holds_up_nothing() {
    let bench = Bench::new("");
    for file in
        files(&bench.data().join("deliveries")).iter().filter(|file| file.extension().is_some_and(|e| e == "parquet"))
    {
        let n_bytes = std::fs::metadata(file).unwrap().len() as usize;
        std::fs::write(file, vec![0; n_bytes]).unwrap();
    }
    bench.configure(BY_WORKFLOW);
    let server = bench.serve();
    let mut command = bench.command(&[]);
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("the replay ended early"), "{said}");
    let status = server.json("/api/v1/replay");
    assert!(status["state"] == "failed" && status["error"].is_string(), "{status}");
    deliver(&server, 100, "workflow_run", &workflow_run(100));
    server.wait_until_settled();
    assert_eq!(server.rows(&format!("/api/v1/deployments?{PERIOD}")).len(), 2);
    server.terminate();
}

#[test]
fn a_server_that_is_named_is_sent_no_token_of_this_register() {
    let bench = Bench::new("");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    other.set_nonblocking(true).unwrap();
    let address = format!("http://{}", other.local_addr().unwrap());
    let output = bench.command(&["--server", &address]).env_remove("DORADO_TOKEN").output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("DORADO_TOKEN"), "{said}");
    assert!(other.accept().is_err(), "it was connected to");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Enough that a replay has several portions.
const MANY: usize = 2_400;

fn bench_of_many() -> Bench {
    let bench = Bench::new("");
    let server = bench.serve();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let server = &server;
            scope.spawn(move || {
                (thread..MANY)
                    .step_by(8)
                    .for_each(|n| deliver(server, 100 + n, "workflow_run", &workflow_run(100 + n)));
            });
        }
    });
    server.wait_until_settled();
    server.terminate();
    bench.configure(BY_WORKFLOW);
    bench
}

/// Begins a replay, and waits until it has done something.
fn begin(server: &Serving) -> Value {
    let begun = server.post("/api/v1/replay?source=github", &[], "").json(202);
    loop {
        let status = server.json("/api/v1/replay");
        if status["n_done"] != 0 {
            assert_eq!(status["state"], "running", "it was through before it could be cancelled");
            assert_eq!(status["began_at"], begun["began_at"]);
            break status;
        }
    }
}

fn assert_cancelled(server: &Serving) -> u64 {
    let status = loop {
        let status = server.json("/api/v1/replay");
        if status["state"] != "running" {
            break status;
        }
    };
    assert_eq!((&status["state"], &status["error"]), (&json!("failed"), &json!("it was cancelled")), "{status}");
    let n_done = status["n_done"].as_u64().unwrap();
    assert!(0 < n_done && n_done < MANY as u64, "{status}");
    n_done
}

#[test]
fn a_replay_that_is_cancelled_ends_before_its_end_and_the_next_one_does_the_rest() {
    let bench = bench_of_many();
    let server = bench.serve();
    begin(&server);
    let told = server.send("DELETE", "/api/v1/replay", &[], Vec::new()).json(202);
    assert_eq!(told["state"], "running", "it ends before its next portion");
    let n_done = assert_cancelled(&server);
    // What it did so far counts, and what arrives too.
    deliver(&server, 10, "workflow_run", &workflow_run(10));
    server.wait_until_settled();
    let n = |server: &Serving| {
        let told = server.json(&format!("/api/v1/metrics/deployment-frequency?{PERIOD_OF_ALL}"));
        told["data"][0]["n"].as_u64().unwrap()
    };
    assert!((n_done / 2..MANY as u64).contains(&n(&server)), "{} of {n_done}", n(&server));
    assert_eq!(bench.replay(&["--cancel"]), "no replay is under way\n");

    // Another one, which the server leaves behind.
    let n_done = begin(&server)["n_done"].as_u64().unwrap();
    server.kill();
    let said = bench.replay(&["--cancel"]);
    assert!(
        said.starts_with("the replay was cancelled after ") && said.ends_with("what it did so far counts\n"),
        "{said}"
    );
    let server = bench.serve();
    assert!(assert_cancelled(&server) >= n_done);
    let rest = bench.replay(&[]);
    assert!(rest.starts_with("2,404 records replayed; "), "{rest}");
    assert_eq!(n(&server), MANY as u64 + 2);
}

#[test]
fn a_replay_whose_server_is_killed_goes_on_and_its_results_show_at_once_or_not_at_all() {
    let bench = bench_of_many();
    let mut server = bench.serve();
    server.post("/api/v1/replay", &[], "").json(202);
    // One by the deployment itself before, and those of the workflow instead afterwards.
    let (before, after) = (json!(1), json!(MANY + 1));
    let (mut n_killed, mut n_least) = (0, 1);
    let mut pause = Duration::from_millis(400);
    loop {
        let since = Instant::now();
        let status = loop {
            let status = server.json("/api/v1/replay");
            let n = &server.json(&format!("/api/v1/metrics/deployment-frequency?{PERIOD_OF_ALL}"))["data"][0]["n"];
            assert!(*n == before || *n == after, "{n} deployments while the replay is {status}");
            let n_rows = server.rows(&format!("/api/v1/deployments?{PERIOD}")).len();
            assert!(n_rows >= n_least, "{n_rows} rows where there were {n_least}");
            n_least = n_rows;
            if status["state"] == "done" || since.elapsed() > pause {
                break status;
            }
        };
        if status["state"] == "done" {
            assert_eq!(status["n_done"], json!(MANY + 3), "{status}");
            break;
        }
        (n_killed, pause) = (n_killed + 1, pause * 2);
        server.kill();
        server = bench.serve();
    }
    assert!(n_killed > 0, "it was through before it could be killed");
    let n = &server.json(&format!("/api/v1/metrics/deployment-frequency?{PERIOD_OF_ALL}"))["data"][0]["n"];
    assert_eq!(*n, after);
    let told = bench.replay(&[]);
    assert_eq!(told, "2,403 records replayed; 0 of them say something else now\n");
}
