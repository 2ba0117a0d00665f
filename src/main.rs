//! The one binary. Wiring only: configuration, telemetry, subcommands; what they do lives on the floors
//! below.

mod cli;
mod command;
mod config;
mod pipeline;
mod schedule;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    telemetry::start(cli.log_format, &cli.command);
    match command::run(cli) {
        Ok(code) => code,
        Err(error) => {
            telemetry::complain(&error);
            ExitCode::FAILURE
        }
    }
}
