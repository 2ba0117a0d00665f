//! What is posted to other products' own addresses: kept, read by their source, and answered as they answer.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Answer, Serving};

const CONFIGURATION: &str = r#"
[[connection]]
source = "datadog"
secrets = [{ env = "DORADO_TEST_DATADOG" }]

[[connection]]
source = "devlake"
secrets = [{ env = "DORADO_TEST_DEVLAKE" }]

[[connection]]
source = "devlake"
name = "9"
secrets = [{ env = "DORADO_TEST_DEVLAKE_9" }]
service = "crane"
"#;
const SECRETS: [(&str, &str); 3] =
    [("DORADO_TEST_DATADOG", "dd-key"), ("DORADO_TEST_DEVLAKE", "all"), ("DORADO_TEST_DEVLAKE_9", "nine")];
const SHA: &str = "1f0c3b7d2a4e6f8091a2b3c4d5e6f708192a3b4c";

struct Bench {
    server: Serving,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let data = folder.path().join("lake");
        std::fs::create_dir(&data).unwrap();
        std::fs::write(data.join("dorado.toml"), CONFIGURATION).unwrap();
        Self { server: Serving::start_with(&data, &SECRETS), _folder: folder }
    }

    fn datadog(&self, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", "application/json"), ("dd-api-key", "dd-key")];
        self.server.post(&format!("/api/v2/dora/{path}"), &headers, body.to_string())
    }

    fn devlake(&self, path: &str, token: &str, body: &Value) -> Answer {
        let authorization = format!("Bearer {token}");
        let headers = [("content-type", "application/json"), ("authorization", authorization.as_str())];
        self.server.post(path, &headers, body.to_string())
    }

    fn rows(&self, path: &str) -> Vec<Value> {
        self.server.wait_until_settled();
        self.server.json(path)["data"].as_array().unwrap().clone()
    }
}

fn deployment(id: &str) -> Value {
    json!({
        "id": id, "startedDate": "2026-03-02T10:00:00+00:00", "finishedDate": "2026-03-02T10:05:00+00:00",
        "deploymentCommits": [{
            "repoUrl": "https://github.com/harbour/quay", "commitSha": SHA,
            "startedDate": "2026-03-02T10:00:00+00:00", "finishedDate": "2026-03-02T10:05:00+00:00",
        }],
    })
}

#[test]
fn devlakes_addresses_old_and_new_take_what_is_posted_to_them() {
    let bench = Bench::new();
    let paths = [
        ("/api/plugins/webhook/connections/1/deployments", "a"),
        ("/api/rest/plugins/webhook/connections/1/deployments", "b"),
        ("/rest/plugins/webhook/connections/1/deployments", "c"),
        ("/plugins/webhook/1/deployments", "d"),
        ("/api/plugins/webhook/connections/by-name/shop/deployments", "e"),
    ];
    for (path, id) in paths {
        let taken = bench.devlake(path, "all", &deployment(id)).json(200);
        assert_eq!(taken["n_facts"], 1, "{path}: {taken}");
    }
    let mut ids: Vec<String> =
        bench.rows("/api/v1/deployments").iter().map(|row| row["deployment"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, ["webhook:1:a", "webhook:1:b", "webhook:1:c", "webhook:1:d", "webhook:shop:e"]);
    assert_eq!(bench.devlake("/plugins/webhook/1/nothing", "all", &json!({})).status, 404);

    let path = "/api/plugins/webhook/connections/9/deployments";
    bench.devlake(path, "all", &deployment("f")).problem(401);
    bench.devlake("/api/plugins/webhook/connections/1/deployments", "nine", &deployment("f")).problem(401);
    bench.devlake(path, "nine", &deployment("f")).json(200);
    let rows = bench.rows("/api/v1/deployments?service=crane");
    assert_eq!((&rows[0]["source"], &rows[0]["repository"]), (&json!("devlake/9"), &json!("harbour/quay")));

    let problem = bench.devlake(path, "nine", &json!({"id": "g"})).problem(422);
    assert_eq!(problem["parameter"], "startedDate", "{problem}");
}

#[test]
fn an_incident_of_devlake_is_open_until_it_is_closed_by_its_key() {
    let bench = Bench::new();
    let issues = "/api/plugins/webhook/connections/9/issues";
    let issue = json!({
        "issueKey": "DLK-7", "title": "Nobody can land", "type": "INCIDENT", "status": "TODO",
        "originalStatus": "created", "createdDate": "2026-03-02T11:00:00+00:00", "severity": "sev2",
    });
    bench.devlake(issues, "nine", &issue).json(200);
    let bug = bench
        .devlake(issues, "nine", &json!({"issueKey": "DLK-8", "type": "BUG", "createdDate": "2026-03-02T11:00:00Z"}))
        .json(200);
    assert_eq!(bug["ignored"], "an issue of type `BUG` is no incident");
    let open = bench.rows("/api/v1/incidents")[0].clone();
    assert_eq!((&open["incident"], &open["resolved_at"]), (&json!("webhook:9:DLK-7"), &Value::Null));

    bench.devlake("/api/plugins/webhook/connections/9/issue/DLK-7/close", "nine", &json!({})).json(200);
    let rows = bench.rows("/api/v1/incidents");
    assert!(rows[0]["resolved_at"].is_string(), "{rows:?}");
    for key in ["title", "severity", "opened_at", "service"] {
        assert_eq!(rows[0][key], open[key], "{key}");
    }
    assert_eq!(rows.len(), 1);
}

#[test]
fn a_deployment_that_is_patched_as_failed_is_failed_until_it_is_patched_as_stable() {
    let bench = Bench::new();
    let post = |id: &str, at: i64| {
        let attributes = json!({
            "id": id, "service": "quay", "env": "prod", "started_at": at, "finished_at": at + 60, "version": "v1",
        });
        let answer = bench.datadog("deployment", &json!({"data": {"attributes": attributes}})).json(200);
        assert_eq!(answer, json!({"data": {"id": id, "type": "dora_deployment"}}));
    };
    post("deployment-number-1", 1_772_445_600);
    post("deployment-number-2", 1_772_449_200);
    let patch = |attributes: Value| {
        let body = json!({"data": {"id": "deployment-number-1", "type": "dora_deployment_patch_request",
            "attributes": attributes}});
        let headers = [("content-type", "application/json"), ("dd-api-key", "dd-key")];
        let answer = bench.server.send(
            "PATCH",
            "/api/v2/dora/deployments/deployment-number-1",
            &headers,
            body.to_string().into(),
        );
        assert_eq!(answer.status, 200, "{}", answer.text());
        bench.rows("/api/v1/deployments").into_iter().find(|row| row["deployment"] == "deployment-number-1").unwrap()
    };
    let failed =
        patch(json!({"change_failure": true, "remediation": {"id": "deployment-number-2", "type": "rollback"}}));
    assert_eq!((&failed["failed"], &failed["failure_rule"]), (&json!(true), &json!("override")), "{failed}");
    assert_eq!(failed["recovered_at"], "2026-03-02T11:01:00Z");
    assert_eq!(patch(json!({"change_failure": false}))["failed"], false);
    assert_eq!(patch(json!({"change_failure": true}))["recovered_at"], Value::Null);

    let by_version = |version: &str| {
        let attributes = json!({"service": "quay", "env": "prod", "version": version, "change_failure": true});
        let headers = [("content-type", "application/json"), ("dd-api-key", "dd-key")];
        let body = json!({"data": {"attributes": attributes}}).to_string();
        bench.server.send("PATCH", "/api/v2/dora/deployments", &headers, body.into())
    };
    assert_eq!(by_version("v1").json(200)["data"]["id"], "deployment-number-2", "the latest");
    by_version("v0").problem(404);
}

#[test]
fn what_was_posted_is_found_again_by_who_may_post_and_nobody_else() {
    let bench = Bench::new();
    let failure = json!({"data": {"attributes": {
        "services": ["quay", "crane"], "started_at": 1_772_446_600, "severity": "High", "name": "Nobody can land",
    }}});
    let id = bench.datadog("failure", &failure).json(200)["data"]["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.datadog("incident", &failure).json(200)["data"], json!({"id": id, "type": "dora_failure"}));
    bench.devlake("/plugins/webhook/1/deployments", "all", &deployment("of-another")).json(200);
    bench.server.wait_until_settled();

    let search = json!({"data": {"attributes": {"from": "2026-03-01T00:00:00Z", "limit": 5}}});
    let found = bench.datadog("failures", &search).json(200)["data"].clone();
    assert_eq!((found.as_array().unwrap().len(), &found[0]["id"]), (1, &json!(id)), "{found}");
    let attributes = &found[0]["attributes"];
    assert_eq!(attributes["started_at"], "2026-03-02T10:16:40Z");
    assert_eq!(attributes["services"].as_array().unwrap().len(), 2, "{attributes}");
    assert_eq!(bench.datadog("deployments", &search).json(200)["data"], json!([]), "not of this connection");

    let one = |id: &str, key: &str| {
        let headers = [("dd-api-key", key)];
        bench.server.send("GET", &format!("/api/v2/dora/failures/{id}"), &headers, Vec::new())
    };
    assert_eq!(one(&id, "dd-key").json(200)["data"], found[0]);
    one("another", "dd-key").problem(404);
    one(&id, "wrong").problem(401);
    let problem = bench.datadog("deployment", &json!({"data": {"attributes": {"service": "quay"}}})).problem(422);
    assert_eq!(problem["parameter"], "data.attributes.finished_at");
}

#[test]
fn a_body_of_another_shape_is_refused_by_the_name_of_its_place_and_one_of_an_older_form_is_taken() {
    let bench = Bench::new();
    let at = 1_772_446_600;
    let refused = |answer: Answer, parameter: &str, detail: &str| {
        let problem = answer.problem(422);
        assert_eq!((&problem["parameter"], &problem["detail"]), (&json!(parameter), &json!(detail)), "{problem}");
    };
    for (what, attributes, field, problem) in [
        ("deployment", json!({"service": " ", "finished_at": at}), "service", "is blank"),
        ("deployment", json!({"service": "quay", "finished_at": "yesterday"}), "finished_at", "is of another type"),
        ("deployment", json!({"service": "quay", "finished_at": at, "team": ["a"]}), "team", "is of another type"),
        ("failure", json!({"started_at": at, "services": "quay"}), "services", "is of another type"),
        ("failures", json!({"limit": "ten"}), "limit", "is of another type"),
    ] {
        let place = format!("data.attributes.{field}");
        let answer = bench.datadog(what, &json!({"data": {"attributes": attributes}}));
        refused(answer, &place, &format!("{place}: {problem}"));
    }
    refused(bench.datadog("deployments", &json!({"data": []})), "data", "data: is of another type");

    let path = "/api/plugins/webhook/connections/1/deployments";
    let mut wrong = deployment("a");
    wrong["deploymentCommits"][0]["commitSha"] = json!(null);
    let place = "deploymentCommits.0.commitSha";
    refused(bench.devlake(path, "all", &wrong), place, &format!("{place}: is of another type"));
    let mut wrong = deployment("a");
    wrong["startedDate"] = json!("yesterday");
    refused(bench.devlake(path, "all", &wrong), "startedDate", "startedDate: is no instant");
    bench.devlake(path, "none", &wrong).problem(401);
    assert!(bench.rows("/api/v1/deliveries").is_empty(), "what is refused is not kept");

    let commit = json!({"repo_url": "https://github.com/harbour/quay", "commit_sha": SHA});
    let mut one = commit.clone();
    one["start_time"] = json!("2026-03-02 10:00:00");
    bench.devlake(path, "all", &one).json(200);
    let several = json!({"pipeline_id": 7, "start_time": "2026-03-02T10:00:00Z", "deployment_commits": [commit]});
    bench.devlake(path, "all", &several).json(200);
    let issues = "/api/plugins/webhook/connections/1/issues";
    let issue = json!({"issue_key": "DLK-9", "type": "INCIDENT", "created_date": "2026-03-02T11:00:00+00:00"});
    bench.devlake(issues, "all", &issue).json(200);
    assert_eq!((bench.rows("/api/v1/deployments").len(), bench.rows("/api/v1/incidents").len()), (2, 1));
}
