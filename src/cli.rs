//! The command line, in one place: parser, help, completions and man page come from it.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::telemetry::LogFormat;

/// DORA metrics you can take apart: deployments, changes and incidents in; five explained numbers out.
#[derive(Debug, Parser)]
#[command(name = "dorado", version, propagate_version = true)]
pub(crate) struct Cli {
    /// Configuration file; default: `dorado.toml` here, else in the data directory, where there is one.
    #[arg(long, global = true, env = "DORADO_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// How log lines are written.
    #[arg(long, global = true, env = "DORADO_LOG_FORMAT", value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a sample organisation and serve it.
    Demo(DemoArgs),
    /// Serve the dashboards, the API and the webhooks.
    Serve(ServeArgs),
    /// Read git repositories: tags (or merges) become deployments.
    Git(GitArgs),
    /// Read files of events: NDJSON, CSV or Parquet.
    Import(ImportArgs),
    /// Read now what connected tools know.
    Collect(CollectArgs),
    /// Suggest configuration out of CODEOWNERS and catalog-info.yaml files.
    Suggest(SuggestArgs),
    /// Read deliveries that are kept once more, by the translators of this version.
    Replay(ReplayArgs),
    /// Show how the connected tools stand and which names nobody mapped, or test that they can be asked.
    Sources(SourcesArgs),
    /// Report the five metrics, from a data directory or straight from a git repository.
    Report(ReportArgs),
    /// Show what is behind a number: the rows, the rule, what was left out.
    Explain(ExplainArgs),
    /// Make, list and revoke tokens, also while a server runs.
    Token {
        /// What to do.
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Show who did what: tokens, overrides, starts of the server.
    Audit(AuditArgs),
    /// Check the configuration; each mistake with its line.
    Check(CheckArgs),
    /// Print shell completions.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Print the man page.
    Man,
    /// Write the files that are made from the code, for those who work on dorado.
    #[command(hide = true)]
    Generated {
        /// Say which are out of date, write none.
        #[arg(long)]
        check: bool,
    },
}

/// Where data is kept.
#[derive(Debug, Clone, Args)]
pub(crate) struct DataArgs {
    /// Data directory, or `s3://bucket/prefix`; default: `dorado-data`.
    #[arg(long, env = "DORADO_DATA", value_name = "DIR")]
    pub(crate) data: Option<String>,
}

/// Which server does it.
#[derive(Debug, Args)]
pub(crate) struct BesideArgs {
    /// Have the server at this address do it; default: the one that has the data directory, where one has it.
    #[arg(long, env = "DORADO_SERVER", value_name = "URL")]
    pub(crate) server: Option<String>,
}

/// Where to listen.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListenArgs {
    /// Address to serve on; default: 127.0.0.1:8080. Port 0 takes a free one.
    #[arg(long, env = "DORADO_LISTEN", value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Keep the data here; default: a directory of its own that is removed at the end.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) listen: ListenArgs,
    /// How large: `demo` (60 services), or the yardstick's S, M, L (2,000 services, 100 thousand to 10
    /// million deployments).
    #[arg(long, default_value = "demo")]
    pub(crate) size: dorado_ingest::organisation::Size,
    /// Another seed makes another organisation.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Last instant of its history, in RFC 3339; default: now.
    #[arg(long, value_name = "INSTANT")]
    pub(crate) until: Option<chrono::DateTime<chrono::Utc>>,
    /// Make the organisation and stop, without serving it; needs `--data`.
    #[arg(long, requires = "data")]
    pub(crate) no_serve: bool,
    /// Write the organisation as one file of neutral events instead, and stop.
    #[arg(long, value_name = "FILE", conflicts_with = "no_serve")]
    pub(crate) ndjson: Option<PathBuf>,
    /// Write the organisation as Parquet files for other engines instead, and stop.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["no_serve", "ndjson"])]
    pub(crate) parquet: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct GitArgs {
    /// Repositories, bare or not.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) repositories: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: GitRules,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

/// What counts as a deployment in a repository.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct GitRules {
    /// Tags that are production deployments, as a glob; may be given again, and `!GLOB` leaves out. Default: tags that
    /// look like releases.
    #[arg(long, value_name = "GLOB")]
    pub(crate) tags: Vec<String>,
    /// A service of a monorepo: NAME=TAG-GLOB or NAME=TAG-GLOB:PATH,PATH; may be given again.
    #[arg(long, value_name = "NAME=GLOB[:PATH,…]")]
    pub(crate) service: Vec<String>,
    /// Only this branch besides the deployed revisions.
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,
    /// Each commit on the branch's first-parent chain is a deployment; needs `--branch`.
    #[arg(long, requires = "branch")]
    pub(crate) every_merge: bool,
    /// Name of the service, instead of the repository's last segment.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Environment that is deployed to.
    #[arg(long, default_value = "production", value_name = "NAME")]
    pub(crate) environment: String,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Files; the ending tells the format: .ndjson, .jsonl, .json (also .gz), .csv, .parquet.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Type of the rows where they have no column `type`.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// A column under another name, THEIRS=OURS, or a constant, OURS=:VALUE; may be given again.
    #[arg(long, value_name = "THEIRS=OURS")]
    pub(crate) map: Vec<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CollectArgs {
    /// Connections, as `github` or `github/main`; default: all that can be asked.
    #[arg(value_name = "NAME")]
    pub(crate) names: Vec<String>,
    /// Read again from this day on, as 2026-01-31; default: go on where the last run ended.
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
    #[command(flatten)]
    pub(crate) beside: BesideArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// Only deliveries of this source, as `github`, or of one connection, as `github/main`.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) source: Option<String>,
    /// Only deliveries that arrived on this day or later, as 2026-01-31.
    #[arg(long, value_name = "DATE")]
    pub(crate) since: Option<String>,
    /// End the replay that is under way; what it did so far counts.
    #[arg(long, conflicts_with_all = ["source", "since"])]
    pub(crate) cancel: bool,
    #[command(flatten)]
    pub(crate) beside: BesideArgs,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SuggestArgs {
    /// Files that say who owns what.
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct SourcesArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(subcommand)]
    pub(crate) command: Option<SourcesCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourcesCommand {
    /// Make one call to each and say exactly what is wrong.
    Test {
        /// Connections, as `github` or `github/main`; default: all that can be asked.
        #[arg(value_name = "NAME")]
        names: Vec<String>,
    },
}

/// The question, as the API's parameters ask it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct AskArgs {
    /// Start of the period: a date, RFC 3339, or epoch seconds; default: 90 days before its end.
    #[arg(long)]
    pub(crate) from: Option<String>,
    /// End of the period, not part of it; default: now.
    #[arg(long)]
    pub(crate) to: Option<String>,
    /// day, week, month, quarter, year or all.
    #[arg(long)]
    pub(crate) bucket: Option<String>,
    /// IANA time zone.
    #[arg(long)]
    pub(crate) tz: Option<String>,
    /// Only these services.
    #[arg(long, value_name = "SERVICE")]
    pub(crate) only_service: Vec<String>,
    /// Only these teams, with the teams below them.
    #[arg(long, value_name = "TEAM")]
    pub(crate) team: Vec<String>,
    /// Only these repositories.
    #[arg(long, value_name = "REPOSITORY")]
    pub(crate) repository: Vec<String>,
    /// Only these production environments.
    #[arg(long, value_name = "ENVIRONMENT")]
    pub(crate) only_environment: Vec<String>,
    /// Whose definitions.
    #[arg(long)]
    pub(crate) pack: Option<String>,
    /// A parameter of the pack, changed for this answer, as window_hours=48; may be given again.
    #[arg(long = "set", value_name = "PARAMETER=VALUE")]
    pub(crate) set: Vec<String>,
}

/// How a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For a terminal.
    Terminal,
    /// Markdown.
    Markdown,
    /// One HTML file, charts included.
    Html,
    /// The API's own answer.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A git repository to report on, instead of the data directory.
    #[arg(value_name = "REPOSITORY")]
    pub(crate) repositories: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: GitRules,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    /// How it is written.
    #[arg(long, value_enum, default_value = "terminal")]
    pub(crate) format: ReportFormat,
    /// Write it to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The metric, as `change-lead-time`.
    pub(crate) metric: String,
    /// A git repository to explain, instead of the data directory.
    #[arg(value_name = "REPOSITORY")]
    pub(crate) repositories: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) rules: GitRules,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) ask: AskArgs,
    /// Rows at most.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// Print the API's own answer.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it; it is not shown again.
    Create {
        /// What it is for, in words.
        #[arg(value_name = "NAME")]
        name: String,
        /// What it allows: read, read:TEAM, ingest, ingest:SOURCE or admin; may be given again.
        #[arg(long, required = true, value_name = "SCOPE")]
        scope: Vec<String>,
        /// When it ends: 90d, 12h, a date, or never; default: never.
        #[arg(long, value_name = "WHEN")]
        expires: Option<String>,
        #[command(flatten)]
        data: DataArgs,
    },
    /// List tokens that are valid.
    List {
        /// Those that are expired or revoked too.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        data: DataArgs,
    },
    /// Revoke a token; a running server lets nobody in with it within a second.
    Revoke {
        /// Its id, or its name where only one has it.
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        data: DataArgs,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    /// Lines at most, newest first.
    #[arg(long, default_value_t = 50)]
    pub(crate) limit: usize,
    /// Print one JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Print the configuration's JSON schema instead.
    #[arg(long)]
    pub(crate) schema: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn no_two_flags_of_a_command_have_one_name() {
        super::Cli::command().debug_assert();
    }
}
