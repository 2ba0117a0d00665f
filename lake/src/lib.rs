//! What Dorado knows and where it is kept: facts, raw deliveries, the inbox and the Delta tables.
//! Nothing here knows a vendor, a metric or HTTP.

mod address;
mod bronze;
mod delivery;
mod error;
mod fact;
mod file;
mod gold;
mod hot;
mod import;
mod inbox;
mod lake;
mod log;
mod maintain;
mod month;
mod provider;
mod reader;
mod register;
mod replay;
mod retell;
mod row;
mod run;
mod snapshot;
mod sorted;
mod store;
mod table;
#[cfg(test)]
mod tests;
mod write;

pub use delivery::Delivery;
pub use error::{Cause, Error, is_of_store};
pub use fact::{
    Change, Deployment, Fact, Incident, Instant, Override, PullRequest, Stamp, Stamped, Status, Tier, Verdict,
};
pub use gold::{GoldEncoder, GoldFile};
pub use import::Import;
pub use inbox::standing;
pub use lake::{Batch, GoldChange, GoldMonth, Kept, Lake, Options, Reason, Settled, SourceStatus};
pub use maintain::Maintained;
pub use month::Month;
pub use register::{Deed, Entry, Key, KeyDigest, NewToken, NoScope, Register, Scope, Token, redacted};
pub use replay::Replay;
pub use retell::Retelling;
pub use row::Row;
pub use run::{Collected, Run, RunState};
pub use snapshot::Snapshot;
