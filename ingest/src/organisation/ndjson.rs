//! The history as neutral events, one a line: what `POST /api/v1/events` and `dorado import` take.

use std::io::{self, Write};

use dorado_lake::{Change, Deployment, Fact, Incident, Instant, PullRequest, Status};
use serde::Serialize;

use super::Organisation;

impl Organisation {
    /// Writes every fact as an event, in the order of [`Organisation::facts`].
    ///
    /// # Errors
    /// `out` takes no more.
    pub fn write_ndjson(&self, mut out: impl Write) -> io::Result<()> {
        for fact in self.facts().flatten() {
            if let Some(event) = Event::of(&fact) {
                serde_json::to_writer(&mut out, &event)?;
                out.write_all(b"\n")?;
            }
        }
        out.flush()
    }
}

/// An event by the names that senders use. Only what an organisation tells is written, and nothing empty.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event<'a> {
    Deployment(DeploymentEvent<'a>),
    Incident(IncidentEvent<'a>),
    Change(ChangeEvent<'a>),
    PullRequest(PullRequestEvent<'a>),
}

impl<'a> Event<'a> {
    fn of(fact: &'a Fact) -> Option<Self> {
        match fact {
            Fact::Deployment(deployment) => Some(Self::Deployment(deployment.into())),
            Fact::Incident(incident) => Some(Self::Incident(incident.into())),
            Fact::Change(change) => Some(Self::Change(change.into())),
            Fact::PullRequest(pull_request) => Some(Self::PullRequest(pull_request.into())),
            // No person decides anything in a made-up organisation.
            Fact::Override(_) => None,
        }
    }
}

#[derive(Serialize)]
struct DeploymentEvent<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<&'a str>,
    environment: &'a str,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rolls_back: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repairs: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixes_incident: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl<'a> From<&'a Deployment> for DeploymentEvent<'a> {
    fn from(d: &'a Deployment) -> Self {
        let kind = if d.is_rollback { Some("rollback") } else { d.is_hotfix.then_some("hotfix") };
        let repairs = d.repairs.as_deref();
        Self {
            id: &d.id,
            service: d.service.as_deref(),
            team: d.team.as_deref(),
            repository: d.repository.as_deref(),
            environment: &d.environment,
            status: d.status,
            started_at: d.started_at,
            finished_at: d.finished_at,
            revision: d.revision.as_deref(),
            version: d.version.as_deref(),
            kind,
            rolls_back: repairs.filter(|_| d.is_rollback),
            repairs: repairs.filter(|_| !d.is_rollback),
            fixes_incident: d.fixes_incident.as_deref(),
            url: d.url.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct IncidentEvent<'a> {
    id: &'a str,
    services: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acknowledged_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caused_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl<'a> From<&'a Incident> for IncidentEvent<'a> {
    fn from(i: &'a Incident) -> Self {
        Self {
            id: &i.id,
            services: &i.services,
            title: i.title.as_deref(),
            severity: i.severity.as_deref(),
            opened_at: i.opened_at,
            acknowledged_at: i.acknowledged_at,
            resolved_at: i.resolved_at,
            caused_by: i.caused_by.as_deref(),
            url: i.url.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct ChangeEvent<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    authored_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    committed_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pull_request: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deployment: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl<'a> From<&'a Change> for ChangeEvent<'a> {
    fn from(c: &'a Change) -> Self {
        Self {
            id: &c.id,
            repository: c.repository.as_deref(),
            service: c.service.as_deref(),
            authored_at: c.authored_at,
            committed_at: c.committed_at,
            merged_at: c.merged_at,
            title: c.title.as_deref(),
            author: c.author.as_deref(),
            pull_request: c.pull_request.as_deref(),
            deployment: c.deployment.as_deref(),
            url: c.url.as_deref(),
        }
    }
}

#[derive(Serialize)]
struct PullRequestEvent<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_commit_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_review_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approved_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_at: Option<Instant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_commit: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
}

impl<'a> From<&'a PullRequest> for PullRequestEvent<'a> {
    fn from(p: &'a PullRequest) -> Self {
        Self {
            id: &p.id,
            repository: p.repository.as_deref(),
            service: p.service.as_deref(),
            title: p.title.as_deref(),
            author: p.author.as_deref(),
            first_commit_at: p.first_commit_at,
            opened_at: p.opened_at,
            first_review_at: p.first_review_at,
            approved_at: p.approved_at,
            merged_at: p.merged_at,
            merge_commit: p.merge_commit.as_deref(),
            url: p.url.as_deref(),
        }
    }
}
