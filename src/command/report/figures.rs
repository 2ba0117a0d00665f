//! From an answer to what a report says of it, in words. Knows no format.

use chrono::{Datelike as _, Months, NaiveDate, TimeDelta};
use dorado_query::{
    Answer, BucketSize, FailRate, METRICS, Metric, Pack, Question, RecoveryUnit, Row, Unit as LeadUnit,
};
use serde_json::Value;

use super::Excluded;
use super::stages::Stage;
use crate::command::words::{self, NOT_ENOUGH};

/// Everything that a report says.
#[derive(Debug)]
pub(super) struct Report {
    /// What was read.
    pub(super) origin: String,
    /// The period, what it is compared with, the filter, and whose definitions.
    pub(super) about: Vec<String>,
    /// The metrics.
    pub(super) figures: Vec<Figure>,
    /// The stages of lead time.
    pub(super) stages: Vec<Stage>,
    /// `day`, `week` and so on.
    pub(super) bucket: &'static str,
    /// Starts of the buckets, shortly.
    pub(super) labels: Vec<String>,
    /// Whether a bucket is cut by an end of the period.
    pub(super) is_cut: Vec<bool>,
    /// What is not in the numbers, and what was assumed.
    pub(super) missing: Vec<String>,
}

/// One metric.
#[derive(Debug)]
pub(super) struct Figure {
    /// Its id in the API.
    pub(super) id: &'static str,
    /// Its name.
    pub(super) title: &'static str,
    /// What it is, in a paragraph.
    pub(super) definition: String,
    /// The unit of its points.
    pub(super) unit: Unit,
    /// The value in words, or that it cannot be told.
    pub(super) value: String,
    /// Its 95 % interval.
    pub(super) interval: Option<String>,
    /// How many rows it is made of, and what else there is to say.
    pub(super) basis: String,
    /// The change against the period before.
    pub(super) change: String,
    /// Whether it changed.
    pub(super) verdict: Change,
    /// The metric over time.
    pub(super) points: Vec<Point>,
}

/// A metric in one bucket.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// Its value; `None` where it is unknown.
    pub(super) value: Option<f64>,
    /// The value in words.
    pub(super) said: String,
    /// Whether there are rows enough to trust it.
    pub(super) is_sure: bool,
}

/// What the numbers of a metric are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    /// A number of deployments.
    Deployments,
    /// Days with a deployment in a week, by a pack that counts those.
    DaysPerWeek,
    /// A time.
    Seconds,
    /// A share.
    Ratio,
}

/// Whether there is evidence of a change, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// To the good.
    Better,
    /// To the bad.
    Worse,
    /// None that is clear.
    NotClear,
}

impl Unit {
    fn of(metric: &Metric, pack: &Pack) -> Self {
        match metric.unit_under(pack) {
            "seconds" => Self::Seconds,
            "ratio" => Self::Ratio,
            "days_per_week" => Self::DaysPerWeek,
            _ => Self::Deployments,
        }
    }

    /// A value in words.
    pub(super) fn say(self, value: f64) -> String {
        match self {
            Self::Deployments => words::count(value.round() as i64),
            Self::DaysPerWeek => words::days_a_week(value),
            Self::Seconds => words::duration(value),
            Self::Ratio => words::percent(value),
        }
    }
}

impl Report {
    /// Finds the words.
    pub(super) fn new(
        origin: &str,
        question: &Question,
        answer: &Answer,
        excluded: &Excluded,
        notes: &[String],
    ) -> Self {
        let series = answer.series.as_deref().unwrap_or_default();
        let figures: Vec<Figure> = METRICS.iter().filter_map(|m| Figure::new(m, question, answer, series)).collect();
        let starts = question.buckets.starts();
        Self {
            origin: origin.to_owned(),
            about: about(question),
            figures,
            stages: Vec::new(),
            bucket: question.size.name(),
            labels: starts.iter().map(|at| label(at.date_naive(), question.size)).collect(),
            is_cut: (0..starts.len()).map(|bucket| is_cut(question, bucket)).collect(),
            missing: missing(answer, excluded, notes),
        }
    }
}

impl Figure {
    fn new(metric: &'static Metric, question: &Question, answer: &Answer, series: &[Row]) -> Option<Self> {
        let row = answer.data.iter().find(|row| text(row, "metric") == Some(metric.id))?;
        let unit = Unit::of(metric, &question.pack);
        let points = series.iter().filter(|row| text(row, "metric") == Some(metric.id));
        let (change, verdict) = change(row, unit, question);
        Some(Self {
            id: metric.id,
            title: metric.title,
            definition: question.definition_of(metric),
            unit,
            value: value(row, unit),
            interval: interval(row, unit),
            basis: basis(row, unit, &question.pack),
            change,
            verdict,
            points: points.map(|row| point(row, unit)).collect(),
        })
    }
}

fn value(row: &Row, unit: Unit) -> String {
    if unit == Unit::Deployments {
        let n = number(row, "n").unwrap_or(0.0);
        return number(row, "per_day").filter(|_| n > 0.0).map_or_else(|| "none".to_owned(), words::frequency);
    }
    match number(row, "value") {
        Some(_) if !flag(row, "enough_data") => NOT_ENOUGH.to_owned(),
        value => value.map_or_else(|| NOT_ENOUGH.to_owned(), |value| unit.say(value)),
    }
}

fn interval(row: &Row, unit: Unit) -> Option<String> {
    let (low, high) = (number(row, "low")?, number(row, "high")?);
    (flag(row, "enough_data")).then(|| format!("{} to {}", unit.say(low), unit.say(high)))
}

fn basis(row: &Row, unit: Unit, pack: &Pack) -> String {
    let n = number(row, "n").unwrap_or(0.0) as i64;
    let few = number(row, "value").filter(|_| !flag(row, "enough_data"));
    let mut said = vec![match (unit, text(row, "metric")) {
        (Unit::Deployments | Unit::DaysPerWeek, _) => words::counted(n, "deployment"),
        (Unit::Ratio, metric) => {
            let k = number(row, "numerator").unwrap_or(0.0) as i64;
            let deployments = words::counted(n, "deployment");
            if metric == Some("change-fail-rate") && pack.fail_rate == FailRate::Incidents {
                format!("{} to {deployments}", words::counted(k, "incident"))
            } else {
                format!("{} of {deployments}", words::count(k))
            }
        }
        (_, Some("change-lead-time")) if pack.unit == LeadUnit::PullRequest => words::counted(n, "pull request"),
        (_, Some("change-lead-time")) => words::counted(n, "change"),
        _ if pack.recovery_unit == RecoveryUnit::Incident => words::counted(n, "incident"),
        _ => words::counted(n, "recovery").replace("recoverys", "recoveries"),
    }];
    if let Some(value) = few.filter(|_| unit == Unit::Seconds) {
        said.push(format!("their median {}", unit.say(value)));
    }
    if let Some(open) = number(row, "n_open").filter(|n| *n > 0.0) {
        said.push(format!("{} not recovered yet", words::count(open as i64)));
    }
    let confirmed = number(row, "n_confirmed").filter(|c| Some(*c) != number(row, "numerator"));
    if let Some(confirmed) = confirmed {
        said.push(format!("{} confirmed", words::count(confirmed as i64)));
    }
    if let Some(excluded) = number(row, "n_excluded").filter(|n| *n > 0.0) {
        said.push(format!("{} left out", words::count(excluded as i64)));
    }
    said.join(", ")
}

/// The change in words. A change is told only where its whole interval lies on one side of none.
fn change(row: &Row, unit: Unit, question: &Question) -> (String, Change) {
    let verdict = match text(row, "verdict") {
        Some("better") => Change::Better,
        Some("worse") => Change::Worse,
        _ => Change::NotClear,
    };
    let Some(before) = number(row, "previous_value").filter(|_| number(row, "previous_n").is_some_and(|n| n > 0.0))
    else {
        return ("nothing before to compare with".to_owned(), Change::NotClear);
    };
    let days = (question.to - question.from).as_seconds_f64() / 86_400.0;
    let say = |value: f64| match unit {
        Unit::Deployments => words::frequency(value / days),
        _ => unit.say(value),
    };
    let was = say(before);
    let Some(shift) = number(row, "shift").filter(|_| verdict != Change::NotClear) else {
        return (format!("no clear change; was {was}"), Change::NotClear);
    };
    let (more, less) = match unit {
        Unit::Deployments | Unit::DaysPerWeek => ("more often", "less often"),
        Unit::Ratio => ("higher", "lower"),
        Unit::Seconds => ("longer", "shorter"),
    };
    let direction = if shift > 0.0 { more } else { less };
    let value = number(row, "value").unwrap_or(before);
    let by = value - before;
    let amount = match unit {
        // Most rows can move one way, and their median not.
        _ if by * shift <= 0.0 => "mostly".to_owned(),
        Unit::Ratio => words::percent(by.abs()).replace('%', "points"),
        _ if before > 0.0 => words::percent(by.abs() / before),
        _ => "far".to_owned(),
    };
    // What is told with the same digits would deny the change.
    let was = if say(value) == was { String::new() } else { format!("; was {was}") };
    (format!("{amount} {direction}, clear{was}"), verdict)
}

fn point(row: &Row, unit: Unit) -> Point {
    let value = number(row, "value");
    let is_sure = flag(row, "enough_data");
    let said = match value {
        None => "–".to_owned(),
        Some(value) if is_sure => unit.say(value),
        Some(value) => format!("{} (n = {})", unit.say(value), number(row, "n").unwrap_or(0.0) as i64),
    };
    Point { value, said, is_sure }
}

fn about(question: &Question) -> Vec<String> {
    let local = |at: dorado_lake::Instant| at.with_timezone(&question.tz).format("%Y-%m-%d %H:%M").to_string();
    let length = question.to - question.from;
    let long = words::duration(length.as_seconds_f64());
    let mut about = vec![
        format!("{} to {} ({}), {long}", local(question.from), local(question.to), question.tz.name()),
        format!("compared with the {long} before; intervals are 95 %"),
    ];
    let filter = &question.filter;
    let parts = [
        ("service", &filter.services),
        ("team", &filter.teams),
        ("repository", &filter.repositories),
        ("environment", &filter.environments),
    ];
    for (name, names) in parts.into_iter().filter(|(_, names)| !names.is_empty()) {
        about.push(format!("only {name} {}", names.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    about.push(format!("definitions {}: {}", question.pack.id, question.pack.title));
    about
}

fn label(date: NaiveDate, size: BucketSize) -> String {
    match size {
        BucketSize::Month => date.format("%Y-%m").to_string(),
        BucketSize::Quarter => format!("{} Q{}", date.year(), date.month0() / 3 + 1),
        BucketSize::Year => date.year().to_string(),
        BucketSize::Day | BucketSize::Week | BucketSize::All => date.format("%Y-%m-%d").to_string(),
    }
}

/// Whether the period begins or ends within a bucket.
fn is_cut(question: &Question, bucket: usize) -> bool {
    let start = question.buckets.starts()[bucket];
    let date = start.date_naive();
    let next = match question.size {
        BucketSize::Day => Some(date + TimeDelta::days(1)),
        BucketSize::Week => Some(date + TimeDelta::days(7)),
        BucketSize::Month => date.checked_add_months(Months::new(1)),
        BucketSize::Quarter => date.checked_add_months(Months::new(3)),
        BucketSize::Year => date.checked_add_months(Months::new(12)),
        BucketSize::All => return false,
    };
    let end = question.to.with_timezone(&question.tz).date_naive();
    start < question.from || next.is_some_and(|next| next > end)
}

fn missing(answer: &Answer, excluded: &Excluded, notes: &[String]) -> Vec<String> {
    let mut missing = notes.to_vec();
    for (metric, reason, n) in excluded {
        let row = match *metric {
            "change-lead-time" => "change",
            "failed-deployment-recovery-time" => "failed deployment",
            _ => "deployment",
        };
        let said = format!("{} {}", words::counted(*n, row), words::reason(reason));
        // Several metrics leave out the same rows.
        if !missing.contains(&said) {
            missing.push(said);
        }
    }
    if let Some(unknown) = answer.meta.get("unknown").and_then(Value::as_object) {
        for (parameter, names) in unknown {
            let names: Vec<&str> = names.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            missing.push(format!("No {parameter} is known by the name {}", names.join(", ")));
        }
    }
    if answer.meta.get("complete").and_then(Value::as_bool) == Some(false) {
        missing.push("What came in last is not counted yet; a server or the next import does it".to_owned());
    }
    if let Some(through) = answer.meta.get("complete_through").and_then(Value::as_str) {
        missing.push(format!("The data end at {} UTC", words::minute(through)));
    }
    missing
}

fn number(row: &Row, key: &str) -> Option<f64> {
    row.get(key)?.as_f64()
}

fn text<'a>(row: &'a Row, key: &str) -> Option<&'a str> {
    row.get(key)?.as_str()
}

fn flag(row: &Row, key: &str) -> bool {
    row.get(key).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use dorado_query::Asked;
    use serde_json::json;

    use super::*;

    fn question() -> Question {
        question_of("dora-2025")
    }

    fn question_of(pack: &str) -> Question {
        let asked = Asked {
            from: Some("2026-01-01".into()),
            to: Some("2026-01-31".into()),
            bucket: Some("week".into()),
            pack: Some(pack.into()),
            ..Asked::default()
        };
        Question::new(&asked, dorado_query::Audience::Everybody, chrono::Utc::now()).unwrap()
    }

    fn row(value: &Value) -> Row {
        value.as_object().unwrap().clone()
    }

    /// A report with one of each: a clear change, too little data, a name that is code.
    pub(in crate::command::report) fn report() -> Report {
        let lead = json!({
            "metric": "change-lead-time", "value": 7200.0, "n": 40, "low": 3600.0, "high": 10800.0, "enough_data": true,
            "n_excluded": 2, "previous_value": 14400.0, "previous_n": 50, "shift": -7200.0, "verdict": "better",
        });
        let recovery = json!({
            "metric": "failed-deployment-recovery-time", "value": 60.0, "n": 1, "low": null, "high": null,
            "enough_data": false, "n_open": 1, "previous_value": null, "previous_n": 0, "verdict": null,
        });
        let point = json!({ "metric": "change-lead-time", "value": 7200.0, "n": 40, "enough_data": true });
        let gap = json!({ "metric": "change-lead-time", "value": null, "n": 0, "enough_data": false });
        let answer = Answer {
            data: vec![row(&lead), row(&recovery)],
            series: Some(vec![row(&point), row(&gap), row(&point)]),
            differences: None,
            meta: row(&json!({ "unknown": { "team": ["<ghosts>"] }, "complete": true })),
        };
        let excluded = vec![("change-lead-time", "unshipped".to_owned(), 2)];
        let mut report = Report::new("a<b>|c", &question(), &answer, &excluded, &["a note".to_owned()]);
        report.stages = vec![Stage {
            title: "Pickup",
            definition: "From the opening to the first review.",
            value: "2 h".into(),
            basis: "40 changes".into(),
        }];
        report
    }

    #[test]
    fn a_clear_change_is_told_and_too_little_is_never_a_number() {
        let report = report();
        let [lead, recovery] = &report.figures[..] else { unreachable!("two rows were given") };
        assert_eq!(lead.value, "2 h");
        assert_eq!(lead.interval.as_deref(), Some("1 h to 3 h"));
        assert_eq!(lead.change, "50 % shorter, clear; was 4 h");
        assert_eq!(lead.basis, "40 changes, 2 left out");
        assert_eq!(recovery.value, "not enough data");
        assert_eq!(recovery.basis, "1 recovery, their median 1 min, 1 not recovered yet");
        assert_eq!(recovery.change, "nothing before to compare with");
        assert!(report.missing.contains(&"2 changes not shipped yet".to_owned()));
        assert!(report.missing.contains(&"No team is known by the name <ghosts>".to_owned()));
    }

    #[test]
    fn days_a_week_are_told_as_such_now_and_before() {
        let frequency = json!({
            "metric": "deployment-frequency", "value": 3.5, "n": 60, "enough_data": true, "per_day": 2.0,
            "previous_value": 2.0, "previous_n": 30, "shift": 1.0, "verdict": "better",
        });
        let answer = Answer { data: vec![row(&frequency)], series: None, differences: None, meta: row(&json!({})) };
        let figure = |pack: &str| Report::new("", &question_of(pack), &answer, &Vec::new(), &[]).figures.pop().unwrap();
        let days = figure("devlake");
        assert_eq!(days.value, "3.5 days a week");
        assert_eq!(days.change, "75 % more often, clear; was 2 days a week");
        assert_eq!(figure("dora-2025").value, "2 a day", "other packs count deployments");
    }

    #[test]
    fn a_change_says_nothing_that_its_numbers_deny() {
        let lead = |value: f64, previous: f64| {
            let row = row(&json!({
                "metric": "change-lead-time", "value": value, "previous_value": previous, "previous_n": 50, "shift": -60.0,
                "verdict": "better",
            }));
            change(&row, Unit::Seconds, &question()).0
        };
        assert_eq!(lead(345_600.0, 432_000.0), "20 % shorter, clear; was 5 days");
        assert_eq!(lead(345_000.0, 347_000.0), "0.6 % shorter, clear");
        assert_eq!(lead(432_000.0, 345_600.0), "mostly shorter, clear; was 4 days");
    }

    #[test]
    fn rows_are_called_what_the_pack_counts() {
        let said = |metric: &str, unit: Unit, pack: &str| {
            let row = row(&json!({ "metric": metric, "n": 7, "numerator": 2, "value": 1.0, "enough_data": true }));
            basis(&row, unit, &question_of(pack).pack)
        };
        assert_eq!(said("change-lead-time", Unit::Seconds, "devlake"), "7 pull requests");
        assert_eq!(said("change-fail-rate", Unit::Ratio, "fourkeys"), "2 incidents to 7 deployments");
        assert_eq!(said("change-fail-rate", Unit::Ratio, "dora-2025"), "2 of 7 deployments");
        assert_eq!(said("failed-deployment-recovery-time", Unit::Seconds, "fourkeys"), "7 incidents");
    }

    #[test]
    fn a_bucket_that_the_period_cuts_is_marked() {
        // The period is from a Thursday to the end of a Friday.
        assert_eq!(
            (0..5).map(|bucket| is_cut(&question(), bucket)).collect::<Vec<_>>(),
            [true, false, false, false, true]
        );
    }

    #[test]
    fn labels_are_as_short_as_their_bucket_allows() {
        let date = NaiveDate::from_ymd_opt(2026, 8, 3).unwrap();
        let said = [BucketSize::Week, BucketSize::Month, BucketSize::Quarter, BucketSize::Year].map(|s| label(date, s));
        assert_eq!(said, ["2026-08-03", "2026-08", "2026 Q3", "2026"]);
    }
}
