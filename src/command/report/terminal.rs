//! A report for a terminal: aligned text, a line of blocks for each trend, colours where they are wanted.

use super::figures::{Change, Figure, Point, Report, Unit};
use crate::command::output::Ink;
use crate::command::table::{Side, Table, pad, printable};

/// Writes the report.
pub(super) fn write(report: &Report, ink: Ink) -> String {
    let mut lines = vec![ink.bold(&printable(&format!("DORA metrics of {}", report.origin)))];
    lines.extend(report.about.iter().map(|line| ink.dim(&printable(line))));
    lines.push(String::new());
    lines.extend(figures(report, ink));
    lines.push(String::new());
    if !report.stages.is_empty() {
        lines.push(ink.bold("Where lead time goes"));
        let mut table = Table::new(&[("stage", Side::Left), ("median", Side::Left), ("made of", Side::Left)]);
        for stage in &report.stages {
            table.push(&[stage.title.to_owned(), stage.value.clone(), stage.basis.clone()]);
        }
        lines.extend(table.lines().into_iter().map(|line| format!("  {line}")));
        lines.push(String::new());
    }
    lines.push(ink.bold(&format!("By {}", report.bucket)));
    lines.extend(series(report).lines().into_iter().map(|line| format!("  {line}")));
    if report.is_cut.contains(&true) {
        lines.push(ink.dim("  * cut by the period"));
    }
    if !report.missing.is_empty() {
        lines.push(String::new());
        lines.push(ink.bold("Not in these numbers, and good to know"));
        lines.extend(report.missing.iter().map(|line| format!("  - {}", printable(line))));
    }
    lines.join("\n") + "\n"
}

fn figures(report: &Report, ink: Ink) -> Vec<String> {
    let width = |get: fn(&Figure) -> &str| report.figures.iter().map(|f| get(f).chars().count()).max().unwrap_or(0);
    let (titles, values) = (width(|f| f.title), width(|f| &f.value));
    let mut lines = Vec::new();
    for figure in &report.figures {
        let title = pad(figure.title, titles, Side::Left);
        let value = ink.bold(&pad(&figure.value, values, Side::Left));
        // A bucket that is cut would look like a fall.
        let whole = figure.points.iter().zip(&report.is_cut).filter(|(_, is_cut)| !**is_cut);
        let trend = sparkline(&whole.map(|(point, _)| point.clone()).collect::<Vec<_>>());
        lines.push(format!("  {title}  {value}  {trend}").trim_end().to_owned());
        let interval = figure.interval.as_ref().map(|i| format!("{i}; ")).unwrap_or_default();
        let indent = " ".repeat(titles + 2);
        lines.push(ink.dim(&format!("  {indent}{interval}{}", figure.basis)));
        let change = match figure.verdict {
            Change::Better => ink.green(&format!("better: {}", figure.change)),
            Change::Worse => ink.red(&format!("worse: {}", figure.change)),
            Change::NotClear => ink.dim(&figure.change),
        };
        lines.push(format!("  {indent}{change}"));
    }
    lines
}

fn series(report: &Report) -> Table {
    let headings = report.figures.iter().map(|f| (short(f), Side::Right));
    let columns: Vec<(&str, Side)> = std::iter::once(("from", Side::Left)).chain(headings).collect();
    let mut table = Table::new(&columns);
    for (bucket, label) in report.labels.iter().enumerate() {
        let mark = if report.is_cut[bucket] { "*" } else { "" };
        let cells = report.figures.iter().map(|f| f.points.get(bucket).map_or_else(String::new, |p| p.said.clone()));
        table.push(&std::iter::once(format!("{label}{mark}")).chain(cells).collect::<Vec<String>>());
    }
    table
}

/// A metric's name where there is little room.
fn short(figure: &Figure) -> &'static str {
    match figure.id {
        _ if figure.unit == Unit::DaysPerWeek => "days with one",
        "deployment-frequency" => "deployments",
        "change-lead-time" => "lead time",
        "change-fail-rate" => "fail rate",
        "failed-deployment-recovery-time" => "recovery",
        "deployment-rework-rate" => "rework",
        other => other,
    }
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A block a bucket, from 0 to the highest; a dot where the value is unknown.
fn sparkline(points: &[Point]) -> String {
    let highest = points.iter().filter_map(|p| p.value).fold(0.0, f64::max);
    if points.len() < 2 || points.iter().all(|p| p.value.is_none()) {
        return String::new();
    }
    let block = |value: f64| {
        let part = if highest > 0.0 { value.max(0.0) / highest } else { 0.0 };
        BLOCKS[(part * (BLOCKS.len() - 1) as f64).round() as usize]
    };
    points.iter().map(|p| p.value.map_or('·', block)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::report::figures::tests::report;

    #[test]
    fn an_unknown_value_is_a_gap_and_not_the_lowest_block() {
        let point = |value: Option<f64>| Point { value, said: String::new(), is_sure: true };
        assert_eq!(sparkline(&[point(Some(0.0)), point(None), point(Some(4.0)), point(Some(2.0))]), "▁·█▅");
        assert_eq!(sparkline(&[point(None), point(None)]), "");
    }

    #[test]
    fn plain_text_holds_no_codes_and_coloured_text_does() {
        let plain = write(&report(), Ink::Plain);
        assert!(!plain.contains('\u{1b}'));
        assert!(plain.contains("better: 50 % shorter, clear; was 4 h"), "{plain}");
        assert!(plain.contains("Pickup  2 h     40 changes"), "{plain}");
        assert!(write(&report(), Ink::Coloured).contains("\u{1b}[32m"));
    }
}
