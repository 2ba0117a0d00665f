//! DORA's Quick Check, edition 2025: <https://dora.dev/quickcheck/>. Its classes, how they become scores from 0
//! to 10, and the means and standard deviations of the industries.

use super::{DAILY, DAY, HALF_YEARLY, HOUR, HOURLY, MONTH, MONTHLY, Range, SEVERAL_A_DAY, SIX_MONTHS, WEEK, WEEKLY};

/// The edition of the figures.
pub(crate) const EDITION: &str = "2025";

/// A class of a metric, 1 to 6.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Class {
    pub(crate) class: u8,
    pub(crate) title: &'static str,
    pub(crate) range: Range,
}

impl Class {
    /// As the Quick Check counts it: 0 to 10 in steps of two.
    pub(crate) fn score(self) -> f64 {
        f64::from(self.class - 1) * 2.0
    }
}

/// A metric of the Quick Check, and how a value of it is scored.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measure {
    /// Id of the metric.
    pub(crate) metric: &'static str,
    /// Unit of the value that is scored.
    pub(crate) unit: &'static str,
    /// The best first; none where the score is the rate itself. A value on an edge has the better class.
    pub(crate) classes: &'static [Class],
}

impl Measure {
    /// The class of a value; none of a rate.
    pub(crate) fn class(&self, value: f64) -> Option<Class> {
        self.classes.iter().copied().find(|class| class.range.holds(value) == Some(true))
    }

    /// The score of a value: of its class, or for a rate 10 less ten times the rate.
    pub(crate) fn score(&self, value: f64) -> Option<f64> {
        if self.classes.is_empty() {
            return Some(10.0 - 10.0 * value);
        }
        self.class(value).map(Class::score)
    }
}

const fn class(class: u8, title: &'static str, range: Range) -> Class {
    Class { class, title, range }
}

/// Lead time and recovery time, in seconds.
const TIMES: &[Class] = &[
    class(6, "less than one hour", Range::Below(HOUR)),
    class(5, "less than one day", Range::Below(DAY)),
    class(4, "between one day and one week", Range::Between(DAY, WEEK)),
    class(3, "between one week and one month", Range::Between(WEEK, MONTH)),
    class(2, "between one month and six months", Range::Between(MONTH, SIX_MONTHS)),
    class(1, "more than six months", Range::Above(SIX_MONTHS)),
];

/// Deployments a day. Several a day satisfies both of the first two; it is on demand.
const FREQUENCIES: &[Class] = &[
    class(6, "on demand (several deployments a day)", Range::AtLeast(SEVERAL_A_DAY)),
    class(5, "between once per hour and once per day", Range::Between(DAILY, HOURLY)),
    class(4, "between once per day and once per week", Range::Between(WEEKLY, DAILY)),
    class(3, "between once per week and once per month", Range::Between(MONTHLY, WEEKLY)),
    class(2, "between once per month and once every six months", Range::Between(HALF_YEARLY, MONTHLY)),
    class(1, "fewer than once per six months", Range::Below(HALF_YEARLY)),
];

/// What is scored, in the Quick Check's order. Throughput is the first three, stability the others.
pub(crate) const MEASURES: [Measure; 5] = [
    Measure { metric: "change-lead-time", unit: "seconds", classes: TIMES },
    Measure { metric: "deployment-frequency", unit: "deployments per day", classes: FREQUENCIES },
    Measure { metric: "failed-deployment-recovery-time", unit: "seconds", classes: TIMES },
    Measure { metric: "change-fail-rate", unit: "ratio", classes: &[] },
    Measure { metric: "deployment-rework-rate", unit: "ratio", classes: &[] },
];

/// How many of [`MEASURES`] make throughput.
pub(crate) const N_THROUGHPUT: usize = 3;

/// An industry's answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Industry {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// Mean and standard deviation of each of [`MEASURES`], as stored: of the two rates low is good.
    stored: [(f64, f64); 5],
}

impl Industry {
    /// Mean and standard deviation of a measure's score, as shown: 10 is best.
    pub(crate) fn shown(&self, measure: usize) -> (f64, f64) {
        let (mean, sd) = self.stored[measure];
        // Tenths, so that 10 - 1.9 is 8.1 and not nearly so.
        if MEASURES[measure].classes.is_empty() { ((100.0 - mean * 10.0).round() / 10.0, sd) } else { (mean, sd) }
    }
}

const fn industry(id: &'static str, title: &'static str, stored: [(f64, f64); 5]) -> Industry {
    Industry { id, title, stored }
}

/// The ids of the industries; the first is the default.
pub fn industries() -> impl Iterator<Item = &'static str> {
    INDUSTRIES.iter().map(|industry| industry.id)
}

/// Every industry; the first is the default.
pub(crate) const INDUSTRIES: [Industry; 14] = [
    industry("all", "All industries", [(5.5, 2.4), (4.8, 2.8), (7.4, 2.1), (1.9, 2.1), (2.2, 2.2)]),
    industry("retail", "Retail and consumer", [(5.9, 2.3), (5.3, 2.7), (7.8, 1.8), (1.7, 2.0), (2.0, 1.9)]),
    industry("media", "Media and entertainment", [(5.8, 2.4), (5.2, 2.7), (7.6, 2.1), (1.8, 1.8), (1.8, 1.7)]),
    industry("nonprofit", "Non-profit", [(5.9, 2.7), (4.5, 2.6), (7.5, 1.8), (2.2, 2.8), (2.1, 2.5)]),
    industry("technology", "Technology", [(5.7, 2.4), (4.9, 2.8), (7.4, 2.1), (1.9, 2.0), (2.3, 2.2)]),
    industry("telecom", "Telecommunications", [(5.2, 2.4), (4.7, 2.6), (7.2, 2.3), (2.4, 2.5), (2.6, 2.5)]),
    industry("education", "Education", [(5.5, 2.6), (4.5, 2.9), (6.6, 2.6), (2.7, 2.4), (2.9, 2.3)]),
    industry("financial", "Financial services", [(5.4, 2.3), (5.1, 2.6), (7.7, 1.9), (1.7, 2.1), (1.9, 1.9)]),
    industry("healthcare", "Healthcare", [(5.0, 2.6), (4.3, 2.8), (7.1, 2.2), (2.5, 2.3), (2.6, 2.4)]),
    industry("energy", "Energy", [(5.4, 2.5), (4.5, 2.7), (7.2, 1.9), (1.8, 1.8), (2.1, 1.9)]),
    industry("government", "Government", [(4.8, 2.6), (4.3, 3.0), (7.0, 2.1), (2.1, 2.3), (2.4, 2.2)]),
    industry("insurance", "Insurance", [(4.8, 2.2), (4.4, 2.5), (7.5, 1.8), (1.7, 2.0), (1.8, 1.9)]),
    industry("manufacturing", "Manufacturing", [(4.9, 2.6), (3.7, 2.7), (6.5, 2.3), (2.0, 1.9), (2.4, 2.3)]),
    industry("other", "Other", [(5.7, 2.4), (5.0, 2.7), (7.6, 2.0), (1.6, 1.9), (2.0, 2.0)]),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The next number up or down: an edge has two sides.
    fn just(value: f64, up: bool) -> f64 {
        if up { value.next_up() } else { value.next_down() }
    }

    fn class_of(measure: usize, value: f64) -> u8 {
        MEASURES[measure].class(value).map_or(0, |class| class.class)
    }

    #[test]
    fn every_edge_of_a_time_lies_where_it_is_published() {
        for measure in [0, 2] {
            for (edge, at, below, above) in
                [(HOUR, 5, 6, 5), (DAY, 4, 5, 4), (WEEK, 4, 4, 3), (MONTH, 3, 3, 2), (SIX_MONTHS, 2, 2, 1)]
            {
                assert_eq!(class_of(measure, edge), at, "at {edge}");
                assert_eq!(class_of(measure, just(edge, false)), below, "below {edge}");
                assert_eq!(class_of(measure, just(edge, true)), above, "above {edge}");
            }
            assert_eq!(class_of(measure, 0.0), 6);
            assert_eq!(class_of(measure, 1e12), 1);
        }
    }

    #[test]
    fn every_edge_of_a_frequency_lies_where_it_is_published() {
        for (edge, at, below) in
            [(SEVERAL_A_DAY, 6, 5), (DAILY, 5, 4), (WEEKLY, 4, 3), (MONTHLY, 3, 2), (HALF_YEARLY, 2, 1)]
        {
            assert_eq!(class_of(1, edge), at, "at {edge}");
            assert_eq!(class_of(1, just(edge, false)), below, "below {edge}");
            assert_eq!(class_of(1, just(edge, true)), at, "above {edge}");
        }
        assert_eq!(class_of(1, 0.0), 1);
        assert_eq!(class_of(1, 100.0), 6);
        // Three in ninety days are one a month, whichever way the division rounds.
        assert_eq!(class_of(1, 3.0 / 90.0), 3);
        assert_eq!(class_of(1, 13.0 / 91.0), 4);
    }

    #[test]
    fn a_score_is_two_a_class_and_ten_less_ten_times_a_rate() {
        let scores: Vec<Option<f64>> =
            [HOUR / 2.0, HOUR, DAY, MONTH, SIX_MONTHS, 2.0 * SIX_MONTHS].map(|v| MEASURES[0].score(v)).to_vec();
        assert_eq!(scores, [10.0, 8.0, 6.0, 4.0, 2.0, 0.0].map(Some));
        for (rate, score) in [(0.0, 10.0), (0.25, 7.5), (1.0, 0.0)] {
            assert_eq!(MEASURES[3].score(rate), Some(score));
            assert_eq!(MEASURES[4].score(rate), Some(score));
        }
    }

    #[test]
    fn an_industrys_rates_are_shown_with_ten_as_the_best() {
        let shown: Vec<(f64, f64)> = (0..5).map(|measure| INDUSTRIES[0].shown(measure)).collect();
        assert_eq!(shown, [(5.5, 2.4), (4.8, 2.8), (7.4, 2.1), (8.1, 2.1), (7.8, 2.2)]);
    }
}
