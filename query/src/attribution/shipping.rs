//! change → deployment: with which deployment each change ships, and by which rule that is known.
//! The first rule that applies wins: `explicit`, `ancestry`, `time`. What none places is `unshipped`.

use std::collections::{HashMap, HashSet};

use dorado_lake::{Change, Deployment, Instant, PullRequest};

use super::Attempt;
use super::graph::{Candidates, Place};
use crate::catalog::short_ref;
use crate::gold::{Exclusion, ShipRule, Shipment};

/// No commit is older than this; a date before it is a clock that was never set.
pub(crate) const EARLIEST_COMMIT: i64 = 631_152_000; // 1990-01-01T00:00:00Z

/// A change's place: which successful deployment took it.
#[derive(Clone, Copy)]
struct Placed {
    attempt: usize,
    rule: ShipRule,
}

/// What shipping found out about a service. Numbers are places in the list of its successes.
pub(crate) struct Shipped {
    /// Every change of the service, shipped or not.
    pub(crate) shipments: Vec<Shipment>,
    /// (success that shipped a change, later success that shipped its revert).
    pub(crate) reverts: Vec<(usize, usize)>,
    /// Successes that shipped the revert of a change that the first one held.
    pub(crate) baseline_reverts: Vec<usize>,
    by_change: HashMap<String, usize>,
}

impl Shipped {
    /// The success that a change shipped with.
    pub(crate) fn success_of(&self, change: &str) -> Option<usize> {
        // What the first deployment holds ships with nothing.
        self.by_change.get(change).copied().filter(|number| *number > 0)
    }

    /// Whether a change was in the first success.
    pub(crate) fn is_baseline(&self, change: &str) -> bool {
        self.by_change.get(change) == Some(&0)
    }
}

/// Finds the first success that contains each change. `successes` are in order of their finish;
/// `paths` are the service's own path prefixes; `wanted` are changes that incidents name.
pub(crate) fn ship(
    service: &str,
    successes: &[Attempt<'_>],
    candidates: &Candidates<'_>,
    paths: &[String],
    wanted: &[&str],
) -> Shipped {
    let mut shipping = Shipping {
        candidates,
        placed: vec![None; candidates.changes.len()],
        reached: vec![false; candidates.changes.len()],
        branches: candidates.changes.iter().filter_map(|c| c.branch.as_deref().map(short_ref)).collect(),
        by_merge: by_merge(candidates),
        paths,
    };
    shipping.place_explicit(successes);
    for (number, attempt) in successes.iter().enumerate() {
        let revision = attempt.deployment.revision.as_deref().and_then(|sha| candidates.find(sha));
        let newly = revision.map(|place| candidates.reach(place, &mut shipping.reached));
        if lists_changes(attempt.deployment) {
            continue;
        }
        match (newly, revision) {
            (Some(newly), Some(place)) if candidates.has_graph(place) => shipping.place_ancestry(number, &newly),
            _ => shipping.place_time(number, successes[..number].iter().map(|a| a.started_at).max(), attempt),
        }
    }
    let placed = |id: &str| candidates.find(id).and_then(|place| shipping.placed[place as usize]);
    let (baseline_reverts, reverts): (Vec<_>, Vec<_>) =
        shipping.reverts().into_iter().partition(|(began, _)| *began == 0);
    Shipped {
        shipments: shipping.shipments(service, successes),
        reverts,
        baseline_reverts: baseline_reverts.into_iter().map(|(_, ended)| ended).collect(),
        by_change: wanted.iter().filter_map(|id| Some(((*id).to_owned(), placed(id)?.attempt))).collect(),
    }
}

/// Whether a deployment says itself what it ships.
fn lists_changes(deployment: &Deployment) -> bool {
    let any = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|l| !l.is_empty());
    any(&deployment.changes) || any(&deployment.pull_requests)
}

struct Shipping<'a, 'b> {
    candidates: &'b Candidates<'a>,
    placed: Vec<Option<Placed>>,
    reached: Vec<bool>,
    branches: HashSet<&'b str>,
    by_merge: Vec<(Instant, Place)>,
    paths: &'b [String],
}

impl Shipping<'_, '_> {
    fn place_explicit(&mut self, successes: &[Attempt<'_>]) {
        let candidates = self.candidates;
        let mut by_pull_request: HashMap<&str, Vec<Place>> = HashMap::new();
        let mut by_deployment: HashMap<&str, Vec<Place>> = HashMap::new();
        for (place, change) in candidates.changes.iter().enumerate() {
            if let Some(pull_request) = candidates.pull_request(place as Place) {
                by_pull_request.entry(&pull_request.id).or_default().push(place as Place);
            }
            if let Some(id) = change.deployment.as_deref() {
                by_deployment.entry(id).or_default().push(place as Place);
            }
        }
        for (number, attempt) in successes.iter().enumerate() {
            let deployment = attempt.deployment;
            let listed = deployment.changes.iter().flatten().filter_map(|id| candidates.find(id));
            let requested = deployment
                .pull_requests
                .iter()
                .flatten()
                .filter_map(|id| by_pull_request.get(id.as_str()))
                .flatten()
                .filter(|place| same_repository(candidates.changes[**place as usize], deployment));
            let claimed = by_deployment.get(deployment.id.as_str()).into_iter().flatten();
            let all: Vec<Place> = listed.chain(requested.copied()).chain(claimed.copied()).collect();
            for place in all {
                self.place_with_carried(place, number, ShipRule::Explicit);
            }
        }
    }

    fn place_ancestry(&mut self, number: usize, newly: &[Place]) {
        for place in newly {
            self.place_with_carried(*place, number, ShipRule::Ancestry);
        }
    }

    /// Merged after the latest start of the deployments before, and not after this one's.
    fn place_time(&mut self, number: usize, previous: Option<Instant>, attempt: &Attempt<'_>) {
        let start = previous.map_or(0, |start| self.by_merge.partition_point(|(at, _)| *at <= start));
        let end = self.by_merge.partition_point(|(at, _)| *at <= attempt.started_at);
        for i in start..end {
            let (_, place) = self.by_merge[i];
            if self.on_deployed_branch(self.candidates.changes[place as usize], attempt.deployment) {
                self.place(place, number, ShipRule::Time);
            }
        }
    }

    fn on_deployed_branch(&self, change: &Change, deployment: &Deployment) -> bool {
        let deployed = deployment.branch.as_deref().map(short_ref).filter(|b| self.branches.contains(b));
        match (deployed, change.branch.as_deref()) {
            (Some(deployed), Some(branch)) => deployed == short_ref(branch),
            _ => true,
        }
    }

    fn place_with_carried(&mut self, place: Place, number: usize, rule: ShipRule) {
        let candidates = self.candidates;
        for own in candidates.carried(place) {
            self.reached[*own as usize] = true;
            self.place(*own, number, rule);
        }
        self.place(place, number, rule);
    }

    fn place(&mut self, place: Place, number: usize, rule: ShipRule) {
        let is_ours = in_paths(self.candidates.changes[place as usize], self.paths);
        let slot = &mut self.placed[place as usize];
        if slot.is_none() && self.candidates.is_change(place) && is_ours {
            *slot = Some(Placed { attempt: number, rule });
        }
    }

    fn shipments(&self, service: &str, successes: &[Attempt<'_>]) -> Vec<Shipment> {
        let picks = self.cherry_picks();
        let all = 0..self.candidates.changes.len() as Place;
        let shipments = all.filter_map(|place| match self.placed[place as usize] {
            Some(placed) => {
                let attempt = &successes[placed.attempt];
                let mut shipment = self.shipped(service, place, attempt, placed.rule);
                let before = placed.attempt.checked_sub(1).map(|number| successes[number].finished_at);
                shipment.since_previous_ms = before.map(|before| (attempt.finished_at - before).num_milliseconds());
                if picks.contains(&place) {
                    shipment.excluded = Some(Exclusion::CherryPick);
                } else if placed.attempt == 0 {
                    shipment.excluded = Some(Exclusion::FirstDeployment);
                }
                Some(shipment)
            }
            None => self.unshipped(service, place),
        });
        let mut shipments: Vec<Shipment> = shipments.collect();
        choose_representatives(&mut shipments);
        shipments
    }

    /// Of a change and its cherry-picks only the first to ship counts; the others are listed here.
    fn cherry_picks(&self) -> HashSet<Place> {
        let mut groups: HashMap<Place, Vec<Place>> = HashMap::new();
        for place in 0..self.candidates.changes.len() as Place {
            let original = self.candidates.original(place);
            if original != place {
                groups.entry(original).or_insert_with(|| vec![original]).push(place);
            }
        }
        let mut repeats = HashSet::new();
        for group in groups.values() {
            let mut shipped: Vec<(usize, Place)> =
                group.iter().filter_map(|p| self.placed[*p as usize].map(|placed| (placed.attempt, *p))).collect();
            // Of those that ship together the original counts, which stands first in its group.
            shipped.sort_by_key(|(attempt, _)| *attempt);
            repeats.extend(shipped.into_iter().skip(1).map(|(_, place)| place));
        }
        repeats
    }

    /// A revert names its target.
    fn reverts(&self) -> Vec<(usize, usize)> {
        let attempt_of = |place: Place| self.placed[place as usize].map(|placed| placed.attempt);
        let mut found: Vec<(usize, usize)> = (0..self.candidates.changes.len() as Place)
            .filter_map(|place| {
                let target = self.candidates.changes[place as usize].reverts.as_deref()?;
                let began = attempt_of(self.candidates.find(target)?)?;
                let ended = attempt_of(place)?;
                (began < ended).then_some((began, ended))
            })
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    fn shipped(&self, service: &str, place: Place, attempt: &Attempt<'_>, rule: ShipRule) -> Shipment {
        let change = self.candidates.changes[place as usize];
        let pull_request = self.candidates.pull_request(place);
        let before = |at: Option<Instant>| at.map(|at| (attempt.finished_at - at).num_milliseconds());
        let commit = commit_time(change, attempt.finished_at);
        let opened_at = pull_request.and_then(|p| p.opened_at);
        Shipment {
            service: service.to_owned(),
            environment: Some(attempt.deployment.environment.clone()),
            repository: change.repository.clone(),
            change: change.id.clone(),
            source: Some(attempt.deployment.source.clone()),
            deployment: Some(attempt.deployment.id.clone()),
            rule,
            excluded: commit.is_none().then_some(Exclusion::NoCommitTime),
            shipped_at: Some(attempt.finished_at),
            known_at: attempt.finished_at,
            lead_ms: before(commit.map(|(at, _)| at)),
            lead_from: commit.map(|(_, from)| from.to_owned()),
            first_commit_ms: before(self.candidates.first_commit_at(place).or(change.first_commit_at)),
            opened_ms: before(opened_at),
            first_review_ms: before(pull_request.and_then(|p| p.first_review_at)),
            approved_ms: before(pull_request.and_then(|p| p.approved_at)),
            merged_ms: before(pull_request.and_then(|p| p.merged_at).or(change.merged_at)),
            pull_request: pull_request.map(|p| p.id.clone()),
            represents: false,
            by_bot: is_by_bot(change, pull_request),
            since_previous_ms: None,
        }
    }

    fn unshipped(&self, service: &str, place: Place) -> Option<Shipment> {
        let change = self.candidates.changes[place as usize];
        if !self.candidates.is_change(place) || !in_paths(change, self.paths) {
            return None;
        }
        let pull_request = self.candidates.pull_request(place);
        let known_at = merged_at(change, pull_request).or(change.first_commit_at)?;
        Some(Shipment {
            service: service.to_owned(),
            environment: None,
            repository: change.repository.clone(),
            change: change.id.clone(),
            source: None,
            deployment: None,
            rule: ShipRule::Unshipped,
            excluded: Some(Exclusion::Unshipped),
            shipped_at: None,
            known_at,
            lead_ms: None,
            lead_from: None,
            first_commit_ms: None,
            opened_ms: None,
            first_review_ms: None,
            approved_ms: None,
            merged_ms: None,
            pull_request: pull_request.map(|p| p.id.clone()),
            represents: false,
            by_bot: is_by_bot(change, pull_request),
            since_previous_ms: None,
        })
    }
}

/// A pull request ships with the last of its changes that ship, and is counted by that one's row.
fn choose_representatives(shipments: &mut [Shipment]) {
    let place = |s: &Shipment| (s.excluded != Some(Exclusion::CherryPick), s.shipped_at, s.change.clone());
    let mut last: HashMap<(Option<&str>, &str), usize> = HashMap::new();
    for (number, shipment) in shipments.iter().enumerate() {
        let Some(pull_request) = shipment.pull_request.as_deref() else { continue };
        let chosen = last.entry((shipment.repository.as_deref(), pull_request)).or_insert(number);
        if place(&shipments[*chosen]) < place(shipment) {
            *chosen = number;
        }
    }
    let chosen: Vec<usize> = last.into_values().collect();
    for number in chosen {
        shipments[number].represents = true;
    }
}

/// Whether the author's name, or that of the pull request, has the word `bot`, as in `updates[bot]`.
fn is_by_bot(change: &Change, pull_request: Option<&PullRequest>) -> bool {
    let authors = [change.author.as_deref(), pull_request.and_then(|p| p.author.as_deref())];
    let mut words = authors.into_iter().flatten().flat_map(|a| a.split(|c: char| !c.is_alphanumeric()));
    words.any(|word| word.eq_ignore_ascii_case("bot"))
}

/// Pull requests of two repositories may have one number.
fn same_repository(change: &Change, deployment: &Deployment) -> bool {
    match (&change.repository, &deployment.repository) {
        (Some(of_change), Some(of_deployment)) => of_change == of_deployment,
        _ => true,
    }
}

fn by_merge(candidates: &Candidates<'_>) -> Vec<(Instant, Place)> {
    let all = 0..candidates.changes.len() as Place;
    let mut merges: Vec<(Instant, Place)> = all
        .filter_map(|place| {
            let at = merged_at(candidates.changes[place as usize], candidates.pull_request(place))?;
            Some((at, place))
        })
        .collect();
    merges.sort_unstable();
    merges
}

/// When a change reached the deployed branch, as far as anybody told.
fn merged_at(change: &Change, pull_request: Option<&PullRequest>) -> Option<Instant> {
    change.merged_at.or_else(|| pull_request.and_then(|p| p.merged_at)).or(change.committed_at).or(change.authored_at)
}

/// The commit time that lead time starts from, and which of the change's dates it is.
fn commit_time(change: &Change, shipped_at: Instant) -> Option<(Instant, &'static str)> {
    let author = change.authored_at.map(|at| (at, "author"));
    let first = author.or(change.first_commit_at.map(|at| (at, "first_commit")));
    let committer = change.committed_at.map(|at| (at, "committer"));
    [first, committer].into_iter().flatten().find(|(at, _)| *at <= shipped_at && at.timestamp() >= EARLIEST_COMMIT)
}

fn in_paths(change: &Change, prefixes: &[String]) -> bool {
    let Some(paths) = change.paths.as_ref().filter(|_| !prefixes.is_empty()) else { return true };
    paths.iter().any(|path| {
        prefixes.iter().any(|prefix| {
            let prefix = prefix.trim_end_matches('/');
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || prefix.is_empty())
        })
    })
}
