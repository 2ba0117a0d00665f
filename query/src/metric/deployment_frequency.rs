//! Deployment frequency: how often successful changes reach production.

use super::{Better, Kind, Metric};

pub(super) const METRIC: Metric = Metric {
    id: "deployment-frequency",
    title: "Deployment frequency",
    definition: "Successful production deployments that finished in the period. Also given per day, as the \
                 share of days with at least one, and as the median time between two of one service and \
                 environment. Attempts that failed or were cancelled are not counted.",
    unit: "deployments",
    better: Better::Higher,
    choices: &[
        "A deployment belongs to the moment it finished, not to when it started.",
        "Deploying the same revision again counts again: it is another deployment.",
        "The denominator is the length of the period in days; a day on which clocks change has 23 or 25 hours.",
    ],
    kind: Kind::Count,
    table: "outcomes",
    sql: include_str!("deployment_frequency.sql"),
    counted: "reached",
    sample: "",
};
