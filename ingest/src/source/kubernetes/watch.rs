//! Lists and watches workloads with kube. Of what changes only the verdict on a revision is told, once: pods that come
//! and go touch a workload all the time. What is kept of a workload are names, images and instants, and no environment
//! variables, which may be secret.

use std::collections::BTreeMap;
use std::time::Duration;

use dorado_lake::{Delivery, Status};
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, select_all};
use futures::{FutureExt as _, Stream, StreamExt, TryFutureExt as _, TryStreamExt as _};
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, WatchEvent, WatchParams};
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{client, ours};
use super::{Kubernetes, translate};
use crate::http::{self, Http};
use crate::source::body::Part;
use crate::source::{Cursor, Error, Page, collected};

/// Workloads that are told together at most; revisions of one that are looked at.
const LIMIT: usize = 500;
/// How long what came and went before this run is read, by the API server's clock and by ours.
const CATCHING_UP: (u32, Duration) = (1, Duration::from_secs(10));
/// Workloads whose verdict is remembered at most.
const MOST_TOLD: usize = 50_000;

const KINDS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// How far each resource has been watched, and what was last told of each workload.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Note {
    versions: BTreeMap<String, String>,
    told: BTreeMap<String, String>,
}

/// What one resource's watch came to.
struct Seen {
    route: String,
    kind: &'static str,
    event: watcher::Result<Event<DynamicObject>>,
}

pub(super) fn collect<'a>(cluster: &'a Kubernetes, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
    begin(cluster, http, from).try_flatten_stream().boxed()
}

async fn begin<'a>(
    cluster: &'a Kubernetes,
    http: &'a Http,
    from: Cursor,
) -> Result<impl Stream<Item = Result<Page, Error>> + 'a, Error> {
    let client = client(cluster, http).await?;
    let note: Note = from.read();
    let apis = KINDS.iter().flat_map(|kind| apis(&client, cluster, kind).into_iter().map(|api| (*kind, api)));
    let seen = select_all(apis.map(|(kind, api)| watch(kind, api, cluster.options.selector.as_deref(), &note)));
    let keeper = Keeper { cluster, http, client, from, note, waiting: Vec::new() };
    Ok(stream::try_unfold((seen, keeper), |(mut seen, mut keeper)| async move {
        while let Some(next) = seen.next().await {
            if let Some(page) = keeper.keep(next).await? {
                return Ok(Some((page, (seen, keeper))));
            }
        }
        Ok(None)
    }))
}

/// A resource in all namespaces, or in each that is named.
fn apis(client: &Client, cluster: &Kubernetes, kind: &str) -> Vec<Api<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kind));
    match cluster.options.namespaces.as_slice() {
        [] => vec![Api::all_with(client.clone(), &resource)],
        names => names.iter().map(|name| Api::namespaced_with(client.clone(), name, &resource)).collect(),
    }
}

/// kube's watcher begins with everything as it is. Before that comes what came and went since the last run, as long as the
/// cluster remembers.
fn watch(kind: &'static str, api: Api<DynamicObject>, selector: Option<&str>, note: &Note) -> BoxStream<'static, Seen> {
    let route = api.resource_url().trim_start_matches('/').to_owned();
    let since = note.versions.get(&route).cloned();
    let config = watcher::Config { label_selector: selector.map(str::to_owned), ..watcher::Config::default() };
    let missed = missed(api.clone(), config.label_selector.clone(), since);
    let events = missed.map(Ok).chain(watcher(api, config).default_backoff());
    events.map(move |event| Seen { route: route.clone(), kind, event }).boxed()
}

fn missed(
    api: Api<DynamicObject>,
    label_selector: Option<String>,
    since: Option<String>,
) -> impl Stream<Item = Event<DynamicObject>> {
    let (timeout, longest) = CATCHING_UP;
    let params = WatchParams { label_selector, ..WatchParams::default().timeout(timeout) };
    let opened = stream::iter(since).then(move |since| {
        let (api, params) = (api.clone(), params.clone());
        async move { api.watch(&params, &since).await.map(StreamExt::boxed) }
    });
    let events = opened.try_flatten().filter_map(|event| {
        future::ready(match event {
            Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => Some(Event::Apply(object)),
            Ok(WatchEvent::Deleted(object)) => Some(Event::Delete(object)),
            Ok(WatchEvent::Bookmark(_)) => None,
            Ok(WatchEvent::Error(status)) => {
                tracing::debug!(source = super::NAME, code = status.code, "what was missed is forgotten");
                None
            }
            Err(error) => {
                tracing::debug!(source = super::NAME, error = %ours(error), "what was missed cannot be read");
                None
            }
        })
    });
    events.take_until(tokio::time::sleep(longest))
}

/// Makes pages of what was seen.
struct Keeper<'a> {
    cluster: &'a Kubernetes,
    http: &'a Http,
    client: Client,
    from: Cursor,
    note: Note,
    /// What is told together at the end of a list.
    waiting: Vec<Delivery>,
}

impl Keeper<'_> {
    /// A page, where there is something to keep.
    async fn keep(&mut self, Seen { route, kind, event }: Seen) -> Result<Option<Page>, Error> {
        let n_least = match event {
            Ok(Event::Init) => return Ok(None),
            Ok(Event::InitApply(object)) => {
                self.see(route, kind, object).await?;
                LIMIT
            }
            Ok(Event::InitDone) => 0,
            Ok(Event::Apply(object)) => {
                self.see(route, kind, object).await?;
                1
            }
            Ok(Event::Delete(object)) => {
                self.note.told.remove(&object.uid().unwrap_or_default());
                self.reached(route, &object);
                return Ok(None);
            }
            Err(error) => return goes_on(&route, error).map(|()| None),
        };
        if self.waiting.len() < n_least {
            return Ok(None);
        }
        let deliveries = std::mem::take(&mut self.waiting);
        Ok(Some(Page { deliveries, cursor: self.from.with(&self.note), n_done: None, n_total: None }))
    }

    /// Notes a workload, and what is to be told of it where that is new.
    async fn see(&mut self, route: String, kind: &str, object: DynamicObject) -> Result<(), Error> {
        self.reached(route, &object);
        let mut object = serde_json::to_value(object).unwrap_or_default();
        // The items of a list need not name their kind.
        object["kind"] = json!(kind);
        let told = self.told(kind, &object).await?;
        self.waiting.extend(told);
        Ok(())
    }

    /// How far a resource has been seen. Versions count up.
    fn reached(&mut self, route: String, object: &DynamicObject) {
        let number = |version: &str| version.parse::<u128>().ok();
        let Some(version) = object.resource_version().filter(|version| number(version).is_some()) else { return };
        let reached = self.note.versions.entry(route).or_default();
        if number(reached) < number(&version) {
            *reached = version;
        }
    }

    async fn told(&mut self, kind: &str, object: &Value) -> Result<Option<Delivery>, Error> {
        let mut kept = None;
        let mut rollout = translate::rollout(&Part::whole(object), &[]);
        // A DaemonSet need not count its revisions itself.
        if rollout.is_err() && kind == "DaemonSet" {
            let revisions = kept.insert(self.revisions(kind, object).await?);
            let revisions: Vec<Part<'_>> = revisions.iter().map(Part::whole).collect();
            rollout = translate::rollout(&Part::whole(object), &revisions);
        }
        let Ok(rollout) = rollout else { return Ok(None) };
        let verdict = format!("{}:{:?}", rollout.revision, rollout.status);
        let key = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let told = self.note.told.get(&key);
        // A revision that is up stays so, whatever its pods do.
        let is_told =
            |told: &str| rollout.status == Status::Running && told.starts_with(&format!("{}:", rollout.revision));
        if told.is_some_and(|told| *told == verdict || is_told(told)) {
            return Ok(None);
        }
        let revisions = match kept {
            Some(revisions) => revisions,
            None => self.revisions(kind, object).await?,
        };
        let id = format!("{key}/{verdict}");
        let body = json!({"type": "MODIFIED", "object": pruned(object), "revisions": revisions});
        if self.note.told.len() < MOST_TOLD || self.note.told.contains_key(&key) {
            self.note.told.insert(key, verdict);
        }
        Ok(Some(collected(self.cluster, id, Vec::new(), body.to_string(), self.http.now())))
    }

    /// The revisions that the cluster keeps of a workload; none where we may not see them.
    async fn revisions(&self, kind: &str, object: &Value) -> Result<Vec<Value>, Error> {
        let kept = if kind == "Deployment" { "ReplicaSet" } else { "ControllerRevision" };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", kept));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), namespace, &resource);
        let labels = object["spec"]["selector"]["matchLabels"].as_object();
        let pairs = labels.into_iter().flatten().filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)));
        let selector = pairs.collect::<Vec<_>>().join(",");
        let list = match api.list(&ListParams::default().labels(&selector).limit(LIMIT as u32)).await.map_err(ours) {
            Ok(list) => list,
            Err(error) if error.is_gone() || error.status() == Some(403) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let is_own = |kept: &&DynamicObject| {
            kept.owner_references().iter().any(|owner| object["metadata"]["uid"] == owner.uid.as_str())
        };
        Ok(list.items.iter().filter(is_own).map(revision).collect())
    }
}

/// Whether the watcher goes on by itself. It does where a watch broke or the place to go on from is forgotten; what did not
/// begin has been tried with patience, and ends the run.
fn goes_on(route: &str, error: watcher::Error) -> Result<(), Error> {
    match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            let error = ours(error);
            if error.status() == Some(410) { Ok(()) } else { Err(error.into()) }
        }
        watcher::Error::NoResourceVersion => {
            let problem = format!("{route}: the API server gives no resourceVersion to watch from");
            Err(http::Error::Unsuitable(problem).into())
        }
        error => {
            tracing::debug!(source = super::NAME, route, %error, "a watch broke");
            Ok(())
        }
    }
}

/// What is needed of a ReplicaSet or ControllerRevision.
fn revision(kept: &DynamicObject) -> Value {
    let counted = kept.annotations().get("deployment.kubernetes.io/revision");
    let number = kept.data.get("revision").map_or_else(|| json!(counted), Value::clone);
    json!({"name": kept.metadata.name, "revision": number, "created_at": kept.metadata.creation_timestamp})
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
        let client = client(cluster, http).await?;
        let version = client.apiserver_version().await.map_err(ours)?.git_version;
        for api in KINDS.iter().flat_map(|kind| apis(&client, cluster, kind)) {
            api.list(&ListParams::default().limit(1)).await.map_err(ours)?;
        }
        let version = if version.is_empty() { "of an unknown version" } else { &version };
        Ok(format!("Kubernetes {version}; deployments, stateful sets and daemon sets can be listed"))
    }
    .boxed()
}
