//! `dorado collect`: reads now what connected tools know, with a bar for each, and settles it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use chrono::Utc;
use dorado_ingest::collect::{Collector, client};
use dorado_ingest::{Source, source_name};
use dorado_lake::{Run, RunState};
use dorado_query::Engine;
use futures::future::join_all;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::open;
use super::words::counted;
use crate::cli::CollectArgs;
use crate::config::{Config, day};
use crate::pipeline;
use crate::schedule::Wakers;
use crate::telemetry::say;

const SERVING: &str = "a server that runs on the directory collects by itself, as often as `every` says: `dorado sources` \
                       shows its last and next run";

/// Collects from the connections that are named, else from all.
pub(crate) fn run(args: &CollectArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let sources = config.sources()?;
    let asked = named(&sources, &args.names)?;
    let since = args.since.as_deref().map(day).transpose().map_err(|wrong| anyhow::anyhow!("--since: {wrong}"))?;
    let work = open::runtime("dorado-work")?;
    work.block_on(async {
        let opened = open::engine(&url, &config).await;
        let engine = opened.map_err(|error| open::while_serving(error, SERVING))?;
        let (stop, stopped) = watch::channel(false);
        let pipeline =
            tokio::spawn(pipeline::run(engine.clone(), sources.clone(), Wakers::default(), Utc::now, stopped));
        let bars = MultiProgress::new();
        let collecting = asked.iter().map(|source| collect(&engine, source.as_ref(), since, &bars));
        let failed: Vec<anyhow::Error> = join_all(collecting).await.into_iter().filter_map(Result::err).collect();
        // The pipeline ends between two batches; what still waits is settled here.
        let _ = stop.send(true);
        pipeline.await.context("the pipeline ended badly")?;
        pipeline::settle_all(&engine, &sources, &Wakers::default()).await?;
        engine.lake().clone().close();
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
    })
}

/// The connections that can be asked, of these names: the tool's, the connection's, or both with a slash.
pub(crate) fn named(sources: &[Arc<dyn Source>], names: &[String]) -> Result<Vec<Arc<dyn Source>>> {
    let asked: Vec<_> = sources.iter().filter(|source| source.outgoing().is_some()).cloned().collect();
    let known = || asked.iter().map(|source| source_name(source.as_ref())).collect::<Vec<_>>().join(", ");
    if asked.is_empty() {
        bail!("no connection in the configuration can be asked; one needs a token, and says what to read");
    }
    if names.is_empty() {
        return Ok(asked);
    }
    let mut found = Vec::new();
    for name in names {
        let is_it = |source: &&Arc<dyn Source>| {
            [&source_name(source.as_ref()), source.name(), source.connection()].contains(&name.as_str())
        };
        let before = found.len();
        found.extend(asked.iter().filter(is_it).cloned());
        if found.len() == before {
            bail!("no connection that can be asked is called `{name}`; there are {}", known());
        }
    }
    Ok(found)
}

async fn collect(
    engine: &Engine,
    source: &dyn Source,
    since: Option<dorado_lake::Instant>,
    bars: &MultiProgress,
) -> Result<()> {
    let name = source_name(source);
    let Some(http) = client(source, Utc::now) else { return Ok(()) };
    let http = http.with_context(|| format!("cannot collect from `{name}`"))?;
    let bar = bars.add(ProgressBar::no_length().with_style(style()).with_prefix(name.clone()));
    let started = std::time::Instant::now();
    let collector = Collector { lake: engine.lake(), source, http, since };
    let run = collector.run(|run| show(&bar, run)).await;
    bar.finish_and_clear();
    let run = run?;
    let seconds = started.elapsed().as_secs_f64();
    let (records, calls) = (counted(run.n_deliveries as i64, "new record"), counted(run.n_calls as i64, "call"));
    say(format_args!("{name}: {records} in {calls}, {seconds:.1} s"))?;
    Ok(())
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

fn style() -> ProgressStyle {
    let template = "{prefix:24} {bar:24} {human_pos}/{human_len} {per_sec} {eta} {msg}";
    ProgressStyle::with_template(template).expect("the template is right")
}
