//! `dorado sources`: which tools are connected and where they send to; `dorado sources test NAME`: one call to each
//! that can be asked, and exactly what is wrong with it.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use chrono::{TimeDelta, Utc};
use dorado_ingest::collect::client;
use dorado_ingest::{Kind, Source, events, source_name};

use super::output::deliver;
use super::{collect, open};
use crate::cli::{SourcesArgs, SourcesCommand};
use crate::config::Config;

/// How far a tool's clock may be off before that is told.
const CLOCK_OFF: TimeDelta = TimeDelta::seconds(30);

/// Lists the connections, or tests them.
pub(crate) fn run(args: &SourcesArgs, config_file: Option<&Path>) -> Result<ExitCode> {
    let config = Config::read(config_file, None)?;
    let sources = config.sources()?;
    match &args.command {
        None => {
            deliver(&list(&sources), None)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(SourcesCommand::Test { names }) => {
            let asked = collect::named(&sources, names)?;
            let (lines, n_wrong) = open::runtime("dorado-test")?.block_on(async {
                let mut lines = Vec::new();
                let mut n_wrong = 0;
                for source in &asked {
                    let found = test(source.as_ref()).await;
                    n_wrong += usize::from(found.is_err());
                    let name = source_name(source.as_ref());
                    lines.push(match found {
                        Ok(found) => format!("{name}: fine; {found}"),
                        Err(wrong) => format!("{name}: {wrong}"),
                    });
                }
                (lines, n_wrong)
            });
            deliver(&(lines.join("\n") + "\n"), None)?;
            Ok(if n_wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn list(sources: &[std::sync::Arc<dyn Source>]) -> String {
    let mut lines = String::new();
    for source in sources.iter().filter(|source| source.name() != events::NAME) {
        let title = Kind::of(source.name()).map_or(source.name(), |kind| kind.title);
        let name = source_name(source.as_ref());
        let asked = match source.outgoing() {
            Some(outgoing) => format!("asked at {}", outgoing.url),
            None => "not asked".to_owned(),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "{name} ({title}): takes deliveries at /webhooks/{name}; {asked}");
    }
    if lines.is_empty() {
        "no tool is connected; events are taken at /api/v1/events, and [[connection]] in dorado.toml connects one\n"
            .to_owned()
    } else {
        lines
    }
}

/// What a call found, or what is wrong.
async fn test(source: &dyn Source) -> Result<String> {
    let Some(http) = client(source, Utc::now) else { bail!("it is not asked for anything") };
    let http = http?;
    let found = source.test(&http).await;
    let off = http.clock_ahead().filter(|ahead| ahead.abs() > CLOCK_OFF).map(|ahead| {
        let direction = if ahead > TimeDelta::zero() { "behind" } else { "ahead of" };
        format!("the clock here is {} seconds {direction} its clock", ahead.num_seconds().abs())
    });
    match (found, off) {
        (Ok(found), None) => Ok(found),
        (Ok(found), Some(off)) => bail!("{off}; otherwise fine: {found}"),
        (Err(wrong), None) => bail!("{wrong}"),
        (Err(wrong), Some(off)) => bail!("{wrong}; also, {off}"),
    }
}
