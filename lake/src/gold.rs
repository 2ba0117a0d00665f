//! Rows of gold that become a file while they are made, for more of them than memory should hold at once.

use arrow::array::RecordBatch;

use crate::file::{Encoded, Encoder};
use crate::write::check;
use crate::{Error, Lake};

/// Takes the rows of one month of one table, in their order.
pub struct GoldEncoder {
    lake: Lake,
    table: &'static str,
    encoder: Encoder,
}

/// A month of a gold table as a file that is not yet stored.
#[derive(Debug)]
pub struct GoldFile(pub(crate) Encoded);

impl Lake {
    /// Begins a month of a gold table.
    ///
    /// # Errors
    /// [`Error::Schema`] where the table was not declared.
    pub fn gold_encoder(&self, table: &'static str) -> Result<GoldEncoder, Error> {
        let schema = match self.gold_tables().get(table) {
            Some(table) => table.state().schema.clone(),
            None => return Err(Error::Schema { table: table.to_owned(), problem: "it was not declared".to_owned() }),
        };
        let encoder = Encoder::new(&schema).map_err(|source| failed(table, source))?;
        Ok(GoldEncoder { lake: self.clone(), table, encoder })
    }
}

impl GoldEncoder {
    /// Adds rows after those that it has.
    ///
    /// # Errors
    /// [`Error::Schema`] where they have other columns.
    pub fn push(&mut self, rows: &RecordBatch) -> Result<(), Error> {
        check(&self.lake.gold_tables(), self.table, rows)?;
        self.encoder.write(rows).map_err(|source| failed(self.table, source))
    }

    /// The file.
    pub fn finish(self) -> Result<GoldFile, Error> {
        self.encoder.finish().map(GoldFile).map_err(|source| failed(self.table, source))
    }
}

impl std::fmt::Debug for GoldEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoldEncoder").field("table", &self.table).finish_non_exhaustive()
    }
}

fn failed(table: &str, source: parquet::errors::ParquetError) -> Error {
    Error::Commit { table: table.to_owned(), source: source.into() }
}
