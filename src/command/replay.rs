//! `dorado replay`: reads deliveries that are kept by the translators as they are now. Only what these understand otherwise
//! is changed, and then the results are computed again. Where a server has the directory, that server does it.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use chrono::Utc;
use dorado_ingest::{Source, Wakers, check_connected};
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

/// Where a server is asked.
const REPLAY: &str = "/api/v1/replay";
const ENDED_EARLY: &str = "the replay ended early; what it did so far counts";
const GOES_ON: &str = "interrupted; the server goes on with the replay, and the same command again shows how it stands";

/// What is asked for.
#[derive(Debug, Clone, Copy)]
enum Asked<'a> {
    /// A replay of this source, from this instant on.
    Replay(Option<&'a str>, Option<Instant>),
    /// The end of the one that is under way.
    Cancel,
}

/// Replays what is asked for, or ends that.
pub(crate) fn run(args: &ReplayArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let since = args.since.as_deref().map(day).transpose().map_err(|wrong| anyhow!("--since: {wrong}"))?;
    let beside = || Beside::find(&args.beside, &url, &config, "replay");
    let asked = if args.cancel { Asked::Cancel } else { Asked::Replay(args.source.as_deref(), since) };
    let told = open::runtime("dorado-work")?.block_on(async {
        if args.beside.server.is_some()
            && let Some(server) = beside()?
        {
            return at(server, asked).await;
        }
        let sources = config.sources()?;
        match open::engine(&url, &config).await {
            Ok(engine) => here(&engine, &sources, asked).await,
            Err(error) if open::is_held(&error) => match beside()? {
                Some(server) => at(server, asked).await,
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    })?;
    Ok(say(format_args!("{told}"))?)
}

/// Has a server do it, and says what came of it.
async fn at(server: Beside, asked: Asked<'_>) -> Result<String> {
    let work = async |server: &Beside| match asked {
        Asked::Replay(source, since) => follow(server, source, since).await,
        Asked::Cancel => cancel_at(server).await,
    };
    server.through(GOES_ON, work).await
}

/// Does it in this process, and says what came of it.
async fn here(engine: &Engine, sources: &[Arc<dyn Source>], asked: Asked<'_>) -> Result<String> {
    let told = match asked {
        Asked::Replay(source, since) => replay(engine, sources, source, since).await,
        Asked::Cancel => cancel(engine, sources).await,
    };
    engine.lake().clone().close();
    told
}

fn done(n_read: u64, n_changed: u64) -> String {
    let (read, changed) = (counted(n_read as i64, "record"), count(n_changed as i64));
    let verb = if n_changed == 1 { "says" } else { "say" };
    format!("{read} replayed; {changed} of them {verb} something else now")
}

const NONE_UNDER_WAY: &str = "no replay is under way";

fn cancelled(n_read: u64) -> String {
    format!("the replay was cancelled after {}; what it did so far counts", counted(n_read as i64, "record"))
}

/// Ends what another process left of a replay.
async fn cancel(engine: &Engine, sources: &[Arc<dyn Source>]) -> Result<String> {
    let lake = engine.lake();
    let Some(replay) = lake.replay().await?.filter(Replay::is_under_way) else { return Ok(NONE_UNDER_WAY.to_owned()) };
    lake.cancel_replay(&replay).await?;
    let (_never, stopped) = watch::channel(false);
    pipeline::catch_up(engine, sources, &Wakers::default(), &stopped).await?;
    Ok(cancelled(replay.n_done))
}

/// Has a server end its replay.
async fn cancel_at(server: &Beside) -> Result<String> {
    let asked = server.delete(REPLAY).await?;
    if asked["state"] != "running" {
        return Ok(NONE_UNDER_WAY.to_owned());
    }
    let ended = until(async || {
        let told = server.get(REPLAY).await?;
        Ok((told["state"] != "running" || told["began_at"] != asked["began_at"]).then_some(told))
    })
    .await?;
    let was_cancelled = ended["error"].is_string();
    Ok(if was_cancelled { cancelled(number(&ended, "n_done")) } else { NONE_UNDER_WAY.to_owned() })
}

fn number(told: &Value, key: &str) -> u64 {
    told[key].as_u64().unwrap_or_default()
}

/// Replays in this process.
async fn replay(
    engine: &Engine,
    sources: &[Arc<dyn Source>],
    source: Option<&str>,
    since: Option<Instant>,
) -> Result<String> {
    source.map_or(Ok(()), |source| check_connected(sources, source))?;
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
    let replayed = lake.replay().await?.unwrap_or_default();
    if let Some(error) = replayed.error {
        bail!("{ENDED_EARLY}: {error}");
    }
    Ok(done(replayed.n_done, replayed.n_changed))
}

/// Has a server replay.
async fn follow(server: &Beside, source: Option<&str>, since: Option<Instant>) -> Result<String> {
    let since = since.map(|since| since.to_rfc3339());
    let query = [("source", source), ("since", since.as_deref())];
    let query: Vec<(&str, &str)> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let bar = bar();
    // Another one is waited for.
    let begun = until(async || server.ask(REPLAY, &query).await).await?;
    let replayed = until(async || {
        let told = server.get(REPLAY).await?;
        show(&bar, number(&told, "n_done"), told["n_total"].as_u64(), number(&told, "n_changed"));
        // One that is done may have been followed by another.
        Ok((told["state"] != "running" || told["began_at"] != begun["began_at"]).then_some(told))
    })
    .await?;
    bar.finish_and_clear();
    if let Some(error) = replayed["error"].as_str() {
        bail!("{ENDED_EARLY}: {error}");
    }
    Ok(done(number(&replayed, "n_done"), number(&replayed, "n_changed")))
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
