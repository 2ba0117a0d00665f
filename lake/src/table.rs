//! One Delta table: its files as they are now, and the one way in which a commit is made. What the log says
//! is read by delta-rs when a table is opened, and again where somebody else has written to it; in between the
//! list of files is kept from our own commits, because rebuilding it takes longer the more files there are.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use deltalake::DeltaTable;
use deltalake::logstore::{LogStoreRef, StorageConfig, default_logstore};
use futures::StreamExt;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};
use url::Url;

use crate::Error;
use crate::file::{DataFile, Encoded, Encoder, Hold};
use crate::log::{Commit, DataChange, MONTH, Metadata, SCHEMA_VERSION, Transactions, commit_path};
use crate::maintain::Upkeep;

/// Attempts at one commit while somebody else commits as well.
const ATTEMPTS: usize = 5;

/// A table as it was at one version.
#[derive(Debug, Clone)]
pub(crate) struct TableState {
    pub(crate) name: String,
    /// Delta's version; `None` where the table does not exist.
    pub(crate) version: Option<u64>,
    /// Columns in the files; the table has `month` besides.
    pub(crate) schema: SchemaRef,
    pub(crate) files: Vec<Arc<DataFile>>,
    pub(crate) transactions: Transactions,
    pub(crate) metadata: Metadata,
}

impl TableState {
    pub(crate) fn transaction(&self, application: &str) -> i64 {
        self.transactions.get(application).copied().unwrap_or(0)
    }

    pub(crate) fn months(&self) -> BTreeSet<&str> {
        self.files.iter().map(|file| file.month.as_str()).collect()
    }
}

/// What a commit does.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) operation: &'static str,
    pub(crate) add: Vec<Arc<DataFile>>,
    pub(crate) remove: Vec<Arc<DataFile>>,
    pub(crate) transaction: Option<(&'static str, i64)>,
    pub(crate) data: DataChange,
    /// A new schema and version.
    pub(crate) redefine: Option<(SchemaRef, u32)>,
}

impl Change {
    pub(crate) fn of_data(operation: &'static str) -> Self {
        Self {
            operation,
            add: Vec::new(),
            remove: Vec::new(),
            transaction: None,
            data: DataChange::Yes,
            redefine: None,
        }
    }
}

/// A table.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// Rooted at the table.
    pub(crate) store: Arc<dyn ObjectStore>,
    log_store: LogStoreRef,
    state: RwLock<Arc<TableState>>,
    writer: tokio::sync::Mutex<Writer>,
    pub(crate) upkeep: tokio::sync::Mutex<Upkeep>,
    /// Files that somebody in this process holds, by path.
    held: Mutex<HashMap<String, Weak<Hold>>>,
}

/// What only the one who commits needs.
#[derive(Debug, Default)]
struct Writer {
    /// A commit failed, and whether it was made is not known.
    unsure: bool,
}

impl Table {
    /// A table of the lake, as its log says; one that does not exist has no version.
    pub(crate) async fn open(
        lake: &Arc<dyn ObjectStore>,
        name: &str,
        schema: SchemaRef,
        metadata: Metadata,
    ) -> Result<Self, Error> {
        let store: Arc<dyn ObjectStore> = Arc::new(PrefixStore::new(Arc::clone(lake), name));
        // Delta-rs only needs an address to build paths from: those are relative to the lake's own store.
        let address = Url::parse(&format!("memory:///{name}/"))
            .map_err(|source| Error::Commit { table: name.to_owned(), source: source.into() })?;
        let log_store = default_logstore(Arc::clone(&store), Arc::clone(lake), &address, &StorageConfig::default());
        let state = TableState {
            name: name.to_owned(),
            version: None,
            schema,
            files: Vec::new(),
            transactions: Transactions::new(),
            metadata,
        };
        let table = Self {
            name: name.to_owned(),
            store,
            log_store,
            state: RwLock::new(Arc::new(state)),
            writer: tokio::sync::Mutex::default(),
            upkeep: tokio::sync::Mutex::default(),
            held: Mutex::default(),
        };
        table.reload().await?;
        Ok(table)
    }

    /// The table as it is now.
    pub(crate) fn state(&self) -> Arc<TableState> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set_state(&self, state: TableState) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    /// Makes the table where there is none, and adds columns that an older program did not know.
    pub(crate) async fn make_current(&self, schema: SchemaRef, schema_version: u32) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        let state = self.state();
        if state.version.is_some()
            && state.metadata.schema_version == schema_version
            && state.schema.fields() == schema.fields()
        {
            return self.sync_log(&state).await;
        }
        if state.version.is_some() {
            compatible(&state, &schema)?;
        }
        let mut change = Change::of_data("SET SCHEMA");
        change.redefine = Some((schema, schema_version));
        self.commit_locked(&mut writer, |_| Ok(Some(change))).await.map(|_| ())
    }

    /// Empties the table unless it has this schema. For tables that can be computed again.
    pub(crate) async fn empty_unless(&self, schema: &SchemaRef, schema_version: u32) -> Result<(), Error> {
        let mut writer = self.writer.lock().await;
        let state = self.state();
        if state.version.is_some()
            && state.metadata.schema_version == schema_version
            && state.schema.fields() == schema.fields()
        {
            return self.sync_log(&state).await;
        }
        let mut change = Change::of_data("CREATE OR REPLACE TABLE");
        change.redefine = Some((Arc::clone(schema), schema_version));
        change.remove.clone_from(&state.files);
        change.transaction = Some((crate::lake::PUBLISH, 0));
        self.commit_locked(&mut writer, |_| Ok(Some(change))).await.map(|_| ())
    }

    /// Finds out what became of a commit that failed, if there is one.
    pub(crate) async fn make_sure(&self) -> Result<(), Error> {
        self.commit(|_| Ok(None)).await.map(|_| ())
    }

    /// The last process may have ended between making a commit visible and syncing the log's directory. What
    /// it said is about to be relied on, so it is synced now: the store does so before it refuses.
    async fn sync_log(&self, state: &TableState) -> Result<(), Error> {
        let Some(version) = state.version else { return Ok(()) };
        let path = Path::from(commit_path(version));
        let text = match self.store.get(&path).await {
            Ok(found) => found.bytes().await.map_err(|source| self.unavailable("read", source))?,
            // Cleaned up behind a checkpoint, and so synced long ago.
            Err(object_store::Error::NotFound { .. }) => return Ok(()),
            Err(source) => return Err(self.unavailable("read", source)),
        };
        match self.store.put_opts(&path, text.into(), create()).await {
            Ok(_) | Err(object_store::Error::AlreadyExists { .. }) => Ok(()),
            Err(source) => Err(self.unavailable("sync", source)),
        }
    }

    /// Reads the log again, if it has grown.
    pub(crate) async fn reload(&self) -> Result<(), Error> {
        let state = self.state();
        if let Some(version) = state.version {
            let latest = self.log_store.get_latest_version(version).await;
            if latest.map_err(|source| self.unavailable("read the log of", source))? == version {
                return Ok(());
            }
        } else if !self.exists().await? {
            return Ok(());
        }
        self.replay(&state).await.map(|state| self.set_state(state))
    }

    async fn exists(&self) -> Result<bool, Error> {
        let mut listed = self.store.list(Some(&Path::from("_delta_log")));
        while let Some(entry) = listed.next().await {
            let entry = entry.map_err(|source| self.unavailable("list", source))?;
            let extension = entry.location.extension();
            if extension == Some("json") || extension == Some("parquet") {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn replay(&self, known: &TableState) -> Result<TableState, Error> {
        let failed = |source: deltalake::DeltaTableError| self.unavailable("read the log of", source);
        let mut table = DeltaTable::new(Arc::clone(&self.log_store));
        table.load().await.map_err(failed)?;
        let snapshot = table.snapshot().map_err(failed)?.snapshot();
        let configuration = snapshot.metadata().configuration();
        let schema_version = configuration.get(SCHEMA_VERSION).and_then(|version| version.parse().ok()).unwrap_or(0);
        if schema_version > known.metadata.schema_version {
            return Err(Error::NewerSchema {
                table: self.name.clone(),
                found: schema_version,
                known: known.metadata.schema_version,
            });
        }
        let mut transactions = Transactions::new();
        for application in [crate::lake::SETTLE, crate::lake::IMPORT, crate::lake::PUBLISH] {
            let version = snapshot.transaction_version(self.log_store.as_ref(), application).await;
            if let Some(version) = version.map_err(failed)? {
                transactions.insert(application.to_owned(), version);
            }
        }
        let schema = file_schema(&snapshot.arrow_schema());
        let log_data = snapshot.log_data();
        let files = log_data.iter().map(|view| {
            let path = view.object_store_path().to_string();
            let month = view.partition_values_map().remove(MONTH).flatten().unwrap_or_else(|| month_of(&path));
            let stats = view.stats().unwrap_or_default();
            let (hold, n_bytes) = (self.hold(&path), view.size().cast_unsigned());
            Arc::new(DataFile::new((path, month), n_bytes, view.modification_time(), stats, &schema, hold))
        });
        Ok(TableState {
            name: self.name.clone(),
            version: Some(snapshot.version()),
            files: files.collect(),
            transactions,
            metadata: Metadata {
                id: snapshot.metadata().id().to_owned(),
                schema_version,
                retention: known.metadata.retention,
            },
            schema,
        })
    }

    /// Holds the file of a path for as long as what it returns lives.
    fn hold(&self, path: &str) -> Arc<Hold> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hold) = held.get(path).and_then(Weak::upgrade) {
            return hold;
        }
        let hold = Arc::new(Hold);
        held.insert(path.to_owned(), Arc::downgrade(&hold));
        hold
    }

    /// Whether anybody in this process still holds a file: writes it, has it in a snapshot, or reads it.
    pub(crate) fn is_held(&self, path: &str) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, hold| hold.strong_count() > 0);
        held.contains_key(path)
    }

    /// Writes a file of rows of one month, on stable storage, not yet part of the table.
    pub(crate) async fn write(&self, month: &str, rows: Vec<RecordBatch>) -> Result<Arc<DataFile>, Error> {
        let schema = Arc::clone(&self.state().schema);
        let encoded = tokio::task::spawn_blocking(move || Encoder::all(&schema, &rows)).await;
        let encoded = encoded
            .map_err(|source| Error::Commit { table: self.name.clone(), source: source.into() })?
            .map_err(|source| Error::Commit { table: self.name.clone(), source: source.into() })?;
        self.store_file(month, encoded).await
    }

    /// Stores an encoded file.
    pub(crate) async fn store_file(&self, month: &str, encoded: Encoded) -> Result<Arc<DataFile>, Error> {
        let Encoded { bytes, stats } = encoded;
        let n_bytes = bytes.len() as u64;
        let path = DataFile::new_path(month);
        // Held before it is there, so that maintenance never takes it for a leftover.
        let hold = self.hold(&path);
        let location = Path::from(path.as_str());
        self.store
            .put_opts(&location, bytes.into(), create())
            .await
            .map_err(|source| self.unavailable("write a file of", source))?;
        let meta = self.store.head(&location).await;
        let modified_at =
            meta.map_err(|source| self.unavailable("read a file of", source))?.last_modified.timestamp_millis();
        let file = DataFile::new((path, month.to_owned()), n_bytes, modified_at, stats, &self.state().schema, hold);
        Ok(Arc::new(file))
    }

    /// Commits what `plan` makes of the table as it is; nothing, where it says so.
    pub(crate) async fn commit(
        &self,
        plan: impl FnOnce(&TableState) -> Result<Option<Change>, Error>,
    ) -> Result<Arc<TableState>, Error> {
        let mut writer = self.writer.lock().await;
        self.commit_locked(&mut writer, plan).await
    }

    async fn commit_locked(
        &self,
        writer: &mut Writer,
        plan: impl FnOnce(&TableState) -> Result<Option<Change>, Error>,
    ) -> Result<Arc<TableState>, Error> {
        if writer.unsure {
            self.reload().await?;
            self.sync_log(&self.state()).await?;
            writer.unsure = false;
        }
        let Some(mut change) = plan(&self.state())? else { return Ok(self.state()) };
        for _ in 0..ATTEMPTS {
            let state = self.state();
            let active: HashSet<&str> = state.files.iter().map(|file| file.path.as_str()).collect();
            change.remove.retain(|gone| active.contains(gone.path.as_str()));
            let version = state.version.map_or(0, |version| version + 1);
            let text = self.text(&state, &change)?;
            match self.write_commit(version, text).await {
                Ok(Written::Ours) => {
                    self.set_state(applied(&state, &change, version));
                    return Ok(self.state());
                }
                Ok(Written::Theirs) => {
                    self.reload().await?;
                    if let Some((application, version)) = change.transaction
                        && self.state().transaction(application) >= version
                        && application != crate::lake::PUBLISH
                    {
                        return Ok(self.state());
                    }
                }
                Err(error) => {
                    writer.unsure = true;
                    return Err(error);
                }
            }
        }
        Err(Error::Commit { table: self.name.clone(), source: "somebody else keeps writing to it".into() })
    }

    fn text(&self, state: &TableState, change: &Change) -> Result<String, Error> {
        let at = change.add.iter().chain(&state.files).map(|file| file.modified_at).max().unwrap_or(0);
        let mut commit = Commit::new(change.operation, at);
        if state.version.is_none() {
            commit.protocol();
        }
        if let Some((schema, schema_version)) = &change.redefine {
            let metadata = Metadata { schema_version: *schema_version, ..state.metadata.clone() };
            let described = commit.metadata(&metadata, schema, at);
            described.map_err(|problem| Error::Schema { table: self.name.clone(), problem })?;
        }
        if let Some((application, version)) = change.transaction {
            commit.transaction(application, version, at);
        }
        change.remove.iter().for_each(|file| commit.remove(file, change.data, at));
        change.add.iter().for_each(|file| commit.add(file, change.data));
        Ok(commit.text())
    }

    /// Writes a commit if there is none of that version. After an error it may have been written all the same,
    /// so it is tried once more: the store's answer to that says whose it is.
    async fn write_commit(&self, version: u64, text: String) -> Result<Written, Error> {
        let path = Path::from(commit_path(version));
        let mut result = self.store.put_opts(&path, text.clone().into(), create()).await;
        if let Err(error) = &result
            && !matches!(error, object_store::Error::AlreadyExists { .. })
        {
            tracing::warn!(table = self.name, version, %error, "a commit failed and is tried again");
            result = self.store.put_opts(&path, text.clone().into(), create()).await;
        }
        match result {
            Ok(_) => Ok(Written::Ours),
            Err(object_store::Error::AlreadyExists { .. }) => {
                let found = self.store.get(&path).await.map_err(|source| self.unavailable("read", source))?;
                let found = found.bytes().await.map_err(|source| self.unavailable("read", source))?;
                Ok(if found == text.as_bytes() { Written::Ours } else { Written::Theirs })
            }
            Err(source) => Err(self.unavailable("commit to", source)),
        }
    }

    /// A store's error as ours: a full disk is told apart, because that is for people to mend.
    pub(crate) fn unavailable(
        &self,
        action: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Error {
        let table = self.name.clone();
        if is_full(&source) {
            return Error::Full { table, source: Box::new(source) };
        }
        Error::Unavailable { table, action, source: Box::new(source) }
    }

    pub(crate) fn log_store(&self) -> &LogStoreRef {
        &self.log_store
    }
}

/// The log's schema without the partition column, with the types that our own files have.
fn file_schema(table: &SchemaRef) -> SchemaRef {
    let fields = table.fields().iter().filter(|field| field.name() != MONTH);
    let plain = fields.map(|field| match field.data_type() {
        DataType::List(item) => {
            let item = Field::new_list_field(item.data_type().clone(), true);
            Arc::new(Field::new_list(field.name(), item, true))
        }
        _ => Arc::new(Field::new(field.name(), field.data_type().clone(), true)),
    });
    Arc::new(Schema::new(plain.collect::<Vec<_>>()))
}

enum Written {
    Ours,
    Theirs,
}

fn applied(state: &TableState, change: &Change, version: u64) -> TableState {
    let mut next = state.clone();
    next.version = Some(version);
    let gone: HashSet<&str> = change.remove.iter().map(|file| file.path.as_str()).collect();
    next.files.retain(|file| !gone.contains(file.path.as_str()));
    next.files.extend(change.add.iter().cloned());
    if let Some((application, version)) = change.transaction {
        next.transactions.insert(application.to_owned(), version);
    }
    if let Some((schema, schema_version)) = &change.redefine {
        next.schema = Arc::clone(schema);
        next.metadata.schema_version = *schema_version;
    }
    next
}

/// Columns may be added, nothing else.
fn compatible(state: &TableState, schema: &Schema) -> Result<(), Error> {
    for old in state.schema.fields() {
        let problem = match schema.field_with_name(old.name()) {
            Ok(new) if new.data_type() == old.data_type() => continue,
            Ok(new) => format!("its column `{}` is {}, not {}", old.name(), old.data_type(), new.data_type()),
            Err(_) => format!("its column `{}` is not known to this dorado", old.name()),
        };
        return Err(Error::Schema { table: state.name.clone(), problem });
    }
    Ok(())
}

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

/// The month in a path like `month=2026-11/part-….parquet`.
fn month_of(path: &str) -> String {
    let value = path.split('/').find_map(|part| part.strip_prefix("month="));
    value.unwrap_or_default().to_owned()
}

fn is_full(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        {
            return true;
        }
        cause = error.source();
    }
    false
}
