//! Incidents of one month: four in five follow a deployment of the month that went wrong, the others
//! come by themselves.

use rand::Rng;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::Organisation;
use super::calendar::Month;
use super::chance::{Pick, Stream, chance, happens, log_normal};
use super::deployments::{Rollout, SEVERITY_FACTORS};
use super::size::Detail;

/// Share of incidents that follow a deployment.
const CAUSED: f64 = 0.8;
/// Share of these that name it.
const NAMED: f64 = 0.81;

/// One incident.
#[derive(Debug, Clone)]
pub(super) struct Outage {
    /// Place among all, from 1, in order of opening.
    pub(super) number: u32,
    pub(super) service: usize,
    /// From 0, the gravest.
    pub(super) severity: usize,
    pub(super) opened: i64,
    pub(super) acknowledged: Option<i64>,
    pub(super) resolved: Option<i64>,
    /// Number of the deployment that it names as its cause.
    pub(super) caused_by: Option<u32>,
    /// Place of its title in the list of titles.
    pub(super) title: usize,
    follows: Option<usize>,
}

/// The incidents of `month` in order of opening; deployments that end one are told which.
pub(super) fn incidents(
    organisation: &Organisation,
    month: &Month,
    before: u32,
    rollouts: &mut [Rollout],
) -> Vec<Outage> {
    let rng = &mut chance(organisation.seed, month.place, Stream::Incidents);
    let n = organisation.n_incidents[month.place];
    let mut failed: Vec<usize> = (0..rollouts.len()).filter(|place| rollouts[*place].failure.is_some()).collect();
    failed.shuffle(rng);
    failed.sort_by_key(|place| rollouts[*place].failure.is_some_and(|f| !f.is_certain));
    failed.truncate((n as f64 * CAUSED).round() as usize);
    let mut outages: Vec<Outage> =
        failed.into_iter().filter_map(|place| following(organisation, month, rng, rollouts, place)).collect();
    let service = organisation.busy(month, 1.0);
    while outages.len() < n {
        outages.push(by_itself(organisation, month, rng, &service));
    }
    outages.sort_by_key(|outage| outage.opened);
    for (outage, number) in outages.iter_mut().zip(before + 1..) {
        outage.number = number;
        let failure = outage.follows.and_then(|place| rollouts[place].failure);
        if let Some(repaired_by) = failure.and_then(|f| f.repaired_by)
            && happens(rng, 0.9)
        {
            rollouts[repaired_by].fixes_incident = Some(number);
        }
    }
    outages
}

fn following(
    organisation: &Organisation,
    month: &Month,
    rng: &mut Pcg64,
    rollouts: &[Rollout],
    place: usize,
) -> Option<Outage> {
    let rollout = &rollouts[place];
    let failure = rollout.failure?;
    let opened = failure.detected.min(month.to - 1);
    let verified = 30 + log_normal(rng, 300.0, 0.7) as i64;
    let resolved = failure.repaired.max(opened).saturating_add(verified);
    let named = happens(rng, NAMED) || failure.is_certain;
    let outage = Outage {
        number: 0,
        service: rollout.service,
        severity: failure.severity,
        opened,
        acknowledged: None,
        resolved: (resolved < organisation.calendar.until).then_some(resolved),
        caused_by: named.then_some(rollout.number),
        title: rng.random_range(0..1_000),
        follows: Some(place),
    };
    Some(outage.attended(organisation, rng))
}

fn by_itself(organisation: &Organisation, month: &Month, rng: &mut Pcg64, service: &Pick) -> Outage {
    let service = service.place(rng);
    let nature = &organisation.everybody.natures[service];
    let opened = organisation.calendar.instant(month, rng, nature.zone_minutes);
    let severity = organisation.severity.place(rng);
    let resolved = opened + 60 + (log_normal(rng, 7_200.0, 1.3) * SEVERITY_FACTORS[severity]) as i64;
    let outage = Outage {
        number: 0,
        service,
        severity,
        opened,
        acknowledged: None,
        resolved: (resolved < organisation.calendar.until).then_some(resolved),
        caused_by: None,
        title: rng.random_range(0..1_000),
        follows: None,
    };
    outage.attended(organisation, rng)
}

impl Outage {
    /// Somebody takes it on; one in a hundred of the yardstick's is never closed.
    fn attended(mut self, organisation: &Organisation, rng: &mut Pcg64) -> Self {
        let acknowledged = self.opened + log_normal(rng, 360.0, 0.8) as i64;
        match organisation.scale.detail {
            Detail::Full => {
                let latest = self.resolved.unwrap_or(organisation.calendar.until - 1);
                self.acknowledged = Some(acknowledged.min(latest));
            }
            Detail::Bare => self.resolved = self.resolved.filter(|_| !happens(rng, 0.01)),
        }
        self
    }
}
