//! From an event to facts: what a record must hold beyond the types of its fields, and which facts it is.

use dorado_lake::{Fact, Instant, Status, Verdict};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::event::{Change, Deployment, Incident, Override, Planning, PullRequest};
use super::field::{ChangeRef, Id, Name, When, sha};

/// A field of one event that is wrong, and what would have been right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) field: Option<String>,
    pub(crate) problem: String,
}

impl Wrong {
    pub(crate) fn new(field: &str, problem: impl Into<String>) -> Self {
        Self { field: Some(field.to_owned()), problem: problem.into() }
    }
}

/// One type of event.
pub(crate) trait Event: DeserializeOwned + JsonSchema {
    /// Appends the facts that the event states; `source` is that of its sender. Appends nothing on error.
    fn state(self, source: &str, facts: &mut Vec<Fact>) -> Result<(), Wrong>;
}

impl Event for Deployment {
    fn state(self, source: &str, facts: &mut Vec<Fact>) -> Result<(), Wrong> {
        if self.deleted_at.is_some() {
            facts.push(Fact::Deployment(dorado_lake::Deployment {
                source: namespaced(source, self.source),
                id: self.id.0,
                deleted_at: at(self.deleted_at),
                updated_at: at(self.updated_at),
                ..dorado_lake::Deployment::default()
            }));
            return Ok(());
        }
        if self.service.is_none() && self.repository.is_none() {
            return Err(Wrong::new("service", "is missing; write `service` or `repository`"));
        }
        let status = self.status.map_or(Status::Success, |s| s.0);
        let is_over = matches!(status, Status::Success | Status::Failed | Status::Cancelled);
        if is_over && self.finished_at.is_none() {
            return Err(Wrong::new(
                "finished_at",
                "is missing; a deployment that is over needs it; write RFC 3339 with an offset",
            ));
        }
        in_order(("started_at", self.started_at), ("finished_at", self.finished_at))?;
        if self.started_at.or(self.finished_at).or(self.updated_at).is_none() {
            return Err(Wrong::new("started_at", "is missing; write `started_at`, `finished_at` or `updated_at`"));
        }
        let from = facts.len();
        let changes = match self.listed_changes(source, facts) {
            Ok(changes) => changes,
            Err(wrong) => {
                facts.truncate(from);
                return Err(wrong);
            }
        };
        facts.push(Fact::Deployment(dorado_lake::Deployment {
            source: namespaced(source, self.source),
            id: self.id.0,
            service: text(self.service),
            team: text(self.team),
            repository: text(self.repository),
            environment: self.environment.map_or_else(|| "production".to_owned(), |e| e.0),
            tier: self.tier,
            status,
            started_at: at(self.started_at),
            finished_at: at(self.finished_at),
            revision: text(self.revision).map(sha),
            version: text(self.version),
            branch: text(self.branch),
            title: first_line(self.title),
            labels: texts(self.labels).unwrap_or_default(),
            changes,
            pull_requests: ids(self.pull_requests),
            paths: texts(self.paths).unwrap_or_default(),
            is_rollback: self.rollback == Some(true)
                || self.kind == Some(Planning::Rollback)
                || self.rolls_back.is_some(),
            is_hotfix: self.hotfix == Some(true) || self.kind == Some(Planning::Hotfix) || self.repairs.is_some(),
            is_unplanned: self.unplanned == Some(true) || self.kind == Some(Planning::Unplanned),
            repairs: id(self.rolls_back.or(self.repairs)).map(sha),
            fixes_incident: id(self.fixes_incident),
            flagged_by: None,
            deleted_at: None,
            url: self.url,
            updated_at: at(self.updated_at),
        }));
        Ok(())
    }
}

impl Deployment {
    /// SHAs and ids of the changes listed; those given whole become facts, of the deployment's
    /// repository and service where they name none.
    fn listed_changes(&self, source: &str, facts: &mut Vec<Fact>) -> Result<Option<Vec<String>>, Wrong> {
        let Some(listed) = &self.changes else {
            return Ok(None);
        };
        let mut shas = Vec::with_capacity(listed.len());
        for (n, change) in listed.iter().enumerate() {
            match change {
                ChangeRef::Id(id) => shas.push(sha(id.0.clone())),
                ChangeRef::Inline(change) => {
                    let mut change = (**change).clone();
                    if change.repository.is_none() && change.service.is_none() {
                        change.repository.clone_from(&self.repository);
                        change.service.clone_from(&self.service);
                    }
                    shas.push(sha(change.id.0.clone()));
                    change.source = change.source.or_else(|| self.source.clone());
                    change.state(source, facts).map_err(|wrong| Wrong {
                        field: wrong.field.map(|field| format!("changes[{n}].{field}")),
                        ..wrong
                    })?;
                }
            }
        }
        Ok(Some(shas))
    }
}

impl Event for Change {
    fn state(self, source: &str, facts: &mut Vec<Fact>) -> Result<(), Wrong> {
        if self.service.is_none() && self.repository.is_none() {
            return Err(Wrong::new("repository", "is missing; write `repository` or `service`"));
        }
        let named = [self.authored_at, self.committed_at, self.merged_at, self.first_commit_at];
        if named.iter().all(Option::is_none) {
            return Err(Wrong::new(
                "committed_at",
                "is missing; write one of `authored_at`, `committed_at`, `merged_at`, `first_commit_at`",
            ));
        }
        let source = namespaced(source, self.source.clone());
        let own_id = sha(self.id.0.clone());
        let mut pull_request = id(self.pull_request.clone());
        if self.opened_at.or(self.first_review_at).or(self.approved_at).is_some() {
            let beside = pull_request.get_or_insert_with(|| own_id.clone());
            facts.push(Fact::PullRequest(dorado_lake::PullRequest {
                source: source.clone(),
                id: beside.clone(),
                repository: text(self.repository.clone()),
                service: text(self.service.clone()),
                title: first_line(self.title.clone()),
                author: text(self.author.clone()),
                first_commit_at: at(self.first_commit_at),
                opened_at: at(self.opened_at),
                first_review_at: at(self.first_review_at),
                approved_at: at(self.approved_at),
                merged_at: at(self.merged_at),
                merge_commit: Some(own_id.clone()),
                updated_at: at(self.updated_at),
                ..dorado_lake::PullRequest::default()
            }));
        }
        facts.push(Fact::Change(dorado_lake::Change {
            source,
            id: own_id,
            repository: text(self.repository),
            service: text(self.service),
            parents: shas(self.parents),
            authored_at: at(self.authored_at),
            committed_at: at(self.committed_at),
            merged_at: at(self.merged_at),
            first_commit_at: at(self.first_commit_at),
            title: first_line(self.title),
            author: text(self.author),
            branch: text(self.branch),
            paths: texts(self.paths),
            pull_request,
            deployment: id(self.deployment),
            reverts: id(self.reverts).map(sha),
            cherry_pick_of: id(self.cherry_pick_of).map(sha),
            url: self.url,
            updated_at: at(self.updated_at),
        }));
        Ok(())
    }
}

impl Event for PullRequest {
    fn state(self, source: &str, facts: &mut Vec<Fact>) -> Result<(), Wrong> {
        if self.service.is_none() && self.repository.is_none() {
            return Err(Wrong::new("repository", "is missing; write `repository` or `service`"));
        }
        let named = [self.opened_at, self.first_review_at, self.approved_at, self.merged_at, self.closed_at];
        if named.iter().all(Option::is_none) {
            return Err(Wrong::new("opened_at", "is missing; write at least one instant of the pull request"));
        }
        facts.push(Fact::PullRequest(dorado_lake::PullRequest {
            source: namespaced(source, self.source),
            id: self.id.0,
            repository: text(self.repository),
            service: text(self.service),
            title: first_line(self.title),
            author: text(self.author),
            branch: text(self.branch),
            base: text(self.base),
            labels: texts(self.labels).unwrap_or_default(),
            first_commit_at: at(self.first_commit_at),
            opened_at: at(self.opened_at),
            first_review_at: at(self.first_review_at),
            approved_at: at(self.approved_at),
            merged_at: at(self.merged_at),
            closed_at: at(self.closed_at),
            commits: shas(self.commits),
            merge_commit: id(self.merge_commit).map(sha),
            url: self.url,
            updated_at: at(self.updated_at),
        }));
        Ok(())
    }
}

impl Event for Incident {
    fn state(self, source: &str, facts: &mut Vec<Fact>) -> Result<(), Wrong> {
        if self.deleted_at.is_some() {
            facts.push(Fact::Incident(dorado_lake::Incident {
                source: namespaced(source, self.source),
                id: self.id.0,
                deleted_at: at(self.deleted_at),
                updated_at: at(self.updated_at),
                ..dorado_lake::Incident::default()
            }));
            return Ok(());
        }
        if self.opened_at.is_none() {
            return Err(Wrong::new("opened_at", "is missing"));
        }
        in_order(("opened_at", self.opened_at), ("resolved_at", self.resolved_at))?;
        let mut services = texts(self.services).unwrap_or_default();
        if let Some(service) = text(self.service)
            && !services.contains(&service)
        {
            services.insert(0, service);
        }
        facts.push(Fact::Incident(dorado_lake::Incident {
            source: namespaced(source, self.source),
            id: self.id.0,
            services,
            repository: text(self.repository),
            environment: text(self.environment),
            title: first_line(self.title),
            severity: text(self.severity),
            opened_at: at(self.opened_at),
            acknowledged_at: at(self.acknowledged_at),
            resolved_at: at(self.resolved_at),
            caused_by: id(self.caused_by).map(sha),
            caused_by_change: id(self.caused_by_change).map(sha),
            deleted_at: None,
            url: self.url,
            updated_at: at(self.updated_at),
        }));
        Ok(())
    }
}

impl Event for Override {
    fn state(self, source: &str, facts: &mut Vec<Fact>) -> Result<(), Wrong> {
        let needs = match self.verdict {
            Verdict::Failed | Verdict::NotFailed => [Some(("deployment", &self.deployment)), None],
            Verdict::CausedBy => [Some(("deployment", &self.deployment)), Some(("incident", &self.incident))],
            Verdict::NotCaused => [Some(("incident", &self.incident)), None],
            Verdict::Withdrawn => [None, None],
        };
        for (field, given) in needs.into_iter().flatten() {
            if given.is_none() {
                return Err(Wrong::new(field, "is missing; this verdict is about one"));
            }
        }
        if self.reason.trim().is_empty() {
            return Err(Wrong::new("reason", "is empty; say why in a sentence"));
        }
        facts.push(Fact::Override(dorado_lake::Override {
            source: namespaced(source, self.source),
            id: self.id.0,
            verdict: self.verdict,
            deployment: id(self.deployment),
            incident: id(self.incident),
            remedy: None,
            author: self.author.0,
            reason: self.reason,
            decided_at: Some(self.decided_at.0),
            updated_at: at(self.updated_at),
        }));
        Ok(())
    }
}

/// An event's own namespace lies within its sender's, so that no event can speak as another source.
fn namespaced(source: &str, own: Option<Name>) -> String {
    own.map_or_else(|| source.to_owned(), |own| format!("{source}/{}", own.0))
}

fn in_order(first: (&str, Option<When>), then: (&str, Option<When>)) -> Result<(), Wrong> {
    match (first.1, then.1) {
        (Some(earlier), Some(later)) if later < earlier => Err(Wrong::new(
            then.0,
            format!("`{}` is before `{}`, which is `{}`", rfc3339(later), first.0, rfc3339(earlier)),
        )),
        _ => Ok(()),
    }
}

fn rfc3339(when: When) -> String {
    when.0.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

fn at(when: Option<When>) -> Option<Instant> {
    when.map(|w| w.0)
}

fn text(name: Option<Name>) -> Option<String> {
    name.map(|n| n.0)
}

fn texts(names: Option<Vec<Name>>) -> Option<Vec<String>> {
    names.map(|names| names.into_iter().map(|n| n.0).collect())
}

fn id(id: Option<Id>) -> Option<String> {
    id.map(|i| i.0)
}

fn ids(ids: Option<Vec<Id>>) -> Option<Vec<String>> {
    ids.map(|ids| ids.into_iter().map(|i| i.0).collect())
}

fn shas(ids: Option<Vec<Id>>) -> Option<Vec<String>> {
    ids.map(|ids| ids.into_iter().map(|i| sha(i.0)).collect())
}

fn first_line(title: Option<String>) -> Option<String> {
    let title = title?;
    let line = title.lines().next().unwrap_or_default().trim();
    (!line.is_empty()).then(|| line.to_owned())
}
