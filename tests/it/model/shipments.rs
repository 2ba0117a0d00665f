//! Which change ships with which deployment: what the deployment lists or what names it, else what its revision reaches
//! and no earlier one did, else what was merged between the starts of two deployments.

use super::facts::{Change, Deployment, Facts, Instant, PullRequest};
use super::pack::Pack;

/// A change and the deployment that it ships with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shipment<'a> {
    pub(crate) deployment: &'a Deployment,
    pub(crate) change: &'a Change,
}

/// Everything that shipped, service by service. A service's first deployment is a baseline: what it
/// holds is known to be there already, and ships with nothing.
pub(crate) fn shipments<'a>(facts: &'a Facts, pack: &Pack) -> Vec<Shipment<'a>> {
    let mut shipped = Vec::new();
    for service in facts.services() {
        let deployments = facts.production(&service);
        let mut held: Vec<&Change> = Vec::new();
        for (n_earlier, deployment) in deployments.iter().enumerate() {
            for change in brought(facts, deployment, &deployments[..n_earlier]) {
                if held.iter().any(|h| original(facts, h) == original(facts, change)) {
                    continue;
                }
                held.push(change);
                if n_earlier > 0 || pack.does_first_ship {
                    shipped.push(Shipment { deployment, change });
                }
            }
        }
    }
    shipped
}

/// When the change was committed, for a deployment that finished at `shipped_at`; `None` is an anomaly.
pub(crate) fn commit_time(change: &Change, shipped_at: Instant) -> Option<Instant> {
    [change.authored_at, change.committed_at]
        .into_iter()
        .flatten()
        .find(|at| *at <= shipped_at && *at >= first_believable())
}

/// Where the lead time of a change begins; `None` where that is unknown.
pub(crate) fn start(facts: &Facts, pack: &Pack, shipment: &Shipment) -> Option<Instant> {
    let committed_at = commit_time(shipment.change, shipment.deployment.finished());
    let ends = stage_ends(facts, shipment);
    match pack.start.as_str() {
        "commit" => committed_at,
        "opened" => ends?[1],
        "merged" => ends.map_or(shipment.change.merged_at, |ends| ends[4]),
        _ if pack.is_of_pull_requests => ends?[0],
        _ => ends.and_then(|ends| ends[0]).or(shipment.change.first_commit_at).or(committed_at),
    }
}

/// Of each pull request the last of its changes that shipped; changes without one are left out.
pub(crate) fn by_pull_request<'a>(facts: &'a Facts, shipped: Vec<Shipment<'a>>) -> Vec<Shipment<'a>> {
    let last = |s: &Shipment| (s.deployment.finished(), s.change.id.clone());
    let mut kept: Vec<(&PullRequest, Shipment)> = Vec::new();
    for shipment in shipped {
        let Some(pull) = pull_of(facts, shipment.change) else { continue };
        let of_service =
            |k: &&mut (&PullRequest, Shipment)| k.0 == pull && k.1.deployment.service == shipment.deployment.service;
        match kept.iter_mut().find(of_service) {
            Some(k) if last(&k.1) < last(&shipment) => k.1 = shipment,
            Some(_) => {}
            None => kept.push((pull, shipment)),
        }
    }
    kept.into_iter().map(|(_, shipment)| shipment).collect()
}

fn pull_of<'a>(facts: &'a Facts, change: &Change) -> Option<&'a PullRequest> {
    facts
        .pull_requests
        .iter()
        .find(|p| holds(p, change) || (is_same_place(p, change) && p.merge_commit.as_ref() == Some(&change.id)))
}

/// First commit, opening, first review, approval and merge of the change's pull request, and the shipping.
pub(crate) fn stage_ends(facts: &Facts, shipment: &Shipment) -> Option<[Option<Instant>; 6]> {
    let pull = pull_of(facts, shipment.change)?;
    let own = facts.changes.iter().filter(|c| holds(pull, c));
    let written = own.filter_map(|c| c.authored_at.or(c.committed_at)).filter(|at| *at >= first_believable()).min();
    Some([
        pull.first_commit_at.or(written).or(shipment.change.first_commit_at),
        pull.opened_at,
        pull.first_review_at,
        pull.approved_at,
        pull.merged_at.or(shipment.change.merged_at),
        Some(shipment.deployment.finished()),
    ])
}

fn first_believable() -> Instant {
    "1990-01-01T00:00:00Z".parse().expect("an instant")
}

/// Changes that a deployment brings by the first rule that applies to it.
fn brought<'a>(facts: &'a Facts, deployment: &Deployment, earlier: &[&Deployment]) -> Vec<&'a Change> {
    let mut found = if deployment.changes.is_some() || deployment.pull_requests.is_some() {
        listed(facts, deployment)
    } else if has_graph(facts, deployment) {
        let before: Vec<&Change> = earlier.iter().flat_map(|e| reachable(facts, e)).collect();
        let mut reached = reachable(facts, deployment);
        reached.retain(|change| !before.contains(change));
        reached
    } else {
        merged_since(facts, deployment, earlier)
    };
    let names_it = |c: &&Change| c.deployment.as_ref() == Some(&deployment.id) && is_of(c, deployment);
    found.retain(|c| c.deployment.is_none());
    found.extend(facts.changes.iter().filter(names_it));
    let mut changes: Vec<&Change> = found.into_iter().flat_map(|c| stands_for(facts, c)).collect();
    changes.retain(|c| !is_merge(c));
    changes
}

fn listed<'a>(facts: &'a Facts, deployment: &Deployment) -> Vec<&'a Change> {
    let mut names: Vec<&String> = deployment.changes.iter().flatten().collect();
    for id in deployment.pull_requests.iter().flatten() {
        for pull in facts.pull_requests.iter().filter(|p| p.id == *id && is_of_pull(p, deployment)) {
            names.extend(pull.commits.iter().flatten().chain(&pull.merge_commit));
        }
    }
    names.iter().filter_map(|name| find(facts, deployment, name)).collect()
}

fn has_graph(facts: &Facts, deployment: &Deployment) -> bool {
    revision(facts, deployment).is_some_and(|c| c.parents.is_some())
}

fn reachable<'a>(facts: &'a Facts, deployment: &Deployment) -> Vec<&'a Change> {
    let mut reached: Vec<&Change> = Vec::new();
    let mut next: Vec<&Change> = revision(facts, deployment).into_iter().collect();
    while let Some(change) = next.pop() {
        if !reached.contains(&change) {
            reached.push(change);
            next.extend(change.parents.iter().flatten().filter_map(|p| find(facts, deployment, p)));
        }
    }
    reached
}

fn merged_since<'a>(facts: &'a Facts, deployment: &Deployment, earlier: &[&Deployment]) -> Vec<&'a Change> {
    let after = earlier.iter().map(|e| e.started()).max();
    let is_between = |at: Instant| after.is_none_or(|after| at > after) && at <= deployment.started();
    facts.changes.iter().filter(|c| is_of(c, deployment) && merged_at(facts, c).is_some_and(is_between)).collect()
}

fn merged_at(facts: &Facts, change: &Change) -> Option<Instant> {
    change.merged_at.or_else(|| facts.pull_requests.iter().find(|p| holds(p, change)).and_then(|p| p.merged_at))
}

/// A squash or rebase commit of a pull request whose own commits are known stands for those.
fn stands_for<'a>(facts: &'a Facts, change: &'a Change) -> Vec<&'a Change> {
    for pull in &facts.pull_requests {
        let is_merge_commit = pull.merge_commit.as_ref() == Some(&change.id) && is_same_place(pull, change);
        if is_merge_commit && pull.merged_at.is_some() && !holds(pull, change) {
            let own: Vec<&Change> = facts.changes.iter().filter(|c| holds(pull, c)).collect();
            if !own.is_empty() {
                return own;
            }
        }
    }
    vec![change]
}

fn is_merge(change: &Change) -> bool {
    change.parents.as_ref().is_some_and(|p| p.len() > 1)
}

/// The change that this one is a cherry-pick of, however often it was picked on; else itself.
fn original<'a>(facts: &'a Facts, change: &'a Change) -> &'a Change {
    let mut origin = change;
    for _ in 0..facts.changes.len() {
        let Some(of) = &origin.cherry_pick_of else { break };
        let is_same = |c: &&Change| c.id == *of && c.repository == origin.repository && c.service == origin.service;
        match facts.changes.iter().find(is_same) {
            Some(picked) => origin = picked,
            None => break,
        }
    }
    origin
}

fn revision<'a>(facts: &'a Facts, deployment: &Deployment) -> Option<&'a Change> {
    find(facts, deployment, deployment.revision.as_ref()?)
}

fn find<'a>(facts: &'a Facts, deployment: &Deployment, name: &str) -> Option<&'a Change> {
    facts.changes.iter().find(|c| c.id.eq_ignore_ascii_case(name) && is_of(c, deployment))
}

fn is_of(change: &Change, deployment: &Deployment) -> bool {
    match &change.service {
        Some(service) => *service == deployment.service,
        None => change.repository.is_some() && change.repository == deployment.repository,
    }
}

fn is_of_pull(pull: &PullRequest, deployment: &Deployment) -> bool {
    match &pull.service {
        Some(service) => *service == deployment.service,
        None => pull.repository.is_some() && pull.repository == deployment.repository,
    }
}

fn is_same_place(pull: &PullRequest, change: &Change) -> bool {
    pull.repository == change.repository && pull.service == change.service
}

fn holds(pull: &PullRequest, change: &Change) -> bool {
    is_same_place(pull, change)
        && (pull.commits.iter().flatten().any(|c| *c == change.id)
            || (change.pull_request.as_ref() == Some(&pull.id) && pull.merge_commit.as_ref() != Some(&change.id)))
}
