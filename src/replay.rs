//! Kept deliveries translated anew, portion by portion, between the batches of the pipeline. What they say now takes its
//! place portion by portion; the results follow once, when all of them are through.

use std::sync::Arc;

use chrono::Utc;
use dorado_ingest::{Source, Wakers};
use dorado_lake::{Lake, Replay, Settled};
use dorado_query::{Deliveries, Engine};
use tracing::info;

use crate::pipeline;

/// Deliveries read at once.
const AT_ONCE: usize = 1_000;

/// Whether a replay is asked for that is not through.
pub(crate) async fn is_under_way(lake: &Lake) -> anyhow::Result<bool> {
    Ok(lake.replay().await?.is_some_and(|replay| replay.is_under_way()))
}

/// Goes on by one portion with what was asked for. Done again after a kill, a portion comes to the same.
pub(crate) async fn go_on(engine: &Engine, sources: &[Arc<dyn Source>]) -> anyhow::Result<()> {
    let lake = engine.lake();
    let Some(mut replay) = lake.replay().await?.filter(Replay::is_under_way) else { return Ok(()) };
    if lake.is_cancelled(&replay).await? {
        info!(n_deliveries = replay.n_done, n_changed = replay.n_changed, "the replay was cancelled");
        (replay.ended_at, replay.error) = (Some(Utc::now()), Some("it was cancelled".to_owned()));
        return Ok(lake.keep_replay(replay).await?);
    }
    let mut wanted = Deliveries {
        source: replay.source.clone(),
        since: replay.since,
        after: Some(replay.after),
        limit: AT_ONCE,
        ..Deliveries::default()
    };
    let (through, _) = if let Some(scope) = replay.scope {
        scope
    } else {
        let through = lake.silver_through();
        wanted.before = Some(through + 1);
        *replay.scope.insert((through, engine.n_deliveries(&wanted).await?))
    };
    wanted.before = Some(through + 1);
    let found = engine.deliveries(&wanted).await?;
    let Some(last) = found.last() else {
        engine.refresh().await?;
        info!(n_deliveries = replay.n_done, n_changed = replay.n_changed, "replayed");
        replay.ended_at = Some(Utc::now());
        return Ok(lake.keep_replay(replay).await?);
    };
    (replay.after, replay.n_done) = (last.arrival, replay.n_done + found.len() as u64);
    // Nobody is here to say what the others mean now, so they go on meaning what they did.
    let understood = found.into_iter().filter(|settled| pipeline::sender(sources, &settled.delivery).is_some());
    let told = understood.map(|settled| {
        let (outcome, ignored) = pipeline::translate(sources, &Wakers::default(), &settled.delivery);
        Settled { arrival: settled.arrival, delivery: settled.delivery, outcome, ignored }
    });
    let retelling = lake.retell(told.collect()).await?;
    if !retelling.is_empty() {
        // Before anything changes, so that whatever ends this early leaves results that will be computed again.
        engine.forget_results().await?;
        replay.n_changed += retelling.n_deliveries as u64;
        retelling.apply().await?;
    }
    Ok(lake.keep_replay(replay).await?)
}

/// Ends a replay that cannot go on, so that it holds up nothing else; what trying again may help is left to that.
pub(crate) async fn give_up(lake: &Lake, error: anyhow::Error) -> anyhow::Result<()> {
    let is_temporary = error.chain().any(|cause| {
        let of_lake = cause.downcast_ref::<dorado_lake::Error>().is_some_and(dorado_lake::Error::is_temporary);
        of_lake || cause.downcast_ref::<dorado_query::Error>().is_some_and(dorado_query::Error::is_temporary)
    });
    let Some(replay) = lake.replay().await?.filter(|replay| replay.is_under_way() && !is_temporary) else {
        return Err(error);
    };
    let said = pipeline::chain(&error);
    tracing::error!(error = %said, n_deliveries = replay.n_done, "the replay ended early");
    Ok(lake.keep_replay(Replay { ended_at: Some(Utc::now()), error: Some(said), ..replay }).await?)
}
