//! Exact quantiles of durations, for one sample and as the DataFusion aggregate `distribution(x)`: everything that
//! is ever shown of a sample, found by selection in one go. No sorting, no sketches (DEFINITIONS "Statistics").

mod aggregate;
mod heap;
mod select;
mod together;

use arrow::array::{Array, AsArray, StructArray};
use arrow::datatypes::{Float64Type, Int64Type};

use self::select::{Sieve, Whole};
use crate::statistics::{Interval, median_interval_ranks};

pub use aggregate::distribution;
pub(crate) use aggregate::distribution_and_total;

/// What is shown of a sample, in the unit of its values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distribution {
    /// Number of values, at least one.
    pub n: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// First quartile. Percentiles are type 7: linear between closest ranks.
    pub p25: f64,
    /// Median.
    pub p50: f64,
    /// The lower of the two values in the middle, where there are two.
    pub lower_p50: f64,
    /// Third quartile.
    pub p75: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 95th percentile.
    pub p95: f64,
    /// 95 % interval of the median, by order statistics; `None` under six values.
    pub median_interval: Option<Interval>,
}

/// Summarises a sample; `None` for an empty one.
pub fn distribution_of(values: &[i64]) -> Option<Distribution> {
    summarise(&[values], &mut Sieve::default())
}

/// Reads the column that `distribution(x)` made: a row is `None` where no value was.
/// Panics on a column that it did not make.
pub(crate) fn distributions(column: &StructArray) -> Vec<Option<Distribution>> {
    let n = column.column(0).as_primitive::<Int64Type>();
    let numbers: Vec<_> = column.columns()[1..].iter().map(AsArray::as_primitive::<Float64Type>).collect();
    let read = |row: usize| {
        if column.is_null(row) || n.value(row) == 0 {
            return None;
        }
        let [mean, min, max, p25, p50, p75, p90, p95, lower_p50] =
            std::array::from_fn(|column| numbers[column].value(row));
        let (low, high) = (numbers[9], numbers[10]);
        let interval = Interval { low: low.value(row), high: high.value(row) };
        let median_interval = low.is_valid(row).then_some(interval);
        let n = n.value(row) as u64;
        Some(Distribution { n, mean, min, max, p25, p50, lower_p50, p75, p90, p95, median_interval })
    };
    (0..column.len()).map(read).collect()
}

/// Summarises a sample in parts.
fn summarise<T: Whole>(parts: &[&[T]], sieve: &mut Sieve<T>) -> Option<Distribution> {
    let extent = Extent::of(parts)?;
    let wanted = Wanted::of(extent.n);
    let found = sieve.at_ranks(parts, &extent, extent.min, &wanted.ranks, None);
    Some(wanted.distribution(&extent, &found))
}

/// Values that the nearest cache holds.
const PIECE: usize = 2048;

/// What one walk over a sample tells.
#[derive(Debug, Clone, Copy)]
struct Extent {
    n: usize,
    min: i64,
    max: i64,
    sum: i128,
}

impl Extent {
    /// `None` for a sample without values.
    fn of<T: Whole>(parts: &[&[T]]) -> Option<Self> {
        // Piece by piece, so that what one walk fetches the next two find at hand.
        let pieces = parts.iter().flat_map(|part| part.chunks(PIECE));
        let extents = pieces.filter_map(|piece| {
            let (min, max) = ((*piece.iter().min()?).into(), (*piece.iter().max()?).into());
            Some(Self { n: piece.len(), min, max, sum: T::sum(piece) })
        });
        extents.reduce(Self::with)
    }

    /// Of two samples together.
    fn with(self, other: Self) -> Self {
        Self {
            n: self.n + other.n,
            min: self.min.min(other.min),
            max: self.max.max(other.max),
            sum: self.sum + other.sum,
        }
    }
}

/// Which ranks of a sample are asked for, and what becomes of the values there.
#[derive(Debug)]
struct Wanted {
    percentiles: [Position; 5],
    median_ranks: Option<[usize; 2]>,
    /// All of them, rising, each once.
    ranks: Vec<usize>,
}

impl Wanted {
    fn of(n: usize) -> Self {
        let percentiles = [25, 50, 75, 90, 95].map(|percent| Position::of(percent, n));
        let median_ranks = median_interval_ranks(n as u64).map(|(low, high)| [low as usize - 1, high as usize - 1]);
        let mut ranks: Vec<usize> = percentiles.iter().flat_map(|position| [position.rank, position.next]).collect();
        ranks.extend(median_ranks.into_iter().flatten());
        ranks.sort_unstable();
        ranks.dedup();
        Self { percentiles, median_ranks, ranks }
    }

    /// From the values at `ranks`.
    fn distribution<T: Whole>(&self, extent: &Extent, found: &[T]) -> Distribution {
        let at = |rank: usize| found[self.ranks.partition_point(|&other| other < rank)].into() as f64;
        let [p25, p50, p75, p90, p95] = self.percentiles.each_ref().map(|position| {
            let (below, above) = (at(position.rank), at(position.next));
            below + (above - below) * position.part
        });
        Distribution {
            n: extent.n as u64,
            mean: extent.sum as f64 / extent.n as f64,
            min: extent.min as f64,
            max: extent.max as f64,
            p25,
            p50,
            lower_p50: at(self.percentiles[1].rank),
            p75,
            p90,
            p95,
            median_interval: self.median_ranks.map(|[low, high]| Interval { low: at(low), high: at(high) }),
        }
    }
}

/// Where a percentile lies among n sorted values: `part` of the way from one rank, counted from 0, to the next.
#[derive(Debug)]
struct Position {
    rank: usize,
    next: usize,
    part: f64,
}

impl Position {
    fn of(percent: usize, n: usize) -> Self {
        let hundredths = (n - 1) * percent;
        let (rank, rest) = (hundredths / 100, hundredths % 100);
        Self { rank, next: rank + usize::from(rest > 0), part: rest as f64 / 100.0 }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn percentiles(found: &Distribution) -> [f64; 5] {
        [found.p25, found.p50, found.p75, found.p90, found.p95]
    }

    #[test]
    fn percentiles_are_those_of_numpy() {
        // numpy 2, percentile(x, [25, 50, 75, 90, 95]).
        let found = distribution_of(&[15, 20, 35, 40, 50, 3, 900]).unwrap();
        assert_eq!(percentiles(&found), [17.5, 35.0, 45.0, 390.0, 645.0]);
        assert_eq!((found.n, found.mean, found.min, found.max), (7, 1063.0 / 7.0, 3.0, 900.0));
        let squares: Vec<i64> = (0..1000).map(|i| i * i % 7919).collect();
        let found = distribution_of(&squares).unwrap();
        for (found, expected) in percentiles(&found).into_iter().zip([1662.5, 3640.5, 5675.5, 6941.5, 7301.1]) {
            assert!((found - expected).abs() < 1e-9);
        }
        assert_eq!((found.mean, found.min, found.max), (3680.265, 0.0, 7885.0));
    }

    #[test]
    fn the_interval_of_a_median_needs_six_values() {
        let few = distribution_of(&[5, 4, 3, 2, 1]).unwrap();
        assert_eq!((few.p50, few.median_interval), (3.0, None));
        let enough = distribution_of(&[6, 5, 4, 3, 2, 1]).unwrap();
        assert_eq!(enough.median_interval, Some(Interval { low: 1.0, high: 6.0 }));
        let hundred = distribution_of(&(1..=100).rev().collect::<Vec<_>>()).unwrap();
        assert_eq!(hundred.median_interval, Some(Interval { low: 40.0, high: 61.0 }));
        assert_eq!(distribution_of(&[]), None);
    }

    #[test]
    fn the_mean_of_the_largest_values_does_not_overflow() {
        assert_eq!(distribution_of(&[i64::MAX; 9]).unwrap().mean, i64::MAX as f64);
    }

    proptest! {
        #[test]
        fn selection_finds_what_sorting_finds(mut values in prop::collection::vec(-300_i64..3_000, 1..400)) {
            let found = distribution_of(&values).unwrap();
            values.sort_unstable();
            let sorted = |h: f64| {
                let rank = h.floor() as usize;
                let above = values[(rank + 1).min(values.len() - 1)];
                values[rank] as f64 + (above - values[rank]) as f64 * h.fract()
            };
            for (found, p) in percentiles(&found).into_iter().zip([0.25, 0.5, 0.75, 0.9, 0.95]) {
                prop_assert!((found - sorted((values.len() - 1) as f64 * p)).abs() < 1e-6);
            }
            if let Some((low, high)) = median_interval_ranks(values.len() as u64) {
                let ends = Interval { low: values[low as usize - 1] as f64, high: values[high as usize - 1] as f64 };
                prop_assert_eq!(found.median_interval, Some(ends));
            }
        }

        #[test]
        fn narrow_values_summarise_like_wide_ones(values in prop::collection::vec(any::<i32>(), 1..300)) {
            let wide: Vec<i64> = values.iter().map(|&value| value.into()).collect();
            let (first, second) = values.split_at(values.len() / 3);
            prop_assert_eq!(summarise(&[first, second], &mut Sieve::default()), distribution_of(&wide));
        }
    }
}
