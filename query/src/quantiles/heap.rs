//! Where the aggregate keeps values until all are there: one heap a group, in chunks that never move. Fresh
//! memory costs more than the selection does, so values are held in 32 bits while all of them fit.

use super::select::Sieve;
use super::{Distribution, summarise};

/// Values in a full chunk.
const CHUNK: usize = 4096;
/// Values that a group begins with.
const FIRST: usize = 4;

/// The values of one group, in no order.
#[derive(Debug, Clone)]
struct Chunks<T> {
    full: Vec<Vec<T>>,
    last: Vec<T>,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { full: Vec::new(), last: Vec::new() }
    }
}

impl<T: Copy> Chunks<T> {
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
            self.full.push(full);
        }
        *n_bytes += self.n_bytes() - before;
    }

    fn len(&self) -> usize {
        self.full.iter().map(Vec::len).sum::<usize>() + self.last.len()
    }

    fn n_bytes(&self) -> usize {
        let chunks: usize = self.full.iter().map(Vec::capacity).sum();
        (chunks + self.last.capacity()) * size_of::<T>() + self.full.capacity() * size_of::<Vec<T>>()
    }

    fn parts(&self) -> impl Iterator<Item = &[T]> {
        self.full.iter().chain([&self.last]).map(Vec::as_slice)
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

/// Room in which groups are summarised one after another.
#[derive(Debug, Default)]
pub(super) struct Room {
    narrow: Sieve<i32>,
    wide: Sieve<i64>,
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

    /// Number of values in a group.
    pub(super) fn len(&self, group: usize) -> usize {
        self.narrow[group].len() + self.wide.get(group).map_or(0, Chunks::len)
    }

    /// Appends a group's values.
    pub(super) fn copy_to(&self, group: usize, values: &mut Vec<i64>) {
        for part in self.narrow[group].parts() {
            values.extend(part.iter().map(|&value| i64::from(value)));
        }
        for part in self.wide.get(group).into_iter().flat_map(Chunks::parts) {
            values.extend_from_slice(part);
        }
    }

    /// Summarises a group; `None` where it is empty.
    pub(super) fn distribution(&self, group: usize, room: &mut Room) -> Option<Distribution> {
        let narrow = &self.narrow[group];
        let Some(wide) = self.wide.get(group).filter(|wide| wide.len() > 0) else {
            return summarise(&narrow.parts().collect::<Vec<_>>(), &mut room.narrow);
        };
        let mut widened = Vec::with_capacity(narrow.len());
        widened.extend(narrow.parts().flatten().map(|&value| i64::from(value)));
        let parts: Vec<_> = wide.parts().chain([widened.as_slice()]).collect();
        summarise(&parts, &mut room.wide)
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
        let mut values = Vec::new();
        heaps.copy_to(group, &mut values);
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
            let mut room = Room::default();
            for values in &mut plain {
                values.sort_unstable();
            }
            plain.truncate(heaps.n_groups());
            for (group, plain) in plain.iter().enumerate() {
                prop_assert_eq!(heaps.len(group), plain.len());
                prop_assert_eq!(&values_of(&heaps, group), plain);
                prop_assert_eq!(heaps.distribution(group, &mut room), distribution_of(plain));
            }
            let first = heaps.take_first(n_first);
            for (group, plain) in plain[first.n_groups()..].iter().enumerate() {
                prop_assert_eq!(&values_of(&heaps, group), plain);
            }
        }
    }
}
