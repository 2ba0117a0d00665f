//! How facts arrive: sources, signature checking, translation. Nothing here touches a table or a metric.

pub mod import;
mod json;
pub mod organisation;
mod signature;
mod source;

pub use json::MAX_JSON_DEPTH;
pub use signature::{Secret, sign_hmac_sha256};
pub use source::{
    DeploymentKind, Error, Github, GithubBackfill, GithubOptions, Source, SourceOptions, all, events, git,
};
