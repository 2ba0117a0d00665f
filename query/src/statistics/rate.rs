//! Intervals for a rate k of n, and for the difference of two rates.

use super::{Interval, Shift, Z};

/// Wilson's score interval for `k` of `n` (Wilson 1927). `None` where nothing was counted, or where `k` exceeds
/// `n`: a ratio that may exceed one, as in packs that divide incidents by deployments, is not a proportion.
pub fn wilson(k: u64, n: u64) -> Option<Interval> {
    if n == 0 || k > n {
        return None;
    }
    let (count, rate) = (n as f64, k as f64 / n as f64);
    let shrink = 1.0 + Z * Z / count;
    let middle = (rate + Z * Z / (2.0 * count)) / shrink;
    let reach = Z / shrink * (rate * (1.0 - rate) / count + Z * Z / (4.0 * count * count)).sqrt();
    // The ends are exactly 0 and 1 there; rounding must not say otherwise.
    let low = if k == 0 { 0.0 } else { (middle - reach).max(0.0) };
    let high = if k == n { 1.0 } else { (middle + reach).min(1.0) };
    Some(Interval { low, high })
}

/// Difference of two rates, `k1`/`n1` − `k2`/`n2`, with the hybrid score interval made of both Wilson
/// intervals (Newcombe 1998, method 10). `None` where either has none.
pub fn newcombe(k1: u64, n1: u64, k2: u64, n2: u64) -> Option<Shift> {
    let (first, second) = (wilson(k1, n1)?, wilson(k2, n2)?);
    let (rate1, rate2) = (k1 as f64 / n1 as f64, k2 as f64 / n2 as f64);
    let shift = rate1 - rate2;
    let low = shift - (rate1 - first.low).hypot(second.high - rate2);
    let high = shift + (first.high - rate1).hypot(rate2 - second.low);
    Some(Shift { shift, interval: Some(Interval { low, high }) })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    fn close(got: Interval, low: f64, high: f64) {
        assert!((got.low - low).abs() < 5e-5 && (got.high - high).abs() < 5e-5, "{got:?}, not [{low}, {high}]");
    }

    #[test]
    fn wilson_gives_the_published_intervals() {
        close(wilson(1, 10).unwrap(), 0.0179, 0.4042);
        // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        close(wilson(81, 263).unwrap(), 0.2553, 0.3662);
        close(wilson(15, 148).unwrap(), 0.0624, 0.1605);
        close(wilson(0, 20).unwrap(), 0.0, 0.1611);
        close(wilson(1, 29).unwrap(), 0.0061, 0.1718);
    }

    #[test]
    fn a_rate_of_nothing_has_no_interval() {
        assert_eq!(wilson(0, 0), None);
        assert_eq!(wilson(3, 2), None);
        assert_eq!(newcombe(1, 2, 0, 0), None);
    }

    #[test]
    fn newcombe_gives_the_published_intervals() {
        // Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10.
        let published = [
            (56, 70, 48, 80, 0.0524, 0.3339),
            (9, 10, 3, 10, 0.1705, 0.8090),
            (6, 7, 2, 7, 0.0582, 0.8062),
            (5, 56, 0, 29, -0.0381, 0.1926),
            (0, 10, 0, 20, -0.1611, 0.2775),
            (0, 10, 0, 10, -0.2775, 0.2775),
            (10, 10, 0, 20, 0.6791, 1.0),
            (10, 10, 0, 10, 0.6075, 1.0),
        ];
        for (k1, n1, k2, n2, low, high) in published {
            close(newcombe(k1, n1, k2, n2).unwrap().interval.unwrap(), low, high);
        }
        assert!((newcombe(56, 70, 48, 80).unwrap().shift - 0.2).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn intervals_hold_their_rate_and_stay_between_zero_and_one(n in 1_u64..100_000, part in 0.0_f64..=1.0) {
            let k = (part * n as f64) as u64;
            let got = wilson(k, n).unwrap();
            let rate = k as f64 / n as f64;
            prop_assert!(0.0 <= got.low && got.low <= rate && rate <= got.high && got.high <= 1.0);
            let mirrored = wilson(n - k, n).unwrap();
            prop_assert!((mirrored.low + got.high - 1.0).abs() < 1e-12);
        }

        #[test]
        fn swapping_the_periods_turns_the_difference_round(
            (k1, n1) in (1_u64..500).prop_flat_map(|n| (0..=n, Just(n))),
            (k2, n2) in (1_u64..500).prop_flat_map(|n| (0..=n, Just(n))),
        ) {
            let (there, back) = (newcombe(k1, n1, k2, n2).unwrap(), newcombe(k2, n2, k1, n1).unwrap());
            let (there_interval, back_interval) = (there.interval.unwrap(), back.interval.unwrap());
            prop_assert!((there.shift + back.shift).abs() < 1e-12);
            prop_assert!((there_interval.low + back_interval.high).abs() < 1e-12);
            prop_assert!(-1.0 - 1e-12 <= there_interval.low && there_interval.high <= 1.0 + 1e-12);
        }
    }
}
