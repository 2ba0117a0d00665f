//! Records that their sources deleted: the latest version of their key says so. Versions of a record lie where its service and
//! its month are, but the one that deletes it names neither; so whoever reads only some versions asks here what is gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::JoinType;
use datafusion::prelude::col;
use dorado_lake::{Deployment, Incident, Row};

use crate::attribution::history;
use crate::engine::Error;
use crate::tables::{Tables, among};

/// Source and id.
type Key = (String, String);

/// Names in an `in` list; with more of them everything is looked at.
const NAMES_AT_MOST: usize = 2_000;

/// What is gone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deleted {
    deployments: BTreeSet<Key>,
    incidents: BTreeSet<Key>,
}

impl Deleted {
    pub(crate) async fn read(tables: &Tables) -> Result<Self, Error> {
        let deployment = |d: &Deployment| (d.deleted_at.is_some(), (d.source.clone(), d.id.clone()));
        let incident = |i: &Incident| (i.deleted_at.is_some(), (i.source.clone(), i.id.clone()));
        Ok(Self { deployments: keys(tables, deployment).await?, incidents: keys(tables, incident).await? })
    }

    pub(crate) fn has_deployment(&self, source: &str, id: &str) -> bool {
        !self.deployments.is_empty() && self.deployments.contains(&(source.to_owned(), id.to_owned()))
    }

    /// The deployments that are there.
    pub(crate) fn without_deployments(&self, mut found: Vec<Deployment>) -> Vec<Deployment> {
        found.retain(|deployment| !self.has_deployment(&deployment.source, &deployment.id));
        found
    }

    /// Versions of the deployments that are there.
    pub(crate) fn without_versions(&self, tables: &Tables, versions: DataFrame) -> Result<DataFrame, Error> {
        let versions = if is_told(&versions) { versions.filter(col(COLUMN).is_null())? } else { versions };
        if self.deployments.is_empty() {
            return Ok(versions);
        }
        let sources = self.deployments.iter().map(|(source, _)| Some(source)).collect::<StringArray>();
        let ids = self.deployments.iter().map(|(_, id)| Some(id)).collect::<StringArray>();
        let columns: [(&str, ArrayRef); 2] = [("gone_source", Arc::new(sources)), ("gone_id", Arc::new(ids))];
        let gone = tables.session.read_batch(RecordBatch::try_from_iter(columns)?)?;
        Ok(versions.join(gone, JoinType::LeftAnti, &["source", "id"], &["gone_source", "gone_id"], None)?)
    }

    /// The incidents that are there.
    pub(crate) fn without_incidents(&self, mut found: Vec<Incident>) -> Vec<Incident> {
        if !self.incidents.is_empty() {
            found.retain(|incident| !self.incidents.contains(&(incident.source.clone(), incident.id.clone())));
        }
        found
    }
}

async fn keys<T: Row + PartialEq>(tables: &Tables, read: impl Fn(&T) -> (bool, Key)) -> Result<BTreeSet<Key>, Error> {
    let can_delete = tables.table(T::TABLE)?.is_some_and(|frame| is_told(&frame));
    let told = if can_delete { tables.facts::<T>(Some(col(COLUMN).is_not_null())).await? } else { Vec::new() };
    if told.is_empty() {
        return Ok(BTreeSet::new());
    }
    let ids: BTreeSet<String> = told.iter().map(|version| read(&version.fact).1.1).collect();
    let filter = (ids.len() <= NAMES_AT_MOST).then(|| among("id", &ids));
    let latest = history::latest(tables.facts::<T>(filter).await?, |fact| read(fact).1);
    Ok(latest.iter().map(read).filter(|(is_deleted, _)| *is_deleted).map(|(_, key)| key).collect())
}

const COLUMN: &str = "deleted_at";

/// A table that an older Dorado wrote, and this one only reads, has no such column.
fn is_told(frame: &DataFrame) -> bool {
    frame.schema().has_column_with_unqualified_name(COLUMN)
}
