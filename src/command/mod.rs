//! The subcommands, one file each.

mod ask;
mod audit;
mod beside;
mod check;
mod collect;
mod demo;
mod explain;
mod generated;
mod git;
mod import;
mod open;
mod output;
mod replay;
mod report;
mod serve;
mod sources;
mod suggest;
mod table;
mod token;
mod words;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory as _;

use crate::cli::{Cli, Command};

/// Does what the command line asks.
pub(crate) fn run(cli: Cli) -> Result<ExitCode> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Demo(args) => demo::run(&args)?,
        Command::Serve(args) => serve::run(&args, config)?,
        Command::Git(args) => git::run(&args, config)?,
        Command::Import(args) => import::run(&args, config)?,
        Command::Suggest(args) => suggest::run(&args)?,
        Command::Replay(args) => replay::run(&args, config)?,
        Command::Collect(args) => collect::run(&args, config)?,
        Command::Sources(args) => return sources::run(&args, config),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "dorado", &mut std::io::stdout());
        }
        Command::Man => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
        Command::Generated { check } => generated::run(Path::new("."), check)?,
        Command::Report(args) => report::run(&args, config)?,
        Command::Explain(args) => explain::run(&args, config)?,
        Command::Token { command } => token::run(&command, config)?,
        Command::Audit(args) => audit::run(&args, config)?,
        Command::Check(args) => return check::run(&args, config),
    }
    Ok(ExitCode::SUCCESS)
}
