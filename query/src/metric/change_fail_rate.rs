//! Change fail rate: how many deployments needed immediate intervention.

use super::{Better, Kind, Metric};

/// Where attempts that failed before production count.
pub(super) const OF_ATTEMPTS: &str = include_str!("change_fail_rate.attempts.sql");

pub(super) const METRIC: Metric = Metric {
    id: "change-fail-rate",
    title: "Change fail rate",
    definition: "Deployments that failed, of the deployments that reached production in the period. A \
                 deployment failed when it needed immediate intervention: an incident is attributed to it, it \
                 was rolled back, a hotfix or roll-forward repaired it, or a person said so. Each counts once.",
    unit: "ratio",
    better: Better::Lower,
    choices: &[
        "An attempt that never reached production is not in the denominator.",
        "`value` counts confirmed and probable failures, `value_confirmed` only the confirmed.",
        "An incident that names nothing is put on the latest deployment of its service in the 24 hours before it: probable.",
        "A patch release or a revert found by rule is probable evidence, not confirmed.",
    ],
    kind: Kind::Ratio,
    table: "outcomes",
    sql: include_str!("change_fail_rate.sql"),
    counted: "reached",
    sample: "",
};
