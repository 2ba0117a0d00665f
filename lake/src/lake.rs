//! [`Lake`]: the one handle on everything that is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::prelude::SessionContext;
use futures::future::try_join_all;
use object_store::ObjectStore;

use crate::address::{self, Access, Place, unavailable};
use crate::gold::GoldFile;
use crate::hot::Hot;
use crate::inbox::Inbox;
use crate::log::Metadata;
use crate::table::Table;
use crate::{
    Change, Collected, Delivery, Deployment, Error, Fact, Incident, Instant, Override, PullRequest, Row, Run, Snapshot,
    bronze,
};

/// Version of the tables of facts and deliveries. A change that an older program would misread raises it.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// Application ids of Delta transactions: what has been settled, imported, published.
pub(crate) const SETTLE: &str = "dorado-settle";
pub(crate) const IMPORT: &str = "dorado-import";
pub(crate) const PUBLISH: &str = "dorado-publish";

/// A delivery's place in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kept {
    /// Its arrival number.
    pub arrival: i64,
    /// Whether the same delivery was already waiting.
    pub duplicate: bool,
}

/// Deliveries to be settled together: those that have waited longest, in arrival order.
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
    /// Why it is right and gives no facts, where that is so.
    pub ignored: Option<String>,
}

/// New content of some months of a gold table.
#[derive(Debug)]
pub struct GoldChange {
    /// The table.
    pub table: &'static str,
    /// The whole new content by month (`2026-11`).
    pub months: BTreeMap<String, GoldMonth>,
}

/// The whole new content of a month.
#[derive(Debug)]
pub enum GoldMonth {
    /// Its rows; none of them remove the month.
    Rows(RecordBatch),
    /// Files that a [`GoldEncoder`](crate::GoldEncoder) stored.
    Files(Vec<GoldFile>),
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
    /// Why deliveries gave no facts, most frequent first; at most some fifty.
    pub reasons: Vec<Reason>,
}

/// How often deliveries of a source gave no facts for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `ignored` or `rejected`.
    pub outcome: String,
    /// The reason.
    pub reason: String,
    /// How often.
    pub n: u64,
}

/// How a lake is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Directory of the inbox, for a lake that is not itself a directory.
    pub inbox_dir: Option<PathBuf>,
    /// How long files that are no longer part of a table, and old log entries, stay for readers in other
    /// processes. Readers in this one keep theirs for as long as they read.
    pub retention: chrono::Duration,
    /// Commits to a table between two checkpoints.
    pub checkpoint_every: u64,
    /// Small files in a month from which on they are merged.
    pub compact_from: usize,
    /// Bytes of columns that are kept decoded between questions.
    pub bytes_kept: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            inbox_dir: None,
            retention: chrono::Duration::hours(1),
            checkpoint_every: 50,
            compact_from: 8,
            bytes_kept: 128 << 20,
        }
    }
}

/// What we know and where it is kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) store: Arc<dyn ObjectStore>,
    store_url: ObjectStoreUrl,
    /// `None` where the lake is only read.
    inbox: Option<Inbox>,
    /// Bronze and silver.
    pub(crate) facts: BTreeMap<&'static str, Arc<Table>>,
    gold: RwLock<BTreeMap<&'static str, Arc<Table>>>,
    /// Held by whoever changes bronze and silver, until the snapshot shows it whole.
    pub(crate) settling: tokio::sync::Mutex<()>,
    /// Held by whoever writes files again that are part of bronze or silver, from reading to commit.
    pub(crate) rewriting: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever changes gold, until the snapshot shows it whole.
    pub(crate) publishing: tokio::sync::Mutex<()>,
    /// Arrival numbers of imports under way: silver is not complete through them.
    pub(crate) importing: Mutex<BTreeSet<i64>>,
    /// When the last delivery up to an arrival came, for batches that were settled; those that gold has are one.
    pub(crate) delivered: Mutex<BTreeMap<i64, Instant>>,
    current: RwLock<Arc<Snapshot>>,
    pub(crate) options: Options,
    _lock: Option<Arc<File>>,
}

impl Lake {
    /// Opens a lake for reading and writing: a path, `file://`, `s3://bucket/prefix` or `memory://`. Makes what is
    /// missing, and takes up what an earlier process left in any state.
    ///
    /// # Errors
    /// [`Error::Locked`] where another process has the directory, or that of the inbox; [`Error::NewerSchema`].
    pub async fn open(url: &str) -> Result<Self, Error> {
        Self::open_with(url, Options::default()).await
    }

    /// Opens a lake for reading and writing, kept in another way than by default.
    pub async fn open_with(url: &str, options: Options) -> Result<Self, Error> {
        let place = address::find(url, Access::Write)?;
        let inbox_dir = place.directory.clone().or_else(|| options.inbox_dir.clone());
        if inbox_dir.is_none() && !url.starts_with("memory:") {
            return Err(Error::NoInbox { url: url.to_owned() });
        }
        let place = match &inbox_dir {
            Some(inbox_dir) if place.lock.is_none() => place.locked_by(inbox_dir)?,
            _ => place,
        };
        Self::open_at(place, inbox_dir, options).await
    }

    pub(crate) async fn open_at(place: Place, inbox_dir: Option<PathBuf>, options: Options) -> Result<Self, Error> {
        let facts = open_tables(&place.store, &options, SCHEMA_VERSION).await?;
        let current = kinds().map(|(name, schema)| facts[name].make_current(schema, SCHEMA_VERSION));
        try_join_all(current).await?;
        let used = facts
            .values()
            .map(|table| table.state())
            .map(|state| state.transaction(SETTLE).max(state.transaction(IMPORT)));
        let inbox = Inbox::open(inbox_dir.as_deref(), used.max().unwrap_or(0)).await?;
        let through = inbox.through().await?;
        // What waits has come too, and no one knows what came last before it.
        let last = match inbox.n_waiting().await? {
            0 => inbox.status().await?.into_iter().filter_map(|source| source.last_delivery_at).max(),
            _ => None,
        };
        let lake = Self::new(place, facts, Some(inbox), options, through);
        if let Some(at) = last {
            lake.note_delivered(through, at);
        }
        Ok(lake)
    }

    /// Opens a lake for reading: takes no lock, never writes. [`Lake::reload`] finds what was written since.
    pub async fn open_read_only(url: &str) -> Result<Self, Error> {
        let place = address::find(url, Access::Read)?;
        let options = Options::default();
        let facts = open_tables(&place.store, &options, SCHEMA_VERSION).await?;
        let through = read_through(&facts);
        Ok(Self::new(place, facts, None, options, through))
    }

    fn new(
        place: Place,
        facts: BTreeMap<&'static str, Arc<Table>>,
        inbox: Option<Inbox>,
        options: Options,
        through: i64,
    ) -> Self {
        let store_url = new_store_url();
        let snapshot = Snapshot::new(store_url.clone(), Arc::new(Hot::new(options.bytes_kept)))
            .with_tables(facts.values().map(|table| table.state()))
            .with_silver_through(through);
        Self {
            inner: Arc::new(Inner {
                store: place.store,
                store_url,
                inbox,
                facts,
                gold: RwLock::default(),
                settling: tokio::sync::Mutex::default(),
                rewriting: Arc::default(),
                publishing: tokio::sync::Mutex::default(),
                importing: Mutex::default(),
                delivered: Mutex::default(),
                current: RwLock::new(Arc::new(snapshot)),
                options,
                _lock: place.lock,
            }),
        }
    }

    pub(crate) fn inbox(&self) -> Result<&Inbox, Error> {
        self.inner.inbox.as_ref().ok_or(Error::ReadOnly)
    }

    /// Keeps a delivery; it is on stable storage when this returns.
    ///
    /// # Errors
    /// [`Error::Inbox`]; the delivery is then not kept, and its sender must hear so.
    pub async fn keep(&self, delivery: Delivery) -> Result<Kept, Error> {
        self.inbox()?.keep(delivery).await
    }

    /// Deliveries kept and not yet settled, in arrival order; fewer than `limit` where their bodies are large.
    pub async fn waiting(&self, limit: usize) -> Result<Vec<(i64, Delivery)>, Error> {
        self.inbox()?.waiting(limit).await
    }

    /// How many deliveries wait.
    pub async fn n_waiting(&self) -> Result<u64, Error> {
        self.inbox()?.n_waiting().await
    }

    /// Waits until a delivery has been kept, or a replay, since the last call. For one waiter; one that has just opened
    /// the lake looks at [`Lake::waiting`] and [`Lake::replay`] first.
    pub async fn arrived(&self) {
        match &self.inner.inbox {
            Some(inbox) => inbox.arrived().await,
            None => std::future::pending().await,
        }
    }

    /// How each source is doing; nothing where the lake was opened for reading.
    pub async fn source_status(&self) -> Result<Vec<SourceStatus>, Error> {
        match &self.inner.inbox {
            Some(inbox) => inbox.status().await,
            None => Ok(Vec::new()),
        }
    }

    /// How collecting stands, by source; nothing where the lake was opened for reading.
    pub async fn runs(&self) -> Result<Vec<Run>, Error> {
        match &self.inner.inbox {
            Some(inbox) => inbox.runs().await,
            None => Ok(Vec::new()),
        }
    }

    /// Keeps how collecting from a source stands.
    pub async fn keep_run(&self, run: Run) -> Result<(), Error> {
        self.inbox()?.keep_run(run).await
    }

    /// Keeps a page that was collected and the run as it is after it, both or neither. Gives the number of its
    /// deliveries that were not collected before.
    pub async fn keep_page(&self, page: Vec<Collected>, run: Run) -> Result<u64, Error> {
        self.inbox()?.keep_page(page, run).await
    }

    /// When the last delivery came of those up to this arrival; `None` where that is not known.
    pub fn delivered_through(&self, arrival: i64) -> Option<Instant> {
        let mut delivered = self.inner.delivered.lock().unwrap_or_else(PoisonError::into_inner);
        let after = delivered.split_off(&(arrival + 1));
        let before = std::mem::replace(&mut *delivered, after);
        let last = before.into_iter().max_by_key(|(_, at)| *at)?;
        delivered.insert(last.0, last.1);
        Some(last.1)
    }

    pub(crate) fn note_delivered(&self, through: i64, at: Instant) {
        self.inner.delivered.lock().unwrap_or_else(PoisonError::into_inner).insert(through, at);
    }

    /// See [`Snapshot::gold_through`].
    pub fn gold_through(&self) -> i64 {
        self.snapshot().gold_through()
    }

    /// See [`Snapshot::silver_through`].
    pub fn silver_through(&self) -> i64 {
        self.snapshot().silver_through()
    }

    /// All tables as they are now. It changes only when [`Lake::settle`], [`Lake::import`] or [`Lake::publish`] is
    /// through with all of them.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.inner.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the snapshot by one made of it.
    pub(crate) fn flip(&self, change: impl FnOnce(&Snapshot) -> Snapshot) {
        let mut current = self.inner.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(change(&current));
    }

    /// Makes a session able to read the tables of this lake's snapshots.
    pub fn register(&self, session: &SessionContext) {
        session.register_object_store(self.inner.store_url.as_ref(), Arc::clone(&self.inner.store));
    }

    /// Looks for newer versions of the tables, as another process may have written them.
    pub async fn reload(&self) -> Result<(), Error> {
        let _settling = self.inner.settling.lock().await;
        let _publishing = self.inner.publishing.lock().await;
        let tables: Vec<_> = self.inner.facts.values().cloned().chain(self.gold_tables().into_values()).collect();
        try_join_all(tables.iter().map(|table| table.reload())).await?;
        let through = match &self.inner.inbox {
            Some(_) => self.through().await?,
            None => read_through(&self.inner.facts),
        };
        let gold_through = self.published_through();
        self.flip(|snapshot| {
            let states = tables.iter().map(|table| table.state());
            snapshot.with_tables(states).with_silver_through(through).with_gold_through(gold_through)
        });
        Ok(())
    }

    /// Every fact up to here is in silver. To be asked while `settling` is held.
    pub(crate) async fn through(&self) -> Result<i64, Error> {
        let through = self.inbox()?.through().await?;
        let importing = self.inner.importing.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(importing.first().map_or(through, |import| through.min(import - 1)))
    }

    pub(crate) fn gold_tables(&self) -> BTreeMap<&'static str, Arc<Table>> {
        self.inner.gold.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn published_through(&self) -> i64 {
        let gold = self.gold_tables();
        gold.values().map(|table| table.state().transaction(PUBLISH)).min().unwrap_or(0)
    }

    /// Declares a gold table; its schema without `month`. It is made where it is missing; one with another schema
    /// is emptied, since gold can always be computed again. To be called for every gold table before the first
    /// [`Lake::publish`].
    pub async fn declare_gold(&self, name: &'static str, schema: SchemaRef) -> Result<(), Error> {
        let _publishing = self.inner.publishing.lock().await;
        let metadata = metadata(&self.inner.options, u32::MAX);
        let table = Table::open(&self.inner.store, name, Arc::clone(&schema), metadata).await?;
        if self.inner.inbox.is_some() {
            table.empty_unless(&schema, SCHEMA_VERSION).await?;
        }
        let table = Arc::new(table);
        let mut gold = self.inner.gold.write().unwrap_or_else(PoisonError::into_inner);
        gold.insert(name, Arc::clone(&table));
        drop(gold);
        let through = self.published_through();
        self.flip(|snapshot| snapshot.with_tables([table.state()]).with_gold_through(through));
        Ok(())
    }

    /// Gives this handle back. With the last one the inbox's thread ends and the directory is free.
    pub fn close(self) {
        drop(self);
    }
}

/// Bronze and silver: names and columns.
fn kinds() -> impl Iterator<Item = (&'static str, SchemaRef)> {
    [
        (bronze::DELIVERIES, bronze::schema()),
        (Change::TABLE, Change::schema()),
        (PullRequest::TABLE, PullRequest::schema()),
        (Deployment::TABLE, Deployment::schema()),
        (Incident::TABLE, Incident::schema()),
        (Override::TABLE, Override::schema()),
    ]
    .into_iter()
}

fn metadata(options: &Options, schema_version: u32) -> Metadata {
    Metadata { id: uuid::Uuid::new_v4().to_string(), schema_version, retention: options.retention }
}

async fn open_tables(
    store: &Arc<dyn ObjectStore>,
    options: &Options,
    schema_version: u32,
) -> Result<BTreeMap<&'static str, Arc<Table>>, Error> {
    let opened = kinds().map(|(name, schema)| async move {
        let table = Table::open(store, name, schema, metadata(options, schema_version)).await?;
        Ok::<_, Error>((name, Arc::new(table)))
    });
    Ok(try_join_all(opened).await?.into_iter().collect())
}

/// What a reader without an inbox knows of the order of arrival.
fn read_through(facts: &BTreeMap<&'static str, Arc<Table>>) -> i64 {
    let written = facts.values().flat_map(|table| [SETTLE, IMPORT].map(|id| table.state().transaction(id)));
    written.max().unwrap_or(0)
}

/// Every lake of a process has an address of its own in DataFusion's registry.
fn new_store_url() -> ObjectStoreUrl {
    static N_LAKES: AtomicU64 = AtomicU64::new(0);
    let n = N_LAKES.fetch_add(1, Ordering::Relaxed);
    ObjectStoreUrl::parse(format!("lake://lake-{n}")).expect("scheme and host are valid for every number")
}

impl Inner {
    /// A fact table by name.
    pub(crate) fn table(&self, name: &'static str) -> Result<&Arc<Table>, Error> {
        self.facts.get(name).ok_or_else(|| unavailable("find a table of", std::io::Error::other(name)))
    }
}
