//! Deployment rework rate: how many deployments were unplanned, because of an incident in production.

use super::{Better, Kind, Metric};

pub(super) const METRIC: Metric = Metric {
    id: "deployment-rework-rate",
    title: "Deployment rework rate",
    definition: "Rework deployments, of the successful production deployments of the period. Rework is \
                 unplanned and made because of an incident in production: flagged as hotfix or rollback, named \
                 by the service's rework rule, going back to an older revision, or repairing a failed deployment.",
    unit: "ratio",
    better: Better::Lower,
    choices: &[
        "The rework rule looks at the beginning of the branch, tag, labels and title: `hotfix/`, `revert-`, `Revert \"`.",
        "A deployment that ships the revert of a change that had shipped before is rework, unless a person decided that what shipped it did not fail.",
        "Deploying the current revision again is not going back.",
    ],
    kind: Kind::Ratio,
    table: "outcomes",
    sql: include_str!("deployment_rework_rate.sql"),
    counted: "reached",
    sample: "",
};
