//! Neutral events through the real server: what is taken, what is refused and how that is said, and how soon it counts.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::Write as _;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Answer, Serving};

const JSON: (&str, &str) = ("content-type", "application/json");
const EVENTS: &str = "/api/v1/events";
const MIB: usize = 1 << 20;

struct Bench {
    server: Serving,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { server: Serving::start(&folder.path().join("lake")), _folder: folder }
    }

    fn post(&self, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        self.server.post(EVENTS, headers, body)
    }

    fn ids(&self) -> Vec<String> {
        self.server.wait_until_settled();
        let rows = self.server.rows("/api/v1/deployments?limit=1000");
        let mut ids: Vec<String> = rows.iter().map(|row| row["deployment"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    }
}

fn deployment(id: &str) -> Value {
    json!({"type": "deployment", "id": id, "service": "checkout", "finished_at": "2026-05-10T08:06:00Z"})
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn each_wrong_event_is_named_and_the_others_are_kept() {
    let bench = Bench::new();
    let with = |id: &str, field: &str, value: Value| {
        let mut event = deployment(id);
        event[field] = value;
        event
    };
    let batch = json!([
        deployment("right-1"),
        with("no-offset", "finished_at", json!("2026-05-10T08:06:00")),
        with("misspelt", "finished", json!("2026-05-10T08:06:00Z")),
        {"type": "deploy", "id": "unknown-type"},
        {"type": "deployment", "service": "checkout", "finished_at": "2026-05-10T08:06:00Z"},
        7,
        with("in-a-list", "changes", json!([{"id": "c1", "committed_at": "2026-05-10T08:06:00Z"}, {"id": "c2", "committed_at": "today"}])),
        deployment("right-2"),
    ]);
    let answer = bench.post(&[JSON], batch.to_string()).json(202);
    assert_eq!(answer["accepted"], 2, "{answer}");
    let rejected = answer["rejected"].as_array().unwrap();
    let said: Vec<(u64, Option<&str>, Option<&str>)> =
        rejected.iter().map(|r| (r["index"].as_u64().unwrap(), r["id"].as_str(), r["field"].as_str())).collect();
    let expected = [
        (1, Some("no-offset"), Some("finished_at")),
        (2, Some("misspelt"), Some("finished")),
        (3, Some("unknown-type"), Some("type")),
        (4, None, Some("id")),
        (5, None, None),
        (6, Some("in-a-list"), Some("changes[1].committed_at")),
    ];
    assert_eq!(said, expected, "{answer}");
    let problem = |n: usize| rejected[n]["problem"].as_str().unwrap();
    assert!(problem(0).contains("no offset"), "{}", problem(0));
    assert!(problem(0).contains("2026-05-10T08:06:00Z"), "it should say what would be right: {}", problem(0));
    assert!(problem(1).contains("did you mean `finished_at`"), "{}", problem(1));
    assert_eq!(bench.ids(), ["right-1", "right-2"]);
}

#[test]
fn events_come_as_one_object_an_array_lines_or_gzip_of_these() {
    let bench = Bench::new();
    let lines = format!("{}\n\n{}\r\n", deployment("line-1"), deployment("line-2"));
    let array = json!([deployment("array-1"), deployment("array-2")]).to_string();
    for (headers, body, n) in [
        (vec![JSON], deployment("object").to_string().into_bytes(), 1),
        (vec![JSON], array.clone().into_bytes(), 2),
        (vec![("content-type", "application/x-ndjson")], lines.clone().into_bytes(), 2),
        (vec![], deployment("untyped").to_string().into_bytes(), 1),
        (vec![JSON, ("content-encoding", "gzip")], gzip(deployment("packed-object").to_string().as_bytes()), 1),
        (vec![("content-type", "application/gzip")], gzip(array.replace("array", "packed-array").as_bytes()), 2),
        (
            vec![("content-type", "application/x-ndjson"), ("content-encoding", "gzip")],
            gzip(lines.replace("line", "packed-line").as_bytes()),
            2,
        ),
    ] {
        let answer = bench.post(&headers, body).json(202);
        assert_eq!((&answer["accepted"], &answer["rejected"]), (&json!(n), &json!([])), "{headers:?}");
    }
    assert_eq!(bench.ids().len(), 11);
}

#[test]
fn a_body_in_which_no_event_is_right_is_a_problem_that_lists_them() {
    let bench = Bench::new();
    let problem = bench.post(&[JSON], r#"[{"type": "deployment", "id": "d"}]"#).problem(422);
    assert_eq!(problem["rejected"][0]["index"], 0, "{problem}");
    assert!(problem["rejected"][0]["field"].is_string(), "{problem}");
    for body in ["", "[", "not json", "[{]"] {
        bench.post(&[JSON], body).problem(422);
    }
    assert!(bench.ids().is_empty());
}

/// An event followed by blanks, of this many bytes.
fn padded(length: usize) -> String {
    let event = deployment("padded").to_string();
    format!("{event}{}", " ".repeat(length - event.len()))
}

#[test]
fn who_sends_too_much_is_told_so_before_the_connection_ends() {
    let bench = Bench::new();
    for length in [5 * MIB + 1, 8 * MIB] {
        let problem = bench.post(&[JSON], padded(length)).problem(413);
        assert!(problem["expected"].as_str().unwrap().contains("5.0 MiB"), "{problem}");
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let bench = Bench::new();
    assert_eq!(bench.post(&[JSON], padded(5 * MIB)).status, 202, "5 MiB are within the limit");
    let bomb = gzip(padded(64 * MIB).as_bytes());
    assert!(bomb.len() < MIB, "{}", bomb.len());
    let problem = bench.post(&[JSON, ("content-encoding", "gzip")], bomb).problem(413);
    assert!(problem["expected"].as_str().unwrap().contains("20.0 MiB"), "{problem}");
    let within = gzip(padded(19 * MIB).as_bytes());
    assert_eq!(bench.post(&[JSON, ("content-encoding", "gzip")], within).status, 202);

    // The event itself is one level, of 64 that there may be.
    let deep = |n: usize| {
        let (open, close) = ("[".repeat(n - 1), "]".repeat(n - 1));
        deployment("deep").to_string().replace("\"checkout\"", &format!("{open}{close}"))
    };
    let at_the_limit = bench.post(&[JSON], deep(64)).problem(422);
    assert!(!at_the_limit["rejected"][0]["problem"].as_str().unwrap().contains("nested"), "{at_the_limit}");
    let too_deep = bench.post(&[JSON], deep(65)).problem(422);
    let said = too_deep.to_string();
    assert!(said.contains("64"), "it should name the limit: {said}");
}

#[test]
fn an_event_counts_within_two_seconds() {
    let bench = Bench::new();
    let metric = "/api/v1/metrics/deployment-frequency?from=2026-05-01&to=2026-06-01&bucket=all";
    // Of several, because this machine may have other things to do.
    let times = (1..=8).map(|n| {
        bench.server.tell(&deployment(&format!("d{n}")));
        bench.server.time_until(metric, |answer| answer["data"][0]["value"] == n)
    });
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    assert!(times[2] < Duration::from_secs(2), "{times:?}");
}

#[test]
fn a_server_that_says_that_all_is_settled_shows_all() {
    let bench = Bench::new();
    for n in 1..=40 {
        bench.server.tell(&deployment(&format!("d{n}")));
        while !bench.server.is_settled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        let listed = bench.server.json("/api/v1/deployments?limit=100")["data"].as_array().unwrap().len();
        assert_eq!(listed, n, "`/readyz` says that nothing waits, and the last deployment is not listed");
    }
}

#[test]
fn every_error_is_a_problem_that_says_what_would_be_right() {
    let bench = Bench::new();
    let get = |path: &str| bench.server.get(path);
    get("/api/v1/nowhere").problem(404);
    get("/nowhere").problem(404);
    let metric = get("/api/v1/metrics/mttr").problem(404);
    assert!(metric["expected"].as_str().unwrap().contains("failed-deployment-recovery-time"), "{metric}");

    let method = bench.server.send("DELETE", EVENTS, &[], Vec::new());
    method.problem(405);
    assert_eq!(method.header("allow"), "POST");
    let media = bench.post(&[("content-type", "application/xml")], "<event/>").problem(415);
    assert_eq!((&media["parameter"], &media["value"]), (&json!("Content-Type"), &json!("application/xml")));
    assert!(media["expected"].as_str().unwrap().contains("application/json"), "{media}");

    for (query, parameter, value) in [
        ("bucket=fortnight", "bucket", "fortnight"),
        ("tz=Mars/Olympus", "tz", "Mars/Olympus"),
        ("from=2026-01-01T00:00:00", "from", "2026-01-01T00:00:00"),
        ("from=2026-02-01&to=2026-01-01", "from", "2026-02-01"),
        ("pack=mine", "pack", "mine"),
        ("group_by=person", "group_by", "person"),
        ("colour=red", "colour", "red"),
    ] {
        let problem = get(&format!("/api/v1/metrics/change-lead-time?{query}")).problem(422);
        assert_eq!((&problem["parameter"], &problem["value"]), (&json!(parameter), &json!(value)), "{problem}");
        assert!(problem["expected"].as_str().is_some_and(|text| !text.is_empty()), "{problem}");
    }
}

#[test]
fn an_answer_that_has_not_changed_is_not_sent_again() {
    let bench = Bench::new();
    bench.server.tell(&deployment("d1"));
    bench.server.wait_until_settled();
    for path in [
        "/api/v1/metrics/deployment-frequency?from=2026-05-01&to=2026-06-01",
        "/api/v1/summary?from=2026-05-01&to=2026-06-01",
        "/api/v1/deployments?from=2026-05-01&to=2026-06-01",
        "/api/v1/metrics",
    ] {
        let first = bench.server.get(path);
        let tag = first.header("etag").to_owned();
        assert!(!tag.is_empty(), "{path}");
        let again = bench.server.send("GET", path, &[("if-none-match", &tag)], Vec::new());
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.header("etag"), tag);
        let another = bench.server.send("GET", path, &[("if-none-match", "\"another\"")], Vec::new());
        assert_eq!((another.status, &another.body), (200, &first.body), "{path}");
    }
    let path = "/api/v1/metrics/deployment-frequency?from=2026-05-01&to=2026-06-01";
    let tag = bench.server.get(path).header("etag").to_owned();
    bench.server.tell(&deployment("d2"));
    bench.server.wait_until_settled();
    let changed = bench.server.send("GET", path, &[("if-none-match", &tag)], Vec::new());
    assert_eq!(changed.status, 200, "what was asked for has changed");
}

#[test]
fn an_instant_may_be_a_date_a_time_or_a_number() {
    let bench = Bench::new();
    bench.server.tell(&deployment("d1"));
    bench.server.wait_until_settled();
    let ask = |from: &str, to: &str| {
        let path = format!("/api/v1/metrics/deployment-frequency?from={from}&to={to}&bucket=day");
        bench.server.json(&path)["data"].clone()
    };
    let expected = ask("2026-05-10", "2026-05-12");
    assert_eq!(expected[0]["value"], 1);
    assert_eq!(expected.as_array().unwrap().len(), 2);
    for (from, to) in [
        ("2026-05-10T00:00:00Z", "2026-05-12T00:00:00Z"),
        ("2026-05-10T02:00:00%2B02:00", "2026-05-12T02:00:00+02:00"),
        ("1778371200", "1778544000"),
        ("1778371200000", "1778544000000"),
        ("1778371200", "2026-05-12"),
    ] {
        assert_eq!(ask(from, to), expected, "from={from}&to={to}");
    }
}

#[test]
fn buckets_bear_the_offset_of_their_own_day() {
    let bench = Bench::new();
    let times = |query: &str| -> Vec<String> {
        let answer = bench.server.json(&format!("/api/v1/metrics/deployment-frequency?{query}"));
        let rows = answer["data"].as_array().unwrap();
        rows.iter().map(|row| row["time"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        times("from=2026-03-28&to=2026-03-31&bucket=day&tz=Europe/Berlin"),
        ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"]
    );
    assert_eq!(
        times("from=2026-10-24&to=2026-10-27&bucket=day&tz=Europe/Berlin"),
        ["2026-10-24T00:00:00+02:00", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"]
    );
    assert_eq!(
        times("from=2026-03-02&to=2026-03-16&bucket=week&tz=America/New_York"),
        ["2026-03-02T00:00:00-05:00", "2026-03-09T00:00:00-04:00"]
    );
    // Clocks go from midnight to one: the day begins at one.
    assert_eq!(
        times("from=2026-04-23&to=2026-04-25&bucket=day&tz=Africa/Cairo"),
        ["2026-04-23T00:00:00+02:00", "2026-04-24T01:00:00+03:00"]
    );
    assert_eq!(times("from=2026-01-01&to=2026-02-01&bucket=month&tz=Asia/Kolkata"), ["2026-01-01T00:00:00+05:30"]);
}

/// Each is told by itself, after what was told before it counts: what is deleted takes with it what hung on it, under
/// whatever name.
#[test]
fn what_is_deleted_is_in_no_list_and_no_number_also_after_a_restart() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("lake");
    let period = "from=2026-05-01&to=2026-06-01";
    let told = |server: &Serving| {
        server.wait_until_settled();
        let rows = server.rows(&format!("/api/v1/deployments?{period}&limit=100"));
        let deployments: Vec<String> = rows.iter().map(|row| row["deployment"].as_str().unwrap().to_owned()).collect();
        let incidents = server.rows(&format!("/api/v1/incidents?{period}&limit=100"));
        let blamed: Vec<Value> = incidents.iter().map(|row| row["deployment"].clone()).collect();
        let rate = server.json(&format!("/api/v1/metrics/change-fail-rate?{period}&bucket=all"));
        (deployments, blamed, rate["data"][0]["numerator"].clone(), rate["data"][0]["denominator"].clone())
    };
    let server = Serving::start(&data);
    let later = json!({
        "type": "deployment", "id": "d2", "service": "till", "version": "v2", "finished_at": "2026-05-12T08:00:00Z",
    });
    // Hit is one service, to blame is another one's deployment, by its version.
    let incident = json!({
        "type": "incident", "id": "i1", "opened_at": "2026-05-20T09:00:00Z", "resolved_at": "2026-05-20T10:00:00Z",
        "caused_by": "v2",
    });
    let names = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect::<Vec<_>>();
    for event in [deployment("d1"), later.clone(), incident] {
        server.tell(&event);
        server.wait_until_settled();
    }
    assert_eq!(told(&server), (names(&["d2", "d1"]), vec![json!("d2")], json!(1), json!(2)));
    server.tell(&json!({"type": "deployment", "id": "d2", "deleted_at": "2026-08-01T00:00:00Z"}));
    assert_eq!(told(&server), (names(&["d1"]), vec![Value::Null], json!(0), json!(1)));
    server.tell(&later);
    server.tell(&json!({"type": "incident", "id": "i1", "deleted_at": "2026-08-02T00:00:00Z"}));
    let gone = (names(&["d1"]), Vec::new(), json!(0), json!(1));
    assert_eq!(told(&server), gone);
    server.kill();
    let server = Serving::start(&data);
    assert_eq!(told(&server), gone);
    let again = json!({
        "type": "deployment", "id": "d2", "service": "till", "finished_at": "2026-05-12T08:00:00Z",
        "updated_at": "2026-08-03T00:00:00Z",
    });
    server.tell(&again);
    assert_eq!(told(&server), (names(&["d2", "d1"]), Vec::new(), json!(0), json!(2)));
}

#[test]
fn a_deployment_is_listed_in_the_month_in_which_it_ended_and_in_no_other() {
    let folder = TempDir::new().unwrap();
    let server = Serving::start(&folder.path().join("lake"));
    let began = json!({
        "type": "deployment", "id": "d1", "service": "till", "status": "running", "started_at": "2026-05-31T23:58:00Z",
    });
    // It began when the version before says.
    let ended = json!({"type": "deployment", "id": "d1", "service": "till", "finished_at": "2026-06-01T00:04:00Z"});
    server.tell(&json!([began, ended]));
    server.wait_until_settled();
    let listed = |period: &str| {
        let rows = server.rows(&format!("/api/v1/deployments?{period}&limit=100"));
        rows.iter().map(|row| row["status"].clone()).collect::<Vec<Value>>()
    };
    assert_eq!(listed("from=2026-06-01&to=2026-07-01"), [json!("success")]);
    assert_eq!(listed("from=2026-05-01&to=2026-06-01"), [json!(null); 0]);
}
