//! The bronze table: raw deliveries, kept so that history can be read again by a better translator.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;

use crate::lake::Settled;
use crate::month::Month;
use crate::row::instant_type;

/// Its name.
pub(crate) const DELIVERIES: &str = "deliveries";

/// Its columns. `problem` says why a delivery could not be read; `n_facts` is how many it gave.
pub(crate) fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    Arc::new(Schema::new(vec![
        text("source"),
        text("connection"),
        text("id"),
        text("headers"),
        Field::new("body", DataType::Binary, true),
        Field::new("received_at", instant_type(), true),
        Field::new("n_facts", DataType::Int64, true),
        text("problem"),
        Field::new("arrival", DataType::Int64, true),
    ]))
}

/// Deliveries as rows, by the month of their arrival.
pub(crate) fn by_month(deliveries: &[Settled]) -> Result<BTreeMap<Month, RecordBatch>, ArrowError> {
    let mut months = BTreeMap::<Month, Vec<&Settled>>::new();
    for settled in deliveries {
        months.entry(Month::of(settled.delivery.received_at)).or_default().push(settled);
    }
    months.into_iter().map(|(month, rows)| Ok((month, to_batch(&rows)?))).collect()
}

fn to_batch(rows: &[&Settled]) -> Result<RecordBatch, ArrowError> {
    let text = |of: fn(&Settled) -> Option<&str>| -> ArrayRef {
        Arc::new(rows.iter().map(|row| of(row)).collect::<StringArray>())
    };
    let headers = rows.iter().map(|row| serde_json::to_string(&row.delivery.headers).ok());
    let received = rows.iter().map(|row| row.delivery.received_at.timestamp_micros());
    let n_facts = rows.iter().map(|row| row.outcome.as_ref().map_or(0, |facts| facts.len() as i64));
    let columns: Vec<ArrayRef> = vec![
        text(|row| Some(&row.delivery.source)),
        text(|row| Some(&row.delivery.connection)),
        text(|row| Some(&row.delivery.id)),
        Arc::new(headers.collect::<StringArray>()),
        Arc::new(BinaryArray::from_iter_values(rows.iter().map(|row| &row.delivery.body))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(received).with_timezone("UTC")),
        Arc::new(Int64Array::from_iter_values(n_facts)),
        text(|row| row.outcome.as_ref().err().map(String::as_str)),
        Arc::new(Int64Array::from_iter_values(rows.iter().map(|row| row.arrival))),
    ];
    RecordBatch::try_new(schema(), columns)
}
