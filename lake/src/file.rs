//! A file of rows: Parquet bytes, and what the log says of them so that readers can pass the file by.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
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

/// Whether a column's values hardly repeat.
pub(crate) fn is_unlike(column: &str) -> bool {
    UNLIKE.contains(&column)
}

/// Whether a table's rows are sorted by its first column.
pub(crate) fn is_sorted(schema: &Schema) -> bool {
    schema.fields().first().is_some_and(|field| field.name() == SORTED_BY)
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

    pub(crate) fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        self.writer.write(batch)
    }

    /// Bytes that it holds, finished and unfinished.
    pub(crate) fn n_bytes(&self) -> usize {
        self.writer.bytes_written() + self.writer.memory_size()
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
        .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
        .set_statistics_truncate_length(Some(STATISTICS_LENGTH))
        .set_column_index_truncate_length(Some(STATISTICS_LENGTH));
    if is_sorted(schema) {
        properties = properties.set_data_page_row_count_limit(ROWS_PER_PAGE);
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
        let chunks: Option<Vec<_>> =
            metadata.row_groups().iter().map(|group: &RowGroupMetaData| group.column(leaf).statistics()).collect();
        let Some(chunks) = chunks else { continue };
        if let Some(n_nulls) = chunks.iter().map(|chunk| chunk.null_count_opt()).sum::<Option<u64>>() {
            nulls.insert(field.name().clone(), n_nulls.into());
        }
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
