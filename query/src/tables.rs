//! Sessions over one snapshot of the lake: every table under its name, our own functions known.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{AsArray as _, RecordBatch};
use chrono::{Months, NaiveDate};
use datafusion::catalog::{
    CatalogProvider as _, CatalogProviderList as _, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider,
};
use datafusion::dataframe::DataFrame;
use datafusion::error::Result;
use datafusion::execution::context::SessionState;
use datafusion::prelude::{Expr, SessionContext, col, lit};
use dorado_lake::{Lake, Row, Snapshot, Stamped};
use futures::TryStreamExt as _;

/// One snapshot, ready to be asked.
pub(crate) struct Tables {
    pub(crate) session: SessionContext,
    pub(crate) snapshot: Arc<Snapshot>,
}

impl Tables {
    /// The lake as it is now.
    pub(crate) fn new(state: &SessionState, lake: &Lake) -> Self {
        let session = SessionContext::new_with_state(state.clone());
        lake.register(&session);
        Self { session, snapshot: lake.snapshot() }
    }

    /// A session like this one with no tables: names that are given in it meet no others.
    pub(crate) fn alone(&self) -> Result<SessionContext> {
        let mut state = self.session.state();
        let names = &state.config_options().catalog;
        let catalog = Arc::new(MemoryCatalogProvider::new());
        catalog.register_schema(&names.default_schema, Arc::new(MemorySchemaProvider::new()))?;
        let catalogs = Arc::new(MemoryCatalogProviderList::new());
        catalogs.register_catalog(names.default_catalog.clone(), catalog);
        // Not by a builder: it registers some hundred functions anew.
        state.register_catalog_list(catalogs);
        Ok(SessionContext::new_with_state(state))
    }

    /// A table's rows; `None` where the table does not exist yet.
    pub(crate) fn table(&self, name: &str) -> Result<Option<DataFrame>> {
        self.snapshot.table(name).map(|provider| self.session.read_table(provider)).transpose()
    }

    /// Rows of a table that pass a filter.
    pub(crate) async fn rows(&self, name: &str, filter: Option<Expr>) -> Result<Vec<RecordBatch>> {
        let Some(mut frame) = self.table(name)? else { return Ok(Vec::new()) };
        if let Some(filter) = filter {
            frame = frame.filter(filter)?;
        }
        frame.collect().await
    }

    /// Facts of a silver table that pass a filter, all versions.
    pub(crate) async fn facts<T: Row>(&self, filter: Option<Expr>) -> Result<Vec<Stamped<T>>> {
        let batches = self.rows(T::TABLE, filter).await?;
        Ok(batches.iter().flat_map(T::from_batch).collect())
    }

    /// Visits facts of a silver table that pass a filter, all versions, with nothing but these columns. Few are in memory at once.
    pub(crate) async fn each_fact<T: Row>(
        &self,
        columns: &[&str],
        filter: Option<Expr>,
        mut visit: impl FnMut(T),
    ) -> Result<()> {
        let Some(mut frame) = self.table(T::TABLE)? else { return Ok(()) };
        if let Some(filter) = filter {
            frame = frame.filter(filter)?;
        }
        let mut batches = frame.select_columns(columns)?.execute_stream().await?;
        while let Some(batch) = batches.try_next().await? {
            for version in T::from_batch(&batch) {
                visit(version.fact);
            }
        }
        Ok(())
    }

    /// All versions of the facts of which one version passes a filter, among others. An entity lies in the month in
    /// which it began; a version that does not say when may lie in the next one, and be the latest.
    pub(crate) async fn facts_like<T: Row>(&self, filter: Expr) -> Result<Vec<Stamped<T>>> {
        let Some(frame) = self.table(T::TABLE)? else { return Ok(Vec::new()) };
        let mut months = BTreeSet::new();
        for batch in frame.filter(filter)?.select(vec![col("month")])?.distinct()?.collect().await? {
            for month in batch.column(0).as_string::<i32>().iter().flatten() {
                let first = NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok();
                let one = Months::new(1);
                let beside = [
                    first.and_then(|day| day.checked_sub_months(one)),
                    first.and_then(|day| day.checked_add_months(one)),
                ];
                months.extend(beside.into_iter().flatten().map(|day| day.format("%Y-%m").to_string()));
                months.insert(month.to_owned());
            }
        }
        if months.is_empty() { Ok(Vec::new()) } else { self.facts(Some(among("month", &months))).await }
    }
}

/// `column in (values)`.
pub(crate) fn among<'a>(column: &str, values: impl IntoIterator<Item = &'a String>) -> Expr {
    col(column).in_list(values.into_iter().map(|v| lit(v.as_str())).collect(), false)
}

/// Ranges that [`among_near`] spells out.
const RANGES: usize = 8;

/// The same, with bounds from which rows that lie sorted by the column can be passed by, however many values there are.
pub(crate) fn among_near(column: &str, values: &BTreeSet<String>) -> Expr {
    let sorted: Vec<&String> = values.iter().collect();
    let ranges = sorted.chunks(sorted.len().div_ceil(RANGES).max(1)).filter_map(|range| {
        let (first, last) = (range.first()?, range.last()?);
        Some(col(column).gt_eq(lit(first.as_str())).and(col(column).lt_eq(lit(last.as_str()))))
    });
    let among = among(column, values);
    match ranges.reduce(Expr::or) {
        Some(ranges) => among.and(ranges),
        None => among,
    }
}
