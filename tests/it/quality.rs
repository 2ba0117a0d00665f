//! Data quality and exports of the real server: shares counted by hand, files that read back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::Serving;

/// Four deployments of two services, one of them without a revision; two changes, one with its pull request; two
/// incidents of one service, one of them put on a deployment.
fn events() -> Value {
    let deployment = |id: &str, service: &str, day: u32, revision: Value, changes: Value| {
        json!({"type": "deployment", "id": id, "service": service, "environment": "production", "status": "success",
            "finished_at": format!("2026-05-{day:02}T10:00:00Z"), "revision": revision, "changes": changes})
    };
    let change = |id: &str, title: &str| json!({"id": id, "title": title, "authored_at": "2026-05-03T08:00:00Z", "committed_at": "2026-05-03T08:00:00Z"});
    json!([
        deployment("d1", "checkout", 2, json!("r1"), Value::Null),
        deployment("d2", "checkout", 4, json!("r2"), json!([change("c1", "=1+1"), change("c2", "Round up")])),
        deployment("d3", "checkout", 6, Value::Null, Value::Null),
        deployment("d4", "search", 5, json!("r4"), Value::Null),
        {"type": "pull_request", "id": "7", "service": "checkout", "commits": ["c2"],
            "opened_at": "2026-05-03T09:00:00Z", "merged_at": "2026-05-03T12:00:00Z"},
        {"type": "incident", "id": "i1", "service": "checkout", "opened_at": "2026-05-04T11:00:00Z"},
        {"type": "incident", "id": "i2", "service": "checkout", "opened_at": "2026-05-20T11:00:00Z"},
    ])
}

fn serve() -> (Serving, TempDir) {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(&folder.path().join("lake"));
    let without_null = |event: &Value| {
        let fields = event.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
        Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
    };
    server.tell(&events().as_array().unwrap().iter().map(without_null).collect());
    server.wait_until_settled();
    (server, folder)
}

#[test]
fn what_is_missing_in_the_data_is_counted_and_the_gravest_comes_first() {
    let (server, _folder) = serve();
    let answer = server.json("/api/v1/data-quality?from=2026-05-01&to=2026-06-01");
    let rows = answer["data"].as_array().unwrap();
    for (check, right, all) in [
        ("deployment_revision", 3.0, 4.0),
        ("deployment_service", 4.0, 4.0),
        ("service_team", 0.0, 2.0),
        // Nobody told what search ships.
        ("service_changes", 1.0, 2.0),
        ("change_linked", 2.0, 2.0),
        ("change_commit_time", 2.0, 2.0),
        ("change_pull_request", 1.0, 2.0),
        ("incident_service", 2.0, 2.0),
        // The second came two weeks after the last deployment.
        ("incidents_attributed", 1.0, 2.0),
        ("incidents_confirmed", 0.0, 2.0),
        ("service_incidents", 1.0, 2.0),
        ("duplicate_deployments", 4.0, 4.0),
        ("clock_skew", 2.0, 2.0),
        ("negative_times", 8.0, 8.0),
        ("future_times", 8.0, 8.0),
        ("services_without_data", 2.0, 2.0),
    ] {
        let row = rows.iter().find(|row| row["check"] == check);
        let row = row.unwrap_or_else(|| panic!("no {check}: {answer}"));
        assert_eq!((&row["numerator"], &row["denominator"]), (&json!(right), &json!(all)), "{row}");
        assert_eq!(row["value"], json!(right / all), "{row}");
        assert_eq!(row["advice"].is_null(), row["value"] == 1.0, "{row}");
    }
    let weights: Vec<f64> = rows.iter().map(|row| row["weight"].as_f64().unwrap()).collect();
    assert!(weights.is_sorted_by(|a, b| a >= b), "{weights:?}");
    assert_eq!(rows[0]["check"], "service_changes", "{answer}");
    let lag = rows.iter().find(|row| row["check"] == "source_lag").unwrap();
    assert_eq!(
        (&lag["subject"], &lag["unit"], &lag["advice"]),
        (&json!("events"), &json!("seconds"), &Value::Null),
        "{lag}"
    );

    let one = server.json("/api/v1/data-quality?from=2026-05-01&to=2026-06-01&service=search");
    let of = |check: &str| one["data"].as_array().unwrap().iter().find(|row| row["check"] == check).cloned();
    assert_eq!(of("deployment_revision").unwrap()["denominator"], 1.0, "{one}");
    assert_eq!(of("deployment_service"), None, "what has no service is in no question about one: {one}");
}

#[test]
fn tables_and_metrics_leave_as_files_of_every_format() {
    let (server, _folder) = serve();
    let csv = server.get("/api/v1/export/outcomes?service=checkout");
    assert_eq!(csv.status, 200, "{}", csv.text());
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"outcomes.csv\"");
    let text = csv.text();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("service,environment,"), "{text}");
    assert_eq!(lines.len(), 4, "{text}");

    let changes = server.get("/api/v1/export/changes").text();
    assert!(changes.contains(",\"'=1+1\","), "a formula must be text: {changes}");
    let facts = server.get("/api/v1/export/deployments?format=ndjson&from=2026-05-04&to=2026-05-06").text();
    let mut ids: Vec<String> = facts
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    assert_eq!(ids, ["d2", "d4"], "{facts}");
    let incidents = server.get("/api/v1/export/incidents?service=search").text();
    assert_eq!(incidents.lines().count(), 1, "{incidents}");
    let incidents = server.get("/api/v1/export/incidents?service=checkout").text();
    assert_eq!(incidents.lines().count(), 3, "{incidents}");

    let parquet = server.get("/api/v1/export/shipments?format=parquet");
    assert_eq!(parquet.header("content-type"), "application/vnd.apache.parquet");
    assert!(parquet.body.starts_with(b"PAR1") && parquet.body.ends_with(b"PAR1"), "{} bytes", parquet.body.len());
    let arrow = server.get("/api/v1/export/causes?format=arrow");
    assert!(arrow.body.starts_with(&[0xff; 4]), "{} bytes", arrow.body.len());
    let metric = server.get("/api/v1/export/change-fail-rate?bucket=all&from=2026-05-01&to=2026-06-01&format=ndjson");
    let row: Value = serde_json::from_str(metric.text().trim()).unwrap();
    let asked = server.json("/api/v1/metrics/change-fail-rate?bucket=all&from=2026-05-01&to=2026-06-01");
    assert_eq!(row["value"], asked["data"][0]["value"], "{row}");

    let none = server.get("/api/v1/export/deliveries").problem(404);
    assert!(none["expected"].as_str().unwrap().contains("shipments"), "{none}");
    for (query, parameter) in [
        ("changes?environment=production", "environment"),
        ("overrides?service=checkout", "service"),
        ("causes?repository=acme/checkout", "repository"),
        ("outcomes?format=xlsx", "format"),
        ("outcomes?bucket=fortnight", "bucket"),
    ] {
        let problem = server.get(&format!("/api/v1/export/{query}")).problem(422);
        assert_eq!(problem["parameter"], parameter, "{problem}");
    }
}
