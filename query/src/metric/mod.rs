//! The metrics, as data: what each is called, what it counts, and the select list over gold that counts
//! it. The API, its OpenAPI, `METRICS.md`, the page and the tests all read [`METRICS`].

mod change_fail_rate;
mod change_lead_time;
mod deployment_frequency;
mod deployment_rework_rate;
mod failed_deployment_recovery_time;
mod stages;

use serde::Serialize;

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

/// The metric of an id.
pub fn metric(id: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|m| m.id == id)
}
