//! Every error is a problem that names the place and what would have been right.

use super::{Bench, JSON, gzip, request};
use crate::Limits;

#[tokio::test]
async fn a_path_that_is_nowhere_names_the_nearest() {
    let problem = Bench::new().await.get("/api/v1/metric").await.problem(404);
    assert_eq!(problem["parameter"], "path");
    assert_eq!(problem["value"], "/api/v1/metric");
    assert!(problem["expected"].as_str().is_some_and(|text| text.contains("/api/v1/metrics")), "{problem}");
}

#[tokio::test]
async fn a_method_that_is_not_allowed_says_which_are() {
    let bench = Bench::new().await;
    for (method, address, allowed) in [
        ("POST", "/api/v1/metrics", "GET,HEAD"),
        ("DELETE", "/api/v1/events", "POST"),
        ("GET", "/webhooks/github", "POST"),
        ("OPTIONS", "/api/v1/summary", "GET,HEAD"),
        ("PUT", "/index.html", "GET,HEAD"),
    ] {
        let answer = bench.send(request(method, address, &[], "")).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allowed, "{method} {address}");
    }
}

#[tokio::test]
async fn an_unknown_metric_names_the_known_ones() {
    let problem = Bench::new().await.get("/api/v1/metrics/mttr").await.problem(404);
    assert_eq!(problem["parameter"], "id");
    assert!(problem["expected"].as_str().is_some_and(|text| text.contains("change-lead-time")), "{problem}");
}

#[tokio::test]
async fn a_wrong_parameter_is_named_with_its_value_and_what_is_right() {
    let bench = Bench::new().await;
    for (query, parameter, value, expected) in [
        ("bucket=fortnight", "bucket", "fortnight", "week"),
        ("buckt=week", "buckt", "week", "did you mean `bucket`?"),
        ("tz=Mars", "tz", "Mars", "Europe/Berlin"),
        ("from=yesterday", "from", "yesterday", "RFC 3339"),
        ("from=2026-01-01T00:00:00", "from", "2026-01-01T00:00:00", "RFC 3339"),
        ("tz=UTC&tz=Europe/Berlin", "tz", "UTC,Europe/Berlin", "one value"),
        ("pack=mine", "pack", "mine", "dora-2025"),
        ("compare=next", "compare", "next", "previous"),
        ("group_by=person", "group_by", "person", "team"),
    ] {
        let problem = bench.get(&format!("/api/v1/summary?{query}")).await.problem(422);
        assert_eq!(problem["parameter"], parameter, "{problem}");
        assert_eq!(problem["value"], value, "{problem}");
        assert!(problem["expected"].as_str().is_some_and(|text| text.contains(expected)), "{problem}");
    }
    for (query, parameter) in
        [("limit=0", "limit"), ("limit=1001", "limit"), ("limit=ten", "limit"), ("cursor=x", "cursor")]
    {
        let problem = bench.get(&format!("/api/v1/services?{query}")).await.problem(422);
        assert_eq!(problem["parameter"], parameter, "{problem}");
    }
    assert_eq!(bench.get("/api/v1/services?bucket=week").await.problem(422)["parameter"], "bucket");
    assert_eq!(bench.get("/api/v1/metrics?x=1").await.problem(422)["parameter"], "x");
}

#[tokio::test]
async fn a_query_that_is_not_utf8_cannot_be_read() {
    assert_eq!(Bench::new().await.get("/api/v1/summary?team=%ff").await.problem(400)["parameter"], "query");
}

#[tokio::test]
async fn a_format_that_there_is_not_is_refused() {
    let bench = Bench::new().await;
    let answer = bench.send(request("GET", "/api/v1/metrics", &[("accept", "image/png")], "")).await;
    assert_eq!(answer.problem(406)["parameter"], "Accept");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_however_it_comes() {
    let bench = Bench::with(Limits { body_bytes: 1000, expanded_bytes: 10_000, ..Limits::default() }).await;
    let blank = " ".repeat(1001);
    bench.post("/api/v1/events", &[JSON, ("content-length", "1001")], blank.clone()).await.problem(413);
    bench.post("/api/v1/events", &[JSON], blank.clone()).await.problem(413);
    bench.post("/webhooks/github", &[JSON], blank).await.problem(413);
    let bomb = gzip(&vec![b' '; 100_000]);
    assert!(bomb.len() < 1000, "{}", bomb.len());
    let problem = bench.post("/api/v1/events", &[JSON, ("content-encoding", "gzip")], bomb).await.problem(413);
    assert!(problem["detail"].as_str().is_some_and(|text| text.contains("once expanded")), "{problem}");
}

#[tokio::test]
async fn a_body_of_an_unknown_type_or_encoding_is_refused() {
    let bench = Bench::new().await;
    for (header, parameter) in [
        (("content-type", "application/x-www-form-urlencoded"), "Content-Type"),
        (("content-type", "application/xml"), "Content-Type"),
        (("content-encoding", "br"), "Content-Encoding"),
    ] {
        let problem = bench.post("/api/v1/events", &[header], "{}").await.problem(415);
        assert_eq!(problem["parameter"], parameter);
    }
    bench.post("/webhooks/github", &[("content-encoding", "gzip")], "{}").await.problem(415);
}

#[tokio::test]
async fn what_is_not_gzip_or_not_json_is_said_to_be() {
    let bench = Bench::new().await;
    bench.post("/api/v1/events", &[JSON, ("content-encoding", "gzip")], "plain").await.problem(400);
    bench.post("/api/v1/events", &[JSON], "").await.problem(422);
    let deep = format!("{}1{}", "[".repeat(70), "]".repeat(70));
    bench.post("/api/v1/events", &[JSON], deep).await.problem(422);
}

#[tokio::test]
async fn an_address_that_is_too_long_is_refused() {
    let address = format!("/api/v1/summary?team={}", "x".repeat(9000));
    Bench::new().await.get(&address).await.problem(414);
}

#[tokio::test]
async fn another_sites_page_cannot_make_a_browser_post() {
    let bench = Bench::new().await;
    for (headers, status) in [
        (vec![("host", "localhost:8080"), ("origin", "https://evil.example")], 403),
        (vec![("host", "localhost:8080"), ("origin", "null")], 403),
        (vec![("host", "localhost:8080"), ("sec-fetch-site", "cross-site")], 403),
        (vec![("host", "localhost:8080"), ("origin", "http://localhost:8080")], 202),
        (vec![("host", "localhost:8080")], 202),
        // A name that somebody pointed at this machine is not this machine: without a token it may not write.
        (vec![("host", "dora.example:8080"), ("origin", "http://dora.example:8080")], 401),
    ] {
        let answer = bench.post("/api/v1/events", &headers, "[]").await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?}");
        if status != 202 {
            answer.problem(status);
        }
    }
}

#[tokio::test]
async fn a_busy_server_says_when_to_come_back() {
    let limits = Limits { queries: 0, turn: std::time::Duration::from_millis(10), ..Limits::default() };
    let answer = Bench::with(limits).await.get("/api/v1/summary").await;
    answer.problem(503);
    assert!(!answer.header("retry-after").is_empty());
}

#[tokio::test]
async fn a_defect_is_a_problem_that_tells_nothing_of_itself() {
    let api = crate::api::Api::new(Bench::app(Limits::default()).await);
    let router = axum::Router::new()
        .route("/", axum::routing::get(defect))
        .layer(axum::middleware::from_fn_with_state(api, crate::layer::observe));
    let answer = super::answer_of(router, request("GET", "/", &[], "")).await;
    let problem = answer.problem(500);
    assert!(!problem.to_string().contains("secret"), "{problem}");
    assert!(!answer.header("x-request-id").is_empty());
}

#[expect(clippy::panic, reason = "tests")]
async fn defect() -> &'static str {
    panic!("a secret")
}
