//! The subcommands, one file each.

mod demo;
mod generated;
mod git;
mod import;
mod open;
mod serve;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;

use crate::cli::{Cli, Command};
use crate::telemetry::say;

/// Does what the command line asks.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(&args)?,
        Command::Serve(args) => serve::run(&args, config)?,
        Command::Git(args) => git::run(&args, config)?,
        Command::Import(args) => import::run(&args, config)?,
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "dorado", &mut std::io::stdout());
        }
        Command::Man => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
        Command::Generated { check } => generated::run(Path::new("."), check)?,
        Command::Report(_) | Command::Explain(_) | Command::Check(_) => say("soon")?,
    }
    Ok(ExitCode::SUCCESS)
}
