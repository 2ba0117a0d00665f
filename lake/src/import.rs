//! Imports: facts in large numbers, straight to silver. They are gathered by month, so that a history of years
//! becomes a few files a month however many calls bring it, in bounded memory, and visible all at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use futures::future::join_all;
use futures::{StreamExt, TryStreamExt};

use crate::file::{DataFile, Encoder};
use crate::lake::IMPORT;
use crate::month::Month;
use crate::sorted::Sorted;
use crate::table::Change;
use crate::{Error, Fact, Lake};

/// Bytes of rows that an import holds; beyond it the largest months are stored, until half is left.
const BYTES_HELD: usize = 96 << 20;

/// Files encoded and stored at once.
const FILES_AT_ONCE: usize = 4;

/// A table's month.
type Key = (&'static str, Month);

/// Rows of a table's month that wait to become a file.
#[derive(Default)]
struct Rows {
    batches: Vec<RecordBatch>,
    n_bytes: usize,
}

/// An import under way. Its facts share one arrival number and are seen when [`Import::finish`] returns; an import
/// that is dropped leaves nothing to be seen.
pub struct Import {
    lake: Lake,
    arrival: i64,
    /// `None` after an error.
    held: Option<HashMap<Key, Rows>>,
    files: BTreeMap<&'static str, Vec<Arc<DataFile>>>,
}

impl Lake {
    /// Begins an import.
    pub async fn begin_import(&self) -> Result<Import, Error> {
        // Under the lock, so that nobody can call silver complete through it in between.
        let _settling = self.inner.settling.lock().await;
        let arrival = self.inbox()?.reserve().await?;
        self.inner.importing.lock().unwrap_or_else(PoisonError::into_inner).insert(arrival);
        Ok(Import { lake: self.clone(), arrival, held: Some(HashMap::new()), files: BTreeMap::new() })
    }

    /// Writes facts straight to silver; returns the arrival number that they share. For more than fit into
    /// memory at once there is [`Lake::begin_import`].
    pub async fn import(&self, facts: Vec<Fact>) -> Result<i64, Error> {
        let mut import = self.begin_import().await?;
        import.push(facts).await?;
        import.finish().await
    }
}

impl Import {
    /// The arrival number of all its facts.
    pub fn arrival(&self) -> i64 {
        self.arrival
    }

    /// Adds facts; some ten thousand at a time are best.
    ///
    /// # Errors
    /// Where a file could not be stored. The import is then lost and must be begun again.
    pub async fn push(&mut self, facts: Vec<Fact>) -> Result<(), Error> {
        let arrival = self.arrival;
        let mut held = self.held.take().ok_or_else(lost)?;
        let to_batches = move || {
            let mut sorted = Sorted::default();
            for fact in facts {
                sorted.push(fact, arrival);
            }
            sorted.into_batches()
        };
        for (table, months) in tokio::task::spawn_blocking(to_batches).await.map_err(failed)? {
            for (month, batch) in months {
                let rows = held.entry((table, month)).or_default();
                rows.n_bytes += batch.get_array_memory_size();
                rows.batches.push(batch);
            }
        }
        let mut n_bytes: usize = held.values().map(|rows| rows.n_bytes).sum();
        if n_bytes > BYTES_HELD {
            let mut by_size: Vec<(usize, Key)> = held.iter().map(|(key, rows)| (rows.n_bytes, *key)).collect();
            by_size.sort_unstable_by(|a, b| b.cmp(a));
            let mut full = Vec::new();
            for (n, key) in by_size {
                if n_bytes > BYTES_HELD / 2 {
                    n_bytes -= n;
                    full.extend(held.remove(&key).map(|rows| (key, rows)));
                }
            }
            self.store(full).await?;
        }
        self.held = Some(held);
        Ok(())
    }

    /// Makes a file of each month's rows.
    async fn store(&mut self, months: impl IntoIterator<Item = (Key, Rows)>) -> Result<(), Error> {
        let stored: Vec<_> = months.into_iter().map(|(key, rows)| store(self.lake.clone(), key, rows)).collect();
        let stored: Vec<_> = futures::stream::iter(stored).buffer_unordered(FILES_AT_ONCE).try_collect().await?;
        for (name, file) in stored {
            self.files.entry(name).or_default().push(file);
        }
        Ok(())
    }

    /// Stores what is left, commits and shows all of it. Returns the arrival number.
    pub async fn finish(mut self) -> Result<i64, Error> {
        let held = self.held.take().ok_or_else(lost)?;
        self.store(held).await?;
        let _settling = self.lake.inner.settling.lock().await;
        let files = std::mem::take(&mut self.files);
        let committed = files.into_iter().map(|(name, files)| async {
            let mut change = Change::of_data("WRITE");
            change.add = files;
            change.transaction = Some((IMPORT, self.arrival));
            self.lake.inner.table(name)?.commit(|_| Ok(Some(change))).await
        });
        join_all(committed).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        self.end();
        self.lake.show_facts().await?;
        Ok(self.arrival)
    }

    fn end(&self) {
        self.lake.inner.importing.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.arrival);
    }
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("arrival", &self.arrival).finish_non_exhaustive()
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        self.end();
    }
}

async fn store(lake: Lake, (name, month): Key, rows: Rows) -> Result<(&'static str, Arc<DataFile>), Error> {
    let table = lake.inner.table(name)?;
    let schema = Arc::clone(&table.state().schema);
    let encoded = tokio::task::spawn_blocking(move || Encoder::all(&schema, &rows.batches)).await;
    let encoded = encoded.map_err(failed)?.map_err(failed)?;
    Ok((name, table.store_file(&month.to_string(), encoded).await?))
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Commit { table: "facts".to_owned(), source: source.into() }
}

fn lost() -> Error {
    Error::Commit { table: "facts".to_owned(), source: "an earlier part of this import failed".into() }
}
