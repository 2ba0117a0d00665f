//! [`Lake`]: the one handle on everything that is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::prelude::SessionContext;

use crate::{Delivery, Error, Fact, Instant};

/// A delivery's place in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its arrival number.
    pub arrival: i64,
    /// Whether the same delivery was already waiting.
    pub duplicate: bool,
}

/// Deliveries to be settled together, in arrival order.
#[derive(Debug, Default)]
pub struct Batch {
    /// The deliveries, each with what it said.
    pub deliveries: Vec<Settled>,
}

/// A delivery and what it said.
#[derive(Debug)]
pub struct Settled {
    /// Its arrival number.
    pub arrival: i64,
    /// The delivery.
    pub delivery: Delivery,
    /// Its facts, or why it could not be read.
    pub outcome: Result<Vec<Fact>, String>,
}

/// New content of some months of a gold table.
#[derive(Debug)]
pub struct GoldChange {
    /// The table.
    pub table: &'static str,
    /// The whole new content by month (`2026-11`); an empty batch removes the month.
    pub months: BTreeMap<String, RecordBatch>,
}

/// What maintenance did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Maintained {
    /// Files that were merged away.
    pub n_compacted: usize,
    /// Checkpoints written.
    pub n_checkpoints: usize,
    /// Files of data deleted.
    pub n_vacuumed: usize,
}

/// How a source is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceStatus {
    /// Source and connection, as facts name them.
    pub source: String,
    /// When the last delivery arrived.
    pub last_delivery_at: Option<Instant>,
    /// Deliveries that gave facts.
    pub n_kept: u64,
    /// Deliveries that gave none.
    pub n_ignored: u64,
    /// Deliveries that could not be read.
    pub n_rejected: u64,
    /// Deliveries not yet settled.
    pub n_waiting: u64,
}

/// What we know and where it is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    current: Arc<Snapshot>,
}

/// All tables as they were at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    version: u64,
}

impl Snapshot {
    /// Grows when any table changes.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// A table as DataFusion reads it; it has the column `month` (`2026-11`) last.
    pub fn table(&self, _name: &str) -> Option<Arc<dyn TableProvider>> {
        None
    }

    /// Months that a table has rows of, in order.
    pub fn months(&self, _table: &str) -> Vec<String> {
        Vec::new()
    }

    /// Every fact of this arrival and before is in the silver tables of this snapshot.
    pub fn silver_through(&self) -> i64 {
        0
    }

    /// Gold of this snapshot is complete up to this arrival.
    pub fn gold_through(&self) -> i64 {
        0
    }
}

#[expect(clippy::unused_async, reason = "the first slice")]
impl Lake {
    /// Opens a lake for reading and writing: a path, `file://`, `s3://bucket/prefix` or `memory://`.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let _ = url;
        Ok(Self { current: Arc::default() })
    }

    /// Opens a lake for reading: takes no lock, never writes.
    pub async fn open_read_only(url: &str) -> Result<Self, Error> {
        Self::open(url).await
    }

    /// Keeps a delivery; it is on stable storage when this returns.
    pub async fn keep(&self, _delivery: Delivery) -> Result<Kept, Error> {
        Err(Error::Closed)
    }

    /// Deliveries kept and not yet settled, in arrival order.
    pub async fn waiting(&self, _limit: usize) -> Result<Vec<(i64, Delivery)>, Error> {
        Err(Error::Closed)
    }

    /// How many deliveries wait.
    pub async fn n_waiting(&self) -> Result<u64, Error> {
        Err(Error::Closed)
    }

    /// Waits until a delivery has been kept since the last call. For one waiter.
    pub async fn arrived(&self) {}

    /// Writes a batch to bronze and silver, then takes it out of the inbox.
    pub async fn settle(&self, _batch: Batch) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// Writes facts straight to silver; returns the arrival number that they share.
    pub async fn import(&self, _facts: Vec<Fact>) -> Result<i64, Error> {
        Err(Error::Closed)
    }

    /// Declares a gold table; its schema without `month`. A table with another schema is emptied.
    pub async fn declare_gold(&self, _name: &'static str, _schema: SchemaRef) -> Result<(), Error> {
        Ok(())
    }

    /// Replaces months of gold tables; gold is then complete through this arrival.
    pub async fn publish(&self, _gold: Vec<GoldChange>, _through: i64) -> Result<(), Error> {
        Err(Error::Closed)
    }

    /// See [`Snapshot::gold_through`].
    pub fn gold_through(&self) -> i64 {
        self.current.gold_through()
    }

    /// See [`Snapshot::silver_through`].
    pub fn silver_through(&self) -> i64 {
        self.current.silver_through()
    }

    /// All tables as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current)
    }

    /// Makes a session able to read the tables of this lake's snapshots.
    pub fn register(&self, _session: &SessionContext) {}

    /// Looks for newer versions of the tables.
    pub async fn reload(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Compaction, checkpoints, log clean-up and vacuum, where due.
    pub async fn maintain(&self, _now: Instant) -> Result<Maintained, Error> {
        Ok(Maintained::default())
    }

    /// How each source is doing.
    pub async fn source_status(&self) -> Result<Vec<SourceStatus>, Error> {
        Ok(Vec::new())
    }

    /// Ends the inbox's thread and gives the lock back.
    pub async fn close(self) {}
}
