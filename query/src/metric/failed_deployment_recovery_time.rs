//! Failed deployment recovery time: from a failed deployment to service restored.

use super::{Better, Kind, Metric};

/// Where each incident has a recovery time.
pub(super) const OF_INCIDENTS: &str = include_str!("failed_deployment_recovery_time.incidents.sql");

pub(super) const METRIC: Metric = Metric {
    id: "failed-deployment-recovery-time",
    title: "Failed deployment recovery time",
    definition: "For each deployment of the period that failed: from its finish to the moment service was \
                 restored, which is the latest resolution of its incidents, or where it has none the finish of \
                 the rollback or remediation. The value is the median. Failures not yet recovered are counted \
                 as open.",
    unit: "seconds",
    better: Better::Lower,
    choices: &[
        "It belongs to the moment the failed deployment finished, so that it is the same cohort as the fail rate.",
        "A deployment with an open incident is open, even where it was rolled back.",
        "A recovery before the deployment's finish is a wrong clock and left out.",
    ],
    kind: Kind::Duration,
    table: "outcomes",
    sql: include_str!("failed_deployment_recovery_time.sql"),
    counted: "reached and failed and recovery_ms >= 0",
    sample: "recovery_ms",
};
