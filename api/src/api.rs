//! [`Api`]: the state that handlers share, and how they ask questions and keep deliveries.

use std::future::Future;
use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DurationRound, TimeDelta};
use dorado_ingest::{Source, Wakers};
use dorado_lake::{Deed, Delivery, Instant, Kept};
use dorado_query::{Answer, Chunks, Engine, Question};
use futures::stream::{self, StreamExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinError};
use tokio::time::timeout;

use crate::access::{Access, Caller, Credential, Door, Grant};
use crate::answer::{Tag, Wanted};
use crate::problem::{Kind, Problem};
use crate::telemetry::Telemetry;
use crate::{App, Limits};

/// What handlers share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api(Arc<Shared>);

struct Shared {
    app: App,
    telemetry: Telemetry,
    door: Door,
    query_turns: Arc<Semaphore>,
    upload_turns: Arc<Semaphore>,
    asking: tokio::sync::Mutex<()>,
}

impl Api {
    pub(crate) fn new(app: App) -> Self {
        Self(Arc::new(Shared {
            telemetry: Telemetry::default(),
            door: Door::default(),
            query_turns: Arc::new(Semaphore::new(app.limits.queries)),
            upload_turns: Arc::new(Semaphore::new(app.limits.uploads)),
            asking: tokio::sync::Mutex::default(),
            app,
        }))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.0.app.engine
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.app.limits
    }

    pub(crate) fn telemetry(&self) -> &Telemetry {
        &self.0.telemetry
    }

    pub(crate) fn access(&self) -> &Access {
        &self.0.app.access
    }

    pub(crate) fn door(&self) -> &Door {
        &self.0.door
    }

    /// Whom a credential lets in, if anybody.
    pub(crate) async fn grant(&self, credential: &Credential) -> Result<Option<Grant>, Problem> {
        let Some(key) = credential.key() else { return Ok(None) };
        let now = self.now();
        if let Some(grant) = self.door().believed(credential, now) {
            return Ok(Some(grant));
        }
        let since = tokio::time::Instant::now();
        let (register, credential) = (Arc::clone(&self.access().register), credential.clone());
        let found = self.aside(move || Ok(credential.look_up(&register, now)?)).await?;
        if let Some(grant) = &found {
            self.door().believe(key, grant, since);
        }
        Ok(found)
    }

    /// Writes into the audit log what a caller did.
    pub(crate) async fn audit(
        &self,
        caller: &Caller,
        action: &'static str,
        subject: &str,
        detail: Option<serde_json::Value>,
    ) -> Result<(), Problem> {
        let (register, now) = (Arc::clone(&self.access().register), self.now());
        let (actor, subject) = (caller.actor().to_owned(), subject.to_owned());
        self.aside(move || {
            let deed = Deed { actor: &actor, action, subject: &subject, detail };
            Ok(register.note(&deed, now)?)
        })
        .await
    }

    pub(crate) fn started_at(&self) -> Instant {
        self.0.app.started_at
    }

    pub(crate) fn now(&self) -> Instant {
        (self.0.app.now)()
    }

    /// The end of the minute that it is: as end of a period it includes what happened just now, and
    /// questions asked within one minute are one question.
    pub(crate) fn end_of_minute(&self) -> Instant {
        let now = self.now();
        now.duration_trunc(TimeDelta::minutes(1)).map_or(now, |minute| minute + TimeDelta::minutes(1))
    }

    /// The sources that are connected.
    pub(crate) fn sources(&self) -> &[Arc<dyn Source>] {
        &self.0.app.sources
    }

    /// Wakes whoever collects from them.
    pub(crate) fn wakers(&self) -> &Wakers {
        &self.0.app.wakers
    }

    /// Held by whoever looks whether something is under way, until it is begun.
    pub(crate) async fn asking(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.0.asking.lock().await
    }

    /// Answers a question in the format that is wanted; 304 where the caller has the answer already.
    pub(crate) async fn answer<Asked, Answering>(
        &self,
        wanted: &Wanted,
        question: &Question,
        ask: Asked,
    ) -> Result<Response, Problem>
    where
        Asked: FnOnce(Engine) -> Answering + Send + 'static,
        Answering: Future<Output = Result<Arc<Answer>, dorado_query::Error>> + Send,
    {
        // Read before the question is asked: the answer is at least as new as its tag says.
        let version = self.engine().table_version();
        let tag = Tag::of_question(wanted, question, version, self.started_at());
        if wanted.has(&tag) {
            return Ok(Wanted::not_modified(&tag));
        }
        let engine = self.engine().clone();
        let format = wanted.format;
        let (body, next_cursor) = self
            .on_queries(async move {
                let answer = ask(engine).await?;
                let next = answer.meta.get("next_cursor").and_then(|c| c.as_str()).map(String::from);
                Ok::<_, Problem>((format.encode(&answer)?, next))
            })
            .await?;
        Ok(wanted.respond(body, &tag, next_cursor.as_deref()))
    }

    /// Answers a question for a handler that shapes the answer itself.
    pub(crate) async fn ask<Asked, Answering>(&self, ask: Asked) -> Result<Arc<Answer>, Problem>
    where
        Asked: FnOnce(Engine) -> Answering + Send + 'static,
        Answering: Future<Output = Result<Arc<Answer>, dorado_query::Error>> + Send,
    {
        let engine = self.engine().clone();
        self.on_queries(async move { Ok(ask(engine).await?) }).await
    }

    /// Runs work on the questions' own runtime, when its turn comes, and gives it up with the request.
    pub(crate) async fn on_queries<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Problem>> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = self.turn(&self.0.query_turns).await?;
        let task = self.0.app.queries.spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        let _aborted_when_dropped = AbortOnDrop(task.abort_handle());
        let limit = self.limits().query_timeout;
        match timeout(limit, task).await {
            Ok(Ok(done)) => done,
            Ok(Err(failed)) => Err(crashed(&failed)),
            Err(_) => Err(Problem::new(
                Kind::Unavailable,
                format!("the question took longer than {} seconds", limit.as_secs()),
            )
            .expected("a shorter period, or fewer groups")),
        }
    }

    /// A body that is made on the questions' own runtime, no faster than it is read. What fails before the first
    /// piece is a problem; what fails later ends the body early.
    pub(crate) async fn stream(
        &self,
        begin: impl Future<Output = Result<Chunks, Problem>> + Send + 'static,
    ) -> Result<Body, Problem> {
        let turn = self.turn(&self.0.query_turns).await?;
        let (ready, begun) = oneshot::channel();
        let (pieces, mut body) = mpsc::channel(PIECES);
        self.0.app.queries.spawn(async move {
            let _turn = turn;
            let mut chunks = match begin.await {
                Ok(chunks) => chunks,
                Err(problem) => return drop(ready.send(Err(problem))),
            };
            // Whoever does not wait any more does not read either.
            if ready.send(Ok(())).is_err() {
                return;
            }
            while let Some(chunk) = chunks.next().await {
                if let Err(error) = &chunk {
                    tracing::error!(error = error as &dyn std::error::Error, "an export ended early");
                }
                let failed = chunk.is_err();
                if pieces.send(chunk.map(Bytes::from)).await.is_err() || failed {
                    return;
                }
            }
        });
        let limit = self.limits().query_timeout;
        match timeout(limit, begun).await {
            Ok(Ok(begun)) => begun?,
            Ok(Err(_)) => return Err(Problem::new(Kind::Internal, "the work for this request ended early")),
            Err(_) => return Err(Problem::new(Kind::Unavailable, "the export did not begin in time")),
        }
        Ok(Body::from_stream(stream::poll_fn(move |context| body.poll_recv(context))))
    }

    /// Runs work that holds the processor for long away from the threads that serve HTTP.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|failed| Err(crashed(&failed)))
    }

    /// Waits for the turn to read and expand a body.
    pub(crate) async fn upload_turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.turn(&self.0.upload_turns).await
    }

    async fn turn(&self, turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
        let busy = || Problem::new(Kind::Busy, "too many requests wait for their turn; try again");
        timeout(self.limits().turn, Arc::clone(turns).acquire_owned())
            .await
            .map_err(|_elapsed| busy())?
            .map_err(|_closed| busy())
    }

    /// Keeps a delivery; it is on stable storage when this returns.
    pub(crate) async fn keep(&self, delivery: Delivery) -> Result<Kept, Problem> {
        let source = delivery.source_name();
        match self.engine().lake().keep(delivery).await {
            Ok(kept) => {
                self.telemetry().kept(&source);
                Ok(kept)
            }
            Err(error) => {
                self.telemetry().keeping_failed();
                Err(error.into())
            }
        }
    }

    /// Keeps a delivery and waits for the numbers to have it; whether they do when this returns.
    pub(crate) async fn keep_and_see(&self, delivery: Delivery) -> Result<bool, Problem> {
        let kept = self.keep(delivery).await?;
        let lake = self.engine().lake();
        let followed = async {
            while lake.gold_through() < kept.arrival {
                tokio::time::sleep(LOOK).await;
            }
        };
        Ok(timeout(self.limits().visible, followed).await.is_ok())
    }
}

/// Pieces of a body that wait to be read.
const PIECES: usize = 4;

/// How often to look whether the numbers have followed.
pub(crate) const LOOK: std::time::Duration = std::time::Duration::from_millis(10);

fn crashed(failed: &JoinError) -> Problem {
    Problem::new(Kind::Internal, "the work for this request ended early").caused_by(failed)
}

/// Ends a task when the request that waits for it goes away.
struct AbortOnDrop(AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
