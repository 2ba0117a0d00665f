//! Lists and watches workloads. Of what changes only the verdict on a revision is told, once: pods that come and go
//! touch a workload all the time. What is kept of a workload are names, images and instants, and no environment
//! variables, which may be secret.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use dorado_lake::{Delivery, Status};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, SelectAll};
use futures::{FutureExt as _, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Kubernetes, translate};
use crate::http::{self, Http};
use crate::source::body::Part;
use crate::source::{Cursor, Error, Page, collected};

/// Workloads a page of a list.
const LIMIT: &str = "500";
/// How long the API server keeps a watch open; then it is opened again where it ended.
const WATCH_SECONDS: &str = "290";
/// Pause before a watch that broke is opened again.
const PAUSE: Duration = Duration::from_millis(500);
/// Workloads whose verdict is remembered at most.
const MOST_TOLD: usize = 50_000;

const KINDS: [(&str, &str); 3] =
    [("deployments", "Deployment"), ("statefulsets", "StatefulSet"), ("daemonsets", "DaemonSet")];

/// How far each resource has been watched, and what was last told of each workload.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Note {
    versions: BTreeMap<String, String>,
    told: BTreeMap<String, String>,
}

/// What one resource's watch came to.
enum Seen {
    /// Workloads as they are now, by a list.
    Listed { route: String, kind: &'static str, objects: Vec<Value>, version: Option<String> },
    /// One that changed.
    Changed { kind: &'static str, event: Value },
    /// Nothing, up to this version.
    Bookmark { route: String, version: String },
}

/// One resource in one namespace, or in all.
struct Watch<'a> {
    http: &'a Http,
    selector: Option<&'a str>,
    route: String,
    kind: &'static str,
    state: State,
}

enum State {
    List { next: Option<String> },
    Open { version: String },
    Watching { version: String, lines: BoxStream<'static, Result<Bytes, http::Error>> },
}

pub(super) fn collect<'a>(cluster: &'a Kubernetes, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
    let note: Note = from.read();
    let mut watches = SelectAll::new();
    for (resource, kind) in KINDS {
        for route in routes(cluster, resource) {
            let state = match note.versions.get(&route) {
                Some(version) => State::Open { version: version.clone() },
                None => State::List { next: None },
            };
            let selector = cluster.options.selector.as_deref();
            watches.push(Watch { http, selector, route, kind, state }.seen());
        }
    }
    let run = (watches, Keeper { cluster, http, from, note });
    stream::try_unfold(run, |(mut watches, mut keeper)| async move {
        while let Some(seen) = watches.next().await {
            if let Some(page) = keeper.keep(seen?).await? {
                return Ok(Some((page, (watches, keeper))));
            }
        }
        Ok(None)
    })
    .boxed()
}

fn routes(cluster: &Kubernetes, resource: &str) -> Vec<String> {
    match cluster.options.namespaces.as_slice() {
        [] => vec![format!("apis/apps/v1/{resource}")],
        names => names.iter().map(|name| format!("apis/apps/v1/namespaces/{name}/{resource}")).collect(),
    }
}

impl<'a> Watch<'a> {
    fn seen(self) -> BoxStream<'a, Result<Seen, Error>> {
        stream::try_unfold(self, |mut watch| async move {
            loop {
                if let Some(seen) = watch.step().await? {
                    return Ok(Some((seen, watch)));
                }
            }
        })
        .boxed()
    }

    async fn step(&mut self) -> Result<Option<Seen>, Error> {
        match std::mem::replace(&mut self.state, State::List { next: None }) {
            State::List { next } => self.list(next).await.map(Some),
            State::Open { version } => {
                let query = [
                    ("watch", "1"),
                    ("allowWatchBookmarks", "true"),
                    ("resourceVersion", &version),
                    ("timeoutSeconds", WATCH_SECONDS),
                ];
                let query: Vec<_> = query.into_iter().chain(self.selected()).collect();
                match self.http.lines(&self.route, &query).await {
                    Ok(lines) => self.state = State::Watching { version, lines },
                    // The version is too old: what happened since is found by listing.
                    Err(error) if error.status() == Some(410) => {}
                    Err(error) => self.broke(version, &error).await,
                }
                Ok(None)
            }
            State::Watching { version, mut lines } => match lines.next().await {
                Some(Ok(line)) if line.trim_ascii().is_empty() => {
                    self.state = State::Watching { version, lines };
                    Ok(None)
                }
                Some(Ok(line)) => Ok(self.line(&line, version, lines)),
                Some(Err(error)) => {
                    self.broke(version, &error).await;
                    Ok(None)
                }
                None => {
                    tokio::time::sleep(PAUSE).await;
                    self.state = State::Open { version };
                    Ok(None)
                }
            },
        }
    }

    /// A watch that broke goes on with a list, whose calls are repeated with patience and whose error is final.
    async fn broke(&mut self, version: String, error: &http::Error) {
        tracing::debug!(source = super::NAME, route = self.route, version, %error, "a watch broke");
        tokio::time::sleep(PAUSE).await;
    }

    async fn list(&mut self, next: Option<String>) -> Result<Seen, Error> {
        let mut query = vec![("limit", LIMIT)];
        query.extend(self.selected());
        query.extend(next.as_deref().map(|next| ("continue", next)));
        let answer = match self.http.get(&self.route, &query).await {
            // The list changed too much since its first page.
            Err(error) if error.status() == Some(410) && next.is_some() => {
                query.retain(|(key, _)| *key != "continue");
                self.http.get(&self.route, &query).await?
            }
            answer => answer?,
        };
        let list: Value = answer.json()?;
        let next = list["metadata"]["continue"].as_str().filter(|next| !next.is_empty()).map(str::to_owned);
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        let is_whole = next.is_none();
        self.state = match next {
            Some(next) => State::List { next: Some(next) },
            None => State::Open { version: version.clone() },
        };
        let objects = list["items"].as_array().cloned().unwrap_or_default();
        let (route, kind) = (self.route.clone(), self.kind);
        Ok(Seen::Listed { route, kind, objects, version: is_whole.then_some(version) })
    }

    fn line(
        &mut self,
        line: &[u8],
        version: String,
        lines: BoxStream<'static, Result<Bytes, http::Error>>,
    ) -> Option<Seen> {
        let event: Value = match serde_json::from_slice(line) {
            Ok(event) => event,
            Err(error) => {
                // The connection was cut within a line: open again where the last whole one ended.
                tracing::debug!(source = super::NAME, route = self.route, %error, "a line of a watch is not whole");
                self.state = State::Open { version };
                return None;
            }
        };
        if event["type"] == "ERROR" {
            tracing::debug!(source = super::NAME, route = self.route, code = %event["object"]["code"], "a watch ended");
            return None;
        }
        let seen_version = event["object"]["metadata"]["resourceVersion"].as_str().unwrap_or(&version).to_owned();
        self.state = State::Watching { version: seen_version.clone(), lines };
        if event["type"] == "BOOKMARK" {
            return Some(Seen::Bookmark { route: self.route.clone(), version: seen_version });
        }
        Some(Seen::Changed { kind: self.kind, event })
    }

    fn selected(&self) -> Option<(&'static str, &'a str)> {
        self.selector.map(|selector| ("labelSelector", selector))
    }
}

/// Makes pages of what was seen.
struct Keeper<'a> {
    cluster: &'a Kubernetes,
    http: &'a Http,
    from: Cursor,
    note: Note,
}

impl Keeper<'_> {
    /// A page, where there is something to keep.
    async fn keep(&mut self, seen: Seen) -> Result<Option<Page>, Error> {
        let mut deliveries = Vec::new();
        match seen {
            Seen::Bookmark { route, version } => {
                self.note.versions.insert(route, version);
            }
            Seen::Changed { kind, event } => {
                let object = event["object"].clone();
                if event["type"] == "DELETED" {
                    self.note.told.remove(uid(&object));
                } else {
                    deliveries.extend(self.told(kind, object).await?);
                }
                if deliveries.is_empty() {
                    return Ok(None);
                }
            }
            Seen::Listed { route, kind, objects, version } => {
                for object in objects {
                    deliveries.extend(self.told(kind, object).await?);
                }
                if let Some(version) = version {
                    self.note.versions.insert(route, version);
                }
            }
        }
        Ok(Some(Page { deliveries, cursor: self.from.with(&self.note), n_done: None, n_total: None }))
    }

    /// A workload, where what is to be told of it is new.
    async fn told(&mut self, kind: &str, mut object: Value) -> Result<Option<Delivery>, Error> {
        // The items of a list do not name their kind.
        object["kind"] = json!(kind);
        let Ok(rollout) = translate::rollout(&Part::whole(&object), &[]) else {
            return Ok(None);
        };
        let verdict = format!("{}:{:?}", rollout.revision, rollout.status);
        let key = uid(&object).to_owned();
        let told = self.note.told.get(&key);
        // A revision that is up stays so, whatever its pods do.
        let is_told =
            |told: &str| rollout.status == Status::Running && told.starts_with(&format!("{}:", rollout.revision));
        if told.is_some_and(|told| *told == verdict || is_told(told)) {
            return Ok(None);
        }
        let revisions = self.revisions(kind, &object).await?;
        let id = format!("{key}/{verdict}");
        let body = json!({"type": "MODIFIED", "object": pruned(&object), "revisions": revisions});
        if self.note.told.len() < MOST_TOLD || self.note.told.contains_key(&key) {
            self.note.told.insert(key, verdict);
        }
        Ok(Some(collected(self.cluster, id, Vec::new(), body.to_string(), self.http.now())))
    }

    /// The revisions that the cluster keeps of a workload; none where we may not see them.
    async fn revisions(&self, kind: &str, object: &Value) -> Result<Vec<Value>, Error> {
        let resource = if kind == "Deployment" { "replicasets" } else { "controllerrevisions" };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let labels = object["spec"]["selector"]["matchLabels"].as_object();
        let pairs = labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
        let selector = pairs.collect::<Vec<_>>().join(",");
        let query = [("labelSelector", selector.as_str()), ("limit", LIMIT)];
        let list: Value = match self.http.get(&format!("apis/apps/v1/namespaces/{namespace}/{resource}"), &query).await
        {
            Ok(answer) => answer.json()?,
            Err(error) if error.is_gone() || error.status() == Some(403) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let is_own = |kept: &&Value| {
            let owners = kept["metadata"]["ownerReferences"].as_array();
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == object["metadata"]["uid"]))
        };
        let items = list["items"].as_array().map_or(&[][..], Vec::as_slice);
        Ok(items.iter().filter(is_own).map(revision).collect())
    }
}

/// What is needed of a ReplicaSet or ControllerRevision.
fn revision(kept: &Value) -> Value {
    let metadata = &kept["metadata"];
    let counted = &metadata["annotations"]["deployment.kubernetes.io/revision"];
    let number = if kept["revision"].is_null() { counted } else { &kept["revision"] };
    json!({"name": metadata["name"], "revision": number, "created_at": metadata["creationTimestamp"]})
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

/// A workload without what nobody needs here, and what nobody should see.
fn pruned(object: &Value) -> Value {
    let without_config = |annotations: &Value| match annotations {
        Value::Object(all) => {
            all.iter().filter(|(key, _)| !key.contains("last-applied")).map(|(k, v)| (k.clone(), v.clone())).collect()
        }
        _ => Value::Null,
    };
    let metadata = &object["metadata"];
    let pods = &object["spec"]["template"];
    let each = |list: &Value, keys: &[&str]| {
        let some = |item: &Value| keys.iter().map(|key| ((*key).to_owned(), item[*key].clone())).collect::<Value>();
        list.as_array().map(|items| items.iter().map(some).collect::<Vec<_>>())
    };
    json!({
        "kind": object["kind"],
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "generation": metadata["generation"], "creationTimestamp": metadata["creationTimestamp"],
            "labels": metadata["labels"], "annotations": without_config(&metadata["annotations"]),
            "managedFields": each(&metadata["managedFields"], &["manager", "subresource", "operation", "time"]),
        },
        "spec": {
            "replicas": object["spec"]["replicas"],
            "template": {
                "metadata": {
                    "labels": pods["metadata"]["labels"],
                    "annotations": without_config(&pods["metadata"]["annotations"]),
                },
                "spec": {"containers": each(&pods["spec"]["containers"], &["name", "image"])},
            },
        },
        "status": object["status"],
    })
}

pub(super) fn test<'a>(cluster: &'a Kubernetes, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
    async move {
        let version: Value = http.get("version", &[]).await?.json()?;
        for (resource, _) in KINDS {
            for route in routes(cluster, resource) {
                http.get(&route, &[("limit", "1")]).await?;
            }
        }
        let version = version["gitVersion"].as_str().unwrap_or("of an unknown version");
        Ok(format!("Kubernetes {version}; deployments, stateful sets and daemon sets can be listed"))
    }
    .boxed()
}
