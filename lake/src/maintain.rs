//! Maintenance that no reader notices.

use crate::{Error, Instant, Lake};

/// What maintenance did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Maintained {
    /// Files that were merged into others.
    pub n_compacted: usize,
    /// Checkpoints written.
    pub n_checkpoints: usize,
    /// Files of data deleted.
    pub n_vacuumed: usize,
}

impl Lake {
    /// Compaction, checkpoints, log clean-up and vacuum, where due.
    #[expect(clippy::unused_async, reason = "the first slice")]
    pub async fn maintain(&self, _now: Instant) -> Result<Maintained, Error> {
        Ok(Maintained::default())
    }
}
