//! A report as one HTML file that asks nobody for anything: no script, no font, no picture from elsewhere.

use std::fmt::Write as _;

use super::chart;
use super::figures::{Change, Figure, Report};

/// Writes the report.
pub(super) fn write(report: &Report) -> String {
    let title = format!("DORA metrics of {}", report.origin);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{0}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<header>\n<h1>{0}</h1>\n",
        escape(&title)
    );
    // Writing to a string cannot fail.
    for line in &report.about {
        let _ = writeln!(page, "<p>{}</p>", escape(line));
    }
    page.push_str("</header>\n<div class=\"figures\">\n");
    for figure in &report.figures {
        page.push_str(&card(figure, report));
    }
    page.push_str("</div>\n");
    page.push_str(&stages(report));
    page.push_str(&series(report));
    if !report.missing.is_empty() {
        page.push_str("<section>\n<h2>Not in these numbers, and good to know</h2>\n<ul>\n");
        for line in &report.missing {
            let _ = writeln!(page, "<li>{}</li>", escape(line));
        }
        page.push_str("</ul>\n</section>\n");
    }
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn card(figure: &Figure, report: &Report) -> String {
    let interval = figure.interval.as_ref().map(|i| format!("95 % interval {i}; ")).unwrap_or_default();
    let (class, word) = match figure.verdict {
        Change::Better => ("better", "▲ better: "),
        Change::Worse => ("worse", "▼ worse: "),
        Change::NotClear => ("unclear", ""),
    };
    let id = figure.id;
    format!(
        "<section class=\"figure\" aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{}</h2>\n<p class=\"value\">{}</p>\n\
         <p class=\"basis\">{}</p>\n<p class=\"change {class}\">{word}{}</p>\n{}\n\
         <details><summary>What is counted</summary><p>{}</p></details>\n</section>\n",
        escape(figure.title),
        escape(&figure.value),
        escape(&format!("{interval}{}", figure.basis)),
        escape(&figure.change),
        chart::draw(figure, &report.labels, &report.is_cut),
        escape(&figure.definition)
    )
}

fn stages(report: &Report) -> String {
    if report.stages.is_empty() {
        return String::new();
    }
    let mut html = String::from(
        "<section>\n<h2>Where lead time goes</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Stage</th>\
         <th scope=\"col\">Median</th><th scope=\"col\">Made of</th></tr></thead>\n<tbody>\n",
    );
    for stage in &report.stages {
        let _ = writeln!(
            html,
            "<tr><th scope=\"row\" title=\"{}\">{}</th><td>{}</td><td>{}</td></tr>",
            escape(stage.definition),
            escape(stage.title),
            escape(&stage.value),
            escape(&stage.basis)
        );
    }
    html.push_str("</tbody>\n</table></div>\n</section>\n");
    html
}

fn series(report: &Report) -> String {
    let mut html = format!(
        "<section>\n<h2>By {}</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">From</th>",
        report.bucket
    );
    for figure in &report.figures {
        let _ = write!(html, "<th scope=\"col\">{}</th>", escape(figure.title));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for (bucket, label) in report.labels.iter().enumerate() {
        let mark = if report.is_cut[bucket] { "*" } else { "" };
        let _ = write!(html, "<tr><th scope=\"row\">{}{mark}</th>", escape(label));
        for figure in &report.figures {
            let point = figure.points.get(bucket);
            let class = if point.is_some_and(|p| p.is_sure) { "" } else { " class=\"unsure\"" };
            let _ = write!(html, "<td{class}>{}</td>", escape(point.map_or("", |p| p.said.as_str())));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody>\n</table></div>\n");
    html.push_str("<p class=\"basis\">A dash is unknown, not 0; a pale value has too few rows to be trusted");
    html.push_str(if report.is_cut.contains(&true) {
        "; * is cut by the period, and hollow in a chart.</p>\n"
    } else {
        ".</p>\n"
    });
    html.push_str("</section>\n");
    html
}

/// A text in which no character means anything to HTML.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

const STYLE: &str = "
:root { color-scheme: light dark; --paper: #f7f8f9; --card: #fff; --ink: #1a2230; --soft: #566173; --rule: #dfe3e9;
  --mark: #1f6f8b; --better: #1b7a43; --worse: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --paper: #12161c; --card: #1a2029; --ink: #e6eaf0; --soft: #9aa5b4;
  --rule: #2d3643; --mark: #5db3cf; --better: #5cc98a; --worse: #f28b82; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 8px; overflow-wrap: anywhere; }
h2 { font-size: 16px; margin: 0; }
header p { margin: 0; color: var(--soft); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr)); gap: 16px; margin: 24px 0; }
section { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 16px 18px; margin: 0 0 16px; }
.figure { margin: 0; display: flex; flex-direction: column; }
.value { font-size: 30px; font-weight: 650; line-height: 1.2; margin: 6px 0 2px; }
.basis { color: var(--soft); font-size: 13px; margin: 0; }
.change { font-size: 14px; margin: 4px 0 8px; }
.better { color: var(--better); } .worse { color: var(--worse); } .unclear { color: var(--soft); }
svg { display: block; width: 100%; max-width: 460px; height: auto; margin-top: auto; }
.grid { stroke: var(--rule); }
.tick { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.bar, .dot { fill: var(--mark); }
.bar.cut { fill-opacity: 0.25; stroke: var(--mark); stroke-dasharray: 3 2; }
.dot { stroke: var(--card); stroke-width: 1; }
.dot.unsure { fill: var(--card); stroke: var(--mark); stroke-width: 1.5; }
.line { fill: none; stroke: var(--mark); stroke-width: 2; stroke-linejoin: round; }
details { color: var(--soft); font-size: 13px; margin-top: 8px; } summary { cursor: pointer; } details p { margin: 6px 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 10px 0; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
thead th { color: var(--soft); font-weight: 500; white-space: normal; vertical-align: bottom; }
th:first-child { text-align: left; font-weight: 500; }
.unsure { color: var(--soft); }
ul { margin: 8px 0 0; padding-left: 20px; } li { overflow-wrap: anywhere; }
@media (max-width: 640px) { th, td { padding: 6px 5px; } td:nth-child(3):last-child { white-space: normal; } main { padding: 24px 14px; } section { padding: 14px; } }
@media print { body { background: none; } section { break-inside: avoid; } details { display: none; } }
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::report::figures::tests::report;

    #[test]
    fn what_a_stranger_named_is_text_and_never_markup() {
        assert_eq!(escape("<a href=\"x\" id='y'>&</a>"), "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;&lt;/a&gt;");
        let page = write(&report());
        assert!(page.contains("<h1>DORA metrics of a&lt;b&gt;|c</h1>"));
        assert!(page.contains("&lt;ghosts&gt;") && !page.contains("<ghosts>"));
    }

    #[test]
    fn the_file_asks_nobody_for_anything() {
        let page = write(&report());
        for word in ["<script", "http://", "https://", "@import", "url(", "<link", "<img"] {
            assert!(!page.contains(word), "{word}");
        }
    }
}
