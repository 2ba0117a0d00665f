//! [`Wakers`]: how a run of collecting begins at once, because a notice or a person asks for it. When else runs begin is
//! for whoever sleeps here to decide.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use dorado_lake::Instant;
use tokio::sync::Notify;

use crate::source::{Source, source_name};

/// Wakes whoever collects from a connection. Cheap to clone; the default wakes nobody.
#[derive(Debug, Clone, Default)]
pub struct Wakers(Arc<BTreeMap<String, Waker>>);

#[derive(Debug, Default)]
struct Waker {
    notify: Notify,
    /// From when on the next run is to read again, where somebody asks for that.
    since: Mutex<Option<Instant>>,
}

impl Wakers {
    /// One for each connection that can be asked.
    pub fn of(sources: &[Arc<dyn Source>]) -> Self {
        let asked = sources.iter().filter(|source| source.outgoing().is_some());
        Self(Arc::new(asked.map(|source| (source_name(source.as_ref()), Waker::default())).collect()))
    }

    /// Begins a run, or another one after the one that is under way. Where several ask to read again, the earliest
    /// start is that of all.
    pub fn wake(&self, source: &str, since: Option<Instant>) {
        let Some(waker) = self.0.get(source) else { return };
        if let Some(since) = since {
            let mut asked = waker.since.lock().unwrap_or_else(PoisonError::into_inner);
            *asked = Some(asked.map_or(since, |earlier| earlier.min(since)));
        }
        waker.notify.notify_one();
    }

    /// Sleeps until a run is asked for.
    pub async fn woken(&self, source: &str) {
        match self.0.get(source) {
            Some(waker) => waker.notify.notified().await,
            None => std::future::pending().await,
        }
    }

    /// From when on the run that now begins is to read again.
    pub fn since(&self, source: &str) -> Option<Instant> {
        self.0.get(source)?.since.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
