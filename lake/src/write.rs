//! How facts get into silver and rows into gold: files first, then one commit a table, then the snapshot.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError};

use arrow::array::RecordBatch;
use futures::future::{join_all, try_join_all};

use crate::gold::GoldFile;
use crate::inbox::{Leaving, Outcome};
use crate::lake::{PUBLISH, SETTLE};
use crate::month::Month;
use crate::sorted::Sorted;
use crate::table::{Change, Table};
use crate::{Batch, Error, GoldChange, GoldMonth, Lake, Settled, bronze};

/// Letters of a reason that is counted.
const LONGEST_REASON: usize = 200;

impl Lake {
    /// Writes a batch to bronze and silver, then takes it out of the inbox. Called again after an error or a
    /// crash, with the same deliveries or with others from the front of the queue, it takes up where it was:
    /// each table's log says through which arrival it has them.
    ///
    /// # Errors
    /// [`Error::OutOfOrder`] where an earlier delivery waits that is not in the batch.
    pub async fn settle(&self, batch: Batch) -> Result<(), Error> {
        let inbox = self.inbox()?;
        let Some(through) = batch.deliveries.iter().map(|settled| settled.arrival).max() else { return Ok(()) };
        let _settling = self.inner.settling.lock().await;
        let given: HashSet<i64> = batch.deliveries.iter().map(|settled| settled.arrival).collect();
        if inbox.arrivals(through).await?.iter().any(|arrival| !given.contains(arrival)) {
            return Err(Error::OutOfOrder { through });
        }
        let leaving = batch.deliveries.iter().map(leaving).collect();
        let last = batch.deliveries.iter().map(|settled| settled.delivery.received_at).max();
        try_join_all(self.inner.facts.values().map(|table| table.make_sure())).await?;
        let tables = self.unsettled(batch)?;
        // All are tried, whatever becomes of one: none is left half done by another's error.
        let settled = join_all(tables.into_iter().map(|(name, months)| self.settle_table(name, months, through)));
        settled.await.into_iter().collect::<Result<Vec<_>, _>>()?;
        if let Some(at) = last {
            self.note_delivered(through, at);
        }
        // Shown before they leave the inbox: whoever finds nothing waiting finds everything counted.
        self.show_settled(through);
        inbox.leave(leaving).await?;
        self.show_facts().await
    }

    /// Shows what was settled up to an arrival, short of an import that is under way.
    fn show_settled(&self, through: i64) {
        let importing = self.inner.importing.lock().unwrap_or_else(PoisonError::into_inner).first().copied();
        let shown = importing.map_or(through, |import| through.min(import - 1));
        self.flip(|snapshot| {
            let states = self.inner.facts.values().map(|table| table.state());
            let through = shown.max(snapshot.silver_through());
            snapshot.with_tables(states).with_silver_through(through)
        });
    }

    /// What the tables do not have yet, as batches by table and month.
    fn unsettled(&self, batch: Batch) -> Result<BTreeMap<&'static str, BTreeMap<Month, RecordBatch>>, Error> {
        let through = |table: &'static str| self.inner.table(table).map(|table| table.state().transaction(SETTLE));
        let mut deliveries = batch.deliveries;
        deliveries.sort_by_key(|settled| settled.arrival);
        let kept_through = through(bronze::DELIVERIES)?;
        let first = deliveries.partition_point(|settled| settled.arrival <= kept_through);
        let raw = bronze::by_month(&deliveries[first..])
            .map_err(|source| Error::Commit { table: bronze::DELIVERIES.to_owned(), source: source.into() })?;
        let mut sorted = Sorted::default();
        for Settled { arrival, outcome, .. } in deliveries {
            for fact in outcome.unwrap_or_default() {
                if arrival > through(fact.table())? {
                    sorted.push(fact, arrival);
                }
            }
        }
        let mut tables = sorted.into_batches();
        if !raw.is_empty() {
            tables.insert(bronze::DELIVERIES, raw);
        }
        Ok(tables)
    }

    async fn settle_table(
        &self,
        name: &'static str,
        months: BTreeMap<Month, RecordBatch>,
        through: i64,
    ) -> Result<(), Error> {
        let table = self.inner.table(name)?;
        let files =
            months.into_iter().map(|(month, rows)| async move { table.write(&month.to_string(), vec![rows]).await });
        let mut change = Change::of_data("WRITE");
        change.add = join_all(files).await.into_iter().collect::<Result<_, _>>()?;
        change.transaction = Some((SETTLE, through));
        table.commit(|_| Ok(Some(change))).await.map(|_| ())
    }

    /// Shows bronze and silver as they are now. To be called while `settling` is held.
    pub(crate) async fn show_facts(&self) -> Result<(), Error> {
        let through = self.through().await?;
        self.flip(|snapshot| {
            let states = self.inner.facts.values().map(|table| table.state());
            snapshot.with_tables(states).with_silver_through(through)
        });
        Ok(())
    }

    /// Replaces months of gold tables; all are then complete through this arrival, which is
    /// [`Snapshot::silver_through`](crate::Snapshot::silver_through) of the snapshot that they were computed from.
    /// After an error some tables may have theirs and others not: [`Lake::gold_through`] says what to compute again.
    ///
    /// # Errors
    /// [`Error::Schema`] where a table was not declared, or with other columns.
    pub async fn publish(&self, gold: Vec<GoldChange>, through: i64) -> Result<(), Error> {
        self.inbox()?;
        let _publishing = self.inner.publishing.lock().await;
        let tables = self.gold_tables();
        let mut changes = BTreeMap::<&'static str, BTreeMap<String, GoldMonth>>::new();
        for GoldChange { table, months } in gold {
            for month in months.values() {
                if let GoldMonth::Rows(rows) = month {
                    check(&tables, table, rows)?;
                }
            }
            changes.entry(table).or_default().extend(months);
        }
        if changes.is_empty() && through <= self.published_through() {
            return Ok(());
        }
        let published = tables.iter().map(|(name, table)| {
            let months = changes.remove(name).unwrap_or_default();
            publish_table(table, months, through)
        });
        let published: Vec<_> = published.collect();
        join_all(published).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let through = self.published_through();
        self.flip(|snapshot| {
            snapshot.with_tables(tables.values().map(|table| table.state())).with_gold_through(through)
        });
        Ok(())
    }
}

fn leaving(settled: &Settled) -> Leaving {
    let outcome = match &settled.outcome {
        Ok(facts) if facts.is_empty() => Outcome::Ignored,
        Ok(_) => Outcome::Kept,
        Err(_) => Outcome::Rejected,
    };
    let reason = settled.outcome.as_ref().err().or(settled.ignored.as_ref().filter(|_| outcome == Outcome::Ignored));
    let reason = reason.map(|reason| reason.chars().take(LONGEST_REASON).collect());
    Leaving { arrival: settled.arrival, source: settled.delivery.source_name(), outcome, reason }
}

/// Whether rows have the columns that their table was declared with.
pub(crate) fn check(tables: &BTreeMap<&'static str, Arc<Table>>, name: &str, rows: &RecordBatch) -> Result<(), Error> {
    let problem = |problem: String| Error::Schema { table: name.to_owned(), problem };
    let table = tables.get(name).ok_or_else(|| problem("it was not declared as a gold table".to_owned()))?;
    let declared = table.state();
    let (found, known) = (rows.schema(), &declared.schema);
    let same = found.fields().len() == known.fields().len()
        && found
            .fields()
            .iter()
            .zip(known.fields())
            .all(|(found, known)| found.name() == known.name() && found.data_type() == known.data_type());
    if !same {
        return Err(problem(format!("rows have the columns {found:?}, declared were {known:?}")));
    }
    Ok(())
}

async fn publish_table(table: &Table, months: BTreeMap<String, GoldMonth>, through: i64) -> Result<(), Error> {
    let replaced: HashSet<String> = months.keys().cloned().collect();
    let files = months.into_iter().map(|(month, content)| async move {
        match content {
            GoldMonth::Rows(rows) if rows.num_rows() == 0 => Ok(Vec::new()),
            GoldMonth::Rows(rows) => table.write(&month, vec![rows]).await.map(|file| vec![file]),
            GoldMonth::Files(files) => Ok(files.into_iter().map(|GoldFile(file)| file).collect()),
        }
    });
    let files: Vec<_> = join_all(files).await.into_iter().collect::<Result<_, _>>()?;
    let plan = |state: &crate::table::TableState| {
        let mut change = Change::of_data("WRITE");
        change.add = files.into_iter().flatten().collect();
        change.remove = state.files.iter().filter(|file| replaced.contains(&file.month)).cloned().collect();
        change.transaction = Some((PUBLISH, through));
        Ok(Some(change))
    };
    table.commit(plan).await.map(|_| ())
}
