//! What is behind a number: the rows, each with its rule, and what was left out and why.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::RecordBatch;
use datafusion::dataframe::DataFrame;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{Expr, col, lit, when};
use datafusion::scalar::ScalarValue;
use dorado_lake::{Change, Instant};
use serde_json::{Value, json};

use super::directory::Columns;
use super::frame::{Over, instant_column};
use super::page::Place;
use super::relation;
use crate::attribution::history;
use crate::engine::{Error, Page, Row};
use crate::metric::{Kind, Metric};
use crate::pack::Pack;
use crate::tables::{Tables, among};

/// Rows of an explanation, and where the page ended.
pub(crate) struct Rows {
    pub(crate) rows: Vec<Row>,
    pub(crate) next_cursor: Option<String>,
}

/// The rows behind a metric over the whole period of a question; those in the numerator come first.
pub(crate) async fn rows(over: &Over<'_>, metric: &Metric, page: &Page) -> Result<Rows, Error> {
    let table = metric.table_under(&over.question.pack);
    let Some(frame) = behind(over, table).await? else {
        return Ok(Rows { rows: Vec::new(), next_cursor: None });
    };
    let frame = match table {
        relation::INCIDENTS | relation::RECOVERIES => relation::named_to(over, frame)?,
        _ => frame,
    };
    let ranked = ranked(frame, metric, table)?;
    let (at, id) = match table {
        "shipments" => ("known_at", "change"),
        relation::INCIDENTS | relation::RECOVERIES => (instant_column(table), "incident"),
        _ => ("finished_at", "deployment"),
    };
    let batches = one_page(ranked, at, id, page).await?;
    let mut places = Vec::new();
    for batch in &batches {
        let columns = Columns(batch);
        places.extend((0..batch.num_rows()).map(|i| place(&columns, i, at, id)));
    }
    let next_cursor = next_cursor(&mut places, page.limit);
    let mut rows: Vec<Row> = if table == "shipments" {
        change_rows(over.tables, &batches).await?
    } else {
        let row = |(b, i): (&RecordBatch, usize)| match id {
            "incident" => incident_row(&Columns(b), i, table),
            _ => deployment_row(&Columns(b), i, metric, &over.question.pack),
        };
        batches.iter().flat_map(|b| (0..b.num_rows()).map(move |i| (b, i))).map(row).collect()
    };
    rows.truncate(page.limit);
    Ok(Rows { rows, next_cursor })
}

/// All rows of a question's period.
async fn behind(over: &Over<'_>, table: &str) -> Result<Option<DataFrame>, Error> {
    let period = (over.question.from, over.question.to);
    let Some(frame) = relation::rows(over, table, period).await? else { return Ok(None) };
    Ok(Some(match table {
        relation::INCIDENTS | relation::RECOVERIES => relation::each_once(frame, &[])?,
        _ => frame,
    }))
}

/// How many rows were left out, by reason.
pub(crate) async fn excluded(over: &Over<'_>, metric: &Metric) -> Result<BTreeMap<String, i64>, Error> {
    let pack = &over.question.pack;
    let table = metric.table_under(pack);
    let Some(frame) = behind(over, table).await? else { return Ok(BTreeMap::new()) };
    counted(frame.with_column("reason", reason(metric, table, pack)?)?.filter(col("reason").is_not_null())?).await
}

/// Incidents opened in the period, by the rule that found their deployment; those that none found are
/// `unattributed`, and are no failure of any deployment.
pub(crate) async fn incidents(over: &Over<'_>) -> Result<BTreeMap<String, i64>, Error> {
    let period = (over.question.from, over.question.to);
    let causes = relation::rows(over, relation::INCIDENTS, period).await?;
    let Some(causes) = causes else { return Ok(BTreeMap::new()) };
    counted(causes.with_column("reason", col("rule"))?).await
}

async fn counted(rows: DataFrame) -> Result<BTreeMap<String, i64>, Error> {
    let mut found = BTreeMap::new();
    let counted = rows.aggregate(vec![col("reason")], vec![count(lit(1_i64)).alias("n")])?;
    for batch in counted.collect().await? {
        let columns = Columns(&batch);
        for i in 0..batch.num_rows() {
            if let (Some(reason), Some(n)) = (columns.text("reason", i), columns.number("n", i)) {
                found.insert(reason, n);
            }
        }
    }
    Ok(found)
}

/// Why a row is not in the metric's n; null where it is, or is no row of it at all.
fn reason(metric: &Metric, table: &str, pack: &Pack) -> Result<Expr, Error> {
    let status = if pack.count_failed_attempts && metric.id == "change-fail-rate" {
        (!col("reached")).and(col("status").not_eq(lit("failed")))
    } else {
        !col("reached")
    };
    Ok(match (metric.kind, table) {
        (_, "shipments") => col("excluded"),
        (_, relation::INCIDENTS) => lit(ScalarValue::Utf8(None)),
        (_, relation::RECOVERIES) => when(col("resolved_at").is_null(), lit("open"))
            .when(col("recovery_ms").lt(lit(0_i64)), lit("resolved_before_it_began"))
            .end()?,
        (Kind::Duration, _) => when(col("failed").and(col("recovered_at").is_null()), lit("open"))
            .when(col("failed").and(col("recovery_ms").lt(lit(0_i64))), lit("recovered_before_it_finished"))
            .end()?,
        _ => when(status, col("status")).end()?,
    })
}

/// The rows of a metric with their rank: what makes the number first.
fn ranked(frame: DataFrame, metric: &Metric, table: &str) -> Result<DataFrame, Error> {
    let rank = |first: Expr, second: Expr| {
        when(first, lit(0_i64)).when(second, lit(1_i64)).otherwise(lit(2_i64)).map_err(Error::from)
    };
    let frame = match metric.id {
        "failed-deployment-recovery-time" if table == "outcomes" => frame.filter(col("reached").and(col("failed")))?,
        _ => frame,
    };
    let rank = match (metric.id, table) {
        (_, relation::INCIDENTS) => lit(0_i64),
        ("change-lead-time", _) => rank(col("excluded").is_null(), col("shipped_at").is_not_null())?,
        ("change-fail-rate", _) => rank(col("failed").is_true(), col("reached"))?,
        ("failed-deployment-recovery-time", _) => rank(col("recovery_ms").gt_eq(lit(0_i64)), lit(true))?,
        ("deployment-rework-rate", _) => rank(col("rework").is_true(), col("reached"))?,
        _ => rank(col("reached"), lit(true))?,
    };
    Ok(frame.with_column("rank", rank)?)
}

/// One row more than the page holds, so that it is known whether another page follows.
pub(crate) async fn one_page(frame: DataFrame, at: &str, id: &str, page: &Page) -> Result<Vec<RecordBatch>, Error> {
    let mut frame = frame;
    if let Some(cursor) = &page.cursor {
        frame = frame.filter(Place::from_cursor(cursor)?.after(at, id))?;
    }
    let order = vec![
        col("rank").sort(true, false),
        col(at).sort(false, false),
        col("service").sort(true, false),
        col(id).sort(true, false),
    ];
    Ok(frame.sort(order)?.limit(0, Some(page.limit + 1))?.collect().await?)
}

fn place(columns: &Columns<'_>, row: usize, at: &str, id: &str) -> Place {
    Place {
        rank: columns.number("rank", row).unwrap_or(0),
        at: columns.instant(at, row).unwrap_or(Instant::UNIX_EPOCH),
        service: columns.text("service", row).unwrap_or_default(),
        id: columns.text(id, row).unwrap_or_default(),
    }
}

/// The cursor of the last row of a page, where more rows follow.
pub(crate) fn next_cursor(places: &mut Vec<Place>, limit: usize) -> Option<String> {
    let more = places.len() > limit;
    places.truncate(limit);
    places.last().filter(|_| more).map(Place::to_cursor)
}

/// Rows of `shipments` with what silver knows of their changes.
pub(crate) async fn change_rows(tables: &Tables, batches: &[RecordBatch]) -> Result<Vec<Row>, Error> {
    let told = changes_of(tables, batches).await?;
    let mut rows = Vec::new();
    for batch in batches {
        let columns = Columns(batch);
        for i in 0..batch.num_rows() {
            let id = columns.text("change", i).unwrap_or_default();
            let change = told.get(&(id.clone(), columns.text("repository", i)));
            let excluded = columns.text("excluded", i);
            let shipped_at = columns.instant("shipped_at", i);
            let lead_ms = columns.number("lead_ms", i);
            let before = |ms: Option<i64>| Some(shipped_at? - chrono::TimeDelta::milliseconds(ms?));
            let ago = |name: &str| time(before(columns.number(name, i)));
            let pairs = [
                ("service", json!(columns.text("service", i))),
                ("change", json!(id)),
                ("title", json!(change.and_then(|c| c.title.clone()))),
                ("repository", json!(columns.text("repository", i))),
                ("pull_request", json!(columns.text("pull_request", i))),
                ("committed_at", time(before(lead_ms))),
                ("commit_time_is", json!(columns.text("lead_from", i))),
                ("first_commit_at", ago("first_commit_ms")),
                ("opened_at", ago("opened_ms")),
                ("first_review_at", ago("first_review_ms")),
                ("approved_at", ago("approved_ms")),
                ("merged_at", ago("merged_ms")),
                ("deployment", json!(columns.text("deployment", i))),
                ("environment", json!(columns.text("environment", i))),
                ("shipped_at", time(shipped_at)),
                ("lead_time_seconds", json!(lead_ms.map(|ms| ms as f64 / 1000.0))),
                ("coding_seconds", stage(&columns, i, "first_commit_ms", "opened_ms")),
                ("pickup_seconds", stage(&columns, i, "opened_ms", "first_review_ms")),
                ("review_seconds", stage(&columns, i, "first_review_ms", "approved_ms")),
                ("merge_seconds", stage(&columns, i, "approved_ms", "merged_ms")),
                ("deploy_seconds", stage(&columns, i, "merged_ms", "")),
                ("rule", json!(columns.text("rule", i))),
                ("included", json!(excluded.is_none())),
                ("excluded_reason", json!(excluded)),
                ("url", json!(change.and_then(|c| c.url.clone()))),
            ];
            rows.push(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect());
        }
    }
    Ok(rows)
}

/// A stage of a change that has a pull request, from one instant to another or to its shipping; null where
/// one of them is unknown or they are the wrong way round.
fn stage(columns: &Columns<'_>, row: usize, begin: &str, end: &str) -> Value {
    let end = if end.is_empty() { Some(0) } else { columns.number(end, row) };
    let known = columns.text("pull_request", row).and(columns.number(begin, row)).zip(end);
    json!(known.map(|(begin, end)| begin - end).filter(|ms| *ms >= 0).map(|ms| ms as f64 / 1000.0))
}

/// What silver knows of the changes of a page, looked for only in the months that they can be in.
async fn changes_of(
    tables: &Tables,
    batches: &[RecordBatch],
) -> Result<HashMap<(String, Option<String>), Change>, Error> {
    let (mut ids, mut months) = (BTreeSet::new(), BTreeSet::new());
    for batch in batches {
        let columns = Columns(batch);
        for i in 0..batch.num_rows() {
            ids.extend(columns.text("change", i));
            let Some(known_at) = columns.instant("known_at", i) else { continue };
            months.insert(month(known_at));
            for name in ["lead_ms", "first_commit_ms", "merged_ms"] {
                let at = columns.number(name, i).map(|ms| known_at - chrono::TimeDelta::milliseconds(ms));
                months.extend(at.map(month));
            }
        }
    }
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    // A commit that was told with a wrong date may be in no month of these; its title is then left out.
    let filter = among("id", &ids).and(among("month", &months));
    let changes = history::changes(tables.facts::<Change>(Some(filter)).await?);
    Ok(changes.into_iter().map(|c| ((c.id.clone(), c.repository.clone()), c)).collect())
}

fn month(at: Instant) -> String {
    at.format("%Y-%m").to_string()
}

/// A row of incidents as an explanation shows it.
fn incident_row(columns: &Columns<'_>, i: usize, table: &str) -> Row {
    let text = |name: &str| json!(columns.text(name, i));
    let recovery_ms = columns.number("recovery_ms", i);
    let resolved_at = columns.instant("resolved_at", i);
    let excluded = match table {
        relation::RECOVERIES if resolved_at.is_none() => Some("open"),
        relation::RECOVERIES if recovery_ms < Some(0) => Some("resolved_before_it_began"),
        _ => None,
    };
    let pairs = [
        ("service", text("service")),
        ("incident", text("incident")),
        ("source", text("source")),
        ("title", text("title")),
        ("severity", text("severity")),
        ("repository", text("repository")),
        ("environment", text("environment")),
        ("opened_at", time(columns.instant("opened_at", i))),
        ("resolved_at", time(resolved_at)),
        ("deployment", text("deployment")),
        ("rule", text("rule")),
        ("confidence", text("confidence")),
        ("began_at", time(columns.instant("began_at", i))),
        ("recovery_seconds", json!(recovery_ms.map(|ms| ms as f64 / 1000.0))),
        ("included", json!(excluded.is_none())),
        ("excluded_reason", json!(excluded)),
        ("url", text("url")),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

fn deployment_row(columns: &Columns<'_>, i: usize, metric: &Metric, pack: &Pack) -> Row {
    let reached = columns.flag("reached", i).unwrap_or(false);
    let recovery_ms = columns.number("recovery_ms", i);
    let excluded = match metric.id {
        "failed-deployment-recovery-time" if recovery_ms.is_none() => Some("open".to_owned()),
        "failed-deployment-recovery-time" if recovery_ms < Some(0) => Some("recovered_before_it_finished".to_owned()),
        "failed-deployment-recovery-time" => None,
        _ if reached => None,
        "change-fail-rate" if pack.count_failed_attempts => columns.text("status", i).filter(|s| s != "failed"),
        _ => columns.text("status", i),
    };
    let mut row = outcome_row(columns, i);
    row.insert("included".into(), json!(excluded.is_none()));
    row.insert("excluded_reason".into(), json!(excluded));
    row
}

/// A row of `outcomes` as answers show it.
pub(crate) fn outcome_row(columns: &Columns<'_>, i: usize) -> Row {
    let text = |name: &str| json!(columns.text(name, i));
    let pairs = [
        ("service", text("service")),
        ("deployment", text("deployment")),
        ("source", text("source")),
        ("version", text("version")),
        ("revision", text("revision")),
        ("repository", text("repository")),
        ("environment", text("environment")),
        ("status", text("status")),
        ("started_at", time(columns.instant("started_at", i))),
        ("finished_at", time(columns.instant("finished_at", i))),
        ("n_changes", json!(columns.number("n_changes", i))),
        ("n_incidents", json!(columns.number("n_incidents", i))),
        ("failed", json!(columns.flag("failed", i))),
        ("failure_rule", text("failure_rule")),
        ("confidence", text("confidence")),
        ("recovered_at", time(columns.instant("recovered_at", i))),
        ("recovery_seconds", json!(columns.number("recovery_ms", i).map(|ms| ms as f64 / 1000.0))),
        ("recovery_rule", text("recovery_rule")),
        ("rework", json!(columns.flag("rework", i))),
        ("rework_rule", text("rework_rule")),
        ("url", text("url")),
    ];
    pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

/// An instant in an answer.
pub(crate) fn time(at: Option<Instant>) -> Value {
    json!(at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)))
}
