//! Answers questions over a lake. Holds the catalogue, the directory of the current tables, and answers
//! already given, which stand until a table changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::SessionState;
use datafusion::prelude::SessionConfig;
use dorado_lake::{Instant, Lake};
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::directory::Directory;
use crate::answer::frame::Over;
use crate::answer::{definitions, explain, list, series, stages};
use crate::audience::Audience;
use crate::catalog::Catalog;
use crate::gold::{Cause, GoldRow, MadeBy, Outcome, Shipment, schema};
use crate::metric::{Better, Metric};
use crate::pack::{PACKS, PARAMETERS, Pack};
use crate::quantiles::distribution;
use crate::question::{BadParameter, Question};
use crate::refresh::{self, Refreshed};
use crate::tables::Tables;

/// One flat object of an answer.
pub type Row = serde_json::Map<String, Value>;

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Flat rows.
    pub data: Vec<Row>,
    /// Rows over time, where the answer has both totals and series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<Vec<Row>>,
    /// Where the numbers of several packs differ, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub differences: Option<Vec<Row>>,
    /// What the rows are: pack, parameters, table version, next cursor.
    pub meta: Row,
}

/// Which list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum List {
    /// Services.
    Services,
    /// Teams.
    Teams,
    /// Environments.
    Environments,
    /// Deployments.
    Deployments,
    /// Changes.
    Changes,
    /// Incidents.
    Incidents,
}

/// Which part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Page {
    /// Rows at most.
    pub limit: usize,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A parameter that only the data shows to be wrong.
    #[error(transparent)]
    BadParameter(#[from] BadParameter),
    /// A team is asked for that the audience may not see, whether or not there is one of this name.
    #[error("the team `{team}` is not one that you may see")]
    OutOfScope {
        /// The team.
        team: String,
    },
    /// The lake cannot be read or written.
    #[error("cannot use the lake")]
    Lake(#[from] dorado_lake::Error),
    /// A plan could not be run.
    #[error("cannot compute the answer")]
    Plan(#[from] datafusion::error::DataFusionError),
    /// Columns did not fit together.
    #[error("cannot put the answer's columns together")]
    Columns(#[from] arrow::error::ArrowError),
}

impl Error {
    /// Whether trying again later may help: the store does not answer.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Lake(error) => error.is_temporary(),
            Self::Plan(error) => dorado_lake::is_of_store(error),
            Self::BadParameter(_) | Self::OutOfScope { .. } | Self::Columns(_) => false,
        }
    }

    /// A period that cannot be cut.
    pub(crate) fn period(error: &crate::bucket::Error) -> Self {
        Self::BadParameter(BadParameter {
            parameter: "from",
            value: String::new(),
            problem: error.to_string(),
            expected: "a later start or a larger bucket".into(),
        })
    }
}

/// Answers questions over a lake. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    lake: Lake,
    catalog: Catalog,
    state: SessionState,
    facts_at_once: u64,
    directory: Mutex<Option<(u64, Arc<Directory>)>>,
    answers: Mutex<Answers>,
}

/// Answers of one version of the tables.
#[derive(Default)]
struct Answers {
    version: u64,
    by_question: HashMap<String, Arc<Answer>>,
}

/// Facts that attribution holds in memory for each thread, where nobody says otherwise.
pub const FACTS_AT_ONCE: u64 = 200_000;

/// Answers kept at most.
const ANSWERS_AT_MOST: usize = 2_000;

impl Engine {
    /// Makes sure that the gold tables exist, and is ready to answer.
    ///
    /// # Errors
    /// The lake refuses the gold tables, as one that a newer Dorado wrote does.
    pub async fn open(lake: Lake, catalog: Catalog) -> Result<Self, Error> {
        Self::open_with(lake, catalog, FACTS_AT_ONCE).await
    }

    /// The same, where attribution holds about so many facts in memory for each thread; a service with more of them needs more.
    ///
    /// # Errors
    /// As [`Engine::open`].
    pub async fn open_with(lake: Lake, catalog: Catalog, facts_at_once: u64) -> Result<Self, Error> {
        lake.declare_gold(Shipment::TABLE, schema::<Shipment>()).await?;
        lake.declare_gold(Outcome::TABLE, schema::<Outcome>()).await?;
        lake.declare_gold(Cause::TABLE, schema::<Cause>()).await?;
        lake.declare_gold(MadeBy::TABLE, schema::<MadeBy>()).await?;
        let mut state = SessionStateBuilder::new().with_config(config()).with_default_features().build();
        datafusion::execution::FunctionRegistry::register_udaf(&mut state, Arc::new(distribution()))?;
        let (directory, answers) = (Mutex::default(), Mutex::default());
        let inner = Inner { lake, catalog, state, facts_at_once, directory, answers };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The lake that is asked.
    pub fn lake(&self) -> &Lake {
        &self.inner.lake
    }

    /// Who is who.
    pub fn catalog(&self) -> &Catalog {
        &self.inner.catalog
    }

    /// Grows when any table changes.
    pub fn table_version(&self) -> u64 {
        self.inner.lake.snapshot().version()
    }

    /// Brings gold up to silver.
    ///
    /// # Errors
    /// The lake cannot be read or written; gold then stays as it was.
    pub async fn refresh(&self) -> Result<Refreshed, Error> {
        let window = chrono::TimeDelta::milliseconds(PACKS[0].window_ms().unwrap_or(i64::MAX));
        let Inner { lake, catalog, facts_at_once, .. } = &*self.inner;
        refresh::refresh(&self.tables(), lake, catalog, (window, *facts_at_once)).await
    }

    /// Makes the next [`Engine::refresh`] compute all results again, also where this process ends before it.
    ///
    /// # Errors
    /// The lake cannot be written.
    pub async fn forget_results(&self) -> Result<(), Error> {
        refresh::forget(&self.tables(), &self.inner.lake).await
    }

    /// A metric over time, and by group.
    ///
    /// # Errors
    /// A parameter that the data shows to be wrong, or tables that cannot be read.
    pub async fn series(&self, metric: &'static Metric, question: &Question) -> Result<Arc<Answer>, Error> {
        let key = format!("series {} {question:?}", metric.id);
        self.kept(key, question.audience(), async |tables, directory| {
            let selection = directory.select(&question.filter, &self.inner.catalog)?;
            let over = Over { tables, directory, selection: &selection, question };
            let (data, _) = series::series(&over, &[metric], |_, _| {}).await?;
            let mut meta = self.meta(tables, directory, question);
            describe(metric, &question.pack, &mut meta);
            Ok(Answer { data, series: None, differences: None, meta })
        })
        .await
    }

    /// The stages of lead time over time, and by group.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub async fn stages(&self, question: &Question) -> Result<Arc<Answer>, Error> {
        self.kept(format!("stages {question:?}"), question.audience(), async |tables, directory| {
            let selection = directory.select(&question.filter, &self.inner.catalog)?;
            let over = Over { tables, directory, selection: &selection, question };
            let (data, left_out) = stages::stages(&over).await?;
            let mut meta = self.meta(tables, directory, question);
            meta.insert("unit".into(), json!("seconds"));
            meta.insert("better".into(), json!(Better::Lower));
            meta.insert("left_out".into(), json!(left_out));
            Ok(Answer { data, series: None, differences: None, meta })
        })
        .await
    }

    /// All metrics for the whole period, and their series.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub async fn summary(&self, question: &Question) -> Result<Arc<Answer>, Error> {
        self.kept(format!("summary {question:?}"), question.audience(), async |tables, directory| {
            let selection = directory.select(&question.filter, &self.inner.catalog)?;
            let over = Over { tables, directory, selection: &selection, question };
            let (data, rows) = series::summary(&over).await?;
            Ok(Answer { data, series: Some(rows), differences: None, meta: self.meta(tables, directory, question) })
        })
        .await
    }

    /// What is behind a metric's value for the whole period.
    ///
    /// # Errors
    /// As [`Engine::series`], and a cursor that is none.
    pub async fn explain(
        &self,
        metric: &'static Metric,
        question: &Question,
        page: &Page,
    ) -> Result<Arc<Answer>, Error> {
        let key = format!("explain {} {question:?} {page:?}", metric.id);
        self.kept(key, question.audience(), async |tables, directory| {
            let whole = question.whole();
            let selection = directory.select(&whole.filter, &self.inner.catalog)?;
            let over = Over { tables, directory, selection: &selection, question: &whole };
            let (totals, _) = series::series(&over, &[metric], |_, _| {}).await?;
            let total = totals.into_iter().next().unwrap_or_default();
            let excluded = explain::excluded(&over, metric).await?;
            let rows = explain::rows(&over, metric, page).await?;
            let mut meta = self.meta(tables, directory, question);
            describe(metric, &question.pack, &mut meta);
            meta.insert("definition".into(), json!(question.definition_of(metric)));
            let choices: &[&str] = if question.is_as_usual() { metric.choices } else { &[] };
            let differences = differences(&PACKS[0], &question.pack, metric.id);
            meta.insert("rule_notes".into(), choices.iter().map(|c| json!(c)).chain(differences).collect());
            meta.extend(total.into_iter().filter(|(key, _)| key != "time"));
            let reasons: Vec<Value> = excluded.iter().map(|(reason, n)| json!({ "reason": reason, "n": n })).collect();
            meta.insert("excluded".into(), json!(reasons));
            if metric.table == "outcomes" {
                meta.insert("incidents_by_rule".into(), json!(explain::incidents(&over).await?));
            }
            meta.insert("next_cursor".into(), json!(rows.next_cursor));
            Ok(Answer { data: rows.rows, series: None, differences: None, meta })
        })
        .await
    }

    /// One page of a list.
    ///
    /// # Errors
    /// As [`Engine::explain`].
    pub async fn list(&self, list: List, question: &Question, page: &Page) -> Result<Arc<Answer>, Error> {
        let key = format!("list {list:?} {question:?} {page:?}");
        self.kept(key, question.audience(), async |tables, directory| {
            // Lists show every environment, so that a filter by one need not be a production one.
            let names =
                crate::question::Filter { environments: std::collections::BTreeSet::new(), ..question.filter.clone() };
            let mut selection = directory.select(&names, &self.inner.catalog)?;
            selection.environments.clone_from(&question.filter.environments);
            let over = Over { tables, directory, selection: &selection, question };
            let rows = list::list(&over, &self.inner.catalog, list, page).await?;
            let mut meta = self.meta(tables, directory, question);
            meta.insert("next_cursor".into(), json!(rows.next_cursor));
            Ok(Answer { data: rows.rows, series: None, differences: None, meta })
        })
        .await
    }

    /// Every pack: its parameters, and what it makes of each metric.
    pub fn definitions(&self) -> Vec<Row> {
        definitions::definitions(&self.inner.catalog.packs)
    }

    /// Packs side by side over the whole period; each is held against the first.
    ///
    /// # Errors
    /// As [`Engine::series`].
    pub async fn compare_packs(&self, question: &Question, packs: &[Pack]) -> Result<Arc<Answer>, Error> {
        self.kept(format!("packs {question:?} {packs:?}"), question.audience(), async |tables, directory| {
            let whole = question.whole();
            let selection = directory.select(&whole.filter, &self.inner.catalog)?;
            let over = Over { tables, directory, selection: &selection, question: &whole };
            let (data, differences) = definitions::compare(&over, packs).await?;
            let mut meta = self.meta(tables, directory, &whole);
            for key in ["pack", "parameters", "adjusted"] {
                meta.remove(key);
            }
            Ok(Answer { data, series: None, differences: Some(differences), meta })
        })
        .await
    }

    pub(crate) fn tables(&self) -> Tables {
        Tables::new(&self.inner.state, &self.inner.lake)
    }

    /// The answer kept for this version of the tables and this audience, or a new one. What it is made from
    /// knows only what the audience may know.
    pub(crate) async fn kept(
        &self,
        key: String,
        audience: &Audience,
        make: impl AsyncFnOnce(&Tables, &Directory) -> Result<Answer, Error>,
    ) -> Result<Arc<Answer>, Error> {
        let key = format!("{audience:?} {key}");
        let tables = self.tables();
        let version = tables.snapshot.version();
        if let Some(answer) = self.answers().of(version).get(&key) {
            return Ok(Arc::clone(answer));
        }
        let directory = self.directory_for(&tables, audience).await?;
        let answer = Arc::new(make(&tables, &directory).await?);
        let mut answers = self.answers();
        let kept = answers.of(version);
        if kept.len() >= ANSWERS_AT_MOST {
            kept.clear();
        }
        kept.insert(key, Arc::clone(&answer));
        Ok(answer)
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, Answers> {
        self.inner.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who there is, as far as an audience may know.
    pub(crate) async fn directory_for(&self, tables: &Tables, audience: &Audience) -> Result<Arc<Directory>, Error> {
        Ok(Directory::seen_by(&self.directory(tables).await?, audience, &self.inner.catalog))
    }

    async fn directory(&self, tables: &Tables) -> Result<Arc<Directory>, Error> {
        let version = tables.snapshot.version();
        let known = || self.inner.directory.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, directory)) = known().as_ref().filter(|(v, _)| *v == version) {
            return Ok(Arc::clone(directory));
        }
        let directory = Arc::new(Directory::read(tables, &self.inner.lake, &self.inner.catalog).await?);
        *known() = Some((version, Arc::clone(&directory)));
        Ok(directory)
    }

    pub(crate) fn meta(&self, tables: &Tables, directory: &Directory, question: &Question) -> Row {
        let time = |at: Instant| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true);
        let (previous_from, previous_to) = question.previous();
        let complete = tables.snapshot.gold_through() >= tables.snapshot.silver_through();
        let pairs = [
            ("pack", json!(question.pack.id)),
            ("parameters", json!(*question.pack)),
            ("adjusted", json!(question.adjusted)),
            ("bucket", json!(question.size)),
            ("tz", json!(question.tz.name())),
            ("from", json!(time(question.from))),
            ("to", json!(time(question.to))),
            ("previous_from", json!(time(previous_from))),
            ("previous_to", json!(time(previous_to))),
            ("table_version", json!(tables.snapshot.version())),
            ("complete", json!(complete)),
            ("complete_through", json!(directory.complete_through.map(time))),
            ("unknown", json!(directory.unknown(&question.filter, &self.inner.catalog))),
        ];
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

impl Answers {
    fn of(&mut self, version: u64) -> &mut HashMap<String, Arc<Answer>> {
        if self.version != version {
            self.version = version;
            self.by_question.clear();
        }
        &mut self.by_question
    }
}

/// What a pack decides otherwise about a metric, a sentence each.
fn differences(from: &Pack, pack: &Pack, metric: &str) -> impl Iterator<Item = Value> {
    let moves = PARAMETERS.iter().filter(|p| p.metrics.contains(&metric) && p.value(from) != p.value(pack));
    let said: Vec<Value> = moves
        .map(|p| {
            let (here, there) = (p.said(pack), p.said(from));
            json!(format!("`{}` decides {}: `{here}` here, `{there}` in `{}`.", p.name, p.decides, from.id))
        })
        .collect();
    said.into_iter()
}

fn describe(metric: &Metric, pack: &Pack, meta: &mut Row) {
    meta.insert("metric".into(), json!(metric.id));
    meta.insert("title".into(), json!(metric.title));
    meta.insert("unit".into(), json!(metric.unit_under(pack)));
    meta.insert("better".into(), json!(metric.better));
}

fn config() -> SessionConfig {
    let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut config = SessionConfig::new().with_target_partitions(cores.min(4)).with_information_schema(false);
    let parquet = &mut config.options_mut().execution.parquet;
    // One service of two thousand: most rows of a file are passed over before they are decoded.
    parquet.pushdown_filters = true;
    parquet.reorder_filters = true;
    // One string type, as in the files.
    parquet.schema_force_view_types = false;
    config.options_mut().sql_parser.map_string_types_to_utf8view = false;
    config
}
