//! Facts as rows of Arrow batches and back: one [`Row`] a kind, by one macro over [`Cell`]s.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, BooleanBuilder, Int64Array, ListArray, ListBuilder, RecordBatch, RecordBatchOptions,
    StringArray, StringBuilder, TimestampMicrosecondArray, TimestampMicrosecondBuilder, new_null_array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::{Change, Deployment, Incident, Instant, Override, PullRequest, Stamp, Stamped, Status, Tier, Verdict};

/// A kind of fact as rows of its silver table.
pub trait Row: Sized + Send + 'static {
    /// The silver table.
    const TABLE: &'static str;

    /// The fact's fields in order, then `clock` and `arrival`. The table has `month` besides, which is no
    /// column of the rows.
    fn schema() -> SchemaRef;

    /// Rows to a batch of [`Row::schema`].
    fn to_batch(rows: &[Stamped<Self>]) -> RecordBatch;

    /// A batch to rows. Columns are found by name; one that is missing, or of a type that does not
    /// cast to the schema's, reads as null, and null reads as the field's default.
    fn from_batch(batch: &RecordBatch) -> Vec<Stamped<Self>>;

    /// The entity's own first instant, by which it is put into a month.
    fn began(&self) -> Option<Instant>;
}

/// Microseconds in UTC, the one type of instants.
pub(crate) fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A field's type as a column.
trait Cell: Sized {
    /// What a column is read from.
    type Column: Array + 'static;

    fn data_type() -> DataType;
    fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef
    where
        Self: 'a;
    fn read(column: &Self::Column, row: usize) -> Self;
}

/// Strings are 36 bytes each until told better: ids and SHAs are most of them.
const BYTES_PER_STRING: usize = 36;

impl Cell for String {
    type Column = StringArray;

    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(values.len(), values.len() * BYTES_PER_STRING);
        for value in values {
            builder.append_value(value);
        }
        Arc::new(builder.finish())
    }

    fn read(column: &StringArray, row: usize) -> Self {
        if column.is_null(row) { Self::new() } else { column.value(row).to_owned() }
    }
}

impl Cell for Option<String> {
    type Column = StringArray;

    fn data_type() -> DataType {
        DataType::Utf8
    }

    fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(values.len(), 0);
        values.for_each(|value| builder.append_option(value.as_deref()));
        Arc::new(builder.finish())
    }

    fn read(column: &StringArray, row: usize) -> Self {
        column.is_valid(row).then(|| column.value(row).to_owned())
    }
}

impl Cell for bool {
    type Column = BooleanArray;

    fn data_type() -> DataType {
        DataType::Boolean
    }

    fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
        let mut builder = BooleanBuilder::with_capacity(values.len());
        values.for_each(|value| builder.append_value(*value));
        Arc::new(builder.finish())
    }

    fn read(column: &BooleanArray, row: usize) -> Self {
        column.is_valid(row) && column.value(row)
    }
}

impl Cell for Option<Instant> {
    type Column = TimestampMicrosecondArray;

    fn data_type() -> DataType {
        instant_type()
    }

    fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
        let mut builder = TimestampMicrosecondBuilder::with_capacity(values.len()).with_data_type(instant_type());
        values.for_each(|value| builder.append_option(value.map(|instant| instant.timestamp_micros())));
        Arc::new(builder.finish())
    }

    fn read(column: &TimestampMicrosecondArray, row: usize) -> Self {
        column.is_valid(row).then(|| Instant::from_timestamp_micros(column.value(row))).flatten()
    }
}

fn list_type() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn write_lists<'a>(values: impl ExactSizeIterator<Item = Option<&'a Vec<String>>>) -> ArrayRef {
    let mut builder = ListBuilder::with_capacity(StringBuilder::new(), values.len());
    for value in values {
        let texts = value.map(Vec::as_slice).unwrap_or_default();
        for text in texts {
            builder.values().append_value(text);
        }
        builder.append(value.is_some());
    }
    Arc::new(builder.finish())
}

fn read_list(column: &ListArray, row: usize) -> Option<Vec<String>> {
    let texts = column.is_valid(row).then(|| column.value(row))?;
    let texts = texts.as_any().downcast_ref::<StringArray>()?;
    Some(texts.iter().flatten().map(ToOwned::to_owned).collect())
}

impl Cell for Vec<String> {
    type Column = ListArray;

    fn data_type() -> DataType {
        list_type()
    }

    fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
        write_lists(values.map(Some))
    }

    fn read(column: &ListArray, row: usize) -> Self {
        read_list(column, row).unwrap_or_default()
    }
}

impl Cell for Option<Vec<String>> {
    type Column = ListArray;

    fn data_type() -> DataType {
        list_type()
    }

    fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
        write_lists(values.map(Option::as_ref))
    }

    fn read(column: &ListArray, row: usize) -> Self {
        read_list(column, row)
    }
}

/// Enums are their names in snake case, as in JSON. A name that this program does not know (a newer one
/// wrote it) reads as the default, or as nothing.
macro_rules! word_cells {
    ($($kind:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        impl $kind {
            /// Its name in JSON and in the tables.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }

            /// The one of this name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }

        impl Cell for Option<$kind> {
            type Column = StringArray;

            fn data_type() -> DataType {
                DataType::Utf8
            }

            fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
                Arc::new(values.map(|value| value.map(|word| word.as_str())).collect::<StringArray>())
            }

            fn read(column: &StringArray, row: usize) -> Self {
                if column.is_null(row) { None } else { $kind::from_name(column.value(row)) }
            }
        }
    )+};
}

word_cells! {
    Status { Pending = "pending", Running = "running", Success = "success", Failed = "failed", Cancelled = "cancelled" }
    Tier {
        Production = "production", Staging = "staging", Testing = "testing", Development = "development",
        Other = "other",
    }
    Verdict {
        Failed = "failed", NotFailed = "not_failed", CausedBy = "caused_by", NotCaused = "not_caused",
        Withdrawn = "withdrawn",
    }
}

macro_rules! defaulting_word_cells {
    ($($kind:ident)+) => {$(
        impl Cell for $kind {
            type Column = StringArray;

            fn data_type() -> DataType {
                DataType::Utf8
            }

            fn write<'a>(values: impl ExactSizeIterator<Item = &'a Self>) -> ArrayRef {
                Arc::new(values.map(|word| Some(word.as_str())).collect::<StringArray>())
            }

            fn read(column: &StringArray, row: usize) -> Self {
                <Option<Self> as Cell>::read(column, row).unwrap_or_default()
            }
        }
    )+};
}

defaulting_word_cells! { Status Verdict }

/// A column by name as the type that it should have; nulls where there is none.
fn column<C: Array + Clone + 'static>(batch: &RecordBatch, name: &str, data_type: &DataType) -> C {
    let found = batch.column_by_name(name).and_then(|column| {
        if column.data_type() == data_type {
            return Some(Arc::clone(column));
        }
        arrow::compute::cast(column, data_type).ok()
    });
    let column = found.unwrap_or_else(|| new_null_array(data_type, batch.num_rows()));
    column.as_any().downcast_ref::<C>().expect("the column has the cell's data type, and so its array type").clone()
}

fn stamp_columns<T>(rows: &[Stamped<T>]) -> [ArrayRef; 2] {
    let clocks = rows.iter().map(|row| row.stamp.clock.timestamp_micros());
    let arrivals = rows.iter().map(|row| row.stamp.arrival);
    [
        Arc::new(TimestampMicrosecondArray::from_iter_values(clocks).with_timezone("UTC")),
        Arc::new(Int64Array::from_iter_values(arrivals)),
    ]
}

fn stamps(batch: &RecordBatch) -> Vec<Stamp> {
    let clocks: TimestampMicrosecondArray = column(batch, "clock", &instant_type());
    let arrivals: Int64Array = column(batch, "arrival", &DataType::Int64);
    (0..batch.num_rows())
        .map(|row| Stamp {
            clock: <Option<Instant> as Cell>::read(&clocks, row).unwrap_or_default(),
            arrival: if arrivals.is_null(row) { 0 } else { arrivals.value(row) },
        })
        .collect()
}

macro_rules! rows {
    ($($kind:ident in $table:literal began ($($began:ident),+) { $($field:ident: $type:ty),+ $(,)? })+) => {$(
        impl Row for $kind {
            const TABLE: &'static str = $table;

            fn schema() -> SchemaRef {
                Arc::new(Schema::new(vec![
                    $(Field::new(stringify!($field), <$type as Cell>::data_type(), true),)+
                    Field::new("clock", instant_type(), true),
                    Field::new("arrival", DataType::Int64, true),
                ]))
            }

            fn to_batch(rows: &[Stamped<Self>]) -> RecordBatch {
                let mut columns: Vec<ArrayRef> = vec![
                    $(<$type as Cell>::write(rows.iter().map(|row| &row.fact.$field)),)+
                ];
                columns.extend(stamp_columns(rows));
                let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
                RecordBatch::try_new_with_options(Self::schema(), columns, &options)
                    .expect("every cell writes one value a row of its own data type")
            }

            fn from_batch(batch: &RecordBatch) -> Vec<Stamped<Self>> {
                $(let $field: <$type as Cell>::Column =
                    column(batch, stringify!($field), &<$type as Cell>::data_type());)+
                let stamps = stamps(batch).into_iter().enumerate();
                stamps
                    .map(|(row, stamp)| Stamped {
                        fact: Self { $($field: <$type as Cell>::read(&$field, row),)+ },
                        stamp,
                    })
                    .collect()
            }

            fn began(&self) -> Option<Instant> {
                None$(.or(self.$began))+
            }
        }
    )+};
}

rows! {
    Change in "changes" began (authored_at, committed_at, merged_at, first_commit_at, updated_at) {
        source: String,
        id: String,
        repository: Option<String>,
        service: Option<String>,
        parents: Option<Vec<String>>,
        authored_at: Option<Instant>,
        committed_at: Option<Instant>,
        merged_at: Option<Instant>,
        first_commit_at: Option<Instant>,
        title: Option<String>,
        author: Option<String>,
        branch: Option<String>,
        paths: Option<Vec<String>>,
        pull_request: Option<String>,
        reverts: Option<String>,
        cherry_pick_of: Option<String>,
        deployment: Option<String>,
        url: Option<String>,
        updated_at: Option<Instant>,
    }
    PullRequest in "pull_requests" began (opened_at, first_commit_at, merged_at, closed_at, updated_at) {
        source: String,
        id: String,
        repository: Option<String>,
        service: Option<String>,
        title: Option<String>,
        author: Option<String>,
        branch: Option<String>,
        base: Option<String>,
        labels: Vec<String>,
        first_commit_at: Option<Instant>,
        opened_at: Option<Instant>,
        first_review_at: Option<Instant>,
        approved_at: Option<Instant>,
        merged_at: Option<Instant>,
        closed_at: Option<Instant>,
        commits: Option<Vec<String>>,
        merge_commit: Option<String>,
        url: Option<String>,
        updated_at: Option<Instant>,
    }
    Deployment in "deployments" began (started_at, finished_at, deleted_at, updated_at) {
        source: String,
        id: String,
        service: Option<String>,
        team: Option<String>,
        repository: Option<String>,
        environment: String,
        tier: Option<Tier>,
        status: Status,
        started_at: Option<Instant>,
        finished_at: Option<Instant>,
        revision: Option<String>,
        version: Option<String>,
        branch: Option<String>,
        title: Option<String>,
        labels: Vec<String>,
        changes: Option<Vec<String>>,
        pull_requests: Option<Vec<String>>,
        paths: Vec<String>,
        is_rollback: bool,
        is_hotfix: bool,
        is_unplanned: bool,
        repairs: Option<String>,
        fixes_incident: Option<String>,
        flagged_by: Option<String>,
        deleted_at: Option<Instant>,
        url: Option<String>,
        updated_at: Option<Instant>,
    }
    Incident in "incidents" began (opened_at, acknowledged_at, resolved_at, deleted_at, updated_at) {
        source: String,
        id: String,
        services: Vec<String>,
        repository: Option<String>,
        environment: Option<String>,
        title: Option<String>,
        severity: Option<String>,
        opened_at: Option<Instant>,
        acknowledged_at: Option<Instant>,
        resolved_at: Option<Instant>,
        caused_by: Option<String>,
        caused_by_change: Option<String>,
        deleted_at: Option<Instant>,
        url: Option<String>,
        updated_at: Option<Instant>,
    }
    Override in "overrides" began (decided_at, updated_at) {
        source: String,
        id: String,
        verdict: Verdict,
        deployment: Option<String>,
        incident: Option<String>,
        remedy: Option<String>,
        author: String,
        reason: String,
        decided_at: Option<Instant>,
        updated_at: Option<Instant>,
    }
}
