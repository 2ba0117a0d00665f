//! [`Run`]: how the collecting from a source stands, kept beside the inbox. A page's deliveries and the place to go on
//! from are written in one transaction, so that a run that ends anywhere is taken up after its last whole page.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Instant;

/// How the collecting from a source stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// Source and connection, as facts name them.
    pub source: String,
    /// What it is doing.
    pub state: RunState,
    /// Where to go on, as only the source understands.
    pub note: Value,
    /// From when on it is asked.
    pub since: Option<Instant>,
    /// From when on this run was asked to read again, where it was.
    pub asked_since: Option<Instant>,
    /// When the run began.
    pub started_at: Option<Instant>,
    /// When the last run ended that ended well.
    pub last_success_at: Option<Instant>,
    /// When it goes on, or the next run begins.
    pub next_at: Option<Instant>,
    /// Deliveries that were new in this run.
    pub n_deliveries: u64,
    /// Steps done in this run, in the source's unit.
    pub n_done: Option<u64>,
    /// Steps in all, as far as is known.
    pub n_total: Option<u64>,
    /// Calls made in this run.
    pub n_calls: u64,
    /// Runs in a row that failed.
    pub n_failures: u32,
    /// Why the last run failed, where it did.
    pub error: Option<String>,
    /// Calls that the tool allows in a period.
    pub rate_limit: Option<u64>,
    /// Calls left in this period.
    pub rate_limit_remaining: Option<u64>,
    /// When the next period begins.
    pub rate_limit_resets_at: Option<Instant>,
}

/// What the collecting from a source is doing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// It waits for its time.
    #[default]
    Idle,
    /// It reads.
    Running,
    /// It waits until the tool takes calls again.
    Waiting,
    /// The last run ended badly.
    Failed,
}

impl RunState {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }
}

/// What a page holds: a delivery and the digest by which it is known to have been read before.
pub type Collected = (crate::Delivery, [u8; 16]);
