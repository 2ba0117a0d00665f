//! The Quick Check and the clusters of the real server, against hand counts.

#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "tests; numbers are rounded first")]

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::Serving;

/// Eleven deployments, every other day of April at ten; all but the first ship a change that was written two
/// hours before. The next five cause an incident each, which is over two and a half hours after the deployment.
fn history() -> Vec<Value> {
    let mut events = Vec::new();
    for i in 0..11 {
        let day = format!("2026-04-{:02}", 1 + 2 * i);
        let mut deployment = json!({"type": "deployment", "id": format!("d{i}"), "service": "checkout",
            "environment": "production", "status": "success", "finished_at": format!("{day}T10:00:00Z")});
        if i > 0 {
            let written = format!("{day}T08:00:00Z");
            deployment["changes"] = json!([{"id": format!("c{i}"), "authored_at": written, "committed_at": written}]);
        }
        events.push(deployment);
        if (1..=5).contains(&i) {
            events.push(
                json!({"type": "incident", "id": format!("i{i}"), "service": "checkout", "caused_by": format!("d{i}"),
                "opened_at": format!("{day}T11:00:00Z"), "resolved_at": format!("{day}T12:30:00Z")}),
            );
        }
    }
    events
}

const APRIL: &str = "from=2026-04-01&to=2026-05-01";

fn number(value: &Value) -> f64 {
    (value.as_f64().unwrap() * 1e6).round() / 1e6
}

#[test]
fn scores_and_levels_are_those_counted_by_hand() {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(&folder.path().join("lake"));
    server.tell(&json!(history()));
    server.wait_until_settled();

    let answer = server.json(&format!("/api/v1/quick-check?industry=financial&{APRIL}"));
    let rows = answer["data"].as_array().unwrap();
    let told = |row: &Value| (row["metric"].as_str().unwrap().to_owned(), row["class"].as_u64(), number(&row["score"]));
    let expected = [
        // Two hours.
        ("change-lead-time", Some(5), 8.0),
        // Eleven in thirty days.
        ("deployment-frequency", Some(4), 6.0),
        // Two and a half hours, five times.
        ("failed-deployment-recovery-time", Some(5), 8.0),
        // Five of eleven.
        ("change-fail-rate", None, 5.454_545),
        ("deployment-rework-rate", None, 10.0),
    ];
    let found: Vec<_> = rows.iter().map(told).collect();
    assert_eq!(found, expected.map(|(metric, class, score)| (metric.to_owned(), class, score)), "{answer}");
    assert_eq!(number(&rows[1]["value"]), 0.366_667, "{answer}");
    assert_eq!((&rows[3]["industry_mean"], &rows[3]["industry_sd"]), (&json!(8.3), &json!(2.1)), "{answer}");
    let meta = &answer["meta"];
    assert_eq!(number(&meta["overall"]), 7.490_909, "{meta}");
    assert_eq!(number(&meta["throughput"]), 7.333_333, "{meta}");
    assert_eq!(number(&meta["stability"]), 7.727_273, "{meta}");
    assert_eq!(meta["n_services"], 1, "{meta}");

    // Nine days hold five deployments, four changes and four failures.
    let short = server.json("/api/v1/quick-check?from=2026-04-01&to=2026-04-10");
    assert_eq!(short["data"][0]["n"], 4, "{short}");
    for key in ["class", "class_title", "score"] {
        assert_eq!(short["data"][0][key], Value::Null, "{short}");
    }
    assert_eq!(short["meta"]["overall"], Value::Null, "{short}");
    assert_eq!(number(&short["meta"]["stability"]), 6.0, "four of five failed, none is rework: {short}");

    let levels = |year: &str| -> Vec<(String, String)> {
        let answer = server.json(&format!("/api/v1/clusters?year={year}&{APRIL}"));
        let rows = answer["data"].as_array().unwrap().clone();
        assert_eq!(rows.len(), 16, "{answer}");
        let falls = rows.iter().filter(|row| row["falls_in"] == true);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        falls.map(|row| (text(&row["metric"]), text(&row["level"]))).collect()
    };
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(metric, level)| ((*metric).to_owned(), (*level).to_owned())).collect()
    };
    let high = ("deployment-frequency", "high");
    let recovery = "failed-deployment-recovery-time";
    let common = [high, ("change-lead-time", "elite"), (recovery, "high"), (recovery, "medium")];
    assert_eq!(levels("2024"), pairs(&common));
    // 45 % lies in the gap below low.
    assert_eq!(levels("2019"), pairs(&common));
    assert_eq!(levels("2023"), pairs(&[high, common[1], common[2]]));
    // Two hours lie between less than one and more than a day, eleven a month between several a day and one a week.
    assert_eq!(levels("2021"), pairs(&[(recovery, "high")]));

    let refused = server.get("/api/v1/clusters?year=2025").problem(422);
    assert_eq!(refused["parameter"], "year", "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("no such clusters"), "{refused}");
    let refused = server.get("/api/v1/quick-check?industry=mining").problem(422);
    assert!(refused["expected"].as_str().unwrap().contains("manufacturing"), "{refused}");
}
