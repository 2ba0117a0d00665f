//! Answers that are exported whole: what a question about metrics, flow or names is answered with, in one piece. Not the
//! ladder, which is of some services only.

use std::sync::Arc;

use super::Exported;
use crate::engine::{Answer, Engine, Error, List, Page, Row};
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
    /// Services whose lead time rose.
    Regressions,
    /// DORA's scores.
    QuickCheck,
    /// DORA's clusters.
    Clusters,
    /// Services.
    Services,
    /// Teams.
    Teams,
    /// Environments.
    Environments,
}

/// By name, as their addresses have it.
pub(super) const ANSWERS: [(&str, Exported); 10] = [
    ("summary", Exported::Answer(Whole::Summary)),
    ("stages", Exported::Answer(Whole::Stages)),
    ("batch-size", Exported::Answer(Whole::BatchSize)),
    ("unshipped", Exported::Answer(Whole::Unshipped)),
    ("regressions", Exported::Answer(Whole::Regressions)),
    ("quick-check", Exported::Answer(Whole::QuickCheck)),
    ("clusters", Exported::Answer(Whole::Clusters)),
    ("services", Exported::Answer(Whole::Services)),
    ("teams", Exported::Answer(Whole::Teams)),
    ("environments", Exported::Answer(Whole::Environments)),
];

/// Rows of a page of a list.
const A_PAGE: usize = 1_000;
/// Rows of an answer at most: it is in memory at once.
const AT_MOST: usize = 200_000;

impl Engine {
    /// All rows of an answer.
    pub(super) async fn rows_of(&self, asked: Whole, question: &Question) -> Result<Vec<Row>, Error> {
        let answer = match asked {
            Whole::Summary => self.summary(question).await?,
            Whole::Stages => self.stages(question).await?,
            Whole::BatchSize => self.batch_size(question).await?,
            Whole::Regressions => self.regressions(question, A_PAGE).await?,
            Whole::QuickCheck => self.quick_check(question, None).await?,
            Whole::Clusters => self.clusters(question, None).await?,
            Whole::Unshipped => return self.pages_of(None, question).await,
            Whole::Services => return self.pages_of(Some(List::Services), question).await,
            Whole::Teams => return self.pages_of(Some(List::Teams), question).await,
            Whole::Environments => return self.pages_of(Some(List::Environments), question).await,
        };
        Ok(answer.data.clone())
    }

    /// The rows of all pages of a list, else of what waits.
    async fn pages_of(&self, list: Option<List>, question: &Question) -> Result<Vec<Row>, Error> {
        let (mut rows, mut cursor) = (Vec::new(), None);
        loop {
            let page = Page { limit: A_PAGE, cursor };
            let answer: Arc<Answer> = match list {
                Some(list) => self.list(list, question, &page).await?,
                None => self.unshipped(question, &page).await?,
            };
            rows.extend(answer.data.iter().cloned());
            cursor = answer.meta.get("next_cursor").and_then(|cursor| cursor.as_str()).map(String::from);
            if cursor.is_none() {
                return Ok(rows);
            }
            if rows.len() >= AT_MOST {
                return Err(Error::BadParameter(BadParameter {
                    parameter: "service",
                    value: String::new(),
                    problem: format!("there are more than {AT_MOST} rows"),
                    expected: "the names of some services".into(),
                }));
            }
        }
    }
}
