//! Where the aggregate keeps values until all are there: one heap a group, in chunks that never move. Fresh
//! memory costs more than the selection does, so values are held in 32 bits while all of them fit.

use arrow::buffer::ScalarBuffer;
use arrow::datatypes::ArrowNativeType;

use super::Distribution;
use super::together::{Sample, summarise_each, summarise_together};

/// Values in a full chunk.
const CHUNK: usize = 4096;
/// Values that a group begins with.
const FIRST: usize = 4;

/// From so many values on, what is handed over is kept as it is and not copied.
const WORTH_KEEPING: usize = 64;

/// Whether all samples together are summarised too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) enum Total {
    /// They are not.
    #[default]
    Without,
    /// They are, after the last.
    With,
}

/// The values of one group, in no order.
#[derive(Debug, Clone)]
struct Chunks<T: ArrowNativeType> {
    full: Vec<ScalarBuffer<T>>,
    last: Vec<T>,
}

impl<T: ArrowNativeType> Default for Chunks<T> {
    fn default() -> Self {
        Self { full: Vec::new(), last: Vec::new() }
    }
}

impl<T: ArrowNativeType> Chunks<T> {
    #[inline]
    fn push(&mut self, value: T, n_bytes: &mut usize) {
        if self.last.len() == self.last.capacity() {
            self.make_room(n_bytes);
        }
        self.last.push(value);
    }

    #[cold]
    fn make_room(&mut self, n_bytes: &mut usize) {
        let before = self.n_bytes();
        if self.last.len() < CHUNK {
            self.last.reserve_exact(self.last.len().clamp(FIRST, CHUNK - self.last.len()));
        } else {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(CHUNK));
            self.full.push(full.into());
        }
        *n_bytes += self.n_bytes() - before;
    }

    /// Adds many values at once.
    fn take_in(&mut self, values: ScalarBuffer<T>, n_bytes: &mut usize) {
        if values.len() < WORTH_KEEPING {
            values.iter().for_each(|&value| self.push(value, n_bytes));
        } else {
            let before = self.n_bytes();
            self.full.push(values);
            *n_bytes += self.n_bytes() - before;
        }
    }

    fn n_bytes(&self) -> usize {
        let chunks: usize = self.full.iter().map(ScalarBuffer::len).sum();
        (chunks + self.last.capacity()) * size_of::<T>() + self.full.capacity() * size_of::<ScalarBuffer<T>>()
    }

    fn parts(&self) -> impl Iterator<Item = &[T]> {
        self.full.iter().map(|chunk| &**chunk).chain([self.last.as_slice()]).filter(|part| !part.is_empty())
    }
}

/// The values of all groups.
#[derive(Debug, Default)]
pub(super) struct Heaps {
    narrow: Vec<Chunks<i32>>,
    /// As long as `narrow` once a value did not fit 32 bits; from then on all values go here.
    wide: Vec<Chunks<i64>>,
    n_bytes: usize,
}

impl Heaps {
    /// Makes sure of at least this many groups.
    pub(super) fn grow_to(&mut self, n_groups: usize) {
        if n_groups > self.narrow.len() {
            self.narrow.resize_with(n_groups, Chunks::default);
        }
        if !self.wide.is_empty() && n_groups > self.wide.len() {
            self.wide.resize_with(n_groups, Chunks::default);
        }
    }

    pub(super) fn n_groups(&self) -> usize {
        self.narrow.len()
    }

    /// Adds to a group that was made sure of.
    #[inline]
    pub(super) fn push(&mut self, group: usize, value: i64) {
        if self.wide.is_empty() {
            if let Ok(value) = i32::try_from(value) {
                self.narrow[group].push(value, &mut self.n_bytes);
                return;
            }
            self.widen();
        }
        self.wide[group].push(value, &mut self.n_bytes);
    }

    #[cold]
    fn widen(&mut self) {
        self.wide.resize_with(self.narrow.len(), Chunks::default);
    }

    /// Adds values of 32 bits to a group that was made sure of.
    pub(super) fn take_narrow(&mut self, group: usize, values: ScalarBuffer<i32>) {
        self.narrow[group].take_in(values, &mut self.n_bytes);
    }

    /// Adds values of 64 bits to a group that was made sure of.
    pub(super) fn take_wide(&mut self, group: usize, values: ScalarBuffer<i64>) {
        if !values.is_empty() {
            if self.wide.is_empty() {
                self.widen();
            }
            self.wide[group].take_in(values, &mut self.n_bytes);
        }
    }

    /// A group's values that are held in 32 bits, and those in 64.
    pub(super) fn parts(&self, group: usize) -> (Sample<'_, i32>, Sample<'_, i64>) {
        let wide = self.wide.get(group).into_iter().flat_map(Chunks::parts);
        (self.narrow[group].parts().collect(), wide.collect())
    }

    /// Summarises each group; `None` where it is empty. With the total, that comes last.
    pub(super) fn distributions(&self, total: Total) -> Vec<Option<Distribution>> {
        let groups = 0..self.n_groups();
        if self.wide.is_empty() {
            let samples: Vec<Sample<'_, i32>> = groups.map(|group| self.parts(group).0).collect();
            return distributions(&samples, total);
        }
        let widened: Vec<Vec<i64>> = groups
            .clone()
            .map(|group| self.narrow[group].parts().flatten().map(|&value| i64::from(value)).collect())
            .collect();
        let samples: Vec<Sample<'_, i64>> =
            groups.map(|group| self.parts(group).1.into_iter().chain([widened[group].as_slice()]).collect()).collect();
        distributions(&samples, total)
    }

    /// Takes the first `n_groups` groups out; the others move to their places.
    pub(super) fn take_first(&mut self, n_groups: usize) -> Self {
        let narrow = split(&mut self.narrow, n_groups);
        let wide = split(&mut self.wide, n_groups);
        let n_bytes =
            narrow.iter().map(Chunks::n_bytes).sum::<usize>() + wide.iter().map(Chunks::n_bytes).sum::<usize>();
        self.n_bytes -= n_bytes;
        Self { narrow, wide, n_bytes }
    }

    /// Bytes held.
    pub(super) fn size(&self) -> usize {
        self.n_bytes
            + self.narrow.capacity() * size_of::<Chunks<i32>>()
            + self.wide.capacity() * size_of::<Chunks<i64>>()
    }
}

fn distributions<T: super::select::Whole>(samples: &[Sample<'_, T>], total: Total) -> Vec<Option<Distribution>> {
    match total {
        Total::Without => summarise_each(samples),
        Total::With => {
            let (mut each, total) = summarise_together(samples);
            each.push(total);
            each
        }
    }
}

/// The first `n`, or all where there are fewer; what is left stays.
fn split<T>(groups: &mut Vec<T>, n: usize) -> Vec<T> {
    if n >= groups.len() { std::mem::take(groups) } else { groups.drain(..n).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantiles::distribution_of;
    use proptest::prelude::*;

    fn values_of(heaps: &Heaps, group: usize) -> Vec<i64> {
        let (narrow, wide) = heaps.parts(group);
        let narrow = narrow.into_iter().flatten().map(|&value| i64::from(value));
        let mut values: Vec<i64> = narrow.chain(wide.into_iter().flatten().copied()).collect();
        values.sort_unstable();
        values
    }

    #[test]
    fn bytes_are_counted_and_given_back() {
        let mut heaps = Heaps::default();
        heaps.grow_to(2);
        for value in 0..100_000 {
            heaps.push(usize::from(value > 50_000), value << (value / 4_000));
        }
        let counted = heaps.n_bytes;
        assert!((400_000..1_100_000).contains(&counted), "{counted} bytes");
        let first = heaps.take_first(1);
        assert_eq!(first.n_bytes + heaps.n_bytes, counted);
        assert_eq!((first.n_groups(), heaps.n_groups()), (1, 1));
        drop(heaps.take_first(1));
        assert_eq!(heaps.n_bytes, 0);
    }

    proptest! {
        #[test]
        fn heaps_hold_what_was_pushed(
            rows in prop::collection::vec(
                (0_usize..3, prop_oneof![9 => -9_i64..9, 1 => any::<i64>()], 1_usize..2_000),
                1..30,
            ),
            n_first in 0_usize..4,
        ) {
            let mut plain = vec![Vec::new(); 3];
            let mut heaps = Heaps::default();
            for (group, value, times) in rows {
                heaps.grow_to(group + 1);
                for _ in 0..times {
                    heaps.push(group, value);
                    plain[group].push(value);
                }
            }
            for values in &mut plain {
                values.sort_unstable();
            }
            plain.truncate(heaps.n_groups());
            for (group, plain) in plain.iter().enumerate() {
                prop_assert_eq!(&values_of(&heaps, group), plain);
            }
            let all = distribution_of(&plain.concat());
            let mut expected: Vec<_> = plain.iter().map(|values| distribution_of(values)).collect();
            prop_assert_eq!(heaps.distributions(Total::Without), expected.clone());
            expected.push(all);
            prop_assert_eq!(heaps.distributions(Total::With), expected);
            let first = heaps.take_first(n_first);
            for (group, plain) in plain[first.n_groups()..].iter().enumerate() {
                prop_assert_eq!(&values_of(&heaps, group), plain);
            }
        }
    }
}
