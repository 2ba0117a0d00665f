//! Packs side by side: what each says of a metric, its numbers on the same events, and where the
//! difference comes from: each parameter in turn is taken over alone, and what that moves is told.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::frame::{Aggregates, Cut, Over, measure};
use super::measure::{self, Length};
use super::series::lengths;
use crate::engine::{Error, Row};
use crate::metric::{METRICS, Metric};
use crate::pack::{PACKS, PARAMETERS, Pack, sentence};

/// Every pack with its parameters, and each metric in a sentence.
pub(crate) fn definitions(own: &[Pack]) -> Vec<Row> {
    let row = |pack: &Pack, is_custom: bool| {
        let mut row = Row::new();
        row.insert("pack".into(), json!(pack.id));
        row.insert("title".into(), json!(pack.title));
        row.insert("is_custom".into(), json!(is_custom));
        for parameter in PARAMETERS {
            row.insert(parameter.name.into(), parameter.value(pack));
        }
        row.insert("min_n".into(), json!(pack.min_n));
        for metric in METRICS {
            row.insert(metric.id.replace('-', "_"), json!(sentence(metric.id, pack)));
        }
        row
    };
    PACKS.iter().map(|pack| row(pack, false)).chain(own.iter().map(|pack| row(pack, true))).collect()
}

/// A row a metric and pack, and a row a metric, pack and parameter in which it differs from the first pack.
pub(crate) async fn compare(over: &Over<'_>, packs: &[Pack]) -> Result<(Vec<Row>, Vec<Row>), Error> {
    let metrics: Vec<&'static Metric> = METRICS.iter().collect();
    let Some((first, others)) = packs.split_first() else { return Ok((Vec::new(), Vec::new())) };
    let mut numbers = Numbers { over, known: HashMap::new() };
    let mut rows = Vec::new();
    for pack in packs {
        let found = numbers.under(pack, &metrics).await?;
        rows.extend(metrics.iter().zip(found).map(|(metric, row)| named(metric, pack, row)));
    }
    let mut differences = Vec::new();
    for pack in others {
        differences.extend(differing(&mut numbers, first, pack, &rows).await?);
    }
    Ok((rows, differences))
}

fn named(metric: &Metric, pack: &Pack, numbers: Row) -> Row {
    let mut row = Row::new();
    row.insert("metric".into(), json!(metric.id));
    row.insert("title".into(), json!(metric.title));
    row.insert("unit".into(), json!(metric.unit_under(pack)));
    row.insert("better".into(), json!(metric.better));
    row.insert("pack".into(), json!(pack.id));
    row.insert("definition".into(), json!(sentence(metric.id, pack)));
    row.extend(numbers);
    row
}

/// The metrics of the whole period, each measured once for all packs that agree on what moves it.
struct Numbers<'a> {
    over: &'a Over<'a>,
    known: HashMap<String, Row>,
}

impl Numbers<'_> {
    async fn under(&mut self, pack: &Pack, metrics: &[&'static Metric]) -> Result<Vec<Row>, Error> {
        let is_unknown = |metric: &&&Metric| !self.known.contains_key(&choices(metric, pack));
        let unknown: Vec<&'static Metric> = metrics.iter().filter(is_unknown).copied().collect();
        if !unknown.is_empty() {
            let Over { tables, directory, selection, question } = *self.over;
            let question = question.under(pack.clone());
            let over = Over { tables, directory, selection, question: &question };
            let cells = measure(&over, &question.buckets, &unknown, Cut::Buckets).await?;
            let nothing = Aggregates::default();
            let found = cells.get(&(Some(0), None)).unwrap_or(&nothing);
            let length: Length = lengths(&question.buckets)[0];
            for metric in unknown {
                self.known.insert(choices(metric, pack), measure::row(metric, found, length, pack));
            }
        }
        Ok(metrics.iter().map(|metric| self.known[&choices(metric, pack)].clone()).collect())
    }
}

/// A metric with all of a pack that decides its numbers.
fn choices(metric: &Metric, pack: &Pack) -> String {
    let moving = PARAMETERS.iter().filter(|parameter| parameter.metrics.contains(&metric.id));
    let values: Vec<Value> = moving.map(|parameter| parameter.value(pack)).collect();
    json!([metric.id, pack.min_n, values]).to_string()
}

/// What each parameter moves when it alone is taken over into the first pack.
async fn differing(numbers: &mut Numbers<'_>, first: &Pack, pack: &Pack, rows: &[Row]) -> Result<Vec<Row>, Error> {
    let mut found = Vec::new();
    for parameter in PARAMETERS.iter().filter(|p| p.value(first) != p.value(pack)) {
        let metrics: Vec<&'static Metric> = METRICS.iter().filter(|m| parameter.metrics.contains(&m.id)).collect();
        let mut mixed = first.clone();
        (parameter.take)(&mut mixed, pack);
        for (metric, with) in metrics.iter().zip(numbers.under(&mixed, &metrics).await?) {
            let is_base = |row: &&Row| row["metric"] == metric.id && row["pack"] == *first.id;
            let Some(base) = rows.iter().find(is_base) else { continue };
            let here = parameter.said(first);
            let there = parameter.said(pack);
            let cause = format!(
                "`{}` is {here} in `{}` and {there} in `{}`: {}. {}",
                parameter.name,
                first.id,
                pack.id,
                parameter.decides,
                effect(base, &with)
            );
            let pairs = [
                ("metric", json!(metric.id)),
                ("pack", json!(pack.id)),
                ("against", json!(first.id)),
                ("parameter", json!(parameter.name)),
                ("here", json!(here)),
                ("there", json!(there)),
                ("cause", json!(cause)),
                ("value", base["value"].clone()),
                ("value_with", with["value"].clone()),
                ("n", base["n"].clone()),
                ("n_with", with["n"].clone()),
                ("n_moved", json!(moved(base, &with, "n"))),
                ("numerator_moved", json!(moved(base, &with, "numerator"))),
            ];
            found.push(pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        }
    }
    Ok(found)
}

fn moved(base: &Row, with: &Row, key: &str) -> Option<i64> {
    Some(with.get(key)?.as_i64()? - base.get(key)?.as_i64()?)
}

/// What the parameter alone does to the number.
fn effect(base: &Row, with: &Row) -> String {
    let rows = |n: i64| match n {
        0 => None,
        n if n > 0 => Some(format!("{n} more {}", if n == 1 { "row counts" } else { "rows count" })),
        n => Some(format!("{} {} left out", -n, if n == -1 { "row is" } else { "rows are" })),
    };
    let hits = |n: i64| match n {
        0 => None,
        n if n > 0 => Some(format!("{n} more in the numerator")),
        n => Some(format!("{} fewer in the numerator", -n)),
    };
    let is_same = base["value"] == with["value"];
    let said: Vec<String> = [
        moved(base, with, "n").and_then(rows),
        moved(base, with, "numerator").filter(|_| base["denominator"] != Value::Null).and_then(hits),
        is_same.then(|| "the value stays".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    if said.is_empty() { "Alone it moves the value.".to_owned() } else { format!("Alone: {}.", said.join(", ")) }
}
