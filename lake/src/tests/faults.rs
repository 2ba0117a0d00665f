//! Every single call to the store fails once, before or after it took effect; nothing is lost or doubled.

use std::fmt::{Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};

use crate::address::Place;
use crate::tests::reading::{gold, gold_schema};
use crate::tests::{at, count, keep_all, translated};
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

/// What a run does; every step may fail and is tried again from the start by the caller.
async fn work(lake: &Lake) -> std::result::Result<(), Error> {
    lake.declare_gold("shipments", gold_schema()).await?;
    loop {
        let waiting = lake.waiting(4).await?;
        if waiting.is_empty() {
            break;
        }
        lake.settle(translated(waiting)).await?;
    }
    let through = lake.silver_through();
    lake.publish(gold("2025-10", &[("a", through), ("b", 1)]), through).await?;
    lake.maintain(at(0)).await?;
    Ok(())
}

fn options() -> Options {
    Options { retention: chrono::Duration::zero(), checkpoint_every: 2, compact_from: 2, ..Options::default() }
}

async fn open(
    store: &Arc<dyn ObjectStore>,
    inbox: &std::path::Path,
    fault: Fault,
    calls_left: i64,
    n_failures: i64,
) -> (std::result::Result<Lake, Error>, Arc<Faulty>) {
    let inner = Arc::clone(store);
    let faulty = Arc::new(Faulty { inner, fault, calls_left: AtomicI64::new(calls_left), n_failures });
    let store = Arc::clone(&faulty) as Arc<dyn ObjectStore>;
    let place = Place { store, directory: None, lock: None };
    (Lake::open_at(place, Some(inbox.to_owned()), options()).await, faulty)
}

async fn check(lake: &Lake, message: &str) {
    assert_eq!(lake.n_waiting().await.unwrap(), 0, "{message}");
    let claims = [
        ("select count(*) from deliveries", 12),
        ("select count(distinct id) from deliveries", 12),
        ("select count(*) from changes", 12),
        ("select count(distinct id) from changes", 12),
        ("select count(*) from deployments", 4),
        ("select sum(seconds) from shipments", 13),
    ];
    for (sql, expected) in claims {
        assert_eq!(count(lake, sql).await, expected, "{sql} {message}");
    }
}

/// One run with the fault at call `n`. Whether the fault was reached.
async fn run(fault: Fault, n: i64, n_failures: i64) -> bool {
    let message = format!("after a fault {fault:?} call {n} of {n_failures}");
    let directory = tempfile::tempdir().unwrap();
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let (lake, _) = open(&store, directory.path(), fault, i64::MAX, 0).await;
    keep_all(lake.as_ref().unwrap(), 0..12).await;
    lake.unwrap().close();

    let (lake, faulty) = open(&store, directory.path(), fault, n, n_failures).await;
    if let Ok(lake) = lake {
        // A fault that passes: the same process tries again.
        if work(&lake).await.is_err() && n_failures == 1 {
            work(&lake).await.unwrap();
            check(&lake, &message).await;
        }
        lake.close();
    }
    let reached = faulty.calls_left.load(Ordering::SeqCst) < 0;
    // The process ended there, or in any case does now.
    let (lake, _) = open(&store, directory.path(), fault, i64::MAX, 0).await;
    let lake = lake.unwrap();
    work(&lake).await.unwrap();
    check(&lake, &message).await;
    reached
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_whichever_call_fails() {
    for fault in [Fault::Before, Fault::After] {
        // Once; twice, so that the second try of a commit fails too; and for good, as when the process ends.
        for n_failures in [1, 2, i64::MAX] {
            let mut n = 0;
            while run(fault, n, n_failures).await {
                n += 1;
            }
            assert!(n > 50, "only {n} calls were tried");
        }
    }
}
