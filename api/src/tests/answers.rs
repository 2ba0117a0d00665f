//! What goes out: formats, tags, pages, headers.

use std::io::Read;

use chrono::TimeDelta;
use dorado_lake::{Batch, Deployment, Fact, Settled};
use serde_json::{Value, json};

use super::{Bench, EVENTS, JSON, request};

async fn told() -> Bench {
    let bench = Bench::new().await;
    assert_eq!(bench.post("/api/v1/events", &[JSON], EVENTS).await.json()["accepted"], 4);
    bench.settle().await;
    bench
}

#[tokio::test]
async fn an_event_counts_and_is_explained() {
    let bench = told().await;
    let answer = bench.get("/api/v1/metrics/change-lead-time?bucket=all").await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text());
    assert_eq!(answer.json()["data"][0]["value"], 7440.0, "{}", answer.text());
    let explained = bench.get("/api/v1/metrics/change-lead-time/explain?limit=1").await.json();
    assert_eq!(explained["data"][0]["change"], "c1", "{explained}");
    assert_eq!(explained["meta"]["api_call"], "/api/v1/metrics/change-lead-time/explain?limit=1");
    let rate = bench.get("/api/v1/metrics/change-fail-rate?bucket=all").await.json();
    assert_eq!(rate["data"][0]["numerator"], 1, "{rate}");
}

#[tokio::test]
async fn an_answer_that_the_caller_has_is_not_sent_again_until_a_table_changes() {
    let bench = told().await;
    let address = "/api/v1/summary?bucket=week";
    let first = bench.get(address).await;
    let tag = first.header("etag").to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let again = bench.send(request("GET", address, &[("if-none-match", &tag)], "")).await;
    assert_eq!(again.status.as_u16(), 304);
    assert_eq!(again.header("etag"), tag);
    assert!(again.body.is_empty());
    let other = bench.get("/api/v1/summary?bucket=month").await;
    assert_ne!(other.header("etag"), tag);
    let csv = bench.send(request("GET", address, &[("if-none-match", &tag), ("accept", "text/csv")], "")).await;
    assert_eq!(csv.status.as_u16(), 200);

    let incident = r#"{"type": "incident", "id": "i2", "service": "checkout", "opened_at": "2026-10-21T11:00:00Z"}"#;
    bench.post("/api/v1/events", &[JSON], incident).await;
    bench.settle().await;
    let newer = bench.send(request("GET", address, &[("if-none-match", &tag)], "")).await;
    assert_eq!(newer.status.as_u16(), 200);
}

#[tokio::test]
async fn rows_come_as_csv_and_as_lines() {
    let bench = told().await;
    let csv = bench.send(request("GET", "/api/v1/changes", &[("accept", "text/csv")], "")).await;
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    assert!(csv.text().contains("\"'=1+1\""), "{}", csv.text());
    let lines = bench.send(request("GET", "/api/v1/deployments", &[("accept", "application/x-ndjson")], "")).await;
    assert_eq!(lines.text().lines().count(), 2, "{}", lines.text());
    assert!(lines.text().lines().all(|line| line.starts_with('{')));
}

#[tokio::test]
async fn pages_lead_through_the_whole_list() {
    let bench = told().await;
    let mut address = "/api/v1/deployments?limit=1&service=checkout".to_owned();
    let mut found = Vec::new();
    loop {
        let answer = bench.get(&address).await;
        let told = answer.json();
        found.extend(told["data"].as_array().into_iter().flatten().map(|row| row["deployment"].clone()));
        let link = answer.header("link");
        assert_eq!(link.is_empty(), told["meta"]["next_cursor"].is_null(), "{told}");
        let Some(next) = link.strip_prefix('<').and_then(|rest| rest.strip_suffix(">; rel=\"next\"")) else { break };
        assert!(next.contains("service=checkout"), "{next}");
        address = next.to_owned();
    }
    assert_eq!(found, ["d1", "d0"]);
}

#[tokio::test]
async fn lists_are_repeated_or_separated_by_commas_and_may_be_empty() {
    let bench = told().await;
    let all = bench.get("/api/v1/services").await.json()["data"].clone();
    assert_eq!(all.as_array().map(Vec::len), Some(1), "{all}");
    for query in ["service=checkout,search", "service=search&service=checkout", "service=&team=&from="] {
        let answer = bench.get(&format!("/api/v1/services?{query}")).await;
        assert_eq!(answer.json()["data"], all, "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn names_to_choose_from_are_those_of_the_teams_that_are_chosen() {
    let bench = Bench::new().await;
    let deployment = |id: &str, service: &str, team: &str| {
        serde_json::json!({
            "type": "deployment", "id": id, "service": service, "team": team, "repository": format!("acme/{service}"),
            "environment": "production", "status": "success", "finished_at": "2026-11-20T09:00:00Z",
        })
    };
    let told = serde_json::json!([deployment("1", "cart", "shop"), deployment("2", "ledger", "money")]).to_string();
    assert_eq!(bench.post("/api/v1/events", &[JSON], told).await.json()["accepted"], 2);
    bench.settle().await;
    for (asked, due) in [
        ("services", vec!["cart", "ledger"]),
        ("services?team=", vec!["cart", "ledger"]),
        ("services?team=money", vec!["ledger"]),
        ("services?team=money,shop", vec!["cart", "ledger"]),
        ("repositories?team=shop", vec!["acme/cart"]),
        ("teams?team=shop", vec!["money", "shop"]),
    ] {
        let answer = bench.get(&format!("/api/v1/variables/{asked}")).await.json();
        let names: Vec<&str> =
            answer["data"].as_array().into_iter().flatten().filter_map(|row| row["__value"].as_str()).collect();
        assert_eq!(names, due, "{asked}: {answer}");
    }
}

#[tokio::test]
async fn every_answer_that_can_be_exported_has_the_rows_of_its_address() {
    let bench = told().await;
    let period = "from=2026-10-01&to=2026-11-01&service=checkout";
    for (name, address) in [
        ("change-lead-time", "metrics/change-lead-time"),
        ("summary", "summary"),
        ("stages", "stages"),
        ("batch-size", "flow/batch-size"),
        ("unshipped", "flow/unshipped"),
        ("ladder", "flow/ladder"),
        ("data-quality", "data-quality"),
        ("definitions", "definitions/compare"),
        ("explain-deployment-frequency", "metrics/deployment-frequency/explain"),
        ("explain-change-lead-time", "metrics/change-lead-time/explain"),
        ("explain-change-fail-rate", "metrics/change-fail-rate/explain"),
        ("explain-failed-deployment-recovery-time", "metrics/failed-deployment-recovery-time/explain"),
        ("explain-deployment-rework-rate", "metrics/deployment-rework-rate/explain"),
        ("regressions", "regressions"),
        ("quick-check", "quick-check"),
        ("clusters", "clusters"),
        ("services", "services"),
        ("teams", "teams"),
        ("environments", "environments"),
    ] {
        let file = bench.get(&format!("/api/v1/export/{name}?{period}&format=ndjson")).await;
        assert_eq!(file.status, 200, "{name}: {}", file.text());
        let rows: Vec<Value> = file.text().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let is_directory = ["services", "teams", "environments"].contains(&address);
        let query = if is_directory { String::new() } else { format!("?{period}") };
        let told = bench.get(&format!("/api/v1/{address}{query}")).await.json()["data"].clone();
        let told = told.as_array().cloned().unwrap_or_default();
        assert_eq!(rows.len(), told.len(), "{name}");
        for (row, told) in rows.iter().zip(&told) {
            for (key, value) in told.as_object().into_iter().flatten() {
                let same = if value.is_array() || value.is_object() {
                    row[key].as_str() == Some(&value.to_string())
                } else {
                    close(&row[key], value)
                };
                assert!(same, "{name} {key}: {} and {value}", row[key]);
            }
        }
        let parquet = bench.get(&format!("/api/v1/export/{name}?{period}&format=parquet")).await;
        assert!(parquet.status == 200 && parquet.body.starts_with(b"PAR1"), "{name}: {}", parquet.status);
    }
}

/// The same, or the same number.
fn close(a: &Value, b: &Value) -> bool {
    a == b || a.as_f64().is_some_and(|a| b.as_f64() == Some(a))
}

#[tokio::test]
async fn names_that_only_deleted_deployments_told_are_in_no_list() {
    let bench = told().await;
    let there = r#"[
        {"type": "deployment", "id": "m1", "service": "lander", "environment": "moon", "finished_at": "2026-10-10T10:00:00Z"},
        {"type": "deployment", "id": "m2", "service": "lander", "environment": "orbit", "finished_at": "2026-10-11T10:00:00Z"}
    ]"#;
    bench.post("/api/v1/events", &[JSON], there).await;
    bench.settle().await;
    let lists = ["/api/v1/environments", "/api/v1/variables/environments", "/api/v1/unmapped"];
    for list in lists {
        let rows = bench.get(list).await.text();
        assert!(rows.contains("\"moon\"") && rows.contains("\"orbit\""), "{list}: {rows}");
    }
    bench
        .post("/api/v1/events", &[JSON], r#"{"type": "deployment", "id": "m1", "deleted_at": "2026-10-12T10:00:00Z"}"#)
        .await;
    bench.settle().await;
    for list in lists {
        let rows = bench.get(list).await.text();
        assert!(!rows.contains("\"moon\"") && rows.contains("\"orbit\""), "{list}: {rows}");
    }
}

#[tokio::test]
async fn a_deployment_whose_latest_version_names_its_service_is_not_lost() {
    let bench = told().await;
    let version = async |id: &str, service: Option<&str>, minute: i64| {
        let delivery = bench.engine.lake().waiting(1).await.expect("the inbox reads").remove(0);
        let at = |minute| super::now() - TimeDelta::days(9) + TimeDelta::minutes(minute);
        let fact = Deployment {
            source: "another".into(),
            id: id.into(),
            service: service.map(String::from),
            environment: "production".into(),
            finished_at: Some(at(0)),
            updated_at: Some(at(minute)),
            ..Deployment::default()
        };
        let settled = Settled {
            arrival: delivery.0,
            delivery: delivery.1,
            outcome: Ok(vec![Fact::Deployment(fact)]),
            ignored: None,
        };
        bench.engine.lake().settle(Batch { deliveries: vec![settled] }).await.expect("the batch settles");
    };
    let n_lost = async || {
        bench.engine.refresh().await.expect("gold is brought up to silver");
        let rows = bench.get("/api/v1/data-quality").await.json()["data"].clone();
        let rows = rows.as_array().cloned().unwrap_or_default();
        rows.into_iter().find(|row| row["check"] == "deployment_service").map(|row| {
            json!(row["denominator"].as_f64().zip(row["numerator"].as_f64()).map(|(all, right)| all - right))
        })
    };
    for (n, (id, service, lost)) in
        [("lost", None, 1.0), ("found", None, 2.0), ("found", Some("checkout"), 1.0)].into_iter().enumerate()
    {
        let filler =
            format!(r#"{{"type": "deployment", "id": "f{n}", "service": "x", "finished_at": "2026-10-01T00:00:00Z"}}"#);
        bench.post("/api/v1/events", &[JSON], filler).await;
        version(id, service, n as i64).await;
        assert_eq!(n_lost().await, Some(json!(lost)), "{id} {service:?}");
    }
}

#[tokio::test]
async fn a_long_answer_leaves_compressed_where_the_caller_takes_it() {
    let bench = Bench::new().await;
    let plain = bench.get("/openapi.json").await;
    let packed = bench.send(request("GET", "/openapi.json", &[("accept-encoding", "gzip, br")], "")).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert!(packed.header("vary").contains("Accept-Encoding"));
    assert!(packed.body.len() * 3 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    let mut expanded = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut expanded).expect("whole gzip");
    assert_eq!(expanded, plain.body);
    let short = bench.send(request("GET", "/healthz", &[("accept-encoding", "gzip")], "")).await;
    assert_eq!(short.header("content-encoding"), "");
}

#[tokio::test]
async fn every_answer_has_a_request_id_and_security_headers() {
    let bench = Bench::new().await;
    for address in ["/", "/healthz", "/docs/", "/nothing", "/api/v1/metrics"] {
        let answer = bench.send(request("GET", address, &[("x-request-id", "mine-1")], "")).await;
        assert_eq!(answer.header("x-request-id"), "mine-1");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'"), "{address}: {policy}");
        assert!(!policy.contains("script-src 'self' 'unsafe-inline'"), "{address}: {policy}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let odd = bench.send(request("GET", "/healthz", &[("x-request-id", "a b\t<c>")], "")).await;
    assert!(!odd.header("x-request-id").contains('<'));
    assert!(!bench.get("/healthz").await.header("x-request-id").is_empty());
}

#[tokio::test]
async fn the_page_is_served_and_asked_for_again_by_its_tag() {
    let bench = Bench::new().await;
    let page = bench.get("/").await;
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let tag = page.header("etag").to_owned();
    for known in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}")] {
        let again = bench.send(request("GET", "/", &[("if-none-match", &known)], "")).await;
        assert_eq!(again.status.as_u16(), 304, "{known}");
    }
    let head = bench.send(request("HEAD", "/", &[], "")).await;
    assert_eq!(head.status.as_u16(), 200);
}

#[tokio::test]
async fn the_server_tells_how_it_is() {
    let bench = told().await;
    assert_eq!(bench.get("/healthz").await.json()["status"], "ok");
    let ready = bench.get("/readyz").await.json();
    assert_eq!(ready["status"], "ready", "{ready}");
    assert_eq!(ready["gold_lag_arrivals"], 0, "{ready}");
    let page = bench.get("/metrics").await;
    assert!(page.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = page.text();
    for line in [
        "dorado_events_accepted_total 4",
        "dorado_inbox_waiting_deliveries 0",
        r#"dorado_http_requests_total{route="/readyz",method="GET",status="200"} 1"#,
        r#"dorado_source_deliveries{source="events",outcome="kept"} 1"#,
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in {text}");
    }
}
