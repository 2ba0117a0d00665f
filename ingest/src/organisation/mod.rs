//! A made-up organisation: years of deployments, changes and incidents, the same from the same seed on every
//! machine. `dorado demo` shows it, the benches measure with it. Every instant is a whole second, so that the
//! last bit of a platform's logarithm never shows.

mod calendar;
mod chance;
mod changes;
mod deployments;
mod incidents;
mod ndjson;
mod parquet;
mod promotion;
mod services;
mod size;
mod story;
mod tell;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use dorado_lake::{Fact, Instant};

use calendar::{Calendar, Month};
use chance::Pick;
use changes::{Changes, Schedule, changes};
use deployments::{Rollout, Running, deployments};
use incidents::{Outage, incidents};
pub use services::Service;
use services::{Everybody, Nature};
use size::Scale;
pub use size::{Size, UnknownSize};
use story::Story;

/// Facts at most in one item of [`Organisation::facts`].
const MAX_BATCH: usize = 100_000;

/// An organisation and its history.
#[derive(Debug, Clone)]
pub struct Organisation {
    size: Size,
    scale: Scale,
    seed: u64,
    everybody: Everybody,
    calendar: Calendar,
    story: Story,
    severity: Pick,
    /// By month.
    n_deployments: Vec<usize>,
    n_changes: Vec<usize>,
    n_incidents: Vec<usize>,
}

impl Organisation {
    /// The organisation of a size whose history ends at `until`; another seed makes another one.
    pub fn new(size: Size, until: Instant, seed: u64) -> Self {
        let scale = size.scale();
        let everybody = Everybody::new(size, seed);
        let calendar = Calendar::new(until, scale.n_months);
        Self {
            size,
            scale,
            seed,
            story: Story::new(size, &everybody, calendar.until),
            severity: Pick::new(vec![0.08, 0.22, 0.4, 0.3]),
            n_deployments: calendar.divide(scale.n_deployments),
            n_changes: calendar.divide(scale.n_changes),
            n_incidents: calendar.divide(scale.n_incidents),
            everybody,
            calendar,
        }
    }

    /// Groups, then the teams in them: each name with its parent's.
    pub fn teams(&self) -> Vec<(String, Option<String>)> {
        let mut groups: Vec<&str> = self.everybody.teams.iter().map(|t| t.group.as_str()).collect();
        groups.dedup();
        let groups = groups.into_iter().map(|group| (group.to_owned(), None));
        let teams = self.everybody.teams.iter().map(|team| (team.name.clone(), Some(team.group.clone())));
        groups.chain(teams).collect()
    }

    /// Its services.
    pub fn services(&self) -> Vec<Service> {
        self.everybody.services.clone()
    }

    /// How many facts [`Organisation::facts`] tells in all.
    pub fn n_facts(&self) -> u64 {
        let n_changes = u64::from(self.scale.n_changes) * if self.scale.detail == size::Detail::Full { 2 } else { 1 };
        u64::from(self.scale.n_deployments) + n_changes + u64::from(self.scale.n_incidents)
    }

    /// Its history, month by month: of each its deployments, its incidents, then its changes, each in order of
    /// time. An item holds at most 100,000 facts, all of one month. They equal what the events source states
    /// of [`Organisation::write_ndjson`].
    pub fn facts(&self) -> impl Iterator<Item = Vec<Fact>> + Send {
        self.months().flat_map(|month| {
            let mut pending = self.tell(month);
            std::iter::from_fn(move || {
                let batch: Vec<Fact> = pending.by_ref().take(MAX_BATCH).collect();
                (!batch.is_empty()).then_some(batch)
            })
        })
    }

    /// What happened, month by month.
    fn months(&self) -> impl Iterator<Item = Happened<'_>> + Send {
        let schedule = Arc::new(self.schedule());
        let mut history = History::new(self);
        std::iter::from_fn(move || history.next(&schedule))
    }

    /// All months' deployments, for changes to find what ships them, maybe in a later month.
    fn schedule(&self) -> Schedule {
        let mut schedule = Schedule::new(self.calendar.from, self.everybody.services.len());
        let mut history = History::new(self);
        while let Some((_, rollouts)) = history.next_rollouts() {
            for rollout in &rollouts {
                schedule.add(rollout);
            }
        }
        schedule.sort();
        schedule
    }

    /// Picks a service by its share of what happens in a month, to the power of `evenness`.
    fn busy(&self, month: &Month, evenness: f64) -> Pick {
        let middle = i64::midpoint(month.from, month.to);
        let natures = self.everybody.natures.iter().enumerate();
        let weight =
            |(place, nature): (usize, &Nature)| nature.traffic.powf(evenness) * self.story.traffic(place, middle);
        Pick::new(natures.map(weight).collect())
    }
}

/// What happened in a month. Changes are drawn as they are asked for, so that no month of them lies in memory.
struct Happened<'a> {
    rollouts: Vec<Rollout>,
    outages: Vec<Outage>,
    changes: Changes<'a>,
}

/// Goes through the months, and carries from one to the next what that needs.
struct History<'a> {
    organisation: &'a Organisation,
    months: std::slice::Iter<'a, Month>,
    running: Vec<Running>,
    n_deployments: u32,
    n_incidents: u32,
    n_changes: u32,
}

impl<'a> History<'a> {
    fn new(organisation: &'a Organisation) -> Self {
        Self {
            organisation,
            months: organisation.calendar.months.iter(),
            running: vec![Running::default(); organisation.everybody.services.len()],
            n_deployments: 0,
            n_incidents: 0,
            n_changes: 0,
        }
    }

    fn next(&mut self, schedule: &Arc<Schedule>) -> Option<Happened<'a>> {
        let (month, mut rollouts) = self.next_rollouts()?;
        let outages = incidents(self.organisation, month, self.n_incidents, &mut rollouts);
        let changes = changes(self.organisation, month, self.n_changes, &rollouts, Arc::clone(schedule));
        self.n_incidents += outages.len() as u32;
        self.n_changes += changes.len() as u32;
        Some(Happened { rollouts, outages, changes })
    }

    fn next_rollouts(&mut self) -> Option<(&'a Month, Vec<Rollout>)> {
        let month = self.months.next()?;
        let rollouts = deployments(self.organisation, month, self.n_deployments, &mut self.running);
        self.n_deployments += rollouts.len() as u32;
        Some((month, rollouts))
    }
}
