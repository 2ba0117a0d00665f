//! What can be told a history and asked a question: the naive model, and the real thing. Tables,
//! properties and the comparison of the two are written once, against this.

use serde_json::Value;

use crate::model::{self, Facts, Question};

/// A history that a subject was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct History(pub(crate) usize);

/// Something that takes events in and gives numbers out.
pub(crate) trait Subject {
    /// Takes deliveries of newline-separated events, in this order, as a history that no other touches.
    fn tell(&mut self, deliveries: &[String]) -> History;

    /// Answers `change-lead-time?from=…&to=…&bucket=…` from one history: `{"data": [row, …]}`.
    fn ask(&mut self, history: History, question: &str) -> Value;

    /// Tells and asks in one breath.
    fn tell_and_ask(&mut self, deliveries: &[String], question: &str) -> Value {
        let history = self.tell(deliveries);
        self.ask(history, question)
    }
}

/// The naive model: keeps deliveries and starts from nothing at each question.
#[derive(Debug, Default)]
pub(crate) struct Model {
    histories: Vec<Vec<String>>,
}

impl Subject for Model {
    fn tell(&mut self, deliveries: &[String]) -> History {
        self.histories.push(deliveries.to_vec());
        History(self.histories.len() - 1)
    }

    fn ask(&mut self, history: History, question: &str) -> Value {
        model::answer(&Facts::read(&self.histories[history.0]), &Question::parse(question))
    }
}

/// Keys on which two answers to one question must agree, as far as both have them. Intervals of
/// medians and the spacing of deployments are left to their own tests.
const KEYS: [&str; 20] = [
    "time",
    "stage",
    "n_excluded",
    "service",
    "value",
    "n",
    "numerator",
    "denominator",
    "value_confirmed",
    "n_open",
    "enough_data",
    "low",
    "high",
    "per_day",
    "share_of_days",
    "p75",
    "p90",
    "p95",
    "mean",
    "max",
];

/// Where two answers to one question differ; `None` where they agree.
pub(crate) fn difference(expected: &Value, answer: &Value) -> Option<String> {
    let none = Vec::new();
    let (expected, actual) = (expected["data"].as_array()?, answer["data"].as_array().unwrap_or(&none));
    if expected.len() != actual.len() {
        let refusal = answer["detail"].as_str().unwrap_or_default();
        return Some(format!("{} rows instead of {} {refusal}", actual.len(), expected.len()));
    }
    for (row, (expected, actual)) in expected.iter().zip(actual).enumerate() {
        for key in KEYS {
            let Some(value) = expected.get(key) else { continue };
            if !is_same(key, value, &actual[key]) {
                return Some(format!("row {row} ({}): {key} is {}, not {value}", expected["time"], actual[key]));
            }
        }
    }
    None
}

fn is_same(key: &str, expected: &Value, actual: &Value) -> bool {
    match (expected.as_f64(), actual.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs().max(1.0),
        _ if key == "time" => is_same_time(expected, actual),
        _ => expected == actual,
    }
}

/// Whether two texts are the same instant written with the same offset.
pub(crate) fn is_same_time(expected: &Value, actual: &Value) -> bool {
    let read = |value: &Value| value.as_str().and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok());
    match (read(expected), read(actual)) {
        (Some(a), Some(b)) => a == b && a.offset() == b.offset(),
        _ => false,
    }
}
