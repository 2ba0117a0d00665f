//! The clusters of the State of DevOps reports of 2019, 2021, 2023 and 2024, level by level as published. The
//! report of 2025 has none. Levels of one metric may be the same, overlap, or leave gaps; 2024's high
//! fails more often than its medium. That is how they were published.

use super::{DAILY, DAY, HALF_YEARLY, HOUR, MONTH, MONTHLY, Range, SEVERAL_A_DAY, SIX_MONTHS, WEEK, WEEKLY};

/// The levels, the best first.
pub(crate) const LEVELS: [&str; 4] = ["elite", "high", "medium", "low"];

/// One metric's levels, in the words of the report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Row {
    /// Id of the metric.
    pub(crate) metric: &'static str,
    /// Unit of the ranges.
    pub(crate) unit: &'static str,
    /// In the order of [`LEVELS`].
    pub(crate) levels: [(&'static str, Range); 4],
}

/// The clusters of one report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Report {
    pub(crate) year: u16,
    pub(crate) rows: [Row; 4],
}

impl Row {
    /// Whether a value lies in a level. Reports give rates in whole per cent, so that is how a rate is compared.
    pub(crate) fn falls_in(&self, level: usize, value: f64) -> Option<bool> {
        let value = if self.unit == "ratio" { (value * 100.0).round() / 100.0 } else { value };
        self.levels[level].1.holds(value)
    }
}

type Level = (&'static str, Range);

const ON_DEMAND: Level = ("on demand (several deployments a day)", Range::AtLeast(SEVERAL_A_DAY));
const DAY_TO_WEEK: Level = ("between once per day and once per week", Range::Between(WEEKLY, DAILY));
const WEEK_TO_MONTH: Level = ("between once per week and once per month", Range::Between(MONTHLY, WEEKLY));
const MONTH_TO_HALF_YEAR: Level =
    ("between once per month and once every six months", Range::Between(HALF_YEARLY, MONTHLY));
const SELDOM: Level = ("fewer than once per six months", Range::Below(HALF_YEARLY));

const UNDER_AN_HOUR: Level = ("less than one hour", Range::Below(HOUR));
const UNDER_A_DAY: Level = ("less than one day", Range::Below(DAY));
const A_DAY_TO_A_WEEK: Level = ("between one day and one week", Range::Between(DAY, WEEK));
const A_WEEK_TO_A_MONTH: Level = ("between one week and one month", Range::Between(WEEK, MONTH));
const A_MONTH_TO_HALF_A_YEAR: Level = ("between one month and six months", Range::Between(MONTH, SIX_MONTHS));
const OVER_HALF_A_YEAR: Level = ("more than six months", Range::Above(SIX_MONTHS));

const UP_TO_15: Level = ("0–15 %", Range::Between(0.0, 0.15));
const FROM_16_TO_30: Level = ("16–30 %", Range::Between(0.16, 0.30));
const FROM_46_TO_60: Level = ("46–60 %", Range::Between(0.46, 0.60));

const fn report(year: u16, frequency: [Level; 4], lead: [Level; 4], recovery: [Level; 4], fail: [Level; 4]) -> Report {
    Report {
        year,
        rows: [
            Row { metric: "deployment-frequency", unit: "deployments per day", levels: frequency },
            Row { metric: "change-lead-time", unit: "seconds", levels: lead },
            Row { metric: "failed-deployment-recovery-time", unit: "seconds", levels: recovery },
            Row { metric: "change-fail-rate", unit: "ratio", levels: fail },
        ],
    }
}

/// Every report that is here, the oldest first.
pub(crate) const REPORTS: [Report; 4] = [
    report(
        2019,
        [ON_DEMAND, DAY_TO_WEEK, WEEK_TO_MONTH, MONTH_TO_HALF_YEAR],
        [UNDER_A_DAY, A_DAY_TO_A_WEEK, A_WEEK_TO_A_MONTH, A_MONTH_TO_HALF_A_YEAR],
        [UNDER_AN_HOUR, UNDER_A_DAY, UNDER_A_DAY, A_WEEK_TO_A_MONTH],
        [UP_TO_15, UP_TO_15, UP_TO_15, FROM_46_TO_60],
    ),
    report(
        2021,
        [ON_DEMAND, WEEK_TO_MONTH, MONTH_TO_HALF_YEAR, SELDOM],
        [UNDER_AN_HOUR, A_DAY_TO_A_WEEK, A_MONTH_TO_HALF_A_YEAR, OVER_HALF_A_YEAR],
        [UNDER_AN_HOUR, UNDER_A_DAY, A_DAY_TO_A_WEEK, OVER_HALF_A_YEAR],
        [UP_TO_15, FROM_16_TO_30, FROM_16_TO_30, FROM_16_TO_30],
    ),
    report(
        2023,
        [ON_DEMAND, DAY_TO_WEEK, WEEK_TO_MONTH, WEEK_TO_MONTH],
        [UNDER_A_DAY, A_DAY_TO_A_WEEK, A_WEEK_TO_A_MONTH, A_WEEK_TO_A_MONTH],
        [UNDER_AN_HOUR, UNDER_A_DAY, A_DAY_TO_A_WEEK, A_MONTH_TO_HALF_A_YEAR],
        [
            ("5 %", Range::Point(0.05)),
            ("10 %", Range::Point(0.10)),
            ("15 %", Range::Point(0.15)),
            ("64 %", Range::Point(0.64)),
        ],
    ),
    report(
        2024,
        [ON_DEMAND, DAY_TO_WEEK, WEEK_TO_MONTH, MONTH_TO_HALF_YEAR],
        [UNDER_A_DAY, A_DAY_TO_A_WEEK, A_WEEK_TO_A_MONTH, A_MONTH_TO_HALF_A_YEAR],
        [UNDER_AN_HOUR, UNDER_A_DAY, UNDER_A_DAY, A_WEEK_TO_A_MONTH],
        [
            ("5 %", Range::Point(0.05)),
            ("20 %", Range::Point(0.20)),
            ("10 %", Range::Point(0.10)),
            ("40 %", Range::Point(0.40)),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// The levels that a value falls in, by year and metric.
    fn levels(year: u16, metric: &str, value: f64) -> Vec<&'static str> {
        let rows = REPORTS.iter().filter(|report| report.year == year).flat_map(|report| &report.rows);
        let row = rows.filter(|row| row.metric == metric);
        let falls = row.flat_map(|row| (0..4).filter(|level| row.falls_in(*level, value) == Some(true)));
        falls.map(|level| LEVELS[level]).collect()
    }

    #[test]
    fn a_value_is_in_every_level_that_was_published_for_it_and_in_no_other() {
        assert_eq!(levels(2019, "change-fail-rate", 0.10), ["elite", "high", "medium"]);
        assert_eq!(levels(2021, "change-fail-rate", 0.20), ["high", "medium", "low"]);
        assert_eq!(levels(2024, "failed-deployment-recovery-time", 5.0 * HOUR), ["high", "medium"]);
        assert_eq!(levels(2024, "failed-deployment-recovery-time", 2.0 * DAY), [""; 0], "the report has a gap there");
        assert_eq!(levels(2021, "change-lead-time", 5.0 * HOUR), [""; 0], "and there");
        assert_eq!(levels(2023, "change-fail-rate", 0.05), [""; 0], "a point has no extent");
    }

    #[test]
    fn edges_belong_to_the_levels_as_published() {
        for (year, metric, value, expected) in [
            (2019, "change-lead-time", DAY.next_down(), &["elite"][..]),
            (2019, "change-lead-time", DAY, &["high"]),
            (2019, "change-lead-time", WEEK, &["high", "medium"]),
            (2019, "change-lead-time", WEEK.next_up(), &["medium"]),
            (2019, "change-lead-time", MONTH, &["medium", "low"]),
            (2019, "change-lead-time", SIX_MONTHS, &["low"]),
            (2019, "change-lead-time", SIX_MONTHS.next_up(), &[]),
            (2021, "change-lead-time", SIX_MONTHS, &["medium"]),
            (2021, "change-lead-time", SIX_MONTHS.next_up(), &["low"]),
            (2021, "failed-deployment-recovery-time", HOUR.next_down(), &["elite", "high"]),
            (2021, "failed-deployment-recovery-time", HOUR, &["high"]),
            (2024, "deployment-frequency", SEVERAL_A_DAY, &["elite"]),
            (2024, "deployment-frequency", SEVERAL_A_DAY.next_down(), &[]),
            (2024, "deployment-frequency", DAILY.next_up(), &[]),
            (2024, "deployment-frequency", DAILY, &["high"]),
            (2024, "deployment-frequency", WEEKLY, &["high", "medium"]),
            (2024, "deployment-frequency", MONTHLY, &["medium", "low"]),
            (2024, "deployment-frequency", HALF_YEARLY, &["low"]),
            (2021, "deployment-frequency", HALF_YEARLY.next_down(), &["low"]),
            (2019, "change-fail-rate", 0.154, &["elite", "high", "medium"]),
            (2021, "change-fail-rate", 0.155, &["high", "medium", "low"]),
            (2021, "change-fail-rate", 0.304, &["high", "medium", "low"]),
            (2021, "change-fail-rate", 0.305, &[]),
            (2019, "change-fail-rate", 0.46, &["low"]),
            (2019, "change-fail-rate", 0.45, &[]),
            (2019, "change-fail-rate", 0.61, &[]),
        ] {
            assert_eq!(levels(year, metric, value), expected, "{year} {metric} {value}");
        }
    }
}
