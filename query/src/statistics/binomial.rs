//! Binomial tails by summing their terms, and the ranks that bound a median. The distribution's own
//! incomplete beta function stops converging beyond some thousands of trials; a sum of O(√n) terms does not.

use statrs::function::factorial::ln_binomial;

use super::{TAIL, Z};

/// P(X ≤ `k`) where X counts successes in `n` trials of probability `p`.
pub(super) fn at_most(k: u64, n: u64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        return 1.0;
    }
    if p >= 1.0 {
        return 0.0;
    }
    if k as f64 > n as f64 * p {
        return (1.0 - tail_from(n - k - 1, n, 1.0 - p)).max(0.0);
    }
    tail_from(k, n, p).min(1.0)
}

/// P(X ≥ `k`).
pub(super) fn at_least(k: u64, n: u64, p: f64) -> f64 {
    if k > n { 0.0 } else { at_most(n - k, n, 1.0 - p) }
}

/// P(X ≤ `k`) for a `k` near or below the mean: its terms shrink on the way down, so the sum stops early.
fn tail_from(k: u64, n: u64, p: f64) -> f64 {
    let odds = (1.0 - p) / p;
    let mut term = (ln_binomial(n, k) + k as f64 * p.ln() + (n - k) as f64 * (-p).ln_1p()).exp();
    let mut sum = term;
    for successes in (1..=k).rev() {
        term *= successes as f64 / (n - successes + 1) as f64 * odds;
        sum += term;
        if term <= sum * f64::EPSILON / 16.0 {
            break;
        }
    }
    sum
}

/// Ranks, counted from 1, of the two order statistics between which the median of the population lies
/// with a probability of at least 95 %, as close to the middle as that allows. `None` under six values.
///
/// The number of values below the median is binomial (n, ½), whatever the distribution
/// (Conover, Practical Nonparametric Statistics, "confidence interval for a quantile").
pub fn median_interval_ranks(n: u64) -> Option<(u64, u64)> {
    let half = n as f64 / 2.0;
    let enough = |low: u64| at_most(low - 1, n, 0.5) <= TAIL;
    let mut low = ((half + 0.5 - Z * half.sqrt() * std::f64::consts::FRAC_1_SQRT_2).floor().max(1.0)) as u64;
    while low > 1 && !enough(low) {
        low -= 1;
    }
    while enough(low + 1) {
        low += 1;
    }
    (n > 0 && enough(low)).then(|| (low, n + 1 - low))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn median_ranks_are_those_of_the_published_table() {
        // Conover, table of ranks for the median, two-sided 95 %.
        let table = [(6, 1), (8, 1), (9, 2), (12, 3), (15, 4), (20, 6), (25, 8), (30, 10), (50, 18), (100, 40)];
        for (n, low) in table {
            assert_eq!(median_interval_ranks(n), Some((low, n + 1 - low)), "n = {n}");
        }
        // scipy 1.17, binom.cdf.
        for (n, low) in [(1_000, 469), (12_345, 6_064), (2_600_000, 1_298_420), (5_000_000, 2_497_809)] {
            assert_eq!(median_interval_ranks(n), Some((low, n + 1 - low)), "n = {n}");
        }
        for n in 0..6 {
            assert_eq!(median_interval_ranks(n), None);
        }
    }

    proptest! {
        #[test]
        fn tails_agree_with_a_plain_sum(n in 1_u64..60, k in 0_u64..60, p in 0.01_f64..0.99) {
            let k = k.min(n);
            let plain: f64 = (0..=k)
                .map(|i| {
                    let ways: f64 = (0..i).map(|j| (n - j) as f64 / (j + 1) as f64).product();
                    ways * p.powi(i as i32) * (1.0 - p).powi((n - i) as i32)
                })
                .sum();
            prop_assert!((at_most(k, n, p) - plain).abs() < 1e-10);
            prop_assert!((at_most(k, n, p) + at_least(k + 1, n, p) - 1.0).abs() < 1e-10);
        }

        #[test]
        fn median_ranks_cover_enough_and_no_more(n in 6_u64..50_000) {
            let (low, high) = median_interval_ranks(n).unwrap();
            prop_assert_eq!(low + high, n + 1);
            prop_assert!(at_most(low - 1, n, 0.5) <= TAIL);
            prop_assert!(at_most(low, n, 0.5) > TAIL);
        }
    }
}
