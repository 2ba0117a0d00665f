//! One run of collecting: page by page from a connected tool into the inbox, each page with the place to go on from. A
//! run that ends anywhere, by an error or a kill, is taken up after its last whole page.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use dorado_lake::{Collected, Delivery, Instant, Lake, Run, RunState};
use futures::StreamExt as _;
use sha2::{Digest, Sha256};

use crate::http::{self, Http, Patience};
use crate::source::{Cursor, Error, Page, Source, source_name};

/// How far back the first run looks where nothing says so.
const FIRST_LOOK: TimeDelta = TimeDelta::days(180);

/// A connection that can be asked.
pub struct Collector<'a> {
    /// Where deliveries are kept.
    pub lake: &'a Lake,
    /// The connection.
    pub source: &'a dyn Source,
    /// How it is asked.
    pub http: Http,
    /// From when on, where that is asked for: what was read before is then gone through again.
    pub since: Option<Instant>,
}

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The tool did not answer as it should.
    #[error("cannot read from `{source_name}`")]
    Source {
        /// The connection.
        source_name: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// What was read could not be kept.
    #[error("cannot keep what was read")]
    Lake(#[from] dorado_lake::Error),
}

/// A client for a connection; `None` where it is not asked for anything.
///
/// # Errors
/// Where its URL or its certificates are none.
pub fn client(source: &dyn Source, now: fn() -> Instant) -> Option<Result<Http, http::Error>> {
    source.outgoing().map(|outgoing| Http::new(outgoing, now, Patience::default()))
}

/// A connection that is asked for by a name that none has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no connection that can be asked is called `{name}`; there are {}", known.join(", "))]
pub struct Unknown {
    /// The name.
    pub name: String,
    /// The names that there are.
    pub known: Vec<String>,
}

/// The connections that can be asked, of these names: the tool's, the connection's, or both with a slash. All of them
/// where no name is given.
///
/// # Errors
/// A name that none of them has.
pub fn named(sources: &[Arc<dyn Source>], names: &[String]) -> Result<Vec<Arc<dyn Source>>, Unknown> {
    let asked: Vec<_> = sources.iter().filter(|source| source.outgoing().is_some()).cloned().collect();
    let is = |source: &dyn Source, name: &str| {
        [source_name(source).as_str(), source.name(), source.connection()].contains(&name)
    };
    if let Some(name) = names.iter().find(|name| !asked.iter().any(|source| is(source.as_ref(), name))) {
        let known = asked.iter().map(|source| source_name(source.as_ref())).collect();
        return Err(Unknown { name: name.clone(), known });
    }
    let is_meant = |source: &Arc<dyn Source>| names.is_empty() || names.iter().any(|name| is(source.as_ref(), name));
    Ok(asked.into_iter().filter(is_meant).collect())
}

impl Collector<'_> {
    /// Reads until there is nothing more to read now; `observe` sees the run after each page.
    ///
    /// # Errors
    /// Where the tool or the lake fails. What was read until then is kept.
    pub async fn run(&self, mut observe: impl FnMut(&Run)) -> Result<Run, Failed> {
        let mut run = self.begin().await?;
        observe(&run);
        let read = self.read(&mut run, &mut observe).await;
        let now = self.http.now();
        self.note_budget(&mut run);
        match &read {
            Ok(()) => {
                run.state = RunState::Idle;
                (run.last_success_at, run.error, run.n_failures) = (Some(now), None, 0);
            }
            Err(error) => {
                run.state = RunState::Failed;
                run.n_failures += 1;
                run.error = Some(match error {
                    Failed::Source { source, .. } => source.to_string(),
                    Failed::Lake(error) => error.to_string(),
                });
            }
        }
        self.lake.keep_run(run.clone()).await?;
        observe(&run);
        read.map(|()| run)
    }

    /// The run as it begins: from where the last one ended, unless another start is asked for.
    async fn begin(&self) -> Result<Run, Failed> {
        let name = source_name(self.source);
        let now = self.http.now();
        let known = self.lake.runs().await?.into_iter().find(|run| run.source == name);
        let mut run = known.unwrap_or_else(|| Run { source: name, ..Run::default() });
        let configured = self.source.outgoing().and_then(|outgoing| outgoing.since);
        match (self.since, run.since) {
            (Some(since), _) => (run.since, run.note) = (Some(since), serde_json::Value::Null),
            // An earlier start in the configuration than the one that was read from.
            (None, Some(read)) if configured.is_some_and(|since| since < read) => {
                (run.since, run.note) = (configured, serde_json::Value::Null);
            }
            (None, Some(_)) => {}
            (None, None) => run.since = configured.or(Some(now - FIRST_LOOK)),
        }
        run.state = RunState::Running;
        run.asked_since = self.since;
        (run.started_at, run.next_at, run.n_deliveries) = (Some(now), None, 0);
        (run.n_done, run.n_total, run.n_calls) = (None, None, 0);
        self.lake.keep_run(run.clone()).await?;
        Ok(run)
    }

    async fn read(&self, run: &mut Run, observe: &mut impl FnMut(&Run)) -> Result<(), Failed> {
        loop {
            let from = Cursor { note: run.note.clone(), since: run.since.unwrap_or_default() };
            let mut pages = self.source.collect(&self.http, from);
            let limited = loop {
                match pages.next().await {
                    None => return Ok(()),
                    Some(Ok(page)) => self.keep(page, run, observe).await?,
                    Some(Err(Error::Http(http::Error::Limited { until, .. }))) => break until,
                    Some(Err(source)) => return Err(Failed::Source { source_name: run.source.clone(), source }),
                }
            };
            drop(pages);
            (run.state, run.next_at) = (RunState::Waiting, Some(limited));
            self.note_budget(run);
            self.lake.keep_run(run.clone()).await?;
            observe(run);
            // At least a moment, so that a tool whose clock is off is not asked without a pause.
            let wait = (limited - self.http.now()).to_std().unwrap_or_default();
            tokio::time::sleep(wait.max(Duration::from_secs(1))).await;
            (run.state, run.next_at) = (RunState::Running, None);
        }
    }

    async fn keep(&self, page: Page, run: &mut Run, observe: &mut impl FnMut(&Run)) -> Result<(), Failed> {
        run.note = page.cursor.note;
        (run.n_done, run.n_total) = (page.n_done, page.n_total);
        self.note_budget(run);
        let with_digest = |delivery: Delivery| {
            let digest = digest(&delivery);
            (delivery, digest)
        };
        let collected: Vec<Collected> = page.deliveries.into_iter().map(with_digest).collect();
        run.n_deliveries += self.lake.keep_page(collected, run.clone()).await?;
        observe(run);
        Ok(())
    }

    fn note_budget(&self, run: &mut Run) {
        run.n_calls = self.http.n_calls();
        if let Some(budget) = self.http.budget() {
            (run.rate_limit, run.rate_limit_remaining) = (budget.limit, budget.remaining);
            run.rate_limit_resets_at = budget.resets_at;
        }
    }
}

/// What a delivery says, apart from when it was read: the same again is not kept again.
fn digest(delivery: &Delivery) -> [u8; 16] {
    let mut digest = Sha256::new();
    for part in [delivery.id.as_bytes(), &delivery.body] {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part);
    }
    for (name, value) in &delivery.headers {
        digest.update(name);
        digest.update(value);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize()[..16]);
    half
}
