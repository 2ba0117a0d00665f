//! `dorado replay`: reads deliveries that are kept by the translators as they are now. Only what these understand otherwise
//! is changed, and then the results are computed again. Where a server has the directory, that server does it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use chrono::Utc;
use dorado_ingest::{Source, Wakers};
use dorado_lake::{Instant, Replay};
use dorado_query::Engine;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use tokio::sync::watch;

use super::beside::{Beside, showing, until};
use super::open;
use super::words::{count, counted};
use crate::cli::ReplayArgs;
use crate::config::{Config, day};
use crate::pipeline;
use crate::telemetry::say;

const ENDED_EARLY: &str = "the replay ended early; what it did so far counts";
const GOES_ON: &str = "interrupted; the server goes on with the replay, and the same command again shows how it stands";

/// Replays what is asked for.
pub(crate) fn run(args: &ReplayArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let since = args.since.as_deref().map(day).transpose().map_err(|wrong| anyhow!("--since: {wrong}"))?;
    let beside = || Beside::find(&args.beside, &url, &config, "replay");
    let source = args.source.as_deref();
    let (n_read, n_changed) = open::runtime("dorado-work")?.block_on(async {
        if args.beside.server.is_some()
            && let Some(server) = beside()?
        {
            return server.through(GOES_ON, async |server| follow(server, source, since).await).await;
        }
        let sources = config.sources()?;
        match open::engine(&url, &config).await {
            Ok(engine) => here(&engine, &sources, source, since).await,
            Err(error) if open::is_held(&error) => match beside()? {
                Some(server) => server.through(GOES_ON, async |server| follow(server, source, since).await).await,
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    })?;
    let (read, changed) = (counted(n_read as i64, "record"), count(n_changed as i64));
    let verb = if n_changed == 1 { "says" } else { "say" };
    Ok(say(format_args!("{read} replayed; {changed} of them {verb} something else now"))?)
}

/// Replays in this process; gives how many deliveries were read, and how many say something else.
async fn here(
    engine: &Engine,
    sources: &[Arc<dyn Source>],
    source: Option<&str>,
    since: Option<Instant>,
) -> Result<(u64, u64)> {
    let (_never, stopped) = watch::channel(false);
    let (lake, wakers) = (engine.lake(), Wakers::default());
    // Also what another process left of a replay of its own.
    pipeline::catch_up(engine, sources, &wakers, &stopped).await?;
    let asked = Replay { source: source.map(str::to_owned), since, began_at: Some(Utc::now()), ..Replay::default() };
    lake.keep_replay(asked).await?;
    let bar = bar();
    let show_standing = async || {
        if let Ok(Some(replay)) = lake.replay().await {
            show(&bar, replay.n_done, replay.scope.map(|(_, n_total)| n_total), replay.n_changed);
        }
    };
    showing(pipeline::catch_up(engine, sources, &wakers, &stopped), show_standing).await?;
    bar.finish_and_clear();
    let done = lake.replay().await?.unwrap_or_default();
    lake.clone().close();
    if let Some(error) = done.error {
        bail!("{ENDED_EARLY}: {error}");
    }
    Ok((done.n_done, done.n_changed))
}

/// Has a server replay.
async fn follow(server: &Beside, source: Option<&str>, since: Option<Instant>) -> Result<(u64, u64)> {
    let since = since.map(|since| since.to_rfc3339());
    let query = [("source", source), ("since", since.as_deref())];
    let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let bar = bar();
    let number = |told: &Value, key: &str| told[key].as_u64().unwrap_or_default();
    // Another one is waited for.
    let begun = until(async || server.ask("/api/v1/replay", &query).await).await?;
    let done = until(async || {
        let told = server.get("/api/v1/replay").await?;
        show(&bar, number(&told, "n_done"), told["n_total"].as_u64(), number(&told, "n_changed"));
        // One that is done may have been followed by another.
        Ok((told["state"] != "running" || told["began_at"] != begun["began_at"]).then_some(told))
    })
    .await?;
    bar.finish_and_clear();
    if let Some(error) = done["error"].as_str() {
        bail!("{ENDED_EARLY}: {error}");
    }
    Ok((number(&done, "n_done"), number(&done, "n_changed")))
}

fn show(bar: &ProgressBar, n_done: u64, n_total: Option<u64>, n_changed: u64) {
    if let Some(n_total) = n_total {
        bar.set_length(n_total);
    }
    bar.set_position(n_done);
    bar.set_message(match n_total {
        Some(n_total) if n_done == n_total => "the results follow".to_owned(),
        _ => format!("{} changed", counted(n_changed as i64, "record")),
    });
}

fn bar() -> ProgressBar {
    let template = "{bar:32} {human_pos}/{human_len} {per_sec} {eta} {msg}";
    ProgressBar::no_length().with_style(ProgressStyle::with_template(template).expect("the template is right"))
}
