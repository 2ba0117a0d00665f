//! The one binary. Wiring only: configuration, telemetry, subcommands; what they do lives on the floors
//! below.

mod cli;
mod command;
mod config;
mod pipeline;
mod replay;
mod schedule;
mod telemetry;

use std::process::ExitCode;

use clap::Parser;

/// Answers are made of large, short-lived columns on several threads, which glibc's allocator neither shares well nor
/// gives back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
