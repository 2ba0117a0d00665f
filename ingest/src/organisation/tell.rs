//! What happened, as facts of the events source.

use chrono::DateTime;
use dorado_lake::{Change, Deployment, Fact, Incident, Instant, PullRequest};

use super::chance::{Stream, sha};
use super::changes::Work;
use super::deployments::{Kind, Rollout};
use super::incidents::Outage;
use super::size::Detail;
use super::words::{change_title, incident_title};
use super::{Happened, Organisation};
use crate::source::events;

impl Organisation {
    /// A month's facts: deployments, incidents, then changes, each after its pull request.
    pub(super) fn tell<'a>(&'a self, month: Happened<'a>) -> impl Iterator<Item = Fact> + Send + 'a {
        let first = month.rollouts.first().map_or(0, |rollout| rollout.number);
        let deployments = month.rollouts.into_iter().map(move |rollout| self.deployment(&rollout, first));
        let incidents = month.outages.into_iter().map(|outage| self.incident(&outage));
        let changes = month.changes.flat_map(|work| self.pull_request(&work).into_iter().chain([self.change(&work)]));
        deployments.chain(incidents).chain(changes)
    }

    /// `first` is the number of its month's first deployment.
    fn deployment(&self, rollout: &Rollout, first: u32) -> Fact {
        let service = &self.everybody.services[rollout.service];
        Fact::Deployment(Deployment {
            source: events::NAME.to_owned(),
            id: deployment_id(rollout.number),
            service: Some(service.name.clone()),
            team: Some(service.team.clone()),
            repository: Some(service.repository.clone()),
            environment: rollout.environment.name().to_owned(),
            status: rollout.status,
            started_at: at(rollout.started),
            finished_at: at(rollout.finished),
            revision: Some(sha(self.seed, Stream::Revisions, rollout.revision)),
            version: rollout.version.map(|v| format!("v1.{}.{}", v.release, v.patch)),
            is_rollback: rollout.kind == Kind::Rollback,
            is_hotfix: rollout.kind == Kind::Hotfix,
            repairs: rollout.repairs.map(|place| deployment_id(first + place as u32)),
            fixes_incident: rollout.fixes_incident.map(incident_id),
            url: self.link(|| format!("ci.example/{}/deployments/{}", service.repository, rollout.number)),
            ..Deployment::default()
        })
    }

    fn incident(&self, outage: &Outage) -> Fact {
        let service = &self.everybody.services[outage.service].name;
        Fact::Incident(Incident {
            source: events::NAME.to_owned(),
            id: incident_id(outage.number),
            services: vec![service.clone()],
            title: self.is_full().then(|| incident_title(service, outage.title)),
            severity: Some(format!("sev{}", outage.severity + 1)),
            opened_at: at(outage.opened),
            acknowledged_at: outage.acknowledged.and_then(at),
            resolved_at: outage.resolved.and_then(at),
            caused_by: outage.caused_by.map(deployment_id),
            url: self.link(|| format!("pager.example/incidents/{}", outage.number)),
            ..Incident::default()
        })
    }

    fn change(&self, work: &Work) -> Fact {
        let service = &self.everybody.services[work.service];
        let id = sha(self.seed, Stream::Commits, work.number);
        Fact::Change(Change {
            source: events::NAME.to_owned(),
            url: self.link(|| format!("git.example/{}/commit/{id}", service.repository)),
            id,
            repository: Some(service.repository.clone()),
            service: Some(service.name.clone()),
            authored_at: at(work.first_commit),
            committed_at: at(work.merged),
            merged_at: at(work.merged),
            title: self.title(work),
            author: Some(author(work)),
            pull_request: Some(work.number.to_string()),
            deployment: work.deployment.map(deployment_id),
            ..Change::default()
        })
    }

    fn pull_request(&self, work: &Work) -> Option<Fact> {
        let service = &self.everybody.services[work.service];
        let told = || PullRequest {
            source: events::NAME.to_owned(),
            id: work.number.to_string(),
            repository: Some(service.repository.clone()),
            service: Some(service.name.clone()),
            title: self.title(work),
            author: Some(author(work)),
            first_commit_at: at(work.first_commit),
            opened_at: at(work.opened),
            first_review_at: work.first_review.and_then(at),
            approved_at: work.approved.and_then(at),
            merged_at: at(work.merged),
            merge_commit: Some(sha(self.seed, Stream::Commits, work.number)),
            url: self.link(|| format!("git.example/{}/pull/{}", service.repository, work.number)),
            ..PullRequest::default()
        };
        self.is_full().then(|| Fact::PullRequest(told()))
    }

    fn title(&self, work: &Work) -> Option<String> {
        self.is_full().then(|| change_title(work.title, work.is_urgent))
    }

    /// Where a tool would show it. The hosts end in `.example`, which leads nowhere.
    fn link(&self, place: impl FnOnce() -> String) -> Option<String> {
        self.is_full().then(|| format!("https://{}", place()))
    }

    fn is_full(&self) -> bool {
        self.scale.detail == Detail::Full
    }
}

fn author(work: &Work) -> String {
    format!("dev-{}", work.author)
}

fn deployment_id(number: u32) -> String {
    format!("deploy-{number}")
}

fn incident_id(number: u32) -> String {
    format!("inc-{number}")
}

fn at(seconds: i64) -> Option<Instant> {
    DateTime::from_timestamp(seconds, 0)
}
