//! What GitHub knows, list by list: pull requests with their commits and reviews in one GraphQL query a page; commits,
//! deployments, releases, workflow runs and issues over REST; deliveries of webhooks that did not reach us. Each becomes
//! the webhook that would have told it, or a document of its own that the translator reads too. Source: docs.github.com,
//! "REST API" and "GraphQL API".

mod access;
mod client;
mod hooks;
mod lists;
mod note;
mod pulls;

use std::collections::{HashSet, VecDeque};

use chrono::DateTime;
use dorado_lake::{Delivery, Instant};
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use self::access::Access;
use self::lists::List;
use self::note::Note;
use super::Github;
use crate::http::{Error as HttpError, Http};
use crate::source::{Cursor, Error, Page, collected};

/// Rows a page; GitHub gives at most a hundred.
const PER_PAGE: usize = 100;
/// Pull requests a page at first; fewer where GitHub takes too long.
const PULLS_PER_PAGE: usize = 100;

/// Something still to be read, page by page.
#[derive(Debug, Clone, PartialEq)]
enum Step {
    PullRequests(String),
    List(String, List),
    Hook(String),
}

/// Reads one run.
struct Reader<'a> {
    source: &'a Github,
    access: Access<'a>,
    cursor: Cursor,
    note: Note,
    steps: VecDeque<Step>,
    n_done: u64,
    n_total: u64,
    /// Rows of the page in hand that are still to be read in detail.
    pending: VecDeque<Value>,
    /// The page read last, to see whether rows have slid over its edge.
    before: Option<lists::Before>,
    pulls_per_page: usize,
    /// Repositories that are not there, or not for us.
    gone: HashSet<String>,
    n_read: usize,
}

/// The pages of a run.
pub(super) fn pages<'a>(
    source: &'a Github,
    http: &'a Http,
    from: Cursor,
) -> impl Stream<Item = Result<Page, Error>> + Send + 'a {
    stream::try_unfold(None, move |reader: Option<Reader<'a>>| {
        let from = from.clone();
        async move {
            let mut reader = match reader {
                Some(reader) => reader,
                None => Reader::new(source, http, from).await?,
            };
            Ok(reader.page().await?.map(|page| (page, Some(reader))))
        }
    })
}

impl<'a> Reader<'a> {
    async fn new(source: &'a Github, http: &'a Http, cursor: Cursor) -> Result<Self, Error> {
        let access = Access::new(source, http).await?;
        let note: Note = cursor.read();
        let mut steps = VecDeque::new();
        let options = &source.options;
        for repository in access.repositories(&options.repositories).await? {
            let repository = note.renamed.get(&repository).cloned().unwrap_or(repository);
            steps.push_back(Step::PullRequests(repository.clone()));
            let lists = List::of(options);
            steps.extend(lists.into_iter().map(|list| Step::List(repository.clone(), list)));
        }
        steps.extend(options.hooks.iter().cloned().map(Step::Hook));
        let n_total = steps.len() as u64;
        Ok(Self {
            source,
            access,
            cursor,
            note,
            steps,
            n_done: 0,
            n_total,
            pending: VecDeque::new(),
            before: None,
            pulls_per_page: PULLS_PER_PAGE,
            gone: HashSet::new(),
            n_read: 0,
        })
    }

    /// The next page; `None` where nothing is left.
    async fn page(&mut self) -> Result<Option<Page>, Error> {
        loop {
            let Some(step) = self.steps.front().cloned() else { return self.ended() };
            if step.repository().is_some_and(|repository| self.gone.contains(repository)) {
                self.done();
                continue;
            }
            let read = match &step {
                Step::PullRequests(repository) => self.pull_requests(repository).await,
                Step::List(repository, list) => self.list(repository, list).await,
                Step::Hook(hook) => self.missed(hook).await,
            };
            match read {
                Ok((deliveries, is_through)) => {
                    self.n_read += 1;
                    if is_through {
                        self.done();
                    }
                    let (n_done, n_total) = (Some(self.n_done), Some(self.n_total));
                    return Ok(Some(Page { deliveries, cursor: self.cursor.with(&self.note), n_done, n_total }));
                }
                Err(error) => self.recover(&step, error).await?,
            }
        }
    }

    fn done(&mut self) {
        self.steps.pop_front();
        self.pending.clear();
        self.before = None;
        self.n_done += 1;
    }

    /// An end at which nothing could be read is none.
    fn ended(&self) -> Result<Option<Page>, Error> {
        if self.n_read == 0 && !self.gone.is_empty() {
            let names: Vec<&str> = self.gone.iter().map(String::as_str).take(3).collect();
            let sentence = format!("{} is not there, or the token may not see it", names.join(", "));
            return Err(HttpError::Unsuitable(sentence).into());
        }
        Ok(None)
    }

    /// Goes on after what concerns one repository only; gives back what ends the run.
    async fn recover(&mut self, step: &Step, error: Error) -> Result<(), Error> {
        let Error::Http(wrong) = &error else { return Err(error) };
        let Some(repository) = step.repository() else {
            return Err(error);
        };
        match wrong {
            HttpError::Moved { to, .. } => {
                let new = self.access.new_name(repository, to).await?;
                tracing::info!(repository, new, "a repository was renamed");
                self.rename(repository, &new);
            }
            wrong if wrong.is_gone() => {
                if self.access.is_there(repository).await? {
                    // This list is switched off.
                    self.done();
                } else {
                    tracing::warn!(repository, "a repository is not there, or not for this token; it is passed over");
                    self.gone.insert(repository.to_owned());
                }
            }
            // An empty repository.
            HttpError::Refused { status: 409, .. } => self.done(),
            _ => return Err(error),
        }
        Ok(())
    }

    fn rename(&mut self, old: &str, new: &str) {
        if let Some(read) = self.note.repositories.remove(old) {
            self.note.repositories.insert(new.to_owned(), read);
        }
        for current in self.note.renamed.values_mut().filter(|current| *current == old) {
            new.clone_into(current);
        }
        self.note.renamed.insert(old.to_owned(), new.to_owned());
        for step in &mut self.steps {
            if let Step::PullRequests(repository) | Step::List(repository, _) = step
                && repository == old
            {
                new.clone_into(repository);
            }
        }
        self.pending.clear();
        self.before = None;
    }

    /// The webhook or document that tells `body` of a repository. Its id is made from the row, so that reading
    /// the same again is a redelivery.
    fn delivery(&self, event: &str, repository: &str, row: &Value, mut body: Value) -> Delivery {
        body["repository"] = json!({ "full_name": repository });
        let clock = ["updated_at", "updatedAt", "created_at"].iter().find_map(|key| row[*key].as_str());
        let id = ["id", "number", "sha"].iter().map(|key| &row[*key]).find(|id| !id.is_null());
        let id = id.map_or_else(String::new, |id| id.to_string().trim_matches('"').to_owned());
        let body = body.to_string();
        let digest = hex::encode(&Sha256::digest(&body)[..4]);
        let id = format!("collected/{repository}/{event}/{id}/{}/{digest}", clock.unwrap_or_default());
        self.kept(event, id, body)
    }

    fn kept(&self, event: &str, id: String, body: String) -> Delivery {
        let headers = vec![("x-github-event".to_owned(), event.to_owned())];
        collected(self.source, id, headers, body, self.access.now())
    }

    fn since(&self) -> Instant {
        self.cursor.since
    }
}

/// Makes a call of each kind that a run makes, and says in words what the token may not.
pub(super) async fn test(source: &Github, http: &Http) -> Result<String, Error> {
    let access = Access::new(source, http).await?;
    let repositories = access.repositories(&source.options.repositories).await?;
    let Some(first) = repositories.first() else {
        let sentence = format!("no repository matches {}", source.options.repositories.join(", "));
        return Err(HttpError::Unsuitable(sentence).into());
    };
    for repository in repositories.iter().filter(|name| source.options.repositories.contains(name)).chain([first]) {
        if !access.is_there(repository).await? {
            let sentence = format!("{repository} is not there, or the token may not see it");
            return Err(HttpError::Unsuitable(sentence).into());
        }
    }
    let (owner, name) = first.split_once('/').unwrap_or((first, ""));
    let variables = json!({ "owner": owner, "name": name, "first": 1 });
    let refused = |what: &str, error: HttpError| match error.status() {
        Some(403 | 404) => HttpError::Unsuitable(format!("the token may not read {what} of {first}; {error}")),
        _ => error,
    };
    let pulls = access.graphql(first, pulls::PULL_REQUESTS, variables).await;
    pulls.map_err(|error| refused("pull requests", error))?;
    for list in List::of(&source.options) {
        match access.get(first, &list.path(), &[("per_page", "1")]).await {
            Ok(_) | Err(HttpError::Refused { status: 409 | 410, .. }) => {}
            Err(error) => return Err(refused(list.what(), error).into()),
        }
    }
    let left =
        access.budget().and_then(|budget| Some(format!("; {} of {} calls left", budget.remaining?, budget.limit?)));
    Ok(format!("{} to read, {first} can be{}", repositories.len(), left.unwrap_or_default()))
}

impl Step {
    fn repository(&self) -> Option<&str> {
        match self {
            Self::PullRequests(repository) | Self::List(repository, _) => Some(repository),
            Self::Hook(_) => None,
        }
    }
}

/// The instant in a field.
fn instant(row: &Value, field: &str) -> Option<Instant> {
    DateTime::parse_from_rfc3339(row[field].as_str()?).ok().map(|at| at.to_utc())
}
