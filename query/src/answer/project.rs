//! Incidents put on the latest deployment of their project, whatever anybody names. A project is a team;
//! services that nobody owns are one together. Looks at all services, whichever are asked about.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::dataframe::DataFrame;
use datafusion::prelude::col;
use dorado_lake::Instant;

use super::directory::Columns;
use super::frame::Over;
use crate::engine::Error;
use crate::gold::{Cause, CauseRule, Confidence, to_batch};

/// A success, in the order in which they finished.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Success {
    finished_at: Instant,
    deployment: String,
    source: String,
    service: String,
    environment: Option<String>,
    repository: Option<String>,
}

/// Each incident once a project.
pub(crate) async fn causes(over: &Over<'_>) -> Result<Option<DataFrame>, Error> {
    let Some(causes) = over.tables.table("causes")? else { return Ok(None) };
    let successes = successes(over).await?;
    let mut seen: BTreeSet<(Option<&str>, String, String)> = BTreeSet::new();
    let mut rows: Vec<Cause> = Vec::new();
    for batch in causes.sort(vec![col("service").sort(true, false)])?.collect().await? {
        let columns = Columns(&batch);
        for i in 0..batch.num_rows() {
            let mut row = told(&columns, i);
            let project = project(over, &row.service);
            if !seen.insert((project, row.source.clone(), row.incident.clone())) {
                continue;
            }
            let before = successes.get(&project).map_or(&[][..], Vec::as_slice);
            let end = before.partition_point(|s| s.finished_at <= row.opened_at);
            let blamed = before[..end].last().map(|s| (s, (row.opened_at - s.finished_at).num_milliseconds()));
            let window = over.question.pack.window_ms();
            if let Some((success, ms)) = blamed.filter(|(_, ms)| window.is_none_or(|window| *ms <= window)) {
                put_on(&mut row, success, ms);
            }
            rows.push(row);
        }
    }
    Ok(Some(over.tables.session.read_batch(to_batch(&rows))?))
}

fn put_on(row: &mut Cause, success: &Success, ms: i64) {
    row.service.clone_from(&success.service);
    row.deployment_source = Some(success.source.clone());
    row.deployment = Some(success.deployment.clone());
    row.deployment_ms = Some(ms);
    row.rule = CauseRule::Proximity;
    row.confidence = Some(Confidence::Probable);
    row.environment.clone_from(&success.environment);
    row.repository.clone_from(&success.repository);
}

fn project<'a>(over: &Over<'a>, service: &str) -> Option<&'a str> {
    over.directory.services.get(service).and_then(|card| card.team.as_deref())
}

async fn successes<'a>(over: &Over<'a>) -> Result<BTreeMap<Option<&'a str>, Vec<Success>>, Error> {
    let mut found: BTreeMap<Option<&str>, Vec<Success>> = BTreeMap::new();
    let Some(outcomes) = over.tables.table("outcomes")? else { return Ok(found) };
    let wanted = ["service", "source", "deployment", "finished_at", "environment", "repository"].map(col).to_vec();
    for batch in outcomes.filter(col("reached"))?.select(wanted)?.collect().await? {
        let columns = Columns(&batch);
        for i in 0..batch.num_rows() {
            let text = |name: &str| columns.text(name, i);
            let Some(finished_at) = columns.instant("finished_at", i) else { continue };
            let service = text("service").unwrap_or_default();
            found.entry(project(over, &service)).or_default().push(Success {
                finished_at,
                deployment: text("deployment").unwrap_or_default(),
                source: text("source").unwrap_or_default(),
                service,
                environment: text("environment"),
                repository: text("repository"),
            });
        }
    }
    for of_project in found.values_mut() {
        of_project.sort();
    }
    Ok(found)
}

/// An incident that is put on nothing yet.
fn told(columns: &Columns<'_>, i: usize) -> Cause {
    let text = |name: &str| columns.text(name, i);
    Cause {
        service: text("service").unwrap_or_default(),
        source: text("source").unwrap_or_default(),
        incident: text("incident").unwrap_or_default(),
        title: text("title"),
        severity: text("severity"),
        opened_at: columns.instant("opened_at", i).unwrap_or(Instant::UNIX_EPOCH),
        resolved_at: columns.instant("resolved_at", i),
        deployment_source: None,
        deployment: None,
        rule: CauseRule::Unattributed,
        confidence: None,
        url: text("url"),
        repository: text("repository"),
        environment: text("environment"),
        deployment_ms: None,
        latest: None,
        baseline: None,
    }
}
