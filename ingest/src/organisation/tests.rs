//! What may be relied on of any organisation.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Datelike, TimeDelta};
use dorado_lake::{Change, Deployment, Fact, Incident, Instant, PullRequest, Status};
use sha2::{Digest, Sha256};

use super::{Organisation, Size};
use crate::source::events;

fn until() -> Instant {
    "2026-10-14T14:30:00Z".parse().unwrap()
}

#[derive(Default)]
struct Told {
    deployments: Vec<Deployment>,
    incidents: Vec<Incident>,
    changes: Vec<Change>,
    pull_requests: Vec<PullRequest>,
}

impl Told {
    fn by(organisation: &Organisation) -> Self {
        let mut told = Self::default();
        for fact in organisation.facts().flatten() {
            match fact {
                Fact::Deployment(d) => told.deployments.push(d),
                Fact::Incident(i) => told.incidents.push(i),
                Fact::Change(c) => told.changes.push(c),
                Fact::PullRequest(p) => told.pull_requests.push(p),
                Fact::Override(_) => unreachable!("nobody decides anything"),
            }
        }
        told
    }

    fn deployment(&self) -> HashMap<&str, &Deployment> {
        self.deployments.iter().map(|d| (d.id.as_str(), d)).collect()
    }
}

fn demo() -> Told {
    Told::by(&Organisation::new(Size::Demo, until(), 7))
}

fn reached_production(deployment: &Deployment) -> bool {
    deployment.environment == "production" && deployment.status == Status::Success
}

fn close_to(is: usize, due: usize) {
    assert!(is.abs_diff(due) * 100 <= due, "{is} is not within 1 % of {due}");
}

#[test]
fn the_same_seed_tells_the_same_bytes_and_another_seed_others() {
    let digest = |seed| {
        let mut bytes = Vec::new();
        Organisation::new(Size::Tiny, until(), seed).write_ndjson(&mut bytes).unwrap();
        hex::encode(Sha256::digest(&bytes))
    };
    assert_eq!(digest(7), digest(7));
    assert_eq!(digest(7), "47ff5168d90d42249813b5f4a395d7574397887693f1b88233e9abb83354a730");
    assert_ne!(digest(7), digest(8));
}

#[test]
fn the_events_written_state_the_facts_told() {
    for size in [Size::Tiny, Size::Demo] {
        let organisation = Organisation::new(size, until(), 7);
        let mut written = Vec::new();
        organisation.write_ndjson(&mut written).unwrap();
        let parsed = events::parse(&written, Some("application/x-ndjson")).unwrap();
        assert_eq!(parsed.rejected, []);
        let told: Vec<Fact> = organisation.facts().flatten().collect();
        assert_eq!(parsed.accepted.len(), told.len());
        assert!(parsed.accepted == told);
        assert_eq!(told.len() as u64, organisation.n_facts());
    }
}

#[test]
fn counts_are_those_of_the_size() {
    let organisation = Organisation::new(Size::S, until(), 7);
    close_to(organisation.n_deployments.iter().sum(), 100_000);
    close_to(organisation.n_changes.iter().sum(), 1_000_000);
    close_to(organisation.n_incidents.iter().sum(), 5_000);
    assert_eq!(organisation.services().len(), 2_000);
    assert_eq!(organisation.teams().iter().filter(|(_, parent)| parent.is_some()).count(), 300);
    assert_eq!(organisation.teams().iter().filter(|(_, parent)| parent.is_none()).count(), 25);

    let tiny = Told::by(&Organisation::new(Size::Tiny, until(), 7));
    close_to(tiny.deployments.len(), 1_000);
    close_to(tiny.changes.len(), 10_000);
    close_to(tiny.incidents.len(), 50);
}

#[test]
fn the_demo_is_as_large_as_a_real_department() {
    let told = demo();
    close_to(told.changes.len(), 45_000);
    close_to(told.incidents.len(), 450);
    let production = told.deployments.iter().filter(|d| d.environment == "production").count();
    assert!((5_700..6_300).contains(&production), "{production}");
    let named = told.incidents.iter().filter(|i| i.caused_by.is_some()).count() as f64 / 450.0;
    assert!((0.6..0.7).contains(&named), "{named}");
    let unreviewed = told.pull_requests.iter().filter(|p| p.first_review_at.is_none()).count() as f64 / 45_000.0;
    assert!((0.14..0.16).contains(&unreviewed), "{unreviewed}");
    let repairs = told.deployments.iter().filter(|d| d.repairs.is_some()).count() as f64 / production as f64;
    assert!((0.05..0.12).contains(&repairs), "{repairs}");
}

#[test]
fn instants_are_in_order_and_none_is_after_the_end() {
    for size in [Size::Tiny, Size::Demo] {
        let told = Told::by(&Organisation::new(size, until(), 7));
        for d in &told.deployments {
            assert!(d.started_at < d.finished_at && d.finished_at < Some(until()), "{d:?}");
        }
        for i in &told.incidents {
            assert!(i.opened_at < Some(until()) && i.resolved_at < Some(until()), "{i:?}");
            assert!(i.resolved_at.is_none_or(|at| Some(at) > i.opened_at && Some(at) >= i.acknowledged_at), "{i:?}");
        }
        for p in &told.pull_requests {
            let instants = [p.first_commit_at, p.opened_at, p.first_review_at, p.approved_at, p.merged_at];
            let known: Vec<Instant> = instants.into_iter().flatten().collect();
            assert!(known.is_sorted(), "{p:?}");
        }
        let deployments = told.deployment();
        for c in &told.changes {
            assert!(c.authored_at <= c.merged_at && c.merged_at < Some(until()), "{c:?}");
            let ships = c.deployment.as_deref().map(|id| deployments[id]);
            assert!(
                ships.is_none_or(|d| reached_production(d) && d.started_at >= c.merged_at && d.service == c.service)
            );
        }
        assert!(told.deployments.is_sorted_by_key(|d| d.finished_at));
        assert!(told.incidents.is_sorted_by_key(|i| i.opened_at));
        assert!(told.changes.is_sorted_by_key(|c| c.merged_at));
    }
}

#[test]
fn ids_are_unique_and_every_id_named_exists() {
    let told = demo();
    let deployments = told.deployment();
    let incidents: HashSet<&str> = told.incidents.iter().map(|i| i.id.as_str()).collect();
    let changes: HashSet<&str> = told.changes.iter().map(|c| c.id.as_str()).collect();
    let pull_requests: HashSet<&str> = told.pull_requests.iter().map(|p| p.id.as_str()).collect();
    assert_eq!(deployments.len(), told.deployments.len());
    assert_eq!(incidents.len(), told.incidents.len());
    assert_eq!(changes.len(), told.changes.len());
    assert_eq!(pull_requests.len(), told.pull_requests.len());
    for d in &told.deployments {
        assert!(d.repairs.as_deref().is_none_or(|id| deployments.contains_key(id)), "{d:?}");
        assert!(d.fixes_incident.as_deref().is_none_or(|id| incidents.contains(id)), "{d:?}");
    }
    assert!(told.incidents.iter().all(|i| i.caused_by.as_deref().is_none_or(|id| deployments.contains_key(id))));
    assert!(told.changes.iter().all(|c| pull_requests.contains(c.pull_request.as_deref().unwrap())));
    assert!(told.pull_requests.iter().all(|p| changes.contains(p.merge_commit.as_deref().unwrap())));
}

#[test]
fn a_rollback_goes_back_to_what_ran_before_the_deployment_that_it_names() {
    let told = demo();
    let deployments = told.deployment();
    let mut before: HashMap<&str, Option<&str>> = HashMap::new();
    let mut running: HashMap<&str, &str> = HashMap::new();
    let mut n_rollbacks = 0;
    for d in told.deployments.iter().filter(|d| reached_production(d)) {
        let service = d.service.as_deref().unwrap();
        if let Some(failed) = d.repairs.as_deref() {
            assert_eq!(deployments[failed].service, d.service);
            assert!(deployments[failed].finished_at < d.started_at, "{d:?}");
            assert!(d.is_rollback != d.is_hotfix);
            assert!(!d.is_rollback || before[failed] == d.revision.as_deref(), "{d:?}");
            n_rollbacks += usize::from(d.is_rollback);
        }
        before.insert(&d.id, running.insert(service, d.revision.as_deref().unwrap()));
    }
    assert!(n_rollbacks > 100, "{n_rollbacks}");
}

#[test]
fn a_revision_goes_to_dev_then_to_staging_then_to_production_and_waits_as_its_service_does() {
    let told = demo();
    let of = |environment: &str| -> HashMap<&str, &Deployment> {
        let there = told.deployments.iter().filter(|d| d.environment == environment);
        there.map(|d| (d.revision.as_deref().unwrap(), d)).collect()
    };
    let (dev, staging) = (of("dev"), of("staging"));
    let planned = told.deployments.iter().filter(|d| d.environment == "production" && d.repairs.is_none());
    let (mut n, mut climbed) = (0, 0);
    let mut waits: HashMap<&str, Vec<f64>> = HashMap::new();
    for d in planned {
        n += 1;
        let revision = d.revision.as_deref().unwrap();
        let (Some(first), Some(second)) = (dev.get(revision), staging.get(revision)) else { continue };
        climbed += 1;
        assert_eq!((&first.service, &second.service, &first.version), (&d.service, &d.service, &d.version));
        assert!(first.finished_at <= second.started_at && second.finished_at <= d.started_at, "{d:?}");
        let waited = (d.started_at.unwrap() - second.finished_at.unwrap()).as_seconds_f64();
        waits.entry(d.service.as_deref().unwrap()).or_default().push(waited);
    }
    assert!(climbed * 10 > n * 9, "{climbed} of {n}");
    let medians: HashMap<&str, f64> = waits.into_iter().map(|(service, waits)| (service, median(waits))).collect();
    let of = |service: &str| medians[service];
    assert!(medians.values().all(|wait| (600.0..8.0 * 86_400.0).contains(wait)), "{medians:?}");
    assert!(
        of("payments-api").min(of("card-vault")) > 3.0 * median(medians.values().copied().collect()),
        "{medians:?}"
    );
}

#[test]
fn weekends_and_holidays_are_quiet() {
    let told = demo();
    let on =
        |wanted: &dyn Fn(Instant) -> bool| told.changes.iter().filter(|c| wanted(c.merged_at.unwrap())).count() as f64;
    let weekday = |n: u32| on(&move |at: Instant| at.weekday().num_days_from_monday() == n);
    assert!(weekday(1) > weekday(4));
    assert!(weekday(5) + weekday(6) < weekday(4) / 3.0);
    let christmas = on(&|at: Instant| (at.month(), at.day()) == (12, 25));
    let before: Instant = "2025-12-11T00:00:00Z".parse().unwrap();
    let thursday = on(&|at: Instant| (TimeDelta::zero()..TimeDelta::days(1)).contains(&(at - before)));
    assert!(christmas < thursday / 5.0, "{christmas} {thursday}");
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn days_ago(days: i64) -> Instant {
    until() - TimeDelta::days(days)
}

#[test]
fn the_platform_halves_the_adopters_lead_time_and_fail_rate() {
    let organisation = Organisation::new(Size::Demo, until(), 7);
    let told = Told::by(&organisation);
    let adopters = ["checkout", "catalogue", "pricing"];
    let services: HashSet<String> =
        organisation.services().into_iter().filter(|s| adopters.contains(&s.team.as_str())).map(|s| s.name).collect();
    assert_eq!(services.len(), 8);
    let deployments = told.deployment();
    let lead = |from: Instant, to: Instant| {
        let lead = told.changes.iter().filter(|c| services.contains(c.service.as_deref().unwrap())).filter_map(|c| {
            let shipped = deployments[c.deployment.as_deref()?].finished_at?;
            (from..to).contains(&shipped).then(|| (shipped - c.authored_at.unwrap()).as_seconds_f64())
        });
        median(lead.collect())
    };
    let change = lead(days_ago(200), until()) / lead(days_ago(540), days_ago(250));
    assert!((0.4..0.62).contains(&change), "{change}");

    let fails = |from: Instant, to: Instant| {
        let theirs = told.deployments.iter().filter(|d| {
            services.contains(d.service.as_deref().unwrap())
                && (from..to).contains(&d.finished_at.unwrap())
                && reached_production(d)
        });
        let (repairs, all): (Vec<&Deployment>, Vec<&Deployment>) = theirs.partition(|d| d.repairs.is_some());
        repairs.len() as f64 / all.len() as f64
    };
    let change = fails(days_ago(200), until()) / fails(days_ago(540), days_ago(250));
    assert!(change < 0.65, "{change}");
}

#[test]
fn one_teams_reviews_grew_slow_and_one_service_is_broken() {
    let told = demo();
    let pickup = |from: Instant, to: Instant| {
        let waits = told.pull_requests.iter().filter_map(|p| {
            let is_theirs = ["search-api", "search-indexer", "query-suggestions"].contains(&p.service.as_deref()?);
            let opened = p.opened_at.filter(|at| is_theirs && (from..to).contains(at))?;
            Some((p.first_review_at? - opened).as_seconds_f64())
        });
        median(waits.collect())
    };
    assert!(pickup(days_ago(70), until()) > 2.0 * pickup(days_ago(400), days_ago(120)));

    let broken = told.incidents.iter().find(|i| i.services == ["fraud-scoring"] && i.resolved_at.is_none()).unwrap();
    let cause = told.deployment()[broken.caused_by.as_deref().unwrap()];
    assert!(reached_production(cause) && cause.finished_at == Some(until() - TimeDelta::hours(3)));
}

#[test]
fn a_history_may_end_at_any_instant() {
    for until in ["2026-11-01T00:00:00Z", "2024-02-29T23:59:59Z", "2026-01-01T00:00:01Z", "2026-03-01T01:30:00.5Z"] {
        let until: Instant = until.parse().unwrap();
        let told = Told::by(&Organisation::new(Size::Tiny, until, 1));
        assert_eq!((told.deployments.len(), told.incidents.len()), (1_000, 50));
        assert!(told.deployments.iter().all(|d| d.finished_at < Some(until)));
    }
    Organisation::new(Size::Demo, DateTime::UNIX_EPOCH + TimeDelta::days(2_000), 1).facts().for_each(drop);
}

#[test]
fn tables_are_written_for_other_engines() {
    let dir = tempfile::tempdir().unwrap();
    let organisation = Organisation::new(Size::Tiny, until(), 7);
    organisation.write_parquet(dir.path()).unwrap();
    let n_rows = |path: &str| {
        let file = std::fs::File::open(dir.path().join(path)).unwrap();
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>()
    };
    assert_eq!(n_rows("teams.parquet"), 30);
    assert_eq!(n_rows("services.parquet"), 200);
    assert_eq!(n_rows("deployments/2025.parquet") + n_rows("deployments/2026.parquet"), 1_000);
    assert_eq!(n_rows("changes/2025.parquet") + n_rows("changes/2026.parquet"), 10_000);
    assert_eq!(n_rows("incidents/2025.parquet") + n_rows("incidents/2026.parquet"), 50);
}
