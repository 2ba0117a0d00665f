//! A column of a file as it is kept between questions: as small as it can be made without making it slow to read.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, PrimitiveArray, new_null_array};
use arrow::buffer::{NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Int64Type, TimeUnit, TimestampMicrosecondType};

/// What numbers are divided by, the largest that leaves no rest: microseconds are mostly whole seconds.
const STEPS: [i64; 3] = [1_000_000, 1_000, 1];

/// A column of a file.
#[derive(Debug)]
pub(crate) enum Column {
    /// Nothing but nulls.
    Null(DataType),
    /// Whole numbers and instants, as steps above the smallest.
    Packed { data_type: DataType, base: i64, step: i64, steps: Box<[u32]>, nulls: Option<NullBuffer> },
    /// As it was read.
    Plain(ArrayRef),
}

impl Column {
    pub(crate) fn new(array: ArrayRef) -> Self {
        if array.null_count() == array.len() {
            return Self::Null(array.data_type().clone());
        }
        let numbers = match array.data_type() {
            DataType::Int64 => array.as_primitive::<Int64Type>().clone(),
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                array.as_primitive::<TimestampMicrosecondType>().reinterpret_cast()
            }
            _ => return Self::Plain(array),
        };
        packed(array.data_type(), &numbers).unwrap_or(Self::Plain(array))
    }

    /// Some of its rows.
    pub(crate) fn slice(&self, from: usize, n_rows: usize) -> ArrayRef {
        match self {
            Self::Null(data_type) => new_null_array(data_type, n_rows),
            Self::Plain(array) => array.slice(from, n_rows),
            Self::Packed { data_type, base, step, steps, nulls } => {
                let numbers: Vec<i64> =
                    steps[from..from + n_rows].iter().map(|&n| base + step * i64::from(n)).collect();
                let numbers =
                    Int64Array::new(ScalarBuffer::from(numbers), nulls.as_ref().map(|nulls| nulls.slice(from, n_rows)));
                match data_type {
                    DataType::Timestamp(..) => {
                        let instants: PrimitiveArray<TimestampMicrosecondType> = numbers.reinterpret_cast();
                        Arc::new(instants.with_data_type(data_type.clone()))
                    }
                    _ => Arc::new(numbers),
                }
            }
        }
    }

    pub(crate) fn n_bytes(&self) -> usize {
        match self {
            Self::Null(..) => 0,
            Self::Packed { steps, nulls, .. } => {
                size_of_val(&**steps) + nulls.as_ref().map_or(0, |nulls| nulls.buffer().len())
            }
            Self::Plain(array) => array.get_array_memory_size(),
        }
    }
}

/// `None` where 32 bits are too few.
fn packed(data_type: &DataType, numbers: &Int64Array) -> Option<Column> {
    let (base, last) = (arrow::compute::min(numbers)?, arrow::compute::max(numbers)?);
    let range = last.checked_sub(base)?;
    let known = || numbers.iter().flatten();
    let step = STEPS.into_iter().find(|step| known().all(|n| (n - base) % step == 0))?;
    u32::try_from(range / step).ok()?;
    let nulls = numbers.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
    let steps = match &nulls {
        None => numbers.values().iter().map(|n| ((n - base) / step) as u32).collect(),
        Some(_) => numbers.iter().map(|n| n.map_or(0, |n| ((n - base) / step) as u32)).collect(),
    };
    Some(Column::Packed { data_type: data_type.clone(), base, step, steps, nulls })
}

#[cfg(test)]
mod tests {
    use arrow::array::{StringArray, TimestampMicrosecondArray};

    use super::*;

    fn same(array: &ArrayRef) -> Column {
        let column = Column::new(Arc::clone(array));
        for (from, n_rows) in [(0, array.len()), (1, array.len() - 1), (1, 1)] {
            assert_eq!(&column.slice(from, n_rows), &array.slice(from, n_rows));
        }
        column
    }

    #[test]
    fn a_column_is_read_as_it_was_kept() {
        let instants = |values: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
        };
        let whole_seconds = same(&instants(vec![Some(1_700_000_000_000_000), None, Some(1_700_000_100_000_000)]));
        assert!(matches!(whole_seconds, Column::Packed { step: 1_000_000, .. }));
        let odd = same(&instants(vec![Some(-3), Some(1), Some(0)]));
        assert!(matches!(odd, Column::Packed { step: 1, .. }));
        let far_apart = same(&(Arc::new(Int64Array::from(vec![i64::MIN, 0, i64::MAX])) as ArrayRef));
        assert!(matches!(far_apart, Column::Plain(_)));
        let unknown = same(&(Arc::new(StringArray::from(vec![None::<&str>, None, None])) as ArrayRef));
        assert_eq!(unknown.n_bytes(), 0);
        same(&(Arc::new(StringArray::from(vec![Some("a"), None, Some("c")])) as ArrayRef));
    }
}
