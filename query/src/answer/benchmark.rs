//! One's own numbers beside what DORA publishes: the Quick Check's scores, and the clusters of its reports.

use datafusion::functions_aggregate::expr_fn::count_distinct;
use datafusion::prelude::col;
use serde_json::{Value, json};
use std::sync::Arc;

use super::directory::Columns;
use super::frame::{Over, asked_rows};
use super::series::summary;
use crate::benchmark::clusters::{LEVELS, REPORTS, Report};
use crate::benchmark::quick_check::{EDITION, INDUSTRIES, Industry, MEASURES, N_THROUGHPUT};
use crate::benchmark::{DAY, MONTH, SIX_MONTHS};
use crate::engine::{Answer, Engine, Error, Row};
use crate::question::{BadParameter, Question};

/// What a reader must know of how a measured number meets a published class.
const NOTES: [&str; 4] = [
    "DORA asks about one application or service; of several, frequency is per service that was deployed.",
    "Several deployments a day, two or more, are on demand: a clock cannot tell that from once per hour.",
    "A month has 30 days here. A value on an edge of two classes has the better one.",
    "A frequency needs five deployments or 30 days, or none in six months; everything else needs the usual number of rows.",
];

const CLUSTER_NOTES: [&str; 3] = [
    "A cluster is a group of answers to a survey, not a scale: levels overlap or leave gaps, and no overall level follows from four metrics.",
    "Rates are compared in whole per cent, as the reports give them. Where a report gives one number, nothing falls in it.",
    "DORA's reports asked about one application or service; of several, frequency is per service that was deployed. A month has 30 days here.",
];

/// An industry of the Quick Check.
///
/// # Errors
/// None has this id.
fn industry(id: Option<&str>) -> Result<&'static Industry, BadParameter> {
    let id = id.unwrap_or(INDUSTRIES[0].id);
    INDUSTRIES.iter().find(|industry| industry.id == id).ok_or_else(|| BadParameter {
        parameter: "industry",
        value: id.to_owned(),
        problem: "it is not an industry of the Quick Check".into(),
        expected: format!("one of {}", INDUSTRIES.map(|industry| industry.id).join(", ")),
    })
}

/// The clusters of a year's report.
///
/// # Errors
/// There are none of that year.
fn report(year: Option<&str>) -> Result<&'static Report, BadParameter> {
    let latest = &REPORTS[REPORTS.len() - 1];
    let Some(year) = year else { return Ok(latest) };
    let found = year.parse().ok().and_then(|year: u16| REPORTS.iter().find(|report| report.year == year));
    found.ok_or_else(|| BadParameter {
        parameter: "year",
        value: year.to_owned(),
        problem: match year {
            "2025" => {
                "the report of 2025 has no such clusters; its seven team profiles do not follow from metrics".into()
            }
            _ => "no clusters of that year are kept here".into(),
        },
        expected: format!("one of {}", REPORTS.map(|report| report.year.to_string()).join(", ")),
    })
}

/// A number of one's own, in the unit that DORA's classes are in.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Own {
    value: Option<f64>,
    n: u64,
    enough: bool,
}

/// All metrics over the whole period, in the benchmarks' units.
struct Owns {
    rows: Vec<Row>,
    n_services: u64,
    seconds: f64,
    min_n: u64,
}

impl Owns {
    async fn measure(over: &Over<'_>) -> Result<Self, Error> {
        let question = over.question;
        let (rows, _) = summary(over).await?;
        let n_services = n_services(over).await?;
        let seconds = (question.to - question.from).as_seconds_f64();
        Ok(Self { rows, n_services, seconds, min_n: question.pack.min_n })
    }

    fn row(&self, metric: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row["metric"] == metric)
    }

    fn title(&self, metric: &str) -> Value {
        self.row(metric).map(|row| row["title"].clone()).unwrap_or_default()
    }

    fn of(&self, metric: &str) -> Own {
        let number = |key: &str| self.row(metric).and_then(|row| row.get(key)).and_then(Value::as_f64);
        let n = number("n").unwrap_or(0.0) as u64;
        if metric != "deployment-frequency" {
            return Own { value: number("value"), n, enough: n >= self.min_n };
        }
        // Without a service that was deployed none is divided by: a count of nothing is 0.
        let days = self.seconds / DAY;
        let value = (days > 0.0).then(|| n as f64 / (days * self.n_services.max(1) as f64));
        let long = if n == 0 { SIX_MONTHS } else { MONTH };
        Own { value, n, enough: n >= self.min_n || self.seconds >= long }
    }
}

/// Services that were deployed in the period.
async fn n_services(over: &Over<'_>) -> Result<u64, Error> {
    let period = (over.question.from, over.question.to);
    let Some(rows) = asked_rows(over.tables, "outcomes", over.selection, period)? else { return Ok(0) };
    let counted = rows.filter(col("reached"))?.aggregate(vec![], vec![count_distinct(col("service")).alias("n")])?;
    let found = counted.collect().await?;
    Ok(found.first().and_then(|batch| Columns(batch).number("n", 0)).unwrap_or(0) as u64)
}

fn mean(scores: &[Option<f64>]) -> Option<f64> {
    let known: Option<Vec<f64>> = scores.iter().copied().collect();
    known.map(|known| known.iter().sum::<f64>() / known.len() as f64)
}

fn scored(owns: &Owns, industry: &Industry) -> (Vec<Row>, Vec<Option<f64>>) {
    let rows = MEASURES.iter().enumerate().map(|(i, measure)| {
        let own = owns.of(measure.metric);
        let judged = own.value.filter(|_| own.enough);
        let class = judged.and_then(|value| measure.class(value));
        let score = judged.and_then(|value| measure.score(value));
        let (industry_mean, industry_sd) = industry.shown(i);
        let row = object([
            ("metric", json!(measure.metric)),
            ("title", owns.title(measure.metric)),
            ("unit", json!(measure.unit)),
            ("value", json!(own.value)),
            ("n", json!(own.n)),
            ("enough_data", json!(own.enough)),
            ("class", json!(class.map(|class| class.class))),
            ("class_title", json!(class.map(|class| class.title))),
            ("score", json!(score)),
            ("industry_mean", json!(industry_mean)),
            ("industry_sd", json!(industry_sd)),
        ]);
        (row, score)
    });
    rows.unzip()
}

fn classes() -> Vec<Value> {
    let all = MEASURES.iter().flat_map(|measure| measure.classes.iter().map(move |class| (measure, class)));
    all.map(|(measure, class)| {
        let (low, high) = class.range.ends();
        json!({ "metric": measure.metric, "class": class.class, "title": class.title, "score": class.score(),
            "at_least": low, "at_most": high })
    })
    .collect()
}

fn level_rows(owns: &Owns, report: &Report) -> Vec<Row> {
    let levels = report.rows.iter().flat_map(|row| (0..LEVELS.len()).map(move |level| (row, level)));
    levels
        .map(|(row, level)| {
            let own = owns.of(row.metric);
            let judged = own.value.filter(|_| own.enough);
            let (words, range) = row.levels[level];
            let (low, high) = range.ends();
            object([
                ("year", json!(report.year)),
                ("metric", json!(row.metric)),
                ("title", owns.title(row.metric)),
                ("unit", json!(row.unit)),
                ("value", json!(own.value)),
                ("n", json!(own.n)),
                ("enough_data", json!(own.enough)),
                ("level", json!(LEVELS[level])),
                ("published", json!(words)),
                ("at_least", json!(low)),
                ("at_most", json!(high)),
                ("is_point", json!(matches!(range, crate::benchmark::Range::Point(_)))),
                ("falls_in", json!(judged.and_then(|value| row.falls_in(level, value)))),
            ])
        })
        .collect()
}

impl Engine {
    /// The Quick Check's scores of the whole period, beside an industry's.
    ///
    /// # Errors
    /// An industry that is none; and as [`Engine::series`].
    pub async fn quick_check(&self, question: &Question, industry_id: Option<&str>) -> Result<Arc<Answer>, Error> {
        let industry = industry(industry_id)?;
        self.kept(
            format!("quick-check {} {question:?}", industry.id),
            question.audience(),
            async |tables, directory| {
                let whole = question.whole();
                let selection = directory.select(&whole.filter, self.catalog())?;
                let owns = Owns::measure(&Over { tables, directory, selection: &selection, question: &whole }).await?;
                let (data, scores) = scored(&owns, industry);
                let mut meta = self.meta(tables, directory, question);
                meta.extend(object([
                    ("edition", json!(EDITION)),
                    ("industry", json!(industry.id)),
                    ("industry_title", json!(industry.title)),
                    ("industries", json!(INDUSTRIES.map(|i| json!({ "id": i.id, "title": i.title })))),
                    ("overall", json!(mean(&scores))),
                    ("throughput", json!(mean(&scores[..N_THROUGHPUT]))),
                    ("stability", json!(mean(&scores[N_THROUGHPUT..]))),
                    ("n_services", json!(owns.n_services)),
                    ("classes", json!(classes())),
                    ("notes", json!(NOTES)),
                ]));
                Ok(Answer { data, series: None, differences: None, meta })
            },
        )
        .await
    }

    /// The whole period's numbers beside each level of a report's clusters.
    ///
    /// # Errors
    /// A year without clusters; and as [`Engine::series`].
    pub async fn clusters(&self, question: &Question, year: Option<&str>) -> Result<Arc<Answer>, Error> {
        let report = report(year)?;
        self.kept(format!("clusters {} {question:?}", report.year), question.audience(), async |tables, directory| {
            let whole = question.whole();
            let selection = directory.select(&whole.filter, self.catalog())?;
            let owns = Owns::measure(&Over { tables, directory, selection: &selection, question: &whole }).await?;
            let mut meta = self.meta(tables, directory, question);
            meta.extend(object([
                ("year", json!(report.year)),
                ("years", json!(REPORTS.map(|report| report.year))),
                ("n_services", json!(owns.n_services)),
                ("notes", json!(CLUSTER_NOTES)),
            ]));
            Ok(Answer { data: level_rows(&owns, report), series: None, differences: None, meta })
        })
        .await
    }
}

/// A flat object.
pub(crate) fn object<const N: usize>(pairs: [(&str, Value); N]) -> Row {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owns(n: u64, days: f64, n_services: u64) -> Owns {
        let row = object([("metric", json!("deployment-frequency")), ("n", json!(n))]);
        Owns { rows: vec![row], n_services, seconds: days * DAY, min_n: 5 }
    }

    #[test]
    fn frequency_is_per_service_and_needs_time_to_be_known() {
        let of = |n, days, n_services| owns(n, days, n_services).of("deployment-frequency");
        assert_eq!(of(90, 90.0, 1), Own { value: Some(1.0), n: 90, enough: true });
        assert_eq!(of(90, 90.0, 3), Own { value: Some(1.0 / 3.0), n: 90, enough: true });
        assert_eq!(of(1, 7.0, 1), Own { value: Some(1.0 / 7.0), n: 1, enough: false });
        assert_eq!(of(1, 30.0, 1), Own { value: Some(1.0 / 30.0), n: 1, enough: true });
        assert_eq!(of(0, 90.0, 0), Own { value: Some(0.0), n: 0, enough: false });
        assert_eq!(of(0, 180.0, 0), Own { value: Some(0.0), n: 0, enough: true });
    }

    #[test]
    fn a_mean_needs_all_of_its_parts() {
        assert_eq!(mean(&[Some(10.0), Some(5.0)]), Some(7.5));
        assert_eq!(mean(&[Some(10.0), None]), None);
    }

    #[test]
    fn a_year_without_clusters_is_refused_with_the_reason() {
        assert_eq!(report(None).map(|r| r.year), Ok(2024));
        assert_eq!(report(Some("2019")).map(|r| r.year), Ok(2019));
        let refused = |year: &str| report(Some(year)).err().map(|bad| bad.problem).unwrap_or_default();
        assert!(refused("2025").contains("no such clusters"), "{}", refused("2025"));
        assert!(refused("2022").contains("that year"), "{}", refused("2022"));
        assert!(refused("elite").contains("that year"), "{}", refused("elite"));
    }
}
