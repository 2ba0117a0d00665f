//! The one committer: takes what waits in the inbox, has it translated, writes it to silver, brings gold
//! up to it. One at a time, in order of arrival; a failure is tried again, and loses nothing. Between two batches it goes
//! on with a replay. Beside it, in a task of its own, the tables are looked after: compaction takes as long as it takes, and
//! nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use dorado_ingest::{Source, Wakers, source_name};
use dorado_lake::{Batch, Delivery, Fact, Instant, Lake, Settled};
use dorado_query::Engine;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tracing::{error, info};

use crate::replay;

/// Deliveries in one Delta commit at most.
const BATCH: usize = 10_000;
/// How long to wait before what failed is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How often the tables are looked after.
const MAINTENANCE: Duration = Duration::from_secs(30);

/// Runs until `stop` says so; what waits then is settled by the next run.
pub(crate) async fn run(
    engine: Engine,
    sources: Vec<Arc<dyn Source>>,
    wakers: Wakers,
    now: fn() -> Instant,
    mut stop: watch::Receiver<bool>,
) {
    let maintenance = tokio::spawn(maintain(engine.lake().clone(), now));
    loop {
        let failed = match catch_up(&engine, &sources, &wakers, &stop).await {
            Ok(()) => false,
            Err(error) => {
                error!(error = %chain(&error), "cannot settle what waits in the inbox; trying again");
                true
            }
        };
        let pause = if failed { PAUSE } else { Duration::MAX };
        tokio::select! {
            biased;
            _ = stop.changed() => break,
            () = tokio::time::sleep(pause) => {}
            () = engine.lake().arrived(), if !failed => {}
        }
    }
    // Wherever it is: what it has not committed is swept by a later run.
    maintenance.abort();
    if let Err(error) = maintenance.await
        && !error.is_cancelled()
    {
        error!(%error, "looking after the tables ended badly");
    }
}

/// Looks after the tables for as long as it is let.
async fn maintain(lake: Lake, now: fn() -> Instant) {
    let mut turns = tokio::time::interval(MAINTENANCE);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if let Err(error) = lake.maintain(now()).await {
            error!(error = %chain(&error.into()), "cannot look after the tables");
        }
    }
}

/// Settles what waits and goes through a replay that is asked for, until `stop` says so or nothing is left to do. The
/// results of half a replay are nobody's business: they stay as they were, however often this ends in between.
pub(crate) async fn catch_up(
    engine: &Engine,
    sources: &[Arc<dyn Source>],
    wakers: &Wakers,
    stop: &watch::Receiver<bool>,
) -> anyhow::Result<()> {
    while replay::is_under_way(engine.lake()).await? {
        while settle_batch(engine, sources, wakers).await? {}
        if *stop.borrow() {
            return Ok(());
        }
        if let Err(error) = replay::go_on(engine, sources).await {
            replay::give_up(engine.lake(), error).await?;
        }
    }
    while settle_batch(engine, sources, wakers).await? {
        engine.refresh().await?;
    }
    // A run that ended between silver and gold left this to do.
    engine.refresh().await?;
    Ok(())
}

/// Settles a batch; false where nothing waits.
async fn settle_batch(engine: &Engine, sources: &[Arc<dyn Source>], wakers: &Wakers) -> anyhow::Result<bool> {
    let waiting = engine.lake().waiting(BATCH).await?;
    if waiting.is_empty() {
        return Ok(false);
    }
    let started = std::time::Instant::now();
    let n_deliveries = waiting.len();
    let deliveries: Vec<Settled> = waiting
        .into_iter()
        .map(|(arrival, delivery)| {
            let (outcome, ignored) = translate(sources, wakers, &delivery);
            Settled { arrival, delivery, outcome, ignored }
        })
        .collect();
    let n_facts: usize = deliveries.iter().filter_map(|d| d.outcome.as_ref().ok()).map(Vec::len).sum();
    engine.lake().settle(Batch { deliveries }).await?;
    info!(n_deliveries, n_facts, elapsed_ms = started.elapsed().as_millis() as u64, "settled");
    Ok(true)
}

/// What a delivery says: its facts, or why it could not be read; and why it is right and gives none.
pub(crate) fn translate(
    sources: &[Arc<dyn Source>],
    wakers: &Wakers,
    delivery: &Delivery,
) -> (Result<Vec<Fact>, String>, Option<String>) {
    let Some(source) = sender(sources, delivery) else {
        return (Err(format!("source `{}` is not connected", delivery.source_name())), None);
    };
    if source.asks_to_collect(delivery) {
        wakers.wake(&source_name(source.as_ref()), None);
    }
    let outcome = source.translate(delivery).map_err(|error| error.to_string());
    let gives_none = outcome.as_ref().is_ok_and(Vec::is_empty);
    let ignored = if gives_none { source.ignored_reason(delivery) } else { None };
    (outcome, ignored)
}

/// The connected source that a delivery came from.
pub(crate) fn sender<'a>(sources: &'a [Arc<dyn Source>], delivery: &Delivery) -> Option<&'a Arc<dyn Source>> {
    sources.iter().find(|source| source.name() == delivery.source && source.connection() == delivery.connection)
}

pub(crate) fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}
