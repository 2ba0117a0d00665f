//! Batch sizes, what waits, the ladder of environments and regressions of the real server, against hand counts.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::Serving;

fn serve(events: &[Value]) -> (Serving, TempDir) {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(&folder.path().join("lake"));
    server.tell(&json!(events));
    server.wait_until_settled();
    (server, folder)
}

/// Six commits in a line. Staging gets the first, the third and the fifth; production the same a day later.
fn line() -> Vec<Value> {
    let mut events = Vec::new();
    let commits = ["01T08", "02T08", "02T10", "03T08", "04T08", "05T08"];
    for (i, at) in commits.iter().enumerate() {
        let parents: Vec<String> = (0..i).last().map(|parent| format!("c{}", parent + 1)).into_iter().collect();
        events.push(
            json!({"type": "change", "id": format!("c{}", i + 1), "repository": "acme/checkout", "parents": parents,
            "authored_at": format!("2026-05-{at}:00:00Z"), "committed_at": format!("2026-05-{at}:00:00Z"),
            "title": format!("Change {}", i + 1)}),
        );
    }
    for (id, environment, revision, at) in [
        ("s0", "staging", "c1", "01T09"),
        ("s1", "staging", "c3", "02T12"),
        ("s2", "staging", "c5", "04T09"),
        ("p0", "production", "c1", "01T10"),
        ("p1", "production", "c3", "03T12"),
        ("p2", "production", "c5", "05T09"),
    ] {
        events.push(json!({"type": "deployment", "id": id, "service": "checkout", "repository": "acme/checkout",
            "environment": environment, "status": "success", "revision": revision,
            "finished_at": format!("2026-05-{at}:00:00Z")}));
    }
    events
}

const MAY: &str = "from=2026-05-01&to=2026-05-07T08:00:00Z";

#[test]
fn the_ladder_says_how_long_changes_take_to_each_environment_and_wait_there() {
    let (server, _folder) = serve(&line());
    let answer = server.json(&format!("/api/v1/flow/ladder?service=checkout&{MAY}"));
    let hours = |value: &Value| value.as_f64().map(|seconds| (seconds / 36.0).round() / 100.0);
    let row = |i: usize| {
        let row = &answer["data"][i];
        (row["environment"].as_str().unwrap(), row["n_deployments"].as_u64().unwrap(), row["n"].as_u64().unwrap())
    };
    assert_eq!(answer["data"].as_array().unwrap().len(), 2, "{answer}");
    // The first deployment of each is its baseline. Staging has c2 to c5 after 4, 2, 25 and 1 hours.
    assert_eq!(row(0), ("staging", 3, 4), "{answer}");
    let staging = &answer["data"][0];
    assert_eq!((hours(&staging["p50"]), hours(&staging["p90"])), (Some(3.0), Some(18.7)), "{answer}");
    assert_eq!(staging["next_environment"], "production", "{answer}");
    assert_eq!((hours(&staging["wait_p50"]), &staging["n_wait"]), (Some(24.0), &json!(4)), "{answer}");
    // Production has them after 28, 26, 49 and 25 hours.
    assert_eq!(row(1), ("production", 3, 4), "{answer}");
    let production = &answer["data"][1];
    assert_eq!(hours(&production["p50"]), Some(27.0), "{answer}");
    assert_eq!((&production["next_environment"], &production["wait_p50"]), (&Value::Null, &Value::Null), "{answer}");

    // The metric itself sees production alone, and agrees.
    let lead = server.json(&format!("/api/v1/metrics/change-lead-time?bucket=all&service=checkout&{MAY}"));
    assert_eq!(lead["data"][0]["value"], production["p50"], "{lead}");

    assert_eq!(server.get("/api/v1/flow/ladder").problem(422)["parameter"], "service");
}

#[test]
fn what_has_not_shipped_is_listed_with_its_age_and_batches_are_counted() {
    let mut events = line();
    // Nobody deploys this one, so that nothing is known to wait there.
    events.push(
        json!({"type": "change", "id": "x1", "repository": "acme/library", "committed_at": "2026-05-01T08:00:00Z"}),
    );
    events.push(json!({"type": "change", "id": "c7", "repository": "acme/checkout", "parents": ["c6"],
        "committed_at": "2026-05-06T08:00:00Z"}));
    let (server, _folder) = serve(&events);
    let answer = server.json(&format!("/api/v1/flow/unshipped?limit=1&{MAY}"));
    let meta = &answer["meta"];
    assert_eq!(
        (&meta["n"], &meta["age_p50"], &meta["age_max"]),
        (&json!(2), &json!(129_600.0), &json!(172_800.0)),
        "{meta}"
    );
    let rows = server.rows(&format!("/api/v1/flow/unshipped?limit=1&{MAY}"));
    let told: Vec<(&str, &str, f64)> = rows
        .iter()
        .map(|r| {
            (r["change"].as_str().unwrap(), r["waiting_since"].as_str().unwrap(), r["age_seconds"].as_f64().unwrap())
        })
        .collect();
    // The oldest first.
    assert_eq!(told, [("c6", "2026-05-05T08:00:00Z", 172_800.0), ("c7", "2026-05-06T08:00:00Z", 86_400.0)]);
    assert_eq!(rows[0]["title"], "Change 6");

    let sizes = server.json(&format!("/api/v1/flow/batch-size?bucket=all&group_by=service&{MAY}"));
    let row = &sizes["data"][0];
    assert_eq!(
        (&row["service"], &row["value"], &row["n"], &row["n_without"]),
        (&json!("checkout"), &json!(2.0), &json!(2), &json!(1)),
        "{sizes}"
    );
    let days = server.json(&format!("/api/v1/flow/batch-size?bucket=day&{MAY}"));
    assert_eq!(days["data"].as_array().unwrap().len(), 7, "{days}");
    assert_eq!((&days["data"][1]["value"], &days["data"][2]["value"]), (&Value::Null, &json!(2.0)), "{days}");
}

/// A service with a baseline, six changes in March that took `before` hours and six in April that took `after`;
/// each a minute longer than the last, so that no two are alike.
fn twelve(service: &str, before: i64, after: i64) -> Vec<Value> {
    let deployment = |id: String, finished_at: String| {
        json!({"type": "deployment", "id": id, "service": service, "environment": "production",
            "status": "success", "finished_at": finished_at})
    };
    let mut events = vec![deployment(format!("{service}-0"), "2026-03-03T12:00:00Z".to_owned())];
    for (month, hours) in [(3, before), (4, after)] {
        for i in 1..=6_i64 {
            let finished =
                chrono::DateTime::parse_from_rfc3339(&format!("2026-{month:02}-{:02}T12:00:00Z", 10 + i)).unwrap();
            let written = (finished - chrono::TimeDelta::minutes(hours * 60 + i)).to_rfc3339();
            let mut event = deployment(format!("{service}-{month}-{i}"), finished.to_rfc3339());
            event["changes"] =
                json!([{"id": format!("{service}-c{month}-{i}"), "authored_at": written, "committed_at": written}]);
            events.push(event);
        }
    }
    events
}

#[test]
fn services_that_got_slower_are_found_the_worst_first() {
    let services = [("slow", 1, 10), ("slower", 1, 30), ("same", 5, 5), ("faster", 9, 2)];
    let events: Vec<Value> = services.iter().flat_map(|(name, before, after)| twelve(name, *before, *after)).collect();
    let (server, _folder) = serve(&events);
    let april = "from=2026-04-01&to=2026-05-01";
    let answer = server.json(&format!("/api/v1/regressions?{april}"));
    let rows = answer["data"].as_array().unwrap();
    let told: Vec<(&str, f64)> =
        rows.iter().map(|r| (r["service"].as_str().unwrap(), r["shift"].as_f64().unwrap())).collect();
    assert_eq!(told, [("slower", 29.0 * 3600.0), ("slow", 9.0 * 3600.0)], "{answer}");
    let slow = &rows[1];
    assert_eq!(
        (&slow["n"], &slow["previous_n"], &slow["verdict"]),
        (&json!(6), &json!(6), &json!("worse")),
        "{answer}"
    );
    // Three and a half minutes over ten hours, and over one.
    assert_eq!((&slow["value"], &slow["previous_value"]), (&json!(36_210.0), &json!(3_810.0)), "{answer}");
    // All of six above all of six: two of 924 orders.
    assert!((slow["p_value"].as_f64().unwrap() - 2.0 / 924.0).abs() < 1e-9, "{answer}");
    assert_eq!((&answer["meta"]["n_services"], &answer["meta"]["n_slower"]), (&json!(4), &json!(2)), "{answer}");
    let one = server.json(&format!("/api/v1/regressions?limit=1&{april}"));
    assert_eq!(one["data"].as_array().unwrap().len(), 1, "{one}");
}

#[test]
fn a_repository_in_which_services_live_is_no_service_whatever_came_first() {
    let change =
        |id: &str, at: &str| json!({"type": "change", "id": id, "repository": "acme/shop", "committed_at": at});
    let (server, _folder) = serve(&[change("c1", "2026-05-01T08:00:00Z"), change("c2", "2026-05-02T08:00:00Z")]);
    let named = || {
        let rows = server.rows(&format!("/api/v1/metrics/change-lead-time?group_by=service&bucket=all&{MAY}"));
        rows.iter().map(|row| row["service"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named(), ["shop"], "of a repository that is all that is known");
    let deployment = |id: &str, at: &str| {
        json!({"type": "deployment", "id": id, "service": "api", "repository": "acme/shop", "environment": "production",
            "status": "success", "finished_at": at})
    };
    server.tell(&json!([deployment("d1", "2026-05-01T09:00:00Z"), deployment("d2", "2026-05-03T09:00:00Z")]));
    server.wait_until_settled();
    assert_eq!(named(), ["api"], "its changes are those of the service that lives there");
}

#[test]
fn what_a_packs_value_is_the_median_of_is_compared() {
    // Seven days with a deployment each, then one day with fourteen: more of them, on fewer days.
    let deployment = |id: usize, at: String| {
        json!({"type": "deployment", "id": format!("d{id}"), "service": "checkout", "environment": "production",
            "status": "success", "finished_at": at})
    };
    let daily = (0..7).map(|day| deployment(day, format!("2026-05-{:02}T09:00:00Z", 4 + day)));
    let at_once = (0..14).map(|hour| deployment(7 + hour, format!("2026-05-12T{:02}:00:00Z", 5 + hour)));
    let (server, _folder) = serve(&daily.chain(at_once).collect::<Vec<Value>>());
    let week = "/api/v1/metrics/deployment-frequency?from=2026-05-11&to=2026-05-18&bucket=all&compare=previous";
    let of = |pack: &str| server.json(&format!("{week}&pack={pack}"))["data"][0].clone();
    let (counted, days) = (of("dora-2025"), of("devlake"));
    assert_eq!(
        (&counted["value"], &counted["previous_value"], &counted["shift"]),
        (&json!(14), &json!(7), &json!(1.0))
    );
    assert_eq!((&days["value"], &days["previous_value"], &days["shift"]), (&json!(1.0), &json!(7.0), &json!(-6.0)));
    assert_ne!(days["verdict"], "better", "{days}");
}
