//! Logs go to standard error, so that standard output holds only what was asked for.

use std::io::Write as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::cli::Command;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What is logged where `DORADO_LOG` does not say. DataFusion warns of file statistics that it can do without.
/// kube's client would log an answer that it cannot read, whatever is in it.
const QUIET: &str = "warn,datafusion_common=error,kube_client=error";
const TELLING: &str = "warn,datafusion_common=error,kube_client=error,dorado=info";

/// Starts logging; `DORADO_LOG` chooses what, as `info` or `dorado_api=debug`.
pub(crate) fn start(format: LogFormat, command: &Command) {
    let default = if matches!(command, Command::Demo(_) | Command::Serve(_)) { TELLING } else { QUIET };
    let filter = EnvFilter::try_from_env("DORADO_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => subscriber.with_target(false).init(),
        LogFormat::Json => subscriber.json().init(),
    }
}

/// Says why a command failed: the error, then each cause on its own line.
pub(crate) fn complain(error: &anyhow::Error) {
    let mut err = std::io::stderr().lock();
    // There is nobody left to tell when standard error is closed.
    let _ = writeln!(err, "error: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(err, "  because: {cause}");
    }
}

/// Writes a line to standard output.
pub(crate) fn say(line: impl std::fmt::Display) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
