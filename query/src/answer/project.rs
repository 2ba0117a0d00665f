//! Incidents put on the latest deployment of their project, whatever anybody names. A project is a team;
//! services that nobody owns are one together. Looks at all services, whichever are asked about.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::{concat_batches, take, take_record_batch};
use arrow::datatypes::Schema;
use datafusion::dataframe::DataFrame;
use datafusion::prelude::col;

use super::directory::Columns;
use super::frame::Over;
use crate::engine::Error;
use crate::gold::{Cause, GoldRow as _, schema};

/// What is known of the success that an incident is put on.
const OF_SUCCESS: [&str; 6] = ["service", "source", "deployment", "finished_at", "environment", "repository"];

/// Each incident once a project.
pub(crate) async fn causes(over: &Over<'_>) -> Result<Option<DataFrame>, Error> {
    let Some(beside) = over.directory.on_projects.get_or_try_init(|| beside(over)).await? else { return Ok(None) };
    let frame = over.tables.session.read_batch(beside.clone())?;
    let before_ms = "(cast(opened_at as bigint) - cast(success_finished_at as bigint)) / 1000";
    let near = over
        .question
        .pack
        .window_ms()
        .map_or_else(|| "success_deployment is not null".to_owned(), |window| format!("{before_ms} <= {window}"));
    let columns = [
        ("service", "success_service", "service"),
        ("environment", "success_environment", "environment"),
        ("repository", "success_repository", "repository"),
        ("deployment_source", "success_source", "null"),
        ("deployment", "success_deployment", "null"),
        ("deployment_ms", before_ms, "null"),
        ("rule", "'proximity'", "'unattributed'"),
        ("confidence", "'probable'", "null"),
    ];
    let mut seen = frame.clone();
    for (column, put, otherwise) in columns {
        let expr = frame.parse_sql_expr(&format!("case when {near} then {put} else {otherwise} end"))?;
        seen = seen.with_column(column, expr)?;
    }
    Ok(Some(seen.select(schema::<Cause>().fields().iter().map(|field| col(field.name())).collect::<Vec<_>>())?))
}

/// The incidents, each once a project, with the latest success of the project before it, however long before: in columns
/// named `success_…`, null where there is none.
async fn beside(over: &Over<'_>) -> Result<Option<RecordBatch>, Error> {
    let (Some(causes), Some(outcomes)) = (over.tables.table(Cause::TABLE)?, over.tables.table("outcomes")?) else {
        return Ok(None);
    };
    let incidents = one(causes.sort(vec![col("service").sort(true, false)])?).await?;
    let successes = one(outcomes.filter(col("reached"))?.select(OF_SUCCESS.map(col).to_vec())?).await?;
    let by_project = by_project(over, &successes);
    let told = Columns(&incidents);
    let finished = Columns(&successes);
    let mut seen: BTreeSet<(Option<&str>, &str, &str)> = BTreeSet::new();
    let (mut kept, mut latest): (Vec<u32>, Vec<Option<u32>>) = (Vec::new(), Vec::new());
    for row in 0..incidents.num_rows() {
        let text = |name| told.str(name, row).unwrap_or_default();
        let project = project(over, text("service"));
        if !seen.insert((project, text("source"), text("incident"))) {
            continue;
        }
        let before = by_project.get(&project).map_or(&[][..], Vec::as_slice);
        let opened_at = told.instant("opened_at", row);
        let end = before.partition_point(|&success| finished.instant("finished_at", success as usize) <= opened_at);
        kept.push(row as u32);
        latest.push(before[..end].last().copied());
    }
    let kept = take_record_batch(&incidents, &UInt32Array::from(kept))?;
    let latest = UInt32Array::from(latest);
    let mut fields = kept.schema().fields().to_vec();
    let mut columns = kept.columns().to_vec();
    for (field, column) in successes.schema().fields().iter().zip(successes.columns()) {
        let named = field.as_ref().clone().with_name(format!("success_{}", field.name())).with_nullable(true);
        fields.push(Arc::new(named));
        columns.push(take(column, &latest, None)?);
    }
    Ok(Some(RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)?))
}

/// All rows in one batch.
async fn one(frame: DataFrame) -> Result<RecordBatch, Error> {
    let schema = Arc::clone(frame.schema().inner());
    Ok(concat_batches(&schema, &frame.collect().await?)?)
}

/// Rows of successes by project, in the order in which they finished.
fn by_project<'a>(over: &Over<'a>, successes: &RecordBatch) -> BTreeMap<Option<&'a str>, Vec<u32>> {
    let columns = Columns(successes);
    let mut found: BTreeMap<Option<&str>, Vec<u32>> = BTreeMap::new();
    for row in 0..successes.num_rows() {
        let service = columns.str("service", row).unwrap_or_default();
        found.entry(project(over, service)).or_default().push(row as u32);
    }
    let names = |&row: &u32| ["deployment", "source", "service"].map(|name| columns.str(name, row as usize));
    for rows in found.values_mut() {
        rows.sort_unstable_by(|a, b| {
            let finished_at = |&row: &u32| columns.instant("finished_at", row as usize);
            finished_at(a).cmp(&finished_at(b)).then_with(|| names(a).cmp(&names(b)))
        });
    }
    found
}

fn project<'a>(over: &Over<'a>, service: &str) -> Option<&'a str> {
    over.directory.services.get(service).and_then(|card| card.team.as_deref())
}
