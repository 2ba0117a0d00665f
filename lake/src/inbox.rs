//! The inbox: raw deliveries on stable storage before anybody has read them. An embedded SQLite file with a
//! thread of its own; all that wait for it are written in one transaction, synced before any is answered.

mod file;
mod runs;

use std::path::Path;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use self::file::File;
use crate::{Collected, Delivery, Error, Kept, Run, SourceStatus};

/// Deliveries written in one transaction at most.
const GROUP: usize = 1_024;

/// What became of a delivery, for the counts of its source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// It gave facts.
    Kept,
    /// It gave none.
    Ignored,
    /// It could not be read.
    Rejected,
}

/// A delivery that leaves the inbox.
#[derive(Debug)]
pub(crate) struct Leaving {
    pub(crate) arrival: i64,
    pub(crate) source: String,
    pub(crate) outcome: Outcome,
    /// Why it gave no facts.
    pub(crate) reason: Option<String>,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
        }
    }
}

type Reply<T> = oneshot::Sender<Result<T, Error>>;

enum Request {
    Keep(Box<Delivery>, Reply<Kept>),
    Waiting(usize, Reply<Vec<(i64, Delivery)>>),
    Arrivals(i64, Reply<Vec<i64>>),
    Leave(Vec<Leaving>, Reply<()>),
    Reserve(Reply<i64>),
    Through(Reply<i64>),
    Count(Reply<u64>),
    Status(Reply<Vec<SourceStatus>>),
    Runs(Reply<Vec<Run>>),
    KeepRun(Box<Run>, Reply<()>),
    KeepPage(Vec<Collected>, Box<Run>, Reply<u64>),
}

const FILE: &str = "inbox.sqlite";

/// How sources and the collecting from them stand, as the inbox in a directory says; also while a server has it. Nothing
/// where there is no inbox.
///
/// # Errors
/// [`Error::Inbox`].
pub fn standing(directory: &Path) -> Result<(Vec<SourceStatus>, Vec<Run>), Error> {
    let path = directory.join(FILE);
    if !path.is_file() {
        return Ok((Vec::new(), Vec::new()));
    }
    let file = File::look(&path)?;
    Ok((file.status()?, file.runs()?))
}

/// The handle on the inbox's thread. Cheap to clone; the thread ends with the last handle.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    requests: mpsc::UnboundedSender<Request>,
    arrived: Arc<Notify>,
}

impl Inbox {
    /// Opens the inbox in a directory, or one in memory. No arrival number up to `used` is given again.
    pub(crate) async fn open(directory: Option<&Path>, used: i64) -> Result<Self, Error> {
        let path = directory.map(|directory| directory.join(FILE));
        let (requests, receiver) = mpsc::unbounded_channel();
        let (opened, answer) = oneshot::channel();
        let arrived = Arc::new(Notify::new());
        let wake = Arc::clone(&arrived);
        let run = move || match File::open(path.as_deref(), used) {
            Ok(file) => {
                let _ = opened.send(Ok(()));
                serve(file, receiver, &wake);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        std::thread::Builder::new().name("inbox".to_owned()).spawn(run).map_err(|source| Error::Unavailable {
            table: "inbox".to_owned(),
            action: "start the thread of",
            source: source.into(),
        })?;
        answer.await.unwrap_or(Err(Error::Closed))?;
        Ok(Self { requests, arrived })
    }

    pub(crate) async fn keep(&self, delivery: Delivery) -> Result<Kept, Error> {
        self.ask(|reply| Request::Keep(Box::new(delivery), reply)).await
    }

    /// The longest waiting, at most `limit`; fewer where their bodies are large.
    pub(crate) async fn waiting(&self, limit: usize) -> Result<Vec<(i64, Delivery)>, Error> {
        self.ask(|reply| Request::Waiting(limit, reply)).await
    }

    /// Arrivals up to and with `through` that wait.
    pub(crate) async fn arrivals(&self, through: i64) -> Result<Vec<i64>, Error> {
        self.ask(|reply| Request::Arrivals(through, reply)).await
    }

    pub(crate) async fn leave(&self, leaving: Vec<Leaving>) -> Result<(), Error> {
        self.ask(|reply| Request::Leave(leaving, reply)).await
    }

    /// Takes an arrival number for something that does not pass through the inbox.
    pub(crate) async fn reserve(&self) -> Result<i64, Error> {
        self.ask(Request::Reserve).await
    }

    /// The last arrival before which nothing waits.
    pub(crate) async fn through(&self) -> Result<i64, Error> {
        self.ask(Request::Through).await
    }

    pub(crate) async fn n_waiting(&self) -> Result<u64, Error> {
        self.ask(Request::Count).await
    }

    pub(crate) async fn status(&self) -> Result<Vec<SourceStatus>, Error> {
        self.ask(Request::Status).await
    }

    pub(crate) async fn runs(&self) -> Result<Vec<Run>, Error> {
        self.ask(Request::Runs).await
    }

    pub(crate) async fn keep_run(&self, run: Run) -> Result<(), Error> {
        self.ask(|reply| Request::KeepRun(Box::new(run), reply)).await
    }

    pub(crate) async fn keep_page(&self, page: Vec<Collected>, run: Run) -> Result<u64, Error> {
        let n_kept = self.ask(|reply| Request::KeepPage(page, Box::new(run), reply)).await?;
        if n_kept > 0 {
            self.wake();
        }
        Ok(n_kept)
    }

    /// Lets whoever waits for one to be kept go on.
    pub(crate) fn wake(&self) {
        self.arrived.notify_one();
    }

    /// Waits for one to be kept since the last call.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests.send(request(reply)).or(Err(Error::Closed))?;
        answer.await.unwrap_or(Err(Error::Closed))
    }
}

/// The thread: answers in the order of asking, deliveries that wait together in one transaction.
fn serve(mut file: File, mut requests: mpsc::UnboundedReceiver<Request>, wake: &Notify) {
    let mut next = None;
    while let Some(request) = next.take().or_else(|| requests.blocking_recv()) {
        let Request::Keep(delivery, reply) = request else {
            answer(&mut file, request);
            continue;
        };
        let (mut deliveries, mut replies) = (vec![*delivery], vec![reply]);
        while deliveries.len() < GROUP {
            match requests.try_recv() {
                Ok(Request::Keep(delivery, reply)) => {
                    deliveries.push(*delivery);
                    replies.push(reply);
                }
                Ok(other) => {
                    next = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        keep(&mut file, &deliveries, replies);
        wake.notify_one();
    }
}

/// Writes a group; where that fails, each by itself, so that every sender has an answer of their own.
fn keep(file: &mut File, deliveries: &[Delivery], replies: Vec<Reply<Kept>>) {
    match file.keep(deliveries) {
        Ok(kept) => replies.into_iter().zip(kept).for_each(|(reply, kept)| drop(reply.send(Ok(kept)))),
        Err(_) => deliveries.iter().zip(replies).for_each(|(delivery, reply)| {
            let kept = file.keep(std::slice::from_ref(delivery)).map(|kept| kept[0]);
            drop(reply.send(kept));
        }),
    }
}

fn answer(file: &mut File, request: Request) {
    match request {
        Request::Keep(delivery, reply) => keep(file, &[*delivery], vec![reply]),
        Request::Waiting(limit, reply) => drop(reply.send(file.waiting(limit))),
        Request::Arrivals(through, reply) => drop(reply.send(file.arrivals(through))),
        Request::Leave(leaving, reply) => drop(reply.send(file.leave(&leaving))),
        Request::Reserve(reply) => drop(reply.send(file.reserve())),
        Request::Through(reply) => drop(reply.send(file.through())),
        Request::Count(reply) => drop(reply.send(Ok(file.n_waiting()))),
        Request::Status(reply) => drop(reply.send(file.status())),
        Request::Runs(reply) => drop(reply.send(file.runs())),
        Request::KeepRun(run, reply) => drop(reply.send(file.keep_run(&run))),
        Request::KeepPage(page, run, reply) => drop(reply.send(file.keep_page(&page, &run))),
    }
}
