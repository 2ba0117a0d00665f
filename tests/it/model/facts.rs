//! The model's own reading of neutral events: of each entity the latest version, whole.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) type Instant = DateTime<Utc>;

/// Everything that is known once all deliveries are in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    pub(crate) changes: Vec<Change>,
    pub(crate) pull_requests: Vec<PullRequest>,
    pub(crate) deployments: Vec<Deployment>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) overrides: Vec<Override>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Change {
    #[serde(alias = "sha")]
    pub(crate) id: String,
    pub(crate) repository: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) parents: Option<Vec<String>>,
    pub(crate) authored_at: Option<Instant>,
    pub(crate) committed_at: Option<Instant>,
    pub(crate) merged_at: Option<Instant>,
    pub(crate) first_commit_at: Option<Instant>,
    pub(crate) pull_request: Option<String>,
    pub(crate) reverts: Option<String>,
    pub(crate) cherry_pick_of: Option<String>,
    pub(crate) deployment: Option<String>,
    pub(crate) author: Option<String>,
    updated_at: Option<Instant>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct PullRequest {
    pub(crate) id: String,
    pub(crate) repository: Option<String>,
    pub(crate) service: Option<String>,
    pub(crate) first_commit_at: Option<Instant>,
    pub(crate) opened_at: Option<Instant>,
    pub(crate) first_review_at: Option<Instant>,
    pub(crate) approved_at: Option<Instant>,
    pub(crate) merged_at: Option<Instant>,
    closed_at: Option<Instant>,
    pub(crate) commits: Option<Vec<String>>,
    pub(crate) merge_commit: Option<String>,
    updated_at: Option<Instant>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Deployment {
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) repository: Option<String>,
    pub(crate) environment: String,
    pub(crate) team: Option<String>,
    pub(crate) status: String,
    pub(crate) started_at: Option<Instant>,
    pub(crate) finished_at: Option<Instant>,
    pub(crate) revision: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) changes: Option<Vec<String>>,
    pub(crate) pull_requests: Option<Vec<String>>,
    pub(crate) rollback: bool,
    pub(crate) hotfix: bool,
    pub(crate) unplanned: bool,
    pub(crate) rolls_back: Option<String>,
    pub(crate) repairs: Option<String>,
    pub(crate) fixes_incident: Option<String>,
    deleted_at: Option<Instant>,
    updated_at: Option<Instant>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Incident {
    pub(crate) id: String,
    pub(crate) service: Option<String>,
    pub(crate) services: Vec<String>,
    pub(crate) opened_at: Option<Instant>,
    acknowledged_at: Option<Instant>,
    pub(crate) resolved_at: Option<Instant>,
    pub(crate) caused_by: Option<String>,
    pub(crate) caused_by_change: Option<String>,
    deleted_at: Option<Instant>,
    updated_at: Option<Instant>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Override {
    pub(crate) id: String,
    pub(crate) verdict: String,
    pub(crate) deployment: Option<String>,
    pub(crate) incident: Option<String>,
    pub(crate) decided_at: Option<Instant>,
    updated_at: Option<Instant>,
}

/// What makes two records versions of one entity, and which version is the later one.
trait Record: DeserializeOwned {
    fn key(&self) -> (String, String);
    fn clock(&self) -> Instant;
}

impl Facts {
    /// Reads deliveries of newline-separated events in their order of arrival.
    pub(crate) fn read(deliveries: &[String]) -> Self {
        let events: Vec<Value> = deliveries
            .iter()
            .flat_map(|delivery| delivery.lines())
            .filter(|line| !line.trim().is_empty())
            .map(|line| serde_json::from_str(line).expect("an event is JSON"))
            .collect();
        Self {
            changes: latest(&events, "change"),
            pull_requests: latest(&events, "pull_request"),
            deployments: with_starts(
                standing(latest(&events, "deployment"), |d: &Deployment| d.deleted_at.is_some()),
                &events,
            ),
            incidents: standing(latest(&events, "incident"), |i: &Incident| i.deleted_at.is_some()),
            overrides: latest(&events, "override"),
        }
    }

    /// Services that were ever deployed.
    pub(crate) fn services(&self) -> Vec<String> {
        let mut services: Vec<String> = self.deployments.iter().map(|d| d.service.clone()).collect();
        services.sort();
        services.dedup();
        services
    }

    /// Successful production deployments of a service: by `finished_at`, then id.
    pub(crate) fn production(&self, service: &str) -> Vec<&Deployment> {
        let mut deployments: Vec<&Deployment> =
            self.deployments.iter().filter(|d| d.service == service && d.reached_production()).collect();
        deployments.sort_by_key(|d| d.place());
        deployments
    }
}

impl Deployment {
    pub(crate) fn reached_production(&self) -> bool {
        self.status == "success" && self.ended_at_production()
    }

    /// Whether it was an attempt at production that has ended.
    pub(crate) fn ended_at_production(&self) -> bool {
        let environment = self.environment.to_lowercase();
        self.finished_at.is_some() && (environment.starts_with("prod") || environment == "live")
    }

    pub(crate) fn finished(&self) -> Instant {
        self.finished_at.expect("a deployment that reached production has finished")
    }

    pub(crate) fn started(&self) -> Instant {
        self.started_at.unwrap_or_else(|| self.finished())
    }

    /// Its place in the order of deployments.
    pub(crate) fn place(&self) -> (Instant, String) {
        (self.finished(), self.id.clone())
    }

    pub(crate) fn is_same_target(&self, other: &Self) -> bool {
        self.service == other.service && self.environment == other.environment
    }
}

impl Incident {
    pub(crate) fn all_services(&self) -> Vec<&str> {
        self.services.iter().chain(&self.service).map(String::as_str).collect()
    }
}

/// The latest version of each entity of a type: by its clock, then by arrival.
fn latest<T: Record>(events: &[Value], kind: &str) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for event in events.iter().filter(|event| event["type"] == kind) {
        let record: T = serde_json::from_value(event.clone()).expect("an event has the fields of its type");
        match kept.iter_mut().find(|k| k.key() == record.key()) {
            None => kept.push(record),
            Some(older) if older.clock() <= record.clock() => *older = record,
            Some(_) => {}
        }
    }
    kept
}

/// What is deleted was never there.
fn standing<T>(mut records: Vec<T>, is_deleted: impl Fn(&T) -> bool) -> Vec<T> {
    records.retain(|record| !is_deleted(record));
    records
}

/// A deployment that does not say when it began did so when the earliest of its versions says.
fn with_starts(mut deployments: Vec<Deployment>, events: &[Value]) -> Vec<Deployment> {
    for deployment in deployments.iter_mut().filter(|deployment| deployment.started_at.is_none()) {
        let versions = events.iter().filter(|event| event["type"] == "deployment" && event["id"] == *deployment.id);
        let starts = versions.filter_map(|event| event["started_at"].as_str()?.parse().ok());
        deployment.started_at = starts.min();
    }
    deployments
}

fn clock(updated_at: Option<Instant>, named: &[Option<Instant>]) -> Instant {
    updated_at.or_else(|| named.iter().flatten().max().copied()).unwrap_or(Instant::UNIX_EPOCH)
}

fn place_of(repository: Option<&String>, service: Option<&String>) -> String {
    repository.or(service).cloned().unwrap_or_default()
}

impl Record for Change {
    fn key(&self) -> (String, String) {
        (place_of(self.repository.as_ref(), self.service.as_ref()), self.id.to_lowercase())
    }
    fn clock(&self) -> Instant {
        clock(self.updated_at, &[self.authored_at, self.committed_at, self.merged_at, self.first_commit_at])
    }
}

impl Record for PullRequest {
    fn key(&self) -> (String, String) {
        (place_of(self.repository.as_ref(), self.service.as_ref()), self.id.clone())
    }
    fn clock(&self) -> Instant {
        let named = [self.opened_at, self.first_review_at, self.approved_at, self.merged_at, self.closed_at];
        clock(self.updated_at, &named)
    }
}

impl Record for Deployment {
    fn key(&self) -> (String, String) {
        (String::new(), self.id.clone())
    }
    fn clock(&self) -> Instant {
        clock(self.updated_at, &[self.started_at, self.finished_at, self.deleted_at])
    }
}

impl Record for Incident {
    fn key(&self) -> (String, String) {
        (String::new(), self.id.clone())
    }
    fn clock(&self) -> Instant {
        clock(self.updated_at, &[self.opened_at, self.acknowledged_at, self.resolved_at, self.deleted_at])
    }
}

impl Record for Override {
    fn key(&self) -> (String, String) {
        (String::new(), self.id.clone())
    }
    fn clock(&self) -> Instant {
        clock(self.updated_at, &[self.decided_at])
    }
}
