//! GitLab's deployments. A job that names an environment makes one, and GitLab tells of it in up to four ways: the
//! deployment hook, the job hook, the pipeline hook and the REST API. All four give the same deployment, under
//! the job's id, so that it does not matter which are switched on.

use dorado_lake::{Deployment, Fact, Instant, Status, Tier};

use super::{Options, repository};
use crate::source::Error;
use crate::source::body::Part;
use crate::source::told::{Told, first_line, full_sha, is_over, is_version, ranked, sha_in};

/// The deployment hook, or a row of the deployments API as the collector wraps it.
pub(super) fn deployment(event: &Part<'_>, source: &str) -> Result<Told, Error> {
    if event.part("deployment").exists() {
        return row(event, source);
    }
    let word = event.needed_text("status")?;
    let Some(status) = status(&word) else {
        return Ok(Told::nothing(format!("deployment status `{word}` says nothing about the outcome")));
    };
    let repository = repository(event)?;
    let at = event.needed_instant("status_changed_at")?;
    let id = match event.text("deployable_id") {
        Some(job) => format!("{repository}/job/{job}"),
        None => format!("{repository}/deployment/{}", event.needed_text("deployment_id")?),
    };
    let (branch, version) = branch_or_version(event.text("ref"), None);
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        id,
        repository: Some(repository),
        environment: event.needed_text("environment")?,
        tier: event.text("environment_tier").and_then(|tier| self::tier(&tier)),
        status,
        started_at: (status == Status::Running).then_some(at),
        finished_at: is_over(status).then_some(at),
        // The hook has the short SHA only; the whole one stands in the commit's address.
        revision: event.text("commit_url").and_then(|url| sha_in(&url)),
        version,
        branch,
        title: event.text("commit_title").and_then(|title| first_line(&title)),
        url: event.first_text(&["deployable_url", "environment_external_url"]),
        updated_at: Some(ranked(at, status)),
        ..Deployment::default()
    })))
}

/// A row of the deployments API.
fn row(event: &Part<'_>, source: &str) -> Result<Told, Error> {
    let repository = repository(event)?;
    let row = event.part("deployment");
    let word = row.needed_text("status")?;
    let Some(status) = status(&word) else {
        return Ok(Told::nothing(format!("deployment status `{word}` says nothing about the outcome")));
    };
    let job = row.part("deployable");
    let id = match job.text("id") {
        Some(job) => format!("{repository}/job/{job}"),
        None => format!("{repository}/deployment/{}", row.needed_text("id")?),
    };
    let updated_at = row.instant("updated_at").or_else(|| row.instant("created_at"));
    let finished_at = job.instant("finished_at").or_else(|| row.instant("finished_at")).or(updated_at);
    let finished_at = if is_over(status) { Some(finished_at.ok_or_else(|| row.missing("updated_at"))?) } else { None };
    let is_tag = job.part("tag").exists().then(|| job.flag("tag"));
    let (branch, version) = branch_or_version(row.text("ref"), is_tag);
    // The record's own end is its clock: the row is touched later for reasons that change nothing here.
    let clock = finished_at.or(updated_at).ok_or_else(|| row.missing("created_at"))?;
    let page = |name: &str| event.text("project.web_url").map(|url| format!("{url}/-/jobs/{name}"));
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        id,
        repository: Some(repository),
        environment: row.needed_text("environment.name")?,
        tier: event.first_text(&["environment_tier", "deployment.environment.tier"]).and_then(|tier| self::tier(&tier)),
        status,
        started_at: job.instant("started_at").or_else(|| row.instant("created_at")),
        finished_at,
        revision: row.first_text(&["sha", "deployable.commit.id"]).and_then(|sha| full_sha(&sha)),
        version,
        branch,
        title: row.text("deployable.commit.title").and_then(|title| first_line(&title)),
        url: job.text("web_url").or_else(|| page(&job.text("id")?)).or_else(|| row.text("environment.external_url")),
        updated_at: Some(ranked(clock, status)),
        ..Deployment::default()
    })))
}

/// The job hook.
pub(super) fn job(event: &Part<'_>, source: &str) -> Result<Told, Error> {
    let job = Job {
        id: event.text("build_id"),
        status: event.text("build_status"),
        started_at: event.instant("build_started_at"),
        finished_at: event.instant("build_finished_at"),
        environment: event.part("environment"),
    };
    let of = Run {
        repository: repository(event)?,
        sha: event.first_text(&["sha", "commit.sha"]),
        git_ref: event.text("ref"),
        is_tag: event.part("tag").exists().then(|| event.flag("tag")),
        title: event.text("commit.message"),
        web_url: event.first_text(&["project.web_url", "repository.homepage"]),
    };
    match job.deploys() {
        Ok(status) => Ok(Told::one(Fact::Deployment(of.deployment(&job, status, source)?))),
        Err(why) => Ok(Told::nothing(why)),
    }
}

/// The pipeline hook: its jobs that name an environment, and the pipeline itself where it is configured to deploy.
pub(super) fn pipeline(event: &Part<'_>, source: &str, options: &Options) -> Result<Told, Error> {
    let whole = event.part("object_attributes");
    let of = Run {
        repository: repository(event)?,
        sha: whole.text("sha"),
        git_ref: whole.text("ref"),
        is_tag: whole.part("tag").exists().then(|| whole.flag("tag")),
        title: event.first_text(&["commit.title", "commit.message"]),
        web_url: event.text("project.web_url"),
    };
    let mut facts = Vec::new();
    for build in event.items("builds") {
        let job = Job {
            id: build.text("id"),
            status: build.text("status"),
            started_at: build.instant("started_at"),
            finished_at: build.instant("finished_at").or_else(|| whole.instant("finished_at")),
            environment: build.part("environment"),
        };
        if let Ok(status) = job.deploys() {
            facts.push(Fact::Deployment(of.deployment(&job, status, source)?));
        }
    }
    facts.extend(of.itself(&whole, source, options)?.map(Fact::Deployment));
    Ok(Told::some(facts, "a pipeline in which no job that names an environment has begun"))
}

/// A job, as either hook tells it.
struct Job<'a> {
    id: Option<String>,
    status: Option<String>,
    started_at: Option<Instant>,
    finished_at: Option<Instant>,
    environment: Part<'a>,
}

impl Job<'_> {
    /// The status of the deployment that it makes, or why it makes none.
    fn deploys(&self) -> Result<Status, String> {
        if self.environment.text("name").is_none() {
            return Err("a job that deploys nothing".to_owned());
        }
        let action = self.environment.text("action").unwrap_or_else(|| "start".to_owned());
        if action != "start" {
            return Err(format!("a job whose action on its environment is `{action}`"));
        }
        let word = self.status.clone().unwrap_or_default();
        let has_run = self.started_at.is_some() || self.finished_at.is_some();
        match status(&word) {
            Some(status) if status == Status::Running || (is_over(status) && has_run && word != "skipped") => {
                Ok(status)
            }
            _ => Err(format!("a deploying job that is `{word}`")),
        }
    }
}

/// What the jobs of a pipeline have in common.
struct Run {
    repository: String,
    sha: Option<String>,
    git_ref: Option<String>,
    is_tag: Option<bool>,
    title: Option<String>,
    web_url: Option<String>,
}

impl Run {
    fn deployment(&self, job: &Job<'_>, status: Status, source: &str) -> Result<Deployment, Error> {
        let id = job.id.clone().ok_or_else(|| job.environment.missing("id"))?;
        let finished_at = if is_over(status) {
            Some(job.finished_at.ok_or_else(|| job.environment.missing("finished_at"))?)
        } else {
            None
        };
        Ok(Deployment {
            id: format!("{}/job/{id}", self.repository),
            environment: job.environment.needed_text("name")?,
            tier: job.environment.text("deployment_tier").and_then(|tier| self::tier(&tier)),
            status,
            started_at: job.started_at,
            finished_at,
            url: self.web_url.as_ref().map(|url| format!("{url}/-/jobs/{id}")),
            updated_at: finished_at.or(job.started_at).map(|at| ranked(at, status)),
            ..self.common(source)
        })
    }

    /// The pipeline as a deployment of its own, where it is configured as one and has ended.
    fn itself(&self, whole: &Part<'_>, source: &str, options: &Options) -> Result<Option<Deployment>, Error> {
        let git_ref = self.git_ref.as_deref().unwrap_or_default();
        let is_of = |pattern: &str| globset::Glob::new(pattern).is_ok_and(|g| g.compile_matcher().is_match(git_ref));
        let Some(rule) = options.pipelines.iter().find(|rule| is_of(&rule.git_ref)) else {
            return Ok(None);
        };
        let status = whole.text("status").as_deref().and_then(status).filter(|status| is_over(*status));
        let Some(status) = status else {
            return Ok(None);
        };
        let finished_at = whole.needed_instant("finished_at")?;
        let id = whole.needed_text("id")?;
        Ok(Some(Deployment {
            id: format!("{}/pipeline/{id}", self.repository),
            environment: rule.environment.clone(),
            status,
            started_at: whole.instant("created_at"),
            finished_at: Some(finished_at),
            url: self.web_url.as_ref().map(|url| format!("{url}/-/pipelines/{id}")),
            updated_at: Some(ranked(finished_at, status)),
            ..self.common(source)
        }))
    }

    fn common(&self, source: &str) -> Deployment {
        let (branch, version) = branch_or_version(self.git_ref.clone(), self.is_tag);
        Deployment {
            source: source.to_owned(),
            repository: Some(self.repository.clone()),
            revision: self.sha.as_deref().and_then(full_sha),
            version,
            branch,
            title: self.title.as_deref().and_then(first_line),
            ..Deployment::default()
        }
    }
}

/// A release, where releases are how this organisation deploys.
pub(super) fn release(event: &Part<'_>, source: &str, options: &Options) -> Result<Told, Error> {
    let Some(environment) = &options.releases else {
        return Ok(Told::nothing("releases are not taken as deployments"));
    };
    let action = event.text("action").unwrap_or_else(|| "create".to_owned());
    if action != "create" {
        return Ok(Told::nothing(format!("a release whose action is `{action}`")));
    }
    let repository = repository(event)?;
    let tag = event.needed_text("tag")?;
    let released_at = event.instant("released_at").map_or_else(|| event.needed_instant("created_at"), Ok)?;
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        id: format!("{repository}/release/{tag}"),
        repository: Some(repository),
        environment: environment.clone(),
        status: Status::Success,
        finished_at: Some(released_at),
        revision: event.text("commit.id").and_then(|sha| full_sha(&sha)),
        version: Some(tag),
        title: event.text("name").and_then(|name| first_line(&name)),
        url: event.text("url"),
        updated_at: Some(ranked(released_at, Status::Success)),
        ..Deployment::default()
    })))
}

fn status(word: &str) -> Option<Status> {
    Some(match word {
        "created" | "pending" | "preparing" | "scheduled" | "manual" | "blocked" | "waiting_for_resource" => {
            Status::Pending
        }
        "running" | "canceling" => Status::Running,
        "success" => Status::Success,
        "failed" => Status::Failed,
        "canceled" | "cancelled" | "skipped" => Status::Cancelled,
        _ => return None,
    })
}

fn tier(word: &str) -> Option<Tier> {
    Some(match word {
        "production" => Tier::Production,
        "staging" => Tier::Staging,
        "testing" => Tier::Testing,
        "development" => Tier::Development,
        "other" => Tier::Other,
        _ => return None,
    })
}

/// Which of the two a ref is; by its looks where the tool does not say whether it is a tag.
fn branch_or_version(name: Option<String>, is_tag: Option<bool>) -> (Option<String>, Option<String>) {
    match name {
        Some(name) if is_tag.unwrap_or_else(|| is_version(&name)) => (None, Some(name)),
        name => (name, None),
    }
}
