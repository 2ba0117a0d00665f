//! A compaction that takes its time keeps nobody waiting: not the committer, not readers.

use std::fmt::{Display, Formatter};
use std::sync::Arc;

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result,
};
use tokio::sync::Semaphore;

use crate::address::Place;
use crate::tests::{at, count, facts, keep_all, settle_all};
use crate::{Lake, Options};

/// A store that gives whole files of data only where it is let: compaction reads them whole, queries by ranges.
#[derive(Debug)]
struct Held {
    inner: InMemory,
    asked: Semaphore,
    let_go: Semaphore,
}

impl Display for Held {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "Held")
    }
}

#[async_trait]
impl ObjectStore for Held {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.inner.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let is_whole = options.range.is_none() && !options.head;
        if is_whole && location.filename().is_some_and(|name| name.starts_with("part-")) {
            self.asked.add_permits(1);
            self.let_go.acquire().await.unwrap().forget();
        }
        self.inner.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(locations)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settling_and_reading_go_on_while_a_compaction_runs() {
    let held = Arc::new(Held { inner: InMemory::new(), asked: Semaphore::new(0), let_go: Semaphore::new(0) });
    let store: Arc<dyn ObjectStore> = Arc::clone(&held) as _;
    let options = Options { compact_from: 4, ..Options::default() };
    let lake = Lake::open_at(Place { store, directory: None, lock: None }, None, options).await.unwrap();
    for n in 0..4 {
        lake.import(facts(1_000 + n)).await.unwrap();
    }
    let maintained = tokio::spawn({
        let lake = lake.clone();
        async move { lake.maintain(at(0)).await }
    });
    // It is in the middle of reading what it merges.
    held.asked.acquire().await.unwrap().forget();
    for n in 0..10 {
        keep_all(&lake, n * 3..n * 3 + 3).await;
        settle_all(&lake).await;
        assert_eq!(count(&lake, "select count(distinct id) from changes").await, 4 + 3 * (n + 1));
    }
    assert!(!maintained.is_finished());
    held.let_go.add_permits(1_000);
    let maintained = maintained.await.unwrap().unwrap();
    assert!(maintained.n_compacted >= 4, "{maintained:?}");
    assert_eq!(count(&lake, "select count(*) from changes").await, 34);
    assert_eq!(count(&lake, "select count(distinct id) from changes").await, 34);
}
