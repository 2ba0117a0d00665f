//! Collecting by the clock: each connection that can be asked has a task of its own, one run at a time, with jitter, so
//! that many servers do not ask at one moment. A notice or a person that asks to collect begins a run at once.

use std::sync::Arc;
use std::time::Duration;

use dorado_ingest::collect::{Collector, client};
use dorado_ingest::{Source, Wakers, source_name};
use dorado_lake::{Instant, Lake, Run, RunState};
use rand::Rng as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

/// Time between two runs where the configuration does not say.
pub(crate) const EVERY: Duration = Duration::from_mins(10);
/// Pause after the first failure in a row; each further one doubles it, up to the usual time.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// The first run after a start begins within this.
const FIRST: Duration = Duration::from_secs(3);

/// Begins to collect from every connection that can be asked. Ends when `stop` says so; what was being read then is
/// taken up at the next start.
pub(crate) fn start(
    lake: &Lake,
    sources: &[Arc<dyn Source>],
    now: fn() -> Instant,
    stop: &watch::Receiver<bool>,
) -> (Wakers, Vec<JoinHandle<()>>) {
    let wakers = Wakers::of(sources);
    let asked = sources.iter().filter(|source| source.outgoing().is_some());
    let tasks = asked.map(|source| {
        let task = Task { lake: lake.clone(), source: Arc::clone(source), now, wakers: wakers.clone() };
        tokio::spawn(task.run(stop.clone()))
    });
    let tasks = tasks.collect();
    (wakers, tasks)
}

struct Task {
    lake: Lake,
    source: Arc<dyn Source>,
    now: fn() -> Instant,
    wakers: Wakers,
}

impl Task {
    async fn run(self, mut stop: watch::Receiver<bool>) {
        let name = source_name(self.source.as_ref());
        let every = self.source.outgoing().and_then(|outgoing| outgoing.every).unwrap_or(EVERY);
        let mut pause = jittered(FIRST.min(every));
        loop {
            self.note_next(pause).await;
            tokio::select! {
                biased;
                _ = stop.changed() => return,
                () = self.wakers.woken(&name) => {}
                () = tokio::time::sleep(pause) => {}
            }
            let n_failures = tokio::select! {
                biased;
                _ = stop.changed() => return,
                n_failures = self.collect() => n_failures,
            };
            pause = jittered(match n_failures {
                0 => every,
                n => every.min(AFTER_FAILURE.saturating_mul(2_u32.saturating_pow(n - 1))),
            });
        }
    }

    /// One run; gives how many in a row have failed.
    async fn collect(&self) -> u32 {
        let source = source_name(self.source.as_ref());
        let since = self.wakers.since(&source);
        let http = match client(self.source.as_ref(), self.now) {
            Some(Ok(http)) => http,
            Some(Err(error)) => {
                error!(source, %error, "cannot collect");
                let run = Run {
                    error: Some(error.to_string()),
                    state: RunState::Failed,
                    started_at: Some((self.now)()),
                    asked_since: since,
                    ..self.known().await
                };
                self.keep(run).await;
                return u32::MAX;
            }
            None => return 0,
        };
        let collector = Collector { lake: &self.lake, source: self.source.as_ref(), http, since };
        match collector.run(|_| {}).await {
            Ok(run) => {
                info!(source, n_deliveries = run.n_deliveries, n_calls = run.n_calls, "collected");
                0
            }
            Err(failed) => {
                let error = anyhow::Error::from(failed);
                warn!(source, error = %format!("{error:#}"), "collecting ended early; it goes on later");
                self.known().await.n_failures.max(1)
            }
        }
    }

    async fn known(&self) -> Run {
        let name = source_name(self.source.as_ref());
        let runs = self.lake.runs().await.unwrap_or_default();
        runs.into_iter().find(|run| run.source == name).unwrap_or_else(|| Run { source: name, ..Run::default() })
    }

    /// Says when the next run begins. A run that an earlier process did not end is no longer under way.
    async fn note_next(&self, pause: Duration) {
        let mut run = self.known().await;
        if matches!(run.state, RunState::Running | RunState::Waiting) {
            run.state = RunState::Idle;
        }
        run.next_at = (self.now)().checked_add_signed(chrono::TimeDelta::from_std(pause).unwrap_or_default());
        self.keep(run).await;
    }

    async fn keep(&self, run: Run) {
        if let Err(error) = self.lake.keep_run(run).await {
            warn!(%error, "cannot keep how collecting stands");
        }
    }
}

/// A tenth more or less.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::rng().random_range(0.9..1.1))
}
