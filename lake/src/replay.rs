//! [`Replay`]: kept deliveries that are to be translated anew, and how far that is. Kept beside the inbox, so that a
//! process that ends leaves the rest to the next one.

use serde::{Deserialize, Serialize};

use crate::{Error, Instant, Lake, Run, RunState};

/// Its name among the runs, which no source has.
const NAME: &str = "replay";
/// Under this name stands beside it which replay somebody cancelled: only who goes on with it writes how it stands.
const CANCELLED: &str = "replay cancelled";

/// Deliveries that are translated anew.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replay {
    /// Only of this source, as `events`, or of one connection of it, as `events/main`.
    pub source: Option<String>,
    /// Only those that arrived then or later.
    pub since: Option<Instant>,
    /// When it was asked for.
    pub began_at: Option<Instant>,
    /// When it was through or ended early; `None` while it is under way.
    pub ended_at: Option<Instant>,
    /// Everything up to this arrival has been read.
    pub after: i64,
    /// The last arrival that belongs to it, and how many do; known once it has begun.
    pub scope: Option<(i64, u64)>,
    /// Deliveries read.
    pub n_done: u64,
    /// Those that say something else now.
    pub n_changed: u64,
    /// Why it ended before it was through, where it did.
    pub error: Option<String>,
}

/// What a [`Run`] has no place for.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    source: Option<String>,
    ended_at: Option<Instant>,
    after: i64,
    through: i64,
}

impl Replay {
    /// Whether there is something left to do.
    pub fn is_under_way(&self) -> bool {
        self.ended_at.is_none()
    }

    fn from_run(run: Run) -> Self {
        let Note { source, ended_at, after, through } = serde_json::from_value(run.note).unwrap_or_default();
        Self {
            source,
            since: run.since,
            began_at: run.started_at,
            ended_at,
            after,
            scope: run.n_total.map(|n_total| (through, n_total)),
            n_done: run.n_done.unwrap_or_default(),
            n_changed: run.n_deliveries,
            error: run.error,
        }
    }

    fn into_run(self) -> Run {
        let (through, n_total) = self.scope.unzip();
        let state = match (&self.ended_at, &self.error) {
            (None, _) => RunState::Running,
            (Some(_), None) => RunState::Idle,
            (Some(_), Some(_)) => RunState::Failed,
        };
        let note =
            Note { source: self.source, ended_at: self.ended_at, after: self.after, through: through.unwrap_or(0) };
        Run {
            source: NAME.to_owned(),
            state,
            note: serde_json::to_value(note).unwrap_or_default(),
            since: self.since,
            started_at: self.began_at,
            n_deliveries: self.n_changed,
            n_done: Some(self.n_done),
            n_total,
            error: self.error,
            ..Run::default()
        }
    }
}

impl Lake {
    /// The replay that is under way, else the last one.
    pub async fn replay(&self) -> Result<Option<Replay>, Error> {
        Ok(self.runs().await?.into_iter().find(|run| run.source == NAME).map(Replay::from_run))
    }

    /// Asks that this replay be ended. Whoever goes on with it looks before each portion.
    pub async fn cancel_replay(&self, replay: &Replay) -> Result<(), Error> {
        let run = Run { source: CANCELLED.to_owned(), started_at: replay.began_at, ..Run::default() };
        self.keep_run(run).await?;
        self.inbox()?.wake();
        Ok(())
    }

    /// Whether somebody asked that this replay be ended.
    pub async fn is_cancelled(&self, replay: &Replay) -> Result<bool, Error> {
        let is_asked = |run: &Run| run.source == CANCELLED && run.started_at == replay.began_at;
        Ok(replay.began_at.is_some() && self.runs().await?.iter().any(is_asked))
    }

    /// Keeps how a replay stands. Whoever waits for [`Lake::arrived`] looks up.
    pub async fn keep_replay(&self, replay: Replay) -> Result<(), Error> {
        self.keep_run(replay.into_run()).await?;
        self.inbox()?.wake();
        Ok(())
    }
}
