//! `dorado git`: repositories into the lake, no server and no network needed.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use dorado_ingest::git::{self, GitHistory, GitOptions, State};
use dorado_query::Engine;
use indicatif::ProgressBar;

use super::open;
use crate::cli::{GitArgs, GitRules};
use crate::config::Config;
use crate::telemetry::say;

/// Reads every repository that is named.
pub(crate) fn run(args: &GitArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read(config_file, args.data.data.as_deref())?;
    let url = config.data(args.data.data.as_deref());
    let work = open::runtime("dorado-work")?;
    work.block_on(async {
        let engine = open::engine(&url, &config).await?;
        for repository in &args.repositories {
            let states = (!url.contains("://")).then(|| StateFile::new(&url, repository));
            let history = read(&engine, repository, &args.rules, states.as_ref()).await?;
            report(&history)?;
        }
        engine.refresh().await?;
        engine.lake().clone().close();
        say(format_args!("next: dorado serve --data {url}   or: dorado report --data {url}"))?;
        Ok(())
    })
}

/// Reads one repository into an engine's lake; gold is not yet up to date then.
pub(crate) async fn read(
    engine: &Engine,
    repository: &Path,
    rules: &GitRules,
    states: Option<&StateFile>,
) -> Result<GitHistory> {
    let services = rules.service.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let options = GitOptions {
        tags: rules.tags.clone(),
        services,
        branch: rules.branch.clone(),
        every_merge: rules.every_merge,
        service: rules.name.clone(),
        environment: rules.environment.clone(),
        since_state: states.and_then(StateFile::read),
        ..GitOptions::default()
    };
    let bar = ProgressBar::new_spinner();
    let mut history = git::read(repository, &options, &|progress| match progress {
        git::Progress::Walked { n_commits } => bar.set_message(format!("{n_commits} commits")),
        git::Progress::Compared { n_commits, of } => bar.set_message(format!("{n_commits} of {of} commits compared")),
    })?;
    bar.finish_and_clear();
    engine.lake().import(std::mem::take(&mut history.facts)).await?;
    // Only what is kept counts as read.
    if let Some(states) = states {
        states.write(&history.state)?;
    }
    Ok(history)
}

fn report(history: &GitHistory) -> Result<()> {
    say(format_args!(
        "{}: {} new commits, {} new deployments ({} tags in all)",
        history.repository, history.n_commits, history.n_deployments, history.n_tags
    ))?;
    for note in &history.notes {
        say(format_args!("  note: {note}"))?;
    }
    Ok(())
}

/// What was read of a repository already, in the data directory.
pub(crate) struct StateFile(PathBuf);

impl StateFile {
    fn new(data: &str, repository: &Path) -> Self {
        let full = std::fs::canonicalize(repository).unwrap_or_else(|_| repository.to_owned());
        let name: String = full
            .to_string_lossy()
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' })
            .collect();
        Self(Path::new(data).join("git").join(format!("{}.json", name.trim_start_matches('_'))))
    }

    /// Nothing where there is none or it cannot be read: everything is read again, which changes no number.
    fn read(&self) -> Option<State> {
        serde_json::from_slice(&std::fs::read(&self.0).ok()?).ok()
    }

    fn write(&self, state: &State) -> Result<()> {
        let folder = self.0.parent().expect("it is a file in a folder");
        std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        let new = self.0.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(state)?)?;
        std::fs::rename(&new, &self.0).with_context(|| format!("cannot write `{}`", self.0.display()))
    }
}
