//! From versions to entities: the latest version of each key, whatever order the versions arrived in.
//! Does not know what the entities mean.

use std::collections::HashMap;
use std::hash::Hash;

use dorado_lake::{Change, Deployment, Incident, Override, PullRequest, Stamp, Stamped};

/// The latest version of each deployment, of those that were not deleted. A tool that tells only what has changed says
/// when it began once, and not again when it ends.
pub(crate) fn deployments(versions: impl IntoIterator<Item = Stamped<Deployment>>) -> Vec<Deployment> {
    by_key(versions, |d| (d.source.clone(), d.id.clone()))
        .into_iter()
        .filter_map(|versions| {
            let mut versions = since_deletion(versions, |deployment| deployment.deleted_at.is_some())?;
            let started_at = versions.iter().filter_map(|v| v.fact.started_at).min();
            let mut last = take_last(&mut versions);
            last.started_at = last.started_at.or(started_at);
            Some(last)
        })
        .collect()
}

/// The latest version of each incident, of those that were not deleted; that somebody took it on stays known. A version
/// that does not say when the incident was opened, as a bare resolution, goes on from those before it: what it leaves out
/// stays. Where none says it, the incident was opened when it was first told of as open.
pub(crate) fn incidents(versions: impl IntoIterator<Item = Stamped<Incident>>) -> Vec<Incident> {
    by_key(versions, |i| (i.source.clone(), i.id.clone()))
        .into_iter()
        .filter_map(|versions| {
            let mut versions = since_deletion(versions, |incident| incident.deleted_at.is_some())?;
            let is_open = |v: &&Stamped<Incident>| v.fact.opened_at.is_none() && v.fact.resolved_at.is_none();
            let first_told = versions.iter().find(is_open).map(|v| v.stamp.clock);
            let acknowledged_at = versions.iter().rev().find_map(|v| v.fact.acknowledged_at);
            let mut last = take_last(&mut versions);
            while last.opened_at.is_none() {
                let Some(older) = versions.pop() else { break };
                go_on(&mut last, older.fact);
            }
            last.opened_at = last.opened_at.or(first_told);
            last.acknowledged_at = acknowledged_at;
            Some(last)
        })
        .collect()
}

fn go_on(into: &mut Incident, from: Incident) {
    let Incident {
        source: _,
        id: _,
        services,
        repository,
        environment,
        title,
        severity,
        opened_at,
        acknowledged_at: _,
        resolved_at,
        caused_by,
        caused_by_change,
        deleted_at: _,
        url,
        updated_at: _,
    } = from;
    if into.services.is_empty() {
        into.services = services;
    }
    or(&mut into.repository, repository);
    or(&mut into.environment, environment);
    or(&mut into.title, title);
    or(&mut into.severity, severity);
    or(&mut into.opened_at, opened_at);
    or(&mut into.resolved_at, resolved_at);
    or(&mut into.caused_by, caused_by);
    or(&mut into.caused_by_change, caused_by_change);
    or(&mut into.url, url);
}

/// The latest version of each override.
pub(crate) fn overrides(versions: impl IntoIterator<Item = Stamped<Override>>) -> Vec<Override> {
    latest(versions, |o| (o.source.clone(), o.id.clone()))
}

/// The latest version of each pull request; a first review stays the first, and an opening that was told once is known.
pub(crate) fn pull_requests(versions: impl IntoIterator<Item = Stamped<PullRequest>>) -> Vec<PullRequest> {
    by_key(versions, |p| (place(p.repository.as_ref(), p.service.as_ref()), p.id.clone()))
        .into_iter()
        .map(|mut versions| {
            let first_review_at = versions.iter().filter_map(|v| v.fact.first_review_at).min();
            let approved_at = versions.iter().filter_map(|v| v.fact.approved_at).min();
            let commits = versions.iter().rev().find_map(|v| v.fact.commits.clone());
            let author = versions.iter().rev().find_map(|v| v.fact.author.clone());
            let opened_at = versions.iter().rev().find_map(|v| v.fact.opened_at);
            let mut last = take_last(&mut versions);
            last.opened_at = opened_at;
            last.first_review_at = first_review_at;
            last.approved_at = approved_at;
            last.commits = last.commits.or(commits);
            last.author = last.author.or(author);
            last
        })
        .collect()
}

/// Each commit once, whichever sources told it. A commit never changes, so what one source leaves out
/// another may fill in; the one that knows the graph is asked first.
pub(crate) fn changes(versions: impl IntoIterator<Item = Stamped<Change>>) -> Vec<Change> {
    by_key(versions, |c| (place(c.repository.as_ref(), c.service.as_ref()), c.id.clone()))
        .into_iter()
        .map(|mut versions| {
            versions.sort_by_key(|v| v.fact.parents.is_some());
            let mut best = take_last(&mut versions);
            while let Some(older) = versions.pop() {
                fill(&mut best, older.fact);
            }
            best
        })
        .collect()
}

fn fill(into: &mut Change, from: Change) {
    let Change {
        repository,
        service,
        parents,
        authored_at,
        committed_at,
        merged_at,
        first_commit_at,
        title,
        author,
        branch,
        paths,
        pull_request,
        reverts,
        cherry_pick_of,
        url,
        ..
    } = from;
    or(&mut into.repository, repository);
    or(&mut into.service, service);
    or(&mut into.parents, parents);
    or(&mut into.authored_at, authored_at);
    or(&mut into.committed_at, committed_at);
    or(&mut into.merged_at, merged_at);
    or(&mut into.first_commit_at, first_commit_at);
    or(&mut into.title, title);
    or(&mut into.author, author);
    or(&mut into.branch, branch);
    or(&mut into.paths, paths);
    or(&mut into.pull_request, pull_request);
    or(&mut into.reverts, reverts);
    or(&mut into.cherry_pick_of, cherry_pick_of);
    or(&mut into.url, url);
    or(&mut into.deployment, from.deployment);
}

fn or<T>(slot: &mut Option<T>, other: Option<T>) {
    if slot.is_none() {
        *slot = other;
    }
}

fn place(repository: Option<&String>, service: Option<&String>) -> String {
    repository.or(service).cloned().unwrap_or_default()
}

/// The latest version of each key.
pub(crate) fn latest<T: PartialEq, K: Eq + Hash>(
    versions: impl IntoIterator<Item = Stamped<T>>,
    key: impl Fn(&T) -> K,
) -> Vec<T> {
    by_key(versions, key).into_iter().map(|mut versions| take_last(&mut versions)).collect()
}

/// The versions since the last that deleted the record, which begins anew with them; `None` where none follows.
fn since_deletion<T>(mut versions: Vec<Stamped<T>>, deletes: impl Fn(&T) -> bool) -> Option<Vec<Stamped<T>>> {
    let n_gone = versions.iter().rposition(|version| deletes(&version.fact)).map_or(0, |at| at + 1);
    versions.drain(..n_gone);
    (!versions.is_empty()).then_some(versions)
}

/// Versions by key, oldest first. The same content again is a redelivery: it keeps the place of the
/// first, so that an old record sent twice does not undo a newer one.
fn by_key<T: PartialEq, K: Eq + Hash>(
    versions: impl IntoIterator<Item = Stamped<T>>,
    key: impl Fn(&T) -> K,
) -> Vec<Vec<Stamped<T>>> {
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut groups: Vec<Vec<Stamped<T>>> = Vec::new();
    for version in versions {
        let place = *places.entry(key(&version.fact)).or_insert_with(|| {
            groups.push(Vec::with_capacity(1));
            groups.len() - 1
        });
        let group = &mut groups[place];
        match group.iter_mut().find(|v| v.fact == version.fact) {
            Some(same) => same.stamp = earlier(same.stamp, version.stamp),
            None => group.push(version),
        }
    }
    for group in &mut groups {
        group.sort_by_key(|v| v.stamp);
    }
    groups
}

fn earlier(a: Stamp, b: Stamp) -> Stamp {
    if b.arrival < a.arrival { b } else { a }
}

fn take_last<T>(versions: &mut Vec<Stamped<T>>) -> T {
    versions.pop().expect("a group is made with its first version").fact
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    fn version(title: &str, clock: i64, arrival: i64) -> Stamped<Incident> {
        Stamped {
            fact: Incident { id: "i".into(), title: Some(title.into()), ..Incident::default() },
            stamp: Stamp { clock: DateTime::from_timestamp(clock, 0).expect("in range"), arrival },
        }
    }

    #[test]
    fn the_sources_clock_decides_before_the_order_of_arrival() {
        let found = incidents(vec![version("new", 20, 1), version("old", 10, 2)]);
        assert_eq!(found[0].title.as_deref(), Some("new"));
    }

    #[test]
    fn a_bare_resolution_keeps_what_was_told_before_it_and_an_opening_ends_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let opened = Stamped {
            fact: Incident { opened_at: at(10), services: vec!["quay".into()], ..version("down", 10, 1).fact },
            ..version("", 10, 2)
        };
        let resolved = Stamped {
            fact: Incident { resolved_at: at(20), title: None, ..version("", 20, 1).fact },
            ..version("", 20, 1)
        };
        let found = incidents(vec![resolved.clone(), opened.clone()]).remove(0);
        assert_eq!((found.opened_at, found.resolved_at), (at(10), at(20)));
        assert_eq!((found.title.as_deref(), found.services.len()), (Some("down"), 1));

        let again = Stamped { stamp: Stamp { clock: at(30).expect("in range"), arrival: 3 }, ..opened.clone() };
        let again = Stamped { fact: Incident { title: Some("again".into()), ..again.fact.clone() }, ..again };
        assert_eq!(incidents(vec![again, resolved.clone(), opened])[0].resolved_at, None);
        assert_eq!(incidents(vec![resolved])[0].opened_at, None, "nobody knows when");
        assert_eq!(incidents(vec![version("reported", 15, 1)])[0].opened_at, at(15));
    }

    #[test]
    fn what_is_deleted_is_gone_until_a_later_version_whatever_comes_first() {
        let gone = |clock: i64, arrival| Stamped {
            fact: Incident {
                title: None,
                deleted_at: DateTime::from_timestamp(clock, 0),
                ..version("", clock, arrival).fact
            },
            ..version("", clock, arrival)
        };
        assert_eq!(incidents(vec![gone(20, 1), version("a", 10, 2)]), []);
        assert_eq!(incidents(vec![version("a", 10, 1), gone(20, 2), version("a", 10, 3)]), []);
        assert_eq!(
            incidents(vec![version("b", 30, 1), gone(20, 2), version("a", 10, 3)])[0].title.as_deref(),
            Some("b")
        );
    }

    #[test]
    fn what_is_told_again_after_a_deletion_takes_nothing_from_before_it() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0);
        let incident = |clock: i64, acknowledged_at, deleted_at| Stamped {
            fact: Incident { acknowledged_at, deleted_at, ..version(&clock.to_string(), clock, clock).fact },
            ..version("", clock, clock)
        };
        let told = vec![incident(10, at(12), None), incident(20, None, at(20)), incident(30, None, None)];
        let found = incidents(told).remove(0);
        assert_eq!((found.opened_at, found.acknowledged_at), (at(30), None));

        let deployment = |clock: i64, started_at, finished_at, deleted_at| Stamped {
            fact: Deployment { id: "d".into(), started_at, finished_at, deleted_at, ..Deployment::default() },
            stamp: Stamp { clock: at(clock).expect("in range"), arrival: clock },
        };
        let before = [deployment(10, at(10), None, None), deployment(20, None, None, at(20))];
        let after = deployment(40, None, at(40), None);
        let found = deployments(before.iter().cloned().chain([after.clone()])).remove(0);
        assert_eq!((found.started_at, found.finished_at), (None, at(40)));
        let begun = deployment(30, at(30), None, None);
        let found = deployments(before.into_iter().chain([begun, after])).remove(0);
        assert_eq!(found.started_at, at(30), "what followed the deletion goes on");
    }

    #[test]
    fn an_old_record_sent_again_does_not_undo_a_newer_one() {
        let found = incidents(vec![version("a", 10, 1), version("b", 10, 2), version("a", 10, 3)]);
        assert_eq!(found[0].title.as_deref(), Some("b"));
    }
}
