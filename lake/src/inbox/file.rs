//! The inbox's SQLite file: one connection, used by the inbox's thread only.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags, Row, Transaction, TransactionBehavior, params};

use super::{Leaving, Outcome, runs};
use crate::{Delivery, Error, Instant, Kept, Reason, SourceStatus};

const SCHEMA: &str = "
create table if not exists waiting (
    arrival integer primary key,
    source text not null,
    connection text not null,
    id text not null,
    headers text not null,
    body blob not null,
    received_at integer not null,
    unique (source, connection, id)
) strict;
create table if not exists counter (last_arrival integer not null) strict;
insert into counter select 0 where not exists (select * from counter);
create table if not exists sources (
    source text primary key,
    last_delivery_at integer,
    n_kept integer not null default 0,
    n_ignored integer not null default 0,
    n_rejected integer not null default 0
) strict, without rowid;
create table if not exists reasons (
    source text not null,
    outcome text not null,
    reason text not null,
    n integer not null default 0,
    primary key (source, outcome, reason)
) strict, without rowid;
";

/// Reasons counted of a source; what more there are go together.
const REASONS: i64 = 50;
const OTHER_REASON: &str = "another reason";

/// Bodies read at once by [`File::waiting`]: a batch stays small however large each may be.
const BYTES_AT_ONCE: usize = 64 << 20;

/// How long is waited for another process that has the file.
const BUSY: Duration = Duration::from_secs(5);

/// The file.
pub(super) struct File {
    path: Option<PathBuf>,
    connection: Connection,
    /// How many wait, by source: counted once, because counting is slow where many do.
    n_waiting: BTreeMap<String, u64>,
}

impl File {
    /// Opens or makes it. No arrival number up to `used` is given again, also where the file is new.
    pub(super) fn open(path: Option<&Path>, used: i64) -> Result<Self, Error> {
        let connection = connect(path).map_err(|source| Error::Inbox { action: "open the file", source })?;
        let n_waiting = count(&connection).map_err(|source| Error::Inbox { action: "open the file", source })?;
        connection
            .execute("update counter set last_arrival = max(last_arrival, ?1)", [used])
            .map_err(|source| Error::Inbox { action: "open the file", source })?;
        Ok(Self { path: path.map(Path::to_owned), connection, n_waiting })
    }

    /// Opens one that is there, for reading only. Another process may have it open.
    pub(super) fn look(path: &Path) -> Result<Self, Error> {
        let opened = || {
            let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            connection.busy_timeout(BUSY)?;
            let n_waiting = count(&connection)?;
            Ok(Self { path: None, connection, n_waiting })
        };
        opened().map_err(|source| Error::Inbox { action: "open the file", source })
    }

    /// Keeps them in one transaction. When this returns they are on stable storage.
    pub(super) fn keep(&mut self, deliveries: &[Delivery]) -> Result<Vec<Kept>, Error> {
        let kept = self.write("keep a delivery", |transaction| {
            let last: i64 = transaction.query_one("select last_arrival from counter", [], |row| row.get(0))?;
            let mut next = last;
            let kept = deliveries.iter().map(|delivery| insert(transaction, delivery, &mut next));
            let kept = kept.collect::<Result<Vec<_>, _>>()?;
            transaction.execute("update counter set last_arrival = ?1", [next])?;
            Ok(kept)
        })?;
        let new = deliveries.iter().zip(&kept).filter(|(_, kept)| !kept.duplicate);
        self.count_waiting(new.map(|(delivery, _)| delivery.source_name()));
        Ok(kept)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn count_waiting(&mut self, sources: impl IntoIterator<Item = String>) {
        for source in sources {
            *self.n_waiting.entry(source).or_default() += 1;
        }
    }

    pub(super) fn waiting(&self, limit: usize) -> Result<Vec<(i64, Delivery)>, Error> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "select arrival, source, connection, id, headers, body, received_at from waiting
                 order by arrival limit ?1",
            )?;
            let mut rows = statement.query([i64::try_from(limit).unwrap_or(i64::MAX)])?;
            let (mut waiting, mut n_bytes) = (Vec::new(), 0);
            while let Some(row) = rows.next()? {
                let (arrival, delivery) = read_delivery(row)?;
                n_bytes += delivery.body.len();
                waiting.push((arrival, delivery));
                if n_bytes >= BYTES_AT_ONCE {
                    break;
                }
            }
            Ok(waiting)
        };
        read().map_err(|source| Error::Inbox { action: "read what waits", source })
    }

    pub(super) fn arrivals(&self, through: i64) -> Result<Vec<i64>, Error> {
        let read = || {
            let mut statement =
                self.connection.prepare_cached("select arrival from waiting where arrival <= ?1 order by arrival")?;
            let arrivals = statement.query_map([through], |row| row.get(0))?;
            arrivals.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| Error::Inbox { action: "read what waits", source })
    }

    /// Takes them out and counts them for their sources, once each.
    pub(super) fn leave(&mut self, leaving: &[Leaving]) -> Result<(), Error> {
        let left = self.write("take out a settled batch", |transaction| {
            let mut left = BTreeMap::<(&str, Outcome), u64>::new();
            let mut delete = transaction.prepare_cached("delete from waiting where arrival = ?1")?;
            let mut reasons = BTreeMap::<(&str, Outcome, &str), u64>::new();
            for Leaving { arrival, source, outcome, reason } in leaving {
                if delete.execute([arrival])? > 0 {
                    *left.entry((source, *outcome)).or_default() += 1;
                    if let Some(reason) = reason {
                        *reasons.entry((source, *outcome, reason)).or_default() += 1;
                    }
                }
            }
            for ((source, outcome, reason), n) in reasons {
                count_reason(transaction, source, outcome, reason, n)?;
            }
            for ((source, outcome), n) in &left {
                transaction.prepare_cached(counting(*outcome))?.execute(params![source, n.cast_signed()])?;
            }
            Ok(left)
        })?;
        for ((source, _), n) in left {
            if let Some(n_waiting) = self.n_waiting.get_mut(source) {
                *n_waiting = n_waiting.saturating_sub(n);
            }
        }
        Ok(())
    }

    pub(super) fn reserve(&mut self) -> Result<i64, Error> {
        self.write("take an arrival number", |transaction| {
            transaction.query_one(
                "update counter set last_arrival = last_arrival + 1 returning last_arrival",
                [],
                |row| row.get(0),
            )
        })
    }

    pub(super) fn through(&self) -> Result<i64, Error> {
        let sql = "select coalesce((select min(arrival) - 1 from waiting), (select last_arrival from counter))";
        let read = self.connection.query_one(sql, [], |row| row.get(0));
        read.map_err(|source| Error::Inbox { action: "read what waits", source })
    }

    pub(super) fn n_waiting(&self) -> u64 {
        self.n_waiting.values().sum()
    }

    pub(super) fn status(&self) -> Result<Vec<SourceStatus>, Error> {
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "select source, last_delivery_at, n_kept, n_ignored, n_rejected from sources order by source",
            )?;
            let statuses = statement.query_map([], |row| {
                let source: String = row.get(0)?;
                Ok(SourceStatus {
                    n_waiting: self.n_waiting.get(&source).copied().unwrap_or(0),
                    source,
                    last_delivery_at: row.get::<_, Option<i64>>(1)?.and_then(Instant::from_timestamp_micros),
                    n_kept: row.get::<_, i64>(2)?.cast_unsigned(),
                    n_ignored: row.get::<_, i64>(3)?.cast_unsigned(),
                    n_rejected: row.get::<_, i64>(4)?.cast_unsigned(),
                    reasons: Vec::new(),
                })
            })?;
            let mut statuses = statuses.collect::<rusqlite::Result<Vec<SourceStatus>>>()?;
            let mut reasons = self
                .connection
                .prepare_cached("select outcome, reason, n from reasons where source = ?1 order by n desc, reason")?;
            for status in &mut statuses {
                let counted = reasons.query_map([&status.source], |row| {
                    Ok(Reason { outcome: row.get(0)?, reason: row.get(1)?, n: row.get::<_, i64>(2)?.cast_unsigned() })
                })?;
                status.reasons = counted.collect::<rusqlite::Result<_>>()?;
            }
            Ok(statuses)
        };
        read().map_err(|source| Error::Inbox { action: "read the sources' counts", source })
    }

    /// One transaction. Where it fails the file is opened anew: after an error of the disk SQLite's view of
    /// it is not to be trusted.
    pub(super) fn write<T>(
        &mut self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Error> {
        let written =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            });
        if written.is_err()
            && self.path.is_some()
            && let Ok(connection) = connect(self.path.as_deref())
            && let Ok(n_waiting) = count(&connection)
        {
            (self.connection, self.n_waiting) = (connection, n_waiting);
        }
        written.map_err(|source| Error::Inbox { action, source })
    }
}

fn connect(path: Option<&Path>) -> rusqlite::Result<Connection> {
    let connection = match path {
        Some(path) => Connection::open(path)?,
        None => Connection::open_in_memory()?,
    };
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(SCHEMA)?;
    connection.execute_batch(runs::SCHEMA)?;
    Ok(connection)
}

fn count(connection: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut statement =
        connection.prepare("select source, connection, count(*) from waiting group by source, connection")?;
    let counted = statement.query_map([], |row| {
        let (source, connection): (String, String) = (row.get(0)?, row.get(1)?);
        let name = if connection.is_empty() { source } else { format!("{source}/{connection}") };
        Ok((name, row.get::<_, i64>(2)?.cast_unsigned()))
    })?;
    counted.collect()
}

pub(super) fn insert(transaction: &Transaction<'_>, delivery: &Delivery, last: &mut i64) -> rusqlite::Result<Kept> {
    let Delivery { source, connection, id, headers, body, received_at } = delivery;
    let headers = serde_json::to_string(headers).unwrap_or_else(|_| "[]".to_owned());
    let received_at = received_at.timestamp_micros();
    transaction
        .prepare_cached(
            "insert into sources (source, last_delivery_at) values (?1, ?2)
             on conflict do update set last_delivery_at = max(excluded.last_delivery_at, last_delivery_at)",
        )?
        .execute(params![delivery.source_name(), received_at])?;
    let n = transaction
        .prepare_cached("insert into waiting values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict do nothing")?
        .execute(params![*last + 1, source, connection, id, headers, body.as_ref(), received_at])?;
    if n > 0 {
        *last += 1;
        return Ok(Kept { arrival: *last, duplicate: false });
    }
    let arrival = transaction
        .prepare_cached("select arrival from waiting where source = ?1 and connection = ?2 and id = ?3")?
        .query_one(params![source, connection, id], |row| row.get(0))?;
    Ok(Kept { arrival, duplicate: true })
}

fn read_delivery(row: &Row<'_>) -> rusqlite::Result<(i64, Delivery)> {
    let delivery = Delivery {
        source: row.get(1)?,
        connection: row.get(2)?,
        id: row.get(3)?,
        headers: serde_json::from_str(row.get_ref(4)?.as_str()?).unwrap_or_default(),
        body: Bytes::from(row.get::<_, Vec<u8>>(5)?),
        received_at: Instant::from_timestamp_micros(row.get(6)?).unwrap_or_default(),
    };
    Ok((row.get(0)?, delivery))
}

fn counting(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "update sources set n_kept = n_kept + ?2 where source = ?1",
        Outcome::Ignored => "update sources set n_ignored = n_ignored + ?2 where source = ?1",
        Outcome::Rejected => "update sources set n_rejected = n_rejected + ?2 where source = ?1",
    }
}

/// A source with endless reasons does not make the file endless.
fn count_reason(
    transaction: &Transaction<'_>,
    source: &str,
    outcome: Outcome,
    reason: &str,
    n: u64,
) -> rusqlite::Result<()> {
    let add = "update reasons set n = n + ?4 where source = ?1 and outcome = ?2 and reason = ?3";
    if transaction.prepare_cached(add)?.execute(params![source, outcome.as_str(), reason, n.cast_signed()])? > 0 {
        return Ok(());
    }
    let known: i64 = transaction
        .prepare_cached("select count(*) from reasons where source = ?1")?
        .query_one([source], |row| row.get(0))?;
    let reason = if known < REASONS { reason } else { OTHER_REASON };
    transaction
        .prepare_cached("insert into reasons values (?1, ?2, ?3, ?4) on conflict do update set n = n + excluded.n")?
        .execute(params![source, outcome.as_str(), reason, n.cast_signed()])?;
    Ok(())
}
