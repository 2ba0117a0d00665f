//! Whether something happens more often than before: two counts over two lengths of time. Given their sum,
//! one of two Poisson counts is binomial (Przyborowski and Wilenski 1940). Events that come in bursts vary more
//! than Poisson counts do, so for those the interval is too narrow.

use super::binomial::{at_least, at_most};
use super::{Interval, Shift, TAIL};

/// How many times as often, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RateRatio {
    /// The first rate divided by the second; infinite where the second is zero.
    pub ratio: f64,
    /// Its 95 % interval (Clopper–Pearson, exact).
    pub interval: Interval,
    /// Two-sided: twice the smaller tail, so that p < 0.05 exactly where the interval leaves out 1.
    pub p_value: f64,
}

impl RateRatio {
    /// The relative change: 0.25 for a quarter more often.
    pub fn change(&self) -> Shift {
        let Interval { low, high } = self.interval;
        Shift { shift: self.ratio - 1.0, interval: Some(Interval { low: low - 1.0, high: high - 1.0 }) }
    }
}

/// Compares `k1` events over `length1` with `k2` events over `length2`, lengths in any one unit.
/// `None` where nothing happened in either, or where a length is not a positive number.
pub fn rate_ratio(k1: u64, length1: f64, k2: u64, length2: f64) -> Option<RateRatio> {
    let measurable = |length: f64| length.is_finite() && length > 0.0;
    let n = k1 + k2;
    if n == 0 || !measurable(length1) || !measurable(length2) {
        return None;
    }
    let ratio_of = |share: f64| share / (1.0 - share) * (length2 / length1);
    let unchanged = length1 / (length1 + length2);
    let smaller_tail = at_most(k1, n, unchanged).min(at_least(k1, n, unchanged));
    let low = if k1 == 0 { 0.0 } else { share_where(|share| at_least(k1, n, share) > TAIL) };
    let high = if k2 == 0 { 1.0 } else { share_where(|share| at_most(k1, n, share) <= TAIL) };
    Some(RateRatio {
        ratio: k1 as f64 / k2 as f64 * (length2 / length1),
        interval: Interval { low: ratio_of(low), high: ratio_of(high) },
        p_value: (2.0 * smaller_tail).min(1.0),
    })
}

/// The share between 0 and 1 from which on `beyond` holds.
fn share_where(beyond: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // Sixty halvings use up the precision of an f64.
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beyond(middle) { high = middle } else { low = middle }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn counts_compare_as_scipy_computes_them() {
        // scipy 1.17: binom.cdf and sf for p, beta.ppf for the interval of the share.
        let expected = [
            (11, 800.0, 23, 3011.0, 1.800_054_347_8, 0.792_205_085_8, 3.843_862_740_4, 0.165_859_825_6),
            (30, 7.0, 12, 7.0, 2.5, 1.242_963_135_1, 5.361_668_483_5, 0.007_915_897_3),
            (5, 30.0, 5, 30.0, 1.0, 0.230_142_468_9, 4.345_134_579_5, 1.0),
            (0, 7.0, 6, 7.0, 0.0, 0.0, 0.849_311_194_3, 0.031_25),
            (1200, 365.0, 1000, 366.0, 1.203_287_671_2, 1.105_502_052_6, 1.309_938_708_7, 1.635_774_65e-5),
            (60_000, 365.0, 59_000, 365.0, 1.016_949_152_5, 1.005_441_484_8, 1.028_588_806_8, 0.003_779_869_6),
        ];
        for (k1, length1, k2, length2, ratio, low, high, p) in expected {
            let got = rate_ratio(k1, length1, k2, length2).unwrap();
            let found = [got.ratio, got.interval.low, got.interval.high, got.p_value];
            for (found, expected) in found.into_iter().zip([ratio, low, high, p]) {
                assert!((found - expected).abs() < 1e-7, "{k1} against {k2}: {found}, not {expected}");
            }
        }
        assert_eq!(rate_ratio(30, 7.0, 12, 7.0).unwrap().change().shift, 1.5);
    }

    #[test]
    fn nothing_against_nothing_is_no_statement() {
        assert_eq!(rate_ratio(0, 7.0, 0, 7.0), None);
        assert_eq!(rate_ratio(1, 0.0, 1, 7.0), None);
        assert_eq!(rate_ratio(1, 7.0, 1, f64::NAN), None);
    }

    #[test]
    fn more_than_none_has_no_upper_bound() {
        let got = rate_ratio(8, 7.0, 0, 7.0).unwrap();
        assert!(got.ratio.is_infinite() && got.interval.high.is_infinite());
        assert!(got.interval.low > 1.0);
    }

    proptest! {
        #[test]
        fn p_and_interval_say_the_same(
            (k1, k2) in (0_u64..300, 0_u64..300),
            (length1, length2) in (0.5_f64..90.0, 0.5_f64..90.0),
        ) {
            prop_assume!(k1 + k2 > 0);
            let got = rate_ratio(k1, length1, k2, length2).unwrap();
            prop_assert!(got.interval.low <= got.ratio && got.ratio <= got.interval.high);
            prop_assume!((got.p_value - 0.05).abs() > 1e-9);
            let leaves_out_one = got.interval.low > 1.0 || got.interval.high < 1.0;
            prop_assert_eq!(leaves_out_one, got.p_value < 0.05);
        }
    }
}
