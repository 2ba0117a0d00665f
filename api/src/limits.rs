//! What one caller may take, so that none takes all.

use std::time::Duration;

/// Limits of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as sent.
    pub body_bytes: usize,
    /// Bytes of a body once expanded.
    pub expanded_bytes: usize,
    /// Bytes of a path with its query.
    pub url_bytes: usize,
    /// Connections at once; more wait in the kernel's queue.
    pub connections: usize,
    /// Questions answered at once.
    pub queries: usize,
    /// Bodies read and expanded at once.
    pub uploads: usize,
    /// How long a caller waits for its turn before it is told to come back.
    pub turn: Duration,
    /// How long a caller waits for the numbers to follow what it decided.
    pub visible: Duration,
    /// How long a question may take.
    pub query_timeout: Duration,
    /// How long the headers of a request may take.
    pub header_timeout: Duration,
    /// How long a body may take.
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_timeout: Duration,
    /// How long requests in flight may take to finish when the server stops.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 5 << 20,
            expanded_bytes: 20 << 20,
            url_bytes: 8 << 10,
            connections: 1024,
            queries: 16,
            uploads: 16,
            turn: Duration::from_secs(5),
            visible: Duration::from_secs(5),
            query_timeout: Duration::from_secs(30),
            header_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            shutdown: Duration::from_secs(20),
        }
    }
}
