//! A person's verdicts through the real server: the numbers follow with the answer, and everything stays on record.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Answer, Serving};

const OVERRIDES: &str = "/api/v1/overrides";

/// Two deployments, and an incident that is put on the second by its time.
fn served(folder: &TempDir) -> Serving {
    let server = Serving::start(&folder.path().join("lake"));
    server.tell(&json!([
        {"type": "deployment", "id": "d1", "service": "checkout", "environment": "production", "status": "success", "finished_at": "2026-05-10T08:00:00Z"},
        {"type": "deployment", "id": "d2", "service": "checkout", "environment": "production", "status": "success", "finished_at": "2026-05-10T09:00:00Z"},
        {"type": "incident", "id": "i1", "service": "checkout", "opened_at": "2026-05-10T10:00:00Z", "resolved_at": "2026-05-10T11:00:00Z"},
    ]));
    server.wait_until_settled();
    server
}

fn decide(server: &Serving, decision: &Value) -> Answer {
    server.post(OVERRIDES, &[("content-type", "application/json")], decision.to_string())
}

/// The ids of the deployments that failed, and why.
fn failed(server: &Serving) -> Vec<(String, String)> {
    let rows = server.rows("/api/v1/deployments?from=2026-05-01");
    let failed = rows.iter().filter(|row| row["failed"] == true);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    failed.map(|row| (text(&row["deployment"]), text(&row["failure_rule"]))).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn the_numbers_follow_a_verdict_with_its_answer_and_its_withdrawal() {
    let folder = TempDir::new().unwrap();
    let server = served(&folder);
    assert_eq!(failed(&server), pairs(&[("d2", "incident_proximity")]));

    let since = Instant::now();
    let told = json!({"verdict": "failed", "deployment": "d1", "author": "Ada", "reason": "It was down."});
    let first = decide(&server, &told).json(201);
    assert_eq!(first["visible"], true, "{first}");
    // No wait in between: who was told that it is visible sees it.
    assert_eq!(failed(&server), pairs(&[("d2", "incident_proximity"), ("d1", "override")]));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());

    let moved = json!({"verdict": "caused_by", "incident": "i1", "deployment": "d1", "author": "Bob", "reason": "Its log says so."});
    decide(&server, &moved).json(201);
    assert_eq!(failed(&server), pairs(&[("d1", "override")]));
    let spared = json!({"verdict": "not_failed", "deployment": "d1", "author": "Eve", "reason": "Nobody noticed."});
    let spared = decide(&server, &spared).json(201);
    assert_eq!(failed(&server), []);
    let nobodys = json!({"verdict": "not_caused", "incident": "i1", "author": "Eve", "reason": "The network's."});
    let nobodys = decide(&server, &nobodys).json(201);

    let path = |row: &Value| format!("{OVERRIDES}/{}", row["override"].as_str().unwrap());
    for row in [&spared, &nobodys] {
        let taken_back =
            server.send("DELETE", &format!("{}?author=Ada&reason=Wrong", path(row)), &[], Vec::new()).json(200);
        assert_eq!((&taken_back["withdrawn"], &taken_back["visible"]), (&json!(true), &json!(true)), "{taken_back}");
        assert_eq!(
            (&taken_back["author"], &taken_back["withdrawn_by"]),
            (&json!("Eve"), &json!("Ada")),
            "{taken_back}"
        );
    }
    assert_eq!(failed(&server), pairs(&[("d1", "override")]));
    // Again is as good as once.
    server.send("DELETE", &format!("{}?author=Bob", path(&spared)), &[], Vec::new()).json(200);

    // All of it stays on record, through a power cut too.
    server.kill();
    let server = Serving::start(&folder.path().join("lake"));
    let rows = server.rows(&format!("{OVERRIDES}?limit=2"));
    let told: Vec<(&str, &str, bool)> = rows
        .iter()
        .map(|r| (r["verdict"].as_str().unwrap(), r["author"].as_str().unwrap(), r["withdrawn"].as_bool().unwrap()))
        .collect();
    let expected = [
        ("not_caused", "Eve", true),
        ("not_failed", "Eve", true),
        ("caused_by", "Bob", false),
        ("failed", "Ada", false),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        (&rows[0]["withdrawn_by"], &rows[0]["withdrawn_reason"]),
        (&json!("Ada"), &json!("Wrong")),
        "{}",
        rows[0]
    );
    let about = server.rows(&format!("{OVERRIDES}?incident=i1&limit=10"));
    assert_eq!(about.len(), 2, "{about:?}");
    assert_eq!(failed(&server), pairs(&[("d1", "override")]));
}

#[test]
fn a_verdict_on_nothing_or_without_a_reason_is_refused_by_its_field() {
    let folder = TempDir::new().unwrap();
    let server = served(&folder);
    for (decision, field) in [
        (json!({"verdict": "failed", "deployment": "d9", "author": "Ada", "reason": "r"}), "deployment"),
        (json!({"verdict": "not_caused", "incident": "i9", "author": "Ada", "reason": "r"}), "incident"),
        (json!({"verdict": "failed", "author": "Ada", "reason": "r"}), "deployment"),
        (json!({"verdict": "caused_by", "incident": "i1", "author": "Ada", "reason": "r"}), "deployment"),
        (json!({"verdict": "failed", "deployment": "d1", "reason": "r"}), "author"),
        (json!({"verdict": "failed", "deployment": "d1", "author": "Ada", "reason": "  "}), "reason"),
        (json!({"verdict": "broken", "deployment": "d1", "author": "Ada", "reason": "r"}), "verdict"),
        (json!({"verdict": "withdrawn", "deployment": "d1", "author": "Ada", "reason": "r"}), "verdict"),
        (json!({"verdict": "failed", "deployment": "d1", "author": "Ada", "reason": "r", "id": "x"}), "id"),
        (json!(["failed"]), "body"),
    ] {
        let problem = decide(&server, &decision).problem(422);
        assert_eq!(problem["parameter"], field, "{decision}: {problem}");
    }
    let unknown = server.send("DELETE", &format!("{OVERRIDES}/o9?author=Ada"), &[], Vec::new()).problem(404);
    assert_eq!(unknown["value"], "o9", "{unknown}");
    assert_eq!(server.rows(&format!("{OVERRIDES}?limit=10")), Vec::<Value>::new());
    assert_eq!(failed(&server), pairs(&[("d2", "incident_proximity")]));
}

#[test]
fn an_override_that_came_as_an_event_is_taken_back_all_the_same() {
    let folder = TempDir::new().unwrap();
    let server = served(&folder);
    // Decided by a clock that is far ahead.
    server.tell(&json!({"type": "override", "id": "o1", "source": "ci", "verdict": "failed", "deployment": "d1",
        "author": "CI", "reason": "Smoke test.", "decided_at": "2040-01-01T00:00:00Z"}));
    server.wait_until_settled();
    assert_eq!(failed(&server), pairs(&[("d2", "incident_proximity"), ("d1", "override")]));
    let problem = server.send("DELETE", &format!("{OVERRIDES}/o1"), &[], Vec::new()).problem(422);
    assert_eq!(problem["parameter"], "author", "{problem}");
    let taken_back = server.send("DELETE", &format!("{OVERRIDES}/o1?author=Ada"), &[], Vec::new()).json(200);
    assert_eq!(taken_back["source"], "events/ci", "{taken_back}");
    assert_eq!(failed(&server), pairs(&[("d2", "incident_proximity")]));
}
