//! The one seam: a [`Source`] turns what a tool sends into facts. One file (or folder) a tool, and one line in
//! [`KINDS`].

mod alertmanager;
mod ansible;
mod argocd;
mod body;
mod cdevents;
#[cfg(test)]
mod checks;
mod connection;
mod datadog;
mod devlake;
pub mod events;
#[cfg(test)]
mod fixtures;
pub mod git;
mod github;
mod gitlab;
mod image;
mod jenkins;
mod kubernetes;
mod octopus;
mod page;
mod pagerduty;
mod reading;
mod rule;
mod terraform;
mod time;
mod told;

use std::borrow::Cow;
use std::sync::Arc;

use dorado_lake::{Delivery, Fact, Instant};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use percent_encoding::percent_decode_str;

use crate::http::{self, Http, Outgoing};

pub use connection::{BadOption, Connection, options};
pub use page::{Cursor, Page};
pub use reading::is_instant;
pub(crate) use terraform::RunLog;

/// The tools that can be connected, by name.
pub const KINDS: &[Kind] = &[
    alertmanager::KIND,
    ansible::KIND,
    argocd::KIND,
    cdevents::KIND,
    datadog::KIND,
    devlake::KIND,
    github::KIND,
    gitlab::KIND,
    jenkins::KIND,
    kubernetes::KIND,
    octopus::KIND,
    pagerduty::KIND,
    terraform::KIND,
];

/// The header in which a delivery says to which address of its tool's own API it was posted, where that tells what it
/// is: the last segments, as `deployment`.
pub const POSTED_TO: &str = "x-dorado-posted-to";

/// What that header says.
fn posted_to(delivery: &Delivery) -> Option<Cow<'_, str>> {
    Some(percent_decode_str(delivery.header(POSTED_TO)?).decode_utf8_lossy())
}

/// A tool that can be connected, any number of times.
#[derive(Debug, Clone, Copy)]
pub struct Kind {
    /// Its name, as in `source = "…"`, in `/webhooks/{name}` and in every fact's `source`.
    pub name: &'static str,
    /// Its name as people write it.
    pub title: &'static str,
    /// Whether a delivery that names no source is this tool's, by its headers; their names are in lower case.
    pub recognises: fn(&[(String, String)]) -> bool,
    /// Connects it; where an option is wrong, says which.
    pub connect: fn(Connection) -> Result<Arc<dyn Source>, BadOption>,
    /// Its own options, beside those that every connection has.
    pub options: fn() -> schemars::Schema,
}

impl Kind {
    /// The kind of this name.
    pub fn of(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }
}

/// The source that is always there: neutral events.
pub fn events_source() -> Arc<dyn Source> {
    Arc::new(events::Events)
}

/// One connection of a tool that deliveries come from.
pub trait Source: Send + Sync {
    /// Its kind's name.
    fn name(&self) -> &'static str;

    /// The connection's name; empty where it has none.
    #[expect(clippy::unnecessary_literal_bound, reason = "others have a name")]
    fn connection(&self) -> &str {
        ""
    }

    /// The tool's own id for a delivery, from its headers or body, so that a redelivery can be told; `None` where
    /// the body itself must do.
    fn delivery_id(&self, _delivery: &Delivery) -> Option<String> {
        None
    }

    /// Headers that [`Source::translate`] reads besides `content-type` and those that begin with `x-`, in lower
    /// case. Never what lets somebody in: it would be kept.
    fn kept_headers(&self) -> &'static [&'static str] {
        &[]
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

    /// How the tool is asked; `None` where this connection only takes what it sends.
    fn outgoing(&self) -> Option<Outgoing> {
        None
    }

    /// Reads what the tool knows, from where the last run ended: deliveries as the tool would have sent them, or
    /// documents that [`Source::translate`] reads too. A page's cursor is kept after its deliveries are, so that
    /// a run that ends anywhere is taken up after its last whole page. What watches never ends.
    fn collect<'a>(&'a self, _http: &'a Http, _from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
        Box::pin(futures::stream::empty())
    }

    /// Whether [`Source::collect`] watches, and so never ends.
    fn watches(&self) -> bool {
        false
    }

    /// Whether this delivery says only that there is something to collect, now.
    fn asks_to_collect(&self, _delivery: &Delivery) -> bool {
        false
    }

    /// Makes one call and says in words what it found, as who it is signed in; an error where that does not do.
    fn test<'a>(&'a self, _http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
        Box::pin(std::future::ready(Ok("nothing is asked of it: it sends what happens".to_owned())))
    }
}

/// Source and connection as facts name them: `events`, or `events/main`.
pub fn source_name(source: &dyn Source) -> String {
    match source.connection() {
        "" => source.name().to_owned(),
        connection => format!("{}/{connection}", source.name()),
    }
}

/// A source that is named and that nobody connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no connection is called `{name}`; there are {}", known.join(", "))]
pub struct NotConnected {
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: Vec<String>,
}

/// Checks that a source is connected: a tool, as `events`, or one connection of it, as `events/main`.
///
/// # Errors
/// It is not.
pub fn check_connected(sources: &[Arc<dyn Source>], name: &str) -> Result<(), NotConnected> {
    let is_it = |source: &Arc<dyn Source>| source.name() == name || source_name(source.as_ref()) == name;
    if sources.iter().any(is_it) {
        return Ok(());
    }
    let known = sources.iter().map(|source| source_name(source.as_ref())).collect();
    Err(NotConnected { name: name.to_owned(), known })
}

/// A delivery of a source, as its translator and the inbox know it.
pub fn collected(
    source: &dyn Source,
    id: String,
    headers: Vec<(String, String)>,
    body: impl Into<bytes::Bytes>,
    received_at: Instant,
) -> Delivery {
    Delivery {
        source: source.name().to_owned(),
        connection: source.connection().to_owned(),
        id,
        headers,
        body: body.into(),
        received_at,
    }
}

/// Why a delivery was not taken, or a page not read.
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
    /// The tool did not answer as it should when it was asked.
    #[error(transparent)]
    Http(#[from] http::Error),
}
