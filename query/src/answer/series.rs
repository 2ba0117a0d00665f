//! A metric over time and by group, and all metrics at once.

use std::collections::{BTreeSet, HashMap};

use futures::future::{try_join_all, try_join3};
use serde_json::{Value, json};

use super::directory::Selection;
use super::frame::{Aggregates, Cell, Cells, Cut, Over, measure, samples};
use super::measure::{self, Length};
use crate::bucket::{BucketSize, Buckets};
use crate::engine::{Error, Row};
use crate::metric::{Kind, METRICS, Metric};
use crate::pack::{Frequency, Pack};
use crate::question::{Compare, Question};
use crate::statistics::{Shift, Sorted, hodges_lehmann, mann_whitney, newcombe, rate_ratio, verdict};

/// Metrics over time: a row a bucket, group and metric, which `name` puts its name to.
pub(crate) async fn series(
    over: &Over<'_>,
    metrics: &[&'static Metric],
    name: impl Fn(&Metric, &mut Row),
) -> Result<(Vec<Row>, Cells), Error> {
    let question = over.question;
    let cells = measure(over, &question.buckets, metrics, Cut::Buckets).await?;
    let keys = groups(question, over.selection, &cells);
    let before = match question.compare {
        Compare::Nothing => None,
        Compare::Previous => Some(Before::read(over, metrics, question.size).await?),
    };
    let mut rows = Vec::new();
    for (bucket, length) in lengths_of(&question.buckets) {
        for key in &keys {
            let cell = (Some(bucket), key.clone());
            let aggregates = cells.get(&cell).cloned().unwrap_or_default();
            for metric in metrics {
                let mut row = Row::new();
                row.insert("time".into(), json!(question.buckets.label(bucket)));
                if let Some(group_by) = question.group_by {
                    row.insert(group_by.as_str().into(), json!(key));
                }
                name(metric, &mut row);
                row.extend(measure::row(metric, &aggregates, length, &question.pack));
                if let Some(before) = &before {
                    row.extend(before.compare(metric, &cell, &aggregates, length, question));
                }
                rows.push(row);
            }
        }
    }
    Ok((rows, cells))
}

/// All metrics: a row each for the whole period, and their series.
pub(crate) async fn summary(over: &Over<'_>) -> Result<(Vec<Row>, Vec<Row>), Error> {
    let question = over.question;
    let metrics: Vec<&'static Metric> = METRICS.iter().collect();
    let cells = measure(over, &question.buckets, &metrics, Cut::BucketsAndTotals).await?;
    let whole = Buckets::new(question.from, question.to, BucketSize::All, question.tz)
        .expect("the question's own period was cut already");
    let before = match question.compare {
        Compare::Nothing => None,
        Compare::Previous => Some(Before::read(over, &metrics, BucketSize::All).await?),
    };
    let length = lengths(&whole)[0];
    let keys = groups(question, over.selection, &cells);
    let mut totals = Vec::new();
    for metric in &metrics {
        for key in &keys {
            let aggregates = cells.get(&(None, key.clone())).cloned().unwrap_or_default();
            let mut row = Row::new();
            row.insert("metric".into(), json!(metric.id));
            row.insert("title".into(), json!(metric.title));
            row.insert("unit".into(), json!(metric.unit_under(&question.pack)));
            row.insert("better".into(), json!(metric.better));
            if let Some(group_by) = question.group_by {
                row.insert(group_by.as_str().into(), json!(key));
            }
            row.extend(measure::row(metric, &aggregates, length, &question.pack));
            if let Some(before) = &before {
                row.extend(before.compare(metric, &(Some(0), key.clone()), &aggregates, length, question));
            }
            totals.push(row);
        }
    }
    let mut series = Vec::new();
    let lengths = lengths(&question.buckets);
    for metric in &metrics {
        for (bucket, &length) in lengths.iter().enumerate() {
            for key in &keys {
                let aggregates = cells.get(&(Some(bucket), key.clone())).cloned().unwrap_or_default();
                let mut row = Row::new();
                row.insert("metric".into(), json!(metric.id));
                row.insert("time".into(), json!(question.buckets.label(bucket)));
                if let Some(group_by) = question.group_by {
                    row.insert(group_by.as_str().into(), json!(key));
                }
                row.extend(measure::row(metric, &aggregates, length, &question.pack));
                series.push(row);
            }
        }
    }
    Ok((totals, series))
}

/// Groups that have a row each: those found, and those asked for by name.
fn groups(question: &Question, selection: &Selection, cells: &Cells) -> Vec<Option<String>> {
    use crate::question::GroupBy;
    let Some(group_by) = question.group_by else { return vec![None] };
    let mut keys: BTreeSet<String> = cells.keys().filter_map(|(_, key)| key.clone()).collect();
    match group_by {
        GroupBy::Service if !question.filter.services.is_empty() => {
            keys.extend(selection.services.iter().flatten().cloned());
        }
        GroupBy::Repository => keys.extend(selection.repositories.iter().cloned()),
        GroupBy::Environment => keys.extend(selection.environments.iter().cloned()),
        GroupBy::Service | GroupBy::Team => {}
    }
    keys.into_iter().map(Some).collect()
}

/// How long each bucket is.
pub(crate) fn lengths(buckets: &Buckets) -> Vec<Length> {
    let edges = buckets.edges();
    (0..buckets.len())
        .map(|bucket| {
            let days = Buckets::new(edges[bucket], edges[bucket + 1], BucketSize::Day, buckets.tz());
            Length { days: buckets.days(bucket), calendar_days: days.map_or(0, |d| d.len()) }
        })
        .collect()
}

fn lengths_of(buckets: &Buckets) -> impl Iterator<Item = (usize, Length)> {
    lengths(buckets).into_iter().enumerate()
}

/// The period before: its aggregates, and for durations the values of both periods.
struct Before {
    cells: Cells,
    lengths: Vec<Length>,
    now: HashMap<&'static str, HashMap<Cell, Vec<i64>>>,
    then: HashMap<&'static str, HashMap<Cell, Vec<i64>>>,
}

impl Before {
    async fn read(over: &Over<'_>, metrics: &[&'static Metric], size: BucketSize) -> Result<Self, Error> {
        let question = over.question;
        let (from, to) = question.previous();
        let then = Buckets::new(from, to, size, question.tz).map_err(|e| Error::period(&e))?;
        let now = Buckets::new(question.from, question.to, size, question.tz).map_err(|e| Error::period(&e))?;
        let durations = || metrics.iter().filter(|m| m.kind == Kind::Duration);
        let samples_of = async |buckets: &Buckets| {
            let found =
                durations().map(async |metric| Ok::<_, Error>((metric.id, samples(over, buckets, metric).await?)));
            Ok::<_, Error>(try_join_all(found).await?.into_iter().collect())
        };
        let cells = measure(over, &then, metrics, Cut::Buckets);
        let (cells, now, before) = try_join3(cells, samples_of(&now), samples_of(&then)).await?;
        Ok(Self { cells, lengths: lengths(&then), now, then: before })
    }

    fn compare(&self, metric: &Metric, cell: &Cell, now: &Aggregates, length: Length, question: &Question) -> Row {
        let nothing = Aggregates::default();
        let then = self.cells.get(cell).unwrap_or(&nothing);
        let then_length = cell.0.and_then(|b| self.lengths.get(b)).copied();
        let measured = then_length.map(|l| measure::row(metric, then, l, &question.pack));
        let take = |key: &str| measured.as_ref().and_then(|r| r.get(key)).cloned().unwrap_or(Value::Null);
        let (shift, p_value, scale) = self.shift(metric, cell, (now, then), (length, then_length), &question.pack);
        let interval = shift.and_then(|s| s.interval);
        let finite = |x: Option<f64>| json!(x.filter(|x| x.is_finite()).map(|x| x / scale));
        let said = shift.map(|s| verdict(metric.better, &s));
        [
            ("previous_value", take("value")),
            ("previous_n", take("n")),
            ("verdict", json!(said)),
            ("shift", finite(shift.map(|s| s.shift))),
            ("shift_low", finite(interval.map(|i| i.low))),
            ("shift_high", finite(interval.map(|i| i.high))),
            ("p_value", json!(p_value)),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// The change, its p where the test has one, and what its unit is divided by for the answer.
    fn shift(
        &self,
        metric: &Metric,
        cell: &Cell,
        (now, then): (&Aggregates, &Aggregates),
        (length, then_length): (Length, Option<Length>),
        pack: &Pack,
    ) -> (Option<Shift>, Option<f64>, f64) {
        let ((k, n), (then_k, then_n)) = (measure::counts(metric, now), measure::counts(metric, then));
        let compared = |now: Vec<i64>, then: Vec<i64>, scale: f64| {
            let (now, then) = (Sorted::from(now), Sorted::from(then));
            (hodges_lehmann(&now, &then), mann_whitney(&now, &then), scale)
        };
        match metric.kind {
            // What the value is the median of is what has moved or not.
            Kind::Count if pack.frequency == Frequency::DaysPerWeek => {
                let weeks = |of: &Aggregates| of.days_by_week().iter().map(|days| i64::from(*days)).collect();
                compared(weeks(now), weeks(then), 1.0)
            }
            Kind::Duration if let Some(name) = measure::of_days(metric, pack) => {
                let days = |of: &Aggregates| of.daily_medians(name).into_iter().map(|ms| ms.round() as i64).collect();
                compared(days(now), days(then), 1000.0)
            }
            Kind::Count => {
                let ratio = then_length.and_then(|l| rate_ratio(k, length.days, then_k, l.days));
                (ratio.as_ref().map(crate::statistics::RateRatio::change), ratio.as_ref().map(|r| r.p_value), 1.0)
            }
            Kind::Ratio if metric.table_under(pack) != metric.table => (None, None, 1.0),
            Kind::Ratio => (newcombe(k, n, then_k, then_n), None, 1.0),
            Kind::Duration => {
                let values = |samples: &HashMap<&'static str, HashMap<Cell, Vec<i64>>>| {
                    samples.get(metric.id).and_then(|s| s.get(cell)).cloned().unwrap_or_default()
                };
                compared(values(&self.now), values(&self.then), 1000.0)
            }
        }
    }
}
