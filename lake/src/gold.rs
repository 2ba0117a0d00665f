//! Rows of gold that become a file while they are made, for more of them than memory should hold at once.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::file::{DataFile, Encoder};
use crate::write::check;
use crate::{Error, Lake};

/// Takes the rows of one month of one table, in their order. They stay as they are until they are packed: what an encoder
/// sets aside for half a row group is more than many months' rows.
pub struct GoldEncoder {
    lake: Lake,
    table: &'static str,
    encoder: Encoder,
    rows: Vec<RecordBatch>,
    n_bytes: usize,
}

/// A file of rows of one month of a gold table: stored, and part of the table once it is published.
#[derive(Debug, Clone)]
pub struct GoldFile(pub(crate) Arc<DataFile>);

impl Lake {
    /// Begins a month of a gold table.
    ///
    /// # Errors
    /// [`Error::Schema`] where the table was not declared.
    pub fn gold_encoder(&self, table: &'static str) -> Result<GoldEncoder, Error> {
        let schema = match self.gold_tables().get(table) {
            Some(table) => table.state().schema.clone(),
            None => return Err(undeclared(table)),
        };
        let encoder = Encoder::new(&schema).map_err(|source| failed(table, source))?;
        Ok(GoldEncoder { lake: self.clone(), table, encoder, rows: Vec::new(), n_bytes: 0 })
    }
}

impl GoldEncoder {
    /// Adds rows after those that it has.
    ///
    /// # Errors
    /// [`Error::Schema`] where they have other columns.
    pub fn push(&mut self, rows: RecordBatch) -> Result<(), Error> {
        check(&self.lake.gold_tables(), self.table, &rows)?;
        self.n_bytes += rows.get_array_memory_size();
        self.rows.push(rows);
        Ok(())
    }

    /// Bytes of rows that are not packed.
    pub fn n_bytes(&self) -> usize {
        self.n_bytes
    }

    /// Bytes of those that are.
    pub fn n_bytes_packed(&self) -> usize {
        self.encoder.n_bytes()
    }

    /// Makes a row group of the rows that are there.
    ///
    /// # Errors
    /// Rows that cannot be encoded.
    pub fn pack(&mut self) -> Result<(), Error> {
        self.n_bytes = 0;
        let packed = self.rows.drain(..).try_for_each(|rows| self.encoder.write(&rows));
        packed.and_then(|()| self.encoder.end_row_group()).map_err(|source| failed(self.table, source))
    }

    /// Stores the rows as a file of a month (`2026-11`).
    ///
    /// # Errors
    /// A store that does not take it.
    pub async fn store(mut self, month: &str) -> Result<GoldFile, Error> {
        let (lake, name) = (self.lake.clone(), self.table);
        let encode = move || {
            self.pack()?;
            self.encoder.finish().map_err(|source| failed(name, source))
        };
        let encoded = tokio::task::spawn_blocking(encode).await;
        let encoded = encoded.map_err(|source| Error::Commit { table: name.to_owned(), source: source.into() })??;
        let table = lake.gold_tables().remove(name).ok_or_else(|| undeclared(name))?;
        table.store_file(month, encoded).await.map(GoldFile)
    }
}

impl std::fmt::Debug for GoldEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoldEncoder").field("table", &self.table).finish_non_exhaustive()
    }
}

fn undeclared(table: &str) -> Error {
    Error::Schema { table: table.to_owned(), problem: "it was not declared".to_owned() }
}

fn failed(table: &str, source: parquet::errors::ParquetError) -> Error {
    Error::Commit { table: table.to_owned(), source: source.into() }
}
