//! Walks the commit graph from new tips down to what is known, newest first. Reads every commit object
//! once. Dates only decide the order: a commit dated before its parents is found all the same, and at
//! worst a known one is returned again.

use std::{cmp::Reverse, collections::BinaryHeap};

use dorado_lake::Instant;
use gix::{ObjectId, hashtable::HashMap};

use super::{
    Error, Progress,
    commit::{self, Commit},
    open::Opened,
};

/// A walk that can be taken up again.
pub(super) struct Walker<'a> {
    opened: &'a Opened,
    progress: &'a dyn Fn(Progress),
    seen: HashMap<ObjectId, Seen>,
    queue: BinaryHeap<(i64, Reverse<ObjectId>)>,
    /// Commits in the queue that are not known to have been read before.
    n_new_queued: usize,
    /// Parents that are not there, other than those that a shallow clone has left behind.
    pub(super) n_missing: usize,
}

struct Seen {
    /// `None` where it is not there.
    commit: Option<Commit>,
    /// Reachable from what was read before.
    is_known: bool,
    is_queued: bool,
}

/// Report progress every so many commits.
const STEP: usize = 4096;

impl<'a> Walker<'a> {
    /// A walk that stops at whatever is reachable from `known`.
    pub(super) fn start(opened: &'a Opened, known: &[ObjectId], progress: &'a dyn Fn(Progress)) -> Result<Self, Error> {
        let mut walker = Self {
            opened,
            progress,
            seen: HashMap::default(),
            queue: BinaryHeap::new(),
            n_new_queued: 0,
            n_missing: 0,
        };
        for &id in known {
            walker.reach_known(id)?;
        }
        Ok(walker)
    }

    /// Everything reachable from `tips` and not known, newest first.
    pub(super) fn new_commits(&mut self, tips: impl IntoIterator<Item = ObjectId>) -> Result<Vec<ObjectId>, Error> {
        for id in tips {
            self.reach(id)?;
        }
        let mut found = Vec::new();
        let mut oldest = i64::MAX;
        while let Some(&(time, _)) = self.queue.peek() {
            if self.n_new_queued == 0 && (found.is_empty() || time < oldest) {
                break;
            }
            if let Some((id, true)) = self.step()? {
                oldest = oldest.min(time);
                found.push(id);
                if found.len().is_multiple_of(STEP) {
                    (self.progress)(Progress::Walked { n_commits: found.len() });
                }
            }
        }
        found.retain(|id| self.seen.get(id).is_some_and(|seen| !seen.is_known));
        (self.progress)(Progress::Walked { n_commits: found.len() });
        Ok(found)
    }

    /// Known commits committed at this instant or later. Call it after [`Self::new_commits`].
    pub(super) fn known_since(&mut self, since: Instant) -> Result<Vec<ObjectId>, Error> {
        while self.queue.peek().is_some_and(|&(time, _)| time >= since.timestamp()) {
            self.step()?;
        }
        let known = self.seen.iter().filter(|(_, seen)| seen.is_known);
        let mut known: Vec<ObjectId> = known.filter(|(_, seen)| seen.commit.is_some()).map(|(&id, _)| id).collect();
        known.sort_unstable();
        Ok(known)
    }

    /// The repository walked.
    pub(super) fn opened(&self) -> &'a Opened {
        self.opened
    }

    /// A commit that the walk has come by: each one returned, and its parents.
    pub(super) fn commit(&self, id: ObjectId) -> Option<&Commit> {
        self.seen.get(&id)?.commit.as_ref()
    }

    /// Takes the newest commit of the queue and reaches for its parents; tells whether it is new.
    fn step(&mut self) -> Result<Option<(ObjectId, bool)>, Error> {
        let Some((_, Reverse(id))) = self.queue.pop() else {
            return Ok(None);
        };
        let Some(seen) = self.seen.get_mut(&id).filter(|seen| seen.is_queued) else {
            return Ok(None);
        };
        seen.is_queued = false;
        let is_new = !seen.is_known;
        self.n_new_queued -= usize::from(is_new);
        let parents = seen.commit.as_ref().map(|commit| commit.parents.clone()).unwrap_or_default();
        for &parent in &parents {
            if is_new {
                self.reach(parent)?;
            } else {
                self.reach_known(parent)?;
            }
        }
        self.forget_missing(id, &parents);
        Ok(Some((id, is_new)))
    }

    /// Comes by a commit from a new one.
    fn reach(&mut self, id: ObjectId) -> Result<(), Error> {
        if self.seen.contains_key(&id) { Ok(()) } else { self.insert(id, false) }
    }

    /// Comes by a commit from a known one; what was taken for new until now is looked at again.
    fn reach_known(&mut self, id: ObjectId) -> Result<(), Error> {
        let Some(seen) = self.seen.get_mut(&id) else {
            return self.insert(id, true);
        };
        if !seen.is_known {
            seen.is_known = true;
            if seen.is_queued {
                self.n_new_queued -= 1;
            } else if let Some(commit) = &seen.commit {
                seen.is_queued = true;
                self.queue.push((seconds(commit), Reverse(id)));
            }
        }
        Ok(())
    }

    fn insert(&mut self, id: ObjectId, is_known: bool) -> Result<(), Error> {
        let mut commit = commit::read(&self.opened.git, id)?;
        if let Some(commit) = &mut commit {
            if self.opened.shallow.contains(&id) {
                commit.parents.clear();
            }
            self.queue.push((seconds(commit), Reverse(id)));
            self.n_new_queued += usize::from(!is_known);
        } else if !is_known {
            self.n_missing += 1;
        }
        let is_queued = commit.is_some();
        self.seen.insert(id, Seen { commit, is_known, is_queued });
        Ok(())
    }

    /// A commit whose parent is not there begins history, as in a shallow clone.
    fn forget_missing(&mut self, id: ObjectId, parents: &[ObjectId]) {
        let is_there = |parent: &ObjectId| self.seen.get(parent).is_none_or(|seen| seen.commit.is_some());
        if !parents.iter().all(is_there) {
            let there: Vec<ObjectId> = parents.iter().copied().filter(is_there).collect();
            if let Some(commit) = self.seen.get_mut(&id).and_then(|seen| seen.commit.as_mut()) {
                commit.parents = there;
            }
        }
    }
}

fn seconds(commit: &Commit) -> i64 {
    commit.committed_at.map_or(0, |at| at.timestamp())
}
