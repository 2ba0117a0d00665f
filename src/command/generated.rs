//! Files that are made from the code and committed, so that readers need no build: `dorado generated`
//! writes them, `dorado generated --check` says which are out of date.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use dorado_query::{Better, METRICS, PACKS, STAGES, sentence};

use crate::config;
use crate::telemetry::say;

/// Writes or checks the files below `root`.
pub(crate) fn run(root: &Path, check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (name, content) in files()? {
        let path = root.join(name);
        if check {
            if std::fs::read_to_string(&path).ok().as_deref() != Some(content.as_str()) {
                stale.push(name);
            }
            continue;
        }
        std::fs::write(&path, content).with_context(|| format!("cannot write `{}`", path.display()))?;
        say(format_args!("wrote {}", path.display()))?;
    }
    if !stale.is_empty() {
        bail!("out of date: {}; run `cargo run -- generated`", stale.join(", "));
    }
    Ok(())
}

fn files() -> Result<Vec<(&'static str, String)>> {
    let json = |value: &serde_json::Value| Ok::<_, anyhow::Error>(serde_json::to_string_pretty(value)? + "\n");
    let mut files = vec![
        ("METRICS.md", metrics()),
        ("docs/openapi.json", json(&dorado_api::openapi())?),
        ("docs/events.schema.json", json(&dorado_ingest::events::schema())?),
        ("docs/dorado.schema.json", json(&config::schema())?),
    ];
    for (name, dashboard) in dorado_dashboards::for_other_tools() {
        files.push((name, json(&dashboard)?));
    }
    Ok(files)
}

/// A parameter's value in a table.
fn parameter(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => "no limit".to_owned(),
        serde_json::Value::String(text) => format!("`{text}`"),
        serde_json::Value::Array(values) => values.iter().map(parameter).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

fn metrics() -> String {
    let mut page = String::from(
        "# Metrics\n\nWhat every number means. Made from `query/src/metric/`: change it there, then run \
         `cargo run -- generated`. Examples that are also tests: `tests/metrics/`.\n",
    );
    for metric in METRICS {
        let better = if metric.better == Better::Higher { "higher" } else { "lower" };
        // Writing to a string cannot fail.
        let _ = write!(
            page,
            "\n## {}\n\n`{}` · unit: {} · {better} is better\n\n{}\n\n",
            metric.title, metric.id, metric.unit, metric.definition
        );
        for choice in metric.choices {
            let _ = writeln!(page, "- {choice}");
        }
        let _ = writeln!(page, "\nOver gold's `{}`:\n\n```sql\n{}\n```", metric.table, metric.sql.trim());
    }
    page.push_str(STAGES_OF);
    for stage in STAGES {
        let _ = writeln!(page, "| `{}` | {} | `{}` |", stage.id, stage.definition, stage.sample);
    }
    page.push_str(COMMON);
    for pack in PACKS.iter() {
        let _ = writeln!(page, "\n### `{}`\n\n{}\n", pack.id, pack.title);
        for metric in METRICS {
            let _ = writeln!(page, "- {}: {}", metric.title, sentence(metric.id, pack));
        }
    }
    page.push_str(PARAMETERS);
    let ids: Vec<String> = PACKS.iter().map(|pack| format!("`{}`", pack.id)).collect();
    let _ = writeln!(page, "| parameter | {} |\n|---|{}", ids.join(" | "), "---|".repeat(ids.len()));
    let parameters = serde_json::to_value(&*PACKS).unwrap_or_default();
    let rows = parameters.as_array().cloned().unwrap_or_default();
    let names = rows.first().and_then(|pack| pack.as_object()).into_iter().flatten().map(|(name, _)| name);
    for name in names.filter(|name| !matches!(name.as_str(), "id" | "title")) {
        let cells: Vec<String> = rows.iter().map(|pack| parameter(&pack[name])).collect();
        let _ = writeln!(page, "| `{name}` | {} |", cells.join(" | "));
    }
    page
}

const PARAMETERS: &str = "
### Parameters

";

const STAGES_OF: &str = "
## The stages of lead time

Medians over the changes that count in change lead time, as far as their pull requests tell: `GET /api/v1/stages`. The
first commit is the one that the pull request names, else the earliest of its own commits that are known. A stage
counts where both its ends are known, in their order; what is left out is counted by reason: `no_pull_request`,
`unknown`, `negative`. Medians of parts do not add up to the median of the whole.

| stage | what | over gold's `shipments` |
|---|---|---|
";

const COMMON: &str = "
## What is common to all

- Every metric is computed from rows at every roll-up: the median of a group is the median of its rows.
- A bucket is half-open, in an IANA time zone, by day, ISO week, month, quarter or year; a day on which clocks
  change has 23 or 25 hours.
- What cannot be measured is null, never 0; a count of nothing is 0; a rate is never above 1.
- Percentiles are exact, linear between closest ranks (type 7). Medians have a 95 % interval by order statistics,
  rates a Wilson interval. Below `min_n` rows a value is shown with `enough_data = false`.
- Two periods are compared by the Hodges\u{2013}Lehmann shift with Mann\u{2013}Whitney's p for times, by Newcombe's interval
  for rates, and by the ratio of rates for counts. Where a pack's value is the median of days
  or weeks, those are compared. Without evidence the verdict is `no_clear_change`.

## How edges are found

A change ships with the first successful production deployment of a service that contains it. The first rule that
applies places it: `explicit` (the deployment lists it), `ancestry` (reachable from the revision and from none
deployed before), `time` (merged after the previous deployment's start and not after this one's). What none
places is `unshipped`.

An incident is put on a deployment by the first of: `override` (a person said so), `explicit` (it names the
deployment, its revision, version or change), `remediated` (what ended it names what it repairs), `proximity` (the
latest success of the same service within the window before it: probable). Else it is `unattributed`.

## Packs

The same events under other definitions: `pack=` in a question, `--pack` on the command line. A pack is data; one of your
own is a `[[pack]]` in `dorado.toml`, and a question may change a parameter for itself (`window_hours=48`). Deployment
frequency and rework rate are those of `dora-2025` where nothing else is said.
";
