//! An Application as Argo CD sees it at one moment, to facts. Each sync is a deployment.

use dorado_lake::{Deployment, Fact, Status};

use super::{Holds, Options};
use crate::source::body::Part;
use crate::source::told::{self, Told, environment_in, first_line, full_sha, is_over, ranked, repository_of_url};
use crate::source::{Error, image};

/// What a notification tells: an Application under `app`, or itself one, and for what it was sent.
pub(super) fn message(body: &Part<'_>, source: &str, options: &Options) -> Result<Told, Error> {
    let app =
        ["app", "application"].iter().map(|key| body.part(key)).find(Part::exists).unwrap_or_else(|| body.clone());
    if !app.part("metadata.name").exists() {
        return Err(app.missing("metadata.name"));
    }
    let operation = app.part("status.operationState");
    let Some(phase) = operation.text("phase") else {
        return Ok(Told::nothing("an application that was never synced"));
    };
    if operation.flag("operation.sync.dryRun") || operation.flag("operation.dryRun") {
        return Ok(Told::nothing("a dry run"));
    }
    let health = app.text("status.health.status").unwrap_or_default();
    let status = match (phase.as_str(), health.as_str()) {
        ("Running" | "Terminating", _) | ("Succeeded", "Progressing" | "Suspended" | "Unknown") => Status::Running,
        // Degraded, it did reach its environment; that it failed there is told by the incident.
        ("Succeeded", _) => Status::Success,
        ("Failed" | "Error", _) => Status::Failed,
        (other, _) => return Ok(Told::nothing(format!("an operation that is `{other}`"))),
    };
    let deployment = deployment(&app, status, source, options)?;
    let incidents = super::health::incidents(&app, &deployment)?;
    let facts = std::iter::once(Fact::Deployment(deployment)).chain(incidents.into_iter().map(Fact::Incident));
    Ok(Told::Facts(facts.collect()))
}

fn deployment(app: &Part<'_>, status: Status, source: &str, options: &Options) -> Result<Deployment, Error> {
    let operation = app.part("status.operationState");
    let started_at = operation.needed_instant("startedAt")?;
    let ended_at = operation.instant("finishedAt");
    let finished_at = if is_over(status) { Some(operation.needed_instant("finishedAt")?) } else { None };
    let name = app.needed_text("metadata.name")?;
    let service = marked(app, "service").unwrap_or_else(|| name.clone());
    // Until it has ended well, what runs is what ran before.
    let images = if status == Status::Success { app.texts("status.summary.images") } else { Vec::new() };
    let said = image::read(images.iter().map(String::as_str), &service);
    let own = own_revision(app, options);
    let named = marked(app, "revision");
    Ok(Deployment {
        source: source.to_owned(),
        id: id(app)?,
        team: marked(app, "team"),
        repository: marked(app, "repository").map(|r| repository_of_url(&r).unwrap_or(r)).or(own.repository),
        environment: environment(app, options),
        status,
        started_at: Some(started_at),
        finished_at,
        revision: named.as_deref().and_then(full_sha).or(own.revision).or(said.revision),
        version: marked(app, "version").or_else(|| named.filter(|n| full_sha(n).is_none())).or(said.version),
        title: operation.text("message").and_then(|text| first_line(&text)),
        is_rollback: is_rollback(app),
        url: app.first_text(&["status.summary.externalURLs.0"]),
        updated_at: Some(ranked(ended_at.unwrap_or(started_at), status)),
        service: Some(service),
        ..Deployment::default()
    })
}

/// A sync is told from the others of its application by when it began.
fn id(app: &Part<'_>) -> Result<String, Error> {
    Ok(id_at(&full_name(app)?, &app.needed_text("status.operationState.startedAt")?))
}

pub(super) fn id_at(full_name: &str, started_at: &str) -> String {
    format!("{full_name}@{started_at}")
}

/// Namespace and name: applications may live in any namespace.
pub(super) fn full_name(app: &Part<'_>) -> Result<String, Error> {
    let name = app.needed_text("metadata.name")?;
    Ok(app.text("metadata.namespace").map_or_else(|| name.clone(), |namespace| format!("{namespace}/{name}")))
}

/// What an annotation or label of ours says.
fn marked(app: &Part<'_>, name: &str) -> Option<String> {
    told::marked(&[app.part("metadata.annotations"), app.part("metadata.labels")], name)
}

fn environment(app: &Part<'_>, options: &Options) -> String {
    let labels = app.part("metadata.labels");
    let label = || ["environment", "env"].iter().find_map(|key| labels.field(key).to_text());
    let names = ["spec.destination.namespace", "metadata.name", "spec.project", "spec.destination.name"];
    let names: Vec<String> = names.iter().filter_map(|path| app.text(path)).collect();
    marked(app, "environment")
        .or_else(label)
        .or_else(|| environment_in(names.iter().map(String::as_str)))
        .unwrap_or_else(|| options.environment.clone())
}

#[derive(Default)]
struct Own {
    repository: Option<String>,
    revision: Option<String>,
}

/// The revision that was synced, where the repository is the application's own. Else it is one of manifests, and
/// taking it for the application's would count other people's commits.
fn own_revision(app: &Part<'_>, options: &Options) -> Own {
    if options.repositories == Holds::Manifests {
        return Own::default();
    }
    let operation = app.part("status.operationState");
    let revisions = ["syncResult.revision", "syncResult.revisions.0", "operation.sync.revision"];
    let urls = ["status.operationState.syncResult.source.repoURL", "spec.source.repoURL", "spec.sources.0.repoURL"];
    Own {
        repository: app.first_text(&urls).and_then(|url| repository_of_url(&url)),
        revision: operation.first_text(&revisions).and_then(|revision| full_sha(&revision)),
    }
}

/// Whether the last sync went back to what an earlier one, but not the one before it, had brought.
fn is_rollback(app: &Part<'_>) -> bool {
    let history = app.items("status.history");
    let brought = |entry: &Part<'_>| entry.text("revision").or_else(|| entry.text("revisions.0"));
    let brought: Vec<Option<String>> = history.iter().map(brought).collect();
    let Some((Some(last), before)) = brought.split_last() else {
        return false;
    };
    let synced =
        app.first_text(&["status.operationState.syncResult.revision", "status.operationState.syncResult.revisions.0"]);
    let is_of_this_sync = synced.is_none_or(|synced| synced == *last);
    let previous = before.last().cloned().flatten();
    is_of_this_sync && previous.is_some_and(|p| p != *last) && before.iter().flatten().any(|revision| revision == last)
}
