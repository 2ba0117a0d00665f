//! Facts survive being rows.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;

use crate::{Change, Deployment, Incident, Instant, Override, PullRequest, Row, Stamp, Stamped, Status, Tier, Verdict};

fn instant() -> impl Strategy<Value = Instant> {
    (-62_135_596_800_000_000..253_402_300_799_999_999_i64)
        .prop_map(|micros| Instant::from_timestamp_micros(micros).unwrap())
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z0-9/]{0,12}", ".{0,8}", Just("\u{0}é😀\n".to_owned())]
}

fn stamp() -> impl Strategy<Value = Stamp> {
    (instant(), any::<i64>()).prop_map(|(clock, arrival)| Stamp { clock, arrival })
}

type Texts = [Option<String>; 6];
type Lists = (Vec<String>, Option<Vec<String>>, Option<Vec<String>>, Vec<String>);
type Instants = [Option<Instant>; 6];

fn parts() -> impl Strategy<Value = (String, Texts, Lists, Instants, [bool; 3], Stamp)> {
    let lists = (vec(text(), 0..3), of(vec(text(), 0..3)), of(vec(text(), 0..3)), vec(text(), 0..3));
    let texts = proptest::array::uniform6(of(text()));
    (text(), texts, lists, proptest::array::uniform6(of(instant())), any::<[bool; 3]>(), stamp())
}

fn there_and_back<T: Row + PartialEq + std::fmt::Debug>(rows: &[Stamped<T>]) {
    let batch = T::to_batch(rows);
    assert_eq!(batch.schema(), T::schema());
    assert_eq!(T::from_batch(&batch), rows);
    // In any order of columns, and also where one is missing.
    let backwards: Vec<usize> = (0..batch.num_columns()).rev().collect();
    assert_eq!(T::from_batch(&batch.project(&backwards).unwrap()), rows);
    let fewer: Vec<usize> = (1..batch.num_columns()).collect();
    assert_eq!(T::from_batch(&batch.project(&fewer).unwrap()).len(), rows.len());
}

proptest! {
    #[test]
    fn changes(parts in vec(parts(), 0..5)) {
        let rows = parts.into_iter().map(|(id, [repository, service, title, author, branch, url], lists, at, _, stamp)| {
            let fact = Change {
                source: id.clone(), id, repository, service, parents: lists.1, authored_at: at[0], committed_at: at[1],
                merged_at: at[2], first_commit_at: at[3], title, author, branch, paths: lists.2,
                pull_request: url.clone(), reverts: url.clone(), cherry_pick_of: None, deployment: None, url,
                updated_at: at[4],
            };
            Stamped { fact, stamp }
        });
        there_and_back(&rows.collect::<Vec<_>>());
    }

    #[test]
    fn pull_requests(parts in vec(parts(), 0..5)) {
        let rows = parts.into_iter().map(|(id, [repository, service, title, author, branch, base], lists, at, _, stamp)| {
            let fact = PullRequest {
                source: id.clone(), id, repository, service, title, author, branch, base, labels: lists.0,
                first_commit_at: at[0], opened_at: at[1], first_review_at: at[2], approved_at: at[3],
                merged_at: at[4], closed_at: at[5], commits: lists.1, merge_commit: None, url: None,
                updated_at: Some(stamp.clock),
            };
            Stamped { fact, stamp }
        });
        there_and_back(&rows.collect::<Vec<_>>());
    }

    #[test]
    fn deployments(
        parts in vec(parts(), 0..5),
        tier in of(select(vec![Tier::Production, Tier::Staging, Tier::Testing, Tier::Development, Tier::Other])),
        status in select(vec![Status::Pending, Status::Running, Status::Success, Status::Failed, Status::Cancelled]),
    ) {
        let rows = parts.into_iter().map(|(id, [service, team, repository, revision, version, branch], lists, at, flags, stamp)| {
            let fact = Deployment {
                source: id.clone(), id: id.clone(), service, team, repository, environment: id, tier, status,
                started_at: at[0], finished_at: at[1], revision: revision.clone(), version, branch, title: revision,
                labels: lists.0, changes: lists.1, pull_requests: lists.2, paths: lists.3, is_rollback: flags[0],
                is_hotfix: flags[1], is_unplanned: flags[2], repairs: None, fixes_incident: None, flagged_by: None,
                deleted_at: at[3], url: None, updated_at: at[2],
            };
            Stamped { fact, stamp }
        });
        there_and_back(&rows.collect::<Vec<_>>());
    }

    #[test]
    fn incidents_and_overrides(
        parts in vec(parts(), 0..5),
        verdict in select(vec![
            Verdict::Failed, Verdict::NotFailed, Verdict::CausedBy, Verdict::NotCaused, Verdict::Withdrawn,
        ]),
    ) {
        let (mut incidents, mut overrides) = (Vec::new(), Vec::new());
        for (id, [repository, environment, title, severity, caused_by, url], lists, at, _, stamp) in parts {
            let fact = Override {
                source: id.clone(), id: id.clone(), verdict, deployment: url.clone(), incident: title.clone(),
                remedy: severity.clone(), author: id.clone(), reason: id.clone(), decided_at: at[0], updated_at: at[1],
            };
            overrides.push(Stamped { fact, stamp });
            let fact = Incident {
                source: id.clone(), id, services: lists.0, repository, environment, title, severity,
                opened_at: at[0], acknowledged_at: at[1], resolved_at: at[2], caused_by: caused_by.clone(),
                caused_by_change: caused_by, deleted_at: at[4], url, updated_at: at[3],
            };
            incidents.push(Stamped { fact, stamp });
        }
        there_and_back(&incidents);
        there_and_back(&overrides);
    }
}
