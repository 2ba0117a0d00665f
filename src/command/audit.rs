//! `dorado audit`: who did what, newest first.

use std::path::Path;

use anyhow::Result;
use chrono::SecondsFormat;

use super::open;
use super::output::deliver;
use super::table::{Side, Table};
use crate::cli::AuditArgs;
use crate::config::Config;

/// Prints the audit log of a data directory.
pub(crate) fn run(args: &AuditArgs, config_file: Option<&Path>) -> Result<()> {
    let config = Config::read_without_warnings(config_file, args.data.data.as_deref())?;
    let register = open::register(&config.data(args.data.data.as_deref()), &config)?;
    let columns = ["at", "actor", "action", "subject", "detail"];
    let mut table = Table::new(&columns.map(|column| (column, Side::Left)));
    let mut lines = String::new();
    for entry in register.entries(args.limit, None)? {
        let at = entry.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        if args.json {
            let detail: serde_json::Value =
                entry.detail.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
            let line = serde_json::json!({ "id": entry.id, "at": at, "actor": entry.actor, "action": entry.action,
                "subject": entry.subject, "detail": detail });
            lines.push_str(&line.to_string());
            lines.push('\n');
        } else {
            table.push(&[at, entry.actor, entry.action, entry.subject, entry.detail.unwrap_or_default()]);
        }
    }
    let text = if args.json { lines } else { table.lines().join("\n") + "\n" };
    deliver(&text, None)
}
