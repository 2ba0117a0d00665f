//! Deployments of one month to production: planned ones, and the rollbacks and hotfixes that those call for which
//! go wrong. A repair that would only finish in another month is left out: its incident ends without one. What
//! happens in other environments before is `promotion`'s.

use dorado_lake::Status;
use rand::Rng;
use rand_pcg::Pcg64;

use super::Organisation;
use super::calendar::Month;
use super::chance::{Pick, Stream, chance, happens, log_normal};
use super::promotion::promoted;
use super::size::{Detail, Size};

/// How many times longer a repair takes, from the gravest severity to the least.
pub(super) const SEVERITY_FACTORS: [f64; 4] = [0.5, 0.8, 1.2, 2.5];

/// One deployment.
#[derive(Debug, Clone)]
pub(super) struct Rollout {
    /// Place among all, from 1, in order of finish.
    pub(super) number: u32,
    pub(super) service: usize,
    pub(super) environment: Environment,
    pub(super) status: Status,
    pub(super) kind: Kind,
    pub(super) started: i64,
    pub(super) finished: i64,
    /// What is merged later is not in it: when it began, or when its revision came to the first environment.
    pub(super) closed: i64,
    /// Place in its month of the deployment that takes the same revision to production.
    pub(super) leads_to: Option<usize>,
    /// Number of the deployment that first carried its revision: its own, unless it goes back.
    pub(super) revision: u32,
    pub(super) version: Option<Version>,
    /// What follows where it went wrong in production.
    pub(super) failure: Option<Failure>,
    /// Place in its month of the deployment that it repairs.
    pub(super) repairs: Option<usize>,
    /// Number of the incident that it ends.
    pub(super) fixes_incident: Option<u32>,
}

/// Where to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Environment {
    Production,
    Staging,
    Dev,
}

impl Environment {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Dev => "dev",
        }
    }
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Planned,
    Hotfix,
    Rollback,
}

/// `v1.release.patch`.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Version {
    pub(super) release: u32,
    pub(super) patch: u32,
}

/// What follows a deployment that went wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Failure {
    pub(super) detected: i64,
    pub(super) repaired: i64,
    /// From 0, the gravest.
    pub(super) severity: usize,
    /// Place in its month of the deployment that repaired it.
    pub(super) repaired_by: Option<usize>,
    /// Whether it is told whatever chance says.
    pub(super) is_certain: bool,
}

/// What runs in production, service by service, carried from month to month.
#[derive(Debug, Clone, Default)]
pub(super) struct Running {
    now: Option<(u32, Version)>,
    latest: Version,
}

impl Rollout {
    /// One that nothing follows; numbers are given when all of its month are known.
    pub(super) fn planned(
        service: usize,
        environment: Environment,
        status: Status,
        (started, finished): (i64, i64),
    ) -> Self {
        Self {
            number: 0,
            service,
            environment,
            status,
            kind: Kind::Planned,
            started,
            finished,
            closed: started,
            leads_to: None,
            revision: 0,
            version: None,
            failure: None,
            repairs: None,
            fixes_incident: None,
        }
    }

    pub(super) fn reached_production(&self) -> bool {
        self.environment == Environment::Production && self.status == Status::Success
    }
}

/// Draws what a month's deployments are made from.
struct Drawing<'a> {
    organisation: &'a Organisation,
    month: &'a Month,
    rng: Pcg64,
    service: Pick,
    lost: f64,
    drafts: Vec<Rollout>,
}

/// The deployments of `month` in order of finish. `before` is how many there were in earlier months;
/// `running` has one place a service.
pub(super) fn deployments(
    organisation: &Organisation,
    month: &Month,
    before: u32,
    running: &mut [Running],
) -> Vec<Rollout> {
    let n = organisation.n_deployments[month.place];
    let n_production = (n as f64 * organisation.scale.production).round() as usize;
    let mut drawing = Drawing {
        organisation,
        month,
        rng: chance(organisation.seed, month.place, Stream::Deployments),
        service: organisation.busy(month, 1.0),
        lost: if organisation.size == Size::Demo { 0.4 } else { 1.0 },
        drafts: Vec::with_capacity(n + 2),
    };
    drawing.draw_broken();
    while drawing.drafts.len() < n_production {
        drawing.draw();
    }
    // A repair always follows what it repairs, so that cutting one off leaves no name without its deployment.
    drawing.drafts.truncate(n_production.max(1).min(n));
    let mut rollouts = in_order(promoted(organisation, month, drawing.drafts, n));
    for (rollout, number) in rollouts.iter_mut().zip(before + 1..) {
        rollout.number = number;
    }
    carry(&mut rollouts, running);
    if organisation.scale.detail == Detail::Bare {
        for rollout in &mut rollouts {
            rollout.version = None;
        }
    }
    rollouts
}

impl Drawing<'_> {
    fn draw(&mut self) {
        let service = self.service.place(&mut self.rng);
        let nature = &self.organisation.everybody.natures[service];
        let finished = self.organisation.calendar.instant(self.month, &mut self.rng, nature.zone_minutes);
        let seconds = log_normal(&mut self.rng, 240.0, 0.8) as i64;
        let fate: f64 = self.rng.random();
        let lost = nature.fail_rate * self.lost;
        let status = match fate {
            fate if fate < lost => Status::Failed,
            fate if fate < lost + 0.03 * self.lost => Status::Cancelled,
            _ => Status::Success,
        };
        self.drafts.push(Rollout::planned(service, Environment::Production, status, (finished - seconds, finished)));
        let risk = nature.fail_rate * 1.5 * self.organisation.story.failure(service, finished);
        if status == Status::Success && happens(&mut self.rng, risk) {
            self.fail(self.drafts.len() - 1);
        }
    }

    /// Makes the draft at `place` go wrong, and maybe repairs it.
    fn fail(&mut self, place: usize) {
        let Rollout { service, finished, .. } = self.drafts[place];
        let severity = self.organisation.severity.place(&mut self.rng);
        let remedy: f64 = self.rng.random();
        let pace = self.organisation.story.repair(service, finished) * SEVERITY_FACTORS[severity];
        let rollback = remedy < 0.32;
        let detected = finished + 1 + log_normal(&mut self.rng, 2_400.0, 1.2) as i64;
        let repair = log_normal(&mut self.rng, 7_200.0, 1.3) * pace * if rollback { 0.4 } else { 1.0 };
        let repaired = detected + 60 + repair as i64;
        let seconds = log_normal(&mut self.rng, 180.0, 0.6) as i64;
        let mut failure = Failure { detected, repaired, severity, repaired_by: None, is_certain: false };
        if remedy < 0.8 && repaired < self.month.to {
            failure.repaired_by = Some(self.drafts.len());
            let started = repaired - seconds.min((repaired - finished) / 2);
            self.drafts.push(Rollout {
                kind: if rollback { Kind::Rollback } else { Kind::Hotfix },
                repairs: Some(place),
                ..Rollout::planned(service, Environment::Production, Status::Success, (started, repaired))
            });
        }
        self.drafts[place].failure = Some(failure);
    }

    /// The deployment that is broken at the end, in the month in which it is made.
    fn draw_broken(&mut self) {
        let Some((service, finished)) = self.organisation.story.broken else { return };
        if !(self.month.from..self.month.to).contains(&finished) {
            return;
        }
        let detected = finished + 17 * 60;
        self.drafts.push(Rollout {
            failure: Some(Failure { detected, repaired: i64::MAX, severity: 1, repaired_by: None, is_certain: true }),
            ..Rollout::planned(service, Environment::Production, Status::Success, (finished - 312, finished))
        });
    }
}

/// Drafts in order of finish, their links moved along.
fn in_order(drafts: Vec<Rollout>) -> Vec<Rollout> {
    let mut order: Vec<usize> = (0..drafts.len()).collect();
    order.sort_by_key(|place| drafts[*place].finished);
    let mut moved = vec![0; drafts.len()];
    for (to, from) in order.iter().enumerate() {
        moved[*from] = to;
    }
    let mut rollouts = drafts;
    for rollout in &mut rollouts {
        rollout.repairs = rollout.repairs.map(|place| moved[place]);
        rollout.leads_to = rollout.leads_to.map(|place| moved[place]);
        if let Some(failure) = &mut rollout.failure {
            failure.repaired_by = failure.repaired_by.and_then(|place| moved.get(place).copied());
        }
    }
    let mut placed: Vec<(usize, Rollout)> = moved.into_iter().zip(rollouts).collect();
    placed.sort_unstable_by_key(|(place, _)| *place);
    placed.into_iter().map(|(_, rollout)| rollout).collect()
}

/// Gives each its revision and version: a new one, or that which ran before the one rolled back.
fn carry(rollouts: &mut [Rollout], running: &mut [Running]) {
    let mut replaced: Vec<Option<(u32, Version)>> = vec![None; rollouts.len()];
    for place in 0..rollouts.len() {
        let rollout = &mut rollouts[place];
        rollout.revision = rollout.number;
        if !rollout.reached_production() {
            continue;
        }
        let service = &mut running[rollout.service];
        replaced[place] = service.now;
        let back = rollout.repairs.and_then(|place| replaced[place]);
        let carried = match (rollout.kind, back) {
            (Kind::Rollback, Some(back)) => back,
            (Kind::Planned, _) => {
                service.latest = Version { release: service.latest.release + 1, patch: 0 };
                (rollout.number, service.latest)
            }
            // There is nothing to go back to after a first deployment.
            (Kind::Hotfix | Kind::Rollback, _) => {
                rollout.kind = Kind::Hotfix;
                service.latest.patch += 1;
                (rollout.number, service.latest)
            }
        };
        service.now = Some(carried);
        (rollout.revision, rollout.version) = (carried.0, Some(carried.1));
    }
    for place in 0..rollouts.len() {
        let Some(to) = rollouts[place].leads_to else { continue };
        (rollouts[place].revision, rollouts[place].version) = (rollouts[to].revision, rollouts[to].version);
    }
}
