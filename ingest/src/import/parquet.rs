//! Parquet: columns straight to fields. A timestamp without a zone is taken as UTC; raw SHAs (20 or 32 bytes) are
//! taken as hexadecimal.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arrow::array::{
    Array, ArrayRef, AsArray as _, BooleanArray, Int64Array, ListArray, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit, TimestampMicrosecondType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::columns::Columns;
use super::row::{Cell, Cells};
use super::{Error, Reading};

/// Rows decoded at once.
const BATCH: usize = 8_192;

/// Reads a Parquet file.
pub(super) fn read(reading: &mut Reading) -> Result<(), Error> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(reading.open()?)
        .map_err(|source| Error::unreadable(reading.path, source))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let columns = Columns::find(&names, reading)?;
    let n_rows_total = builder.metadata().file_metadata().num_rows().max(1) as u64;
    let mask = ProjectionMask::roots(builder.parquet_schema(), columns.used.iter().copied());
    let batches = builder
        .with_projection(mask)
        .with_batch_size(BATCH)
        .build()
        .map_err(|source| Error::unreadable(reading.path, source))?;
    let mut row = 0;
    for batch in batches {
        let batch = batch.map_err(|source| Error::unreadable(reading.path, source))?;
        let mut cells = Batch { columns: typed(&batch, &columns.used, &names, reading)?, row: 0 };
        for at in 0..batch.num_rows() {
            cells.row = at;
            row += 1;
            columns.read_row(&cells, reading, row)?;
        }
        let share = row as f64 / n_rows_total as f64;
        reading.n_bytes.store((share * reading.n_bytes_total as f64) as u64, Ordering::Relaxed);
    }
    columns.report_unused(reading);
    Ok(())
}

/// A column in one of the few forms that cells come in.
enum Column {
    Absent,
    Text(StringArray),
    Integer(Int64Array),
    Micros(TimestampMicrosecondArray),
    Flag(BooleanArray),
    Texts(ListArray),
}

/// The columns of a batch, at their places in the file, and the row that is read.
struct Batch {
    columns: Vec<Column>,
    row: usize,
}

impl Cells for Batch {
    fn cell(&self, column: usize) -> Cell<'_> {
        let row = self.row;
        match &self.columns[column] {
            Column::Text(texts) if texts.is_valid(row) && !texts.value(row).is_empty() => {
                Cell::Text(Cow::Borrowed(texts.value(row)))
            }
            Column::Integer(numbers) if numbers.is_valid(row) => Cell::Integer(numbers.value(row)),
            Column::Micros(instants) if instants.is_valid(row) => Cell::Micros(instants.value(row)),
            Column::Flag(flags) if flags.is_valid(row) => Cell::Flag(flags.value(row)),
            Column::Texts(lists) if lists.is_valid(row) => {
                let list = lists.value(row);
                Cell::Texts(list.as_string::<i32>().iter().flatten().map(str::to_owned).collect())
            }
            _ => Cell::Null,
        }
    }
}

fn typed(batch: &RecordBatch, used: &[usize], names: &[String], reading: &Reading) -> Result<Vec<Column>, Error> {
    let mut columns: Vec<Column> = names.iter().map(|_| Column::Absent).collect();
    for (array, place) in batch.columns().iter().zip(used) {
        columns[*place] = column(array).ok_or_else(|| Error::BadColumn {
            path: reading.path.into(),
            column: names[*place].clone(),
            found: array.data_type().to_string(),
        })?;
    }
    Ok(columns)
}

/// `None` where no field can be read from such a column.
fn column(array: &ArrayRef) -> Option<Column> {
    let to = |to: &DataType| cast(array, to).ok();
    Some(match array.data_type() {
        DataType::Null => Column::Absent,
        DataType::Boolean => Column::Flag(array.as_boolean().clone()),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32 => Column::Integer(to(&DataType::Int64)?.as_primitive::<Int64Type>().clone()),
        // The zone only says how an instant is shown; keeping it keeps the instant as it is.
        DataType::Timestamp(_, zone) => {
            let micros = to(&DataType::Timestamp(TimeUnit::Microsecond, zone.clone()))?;
            Column::Micros(micros.as_primitive::<TimestampMicrosecondType>().clone())
        }
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(_, _) => {
            let texts = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
            Column::Texts(to(&texts)?.as_list::<i32>().clone())
        }
        DataType::FixedSizeBinary(_) => {
            Column::Text(array.as_fixed_size_binary().iter().map(|bytes| bytes.map(hex::encode)).collect())
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let bytes = to(&DataType::Binary)?;
            Column::Text(bytes.as_binary::<i32>().iter().map(|bytes| bytes.map(text_of)).collect())
        }
        DataType::Struct(_) | DataType::Map(_, _) | DataType::Union(_, _) => return None,
        _ => Column::Text(to(&DataType::Utf8)?.as_string::<i32>().clone()),
    })
}

/// Old writers store text as plain bytes; what is no text is a SHA.
fn text_of(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(hex::encode(bytes)),
    }
}
