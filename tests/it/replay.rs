//! `dorado replay`: deliveries that are kept are understood anew, and only what that changes changes.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::binary::{Serving, command};

const SECRET: &str = "a secret of this test";
const PERIOD: &str = "from=2026-05-01&to=2026-06-01&limit=100";

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
            let body = body.to_string();
            let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
            mac.update(body.as_bytes());
            let signature = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
            let headers =
                [("x-github-event", event), ("x-github-delivery", &n.to_string()), ("x-hub-signature-256", &signature)];
            server.post("/webhooks", &headers, body).json(202);
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

    fn replay(&self, args: &[&str]) -> String {
        let data: &Path = &self.data();
        let mut command = command(["replay", "--data"]);
        command.arg(data).arg("--config").arg(data.join("dorado.toml")).args(args).env("DORADO_TEST_SECRET", SECRET);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Deployments, incidents and what became of each delivery.
    fn told(&self) -> [Vec<Value>; 3] {
        let server = self.serve();
        server.wait_until_settled();
        let rows = |list: &str| server.rows(&format!("/api/v1/{list}?{PERIOD}"));
        let told = [rows("deployments"), rows("incidents"), server.rows("/api/v1/deliveries?limit=100")];
        server.terminate();
        told
    }
}

/// A deployment, a finished run of a workflow, and an issue.
fn sent() -> Vec<(&'static str, Value)> {
    let repository = json!({"full_name": "acme/shop", "default_branch": "main"});
    let deployment = json!({
        "id": 1, "sha": "1111111111111111111111111111111111111111", "ref": "main", "environment": "production",
        "created_at": "2026-05-10T08:00:00Z",
    });
    let status = json!({"state": "success", "environment": "production", "created_at": "2026-05-10T08:06:00Z"});
    let run = json!({
        "id": 7, "name": "Ship", "path": ".github/workflows/ship.yml", "head_sha": "2222222222222222222222222222222222222222",
        "conclusion": "success", "run_started_at": "2026-05-11T08:00:00Z", "updated_at": "2026-05-11T08:09:00Z",
    });
    let issue = json!({
        "number": 9, "title": "Checkout is down", "labels": [{"name": "outage"}], "created_at": "2026-05-11T09:00:00Z",
        "updated_at": "2026-05-11T10:00:00Z", "closed_at": "2026-05-11T10:00:00Z",
    });
    vec![
        ("deployment_status", json!({"deployment": deployment, "deployment_status": status, "repository": repository})),
        ("workflow_run", json!({"action": "completed", "workflow_run": run, "repository": repository})),
        ("issues", json!({"action": "closed", "issue": issue, "repository": repository})),
    ]
}

const BY_WORKFLOW: &str = "incident_labels = ['outage']\ndeployments = [{ workflow = { name = 'ship.yml' } }]";

#[test]
fn a_replay_comes_to_what_would_have_been_understood_at_once_and_changes_nothing_else() {
    let bench = Bench::new("");
    let before = bench.told();
    assert_eq!(before.each_ref().map(Vec::len), [1, 0, 3]);
    assert_eq!(bench.replay(&[]), "3 records replayed; 0 records of them say something else now\n");
    assert_eq!(bench.told(), before);

    bench.configure(BY_WORKFLOW);
    assert_eq!(
        bench.replay(&["--source", "github/other"]),
        "0 records replayed; 0 records of them say something else now\n"
    );
    assert_eq!(
        bench.replay(&["--since", "2126-01-01"]),
        "0 records replayed; 0 records of them say something else now\n"
    );
    assert_eq!(bench.replay(&["--source", "github"]), "3 records replayed; 3 records of them say something else now\n");
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
    assert_eq!(bench.replay(&[]), "3 records replayed; 0 records of them say something else now\n");
}
