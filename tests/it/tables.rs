//! `tests/metrics/*.md` define the metrics by example. This reads them and asks any [`Subject`]
//! what they ask. The format is told in `tests/metrics/README.md`.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::history::history;
use crate::model::moment;
use crate::subject::{History, Model, Subject, is_same_time};

/// One `##` of a file.
#[derive(Debug, Default)]
struct Case {
    claim: String,
    deliveries: Vec<String>,
    questions: Vec<Asked>,
}

/// A question and the rows that answer it.
#[derive(Debug, Default)]
struct Asked {
    question: String,
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

#[test]
fn the_model_answers_as_the_tables_say() {
    assert_tables(&mut Model::default());
}

#[test]
fn every_event_of_the_tables_and_of_random_histories_is_accepted() {
    let told: Vec<String> = files().iter().flat_map(|file| read(file)).flat_map(|case| case.deliveries).collect();
    let random = (0..100).map(|seed| history(seed).join("\n"));
    for delivery in told.into_iter().chain(random).filter(|delivery| !delivery.is_empty()) {
        let parsed = dorado_ingest::events::parse(delivery.as_bytes(), Some("application/x-ndjson")).unwrap();
        assert_eq!(parsed.rejected, [], "{delivery}");
    }
}

/// Asks everything that the tables ask, and reports all that differs at once.
pub(crate) fn assert_tables(subject: &mut impl Subject) {
    let cases: Vec<Case> = files().iter().flat_map(|file| read(file)).collect();
    assert!(cases.len() > 50, "only {} cases were found", cases.len());
    let histories: Vec<History> = cases.iter().map(|case| subject.tell(&case.deliveries)).collect();
    let mut wrong = Vec::new();
    for (case, history) in cases.iter().zip(histories) {
        for asked in &case.questions {
            let answer = subject.ask(history, &asked.question);
            if let Some(problem) = problem(asked, &answer) {
                wrong.push(format!("{}\n  {}\n  {problem}", case.claim, asked.question));
            }
        }
    }
    assert!(wrong.is_empty(), "{} answers differ:\n\n{}\n", wrong.len(), wrong.join("\n\n"));
}

fn files() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "md") && !path.ends_with("README.md"));
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn read(file: &str) -> Vec<Case> {
    let title = file.lines().next().unwrap().trim_start_matches("# ");
    let mut cases: Vec<Case> = Vec::new();
    let mut is_in_events = false;
    for line in file.lines() {
        if let Some(claim) = line.strip_prefix("## ") {
            cases.push(Case { claim: format!("{title}: {claim}"), ..Case::default() });
        }
        let Some(case) = cases.last_mut() else { continue };
        match line {
            "```events" => {
                is_in_events = true;
                case.deliveries.push(String::new());
            }
            "```" => is_in_events = false,
            "" if is_in_events => case.deliveries.push(String::new()),
            _ if is_in_events => case.deliveries.last_mut().unwrap().extend([line, "\n"]),
            _ => case.read_answer(line),
        }
    }
    for case in &cases {
        assert!(!case.questions.is_empty(), "{}: asks nothing", case.claim);
        assert!(case.questions.iter().all(|q| !q.columns.is_empty()), "{}: a question has no table", case.claim);
    }
    cases
}

impl Case {
    fn read_answer(&mut self, line: &str) {
        if let Some(question) = line.strip_prefix("question: ") {
            let question = question.trim().trim_matches('`').to_owned();
            self.questions.push(Asked { question, ..Asked::default() });
        } else if line.starts_with('|') {
            let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
            let asked = self.questions.last_mut().expect("a table follows its question");
            if asked.columns.is_empty() {
                asked.columns = cells;
            } else if !line.starts_with("|--") {
                assert_eq!(cells.len(), asked.columns.len(), "{}: {line}", self.claim);
                asked.rows.push(cells);
            }
        }
    }
}

fn problem(asked: &Asked, answer: &Value) -> Option<String> {
    let Some(data) = answer["data"].as_array() else {
        return Some(format!("got no rows but {answer}"));
    };
    let mut data: Vec<&Value> = data.iter().collect();
    data.sort_by_key(|row| (row["service"].as_str(), row["environment"].as_str()));
    if data.len() != asked.rows.len() {
        return Some(format!("expected {} rows, got {}: {answer}", asked.rows.len(), data.len()));
    }
    for (row, actual) in asked.rows.iter().zip(data) {
        for (column, cell) in asked.columns.iter().zip(row) {
            if !is_as_written(asked, column, cell, &actual[column]) {
                return Some(format!("expected {column} = {cell}, got {} in {actual}", actual[column]));
            }
        }
    }
    None
}

fn is_as_written(asked: &Asked, column: &str, cell: &str, actual: &Value) -> bool {
    match (cell, column) {
        ("null", _) => actual.is_null(),
        ("true" | "false", _) => actual.as_bool().is_some_and(|is| is.to_string() == cell),
        (_, "time") => is_same_time(&Value::String(start(asked, cell)), actual),
        (_, "service" | "environment" | "stage") => actual == cell,
        _ => {
            let (expected, tolerance) = number(cell);
            actual.as_f64().is_some_and(|actual| (actual - expected).abs() <= tolerance)
        }
    }
}

/// A date stands for its first instant in the question's time zone.
fn start(asked: &Asked, cell: &str) -> String {
    let tz = asked.question.split('&').find_map(|pair| pair.strip_prefix("tz=")).unwrap_or("UTC");
    moment(cell, tz.parse().unwrap()).to_rfc3339()
}

/// A number (`5`, `0.25`), a fraction (`1/3`) or a duration (`1d 3h 20m 5s`), and how far off an answer
/// may be: three or more decimals are rounded, all else is exact.
fn number(cell: &str) -> (f64, f64) {
    if let Ok(number) = cell.parse::<f64>() {
        let n_decimals = cell.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let tolerance = if n_decimals < 3 { 1e-9 } else { 0.5001 * 0.1_f64.powi(n_decimals as i32) };
        return (number, tolerance);
    }
    if let Some((numerator, denominator)) = cell.split_once('/') {
        return (numerator.parse::<f64>().unwrap() / denominator.parse::<f64>().unwrap(), 1e-9);
    }
    let part = |part: &str| {
        let (number, unit) = part.split_at(part.len() - 1);
        let seconds = match unit {
            "d" => 86_400.0,
            "h" => 3_600.0,
            "m" => 60.0,
            _ => 1.0,
        };
        number.parse::<f64>().expect("a cell is a number, a fraction or a duration") * seconds
    };
    (cell.split(' ').map(part).sum(), 1e-6)
}
