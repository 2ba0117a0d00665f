//! Every single call to the store fails once, before or after it took effect; nothing is lost or doubled.

use std::fmt::{Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::AsArray;
use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::address::Place;
use crate::tests::reading::{gold, gold_schema};
use crate::tests::{at, keep_all, translated};
use crate::{Error, Lake, Options};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    /// The call has no effect.
    Before,
    /// The call takes effect, and its answer is lost.
    After,
}

/// A store that fails one call, or from one call on.
#[derive(Debug)]
struct Faulty {
    inner: Arc<dyn ObjectStore>,
    fault: Fault,
    calls_left: AtomicI64,
    n_failures: i64,
}

impl Faulty {
    /// Ends the faults; whether one was reached.
    fn disarm(&self) -> bool {
        self.calls_left.swap(i64::MAX, Ordering::SeqCst) < 0
    }

    fn fails(&self, fault: Fault) -> Result<()> {
        if fault != self.fault {
            return Ok(());
        }
        let left = self.calls_left.fetch_sub(1, Ordering::SeqCst);
        if left <= 0 && left > -self.n_failures {
            return Err(object_store::Error::Generic { store: "Faulty", source: "the test says so".into() });
        }
        Ok(())
    }
}

impl Display for Faulty {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Faulty")
    }
}

#[async_trait]
impl ObjectStore for Faulty {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.fails(Fault::Before)?;
        let put = self.inner.put_opts(location, payload, options).await?;
        self.fails(Fault::After)?;
        Ok(put)
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.fails(Fault::Before)?;
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.fails(Fault::Before)?;
        let got = self.inner.get_opts(location, options).await?;
        self.fails(Fault::After)?;
        Ok(got)
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.fails(Fault::Before) {
            Ok(()) => self.inner.delete_stream(locations),
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.fails(Fault::Before) {
            Ok(()) => self.inner.list(prefix),
            Err(error) => futures::stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.fails(Fault::Before)?;
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.fails(Fault::Before)?;
        self.inner.copy_opts(from, to, options).await
    }
}

/// Settles and publishes what waits.
async fn work(lake: &Lake) -> std::result::Result<(), Error> {
    loop {
        let waiting = lake.waiting(3).await?;
        if waiting.is_empty() {
            break;
        }
        lake.settle(translated(waiting)).await?;
    }
    let through = lake.silver_through();
    lake.publish(gold("2025-10", &[("a", through), ("b", 1)]), through).await
}

fn options() -> Options {
    Options { retention: chrono::Duration::zero(), checkpoint_every: 2, compact_from: 2, ..Options::default() }
}

async fn open(store: Arc<dyn ObjectStore>, inbox: &std::path::Path) -> std::result::Result<Lake, Error> {
    let lake = Lake::open_at(Place { store, directory: None, lock: None }, Some(inbox.to_owned()), options()).await?;
    lake.declare_gold("shipments", gold_schema()).await?;
    Ok(lake)
}

async fn check(lake: &Lake, message: &str) {
    assert_eq!(lake.n_waiting().await.unwrap(), 0, "{message}");
    let ids = |range: std::ops::Range<i64>| range.map(|n| format!("delivery-{n}")).collect::<Vec<_>>();
    assert_eq!(values(lake, "deliveries", "id").await, ids(0..6), "{message}");
    let changes: Vec<_> = (0..6).map(|n| format!("{n:040x}")).collect();
    assert_eq!(values(lake, "changes", "id").await, changes, "{message}");
    assert_eq!(values(lake, "deployments", "id").await, ["deployment-0", "deployment-3"], "{message}");
    assert_eq!(values(lake, "shipments", "service").await, ["a", "b"], "{message}");
}

/// A column of a table, sorted, straight from the files: a query would take most of this test's time.
async fn values(lake: &Lake, table: &str, column: &str) -> Vec<String> {
    let gold = lake.gold_tables();
    let table = lake.inner.facts.get(table).or(gold.get(table)).unwrap();
    let shown = lake.snapshot().version_of(&table.name);
    assert_eq!(shown, table.state().version, "the snapshot shows `{}` as it is", table.name);
    let mut values = Vec::new();
    for file in &table.state().files {
        let bytes = table.store.get(&Path::from(file.path.as_str())).await.unwrap().bytes().await.unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let texts = batch.column_by_name(column).unwrap().as_string::<i32>().clone();
            values.extend(texts.iter().map(|text| text.unwrap().to_owned()));
        }
    }
    values.sort();
    values
}

/// A store that fails from call `n` on, once it is armed by setting `calls_left`.
fn faulty(store: &Arc<dyn ObjectStore>, fault: Fault, n_failures: i64) -> Arc<Faulty> {
    let calls_left = AtomicI64::new(i64::MAX);
    Arc::new(Faulty { inner: Arc::clone(store), fault, calls_left, n_failures })
}

/// Settles and publishes with the fault at call `n`. Whether the fault was reached.
async fn settle_with_fault(fault: Fault, n: i64, n_failures: i64) -> bool {
    let message = format!("after a fault {fault:?} call {n} of {n_failures}");
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let faulty = faulty(&store, fault, n_failures);
    let lake = open(Arc::clone(&faulty) as _, directory.path()).await.unwrap();
    keep_all(&lake, 0..6).await;
    faulty.calls_left.store(n, Ordering::SeqCst);
    let mut worked = work(&lake).await;
    let reached;
    if n_failures < i64::MAX {
        // A fault that passes: the same process tries again.
        for _ in 0..n_failures {
            if worked.is_err() {
                worked = work(&lake).await;
            }
        }
        worked.unwrap();
        reached = faulty.disarm();
        check(&lake, &message).await;
    } else {
        // The process ended there.
        reached = faulty.disarm();
        lake.close();
        let lake = open(Arc::clone(&store), directory.path()).await.unwrap();
        work(&lake).await.unwrap();
        check(&lake, &message).await;
    }
    reached
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_whichever_call_fails() {
    for fault in [Fault::Before, Fault::After] {
        // Once; twice, so that the second try of a commit fails too; and for good, as when the process ends.
        for n_failures in [1, 2, i64::MAX] {
            let mut n = 0;
            while settle_with_fault(fault, n, n_failures).await {
                n += 1;
            }
            assert!(n > 20, "only {n} calls were tried");
        }
    }
}

/// Maintains with the fault at call `n`. Whether the fault was reached.
async fn maintain_with_fault(fault: Fault, n: i64) -> bool {
    let message = format!("after a fault {fault:?} call {n} of maintenance");
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let faulty = faulty(&store, fault, 1);
    let lake = open(Arc::clone(&faulty) as _, directory.path()).await.unwrap();
    keep_all(&lake, 0..6).await;
    work(&lake).await.unwrap();
    faulty.calls_left.store(n, Ordering::SeqCst);
    let _ = lake.maintain(at(0)).await;
    let reached = faulty.disarm();
    check(&lake, &message).await;
    lake.maintain(at(1)).await.unwrap();
    check(&lake, &message).await;
    lake.close();
    let lake = open(store, directory.path()).await.unwrap();
    check(&lake, &message).await;
    reached
}

#[tokio::test]
async fn maintenance_that_fails_anywhere_changes_nothing() {
    for fault in [Fault::Before, Fault::After] {
        let mut n = 0;
        while maintain_with_fault(fault, n).await {
            n += 1;
        }
        assert!(n > 20, "only {n} calls were tried");
    }
}

#[tokio::test]
async fn an_opening_that_fails_anywhere_can_be_repeated() {
    for fault in [Fault::Before, Fault::After] {
        let mut n = 0;
        loop {
            let directory = tempfile::tempdir().unwrap();
            let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
            let faulty = faulty(&store, fault, i64::MAX);
            faulty.calls_left.store(n, Ordering::SeqCst);
            if open(Arc::clone(&faulty) as _, directory.path()).await.is_ok() {
                break;
            }
            let lake = open(Arc::clone(&store), directory.path()).await.unwrap();
            keep_all(&lake, 0..6).await;
            work(&lake).await.unwrap();
            check(&lake, &format!("after a fault {fault:?} call {n} of the opening")).await;
            n += 1;
        }
        assert!(n > 5, "only {n} calls were tried");
    }
}
