//! Answers that are exported whole: what a question is answered with, in one piece.

use std::sync::Arc;

use dorado_lake::Instant;

use super::Exported;
use crate::engine::{Answer, Engine, Error, List, Page, Row};
use crate::metric::metric;
use crate::pack::{PACKS, Pack};
use crate::question::{BadParameter, Question};

/// An answer of which all rows are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whole {
    /// All five metrics.
    Summary,
    /// Where lead time goes.
    Stages,
    /// Changes a deployment.
    BatchSize,
    /// What waits.
    Unshipped,
    /// The way through the environments, of some services.
    Ladder,
    /// Services whose lead time rose.
    Regressions,
    /// DORA's scores.
    QuickCheck,
    /// DORA's clusters.
    Clusters,
    /// What is missing in the data.
    DataQuality,
    /// All packs side by side.
    Definitions,
    /// Where those differ, and why.
    Differences,
    /// What is behind the value of the metric of this id.
    Explain(&'static str),
    /// Services.
    Services,
    /// Teams.
    Teams,
    /// Environments.
    Environments,
}

/// What is answered in pages.
enum Paged {
    List(List),
    Unshipped,
    /// The value of the metric of this id.
    Behind(&'static str),
}

/// By name, as their addresses have it.
pub(super) const ANSWERS: [(&str, Exported); 19] = [
    ("summary", Exported::Answer(Whole::Summary)),
    ("stages", Exported::Answer(Whole::Stages)),
    ("batch-size", Exported::Answer(Whole::BatchSize)),
    ("unshipped", Exported::Answer(Whole::Unshipped)),
    ("ladder", Exported::Answer(Whole::Ladder)),
    ("data-quality", Exported::Answer(Whole::DataQuality)),
    ("definitions", Exported::Answer(Whole::Definitions)),
    ("differences", Exported::Answer(Whole::Differences)),
    ("explain-deployment-frequency", explain("deployment-frequency")),
    ("explain-change-lead-time", explain("change-lead-time")),
    ("explain-change-fail-rate", explain("change-fail-rate")),
    ("explain-failed-deployment-recovery-time", explain("failed-deployment-recovery-time")),
    ("explain-deployment-rework-rate", explain("deployment-rework-rate")),
    ("regressions", Exported::Answer(Whole::Regressions)),
    ("quick-check", Exported::Answer(Whole::QuickCheck)),
    ("clusters", Exported::Answer(Whole::Clusters)),
    ("services", Exported::Answer(Whole::Services)),
    ("teams", Exported::Answer(Whole::Teams)),
    ("environments", Exported::Answer(Whole::Environments)),
];

const fn explain(metric: &'static str) -> Exported {
    Exported::Answer(Whole::Explain(metric))
}

/// Rows of a page of a list.
const A_PAGE: usize = 1_000;
/// Rows of an answer at most: it is in memory at once.
const AT_MOST: usize = 200_000;

impl Engine {
    /// All rows of an answer.
    pub(super) async fn rows_of(&self, asked: Whole, question: &Question, now: Instant) -> Result<Vec<Row>, Error> {
        let answer = match asked {
            Whole::Summary => self.summary(question).await?,
            Whole::Stages => self.stages(question).await?,
            Whole::BatchSize => self.batch_size(question).await?,
            Whole::Regressions => self.regressions(question, A_PAGE).await?,
            Whole::QuickCheck => self.quick_check(question, None).await?,
            Whole::Clusters => self.clusters(question, None).await?,
            Whole::Ladder => self.ladder(question).await?,
            Whole::DataQuality => self.data_quality(question, now).await?,
            Whole::Definitions | Whole::Differences => {
                let packs: Vec<Pack> = PACKS.iter().chain(&self.catalog().packs).cloned().collect();
                let answer = self.compare_packs(question, &packs).await?;
                let differences = answer.differences.clone().filter(|_| asked == Whole::Differences);
                return Ok(differences.unwrap_or_else(|| answer.data.clone()));
            }
            Whole::Unshipped => return self.pages_of(Paged::Unshipped, question).await,
            Whole::Explain(id) => return self.pages_of(Paged::Behind(id), question).await,
            Whole::Services => return self.pages_of(Paged::List(List::Services), question).await,
            Whole::Teams => return self.pages_of(Paged::List(List::Teams), question).await,
            Whole::Environments => return self.pages_of(Paged::List(List::Environments), question).await,
        };
        Ok(answer.data.clone())
    }

    /// The rows of all pages.
    async fn pages_of(&self, paged: Paged, question: &Question) -> Result<Vec<Row>, Error> {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let page = Page { limit: A_PAGE, cursor };
            let answer: Arc<Answer> = match paged {
                Paged::List(list) => self.list(list, question, &page).await?,
                Paged::Unshipped => self.unshipped(question, &page).await?,
                Paged::Behind(id) => self.explain(metric(id).expect("it is a metric's"), question, &page).await?,
            };
            rows.extend(answer.data.iter().cloned());
            cursor = answer.meta.get("next_cursor").and_then(|cursor| cursor.as_str()).map(String::from);
            if cursor.is_none() {
                return Ok(rows);
            }
            if rows.len() >= AT_MOST {
                return Err(Error::BadParameter(BadParameter {
                    parameter: "service",
                    value: question.filter.services.iter().cloned().collect::<Vec<_>>().join(","),
                    problem: format!("there are more than {AT_MOST} rows"),
                    expected: "the names of some services".into(),
                }));
            }
        }
    }
}
