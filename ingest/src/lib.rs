//! How facts arrive: sources, signature checking, translation. collecting into the inbox. Nothing here touches a table
//! or a metric.

pub mod collect;
pub mod http;
pub mod import;
mod json;
pub mod organisation;
pub mod signature;
mod source;
mod wake;

pub use json::MAX_JSON_DEPTH;
pub use signature::{Secret, sign_hmac_sha256};
pub use source::{
    BadOption, Connection, Cursor, Error, KINDS, Kind, NotConnected, POSTED_TO, Page, Source, check_connected,
    collected, events, events_source, git, is_instant, options, source_name,
};
pub use wake::Wakers;
