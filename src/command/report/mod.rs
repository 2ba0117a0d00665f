//! `dorado report`: the five metrics of a period, for a terminal, as Markdown, as one HTML file, or as
//! the API's own answer. What is said is the same in every format: [`figures`] finds the words.

mod chart;
mod figures;
mod html;
mod markdown;
mod stages;
mod terminal;

use std::path::Path;

use anyhow::Result;
use dorado_query::{Answer, METRICS, Page, Question};

use super::output::{Ink, deliver};
use super::{ask, open};
use crate::cli::{ReportArgs, ReportFormat};
use figures::Report;

/// Reports.
pub(crate) fn run(args: &ReportArgs, config_file: Option<&Path>) -> Result<()> {
    let work = open::runtime("dorado-work")?;
    let text = work.block_on(write(args, config_file))?;
    deliver(&text, args.output.as_deref())
}

async fn write(args: &ReportArgs, config_file: Option<&Path>) -> Result<String> {
    let mut asking = ask::open(&args.repositories, &args.rules, &args.data, config_file).await?;
    let question = asking.question(&args.ask).await?;
    let answer = asking.engine.summary(&question).await.map_err(ask::explained)?;
    if args.format == ReportFormat::Json {
        return Ok(serde_json::to_string_pretty(&*answer)? + "\n");
    }
    let excluded = excluded(&asking.engine, &question).await?;
    let mut report = Report::new(&asking.origin, &question, &answer, &excluded, &asking.notes);
    report.stages = stages::stages(&*asking.engine.stages(&question.whole()).await.map_err(ask::explained)?);
    Ok(match args.format {
        ReportFormat::Markdown => markdown::write(&report),
        ReportFormat::Html => html::write(&report),
        ReportFormat::Terminal | ReportFormat::Json => terminal::write(&report, Ink::of_output(args.output.as_deref())),
    })
}

/// What each metric left out: its id, the reason, how many.
type Excluded = Vec<(&'static str, String, i64)>;

async fn excluded(engine: &dorado_query::Engine, question: &Question) -> Result<Excluded> {
    let mut found = Vec::new();
    for metric in METRICS {
        let page = Page { limit: 1, cursor: None };
        let answer = engine.explain(metric, question, &page).await.map_err(ask::explained)?;
        found.extend(reasons(&answer).into_iter().map(|(reason, n)| (metric.id, reason, n)));
    }
    Ok(found)
}

/// Why rows were left out of an explained answer, and how many.
pub(crate) fn reasons(answer: &Answer) -> Vec<(String, i64)> {
    let list = answer.meta.get("excluded").and_then(serde_json::Value::as_array);
    let pair = |entry: &serde_json::Value| Some((entry["reason"].as_str()?.to_owned(), entry["n"].as_i64()?));
    list.into_iter().flatten().filter_map(pair).collect()
}
