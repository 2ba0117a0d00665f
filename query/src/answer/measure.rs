//! From aggregates to a row of an answer: value, interval, n and the rest, in the unit of the metric.
//! Unknown is null, never 0.

use serde_json::{Value, json};

use super::frame::Aggregates;
use crate::engine::Row;
use crate::metric::{Kind, LEFT_OUT, Metric};
use crate::quantiles::Distribution;
use crate::statistics::wilson;

/// Length of a bucket, for rates over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Length {
    /// True length in days of 24 hours.
    pub(crate) days: f64,
    /// Calendar days in it, in the asker's zone.
    pub(crate) calendar_days: usize,
}

/// The measured keys of a metric's row.
pub(crate) fn row(metric: &Metric, aggregates: &Aggregates, length: Length, min_n: u64) -> Row {
    match metric.id {
        "deployment-frequency" => frequency(aggregates, length),
        "change-lead-time" => {
            let mut row = duration(aggregates.distribution("lead_time"), min_n);
            row.insert("n_excluded".into(), json!(aggregates.count("lead_time_excluded")));
            row
        }
        "change-fail-rate" => {
            let n = aggregates.count("fail_rate_n");
            let confirmed = aggregates.count("fail_rate_confirmed");
            let mut row = ratio(aggregates.count("fail_rate_failed"), n, min_n);
            row.insert("value_confirmed".into(), json!((n > 0).then(|| confirmed as f64 / n as f64)));
            row.insert("n_confirmed".into(), json!(confirmed));
            row.insert("n_excluded".into(), json!(aggregates.count("fail_rate_excluded")));
            row
        }
        "failed-deployment-recovery-time" => {
            let mut row = duration(aggregates.distribution("recovery"), min_n);
            row.insert("n_open".into(), json!(aggregates.count("recovery_open")));
            row.insert("n_excluded".into(), json!(aggregates.count("recovery_excluded")));
            row
        }
        _ if metric.table == "shipments" => {
            let mut row = duration(aggregates.distribution(metric.id), min_n);
            let n: i64 = LEFT_OUT.iter().map(|reason| aggregates.count(&format!("{}_{reason}", metric.id))).sum();
            row.insert("n_excluded".into(), json!(n));
            row
        }
        _ => {
            let mut row = ratio(aggregates.count("rework_rework"), aggregates.count("rework_n"), min_n);
            row.insert("n_excluded".into(), json!(0));
            row
        }
    }
}

/// How many rows a metric counts in these aggregates, and of what: for comparisons.
pub(crate) fn counts(metric: &Metric, aggregates: &Aggregates) -> (u64, u64) {
    let count = |name: &str| aggregates.count(name).max(0) as u64;
    match (metric.kind, metric.id) {
        (Kind::Count, _) => (count("frequency_n"), 0),
        (Kind::Ratio, "change-fail-rate") => (count("fail_rate_failed"), count("fail_rate_n")),
        (Kind::Ratio, _) => (count("rework_rework"), count("rework_n")),
        (Kind::Duration, _) => (0, 0),
    }
}

fn frequency(aggregates: &Aggregates, length: Length) -> Row {
    let n = aggregates.count("frequency_n");
    let share = (length.calendar_days > 0)
        .then(|| (aggregates.count("frequency_days") as f64 / length.calendar_days as f64).min(1.0));
    let interval = aggregates.distribution("frequency_interval").map(|d| d.p50);
    object([
        ("value", json!(n)),
        ("n", json!(n)),
        ("numerator", json!(n)),
        ("denominator", json!(length.days)),
        ("low", Value::Null),
        ("high", Value::Null),
        // A count needs no sample: none is an answer too.
        ("enough_data", json!(true)),
        ("per_day", json!((length.days > 0.0).then(|| n as f64 / length.days))),
        ("share_of_days", json!(share)),
        ("median_interval_seconds", seconds(interval)),
        ("n_excluded", json!(0)),
    ])
}

fn ratio(k: i64, n: i64, min_n: u64) -> Row {
    let interval = wilson(k.max(0) as u64, n.max(0) as u64);
    object([
        ("value", json!((n > 0).then(|| k as f64 / n as f64))),
        ("n", json!(n)),
        ("numerator", json!(k)),
        ("denominator", json!(n)),
        ("low", json!(interval.map(|i| i.low))),
        ("high", json!(interval.map(|i| i.high))),
        ("enough_data", json!(n.max(0) as u64 >= min_n)),
    ])
}

fn duration(times: Option<&Distribution>, min_n: u64) -> Row {
    let n = times.map_or(0, |t| t.n);
    let part = |get: fn(&Distribution) -> f64| seconds(times.map(get));
    let interval = times.and_then(|t| t.median_interval);
    object([
        ("value", part(|t| t.p50)),
        ("n", json!(n)),
        ("numerator", Value::Null),
        ("denominator", Value::Null),
        ("low", seconds(interval.map(|i| i.low))),
        ("high", seconds(interval.map(|i| i.high))),
        ("enough_data", json!(n >= min_n)),
        ("p25", part(|t| t.p25)),
        ("p50", part(|t| t.p50)),
        ("p75", part(|t| t.p75)),
        ("p90", part(|t| t.p90)),
        ("p95", part(|t| t.p95)),
        ("mean", part(|t| t.mean)),
        ("min", part(|t| t.min)),
        ("max", part(|t| t.max)),
    ])
}

/// Milliseconds as seconds.
fn seconds(milliseconds: Option<f64>) -> Value {
    json!(milliseconds.map(|ms| ms / 1000.0))
}

fn object<const N: usize>(pairs: [(&str, Value); N]) -> Row {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
