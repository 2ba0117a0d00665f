//! Opening what commands work on: runtimes, lake and engine.

use anyhow::{Context as _, Result};
use dorado_lake::Lake;
use dorado_query::{Catalog, Engine};
use tokio::runtime::{Builder, Runtime};

/// A runtime whose threads are named.
pub(crate) fn runtime(name: &'static str) -> Result<Runtime> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_name(name)
        // Planning a deep expression takes more stack than a thread has by default.
        .thread_stack_size(8 << 20)
        .build()
        .context("cannot start threads")
}

/// The lake for reading and writing, with gold up to date.
pub(crate) async fn engine(url: &str, catalog: Catalog) -> Result<Engine> {
    let lake = Lake::open(url).await.with_context(|| format!("cannot open `{url}`"))?;
    Ok(Engine::open(lake, catalog).await?)
}
