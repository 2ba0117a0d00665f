//! Batch size: how many changes a production deployment ships.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::answer::benchmark::object;
use crate::answer::frame::{Cut, Over, measure};
use crate::bucket::Buckets;
use crate::engine::{Answer, Engine, Error, Row};
use crate::metric::{Better, Kind, Metric};
use crate::quantiles::Distribution;
use crate::question::Question;

/// Counted like a metric, and none of DORA's.
const BATCH_SIZE: Metric = Metric {
    id: "batch-size",
    title: "Batch size",
    definition: "Changes that a production deployment ships. Deployments that ship none that is known, as the first \
                 of a service and those of services whose changes nobody told, are counted apart.",
    unit: "changes",
    better: Better::Lower,
    choices: &[],
    kind: Kind::Count,
    table: "outcomes",
    sql: include_str!("batch_size.sql"),
    sample: "",
    counted: "reached and n_changes > 0",
};

impl Engine {
    /// Changes a deployment, over time and by group.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub async fn batch_size(&self, question: &Question) -> Result<Arc<Answer>, Error> {
        self.kept(format!("batch-size {question:?}"), question.audience(), async |tables, directory| {
            let selection = directory.select(&question.filter, self.catalog())?;
            let buckets: &Buckets = &question.buckets;
            let over = Over { tables, directory, selection: &selection, question };
            let cells = measure(&over, buckets, &[&BATCH_SIZE], Cut::Buckets).await?;
            let found: BTreeSet<Option<String>> = cells.keys().map(|(_, key)| key.clone()).collect();
            let keys = if question.group_by.is_some() { found } else { BTreeSet::from([None]) };
            let mut data = Vec::new();
            for bucket in 0..buckets.len() {
                for key in &keys {
                    let found = cells.get(&(Some(bucket), key.clone())).cloned().unwrap_or_default();
                    let mut row = Row::new();
                    row.insert("time".into(), json!(buckets.label(bucket)));
                    if let Some(group_by) = question.group_by {
                        row.insert(group_by.as_str().into(), json!(key));
                    }
                    let sizes = found.distribution("sizes");
                    row.extend(sized(sizes, found.count("n_without"), question.pack.min_n));
                    data.push(row);
                }
            }
            let mut meta = self.meta(tables, directory, question);
            meta.insert("title".into(), json!(BATCH_SIZE.title));
            meta.insert("unit".into(), json!(BATCH_SIZE.unit));
            meta.insert("better".into(), json!(BATCH_SIZE.better));
            meta.insert("definition".into(), json!(BATCH_SIZE.definition));
            Ok(Answer { data, series: None, differences: None, meta })
        })
        .await
    }
}

fn sized(sizes: Option<&Distribution>, n_without: i64, min_n: u64) -> Row {
    let part = |get: fn(&Distribution) -> f64| -> Value { json!(sizes.map(get)) };
    let n = sizes.map_or(0, |sizes| sizes.n);
    object([
        ("value", part(|d| d.p50)),
        ("p25", part(|d| d.p25)),
        ("p75", part(|d| d.p75)),
        ("p90", part(|d| d.p90)),
        ("max", part(|d| d.max)),
        ("n", json!(n)),
        ("n_without", json!(n_without)),
        ("enough_data", json!(n >= min_n)),
    ])
}
