//! What senders of events can rely on.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::LazyLock;

use dorado_lake::{Change, Deployment, Fact, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

const DEPLOYMENT: &str = r#"{"type":"deployment","id":"d1","service":"checkout","finished_at":"2026-01-02T03:04:05Z"}"#;

fn problem_of(event: &str) -> String {
    let parsed = parse(event.as_bytes(), None).unwrap();
    assert_eq!(parsed.n_accepted, 0, "taken: {event}");
    assert!(parsed.accepted.is_empty(), "facts of a rejected event: {event}");
    parsed.rejected[0].to_string()
}

fn deployment(event: &serde_json::Value) -> Deployment {
    let parsed = parse(event.to_string().as_bytes(), None).unwrap();
    assert_eq!(parsed.rejected, []);
    match parsed.accepted.into_iter().next_back() {
        Some(Fact::Deployment(deployment)) => deployment,
        other => unreachable!("not a deployment: {other:?}"),
    }
}

#[test]
fn one_object_an_array_and_lines_say_the_same() {
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(DEPLOYMENT).unwrap()).unwrap();
    let one = parse(DEPLOYMENT.as_bytes(), None).unwrap();
    assert_eq!(one.n_accepted, 1);
    for body in [pretty, format!("[{DEPLOYMENT}]"), format!("\n \n{DEPLOYMENT}\r\n\n"), format!("\u{feff}{DEPLOYMENT}")]
    {
        assert_eq!(parse(body.as_bytes(), None).unwrap(), one, "{body}");
    }
    let lines = parse(format!("{DEPLOYMENT}\n\n{DEPLOYMENT}\n").as_bytes(), None).unwrap();
    assert_eq!((lines.n_accepted, lines.accepted.len()), (2, 2));
    assert_eq!(parse(DEPLOYMENT.as_bytes(), Some("application/x-ndjson")).unwrap(), one);
}

#[test]
fn a_broken_line_rejects_only_itself() {
    for broken in [r#"{"type":"deployment","id":"d2""#, "nonsense", "[1,2]", r#"{"type":"deployment","#] {
        for body in [format!("{broken}\n{DEPLOYMENT}\n"), format!("{DEPLOYMENT}\n{broken}\n{DEPLOYMENT}")] {
            let parsed = parse(body.as_bytes(), Some("application/x-ndjson")).unwrap();
            assert_eq!(parsed.rejected.len(), 1, "{body}: {:?}", parsed.rejected);
            assert_eq!(parsed.rejected[0].index, usize::from(body.starts_with(DEPLOYMENT)));
        }
    }
    let seen = parse(format!("{DEPLOYMENT}\n{{\"type\":\n{DEPLOYMENT}").as_bytes(), None).unwrap();
    assert_eq!((seen.n_accepted, seen.rejected.len()), (2, 1));
}

#[test]
fn an_array_is_taken_event_by_event() {
    let body = format!(r#"[{DEPLOYMENT}, 7, {{"type":"incident","id":"i1"}}, {DEPLOYMENT}]"#);
    let parsed = parse(body.as_bytes(), None).unwrap();
    assert_eq!(parsed.n_accepted, 2);
    let said: Vec<String> = parsed.rejected.iter().map(ToString::to_string).collect();
    assert_eq!(said, ["events[1]: is not a JSON object", "events[2].opened_at: is missing"]);
    assert_eq!(parsed.rejected[1].r#type.as_deref(), Some("incident"));
    assert_eq!(parsed.rejected[1].id.as_deref(), Some("i1"));
}

#[test]
fn a_body_without_events_is_an_error() {
    for body in ["", " \n ", "[{", "[1] 2"] {
        assert!(parse(body.as_bytes(), None).is_err(), "{body}");
    }
    assert_eq!(parse(b"[]", None).unwrap().n_accepted, 0);
}

#[test]
fn a_problem_names_the_place_and_what_would_have_been_right() {
    let with = |extra: &str| problem_of(&DEPLOYMENT.replace(r#""id":"d1""#, &format!(r#""id":"d1",{extra}"#)));
    assert_eq!(
        with(r#""started_at":"2026-01-02T03:04:05""#),
        "events[0].started_at: `2026-01-02T03:04:05` has no offset; write 2026-01-02T03:04:05Z or 2026-01-02T03:04:05+01:00"
    );
    assert_eq!(with(r#""enviroment":"x""#), "events[0].enviroment: is not a known field; did you mean `environment`?");
    assert!(with(r#""zzzzzzzzzz":1"#).contains("`service`"), "no field near: all are named");
    assert_eq!(
        with(r#""started_at":"2026-01-02T03:04:06Z""#),
        "events[0].finished_at: `2026-01-02T03:04:05Z` is before `started_at`, which is `2026-01-02T03:04:06Z`"
    );
    assert!(with(r#""status":"shiny""#).contains("write success, failed, cancelled, running or pending"));
    assert_eq!(with(r#""version":"""#), "events[0].version: is empty");
    assert!(with(r#""started_at":1767322800"#).starts_with("events[0].started_at: invalid type: integer"));
    assert!(with(r#""service":"again""#).contains("duplicate field `service`"));
    assert_eq!(
        with(r#""changes":["a",{"id":"b","committed_at":"2026-01-02"}]"#),
        "events[0].changes[1].committed_at: `2026-01-02` has no time of day and no offset; write 2026-01-02T00:00:00Z"
    );
    assert_eq!(
        with(r#""changes":[{"id":"b"}]"#),
        "events[0].changes[0].committed_at: is missing; write one of `authored_at`, `committed_at`, `merged_at`, `first_commit_at`"
    );
}

#[test]
fn what_a_record_must_hold_is_said() {
    assert!(problem_of(r#"{"id":"d"}"#).starts_with("events[0].type: is missing"));
    assert!(problem_of(r#"{"type":"deploy","id":"d"}"#).ends_with("write `deployment`"));
    assert!(problem_of(r#"{"type":3,"id":"d"}"#).starts_with("events[0].type: is not text"));
    assert!(
        problem_of(r#"{"type":"deployment","id":"d","service":"s"}"#).starts_with("events[0].finished_at: is missing")
    );
    assert!(
        problem_of(r#"{"type":"deployment","id":"d","finished_at":"2026-01-02T03:04:05Z"}"#)
            .contains("`service` or `repository`")
    );
    let long = format!(r#"{{"type":"incident","id":"{}","opened_at":"2026-01-02T03:04:05Z"}}"#, "é".repeat(513));
    assert!(problem_of(&long).contains("has 513 characters; at most 512"));
    assert!(problem_of(r#"{"type":"override","id":"o","verdict":"caused_by","incident":"i","author":"a","reason":"r","decided_at":"2026-01-02T03:04:05Z"}"#)
        .starts_with("events[0].deployment: is missing"));
    assert!(
        problem_of(
            r#"{"type":"incident","id":"i","opened_at":"2026-01-02T03:04:05Z","resolved_at":"2026-01-02T03:04:04Z"}"#
        )
        .contains("is before `opened_at`")
    );
    assert!(problem_of(r#"{"type":"change","id":"c","service":"s"}"#).contains("write one of `authored_at`"));
}

#[test]
fn a_body_that_nests_too_deep_is_refused_before_it_is_parsed() {
    let deep = format!(r#"{{"type":"deployment","id":{}1{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(problem_of(&deep).contains("nests deeper than 64 levels"));
    assert!(parse("[".repeat(1_000_000).as_bytes(), None).is_err());
}

#[test]
fn defaults_and_other_names_are_taken() {
    let sha = "ABCDEF0123ABCDEF0123ABCDEF0123ABCDEF0123";
    let read = deployment(&json!({
        "type": "deployment", "id": 7, "service": "checkout", "commit_sha": sha, "status": "Failure",
        "finished_at": "2026-01-02T03:04:05+01:00", "pull_requests": [1, "2"], "version": null, "title": "one\ntwo",
    }));
    assert_eq!(read.id, "7");
    assert_eq!(read.source, "events");
    assert_eq!(read.environment, "production");
    assert_eq!(read.status, Status::Failed);
    assert_eq!(read.revision, Some(sha.to_lowercase()));
    assert_eq!(read.pull_requests, Some(vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!(read.title.as_deref(), Some("one"));
    assert_eq!(read.finished_at.unwrap().to_rfc3339(), "2026-01-02T02:04:05+00:00");
}

#[test]
fn rolls_back_and_repairs_set_their_flags() {
    let with = |field: &str, value: serde_json::Value| {
        let mut event: serde_json::Value = serde_json::from_str(DEPLOYMENT).unwrap();
        event[field] = value;
        let d = deployment(&event);
        (d.is_rollback, d.is_hotfix, d.is_unplanned, d.repairs)
    };
    assert_eq!(with("rolls_back", json!("d0")), (true, false, false, Some("d0".to_owned())));
    assert_eq!(with("repairs", json!(3)), (false, true, false, Some("3".to_owned())));
    assert_eq!(with("kind", json!("rollback")), (true, false, false, None));
    assert_eq!(with("kind", json!("hotfix")), (false, true, false, None));
    assert_eq!(with("kind", json!("planned")), (false, false, false, None));
    assert_eq!(with("unplanned", json!(true)), (false, false, true, None));
}

#[test]
fn changes_given_whole_become_facts_of_the_deployments_service() {
    let body = json!({
        "type": "deployment", "id": "d", "service": "checkout", "source": "spinnaker", "finished_at": "2026-01-02T03:04:05Z",
        "changes": ["c1", {"id": "c2", "authored_at": "2026-01-01T00:00:00Z"}],
    });
    let parsed = parse(body.to_string().as_bytes(), None).unwrap();
    let [Fact::Change(Change { id, service, source, .. }), Fact::Deployment(d)] = &parsed.accepted[..] else {
        unreachable!("{parsed:?}");
    };
    assert_eq!((id.as_str(), service.as_deref(), source.as_str()), ("c2", Some("checkout"), "events/spinnaker"));
    assert_eq!(d.changes, Some(vec!["c1".to_owned(), "c2".to_owned()]));
    assert_eq!(d.source, "events/spinnaker");
}

#[test]
fn a_change_may_tell_its_pull_request_and_its_deployment() {
    let body = r#"{"type":"change","sha":"c1","service":"checkout","merged_at":"2026-01-02T03:04:05Z","opened_at":"2026-01-01T00:00:00Z","deployment":9}"#;
    let parsed = parse(body.as_bytes(), None).unwrap();
    let [Fact::PullRequest(pr), Fact::Change(change)] = &parsed.accepted[..] else {
        unreachable!("{parsed:?}");
    };
    assert_eq!((pr.id.as_str(), pr.merge_commit.as_deref(), &pr.commits), ("c1", Some("c1"), &None));
    assert_eq!((change.pull_request.as_deref(), change.deployment.as_deref()), (Some("c1"), Some("9")));
}

#[test]
fn translating_a_delivery_gives_what_was_accepted() {
    let delivery = |body: &str| Delivery {
        source: NAME.to_owned(),
        connection: "eu".to_owned(),
        id: "1".to_owned(),
        headers: Vec::new(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        received_at: dorado_lake::Instant::UNIX_EPOCH,
    };
    let facts = Events.translate(&delivery(&format!("[{DEPLOYMENT},1]"))).unwrap();
    assert!(matches!(&facts[..], [Fact::Deployment(d)] if d.source == "events/eu"));
    assert_eq!(Events.translate(&delivery("[1]")).unwrap_err().to_string(), "events[0]: is not a JSON object");
}

#[test]
fn every_field_of_the_schema_is_described_and_every_alias_is_parsed() {
    let schema = schema();
    let mut n_fields = 0;
    for event in schema["oneOf"].as_array().unwrap().iter().chain(schema["$defs"].as_object().unwrap().values()) {
        for (field, of) in event["properties"].as_object().into_iter().flatten() {
            n_fields += 1;
            assert!(
                of["description"].as_str().is_some_and(|d| d.len() > 5),
                "{field} of {} is not described",
                event["title"]
            );
        }
    }
    assert!(n_fields > 90, "{n_fields}");
    for event in schema["oneOf"].as_array().unwrap() {
        for field in event["properties"].as_object().unwrap().keys() {
            let body = json!({"type": event["title"], field: null}).to_string();
            let parsed = parse(body.as_bytes(), None).unwrap();
            assert!(!parsed.rejected.iter().any(|r| r.problem.contains("not a known field")), "{body}: {parsed:?}");
        }
    }
}

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| jsonschema::validator_for(&schema()).unwrap());

/// An event with any of the fields that need one another: there, null or missing.
fn some_event() -> impl Strategy<Value = Value> {
    let value = |field: &str| match field {
        "status" => prop_oneof![Just(json!("running")), Just(json!("failed")), Just(json!("queued"))].boxed(),
        "verdict" => {
            prop::sample::select(vec!["failed", "caused_by", "not_caused", "withdrawn"]).prop_map(Into::into).boxed()
        }
        "changes" => Just(json!([{"sha": "c1", "merged_at": "2026-01-02T03:04:05Z"}, "c2"])).boxed(),
        at if at.ends_with("_at") => Just(json!("2026-01-02T03:04:05Z")).boxed(),
        _ => Just(json!("x")).boxed(),
    };
    let fields: [(&str, &[&str]); 5] = [
        (
            "deployment",
            &[
                "id",
                "service",
                "repository",
                "status",
                "started_at",
                "finished_at",
                "updated_at",
                "deleted_at",
                "changes",
            ],
        ),
        (
            "change",
            &[
                "id",
                "sha",
                "service",
                "repository",
                "authored_at",
                "author_at",
                "committed_at",
                "merged_at",
                "updated_at",
            ],
        ),
        ("pull_request", &["id", "service", "repository", "opened_at", "approved_at", "closed_at", "first_commit_at"]),
        ("incident", &["id", "opened_at", "resolved_at", "deleted_at", "service"]),
        ("override", &["id", "verdict", "deployment", "incident", "author", "reason", "decided_at"]),
    ];
    prop::sample::select(fields.to_vec()).prop_flat_map(move |(kind, fields)| {
        let one = |field: &'static str| {
            let there = value(field).prop_map(move |value| Some((field.to_owned(), value)));
            prop_oneof![6 => there, 1 => Just(Some((field.to_owned(), Value::Null))), 3 => Just(None)]
        };
        let all: Vec<_> = fields.iter().copied().map(one).collect();
        all.prop_map(move |fields| {
            let event = [("type".to_owned(), json!(kind))].into_iter().chain(fields.into_iter().flatten());
            Value::Object(event.collect())
        })
    })
}

/// Bodies as a sender might make them: good lines, broken ones and repeats.
fn some_lines() -> impl Strategy<Value = Vec<String>> {
    let time =
        (0..200_000_i64).prop_map(|s| chrono::DateTime::from_timestamp(1_760_000_000 + s, 0).unwrap().to_rfc3339());
    let line = (0..5_u8, 0..9_u8, time).prop_map(|(kind, id, time)| match kind {
        0 => json!({"type": "deployment", "id": id, "service": "s", "finished_at": time}).to_string(),
        1 => json!({"type": "change", "id": id, "service": "s", "committed_at": time, "opened_at": time}).to_string(),
        2 => json!({"type": "incident", "id": id, "service": "s", "opened_at": time}).to_string(),
        3 => json!({"type": "incident", "id": id, "opened": time}).to_string(),
        _ => format!("{{\"type\": {id}"),
    });
    prop::collection::vec(line, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn an_event_is_accepted_where_the_schema_says_so_and_nowhere_else(event in some_event()) {
        let parsed = parse(event.to_string().as_bytes(), None).unwrap();
        let says_the_schema = SCHEMA.is_valid(&event);
        prop_assert_eq!(parsed.rejected.is_empty(), says_the_schema, "{} {:?}", event, parsed.rejected);
    }
}

proptest! {
    #[test]
    fn splitting_and_permuting_lines_changes_no_fact(lines in some_lines(), cut in 0..30_usize, seed in any::<u64>()) {
        let facts_of = |lines: &[String]| {
            let body = lines.join("\n");
            let parsed = if lines.is_empty() { None } else { parse(body.as_bytes(), Some("application/x-ndjson")).ok() };
            let parsed = parsed.unwrap_or_default();
            let facts: Vec<String> = parsed.accepted.iter().map(|f| serde_json::to_string(f).unwrap()).collect();
            (facts, parsed.rejected.len())
        };
        let (mut whole, n_rejected) = facts_of(&lines);
        let (left, right) = lines.split_at(cut.min(lines.len()));
        let ((mut split, n_left), (rest, n_right)) = (facts_of(left), facts_of(right));
        split.extend(rest);
        prop_assert_eq!(&split, &whole);
        prop_assert_eq!(n_left + n_right, n_rejected);

        let mut permuted = lines.clone();
        permuted.sort_by_key(|line| {
            use std::hash::{DefaultHasher, Hash as _, Hasher as _};
            let mut hasher = DefaultHasher::new();
            (seed, line).hash(&mut hasher);
            hasher.finish()
        });
        let (mut other, _) = facts_of(&permuted);
        other.sort_unstable();
        whole.sort_unstable();
        prop_assert_eq!(other, whole);
    }
}
