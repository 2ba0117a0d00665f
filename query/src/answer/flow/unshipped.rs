//! What waits: changes that have not shipped, and how old they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::Int64Array;
use arrow::datatypes::DataType;
use datafusion::prelude::{Expr, cast, col, lit};
use dorado_lake::Instant;
use serde_json::{Value, json};

use crate::answer::benchmark::object;
use crate::answer::directory::{Columns, Directory};
use crate::answer::explain::{change_rows, next_cursor, one_page};
use crate::answer::frame::asked_rows;
use crate::answer::page::Place;
use crate::engine::{Answer, Engine, Error, Page, Row};
use crate::gold::ShipRule;
use crate::quantiles::distribution_of;
use crate::question::Question;
use crate::tables::among;

impl Engine {
    /// One page of the changes that had not shipped, the oldest first; their ages at the end of the period.
    ///
    /// A service that was never deployed has nothing that waits: it is left out.
    ///
    /// # Errors
    /// As [`Engine::explain`].
    pub async fn unshipped(&self, question: &Question, page: &Page) -> Result<Arc<Answer>, Error> {
        self.kept(format!("unshipped {question:?} {page:?}"), question.audience(), async |tables, directory| {
            let mut selection = directory.select(&question.filter, self.catalog())?;
            // What has not shipped is in no environment.
            selection.environments.clear();
            let mut meta = self.meta(tables, directory, question);
            let period = (question.from, question.to);
            let frame = asked_rows(tables, "shipments", &selection, period)?;
            let Some(frame) = frame else { return Ok(nothing(meta)) };
            let waiting = frame.filter(col("rule").eq(lit(ShipRule::Unshipped.as_str())).and(deployed(directory)))?;
            let known_at = cast(col("known_at"), DataType::Int64);

            let instants = waiting.clone().select(vec![known_at.clone().alias("at")])?.collect().await?;
            let columns = instants.iter().filter_map(|batch| batch.column(0).as_any().downcast_ref::<Int64Array>());
            let to = question.to.timestamp_micros();
            let ages: Vec<i64> = columns.flat_map(Int64Array::values).map(|at| to - at).collect();
            let found = distribution_of(&ages);
            let seconds = |micros: Option<f64>| json!(micros.map(|micros| micros / 1e6));
            meta.extend(object([
                ("n", json!(ages.len())),
                ("age_p50", seconds(found.map(|d| d.p50))),
                ("age_p75", seconds(found.map(|d| d.p75))),
                ("age_p90", seconds(found.map(|d| d.p90))),
                ("age_max", seconds(found.map(|d| d.max))),
            ]));

            // The order of pages is by rank first, and the rank of a change is when it began to wait.
            let batches = one_page(waiting.with_column("rank", known_at)?, "known_at", "change", page).await?;
            let mut places = Vec::new();
            for batch in &batches {
                let columns = Columns(batch);
                places.extend((0..batch.num_rows()).map(|row| place(&columns, row)));
            }
            let since: Vec<Instant> = places.iter().map(|place| place.at).collect();
            let next_cursor = next_cursor(&mut places, page.limit);
            let changes = change_rows(tables, &batches).await?;
            let rows = changes.into_iter().zip(since).take(page.limit);
            let data = rows.map(|(change, since)| row(&change, since, question.to)).collect();
            meta.insert("next_cursor".into(), json!(next_cursor));
            Ok(Answer { data, series: None, differences: None, meta })
        })
        .await
    }
}

/// Rows of services that have been deployed.
fn deployed(directory: &Directory) -> Expr {
    let ever = directory.services.iter().filter(|(_, card)| card.first_deployment_at.is_some());
    let services: BTreeSet<&String> = ever.map(|(name, _)| name).collect();
    if services.is_empty() { lit(false) } else { among("service", services) }
}

fn place(columns: &Columns<'_>, row: usize) -> Place {
    Place {
        rank: columns.number("rank", row).unwrap_or(0),
        at: columns.instant("known_at", row).unwrap_or(Instant::UNIX_EPOCH),
        service: columns.text("service", row).unwrap_or_default(),
        id: columns.text("change", row).unwrap_or_default(),
    }
}

fn row(change: &Row, since: Instant, to: Instant) -> Row {
    let take = |key: &str| change.get(key).cloned().unwrap_or(Value::Null);
    object([
        ("service", take("service")),
        ("change", take("change")),
        ("title", take("title")),
        ("repository", take("repository")),
        ("pull_request", take("pull_request")),
        ("waiting_since", crate::answer::explain::time(Some(since))),
        ("age_seconds", json!((to - since).as_seconds_f64())),
        ("url", take("url")),
    ])
}

fn nothing(mut meta: Row) -> Answer {
    meta.extend(object([
        ("n", json!(0)),
        ("age_p50", Value::Null),
        ("age_p75", Value::Null),
        ("age_p90", Value::Null),
        ("age_max", Value::Null),
        ("next_cursor", Value::Null),
    ]));
    Answer { data: Vec::new(), series: None, differences: None, meta }
}
