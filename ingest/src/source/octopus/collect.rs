//! Deployments from Octopus Deploy's REST API, each with its task, release, project, environment, channel and tenant.
//! The list has the newest first, so a page number that is too small after new ones came only repeats some.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;
use dorado_lake::{Delivery, Instant};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Octopus;
use crate::http::{self, Http};
use crate::source::{Cursor, Error, Page, collected, time};

/// Deployments a page.
const TAKE: usize = 50;
/// Calls at once.
const AT_ONCE: usize = 4;
/// How long a deployment may be unfinished and still be asked for again.
const LONGEST: TimeDelta = TimeDelta::days(7);
/// Documents that are remembered within a run at most.
const MOST_REMEMBERED: usize = 20_000;

/// How far each space has been read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Note {
    spaces: BTreeMap<String, Mark>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Mark {
    /// Everything that was created before is known to its end.
    known_until: Option<Instant>,
    /// A run that has not come to its end.
    run: Option<Half>,
}

/// How far a run has come.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Half {
    skip: usize,
    /// The newest that it has seen.
    newest: Option<Instant>,
    /// The oldest that had not ended.
    unfinished: Option<Instant>,
}

struct Run<'a> {
    octopus: &'a Octopus,
    http: &'a Http,
    from: Cursor,
    note: Note,
    /// Spaces still to be read; none before they are known.
    spaces: Option<VecDeque<String>>,
    documents: BTreeMap<String, Value>,
    n_done: u64,
}

pub(super) fn collect<'a>(octopus: &'a Octopus, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
    let note = from.read();
    let run = Run { octopus, http, from, note, spaces: None, documents: BTreeMap::new(), n_done: 0 };
    stream::try_unfold(run, |mut run| async move {
        let mut left = match run.spaces.take() {
            Some(left) => left,
            None => spaces(run.octopus, run.http).await?.into(),
        };
        let Some(space) = left.front().cloned() else {
            return Ok(None);
        };
        let (deliveries, is_last) = run.page(&space).await?;
        if is_last {
            left.pop_front();
        }
        run.spaces = Some(left);
        run.n_done += deliveries.len() as u64;
        let page = Page { deliveries, cursor: run.from.with(&run.note), n_done: Some(run.n_done), n_total: None };
        Ok(Some((page, run)))
    })
    .boxed()
}

/// Ids of the spaces that are read.
async fn spaces(octopus: &Octopus, http: &Http) -> Result<Vec<String>, Error> {
    let all: Vec<Value> = http.get("api/spaces/all", &[]).await?.json()?;
    let wanted = &octopus.options.spaces;
    let is_named = |space: &Value, name: &str| space["Name"] == *name || space["Id"] == *name;
    if let Some(name) = wanted.iter().find(|name| !all.iter().any(|space| is_named(space, name))) {
        return Err(http::Error::Unsuitable(format!("there is no space `{name}` that this API key may see")).into());
    }
    let is_wanted = |space: &&Value| match wanted.as_slice() {
        [] => space["IsDefault"] == true,
        wanted => wanted.iter().any(|name| is_named(space, name)),
    };
    Ok(all.iter().filter(is_wanted).filter_map(|space| Some(space["Id"].as_str()?.to_owned())).collect())
}

impl Run<'_> {
    /// The next page of a space, and whether it was the last.
    async fn page(&mut self, space: &str) -> Result<(Vec<Delivery>, bool), Error> {
        let mark = self.note.spaces.get(space).cloned().unwrap_or_default();
        let until = mark.known_until.unwrap_or(self.from.since);
        let mut half = mark.run.unwrap_or_default();
        let (skip, take) = (half.skip.to_string(), TAKE.to_string());
        let query = [("skip", skip.as_str()), ("take", take.as_str())];
        let list: Value = self.http.get(&format!("api/{space}/deployments"), &query).await?.json()?;
        let rows: Vec<Value> = list["Items"].as_array().cloned().unwrap_or_default();
        let created = |row: &Value| time::read(&row["Created"]);
        let n_rows = rows.len();
        let new: Vec<Value> = rows.into_iter().filter(|row| created(row).is_none_or(|at| at >= until)).collect();
        let is_last = n_rows < TAKE || new.len() < n_rows;
        half.newest = half.newest.max(new.iter().filter_map(created).max());
        let read = new.into_iter().map(|row| with_task(self.http, space, row));
        let read: Vec<(Value, Value)> = stream::iter(read).buffered(AT_ONCE).try_collect().await?;
        let mut deliveries = Vec::with_capacity(read.len());
        for (row, task) in read {
            // Asked for again until it has ended, but not for ever.
            let waits = created(&row).filter(|at| task["IsCompleted"] != true && *at > self.http.now() - LONGEST);
            half.unfinished = half.unfinished.into_iter().chain(waits).min();
            deliveries.push(self.delivery(space, row, task).await?);
        }
        half.skip += TAKE;
        let known_until = half.unfinished.or(half.newest).or(mark.known_until);
        let mark = self.note.spaces.entry(space.to_owned()).or_default();
        if is_last {
            *mark = Mark { known_until, run: None };
        } else {
            mark.run = Some(half);
        }
        Ok((deliveries, is_last))
    }

    /// A deployment with all that it refers to.
    async fn delivery(&mut self, space: &str, row: Value, task: Value) -> Result<Delivery, Error> {
        let release = self.document(space, "releases", &row["ReleaseId"]).await?;
        let project = self.document(space, "projects", &row["ProjectId"]).await?;
        let environment = self.document(space, "environments", &row["EnvironmentId"]).await?;
        let channel = self.document(space, "channels", &row["ChannelId"]).await?;
        let tenant = self.document(space, "tenants", &row["TenantId"]).await?;
        let state = task["State"].as_str().unwrap_or_default();
        let clock = task["CompletedTime"].as_str().or(task["StartTime"].as_str()).unwrap_or_default();
        let id = format!("rest/{}/{state}/{clock}", row["Id"].as_str().unwrap_or_default());
        let server = self.octopus.connection.url.as_deref().unwrap_or_default().trim_end_matches('/');
        let body = json!({"server": server, "deployment": row, "task": task, "release": release, "project": project,
            "environment": environment, "channel": channel, "tenant": tenant});
        Ok(collected(self.octopus, id, Vec::new(), body.to_string(), self.http.now()))
    }

    /// A document by its id; null where there is none, or none for us.
    async fn document(&mut self, space: &str, kind: &str, id: &Value) -> Result<Value, Error> {
        let Some(id) = id.as_str().filter(|id| !id.is_empty()) else {
            return Ok(Value::Null);
        };
        if let Some(known) = self.documents.get(id) {
            return Ok(known.clone());
        }
        let document = optional(self.http, &format!("api/{space}/{kind}/{id}")).await?;
        if self.documents.len() < MOST_REMEMBERED {
            self.documents.insert(id.to_owned(), document.clone());
        }
        Ok(document)
    }
}

/// A deployment and its task.
async fn with_task(http: &Http, space: &str, row: Value) -> Result<(Value, Value), Error> {
    let task = match row["TaskId"].as_str() {
        Some(task) => optional(http, &format!("api/{space}/tasks/{task}")).await?,
        None => Value::Null,
    };
    Ok((row, task))
}

async fn optional(http: &Http, route: &str) -> Result<Value, Error> {
    match http.get(route, &[]).await {
        Ok(answer) => Ok(answer.json()?),
        Err(error) if error.is_gone() || error.status() == Some(403) => Ok(Value::Null),
        Err(error) => Err(error.into()),
    }
}

pub(super) fn test<'a>(octopus: &'a Octopus, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
    async move {
        let user: Value = http.get("api/users/me", &[]).await?.json()?;
        let spaces = spaces(octopus, http).await?;
        let name = user["Username"].as_str().unwrap_or("somebody without a name");
        for space in &spaces {
            http.get(&format!("api/{space}/deployments"), &[("take", "1")]).await?;
        }
        Ok(format!("signed in as {name}; deployments of {} are seen", spaces.join(", ")))
    }
    .boxed()
}
