//! Opening what commands work on: runtimes, lake and engine.

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow};
use dorado_lake::{Lake, Options, Register};
use dorado_query::{Engine, FACTS_AT_ONCE};
use tokio::runtime::{Builder, Runtime};

use super::beside;
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
    let mut options = Options { inbox_dir, ..Options::default() };
    options.bytes_kept = config.limits.cache_bytes.unwrap_or(options.bytes_kept);
    let lake = Lake::open_with(url, options).await.with_context(|| format!("cannot open `{url}`"))?;
    beside::forget_server(url, config)?;
    let facts_at_once = config.limits.facts_at_once.unwrap_or(FACTS_AT_ONCE);
    Ok(Engine::open_with(lake, config.catalog(), facts_at_once).await?)
}

/// Whether the error is that another process has the directory.
pub(crate) fn is_held(error: &anyhow::Error) -> bool {
    let is_held = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref::<dorado_lake::Error>(), Some(dorado_lake::Error::Locked { .. }))
    };
    error.chain().any(is_held)
}

/// The tokens and the audit log of a lake: in its directory, or beside its inbox where it is none.
pub(crate) fn register(url: &str, config: &Config) -> Result<Register> {
    let Some(directory) = directory(url, config)? else { return Ok(Register::in_memory()?) };
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
    Register::open(&directory).with_context(|| format!("cannot use the tokens in `{}`", directory.display()))
}

/// Where a lake has what is no table: in its directory, or beside its inbox where it is none; `None` for one in memory.
pub(crate) fn directory(url: &str, config: &Config) -> Result<Option<PathBuf>> {
    Ok(Some(match url.split_once("://") {
        None => PathBuf::from(url),
        Some(("file", _)) => {
            let path = url::Url::parse(url).ok().and_then(|url| url.to_file_path().ok());
            path.ok_or_else(|| anyhow!("`{url}` is no directory"))?
        }
        Some(("memory", _)) => return Ok(None),
        Some(_) => config.inbox(),
    }))
}
