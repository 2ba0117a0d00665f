//! From aggregates to a row of an answer: value, interval, n and the rest, in the unit of the metric.
//! Unknown is null, never 0.

use serde_json::{Value, json};

use super::frame::Aggregates;
use crate::engine::Row;
use crate::metric::{Kind, LEFT_OUT, Metric};
use crate::pack::{Aggregate, FailRate, Frequency, Median, Pack};
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
pub(crate) fn row(metric: &Metric, aggregates: &Aggregates, length: Length, pack: &Pack) -> Row {
    let min_n = pack.min_n;
    match metric.id {
        "deployment-frequency" => frequency(aggregates, length, pack),
        "change-lead-time" => {
            let mut row = duration(aggregates, "lead_time", pack);
            row.insert("n_excluded".into(), json!(aggregates.count("lead_time_excluded")));
            row
        }
        "change-fail-rate" => {
            let n = aggregates.count("fail_rate_n");
            let confirmed = aggregates.count("fail_rate_confirmed");
            let is_share = pack.fail_rate == FailRate::Deployments;
            let mut row = if is_share {
                ratio(aggregates.count("fail_rate_failed"), n, min_n)
            } else {
                per(aggregates.count("fail_rate_incidents"), n, min_n)
            };
            row.insert("value_confirmed".into(), json!((n > 0 && is_share).then(|| confirmed as f64 / n as f64)));
            row.insert("n_confirmed".into(), json!(is_share.then_some(confirmed)));
            row.insert("n_excluded".into(), json!(aggregates.count("fail_rate_excluded")));
            row
        }
        "failed-deployment-recovery-time" => {
            let mut row = duration(aggregates, "recovery", pack);
            row.insert("n_open".into(), json!(aggregates.count("recovery_open")));
            row.insert("n_excluded".into(), json!(aggregates.count("recovery_excluded")));
            row
        }
        _ if metric.table == "shipments" => {
            // A stage is a part of each change's time, whatever the pack makes of the whole.
            let rows = Pack { aggregate: Aggregate::Rows, ..pack.clone() };
            let mut row = duration(aggregates, metric.id, &rows);
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

/// What a metric takes the median of each day of, where its value is the median of those.
pub(crate) fn of_days(metric: &Metric, pack: &Pack) -> Option<&'static str> {
    match metric.id {
        _ if pack.aggregate != Aggregate::MedianOfDailyMedians => None,
        "change-lead-time" => Some("lead_time"),
        "failed-deployment-recovery-time" => Some("recovery"),
        _ => None,
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

fn frequency(aggregates: &Aggregates, length: Length, pack: &Pack) -> Row {
    let n = aggregates.count("frequency_n");
    let share = (length.calendar_days > 0)
        .then(|| (aggregates.count("frequency_days") as f64 / length.calendar_days as f64).min(1.0));
    let interval = aggregates.distribution("frequency_interval").map(|d| d.p50);
    let value = match pack.frequency {
        Frequency::Deployments => json!(n),
        Frequency::DaysPerWeek => {
            let weeks: Vec<f64> = aggregates.days_by_week().iter().map(|days| f64::from(*days)).collect();
            json!(median(weeks, pack.median).unwrap_or(0.0))
        }
    };
    object([
        ("value", value),
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

/// Incidents to deployments: no share of a whole, so it has no interval of one.
fn per(k: i64, n: i64, min_n: u64) -> Row {
    let mut row = ratio(0, n, min_n);
    row.insert("value".into(), json!((n > 0).then(|| k as f64 / n as f64)));
    row.insert("numerator".into(), json!(k));
    row.insert("low".into(), Value::Null);
    row.insert("high".into(), Value::Null);
    row
}

fn median(mut values: Vec<f64>, which: Median) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let lower = values[last / 2];
    Some(match which {
        Median::Lower => lower,
        Median::Interpolated => f64::midpoint(lower, values[last.div_ceil(2)]),
    })
}

fn duration(aggregates: &Aggregates, name: &str, pack: &Pack) -> Row {
    let times = aggregates.distribution(name);
    let value = match (pack.aggregate, pack.median) {
        (Aggregate::Rows, Median::Interpolated) => times.map(|t| t.p50),
        (Aggregate::Rows, Median::Lower) => times.map(|t| t.lower_p50),
        (Aggregate::MedianOfDailyMedians, which) => median(aggregates.daily_medians(name), which),
    };
    let n = times.map_or(0, |t| t.n);
    let part = |get: fn(&Distribution) -> f64| seconds(times.map(get));
    // It is one of the median of all values.
    let interval = times.and_then(|t| t.median_interval).filter(|_| pack.aggregate == Aggregate::Rows);
    object([
        ("value", seconds(value)),
        ("n", json!(n)),
        ("numerator", Value::Null),
        ("denominator", Value::Null),
        ("low", seconds(interval.map(|i| i.low))),
        ("high", seconds(interval.map(|i| i.high))),
        ("enough_data", json!(n >= pack.min_n)),
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
