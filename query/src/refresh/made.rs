//! What attribution made, on its way into gold: rows by month, in the order in which files have them, and only the months
//! whose rows are not there already.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{RecordBatch, StringArray};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::prelude::{Expr, col, lit};
use dorado_lake::{GoldChange, GoldEncoder, GoldFile, GoldMonth, Lake};
use futures::{StreamExt as _, TryStreamExt as _};

use super::SERVICES_AT_ONCE;
use crate::attribution::ServiceGold;
use crate::engine::Error;
use crate::gold::{Cause, GoldRow, Outcome, Shipment, schema, to_batch};
use crate::tables::{Tables, among};

/// Gold rows by table and month, batch by batch in order of service.
#[derive(Default)]
pub(super) struct Made {
    pub(super) shipments: BTreeMap<String, Vec<RecordBatch>>,
    pub(super) outcomes: BTreeMap<String, Vec<RecordBatch>>,
    pub(super) causes: BTreeMap<String, Vec<RecordBatch>>,
}

impl Made {
    pub(super) fn of(gold: ServiceGold) -> Result<Self, Error> {
        Ok(Self {
            shipments: by_month(gold.shipments)?,
            outcomes: by_month(gold.outcomes)?,
            causes: by_month(gold.causes)?,
        })
    }

    pub(super) fn take(&mut self, other: Self) {
        let tables = [
            (&mut self.shipments, other.shipments),
            (&mut self.outcomes, other.outcomes),
            (&mut self.causes, other.causes),
        ];
        for (into, months) in tables {
            for (month, batches) in months {
                into.entry(month).or_default().extend(batches);
            }
        }
    }

    /// The months of one table whose rows differ from what is there.
    pub(super) async fn changes<T: GoldRow>(
        made: &BTreeMap<String, Vec<RecordBatch>>,
        tables: &Tables,
        touched: &BTreeSet<String>,
        into: &mut Vec<GoldChange>,
    ) -> Result<(), Error> {
        let mut months = BTreeMap::new();
        if touched.len() <= SERVICES_AT_ONCE {
            let mut had = by_months::<T>(tables, among("service", touched)).await?;
            let all: BTreeSet<String> = made.keys().chain(had.keys()).cloned().collect();
            for month in all {
                let old = had.remove(&month).unwrap_or_default();
                replace::<T>(&month, made.get(&month), old, tables, touched, &mut months).await?;
            }
        } else {
            // Most of gold: a month at a time, so that only one lies in memory.
            let there: BTreeSet<String> = tables.snapshot.months(T::TABLE).into_iter().collect();
            for (month, rows) in made.iter().filter(|(month, _)| !there.contains(*month)) {
                months.insert(month.clone(), GoldMonth::Rows(sorted::<T>(rows)?));
            }
            for month in there {
                let filter = col("month").eq(lit(month.as_str())).and(among("service", touched));
                let old = by_months::<T>(tables, filter).await?.remove(&month).unwrap_or_default();
                replace::<T>(&month, made.get(&month), old, tables, touched, &mut months).await?;
            }
        }
        if !months.is_empty() {
            into.push(GoldChange { table: T::TABLE, months });
        }
        Ok(())
    }
}

/// Gold where there was none. Portions come in order of service, so that their rows one after another are in order too
/// and need not be kept until all are there.
#[derive(Default)]
pub(super) struct Encoding {
    months: BTreeMap<Month, GoldEncoder>,
    stored: BTreeMap<Month, Vec<GoldFile>>,
}

/// A table and a month of it.
type Month = (&'static str, String);

/// Bytes of gold that are held as rows; beyond it those of the largest months are packed, until half is left. As much again is
/// held packed, and then stored.
const BYTES_HELD: usize = 96 << 20;

/// Files stored at once.
const FILES_AT_ONCE: usize = 4;

impl Encoding {
    pub(super) async fn take(&mut self, made: Made, lake: &Lake) -> Result<(), Error> {
        let tables = [(Shipment::TABLE, made.shipments), (Outcome::TABLE, made.outcomes), (Cause::TABLE, made.causes)];
        for (table, months) in tables {
            for (month, batches) in months {
                let encoder = match self.months.entry((table, month)) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(lake.gold_encoder(table)?),
                };
                batches.into_iter().try_for_each(|batch| encoder.push(batch))?;
            }
        }
        let full = self.largest(GoldEncoder::n_bytes);
        let pack = |(month, mut encoder): (Month, GoldEncoder)| {
            encoder.pack()?;
            Ok((month, encoder))
        };
        self.months.extend(on_all_cores(full, pack)?);
        let full = self.largest(GoldEncoder::n_bytes_packed);
        self.store(full).await
    }

    /// Takes out the largest months if all together are too large.
    fn largest(&mut self, n_bytes: fn(&GoldEncoder) -> usize) -> Vec<(Month, GoldEncoder)> {
        let mut by_size: Vec<(usize, Month)> =
            self.months.iter().map(|(month, encoder)| (n_bytes(encoder), month.clone())).collect();
        let mut total: usize = by_size.iter().map(|(n, _)| n).sum();
        if total <= BYTES_HELD {
            return Vec::new();
        }
        by_size.sort_unstable_by(|a, b| b.cmp(a));
        let full = by_size.into_iter().take_while(|(n, _)| {
            let is_too_much = total > BYTES_HELD / 2;
            total -= n;
            is_too_much
        });
        full.filter_map(|(_, month)| self.months.remove_entry(&month)).collect()
    }

    async fn store(&mut self, months: Vec<(Month, GoldEncoder)>) -> Result<(), Error> {
        let stored: Vec<_> = months.into_iter().map(|(month, encoder)| stored(month, encoder)).collect();
        let stored: Vec<_> = futures::stream::iter(stored).buffer_unordered(FILES_AT_ONCE).try_collect().await?;
        for (month, file) in stored {
            self.stored.entry(month).or_default().push(file);
        }
        Ok(())
    }

    pub(super) async fn finish(mut self) -> Result<Vec<GoldChange>, Error> {
        let left = std::mem::take(&mut self.months);
        self.store(left.into_iter().collect()).await?;
        let mut tables: BTreeMap<&'static str, BTreeMap<String, GoldMonth>> = BTreeMap::new();
        for ((table, month), files) in self.stored {
            tables.entry(table).or_default().insert(month, GoldMonth::Files(files));
        }
        Ok(tables.into_iter().map(|(table, months)| GoldChange { table, months }).collect())
    }
}

async fn stored(month: Month, encoder: GoldEncoder) -> Result<(Month, GoldFile), Error> {
    let file = encoder.store(&month.1).await?;
    Ok((month, file))
}

/// Does work on all cores, in any order.
fn on_all_cores<W: Send, R: Send>(work: Vec<W>, act: impl Fn(W) -> Result<R, Error> + Sync) -> Result<Vec<R>, Error> {
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let left = Mutex::new(work);
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let done = std::thread::scope(|scope| {
        let run = || std::iter::from_fn(next).map(&act).collect::<Result<Vec<_>, _>>();
        let threads: Vec<_> = (0..n_threads).map(|_| scope.spawn(run)).collect();
        let done = threads.into_iter().map(|thread| match thread.join() {
            Ok(done) => done,
            Err(panicked) => std::panic::resume_unwind(panicked),
        });
        done.collect::<Result<Vec<_>, _>>()
    })?;
    Ok(done.into_iter().flatten().collect())
}

/// Puts a month into `months` where the touched services' rows in it are not what they were.
async fn replace<T: GoldRow>(
    month: &str,
    new: Option<&Vec<RecordBatch>>,
    old: Vec<RecordBatch>,
    tables: &Tables,
    touched: &BTreeSet<String>,
    months: &mut BTreeMap<String, GoldMonth>,
) -> Result<(), Error> {
    let new = sorted::<T>(new.map_or(&[], Vec::as_slice))?;
    if new == sorted::<T>(&old)? {
        return Ok(());
    }
    let others = col("month").eq(lit(month)).and(!among("service", touched));
    let mut whole = by_months::<T>(tables, others).await?.remove(month).unwrap_or_default();
    whole.push(new);
    months.insert(month.to_owned(), GoldMonth::Rows(sorted::<T>(&whole)?));
    Ok(())
}

/// Rows of a gold table that pass a filter, by month.
async fn by_months<T: GoldRow>(tables: &Tables, filter: Expr) -> Result<BTreeMap<String, Vec<RecordBatch>>, Error> {
    let schema = schema::<T>();
    let mut found = BTreeMap::new();
    for batch in tables.rows(T::TABLE, Some(filter)).await? {
        split_months(&batch, &schema, &mut found)?;
    }
    Ok(found)
}

fn by_month<T: GoldRow>(rows: Vec<T>) -> Result<BTreeMap<String, Vec<RecordBatch>>, Error> {
    let mut months: BTreeMap<String, Vec<T>> = BTreeMap::new();
    for row in rows {
        months.entry(row.at().format("%Y-%m").to_string()).or_default().push(row);
    }
    months.into_iter().map(|(month, rows)| Ok((month, vec![sorted::<T>(&[to_batch(&rows)])?]))).collect()
}

/// Rows as they are read back, by their month and with the table's own columns only.
fn split_months(
    batch: &RecordBatch,
    schema: &SchemaRef,
    into: &mut BTreeMap<String, Vec<RecordBatch>>,
) -> Result<(), Error> {
    let month_column = arrow::compute::cast(
        batch.column_by_name("month").expect("every table has its partition column"),
        &DataType::Utf8,
    )?;
    let months = month_column.as_any().downcast_ref::<StringArray>().expect("it was just cast");
    let names: BTreeSet<&str> = months.iter().flatten().collect();
    for name in names {
        let mask = months.iter().map(|m| Some(m == Some(name))).collect();
        let rows = arrow::compute::filter_record_batch(batch, &mask)?;
        let columns = schema
            .fields()
            .iter()
            .map(|field| {
                let column = rows.column_by_name(field.name()).expect("gold tables have the columns of their schema");
                arrow::compute::cast(column, field.data_type())
            })
            .collect::<Result<Vec<_>, _>>()?;
        into.entry(name.to_owned()).or_default().push(RecordBatch::try_new(Arc::clone(schema), columns)?);
    }
    Ok(())
}

fn sorted<T: GoldRow>(batches: &[RecordBatch]) -> Result<RecordBatch, Error> {
    let whole = concat_batches(&schema::<T>(), batches)?;
    let columns: Vec<SortColumn> = T::ORDER
        .iter()
        .map(|name| SortColumn {
            values: Arc::clone(whole.column_by_name(name).expect("the order is over own columns")),
            options: None,
        })
        .collect();
    Ok(take_record_batch(&whole, &lexsort_to_indices(&columns, None)?)?)
}
