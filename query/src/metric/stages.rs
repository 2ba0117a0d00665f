//! The stages of lead time: where a change that shipped had spent its time, as far as its pull request
//! tells. Not metrics of their own: five medians that say which part of lead time grew.

use super::{Better, Kind, Metric};

/// A stage between two instants of a shipment, each given as milliseconds before the change shipped.
macro_rules! stage {
    ($id:literal, $title:literal, $definition:literal, $begin:literal, $end:literal) => {
        Metric {
            id: $id,
            title: $title,
            definition: $definition,
            unit: "seconds",
            better: Better::Lower,
            choices: &[],
            kind: Kind::Duration,
            table: "shipments",
            sql: concat!(
                "distribution(",
                $begin,
                " - ",
                $end,
                ") filter (where excluded is null \
                 and pull_request is not null and ",
                $begin,
                " >= ",
                $end,
                ") as ",
                $id,
                ",\n",
                "count(*) filter (where excluded is null and pull_request is null) as ",
                $id,
                "_no_pull_request,\n",
                "count(*) filter (where excluded is null and pull_request is not null \
                 and (",
                $begin,
                " is null or ",
                $end,
                " is null)) as ",
                $id,
                "_unknown,\n",
                "count(*) filter (where excluded is null and pull_request is not null and ",
                $begin,
                " < ",
                $end,
                ") as ",
                $id,
                "_negative"
            ),
            counted: concat!("excluded is null and pull_request is not null and ", $begin, " >= ", $end),
            sample: concat!($begin, " - ", $end),
        }
    };
}

/// Every stage, in the order in which a change passes them.
pub const STAGES: &[Metric] = &[
    stage!(
        "coding",
        "Coding",
        "From the first commit of the pull request to its opening.",
        "first_commit_ms",
        "opened_ms"
    ),
    stage!("pickup", "Pickup", "From the opening to the first review.", "opened_ms", "first_review_ms"),
    stage!("review", "Review", "From the first review to the approval.", "first_review_ms", "approved_ms"),
    stage!("merge", "Merge", "From the approval to the merge.", "approved_ms", "merged_ms"),
    stage!(
        "deploy",
        "Deploy",
        "From the merge to the finish of the deployment that the change ships with.",
        "merged_ms",
        "cast(0 as bigint)"
    ),
];

/// Why a change that counts in lead time has no such stage.
pub(crate) const LEFT_OUT: [&str; 3] = ["no_pull_request", "unknown", "negative"];
