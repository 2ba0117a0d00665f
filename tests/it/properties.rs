//! What must hold of any history: the order, the number and the grouping of deliveries change no number;
//! services that share nothing add up; buckets and time zones move edges only; no rate exceeds one. And
//! the naive model and the real thing agree.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;

use crate::history::{Random, history};
use crate::server::Served;
use crate::subject::{History, Model, Subject, difference};

const METRICS: [&str; 6] = [
    "deployment-frequency",
    "change-lead-time",
    "change-fail-rate",
    "failed-deployment-recovery-time",
    "deployment-rework-rate",
    "stages",
];

/// Nine weeks in which Berlin's and not only Berlin's clocks change.
const PERIOD: &str = "from=2026-03-02&to=2026-05-04";

#[test]
fn deliveries_in_any_order_repeated_or_split_change_no_number_of_the_model() {
    assert_deliveries_do_not_matter(&mut Model::default(), 0..40);
}

#[test]
fn services_that_share_nothing_add_up_in_the_model() {
    assert_services_add_up(&mut Model::default(), 0..40);
}

#[test]
fn buckets_and_time_zones_move_edges_only_in_the_model() {
    assert_edges_only(&mut Model::default(), 0..10);
}

#[test]
fn deliveries_in_any_order_repeated_or_split_change_no_number_of_the_server() {
    assert_deliveries_do_not_matter(&mut Served::start(), 100..140);
}

#[test]
fn services_that_share_nothing_add_up_in_the_server() {
    assert_services_add_up(&mut Served::start(), 100..120);
}

#[test]
fn buckets_and_time_zones_move_edges_only_in_the_server() {
    assert_edges_only(&mut Served::start(), 100..104);
}

#[test]
fn the_server_agrees_with_the_model_on_random_histories() {
    assert_agrees(&mut Served::start(), 1000..1100);
}

/// A revert of what a person said did not fail; commits of a pull request on one of the same instant.
#[test]
fn the_server_agrees_with_the_model_on_histories_on_which_it_did_not() {
    assert_agrees(&mut Served::start(), 4010..4012);
}

/// By project every service that nobody owns is one, and the histories share a server: that pack has its tables only.
#[test]
fn the_server_agrees_with_the_model_under_other_definitions() {
    const DEFINITIONS: [&str; 9] = [
        "pack=gitlab",
        "pack=fourkeys",
        "pack=datadog",
        "first_deployment=all",
        "window_hours=40",
        "window_hours=none&recovery_start=earlier",
        "failure=revert,override&count_failed_attempts=true",
        "failure=incident&recovery_start=incident&window_hours=12",
        "unit=pull_request&start=first_commit&first_deployment=all",
    ];
    let mut served = Served::start();
    let seeds = 3000..3030;
    let histories: Vec<(u64, History)> = seeds.map(|seed| (seed, served.tell(&one_delivery(&history(seed))))).collect();
    assert_same(&mut served, &histories, |seed| {
        let definition = DEFINITIONS[seed as usize % DEFINITIONS.len()];
        questions(seed).into_iter().map(|question| format!("{question}&{definition}")).collect()
    });
}

#[test]
fn the_server_agrees_with_the_model_when_it_attributes_service_by_service() {
    assert_agrees(&mut Served::start_with("[limits]\nfacts_at_once = 1\n"), 1000..1016);
}

#[test]
fn the_server_agrees_with_the_model_after_a_restart() {
    let mut served = Served::start();
    let histories: Vec<(u64, History)> = (2000..2010).map(|seed| (seed, served.tell(&history(seed)))).collect();
    served.restart();
    assert_same_answers(&mut served, &histories);
}

#[test]
fn random_histories_meet_what_the_metrics_measure() {
    for (metric, key) in METRICS.into_iter().zip(["n", "n", "numerator", "n_open", "numerator"]) {
        let question = format!("{metric}?{PERIOD}&bucket=all");
        let met = |seed: &u64| counts(&Model::default().tell_and_ask(&history(*seed), &question), key)[0] > 0;
        let n_met = (0..40).filter(met).count();
        assert!(n_met > 15, "only {n_met} of 40 histories have a {key} of {metric}");
    }
}

/// Answers of a subject to random histories against the model's. A difference is made small first.
pub(crate) fn assert_agrees(subject: &mut impl Subject, seeds: std::ops::Range<u64>) {
    let histories: Vec<(u64, History)> =
        seeds.map(|seed| (seed, subject.tell(&one_delivery(&history(seed))))).collect();
    assert_same_answers(subject, &histories);
}

fn assert_same_answers(subject: &mut impl Subject, histories: &[(u64, History)]) {
    assert_same(subject, histories, questions);
}

fn assert_same(subject: &mut impl Subject, histories: &[(u64, History)], questions: impl Fn(u64) -> Vec<String>) {
    let mut wrong = Vec::new();
    for (seed, told) in histories {
        for question in questions(*seed) {
            let expected = Model::default().tell_and_ask(&history(*seed), &question);
            if let Some(problem) = difference(&expected, &subject.ask(*told, &question)) {
                wrong.push((*seed, question, problem));
            }
        }
    }
    let Some((seed, question, problem)) = wrong.first() else { return };
    let (events, small) = smallest(subject, history(*seed), question, problem);
    let list: Vec<String> =
        wrong.iter().take(40).map(|(seed, question, p)| format!("{seed} {question}: {p}")).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} answers differ:\n{}\n\nthe first, made small: {small}\n{question}\n{}\n",
        wrong.len(),
        histories.len() * METRICS.len(),
        list.join("\n"),
        events.join("\n")
    );
}

/// Leaves out events as long as the answers differ in the same way.
fn smallest(subject: &mut impl Subject, mut events: Vec<String>, question: &str, first: &str) -> (Vec<String>, String) {
    let mut problem = first.to_owned();
    let mut n_out = events.len() / 2;
    while n_out > 0 {
        let parts: Vec<Vec<String>> = events.chunks(n_out).map(<[String]>::to_vec).collect();
        let without = |out: &[usize]| -> Vec<String> {
            parts.iter().enumerate().filter(|(n, _)| !out.contains(n)).flat_map(|(_, part)| part.clone()).collect()
        };
        let fewer: Vec<Vec<String>> = (0..parts.len()).map(|n| without(&[n])).collect();
        let problems = problems(subject, &fewer, question);
        // Without a change the graph has a hole, and what differs then may be something else.
        let n_changes = |events: &[String]| events.iter().filter(|e| e.contains("\"type\":\"change\"")).count();
        let same = |left: &[String], found: &Option<String>| {
            let is_whole = n_changes(left) == n_changes(&events);
            found.as_ref().is_some_and(|p| *p == problem || (is_whole && is_same_kind(p, first)))
        };
        let needless: Vec<usize> = (0..parts.len()).filter(|n| same(&fewer[*n], &problems[*n])).collect();
        let Some(one) = needless.first() else {
            n_out /= 2;
            continue;
        };
        let all = without(&needless);
        let left = self::problems(subject, std::slice::from_ref(&all), question).remove(0);
        (events, problem) = if same(&all, &left) {
            (all, left.unwrap())
        } else {
            (fewer[*one].clone(), problems[*one].clone().unwrap())
        };
        n_out = n_out.min(events.len() / 2);
    }
    (events, problem)
}

/// Where the answers to each of several histories differ.
fn problems(subject: &mut impl Subject, histories: &[Vec<String>], question: &str) -> Vec<Option<String>> {
    let told: Vec<History> = histories.iter().map(|events| subject.tell(&one_delivery(events))).collect();
    let mut compare = |(events, told): (&Vec<String>, History)| {
        difference(&Model::default().tell_and_ask(events, question), &subject.ask(told, question))
    };
    histories.iter().zip(told).map(&mut compare).collect()
}

/// Whether two problems are about the same key.
fn is_same_kind(one: &str, other: &str) -> bool {
    let key = |problem: &str| problem.split("): ").nth(1).and_then(|p| p.split(' ').next()).map(str::to_owned);
    key(one) == key(other)
}

/// One question a metric, with a bucket and a time zone of the seed's choice.
fn questions(seed: u64) -> Vec<String> {
    let mut random = Random::new(!seed);
    let mut ask = |metric: &&str| {
        let bucket = ["day", "week", "month", "quarter", "year", "all"][random.below(6)];
        let tz = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"][random.below(4)];
        let period = match bucket {
            "day" | "week" | "all" => PERIOD,
            _ => "from=2026-01-01&to=2027-01-01",
        };
        format!("{metric}?{period}&bucket={bucket}&tz={tz}")
    };
    METRICS.iter().map(&mut ask).collect()
}

fn one_delivery(events: &[String]) -> Vec<String> {
    vec![events.join("\n")]
}

fn assert_deliveries_do_not_matter(subject: &mut impl Subject, seeds: std::ops::Range<u64>) {
    let mut told = Vec::new();
    for seed in seeds {
        let mut random = Random::new(seed + 7);
        let mut events = history(seed);
        let clean = subject.tell(&one_delivery(&events));
        let again: Vec<String> = events.iter().filter(|_| random.below(3) == 0).cloned().collect();
        events.extend(again);
        random.shuffle(&mut events);
        let split: Vec<String> = events.chunks(1 + random.below(20)).map(|chunk| chunk.join("\n")).collect();
        told.push((seed, clean, subject.tell(&split)));
    }
    for (seed, clean, split) in told {
        for question in questions(seed) {
            let (expected, actual) = (subject.ask(clean, &question), subject.ask(split, &question));
            let problem = difference(&expected, &actual);
            assert_eq!(problem, None, "seed {seed}: {question}");
        }
    }
}

fn assert_services_add_up(subject: &mut impl Subject, seeds: std::ops::Range<u64>) {
    let told: Vec<(u64, History)> = seeds.map(|seed| (seed, subject.tell(&one_delivery(&history(seed))))).collect();
    for (seed, told) in told {
        for metric in METRICS {
            let question = format!("{metric}?{PERIOD}&bucket=week");
            let together = subject.ask(told, &question);
            let apart = ["anchor", "beacon", "compass"]
                .into_iter()
                .filter(|service| history(seed).iter().any(|event| event.contains(&format!("\"{service}\""))))
                .map(|service| subject.ask(told, &format!("{question}&service={service}")))
                .collect::<Vec<Value>>();
            for key in ["n", "numerator", "denominator", "n_open"] {
                let sums: Vec<u64> = (0..counts(&together, key).len())
                    .map(|row| apart.iter().map(|answer| counts(answer, key)[row]).sum())
                    .collect();
                assert_eq!(counts(&together, key), sums, "seed {seed}: {key} of {question}");
            }
        }
    }
}

fn assert_edges_only(subject: &mut impl Subject, seeds: std::ops::Range<u64>) {
    let told: Vec<(u64, History)> = seeds.map(|seed| (seed, subject.tell(&one_delivery(&history(seed))))).collect();
    for (seed, told) in told {
        for metric in METRICS {
            for tz in ["UTC", "America/New_York", "Europe/Berlin"] {
                let whole = format!("{metric}?from=2026-03-02T00:00:00Z&to=2026-05-04T00:00:00Z&tz={tz}");
                let all = subject.ask(told, &format!("{whole}&bucket=all"));
                for bucket in ["day", "week", "month", "quarter", "year"] {
                    let rows = subject.ask(told, &format!("{whole}&bucket={bucket}"));
                    assert_same_totals(&all, &rows, &format!("seed {seed}: {whole} by {bucket}"));
                }
                let utc = subject.ask(told, &format!("{}&bucket=all", whole.replace(tz, "UTC")));
                assert_same_totals(&utc, &all, &format!("seed {seed}: {whole}"));
            }
        }
    }
}

fn assert_same_totals(all: &Value, rows: &Value, place: &str) {
    for key in ["n", "numerator", "denominator", "n_open"] {
        let total: u64 = counts(rows, key).iter().sum();
        assert_eq!(counts(all, key).iter().sum::<u64>(), total, "{key} of {place}");
    }
    for row in rows["data"].as_array().unwrap() {
        if let (Some(value), true) = (row["value"].as_f64(), place.contains("-rate?")) {
            assert!((0.0..=1.0).contains(&value), "a rate of {value} in {place}");
        }
    }
}

/// A count of each row; none where the metric has no such count.
fn counts(answer: &Value, key: &str) -> Vec<u64> {
    let rows = answer["data"].as_array().unwrap();
    rows.iter().filter_map(|row| row[key].as_u64()).collect()
}
