//! A server that is connected to GitHub, told what GitHub tells: signed deliveries, some of them late, twice, or forged.

#![expect(clippy::unwrap_used, reason = "tests")]

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::binary::{Answer, Serving};

const OLD: &str = "the secret that is going";
const NEW: &str = "the secret that is coming";
const PERIOD: &str = "from=2026-05-01&to=2026-06-01&bucket=all";
const CONFIGURATION: &str = r#"
[[connection]]
source = "github"
secrets = [{ env = "DORADO_TEST_OLD_SECRET" }, { env = "DORADO_TEST_NEW_SECRET" }]

[[service]]
name = "checkout"
repositories = ["acme/shop"]
"#;

struct Bench {
    server: Serving,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        Self::knowing(&[("DORADO_TEST_OLD_SECRET", OLD), ("DORADO_TEST_NEW_SECRET", NEW)])
    }

    fn knowing(secrets: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("lake");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("dorado.toml"), CONFIGURATION).unwrap();
        Self { server: Serving::start_with(&data, secrets), _folder: folder }
    }

    /// Sends what is signed with one of the secrets.
    fn deliver(&self, secret: &str, id: &str, event: &str, body: &Value) -> Answer {
        let body = body.to_string();
        self.send(id, event, &signature(secret, &body), &body)
    }

    fn send(&self, id: &str, event: &str, signature: &str, body: &str) -> Answer {
        let headers = [
            ("content-type", "application/json"),
            ("x-github-event", event),
            ("x-github-delivery", id),
            ("x-hub-signature-256", signature),
        ];
        self.server.post("/webhooks/github", &headers, body)
    }

    /// Delivers and waits until it counts.
    fn tell(&self, id: &str, event: &str, body: &Value) {
        let answer = self.deliver(NEW, id, event, body);
        assert_eq!(answer.status, 202, "{}", answer.text());
        self.server.wait_until_settled();
    }

    fn row(&self, metric: &str) -> Value {
        self.server.json(&format!("/api/v1/metrics/{metric}?{PERIOD}"))["data"][0].clone()
    }

    /// Everything that the five metrics say.
    fn numbers(&self) -> Value {
        let mut numbers = self.server.json(&format!("/api/v1/summary?{PERIOD}"));
        numbers.as_object_mut().unwrap().remove("meta");
        numbers
    }
}

fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn repository() -> Value {
    json!({"full_name": "acme/shop", "default_branch": "main", "pushed_at": 1_778_400_000})
}

fn deployment(id: u64, sha: &str, created_at: &str) -> Value {
    json!({
        "id": id, "sha": sha, "ref": "main", "task": "deploy", "payload": {}, "environment": "production",
        "production_environment": true, "description": null, "created_at": created_at,
    })
}

fn created(id: u64, sha: &str) -> Value {
    json!({"action": "created", "deployment": deployment(id, sha, "2026-05-10T08:00:00Z"), "repository": repository()})
}

/// A status of a deployment that was asked for on the hour.
fn status(id: u64, sha: &str, state: &str, at: &str) -> Value {
    let deployment = deployment(id, sha, &format!("{}:00:00Z", &at[..13]));
    json!({
        "action": "created", "deployment": deployment, "repository": repository(),
        "deployment_status": {"state": state, "environment": "production", "created_at": at, "updated_at": at},
    })
}

const FIRST: &str = "1111111111111111111111111111111111111111";
const SECOND: &str = "2222222222222222222222222222222222222222";
const CHANGE: &str = "cccccccccccccccccccccccccccccccccccccccc";

#[test]
fn a_deployment_counts_soon_and_stays_when_it_is_inactive_or_told_again() {
    let bench = Bench::new();
    let success = status(1, FIRST, "success", "2026-05-10T08:06:00Z");
    let question = format!("/api/v1/metrics/deployment-frequency?{PERIOD}&service=checkout");
    let kept = bench.deliver(OLD, "a1", "deployment", &created(1, FIRST)).json(202);
    assert_eq!(kept["n_facts"], 1, "{kept}");
    bench.deliver(NEW, "a2", "deployment_status", &success).json(202);
    bench.server.time_until(&question, |answer| answer["data"][0]["value"] == 1);
    bench.server.wait_until_settled();
    let numbers = bench.numbers();

    let inactive = status(1, FIRST, "inactive", "2026-05-11T08:00:00Z");
    bench.tell("a3", "deployment_status", &inactive);
    assert_eq!(bench.numbers(), numbers, "an inactive status changed a number");
    for (id, event, body) in [
        ("a1", "deployment", created(1, FIRST)),
        ("a2", "deployment_status", success.clone()),
        ("another", "deployment_status", success),
        ("late", "deployment_status", status(1, FIRST, "in_progress", "2026-05-10T08:01:00Z")),
    ] {
        bench.tell(id, event, &body);
    }
    assert_eq!(bench.numbers(), numbers, "a redelivery changed a number");
}

#[test]
fn what_nobody_signed_is_not_let_in_and_learns_nothing() {
    let bench = Bench::new();
    let body = status(1, FIRST, "success", "2026-05-10T08:06:00Z").to_string();
    let unknown = bench.server.post("/webhooks/nobody", &[("content-type", "application/json")], body.clone());
    unknown.problem(401);
    let right = signature(NEW, &body);
    let of_another_body = signature(NEW, &format!("{body} "));
    for forged in ["", "sha256=", "sha256=00", &right[..70], &right.replace("sha256", "sha1"), &of_another_body] {
        let answer = bench.send("f1", "deployment_status", forged, &body);
        answer.problem(401);
        assert_eq!(answer.body, unknown.body, "{forged}");
    }
    let unsigned = [("content-type", "application/json"), ("x-github-event", "deployment_status")];
    assert_eq!(bench.server.post("/webhooks/github", &unsigned, body.clone()).body, unknown.body);
    assert_eq!(bench.send("f2", "deployment_status", &signature("guessed", &body), &body).body, unknown.body);
    assert_eq!(bench.row("deployment-frequency")["value"], 0);
    assert_eq!(bench.server.json("/readyz")["n_waiting"], 0);
}

#[test]
fn a_secret_that_cannot_be_read_lets_nobody_in_but_asks_to_come_again() {
    let none = Bench::knowing(&[]);
    let body = status(1, FIRST, "success", "2026-05-10T08:06:00Z");
    let answer = none.deliver(NEW, "s1", "deployment_status", &body);
    answer.problem(503);
    assert_eq!(none.deliver("", "s2", "deployment_status", &body).status, 503, "signed with an empty secret");

    let one = Bench::knowing(&[("DORADO_TEST_OLD_SECRET", OLD)]);
    assert_eq!(one.deliver(OLD, "s3", "deployment_status", &body).status, 202);
    assert_eq!(one.deliver(NEW, "s4", "deployment_status", &body).status, 503, "it may be of the one that is not read");
    assert!(!answer.header("retry-after").is_empty());
}

#[test]
fn a_push_a_pull_request_and_its_review_make_one_change_in_whatever_order() {
    let bench = Bench::new();
    bench.tell("b1", "deployment_status", &status(1, FIRST, "success", "2026-05-08T08:00:00Z"));
    let commit = json!({
        "id": CHANGE, "message": "Let carts expire (#7)", "timestamp": "2026-05-09T10:00:00+02:00",
        "author": {"name": "Ann", "username": "ann"}, "added": [], "modified": ["cart.rs"], "removed": [],
    });
    let mut repository = repository();
    repository["pushed_at"] = json!("2026-05-10T07:00:00Z");
    let push = json!({"ref": "refs/heads/main", "deleted": false, "commits": [commit], "repository": repository});
    let pull_request = json!({
        "number": 7, "title": "Let carts expire", "user": {"login": "ann", "type": "User"}, "labels": [],
        "head": {"ref": "carts"}, "base": {"ref": "main"}, "created_at": "2026-05-09T09:00:00Z",
        "updated_at": "2026-05-10T06:59:59Z", "merged_at": "2026-05-10T06:59:59Z", "closed_at": "2026-05-10T06:59:59Z",
        "merge_commit_sha": CHANGE,
    });
    let review = json!({
        "action": "submitted", "repository": repository, "pull_request": pull_request,
        "review": {"user": {"login": "bob", "type": "User"}, "state": "approved", "submitted_at": "2026-05-09T12:00:00Z"},
    });
    let merged = json!({"action": "closed", "repository": repository, "pull_request": pull_request});
    // Whatever order they arrive in.
    bench.tell("b2", "pull_request_review", &review);
    bench.tell("b3", "pull_request", &merged);
    bench.tell("b4", "deployment_status", &status(2, CHANGE, "success", "2026-05-10T08:06:00Z"));
    bench.tell("b5", "push", &push);

    let lead_time = bench.row("change-lead-time");
    assert_eq!((&lead_time["n"], &lead_time["value"]), (&json!(1), &json!(86_760.0)), "{lead_time}");
    let rows = bench.server.rows(&format!("/api/v1/metrics/change-lead-time/explain?{PERIOD}"));
    let row = rows.iter().find(|row| row["change"] == CHANGE).unwrap();
    assert_eq!(row["opened_at"], "2026-05-09T09:00:00Z", "{row}");
    assert_eq!(row["pull_request"], "7", "{row}");
    assert_eq!(row["deployment"], "acme/shop/2", "{row}");
}

#[test]
fn an_incident_issue_is_a_failure_and_its_closing_the_recovery() {
    let bench = Bench::new();
    bench.tell("c1", "deployment_status", &status(1, FIRST, "success", "2026-05-10T08:06:00Z"));
    let issue = |action: &str, updated_at: &str, closed_at: Value| {
        json!({
            "action": action, "repository": repository(),
            "issue": {
                "number": 9, "title": "Checkout is down", "body": "Nobody can pay.",
                "labels": [{"name": "Incident"}, {"name": "sev1"}, {"name": "service:checkout"}],
                "created_at": "2026-05-10T09:00:00Z", "updated_at": updated_at, "closed_at": closed_at,
            },
        })
    };
    bench.tell("c2", "issues", &issue("opened", "2026-05-10T09:00:00Z", Value::Null));
    let fail_rate = bench.row("change-fail-rate");
    assert_eq!((&fail_rate["numerator"], &fail_rate["value"]), (&json!(1), &json!(1.0)), "{fail_rate}");
    assert_eq!(bench.row("failed-deployment-recovery-time")["n_open"], 1);

    bench.tell("c3", "issues", &issue("closed", "2026-05-10T09:36:00Z", json!("2026-05-10T09:36:00Z")));
    let recovery = bench.row("failed-deployment-recovery-time");
    assert_eq!((&recovery["n_open"], &recovery["value"]), (&json!(0), &json!(5_400.0)), "{recovery}");
    // A delivery that was held up changes nothing.
    bench.tell("c4", "issues", &issue("opened", "2026-05-10T09:00:00Z", Value::Null));
    assert_eq!(bench.row("failed-deployment-recovery-time"), recovery);
    let incident = bench.server.json("/api/v1/incidents?from=2026-05-01")["data"][0].clone();
    assert_eq!((&incident["deployment"], &incident["severity"]), (&json!("acme/shop/1"), &json!("sev1")), "{incident}");

    bench.tell("c5", "deployment_status", &status(2, SECOND, "success", "2026-05-12T08:00:00Z"));
    assert_eq!(bench.row("change-fail-rate")["value"], 0.5);
}
