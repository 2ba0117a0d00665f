//! What a token that may read one team is told: the numbers of that team as everybody sees them, and of
//! nobody else anything, not even that they are there.

use dorado_lake::{Key, Lake};
use dorado_query::{Catalog, Engine, ServiceEntry, TeamEntry};
use serde_json::Value;

use super::{Answer, Bench, JSON};
use crate::Limits;

/// Words of the other team: none may be in any answer.
const THEIRS: [&str; 9] = [
    "finder",
    "search",
    "acme/finder",
    "secret-staging",
    "their-change",
    "their-deployment",
    "their-incident",
    "holding",
    "orphan",
];

const EVENTS: &str = r#"[
    {"type": "change", "repository": "acme/checkout", "id": "our-change", "committed_at": "2026-10-20T08:00:00Z"},
    {"type": "deployment", "id": "our-first", "service": "checkout", "environment": "production", "status": "success",
     "started_at": "2026-10-19T10:00:00Z", "finished_at": "2026-10-19T10:04:00Z"},
    {"type": "deployment", "id": "our-deployment", "service": "checkout", "environment": "production", "status": "success",
     "started_at": "2026-10-20T10:00:00Z", "finished_at": "2026-10-20T10:04:00Z", "changes": ["our-change"]},
    {"type": "deployment", "id": "our-trial", "service": "checkout", "environment": "staging", "status": "success",
     "started_at": "2026-10-20T09:00:00Z", "finished_at": "2026-10-20T09:04:00Z"},
    {"type": "incident", "id": "our-incident", "service": "checkout", "opened_at": "2026-10-20T11:00:00Z",
     "resolved_at": "2026-10-20T12:00:00Z"},
    {"type": "change", "repository": "acme/finder", "id": "their-change", "committed_at": "2026-10-20T08:00:00Z"},
    {"type": "deployment", "id": "their-first", "service": "finder", "environment": "production", "status": "success",
     "started_at": "2026-10-19T10:00:00Z", "finished_at": "2026-10-19T10:04:00Z"},
    {"type": "deployment", "id": "their-deployment", "service": "finder", "environment": "production", "status": "success",
     "started_at": "2026-10-20T10:00:00Z", "finished_at": "2026-10-20T10:04:00Z", "changes": ["their-change"]},
    {"type": "deployment", "id": "their-trial", "service": "finder", "environment": "secret-staging", "status": "success",
     "started_at": "2026-10-20T09:00:00Z", "finished_at": "2026-10-20T09:04:00Z"},
    {"type": "deployment", "id": "their-orphan", "service": "orphan", "environment": "production", "status": "success",
     "started_at": "2026-10-20T10:00:00Z", "finished_at": "2026-10-20T10:04:00Z"},
    {"type": "incident", "id": "their-incident", "service": "finder", "opened_at": "2026-10-20T11:00:00Z",
     "resolved_at": "2026-10-20T12:00:00Z"},
    {"type": "incident", "id": "their-incident-2", "opened_at": "2026-10-20T11:00:00Z"}
]"#;

async fn bench() -> Bench {
    let team = |name: &str, parent: Option<&str>| TeamEntry { name: name.into(), parent: parent.map(String::from) };
    let service = |name: &str, team: &str| ServiceEntry {
        name: name.into(),
        team: Some(team.into()),
        repositories: vec![format!("acme/{name}")],
        aliases: vec![format!("{name}-svc")],
        ..ServiceEntry::default()
    };
    let catalog = Catalog {
        teams: vec![
            team("holding", None),
            team("commerce", Some("holding")),
            team("payments", Some("commerce")),
            team("search", Some("holding")),
        ],
        services: vec![service("checkout", "payments"), service("finder", "search")],
        ..Catalog::default()
    };
    let lake = Lake::open("memory://").await.expect("a lake in memory opens");
    let mut app = Bench::app(Limits::default()).await;
    app.engine = Engine::open(lake, catalog).await.expect("an engine opens");
    let bench = Bench::of(app);
    let told = bench.post("/api/v1/events", &[JSON], EVENTS).await;
    assert_eq!(told.json()["rejected"].as_array().map(Vec::len), Some(0), "{}", told.text());
    bench.settle().await;
    bench
}

/// Addresses whose answers are rows of somebody.
const ADDRESSES: [&str; 22] = [
    "/api/v1/summary?compare=previous",
    "/api/v1/stages?group_by=team",
    "/api/v1/definitions/compare",
    "/api/v1/metrics/failed-deployment-recovery-time/explain?pack=devlake",
    "/api/v1/summary?group_by=service",
    "/api/v1/summary?group_by=team",
    "/api/v1/metrics/change-lead-time?group_by=repository&bucket=all",
    "/api/v1/metrics/deployment-frequency?group_by=environment&bucket=all",
    "/api/v1/metrics/change-fail-rate?bucket=all",
    "/api/v1/metrics/change-lead-time/explain",
    "/api/v1/metrics/change-fail-rate/explain",
    "/api/v1/metrics/failed-deployment-recovery-time/explain",
    "/api/v1/services",
    "/api/v1/teams",
    "/api/v1/environments",
    "/api/v1/deployments",
    "/api/v1/changes",
    "/api/v1/incidents",
    "/api/v1/quick-check",
    "/api/v1/clusters",
    "/api/v1/flow/batch-size?bucket=all",
    "/api/v1/flow/ladder",
];

fn assert_tells_nothing_of_theirs(address: &str, answer: &Answer) {
    for word in THEIRS {
        assert!(!answer.text().contains(word), "{address} tells of {word}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_team_is_told_what_asking_for_that_team_tells_and_nothing_else() {
    let bench = bench().await;
    let (_, ours) = bench.token(&["read:commerce"]);
    let (_, all) = bench.token(&["read"]);
    for address in ADDRESSES {
        let narrow = bench.get_as(&ours, address).await;
        assert_eq!(narrow.status, 200, "{address}: {}", narrow.text());
        assert_tells_nothing_of_theirs(address, &narrow);
        let rows = |answer: &Answer| (answer.json()["data"].clone(), answer.json()["series"].clone());
        assert!(rows(&narrow).0.as_array().is_some_and(|rows| !rows.is_empty()), "{address}: {}", narrow.text());
        let whole = bench.get_as(&all, address).await;
        // Directories say how many there are of all; everything else is the same as asked with a filter.
        if !["/api/v1/teams", "/api/v1/environments"].contains(&address) {
            let filter = if address.contains('?') { "&team=commerce" } else { "?team=commerce" };
            let asked = bench.get_as(&all, &format!("{address}{filter}")).await;
            assert_eq!(rows(&narrow), rows(&asked), "{address}");
            assert_ne!(rows(&narrow), rows(&whole), "{address}");
        }
        assert_ne!(narrow.header("etag"), whole.header("etag"), "{address}");
        let known = ("if-none-match", whole.header("etag"));
        let bearer = format!("Bearer {}", ours.show());
        let again = bench.send_from_afar("GET", address, &[known, ("authorization", &bearer)], "").await;
        assert_eq!(again.status, 200, "{address}: another's answer is not known to this one");
    }
}

#[tokio::test]
async fn files_and_checks_of_a_team_tell_nothing_of_others_and_facts_are_for_who_reads_all() {
    let bench = bench().await;
    let (_, ours) = bench.token(&["read:commerce"]);
    for address in [
        "/api/v1/export/outcomes",
        "/api/v1/export/shipments?format=ndjson",
        "/api/v1/export/causes",
        "/api/v1/export/change-fail-rate?group_by=service",
        "/api/v1/export/summary?format=ndjson",
        "/api/v1/export/stages?group_by=team",
        "/api/v1/export/batch-size",
        "/api/v1/export/unshipped",
        "/api/v1/export/regressions",
        "/api/v1/export/ladder",
        "/api/v1/export/data-quality",
        "/api/v1/export/definitions",
        "/api/v1/export/differences",
        "/api/v1/export/explain-change-fail-rate",
        "/api/v1/export/explain-change-lead-time",
        "/api/v1/export/quick-check",
        "/api/v1/export/clusters",
        "/api/v1/export/services",
        "/api/v1/export/teams?format=ndjson",
        "/api/v1/export/environments",
        "/api/v1/data-quality",
        "/api/v1/regressions",
        "/api/v1/flow/unshipped",
    ] {
        let answer = bench.get_as(&ours, address).await;
        assert_eq!(answer.status, 200, "{address}: {}", answer.text());
        assert_tells_nothing_of_theirs(address, &answer);
    }
    assert!(bench.get_as(&ours, "/api/v1/export/outcomes").await.text().contains("our-deployment"));
    for table in ["deployments", "changes", "pull_requests", "incidents", "overrides"] {
        bench.get_as(&ours, &format!("/api/v1/export/{table}")).await.problem(403);
    }
}

#[tokio::test]
async fn an_incident_of_ours_that_theirs_caused_does_not_name_their_deployment() {
    let bench = bench().await;
    let incident = r#"{"type": "incident", "id": "our-other", "service": "checkout", "caused_by": "their-deployment",
        "opened_at": "2026-10-20T11:30:00Z", "resolved_at": "2026-10-20T12:00:00Z"}"#;
    assert_eq!(bench.post("/api/v1/events", &[JSON], incident).await.status, 202);
    bench.settle().await;
    let (_, ours) = bench.token(&["read:commerce"]);
    let (_, all) = bench.token(&["read"]);
    for address in [
        "/api/v1/incidents?service=checkout",
        "/api/v1/export/causes?format=ndjson&service=checkout",
        "/api/v1/metrics/change-fail-rate/explain?pack=gitlab&service=checkout",
        "/api/v1/metrics/failed-deployment-recovery-time/explain?pack=gitlab&service=checkout",
    ] {
        let whole = bench.get_as(&all, address).await.text();
        assert!(whole.contains("our-other") && whole.contains("their-deployment"), "{address}: {whole}");
        let narrow = bench.get_as(&ours, address).await;
        assert!(narrow.text().contains("our-other"), "{address}: {}", narrow.text());
        assert!(narrow.text().contains("our-deployment"), "{address}: our own keep their names: {}", narrow.text());
        assert_tells_nothing_of_theirs(address, &narrow);
    }
    // That something caused it is told: it is why it is no failure of ours.
    let rows = bench.get_as(&ours, "/api/v1/incidents?service=checkout").await.json()["data"].clone();
    let row = rows.as_array().into_iter().flatten().find(|row| row["incident"] == "our-other").cloned();
    assert_eq!(row.map(|row| (row["deployment"].clone(), row["rule"].clone())), Some((Value::Null, "explicit".into())));
}

#[tokio::test]
async fn directories_are_those_of_the_team() {
    let bench = bench().await;
    let (_, ours) = bench.token(&["read:payments"]);
    let rows = async |address: &str| bench.get_as(&ours, address).await.json()["data"].clone();
    assert_eq!(rows("/api/v1/teams").await, serde_json::json!([{"team": "payments", "parent": null, "n_services": 1}]));
    assert_eq!(
        rows("/api/v1/environments").await,
        serde_json::json!([
            {"environment": "production", "tier": "production", "n_deployments": 2},
            {"environment": "staging", "tier": "staging", "n_deployments": 1},
        ])
    );
    let (_, nobodys) = bench.token(&["read:no such team"]);
    for address in ADDRESSES {
        let answer = bench.get_as(&nobodys, address).await;
        assert_eq!(answer.status, 200, "{address}: {}", answer.text());
        assert_tells_nothing_of_theirs(address, &answer);
        assert!(!answer.text().contains("checkout"), "{address}: {}", answer.text());
    }
}

#[tokio::test]
async fn another_team_is_out_of_scope_whether_or_not_it_is_there() {
    let bench = bench().await;
    let (_, ours) = bench.token(&["read:commerce"]);
    for address in ["/api/v1/summary", "/api/v1/deployments", "/api/v1/services"] {
        for team in ["search", "holding", "there is none", "commerce,search"] {
            let answer = bench.get_as(&ours, &format!("{address}?team={team}").replace(' ', "%20")).await;
            assert_eq!(answer.problem(403)["type"], "urn:dorado:problem:out-of-scope", "{address} {team}");
        }
        for team in ["commerce", "payments"] {
            let answer = bench.get_as(&ours, &format!("{address}?team={team}")).await;
            assert_eq!(answer.status, 200, "{address} {team}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_hidden_name_and_one_that_is_nowhere_are_answered_alike() {
    let bench = bench().await;
    let (_, ours) = bench.token(&["read:payments"]);
    let ask = async |name: &str, hidden: &str| {
        let mut told = Vec::new();
        for address in ADDRESSES {
            let sign = if address.contains('?') { '&' } else { '?' };
            let answer = bench.get_as(&ours, &format!("{address}{sign}{name}={hidden}")).await;
            let mut body = answer.json();
            if let Some(meta) = body["meta"].as_object_mut() {
                meta.remove("api_call");
            }
            told.push((answer.status, body.to_string().replace(hidden, "NAME")));
        }
        told
    };
    for (name, hidden) in [
        ("service", "finder"),
        ("service", "finder-svc"),
        ("service", "orphan"),
        ("repository", "acme/finder"),
        ("environment", "secret-staging"),
    ] {
        let nowhere = "x".repeat(hidden.len());
        assert_eq!(ask(name, hidden).await, ask(name, &nowhere).await, "{name}={hidden}");
    }
}

#[tokio::test]
async fn a_page_of_one_audience_is_not_kept_for_another() {
    let bench = bench().await;
    let keys: Vec<Key> =
        [&["read"][..], &["read:payments"], &["read:search"]].iter().map(|scopes| bench.token(scopes).1).collect();
    let address = "/api/v1/deployments?from=2026-10-01&to=2026-11-01";
    let mut told: Vec<Value> = Vec::new();
    for key in keys.iter().chain(&keys) {
        told.push(bench.get_as(key, address).await.json()["data"].clone());
    }
    let n_rows: Vec<Option<usize>> = told.iter().map(|rows| rows.as_array().map(Vec::len)).collect();
    assert_eq!(n_rows, [7, 3, 3, 7, 3, 3].map(Some));
    assert_ne!(told[1], told[2]);
}
