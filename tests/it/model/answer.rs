//! The five metrics over outcomes and shipments, as rows with the names of the API.

use serde_json::{Map, Value, json};

use super::facts::{Deployment, Facts, Incident, Instant};
use super::outcomes::{Confidence, Outcome, incidents, outcomes};
use super::pack::Pack;
use super::question::{Bucket, Question};
use super::shipments::{Shipment, by_pull_request, shipments, stage_ends, start};

/// The two-sided 95 % point of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;

/// A deployment, or a change that shipped with one: what the buckets are filled with.
#[derive(Clone)]
struct Row {
    /// The incident that it is about, which counts once however many services it hit.
    incident: Option<String>,
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
    let pack = &question.pack;
    let rows: Vec<Row> = match question.metric.as_str() {
        "change-lead-time" => lead_times(facts, pack).into_iter().map(|(_, row)| row).collect(),
        "failed-deployment-recovery-time" if pack.is_recovery_of_incidents => recoveries(facts, pack),
        metric => {
            let mut rows: Vec<Row> = outcomes(facts, pack).iter().map(Row::of).collect();
            if metric == "change-fail-rate" && pack.counts_failed_attempts {
                rows.extend(facts.deployments.iter().filter_map(Row::of_failed_attempt));
            }
            rows
        }
    };
    let opened: Vec<Row> = if pack.counts_incidents { openings(facts, pack) } else { Vec::new() };
    let rows: Vec<Row> = rows.into_iter().filter(|row| is_asked_for(question, row)).collect();
    let groups: Vec<Option<String>> =
        if question.is_grouped_by_service { facts.services().into_iter().map(Some).collect() } else { vec![None] };
    let mut data = Vec::new();
    for group in groups {
        for bucket in question.buckets() {
            let is_in = |row: &&Row| question.holds(bucket, row.at) && group.as_ref().is_none_or(|g| *g == row.service);
            let held = each_once(rows.iter().filter(is_in));
            let mut answer = measure(question, bucket, &held);
            if question.metric == "change-fail-rate" && pack.counts_incidents {
                let asked_for = opened.iter().filter(|row| is_asked_for(question, row)).filter(is_in);
                let n = each_once(asked_for).len();
                answer.insert("numerator".into(), json!(n));
                answer.insert("value".into(), json!((!held.is_empty()).then(|| n as f64 / held.len() as f64)));
                for key in ["value_confirmed", "low", "high"] {
                    answer.insert(key.into(), Value::Null);
                }
            }
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
            incident: None,
            service: outcome.deployment.service.clone(),
            at: finished_at,
            environment: outcome.deployment.environment.clone(),
            outcome: Some((outcome.failed, outcome.is_rework)),
            seconds: outcome.recovered_at.map(|at| seconds(outcome.began_at, at).max(0.0)),
        }
    }

    fn of_failed_attempt(attempt: &Deployment) -> Option<Self> {
        (attempt.status == "failed" && attempt.ended_at_production()).then(|| Self {
            incident: None,
            service: attempt.service.clone(),
            at: attempt.finished(),
            environment: attempt.environment.clone(),
            outcome: Some((Some(Confidence::Confirmed), false)),
            seconds: None,
        })
    }

    fn failed(&self) -> Option<Confidence> {
        self.outcome.and_then(|(failed, _)| failed)
    }

    fn is_rework(&self) -> bool {
        self.outcome.is_some_and(|(_, is_rework)| is_rework)
    }
}

/// What counts in lead time, with its lead time.
fn lead_times<'a>(facts: &'a Facts, pack: &Pack) -> Vec<(Shipment<'a>, Row)> {
    let is_after_gap = |shipment: &Shipment| {
        let earlier = facts.production(&shipment.deployment.service);
        let previous = earlier.into_iter().rfind(|d| d.place() < shipment.deployment.place());
        let gap = previous.map(|d| shipment.deployment.finished() - d.finished());
        gap.zip(pack.longest_gap).is_some_and(|(gap, longest)| gap > longest)
    };
    let is_by_bot = |shipment: &Shipment| shipment.change.author.as_ref().is_some_and(|a| a.ends_with("[bot]"));
    let mut shipped = shipments(facts, pack);
    if pack.is_of_pull_requests {
        shipped = by_pull_request(facts, shipped);
    }
    shipped.retain(|s| !is_after_gap(s) && (pack.counts_bots || !is_by_bot(s)));
    shipped.into_iter().filter_map(|s| Some((s, lead_time(facts, &s, pack)?))).collect()
}

fn lead_time(facts: &Facts, shipment: &Shipment, pack: &Pack) -> Option<Row> {
    let finished_at = shipment.deployment.finished();
    let lead_seconds = seconds(start(facts, pack, shipment)?, finished_at);
    let counts = lead_seconds > 0.0 || (pack.counts_zero && lead_seconds == 0.0);
    counts.then(|| Row {
        incident: None,
        service: shipment.deployment.service.clone(),
        at: finished_at,
        environment: shipment.deployment.environment.clone(),
        outcome: None,
        seconds: Some(lead_seconds),
    })
}

/// Incidents by when they opened.
fn openings(facts: &Facts, pack: &Pack) -> Vec<Row> {
    let row = |(incident, service, deployment): (&Incident, String, Option<&Deployment>)| {
        let environment = deployment.map_or_else(String::new, |d| d.environment.clone());
        Some(Row {
            incident: Some(incident.id.clone()),
            service,
            at: incident.opened_at?,
            environment,
            outcome: None,
            seconds: None,
        })
    };
    incidents(facts, pack).into_iter().filter_map(row).collect()
}

/// Incidents by what their recovery belongs to; those that are open have none.
fn recoveries(facts: &Facts, pack: &Pack) -> Vec<Row> {
    let row = |(incident, service, deployment): (&Incident, String, Option<&Deployment>)| {
        let opened_at = incident.opened_at?;
        let finished_at = deployment.map(Deployment::finished);
        let began_at = match pack.recovery_start.as_str() {
            "incident" => opened_at,
            "earlier" => finished_at.into_iter().chain([opened_at]).min()?,
            _ => finished_at?,
        };
        let closed_at = incident.resolved_at.unwrap_or(opened_at);
        Some(Row {
            incident: Some(incident.id.clone()),
            service,
            at: if pack.recovery_start == "incident" { closed_at } else { began_at },
            environment: deployment.map_or_else(String::new, |d| d.environment.clone()),
            outcome: Some((Some(Confidence::Confirmed), false)),
            seconds: incident.resolved_at.map(|at| seconds(began_at, at)),
        })
    };
    incidents(facts, pack).into_iter().filter_map(row).collect()
}

/// An incident of several services counts once, by the first of them.
fn each_once<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<&'a Row> {
    let mut kept: Vec<&Row> = Vec::new();
    for row in rows {
        if row.incident.is_none() || !kept.iter().any(|k| k.incident == row.incident) {
            kept.push(row);
        }
    }
    kept
}

/// Of each bucket, group and stage the changes that have it, and how many that count have it not.
fn stages(facts: &Facts, question: &Question) -> Value {
    let groups: Vec<Option<String>> =
        if question.is_grouped_by_service { facts.services().into_iter().map(Some).collect() } else { vec![None] };
    let mut data = Vec::new();
    for (group, bucket) in groups.iter().flat_map(|g| question.buckets().into_iter().map(move |b| (g, b))) {
        for (number, stage) in ["coding", "pickup", "review", "merge", "deploy"].into_iter().enumerate() {
            let rows: Vec<Row> = lead_times(facts, &question.pack)
                .into_iter()
                .map(|(shipment, row)| {
                    let ends = stage_ends(facts, &shipment);
                    let length = ends.and_then(|ends| Some(seconds(ends[number]?, ends[number + 1]?)));
                    Row { seconds: length.filter(|length| *length >= 0.0), ..row }
                })
                .filter(|row| is_asked_for(question, row) && question.holds(bucket, row.at))
                .filter(|row| group.as_ref().is_none_or(|g| *g == row.service))
                .collect();
            let known: Vec<&Row> = rows.iter().filter(|row| row.seconds.is_some()).collect();
            let mut answer = times(&known, question);
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
        "change-lead-time" => times(rows, question),
        "change-fail-rate" => {
            let n_confirmed = rows.iter().filter(|r| r.failed() == Some(Confidence::Confirmed)).count();
            let mut answer = rate(n_failed, rows.len(), question);
            answer["value_confirmed"] = rate(n_confirmed, rows.len(), question)["value"].clone();
            answer
        }
        "failed-deployment-recovery-time" => {
            let recovered: Vec<&Row> = rows.iter().copied().filter(|r| r.seconds.is_some()).collect();
            let mut answer = times(&recovered, question);
            answer["n_open"] = json!(n_failed - recovered.len());
            answer
        }
        "deployment-rework-rate" => rate(rows.iter().filter(|r| r.is_rework()).count(), rows.len(), question),
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
    let mut by_week: Vec<f64> = question
        .weeks(bucket)
        .into_iter()
        .map(|week| {
            days.iter().filter(|day| rows.iter().any(|r| holds_both(question, **day, week, r.at))).count() as f64
        })
        .collect();
    by_week.sort_by(f64::total_cmp);
    let value = match (question.pack.counts_days_a_week, question.pack.is_median_lower) {
        (false, _) => Some(rows.len() as f64),
        (true, true) => by_week.len().checked_sub(1).map(|last| by_week[last / 2]),
        (true, false) => quantile(&by_week, 0.5),
    };
    json!({
        "value": value,
        "n": rows.len(),
        "median_interval_seconds": quantile(&between, 0.5),
        "per_day": rows.len() as f64 / days.len() as f64,
        "share_of_days": n_days_with_one as f64 / days.len() as f64,
    })
}

fn holds_both(question: &Question, day: Bucket, week: Bucket, at: Instant) -> bool {
    question.holds(day, at) && question.holds(week, at)
}

fn rate(numerator: usize, denominator: usize, question: &Question) -> Value {
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
        "enough_data": denominator >= question.pack.min_n,
    })
}

fn times(rows: &[&Row], question: &Question) -> Value {
    let mut seconds: Vec<f64> = rows.iter().filter_map(|r| r.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let mean = Some(seconds.iter().sum::<f64>() / seconds.len() as f64).filter(|_| !seconds.is_empty());
    let lower = |sorted: &[f64]| sorted.len().checked_sub(1).map(|last| sorted[last / 2]);
    let middle = |sorted: &[f64]| if question.pack.is_median_lower { lower(sorted) } else { quantile(sorted, 0.5) };
    let value = if question.pack.is_by_day && question.metric != "stages" {
        middle(&daily_medians(rows, question))
    } else {
        middle(&seconds)
    };
    json!({
        "value": value,
        "n": seconds.len(),
        "p75": quantile(&seconds, 0.75),
        "p90": quantile(&seconds, 0.9),
        "p95": quantile(&seconds, 0.95),
        "mean": mean,
        "min": seconds.first(),
        "max": seconds.last(),
        "enough_data": seconds.len() >= question.pack.min_n,
    })
}

/// The medians of the local days that have rows, in order.
fn daily_medians(rows: &[&Row], question: &Question) -> Vec<f64> {
    let mut by_day: std::collections::BTreeMap<chrono::NaiveDate, Vec<f64>> = std::collections::BTreeMap::new();
    for row in rows {
        let day = row.at.with_timezone(&question.from.timezone()).date_naive();
        by_day.entry(day).or_default().extend(row.seconds);
    }
    let sorted = by_day.into_values().map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds
    });
    let mut medians: Vec<f64> = sorted.filter_map(|seconds| quantile(&seconds, 0.5)).collect();
    medians.sort_by(f64::total_cmp);
    medians
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
