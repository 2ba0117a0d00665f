//! The five neutral events as senders write them. A field's doc comment is its documentation in the JSON
//! schema; the fields themselves are the parser. What a record must hold beyond types is in `rules.rs`.

use dorado_lake::{Tier, Verdict};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::field::{ChangeRef, Id, Name, StatusWord, When};

/// One attempt to put a revision of a service into an environment. Send it again with more fields
/// or another status as it proceeds: the whole record each time.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Deployment {
    #[serde(rename = "type", default)]
    #[schemars(skip)]
    _type: IgnoredAny,
    /// Id of the deployment, unique within `source`, as `"2026-11-03.4"` or `1187`. The same id again is a new version of the same deployment.
    pub(super) id: Id,
    /// Namespace of the ids, as `"spinnaker"`, where several tools send events. Without it all events share one namespace.
    pub(super) source: Option<Name>,
    /// Service deployed, as `"checkout"`. Required unless `repository` is given; then the catalogue says which services the repository holds, and one named like it is assumed where it says nothing.
    pub(super) service: Option<Name>,
    /// Team that owns the service, as `"payments"`. Configuration wins over it; without either the service belongs to no team.
    pub(super) team: Option<Name>,
    /// Repository that `revision` is a commit of, as `"acme/checkout"`. Without it changes are matched by service.
    pub(super) repository: Option<Name>,
    /// Environment deployed to, as `"production"`, `"eu-west-1"`. Default: `production`.
    pub(super) environment: Option<Name>,
    /// What the environment is for. Without it the configuration, then the environment's name, says it.
    pub(super) tier: Option<Tier>,
    /// What became of it; the words of common tools are taken too. Default: `success`.
    pub(super) status: Option<StatusWord>,
    /// When it started: RFC 3339 with an offset. Absent where unknown.
    pub(super) started_at: Option<When>,
    /// When it ended: RFC 3339 with an offset. Required where `status` is success, failed or cancelled.
    pub(super) finished_at: Option<When>,
    /// Full SHA of the commit deployed, 40 or 64 hexadecimal digits. Without it changes are matched by `changes`, else by time. Also taken as `sha` or `commit_sha`.
    #[serde(alias = "sha", alias = "commit_sha")]
    pub(super) revision: Option<Name>,
    /// Version or tag deployed, as `"v1.4.2"`. Absent where there is none.
    pub(super) version: Option<Name>,
    /// Branch deployed, as `"main"` or `"hotfix/login"`. Rework rules look at it; absent where unknown.
    pub(super) branch: Option<Name>,
    /// Title or description in one line. Rework rules look at it; absent where there is none.
    pub(super) title: Option<String>,
    /// Labels, as `["hotfix"]`. Rework rules look at them. Default: none.
    pub(super) labels: Option<Vec<Name>>,
    /// The changes that it ships: SHAs, ids, or whole change objects. It then ships these and no others. Without it they are found by the commit graph, else by time.
    pub(super) changes: Option<Vec<ChangeRef>>,
    /// Ids of the pull requests that it ships, as `[211, 214]`. Absent where it lists none.
    pub(super) pull_requests: Option<Vec<Id>>,
    /// Path prefixes of the repository that the service is built from, as `["services/checkout/"]`, in a monorepo. Default: the whole repository.
    pub(super) paths: Option<Vec<Name>>,
    /// What kind of deployment it is, instead of the flags `rollback`, `hotfix`, `unplanned`. Default: `planned`.
    pub(super) kind: Option<Planning>,
    /// True where it goes back to an older revision because the newer one failed. Default: false.
    pub(super) rollback: Option<bool>,
    /// True where it was made to repair what a deployment before it broke. Default: false.
    pub(super) hotfix: Option<bool>,
    /// True where it was not planned but made because of an incident. Default: false.
    pub(super) unplanned: Option<bool>,
    /// The failed deployment that it rolls back: its id, revision or version. Implies `rollback`.
    pub(super) rolls_back: Option<Id>,
    /// The failed deployment that it repairs: its id, revision or version. Implies `hotfix`.
    pub(super) repairs: Option<Id>,
    /// Id of the incident that it ends. Absent where it ends none.
    pub(super) fixes_incident: Option<Id>,
    /// When it was deleted: RFC 3339 with an offset. It then counts nowhere, and needs nothing else but `id` and `source`. Absent where it is there.
    pub(super) deleted_at: Option<When>,
    /// Where to look at it. Absent where there is no page.
    pub(super) url: Option<String>,
    /// The sender's clock for this version of the record: RFC 3339 with an offset; the latest wins whatever order they arrive in. Without it the latest instant that the record names is taken.
    pub(super) updated_at: Option<When>,
}

/// What kind of deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Planning {
    /// Planned work.
    Planned,
    /// Repairs what a deployment before it broke; as `hotfix: true`.
    Hotfix,
    /// Goes back to an older revision; as `rollback: true`.
    Rollback,
    /// Not planned, made because of an incident; as `unplanned: true`.
    Unplanned,
}

/// A commit somebody wrote, or a squashed pull request that stands for one. At least one of its instants is required.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    #[serde(rename = "type", default)]
    #[schemars(skip)]
    _type: IgnoredAny,
    /// Full SHA of the commit where there is one, else an id unique in its repository or service. Also taken as `sha` or `commit_sha`.
    #[serde(alias = "sha", alias = "commit_sha")]
    pub(super) id: Id,
    /// Who tells it, as `"gerrit"`. A commit told by several tools still counts once.
    pub(super) source: Option<Name>,
    /// Repository, as `"acme/checkout"`. Required unless `service` is given.
    pub(super) repository: Option<Name>,
    /// Service that it changes, as `"checkout"`. Required unless `repository` is given.
    pub(super) service: Option<Name>,
    /// SHAs of its parents, the first one first; `[]` for a root. Absent where the graph is unknown.
    pub(super) parents: Option<Vec<Id>>,
    /// Author date: RFC 3339 with an offset. Lead time starts here; without it at `committed_at`. Also taken as `author_at`.
    #[serde(alias = "author_at")]
    pub(super) authored_at: Option<When>,
    /// Committer date: RFC 3339 with an offset. Absent where unknown.
    pub(super) committed_at: Option<When>,
    /// When it reached the deployed branch: RFC 3339 with an offset. Without the graph it decides which deployment ships it.
    pub(super) merged_at: Option<When>,
    /// First commit of the piece of work, where this stands for a squashed pull request: RFC 3339 with an offset. Absent where unknown.
    pub(super) first_commit_at: Option<When>,
    /// First line of the message. Absent where unknown.
    pub(super) title: Option<String>,
    /// Author as the source names them; used only to leave out bots. Absent where unknown.
    pub(super) author: Option<Name>,
    /// Branch that it was told on, as `"main"`. Absent where unknown.
    pub(super) branch: Option<Name>,
    /// Paths that it touches, as `["services/checkout/cart.rs"]`. Without it every service of the repository is taken to be touched.
    pub(super) paths: Option<Vec<Name>>,
    /// Id of its pull request in the same repository, as `211`. Absent where there is none.
    pub(super) pull_request: Option<Id>,
    /// Id of the deployment that ships it, where the sender knows. Without it the deployment is found by its list, the graph or time.
    pub(super) deployment: Option<Id>,
    /// When its pull request was opened: RFC 3339 with an offset. Given, a pull request is recorded beside the change.
    pub(super) opened_at: Option<When>,
    /// When its pull request was first reviewed: RFC 3339 with an offset. Absent where it was not.
    pub(super) first_review_at: Option<When>,
    /// When its pull request was approved: RFC 3339 with an offset. Absent where it was not.
    pub(super) approved_at: Option<When>,
    /// SHA of the change that it reverts. Absent where it reverts none.
    pub(super) reverts: Option<Id>,
    /// SHA of the change that it is a cherry-pick of. Absent where it is none.
    pub(super) cherry_pick_of: Option<Id>,
    /// Where to look at it. Absent where there is no page.
    pub(super) url: Option<String>,
    /// The sender's clock for this version of the record: RFC 3339 with an offset; the latest wins. Without it the latest instant that the record names is taken.
    pub(super) updated_at: Option<When>,
}

/// A pull request or merge request. At least one of its instants is required.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PullRequest {
    #[serde(rename = "type", default)]
    #[schemars(skip)]
    _type: IgnoredAny,
    /// Number or id, unique in its repository or service, as `211`.
    pub(super) id: Id,
    /// Who tells it, as `"gerrit"`. Without it all events share one namespace.
    pub(super) source: Option<Name>,
    /// Repository, as `"acme/checkout"`. Required unless `service` is given.
    pub(super) repository: Option<Name>,
    /// Service that it changes, as `"checkout"`. Required unless `repository` is given.
    pub(super) service: Option<Name>,
    /// Title. Absent where unknown.
    pub(super) title: Option<String>,
    /// Author as the source names them; used only to leave out bots. Absent where unknown.
    pub(super) author: Option<Name>,
    /// Branch that it comes from, as `"hotfix/login"`. Absent where unknown.
    pub(super) branch: Option<Name>,
    /// Branch that it goes into, as `"main"`. Absent where unknown.
    pub(super) base: Option<Name>,
    /// Labels. Default: none.
    pub(super) labels: Option<Vec<Name>>,
    /// Its first commit: RFC 3339 with an offset. The stage "coding" starts here; absent where unknown.
    pub(super) first_commit_at: Option<When>,
    /// Opened: RFC 3339 with an offset. Absent where unknown.
    pub(super) opened_at: Option<When>,
    /// First review by somebody else: RFC 3339 with an offset. Absent where there was none.
    pub(super) first_review_at: Option<When>,
    /// Approved: RFC 3339 with an offset. Absent where it was not.
    pub(super) approved_at: Option<When>,
    /// Merged: RFC 3339 with an offset. Absent where it is not.
    pub(super) merged_at: Option<When>,
    /// Closed, merged or not: RFC 3339 with an offset. Absent while open.
    pub(super) closed_at: Option<When>,
    /// SHAs of its own commits; they are the changes then, and `merge_commit` is not. Absent where unknown.
    pub(super) commits: Option<Vec<Id>>,
    /// SHA of the merge, squash or last rebased commit. Absent where unknown. Also taken as `merge_commit_sha`.
    #[serde(alias = "merge_commit_sha")]
    pub(super) merge_commit: Option<Id>,
    /// Where to look at it. Absent where there is no page.
    pub(super) url: Option<String>,
    /// The sender's clock for this version of the record: RFC 3339 with an offset; the latest wins. Without it the latest instant that the record names is taken.
    pub(super) updated_at: Option<When>,
}

/// Something in production that needed intervention.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Incident {
    #[serde(rename = "type", default)]
    #[schemars(skip)]
    _type: IgnoredAny,
    /// Id of the incident, unique within `source`, as `"INC-7"`.
    pub(super) id: Id,
    /// Namespace of the ids, as `"statuspage"`. Without it all events share one namespace.
    pub(super) source: Option<Name>,
    /// Service that it hit, as `"checkout"`. Without it and `services` it can be attributed only to the deployment that it names.
    pub(super) service: Option<Name>,
    /// Services that it hit, where it hit several. Default: `service` alone.
    pub(super) services: Option<Vec<Name>>,
    /// Repository that it was filed in, as `"acme/checkout"`. Absent where there is none.
    pub(super) repository: Option<Name>,
    /// Environment that it was seen in, as `"production"`. Absent: production is assumed.
    pub(super) environment: Option<Name>,
    /// Title. Absent where there is none.
    pub(super) title: Option<String>,
    /// Severity in the sender's words, as `"sev1"`. Absent where there is none.
    pub(super) severity: Option<Name>,
    /// Opened: RFC 3339 with an offset. Required, unless it is deleted.
    pub(super) opened_at: Option<When>,
    /// Acknowledged: RFC 3339 with an offset. Absent where it was not.
    pub(super) acknowledged_at: Option<When>,
    /// Resolved: RFC 3339 with an offset. Absent while open.
    pub(super) resolved_at: Option<When>,
    /// The deployment that caused it: its id, revision or version. Without it the deployment is found by rule.
    pub(super) caused_by: Option<Id>,
    /// The change that caused it: its SHA or id. The deployment that shipped it is the cause then. Absent where unknown.
    pub(super) caused_by_change: Option<Id>,
    /// When it was deleted: RFC 3339 with an offset. It then counts nowhere, and needs nothing else but `id` and `source`. Absent where it is there.
    pub(super) deleted_at: Option<When>,
    /// Where to look at it. Absent where there is no page.
    pub(super) url: Option<String>,
    /// The sender's clock for this version of the record: RFC 3339 with an offset; the latest wins. Without it the latest instant that the record names is taken.
    pub(super) updated_at: Option<When>,
}

/// A person's verdict on a deployment or an incident. It beats every rule and is kept for good.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Override {
    #[serde(rename = "type", default)]
    #[schemars(skip)]
    _type: IgnoredAny,
    /// Id of the override, unique within `source`. Send it again with the verdict `withdrawn` to take it back.
    pub(super) id: Id,
    /// Namespace of the ids. Without it all events share one namespace.
    pub(super) source: Option<Name>,
    /// The verdict.
    pub(super) verdict: Verdict,
    /// Id of the deployment that it is about. Required by failed, `not_failed` and `caused_by`.
    pub(super) deployment: Option<Id>,
    /// Id of the incident that it is about. Required by `caused_by` and `not_caused`.
    pub(super) incident: Option<Id>,
    /// Who decided.
    pub(super) author: Name,
    /// Why, in a sentence.
    #[schemars(regex(pattern = r"\S"))]
    pub(super) reason: String,
    /// When it was decided: RFC 3339 with an offset.
    pub(super) decided_at: When,
    /// The sender's clock for this version of the record: RFC 3339 with an offset; the latest wins. Without it `decided_at` is taken.
    pub(super) updated_at: Option<When>,
}
