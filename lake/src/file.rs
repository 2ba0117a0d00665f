//! A file of rows: Parquet bytes, and what the log says of them so that readers can pass the file by.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use arrow::error::ArrowError;
use chrono::{Datelike, SecondsFormat};
use datafusion::common::stats::Precision;
use datafusion::common::{ColumnStatistics, ScalarValue, Statistics};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::statistics::Statistics as ColumnChunkStatistics;
use parquet::schema::types::ColumnPath;
use serde_json::{Map, Value, json};

use crate::Instant;
use crate::log::MONTH;

/// Rows in a row group: what a reader can pass by, and what a writer holds in memory.
const ROWS_PER_GROUP: usize = 131_072;

/// The same where row groups are of few services each: who asks for some of them reads little else.
const ROWS_PER_GROUP_OF_SERVICES: usize = 8_192;

/// Strings are cut to this many bytes in statistics.
const STATISTICS_LENGTH: usize = 32;

/// Columns that hardly repeat: a dictionary would only be built to be thrown away, and bounds would pass
/// nothing by.
const UNLIKE: [&str; 13] = [
    "id",
    "parents",
    "title",
    "url",
    "body",
    "headers",
    "commits",
    "merge_commit",
    "revision",
    "changes",
    "change",
    "reason",
    "sha",
];

/// Instants that many rows in a row share. Plain, they compress to less than their differences do, and are read in half
/// the time.
const SHARED: [&str; 2] = ["known_at", "shipped_at"];

/// Numbers that tools count up, as text: little more than what differs from the one before is kept.
const COUNTED: [&str; 1] = ["pull_request"];

/// Tables whose rows begin with this column are sorted by it: who asks for one value of it then reads a few pages.
const SORTED_BY: &str = "service";

/// Rows in a page of a sorted table.
const ROWS_PER_PAGE: usize = 8_192;

/// Columns by which facts are dealt out to row groups.
const DEALT_BY: [&str; 2] = [SORTED_BY, "repository"];

/// Whether a column's values hardly repeat.
pub(crate) fn is_unlike(column: &str) -> bool {
    UNLIKE.contains(&column)
}

/// Whether a table's rows are sorted by its first column.
pub(crate) fn is_sorted(schema: &Schema) -> bool {
    schema.fields().first().is_some_and(|field| field.name() == SORTED_BY)
}

/// Whether a table's rows are dealt out to row groups by service.
fn is_dealt(schema: &Schema) -> bool {
    !is_sorted(schema) && DEALT_BY.iter().all(|column| schema.index_of(column).is_ok())
}

/// Rows of facts, those of one service in as few row groups as can be. Within a row group they stay in their order, which
/// is mostly that of time: small differences are what its instants are kept as.
fn dealt(rows: RecordBatch) -> Result<RecordBatch, ArrowError> {
    if !is_dealt(rows.schema_ref()) || rows.num_rows() <= ROWS_PER_GROUP_OF_SERVICES {
        return Ok(rows);
    }
    let columns = DEALT_BY.iter().filter_map(|column| rows.column_by_name(column));
    let columns: Vec<_> = columns.map(|column| SortColumn { values: Arc::clone(column), options: None }).collect();
    let mut order = lexsort_to_indices(&columns, None)?.values().to_vec();
    order.chunks_mut(ROWS_PER_GROUP_OF_SERVICES).for_each(<[u32]>::sort_unstable);
    take_record_batch(&rows, &UInt32Array::from(order))
}

/// A file that a table consists of.
#[derive(Debug)]
pub(crate) struct DataFile {
    /// Path within the table.
    pub(crate) path: String,
    /// Value of the partition column.
    pub(crate) month: String,
    /// Size.
    pub(crate) n_bytes: u64,
    /// Rows, where the log says so.
    pub(crate) n_rows: Option<usize>,
    /// When it was written, by the store's clock, in milliseconds since the epoch.
    pub(crate) modified_at: i64,
    /// Statistics as in the log.
    pub(crate) stats: String,
    /// The same, for the planner: bounds that hold, of every column and the month.
    pub(crate) bounds: Arc<Statistics>,
    /// Keeps the file on the disk; also without the rest, for a file not yet written.
    pub(crate) hold: Arc<Hold>,
}

/// Somebody in this process holds the file of a path.
#[derive(Debug)]
pub(crate) struct Hold;

impl DataFile {
    /// A file by what the log says of it.
    pub(crate) fn new(
        (path, month): (String, String),
        n_bytes: u64,
        modified_at: i64,
        stats: String,
        schema: &Schema,
        hold: Arc<Hold>,
    ) -> Self {
        let parsed: Value = serde_json::from_str(&stats).unwrap_or_default();
        let n_rows = parsed["numRecords"].as_u64().map(|n| n as usize);
        let mut column_statistics: Vec<_> =
            schema.fields().iter().map(|field| bounds_of(&parsed, field.name(), field.data_type())).collect();
        let month_bounds = ScalarValue::Utf8(Some(month.clone()));
        column_statistics.push(ColumnStatistics {
            null_count: Precision::Exact(0),
            min_value: Precision::Exact(month_bounds.clone()),
            max_value: Precision::Exact(month_bounds),
            ..ColumnStatistics::new_unknown()
        });
        let bounds = Statistics {
            num_rows: n_rows.map_or(Precision::Absent, Precision::Exact),
            total_byte_size: Precision::Absent,
            column_statistics,
        };
        Self { path, month, n_bytes, n_rows, modified_at, stats, bounds: Arc::new(bounds), hold }
    }

    /// A path that no other file has.
    pub(crate) fn new_path(month: &str) -> String {
        format!("{MONTH}={month}/part-{}.parquet", uuid::Uuid::new_v4())
    }
}

fn bounds_of(stats: &Value, name: &str, data_type: &DataType) -> ColumnStatistics {
    let bound = |of: &str| scalar(&stats[of][name], data_type).map_or(Precision::Absent, Precision::Exact);
    ColumnStatistics {
        null_count: stats["nullCount"][name].as_u64().map_or(Precision::Absent, |n| Precision::Exact(n as usize)),
        min_value: bound("minValues"),
        max_value: bound("maxValues"),
        ..ColumnStatistics::new_unknown()
    }
}

fn scalar(value: &Value, data_type: &DataType) -> Option<ScalarValue> {
    Some(match data_type {
        DataType::Utf8 => ScalarValue::Utf8(Some(value.as_str()?.to_owned())),
        DataType::Int16 => ScalarValue::Int16(Some(i16::try_from(value.as_i64()?).ok()?)),
        DataType::Int32 => ScalarValue::Int32(Some(i32::try_from(value.as_i64()?).ok()?)),
        DataType::Int64 => ScalarValue::Int64(Some(value.as_i64()?)),
        DataType::Timestamp(TimeUnit::Microsecond, zone) => {
            let instant = chrono::DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
            ScalarValue::TimestampMicrosecond(Some(instant.timestamp_micros()), zone.clone())
        }
        _ => return None,
    })
}

/// Rows as Parquet, one row group after the other, so that a large file needs no more memory than its bytes.
pub(crate) struct Encoder {
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
}

/// A finished file, not yet stored.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) stats: String,
}

impl Encoder {
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, ParquetError> {
        // Without a copy of the schema as Arrow writes it: the log has it, and it is larger than a small file's rows.
        let options = ArrowWriterOptions::new().with_properties(properties(schema)).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(Vec::new(), Arc::clone(schema), options)?;
        Ok(Self { writer, schema: Arc::clone(schema) })
    }

    /// A whole file of these rows.
    pub(crate) fn all(schema: &SchemaRef, rows: &[RecordBatch]) -> Result<Encoded, ParquetError> {
        let mut encoder = Self::new(schema)?;
        if is_dealt(schema) {
            encoder.write(&dealt(concat_batches(schema, rows)?)?)?;
        } else {
            rows.iter().try_for_each(|batch| encoder.write(batch))?;
        }
        encoder.finish()
    }

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(batch)
    }

    pub(crate) fn end_row_group(&mut self) -> Result<(), ParquetError> {
        self.writer.flush()
    }

    /// Bytes of the row groups that are finished.
    pub(crate) fn n_bytes(&self) -> usize {
        self.writer.bytes_written()
    }

    pub(crate) fn finish(mut self) -> Result<Encoded, ParquetError> {
        let metadata = self.writer.finish()?;
        let stats = stats(&metadata, &self.schema);
        Ok(Encoded { bytes: std::mem::take(self.writer.inner_mut()), stats })
    }
}

fn properties(schema: &Schema) -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(if is_dealt(schema) { ROWS_PER_GROUP_OF_SERVICES } else { ROWS_PER_GROUP }))
        .set_statistics_truncate_length(Some(STATISTICS_LENGTH))
        .set_column_index_truncate_length(Some(STATISTICS_LENGTH));
    if is_sorted(schema) {
        properties = properties.set_data_page_row_count_limit(ROWS_PER_PAGE);
    }
    if is_dealt(schema) {
        // A page of its own says no more than its row group.
        properties = properties.set_statistics_enabled(EnabledStatistics::Chunk);
    }
    for field in schema.fields() {
        let name = field.name().as_str();
        let (path, leaf) = match field.data_type() {
            DataType::List(item) => (vec![name.to_owned(), "list".to_owned(), item.name().clone()], item.data_type()),
            other => (vec![name.to_owned()], other),
        };
        let path = ColumnPath::new(path);
        let encoding = match leaf {
            // Lengths apart from the bytes: those of a SHA in hexadecimal are then nothing but digits of four bits.
            DataType::Utf8 | DataType::Binary if UNLIKE.contains(&name) => Encoding::DELTA_LENGTH_BYTE_ARRAY,
            DataType::Utf8 if COUNTED.contains(&name) => Encoding::DELTA_BYTE_ARRAY,
            DataType::Timestamp(..) if SHARED.contains(&name) => Encoding::PLAIN,
            DataType::Timestamp(..) | DataType::Int64 | DataType::Int32 => Encoding::DELTA_BINARY_PACKED,
            _ => continue,
        };
        if encoding == Encoding::DELTA_LENGTH_BYTE_ARRAY {
            properties = properties.set_column_statistics_enabled(path.clone(), EnabledStatistics::Chunk);
        }
        properties = properties.set_column_dictionary_enabled(path.clone(), false).set_column_encoding(path, encoding);
    }
    properties.build()
}

/// The log's statistics, gathered from those of the row groups.
fn stats(metadata: &ParquetMetaData, schema: &Schema) -> String {
    let n_rows: i64 = metadata.file_metadata().num_rows();
    let (mut min, mut max, mut nulls) = (Map::new(), Map::new(), Map::new());
    let leaves: HashMap<String, usize> = (0..metadata.file_metadata().schema_descr().num_columns())
        .map(|leaf| (metadata.file_metadata().schema_descr().column(leaf).path().string(), leaf))
        .collect();
    for field in schema.fields() {
        let Some(&leaf) = leaves.get(field.name()) else { continue };
        let groups = metadata.row_groups().iter();
        let chunks: Option<Vec<_>> =
            groups.map(|group: &RowGroupMetaData| Some((group.num_rows(), group.column(leaf).statistics()?))).collect();
        let Some(chunks) = chunks else { continue };
        if let Some(n_nulls) = chunks.iter().map(|(_, chunk)| chunk.null_count_opt()).sum::<Option<u64>>() {
            nulls.insert(field.name().clone(), n_nulls.into());
        }
        // A row group of nothing but nulls has no bounds, and widens none.
        let is_null = |n_rows: i64, chunk: &ColumnChunkStatistics| chunk.null_count_opt() == u64::try_from(n_rows).ok();
        let known = chunks.into_iter().filter(|(n_rows, chunk)| !is_null(*n_rows, chunk));
        let chunks: Vec<_> = known.map(|(_, chunk)| chunk).collect();
        if let Some((low, high)) = range(&chunks, field.data_type()) {
            min.insert(field.name().clone(), low);
            max.insert(field.name().clone(), high);
        }
    }
    json!({ "numRecords": n_rows, "minValues": min, "maxValues": max, "nullCount": nulls }).to_string()
}

/// Bounds over row groups; none where one of them says nothing.
fn range(chunks: &[&ColumnChunkStatistics], data_type: &DataType) -> Option<(Value, Value)> {
    match data_type {
        DataType::Utf8 => {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_owned()).ok();
            let low = chunks.iter().map(|chunk| chunk.min_bytes_opt().and_then(text)).collect::<Option<Vec<_>>>()?;
            let high = chunks.iter().map(|chunk| chunk.max_bytes_opt().and_then(text)).collect::<Option<Vec<_>>>()?;
            Some((low.into_iter().min()?.into(), high.into_iter().max()?.into()))
        }
        DataType::Int16 | DataType::Int32 => {
            let (low, high) = bounds(chunks, |chunk| match chunk {
                ColumnChunkStatistics::Int32(values) => Some((*values.min_opt()?, *values.max_opt()?)),
                _ => None,
            })?;
            Some((low.into(), high.into()))
        }
        DataType::Int64 | DataType::Timestamp(TimeUnit::Microsecond, _) => {
            let (low, high) = bounds(chunks, |chunk| match chunk {
                ColumnChunkStatistics::Int64(values) => Some((*values.min_opt()?, *values.max_opt()?)),
                _ => None,
            })?;
            match data_type {
                DataType::Int64 => Some((low.into(), high.into())),
                _ => Some((instant_text(low)?, instant_text(high)?)),
            }
        }
        _ => None,
    }
}

fn bounds<T: Ord + Copy>(
    chunks: &[&ColumnChunkStatistics],
    of: impl Fn(&ColumnChunkStatistics) -> Option<(T, T)>,
) -> Option<(T, T)> {
    let each = chunks.iter().map(|chunk| of(chunk)).collect::<Option<Vec<_>>>()?;
    Some((each.iter().map(|(low, _)| *low).min()?, each.iter().map(|(_, high)| *high).max()?))
}

/// As Delta writes instants. Years of five digits are left out: not every reader takes them.
fn instant_text(micros: i64) -> Option<Value> {
    let instant = Instant::from_timestamp_micros(micros)?;
    (0..=9999).contains(&instant.year()).then(|| instant.to_rfc3339_opts(SecondsFormat::Micros, true).into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use bytes::Bytes;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    use super::*;
    use crate::{Change, Row, Stamp, Stamped};

    #[test]
    fn facts_of_a_service_lie_in_few_row_groups_and_there_in_their_order() {
        let rows: Vec<Stamped<Change>> = (0..30_000_i64)
            .map(|n| {
                let name = format!("service-{:02}", n * 7 % 50);
                let (service, repository) = if n % 3 == 0 { (None, Some(name)) } else { (Some(name), None) };
                let fact = Change { id: n.to_string(), service, repository, ..Change::default() };
                Stamped { fact, stamp: Stamp { clock: Instant::UNIX_EPOCH, arrival: n } }
            })
            .collect();
        let encoded = Encoder::all(&Change::schema(), &[Change::to_batch(&rows)]).unwrap();
        let file: Value = serde_json::from_str(&encoded.stats).unwrap();
        assert_eq!(
            (&file["minValues"]["service"], &file["nullCount"]["service"]),
            (&json!("service-00"), &json!(10_000))
        );
        let reader = ParquetRecordBatchReaderBuilder::try_new(Bytes::from(encoded.bytes)).unwrap();
        let metadata = Arc::clone(reader.metadata());
        assert_eq!(metadata.num_row_groups(), 4);
        for column in ["service", "repository"] {
            let leaf = Change::schema().index_of(column).unwrap();
            let may_hold = |group: &&RowGroupMetaData| {
                let bounds = group.column(leaf).statistics().unwrap();
                let (low, high) = (bounds.min_bytes_opt(), bounds.max_bytes_opt());
                low.zip(high).is_some_and(|(low, high)| (low..=high).contains(&b"service-20".as_slice()))
            };
            assert!(metadata.row_groups().iter().filter(may_hold).count() <= 2, "{column}");
        }
        let arrivals = reader
            .with_batch_size(ROWS_PER_GROUP_OF_SERVICES)
            .build()
            .unwrap()
            .map(|batch| batch.unwrap()["arrival"].as_primitive::<Int64Type>().values().to_vec());
        let arrivals: Vec<Vec<i64>> = arrivals.collect();
        assert!(arrivals.iter().all(|group| group.is_sorted()));
        let mut all = arrivals.concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..30_000));
    }
}
