//! Octopus Deploy's events and documents to deployments. A deployment to one tenant is one of its own, as Octopus
//! counts them.

use dorado_lake::{Deployment, Fact, Status};

use crate::source::Error;
use crate::source::body::Part;
use crate::source::told::{Told, first_line, full_sha, is_over, ranked, repository_of_url};

/// An event of a subscription.
pub(super) fn event(body: &Part<'_>, source: &str) -> Result<Told, Error> {
    let event = body.part("Payload.Event");
    if !event.exists() {
        return Err(body.missing("Payload.Event"));
    }
    let category = event.needed_text("Category")?;
    let status = match category.as_str() {
        "DeploymentQueued" => Status::Pending,
        "DeploymentStarted"
        | "DeploymentResumed"
        | "GuidedFailureInterruptionRaised"
        | "InterruptionRaised"
        | "ManualInterventionInterruptionRaised" => Status::Running,
        "DeploymentSucceeded" => Status::Success,
        "DeploymentFailed" | "DeploymentTimedOut" => Status::Failed,
        "DeploymentCanceled" | "DeploymentCancelled" => Status::Cancelled,
        _ => return Ok(Told::nothing(format!("an event of the category `{category}`"))),
    };
    let Some(id) = related(&event, "Deployments-") else {
        return Ok(Told::nothing(format!("`{category}` of something else than a deployment")));
    };
    let at = event.needed_instant("Occurred")?;
    let said = Sentence::of(&event);
    // What asks somebody for guidance names neither; that it was running is known from its start.
    if status == Status::Running && said.environment.is_none() {
        return Ok(Told::nothing(format!("`{category}` names no environment")));
    }
    let environment = said.environment.or_else(|| related(&event, "Environments-"));
    let server = body.text("Payload.ServerUri").map(|url| url.trim_end_matches('/').to_owned());
    let space = event.text("SpaceId");
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        url: server.map(|server| page(&server, space.as_deref(), &id)),
        id,
        service: said.project.or_else(|| related(&event, "Projects-")),
        environment: environment.ok_or_else(|| event.missing("RelatedDocumentIds"))?,
        status,
        started_at: (category == "DeploymentStarted").then_some(at),
        finished_at: is_over(status).then_some(at),
        version: said.release,
        title: event.text("Message").and_then(|text| first_line(&text)),
        updated_at: Some(ranked(at, status)),
        ..Deployment::default()
    })))
}

/// A document that the event is about, by the beginning of its id.
fn related(event: &Part<'_>, kind: &str) -> Option<String> {
    event.texts("RelatedDocumentIds").into_iter().find(|id| id.starts_with(kind))
}

/// What an event's sentence names.
#[derive(Default)]
struct Sentence {
    project: Option<String>,
    release: Option<String>,
    environment: Option<String>,
}

impl Sentence {
    /// `MessageReferences` say which words of it name which document; old servers have none, and the sentence itself
    /// must do: `Deploy to Dev failed for PROJECT release VERSION to ENVIRONMENT`.
    fn of(event: &Part<'_>) -> Self {
        let Some(message) = event.text("Message") else { return Self::default() };
        let units: Vec<u16> = message.encode_utf16().collect();
        let mut said = Self::default();
        for reference in event.items("MessageReferences") {
            let place = |key: &str| reference.number(key).and_then(|n| usize::try_from(n).ok());
            let (Some(start), Some(length)) = (place("StartIndex"), place("Length")) else { continue };
            let words = start.checked_add(length).and_then(|end| units.get(start..end)).map(String::from_utf16_lossy);
            match reference.text("ReferencedDocumentId").unwrap_or_default() {
                id if id.starts_with("Projects-") => said.project = words,
                id if id.starts_with("Releases-") => said.release = words,
                id if id.starts_with("Environments-") => said.environment = words,
                _ => {}
            }
        }
        if let Some((project, release, environment)) = spelt_out(&message) {
            said.project.get_or_insert(project);
            said.release.get_or_insert(release);
            said.environment.get_or_insert(environment);
        }
        said
    }
}

fn spelt_out(message: &str) -> Option<(String, String, String)> {
    let (before, after) = message.rsplit_once(" release ")?;
    let (release, environment) = after.split_once(" to ")?;
    let (_, project) = before.rsplit_once(" for ")?;
    let environment = environment.split(" for ").next().unwrap_or(environment);
    Some((project.trim().to_owned(), release.trim().to_owned(), environment.trim().to_owned()))
}

/// A deployment with what it refers to, as the collector puts them together.
pub(super) fn document(body: &Part<'_>, source: &str) -> Result<Told, Error> {
    let deployment = body.part("deployment");
    let task = body.part("task");
    let state = task.text("State").unwrap_or_default();
    let status = match state.as_str() {
        "Queued" => Status::Pending,
        "Executing" | "Cancelling" | "Paused" => Status::Running,
        "Success" => Status::Success,
        "Failed" | "TimedOut" => Status::Failed,
        "Canceled" | "Cancelled" => Status::Cancelled,
        _ => return Ok(Told::nothing(format!("a deployment whose task is `{state}`"))),
    };
    let finished_at = if is_over(status) { Some(task.needed_instant("CompletedTime")?) } else { None };
    let started_at = task.instant("StartTime").or_else(|| task.instant("QueueTime"));
    let clock = finished_at.or(started_at).or_else(|| deployment.instant("Created"));
    let id = deployment.needed_text("Id")?;
    let built = Built::of(body);
    let label = |kind: &str, path: &str| body.text(path).map(|name| format!("{kind}:{name}"));
    let is_waiting = task.flag("HasPendingInterruptions");
    let labels = [
        label("tenant", "tenant.Name"),
        label("channel", "channel.Name"),
        is_waiting.then(|| "guided-failure".to_owned()),
    ];
    let space = deployment.text("SpaceId");
    let project = body.first_text(&["project.Name", "deployment.ProjectId"]);
    let environment = body.first_text(&["environment.Name", "deployment.EnvironmentId"]);
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        service: Some(project.ok_or_else(|| body.missing("project.Name"))?),
        repository: built.repository,
        environment: environment.ok_or_else(|| body.missing("environment.Name"))?,
        status,
        started_at,
        finished_at,
        revision: built.revision,
        version: body.text("release.Version"),
        branch: built.branch,
        title: deployment.text("Name").and_then(|name| first_line(&name)),
        labels: labels.into_iter().flatten().collect(),
        changes: (!built.changes.is_empty()).then_some(built.changes),
        url: body.text("server").map(|server| page(&server, space.as_deref(), &id)),
        updated_at: clock.map(|at| ranked(at, status)),
        id,
        ..Deployment::default()
    })))
}

/// What the build information of a release says. Its `VersionControlReference` is the commit of the deployment
/// process, which may live in another repository, and is not taken.
#[derive(Default)]
struct Built {
    repository: Option<String>,
    revision: Option<String>,
    branch: Option<String>,
    changes: Vec<String>,
}

impl Built {
    fn of(body: &Part<'_>) -> Self {
        let builds = body.items("release.BuildInformation");
        let Some(first) = builds.first() else { return Self::default() };
        let root = first.text("VcsRoot");
        // Packages of several repositories have no one revision.
        if builds.iter().any(|build| build.text("VcsRoot") != root) {
            return Self::default();
        }
        let all = body.items("deployment.Changes");
        let told = all.iter().flat_map(|change| change.items("BuildInformation"));
        let commits = told.flat_map(|build| build.items("Commits")).filter_map(|commit| full_sha(&commit.text("Id")?));
        let mut changes: Vec<String> = commits.collect();
        changes.sort_unstable();
        changes.dedup();
        Self {
            repository: root.and_then(|url| repository_of_url(&url)),
            revision: first.text("VcsCommitNumber").and_then(|sha| full_sha(&sha)),
            branch: first.text("Branch"),
            changes,
        }
    }
}

fn page(server: &str, space: Option<&str>, id: &str) -> String {
    let space = space.map_or_else(String::new, |space| format!("/{space}"));
    format!("{server}/app#{space}/deployments/{id}")
}
