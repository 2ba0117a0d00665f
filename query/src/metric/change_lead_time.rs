//! Change lead time: from commit to running in production.

use super::{Better, Kind, Metric};

pub(super) const METRIC: Metric = Metric {
    id: "change-lead-time",
    title: "Change lead time",
    definition: "For each change that shipped in the period: from its commit time to the finish of the first \
                 successful production deployment of the service that contains it. The value is the median. \
                 Merge commits are not changes; of a squashed pull request whose own commits are known, those \
                 count and the squash commit does not.",
    unit: "seconds",
    better: Better::Lower,
    choices: &[
        "Commit time is the author date; where that is after the deployment or before 1990, the committer date; \
         where that is too, the change is left out.",
        "The first deployment of a service ships nothing: what it adds is unknowable.",
        "A change and its cherry-picks are one change, which ships once, with whichever ships first.",
    ],
    kind: Kind::Duration,
    table: "shipments",
    sql: include_str!("change_lead_time.sql"),
    counted: "excluded is null",
    sample: "lead_ms",
};
