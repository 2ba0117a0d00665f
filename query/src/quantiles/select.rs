//! The values at a few ranks of a large sample. A first walk counts values by their leading bits, a second one keeps
//! those that share their leading bits with a value asked for: one in thirty or so. Among them, selection finds it.

use super::Extent;

/// Whole numbers narrow or wide.
pub(super) trait Whole: Copy + Ord + Default + Into<i64> + Send + Sync {
    /// Exact, so that it does not depend on the order of values.
    fn sum(values: &[Self]) -> i128;
}

impl Whole for i32 {
    fn sum(values: &[Self]) -> i128 {
        // Fewer than 2³² values of 32 bits cannot overflow 64.
        values.chunks(1 << 31).map(|chunk| i128::from(chunk.iter().map(|&value| i64::from(value)).sum::<i64>())).sum()
    }
}

impl Whole for i64 {
    fn sum(values: &[Self]) -> i128 {
        // In halves: sums of fewer than 2³¹ of them do not overflow, and several are added at once.
        let halves = values.chunks(1 << 30).map(|chunk| {
            let high: i64 = chunk.iter().map(|value| value >> 32).sum();
            let low: i64 = chunk.iter().map(|value| value & 0xffff_ffff).sum();
            (i128::from(high) << 32) + i128::from(low)
        });
        halves.sum()
    }
}

/// Smaller samples are selected from as a whole.
const SMALL: usize = 2048;
/// Below this, sorting is quicker than selecting.
const FEW: usize = 48;
/// Number of meshes: 64 powers of two, each in 128 steps.
const MESHES: usize = 64 << MESH_BITS;
const MESH_BITS: u32 = 7;

/// Room for one selection after another.
#[derive(Debug)]
pub(super) struct Sieve<T> {
    counts: Vec<u32>,
    kept: Vec<T>,
}

impl<T> Default for Sieve<T> {
    fn default() -> Self {
        Self { counts: Vec::new(), kept: Vec::new() }
    }
}

/// How many values lie in each mesh, over several samples.
pub(super) type Counts = [u32; MESHES];

/// Counts of nothing.
pub(super) fn no_counts() -> Box<Counts> {
    let counts: Box<[u32]> = vec![0; MESHES].into();
    counts.try_into().expect("it was just made this long")
}

impl<T: Whole> Sieve<T> {
    /// The values at these ranks, which rise and count from 0. Meshes are counted from `base`, which no value lies
    /// below; `counts` gets those of the sample added.
    pub(super) fn at_ranks(
        &mut self,
        parts: &[&[T]],
        extent: &Extent,
        base: i64,
        ranks: &[usize],
        counts: Option<&mut Counts>,
    ) -> Vec<T> {
        let is_meshed = is_meshed(extent, base);
        let ranks = if extent.n <= SMALL || !is_meshed {
            if let Some(counts) = counts.filter(|_| is_meshed) {
                count(parts, base, counts);
            }
            self.kept.clear();
            for part in parts {
                self.kept.extend_from_slice(part);
            }
            ranks.to_vec()
        } else {
            self.sift(parts, extent.max, base, ranks, counts)
        };
        select(&mut self.kept, 0, &ranks);
        ranks.iter().map(|&rank| self.kept[rank]).collect()
    }

    /// Keeps what may lie at the ranks, and tells their ranks among it.
    fn sift(
        &mut self,
        parts: &[&[T]],
        max: i64,
        base: i64,
        ranks: &[usize],
        all_counts: Option<&mut Counts>,
    ) -> Vec<usize> {
        self.counts.clear();
        self.counts.resize(MESHES, 0);
        // Arrays, so that no mesh need be checked against their length.
        let counts: &mut Counts = self.counts.first_chunk_mut().expect("it was just made this long");
        count(parts, base, counts);
        if let Some(all) = all_counts {
            all.iter_mut().zip(counts.iter()).for_each(|(all, n)| *all += n);
        }
        let net = Net::new(&counts[..=mesh(max - base)], ranks);
        self.kept.clear();
        net.keep(parts, base, &mut self.kept);
        net.moved
    }
}

/// Whether meshes can be counted in 32 bits, from a base on.
pub(super) fn is_meshed(extent: &Extent, base: i64) -> bool {
    u32::try_from(extent.n).is_ok() && extent.max.checked_sub(base).is_some()
}

fn count<T: Whole>(parts: &[&[T]], base: i64, counts: &mut Counts) {
    for part in parts {
        for &value in *part {
            counts[mesh(value.into() - base)] += 1;
        }
    }
}

/// The meshes in which ranks lie.
#[derive(Debug)]
pub(super) struct Net {
    wanted: Box<[bool; MESHES]>,
    n_kept: usize,
    /// The ranks, among what is kept.
    pub(super) moved: Vec<usize>,
}

impl Net {
    /// For ranks that rise.
    pub(super) fn new(counts: &[u32], ranks: &[usize]) -> Self {
        let wanted: Box<[bool]> = vec![false; MESHES].into();
        let mut wanted: Box<[bool; MESHES]> = wanted.try_into().expect("it was just made this long");
        let mut moved = Vec::with_capacity(ranks.len());
        let (mut n_before, mut n_kept) = (0, 0);
        let mut left = ranks.iter().peekable();
        for (count, wanted) in counts.iter().zip(wanted.iter_mut()) {
            let n_here = *count as usize;
            while let Some(rank) = left.next_if(|&&rank| rank < n_before + n_here) {
                moved.push(n_kept + rank - n_before);
                *wanted = true;
            }
            n_kept += if *wanted { n_here } else { 0 };
            n_before += n_here;
        }
        Self { wanted, n_kept, moved }
    }

    /// Appends the values of the wanted meshes.
    pub(super) fn keep<T: Whole>(&self, parts: &[&[T]], base: i64, kept: &mut Vec<T>) {
        let mut next = kept.len();
        for part in parts {
            // Room for all of the part and no more than can be kept; written without a branch: what is not wanted is
            // written over, in the end in the place beyond.
            kept.resize(next + part.len().min(self.n_kept) + 1, T::default());
            for &value in *part {
                kept[next] = value;
                next += usize::from(self.wanted[mesh(value.into() - base)]);
            }
        }
        kept.truncate(next);
    }
}

/// The exponent and leading bits of a distance from the smallest value: it rises with the distance.
#[inline]
fn mesh(distance: i64) -> usize {
    const ONE: u64 = 1023 << MESH_BITS;
    let leading = (distance as f64).to_bits() >> (f64::MANTISSA_DIGITS - 1 - MESH_BITS);
    leading.saturating_sub(ONE) as usize % MESHES
}

/// Puts the values of the given ranks, rising and counted from `first` on, where sorting would put them. Each
/// selection parts the values, so that the ranks to either side are looked for only among their own.
pub(super) fn select<T: Ord>(values: &mut [T], first: usize, ranks: &[usize]) {
    if ranks.is_empty() {
        return;
    }
    if values.len() <= FEW {
        values.sort_unstable();
        return;
    }
    let middle = ranks.len() / 2;
    let rank = ranks[middle];
    let (below, _, above) = values.select_nth_unstable(rank - first);
    select(below, first, &ranks[..middle]);
    select(above, rank + 1, &ranks[middle + 1..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn meshes_rise_with_the_distance_and_are_enough() {
        let distances = (0..10_000).chain((14..63).flat_map(|bits| [(1 << bits) - 1, 1 << bits])).chain([i64::MAX]);
        let meshes: Vec<usize> = distances.map(mesh).collect();
        assert!(meshes.is_sorted());
        assert_eq!((meshes[0], meshes[1], meshes[2]), (0, 0, 128));
        assert_eq!(*meshes.last().unwrap_or(&0), 63 << MESH_BITS);
    }

    fn samples() -> impl Strategy<Value = Vec<i64>> {
        let value = prop_oneof![
            8 => 0..2_000_000_i64,
            4 => Just(86_400_000),
            1 => 0..i64::MAX,
            1 => -1_000_000_000..0_i64,
        ];
        prop::collection::vec(value, SMALL + 1..2 * SMALL)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_sieve_finds_what_sorting_finds(
            sample in samples(),
            ranks in prop::collection::btree_set(0..=SMALL, 0..20),
            cut in 0..SMALL,
        ) {
            let ranks: Vec<usize> = ranks.into_iter().collect();
            let (first, second) = sample.split_at(cut);
            let mut sorted = sample.clone();
            sorted.sort_unstable();
            let parts = [first, second];
            let extent = Extent::of(&parts).expect("it has values");
            let expected: Vec<i64> = ranks.iter().map(|&rank| sorted[rank]).collect();
            let mut counts = no_counts();
            for base in [extent.min, extent.min.saturating_sub(12_345)] {
                let found = Sieve::default().at_ranks(&parts, &extent, base, &ranks, Some(&mut counts));
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}
