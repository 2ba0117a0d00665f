//! Maintenance that no reader notices: small files become larger ones, the log gets checkpoints, and what nobody
//! can be reading any more is deleted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{RecordBatch, new_null_array};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use bytes::Bytes;
use deltalake::DeltaTable;
use deltalake::checkpoints::{cleanup_expired_logs_for, create_checkpoint};
use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::file::{DataFile, Encoded, Encoder};
use crate::log::DataChange;
use crate::table::{Change, Table, TableState};
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

/// What maintenance remembers of a table.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    last_checkpoint: u64,
    last_vacuum: Option<Instant>,
    /// Files outside the table, each with when it was first seen so.
    unreferenced: HashMap<String, Instant>,
}

impl Lake {
    /// Compaction, checkpoints, log clean-up and vacuum, where due. A table where something fails does not keep
    /// the others from their turn; the first error is returned.
    pub async fn maintain(&self, now: Instant) -> Result<Maintained, Error> {
        self.inbox()?;
        let (mut done, mut first_error) = (Maintained::default(), None);
        let facts: Vec<_> = self.inner.facts.values().cloned().collect();
        for table in &facts {
            match self.compact(table).await {
                Ok(n) => done.n_compacted += n,
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        for table in facts.into_iter().chain(self.gold_tables().into_values()) {
            match self.tidy(&table, now).await {
                Ok((n_checkpoints, n_vacuumed)) => {
                    done.n_checkpoints += n_checkpoints;
                    done.n_vacuumed += n_vacuumed;
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(done), Err)
    }

    /// Merges the small files of months that have many. Returns how many were merged away.
    async fn compact(&self, table: &Arc<Table>) -> Result<usize, Error> {
        let mut n_compacted = 0;
        for files in mergeable(&table.state(), self.inner.options.compact_from) {
            let _rewriting = self.inner.rewriting.lock().await;
            let merged = merge(table, &files).await?;
            let merged = table.store_file(&files[0].month, merged).await?;
            let _settling = self.inner.settling.lock().await;
            let plan = |state: &TableState| {
                let active: HashSet<&str> = state.files.iter().map(|file| file.path.as_str()).collect();
                if !files.iter().all(|file| active.contains(file.path.as_str())) {
                    return Ok(None);
                }
                let mut change = Change::of_data("OPTIMIZE");
                change.data = DataChange::No;
                change.add = vec![merged];
                change.remove.clone_from(&files);
                Ok(Some(change))
            };
            let state = table.commit(plan).await?;
            self.flip(|snapshot| snapshot.with_tables([state]));
            n_compacted += files.len();
        }
        Ok(n_compacted)
    }

    async fn tidy(&self, table: &Table, now: Instant) -> Result<(usize, usize), Error> {
        let options = &self.inner.options;
        let mut upkeep = table.upkeep.lock().await;
        let version = table.state().version.unwrap_or(0);
        let mut n_checkpoints = 0;
        if version >= upkeep.last_checkpoint + options.checkpoint_every {
            checkpoint(table, now - options.retention).await?;
            upkeep.last_checkpoint = version;
            n_checkpoints = 1;
        }
        let due = upkeep.last_vacuum.is_none_or(|last| now - last >= options.retention / 6);
        if !due {
            return Ok((n_checkpoints, 0));
        }
        let n_vacuumed = vacuum(table, &mut upkeep.unreferenced, now, options.retention).await?;
        upkeep.last_vacuum = Some(now);
        Ok((n_checkpoints, n_vacuumed))
    }
}

/// Files up to this size are small. Twice as much is decoded to be dealt out anew.
const SMALL: u64 = 8 << 20;

/// A file's level: eight files of one level make about one of the next, so that a row is written again only as
/// often as there are levels. Those above the last are left as they are.
fn level(n_bytes: u64) -> u32 {
    (n_bytes >> 16).checked_ilog(8).map_or(0, |level| level + 1)
}

/// Groups of files, each of one month, that are to become one file.
fn mergeable(state: &TableState, from: usize) -> Vec<Vec<Arc<DataFile>>> {
    let mut months = BTreeMap::<&str, BTreeMap<u32, Vec<&Arc<DataFile>>>>::new();
    for file in state.files.iter().filter(|file| file.n_bytes <= SMALL) {
        months.entry(&file.month).or_default().entry(level(file.n_bytes)).or_default().push(file);
    }
    let groups = months.into_values().filter_map(|levels| {
        let highest = levels.iter().rev().find(|(_, files)| files.len() >= from.max(2))?;
        let upto = *highest.0;
        let mut n_bytes = 0;
        let files = levels.into_iter().filter(|(level, _)| *level <= upto).flat_map(|(_, files)| files);
        let files = files.take_while(|file| {
            n_bytes += file.n_bytes;
            n_bytes <= 2 * SMALL
        });
        Some(files.cloned().collect())
    });
    groups.filter(|files: &Vec<_>| files.len() > 1).collect()
}

async fn merge(table: &Table, files: &[Arc<DataFile>]) -> Result<Encoded, Error> {
    let mut contents = Vec::with_capacity(files.len());
    for file in files {
        let found = table.store.get(&Path::from(file.path.as_str())).await;
        let found = found.map_err(|source| table.unavailable("read a file of", source))?;
        contents.push(found.bytes().await.map_err(|source| table.unavailable("read a file of", source))?);
    }
    let schema = Arc::clone(&table.state().schema);
    let merged = tokio::task::spawn_blocking(move || merge_bytes(&schema, contents)).await;
    let failed = |source| Error::Commit { table: table.name.clone(), source };
    merged.map_err(|source| failed(source.into()))?.map_err(|source| failed(source.into()))
}

fn merge_bytes(schema: &SchemaRef, contents: Vec<Bytes>) -> Result<Encoded, ArrowError> {
    let mut batches = Vec::new();
    for bytes in contents {
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()? {
            batches.push(fitted(&batch?, schema)?);
        }
    }
    Ok(Encoder::all(schema, &batches)?)
}

/// A batch of an older file with the columns of today's.
pub(crate) fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => arrow::compute::cast(column, field.data_type()),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    RecordBatch::try_new(Arc::clone(schema), columns.collect::<Result<_, _>>()?)
}

/// Writes a checkpoint, and deletes what it makes superfluous of the log from before `keep_from`.
async fn checkpoint(table: &Table, keep_from: Instant) -> Result<(), Error> {
    let failed = |source| table.unavailable("write a checkpoint of", source);
    let mut delta = DeltaTable::new(Arc::clone(table.log_store()));
    delta.load().await.map_err(failed)?;
    create_checkpoint(&delta, None).await.map_err(failed)?;
    let version = delta.version().unwrap_or(0);
    let cutoff = keep_from.timestamp_millis();
    cleanup_expired_logs_for(version, table.log_store().as_ref(), cutoff, None).await.map_err(failed)?;
    Ok(())
}

/// Deletes files that have been outside the table for longer than the retention and that nobody in this process
/// holds: those taken out, and those of writers that ended before their commit.
async fn vacuum(
    table: &Table,
    unreferenced: &mut HashMap<String, Instant>,
    now: Instant,
    retention: chrono::Duration,
) -> Result<usize, Error> {
    let listed: Vec<_> = table
        .store
        .list(None)
        .map_ok(|meta| meta.location.to_string())
        .try_filter(|path| futures::future::ready(!path.starts_with("_delta_log")))
        .try_collect()
        .await
        .map_err(|source| table.unavailable("list", source))?;
    // A commit whose end is not known may have added some of them.
    table.make_sure().await?;
    let state = table.state();
    let active: HashSet<&str> = state.files.iter().map(|file| file.path.as_str()).collect();
    let outside: HashSet<String> = listed.into_iter().filter(|path| !active.contains(path.as_str())).collect();
    unreferenced.retain(|path, _| outside.contains(path));
    for path in outside {
        unreferenced.entry(path).or_insert(now);
    }
    let due: Vec<String> = unreferenced
        .iter()
        .filter(|(path, since)| now - **since >= retention && !table.is_held(path))
        .map(|(path, _)| path.clone())
        .collect();
    let locations = futures::stream::iter(due.clone()).map(|path| Ok(Path::from(path))).boxed();
    let deleted: Vec<_> = table.store.delete_stream(locations).collect().await;
    for path in &due {
        unreferenced.remove(path);
    }
    for outcome in deleted {
        match outcome {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => {}
            Err(source) => return Err(table.unavailable("delete a file of", source)),
        }
    }
    Ok(due.len())
}
