//! Order statistics of all pairwise differences between two sorted samples, without making the pairs:
//! how many differences are at most d is one walk over both samples, and d is searched for.

/// All a − b, for a in one sorted sample and b in another, neither empty.
pub(super) struct Differences<'a> {
    a: &'a [i64],
    b: &'a [i64],
    /// Known (d, number of differences ≤ d), rising; shared by the searches for several ranks.
    known: Vec<(i64, u128)>,
}

/// Samples larger than this are first searched in a thinned copy.
const THIN: usize = 1024;

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
        if let Err(place) = self.known.binary_search_by_key(&d, |known| known.0) {
            self.known.insert(place, (d, self.n_at_most(d)));
        }
    }

    /// Number of pairs with a − b ≤ `d`: as a rises, so does the first b that is large enough.
    fn n_at_most(&self, d: i64) -> u128 {
        let (mut at_a, mut at_b, mut n_too_large) = (0, 0, 0_u128);
        while at_a < self.a.len() && at_b < self.b.len() {
            // Written without a branch: which of the two steps comes is a coin toss.
            let step_b = self.a[at_a] - d > self.b[at_b];
            n_too_large += if step_b { 0 } else { at_b as u128 };
            at_b += usize::from(step_b);
            at_a += usize::from(!step_b);
        }
        n_too_large += (self.a.len() - at_a) as u128 * self.b.len() as u128;
        self.len() - n_too_large
    }

    /// Large samples: differences of evenly thinned samples, a percent of ranks to either side, are most
    /// often a tight bracket. Where they are not, the search goes on from a wider one.
    fn bracket_by_thinning(&mut self, ranks: &[u128]) {
        if self.a.len().max(self.b.len()) <= 2 * THIN {
            return;
        }
        let (a, b) = (thin(self.a), thin(self.b));
        let mut thinned = Differences::new(&a, &b);
        let (n_thinned, n_all) = (thinned.len(), self.len());
        let margin = n_thinned / 100;
        let around = ranks.iter().flat_map(|&rank| {
            let middle = (rank as f64 / n_all as f64 * n_thinned as f64) as u128;
            [middle.saturating_sub(margin).max(1), (middle + margin).min(n_thinned)]
        });
        let guesses: Vec<i64> = around.map(|rank| thinned.at_rank(rank)).collect();
        for guess in guesses {
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

fn thin(sample: &[i64]) -> Vec<i64> {
    let n = sample.len().min(THIN);
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
