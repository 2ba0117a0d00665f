//! `dorado explain`: what is behind a number: its definition, its parts, what was left out, and the rows.

use std::path::Path;

use anyhow::Result;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use dorado_query::{Answer, Metric, Page, Question, Row, metric_named};
use serde_json::Value;

use super::output::{Ink, deliver};
use super::table::{Side, Table, printable, shorten};
use super::{ask, open, report, words};
use crate::cli::ExplainArgs;

/// Explains.
pub(crate) fn run(args: &ExplainArgs, config_file: Option<&Path>) -> Result<()> {
    let metric = metric_named(&args.metric).map_err(ask::flag)?;
    let work = open::runtime("dorado-work")?;
    let text = work.block_on(async {
        let mut asking = ask::open(&args.repositories, &args.rules, &args.data, config_file).await?;
        let question = asking.question(&args.ask).await?;
        let page = Page { limit: args.limit, cursor: None };
        let answer = asking.engine.explain(metric, &question, &page).await.map_err(ask::explained)?;
        if args.json {
            return Ok(serde_json::to_string_pretty(&*answer)? + "\n");
        }
        Ok::<_, anyhow::Error>(write(metric, &question, &answer, &asking.notes, Ink::of_output(None)))
    })?;
    deliver(&text, None)
}

fn write(metric: &Metric, question: &Question, answer: &Answer, notes: &[String], ink: Ink) -> String {
    let mut lines = vec![ink.bold(metric.title)];
    lines.extend(wrapped(&question.definition_of(metric)));
    let notes_on_it = answer.meta.get("rule_notes").and_then(Value::as_array).into_iter().flatten();
    lines.extend(notes_on_it.filter_map(Value::as_str).flat_map(|note| {
        let lines = wrapped(note);
        lines.into_iter().enumerate().map(|(i, line)| format!("{} {line}", if i == 0 { "-" } else { " " }))
    }));
    lines.push(String::new());
    lines.extend(value(metric, question, answer, ink));
    lines.extend(notes.iter().map(|note| format!("note: {}", printable(note))));
    lines.push(String::new());
    if answer.data.is_empty() {
        lines.push("There are no rows.".to_owned());
    } else {
        let table = rows(metric, &answer.data, question.tz).lines();
        let (heading, body) = table.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
        lines.push(ink.bold(heading));
        lines.extend(body.iter().cloned());
    }
    if answer.meta.get("next_cursor").is_some_and(|cursor| !cursor.is_null()) {
        lines.push(ink.dim(&format!("… and more: these are the first {}; --limit shows others", answer.data.len())));
    }
    lines.join("\n") + "\n"
}

fn value(metric: &Metric, question: &Question, answer: &Answer, ink: Ink) -> Vec<String> {
    let meta = &answer.meta;
    let number = |key: &str| meta.get(key).and_then(Value::as_f64);
    let say = |value: f64| match metric.unit_under(&question.pack) {
        "seconds" => words::duration(value),
        "ratio" => words::percent(value),
        "days_per_week" => words::days_a_week(value),
        _ => words::counted(value as i64, "deployment"),
    };
    let local = |at: DateTime<Utc>| at.with_timezone(&question.tz).format("%Y-%m-%d %H:%M").to_string();
    let value = number("value").map_or_else(|| words::NOT_ENOUGH.to_owned(), say);
    let mut lines = vec![
        format!("period       {} to {} ({})", local(question.from), local(question.to), question.tz.name()),
        format!("value        {}", ink.bold(&value)),
    ];
    if number("value").is_some() && meta.get("enough_data") == Some(&Value::Bool(false)) {
        let said = format!("             not enough data: n is below {}", question.pack.min_n);
        lines.push(ink.dim(&said));
    }
    if let (Some(low), Some(high)) = (number("low"), number("high")) {
        lines.push(format!("95 %         {} to {}", say(low), say(high)));
    }
    if let (Some(numerator), Some(denominator)) = (number("numerator"), number("denominator")) {
        let parts = match metric.unit {
            "ratio" => format!("{} / {}", words::count(numerator as i64), words::count(denominator as i64)),
            _ => format!("{} in {denominator:.1} days", words::count(numerator as i64)),
        };
        lines.push(format!("made of      {parts}"));
    }
    lines.push(format!("n            {}", words::count(number("n").unwrap_or(0.0) as i64)));
    for (reason, n) in report::reasons(answer) {
        lines.push(format!("left out     {} {}", words::count(n), words::reason(&reason)));
    }
    if let Some(parameters) = meta.get("parameters").and_then(Value::as_object) {
        let named = parameters.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "title"));
        let said: Vec<String> = named.map(|(key, value)| format!("{key} = {value}").replace('"', "")).collect();
        lines.push(format!("definitions  {}: {}", question.pack.id, said.join(", ")));
    }
    lines
}

/// One column: heading, side, and what stands in it.
type Column = (&'static str, Side, fn(&Row, Tz) -> String);

const CHANGE: &[Column] = &[
    ("service", Side::Left, |row, _| text(row, "service")),
    ("change", Side::Left, |row, _| hash(row, "change")),
    ("committed", Side::Left, |row, tz| local(row, "committed_at", tz)),
    ("shipped", Side::Left, |row, tz| local(row, "shipped_at", tz)),
    ("with", Side::Left, |row, _| shorten(&text(row, "deployment"), 24)),
    ("lead time", Side::Right, |row, _| seconds(row, "lead_time_seconds")),
    ("rule", Side::Left, |row, _| rule_or_reason(row, "rule")),
    ("title", Side::Left, |row, _| shorten(&text(row, "title"), 48)),
];
const DEPLOYMENT: &[Column] = &[
    ("service", Side::Left, |row, _| text(row, "service")),
    ("deployment", Side::Left, |row, _| shorten(&text(row, "deployment"), 24)),
    ("version", Side::Left, |row, _| shorten(&text(row, "version"), 20)),
    ("revision", Side::Left, |row, _| hash(row, "revision")),
    ("environment", Side::Left, |row, _| text(row, "environment")),
    ("finished", Side::Left, |row, tz| local(row, "finished_at", tz)),
];
const SHIPPED: &[Column] = &[
    ("changes", Side::Right, |row, _| {
        row.get("n_changes").and_then(Value::as_i64).map_or_else(String::new, words::count)
    }),
    ("counts", Side::Left, counts),
];
const FAILED: &[Column] = &[
    ("failed", Side::Left, |row, _| yes(row, "failed")),
    ("rule", Side::Left, |row, _| text(row, "failure_rule").replace('_', " ")),
    ("certainty", Side::Left, |row, _| text(row, "confidence")),
    ("counts", Side::Left, counts),
];
const RECOVERED: &[Column] = &[
    ("recovered", Side::Left, |row, tz| local(row, "recovered_at", tz)),
    ("after", Side::Right, |row, _| seconds(row, "recovery_seconds")),
    ("failed by", Side::Left, |row, _| text(row, "failure_rule").replace('_', " ")),
    ("counts", Side::Left, counts),
];
const REWORKED: &[Column] = &[
    ("rework", Side::Left, |row, _| yes(row, "rework")),
    ("rule", Side::Left, |row, _| text(row, "rework_rule").replace('_', " ")),
    ("counts", Side::Left, counts),
];

const INCIDENT: &[Column] = &[
    ("service", Side::Left, |row, _| text(row, "service")),
    ("incident", Side::Left, |row, _| shorten(&text(row, "incident"), 24)),
    ("opened", Side::Left, |row, tz| local(row, "opened_at", tz)),
    ("resolved", Side::Left, |row, tz| local(row, "resolved_at", tz)),
    ("deployment", Side::Left, |row, _| shorten(&text(row, "deployment"), 24)),
    ("rule", Side::Left, |row, _| text(row, "rule")),
    ("after", Side::Right, |row, _| seconds(row, "recovery_seconds")),
    ("counts", Side::Left, counts),
    ("title", Side::Left, |row, _| shorten(&text(row, "title"), 48)),
];

fn rows(metric: &Metric, rows: &[Row], tz: Tz) -> Table {
    let columns: Vec<Column> = match metric.id {
        _ if rows.iter().any(|row| row.contains_key("incident")) => INCIDENT.to_vec(),
        "change-lead-time" => CHANGE.to_vec(),
        "change-fail-rate" => [DEPLOYMENT, FAILED].concat(),
        "failed-deployment-recovery-time" => [DEPLOYMENT, RECOVERED].concat(),
        "deployment-rework-rate" => [DEPLOYMENT, REWORKED].concat(),
        _ => [DEPLOYMENT, SHIPPED].concat(),
    };
    // A column that is empty throughout says nothing.
    let is_told = |column: &&Column| rows.iter().any(|row| !column.2(row, tz).is_empty());
    let columns: Vec<&Column> = columns.iter().filter(is_told).collect();
    let mut table = Table::new(&columns.iter().map(|(heading, side, _)| (*heading, *side)).collect::<Vec<_>>());
    for row in rows {
        table.push(&columns.iter().map(|(_, _, cell)| cell(row, tz)).collect::<Vec<String>>());
    }
    table
}

fn text(row: &Row, key: &str) -> String {
    row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A commit's id as people abbreviate it.
fn hash(row: &Row, key: &str) -> String {
    let id = text(row, key);
    let is_hash = id.len() >= 40 && id.chars().all(|c| c.is_ascii_hexdigit());
    if is_hash { id[..10].to_owned() } else { shorten(&id, 24) }
}

fn seconds(row: &Row, key: &str) -> String {
    row.get(key).and_then(Value::as_f64).map_or_else(String::new, words::duration)
}

fn local(row: &Row, key: &str, tz: Tz) -> String {
    let at = DateTime::parse_from_rfc3339(&text(row, key)).ok();
    at.map_or_else(String::new, |at| at.with_timezone(&tz).format("%Y-%m-%d %H:%M").to_string())
}

fn yes(row: &Row, key: &str) -> String {
    row.get(key).and_then(Value::as_bool).map_or("", |yes| if yes { "yes" } else { "no" }).to_owned()
}

fn counts(row: &Row, _: Tz) -> String {
    match row.get("excluded_reason").and_then(Value::as_str) {
        Some(reason) => format!("no: {}", words::reason(reason)),
        None => "yes".to_owned(),
    }
}

fn rule_or_reason(row: &Row, key: &str) -> String {
    match row.get("excluded_reason").and_then(Value::as_str) {
        Some(reason) => format!("left out: {}", reason.replace('_', " ")),
        None => text(row, key),
    }
}

/// Lines of at most a hundred characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut().filter(|line| line.chars().count() + word.chars().count() < 100) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_that_does_not_count_says_why_and_empty_columns_are_left_out() {
        let data: Vec<Row> = [
            json!({ "service": "cart", "change": "a".repeat(40), "title": "Mend\u{1b}[2J it", "rule": "ancestry",
                "committed_at": "2026-01-01T10:00:00Z", "shipped_at": "2026-01-01T12:00:00Z", "lead_time_seconds": 7200.0,
                "excluded_reason": null }),
            json!({ "service": "cart", "change": "b", "title": null, "rule": "unshipped", "committed_at": null,
                "shipped_at": null, "lead_time_seconds": null, "excluded_reason": "unshipped" }),
        ]
        .map(|row| row.as_object().unwrap().clone())
        .to_vec();
        let lines = rows(metric_named("change-lead-time").unwrap(), &data, Tz::UTC).lines();
        assert_eq!(
            lines[0],
            "service  change      committed         shipped           lead time  rule                 title"
        );
        assert!(
            lines[1].contains("aaaaaaaaaa  2026-01-01 10:00  2026-01-01 12:00        2 h  ancestry"),
            "{}",
            lines[1]
        );
        assert!(!lines[1].contains('\u{1b}'));
        assert!(lines[2].ends_with("left out: unshipped"), "{}", lines[2]);
    }

    #[test]
    fn a_metric_that_is_not_one_is_answered_with_those_that_are() {
        let said = metric_named("velocity").map_err(ask::flag).unwrap_err().to_string();
        assert!(said.contains("velocity") && said.contains("change-lead-time"), "{said}");
    }
}
