//! The one plan: gold's rows of the period, filtered, numbered by bucket and group; then the metrics'
//! select lists over them, all metrics of a table in one pass.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

use arrow::array::{Array, AsArray, Int32Array, Int64Array, RecordBatch, StringArray, StructArray};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::JoinType;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use datafusion::scalar::ScalarValue;
use dorado_lake::Instant;

use super::directory::{Directory, Selection};
use super::{days, relation};
use crate::bucket::{Buckets, in_each_bucket};
use crate::engine::Error;
use crate::metric::{Metric, Part};
use crate::quantiles::{Distribution, distribution, distribution_and_total, distributions};
use crate::question::{GroupBy, Question};
use crate::tables::Tables;

/// What an answer is made over.
pub(crate) struct Over<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) directory: &'a Directory,
    pub(crate) selection: &'a Selection,
    pub(crate) question: &'a Question,
}

/// Which cuts are asked of one pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// One row a bucket and group.
    Buckets,
    /// One row a bucket and group, and one a group for the whole period.
    BucketsAndTotals,
}

/// The aggregates of one bucket and group, by their names in the metrics' select lists.
#[derive(Debug, Clone, Default)]
pub(crate) struct Aggregates {
    counts: HashMap<String, i64>,
    distributions: HashMap<String, Distribution>,
    /// Where the pack looks at days: those of each day that has rows.
    pub(super) days: Vec<Aggregates>,
    /// Where the pack looks at weeks: days with a deployment in each.
    pub(super) weeks: Vec<u32>,
}

impl Aggregates {
    /// A count; 0 where the pass found no row.
    pub(crate) fn count(&self, name: &str) -> i64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    /// A distribution; `None` where the pass found no row.
    pub(crate) fn distribution(&self, name: &str) -> Option<&Distribution> {
        self.distributions.get(name)
    }

    /// The medians of the days that have one.
    pub(crate) fn daily_medians(&self, name: &str) -> Vec<f64> {
        self.days.iter().filter_map(|day| day.distribution(name)).map(|d| d.p50).collect()
    }

    /// Days with a deployment, week by week; empty where there are none.
    pub(crate) fn days_by_week(&self) -> &[u32] {
        &self.weeks
    }
}

/// A bucket (`None`: the whole period) and a group (`None`: not grouped, or rows without one).
pub(crate) type Cell = (Option<usize>, Option<String>);

/// What one or more passes found.
pub(crate) type Cells = HashMap<Cell, Aggregates>;

/// The instant by which a row of a gold table belongs to a bucket.
pub(crate) fn instant_column(table: &str) -> &'static str {
    match table {
        "shipments" => "known_at",
        "causes" | relation::INCIDENTS => "opened_at",
        relation::RECOVERIES => "at",
        _ => "finished_at",
    }
}

/// Rows of a gold table that a question asks about; `None` where there is no such table yet.
pub(crate) fn asked_rows(
    tables: &Tables,
    table: &str,
    selection: &Selection,
    (from, to): (Instant, Instant),
) -> Result<Option<DataFrame>, Error> {
    let Some(frame) = tables.table(table)? else { return Ok(None) };
    let mut filter = within(instant_column(table), (from, to));
    for expr in selection.filters() {
        filter = filter.and(expr);
    }
    Ok(Some(frame.filter(filter)?))
}

/// Rows of a period.
pub(crate) fn in_period(frame: DataFrame, column: &str, period: (Instant, Instant)) -> Result<DataFrame, Error> {
    Ok(frame.filter(within(column, period))?)
}

/// Whether an instant lies in a period.
pub(crate) fn within(column: &str, (from, to): (Instant, Instant)) -> Expr {
    col(column).gt_eq(instant_literal(from)).and(col(column).lt(instant_literal(to)))
}

/// An instant as gold keeps it.
pub(crate) fn instant_literal(at: Instant) -> Expr {
    lit(ScalarValue::TimestampMicrosecond(Some(at.timestamp_micros()), Some("UTC".into())))
}

/// Runs the select lists of `metrics`, one pass a table.
pub(crate) async fn measure(over: &Over<'_>, buckets: &Buckets, metrics: &[&Metric], cut: Cut) -> Result<Cells, Error> {
    let pack = &*over.question.pack;
    let parts: Vec<Part> = metrics.iter().flat_map(|m| m.parts(pack)).collect();
    let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for part in &parts {
        lists.entry(part.table).or_default().push(part.sql);
    }
    let lists: Vec<(&str, String)> = lists.into_iter().map(|(table, sql)| (table, sql.join(",\n"))).collect();
    let passes = lists.iter().map(|(table, list)| pass(over, buckets, table, list, cut));
    let mut cells = Cells::new();
    for found in futures::future::try_join_all(passes).await? {
        for (cell, aggregates) in found {
            let into = cells.entry(cell).or_default();
            into.counts.extend(aggregates.counts);
            into.distributions.extend(aggregates.distributions);
        }
    }
    if pack.looks_at_days() {
        for (table, list) in &lists {
            days::add(over, buckets, table, list, cut, &mut cells).await?;
        }
    }
    Ok(cells)
}

async fn pass(over: &Over<'_>, buckets: &Buckets, table: &str, list: &str, cut: Cut) -> Result<Cells, Error> {
    let Some(mut frame) = numbered_rows(over, table, buckets).await? else { return Ok(Cells::new()) };
    if table == "outcomes" {
        frame = days::with_day(frame, table, buckets)?;
    }
    let session = asking(over.tables, frame)?;
    if over.question.group_by.is_none()
        && let Some(cells) = ungrouped(&session, list, buckets.len(), cut).await?
    {
        return Ok(cells);
    }
    let by = match cut {
        Cut::Buckets => "bucket, key",
        Cut::BucketsAndTotals => "grouping sets ((bucket, key), (key))",
    };
    let sql = format!("select bucket, key, {list} from asked group by {by}");
    let mut cells = Cells::new();
    for batch in session.sql(&sql).await?.collect().await? {
        cells.extend(places(&batch).into_iter().zip(read(&batch, 2)));
    }
    Ok(cells)
}

/// The durations that the median of each bucket and group is taken of.
pub(crate) async fn samples(
    over: &Over<'_>,
    buckets: &Buckets,
    metric: &Metric,
) -> Result<HashMap<Cell, Vec<i64>>, Error> {
    let mut samples: HashMap<Cell, Vec<i64>> = HashMap::new();
    let pack = &over.question.pack;
    let Some(frame) = numbered_rows(over, metric.table_under(pack), buckets).await? else { return Ok(samples) };
    let counted = metric.counted_under(pack);
    let sql = format!("select bucket, key, {} as value from asked where {counted}", metric.sample);
    for batch in asking(over.tables, frame)?.sql(&sql).await?.collect().await? {
        let Some(values) = batch.column(2).as_any().downcast_ref::<Int64Array>() else { continue };
        for (place, rows) in runs(&batch) {
            let into = samples.entry(place).or_default();
            match values.nulls() {
                None => into.extend_from_slice(&values.values()[rows]),
                Some(known) => into.extend(rows.filter(|&row| known.is_valid(row)).map(|row| values.value(row))),
            }
        }
    }
    Ok(samples)
}

/// Rows of a table in a period as the pack sees them, each with its `bucket` and its `key`.
pub(super) async fn numbered_rows(over: &Over<'_>, table: &str, buckets: &Buckets) -> Result<Option<DataFrame>, Error> {
    let period = (buckets.from(), buckets.to());
    let Some(rows) = relation::rows(over, table, period).await? else { return Ok(None) };
    let mut grouped = with_group(rows, over.tables, over.directory, over.question.group_by)?;
    if [relation::INCIDENTS, relation::RECOVERIES].contains(&table) {
        grouped = relation::each_once(grouped, &["key"])?;
    }
    Ok(Some(grouped.with_column("bucket", buckets.index_expr(col(instant_column(table))))?))
}

/// A session whose one table is `asked`.
pub(super) fn asking(tables: &Tables, asked: DataFrame) -> Result<SessionContext, Error> {
    let session = tables.alone()?;
    session.register_table("asked", asked.into_view())?;
    Ok(session)
}

/// Without groups a row's place is its bucket: every aggregate is made in each bucket at once. `None` where the lists
/// ask for what cannot be made so.
async fn ungrouped(session: &SessionContext, list: &str, n_buckets: usize, cut: Cut) -> Result<Option<Cells>, Error> {
    let sql = format!("select {list} from asked");
    let plan = session.state().create_logical_plan(&sql).await?;
    let distribution = match cut {
        Cut::Buckets => distribution(),
        Cut::BucketsAndTotals => distribution_and_total(),
    };
    let Some(plan) = in_each_bucket(&plan, n_buckets, &distribution)? else { return Ok(None) };
    let mut cells = Cells::new();
    for batch in session.execute_logical_plan(plan).await?.collect().await? {
        for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()) {
            let of_buckets = column.as_list::<i32>().value(0);
            let places = (0..n_buckets).map(Some).chain([None]).map(|bucket| (bucket, None));
            if let Some(counts) = of_buckets.as_any().downcast_ref::<Int64Array>() {
                let all = (cut == Cut::BucketsAndTotals).then(|| counts.values().iter().sum());
                for (place, n) in places.zip(counts.values().iter().copied().chain(all)) {
                    cells.entry(place).or_default().counts.insert(field.name().clone(), n);
                }
            } else if let Some(structs) = of_buckets.as_any().downcast_ref::<StructArray>() {
                for (place, found) in places.zip(distributions(structs)) {
                    let into = &mut cells.entry(place).or_default().distributions;
                    into.extend(found.map(|found| (field.name().clone(), found)));
                }
            }
        }
    }
    Ok(Some(cells))
}

/// Adds the column `key`: the group of each row.
fn with_group(
    rows: DataFrame,
    tables: &Tables,
    directory: &Directory,
    group_by: Option<GroupBy>,
) -> Result<DataFrame, Error> {
    let key = match group_by {
        None => lit(ScalarValue::Utf8(None)),
        Some(GroupBy::Team) => {
            let teams = tables.session.read_batch(directory.team_batch()?)?;
            let joined = rows.join(teams, JoinType::Left, &["service"], &["member"], None)?;
            return Ok(joined.with_column("key", col("member_team"))?);
        }
        Some(other) => col(other.as_str()),
    };
    Ok(rows.with_column("key", key)?)
}

/// Rows that follow one another in one place: most do, as gold is sorted by service and time.
fn runs(batch: &RecordBatch) -> Vec<(Cell, Range<usize>)> {
    let buckets = batch.column(0).as_any().downcast_ref::<Int32Array>();
    let keys = batch.column(1).as_any().downcast_ref::<StringArray>();
    let place = |row: usize| {
        let bucket = buckets.filter(|b| b.is_valid(row)).map(|b| b.value(row) as usize);
        (bucket, keys.filter(|k| k.is_valid(row)).map(|k| k.value(row)))
    };
    let mut runs = Vec::new();
    let mut first = 0;
    for row in 1..=batch.num_rows() {
        if row == batch.num_rows() || place(row) != place(first) {
            let (bucket, key) = place(first);
            runs.push(((bucket, key.map(str::to_owned)), first..row));
            first = row;
        }
    }
    runs
}

/// The bucket and the group of each row.
pub(super) fn places(batch: &RecordBatch) -> Vec<Cell> {
    let buckets = batch.column(0).as_any().downcast_ref::<Int32Array>();
    let keys = batch.column(1).as_any().downcast_ref::<StringArray>();
    let place = |row: usize| {
        let bucket = buckets.filter(|b| b.is_valid(row)).map(|b| b.value(row) as usize);
        (bucket, keys.filter(|k| k.is_valid(row)).map(|k| k.value(row).to_owned()))
    };
    (0..batch.num_rows()).map(place).collect()
}

/// The aggregates of each row, in the columns after the first `n_keys`.
pub(super) fn read(batch: &RecordBatch, n_keys: usize) -> Vec<Aggregates> {
    let mut rows = vec![Aggregates::default(); batch.num_rows()];
    for (field, column) in batch.schema_ref().fields().iter().zip(batch.columns()).skip(n_keys) {
        if let Some(counts) = column.as_any().downcast_ref::<Int64Array>() {
            for (row, n) in rows.iter_mut().zip(counts.values()) {
                row.counts.insert(field.name().clone(), *n);
            }
        } else if let Some(structs) = column.as_any().downcast_ref::<StructArray>() {
            for (row, distribution) in rows.iter_mut().zip(distributions(structs)) {
                row.distributions.extend(distribution.map(|d| (field.name().clone(), d)));
            }
        }
    }
    rows
}
