//! The gold tables: what attribution found, one row a change, a production attempt, an incident. Narrow,
//! sorted by service and time. Metrics read only these.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{Field, Schema, SchemaRef};
use dorado_lake::{Deployment, Instant, Status};

/// An enum that is kept as text.
macro_rules! text_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// As it is kept and answered.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

text_enum! {
    /// How a change's deployment was found.
    ShipRule {
        /// The deployment lists it.
        Explicit = "explicit",
        /// Reachable from the revision, and from none deployed before.
        Ancestry = "ancestry",
        /// Merged between two deployments' starts.
        Time = "time",
        /// No rule places it.
        Unshipped = "unshipped",
    }
}

text_enum! {
    /// Why a change is not in the lead time.
    Exclusion {
        /// It shipped with the first deployment ever seen of its service.
        FirstDeployment = "first_deployment",
        /// A cherry-pick of it, or what it is a cherry-pick of, shipped already.
        CherryPick = "cherry_pick",
        /// Neither author nor committer date is usable.
        NoCommitTime = "no_commit_time",
        /// It has not shipped.
        Unshipped = "unshipped",
    }
}

text_enum! {
    /// How an incident's deployment was found.
    CauseRule {
        /// A person said so.
        Override = "override",
        /// The incident names it.
        Explicit = "explicit",
        /// What ended the incident names what it repairs.
        Remediated = "remediated",
        /// The latest before the incident, within the window.
        Proximity = "proximity",
        /// No rule applies.
        Unattributed = "unattributed",
    }
}

text_enum! {
    /// Why a deployment failed; the strongest reason first.
    FailureRule {
        /// A person said so.
        Override = "override",
        /// An incident names it.
        IncidentExplicit = "incident_explicit",
        /// What ended an incident names it.
        IncidentRemediated = "incident_remediated",
        /// The next success was flagged as a rollback, or names it as what it rolls back.
        RolledBack = "rolled_back",
        /// The next success went back to a revision deployed before.
        OlderRevision = "older_revision",
        /// A hotfix or roll-forward names it.
        Remediated = "remediated",
        /// An incident opened soon after it.
        IncidentProximity = "incident_proximity",
        /// The next success was a hotfix that names nothing.
        HotfixFollowed = "hotfix_followed",
        /// A patch release of it followed.
        PatchRelease = "patch_release",
        /// One of its changes was reverted by a later deployment.
        Reverted = "reverted",
    }
}

impl FailureRule {
    /// Every rule, the strongest first.
    pub(crate) const ALL: [Self; 10] = [
        Self::Override,
        Self::IncidentExplicit,
        Self::IncidentRemediated,
        Self::RolledBack,
        Self::OlderRevision,
        Self::Remediated,
        Self::IncidentProximity,
        Self::HotfixFollowed,
        Self::PatchRelease,
        Self::Reverted,
    ];

    /// Its place in `outcomes.evidence`.
    pub(crate) fn bit(self) -> i32 {
        1 << (self as i32)
    }

    /// How sure it makes that a deployment failed.
    pub(crate) fn confidence(self) -> Confidence {
        match self {
            Self::IncidentProximity | Self::HotfixFollowed | Self::PatchRelease | Self::Reverted => {
                Confidence::Probable
            }
            _ => Confidence::Confirmed,
        }
    }

    /// The reason that an attributed incident is.
    pub(crate) fn of_cause(rule: CauseRule) -> Self {
        match rule {
            CauseRule::Override => Self::Override,
            CauseRule::Explicit => Self::IncidentExplicit,
            CauseRule::Remediated => Self::IncidentRemediated,
            CauseRule::Proximity | CauseRule::Unattributed => Self::IncidentProximity,
        }
    }
}

/// What else `outcomes.evidence` tells, for packs that look at it another way.
pub(crate) mod evidence {
    /// A person said that it did not fail.
    pub(crate) const ABSOLVED: i32 = 1 << 16;
    /// A change that the first deployment held was reverted: a failure where the first deployment ships.
    pub(crate) const BASELINE_REVERTED: i32 = 1 << 17;
    /// It reverted such a change, and is rework where the first deployment ships.
    pub(crate) const REVERTS_BASELINE: i32 = 1 << 18;
}

text_enum! {
    /// How sure a finding is.
    Confidence {
        /// Somebody or something said so.
        Confirmed = "confirmed",
        /// A rule of thumb says so.
        Probable = "probable",
    }
}

/// One change of one service. `*_ms` are milliseconds before it shipped.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shipment {
    pub(crate) service: String,
    pub(crate) environment: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) change: String,
    pub(crate) source: Option<String>,
    pub(crate) deployment: Option<String>,
    pub(crate) rule: ShipRule,
    pub(crate) excluded: Option<Exclusion>,
    pub(crate) shipped_at: Option<Instant>,
    /// `shipped_at`, or for an unshipped change when it was merged or written.
    pub(crate) known_at: Instant,
    pub(crate) lead_ms: Option<i64>,
    pub(crate) lead_from: Option<String>,
    pub(crate) first_commit_ms: Option<i64>,
    pub(crate) opened_ms: Option<i64>,
    pub(crate) first_review_ms: Option<i64>,
    pub(crate) approved_ms: Option<i64>,
    pub(crate) merged_ms: Option<i64>,
    pub(crate) pull_request: Option<String>,
    /// Whether its pull request is counted by this row: the last of its changes to ship.
    pub(crate) represents: bool,
    /// Whether a bot wrote it.
    pub(crate) by_bot: bool,
    /// Time between the service's success before and the one that it shipped with.
    pub(crate) since_previous_ms: Option<i64>,
}

/// One finished attempt at production. `None` in the judgements of an attempt that did not reach it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) service: String,
    pub(crate) environment: String,
    pub(crate) repository: Option<String>,
    pub(crate) team: Option<String>,
    pub(crate) source: String,
    pub(crate) deployment: String,
    pub(crate) revision: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) status: Status,
    pub(crate) reached: bool,
    pub(crate) started_at: Instant,
    pub(crate) finished_at: Instant,
    pub(crate) failed: Option<bool>,
    pub(crate) confirmed: Option<bool>,
    pub(crate) failure_rule: Option<FailureRule>,
    pub(crate) confidence: Option<Confidence>,
    pub(crate) recovered_at: Option<Instant>,
    pub(crate) recovery_ms: Option<i64>,
    /// `incident_resolved`, or the rule by which what repaired it was found.
    pub(crate) recovery_rule: Option<&'static str>,
    pub(crate) n_incidents: i32,
    pub(crate) n_changes: i32,
    pub(crate) rework: Option<bool>,
    pub(crate) rework_rule: Option<String>,
    pub(crate) since_previous_ms: Option<i64>,
    /// Bits of every rule but incidents that says it failed, and of [`evidence`].
    pub(crate) evidence: i32,
    /// From its finish to that of the first rollback.
    pub(crate) rollback_ms: Option<i64>,
    /// From its finish to that of the first hotfix or roll-forward.
    pub(crate) remediation_ms: Option<i64>,
    /// From its finish to that of the first revert.
    pub(crate) revert_ms: Option<i64>,
}

/// One incident of one service, and the deployment that caused it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cause {
    pub(crate) service: String,
    pub(crate) source: String,
    pub(crate) incident: String,
    pub(crate) title: Option<String>,
    pub(crate) severity: Option<String>,
    pub(crate) opened_at: Instant,
    pub(crate) resolved_at: Option<Instant>,
    pub(crate) deployment_source: Option<String>,
    pub(crate) deployment: Option<String>,
    pub(crate) rule: CauseRule,
    pub(crate) confidence: Option<Confidence>,
    pub(crate) url: Option<String>,
    pub(crate) repository: Option<String>,
    pub(crate) environment: Option<String>,
    /// From the finish of the deployment to the opening.
    pub(crate) deployment_ms: Option<i64>,
    /// What would be to blame however long ago: the latest success of the service before it.
    pub(crate) latest: Option<Blamed>,
    /// What would be to blame if the first deployment shipped: the incident names a change that it held.
    pub(crate) baseline: Option<Blamed>,
}

/// A deployment that an incident may be put on.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Blamed {
    pub(crate) source: String,
    pub(crate) deployment: String,
    /// From its finish to the opening of the incident.
    pub(crate) before_ms: i64,
}

impl Cause {
    /// Whether it puts its incident on this deployment.
    pub(crate) fn names(&self, deployment: &Deployment) -> bool {
        self.deployment.as_deref() == Some(deployment.id.as_str())
            && self.deployment_source.as_deref() == Some(deployment.source.as_str())
    }
}

/// A row of a gold table.
pub(crate) trait GoldRow: Sized {
    /// Its table.
    const TABLE: &'static str;
    /// Its columns, in order.
    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)>;
    /// What the partition by month is taken from.
    fn at(&self) -> Instant;
    /// Order within a month: service first, then time, then what makes it the same every time.
    const ORDER: [&'static str; 4];
}

/// Rows as a batch.
pub(crate) fn to_batch<T: GoldRow>(rows: &[T]) -> RecordBatch {
    let columns = T::columns(rows);
    let schema = schema_of(&columns);
    RecordBatch::try_new(schema, columns.into_iter().map(|(_, c)| c).collect())
        .expect("the schema is read off the columns, which are all as long as the rows")
}

/// The schema of a gold table.
pub(crate) fn schema<T: GoldRow>() -> SchemaRef {
    schema_of(&T::columns(&[]))
}

fn schema_of(columns: &[(&'static str, ArrayRef)]) -> SchemaRef {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    Arc::new(Schema::new(fields))
}

fn text<'a, T: 'a>(rows: &'a [T], get: impl Fn(&'a T) -> Option<&'a str>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<StringArray>())
}

fn instant<T>(rows: &[T], get: impl Fn(&T) -> Option<Instant>) -> ArrayRef {
    let micros: TimestampMicrosecondArray = rows.iter().map(|r| get(r).map(|at| at.timestamp_micros())).collect();
    Arc::new(micros.with_timezone("UTC"))
}

fn long<T>(rows: &[T], get: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<Int64Array>())
}

fn int<T>(rows: &[T], get: impl Fn(&T) -> i32) -> ArrayRef {
    Arc::new(rows.iter().map(|r| Some(get(r))).collect::<Int32Array>())
}

fn flag<T>(rows: &[T], get: impl Fn(&T) -> Option<bool>) -> ArrayRef {
    Arc::new(rows.iter().map(get).collect::<BooleanArray>())
}

/// What the rows of gold were made by besides facts: the catalogue, as text. One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MadeBy {
    pub(crate) catalog: String,
}

impl MadeBy {
    /// The month that its row is kept in.
    pub(crate) const MONTH: &'static str = "1970-01";
}

impl GoldRow for MadeBy {
    const TABLE: &'static str = "made_by";
    const ORDER: [&'static str; 4] = ["catalog"; 4];

    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![("catalog", text(rows, |r| Some(&r.catalog)))]
    }

    fn at(&self) -> Instant {
        Instant::UNIX_EPOCH
    }
}

impl GoldRow for Shipment {
    const TABLE: &'static str = "shipments";
    const ORDER: [&'static str; 4] = ["service", "known_at", "change", "repository"];

    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("service", text(rows, |r| Some(&r.service))),
            ("environment", text(rows, |r| r.environment.as_deref())),
            ("repository", text(rows, |r| r.repository.as_deref())),
            ("change", text(rows, |r| Some(&r.change))),
            ("source", text(rows, |r| r.source.as_deref())),
            ("deployment", text(rows, |r| r.deployment.as_deref())),
            ("rule", text(rows, |r| Some(r.rule.as_str()))),
            ("excluded", text(rows, |r| r.excluded.map(Exclusion::as_str))),
            ("shipped_at", instant(rows, |r| r.shipped_at)),
            ("known_at", instant(rows, |r| Some(r.known_at))),
            ("lead_ms", long(rows, |r| r.lead_ms)),
            ("lead_from", text(rows, |r| r.lead_from.as_deref())),
            ("first_commit_ms", long(rows, |r| r.first_commit_ms)),
            ("opened_ms", long(rows, |r| r.opened_ms)),
            ("first_review_ms", long(rows, |r| r.first_review_ms)),
            ("approved_ms", long(rows, |r| r.approved_ms)),
            ("merged_ms", long(rows, |r| r.merged_ms)),
            ("pull_request", text(rows, |r| r.pull_request.as_deref())),
            ("represents", flag(rows, |r| Some(r.represents))),
            ("by_bot", flag(rows, |r| Some(r.by_bot))),
            ("since_previous_ms", long(rows, |r| r.since_previous_ms)),
        ]
    }

    fn at(&self) -> Instant {
        self.known_at
    }
}

impl GoldRow for Outcome {
    const TABLE: &'static str = "outcomes";
    const ORDER: [&'static str; 4] = ["service", "finished_at", "deployment", "source"];

    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("service", text(rows, |r| Some(&r.service))),
            ("environment", text(rows, |r| Some(&r.environment))),
            ("repository", text(rows, |r| r.repository.as_deref())),
            ("team", text(rows, |r| r.team.as_deref())),
            ("source", text(rows, |r| Some(&r.source))),
            ("deployment", text(rows, |r| Some(&r.deployment))),
            ("revision", text(rows, |r| r.revision.as_deref())),
            ("version", text(rows, |r| r.version.as_deref())),
            ("url", text(rows, |r| r.url.as_deref())),
            ("status", text(rows, |r| Some(status_text(r.status)))),
            ("reached", flag(rows, |r| Some(r.reached))),
            ("started_at", instant(rows, |r| Some(r.started_at))),
            ("finished_at", instant(rows, |r| Some(r.finished_at))),
            ("failed", flag(rows, |r| r.failed)),
            ("confirmed", flag(rows, |r| r.confirmed)),
            ("failure_rule", text(rows, |r| r.failure_rule.map(FailureRule::as_str))),
            ("confidence", text(rows, |r| r.confidence.map(Confidence::as_str))),
            ("recovered_at", instant(rows, |r| r.recovered_at)),
            ("recovery_ms", long(rows, |r| r.recovery_ms)),
            ("recovery_rule", text(rows, |r| r.recovery_rule)),
            ("n_incidents", int(rows, |r| r.n_incidents)),
            ("n_changes", int(rows, |r| r.n_changes)),
            ("rework", flag(rows, |r| r.rework)),
            ("rework_rule", text(rows, |r| r.rework_rule.as_deref())),
            ("since_previous_ms", long(rows, |r| r.since_previous_ms)),
            ("evidence", int(rows, |r| r.evidence)),
            ("rollback_ms", long(rows, |r| r.rollback_ms)),
            ("remediation_ms", long(rows, |r| r.remediation_ms)),
            ("revert_ms", long(rows, |r| r.revert_ms)),
        ]
    }

    fn at(&self) -> Instant {
        self.finished_at
    }
}

impl GoldRow for Cause {
    const TABLE: &'static str = "causes";
    const ORDER: [&'static str; 4] = ["service", "opened_at", "incident", "source"];

    fn columns(rows: &[Self]) -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("service", text(rows, |r| Some(&r.service))),
            ("source", text(rows, |r| Some(&r.source))),
            ("incident", text(rows, |r| Some(&r.incident))),
            ("title", text(rows, |r| r.title.as_deref())),
            ("severity", text(rows, |r| r.severity.as_deref())),
            ("opened_at", instant(rows, |r| Some(r.opened_at))),
            ("resolved_at", instant(rows, |r| r.resolved_at)),
            ("deployment_source", text(rows, |r| r.deployment_source.as_deref())),
            ("deployment", text(rows, |r| r.deployment.as_deref())),
            ("rule", text(rows, |r| Some(r.rule.as_str()))),
            ("confidence", text(rows, |r| r.confidence.map(Confidence::as_str))),
            ("url", text(rows, |r| r.url.as_deref())),
            ("repository", text(rows, |r| r.repository.as_deref())),
            ("environment", text(rows, |r| r.environment.as_deref())),
            ("deployment_ms", long(rows, |r| r.deployment_ms)),
            ("latest_source", text(rows, |r| r.latest.as_ref().map(|b| b.source.as_str()))),
            ("latest", text(rows, |r| r.latest.as_ref().map(|b| b.deployment.as_str()))),
            ("latest_ms", long(rows, |r| r.latest.as_ref().map(|b| b.before_ms))),
            ("baseline_source", text(rows, |r| r.baseline.as_ref().map(|b| b.source.as_str()))),
            ("baseline", text(rows, |r| r.baseline.as_ref().map(|b| b.deployment.as_str()))),
            ("baseline_ms", long(rows, |r| r.baseline.as_ref().map(|b| b.before_ms))),
        ]
    }

    fn at(&self) -> Instant {
        self.opened_at
    }
}

fn status_text(status: Status) -> &'static str {
    match status {
        Status::Pending => "pending",
        Status::Running => "running",
        Status::Success => "success",
        Status::Failed => "failed",
        Status::Cancelled => "cancelled",
    }
}
