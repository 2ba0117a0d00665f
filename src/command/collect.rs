//! `dorado collect`: reads now what connected tools know, with a bar for each, and settles it. Where a server has the
//! directory, that server does it, and the command shows how it goes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use chrono::Utc;
use dorado_ingest::collect::{Collector, client, named};
use dorado_ingest::{Source, Wakers, source_name};
use dorado_lake::{Instant, Run, RunState};
use dorado_query::Engine;
use futures::future::join_all;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::sync::watch;

use super::beside::{Beside, until};
use super::open;
use super::words::counted;
use crate::cli::CollectArgs;
use crate::config::{Config, day};
use crate::pipeline;
use crate::telemetry::say;

const GOES_ON: &str = "interrupted; the server goes on collecting, and `dorado sources` shows how it stands";

/// Collects from the connections that are named, else from all.
pub(crate) fn run(args: &CollectArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let since = args.since.as_deref().map(day).transpose().map_err(|wrong| anyhow!("--since: {wrong}"))?;
    let beside = || Beside::find(&args.beside, &url, &config, "collect");
    let work = open::runtime("dorado-work")?;
    let failed = work.block_on(async {
        if args.beside.server.is_some()
            && let Some(server) = beside()?
        {
            return server.through(GOES_ON, async |server| follow(server, &args.names, since).await).await;
        }
        let sources = config.sources()?;
        let mut asked = askable(&sources, &args.names)?;
        // What watches never ends: only for who asks for it, or for nothing else.
        if args.names.is_empty() && asked.iter().any(|source| !source.watches()) {
            asked.retain(|source| !source.watches());
        }
        match open::engine(&url, &config).await {
            Ok(engine) => here(&engine, &sources, &asked, since).await,
            Err(error) if open::is_held(&error) => match beside()? {
                Some(server) => server.through(GOES_ON, async |server| follow(server, &args.names, since).await).await,
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    })?;
    match failed.len() {
        0 => Ok(()),
        n => {
            for error in failed {
                crate::telemetry::complain(&error);
            }
            bail!(
                "{} ended early; what was read is kept, and the next run goes on from there",
                counted(n as i64, "run")
            )
        }
    }
}

/// The connections of these names that can be asked, of which there must be one.
pub(crate) fn askable(sources: &[Arc<dyn Source>], names: &[String]) -> Result<Vec<Arc<dyn Source>>> {
    if sources.iter().all(|source| source.outgoing().is_none()) {
        bail!("no connection in the configuration can be asked; one needs a token, and says what to read");
    }
    Ok(named(sources, names)?)
}

/// Collects in this process; gives the errors of runs that ended early.
async fn here(
    engine: &Engine,
    sources: &[Arc<dyn Source>],
    asked: &[Arc<dyn Source>],
    since: Option<Instant>,
) -> Result<Vec<anyhow::Error>> {
    let (stop, stopped) = watch::channel(false);
    let pipeline = tokio::spawn(pipeline::run(engine.clone(), sources.to_vec(), Wakers::default(), Utc::now, stopped));
    let bars = MultiProgress::new();
    let collecting = asked.iter().map(|source| collect(engine, source.as_ref(), since, &bars));
    let failed = join_all(collecting).await.into_iter().filter_map(Result::err).collect();
    // The pipeline ends between two batches; what still waits is settled here.
    let _ = stop.send(true);
    pipeline.await.context("the pipeline ended badly")?;
    let (_never, stopped) = watch::channel(false);
    pipeline::catch_up(engine, sources, &Wakers::default(), &stopped).await?;
    engine.lake().clone().close();
    Ok(failed)
}

async fn collect(engine: &Engine, source: &dyn Source, since: Option<Instant>, bars: &MultiProgress) -> Result<()> {
    let name = source_name(source);
    let Some(http) = client(source, Utc::now) else { return Ok(()) };
    let http = http.with_context(|| format!("cannot collect from `{name}`"))?;
    let bar = bar_of(bars, &name);
    let started = std::time::Instant::now();
    let collector = Collector { lake: engine.lake(), source, http, since };
    let run = collector.run(|run| show(&bar, run)).await;
    bar.finish_and_clear();
    Ok(tell(&run?, started)?)
}

/// Has a server collect; gives the errors of runs that ended early.
async fn follow(server: &Beside, names: &[String], since: Option<Instant>) -> Result<Vec<anyhow::Error>> {
    let since = since.map(|since| since.to_rfc3339());
    let mut query: Vec<(&str, &str)> = names.iter().map(|name| ("source", name.as_str())).collect();
    query.extend(since.as_deref().map(|since| ("since", since)));
    // Where a run is under way that begins elsewhere, ours begins after it.
    let begun = until(async || server.ask("/api/v1/collect", &query).await).await?;
    let begun: Vec<Value> = rows(&begun).to_vec();
    if begun.is_empty() {
        bail!("the server at {} has nothing to collect from; what it watches, it watches all the time", server.url());
    }
    let (bars, started) = (MultiProgress::new(), std::time::Instant::now());
    let mut running: BTreeMap<String, ProgressBar> = BTreeMap::new();
    for row in &begun {
        let name = text(row, "source").to_owned();
        running.insert(name.clone(), bar_of(&bars, &name));
    }
    let mut failed = Vec::new();
    until(async || {
        let told = server.get("/api/v1/sources").await?;
        for row in rows(&told) {
            let Some(bar) = running.get(text(row, "source")) else { continue };
            let began = begun.iter().find(|begun| begun["source"] == row["source"]);
            let is_ours = began.is_some_and(|began| began["run_began_at"] == row["run_began_at"]);
            let run = run_of(row)?;
            show(bar, &run);
            // One that has ended may have been followed by another.
            let has_ended = !is_ours || matches!(run.state, RunState::Idle | RunState::Failed);
            if has_ended && (row["n_waiting"] == 0 || run.state == RunState::Failed) {
                bar.finish_and_clear();
                running.remove(&run.source);
                match &run.error {
                    Some(error) if run.state == RunState::Failed => {
                        failed.push(anyhow!("{error}").context(format!("cannot read from `{}`", run.source)));
                    }
                    _ => tell(&run, started)?,
                }
            }
        }
        Ok(running.is_empty().then_some(()))
    })
    .await?;
    Ok(failed)
}

fn rows(told: &Value) -> &[Value] {
    told["data"].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(row: &'a Value, key: &str) -> &'a str {
    row[key].as_str().unwrap_or_default()
}

/// A run as a server tells of it.
fn run_of(row: &Value) -> Result<Run> {
    Ok(Run {
        source: text(row, "source").to_owned(),
        state: serde_json::from_value(row["state"].clone())
            .context("the server tells of a state that is not known here")?,
        next_at: serde_json::from_value(row["next_run_at"].clone()).unwrap_or_default(),
        n_deliveries: row["n_collected"].as_u64().unwrap_or_default(),
        n_done: row["n_done"].as_u64(),
        n_total: row["n_total"].as_u64(),
        n_calls: row["n_calls"].as_u64().unwrap_or_default(),
        error: row["error"].as_str().map(str::to_owned),
        ..Run::default()
    })
}

fn tell(run: &Run, started: std::time::Instant) -> std::io::Result<()> {
    let seconds = started.elapsed().as_secs_f64();
    let (records, calls) = (counted(run.n_deliveries as i64, "new record"), counted(run.n_calls as i64, "call"));
    say(format_args!("{}: {records} in {calls}, {seconds:.1} s", run.source))
}

fn show(bar: &ProgressBar, run: &Run) {
    if let Some(n_total) = run.n_total {
        bar.set_length(n_total);
    }
    bar.set_position(run.n_done.unwrap_or_default());
    bar.set_message(match (run.state, run.next_at) {
        (RunState::Waiting, Some(until)) => format!("waits for the rate limit until {}", until.format("%H:%M:%S UTC")),
        _ => counted(run.n_deliveries as i64, "new record"),
    });
    bar.tick();
}

fn bar_of(bars: &MultiProgress, name: &str) -> ProgressBar {
    let template = "{prefix:24} {bar:24} {human_pos}/{human_len} {per_sec} {eta} {msg}";
    let style = ProgressStyle::with_template(template).expect("the template is right");
    bars.add(ProgressBar::no_length().with_style(style).with_prefix(name.to_owned()))
}
