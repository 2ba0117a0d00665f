//! What reads cost others: a compaction that takes its time keeps nobody waiting, and questions read what lies at a
//! file's end once.

use std::fmt::{Display, Formatter};
use std::ops::Range;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetRange, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use parquet::file::metadata::{ParquetMetaDataReader, RowGroupMetaData};
use tokio::sync::Semaphore;

use crate::address::Place;
use crate::tests::{at, collect, count, facts, keep_all, session, settle_all};
use crate::{Lake, Options};

/// A store that gives whole files of data only where it is let: compaction reads them whole, queries by ranges.
#[derive(Debug)]
struct Held {
    inner: InMemory,
    asked: Semaphore,
    let_go: Semaphore,
    /// What was read in part, in order.
    ranges: Mutex<Vec<(Path, Range<u64>)>>,
}

impl Held {
    fn new() -> Arc<Self> {
        let (asked, let_go) = (Semaphore::new(0), Semaphore::new(0));
        Arc::new(Self { inner: InMemory::new(), asked, let_go, ranges: Mutex::default() })
    }

    fn place(self: &Arc<Self>) -> Place {
        let store: Arc<dyn ObjectStore> = Arc::clone(self) as _;
        Place { store, directory: None, lock: None }
    }
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
        if let Some(GetRange::Bounded(range)) = &options.range {
            self.ranges.lock().unwrap().push((location.clone(), range.clone()));
        }
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
    let held = Held::new();
    let options = Options { compact_from: 4, ..Options::default() };
    let lake = Lake::open_at(held.place(), None, options).await.unwrap();
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

#[tokio::test]
async fn footers_and_page_indexes_are_read_once() {
    let held = Held::new();
    let lake = Lake::open_at(held.place(), None, Options::default()).await.unwrap();
    lake.import((0..40).flat_map(facts).collect()).await.unwrap();
    let session = session(&lake, &lake.snapshot());
    let asked = |clock: i64| format!("select id from changes where clock > timestamp '{}'", at(clock));
    let found = collect(&session, &asked(10)).await;
    assert_eq!(found.num_rows(), 29);
    let at_first = std::mem::take(&mut *held.ranges.lock().unwrap());
    assert_eq!(collect(&session, &asked(20)).await.num_rows(), 19);
    let later = std::mem::take(&mut *held.ranges.lock().unwrap());

    let path = at_first[0].0.clone();
    let bytes = held.inner.get(&path).await.unwrap().bytes().await.unwrap();
    let metadata = ParquetMetaDataReader::new().parse_and_finish(&bytes).unwrap();
    let columns = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    let rows_end = columns.map(|column| column.byte_range().0 + column.byte_range().1).max().unwrap();
    assert!(at_first.iter().any(|(_, range)| range.end > rows_end), "{at_first:?}");
    assert!(!later.is_empty() && later.iter().all(|(_, range)| range.end <= rows_end), "{later:?} after {rows_end}");
}
