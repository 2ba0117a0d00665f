//! The facts: what somebody did, when, to what. Sources translate deliveries into these; attribution
//! reads nothing else. A fact is one *version* of an entity: the whole record as its source saw it.
//! The latest version of a key wins, by [`Stamp`]. Nouns are those of `METRICS.md`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An instant in UTC. Time zones enter only where answers are cut into buckets.
pub type Instant = DateTime<Utc>;

/// One version of one entity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    /// A commit somebody wrote, or a merge commit that holds the graph together.
    Change(Change),
    /// A pull request or merge request.
    PullRequest(PullRequest),
    /// One attempt to put a revision of a service into an environment.
    Deployment(Deployment),
    /// Something in production that needed intervention.
    Incident(Incident),
    /// A person's verdict, which beats every rule.
    Override(Override),
}

/// A commit. Its key is (`repository` or else `service`, `sha` or else `id`), whichever source told it,
/// so that one commit told by two tools counts once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Source and connection that told it, as `events` or `events/main`.
    pub source: String,
    /// The commit's full SHA in lower case where there is one, else the source's id.
    pub id: String,
    /// Repository as `owner/name` or the source's name for it.
    pub repository: Option<String>,
    /// Service, where the source names it.
    pub service: Option<String>,
    /// Parents' SHAs; `None` where the graph is unknown, empty for a root.
    pub parents: Option<Vec<String>>,
    /// Author date.
    pub authored_at: Option<Instant>,
    /// Committer date.
    pub committed_at: Option<Instant>,
    /// When it reached the deployed branch.
    pub merged_at: Option<Instant>,
    /// First commit of the piece of work, where a change stands for a squashed pull request.
    pub first_commit_at: Option<Instant>,
    /// First line of the message.
    pub title: Option<String>,
    /// Author as the source gives it; used only to leave out bots.
    pub author: Option<String>,
    /// Branch that it was told on.
    pub branch: Option<String>,
    /// Paths touched, where known.
    pub paths: Option<Vec<String>>,
    /// Id of its pull request in the same repository.
    pub pull_request: Option<String>,
    /// SHA of the change that it reverts.
    pub reverts: Option<String>,
    /// SHA of the change that it is a cherry-pick of.
    pub cherry_pick_of: Option<String>,
    /// Id of the deployment that shipped it, where its source says so.
    pub deployment: Option<String>,
    /// Where to look at it.
    pub url: Option<String>,
    /// The source's clock for this version.
    pub updated_at: Option<Instant>,
}

/// A pull request. Key: (`repository` or else `service`, `id`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRequest {
    /// Source and connection that told it.
    pub source: String,
    /// Number or id, unique in its repository.
    pub id: String,
    /// Repository.
    pub repository: Option<String>,
    /// Service, where the source names it.
    pub service: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Author; used only to leave out bots.
    pub author: Option<String>,
    /// Branch that it comes from.
    pub branch: Option<String>,
    /// Branch that it goes into.
    pub base: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// First commit.
    pub first_commit_at: Option<Instant>,
    /// Opened.
    pub opened_at: Option<Instant>,
    /// First review; the earliest that any version names.
    pub first_review_at: Option<Instant>,
    /// Approved; the earliest that any version names.
    pub approved_at: Option<Instant>,
    /// Merged.
    pub merged_at: Option<Instant>,
    /// Closed, merged or not.
    pub closed_at: Option<Instant>,
    /// SHAs of its own commits, where known.
    pub commits: Option<Vec<String>>,
    /// SHA of the merge, squash or last rebased commit.
    pub merge_commit: Option<String>,
    /// Where to look at it.
    pub url: Option<String>,
    /// The source's clock for this version.
    pub updated_at: Option<Instant>,
}

/// What became of a deployment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Not begun.
    #[default]
    Pending,
    /// Under way.
    Running,
    /// Reached the environment.
    Success,
    /// Ended without reaching it.
    Failed,
    /// Given up before the end.
    Cancelled,
}

/// What an environment is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Users are served from here. Any number of environments may be production.
    Production,
    /// The last stop before production.
    Staging,
    /// For tests.
    Testing,
    /// For developers.
    Development,
    /// Anything else.
    Other,
}

/// A deployment. Key: (`source`, `id`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Source and connection that told it.
    pub source: String,
    /// Id, unique within its source and connection.
    pub id: String,
    /// Service, where the source names it; else found from the repository by the catalogue.
    pub service: Option<String>,
    /// Team that owns the service, where the source names it; configuration wins.
    pub team: Option<String>,
    /// Repository that the revision is of.
    pub repository: Option<String>,
    /// Environment by the name that the source gives it.
    pub environment: String,
    /// Its tier, where the source says it; else by the catalogue.
    pub tier: Option<Tier>,
    /// Status.
    pub status: Status,
    /// Started.
    pub started_at: Option<Instant>,
    /// Finished; always there when `status` is success, failed or cancelled.
    pub finished_at: Option<Instant>,
    /// Full SHA of the commit deployed.
    pub revision: Option<String>,
    /// Version or tag.
    pub version: Option<String>,
    /// Branch deployed.
    pub branch: Option<String>,
    /// Title or description.
    pub title: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// Changes that it lists itself (SHAs or ids); `None` where it lists none.
    pub changes: Option<Vec<String>>,
    /// Pull requests that it lists itself.
    pub pull_requests: Option<Vec<String>>,
    /// Path prefixes that the service is built from (monorepo); empty for the whole repository.
    pub paths: Vec<String>,
    /// Flagged as a rollback by its source.
    pub is_rollback: bool,
    /// Flagged as a hotfix or roll-forward by its source.
    pub is_hotfix: bool,
    /// Flagged as unplanned by its source.
    pub is_unplanned: bool,
    /// Id (same source), revision or version of the deployment that it rolls back or repairs.
    pub repairs: Option<String>,
    /// Id of the incident that it fixes.
    pub fixes_incident: Option<String>,
    /// The rule by which a translator set a flag that the tool did not (`patch_release`), so that it can be disputed.
    pub flagged_by: Option<String>,
    /// When its source deleted it. Such a version says nothing else, and what is deleted counts nowhere.
    pub deleted_at: Option<Instant>,
    /// Where to look at it.
    pub url: Option<String>,
    /// The source's clock for this version.
    pub updated_at: Option<Instant>,
}

/// An incident. Key: (`source`, `id`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Source and connection that told it.
    pub source: String,
    /// Id, unique within its source and connection.
    pub id: String,
    /// Services that it hit; empty where unknown.
    pub services: Vec<String>,
    /// Repository that it was filed in.
    pub repository: Option<String>,
    /// Environment that it was seen in.
    pub environment: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Severity as the source gives it.
    pub severity: Option<String>,
    /// Opened.
    pub opened_at: Option<Instant>,
    /// Acknowledged.
    pub acknowledged_at: Option<Instant>,
    /// Resolved; `None` while open.
    pub resolved_at: Option<Instant>,
    /// Deployment that caused it: its id in any source, its revision or its version.
    pub caused_by: Option<String>,
    /// Change that caused it: a SHA or id.
    pub caused_by_change: Option<String>,
    /// When its source deleted it. Such a version says nothing else, and what is deleted counts nowhere.
    pub deleted_at: Option<Instant>,
    /// Where to look at it.
    pub url: Option<String>,
    /// The source's clock for this version.
    pub updated_at: Option<Instant>,
}

/// What a person decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The deployment failed, whatever the rules say.
    #[default]
    Failed,
    /// The deployment did not fail, whatever the rules say.
    NotFailed,
    /// The incident was caused by the deployment named.
    CausedBy,
    /// The incident was caused by no deployment.
    NotCaused,
    /// The override of this id is taken back.
    Withdrawn,
}

/// A person's verdict on a deployment or an incident. Key: (`source`, `id`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// Source that told it.
    pub source: String,
    /// Id of the override.
    pub id: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Id of the deployment that it is about.
    pub deployment: Option<String>,
    /// Id of the incident that it is about.
    pub incident: Option<String>,
    /// Id, revision or version of the deployment that remedied the failure.
    pub remedy: Option<String>,
    /// Who decided.
    pub author: String,
    /// Why.
    pub reason: String,
    /// When it was decided.
    pub decided_at: Option<Instant>,
    /// The source's clock for this version.
    pub updated_at: Option<Instant>,
}

/// What orders the versions of one key: the source's clock, then the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// `updated_at` where the source gives it, else the latest instant that the record names. It is a
    /// property of the record, so that it does not depend on the order of arrival.
    pub clock: Instant,
    /// Place in the inbox's order; grows by one a delivery and never repeats.
    pub arrival: i64,
}

/// A fact with its place in time: what the silver tables hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Stamped<T> {
    /// The fact.
    pub fact: T,
    /// Its stamp.
    pub stamp: Stamp,
}

impl Fact {
    /// What kind of record it is a version of, in the singular.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Change(_) => "change",
            Self::PullRequest(_) => "pull_request",
            Self::Deployment(_) => "deployment",
            Self::Incident(_) => "incident",
            Self::Override(_) => "override",
        }
    }

    /// The record's id.
    pub fn id(&self) -> &str {
        match self {
            Self::Change(fact) => &fact.id,
            Self::PullRequest(fact) => &fact.id,
            Self::Deployment(fact) => &fact.id,
            Self::Incident(fact) => &fact.id,
            Self::Override(fact) => &fact.id,
        }
    }

    /// The table that holds this kind: `changes`, `pull_requests`, `deployments`, `incidents`, `overrides`.
    pub fn table(&self) -> &'static str {
        match self {
            Self::Change(_) => "changes",
            Self::PullRequest(_) => "pull_requests",
            Self::Deployment(_) => "deployments",
            Self::Incident(_) => "incidents",
            Self::Override(_) => "overrides",
        }
    }

    /// The record's own clock: see [`Stamp::clock`]. The Unix epoch for a record that names no instant.
    pub fn clock(&self) -> Instant {
        // Of `None` and `Some` the greater is `Some`.
        let (updated_at, latest) = match self {
            Self::Change(c) => {
                (c.updated_at, c.authored_at.max(c.committed_at).max(c.merged_at).max(c.first_commit_at))
            }
            Self::PullRequest(p) => {
                let opened = p.opened_at.max(p.first_review_at).max(p.approved_at);
                (p.updated_at, opened.max(p.merged_at).max(p.closed_at))
            }
            Self::Deployment(d) => (d.updated_at, d.started_at.max(d.finished_at).max(d.deleted_at)),
            Self::Incident(i) => {
                (i.updated_at, i.opened_at.max(i.acknowledged_at).max(i.resolved_at).max(i.deleted_at))
            }
            Self::Override(o) => (o.updated_at, o.decided_at),
        };
        updated_at.or(latest).unwrap_or(Instant::UNIX_EPOCH)
    }
}
