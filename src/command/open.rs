//! Opening what commands work on: runtimes, lake and engine.

use anyhow::{Context as _, Result};
use dorado_lake::{Lake, Options};
use dorado_query::Engine;
use tokio::runtime::{Builder, Runtime};

use crate::config::Config;

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

/// The lake for reading and writing. One that is no directory has its inbox in a directory here.
pub(crate) async fn engine(url: &str, config: &Config) -> Result<Engine> {
    let inbox_dir = url.contains("://").then(|| config.inbox());
    if let Some(directory) = &inbox_dir {
        std::fs::create_dir_all(directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    }
    let options = Options { inbox_dir, ..Options::default() };
    let lake = Lake::open_with(url, options).await.with_context(|| format!("cannot open `{url}`"))?;
    Ok(Engine::open(lake, config.catalog()).await?)
}
