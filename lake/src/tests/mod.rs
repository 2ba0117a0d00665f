//! Tests of the lake as its callers see it.
#![expect(clippy::unwrap_used, reason = "tests")]

mod collecting;
mod faults;
mod held;
mod keeping;
mod maintaining;
mod reading;
mod rows;
mod settling;
mod storing;

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;
use chrono::TimeZone;
use datafusion::prelude::{SessionConfig, SessionContext};

use crate::{Batch, Change, Delivery, Deployment, Fact, Instant, Lake, Settled, Snapshot, Status};

pub(crate) fn at(seconds: i64) -> Instant {
    chrono::Utc.timestamp_opt(1_760_000_000 + seconds, 0).unwrap()
}

pub(crate) fn delivery(n: i64) -> Delivery {
    Delivery {
        source: "events".to_owned(),
        connection: String::new(),
        id: format!("delivery-{n}"),
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: Bytes::from(format!("{{\"n\":{n}}}")),
        received_at: at(n),
    }
}

/// What the delivery of this number says: a change, and every third time a deployment in another month.
pub(crate) fn facts(n: i64) -> Vec<Fact> {
    let change = Change {
        source: "events".to_owned(),
        id: format!("{n:040x}"),
        repository: Some("shop/web".to_owned()),
        parents: Some(vec![format!("{:040x}", n - 1)]),
        authored_at: Some(at(n)),
        ..Change::default()
    };
    let deployment = Deployment {
        source: "events".to_owned(),
        id: format!("deployment-{n}"),
        environment: "production".to_owned(),
        status: Status::Success,
        started_at: Some(at(n + 40 * 86_400)),
        finished_at: Some(at(n + 40 * 86_400 + 60)),
        ..Deployment::default()
    };
    let mut facts = vec![Fact::Change(change)];
    if n % 3 == 0 {
        facts.push(Fact::Deployment(deployment));
    }
    facts
}

pub(crate) fn translated(waiting: Vec<(i64, Delivery)>) -> Batch {
    let number = |delivery: &Delivery| delivery.id.strip_prefix("delivery-").unwrap().parse().unwrap();
    let deliveries = waiting.into_iter().map(|(arrival, delivery)| {
        let outcome = Ok(facts(number(&delivery)));
        Settled { arrival, delivery, outcome, ignored: None }
    });
    Batch { deliveries: deliveries.collect() }
}

pub(crate) async fn keep_all(lake: &Lake, numbers: std::ops::Range<i64>) {
    let kept = numbers.map(|n| lake.keep(delivery(n)));
    futures::future::try_join_all(kept).await.unwrap();
}

pub(crate) async fn settle_all(lake: &Lake) {
    loop {
        let waiting = lake.waiting(1_000).await.unwrap();
        if waiting.is_empty() {
            return;
        }
        lake.settle(translated(waiting)).await.unwrap();
    }
}

/// A session over a snapshot, all tables registered.
pub(crate) fn session(lake: &Lake, snapshot: &Snapshot) -> SessionContext {
    let session = SessionContext::new_with_config(SessionConfig::new().with_target_partitions(2));
    lake.register(&session);
    for name in ["deliveries", "changes", "pull_requests", "deployments", "incidents", "overrides", "shipments"] {
        if let Some(table) = snapshot.table(name) {
            session.register_table(name, table).unwrap();
        }
    }
    session
}

pub(crate) async fn query(lake: &Lake, sql: &str) -> RecordBatch {
    let snapshot = lake.snapshot();
    collect(&session(lake, &snapshot), sql).await
}

pub(crate) async fn collect(session: &SessionContext, sql: &str) -> RecordBatch {
    let frame = session.sql(sql).await.unwrap();
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.unwrap();
    let schema = batches.first().map_or(schema, RecordBatch::schema);
    arrow::compute::concat_batches(&schema, &batches).unwrap()
}

pub(crate) async fn count(lake: &Lake, sql: &str) -> i64 {
    let batch = query(lake, sql).await;
    let counts = batch.column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
    counts.value(0)
}

pub(crate) fn path(directory: &tempfile::TempDir) -> String {
    directory.path().to_str().unwrap().to_owned()
}
