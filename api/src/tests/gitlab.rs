//! GitLab's addresses, as its clients ask them: a project by its path or a group by its name, `PRIVATE-TOKEN`, and
//! `message` where something is wrong.

use serde_json::json;

use super::{Bench, JSON};

const EVENTS: &str = r#"[
    {"type": "deployment", "id": "d1", "service": "checkout", "repository": "acme/shop", "team": "payments",
     "environment": "production", "status": "success", "finished_at": "2026-09-20T10:00:00Z"},
    {"type": "deployment", "id": "d2", "service": "checkout", "repository": "acme/shop", "team": "payments",
     "environment": "production", "status": "success", "finished_at": "2026-10-19T10:00:00Z"},
    {"type": "deployment", "id": "d3", "service": "checkout", "repository": "acme/shop", "team": "payments",
     "environment": "production", "status": "success", "finished_at": "2026-10-20T10:00:00Z"},
    {"type": "incident", "id": "i1", "service": "checkout", "repository": "acme/shop",
     "opened_at": "2026-10-20T11:00:00Z", "resolved_at": "2026-10-20T12:00:00Z"}
]"#;

async fn bench() -> Bench {
    let bench = Bench::new().await;
    let told = bench.post("/api/v1/events", &[JSON], EVENTS).await;
    assert_eq!(told.json()["rejected"], json!([]), "{}", told.text());
    bench.settle().await;
    bench
}

#[tokio::test]
async fn a_project_is_named_by_its_path_or_its_service_and_a_group_by_its_team() {
    let bench = bench().await;
    let period = "start_date=2026-09-15&end_date=2026-10-31";
    for whose in ["projects/acme%2Fshop", "projects/checkout", "groups/payments"] {
        let ask = async |query: &str| bench.get(&format!("/api/v4/{whose}/dora/metrics?{period}&{query}")).await.json();
        let monthly = json!([{"date": "2026-09-01", "value": 1}, {"date": "2026-10-01", "value": 2}]);
        assert_eq!(ask("metric=deployment_frequency&interval=monthly").await, monthly, "{whose}");
        let whole = json!([{"date": null, "value": 3}]);
        assert_eq!(ask("metric=deployment_frequency&interval=all").await, whole, "a list, as everywhere: {whose}");
        let recovery = json!([{"date": "2026-09-01", "value": null}, {"date": "2026-10-01", "value": 3600.0}]);
        assert_eq!(ask("metric=time_to_restore_service&interval=monthly").await, recovery, "{whose}");
        let daily = ask("metric=deployment_frequency&environment_tiers[]=production").await;
        assert_eq!(daily.as_array().map(Vec::len), Some(47), "both days are part of it: {daily}");
        assert_eq!(daily[35], json!({"date": "2026-10-20", "value": 1}));
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_as_gitlab_says_it() {
    let bench = bench().await;
    for (whose, query, status, said) in [
        ("projects/acme%2Fshop", "", 400, "metric"),
        ("projects/acme%2Fshop", "metric=mttr", 400, "time_to_restore_service"),
        ("projects/acme%2Fshop", "metric=deployment_frequency&interval=weekly", 400, "daily, monthly, all"),
        ("projects/acme%2Fshop", "metric=deployment_frequency&start_date=soon", 400, "start_date"),
        ("projects/acme%2Fshop", "metric=deployment_frequency&environment_tiers[]=staging", 400, "production"),
        ("projects/acme%2Fshop", "metric=deployment_frequency&tier=x", 400, "`tier`"),
        ("projects/1", "metric=deployment_frequency", 404, "there is no project `1`"),
        ("groups/acme", "metric=deployment_frequency", 404, "there is no group `acme`"),
    ] {
        let problem = bench.get(&format!("/api/v4/{whose}/dora/metrics?{query}")).await.problem(status);
        let message = problem["message"].as_str().unwrap_or_default();
        assert!(message.contains(said), "{whose} {query}: {problem}");
    }
}

#[tokio::test]
async fn a_token_comes_in_gitlabs_header_and_a_team_sees_its_own_alone() {
    let bench = bench().await;
    let ask = async |scope: &str, whose: &str| {
        let (_, key) = bench.token(&[scope]);
        let address = format!("/api/v4/{whose}/dora/metrics?metric=deployment_frequency&interval=all");
        bench.send_from_afar("GET", &address, &[("private-token", key.show())], "").await
    };
    for whose in ["projects/acme%2Fshop", "groups/payments"] {
        assert_eq!(ask("read:payments", whose).await.status, 200, "{whose}");
        let hidden = ask("read:search", whose).await.problem(404);
        let nowhere = ask("read:search", &format!("{whose}x")).await.problem(404);
        assert_eq!(hidden.to_string(), nowhere.to_string().replace("shopx", "shop").replace("paymentsx", "payments"));
        ask("ingest", whose).await.problem(403);
    }
}
