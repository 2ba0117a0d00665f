//! A delivery: what a tool sent, byte for byte, before anybody has read it.

use bytes::Bytes;

use crate::Instant;

/// One raw delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Source that it was sent to, as `events`.
    pub source: String,
    /// Connection, where the address names one; else empty.
    pub connection: String,
    /// The sender's id for it, else one made from the body's digest: a redelivery has the same id.
    pub id: String,
    /// Headers that the source needs to read the body, names in lower case. Never credentials.
    pub headers: Vec<(String, String)>,
    /// The body as sent, after content decoding.
    pub body: Bytes,
    /// When it arrived.
    pub received_at: Instant,
}

impl Delivery {
    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Source and connection as facts name them: `events`, or `events/main`.
    pub fn source_name(&self) -> String {
        if self.connection.is_empty() { self.source.clone() } else { format!("{}/{}", self.source, self.connection) }
    }
}
