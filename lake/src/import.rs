//! Imports: facts in large numbers, straight to silver. They are gathered by month, so that a history of years
//! becomes a few files a month however many calls bring it, in bounded memory, and visible all at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use futures::StreamExt;
use futures::future::join_all;
use parquet::errors::ParquetError;

use crate::file::{DataFile, Encoder};
use crate::lake::IMPORT;
use crate::month::Month;
use crate::sorted::Sorted;
use crate::table::Change;
use crate::{Error, Fact, Lake};

/// Encoded and half-encoded bytes that an import holds; beyond it the largest months are stored.
const BYTES_HELD: usize = 128 << 20;

/// Files finished and stored at once.
const FILES_AT_ONCE: usize = 4;

/// A table's month.
type Key = (&'static str, Month);
type Encoders = HashMap<Key, Encoder>;

/// An import under way. Its facts share one arrival number and are seen when [`Import::finish`] returns; an import
/// that is dropped leaves nothing to be seen.
pub struct Import {
    lake: Lake,
    arrival: i64,
    encoders: Option<Encoders>,
    files: BTreeMap<&'static str, Vec<Arc<DataFile>>>,
}

impl Lake {
    /// Begins an import.
    pub async fn begin_import(&self) -> Result<Import, Error> {
        // Under the lock, so that nobody can call silver complete through it in between.
        let _settling = self.inner.settling.lock().await;
        let arrival = self.inbox()?.reserve().await?;
        self.inner.importing.lock().unwrap_or_else(PoisonError::into_inner).insert(arrival);
        Ok(Import { lake: self.clone(), arrival, encoders: Some(Encoders::new()), files: BTreeMap::new() })
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

    /// Adds facts; some hundred thousand at a time are best.
    ///
    /// # Errors
    /// Where a file could not be stored. The import is then lost and must be begun again.
    pub async fn push(&mut self, facts: Vec<Fact>) -> Result<(), Error> {
        let arrival = self.arrival;
        let mut encoders = self.encoders.take().ok_or_else(lost)?;
        let encode = move || {
            let mut sorted = Sorted::default();
            for fact in facts {
                sorted.push(fact, arrival);
            }
            encode(&mut encoders, sorted)?;
            Ok::<_, ParquetError>(encoders)
        };
        let encoded = tokio::task::spawn_blocking(encode).await;
        let mut encoders = encoded.map_err(failed)?.map_err(failed)?;
        let mut n_bytes: usize = encoders.values().map(Encoder::n_bytes).sum();
        while n_bytes > BYTES_HELD {
            let Some(largest) = encoders.iter().max_by_key(|(_, encoder)| encoder.n_bytes()) else { break };
            let key = *largest.0;
            if let Some(encoder) = encoders.remove(&key) {
                n_bytes -= encoder.n_bytes();
                let (name, file) = store(&self.lake, key, encoder).await?;
                self.files.entry(name).or_default().push(file);
            }
        }
        self.encoders = Some(encoders);
        Ok(())
    }

    /// Stores what is left, commits and shows all of it. Returns the arrival number.
    pub async fn finish(mut self) -> Result<i64, Error> {
        let encoders = self.encoders.take().ok_or_else(lost)?;
        let stored = encoders.into_iter().map(|(key, encoder)| store(&self.lake, key, encoder));
        let stored: Vec<_> = futures::stream::iter(stored).buffer_unordered(FILES_AT_ONCE).collect().await;
        for stored in stored {
            let (name, file) = stored?;
            self.files.entry(name).or_default().push(file);
        }
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

async fn store(lake: &Lake, (name, month): Key, encoder: Encoder) -> Result<(&'static str, Arc<DataFile>), Error> {
    let table = lake.inner.table(name)?;
    let encoded = tokio::task::spawn_blocking(move || encoder.finish()).await;
    let encoded = encoded.map_err(failed)?.map_err(failed)?;
    Ok((name, table.store_file(&month.to_string(), encoded).await?))
}

/// Writes rows to the encoders of their months, on all cores.
fn encode(encoders: &mut Encoders, sorted: Sorted) -> Result<(), ParquetError> {
    let mut work = Vec::<(Key, Encoder, RecordBatch)>::new();
    for (table, months) in sorted.into_batches() {
        for (month, rows) in months {
            let encoder = match encoders.remove(&(table, month)) {
                Some(encoder) => encoder,
                None => Encoder::new(&rows.schema())?,
            };
            work.push(((table, month), encoder, rows));
        }
    }
    // Dealt out by size, the largest first.
    work.sort_by_key(|(_, _, rows)| std::cmp::Reverse(rows.num_rows()));
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut shares: Vec<Vec<_>> = (0..n_threads).map(|_| Vec::new()).collect();
    work.into_iter().enumerate().for_each(|(n, item)| shares[n % n_threads].push(item));
    let written = std::thread::scope(|scope| {
        let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(|| write_all(share))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| Err(panicked()))).collect::<Vec<_>>()
    });
    for share in written {
        encoders.extend(share?);
    }
    Ok(())
}

fn write_all(share: Vec<(Key, Encoder, RecordBatch)>) -> Result<Vec<(Key, Encoder)>, ParquetError> {
    let written = share.into_iter().map(|(key, mut encoder, rows)| {
        encoder.write(&rows)?;
        Ok((key, encoder))
    });
    written.collect()
}

fn panicked() -> ParquetError {
    ParquetError::General("a thread that encodes ended early".to_owned())
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Commit { table: "facts".to_owned(), source: source.into() }
}

fn lost() -> Error {
    Error::Commit { table: "facts".to_owned(), source: "an earlier part of this import failed".into() }
}
