//! What is remembered between two pages, and so between two runs: how far each list of each repository was read.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use dorado_lake::Instant;
use serde::{Deserialize, Serialize};

/// Deployments of the last days are looked at again, since their statuses come later than they do.
const DEPLOYMENTS_STAY_OPEN: TimeDelta = TimeDelta::days(2);
/// One that never ends is given up after this.
const GIVEN_UP: TimeDelta = TimeDelta::days(14);

/// How far everything was read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Note {
    /// By the name that the repository has now.
    pub(super) repositories: BTreeMap<String, Repository>,
    /// By the name that the configuration gives, where the repository has another one now.
    pub(super) renamed: BTreeMap<String, String>,
    /// By hook.
    pub(super) hooks: BTreeMap<String, Walk>,
}

/// How far a repository was read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Repository {
    /// By list.
    pub(super) walks: BTreeMap<String, Walk>,
    /// Deployments that may still change, by id.
    pub(super) deployments: BTreeMap<u64, Seen>,
}

/// A deployment as it was last read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Seen {
    pub(super) created_at: Instant,
    pub(super) updated_at: String,
    pub(super) is_over: bool,
}

/// How far a list was read that gives the newest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Walk {
    /// An earlier walk read everything up to here.
    pub(super) read_to: Option<Instant>,
    /// The newest that the walk under way has met.
    pub(super) newest: Option<Instant>,
    /// Its next page: a number or a cursor.
    pub(super) next: Option<String>,
}

impl Walk {
    /// From when on this walk reads; a little of what was read already is read again where `overlap` says so.
    pub(super) fn floor(&self, since: Instant, overlap: TimeDelta) -> Instant {
        self.read_to.map_or(since, |read_to| (read_to - overlap).max(since))
    }

    /// It has met a row of this instant.
    pub(super) fn meet(&mut self, at: Option<Instant>) {
        self.newest = self.newest.max(at);
    }

    /// It is through.
    pub(super) fn finish(&mut self) {
        self.read_to = self.read_to.max(self.newest);
        (self.newest, self.next) = (None, None);
    }
}

impl Repository {
    pub(super) fn walk(&mut self, list: &str) -> &mut Walk {
        self.walks.entry(list.to_owned()).or_default()
    }

    /// From when on deployments are looked at: back to the oldest that is not over.
    pub(super) fn deployments_floor(&self, since: Instant) -> Instant {
        let walk = self.walks.get("deployments").cloned().unwrap_or_default();
        let floor = walk.floor(since, DEPLOYMENTS_STAY_OPEN);
        let open = self.deployments.values().filter(|seen| !seen.is_over).map(|seen| seen.created_at).min();
        open.map_or(floor, |open| open.min(floor))
    }

    /// Forgets deployments that will not change any more.
    pub(super) fn forget_deployments(&mut self) {
        let Some(newest) = self.deployments.values().map(|seen| seen.created_at).max() else { return };
        self.deployments.retain(|_, seen| {
            let kept = if seen.is_over { DEPLOYMENTS_STAY_OPEN } else { GIVEN_UP };
            newest - seen.created_at <= kept
        });
    }
}
