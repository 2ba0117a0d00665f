//! The five metrics over outcomes and shipments, as rows with the names of the API.

use serde_json::{Map, Value, json};

use super::facts::{Facts, Instant};
use super::outcomes::{Confidence, Outcome, outcomes};
use super::question::{Bucket, Question};
use super::shipments::{Shipment, commit_time, shipments, stage_ends};

/// Under this many rows a value is shown, and said to be weak.
const MIN_N: usize = 5;

/// The two-sided 95 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A deployment, or a change that shipped with one: what the buckets are filled with.
struct Row {
    service: String,
    at: Instant,
    environment: String,
    outcome: Option<(Option<Confidence>, bool)>,
    seconds: Option<f64>,
}

/// The answer to a question, as the API gives it: `{"data": [...]}`.
pub(crate) fn answer(facts: &Facts, question: &Question) -> Value {
    if question.metric == "stages" {
        return stages(facts, question);
    }
    let rows: Vec<Row> = match question.metric.as_str() {
        "change-lead-time" => lead_times(facts),
        _ => outcomes(facts).iter().map(Row::of).collect(),
    };
    let rows: Vec<Row> = rows.into_iter().filter(|row| is_asked_for(question, row)).collect();
    let groups: Vec<Option<String>> =
        if question.is_grouped_by_service { facts.services().into_iter().map(Some).collect() } else { vec![None] };
    let mut data = Vec::new();
    for group in groups {
        for bucket in question.buckets() {
            let is_in = |row: &&Row| question.holds(bucket, row.at) && group.as_ref().is_none_or(|g| *g == row.service);
            let held: Vec<&Row> = rows.iter().filter(is_in).collect();
            let mut answer = measure(question, bucket, &held);
            answer.insert("time".into(), json!(bucket.start.to_rfc3339()));
            if let Some(service) = &group {
                answer.insert("service".into(), json!(service));
            }
            data.push(Value::Object(answer));
        }
    }
    json!({ "data": data })
}

impl Row {
    fn of(outcome: &Outcome) -> Self {
        let finished_at = outcome.deployment.finished();
        Self {
            service: outcome.deployment.service.clone(),
            at: finished_at,
            environment: outcome.deployment.environment.clone(),
            outcome: Some((outcome.failed, outcome.is_rework)),
            seconds: outcome.recovered_at.map(|at| seconds(finished_at, at).max(0.0)),
        }
    }

    fn failed(&self) -> Option<Confidence> {
        self.outcome.and_then(|(failed, _)| failed)
    }

    fn is_rework(&self) -> bool {
        self.outcome.is_some_and(|(_, is_rework)| is_rework)
    }
}

fn lead_times(facts: &Facts) -> Vec<Row> {
    shipments(facts).iter().filter_map(lead_time).collect()
}

fn lead_time(shipment: &Shipment) -> Option<Row> {
    let finished_at = shipment.deployment.finished();
    let committed_at = commit_time(shipment.change, finished_at)?;
    Some(Row {
        service: shipment.deployment.service.clone(),
        at: finished_at,
        environment: shipment.deployment.environment.clone(),
        outcome: None,
        seconds: Some(seconds(committed_at, finished_at)),
    })
}

/// Of each bucket, group and stage the changes that have it, and how many that count have it not.
fn stages(facts: &Facts, question: &Question) -> Value {
    let groups: Vec<Option<String>> =
        if question.is_grouped_by_service { facts.services().into_iter().map(Some).collect() } else { vec![None] };
    let mut data = Vec::new();
    for (group, bucket) in groups.iter().flat_map(|g| question.buckets().into_iter().map(move |b| (g, b))) {
        for (number, stage) in ["coding", "pickup", "review", "merge", "deploy"].into_iter().enumerate() {
            let rows: Vec<Row> = shipments(facts)
                .iter()
                .filter_map(|shipment| {
                    let row = lead_time(shipment)?;
                    let ends = stage_ends(facts, shipment);
                    let length = ends.and_then(|ends| Some(seconds(ends[number]?, ends[number + 1]?)));
                    Some(Row { seconds: length.filter(|length| *length >= 0.0), ..row })
                })
                .filter(|row| is_asked_for(question, row) && question.holds(bucket, row.at))
                .filter(|row| group.as_ref().is_none_or(|g| *g == row.service))
                .collect();
            let known: Vec<&Row> = rows.iter().filter(|row| row.seconds.is_some()).collect();
            let mut answer = times(&known);
            answer["n_excluded"] = json!(rows.len() - known.len());
            answer["stage"] = json!(stage);
            answer["time"] = json!(bucket.start.to_rfc3339());
            if let Some(service) = group {
                answer["service"] = json!(service);
            }
            data.push(answer);
        }
    }
    json!({ "data": data })
}

fn is_asked_for(question: &Question, row: &Row) -> bool {
    (question.services.is_empty() || question.services.contains(&row.service))
        && (question.environments.is_empty() || question.environments.contains(&row.environment))
}

fn measure(question: &Question, bucket: Bucket, rows: &[&Row]) -> Map<String, Value> {
    let n_failed = rows.iter().filter(|r| r.failed().is_some()).count();
    let answer = match question.metric.as_str() {
        "deployment-frequency" => frequency(question, bucket, rows),
        "change-lead-time" => times(rows),
        "change-fail-rate" => {
            let n_confirmed = rows.iter().filter(|r| r.failed() == Some(Confidence::Confirmed)).count();
            let mut answer = rate(n_failed, rows.len());
            answer["value_confirmed"] = rate(n_confirmed, rows.len())["value"].clone();
            answer
        }
        "failed-deployment-recovery-time" => {
            let recovered: Vec<&Row> = rows.iter().copied().filter(|r| r.seconds.is_some()).collect();
            let mut answer = times(&recovered);
            answer["n_open"] = json!(n_failed - recovered.len());
            answer
        }
        "deployment-rework-rate" => rate(rows.iter().filter(|r| r.is_rework()).count(), rows.len()),
        other => unreachable!("no metric is called {other}"),
    };
    answer.as_object().expect("a row is an object").clone()
}

fn frequency(question: &Question, bucket: Bucket, rows: &[&Row]) -> Value {
    let days = bucket.days();
    let n_days_with_one = days.iter().filter(|day| rows.iter().any(|r| question.holds(**day, r.at))).count();
    let mut ends: Vec<Instant> = rows.iter().map(|r| r.at).collect();
    ends.sort();
    let mut between: Vec<f64> = ends.windows(2).map(|pair| seconds(pair[0], pair[1])).collect();
    between.sort_by(f64::total_cmp);
    json!({
        "value": rows.len(),
        "n": rows.len(),
        "median_interval_seconds": quantile(&between, 0.5),
        "per_day": rows.len() as f64 / days.len() as f64,
        "share_of_days": n_days_with_one as f64 / days.len() as f64,
    })
}

fn rate(numerator: usize, denominator: usize) -> Value {
    let (k, n) = (numerator as f64, denominator as f64);
    let known = |value: f64| Some(value).filter(|_| denominator > 0);
    let middle = (k + Z * Z / 2.0) / (n + Z * Z);
    let margin = Z / (n + Z * Z) * (k * (n - k) / n + Z * Z / 4.0).sqrt();
    json!({
        "value": known(k / n),
        "n": denominator,
        "numerator": numerator,
        "denominator": denominator,
        "low": known((middle - margin).max(0.0)),
        "high": known((middle + margin).min(1.0)),
        "enough_data": denominator >= MIN_N,
    })
}

fn times(rows: &[&Row]) -> Value {
    let mut seconds: Vec<f64> = rows.iter().filter_map(|r| r.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let mean = Some(seconds.iter().sum::<f64>() / seconds.len() as f64).filter(|_| !seconds.is_empty());
    json!({
        "value": quantile(&seconds, 0.5),
        "n": seconds.len(),
        "p75": quantile(&seconds, 0.75),
        "p90": quantile(&seconds, 0.9),
        "p95": quantile(&seconds, 0.95),
        "mean": mean,
        "min": seconds.first(),
        "max": seconds.last(),
        "enough_data": seconds.len() >= MIN_N,
    })
}

/// Type 7: linear between the closest ranks.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let rank = q * (sorted.len().checked_sub(1)? as f64);
    let (below, above) = (sorted[rank.floor() as usize], sorted[rank.ceil() as usize]);
    Some(below + (above - below) * rank.fract())
}

fn seconds(from: Instant, to: Instant) -> f64 {
    (to - from).num_microseconds().expect("less than 290,000 years") as f64 / 1e6
}
