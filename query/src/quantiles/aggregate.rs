//! `distribution(x bigint)` for DataFusion: a struct of n, mean, min, max, p25, p50, p75, p90, p95, lower_p50, and of low and
//! high, the 95 % interval of the median. Between its two phases it hands on all values, in two lists: those of 32 bits
//! and the others. So the answer depends neither on how rows are parted nor on their order.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Float64Array, Int32Array, Int64Array, ListArray,
    PrimitiveArray, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Int32Type, Int64Type};
use datafusion::common::{Result, ScalarValue, exec_datafusion_err, not_impl_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use super::Distribution;
use super::heap::{Heaps, Total};

/// The aggregate, to be registered in a session or called on an expression.
pub fn distribution() -> AggregateUDF {
    AggregateUDF::new_from_impl(DistributionOf::new("distribution", Total::Without))
}

/// The same with one distribution more after those of all groups: that of all values. For those who take all groups at
/// once and know of the one more.
pub(crate) fn distribution_and_total() -> AggregateUDF {
    AggregateUDF::new_from_impl(DistributionOf::new("distribution_and_total", Total::With))
}

/// Names of the numbers beside `n`, in their order.
const NUMBERS: [&str; 11] = ["mean", "min", "max", "p25", "p50", "p75", "p90", "p95", "lower_p50", "low", "high"];

fn fields() -> Fields {
    let numbers = NUMBERS.iter().map(|name| Field::new(*name, DataType::Float64, true));
    [Field::new("n", DataType::Int64, false)].into_iter().chain(numbers).collect()
}

fn item<T: ArrowPrimitiveType>() -> FieldRef {
    Arc::new(Field::new_list_field(T::DATA_TYPE, true))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct DistributionOf {
    name: &'static str,
    signature: Signature,
    total: Total,
}

impl DistributionOf {
    fn new(name: &'static str, total: Total) -> Self {
        Self { name, signature: Signature::exact(vec![DataType::Int64], Volatility::Immutable), total }
    }

    fn groups(&self) -> Groups {
        Groups { heaps: Heaps::default(), total: self.total }
    }
}

impl AggregateUDFImpl for DistributionOf {
    fn name(&self) -> &'static str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _given: &[DataType]) -> Result<DataType> {
        Ok(DataType::Struct(fields()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |name, item| Arc::new(Field::new(format_state_name(args.name, name), DataType::List(item), true));
        Ok(vec![list("narrow", item::<Int32Type>()), list("wide", item::<Int64Type>())])
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return not_impl_err!("distribution(distinct …): every value counts");
        }
        let mut groups = self.groups();
        groups.heaps.grow_to(1);
        Ok(Box::new(OneGroup(groups)))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(self.groups()))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }
}

#[derive(Debug)]
struct Groups {
    heaps: Heaps,
    total: Total,
}

impl Groups {
    /// Adds the values of one row of state to a group.
    fn merge(&mut self, group: usize, (narrow, wide): (&ListArray, &ListArray), row: usize) {
        if narrow.is_valid(row) {
            self.heaps.take_narrow(group, narrow.value(row).as_primitive::<Int32Type>().values().clone());
        }
        if wide.is_valid(row) {
            self.heaps.take_wide(group, wide.value(row).as_primitive::<Int64Type>().values().clone());
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
        Ok(Arc::new(column(&self.take(emit_to).distributions(self.total))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (narrow, wide) = lists(&self.take(emit_to))?;
        Ok(vec![Arc::new(narrow), Arc::new(wide)])
    }

    fn merge_batch(&mut self, states: &[ArrayRef], groups: &[usize], n_groups: usize) -> Result<()> {
        self.heaps.grow_to(n_groups);
        let states = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for (row, &group) in groups.iter().enumerate() {
            self.merge(group, states, row);
        }
        Ok(())
    }

    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        // Each row becomes a list of its one value, or of none where it does not count; in one of the two lists.
        let values = values[0].as_primitive::<Int64Type>();
        let rows = counted_rows(values, filter);
        let counts = |row: usize| rows.as_ref().is_none_or(|rows| rows.is_valid(row));
        let (mut narrow, mut wide) = (Vec::with_capacity(values.len()), Vec::new());
        let is_narrow: Vec<Option<bool>> = (0..values.len())
            .map(|row| {
                let value = counts(row).then(|| values.value(row))?;
                match i32::try_from(value) {
                    Ok(value) => narrow.push(value),
                    Err(_) => wide.push(value),
                }
                Some(i32::try_from(value).is_ok())
            })
            .collect();
        let offsets = |of: bool| OffsetBuffer::from_lengths(is_narrow.iter().map(|is| usize::from(*is == Some(of))));
        Ok(vec![
            Arc::new(list::<Int32Type>(narrow.into(), offsets(true))?),
            Arc::new(list::<Int64Type>(wide.into(), offsets(false))?),
        ])
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

/// Two lists of values a group: of 32 bits, and of 64.
fn lists(heaps: &Heaps) -> Result<(ListArray, ListArray)> {
    let parts: Vec<_> = (0..heaps.n_groups()).map(|group| heaps.parts(group)).collect();
    let narrow = gathered(parts.iter().map(|(narrow, _)| narrow.as_slice()))?;
    let wide = gathered(parts.iter().map(|(_, wide)| wide.as_slice()))?;
    Ok((list::<Int32Type>(Int32Array::from(narrow.0), narrow.1)?, list::<Int64Type>(wide.0.into(), wide.1)?))
}

/// The values of all groups one after another, and where each group's begin.
fn gathered<'a, T: Copy + 'a>(
    groups: impl Iterator<Item = &'a [&'a [T]]> + Clone,
) -> Result<(Vec<T>, OffsetBuffer<i32>)> {
    let lengths = groups.clone().map(|parts| parts.iter().map(|part| part.len()).sum::<usize>());
    let total = lengths.clone().sum();
    if i32::try_from(total).is_err() {
        return Err(exec_datafusion_err!("cannot hand on {total} values of distribution at once"));
    }
    let mut values = Vec::with_capacity(total);
    groups.flatten().for_each(|part| values.extend_from_slice(part));
    Ok((values, OffsetBuffer::from_lengths(lengths)))
}

fn list<T: ArrowPrimitiveType>(values: PrimitiveArray<T>, offsets: OffsetBuffer<i32>) -> Result<ListArray> {
    Ok(ListArray::try_new(item::<T>(), offsets, Arc::new(values), None)?)
}

/// The column of answers: n is 0 and all else null for a group without values.
fn column(found: &[Option<Distribution>]) -> StructArray {
    let n: Int64Array = found.iter().map(|found| Some(found.map_or(0, |found| found.n as i64))).collect();
    let rows: Vec<_> = found.iter().map(|found| found.as_ref().map_or([None; NUMBERS.len()], numbers)).collect();
    let numbers = (0..NUMBERS.len())
        .map(|number| Arc::new(rows.iter().map(|row| row[number]).collect::<Float64Array>()) as ArrayRef);
    let columns = std::iter::once(Arc::new(n) as ArrayRef).chain(numbers).collect();
    StructArray::new(fields(), columns, None)
}

/// In the order of [`NUMBERS`].
fn numbers(found: &Distribution) -> [Option<f64>; NUMBERS.len()] {
    let Distribution { n: _, mean, min, max, p25, p50, lower_p50, p75, p90, p95, median_interval } = *found;
    let low = median_interval.map(|interval| interval.low);
    let high = median_interval.map(|interval| interval.high);
    let found = [mean, min, max, p25, p50, p75, p90, p95, lower_p50].map(Some);
    let mut numbers = [None; NUMBERS.len()];
    numbers[..found.len()].copy_from_slice(&found);
    numbers[found.len()..].copy_from_slice(&[low, high]);
    numbers
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
        Ok(ScalarValue::Struct(Arc::new(column(&self.0.heaps.distributions(Total::Without)))))
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let (narrow, wide) = lists(&self.0.heaps)?;
        Ok(vec![ScalarValue::List(Arc::new(narrow)), ScalarValue::List(Arc::new(wide))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = (states[0].as_list::<i32>(), states[1].as_list::<i32>());
        for row in 0..states.0.len() {
            self.0.merge(0, states, row);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
