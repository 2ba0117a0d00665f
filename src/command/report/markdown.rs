//! A report as Markdown, for a wiki, a pull request or a mail.

use std::fmt::Write as _;

use super::figures::{Change, Report};
use crate::command::table::printable;

/// Writes the report.
pub(super) fn write(report: &Report) -> String {
    let mut page = format!("# DORA metrics of {}\n\n", escape(&report.origin));
    for line in &report.about {
        // Writing to a string cannot fail.
        let _ = writeln!(page, "- {}", escape(line));
    }
    page.push_str(
        "\n| Metric | Value | 95 % interval | Made of | Against the period before |\n|---|---|---|---|---|\n",
    );
    for figure in &report.figures {
        let change = match figure.verdict {
            Change::Better => format!("**better**: {}", figure.change),
            Change::Worse => format!("**worse**: {}", figure.change),
            Change::NotClear => figure.change.clone(),
        };
        let interval = figure.interval.as_deref().unwrap_or("–");
        let _ =
            writeln!(page, "| {} | **{}** | {interval} | {} | {change} |", figure.title, figure.value, figure.basis);
    }
    if !report.stages.is_empty() {
        page.push_str("\n## Where lead time goes\n\n| Stage | Median | Made of |\n|---|---|---|\n");
        for stage in &report.stages {
            let _ = writeln!(page, "| {} | **{}** | {} |", stage.title, stage.value, stage.basis);
        }
    }
    let _ = writeln!(page, "\n## By {}\n", report.bucket);
    let titles: Vec<&str> = report.figures.iter().map(|f| f.title).collect();
    let _ = writeln!(page, "| From | {} |", titles.join(" | "));
    let _ = writeln!(page, "|---|{}", "--:|".repeat(titles.len()));
    for (bucket, label) in report.labels.iter().enumerate() {
        let mark = if report.is_cut[bucket] { "\\*" } else { "" };
        let cells: Vec<&str> =
            report.figures.iter().map(|f| f.points.get(bucket).map_or("", |p| p.said.as_str())).collect();
        let _ = writeln!(page, "| {label}{mark} | {} |", cells.join(" | "));
    }
    if report.is_cut.contains(&true) {
        page.push_str("\n\\* cut by the period\n");
    }
    if !report.missing.is_empty() {
        page.push_str("\n## Not in these numbers, and good to know\n\n");
        for line in &report.missing {
            let _ = writeln!(page, "- {}", escape(line));
        }
    }
    page
}

/// A text in which no character means anything to Markdown or to the HTML that it may hold.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in printable(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '&') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::report::figures::tests::report;

    #[test]
    fn a_name_cannot_break_a_table() {
        let page = write(&report());
        assert!(page.starts_with("# DORA metrics of a\\<b\\>\\|c\n"), "{page}");
        assert!(page.contains("| Pickup | **2 h** | 40 changes |"), "{page}");
        assert!(page.contains("| Change lead time | **2 h** | 1 h to 3 h | 40 changes, 2 left out | **better**: 50 %"));
    }
}
