//! `dorado check`: whether the configuration is right, and if not, every mistake with its place.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::output::deliver;
use super::words::counted;
use crate::cli::CheckArgs;
use crate::config::{self, Config, ConnectionConfig, Weight, check};

/// Checks the file that is named, else the one that is found.
pub(crate) fn run(args: &CheckArgs, config_file: Option<&Path>) -> Result<ExitCode> {
    if args.schema {
        deliver(&(serde_json::to_string_pretty(&config::schema())? + "\n"), None)?;
        return Ok(ExitCode::SUCCESS);
    }
    let data = std::env::var("DORADO_DATA").unwrap_or_else(|_| Config::default().data(None));
    let Some(path) = Config::find(config_file, Some(&data)) else {
        deliver("there is no dorado.toml here, and none is needed; --config names one elsewhere\n", None)?;
        return Ok(ExitCode::SUCCESS);
    };
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let (mistakes, config) = check(&text);
    let file = path.display();
    let mut told: Vec<String> = mistakes.iter().map(|mistake| mistake.told(&file, &text).to_string()).collect();
    let n_errors = mistakes.iter().filter(|m| m.weight == Weight::Error).count() as i64;
    match &config {
        Some(config) => told.push(format!("{file}: fine\n{}", summary(config))),
        None => told.push(format!("{file}: {}", counted(n_errors, "mistake"))),
    }
    deliver(&(told.join("\n") + "\n"), None)?;
    Ok(if config.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is configured, in a few lines.
fn summary(config: &Config) -> String {
    let listed = |names: Vec<&str>| match names.len() {
        0 => String::new(),
        n if n > 8 => format!(": {}, …", names[..8].join(", ")),
        _ => format!(": {}", names.join(", ")),
    };
    let services: Vec<&str> = config.services.iter().map(|s| s.name.as_str()).collect();
    let teams: Vec<&str> = config.teams.iter().map(|t| t.name.as_str()).collect();
    let environments: Vec<&str> = config.environments.iter().map(|e| e.name.as_str()).collect();
    let connected: Vec<String> = config.connections.iter().map(ConnectionConfig::label).collect();
    let sources: Vec<&str> = ["events", "git"].into_iter().chain(connected.iter().map(String::as_str)).collect();
    let lines = [("service", services), ("team", teams), ("environment", environments), ("source", sources)];
    let told = lines.map(|(kind, names)| format!("  {}{}\n", counted(names.len() as i64, kind), listed(names)));
    format!("{}  data in {}", told.concat(), config.data(None))
}
