//! The metrics, as data: what each is called, what it counts, and the select list over gold that counts
//! it. The API, its OpenAPI, `METRICS.md`, the page and the tests all read [`METRICS`].

mod change_fail_rate;
mod change_lead_time;
mod deployment_frequency;
mod deployment_rework_rate;
mod failed_deployment_recovery_time;
mod stages;

use serde::Serialize;

use crate::pack::{FailRate, Frequency, Pack, RecoveryUnit};

pub(crate) use stages::LEFT_OUT;
pub use stages::STAGES;

/// One metric.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Metric {
    /// Its id in URLs.
    pub id: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// What is counted, from when to when, what is left out and why.
    pub definition: &'static str,
    /// The unit of `value`: `deployments`, `seconds` or `ratio`.
    pub unit: &'static str,
    /// Which way is good.
    pub better: Better,
    /// The choices that a reader could question, each in a sentence.
    pub choices: &'static [&'static str],
    /// What kind of number it is: decides how its row, interval and comparison are made.
    #[serde(skip)]
    pub kind: Kind,
    /// The gold table that it is counted over.
    #[serde(skip)]
    pub table: &'static str,
    /// Aggregates over that table, as a SQL select list.
    #[serde(skip)]
    pub sql: &'static str,
    /// Which rows of the table are in its `n`, as SQL.
    #[serde(skip)]
    pub counted: &'static str,
    /// Of a duration: what its median is taken of, as SQL over the counted rows.
    #[serde(skip)]
    pub sample: &'static str,
}

/// Which way is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// What kind of number a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A count of events over time.
    Count,
    /// A median of durations.
    Duration,
    /// A share of a whole.
    Ratio,
}

/// Every metric, in DORA's order.
pub const METRICS: &[Metric] = &[
    deployment_frequency::METRIC,
    change_lead_time::METRIC,
    change_fail_rate::METRIC,
    failed_deployment_recovery_time::METRIC,
    deployment_rework_rate::METRIC,
];

/// A select list, and the rows that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) table: &'static str,
    pub(crate) sql: &'static str,
}

/// Incidents as rows, by the instant at which they opened.
pub(crate) const INCIDENTS: &str = "incidents";
/// Incidents as rows, by the instant to which their recovery belongs, with its length.
pub(crate) const RECOVERIES: &str = "recoveries";

impl Metric {
    /// What is counted under a pack.
    pub(crate) fn parts(&self, pack: &Pack) -> Vec<Part> {
        let own = Part { table: self.table, sql: self.sql };
        match self.id {
            "change-fail-rate" => {
                let sql = if pack.count_failed_attempts { change_fail_rate::OF_ATTEMPTS } else { self.sql };
                let incidents = Part { table: INCIDENTS, sql: "count(*) as fail_rate_incidents" };
                let more = (pack.fail_rate == FailRate::Incidents).then_some(incidents);
                [Part { sql, ..own }].into_iter().chain(more).collect()
            }
            "failed-deployment-recovery-time" if pack.recovery_unit == RecoveryUnit::Incident => {
                vec![Part { table: RECOVERIES, sql: failed_deployment_recovery_time::OF_INCIDENTS }]
            }
            _ => vec![own],
        }
    }

    /// The rows that stand behind its number under a pack.
    pub(crate) fn table_under(&self, pack: &Pack) -> &'static str {
        match self.id {
            "change-fail-rate" if pack.fail_rate == FailRate::Incidents => INCIDENTS,
            "failed-deployment-recovery-time" if pack.recovery_unit == RecoveryUnit::Incident => RECOVERIES,
            _ => self.table,
        }
    }

    /// [`Metric::counted`] under a pack.
    pub(crate) fn counted_under(&self, pack: &Pack) -> &'static str {
        if self.table_under(pack) == RECOVERIES { "recovery_ms >= 0" } else { self.counted }
    }

    /// [`Metric::unit`] under a pack.
    pub fn unit_under(&self, pack: &Pack) -> &'static str {
        match (self.kind, pack.frequency) {
            (Kind::Count, Frequency::DaysPerWeek) => "days_per_week",
            _ => self.unit,
        }
    }
}

/// The metric of an id.
pub fn metric(id: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.id == id)
}
