//! The part of the inbox's file that collecting needs: runs, and what has been collected already.

use rusqlite::{Transaction, params};

use super::file::{File, insert};
use crate::{Collected, Error, Run};

pub(super) const SCHEMA: &str = "
create table if not exists runs (
    source text primary key,
    run text not null
) strict, without rowid;
create table if not exists collected (
    source text not null,
    digest blob not null,
    primary key (source, digest)
) strict, without rowid;
";

impl File {
    pub(super) fn runs(&self) -> Result<Vec<Run>, Error> {
        let read = || {
            let mut statement = self.connection().prepare_cached("select run from runs order by source")?;
            let runs = statement.query_map([], |row| row.get::<_, String>(0))?;
            runs.collect::<rusqlite::Result<Vec<_>>>()
        };
        let texts = read().map_err(|source| Error::Inbox { action: "read how collecting stands", source })?;
        // One that a newer version wrote is read as far as it is understood.
        Ok(texts.iter().filter_map(|text| serde_json::from_str(text).ok()).collect())
    }

    pub(super) fn keep_run(&mut self, run: &Run) -> Result<(), Error> {
        self.write("keep how collecting stands", |transaction| put(transaction, run))
    }

    /// Keeps a page and the run as it is after it. Gives the number of deliveries that were not collected before.
    pub(super) fn keep_page(&mut self, page: &[Collected], run: &Run) -> Result<u64, Error> {
        let kept = self.write("keep a page", |transaction| {
            let mut last: i64 = transaction.query_one("select last_arrival from counter", [], |row| row.get(0))?;
            let mut kept = Vec::new();
            for (delivery, digest) in page {
                let is_new = transaction
                    .prepare_cached("insert into collected values (?1, ?2) on conflict do nothing")?
                    .execute(params![run.source, digest])?;
                if is_new > 0 && !insert(transaction, delivery, &mut last)?.duplicate {
                    kept.push(delivery.source_name());
                }
            }
            transaction.execute("update counter set last_arrival = ?1", [last])?;
            put(transaction, run)?;
            Ok(kept)
        })?;
        let n_kept = kept.len() as u64;
        self.count_waiting(kept);
        Ok(n_kept)
    }
}

fn put(transaction: &Transaction<'_>, run: &Run) -> rusqlite::Result<()> {
    let text = serde_json::to_string(run).unwrap_or_default();
    transaction
        .prepare_cached("insert into runs values (?1, ?2) on conflict do update set run = excluded.run")?
        .execute(params![run.source, text])?;
    Ok(())
}
