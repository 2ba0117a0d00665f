//! Order statistics of all pairwise differences between two sorted samples, without making the pairs:
//! how many differences are at most d is one walk over both samples, and d is searched for.

/// All a − b, for a in one sorted sample and b in another, neither empty.
pub(super) struct Differences<'a> {
    a: &'a [i64],
    b: &'a [i64],
    /// Known (d, number of differences ≤ d), rising; shared by the searches for several ranks.
    known: Vec<(i64, u128)>,
}

/// Samples larger than these are first searched in thinned copies, the smaller first.
const THIN: [usize; 2] = [1 << 10, 1 << 15];

/// How many pairs are at most d, the largest difference of those, and the smallest of the others.
struct Split {
    count: u128,
    below: Option<i64>,
    above: Option<i64>,
}

/// A walk over a part of `a`, and beside it over `b`.
#[derive(Debug, Clone, Copy)]
struct Strand {
    at_a: usize,
    end: usize,
    at_b: usize,
    n_above: u128,
    below: i64,
    above: i64,
}

impl Default for Strand {
    fn default() -> Self {
        Self { at_a: 0, end: 0, at_b: 0, n_above: 0, below: i64::MIN, above: i64::MAX }
    }
}

impl Strand {
    /// Goes on by one value; whether it is at its end. Written without a branch where it can be: which of the two steps comes
    /// is a coin toss.
    #[inline]
    fn step(&mut self, a: &[i64], b: &[i64], d: i64) -> bool {
        if self.at_a >= self.end || self.at_b >= b.len() {
            return true;
        }
        let difference = a[self.at_a] - b[self.at_b];
        let is_above = difference > d;
        self.above = self.above.min(if is_above { difference } else { i64::MAX });
        self.below = self.below.max(if is_above { i64::MIN } else { difference });
        self.n_above += if is_above { 0 } else { self.at_b as u128 };
        self.at_b += usize::from(is_above);
        self.at_a += usize::from(!is_above);
        false
    }
}

impl<'a> Differences<'a> {
    /// `a` and `b` rise, hold at least one value each, and no difference overflows.
    pub(super) fn new(a: &'a [i64], b: &'a [i64]) -> Self {
        let lowest = a[0] - b[b.len() - 1];
        let highest = a[a.len() - 1] - b[0];
        let mut all = Self { a, b, known: vec![(lowest - 1, 0)] };
        all.known.push((highest, all.len()));
        all
    }

    /// How many there are.
    pub(super) fn len(&self) -> u128 {
        self.a.len() as u128 * self.b.len() as u128
    }

    /// The differences of these ranks, counted from 1 and at most `len()`.
    pub(super) fn at_ranks(&mut self, ranks: &[u128]) -> Vec<i64> {
        self.bracket_by_thinning(ranks);
        ranks.iter().map(|&rank| self.at_rank(rank)).collect()
    }

    fn at_rank(&mut self, rank: u128) -> i64 {
        for turn in 0_u32.. {
            // The first known count is 0 and the last one is all of them.
            let above = self.known.partition_point(|&(_, count)| count < rank);
            let (low, high) = (self.known[above - 1], self.known[above]);
            if high.0 - low.0 == 1 {
                return high.0;
            }
            let next = if turn % 3 == 2 { low.0 + (high.0 - low.0) / 2 } else { between(low, high, rank) };
            self.probe(next);
        }
        unreachable!("every turn narrows the bracket")
    }

    fn probe(&mut self, d: i64) {
        if self.known.binary_search_by_key(&d, |known| known.0).is_ok() {
            return;
        }
        let Split { count, below, above } = self.split(d);
        // No difference lies between those two, so that all of them there have the same count.
        for d in [below, above.map(|above| above - 1)].into_iter().flatten() {
            if let Err(place) = self.known.binary_search_by_key(&d, |known| known.0) {
                self.known.insert(place, (d, count));
            }
        }
    }

    /// The pairs parted at `d`: as a rises, so does the first b that is large enough. `a` is walked in several strands
    /// at once, because each step of one waits for the step before.
    fn split(&self, d: i64) -> Split {
        const STRANDS: usize = 4;
        let strand = self.a.len().div_ceil(STRANDS).max(1);
        let mut strands = [Strand::default(); STRANDS];
        let starts = (0..self.a.len()).step_by(strand);
        for (place, at_a) in strands.iter_mut().zip(starts) {
            let first = self.a[at_a];
            let at_b = self.b.partition_point(|&b| b < first - d);
            let above = if at_b > 0 { first - self.b[at_b - 1] } else { i64::MAX };
            *place = Strand { at_a, end: self.a.len().min(at_a + strand), at_b, above, ..Strand::default() };
        }
        loop {
            let mut is_done = true;
            for strand in &mut strands {
                is_done &= strand.step(self.a, self.b, d);
            }
            if is_done {
                break;
            }
        }
        let mut n_above = 0;
        let (mut below, mut above) = (i64::MIN, i64::MAX);
        for strand in strands {
            n_above += strand.n_above;
            below = below.max(strand.below);
            above = above.min(strand.above);
            // From here on every b is too small.
            if let Some(&a) = self.a.get(strand.at_a).filter(|_| strand.at_a < strand.end) {
                n_above += (strand.end - strand.at_a) as u128 * self.b.len() as u128;
                above = above.min(a - self.b[self.b.len() - 1]);
            }
        }
        let some = |value: i64, none: i64| (value != none).then_some(value);
        Split { count: self.len() - n_above, below: some(below, i64::MIN), above: some(above, i64::MAX) }
    }

    /// Large samples: differences of evenly thinned samples, some ranks to either side, are most often a tight bracket.
    /// Where they are not, the search goes on from a wider one.
    fn bracket_by_thinning(&mut self, ranks: &[u128]) {
        let size = self.a.len().max(self.b.len());
        let Some(&thinner) = THIN.iter().rev().find(|&&thinner| size > 2 * thinner) else { return };
        let (a, b) = (thin(self.a, thinner), thin(self.b, thinner));
        let mut thinned = Differences::new(&a, &b);
        let (n_thinned, n_all) = (thinned.len(), self.len());
        // Each of `thinner` values stands for its neighbours.
        let margin = (2 * n_thinned / thinner as u128).max(1);
        let around = ranks.iter().flat_map(|&rank| {
            let middle = (rank as f64 / n_all as f64 * n_thinned as f64) as u128;
            [middle.saturating_sub(margin).max(1), (middle + margin).min(n_thinned)]
        });
        let around: Vec<u128> = around.collect();
        for guess in thinned.at_ranks(&around) {
            self.probe(guess);
        }
    }
}

/// A value strictly between two known ones, where `rank` would lie on the straight line through them.
fn between(low: (i64, u128), high: (i64, u128), rank: u128) -> i64 {
    let part = (rank - low.1) as f64 / (high.1 - low.1) as f64;
    let step = ((high.0 - low.0) as f64 * part) as i64;
    (low.0 + step).clamp(low.0 + 1, high.0 - 1)
}

fn thin(sample: &[i64], thinner: usize) -> Vec<i64> {
    let n = sample.len().min(thinner);
    (0..n).map(|i| sample[(2 * i + 1) * sample.len() / (2 * n)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sorted(size: std::ops::Range<usize>, range: std::ops::Range<i64>) -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(range, size).prop_map(|mut values| {
            values.sort_unstable();
            values
        })
    }

    proptest! {
        #[test]
        fn every_rank_is_that_of_all_pairs_sorted(
            a in sorted(1..20, -50..50),
            b in sorted(1..20, -1_000_000..1_000_000),
        ) {
            let mut pairs: Vec<i64> = a.iter().flat_map(|a| b.iter().map(move |b| a - b)).collect();
            pairs.sort_unstable();
            let ranks: Vec<u128> = (1..=pairs.len() as u128).rev().collect();
            let mut found = Differences::new(&a, &b).at_ranks(&ranks);
            found.reverse();
            prop_assert_eq!(found, pairs);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]
        #[test]
        fn thinning_finds_the_same(a in sorted(2_100..2_300, 0..3_000_000), b in sorted(1..300, 0..3_000)) {
            let mut pairs: Vec<i64> = a.iter().flat_map(|a| b.iter().map(move |b| a - b)).collect();
            pairs.sort_unstable();
            let n = pairs.len() as u128;
            let ranks = [1, n.div_ceil(40), n.div_ceil(2), n - n / 40, n];
            let expected: Vec<i64> = ranks.iter().map(|&rank| pairs[rank as usize - 1]).collect();
            prop_assert_eq!(Differences::new(&a, &b).at_ranks(&ranks), expected);
        }
    }
}
