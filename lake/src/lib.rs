//! What Dorado knows and where it is kept: facts, raw deliveries, the inbox and the Delta tables.
//! Nothing here knows a vendor, a metric or HTTP.

mod delivery;
mod error;
mod fact;
mod lake;
mod row;

pub use delivery::Delivery;
pub use error::{Cause, Error};
pub use fact::{
    Change, Deployment, Fact, Incident, Instant, Override, PullRequest, Stamp, Stamped, Status, Tier, Verdict,
};
pub use lake::{Batch, GoldChange, Kept, Lake, Maintained, Settled, Snapshot, SourceStatus};
pub use row::Row;
