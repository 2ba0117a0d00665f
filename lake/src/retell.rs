//! Deliveries that are understood otherwise now: what they were understood to say leaves silver, and what they say takes
//! its place, under the same arrival, as if it had been understood so at once. Rows that say the same stay untouched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray};
use object_store::ObjectStoreExt;
use object_store::path::Path;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tokio::sync::OwnedMutexGuard;

use crate::file::DataFile;
use crate::maintain::fitted;
use crate::month::Month;
use crate::sorted::{Months, Sorted};
use crate::table::{Change, Table};
use crate::{Error, Lake, Row, Settled, Stamped, bronze};

/// What is to be changed, and nothing changed yet.
#[derive(Debug)]
pub struct Retelling {
    lake: Lake,
    changes: Vec<(&'static str, Change)>,
    /// Deliveries that say something else than they were understood to say.
    pub n_deliveries: usize,
    /// Compaction waits: the files to be changed stay until they are.
    _rewriting: OwnedMutexGuard<()>,
}

/// What became of a delivery in bronze.
type Outcomes = BTreeMap<i64, (i64, Option<String>)>;

impl Lake {
    /// Finds out what changes where these settled deliveries say this. To be called by whoever settles, between two batches.
    ///
    /// # Errors
    /// Tables that cannot be read.
    pub async fn retell(&self, deliveries: Vec<Settled>) -> Result<Retelling, Error> {
        self.inbox()?;
        let rewriting = Arc::clone(&self.inner.rewriting).lock_owned().await;
        let arrivals: BTreeSet<i64> = deliveries.iter().map(|settled| settled.arrival).collect();
        let mut outcomes = Outcomes::new();
        let mut sorted = Sorted::default();
        for Settled { arrival, outcome, .. } in deliveries {
            let n_facts = outcome.as_ref().map_or(0, Vec::len) as i64;
            outcomes.insert(arrival, (n_facts, outcome.as_ref().err().cloned()));
            for fact in outcome.unwrap_or_default() {
                sorted.push(fact, arrival);
            }
        }
        let (mut changes, mut changed) = (Vec::new(), BTreeSet::new());
        self.retell_facts(sorted.changes, &arrivals, &mut changed, &mut changes).await?;
        self.retell_facts(sorted.pull_requests, &arrivals, &mut changed, &mut changes).await?;
        self.retell_facts(sorted.deployments, &arrivals, &mut changed, &mut changes).await?;
        self.retell_facts(sorted.incidents, &arrivals, &mut changed, &mut changes).await?;
        self.retell_facts(sorted.overrides, &arrivals, &mut changed, &mut changes).await?;
        self.retell_outcomes(&outcomes, &mut changed, &mut changes).await?;
        Ok(Retelling { lake: self.clone(), changes, n_deliveries: changed.len(), _rewriting: rewriting })
    }

    async fn retell_facts<T: Row + PartialEq + Clone>(
        &self,
        new: Months<T>,
        arrivals: &BTreeSet<i64>,
        changed: &mut BTreeSet<i64>,
        changes: &mut Vec<(&'static str, Change)>,
    ) -> Result<(), Error> {
        let table = self.inner.table(T::TABLE)?;
        // Read back as they will be, so that what a column does not hold makes no difference.
        let mut told = BTreeMap::<i64, Vec<(Month, Stamped<T>)>>::new();
        for (month, rows) in new {
            for row in T::from_batch(&T::to_batch(&rows)) {
                told.entry(row.stamp.arrival).or_default().push((month, row));
            }
        }
        let mut files = Vec::new();
        let mut known = BTreeMap::<i64, Vec<Stamped<T>>>::new();
        for file in touched(table, arrivals) {
            let rows: Vec<Stamped<T>> = read(table, &file).await?.iter().flat_map(T::from_batch).collect();
            if rows.iter().any(|row| arrivals.contains(&row.stamp.arrival)) {
                for row in rows.iter().filter(|row| arrivals.contains(&row.stamp.arrival)) {
                    known
                        .entry(row.stamp.arrival)
                        .or_default()
                        .push(Stamped { fact: row.fact.clone(), stamp: row.stamp });
                }
                files.push((file, rows));
            }
        }
        let is_other = |arrival: &i64| {
            let (old, new) = (known.get(arrival), told.get(arrival));
            let (old, new) = (old.map_or(&[][..], Vec::as_slice), new.map_or(&[][..], Vec::as_slice));
            old.len() != new.len() || new.iter().any(|(_, new)| !old.iter().any(|old| is_same(old, new)))
        };
        let others: BTreeSet<i64> = arrivals.iter().copied().filter(|arrival| is_other(arrival)).collect();
        if others.is_empty() {
            return Ok(());
        }
        let mut change = Change::of_data("WRITE");
        for (file, rows) in files {
            let n_rows = rows.len();
            let kept: Vec<Stamped<T>> = rows.into_iter().filter(|row| !others.contains(&row.stamp.arrival)).collect();
            if kept.len() == n_rows {
                continue;
            }
            if !kept.is_empty() {
                change.add.push(table.write(&file.month, vec![T::to_batch(&kept)]).await?);
            }
            change.remove.push(file);
        }
        let mut months = BTreeMap::<Month, Vec<Stamped<T>>>::new();
        for (month, row) in told.into_iter().filter(|(arrival, _)| others.contains(arrival)).flat_map(|(_, rows)| rows)
        {
            months.entry(month).or_default().push(row);
        }
        for (month, rows) in months {
            change.add.push(table.write(&month.to_string(), vec![T::to_batch(&rows)]).await?);
        }
        changed.extend(others);
        changes.push((T::TABLE, change));
        Ok(())
    }

    /// Says in bronze what became of each.
    async fn retell_outcomes(
        &self,
        outcomes: &Outcomes,
        changed: &mut BTreeSet<i64>,
        changes: &mut Vec<(&'static str, Change)>,
    ) -> Result<(), Error> {
        let table = self.inner.table(bronze::DELIVERIES)?;
        let arrivals = outcomes.keys().copied().collect();
        let mut change = Change::of_data("WRITE");
        for file in touched(table, &arrivals) {
            let batches = read(table, &file).await?;
            let mut is_other = false;
            let rewritten: Vec<RecordBatch> = batches
                .into_iter()
                .map(|batch| {
                    let (batch, others) = with_outcomes(&batch, outcomes);
                    is_other |= !others.is_empty();
                    changed.extend(others);
                    batch
                })
                .collect();
            if is_other {
                change.add.push(table.write(&file.month, rewritten).await?);
                change.remove.push(file);
            }
        }
        if !change.remove.is_empty() {
            changes.push((bronze::DELIVERIES, change));
        }
        Ok(())
    }
}

impl Retelling {
    /// Whether everything says what it was understood to say.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Changes it. Ended in the middle, and done again, it comes to the same.
    ///
    /// # Errors
    /// Tables that cannot be written.
    pub async fn apply(self) -> Result<(), Error> {
        let _settling = self.lake.inner.settling.lock().await;
        for (name, change) in self.changes {
            self.lake.inner.table(name)?.commit(|_| Ok(Some(change))).await?;
        }
        self.lake.show_facts().await
    }
}

fn is_same<T: PartialEq>(a: &Stamped<T>, b: &Stamped<T>) -> bool {
    a.stamp == b.stamp && a.fact == b.fact
}

/// Files that may hold rows of these arrivals.
fn touched(table: &Table, arrivals: &BTreeSet<i64>) -> Vec<Arc<DataFile>> {
    let (Some(first), Some(last)) = (arrivals.first(), arrivals.last()) else { return Vec::new() };
    let state = table.state();
    let at = state.schema.index_of("arrival").ok();
    let may_hold = |file: &&Arc<DataFile>| {
        let Some(bounds) = at.and_then(|at| file.bounds.column_statistics.get(at)) else { return true };
        let number = |value: Option<&datafusion::common::ScalarValue>| match value {
            Some(datafusion::common::ScalarValue::Int64(number)) => *number,
            _ => None,
        };
        let (least, most) = (number(bounds.min_value.get_value()), number(bounds.max_value.get_value()));
        least.is_none_or(|least| least <= *last) && most.is_none_or(|most| most >= *first)
    };
    state.files.iter().filter(may_hold).cloned().collect()
}

async fn read(table: &Table, file: &DataFile) -> Result<Vec<RecordBatch>, Error> {
    let found = table.store.get(&Path::from(file.path.as_str())).await;
    let found = found.map_err(|source| table.unavailable("read a file of", source))?;
    let bytes = found.bytes().await.map_err(|source| table.unavailable("read a file of", source))?;
    let schema = Arc::clone(&table.state().schema);
    let decode = move || {
        let batches = ParquetRecordBatchReaderBuilder::try_new(bytes)?.build()?;
        batches.map(|batch| fitted(&batch?, &schema)).collect::<Result<Vec<_>, arrow::error::ArrowError>>()
    };
    let failed = |source| Error::Commit { table: table.name.clone(), source };
    let decoded = tokio::task::spawn_blocking(decode).await.map_err(|source| failed(source.into()))?;
    decoded.map_err(|source| failed(source.into()))
}

/// The batch with what became of each delivery, and which of them were told otherwise before.
fn with_outcomes(batch: &RecordBatch, outcomes: &Outcomes) -> (RecordBatch, Vec<i64>) {
    let typed = |name: &str| batch.column_by_name(name).map(Arc::clone);
    let (Some(arrivals), Some(n_facts), Some(problems)) = (typed("arrival"), typed("n_facts"), typed("problem")) else {
        return (batch.clone(), Vec::new());
    };
    let (Some(arrivals), Some(n_facts), Some(problems)) = (
        arrivals.as_any().downcast_ref::<Int64Array>(),
        n_facts.as_any().downcast_ref::<Int64Array>(),
        problems.as_any().downcast_ref::<StringArray>(),
    ) else {
        return (batch.clone(), Vec::new());
    };
    let mut others = Vec::new();
    let mut told: Vec<(Option<i64>, Option<String>)> = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        let known = n_facts.is_valid(row).then(|| n_facts.value(row));
        let problem = problems.is_valid(row).then(|| problems.value(row).to_owned());
        match outcomes.get(&arrivals.value(row)) {
            Some((n, new)) if known != Some(*n) || problem != *new => {
                others.push(arrivals.value(row));
                told.push((Some(*n), new.clone()));
            }
            _ => told.push((known, problem)),
        }
    }
    let n_facts: ArrayRef = Arc::new(told.iter().map(|(n, _)| *n).collect::<Int64Array>());
    let problems: ArrayRef = Arc::new(told.iter().map(|(_, problem)| problem.as_deref()).collect::<StringArray>());
    let schema = batch.schema();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, column)| match field.name().as_str() {
        "n_facts" => Arc::clone(&n_facts),
        "problem" => Arc::clone(&problems),
        _ => Arc::clone(column),
    });
    let columns = columns.collect();
    match RecordBatch::try_new(batch.schema(), columns) {
        Ok(batch) => (batch, others),
        Err(_) => (batch.clone(), Vec::new()),
    }
}
