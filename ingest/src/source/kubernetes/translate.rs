//! A workload as the API server shows it at one moment, to its rollout. Only what belongs to one revision counts, so
//! that scaling, restarted pods and new nodes change nothing.

use dorado_lake::{Deployment, Fact, Instant, Status};

use super::Options;
use crate::source::body::Part;
use crate::source::told::{self, Told, environment_in, full_sha, ranked, repository_of_url};
use crate::source::{Error, image};

/// The newest revision of a workload, and how far it is rolled out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rollout {
    /// Its number, where the cluster counts them, else its name.
    pub(super) revision: String,
    pub(super) status: Status,
    /// When the cluster made the revision, or took an old one again.
    started_at: Option<Instant>,
    finished_at: Option<Instant>,
    is_rollback: bool,
}

/// A watch event as the collector keeps it, or a workload itself.
pub(super) fn event(body: &Part<'_>, source: &str, options: &Options) -> Result<Told, Error> {
    if body.text("type").as_deref() == Some("DELETED") {
        return Ok(Told::nothing("a workload was deleted"));
    }
    let object = if body.part("object").exists() { body.part("object") } else { body.clone() };
    let rollout = match rollout(&object, &body.items("revisions")) {
        Ok(rollout) => rollout,
        Err(why) => return Ok(Told::nothing(why)),
    };
    let finished_at = match rollout.status {
        Status::Running => None,
        _ => Some(rollout.finished_at.ok_or_else(|| object.missing("status.conditions.lastUpdateTime"))?),
    };
    let name = object.needed_text("metadata.name")?;
    let kind = object.needed_text("kind")?;
    let namespace = object.text("metadata.namespace").unwrap_or_else(|| "default".to_owned());
    let uid: String = object.text("metadata.uid").unwrap_or_default().chars().take(8).collect();
    let marks = Marks::of(&object);
    let service = marks.own("service").unwrap_or_else(|| name.clone());
    let images = object.items("spec.template.spec.containers");
    let images: Vec<String> = images.iter().filter_map(|container| container.text("image")).collect();
    let said = image::read(images.iter().map(String::as_str), &service);
    let named = marks.own("revision").or_else(|| marks.any(&["org.opencontainers.image.revision"]));
    let version = || marks.any(&["app.kubernetes.io/version", "org.opencontainers.image.version"]);
    let repository = marks.own("repository").or_else(|| marks.any(&["org.opencontainers.image.source"]));
    // Running is as old as its revision, so that it never hides how it ended.
    let clock = finished_at.or(rollout.started_at);
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        id: format!("{namespace}/{}/{name}/{uid}@{}", kind.to_lowercase(), rollout.revision),
        team: marks.own("team"),
        repository: repository.map(|r| repository_of_url(&r).unwrap_or(r)),
        environment: marks
            .own("environment")
            .or_else(|| marks.any(&["environment", "env"]))
            .or_else(|| environment_in([namespace.as_str(), name.as_str()]))
            .unwrap_or_else(|| options.environment.clone()),
        status: rollout.status,
        started_at: rollout.started_at,
        finished_at,
        revision: named.as_deref().and_then(full_sha).or_else(|| full_sha(&version()?)).or(said.revision),
        version: marks.own("version").or_else(|| version().filter(|v| full_sha(v).is_none())).or(said.version),
        is_rollback: rollout.is_rollback,
        updated_at: clock.map(|at| ranked(at, rollout.status)),
        service: Some(service),
        ..Deployment::default()
    })))
}

/// How far a workload is rolled out, or why that cannot be said. `revisions` are those that the cluster keeps of it.
pub(super) fn rollout(object: &Part<'_>, revisions: &[Part<'_>]) -> Result<Rollout, String> {
    let kind = object.text("kind").unwrap_or_default();
    let (generation, observed) = (object.number("metadata.generation"), object.number("status.observedGeneration"));
    // What the status says is about an older state of the specification.
    if observed.is_none() || observed < generation {
        return Err("its controller has not looked at it yet".to_owned());
    }
    match kind.as_str() {
        "Deployment" => deployment(object, revisions),
        "StatefulSet" => stateful_set(object, revisions),
        "DaemonSet" => daemon_set(object, revisions),
        other => Err(format!("`{other}` is no workload that is rolled out")),
    }
}

fn deployment(object: &Part<'_>, revisions: &[Part<'_>]) -> Result<Rollout, String> {
    let number = object.part("metadata.annotations").field("deployment.kubernetes.io/revision").to_text();
    let number = number.ok_or("it has no revision yet")?;
    let progress = condition(object, "Progressing");
    let reason = progress.as_ref().and_then(|p| p.text("reason")).unwrap_or_default();
    let updated_at = progress.as_ref().and_then(|p| p.instant("lastUpdateTime"));
    let changed_at = progress.as_ref().and_then(|p| p.instant("lastTransitionTime"));
    let (status, finished_at) = match reason.as_str() {
        // It keeps this reason, and the instant, until the next revision.
        "NewReplicaSetAvailable" => (Status::Success, updated_at.or(changed_at)),
        "ProgressDeadlineExceeded" => (Status::Failed, changed_at.or(updated_at)),
        // Without a deadline there is no such condition.
        "" if is_complete(object) => (Status::Success, status_written_at(object)),
        _ => (Status::Running, None),
    };
    let known = Known::of(revisions, &number);
    Ok(known.rollout(object, number, status, finished_at))
}

fn is_complete(object: &Part<'_>) -> bool {
    let wanted = object.number("spec.replicas").unwrap_or(1);
    let count = |key: &str| object.number(&format!("status.{key}")).unwrap_or(0);
    wanted > 0 && ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|key| count(key) == wanted)
}

fn stateful_set(object: &Part<'_>, revisions: &[Part<'_>]) -> Result<Rollout, String> {
    let name = object.text("status.updateRevision").ok_or("it has no revision yet")?;
    let is_current = object.text("status.currentRevision").as_deref() == Some(name.as_str());
    let is_up = object.number("status.readyReplicas").unwrap_or(0) > 0;
    let status = if is_current && is_up { Status::Success } else { Status::Running };
    let known = Known::of(revisions, &name);
    let number = known.number.map_or(name, |number| number.to_string());
    Ok(known.rollout(object, number, status, status_written_at(object)))
}

fn daemon_set(object: &Part<'_>, revisions: &[Part<'_>]) -> Result<Rollout, String> {
    let count = |key: &str| object.number(&format!("status.{key}")).unwrap_or(0);
    let wanted = count("desiredNumberScheduled");
    let is_up = wanted > 0 && count("updatedNumberScheduled") >= wanted && count("numberAvailable") >= wanted;
    let newest = revisions.iter().filter_map(|revision| revision.number("revision")).max();
    let counted = object.part("metadata.annotations").field("deprecated.daemonset.template.generation").to_text();
    let number = newest.map(|n| n.to_string()).or(counted).ok_or("it has no revision yet")?;
    let status = if is_up { Status::Success } else { Status::Running };
    let known = Known::of(revisions, &number);
    Ok(known.rollout(object, number, status, status_written_at(object)))
}

/// What the cluster keeps of the revision that is rolled out.
struct Known {
    number: Option<i64>,
    created_at: Option<Instant>,
    /// A revision that others were made after, and that is the newest all the same, was taken again.
    is_again: bool,
}

impl Known {
    /// The revision of this number or name.
    fn of(revisions: &[Part<'_>], revision: &str) -> Self {
        let is_it =
            |kept: &&Part<'_>| ["revision", "name"].iter().any(|key| kept.text(key).as_deref() == Some(revision));
        let Some(it) = revisions.iter().find(is_it) else {
            return Self { number: None, created_at: None, is_again: false };
        };
        let created_at = it.instant("created_at");
        let latest = revisions.iter().filter_map(|kept| kept.instant("created_at")).max();
        Self { number: it.number("revision"), created_at, is_again: created_at.is_some() && created_at < latest }
    }

    fn rollout(&self, object: &Part<'_>, revision: String, status: Status, finished_at: Option<Instant>) -> Rollout {
        let finished_at = finished_at.filter(|_| status != Status::Running);
        let made_at = self.created_at.filter(|_| !self.is_again);
        let started_at = made_at.or_else(|| specified_at(object));
        // Something else may have been written into the specification since.
        let started_at = started_at.filter(|at| finished_at.is_none_or(|end| *at <= end));
        Rollout { revision, status, started_at, finished_at, is_rollback: self.is_again }
    }
}

fn condition<'a>(object: &Part<'a>, kind: &str) -> Option<Part<'a>> {
    object.items("status.conditions").into_iter().find(|condition| condition.text("type").as_deref() == Some(kind))
}

/// When somebody last wrote the specification, by who owns its fields; scaling is not counted. Where nobody owns them, that
/// is known of a workload only that was never changed.
fn specified_at(object: &Part<'_>) -> Option<Instant> {
    let fields = object.items("metadata.managedFields");
    let own = fields.iter().filter(|f| {
        f.text("subresource").is_none()
            && f.text("manager").is_none_or(|manager| !manager.contains("controller-manager"))
    });
    let is_first = object.number("metadata.generation").is_none_or(|generation| generation <= 1);
    let made_at = object.instant("metadata.creationTimestamp").filter(|_| is_first);
    own.filter_map(|f| f.instant("time")).max().or(made_at)
}

/// When its controller last wrote its status.
fn status_written_at(object: &Part<'_>) -> Option<Instant> {
    let fields = object.items("metadata.managedFields");
    let status = fields.iter().filter(|f| f.text("subresource").as_deref() == Some("status"));
    status.filter_map(|f| f.instant("time")).max().or_else(|| object.instant("metadata.creationTimestamp"))
}

/// Annotations and labels, those of the pods first: they belong to the revision.
struct Marks<'a>([Part<'a>; 4]);

impl<'a> Marks<'a> {
    fn of(object: &Part<'a>) -> Self {
        let (pods, own) = (object.part("spec.template.metadata"), object.part("metadata"));
        Self([pods.part("annotations"), pods.part("labels"), own.part("annotations"), own.part("labels")])
    }

    fn own(&self, name: &str) -> Option<String> {
        told::marked(&self.0, name)
    }

    fn any(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.0.iter().find_map(|place| place.field(key).to_text()))
    }
}
