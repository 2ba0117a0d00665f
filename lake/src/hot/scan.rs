//! A scan over columns that are kept decoded. What files' bounds prove of a filter is not asked of their rows, and a
//! filter by the column that files are sorted by is asked once for each of its values.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, StringArray, StringBuilder};
use arrow::compute::{BatchCoalescer, filter_record_batch};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use datafusion::catalog::Session;
use datafusion::common::pruning::PrunableStatistics;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, Result, Statistics, internal_err};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{BinaryExpr, Expr};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt};

use super::{Hot, Part, Runs};
use crate::file::DataFile;
use crate::reader::Readers;
use crate::table::TableState;

/// Rows in a batch.
const ROWS_AT_ONCE: usize = 16_384;

/// A condition, and where its columns are in the table's schema.
#[derive(Debug)]
struct Filter {
    condition: Arc<dyn PhysicalExpr>,
    columns: Vec<usize>,
    schema: SchemaRef,
    /// For each file whether its bounds prove the condition for all rows.
    proven: Vec<bool>,
}

/// What is read of which files.
#[derive(Debug)]
struct Scan {
    hot: Arc<Hot>,
    readers: Readers,
    state: Arc<TableState>,
    files: Vec<Arc<DataFile>>,
    projection: Vec<usize>,
    projected: SchemaRef,
    /// Over the first column alone.
    of_runs: Vec<Filter>,
    of_rows: Vec<Filter>,
}

/// The scan as part of a plan.
#[derive(Debug)]
pub(crate) struct HotExec {
    scan: Arc<Scan>,
    /// Files by their place in the scan.
    partitions: Vec<Vec<usize>>,
    properties: Arc<PlanProperties>,
}

impl HotExec {
    /// A scan of columns that `hot` holds; `None` where it does not.
    pub(crate) fn new(
        (hot, readers): (&Arc<Hot>, Readers),
        (state, table_schema): (&Arc<TableState>, &SchemaRef),
        files: Vec<Arc<DataFile>>,
        projection: &[usize],
        filters: &[Expr],
        session: &dyn Session,
    ) -> Result<Option<Self>> {
        let n_columns = state.schema.fields().len();
        if projection.is_empty() || projection.contains(&n_columns) {
            return Ok(None);
        }
        let (mut of_runs, mut of_rows) = (Vec::new(), Vec::new());
        let mut used = projection.to_vec();
        for filter in filters {
            let filter = Filter::new(filter, &files, table_schema, session)?;
            let needed = filter.columns.iter().filter(|_| filter.proven.iter().any(|proven| !proven));
            used.extend(needed.copied());
            if filter.columns == [0] { of_runs.push(filter) } else { of_rows.push(filter) }
        }
        used.sort_unstable();
        used.dedup();
        // A condition on the partition that bounds cannot decide, or columns that are not to be kept.
        if used.contains(&n_columns) || !hot.holds(&files, &state.schema, &used) {
            return Ok(None);
        }
        let projected = Arc::new(table_schema.project(projection)?);
        let partitions = dealt(&files, session.config().target_partitions());
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&projected)),
            Partitioning::UnknownPartitioning(partitions.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        let scan = Scan {
            hot: Arc::clone(hot),
            readers,
            state: Arc::clone(state),
            files,
            projection: projection.to_vec(),
            projected,
            of_runs,
            of_rows,
        };
        Ok(Some(Self { scan: Arc::new(scan), partitions, properties: Arc::new(properties) }))
    }
}

/// Files for each partition, so that each has about the same number of rows.
fn dealt(files: &[Arc<DataFile>], n_partitions: usize) -> Vec<Vec<usize>> {
    let n_rows = |place: usize| files[place].n_rows.unwrap_or_default();
    let mut by_size: Vec<usize> = (0..files.len()).collect();
    by_size.sort_by_key(|&place| std::cmp::Reverse(n_rows(place)));
    let mut partitions = vec![(0, Vec::new()); n_partitions.clamp(1, files.len().max(1))];
    for place in by_size {
        if let Some((total, partition)) = partitions.iter_mut().min_by_key(|(total, _)| *total) {
            *total += n_rows(place);
            partition.push(place);
        }
    }
    partitions.into_iter().map(|(_, partition)| partition).collect()
}

impl Filter {
    fn new(filter: &Expr, files: &[Arc<DataFile>], schema: &SchemaRef, session: &dyn Session) -> Result<Self> {
        let mut columns = Vec::new();
        for column in filter.column_refs() {
            columns.push(schema.index_of(column.name())?);
        }
        columns.sort_unstable();
        let own = Arc::new(schema.project(&columns)?);
        let physical = |expr: Expr, schema: &Schema| -> Result<_> {
            session.create_physical_expr(expr, &DFSchema::try_from(Arc::new(schema.clone()))?)
        };
        // True of every row where its opposite is of none, and no row leaves both open.
        let opposite = match filter {
            Expr::BinaryExpr(of) => of.op.negate().map(|op| BinaryExpr { op, ..of.clone() }),
            _ => None,
        };
        let opposite = opposite.map(|opposite| physical(Expr::BinaryExpr(opposite), schema)).transpose()?;
        let builder = PruningPredicateBuilder::new().with_file_schema(Arc::clone(schema));
        let proven = match opposite.and_then(|opposite| builder.build(opposite)) {
            None => vec![false; files.len()],
            Some(opposite) => {
                let bounds = files.iter().map(|file| Arc::clone(&file.bounds)).collect();
                let may_be_false = opposite.prune(&PrunableStatistics::new(bounds, Arc::clone(schema)))?;
                let is_whole = |file: &DataFile| {
                    let nulls = |column: &usize| file.bounds.column_statistics[*column].null_count;
                    columns.iter().all(|column| nulls(column) == Precision::Exact(0))
                };
                files.iter().zip(may_be_false).map(|(file, may_be)| !may_be && is_whole(file)).collect()
            }
        };
        Ok(Self { condition: physical(filter.clone(), &own)?, columns, schema: own, proven })
    }

    fn mask(&self, columns: Vec<ArrayRef>) -> Result<BooleanArray> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        let mask = self.condition.evaluate(&batch)?.into_array(batch.num_rows())?;
        // What is unknown does not pass.
        let mask = mask.as_boolean();
        Ok(if mask.null_count() > 0 { arrow::compute::prep_null_mask_filter(mask) } else { mask.clone() })
    }
}

impl Scan {
    /// The rows of a file that pass, batch by batch.
    async fn read(self: Arc<Self>, place: usize) -> Result<Batches> {
        let file = Arc::clone(&self.files[place]);
        let mut wanted = self.projection.clone();
        for filter in self.of_runs.iter().chain(&self.of_rows).filter(|filter| !filter.proven[place]) {
            wanted.extend(&filter.columns);
        }
        wanted.sort_unstable();
        wanted.dedup();
        let read = self.hot.read(&self.readers, &self.state, &file, &wanted);
        let part = read.await?;
        let mut pieces = Vec::new();
        let mut cut = |range: Range<usize>| {
            let pieces_of = range.clone().step_by(ROWS_AT_ONCE);
            pieces.extend(pieces_of.map(|from| from..range.end.min(from + ROWS_AT_ONCE)));
        };
        match &part.runs {
            Some(runs) => self.passing(runs, place)?.into_iter().for_each(cut),
            None => cut(0..file.n_rows.unwrap_or_default()),
        }
        // What is large enough already is handed on as it is.
        let coalescer = BatchCoalescer::new(Arc::clone(&self.projected), ROWS_AT_ONCE)
            .with_biggest_coalesce_batch_size(Some(ROWS_AT_ONCE / 4));
        Ok(Batches { scan: self, part, place, pieces: pieces.into_iter(), coalescer, _file: file })
    }

    /// Rows whose first column passes.
    fn passing(&self, runs: &Runs, place: usize) -> Result<Vec<Range<usize>>> {
        let mut passes = vec![true; runs.ends.len()];
        for filter in self.of_runs.iter().filter(|filter| !filter.proven[place]) {
            let mask = filter.mask(vec![Arc::clone(&runs.values)])?;
            passes.iter_mut().zip(mask.values()).for_each(|(passes, this)| *passes &= this);
        }
        let mut ranges: Vec<Range<usize>> = Vec::new();
        let mut from = 0;
        for (&end, passes) in runs.ends.iter().zip(passes) {
            if passes {
                match ranges.last_mut() {
                    Some(last) if last.end == from => last.end = end,
                    _ => ranges.push(from..end),
                }
            }
            from = end;
        }
        Ok(ranges)
    }
}

/// The rows of one file that pass.
struct Batches {
    scan: Arc<Scan>,
    part: Part,
    place: usize,
    pieces: std::vec::IntoIter<Range<usize>>,
    coalescer: BatchCoalescer,
    /// Keeps it on the disk.
    _file: Arc<DataFile>,
}

impl Batches {
    fn column(&self, column: usize, rows: &Range<usize>) -> ArrayRef {
        match (&self.part.runs, self.part.columns.get(&column)) {
            (_, Some(column)) => column.slice(rows.start, rows.len()),
            (Some(runs), None) => repeated(runs, rows),
            (None, None) => unreachable!("every column that is used was read"),
        }
    }

    fn piece(&self, rows: &Range<usize>) -> Result<RecordBatch> {
        let columns = self.scan.projection.iter().map(|&column| self.column(column, rows)).collect();
        let mut batch = RecordBatch::try_new(Arc::clone(&self.scan.projected), columns)?;
        let mut passing: Option<BooleanArray> = None;
        for filter in self.scan.of_rows.iter().filter(|filter| !filter.proven[self.place]) {
            let mask = filter.mask(filter.columns.iter().map(|&column| self.column(column, rows)).collect())?;
            passing = Some(match passing {
                Some(others) => arrow::compute::and(&others, &mask)?,
                None => mask,
            });
        }
        if let Some(mask) = passing.filter(BooleanArray::has_false) {
            batch = filter_record_batch(&batch, &mask)?;
        }
        Ok(batch)
    }

    fn take_next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.coalescer.next_completed_batch() {
                return Ok(Some(batch));
            }
            match self.pieces.next() {
                Some(rows) => self.coalescer.push_batch(self.piece(&rows)?)?,
                None if self.coalescer.is_empty() => return Ok(None),
                None => self.coalescer.finish_buffered_batch()?,
            }
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take_next().transpose()
    }
}

/// The first column of some rows.
fn repeated(runs: &Runs, rows: &Range<usize>) -> ArrayRef {
    let values: &StringArray = runs.values.as_string();
    let mut column = StringBuilder::with_capacity(rows.len(), rows.len() * 12);
    let mut run = runs.ends.partition_point(|end| *end <= rows.start);
    let mut from = rows.start;
    while from < rows.end {
        let end = runs.ends[run].min(rows.end);
        let value = values.is_valid(run).then(|| values.value(run));
        for _ in from..end {
            column.append_option(value);
        }
        from = end;
        run += 1;
    }
    Arc::new(column.finish())
}

impl DisplayAs for HotExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.scan.projected.fields().iter().map(|field| field.name().as_str()).collect();
        let (table, n_files) = (&self.scan.state.name, self.scan.files.len());
        write!(f, "HotExec: table={table}, files={n_files}, columns=[{}]", names.join(", "))
    }
}

impl ExecutionPlan for HotExec {
    fn name(&self) -> &'static str {
        "HotExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, partition: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let Some(files) = self.partitions.get(partition).cloned() else {
            return internal_err!("{} has no partition {partition}", self.name());
        };
        let (scan, schema) = (Arc::clone(&self.scan), Arc::clone(&self.scan.projected));
        let batches = futures::stream::iter(files)
            .then(move |place| Arc::clone(&scan).read(place))
            .map_ok(futures::stream::iter)
            .try_flatten();
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    fn statistics_from_inputs(
        &self,
        _: &[Arc<Statistics>],
        _: &datafusion::physical_plan::statistics::StatisticsArgs,
    ) -> Result<Arc<Statistics>> {
        let n_rows = self.scan.files.iter().filter_map(|file| file.n_rows).sum();
        let unknown = Statistics::new_unknown(&self.scan.projected);
        Ok(Arc::new(Statistics { num_rows: Precision::Inexact(n_rows), ..unknown }))
    }
}
