//! How Parquet files are opened: with their page index, which is kept together with the footer. Left to itself a scan keeps
//! footers only, and reads and parses the page index of every file again for every question; for a question about one
//! service that takes longer than its rows.

use std::sync::Arc;

use bytes::Bytes;
use datafusion::common::{Result, ScalarValue, Statistics};
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::CachedParquetFileReaderFactory;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore};
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData};

use crate::file::DataFile;
use crate::table::TableState;

/// A file as DataFusion names it.
pub(crate) fn partitioned(table: &TableState, file: &Arc<DataFile>) -> PartitionedFile {
    let meta = ObjectMeta {
        location: Path::from(format!("{}/{}", table.name, file.path)),
        last_modified: crate::Instant::from_timestamp_millis(file.modified_at).unwrap_or_default(),
        size: file.n_bytes,
        e_tag: None,
        version: None,
    };
    PartitionedFile::new_from_meta(meta)
        .with_partition_values(vec![ScalarValue::Utf8(Some(file.month.clone()))])
        .with_statistics(Arc::new(Statistics {
            num_rows: file.bounds.num_rows,
            ..Statistics::new_unknown(&table.schema)
        }))
        // Keeps the file on the disk for as long as the plan lives.
        .with_extension(Arc::clone(&file.hold))
}

/// Makes readers that keep footer and page index in a session's cache.
#[derive(Debug)]
pub(crate) struct Readers {
    cached: CachedParquetFileReaderFactory,
}

impl Readers {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, runtime: &RuntimeEnv) -> Self {
        let cache = runtime.cache_manager.get_file_metadata_cache();
        Self { cached: CachedParquetFileReaderFactory::new(store, cache) }
    }

    /// Opens a file outside a scan.
    pub(crate) fn open(&self, table: &TableState, file: &Arc<DataFile>) -> Result<Reader> {
        let metrics = ExecutionPlanMetricsSet::new();
        Ok(Reader { cached: self.cached.create_reader(0, partitioned(table, file), None, &metrics)? })
    }
}

impl ParquetFileReaderFactory for Readers {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> Result<Box<dyn AsyncFileReader + Send>> {
        let cached = self.cached.create_reader(partition, file, metadata_size_hint, metrics)?;
        Ok(Box::new(Reader { cached }))
    }
}

/// Reads one file.
pub(crate) struct Reader {
    cached: Box<dyn AsyncFileReader + Send>,
}

impl AsyncFileReader for Reader {
    fn get_bytes(&mut self, range: std::ops::Range<u64>) -> BoxFuture<'_, parquet::errors::Result<Bytes>> {
        self.cached.get_bytes(range)
    }

    fn get_byte_ranges(
        &mut self,
        ranges: Vec<std::ops::Range<u64>>,
    ) -> BoxFuture<'_, parquet::errors::Result<Vec<Bytes>>> {
        self.cached.get_byte_ranges(ranges)
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, parquet::errors::Result<Arc<ParquetMetaData>>> {
        let options = options.cloned().unwrap_or_default().with_page_index_policy(PageIndexPolicy::Optional);
        async move { self.cached.get_metadata(Some(&options)).await }.boxed()
    }
}
