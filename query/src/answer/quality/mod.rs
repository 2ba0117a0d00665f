//! Data quality: how much of what was told can be used, what is missing, and what to do about it. Each check is
//! one row; what costs the numbers most comes first.

mod checks;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::TimeDelta;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::JoinType;
use datafusion::prelude::col;
use dorado_lake::{Deployment, Incident, Instant, Tier};

use super::directory::Columns;
use super::frame::{Over, asked_rows, within};
use crate::attribution::history;
use crate::audience::Audience;
use crate::catalog::Catalog;
use crate::engine::{Answer, Engine, Error};
use crate::question::{Filter, Question};
use crate::tables::Tables;

use checks::{Counted, rows};

impl Engine {
    /// What is missing in the data of the period, the gravest first. `now` tells what is from the future, and how
    /// long each source has been silent.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub async fn data_quality(&self, question: &Question, now: Instant) -> Result<Arc<Answer>, Error> {
        self.kept(format!("data-quality {now} {question:?}"), question.audience(), async |tables, directory| {
            let whole = question.whole();
            let selection = directory.select(&whole.filter, self.catalog())?;
            let over = Over { tables, directory, selection: &selection, question: &whole };
            let mut counted = Counted::default();
            count_outcomes(&over, &mut counted).await?;
            count_shipments(&over, &mut counted).await?;
            count_causes(&over, &mut counted).await?;
            count_future(&over, now, &mut counted).await?;
            // What no service claims is nobody's, and which sources there are is the whole organisation's to know.
            let is_whole = *question.audience() == Audience::Everybody;
            if is_whole && whole.filter == Filter::default() {
                count_homeless(&over, self.catalog(), &mut counted).await?;
            }
            let known = directory.services.keys();
            let asked =
                known.filter(|name| selection.services.as_ref().is_none_or(|services| services.contains(*name)));
            counted.n_services_known = asked.count() as i64;
            counted.n_services_with_team = counted
                .services
                .iter()
                .filter(|name| directory.services.get(*name).is_some_and(|card| card.team.is_some()))
                .count() as i64;
            let sources = if is_whole { self.lake().source_status().await? } else { Vec::new() };
            let mut data = rows(&counted, &sources, now);
            data.truncate(ROWS_AT_MOST);
            Ok(Answer { data, series: None, differences: None, meta: self.meta(tables, directory, question) })
        })
        .await
    }
}

/// Runs SQL over rows that it calls `asked`.
async fn select(tables: &Tables, asked: DataFrame, sql: &str) -> Result<Vec<RecordBatch>, Error> {
    let session = tables.alone()?;
    session.register_table("asked", asked.into_view())?;
    Ok(session.sql(sql).await?.collect().await?)
}

/// One row a check, and one a source.
const ROWS_AT_MOST: usize = 200;

/// Adds up the columns of a pass by service; `each` sees every service with a lookup of its counts.
async fn pass(
    over: &Over<'_>,
    table: &str,
    sql: &str,
    mut each: impl FnMut(String, &dyn Fn(&str) -> i64),
) -> Result<(), Error> {
    let period = (over.question.from, over.question.to);
    let Some(asked) = asked_rows(over.tables, table, over.selection, period)? else { return Ok(()) };
    let asked = match table {
        "shipments" => {
            let latest = over.tables.session.read_batch(latest_deployments(over)?)?;
            asked.join(latest, JoinType::Left, &["service"], &["member"], None)?
        }
        _ => asked,
    };
    for batch in select(over.tables, asked, sql).await? {
        let columns = Columns(&batch);
        for row in 0..batch.num_rows() {
            let service = columns.text("service", row).unwrap_or_default();
            each(service, &|name| columns.number(name, row).unwrap_or(0));
        }
    }
    Ok(())
}

/// `member` and `last_deployment_at` of every service.
fn latest_deployments(over: &Over<'_>) -> Result<RecordBatch, Error> {
    let services = &over.directory.services;
    let members: StringArray = services.keys().map(Some).collect();
    let latest = services.values().map(|card| card.last_deployment_at.map(|at| at.timestamp_micros()));
    let latest = latest.collect::<TimestampMicrosecondArray>().with_timezone("UTC");
    Ok(RecordBatch::try_from_iter([
        ("member", Arc::new(members) as ArrayRef),
        ("last_deployment_at", Arc::new(latest) as ArrayRef),
    ])?)
}

async fn count_outcomes(over: &Over<'_>, counted: &mut Counted) -> Result<(), Error> {
    pass(over, "outcomes", include_str!("outcomes.sql"), |service, count| {
        counted.n_attempts += count("n");
        counted.n_with_revision += count("n_with_revision");
        counted.n_backwards += count("n_backwards");
        counted.n_rows += count("n");
        if count("n_reached") > 0 {
            counted.services.insert(service);
        }
    })
    .await?;
    let period = (over.question.from, over.question.to);
    let Some(asked) = asked_rows(over.tables, "outcomes", over.selection, period)? else { return Ok(()) };
    let found = select(over.tables, asked, include_str!("duplicates.sql")).await?;
    counted.n_duplicates = found.first().and_then(|batch| Columns(batch).number("n", 0)).unwrap_or(0);
    Ok(())
}

async fn count_shipments(over: &Over<'_>, counted: &mut Counted) -> Result<(), Error> {
    pass(over, "shipments", include_str!("shipments.sql"), |service, count| {
        counted.n_changes += count("n");
        counted.n_shipped += count("n_shipped");
        // Where the graph is known, what it does not reach has not shipped.
        let known = if count("n_by_graph") > 0 { count("n_unshipped") } else { count("n_newer") };
        counted.n_known_unshipped += known;
        counted.n_without_commit_time += count("n_without_commit_time");
        counted.n_with_pull_request += count("n_with_pull_request");
        counted.n_skewed += count("n_skewed");
        counted.n_backwards += count("n_backwards");
        counted.n_rows += count("n");
        counted.services_with_changes.insert(service);
    })
    .await
}

async fn count_causes(over: &Over<'_>, counted: &mut Counted) -> Result<(), Error> {
    pass(over, "causes", include_str!("causes.sql"), |_, count| {
        counted.n_incidents += count("n");
        counted.n_confirmed += count("n_confirmed");
        counted.n_probable += count("n_probable");
        counted.n_backwards += count("n_backwards");
        counted.n_rows += count("n");
    })
    .await?;
    // A quiet period is no gap: an incident at any time shows that the service's incidents arrive.
    let always = (Instant::UNIX_EPOCH, over.question.to);
    let Some(ever) = asked_rows(over.tables, "causes", over.selection, always)? else { return Ok(()) };
    for batch in ever.select(vec![col("service")])?.distinct()?.collect().await? {
        let columns = Columns(&batch);
        counted.services_with_incidents.extend((0..batch.num_rows()).filter_map(|row| columns.text("service", row)));
    }
    Ok(())
}

async fn count_future(over: &Over<'_>, now: Instant, counted: &mut Counted) -> Result<(), Error> {
    let future = (now, now + TimeDelta::days(100 * 366));
    for table in ["outcomes", "shipments", "causes"] {
        let Some(rows) = asked_rows(over.tables, table, over.selection, future)? else { continue };
        counted.n_future += rows.count().await? as i64;
    }
    Ok(())
}

/// Deployments and incidents that no service claims. They have no place in a question about some services.
async fn count_homeless(over: &Over<'_>, catalog: &Catalog, counted: &mut Counted) -> Result<(), Error> {
    let period = over.question.from..over.question.to;
    // A later version may say what an earlier one left out.
    let nameless = col("service").is_null().and(col("repository").is_null());
    let nameless = nameless.and(within("finished_at", (period.start, period.end)));
    let deployments = history::deployments(over.tables.facts_like::<Deployment>(nameless).await?);
    let deployments = over.directory.deleted.without_deployments(deployments);
    let is_lost = |d: &&Deployment| {
        let is_nameless = d.service.is_none() && d.repository.is_none();
        is_nameless && catalog.tier(&d.environment, d.tier) == Tier::Production
    };
    let lost = deployments.iter().filter(is_lost);
    counted.n_homeless_deployments =
        Some(lost.filter_map(|d| d.finished_at).filter(|at| period.contains(at)).count() as i64);

    let then = within("opened_at", (period.start, period.end)).or(col("opened_at").is_null());
    let incidents = history::incidents(over.tables.facts_like::<Incident>(then).await?);
    let incidents = over.directory.deleted.without_incidents(incidents);
    let in_production =
        |i: &&Incident| i.environment.as_deref().is_none_or(|name| catalog.tier(name, None) == Tier::Production);
    let told = incidents.iter().filter(in_production).filter(|i| i.opened_at.is_some_and(|at| period.contains(&at)));
    let told: BTreeSet<(String, String)> = told.map(|i| (i.source.clone(), i.id.clone())).collect();
    let mut placed: BTreeSet<(String, String)> = BTreeSet::new();
    if let Some(rows) = asked_rows(over.tables, "causes", over.selection, (period.start, period.end))? {
        for batch in rows.select(vec![col("source"), col("incident")])?.collect().await? {
            let columns = Columns(&batch);
            for row in 0..batch.num_rows() {
                let key = columns.text("source", row).zip(columns.text("incident", row));
                placed.extend(key);
            }
        }
    }
    let n_placed = told.iter().filter(|key| placed.contains(*key)).count() as i64;
    counted.incidents_with_service = Some((n_placed, told.len() as i64));
    Ok(())
}
