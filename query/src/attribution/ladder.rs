//! The ladder of environments: with which deployment each change first reaches each of them, production or not.
//! The rules are those of shipping; an environment's first deployment is its baseline.

use std::collections::BTreeMap;

use dorado_lake::{Deployment, Instant, Status, Tier};

use super::{Attempt, Candidates, paths_of, shipping};
use crate::catalog::Catalog;

/// One environment of one service.
pub(crate) struct Rung {
    pub(crate) environment: String,
    pub(crate) tier: Tier,
    /// When its successful deployments finished, in order.
    pub(crate) deployed_at: Vec<Instant>,
    /// Changes by their id: when each first arrived, and milliseconds since it was committed.
    pub(crate) arrivals: BTreeMap<String, (Instant, i64)>,
}

/// Every environment that a service was deployed to, by name.
pub(crate) fn climb(
    service: &str,
    deployments: &[&Deployment],
    candidates: &Candidates<'_>,
    catalog: &Catalog,
) -> Vec<Rung> {
    let paths = paths_of(service, deployments, catalog);
    let mut by_environment: BTreeMap<&str, Vec<Attempt<'_>>> = BTreeMap::new();
    for deployment in deployments.iter().filter(|d| d.status == Status::Success) {
        let Some(finished_at) = deployment.finished_at else { continue };
        let started_at = deployment.started_at.unwrap_or(finished_at);
        let attempt = Attempt { deployment, started_at, finished_at, reached: true };
        by_environment.entry(&deployment.environment).or_default().push(attempt);
    }
    by_environment
        .into_iter()
        .map(|(environment, mut successes)| {
            successes.sort_by(|a, b| {
                let key = |x: &Attempt<'_>| (x.finished_at, x.deployment.id.clone(), x.deployment.source.clone());
                key(a).cmp(&key(b))
            });
            let told = successes.iter().rev().find_map(|attempt| attempt.deployment.tier);
            let shipped = shipping::ship(service, &successes, candidates, &paths, &[]);
            let counted = shipped.shipments.into_iter().filter(|shipment| shipment.excluded.is_none());
            Rung {
                environment: environment.to_owned(),
                tier: catalog.tier(environment, told),
                deployed_at: successes.iter().map(|attempt| attempt.finished_at).collect(),
                arrivals: counted.filter_map(|s| Some((s.change, (s.shipped_at?, s.lead_ms?)))).collect(),
            }
        })
        .collect()
}
