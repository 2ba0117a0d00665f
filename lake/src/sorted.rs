//! Facts sorted by the table and month that they go into.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;

use crate::month::Month;
use crate::{Change, Deployment, Fact, Incident, Override, PullRequest, Row, Stamp, Stamped};

/// Rows of one table by month.
pub(crate) type Months<T> = BTreeMap<Month, Vec<Stamped<T>>>;

/// Facts on their way into the silver tables.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) changes: Months<Change>,
    pub(crate) pull_requests: Months<PullRequest>,
    pub(crate) deployments: Months<Deployment>,
    pub(crate) incidents: Months<Incident>,
    pub(crate) overrides: Months<Override>,
}

impl Sorted {
    /// Puts a fact where it belongs.
    pub(crate) fn push(&mut self, fact: Fact, arrival: i64) {
        let stamp = Stamp { clock: fact.clock(), arrival };
        match fact {
            Fact::Change(fact) => put(&mut self.changes, fact, stamp),
            Fact::PullRequest(fact) => put(&mut self.pull_requests, fact, stamp),
            Fact::Deployment(fact) => put(&mut self.deployments, fact, stamp),
            Fact::Incident(fact) => put(&mut self.incidents, fact, stamp),
            Fact::Override(fact) => put(&mut self.overrides, fact, stamp),
        }
    }

    /// The rows as batches, by table.
    pub(crate) fn into_batches(self) -> BTreeMap<&'static str, BTreeMap<Month, RecordBatch>> {
        let tables = [
            batches(self.changes),
            batches(self.pull_requests),
            batches(self.deployments),
            batches(self.incidents),
            batches(self.overrides),
        ];
        tables.into_iter().filter(|(_, months)| !months.is_empty()).collect()
    }
}

fn put<T: Row>(months: &mut Months<T>, fact: T, stamp: Stamp) {
    let month = Month::of(fact.began().unwrap_or(stamp.clock));
    months.entry(month).or_default().push(Stamped { fact, stamp });
}

fn batches<T: Row>(months: Months<T>) -> (&'static str, BTreeMap<Month, RecordBatch>) {
    (T::TABLE, months.into_iter().map(|(month, rows)| (month, T::to_batch(&rows))).collect())
}
