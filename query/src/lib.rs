//! How numbers are made: attribution, one file a metric, packs, statistics. Nothing here knows HTTP, a
//! vendor, or where tables are kept.

mod answer;
mod attribution;
mod audience;
mod benchmark;
mod bucket;
mod catalog;
mod deleted;
mod engine;
mod export;
mod gold;
mod metric;
mod pack;
mod quantiles;
mod question;
mod refresh;
mod statistics;
mod tables;

pub use answer::deliveries::{Deliveries, DeliveryOutcome, SettledDelivery};
pub use answer::overrides::{About, Decision, decision_row};
pub use audience::Audience;
pub use benchmark::quick_check::industries;
pub use bucket::{BucketSize, Buckets};
pub use catalog::{Catalog, EnvironmentEntry, ReworkRule, ServiceEntry, TeamEntry};
pub use engine::{Answer, Engine, Error, FACTS_AT_ONCE, List, Page, Row};
pub use export::{Chunks, ExportFormat, Exported, Whole, csv_cell};
pub use gold::{CauseRule, Confidence, Exclusion, FailureRule, ShipRule};
pub use metric::{Better, Kind, METRICS, Metric, STAGES, metric};
pub use pack::{Adjustments, FAILURES, FailRate, PACKS, Pack, PackEntry, RecoveryUnit, Unit, packs_of, sentence};
pub use quantiles::{Distribution, distribution, distribution_of};
pub use question::{
    ADJUSTABLE, Asked, BadParameter, Compare, Filter, GroupBy, Question, instant, metric_named, pack_named,
};
pub use refresh::Refreshed;
pub use statistics::{
    Interval, RateRatio, Shift, Sorted, Verdict, hodges_lehmann, mann_whitney, median_interval_ranks, newcombe,
    rate_ratio, verdict, wilson,
};
