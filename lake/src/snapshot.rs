//! [`Snapshot`]: all tables as they were at one moment, so that an answer never mixes two.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::object_store::ObjectStoreUrl;

use crate::hot::Hot;
use crate::provider::LakeTable;
use crate::table::TableState;

/// All tables as they were at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    store_url: ObjectStoreUrl,
    hot: Arc<Hot>,
    tables: BTreeMap<String, (Arc<TableState>, Arc<LakeTable>)>,
    silver_through: i64,
    gold_through: i64,
}

impl Snapshot {
    pub(crate) fn new(store_url: ObjectStoreUrl, hot: Arc<Hot>) -> Self {
        Self { store_url, hot, tables: BTreeMap::new(), silver_through: 0, gold_through: 0 }
    }

    /// The same with other states of some tables.
    pub(crate) fn with_tables(&self, states: impl IntoIterator<Item = Arc<TableState>>) -> Self {
        let mut next = self.clone();
        for state in states {
            let provider = Arc::new(LakeTable::new(Arc::clone(&state), self.store_url.clone(), &self.hot));
            next.tables.insert(state.name.clone(), (state, provider));
        }
        next
    }

    pub(crate) fn with_silver_through(mut self, arrival: i64) -> Self {
        self.silver_through = arrival;
        self
    }

    pub(crate) fn with_gold_through(mut self, arrival: i64) -> Self {
        self.gold_through = arrival;
        self
    }

    /// Grows with every commit to any table, and is the same again after a restart.
    pub fn version(&self) -> u64 {
        self.tables.values().filter_map(|(state, _)| state.version).map(|version| version + 1).sum()
    }

    /// A table as DataFusion reads it, in a session that [`Lake::register`](crate::Lake::register) has
    /// prepared. Its last column is `month` (`2026-11`).
    pub fn table(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        self.tables.get(name).map(|(_, provider)| Arc::clone(provider) as Arc<dyn TableProvider>)
    }

    /// Months that a table has rows of, in order.
    pub fn months(&self, table: &str) -> Vec<String> {
        let months = self.tables.get(table).map(|(state, _)| state.months()).unwrap_or_default();
        months.into_iter().map(ToOwned::to_owned).collect()
    }

    /// Rows in a table.
    pub fn n_rows(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, |(state, _)| state.files.iter().filter_map(|file| file.n_rows).sum())
    }

    /// Files that a table consists of.
    pub fn n_files(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, |(state, _)| state.files.len())
    }

    /// Bytes on the disk of a table's files.
    pub fn n_bytes(&self, table: &str) -> u64 {
        self.tables.get(table).map_or(0, |(state, _)| state.files.iter().map(|file| file.n_bytes).sum())
    }

    #[cfg(test)]
    pub(crate) fn version_of(&self, table: &str) -> Option<u64> {
        self.tables.get(table).and_then(|(state, _)| state.version)
    }

    /// Every fact of this arrival or an earlier one is in the silver tables of this snapshot. What is
    /// computed from a snapshot is to be published as complete through this.
    pub fn silver_through(&self) -> i64 {
        self.silver_through
    }

    /// The gold tables of this snapshot are complete through this arrival.
    pub fn gold_through(&self) -> i64 {
        self.gold_through
    }
}
