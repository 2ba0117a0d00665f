//! `distribution(x bigint)` for DataFusion: a struct of n, mean, min, max, p25, p50, p75, p90, p95 and of low and
//! high, the 95 % interval of the median. Between its two phases it hands on all values, so the answer depends
//! neither on how rows are parted nor on their order.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, ListArray, StructArray};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, not_impl_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::Distribution;
use super::heap::{Heaps, Room};

/// The aggregate, to be registered in a session or called on an expression.
pub fn distribution() -> AggregateUDF {
    AggregateUDF::new_from_impl(DistributionOf {
        signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable),
    })
}

/// Names of the numbers beside `n`, in their order.
const NUMBERS: [&str; 10] = ["mean", "min", "max", "p25", "p50", "p75", "p90", "p95", "low", "high"];

fn fields() -> Fields {
    let numbers = NUMBERS.iter().map(|name| Field::new(*name, DataType::Float64, true));
    [Field::new("n", DataType::Int64, false)].into_iter().chain(numbers).collect()
}

fn item() -> FieldRef {
    Arc::new(Field::new_list_field(DataType::Int64, true))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DistributionOf {
    signature: Signature,
}

impl AggregateUDFImpl for DistributionOf {
    fn name(&self) -> &'static str {
        "distribution"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(format_state_name(args.name, "values"), DataType::List(item()), true))])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return not_impl_err!("distribution(distinct …): every value counts");
        }
        let mut groups = Groups::default();
        groups.heaps.grow_to(1);
        Ok(Box::new(OneGroup(groups)))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Groups::default()))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

#[derive(Debug, Default)]
struct Groups {
    heaps: Heaps,
}

impl Groups {
    /// Adds the values of one array of state to a group.
    fn merge(&mut self, group: usize, states: &ListArray, row: usize) {
        if states.is_valid(row) {
            let offsets = states.value_offsets();
            let values = states.values().as_primitive::<Int64Type>().values();
            for &value in &values[offsets[row] as usize..offsets[row + 1] as usize] {
                self.heaps.push(group, value);
            }
        }
    }

    fn take(&mut self, emit_to: EmitTo) -> Heaps {
        self.heaps.take_first(match emit_to {
            EmitTo::All => self.heaps.n_groups(),
            EmitTo::First(n) => n,
        })
    }
}

impl GroupsAccumulator for Groups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        n_groups: usize,
    ) -> Result<()> {
        self.heaps.grow_to(n_groups);
        let values = values[0].as_primitive::<Int64Type>();
        match counted_rows(values, filter).filter(|rows| rows.null_count() > 0) {
            None => {
                for (&group, &value) in groups.iter().zip(values.values()) {
                    self.heaps.push(group, value);
                }
            }
            Some(rows) => {
                for row in rows.valid_indices() {
                    self.heaps.push(groups[row], values.value(row));
                }
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let heaps = self.take(emit_to);
        let mut room = Room::default();
        let found: Vec<_> = (0..heaps.n_groups()).map(|group| heaps.distribution(group, &mut room)).collect();
        Ok(Arc::new(column(&found)))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![Arc::new(lists(&self.take(emit_to))?)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], n_groups: usize) -> Result<()> {
        self.heaps.grow_to(n_groups);
        let states = states[0].as_list::<i32>();
        for (row, &group) in groups.iter().enumerate() {
            self.merge(group, states, row);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        // Each row becomes a list of its one value, or null where it does not count.
        let values = values[0].as_primitive::<Int64Type>();
        let rows = counted_rows(values, filter);
        let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(1, values.len()));
        let unmasked = Int64Array::new(values.values().clone(), None);
        Ok(vec![Arc::new(ListArray::try_new(item(), offsets, Arc::new(unmasked), rows)?)])
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.heaps.size()
    }
}

/// Valid where a row has a value and passes the filter; `None` where all do.
fn counted_rows(values: &Int64Array, filter: Option<&BooleanArray>) -> Option<NullBuffer> {
    let passing = filter.map(|filter| match filter.nulls() {
        Some(known) => NullBuffer::new(filter.values() & known.inner()),
        None => NullBuffer::new(filter.values().clone()),
    });
    NullBuffer::union(passing.as_ref(), values.nulls())
}

/// One list of values a group.
fn lists(heaps: &Heaps) -> Result<ListArray> {
    let lengths: Vec<usize> = (0..heaps.n_groups()).map(|group| heaps.len(group)).collect();
    let total = lengths.iter().sum();
    if i32::try_from(total).is_err() {
        return Err(exec_datafusion_err!("cannot hand on {total} values of distribution at once"));
    }
    let mut values = Vec::with_capacity(total);
    for group in 0..heaps.n_groups() {
        heaps.copy_to(group, &mut values);
    }
    Ok(ListArray::try_new(item(), OffsetBuffer::from_lengths(lengths), Arc::new(Int64Array::from(values)), None)?)
}

/// The column of answers: n is 0 and all else null for a group without values.
fn column(found: &[Option<Distribution>]) -> StructArray {
    let n: Int64Array = found.iter().map(|found| Some(found.map_or(0, |found| found.n as i64))).collect();
    let rows: Vec<_> = found.iter().map(|found| found.as_ref().map_or([None; 10], numbers)).collect();
    let numbers = (0..NUMBERS.len())
        .map(|number| Arc::new(rows.iter().map(|row| row[number]).collect::<Float64Array>()) as ArrayRef);
    let columns = std::iter::once(Arc::new(n) as ArrayRef).chain(numbers).collect();
    StructArray::new(fields(), columns, None)
}

/// In the order of [`NUMBERS`].
fn numbers(found: &Distribution) -> [Option<f64>; 10] {
    let Distribution { n: _, mean, min, max, p25, p50, p75, p90, p95, median_interval } = *found;
    let low = median_interval.map(|interval| interval.low);
    let high = median_interval.map(|interval| interval.high);
    [Some(mean), Some(min), Some(max), Some(p25), Some(p50), Some(p75), Some(p90), Some(p95), low, high]
}

/// A question without groups. Evaluating it takes nothing away, as a window asks again and again.
#[derive(Debug)]
struct OneGroup(Groups);

impl Accumulator for OneGroup {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for value in values[0].as_primitive::<Int64Type>().iter().flatten() {
            self.0.heaps.push(0, value);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let found = self.0.heaps.distribution(0, &mut Room::default());
        Ok(ScalarValue::Struct(Arc::new(column(&[found]))))
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::List(Arc::new(lists(&self.0.heaps)?))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = states[0].as_list::<i32>();
        for row in 0..states.len() {
            self.0.merge(0, states, row);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
