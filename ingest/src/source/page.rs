//! What collecting gives: pages of deliveries, each with the place from which to go on after it.

use dorado_lake::{Delivery, Instant};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where to go on. What is in it only its source knows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cursor {
    /// The source's own note; null at the first run.
    pub note: Value,
    /// Nothing from before this instant is asked for.
    pub since: Instant,
}

impl Cursor {
    /// The start of a first run.
    pub fn start(since: Instant) -> Self {
        Self { note: Value::Null, since }
    }

    /// The note as the source wrote it; the default where there is none, or one of another version.
    pub fn read<T: serde::de::DeserializeOwned + Default>(&self) -> T {
        serde_json::from_value(self.note.clone()).unwrap_or_default()
    }

    /// The same start with another note.
    #[must_use]
    pub fn with(&self, note: &impl Serialize) -> Self {
        Self { note: serde_json::to_value(note).unwrap_or_default(), since: self.since }
    }
}

/// Deliveries that were read together. Bounded: some hundreds.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// What was read.
    pub deliveries: Vec<Delivery>,
    /// Where to go on after it.
    pub cursor: Cursor,
    /// Steps done in this run, in whatever unit the source counts; `None` where it cannot.
    pub n_done: Option<u64>,
    /// Steps in all, as far as is known yet.
    pub n_total: Option<u64>,
}
