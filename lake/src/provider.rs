//! A table as DataFusion reads it: the list of files that we have anyway, and DataFusion's own Parquet scan.
//! Delta-rs has a provider too; this one plans in half the time, and its plans can be sent to other machines.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::config::TableParquetOptions;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::{DFSchema, Result, Statistics, project_schema};
use datafusion::datasource::object_store::ObjectStoreUrl;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::datasource::table_schema::TableSchema;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};
use object_store::ObjectStore;

use crate::file::{DataFile, is_sorted};
use crate::hot::{Hot, HotExec};
use crate::log::MONTH;
use crate::reader::{Readers, partitioned};
use crate::table::TableState;

/// A table at one version.
#[derive(Debug)]
pub(crate) struct LakeTable {
    state: Arc<TableState>,
    store_url: ObjectStoreUrl,
    schema: TableSchema,
    /// Columns kept decoded, for a table that is asked again and again.
    hot: Option<Arc<Hot>>,
}

impl LakeTable {
    /// The table; its paths are looked up in the store of this address.
    pub(crate) fn new(state: Arc<TableState>, store_url: ObjectStoreUrl, hot: &Arc<Hot>) -> Self {
        let hot = is_sorted(&state.schema).then(|| Arc::clone(hot));
        let month = Arc::new(Field::new(MONTH, DataType::Utf8, true));
        let schema = TableSchema::builder(Arc::clone(&state.schema)).with_table_partition_cols(vec![month]).build();
        Self { state, store_url, schema, hot }
    }

    /// Files that may hold rows for which all filters are true.
    fn prune(&self, session: &dyn Session, filters: &[Expr]) -> Result<Vec<Arc<DataFile>>> {
        let files = &self.state.files;
        let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(files.clone()) };
        let schema = self.schema.table_schema();
        let filter = session.create_physical_expr(filter, &DFSchema::try_from(Arc::clone(schema))?)?;
        // Filters over what statistics cannot answer are left to the scan.
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema));
        let Some(predicate) = builder.build(filter) else { return Ok(files.clone()) };
        let bounds = files.iter().map(|file| Arc::clone(&file.bounds)).collect();
        let keep = predicate.prune(&PrunableStatistics::new(bounds, Arc::clone(schema)))?;
        Ok(files.iter().zip(keep).filter(|(_, keep)| *keep).map(|(file, _)| Arc::clone(file)).collect())
    }

    /// Files dealt out to partitions by size, so that each has about the same to read.
    fn groups(&self, files: &[Arc<DataFile>], n_partitions: usize) -> Vec<FileGroup> {
        let mut by_size: Vec<_> = files.iter().collect();
        by_size.sort_by(|a, b| b.n_bytes.cmp(&a.n_bytes).then_with(|| a.path.cmp(&b.path)));
        let mut groups = vec![(0, Vec::new()); n_partitions.clamp(1, files.len())];
        for file in by_size {
            if let Some((n_bytes, group)) = groups.iter_mut().min_by_key(|(n_bytes, _)| *n_bytes) {
                *n_bytes += file.n_bytes;
                group.push(file);
            }
        }
        let ordered = groups.into_iter().map(|(_, mut group)| {
            group.sort_by(|a, b| a.path.cmp(&b.path));
            FileGroup::new(group.into_iter().map(|file| partitioned(&self.state, file)).collect())
        });
        ordered.collect()
    }

    /// DataFusion's own scan of the files.
    fn parquet(
        &self,
        session: &dyn Session,
        store: Arc<dyn ObjectStore>,
        files: &[Arc<DataFile>],
        projection: Option<Vec<usize>>,
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let options = TableParquetOptions {
            global: session.config_options().execution.parquet.clone(),
            ..TableParquetOptions::default()
        };
        let source = ParquetSource::new(self.schema.clone())
            .with_table_parquet_options(options)
            .with_parquet_file_reader_factory(Arc::new(Readers::new(store, session.runtime_env())));
        let n_rows: Option<usize> = files.iter().map(|file| file.n_rows).sum();
        let num_rows = n_rows.map_or(Precision::Absent, Precision::Exact);
        let statistics = Statistics { num_rows, ..Statistics::new_unknown(&self.schema()) };
        let config = FileScanConfigBuilder::new(self.store_url.clone(), Arc::new(source))
            .with_file_groups(self.groups(files, session.config().target_partitions()))
            .with_statistics(statistics)
            .with_projection_indices(projection)?
            .with_limit(limit)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

#[async_trait]
impl TableProvider for LakeTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(self.schema.table_schema())
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let files = self.prune(session, filters)?;
        if files.is_empty() {
            return Ok(Arc::new(EmptyExec::new(project_schema(&self.schema(), projection)?)));
        }
        let store = session.runtime_env().object_store(&self.store_url)?;
        let Some(hot) = &self.hot else { return self.parquet(session, store, &files, projection.cloned(), limit) };
        let schema = self.schema.table_schema();
        let wanted = projection.cloned().unwrap_or_else(|| (0..schema.fields().len()).collect());
        let kept = (hot, Readers::new(Arc::clone(&store), session.runtime_env()));
        if let Some(scan) = HotExec::new(kept, (&self.state, schema), files.clone(), &wanted, filters, session)? {
            return Ok(Arc::new(scan));
        }
        let Some(filter) = conjunction(filters.iter().cloned()) else {
            return self.parquet(session, store, &files, projection.cloned(), limit);
        };
        let mut read = wanted.clone();
        for column in filter.column_refs() {
            let column = schema.index_of(column.name())?;
            if !read.contains(&column) {
                read.push(column);
            }
        }
        let read_schema = DFSchema::try_from(Arc::new(schema.project(&read)?))?;
        let filter = session.create_physical_expr(filter, &read_schema)?;
        let scan = self.parquet(session, store, &files, Some(read), None)?;
        let filtered = Arc::new(FilterExec::try_new(filter, scan)?);
        let columns = wanted.iter().enumerate().map(|(place, &column)| {
            let name = schema.field(column).name();
            ProjectionExpr::new(Arc::new(Column::new(name, place)), name.clone())
        });
        Ok(Arc::new(ProjectionExec::try_new(columns, filtered)?))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let pushed = match self.hot {
            Some(_) => TableProviderFilterPushDown::Exact,
            None => TableProviderFilterPushDown::Inexact,
        };
        Ok(vec![pushed; filters.len()])
    }
}
