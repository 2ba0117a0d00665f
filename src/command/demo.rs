//! `dorado demo`: a sample organisation, through the same doors as a real one.

use std::fs::File;
use std::io::BufWriter;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use chrono::Utc;
use dorado_ingest::organisation::Organisation;
use dorado_query::{Engine, ServiceEntry, TeamEntry};
use indicatif::ProgressBar;

use super::{open, serve};
use crate::cli::DemoArgs;
use crate::config::Config;
use crate::telemetry::say;

/// Makes the organisation and serves it.
pub(crate) fn run(args: &DemoArgs) -> Result<()> {
    let until = args.until.unwrap_or_else(Utc::now);
    let organisation = Organisation::new(args.size, until, args.seed);
    if let Some(path) = &args.ndjson {
        let file = File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?;
        return organisation.write_ndjson(BufWriter::new(file)).context("cannot write the organisation");
    }
    if let Some(directory) = &args.parquet {
        return organisation.write_parquet(directory).context("cannot write the organisation");
    }
    let place = Place::new(args.data.clone())?;
    let config = configuration(&organisation);
    let work = open::runtime("dorado-work")?;
    let engine = work.block_on(make(&organisation, &place, &config))?;
    if args.no_serve {
        engine.lake().clone().close();
        return Ok(());
    }
    let url = place.directory.to_string_lossy();
    let register = open::register(&url, &config)?;
    serve::serve(&work, &engine, register, &url, &config, &args.listen)
}

/// Where the data lies: kept where it was asked for, removed where it was not.
struct Place {
    directory: PathBuf,
    is_ours: bool,
}

impl Place {
    fn new(asked: Option<PathBuf>) -> Result<Self> {
        let is_ours = asked.is_none();
        let own = || std::env::temp_dir().join(format!("dorado-demo-{}", std::process::id()));
        let directory = asked.unwrap_or_else(own);
        std::fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        Ok(Self { directory, is_ours })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_ours {
            // The system's own clean-up takes what cannot be removed now.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

fn configuration(organisation: &Organisation) -> Config {
    let teams = organisation.teams().into_iter().map(|(name, parent)| TeamEntry { name, parent });
    let services = organisation.services().into_iter().map(|service| ServiceEntry {
        name: service.name,
        team: Some(service.team),
        repositories: vec![service.repository],
        ..ServiceEntry::default()
    });
    Config { teams: teams.collect(), services: services.collect(), ..Config::default() }
}

async fn make(organisation: &Organisation, place: &Place, config: &Config) -> Result<Engine> {
    let url = place.directory.to_string_lossy().into_owned();
    let text = toml::to_string(config).context("cannot write the configuration")?;
    std::fs::write(place.directory.join("dorado.toml"), text).context("cannot write the configuration")?;
    let engine = open::engine(&url, config).await?;
    let started = std::time::Instant::now();
    let bar = ProgressBar::new(organisation.n_facts()).with_style(super::import::style("facts"));
    let mut import = engine.lake().begin_import().await?;
    for facts in organisation.facts() {
        bar.inc(facts.len() as u64);
        import.push(facts).await?;
    }
    import.finish().await?;
    bar.finish_and_clear();
    engine.refresh().await?;
    say(format_args!(
        "made {} services with {} facts in {:.1} s",
        config.services.len(),
        organisation.n_facts(),
        started.elapsed().as_secs_f64()
    ))?;
    Ok(engine)
}
