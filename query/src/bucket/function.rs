//! `bucket_of(ts)`: the number of the bucket that an instant lies in, as a DataFusion function over whole batches. The
//! edges belong to the function: a plan spells out the arguments of its functions over and over, and days are many.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use dorado_lake::Instant;

use super::Buckets;

impl Buckets {
    /// The expression for the number of the bucket that `ts`, an instant as gold keeps it, lies in: the largest i with
    /// edges\[i\] ≤ ts < edges\[i + 1\], null outside the period. It prunes no files: say `ts >= from and ts < to` beside it.
    pub fn index_expr(&self, ts: Expr) -> Expr {
        let edges = self.edges.iter().map(Instant::timestamp_micros).collect();
        let function = BucketOf { signature: Signature::any(1, Volatility::Immutable), edges };
        ScalarUDF::new_from_impl(function).call(vec![ts])
    }
}

#[derive(PartialEq, Eq, Hash)]
struct BucketOf {
    signature: Signature,
    /// Rising, in microseconds.
    edges: Vec<i64>,
}

impl fmt::Debug for BucketOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketOf").field("n_edges", &self.edges.len()).finish_non_exhaustive()
    }
}

impl ScalarUDFImpl for BucketOf {
    fn name(&self) -> &'static str {
        "bucket_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        match given {
            [DataType::Timestamp(TimeUnit::Microsecond, _)] => Ok(DataType::Int32),
            other => plan_err!("bucket_of takes a timestamp in microseconds, not {other:?}"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let cuts = Cuts::new(&self.edges);
        match args.args.as_slice() {
            [ColumnarValue::Array(ts)] => Ok(ColumnarValue::Array(cuts.places(ts.as_primitive()))),
            [ColumnarValue::Scalar(ts)] => {
                let places = cuts.places(ts.to_array()?.as_primitive());
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&places, 0)?))
            }
            other => exec_err!("bucket_of takes one instant, not {}", other.len()),
        }
    }
}

/// Edges with the straight line that runs nearly through them: buckets of the calendar are so even that the line
/// finds the bucket or its neighbour. That needs no table, so it costs nothing for a batch of few rows.
struct Cuts<'a> {
    edges: &'a [i64],
    per_micro: f64,
}

/// Stands for no bucket while places are written.
const OUTSIDE: i32 = -1;

impl<'a> Cuts<'a> {
    fn new(edges: &'a [i64]) -> Self {
        let per_micro = match edges {
            [first, .., last] if last > first => (edges.len() - 1) as f64 / (*last as f64 - *first as f64),
            _ => 0.0,
        };
        Self { edges, per_micro }
    }

    fn places(&self, ts: &PrimitiveArray<TimestampMicrosecondType>) -> ArrayRef {
        // Rows come sorted by time within a service: most lie where the one before lay.
        let (mut place, mut begin, mut length) = (OUTSIDE, 0, 0);
        let places: Vec<i32> = ts
            .values()
            .iter()
            .map(|&ts| {
                if ts.wrapping_sub(begin) as u64 >= length {
                    place = self.place(ts);
                    let around = usize::try_from(place).ok().and_then(|place| self.edges.get(place..place + 2));
                    (begin, length) = around.map_or((0, 0), |edges| (edges[0], edges[0].abs_diff(edges[1])));
                }
                place
            })
            .collect();
        let inside = places.iter().all(|&place| place != OUTSIDE);
        let inside = (!inside).then(|| places.iter().map(|&place| place != OUTSIDE).collect::<NullBuffer>());
        Arc::new(Int32Array::new(places.into(), NullBuffer::union(inside.as_ref(), ts.nulls())))
    }

    #[inline]
    fn place(&self, ts: i64) -> i32 {
        let [first, .., last] = self.edges else {
            return OUTSIDE;
        };
        if ts < *first || ts >= *last {
            return OUTSIDE;
        }
        let guess = ((ts - first) as f64 * self.per_micro) as usize;
        let mut place = guess.min(self.edges.len() - 2);
        place -= usize::from(ts < self.edges[place]);
        place += usize::from(ts >= self.edges[place + 1]);
        if self.edges[place] <= ts && ts < self.edges[place + 1] {
            return place as i32;
        }
        self.edges.partition_point(|&edge| edge <= ts) as i32 - 1
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use arrow::array::{RecordBatch, TimestampMicrosecondArray};
    use chrono::{DateTime, TimeDelta};
    use datafusion::prelude::{SessionContext, col, lit};
    use proptest::prelude::*;

    use crate::bucket::BucketSize;

    #[tokio::test]
    async fn a_plan_finds_the_buckets_of_rows() {
        let from: DateTime<chrono::Utc> = "2026-03-27T23:00:00Z".parse().unwrap();
        let to = from + TimeDelta::days(3);
        let buckets = Buckets::new(from, to, BucketSize::Day, chrono_tz::Europe::Berlin).unwrap();
        let instants = [
            Some("2026-03-27T22:59:59.999999Z"),
            Some("2026-03-27T23:00:00Z"),
            None,
            Some("2026-03-29T21:59:59.999999Z"),
            Some("2026-03-29T22:00:00Z"),
            Some("2026-03-30T23:00:00Z"),
        ];
        let micros = |text: &str| text.parse::<DateTime<chrono::Utc>>().unwrap().timestamp_micros();
        let micros = instants.map(|text| text.map(micros));
        let ts = TimestampMicrosecondArray::from(micros.to_vec()).with_timezone("UTC");
        let batch = RecordBatch::try_from_iter([("ts", Arc::new(ts) as ArrayRef)]).unwrap();
        let context = SessionContext::new();
        let bucket = buckets.index_expr(col("ts")).alias("bucket");
        let found = context.read_batch(batch).unwrap().select(vec![bucket]).unwrap().collect().await.unwrap();
        let expected = Int32Array::from(vec![None, Some(0), None, Some(1), Some(2), None]);
        assert_eq!(found[0]["bucket"].as_primitive(), &expected);
    }

    #[tokio::test]
    async fn literals_have_buckets_and_texts_have_none() {
        let from: DateTime<chrono::Utc> = "2026-03-27T00:00:00Z".parse().unwrap();
        let buckets = Buckets::new(from, from + TimeDelta::days(3), BucketSize::Day, chrono_tz::UTC).unwrap();
        let context = SessionContext::new();
        let ask = async |given: Expr| {
            let found = context.read_empty()?.select(vec![buckets.index_expr(given)])?.collect().await?;
            ScalarValue::try_from_array(found[0].column(0), 0)
        };
        let second_day = (from + TimeDelta::hours(30)).timestamp_micros();
        let instant = ScalarValue::TimestampMicrosecond(Some(second_day), Some("UTC".into()));
        assert_eq!(ask(lit(instant)).await.unwrap(), ScalarValue::Int32(Some(1)));
        assert!(ask(lit("2026-03-28")).await.is_err());
    }

    proptest! {
        #[test]
        fn the_line_finds_what_a_search_finds(
            mut edges in prop::collection::vec(-5_000_i64..5_000, 0..40),
            ts in prop::collection::vec(-6_000_i64..6_000, 1..200),
        ) {
            edges.sort_unstable();
            let cuts = Cuts::new(&edges);
            for &ts in &ts {
                let searched = edges.windows(2).rposition(|pair| pair[0] <= ts && ts < pair[1]);
                prop_assert_eq!(cuts.place(ts), searched.map_or(OUTSIDE, |place| place as i32));
            }
            let places = cuts.places(&TimestampMicrosecondArray::from(ts.clone()));
            let searched = ts.iter().map(|&ts| Some(cuts.place(ts)).filter(|&place| place != OUTSIDE));
            prop_assert_eq!(places.as_primitive(), &searched.collect::<Int32Array>());
        }
    }
}
