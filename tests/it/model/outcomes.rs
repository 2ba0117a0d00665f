//! What became of each production deployment: whether it failed, how sure that is, when service was
//! restored, and whether it was itself rework.

use super::facts::{Deployment, Facts, Incident, Instant, Override};
use super::pack::Pack;
use super::shipments::{Shipment, shipments};

/// How sure an edge is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Confidence {
    Probable,
    Confirmed,
}

/// One deployment that reached production.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) failed: Option<Confidence>,
    /// When service was restored; `None` where it did not fail or is not restored yet.
    pub(crate) recovered_at: Option<Instant>,
    /// Where its recovery time begins.
    pub(crate) began_at: Instant,
    pub(crate) is_rework: bool,
}

/// "`repair` ended what `broken` had begun."
#[derive(Debug, Clone, Copy)]
struct Repair<'a> {
    broken: &'a Deployment,
    repair: &'a Deployment,
    kind: &'static str,
    confidence: Confidence,
}

/// "`incident` was caused by `deployment`."
#[derive(Debug, Clone, Copy)]
struct Cause<'a> {
    incident: &'a Incident,
    deployment: &'a Deployment,
    confidence: Confidence,
}

/// All deployments that reached production, of all services, judged under a pack.
pub(crate) fn outcomes<'a>(facts: &'a Facts, pack: &Pack) -> Vec<Outcome<'a>> {
    let shipped = shipments(facts, pack);
    let all_repairs = repairs(facts, &shipped);
    let all_causes = causes(facts, &shipped, pack);
    let repairs: Vec<Repair> = all_repairs.iter().copied().filter(|r| pack.takes(r.kind)).collect();
    let causes: Vec<Cause> = all_causes.iter().copied().filter(|_| pack.takes("incident")).collect();
    let failed = |deployment: &Deployment| failure(facts, deployment, &repairs, &causes, pack);
    // Rework is the same under every pack but where the first deployment ships.
    let judge = Pack::of(&[("first_deployment", if pack.does_first_ship { "all" } else { "baseline" })]);
    let usual_causes = self::causes(facts, &shipped, &judge);
    let usually_failed = |deployment: &Deployment| failure(facts, deployment, &all_repairs, &usual_causes, &judge);
    facts
        .services()
        .iter()
        .flat_map(|service| facts.production(service))
        .map(|deployment| Outcome {
            deployment,
            failed: failed(deployment),
            recovered_at: failed(deployment).and_then(|_| recovery(deployment, &repairs, &causes)),
            began_at: beginning(deployment, &causes, pack),
            is_rework: says_rework(deployment)
                || goes_back(facts, deployment)
                || all_repairs.iter().any(|r| r.repair == deployment && usually_failed(r.broken).is_some()),
        })
        .collect()
}

fn failure(
    facts: &Facts,
    deployment: &Deployment,
    repairs: &[Repair],
    causes: &[Cause],
    pack: &Pack,
) -> Option<Confidence> {
    let about = |o: &Override| o.deployment.as_ref() == Some(&deployment.id);
    match decision(facts, about, &["failed", "not_failed"]).map(|o| o.verdict.as_str()) {
        Some("failed") if pack.takes("override") => Some(Confidence::Confirmed),
        Some("not_failed") => None,
        _ => {
            let repaired = repairs.iter().filter(|r| r.broken == deployment).map(|r| r.confidence);
            let caused = causes.iter().filter(|c| c.deployment == deployment).map(|c| c.confidence);
            repaired.chain(caused).max()
        }
    }
}

/// The latest end of the incidents that it caused; without incidents, the first end of what repaired it.
fn recovery(deployment: &Deployment, repairs: &[Repair], causes: &[Cause]) -> Option<Instant> {
    let mut incidents = causes.iter().filter(|c| c.deployment == deployment).peekable();
    if incidents.peek().is_some() {
        let ends: Option<Vec<Instant>> = incidents.map(|c| c.incident.resolved_at).collect();
        return ends?.into_iter().max();
    }
    repairs.iter().filter(|r| r.broken == deployment).map(|r| r.repair.finished()).min()
}

fn beginning(deployment: &Deployment, causes: &[Cause], pack: &Pack) -> Instant {
    let opened = causes.iter().filter(|c| c.deployment == deployment).filter_map(|c| c.incident.opened_at).min();
    match pack.recovery_start.as_str() {
        "incident" => opened.unwrap_or_else(|| deployment.finished()),
        "earlier" => opened.into_iter().chain([deployment.finished()]).min().expect("there is one"),
        _ => deployment.finished(),
    }
}

/// Each incident with the services that it belongs to, and in each the deployment that it is put on.
pub(crate) fn incidents<'a>(facts: &'a Facts, pack: &Pack) -> Vec<(&'a Incident, String, Option<&'a Deployment>)> {
    let shipped = shipments(facts, pack);
    let mut found = Vec::new();
    for incident in &facts.incidents {
        let (blamed, confidence) = if pack.is_by_project {
            (latest_of_project(facts, incident, pack), Confidence::Probable)
        } else {
            blamed(facts, &shipped, incident, pack)
        };
        let mut services: Vec<String> = incident.all_services().into_iter().map(str::to_owned).collect();
        if pack.is_by_project && !blamed.is_empty() {
            services.clear();
        }
        services.extend(blamed.iter().map(|d| d.service.clone()));
        services.sort();
        services.dedup();
        for service in services {
            let own = blamed.iter().find(|d| d.service == service).copied();
            let any = blamed.first().copied().filter(|_| confidence == Confidence::Confirmed);
            found.push((incident, service, own.or(any)));
        }
    }
    found
}

/// What a person decided last, among decisions of these kinds.
fn decision<'a>(facts: &'a Facts, about: impl Fn(&Override) -> bool, verdicts: &[&str]) -> Option<&'a Override> {
    facts
        .overrides
        .iter()
        .filter(|o| about(o) && verdicts.contains(&o.verdict.as_str()))
        .max_by_key(|o| (o.decided_at, o.id.clone()))
}

fn repairs<'a>(facts: &'a Facts, shipped: &[Shipment<'a>]) -> Vec<Repair<'a>> {
    let mut repairs = Vec::new();
    for service in facts.services() {
        for repair in facts.production(&service) {
            let broken = repaired(facts, repair);
            repairs.extend(broken.map(|(broken, kind, confidence)| Repair { broken, repair, kind, confidence }));
        }
    }
    for reverting in shipped {
        let is_reverted = |s: &&Shipment| {
            reverting.change.reverts.as_ref() == Some(&s.change.id)
                && s.deployment.service == reverting.deployment.service
                && s.deployment.place() < reverting.deployment.place()
        };
        repairs.extend(shipped.iter().find(is_reverted).map(|s| Repair {
            broken: s.deployment,
            repair: reverting.deployment,
            kind: "revert",
            confidence: Confidence::Probable,
        }));
    }
    repairs
}

/// What a deployment repairs by what it says or by what it goes back to, and in which way.
fn repaired<'a>(facts: &'a Facts, repair: &Deployment) -> Option<(&'a Deployment, &'static str, Confidence)> {
    let is_rollback = repair.rollback || repair.rolls_back.is_some() || goes_back(facts, repair);
    let kind = if is_rollback { "rollback" } else { "remediation" };
    if let Some(name) = repair.rolls_back.as_ref().or(repair.repairs.as_ref()) {
        return Some((named(facts, repair, name)?, kind, Confidence::Confirmed));
    }
    let previous = previous(facts, repair)?;
    if is_rollback {
        Some((previous, kind, Confidence::Confirmed))
    } else if repair.hotfix {
        Some((previous, kind, Confidence::Probable))
    } else {
        None
    }
}

/// An earlier deployment by its id, or by its revision or version within the same service.
fn named<'a>(facts: &'a Facts, repair: &Deployment, name: &str) -> Option<&'a Deployment> {
    let by_id = facts.deployments.iter().find(|d| d.id == name);
    if let Some(deployment) = by_id {
        return Some(deployment).filter(|d| d.reached_production() && d.place() < repair.place());
    }
    facts.production(&repair.service).into_iter().rfind(|d| d.place() < repair.place() && is_called(d, name))
}

fn is_called(deployment: &Deployment, name: &str) -> bool {
    deployment.revision.as_deref() == Some(name) || deployment.version.as_deref() == Some(name)
}

/// The deployment before it in the same service and environment.
fn previous<'a>(facts: &'a Facts, deployment: &Deployment) -> Option<&'a Deployment> {
    facts
        .production(&deployment.service)
        .into_iter()
        .rfind(|d| d.is_same_target(deployment) && d.place() < deployment.place())
}

/// Whether it puts back a revision that was deployed before the one that it replaces.
fn goes_back(facts: &Facts, deployment: &Deployment) -> bool {
    let Some(previous) = previous(facts, deployment) else { return false };
    deployment.revision.is_some()
        && deployment.revision != previous.revision
        && facts
            .production(&deployment.service)
            .iter()
            .any(|d| d.is_same_target(previous) && d.place() < previous.place() && d.revision == deployment.revision)
}

/// Whether its source, its branch, its version or its title says that it is rework.
fn says_rework(deployment: &Deployment) -> bool {
    let names = [&deployment.branch, &deployment.version, &deployment.title];
    let has_pattern = |text: &String| ["hotfix/", "revert-", "Revert \""].iter().any(|p| text.starts_with(p));
    deployment.hotfix
        || deployment.rollback
        || deployment.unplanned
        || deployment.rolls_back.is_some()
        || deployment.fixes_incident.is_some()
        || names.into_iter().flatten().any(has_pattern)
}

fn causes<'a>(facts: &'a Facts, shipped: &[Shipment<'a>], pack: &Pack) -> Vec<Cause<'a>> {
    let mut causes = Vec::new();
    for incident in &facts.incidents {
        let (deployments, confidence) = if pack.is_by_project {
            (latest_of_project(facts, incident, pack), Confidence::Probable)
        } else {
            blamed(facts, shipped, incident, pack)
        };
        causes.extend(deployments.into_iter().map(|deployment| Cause { incident, deployment, confidence }));
    }
    causes
}

/// The deployments that caused an incident, by the first rule that finds one.
fn blamed<'a>(
    facts: &'a Facts,
    shipped: &[Shipment<'a>],
    incident: &Incident,
    pack: &Pack,
) -> (Vec<&'a Deployment>, Confidence) {
    let about = |o: &Override| o.incident.as_ref() == Some(&incident.id);
    if let Some(decision) = decision(facts, about, &["caused_by", "not_caused"]) {
        let by_id = |d: &&Deployment| d.reached_production() && decision.deployment.as_ref() == Some(&d.id);
        let deployments = match decision.verdict.as_str() {
            "caused_by" => facts.deployments.iter().filter(by_id).collect(),
            _ => Vec::new(),
        };
        return (deployments, Confidence::Confirmed);
    }
    for deployments in [explicit(facts, shipped, incident), remediated(facts, incident)] {
        if !deployments.is_empty() {
            return (deployments, Confidence::Confirmed);
        }
    }
    (next_to(facts, incident, pack), Confidence::Probable)
}

fn explicit<'a>(facts: &'a Facts, shipped: &[Shipment<'a>], incident: &Incident) -> Vec<&'a Deployment> {
    let services = incident.all_services();
    let is_hit = |d: &Deployment| services.is_empty() || services.contains(&d.service.as_str());
    if let Some(name) = &incident.caused_by {
        let reached = || facts.deployments.iter().filter(|d| d.reached_production());
        let by_id: Vec<&Deployment> = reached().filter(|d| d.id == *name).collect();
        if !by_id.is_empty() {
            return by_id;
        }
        let by_name = reached().filter(|d| is_called(d, name) && is_hit(d) && Some(d.finished()) <= incident.opened_at);
        return by_name.max_by_key(|d| d.place()).into_iter().collect();
    }
    let Some(change) = &incident.caused_by_change else { return Vec::new() };
    shipped.iter().filter(|s| s.change.id == *change && is_hit(s.deployment)).map(|s| s.deployment).collect()
}

fn remediated<'a>(facts: &'a Facts, incident: &Incident) -> Vec<&'a Deployment> {
    facts
        .deployments
        .iter()
        .filter(|d| d.reached_production() && d.fixes_incident.as_ref() == Some(&incident.id))
        .filter_map(|d| named(facts, d, d.rolls_back.as_ref().or(d.repairs.as_ref())?))
        .collect()
}

fn next_to<'a>(facts: &'a Facts, incident: &Incident, pack: &Pack) -> Vec<&'a Deployment> {
    let Some(opened_at) = incident.opened_at else { return Vec::new() };
    incident
        .all_services()
        .into_iter()
        .filter_map(|service| facts.production(service).into_iter().rfind(|d| d.finished() <= opened_at))
        .filter(|d| pack.window.is_none_or(|window| opened_at - d.finished() <= window))
        .collect()
}

/// The latest deployment before an incident of any service of the team that it hit.
fn latest_of_project<'a>(facts: &'a Facts, incident: &Incident, pack: &Pack) -> Vec<&'a Deployment> {
    let Some(opened_at) = incident.opened_at else { return Vec::new() };
    let team = |service: &str| facts.deployments.iter().find(|d| d.service == service).and_then(|d| d.team.clone());
    let mut teams: Vec<Option<String>> = incident.all_services().into_iter().map(team).collect();
    teams.sort();
    teams.dedup();
    let latest = |wanted: Option<String>| {
        let services = facts.services().into_iter().filter(|service| team(service) == wanted);
        let before = services.flat_map(|service| facts.production(&service)).filter(|d| d.finished() <= opened_at);
        let near = |d: &&Deployment| pack.window.is_none_or(|window| opened_at - d.finished() <= window);
        before.max_by_key(|d| d.place()).filter(near)
    };
    teams.into_iter().filter_map(latest).collect()
}
