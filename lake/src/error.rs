//! What can go wrong with the lake, told so that a caller can act on it.

use std::path::PathBuf;

/// Why the lake could not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another process has the directory.
    #[error(
        "another dorado is using `{}`: stop that one, or give this one a directory of its own with `--data`",
        directory.display()
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// A newer Dorado wrote the table.
    #[error("table `{table}` has schema version {found}, this dorado knows {known}: use a newer dorado")]
    NewerSchema {
        /// The table.
        table: String,
        /// Version found.
        found: u32,
        /// Newest version that this program knows.
        known: u32,
    },
    /// A table's columns are not what they should be.
    #[error("table `{table}` cannot be used: {problem}")]
    Schema {
        /// The table.
        table: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The address cannot be understood.
    #[error("`{url}` is not a lake: expected a directory, `s3://bucket/prefix` or `memory://`")]
    Address {
        /// What was given.
        url: String,
    },
    /// A lake that is not a directory needs one for its inbox.
    #[error("`{url}` cannot keep deliveries: name a local directory for its inbox")]
    NoInbox {
        /// What was given.
        url: String,
    },
    /// The lake was opened for reading only.
    #[error("cannot write: this lake was opened for reading only")]
    ReadOnly,
    /// The inbox cannot be read or written. Nothing was acknowledged.
    #[error("cannot {action} in the inbox")]
    Inbox {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The register of tokens cannot be read or written.
    #[error("cannot {action} in the register")]
    Register {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: rusqlite::Error,
    },
    /// The system gives no random numbers.
    #[error("cannot make a key: the system gives no random numbers")]
    NoRandomness,
    /// The inbox's own thread has ended.
    #[error("the inbox is closed")]
    Closed,
    /// A batch does not begin with what has waited longest.
    #[error("cannot settle up to arrival {through}: earlier deliveries still wait")]
    OutOfOrder {
        /// Last arrival of the batch.
        through: i64,
    },
    /// No room is left on the device.
    #[error("cannot write to table `{table}`: no space left")]
    Full {
        /// The table, or `lake` for a file outside the tables.
        table: String,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// The store does not answer, or refuses.
    #[error("cannot {action} table `{table}`")]
    Unavailable {
        /// The table, or `lake` for a file outside the tables.
        table: String,
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: Cause,
    },
    /// Rows could not be turned into a file, or the log into a list of files.
    #[error("cannot commit to table `{table}`")]
    Commit {
        /// The table.
        table: String,
        /// The cause.
        #[source]
        source: Cause,
    },
}

/// Any cause below the lake.
pub type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Error {
    /// Whether trying again later may help: the API answers 503, and the committer waits.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Inbox { .. } | Self::Register { .. } | Self::Full { .. } | Self::Unavailable { .. } | Self::Closed
        )
    }
}

/// Whether an error of whoever reads the tables comes from their store: it does not answer, or refuses, and trying
/// again later may help.
pub fn is_of_store(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<object_store::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}
