//! From facts to gold: every edge between changes, deployments and incidents, with the rule that found
//! it. Pure: reads facts of one service, answers its rows; knows no table and no clock.

mod failing;
mod graph;
pub(crate) mod history;
pub(crate) mod ladder;
mod shipping;

use chrono::TimeDelta;
use dorado_lake::{Deployment, Incident, Instant, Override, Status, Tier};

use crate::catalog::Catalog;
use crate::gold::{Cause, CauseRule, Outcome, Shipment};

pub(crate) use graph::Candidates;

/// One finished attempt at a production environment.
pub(crate) struct Attempt<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) started_at: Instant,
    pub(crate) finished_at: Instant,
    /// Whether it reached production.
    pub(crate) reached: bool,
}

/// What is known around one service.
pub(crate) struct ServiceFacts<'a> {
    pub(crate) service: &'a str,
    /// All its deployments, to any environment.
    pub(crate) deployments: Vec<&'a Deployment>,
    pub(crate) candidates: &'a Candidates<'a>,
    /// Incidents that hit it or name one of its deployments.
    pub(crate) incidents: Vec<Hit<'a>>,
    /// Standing overrides, in order of decision.
    pub(crate) overrides: &'a [&'a Override],
}

/// An incident of a service, and what other services' deployments say of it.
#[derive(Debug, Clone)]
pub(crate) struct Hit<'a> {
    pub(crate) incident: &'a Incident,
    /// The deployment of another service that caused it.
    pub(crate) elsewhere: Option<Elsewhere>,
    /// Deployments that ended it.
    pub(crate) fixes: Vec<&'a Fix>,
}

/// A deployment that caused an incident of another service.
#[derive(Debug, Clone)]
pub(crate) struct Elsewhere {
    pub(crate) source: String,
    pub(crate) deployment: String,
    pub(crate) finished_at: Instant,
    pub(crate) rule: CauseRule,
}

/// A production deployment that ended an incident, and names what it repairs.
#[derive(Debug, Clone)]
pub(crate) struct Fix {
    pub(crate) id: String,
    pub(crate) service: String,
    pub(crate) incident: String,
    pub(crate) repairs: String,
    pub(crate) finished_at: Instant,
}

/// The gold rows of one service.
#[derive(Default)]
pub(crate) struct ServiceGold {
    pub(crate) shipments: Vec<Shipment>,
    pub(crate) outcomes: Vec<Outcome>,
    pub(crate) causes: Vec<Cause>,
}

/// Finds every edge of one service.
pub(crate) fn attribute(facts: &ServiceFacts<'_>, catalog: &Catalog, window: TimeDelta) -> ServiceGold {
    let (successes, misses) = attempts(&facts.deployments, catalog);
    let wanted: Vec<&str> = facts.incidents.iter().filter_map(|i| i.incident.caused_by_change.as_deref()).collect();
    let paths = paths_of(facts.service, &facts.deployments, catalog);
    let shipped = shipping::ship(facts.service, &successes, facts.candidates, &paths, &wanted);
    let evidence = failing::Evidence {
        service: facts.service,
        successes: &successes,
        misses: &misses,
        incidents: &facts.incidents,
        overrides: facts.overrides,
        shipped: &shipped,
        catalog,
        window,
    };
    let (mut outcomes, causes) = failing::judge(&evidence);
    count_changes(&shipped.shipments, &mut outcomes);
    ServiceGold { shipments: shipped.shipments, outcomes, causes }
}

/// Finished production attempts in order of their finish, then of their id: those that reached
/// production, and those that did not.
fn attempts<'a>(deployments: &[&'a Deployment], catalog: &Catalog) -> (Vec<Attempt<'a>>, Vec<Attempt<'a>>) {
    let mut all: Vec<Attempt<'a>> = deployments
        .iter()
        .filter(|d| catalog.tier(&d.environment, d.tier) == Tier::Production)
        .filter(|d| matches!(d.status, Status::Success | Status::Failed | Status::Cancelled))
        .filter_map(|d| {
            let finished_at = d.finished_at?;
            let started_at = d.started_at.unwrap_or(finished_at);
            Some(Attempt { deployment: d, started_at, finished_at, reached: d.status == Status::Success })
        })
        .collect();
    all.sort_by(|a, b| {
        let key = |x: &Attempt<'a>| (x.finished_at, &x.deployment.id, &x.deployment.source);
        key(a).cmp(&key(b))
    });
    all.into_iter().partition(|a| a.reached)
}

/// The path prefixes that a service is built from: as configured, else as its latest deployment says.
fn paths_of(service: &str, deployments: &[&Deployment], catalog: &Catalog) -> Vec<String> {
    let configured = catalog.service(service).map(|s| s.paths.clone()).unwrap_or_default();
    if !configured.is_empty() {
        return configured;
    }
    let told = deployments.iter().filter(|d| !d.paths.is_empty()).max_by_key(|d| (d.finished_at, &d.id));
    told.map(|d| d.paths.clone()).unwrap_or_default()
}

fn count_changes(shipments: &[Shipment], outcomes: &mut [Outcome]) {
    let mut counts = std::collections::HashMap::new();
    for shipment in shipments.iter().filter(|s| s.excluded.is_none()) {
        *counts.entry((&shipment.source, &shipment.deployment)).or_insert(0) += 1;
    }
    for outcome in outcomes {
        let key = (&Some(outcome.source.clone()), &Some(outcome.deployment.clone()));
        outcome.n_changes = counts.get(&key).copied().unwrap_or(0);
    }
}
