//! The audit log: who did what, when. Only added to, which the file itself sees to.

use rusqlite::{Connection, Row, params};
use serde_json::Value;

use super::{Register, instant};
use crate::{Error, Instant};

/// What somebody did.
#[derive(Debug, Clone)]
pub struct Deed<'a> {
    /// Id of a token, `cli`, `loopback` or `server`.
    pub actor: &'a str,
    /// What was done, as `token.revoked`.
    pub action: &'a str,
    /// To what.
    pub subject: &'a str,
    /// More about it; never a secret.
    pub detail: Option<Value>,
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number; they only grow.
    pub id: i64,
    /// When it was done.
    pub at: Instant,
    /// Who did it.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub subject: String,
    /// More about it, as JSON.
    pub detail: Option<String>,
}

impl Register {
    /// Adds a line.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn note(&self, deed: &Deed<'_>, now: Instant) -> Result<(), Error> {
        self.write("add to the audit log", |transaction| note(transaction, deed, now))
    }

    /// The latest lines, newest first; only those before a line where one is named.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn entries(&self, limit: usize, before: Option<i64>) -> Result<Vec<Entry>, Error> {
        self.read("read the audit log", |connection| {
            let mut statement = connection.prepare_cached(
                "select id, at, actor, action, subject, detail from audit where id < ?1 order by id desc limit ?2",
            )?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let entries = statement.query_map([before.unwrap_or(i64::MAX), limit], entry)?;
            entries.collect()
        })
    }
}

pub(super) fn note(connection: &Connection, deed: &Deed<'_>, now: Instant) -> rusqlite::Result<()> {
    let Deed { actor, action, subject, detail } = deed;
    let detail = detail.as_ref().map(ToString::to_string);
    connection
        .prepare_cached("insert into audit (at, actor, action, subject, detail) values (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![now.timestamp_micros(), actor, action, subject, detail])
        .map(drop)
}

fn entry(row: &Row<'_>) -> rusqlite::Result<Entry> {
    Ok(Entry {
        id: row.get(0)?,
        at: instant(row.get(1)?),
        actor: row.get(2)?,
        action: row.get(3)?,
        subject: row.get(4)?,
        detail: row.get(5)?,
    })
}
