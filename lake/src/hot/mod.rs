//! Columns of files kept decoded between questions. A file never changes, so what was read of it once stays right; the
//! files that questions asked for longest ago go first. A question whose columns would not all fit reads
//! files as if there were nothing kept.

mod column;
mod scan;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, StringArray};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::stats::Precision;
use datafusion::common::{Result, exec_datafusion_err};
use futures::TryStreamExt;
use parquet::arrow::ProjectionMask;
use parquet::arrow::async_reader::ParquetRecordBatchStreamBuilder;

use crate::file::{DataFile, is_unlike};
use crate::maintain::fitted;
use crate::reader::Readers;
use crate::table::TableState;

pub(crate) use column::Column;
pub(crate) use scan::HotExec;

/// Columns kept decoded.
#[derive(Debug)]
pub(crate) struct Hot {
    most_bytes: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    n_bytes: usize,
    /// Counts questions to files.
    turn: u64,
    files: HashMap<String, File>,
}

/// What is kept of a file.
#[derive(Debug, Default)]
struct File {
    last_turn: u64,
    n_bytes: usize,
    columns: HashMap<usize, Arc<Column>>,
    runs: Option<Arc<Runs>>,
}

/// Rows with the same first column that follow one another.
#[derive(Debug)]
pub(crate) struct Runs {
    /// What each run has in the first column.
    pub(crate) values: ArrayRef,
    /// The row after each run.
    pub(crate) ends: Vec<usize>,
}

impl Runs {
    fn new(column: &StringArray) -> Self {
        let at = |row: usize| column.is_valid(row).then(|| column.value(row));
        let ends: Vec<usize> =
            (1..=column.len()).filter(|&row| row == column.len() || at(row) != at(row - 1)).collect();
        let values: StringArray = ends.iter().map(|end| at(end - 1)).collect();
        Self { values: Arc::new(values), ends }
    }

    fn n_bytes(&self) -> usize {
        self.values.get_array_memory_size() + size_of_val(&*self.ends)
    }
}

impl Hot {
    pub(crate) fn new(most_bytes: usize) -> Self {
        Self { most_bytes, kept: Mutex::default() }
    }

    /// Whether these columns of these files fit, and are worth it: what hardly repeats is only read to be shown.
    pub(crate) fn holds(&self, files: &[Arc<DataFile>], schema: &SchemaRef, columns: &[usize]) -> bool {
        let mut n_bytes = 0;
        for &column in columns {
            // The partition's column is one value a file.
            let Some(field) = schema.fields().get(column) else { continue };
            if is_unlike(field.name()) {
                return false;
            }
            for file in files {
                let Some(n_rows) = file.n_rows else { return false };
                let n_null = match file.bounds.column_statistics[column].null_count {
                    Precision::Exact(n) => n,
                    _ => 0,
                };
                n_bytes += match field.data_type() {
                    _ if n_null == n_rows => 0,
                    DataType::Utf8 if column == 0 => 0,
                    DataType::Utf8 => n_rows * 4 + (n_rows - n_null) * 10,
                    DataType::Boolean => n_rows / 4,
                    DataType::Int32 | DataType::Int64 | DataType::Timestamp(..) => n_rows * 4,
                    _ => return false,
                };
            }
        }
        n_bytes <= self.most_bytes
    }

    /// What is known of a file, in the order of `columns`.
    fn find(&self, path: &str, columns: &[usize]) -> (Vec<Option<Arc<Column>>>, Option<Arc<Runs>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.turn += 1;
        let turn = kept.turn;
        let Some(file) = kept.files.get_mut(path) else { return (vec![None; columns.len()], None) };
        file.last_turn = turn;
        (columns.iter().map(|column| file.columns.get(column).cloned()).collect(), file.runs.clone())
    }

    fn keep(&self, path: &str, columns: Vec<(usize, Arc<Column>)>, runs: Option<Arc<Runs>>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = &mut *kept;
        let file = kept.files.entry(path.to_owned()).or_default();
        file.last_turn = kept.turn;
        let before = file.n_bytes;
        for (number, column) in columns {
            let n_bytes = column.n_bytes();
            if file.columns.insert(number, column).is_none() {
                file.n_bytes += n_bytes;
            }
        }
        if let Some(runs) = runs.filter(|_| file.runs.is_none()) {
            file.n_bytes += runs.n_bytes();
            file.runs = Some(runs);
        }
        kept.n_bytes += file.n_bytes - before;
        while kept.n_bytes > self.most_bytes {
            let Some(oldest) = kept.files.iter().min_by_key(|(_, file)| file.last_turn).map(|(path, _)| path.clone())
            else {
                break;
            };
            kept.n_bytes -= kept.files.remove(&oldest).map_or(0, |file| file.n_bytes);
        }
    }

    /// Columns of a file, by their place in its table's schema, and with them its runs where `0` is one of them.
    pub(crate) async fn read(
        &self,
        readers: &Readers,
        table: &TableState,
        file: &Arc<DataFile>,
        wanted: &[usize],
    ) -> Result<Part> {
        let columns: Vec<usize> = wanted.iter().copied().filter(|&column| column != 0).collect();
        let (found, mut runs) = self.find(&file.path, &columns);
        let mut missing: Vec<usize> =
            columns.iter().zip(&found).filter(|(_, found)| found.is_none()).map(|(column, _)| *column).collect();
        if runs.is_none() && wanted.contains(&0) {
            missing.push(0);
        }
        let mut parts: HashMap<usize, Arc<Column>> =
            columns.iter().zip(found).filter_map(|(column, found)| Some((*column, found?))).collect();
        if !missing.is_empty() {
            missing.sort_unstable();
            let arrays = decode(readers, table, file, &missing).await?;
            let mut fresh = Vec::with_capacity(missing.len());
            for (column, array) in missing.into_iter().zip(arrays) {
                if column == 0 {
                    let texts = array.as_any().downcast_ref();
                    let texts =
                        texts.ok_or_else(|| exec_datafusion_err!("the first column of {} is no text", table.name))?;
                    runs = Some(Arc::new(Runs::new(texts)));
                } else {
                    fresh.push((column, Arc::new(Column::new(array))));
                }
            }
            parts.extend(fresh.iter().cloned());
            self.keep(&file.path, fresh, runs.clone());
        }
        Ok(Part { columns: parts, runs })
    }
}

/// What a question needs of a file.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) columns: HashMap<usize, Arc<Column>>,
    pub(crate) runs: Option<Arc<Runs>>,
}

/// Whole columns of a file, in order; those that it is too old to have are null.
async fn decode(
    readers: &Readers,
    table: &TableState,
    file: &Arc<DataFile>,
    columns: &[usize],
) -> Result<Vec<ArrayRef>> {
    let builder = ParquetRecordBatchStreamBuilder::new(readers.open(table, file)?).await?;
    let wanted = Arc::new(table.schema.project(columns)?);
    let there = builder.schema().fields().iter().enumerate();
    let roots = there.filter(|(_, field)| wanted.index_of(field.name()).is_ok()).map(|(root, _)| root);
    let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
    let n_rows = file.n_rows.unwrap_or_default().max(1);
    let batches: Vec<_> = builder.with_projection(mask).with_batch_size(n_rows).build()?.try_collect().await?;
    let batches = batches.iter().map(|batch| fitted(batch, &wanted)).collect::<Result<Vec<_>, _>>()?;
    Ok(arrow::compute::concat_batches(&wanted, &batches)?.columns().to_vec())
}
