//! Which services' changes got slower: lead time of the period against that of the one before, service by service.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, Int64Array, StringArray, TimestampMicrosecondArray};
use datafusion::prelude::col;
use serde_json::json;

use crate::answer::benchmark::object;
use crate::answer::frame::asked_rows;
use crate::engine::{Answer, Engine, Error, Row};
use crate::metric::{Better, metric};
use crate::question::Question;
use crate::statistics::{Shift, Sorted, hodges_lehmann, mann_whitney, verdict};

/// Services in one answer at most.
const REGRESSIONS_AT_MOST: usize = 100;

/// A change may come by chance once in twenty times.
const SIGNIFICANT: f64 = 0.05;

/// The lead times of one service in both periods, in milliseconds.
#[derive(Debug, Default, PartialEq)]
struct LeadTimes {
    now: Vec<i64>,
    then: Vec<i64>,
}

/// A service that got slower.
struct Regression {
    service: String,
    median: f64,
    previous_median: f64,
    n: usize,
    previous_n: usize,
    shift: Shift,
    p_value: f64,
}

impl Engine {
    /// Services whose lead time rose, by how much, the worst first; only where Mann–Whitney's test sees a change.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub async fn regressions(&self, question: &Question, limit: usize) -> Result<Arc<Answer>, Error> {
        let limit = limit.min(REGRESSIONS_AT_MOST);
        self.kept(format!("regressions {limit} {question:?}"), question.audience(), async |tables, directory| {
            let selection = directory.select(&question.filter, self.catalog())?;
            let (previous_from, _) = question.previous();
            let mut by_service: HashMap<String, LeadTimes> = HashMap::new();
            let rows = asked_rows(tables, "shipments", &selection, (previous_from, question.to))?;
            if let Some(rows) = rows {
                let counted = rows.filter(col("excluded").is_null().and(col("lead_ms").is_not_null()))?;
                let columns = ["service", "known_at", "lead_ms"].map(col).to_vec();
                for batch in counted.select(columns)?.collect().await? {
                    let services = batch.column(0).as_any().downcast_ref::<StringArray>();
                    let instants = batch.column(1).as_any().downcast_ref::<TimestampMicrosecondArray>();
                    let leads = batch.column(2).as_any().downcast_ref::<Int64Array>();
                    let (Some(services), Some(instants), Some(leads)) = (services, instants, leads) else { continue };
                    add(services, instants, leads, question.from.timestamp_micros(), &mut by_service);
                }
            }
            let n_services = by_service.len();
            let mut found = slower(by_service, question.pack.min_n as usize);
            let n_slower = found.len();
            found.truncate(limit);
            let data = found.iter().map(|regression| {
                let card = directory.services.get(&regression.service);
                row(regression, card.and_then(|card| card.team.as_deref()))
            });
            let mut meta = self.meta(tables, directory, question);
            if let Some(metric) = metric("change-lead-time") {
                meta.insert("metric".into(), json!(metric.id));
                meta.insert("title".into(), json!(metric.title));
                meta.insert("unit".into(), json!(metric.unit));
                meta.insert("better".into(), json!(metric.better));
            }
            meta.insert("n_services".into(), json!(n_services));
            meta.insert("n_slower".into(), json!(n_slower));
            Ok(Answer { data: data.collect(), series: None, differences: None, meta })
        })
        .await
    }
}

/// Adds rows to their service's times. Rows come sorted by service, so that most have the service of the row before.
fn add(
    services: &StringArray,
    instants: &TimestampMicrosecondArray,
    leads: &Int64Array,
    from: i64,
    into: &mut HashMap<String, LeadTimes>,
) {
    let mut row = 0;
    while row < services.len() {
        let service = services.value(row);
        let end = (row..services.len()).find(|other| services.value(*other) != service).unwrap_or(services.len());
        if !into.contains_key(service) {
            into.insert(service.to_owned(), LeadTimes::default());
        }
        let Some(times) = into.get_mut(service) else { return };
        for i in row..end {
            let period = if instants.value(i) < from { &mut times.then } else { &mut times.now };
            period.push(leads.value(i));
        }
        row = end;
    }
}

/// Those that got slower beyond chance, the worst first.
fn slower(by_service: HashMap<String, LeadTimes>, min_n: usize) -> Vec<Regression> {
    let enough = by_service.into_iter().filter(|(_, times)| times.now.len().min(times.then.len()) >= min_n.max(1));
    let mut found: Vec<Regression> = enough.filter_map(|(service, times)| judged(service, times)).collect();
    found.sort_by(|a, b| b.shift.shift.total_cmp(&a.shift.shift).then_with(|| a.service.cmp(&b.service)));
    found
}

fn judged(service: String, times: LeadTimes) -> Option<Regression> {
    let (now, then) = (Sorted::from(times.now), Sorted::from(times.then));
    // The test is a walk, the shift a search: most services need only the walk.
    let p_value = mann_whitney(&now, &then).filter(|p| *p < SIGNIFICANT)?;
    let shift = hodges_lehmann(&now, &then).filter(|shift| shift.shift > 0.0)?;
    let (median, previous_median) = (median(now.as_slice()), median(then.as_slice()));
    let (n, previous_n) = (now.as_slice().len(), then.as_slice().len());
    Some(Regression { service, median, previous_median, n, previous_n, shift, p_value })
}

/// Of sorted values, at least one.
fn median(sorted: &[i64]) -> f64 {
    let upper = sorted.len() / 2;
    let lower = (sorted.len() - 1) / 2;
    f64::midpoint(sorted[lower] as f64, sorted[upper] as f64)
}

fn row(regression: &Regression, team: Option<&str>) -> Row {
    let Regression { service, median, previous_median, n, previous_n, shift, p_value } = regression;
    let seconds = |ms: f64| ms / 1000.0;
    object([
        ("service", json!(service)),
        ("team", json!(team)),
        ("value", json!(seconds(*median))),
        ("previous_value", json!(seconds(*previous_median))),
        ("n", json!(n)),
        ("previous_n", json!(previous_n)),
        ("shift", json!(seconds(shift.shift))),
        ("shift_low", json!(shift.interval.map(|interval| seconds(interval.low)))),
        ("shift_high", json!(shift.interval.map(|interval| seconds(interval.high)))),
        ("p_value", json!(p_value)),
        ("verdict", json!(verdict(Better::Lower, shift))),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(now: impl IntoIterator<Item = i64>, then: impl IntoIterator<Item = i64>) -> LeadTimes {
        LeadTimes { now: now.into_iter().collect(), then: then.into_iter().collect() }
    }

    #[test]
    fn only_services_that_got_slower_beyond_chance_are_found_the_worst_first() {
        let hour = 3_600_000;
        let by_service = HashMap::from([
            ("slower".to_owned(), times((0..10).map(|i| hour * (20 + i)), (0..10).map(|i| hour * (i + 1)))),
            ("worst".to_owned(), times((0..10).map(|i| hour * (90 + i)), (0..10).map(|i| hour * (i + 1)))),
            ("faster".to_owned(), times((0..10).map(|i| hour * (i + 1)), (0..10).map(|i| hour * (20 + i)))),
            ("same".to_owned(), times((0..10).map(|i| hour * (i + 1)), (0..10).map(|i| hour * (i + 1)))),
            ("new".to_owned(), times((0..10).map(|i| hour * (90 + i)), [])),
            ("few".to_owned(), times((0..4).map(|i| hour * (90 + i)), (0..4).map(|i| hour * i))),
        ]);
        let found = slower(by_service, 5);
        let names: Vec<&str> = found.iter().map(|regression| regression.service.as_str()).collect();
        assert_eq!(names, ["worst", "slower"]);
        // Every difference lies 9 around 90 - 1.
        assert!((found[0].shift.shift - 89.0 * hour as f64).abs() < 1.0, "{:?}", found[0].shift);
        assert!((found[0].median - 94.5 * hour as f64).abs() < 1.0);
        assert!((found[0].previous_median - 5.5 * hour as f64).abs() < 1.0);
        assert!(found[0].p_value < 0.001);
    }

    #[test]
    fn rows_go_to_their_service_and_period() {
        let services = StringArray::from(vec!["a", "a", "b", "a"]);
        let instants = TimestampMicrosecondArray::from(vec![1, 10, 10, 9]);
        let leads = Int64Array::from(vec![100, 200, 300, 400]);
        let mut found = HashMap::new();
        add(&services, &instants, &leads, 10, &mut found);
        assert_eq!(found["a"], times([200], [100, 400]));
        assert_eq!(found["b"], times([300], []));
    }
}
