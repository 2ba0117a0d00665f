//! The way to production: a revision that is planned for it goes to dev, then to staging, and waits in each. How long
//! is its service's nature. Repairs go straight to production.

use dorado_lake::Status;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use super::Organisation;
use super::calendar::Month;
use super::chance::{Stream, chance, happens, log_normal};
use super::deployments::{Environment, Kind, Rollout};
use super::size::Detail;

/// Seconds in dev, of a common service.
const DEV: f64 = 2_400.0;
/// Seconds in staging, of a common service.
const STAGING: f64 = 4.0 * 3_600.0;
/// Share of the deployments to other environments than production that go to staging.
const TO_STAGING: f64 = 0.6;

/// A month's deployments to production, and before them those to other environments, `n` in all.
pub(super) fn promoted(
    organisation: &Organisation,
    month: &Month,
    mut rollouts: Vec<Rollout>,
    n: usize,
) -> Vec<Rollout> {
    let rng = &mut chance(organisation.seed, month.place, Stream::Promotions);
    let n_others = n.saturating_sub(rollouts.len());
    let (staging, dev) = match organisation.scale.detail {
        Detail::Full => (n_others / 2, n_others - n_others / 2),
        Detail::Bare => {
            let staging = (n_others as f64 * TO_STAGING).round() as usize;
            (staging, n_others - staging)
        }
    };
    // There is no room for another before what began with its month.
    let planned = |place: &usize| rollouts[*place].kind == Kind::Planned && rollouts[*place].started > month.from + 60;
    let mut places: Vec<usize> = (0..rollouts.len()).filter(planned).collect();
    places.shuffle(rng);
    for (turn, place) in places.into_iter().enumerate() {
        let mut earliest = rollouts[place].started;
        for (environment, wanted, common) in [(Environment::Staging, staging, STAGING), (Environment::Dev, dev, DEV)] {
            if turn >= wanted {
                continue;
            }
            let service = rollouts[place].service;
            let wait = organisation.wait(rng, service, environment, earliest, common);
            // No wait reaches back into another month.
            let finished = earliest - wait.min((earliest - month.from) / 2);
            let seconds = log_normal(rng, 150.0, 0.5) as i64;
            earliest = finished - seconds.clamp(1, 3_600);
            let span = (earliest, finished);
            rollouts.push(Rollout {
                leads_to: Some(place),
                ..Rollout::planned(service, environment, Status::Success, span)
            });
        }
        // The yardstick's changes ship with what starts next in production.
        if organisation.scale.detail == Detail::Full {
            rollouts[place].closed = earliest;
        }
    }
    go_no_further(organisation, month, rng, &mut rollouts, n);
    rollouts
}

/// What was only tried in dev, until there are `n`.
fn go_no_further(organisation: &Organisation, month: &Month, rng: &mut Pcg64, rollouts: &mut Vec<Rollout>, n: usize) {
    let service = organisation.busy(month, 1.0);
    while rollouts.len() < n {
        let service = service.place(rng);
        let nature = &organisation.everybody.natures[service];
        let finished = organisation.calendar.instant(month, rng, nature.zone_minutes);
        let status = if happens(rng, 0.2) { Status::Failed } else { Status::Success };
        rollouts.push(Rollout::planned(service, Environment::Dev, status, (finished - 150, finished)));
    }
}

impl Organisation {
    /// Seconds that a revision stays in an environment before it goes on at `until`.
    fn wait(&self, rng: &mut Pcg64, service: usize, environment: Environment, until: i64, common: f64) -> i64 {
        let slowness = self.everybody.natures[service].slowness(self.calendar.progress(until));
        let signed_off = if environment == Environment::Staging { self.story.sign_off(service) } else { 1.0 };
        (log_normal(rng, common, 0.5) * slowness * self.story.work(service, until) * signed_off) as i64
    }
}
