//! What Dorado knows and where it is kept: facts, raw deliveries, the inbox and the Delta tables.
//! Nothing here knows a vendor, a metric or HTTP.

mod delivery;
mod fact;

pub use delivery::Delivery;
pub use fact::{
    Change, Deployment, Fact, Incident, Instant, Override, PullRequest, Stamp, Stamped, Status, Tier, Verdict,
};
