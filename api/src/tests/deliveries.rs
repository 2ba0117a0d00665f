//! What comes in: events and webhooks.

use dorado_ingest::sign_hmac_sha256;
use serde_json::json;

use super::{ANOTHER_SECRET, Bench, EVENTS, JSON, SECRET, gzip};

#[tokio::test]
async fn each_event_is_accepted_or_rejected_on_its_own() {
    let bench = Bench::new().await;
    let body = json!([
        {"type": "incident", "id": "i1", "service": "s", "opened_at": "2026-10-20T11:00:00Z"},
        {"type": "incident", "id": "i2", "service": "s", "opened_at": "2026-10-20T11:00:00"},
    ]);
    let answer = bench.post("/api/v1/events", &[JSON], body.to_string()).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.text());
    let told = answer.json();
    assert_eq!(told["accepted"], 1);
    assert!(told["arrival"].is_i64(), "{told}");
    assert_eq!(told["rejected"][0]["index"], 1);
    assert_eq!(told["rejected"][0]["type"], "incident");
    assert_eq!(told["rejected"][0]["id"], "i2");
    assert_eq!(told["rejected"][0]["field"], "opened_at");
    assert_eq!(bench.engine.lake().n_waiting().await.ok(), Some(1));
}

#[tokio::test]
async fn what_is_accepted_is_kept_as_it_was_sent() {
    let bench = Bench::new().await;
    let packed = gzip(EVENTS.as_bytes());
    let headers = [JSON, ("content-encoding", "gzip"), ("idempotency-key", "k1"), ("cookie", "a=b")];
    assert_eq!(bench.post("/api/v1/events", &headers, packed).await.json()["accepted"], 4);
    let waiting = bench.engine.lake().waiting(10).await.ok().unwrap_or_default();
    let [(_, delivery)] = waiting.as_slice() else { panic_with(&waiting) };
    assert_eq!(delivery.body, EVENTS);
    assert_eq!(delivery.source, "events");
    assert!(delivery.id.starts_with("k1:"), "{}", delivery.id);
    assert_eq!(delivery.headers, [("content-type".to_owned(), "application/json".to_owned())]);
}

#[expect(clippy::panic, reason = "tests")]
fn panic_with(found: &dyn std::fmt::Debug) -> ! {
    panic!("{found:?}")
}

#[tokio::test]
async fn the_same_delivery_again_is_the_same_delivery() {
    let bench = Bench::new().await;
    let first = bench.post("/api/v1/events", &[JSON], EVENTS).await.json();
    let again = bench.post("/api/v1/events", &[JSON], EVENTS).await.json();
    assert_eq!(first["duplicate"], false);
    assert_eq!(again["duplicate"], true);
    assert_eq!(first["arrival"], again["arrival"]);
}

#[tokio::test]
async fn no_event_is_accepted_and_none_is_asked_for_are_told_apart() {
    let bench = Bench::new().await;
    let answer = bench.post("/api/v1/events", &[JSON], "[]").await;
    assert_eq!(answer.status.as_u16(), 202);
    assert_eq!(answer.json(), json!({"accepted": 0, "rejected": [], "arrival": null, "duplicate": false}));

    let problem = bench.post("/api/v1/events", &[JSON], r#"{"type": "deploy"}"#).await.problem(422);
    assert_eq!(problem["rejected"][0]["index"], 0);
    assert_eq!(problem["parameter"], "events[0].type");
}

#[tokio::test]
async fn lines_come_without_a_content_type_too() {
    let lines = "{\"type\":\"incident\",\"id\":\"a\",\"opened_at\":\"2026-10-20T11:00:00Z\"}\n\
                 {\"type\":\"incident\",\"id\":\"b\",\"opened_at\":\"2026-10-20T11:00:00Z\"}\n";
    assert_eq!(Bench::new().await.post("/api/v1/events", &[], lines).await.json()["accepted"], 2);
}

#[tokio::test]
async fn an_unknown_source_and_a_forged_delivery_look_the_same() {
    let bench = Bench::new().await;
    let unknown = bench.post("/webhooks/nobody", &[JSON], "{}").await;
    for address in
        ["/webhooks/github", "/webhooks/github/main", "/webhooks/github/other", "/webhooks/events", "/webhooks"]
    {
        let forged = bench.post(address, &[JSON, ("x-hub-signature-256", "sha256=00")], "{}").await;
        forged.problem(401);
        assert!(!forged.header("www-authenticate").is_empty());
        assert_eq!(forged.body, unknown.body, "{address}");
    }
    assert_eq!(bench.engine.lake().n_waiting().await.ok(), Some(0));
}

fn signature(secret: &str, body: &str) -> String {
    format!("sha256={}", sign_hmac_sha256(secret.as_bytes(), body.as_bytes()))
}

#[tokio::test]
async fn a_signed_delivery_is_kept_without_its_signature() {
    let bench = Bench::new().await;
    let body = r#"{"zen": "Keep it logically awesome.", "hook_id": 1}"#;
    let signature = signature(ANOTHER_SECRET, body);
    let headers = [
        JSON,
        ("x-github-event", "ping"),
        ("x-github-delivery", "72d3162e"),
        ("x-hub-signature-256", signature.as_str()),
        ("cookie", "a=b"),
    ];
    let answer = bench.post("/webhooks/github/main?token=t0ken", &headers, body).await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.text());
    assert_eq!(answer.json()["n_facts"], 0);
    assert!(answer.json()["ignored"].is_string(), "{}", answer.text());
    let waiting = bench.engine.lake().waiting(10).await.ok().unwrap_or_default();
    let [(_, delivery)] = waiting.as_slice() else { panic_with(&waiting) };
    assert_eq!((delivery.id.as_str(), delivery.connection.as_str()), ("72d3162e", "main"));
    let names: Vec<&str> = delivery.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["content-type", "x-github-event", "x-github-delivery"]);
}

#[tokio::test]
async fn each_address_finds_the_connection_whose_secret_signed_the_delivery() {
    let bench = Bench::new().await;
    for (n, (address, secret, connection)) in [
        ("/webhooks/github", SECRET, Some("")),
        ("/webhooks/github", ANOTHER_SECRET, Some("main")),
        ("/webhooks", SECRET, Some("")),
        ("/webhooks", ANOTHER_SECRET, Some("main")),
        ("/webhooks/github/main", ANOTHER_SECRET, Some("main")),
        ("/webhooks/github/main", SECRET, None),
        ("/webhooks/github", "a guess", None),
    ]
    .into_iter()
    .enumerate()
    {
        let body = json!({"zen": n}).to_string();
        let signature = signature(secret, &body);
        let id = format!("delivery-{n}");
        let headers =
            [JSON, ("x-github-event", "ping"), ("x-github-delivery", &id), ("x-hub-signature-256", signature.as_str())];
        let answer = bench.post(address, &headers, body).await;
        let waiting = bench.engine.lake().waiting(10).await.ok().unwrap_or_default();
        let kept = waiting.iter().find(|(_, delivery)| delivery.id == id).map(|(_, d)| d.connection.as_str());
        assert_eq!(answer.status.as_u16(), if connection.is_some() { 202 } else { 401 }, "{address} {secret}");
        assert_eq!(kept, connection, "{address} {secret}");
    }
}

#[tokio::test]
async fn the_answer_names_the_facts_that_a_delivery_gives() {
    let bench = Bench::new().await;
    let body = json!({
        "action": "opened", "repository": {"full_name": "acme/shop"},
        "pull_request": {"number": 7, "created_at": "2026-10-20T08:00:00Z", "updated_at": "2026-10-20T08:00:00Z"},
    })
    .to_string();
    let signature = signature(SECRET, &body);
    let headers = [JSON, ("x-github-event", "pull_request"), ("x-hub-signature-256", signature.as_str())];
    let answer = bench.post("/webhooks", &headers, body).await.json();
    assert_eq!(answer["facts"], json!([{"kind": "pull_request", "id": "7"}]), "{answer}");
    assert_eq!(answer["n_facts"], 1);
}

#[tokio::test]
async fn a_signed_body_that_is_no_json_is_refused_and_one_that_is_not_understood_is_kept() {
    let bench = Bench::new().await;
    for (body, status) in [("not json", 422), (r#"{"deployment": 7}"#, 202)] {
        let signature = signature(SECRET, body);
        let headers = [JSON, ("x-github-event", "deployment"), ("x-hub-signature-256", signature.as_str())];
        let answer = bench.post("/webhooks/github", &headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
    }
}

#[tokio::test]
async fn a_source_shows_what_came_of_its_deliveries() {
    let bench = Bench::new().await;
    bench.post("/api/v1/events", &[JSON], EVENTS).await;
    bench.settle().await;
    let told = bench.get("/api/v1/sources").await.json();
    let source = &told["data"][0];
    assert_eq!(source["source"], "events", "{told}");
    assert_eq!(source["n_kept"], 1, "{told}");
    assert_eq!(source["n_waiting"], 0, "{told}");
    assert_eq!(source["lag_seconds"], 0.0, "{told}");
}

#[tokio::test]
async fn each_delivery_says_which_facts_it_gave_or_why_none() {
    let bench = Bench::new().await;
    bench.post("/api/v1/events", &[JSON], EVENTS).await;
    for (event, body) in [("ping", "{}"), ("deployment", r#"{"deployment": 7}"#)] {
        let signature = signature(ANOTHER_SECRET, body);
        let headers = [JSON, ("x-github-event", event), ("x-hub-signature-256", signature.as_str())];
        assert_eq!(bench.post("/webhooks/github/main", &headers, body).await.status.as_u16(), 202);
    }
    bench.settle().await;
    let told = bench.get("/api/v1/deliveries").await.json();
    let rows = told["data"].as_array().cloned().unwrap_or_default();
    let outcomes: Vec<&str> = rows.iter().filter_map(|row| row["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["rejected", "ignored", "kept"], "{told}");
    assert_eq!(rows[2]["n_facts"], 4);
    assert_eq!(rows[2]["facts"][1], json!({"kind": "deployment", "id": "d0"}), "{told}");
    assert!(rows[1]["why_none"].as_str().is_some_and(|why| why.contains("ping")), "{told}");
    assert!(rows[0]["why_none"].as_str().is_some_and(|why| why.starts_with("deployment")), "{told}");

    let first = bench.get("/api/v1/deliveries?limit=2").await.json();
    let cursor = first["meta"]["next_cursor"].as_str().unwrap_or_default().to_owned();
    let second = bench.get(&format!("/api/v1/deliveries?limit=2&cursor={cursor}")).await.json();
    assert_eq!(second["data"], json!([rows[2]]));
    assert_eq!(second["meta"]["next_cursor"], json!(null));
    for (filter, expected) in [("source=github", 2), ("source=github/main&outcome=ignored", 1), ("source=github/x", 0)]
    {
        let told = bench.get(&format!("/api/v1/deliveries?{filter}")).await.json();
        assert_eq!(told["data"].as_array().map(Vec::len), Some(expected), "{filter}");
    }
    bench.get("/api/v1/deliveries?outcome=lost").await.problem(422);
    bench.get("/api/v1/deliveries?cursor=x").await.problem(422);

    let sources = bench.get("/api/v1/sources").await.json();
    let main = sources["data"].as_array().into_iter().flatten().find(|row| row["source"] == "github/main").cloned();
    let main = main.unwrap_or_default();
    assert_eq!((&main["n_ignored"], &main["n_rejected"], &main["state"]), (&json!(1), &json!(1), &json!("receiving")));
    assert_eq!(main["reasons"].as_array().map(Vec::len), Some(2), "{main}");
    let silent = sources["data"].as_array().into_iter().flatten().find(|row| row["source"] == "github").cloned();
    assert_eq!(silent.unwrap_or_default()["state"], "silent", "{sources}");
}

#[tokio::test]
async fn what_the_configuration_does_not_know_comes_with_the_lines_that_would_map_it() {
    let bench = Bench::new().await;
    let body = json!([
        {"type": "deployment", "id": "1", "repository": "acme/shop", "environment": "blue",
         "finished_at": "2026-10-20T10:04:00Z"},
        {"type": "deployment", "id": "2", "service": "till", "finished_at": "2026-10-20T10:04:00Z"},
    ]);
    bench.post("/api/v1/events", &[JSON], body.to_string()).await;
    bench.settle().await;
    let told = bench.get("/api/v1/unmapped").await.json();
    let rows = told["data"].as_array().cloned().unwrap_or_default();
    let named: Vec<(&str, &str, &str)> = rows
        .iter()
        .filter_map(|row| Some((row["kind"].as_str()?, row["name"].as_str()?, row["taken_as"].as_str()?)))
        .collect();
    assert_eq!(
        named,
        [("environment", "blue", "other"), ("repository", "acme/shop", "shop"), ("service", "till", "till")]
    );
    assert_eq!(rows[1]["toml"], "[[service]]\nname = \"shop\"\nrepositories = [\"acme/shop\"]\n");
}
