//! Whether times moved: Mann–Whitney's test and the Hodges–Lehmann shift that belongs to it. Both compare
//! whole samples, so one outlier moves neither.

use super::differences::Differences;
use super::{Interval, Shift, TAIL, Z, normal_above};

/// Durations in rising order, in any one unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sorted(Vec<i64>);

impl From<Vec<i64>> for Sorted {
    /// Sorts. Values beyond a quarter of what an `i64` holds are cut to it, so that no difference overflows.
    fn from(mut values: Vec<i64>) -> Self {
        const BOUND: i64 = i64::MAX / 4;
        values.sort_unstable();
        for value in &mut values {
            *value = (*value).clamp(-BOUND, BOUND);
        }
        Self(values)
    }
}

impl Sorted {
    /// The values, rising.
    pub fn as_slice(&self) -> &[i64] {
        &self.0
    }
}

/// Up to this many pairs the distribution of U is counted out; beyond, it is as good as normal.
const EXACT_PAIRS: usize = 400;

/// Two-sided p of the hypothesis that both samples come from one distribution (Mann and Whitney 1947).
/// Exact where there are at most 400 pairs and no ties, else normal with the corrections for ties and
/// continuity. `None` where a sample is empty.
pub fn mann_whitney(a: &Sorted, b: &Sorted) -> Option<f64> {
    let (n_a, n_b) = (a.0.len(), b.0.len());
    if n_a == 0 || n_b == 0 {
        return None;
    }
    let Ranked { double_u, tie_cubes } = rank(&a.0, &b.0);
    let n_pairs = n_a as u128 * n_b as u128;
    if tie_cubes == 0 && n_pairs <= EXACT_PAIRS as u128 {
        let smaller = (double_u / 2).min(n_pairs - double_u / 2) as usize;
        let ways = ways_to_u(n_a, n_b);
        let p = 2.0 * share(&ways[..=smaller], &ways);
        return Some(p.min(1.0));
    }
    let n = (n_a + n_b) as f64;
    let tied = tie_cubes as f64 / (n * (n - 1.0));
    let sd = (n_pairs as f64 / 12.0 * (n + 1.0 - tied)).sqrt();
    let distance = double_u.abs_diff(n_pairs) as f64 / 2.0;
    // All values are the same.
    if sd.is_nan() || sd <= 0.0 {
        return Some(1.0);
    }
    Some((2.0 * normal_above((distance - 0.5) / sd)).min(1.0))
}

/// How far `a` lies above `b`: the median of all differences a − b, with the 95 % interval that Mann–Whitney's
/// test gives (Hodges and Lehmann 1963; Hollander and Wolfe, "distribution-free confidence interval"). Exact, in
/// O((n + m) log range). `None` where a sample is empty; no interval where there are too few pairs for 95 %.
pub fn hodges_lehmann(a: &Sorted, b: &Sorted) -> Option<Shift> {
    if a.0.is_empty() || b.0.is_empty() {
        return None;
    }
    let mut all = Differences::new(&a.0, &b.0);
    let n_pairs = all.len();
    let mut ranks = vec![n_pairs.div_ceil(2), n_pairs / 2 + 1];
    if let Some(low) = interval_rank(a.0.len(), b.0.len()) {
        ranks.extend([low, n_pairs + 1 - low]);
    }
    let found = all.at_ranks(&ranks);
    let interval = found.get(2..4).map(|ends| Interval { low: ends[0] as f64, high: ends[1] as f64 });
    Some(Shift { shift: f64::midpoint(found[0] as f64, found[1] as f64), interval })
}

/// The rank, from 1, of the difference at the lower end: the largest c with P(U < c) ≤ 2.5 %.
/// Ties make the interval wider than it need be, never narrower.
fn interval_rank(n_a: usize, n_b: usize) -> Option<u128> {
    let n_pairs = n_a as u128 * n_b as u128;
    if n_pairs <= EXACT_PAIRS as u128 {
        let ways = ways_to_u(n_a, n_b);
        let rank = (1..=ways.len()).take_while(|&c| share(&ways[..c], &ways) <= TAIL).last()?;
        return Some(rank as u128);
    }
    let pairs = n_pairs as f64;
    let sd = (pairs / 12.0 * ((n_a + n_b) as f64 + 1.0)).sqrt();
    let rank = (pairs / 2.0 + 0.5 - Z * sd).floor();
    (rank >= 1.0).then_some(rank as u128)
}

struct Ranked {
    /// Twice U: pairs in which a is the larger count two, ties one.
    double_u: u128,
    /// Sum over tied values of t³ − t.
    tie_cubes: u128,
}

fn rank(a: &[i64], b: &[i64]) -> Ranked {
    let (mut a, mut b) = (a, b);
    let mut n_smaller_b = 0;
    let mut ranked = Ranked { double_u: 0, tie_cubes: 0 };
    while let Some(&value) = a.first().into_iter().chain(b.first()).min() {
        let (n_a, n_b) = (leading(a, value), leading(b, value));
        let tied = (n_a + n_b) as u128;
        ranked.double_u += n_a as u128 * (2 * n_smaller_b + n_b) as u128;
        ranked.tie_cubes += tied * tied * tied - tied;
        n_smaller_b += n_b;
        (a, b) = (&a[n_a..], &b[n_b..]);
    }
    ranked
}

/// How many values in front are this one.
fn leading(values: &[i64], value: i64) -> usize {
    values.iter().take_while(|&&other| other == value).count()
}

/// In how many orders of `n_a` and `n_b` distinct values U comes out as 0, 1, …, n_a · n_b: the coefficients of
/// the Gaussian binomial. At most 400 pairs keep them well under 2⁶³.
fn ways_to_u(n_a: usize, n_b: usize) -> Vec<i64> {
    let top = n_a * n_b;
    let mut ways = vec![0; top + 1];
    ways[0] = 1;
    // The smaller one factor at a time: (1 − q^(larger + i)) / (1 − q^i).
    let (smaller, larger) = (n_a.min(n_b), n_a.max(n_b));
    for i in 1..=smaller {
        for u in (larger + i..=top).rev() {
            ways[u] -= ways[u - larger - i];
        }
        for u in i..=top {
            ways[u] += ways[u - i];
        }
    }
    ways
}

fn share(part: &[i64], all: &[i64]) -> f64 {
    part.iter().sum::<i64>() as f64 / all.iter().sum::<i64>() as f64
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn sorted(values: impl IntoIterator<Item = i64>) -> Sorted {
        Sorted::from(values.into_iter().collect::<Vec<_>>())
    }

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    }

    #[test]
    fn exact_p_is_that_of_scipy() {
        // scipy 1.17, mannwhitneyu(method="exact").
        let p = |a: Sorted, b: Sorted| mann_whitney(&a, &b).unwrap();
        close(p(sorted([1, 4, 7, 9, 12]), sorted([2, 3, 5, 6])), 0.412_698_412_698_412_7);
        close(p(sorted((10..=60).step_by(10)), sorted((15..=75).step_by(10))), 0.445_221_445_221_445_2);
        close(p(sorted([3, 5, 1, 4, 2]), sorted([103, 105, 101, 104, 102])), 0.007_936_507_936_507_936);
        close(p(sorted((0..40).step_by(2)), sorted((15..55).step_by(2))), 0.000_667_561_967_557_131_1);
        close(p(sorted([1]), sorted([2])), 1.0);
        close(p(sorted([1, 2, 3]), sorted([4, 5, 6])), 0.1);
    }

    #[test]
    fn p_with_ties_and_of_large_samples_is_that_of_scipy() {
        // scipy 1.17, mannwhitneyu(method="asymptotic", use_continuity=True).
        let p = |(a, b): (Sorted, Sorted)| mann_whitney(&a, &b).unwrap();
        close(p((sorted([1, 1, 2, 3, 3, 3, 4]), sorted([2, 3, 3, 4, 5, 5, 6, 6]))), 0.038_264_534_300_718_19);
        close(p((sorted([5; 4]), sorted([5; 3]))), 1.0);
        close(p(middling()), 0.204_357_018_669_554_58);
        close(p(large()), 0.145_012_557_570_034_98);
    }

    fn middling() -> (Sorted, Sorted) {
        (sorted((0..60).map(|i| i * 37 % 101)), sorted((0..45).map(|i| i * 53 % 97 + 12)))
    }

    fn large() -> (Sorted, Sorted) {
        (sorted((0..300).map(|i| i * i % 1009)), sorted((0..250).map(|i| i * i % 997 + 40)))
    }

    #[test]
    fn shifts_are_those_of_all_differences() {
        // numpy: median and order statistics of all differences, ranks from scipy's distribution of U.
        let shift = |a: &Sorted, b: &Sorted| {
            let Shift { shift, interval } = hodges_lehmann(a, b).unwrap();
            (shift, interval.map(|interval| (interval.low, interval.high)))
        };
        assert_eq!(shift(&sorted([1, 4, 7, 9, 12]), &sorted([2, 3, 5, 6])), (2.5, Some((-4.0, 9.0))));
        let (tens, fives) = (sorted((10..=60).step_by(10)), sorted((15..=75).step_by(10)));
        assert_eq!(shift(&tens, &fives), (-10.0, Some((-35.0, 15.0))));
        assert_eq!(shift(&sorted(1..=5), &sorted(101..=105)), (-100.0, Some((-103.0, -97.0))));
        let (low, high) = (sorted((0..40).step_by(2)), sorted((15..55).step_by(2)));
        assert_eq!(shift(&low, &high), (-15.0, Some((-23.0, -7.0))));
        let (few, more) = (sorted([1, 1, 2, 3, 3, 3, 4]), sorted([2, 3, 3, 4, 5, 5, 6, 6]));
        assert_eq!(shift(&few, &more), (-2.0, Some((-3.0, 0.0))));
        assert_eq!(shift(&sorted([1, 2, 3]), &sorted([4, 5, 6])), (-3.0, None));
        let (a, b) = middling();
        assert_eq!(shift(&a, &b), (-8.0, Some((-19.0, 4.0))));
        let (a, b) = large();
        assert_eq!(shift(&a, &b), (-37.0, Some((-88.0, 14.0))));
    }

    #[test]
    fn nothing_against_something_is_no_statement() {
        let (none, some) = (sorted([]), sorted([1, 2]));
        assert_eq!(mann_whitney(&none, &some), None);
        assert_eq!(hodges_lehmann(&some, &none), None);
    }

    #[test]
    fn absurd_values_overflow_nothing() {
        let (a, b) = (sorted([i64::MIN, i64::MAX]), sorted([i64::MAX, i64::MIN]));
        assert_eq!(hodges_lehmann(&a, &b).unwrap().shift, 0.0);
    }

    proptest! {
        #[test]
        fn p_does_not_depend_on_which_is_first(
            a in prop::collection::vec(-30_i64..30, 1..40),
            b in prop::collection::vec(-30_i64..30, 1..40),
        ) {
            let (a, b) = (Sorted::from(a), Sorted::from(b));
            let (there, back) = (mann_whitney(&a, &b).unwrap(), mann_whitney(&b, &a).unwrap());
            prop_assert!((there - back).abs() < 1e-12);
            prop_assert!((0.0..=1.0).contains(&there));
            let (up, down) = (hodges_lehmann(&a, &b).unwrap(), hodges_lehmann(&b, &a).unwrap());
            prop_assert_eq!(up.shift, -down.shift);
        }

        #[test]
        fn without_ties_p_and_interval_say_the_same(
            values in prop::collection::hash_set(-100_000_i64..100_000, 8..120),
            cut in 0.1_f64..0.9,
            lift in -80_000_i64..80_000,
        ) {
            let values: Vec<i64> = values.into_iter().collect();
            let (a, b) = values.split_at((values.len() as f64 * cut) as usize);
            prop_assume!(!a.is_empty());
            // Doubled and made odd, so that no lifted value ties with another.
            let a = sorted(a.iter().map(|value| 2 * (value + lift)));
            let b = sorted(b.iter().map(|value| 2 * value + 1));
            let shift = hodges_lehmann(&a, &b).unwrap();
            let p = mann_whitney(&a, &b).unwrap();
            let Some(interval) = shift.interval else {
                return Ok(());
            };
            prop_assume!((p - 0.05).abs() > 1e-9);
            prop_assert_eq!(interval.low > 0.0 || interval.high < 0.0, p < 0.05);
        }
    }
}
