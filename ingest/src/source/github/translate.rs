//! GitHub's events to facts. What a tool's event does not say is left unknown, never guessed.

use chrono::Duration;
use dorado_lake::{Change, Deployment, Fact, Incident, Instant, PullRequest, Status, Tier};
use serde_json::Value;

use super::options::{DeploymentKind, Options};
use super::payload::{self, Commit, Label, Payload, User};
use crate::source::Error;
use crate::source::events::sha;

/// Events that are read; the others are not even parsed.
pub(super) const EVENTS: [&str; 9] = [
    "push",
    "pull_request",
    "pull_request_review",
    "deployment",
    "deployment_status",
    "release",
    "workflow_run",
    "issues",
    "merge_group",
];

/// What is collected and no webhook tells in one piece.
pub(super) const DOCUMENTS: [&str; 2] = ["pull_request_document", "commits"];

/// What an event came to.
#[derive(Debug)]
pub(super) enum Told {
    Facts(Vec<Fact>),
    /// Nothing that a metric needs, and why.
    Nothing(String),
}

impl Told {
    fn nothing(why: impl Into<String>) -> Self {
        Self::Nothing(why.into())
    }

    fn one(fact: Fact) -> Self {
        Self::Facts(vec![fact])
    }
}

/// Translates the event of this name. `source` is what facts name as theirs.
pub(super) fn event(name: &str, payload: Payload, source: &str, options: &Options) -> Result<Told, Error> {
    match name {
        "push" => push(payload, source),
        "pull_request" => pull_request(payload, source),
        "pull_request_review" => review(payload, source),
        "deployment" => deployment(payload, source, options),
        "deployment_status" => deployment_status(payload, source, options),
        "release" => release(payload, source, options),
        "workflow_run" => workflow_run(payload, source, options),
        "issues" => issue(payload, source, options),
        "merge_group" => merge_group(payload, source),
        _ => Ok(Told::nothing(format!("event `{name}` tells nothing that a metric needs"))),
    }
}

/// Commits pushed to a branch. Parents are not told; a commit with git's own merge message holds no work
/// of its own and is left out. Those pushed to the default branch have reached it by the push.
fn push(payload: Payload, source: &str) -> Result<Told, Error> {
    let repository = repository_of(&payload)?;
    let Some(branch) = payload.git_ref.as_deref().and_then(|r| r.strip_prefix("refs/heads/")) else {
        return Ok(Told::nothing("a push of a tag"));
    };
    if payload.deleted {
        return Ok(Told::nothing("a branch was deleted"));
    }
    let told = payload.repository.unwrap_or_default();
    let merged_at = told.pushed_at.0.filter(|_| told.default_branch.as_deref() == Some(branch));
    let mut facts = Vec::with_capacity(payload.commits.len());
    for (n, commit) in payload.commits.into_iter().enumerate() {
        let id = needed(commit.id.clone(), || format!("commits[{n}].id"))?;
        if !is_merge(&commit) {
            facts.push(Fact::Change(Change {
                source: source.to_owned(),
                id: sha(id),
                repository: Some(repository.clone()),
                branch: Some(branch.to_owned()),
                merged_at,
                ..of_commit(commit)
            }));
        }
    }
    if facts.is_empty() {
        return Ok(Told::nothing("a push without new commits"));
    }
    Ok(Told::Facts(facts))
}

/// A merge queue's group that has reached its branch: its head is the commit there. When, only the push says.
fn merge_group(payload: Payload, source: &str) -> Result<Told, Error> {
    let repository = repository_of(&payload)?;
    match (payload.action.as_deref(), payload.reason.as_deref()) {
        (Some("destroyed"), Some("merged")) => {}
        (Some("destroyed"), _) => return Ok(Told::nothing("a merge group that was not merged")),
        _ => return Ok(Told::nothing("a merge group that is being checked")),
    }
    let group = payload.merge_group.unwrap_or_default();
    let id = needed(group.head_sha, || "merge_group.head_sha".to_owned())?;
    let commit = group.head_commit.unwrap_or_default();
    if is_merge(&commit) {
        return Ok(Told::nothing("a merge group whose head holds no work of its own"));
    }
    Ok(Told::one(Fact::Change(Change {
        source: source.to_owned(),
        id: sha(id),
        repository: Some(repository),
        branch: group.base_ref.map(|branch| branch.trim_start_matches("refs/heads/").to_owned()),
        ..of_commit(commit)
    })))
}

fn of_commit(commit: Commit) -> Change {
    let message = commit.message.unwrap_or_default();
    let paths: Vec<String> = [commit.added, commit.modified, commit.removed].concat();
    Change {
        authored_at: commit.timestamp.0,
        committed_at: commit.timestamp.0,
        title: first_line(Some(&message)),
        author: commit.author.and_then(|a| a.username.or(a.name)),
        paths: (!paths.is_empty()).then_some(paths),
        reverts: sha_after(&message, "This reverts commit "),
        cherry_pick_of: sha_after(&message, "(cherry picked from commit "),
        url: commit.url,
        ..Change::default()
    }
}

fn is_merge(commit: &Commit) -> bool {
    let message = commit.message.as_deref().unwrap_or_default();
    ["Merge pull request #", "Merge branch '", "Merge branches '", "Merge remote-tracking branch '"]
        .iter()
        .any(|start| message.starts_with(start))
}

/// The SHA that follows the last `words` that begin a line.
pub(super) fn sha_after(message: &str, words: &str) -> Option<String> {
    message.lines().rev().find_map(|line| {
        let digits: String = line.trim().strip_prefix(words)?.chars().take_while(char::is_ascii_hexdigit).collect();
        (digits.len() >= 40).then(|| sha(digits))
    })
}

fn pull_request(payload: Payload, source: &str) -> Result<Told, Error> {
    Ok(Told::one(Fact::PullRequest(whole_pull_request(payload, source)?)))
}

/// A pull request as every event that carries one tells it.
fn whole_pull_request(payload: Payload, source: &str) -> Result<PullRequest, Error> {
    let repository = repository_of(&payload)?;
    let told = needed(payload.pull_request, || "pull_request".to_owned())?;
    let number = needed(told.number, || "pull_request.number".to_owned())?;
    // Until it is merged, `merge_commit_sha` is a trial merge that never reaches a branch.
    let merged_at = told.merged_at.0;
    Ok(PullRequest {
        source: source.to_owned(),
        id: number.to_string(),
        repository: Some(repository),
        title: first_line(told.title.as_deref()),
        author: told.user.and_then(|u| u.login),
        branch: told.head.and_then(|b| b.git_ref),
        base: told.base.and_then(|b| b.git_ref),
        labels: names(told.labels),
        opened_at: told.created_at.0,
        merged_at,
        closed_at: told.closed_at.0,
        merge_commit: merged_at.and(told.merge_commit_sha).map(sha),
        url: told.html_url,
        updated_at: stepped(told.updated_at.0, i64::from(told.closed_at.0.is_some())),
        ..PullRequest::default()
    })
}

/// A person's review of somebody else's pull request.
fn review(payload: Payload, source: &str) -> Result<Told, Error> {
    if payload.action.as_deref() != Some("submitted") {
        return Ok(Told::nothing("a review was edited or dismissed"));
    }
    let review = payload.review.clone().unwrap_or_default();
    let reviewer = review.user.unwrap_or_default();
    let author = payload.pull_request.as_ref().and_then(|p| p.user.clone()).unwrap_or_default();
    if is_bot(&reviewer) {
        return Ok(Told::nothing("a bot's review"));
    }
    if reviewer.login.is_some() && reviewer.login == author.login {
        return Ok(Told::nothing("an author's review of their own pull request"));
    }
    let approved = review.state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("approved"));
    let submitted_at = review.submitted_at.0;
    Ok(Told::one(Fact::PullRequest(PullRequest {
        first_review_at: submitted_at,
        approved_at: submitted_at.filter(|_| approved),
        ..whole_pull_request(payload, source)?
    })))
}

fn is_bot(user: &User) -> bool {
    user.kind.as_deref() == Some("Bot") || user.login.as_deref().is_some_and(is_bot_name)
}

pub(super) fn is_bot_name(login: &str) -> bool {
    login.ends_with("[bot]")
}

/// A deployment that was asked for.
fn deployment(payload: Payload, source: &str, options: &Options) -> Result<Told, Error> {
    if !options.deployments.contains(&DeploymentKind::Deployments {}) {
        return Ok(Told::nothing("deployments are not taken from GitHub's deployments"));
    }
    let created_at = payload.deployment.as_ref().and_then(|d| d.created_at.0);
    Ok(Told::one(Fact::Deployment(Deployment {
        status: Status::Pending,
        updated_at: ranked(created_at, Status::Pending),
        ..whole_deployment(payload, source)?
    })))
}

/// A deployment's new status. `inactive` says that another one took its place, not that it failed.
fn deployment_status(payload: Payload, source: &str, options: &Options) -> Result<Told, Error> {
    if !options.deployments.contains(&DeploymentKind::Deployments {}) {
        return Ok(Told::nothing("deployments are not taken from GitHub's deployments"));
    }
    let told = needed(payload.deployment_status.clone(), || "deployment_status".to_owned())?;
    let status = match told.state.as_deref().unwrap_or_default() {
        "success" => Status::Success,
        "failure" | "error" => Status::Failed,
        "in_progress" => Status::Running,
        "queued" | "pending" | "waiting" => Status::Pending,
        "inactive" => return Ok(Told::nothing("an inactive deployment keeps the status that it had")),
        other => return Ok(Told::nothing(format!("deployment status `{other}` says nothing about the outcome"))),
    };
    let at = needed(told.created_at.0, || "deployment_status.created_at".to_owned())?;
    let is_over = matches!(status, Status::Success | Status::Failed);
    let whole = whole_deployment(payload, source)?;
    Ok(Told::one(Fact::Deployment(Deployment {
        status,
        finished_at: is_over.then_some(at),
        environment: told.environment.filter(|e| !e.is_empty()).unwrap_or(whole.environment),
        url: told.log_url.or(told.target_url).filter(|url| !url.is_empty()),
        updated_at: ranked(Some(at), status),
        ..whole
    })))
}

/// GitHub's clock has whole seconds, and a record may pass through several states in one. A microsecond
/// a step keeps the later state ahead, whatever order they arrive in.
pub(super) fn stepped(at: Option<Instant>, step: i64) -> Option<Instant> {
    at.map(|at| at + Duration::microseconds(step))
}

fn ranked(at: Option<Instant>, status: Status) -> Option<Instant> {
    let step = match status {
        Status::Pending => 0,
        Status::Running => 1,
        Status::Success | Status::Failed | Status::Cancelled => 2,
    };
    stepped(at, step)
}

/// A deployment as both of its events tell it.
fn whole_deployment(payload: Payload, source: &str) -> Result<Deployment, Error> {
    let repository = repository_of(&payload)?;
    let told = needed(payload.deployment, || "deployment".to_owned())?;
    let id = needed(told.id, || "deployment.id".to_owned())?;
    let task = told.task.unwrap_or_default();
    let branch = told.git_ref.filter(|r| told.sha.as_ref() != Some(r));
    Ok(Deployment {
        source: source.to_owned(),
        id: format!("{repository}/{id}"),
        repository: Some(repository),
        environment: told.environment.unwrap_or_else(|| "production".to_owned()),
        tier: (told.production_environment == Some(true)).then_some(Tier::Production),
        started_at: told.created_at.0,
        revision: told.sha.map(sha),
        branch: branch.map(|b| b.trim_start_matches("refs/heads/").to_owned()),
        title: first_line(told.description.as_deref()),
        is_rollback: task.contains("rollback") || flag(&told.payload, "rollback"),
        is_hotfix: task.contains("hotfix") || flag(&told.payload, "hotfix"),
        ..Deployment::default()
    })
}

/// A flag in the payload that the deployment's creator gave it: an object, or one in a string.
fn flag(payload: &Value, name: &str) -> bool {
    match payload {
        Value::Object(given) => given.get(name) == Some(&Value::Bool(true)),
        Value::String(text) if text.starts_with('{') => {
            serde_json::from_str(text).is_ok_and(|given: Value| given.get(name) == Some(&Value::Bool(true)))
        }
        _ => false,
    }
}

/// A published release, where releases are how this organisation deploys.
fn release(payload: Payload, source: &str, options: &Options) -> Result<Told, Error> {
    let taken = options.deployments.iter().find_map(|kind| match kind {
        DeploymentKind::Releases { environment, prereleases } => Some((environment, *prereleases)),
        _ => None,
    });
    let Some((environment, prereleases)) = taken else {
        return Ok(Told::nothing("releases are not taken as deployments"));
    };
    let repository = repository_of(&payload)?;
    let told = payload.release.unwrap_or_default();
    if payload.action.as_deref() != Some("published") || told.draft {
        return Ok(Told::nothing("a release that was not published"));
    }
    if told.prerelease && !prereleases {
        return Ok(Told::nothing("a pre-release"));
    }
    let id = needed(told.id, || "release.id".to_owned())?;
    let published_at = needed(told.published_at.0, || "release.published_at".to_owned())?;
    // What the tag was made from, if it did not exist: a branch's name, or a SHA.
    let (revision, branch) = match told.target_commitish {
        Some(target) if target.len() == 40 && target.bytes().all(|b| b.is_ascii_hexdigit()) => {
            (Some(sha(target)), None)
        }
        branch => (None, branch),
    };
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        id: format!("{repository}/release/{id}"),
        repository: Some(repository),
        environment: environment.clone(),
        status: Status::Success,
        finished_at: Some(published_at),
        revision,
        branch,
        version: told.tag_name,
        title: first_line(told.name.as_deref()),
        url: told.html_url,
        ..Deployment::default()
    })))
}

/// A finished run of a workflow that deploys. Each attempt of a run is a deployment of its own.
fn workflow_run(payload: Payload, source: &str, options: &Options) -> Result<Told, Error> {
    let repository = repository_of(&payload)?;
    let workflow = payload.workflow.unwrap_or_default();
    let run = needed(payload.workflow_run, || "workflow_run".to_owned())?;
    let file = run.path.as_deref().and_then(|path| path.split('@').next()).and_then(|path| path.rsplit('/').next());
    let is_named = |name: &str| [run.name.as_deref(), workflow.name.as_deref(), file].contains(&Some(name));
    let environment = options.deployments.iter().find_map(|kind| match kind {
        DeploymentKind::Workflow { name, environment } if is_named(name) => Some(environment),
        _ => None,
    });
    let Some(environment) = environment else {
        return Ok(Told::nothing("not a workflow that deploys"));
    };
    if payload.action.as_deref() != Some("completed") {
        return Ok(Told::nothing("a workflow that has not finished"));
    }
    let status = match run.conclusion.as_deref() {
        Some("success") => Status::Success,
        Some("failure" | "timed_out" | "startup_failure") => Status::Failed,
        Some("cancelled") => Status::Cancelled,
        other => return Ok(Told::nothing(format!("a workflow that concluded `{}`", other.unwrap_or("null")))),
    };
    let id = needed(run.id, || "workflow_run.id".to_owned())?;
    let finished_at = needed(run.updated_at.0, || "workflow_run.updated_at".to_owned())?;
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        id: format!("{repository}/run/{id}/{}", run.run_attempt.unwrap_or(1)),
        repository: Some(repository),
        environment: environment.clone(),
        status,
        started_at: run.run_started_at.0,
        finished_at: Some(finished_at),
        revision: run.head_sha.map(sha),
        branch: run.head_branch,
        title: first_line(run.display_title.or(run.name).as_deref()),
        url: run.html_url,
        updated_at: Some(finished_at),
        ..Deployment::default()
    })))
}

/// An issue that carries an incident label.
fn issue(payload: Payload, source: &str, options: &Options) -> Result<Told, Error> {
    let repository = repository_of(&payload)?;
    let is_incident = |label: &Label| {
        let name = label.name.as_deref().unwrap_or_default();
        options.incident_labels.iter().any(|incident| incident.eq_ignore_ascii_case(name))
    };
    let action = payload.action.as_deref().unwrap_or_default();
    let told = needed(payload.issue, || "issue".to_owned())?;
    let is_labelled = told.labels.iter().any(is_incident);
    let was_labelled = action == "unlabeled" && payload.label.as_ref().is_some_and(is_incident);
    if !is_labelled && !was_labelled {
        return Ok(Told::nothing("an issue without an incident label"));
    }
    let number = needed(told.number, || "issue.number".to_owned())?;
    if !is_labelled || matches!(action, "deleted" | "transferred") {
        // Ahead of what was told of it before, within the same second too; but what loses a label may get it back.
        let deleted_at = stepped(told.updated_at.0, if is_labelled { 2 } else { 0 });
        let id = format!("{repository}#{number}");
        return Ok(match deleted_at {
            Some(_) => {
                Told::one(Fact::Incident(Incident { source: source.to_owned(), id, deleted_at, ..Incident::default() }))
            }
            None => Told::nothing(format!("an issue that was {action}, and does not say when")),
        });
    }
    let opened_at = needed(told.created_at.0, || "issue.created_at".to_owned())?;
    let cause = cause(told.body.as_deref().unwrap_or_default());
    let labels = names(told.labels);
    Ok(Told::one(Fact::Incident(Incident {
        source: source.to_owned(),
        id: format!("{repository}#{number}"),
        services: labels.iter().filter_map(|label| after(label, &["service:", "service/"])).collect(),
        repository: Some(repository),
        title: first_line(told.title.as_deref()),
        severity: labels.iter().find(|label| label.to_ascii_lowercase().starts_with("sev")).cloned(),
        opened_at: Some(opened_at),
        resolved_at: told.closed_at.0,
        caused_by: cause.clone().filter(|cause| !is_sha(cause)),
        caused_by_change: cause.filter(|cause| is_sha(cause)),
        url: told.html_url,
        updated_at: stepped(told.updated_at.0, i64::from(told.closed_at.0.is_some())),
        ..Incident::default()
    })))
}

/// What a line `Root cause: …` or `Caused by: …` of an issue names, where that is one word.
fn cause(body: &str) -> Option<String> {
    body.lines().find_map(|line| {
        let named = after(line.trim(), &["root cause:", "caused by:"])?;
        let named = named.trim_matches('`');
        (!named.is_empty() && !named.contains(char::is_whitespace)).then(|| sha(named.to_owned()))
    })
}

fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn after(text: &str, starts: &[&str]) -> Option<String> {
    starts.iter().find_map(|start| {
        let head = text.get(..start.len())?;
        head.eq_ignore_ascii_case(start).then(|| text[start.len()..].trim().to_owned())
    })
}

fn repository_of(payload: &Payload) -> Result<String, Error> {
    let own = payload.repository.as_ref().and_then(|r| r.full_name.clone());
    let base = || {
        let base: &payload::Branch = payload.pull_request.as_ref()?.base.as_ref()?;
        base.repo.as_ref()?.full_name.clone()
    };
    needed(own.or_else(base), || "repository.full_name".to_owned())
}

pub(super) fn needed<T>(value: Option<T>, place: impl FnOnce() -> String) -> Result<T, Error> {
    value.ok_or_else(|| Error::Malformed { place: place(), problem: "is missing".to_owned() })
}

fn names(labels: Vec<Label>) -> Vec<String> {
    labels.into_iter().filter_map(|label| label.name).collect()
}

pub(super) fn first_line(text: Option<&str>) -> Option<String> {
    let line = text?.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}
