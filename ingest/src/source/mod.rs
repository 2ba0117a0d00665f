//! The one seam: a [`Source`] turns what a tool sends into facts. One file (or folder) a source, and one
//! line in [`all`].

pub mod events;
pub mod git;
mod github;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact, Instant};
use futures::stream::BoxStream;

pub use github::{DeploymentKind, Github, GithubBackfill, GithubOptions};

/// What the sources need to know, one field each; a source without options of its own is always there.
#[derive(Debug, Clone, Default)]
pub struct SourceOptions {
    /// GitHub, where it is connected.
    pub github: Option<GithubOptions>,
}

/// All sources that are connected.
pub fn all(options: SourceOptions) -> Vec<Arc<dyn Source>> {
    let mut sources: Vec<Arc<dyn Source>> = vec![Arc::new(events::Events)];
    if let Some(github) = options.github {
        sources.push(Arc::new(Github::new(github)));
    }
    sources
}

/// A tool that deliveries come from.
pub trait Source: Send + Sync {
    /// Its name, as in `/webhooks/{name}` and in every fact's `source`.
    fn name(&self) -> &'static str;

    /// The header, in lower case, in which the tool names a delivery, so that a redelivery can be told.
    fn id_header(&self) -> Option<&'static str> {
        None
    }

    /// Checks on the raw bytes that the tool sent this. Fails closed.
    ///
    /// # Errors
    /// [`Error::Forged`] where the signature is missing or wrong, [`Error::Unreadable`] where a
    /// secret cannot be read.
    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error>;

    /// Bytes to facts. Pure: no clock, no network, no lake.
    ///
    /// # Errors
    /// [`Error::Malformed`] with the place and what would have been right.
    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error>;

    /// Why a delivery that is right gives no facts; `None` where it gives some, or is wrong.
    fn ignored_reason(&self, _delivery: &Delivery) -> Option<String> {
        None
    }

    /// What the tool still knows from before it was connected, as the deliveries that it would have sent.
    fn backfill(&self, _since: Instant) -> BoxStream<'_, Result<Delivery, Error>> {
        Box::pin(futures::stream::empty())
    }
}

/// Why a delivery was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Missing or wrong signature.
    #[error("delivery to `{source_name}` is not signed by it")]
    Forged {
        /// The source.
        source_name: String,
    },
    /// The secret cannot be read; the sender must try again.
    #[error("cannot read the secret of `{source_name}`")]
    Unreadable {
        /// The source.
        source_name: String,
    },
    /// The body does not say what it should.
    #[error("{place}: {problem}")]
    Malformed {
        /// Where in the body, as a JSON path or `line 3`.
        place: String,
        /// What was wrong and what would have been right.
        problem: String,
    },
    /// The tool did not answer as it should when it was asked for what happened before.
    #[error("cannot read from `{source_name}`")]
    Unreachable {
        /// The source.
        source_name: String,
        /// Why.
        #[source]
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}
