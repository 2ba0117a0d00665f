//! `bucket_of(ts, edges)`: the number of the bucket that an instant lies in, as a DataFusion function over
//! whole batches. The edges are an argument, so that a plan that is sent elsewhere takes them along.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array, ListArray, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Field, Int64Type, TimeUnit, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, lit,
};

use super::Buckets;

impl Buckets {
    /// The edges in microseconds, as the literal that `bucket_of` takes.
    pub fn edges_literal(&self) -> Expr {
        let micros = self.edges.iter().map(|edge| Some(edge.timestamp_micros()));
        let list = ListArray::from_iter_primitive::<Int64Type, _, _>([Some(micros)]);
        lit(ScalarValue::List(Arc::new(list)))
    }

    /// The expression for the number of the bucket that `ts` lies in, null outside the period.
    /// It prunes no files: say `ts >= from and ts < to` beside it.
    pub fn index_expr(&self, ts: Expr) -> Expr {
        bucket_of().call(vec![ts, self.edges_literal()])
    }
}

/// `bucket_of(ts timestamp, edges list<bigint>) -> int`: the largest i with edges\[i\] ≤ ts < edges\[i + 1\], in
/// microseconds since 1970; null where there is none. Edges rise and are one literal.
pub fn bucket_of() -> ScalarUDF {
    ScalarUDF::new_from_impl(BucketOf { signature: Signature::user_defined(Volatility::Immutable) })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct BucketOf {
    signature: Signature,
}

impl ScalarUDFImpl for BucketOf {
    fn name(&self) -> &'static str {
        "bucket_of"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        let [ts, _] = given else {
            return plan_err!("bucket_of takes an instant and a list of edges, not {} arguments", given.len());
        };
        let zone = match ts {
            DataType::Timestamp(_, zone) => zone.clone(),
            DataType::Null => None,
            other => return plan_err!("bucket_of takes a timestamp, not {other}"),
        };
        let edges = DataType::List(Arc::new(Field::new_list_field(DataType::Int64, true)));
        Ok(vec![DataType::Timestamp(TimeUnit::Microsecond, zone), edges])
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int32)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [ts, ColumnarValue::Scalar(ScalarValue::List(edges))] = args.args.as_slice() else {
            return exec_err!("the edges of bucket_of must be one literal");
        };
        let edges = edges.values().as_primitive::<Int64Type>();
        if edges.null_count() > 0 || !edges.values().is_sorted() {
            return exec_err!("the edges of bucket_of must rise");
        }
        let cuts = Cuts::new(edges.values());
        match ts {
            ColumnarValue::Array(ts) => Ok(ColumnarValue::Array(cuts.places(ts.as_primitive()))),
            ColumnarValue::Scalar(ts) => {
                let places = cuts.places(ts.to_array()?.as_primitive());
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&places, 0)?))
            }
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
    use datafusion::prelude::{SessionContext, col};
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
    async fn sql_may_call_it_with_other_timestamps_and_on_literals() {
        let context = SessionContext::new();
        context.register_udf(bucket_of());
        let ask = async |sql: &str| {
            let batches = context.sql(sql).await?.collect().await?;
            ScalarValue::try_from_array(batches[0].column(0), 0)
        };
        let seconds = "select bucket_of(arrow_cast(ts, 'Timestamp(Second, None)'), [0, 1000000, 5000000])
            from (values (2)) t(ts)";
        assert_eq!(ask(seconds).await.unwrap(), ScalarValue::Int32(Some(1)));
        assert_eq!(ask("select bucket_of(null, [0, 1])").await.unwrap(), ScalarValue::Int32(None));
        assert!(ask("select bucket_of(now(), [2, 1])").await.unwrap_err().to_string().contains("must rise"));
        assert!(ask("select bucket_of('x', [1, 2])").await.is_err());
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
