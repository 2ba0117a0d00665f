//! Raw deliveries as they were kept, newest first. What they say only their source knows.

use arrow::array::{Array as _, BinaryArray, RecordBatch};
use bytes::Bytes;
use datafusion::prelude::{DataFrame, Expr, col, lit};
use datafusion::scalar::ScalarValue;
use dorado_lake::{Delivery, Instant};

use super::directory::Columns;
use crate::engine::{Engine, Error};

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deliveries {
    /// Only of this source, as `events`, or of this connection, as `events/main`.
    pub source: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<DeliveryOutcome>,
    /// Only those that arrived before this one.
    pub before: Option<i64>,
    /// Only those that arrived after this one, oldest first.
    pub after: Option<i64>,
    /// Only those that arrived then or later, by the clock.
    pub since: Option<Instant>,
    /// At most so many.
    pub limit: usize,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// It gave facts.
    Kept,
    /// It is right and gave none.
    Ignored,
    /// It could not be read.
    Rejected,
}

impl DeliveryOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Kept, Self::Ignored, Self::Rejected];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
        }
    }

    fn filter(self) -> Expr {
        match self {
            Self::Kept => col("problem").is_null().and(col("n_facts").gt(lit(0_i64))),
            Self::Ignored => col("problem").is_null().and(col("n_facts").eq(lit(0_i64))),
            Self::Rejected => col("problem").is_not_null(),
        }
    }
}

/// A delivery that was settled.
#[derive(Debug, Clone, PartialEq)]
pub struct SettledDelivery {
    /// Its number.
    pub arrival: i64,
    /// As it was kept.
    pub delivery: Delivery,
    /// How many facts it gave.
    pub n_facts: i64,
    /// Why it could not be read, where that was so.
    pub problem: Option<String>,
}

impl SettledDelivery {
    /// What became of it.
    pub fn outcome(&self) -> DeliveryOutcome {
        match (&self.problem, self.n_facts) {
            (Some(_), _) => DeliveryOutcome::Rejected,
            (None, 0) => DeliveryOutcome::Ignored,
            (None, _) => DeliveryOutcome::Kept,
        }
    }
}

impl Deliveries {
    fn among(&self, mut frame: DataFrame) -> Result<DataFrame, Error> {
        let of_source = self.source.as_deref().map(|source| match source.split_once('/') {
            Some((kind, connection)) => col("source").eq(lit(kind)).and(col("connection").eq(lit(connection))),
            None => col("source").eq(lit(source)),
        });
        let instant =
            |at: Instant| lit(ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some("UTC".into())));
        let filters = [
            of_source,
            self.outcome.map(DeliveryOutcome::filter),
            self.before.map(|before| col("arrival").lt(lit(before))),
            self.after.map(|after| col("arrival").gt(lit(after))),
            self.since.map(|since| col("received_at").gt_eq(instant(since))),
        ];
        for filter in filters.into_iter().flatten() {
            frame = frame.filter(filter)?;
        }
        Ok(frame)
    }
}

impl Engine {
    /// How many deliveries there are of these, whatever their limit.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub async fn n_deliveries(&self, wanted: &Deliveries) -> Result<u64, Error> {
        let tables = self.tables();
        let Some(frame) = tables.table("deliveries")? else { return Ok(0) };
        Ok(wanted.among(frame)?.count().await? as u64)
    }

    /// Deliveries as they were kept: newest first, or oldest first where `after` is asked for.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub async fn deliveries(&self, wanted: &Deliveries) -> Result<Vec<SettledDelivery>, Error> {
        let tables = self.tables();
        let Some(frame) = tables.table("deliveries")? else { return Ok(Vec::new()) };
        let frame = wanted.among(frame)?;
        // First which, then what: bodies are large.
        let order = vec![col("arrival").sort(wanted.after.is_some(), false)];
        let chosen = frame.select(vec![col("arrival")])?.sort(order.clone())?.limit(0, Some(wanted.limit))?;
        let mut arrivals = Vec::new();
        for batch in chosen.collect().await? {
            arrivals.extend((0..batch.num_rows()).filter_map(|i| Columns(&batch).number("arrival", i)));
        }
        let (Some(first), Some(last)) = (arrivals.iter().min(), arrivals.iter().max()) else { return Ok(Vec::new()) };
        let between = col("arrival").gt_eq(lit(*first)).and(col("arrival").lt_eq(lit(*last)));
        let these = col("arrival").in_list(arrivals.iter().map(|arrival| lit(*arrival)).collect(), false);
        let Some(frame) = tables.table("deliveries")? else { return Ok(Vec::new()) };
        let batches = frame.filter(between)?.filter(these)?.sort(order)?.collect().await?;
        Ok(batches.iter().flat_map(|batch| (0..batch.num_rows()).filter_map(|i| settled(batch, i))).collect())
    }
}

fn settled(batch: &RecordBatch, row: usize) -> Option<SettledDelivery> {
    let columns = Columns(batch);
    let body = batch.column_by_name("body")?.as_any().downcast_ref::<BinaryArray>()?;
    let headers = columns.text("headers", row).unwrap_or_default();
    Some(SettledDelivery {
        arrival: columns.number("arrival", row)?,
        delivery: Delivery {
            source: columns.text("source", row)?,
            connection: columns.text("connection", row).unwrap_or_default(),
            id: columns.text("id", row)?,
            headers: serde_json::from_str(&headers).unwrap_or_default(),
            body: Bytes::copy_from_slice(if body.is_valid(row) { body.value(row) } else { &[] }),
            received_at: columns.instant("received_at", row)?,
        },
        n_facts: columns.number("n_facts", row).unwrap_or_default(),
        problem: columns.text("problem", row),
    })
}
