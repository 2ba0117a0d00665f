//! `dorado replay`: reads deliveries that are kept by the translators as they are now. Only what these understand otherwise
//! is changed, and then the results are computed again.

use std::path::Path;

use anyhow::Result;
use dorado_lake::Settled;
use dorado_query::{Deliveries, Engine};

use super::open;
use super::words::counted;
use crate::cli::ReplayArgs;
use crate::config::{Config, day};
use crate::pipeline;
use crate::schedule::Wakers;
use crate::telemetry::say;

const SERVING: &str = "all results are computed again, which nobody may see half done: stop the server on the directory, \
                       replay, and start it";

/// Deliveries read at once.
const AT_ONCE: usize = 1_000;

/// Replays what is asked for.
pub(crate) fn run(args: &ReplayArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let sources = config.sources()?;
    let since = args.since.as_deref().map(day).transpose().map_err(|wrong| anyhow::anyhow!("--since: {wrong}"))?;
    open::runtime("dorado-work")?.block_on(async {
        let opened = open::engine(&url, &config).await;
        let engine = opened.map_err(|error| open::while_serving(error, SERVING))?;
        pipeline::settle_all(&engine, &sources, &Wakers::default()).await?;
        let (mut n_read, mut n_changed, mut after) = (0_i64, 0_i64, 0);
        loop {
            let asked =
                Deliveries { source: args.source.clone(), after: Some(after), limit: AT_ONCE, ..Deliveries::default() };
            let found = engine.deliveries(&asked).await?;
            let Some(last) = found.last().map(|delivery| delivery.arrival) else { break };
            after = last;
            let wanted = found.into_iter().filter(|d| since.is_none_or(|since| d.delivery.received_at >= since));
            let retold: Vec<Settled> = wanted
                .map(|settled| {
                    let (outcome, ignored) = pipeline::translate(&sources, &Wakers::default(), &settled.delivery);
                    Settled { arrival: settled.arrival, delivery: settled.delivery, outcome, ignored }
                })
                .collect();
            n_read += retold.len() as i64;
            n_changed += replay(&engine, retold, n_changed == 0).await?;
        }
        if n_changed > 0 {
            engine.refresh().await?;
        }
        engine.lake().clone().close();
        let told = counted(n_changed, "record");
        say(format_args!("{} replayed; {told} of them say something else now", counted(n_read, "record")))?;
        Ok(())
    })
}

/// Changes what these deliveries say; gives how many say something else.
async fn replay(engine: &Engine, deliveries: Vec<Settled>, is_first: bool) -> Result<i64> {
    let retelling = engine.lake().retell(deliveries).await?;
    if retelling.is_empty() {
        return Ok(0);
    }
    if is_first {
        // Before anything changes, so that a run that ends early leaves results that will be computed again.
        engine.forget_results().await?;
    }
    let n_changed = retelling.n_deliveries as i64;
    retelling.apply().await?;
    Ok(n_changed)
}
