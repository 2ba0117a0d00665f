//! What can have shipped: the changes and pull requests around a service, and the commit graph among
//! them. Knows which commits are changes at all; does not know deployments.

use std::collections::HashMap;

use dorado_lake::{Change, Instant, PullRequest};

use super::shipping::EARLIEST_COMMIT;

/// Place of a change in [`Candidates::changes`].
pub(crate) type Place = u32;

/// Changes, their graph, and their pull requests.
pub(crate) struct Candidates<'a> {
    /// All commits told, merges included.
    pub(crate) changes: Vec<&'a Change>,
    /// Pull requests told.
    pub(crate) pull_requests: Vec<&'a PullRequest>,
    by_id: HashMap<&'a str, Place>,
    sorted_ids: Vec<(&'a str, Place)>,
    /// Parents that are known, as offsets into `parents`.
    parent_spans: Vec<(u32, u32)>,
    parents: Vec<Place>,
    is_change: Vec<bool>,
    /// Squash, rebase or merge commit → the pull request's own commits.
    carried: HashMap<Place, Vec<Place>>,
    pull_request_of: HashMap<Place, u32>,
    /// First commit of each pull request: as told, else the earliest of its own commits that are known.
    first_commits: Vec<Option<Instant>>,
    /// The change that each is a cherry-pick of, through all picks; itself where it is none.
    originals: Vec<Place>,
}

impl<'a> Candidates<'a> {
    /// Sorts out which commits are changes.
    pub(crate) fn new(changes: Vec<&'a Change>, pull_requests: Vec<&'a PullRequest>) -> Self {
        let by_id: HashMap<&str, Place> =
            changes.iter().enumerate().map(|(place, c)| (c.id.as_str(), place as Place)).collect();
        let mut sorted_ids: Vec<(&str, Place)> = by_id.iter().map(|(id, place)| (*id, *place)).collect();
        sorted_ids.sort_unstable();
        let mut parents = Vec::new();
        let mut parent_spans = Vec::with_capacity(changes.len());
        for change in &changes {
            let start = parents.len() as u32;
            let told = change.parents.iter().flatten();
            parents.extend(told.filter_map(|sha| by_id.get(sha.as_str()).copied()));
            parent_spans.push((start, parents.len() as u32));
        }
        let is_change = changes.iter().map(|c| c.parents.as_ref().is_none_or(|p| p.len() < 2)).collect();
        let originals = originals(&changes, &by_id);
        let mut candidates = Self {
            changes,
            pull_requests,
            by_id,
            sorted_ids,
            parent_spans,
            parents,
            is_change,
            carried: HashMap::new(),
            pull_request_of: HashMap::new(),
            first_commits: Vec::new(),
            originals,
        };
        candidates.fold_pull_requests();
        candidates.first_commits = candidates.find_first_commits();
        candidates
    }

    /// The place of a SHA or id; an abbreviated SHA of seven digits or more where it is unambiguous.
    pub(crate) fn find(&self, id: &str) -> Option<Place> {
        if let Some(place) = self.by_id.get(id) {
            return Some(*place);
        }
        if id.len() < 7 {
            return None;
        }
        let start = self.sorted_ids.partition_point(|(known, _)| *known < id);
        let mut matching = self.sorted_ids[start..].iter().take_while(|(known, _)| known.starts_with(id));
        match (matching.next(), matching.next()) {
            (Some((_, place)), None) => Some(*place),
            _ => None,
        }
    }

    /// Whether the graph around this commit is known.
    pub(crate) fn has_graph(&self, place: Place) -> bool {
        self.changes[place as usize].parents.is_some()
    }

    /// Whether this commit is a change: not a merge, not the copy of changes that are known themselves.
    pub(crate) fn is_change(&self, place: Place) -> bool {
        self.is_change[place as usize]
    }

    /// The pull request's own commits that came in with this squash or merge commit.
    pub(crate) fn carried(&self, place: Place) -> &[Place] {
        self.carried.get(&place).map_or(&[], Vec::as_slice)
    }

    /// The pull request of a change.
    pub(crate) fn pull_request(&self, place: Place) -> Option<&'a PullRequest> {
        self.pull_request_of.get(&place).map(|i| self.pull_requests[*i as usize])
    }

    /// When the first commit of a change's pull request was written.
    pub(crate) fn first_commit_at(&self, place: Place) -> Option<Instant> {
        self.pull_request_of.get(&place).and_then(|number| self.first_commits[*number as usize])
    }

    /// The change that this one is a cherry-pick of, else itself.
    pub(crate) fn original(&self, place: Place) -> Place {
        self.originals[place as usize]
    }

    /// Everything reachable from `from` that is not yet marked in `reached`; marks it.
    pub(crate) fn reach(&self, from: Place, reached: &mut [bool]) -> Vec<Place> {
        let mut found = Vec::new();
        let mut open = vec![from];
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut reached[place as usize], true) {
                continue;
            }
            found.push(place);
            open.extend_from_slice(self.parents_of(place));
        }
        found.sort_unstable();
        found
    }

    fn fold_pull_requests(&mut self) {
        for number in 0..self.pull_requests.len() {
            let pull_request = self.pull_requests[number];
            let told = pull_request.commits.as_deref().unwrap_or_default();
            let own: Vec<Place> = told.iter().filter_map(|sha| self.by_id.get(sha.as_str()).copied()).collect();
            for place in &own {
                self.pull_request_of.insert(*place, number as u32);
            }
            let merge = pull_request.merge_commit.as_deref().and_then(|sha| self.find(sha));
            let Some(merge) = merge else { continue };
            self.pull_request_of.entry(merge).or_insert(number as u32);
            let all_known = !own.is_empty() && own.len() == told.len();
            if all_known && !own.contains(&merge) {
                self.mark_copies(merge, &own);
                self.carried.insert(merge, own);
            }
        }
        let by_number: HashMap<(Option<&str>, &str), u32> = self
            .pull_requests
            .iter()
            .enumerate()
            .map(|(i, p)| ((p.repository.as_deref(), p.id.as_str()), i as u32))
            .collect();
        for (place, change) in self.changes.iter().enumerate() {
            let named = change.pull_request.as_deref();
            if let Some(number) = named.and_then(|id| by_number.get(&(change.repository.as_deref(), id))) {
                self.pull_request_of.entry(place as Place).or_insert(*number);
            }
        }
    }

    /// The merge commit is written last, and tells nothing of the first.
    fn find_first_commits(&self) -> Vec<Option<Instant>> {
        let mut own: Vec<Option<Instant>> = vec![None; self.pull_requests.len()];
        for (place, number) in &self.pull_request_of {
            let change = self.changes[*place as usize];
            if self.pull_requests[*number as usize].merge_commit.as_deref() == Some(change.id.as_str()) {
                continue;
            }
            let written = [change.authored_at, change.committed_at].into_iter().flatten();
            let first = &mut own[*number as usize];
            *first = written.filter(|at| at.timestamp() >= EARLIEST_COMMIT).take(1).chain(*first).min();
        }
        self.pull_requests.iter().zip(own).map(|(told, own)| told.first_commit_at.or(own)).collect()
    }

    /// The squash commit, and the rebased commits before it that repeat an own commit's author date and
    /// title, are copies. What own commits were written on is none.
    fn mark_copies(&mut self, merge: Place, own: &[Place]) {
        let written: Vec<_> = own.iter().map(|p| self.signature(*p)).collect();
        let mut place = merge;
        for _ in 0..own.len() {
            let told = self.changes[place as usize].parents.as_ref().map_or(0, Vec::len);
            let is_alike = written.contains(&self.signature(place)) && !own.contains(&place);
            let is_base = own.iter().any(|own| self.parents_of(*own).contains(&place));
            if told > 1 || (place != merge && (!is_alike || is_base)) {
                return;
            }
            self.is_change[place as usize] = false;
            let Some(first) = self.parents_of(place).first() else { return };
            place = *first;
        }
    }

    fn parents_of(&self, place: Place) -> &[Place] {
        let (start, end) = self.parent_spans[place as usize];
        &self.parents[start as usize..end as usize]
    }

    fn signature(&self, place: Place) -> (Option<dorado_lake::Instant>, Option<&'a str>) {
        let change = self.changes[place as usize];
        (change.authored_at, change.title.as_deref())
    }
}

fn originals(changes: &[&Change], by_id: &HashMap<&str, Place>) -> Vec<Place> {
    let picked = |place: Place| {
        let named = changes[place as usize].cherry_pick_of.as_deref()?;
        by_id.get(named).copied().filter(|original| *original != place)
    };
    (0..changes.len() as Place)
        .map(|place| {
            let mut original = place;
            // A chain longer than this is a circle of claims.
            for _ in 0..32 {
                match picked(original) {
                    Some(next) => original = next,
                    None => break,
                }
            }
            original
        })
        .collect()
}
