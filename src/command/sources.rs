//! `dorado sources`: how the connected tools stand and what nobody mapped; `dorado sources test NAME`: one call to each
//! that can be asked, and exactly what is wrong with it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use chrono::{SecondsFormat, TimeDelta, Utc};
use dorado_ingest::collect::client;
use dorado_ingest::{Kind, Source, events, source_name};
use dorado_lake::{Instant, Lake, Run, SourceStatus};
use dorado_query::Engine;

use super::output::deliver;
use super::table::printable;
use super::words::counted;
use super::{collect, open};
use crate::cli::{SourcesArgs, SourcesCommand};
use crate::config::Config;

/// How far a tool's clock may be off before that is told.
const CLOCK_OFF: TimeDelta = TimeDelta::seconds(30);

/// Lists the connections, or tests them.
pub(crate) fn run(args: &SourcesArgs, config_file: Option<&Path>) -> Result<ExitCode> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let sources = config.sources()?;
    match &args.command {
        None => {
            deliver(&list(&sources, &config.data(args.data.data.as_deref()), &config)?, None)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(SourcesCommand::Test { names }) => {
            let asked = collect::askable(&sources, names)?;
            let (lines, n_wrong) = open::runtime("dorado-test")?.block_on(async {
                let mut lines = Vec::new();
                let mut n_wrong = 0;
                for source in &asked {
                    let found = test(source.as_ref()).await;
                    n_wrong += usize::from(found.is_err());
                    let name = source_name(source.as_ref());
                    lines.push(match found {
                        Ok(found) => format!("{name}: fine; {found}"),
                        Err(wrong) => format!("{name}: {wrong}"),
                    });
                }
                (lines, n_wrong)
            });
            deliver(&(lines.join("\n") + "\n"), None)?;
            Ok(if n_wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

/// Names that nobody mapped, shown at most; `/api/v1/unmapped` has all.
const MOST_UNMAPPED: usize = 10;

/// How every connection stands, and what nobody mapped. A server on the same directory may run.
fn list(sources: &[Arc<dyn Source>], url: &str, config: &Config) -> Result<String> {
    let standing = match open::directory(url, config)? {
        Some(directory) => dorado_lake::standing(&directory)?,
        None => Default::default(),
    };
    let mut lines = Vec::new();
    for source in sources.iter().filter(|source| source.name() != events::NAME) {
        lines.extend(entry(source.as_ref(), &standing.0, &standing.1));
    }
    if lines.is_empty() {
        lines.push(
            "no tool is connected; events are taken at /api/v1/events, and [[connection]] in dorado.toml connects one"
                .to_owned(),
        );
    }
    lines.extend(unmapped(url, config)?);
    Ok(lines.join("\n") + "\n")
}

/// A connection, what it sent, and how asking it went.
fn entry(source: &dyn Source, statuses: &[SourceStatus], runs: &[Run]) -> Vec<String> {
    let title = Kind::of(source.name()).map_or(source.name(), |kind| kind.title);
    let name = source_name(source);
    let status = statuses.iter().find(|status| status.source == name);
    let outgoing = source.outgoing();
    let run = runs.iter().find(|run| run.source == name).filter(|_| outgoing.is_some());
    let state = match (run, status) {
        (Some(run), _) => run.state.as_str(),
        (None, Some(_)) => "receiving",
        (None, None) => "silent",
    };
    let asked = outgoing.map_or_else(|| "not asked".to_owned(), |outgoing| format!("asked at {}", outgoing.url));
    let mut lines = vec![format!("{name} ({title}): {state}; takes deliveries at /webhooks/{name}; {asked}")];
    if let Some(status) = status {
        let last = status.last_delivery_at.map_or_else(|| "never".to_owned(), second);
        let SourceStatus { n_kept, n_ignored, n_rejected, n_waiting, .. } = status;
        lines.push(format!(
            "  last delivery {last}; {n_kept} gave facts, {n_ignored} were ignored, {n_rejected} rejected, {n_waiting} wait"
        ));
        lines.extend(
            status.reasons.first().map(|most| format!("  most often {}: {} ({})", most.outcome, most.reason, most.n)),
        );
    }
    if let Some(run) = run {
        let at = |at: Option<Instant>| at.map_or_else(|| "never".to_owned(), second);
        let (began, ended, next) = (at(run.started_at), at(run.last_success_at), at(run.next_at));
        let records = counted(run.n_deliveries as i64, "new record");
        lines.push(format!("  last run began {began}, {records}; last success {ended}; next run {next}"));
        lines.extend(run.error.as_ref().map(|error| format!("  it failed: {error}")));
        if let (Some(left), Some(limit)) = (run.rate_limit_remaining, run.rate_limit) {
            lines.push(format!("  {left} of {limit} calls left"));
        }
    }
    lines.iter().map(|line| printable(line)).collect()
}

/// Names that the configuration does not know, with the lines that would map them.
fn unmapped(url: &str, config: &Config) -> Result<Vec<String>> {
    if !url.contains("://") && !Path::new(url).is_dir() {
        return Ok(Vec::new());
    }
    let rows = open::runtime("dorado-work")?.block_on(async {
        let lake = Lake::open_read_only(url).await?;
        anyhow::Ok(Engine::open(lake, config.catalog()).await?.unmapped().await?)
    })?;
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut lines = vec![String::new(), format!("{} that nobody mapped:", counted(rows.len() as i64, "name"))];
    for row in rows.iter().take(MOST_UNMAPPED) {
        let text = |key: &str| row.get(key).and_then(|value| value.as_str()).unwrap_or_default();
        let n = row.get("n_deployments").and_then(serde_json::Value::as_i64).unwrap_or_default();
        let deployments = counted(n, "deployment");
        lines.push(printable(&format!(
            "  {} {}: {deployments}, taken as {}",
            text("kind"),
            text("name"),
            text("taken_as")
        )));
        lines.extend(text("toml").lines().map(|line| printable(&format!("    {line}"))));
    }
    Ok(lines)
}

fn second(at: Instant) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What a call found, or what is wrong.
async fn test(source: &dyn Source) -> Result<String> {
    let Some(http) = client(source, Utc::now) else { bail!("it is not asked for anything") };
    let http = http?;
    let found = source.test(&http).await;
    let off = http.clock_ahead().filter(|ahead| ahead.abs() > CLOCK_OFF).map(|ahead| {
        let direction = if ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
        format!("the clock here is {} seconds {direction} its clock", ahead.num_seconds().abs())
    });
    match (found, off) {
        (Ok(found), None) => Ok(found),
        (Ok(found), Some(off)) => bail!("{off}; otherwise fine: {found}"),
        (Err(wrong), None) => bail!("{wrong}"),
        (Err(wrong), Some(off)) => bail!("{wrong}; also, {off}"),
    }
}
