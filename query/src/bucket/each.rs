//! Aggregates in each bucket at once. Buckets are numbered and few, so a row finds its group by its number: nothing is
//! hashed, no rows are dealt out again between the two phases, and what a phase hands on is not copied.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, ListArray, new_empty_array};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Int32Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, Expr, ExprSchemable, GroupsAccumulator, LogicalPlan,
    LogicalPlanBuilder, Signature, Volatility, lit,
};
use datafusion::prelude::col;

/// The plan of `select …aggregates… from rows`, where rows have a `bucket`, changed so that each column is a list with
/// the aggregate of each of `n_buckets` buckets. For `distribution` stands the one that is given: it may add one over all
/// buckets. `None` where the plan is another, or asks for what cannot be made so.
pub(crate) fn in_each_bucket(
    plan: &LogicalPlan,
    n_buckets: usize,
    distribution: &AggregateUDF,
) -> Result<Option<LogicalPlan>> {
    let LogicalPlan::Projection(projection) = plan else { return Ok(None) };
    let LogicalPlan::Aggregate(aggregate) = projection.input.as_ref() else { return Ok(None) };
    let is_plain = |expr: &Expr| matches!(expr.clone().unalias_nested().data, Expr::Column(_));
    if !aggregate.group_expr.is_empty() || !projection.expr.iter().all(is_plain) {
        return Ok(None);
    }
    let mut changed = Vec::with_capacity(aggregate.aggr_expr.len());
    for expr in &aggregate.aggr_expr {
        let name = expr.schema_name().to_string();
        let Expr::AggregateFunction(AggregateFunction { func, params }) = expr.clone().unalias_nested().data else {
            return Ok(None);
        };
        let AggregateFunctionParams { args, distinct, filter, order_by, null_treatment } = params;
        let [arg] = args.as_slice() else { return Ok(None) };
        let inner = match func.name() {
            "count" => func,
            "distribution" if arg.get_type(aggregate.input.schema())? == DataType::Int64 => {
                Arc::new(distribution.clone())
            }
            _ => return Ok(None),
        };
        if !order_by.is_empty() || null_treatment.is_some() {
            return Ok(None);
        }
        let each = AggregateUDF::new_from_impl(EachBucket {
            name: format!("each_bucket_{}", inner.name()),
            signature: Signature::variadic_any(Volatility::Immutable),
            inner,
            distinct,
            n_buckets,
        });
        let filter = filter.map_or_else(|| lit(true), |filter| *filter);
        changed.push(each.call(vec![col("bucket"), filter, arg.clone()]).alias(name));
    }
    let builder = LogicalPlanBuilder::from(Arc::clone(&aggregate.input)).aggregate(Vec::<Expr>::new(), changed)?;
    builder.project(projection.expr.clone())?.build().map(Some)
}

/// `each_bucket_…(bucket, filter, x)`: another aggregate over the rows of each bucket that pass the filter.
#[derive(Debug, PartialEq, Eq, Hash)]
struct EachBucket {
    name: String,
    signature: Signature,
    inner: Arc<AggregateUDF>,
    distinct: bool,
    n_buckets: usize,
}

/// Arguments before those of the inner aggregate.
const OWN: usize = 2;

impl EachBucket {
    fn inner_field(&self, given: &[FieldRef]) -> Result<FieldRef> {
        let types: Vec<DataType> = given[OWN..].iter().map(|field| field.data_type().clone()).collect();
        Ok(Arc::new(Field::new(self.inner.name(), self.inner.return_type(&types)?, true)))
    }
}

fn list_of(item: DataType) -> DataType {
    DataType::List(Arc::new(Field::new_list_field(item, true)))
}

impl AggregateUDFImpl for EachBucket {
    fn name(&self) -> &str {
        &self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(list_of(self.inner.return_type(&given[OWN..])?))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let inner = self.inner.state_fields(StateFieldsArgs {
            name: args.name,
            input_fields: &args.input_fields[OWN..],
            return_field: self.inner_field(args.input_fields)?,
            ordering_fields: &[],
            is_distinct: self.distinct,
        })?;
        let name = |field: &FieldRef| format_state_name(field.name(), "each");
        Ok(inner.iter().map(|f| Arc::new(Field::new(name(f), list_of(f.data_type().clone()), true))).collect())
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let inner_args = AccumulatorArgs {
            return_field: self.inner_field(args.expr_fields)?,
            schema: args.schema,
            ignore_nulls: args.ignore_nulls,
            order_bys: &[],
            is_reversed: false,
            name: args.name,
            is_distinct: self.distinct,
            exprs: &args.exprs[OWN..],
            expr_fields: &args.expr_fields[OWN..],
        };
        let mut inner = self.inner.create_groups_accumulator(inner_args)?;
        // Makes sure of all buckets, also where no row comes.
        let types = args.expr_fields[OWN..].iter().map(|field| field.data_type());
        let nothing: Vec<ArrayRef> = types.map(new_empty_array).collect();
        inner.update_batch(&nothing, &[], None, self.n_buckets)?;
        Ok(Box::new(Each { inner: Mutex::new(inner), n_buckets: self.n_buckets, places: Vec::new() }))
    }
}

struct Each {
    /// Never waited for: the lock is there because an accumulator must be `Sync` and a grouped one need not.
    inner: Mutex<Box<dyn GroupsAccumulator>>,
    n_buckets: usize,
    /// The bucket of each row, as groups are numbered.
    places: Vec<usize>,
}

impl std::fmt::Debug for Each {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Each").field("n_buckets", &self.n_buckets).finish_non_exhaustive()
    }
}

impl Each {
    fn inner(&mut self) -> &mut dyn GroupsAccumulator {
        self.inner.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut()
    }
}

/// One row with all of a column.
fn one_list(values: ArrayRef) -> Result<ListArray> {
    let item = Arc::new(Field::new_list_field(values.data_type().clone(), true));
    Ok(ListArray::try_new(item, OffsetBuffer::from_lengths([values.len()]), values, None)?)
}

impl Accumulator for Each {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let (buckets, filter) = (values[0].as_primitive::<Int32Type>(), values[1].as_boolean());
        let last = self.n_buckets.saturating_sub(1);
        self.places.clear();
        self.places.extend(buckets.values().iter().map(|&bucket| (bucket.max(0) as usize).min(last)));
        // A row outside all buckets does not count, nor does one of which the filter knows nothing.
        let counts = NullBuffer::union(buckets.nulls(), filter.nulls());
        let passing = counts.map_or_else(|| filter.values().clone(), |counts| filter.values() & counts.inner());
        let passing = (passing.count_set_bits() < passing.len()).then(|| BooleanArray::new(passing, None));
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        inner.update_batch(&values[OWN..], &self.places, passing.as_ref(), self.n_buckets)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states: Vec<&ListArray> = states.iter().map(AsArray::as_list::<i32>).collect();
        let n_states = states.first().map_or(0, |state| Array::len(*state));
        self.places.clear();
        self.places.extend(0..self.n_buckets);
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner);
        for row in 0..n_states {
            let state: Vec<ArrayRef> = states.iter().map(|state| state.value(row)).collect();
            if state.iter().any(|column| column.len() != self.n_buckets) {
                return Err(exec_datafusion_err!("a state of other buckets cannot be merged"));
            }
            inner.merge_batch(&state, &self.places, self.n_buckets)?;
        }
        Ok(())
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let states = self.inner().state(EmitTo::All)?;
        states.into_iter().map(|state| Ok(ScalarValue::List(Arc::new(one_list(state)?)))).collect()
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::List(Arc::new(one_list(self.inner().evaluate(EmitTo::All)?)?)))
    }

    fn size(&self) -> usize {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).size();
        size_of::<Self>() + inner + self.places.capacity() * size_of::<usize>()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use arrow::array::{Int32Array, Int64Array, RecordBatch};
    use arrow::datatypes::{Int64Type, Schema};
    use datafusion::datasource::MemTable;
    use datafusion::prelude::{SessionConfig, SessionContext};
    use proptest::prelude::*;

    use super::*;
    use crate::quantiles::{Distribution, distribution, distribution_and_total, distribution_of, distributions};

    /// Bucket, value, whether it is kept, day.
    type Row = (Option<i32>, Option<i64>, Option<bool>, i32);

    const N_BUCKETS: usize = 4;
    const SQL: &str =
        "select distribution(x) filter (where keep) as kept, count(*) as n, count(x) filter (where keep) as n_kept,
        count(distinct day) filter (where keep) as days from asked";

    fn session(rows: &[Row]) -> SessionContext {
        let schema = Arc::new(Schema::new(vec![
            Field::new("bucket", DataType::Int32, true),
            Field::new("x", DataType::Int64, true),
            Field::new("keep", DataType::Boolean, true),
            Field::new("day", DataType::Int32, true),
        ]));
        let mut partitions = vec![Vec::new(); 3];
        for (turn, rows) in rows.chunks(7).enumerate() {
            let columns: Vec<ArrayRef> = vec![
                Arc::new(rows.iter().map(|row| row.0).collect::<Int32Array>()),
                Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>()),
                Arc::new(rows.iter().map(|row| Some(row.3)).collect::<Int32Array>()),
            ];
            partitions[turn % 3].push(RecordBatch::try_new(Arc::clone(&schema), columns).unwrap());
        }
        let context = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(3));
        context.register_udaf(distribution());
        context.register_table("asked", Arc::new(MemTable::try_new(schema, partitions).unwrap())).unwrap();
        context
    }

    async fn found(rows: &[Row]) -> (Vec<Option<Distribution>>, [Vec<i64>; 3]) {
        let context = session(rows);
        let plan = context.state().create_logical_plan(SQL).await.unwrap();
        let plan = in_each_bucket(&plan, N_BUCKETS, &distribution_and_total()).unwrap().unwrap();
        let batches = context.execute_logical_plan(plan).await.unwrap().collect().await.unwrap();
        let column = |n: usize| batches[0].column(n).as_list::<i32>().value(0);
        let counts = [1, 2, 3].map(|n| column(n).as_primitive::<Int64Type>().values().to_vec());
        (distributions(column(0).as_struct()), counts)
    }

    fn expected(rows: &[Row]) -> (Vec<Option<Distribution>>, [Vec<i64>; 3]) {
        let of = |buckets: std::ops::Range<usize>| {
            let rows = rows.iter().filter(move |row| row.0.is_some_and(|b| buckets.contains(&(b as usize))));
            let kept: Vec<&Row> = rows.clone().filter(|row| row.2 == Some(true)).collect();
            let values: Vec<i64> = kept.iter().filter_map(|row| row.1).collect();
            let mut days: Vec<i32> = kept.iter().map(|row| row.3).collect();
            days.sort_unstable();
            days.dedup();
            (distribution_of(&values), [rows.count() as i64, values.len() as i64, days.len() as i64])
        };
        let each: Vec<_> = (0..N_BUCKETS).map(|bucket| of(bucket..bucket + 1)).collect();
        let all = of(0..N_BUCKETS).0;
        let counts = [0, 1, 2].map(|count| each.iter().map(|(_, counts)| counts[count]).collect());
        (each.into_iter().map(|(found, _)| found).chain([all]).collect(), counts)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn each_bucket_has_what_its_rows_alone_would_give(
            rows in prop::collection::vec(
                (prop::option::of(0..N_BUCKETS as i32), prop::option::of(-5_i64..1 << 33), prop::option::of(any::<bool>()), 0..9),
                0..300,
            ),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            prop_assert_eq!(runtime.block_on(found(&rows)), expected(&rows));
        }
    }

    #[tokio::test]
    async fn what_cannot_be_made_so_is_left_to_others() {
        let context = session(&[]);
        for sql in [
            "select avg(x) from asked",
            "select count(*) + 1 from asked",
            "select bucket, count(*) from asked group by bucket",
            "select x from asked",
            "select count(distinct x, day) from asked",
        ] {
            let plan = context.state().create_logical_plan(sql).await.unwrap();
            assert!(in_each_bucket(&plan, N_BUCKETS, &distribution()).unwrap().is_none(), "{sql}");
        }
    }
}
