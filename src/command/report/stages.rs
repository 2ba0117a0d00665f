//! The stages of lead time in words. Knows no format.

use dorado_query::{Answer, Row, STAGES};
use serde_json::Value;

use crate::command::words;

/// One stage.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    /// Its name.
    pub(super) title: &'static str,
    /// From what to what.
    pub(super) definition: &'static str,
    /// The median in words, or that it cannot be told.
    pub(super) value: String,
    /// How many changes it is made of.
    pub(super) basis: String,
}

/// The stages of a whole period; none where no change that shipped has a pull request.
pub(super) fn stages(answer: &Answer) -> Vec<Stage> {
    if answer.data.iter().all(|row| number(row, "n") == 0.0) {
        return Vec::new();
    }
    let row = |id: &str| answer.data.iter().find(|row| row.get("stage").and_then(Value::as_str) == Some(id));
    let found = STAGES.iter().filter_map(|stage| Some((stage, row(stage.id)?)));
    found.map(|(stage, row)| told(stage.title, stage.definition, row)).collect()
}

fn told(title: &'static str, definition: &'static str, row: &Row) -> Stage {
    let value = row.get("value").and_then(Value::as_f64);
    let is_enough = row.get("enough_data").and_then(Value::as_bool).unwrap_or(false);
    let n_excluded = number(row, "n_excluded");
    let said = [
        Some(words::counted(number(row, "n") as i64, "change")),
        value.filter(|_| !is_enough).map(|few| format!("their median {}", words::duration(few))),
        (n_excluded > 0.0).then(|| format!("{} left out", words::count(n_excluded as i64))),
    ];
    let basis = said.into_iter().flatten().collect::<Vec<_>>().join(", ");
    let value = value.filter(|_| is_enough).map_or_else(|| words::NOT_ENOUGH.to_owned(), words::duration);
    Stage { title, definition, value, basis }
}

fn number(row: &Row, key: &str) -> f64 {
    row.get(key).and_then(Value::as_f64).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn answer(rows: &[Value]) -> Answer {
        let data = rows.iter().map(|row| row.as_object().unwrap().clone()).collect();
        Answer { data, series: None, differences: None, meta: Row::new() }
    }

    #[test]
    fn a_stage_of_few_changes_is_told_as_too_few() {
        let pickup = json!({ "stage": "pickup", "value": 7200.0, "n": 40, "n_excluded": 2, "enough_data": true });
        let review = json!({ "stage": "review", "value": 60.0, "n": 2, "n_excluded": 40, "enough_data": false });
        let told = stages(&answer(&[review, pickup]));
        let said: Vec<_> = told.iter().map(|s| (s.title, s.value.as_str(), s.basis.as_str())).collect();
        assert_eq!(
            said,
            [
                ("Pickup", "2 h", "40 changes, 2 left out"),
                ("Review", "not enough data", "2 changes, their median 1 min, 40 left out")
            ]
        );
    }

    #[test]
    fn without_pull_requests_there_are_no_stages() {
        let pickup = json!({ "stage": "pickup", "value": null, "n": 0, "n_excluded": 9, "enough_data": false });
        assert!(stages(&answer(&[pickup])).is_empty());
    }
}
