//! How sure a number is: intervals, and whether two periods differ. DEFINITIONS "Statistics" is the law:
//! 95 % throughout, Wilson and Newcombe for rates, order statistics for medians, Hodges–Lehmann with
//! Mann–Whitney for times, the conditional binomial test for counts. Nothing here reads rows.

mod binomial;
mod count;
mod differences;
mod rate;
mod shift;

use serde::{Deserialize, Serialize};

use crate::metric::Better;

pub use binomial::median_interval_ranks;
pub use count::{RateRatio, rate_ratio};
pub use rate::{newcombe, wilson};
pub use shift::{Sorted, hodges_lehmann, mann_whitney};

/// The 97.5 % quantile of the standard normal distribution: what makes an interval a 95 % one.
const Z: f64 = 1.959_963_984_540_054;
/// What each side of a 95 % interval may miss.
const TAIL: f64 = 0.025;

/// A 95 % confidence interval, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end; infinite where the data set no bound.
    pub high: f64,
}

/// A change from the previous period to the current one, in the unit of what is compared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Shift {
    /// Current minus previous.
    pub shift: f64,
    /// Its 95 % interval; `None` where there is too little data for one.
    pub interval: Option<Interval>,
}

/// What may be said of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies on the good side.
    Better,
    /// The whole interval lies on the bad side.
    Worse,
    /// No change at all is among what the data allow, or they allow no statement.
    NoClearChange,
}

/// Says better or worse only where the interval leaves out zero: no arrow without evidence.
pub fn verdict(better: Better, shift: &Shift) -> Verdict {
    let Some(interval) = shift.interval else {
        return Verdict::NoClearChange;
    };
    let rose = interval.low > 0.0;
    let fell = interval.high < 0.0;
    match (better, rose, fell) {
        (Better::Higher, true, _) | (Better::Lower, _, true) => Verdict::Better,
        (Better::Higher, _, true) | (Better::Lower, true, _) => Verdict::Worse,
        (_, false, false) => Verdict::NoClearChange,
    }
}

/// Upper tail of the standard normal distribution.
fn normal_above(z: f64) -> f64 {
    statrs::function::erf::erfc(z / std::f64::consts::SQRT_2) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shift(low: f64, high: f64) -> Shift {
        Shift { shift: f64::midpoint(low, high), interval: Some(Interval { low, high }) }
    }

    #[test]
    fn an_arrow_needs_an_interval_without_zero() {
        assert_eq!(verdict(Better::Lower, &shift(-9.0, -1.0)), Verdict::Better);
        assert_eq!(verdict(Better::Lower, &shift(1.0, 9.0)), Verdict::Worse);
        assert_eq!(verdict(Better::Higher, &shift(1.0, 9.0)), Verdict::Better);
        assert_eq!(verdict(Better::Higher, &shift(-9.0, -1.0)), Verdict::Worse);
        assert_eq!(verdict(Better::Higher, &shift(0.0, 9.0)), Verdict::NoClearChange);
        assert_eq!(verdict(Better::Lower, &shift(-9.0, 0.0)), Verdict::NoClearChange);
        assert_eq!(verdict(Better::Lower, &Shift { shift: -9.0, interval: None }), Verdict::NoClearChange);
        assert_eq!(verdict(Better::Higher, &shift(f64::NAN, f64::NAN)), Verdict::NoClearChange);
    }

    #[test]
    fn the_normal_tail_is_that_of_the_tables() {
        assert!((normal_above(Z) - TAIL).abs() < 1e-11);
        assert!((normal_above(0.0) - 0.5).abs() < 1e-12);
        assert!((normal_above(5.0) / 2.866_515_719e-7 - 1.0).abs() < 1e-8);
    }
}
