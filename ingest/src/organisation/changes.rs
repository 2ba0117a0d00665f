//! Changes of one month: each a squashed pull request, with the instants of its way to the main branch and
//! the deployment that ships it.

use std::sync::Arc;

use rand::Rng;
use rand_distr::{Beta, Distribution};
use rand_pcg::Pcg64;

use super::Organisation;
use super::calendar::Month;
use super::chance::{Pick, Stream, chance, happens, log_normal};
use super::deployments::{Kind, Rollout};
use super::size::Size;

/// Seconds from first commit to merge, in the middle of all.
const WORK: f64 = 22.0 * 3_600.0;

/// When each service's successful production deployments took in no more changes, and their numbers, in order. A
/// rollback ships nothing and is not among them.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    from: i64,
    services: Vec<Vec<(u32, u32)>>,
}

impl Schedule {
    /// An empty one; `from` is the beginning of the history.
    pub(super) fn new(from: i64, n_services: usize) -> Self {
        Self { from, services: vec![Vec::new(); n_services] }
    }

    pub(super) fn add(&mut self, rollout: &Rollout) {
        if rollout.reached_production() && rollout.kind != Kind::Rollback {
            // Those that began before the history carry nothing of it.
            let closed = (rollout.closed - self.from).max(0) as u32;
            self.services[rollout.service].push((closed, rollout.number));
        }
    }

    pub(super) fn sort(&mut self) {
        for service in &mut self.services {
            service.sort_unstable();
        }
    }

    /// Number of the first deployment that takes in what is merged at `merged`, or of the one after that.
    fn ships(&self, service: usize, merged: i64, skipped: usize) -> Option<u32> {
        let closings = &self.services[service];
        let first = closings.partition_point(|(closed, _)| self.from + i64::from(*closed) < merged);
        closings.get(first + skipped).map(|(_, number)| *number)
    }
}

/// One change.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// Place among all, from 1, in order of merge.
    pub(super) number: u32,
    pub(super) service: usize,
    pub(super) author: usize,
    pub(super) first_commit: i64,
    pub(super) opened: i64,
    pub(super) first_review: Option<i64>,
    pub(super) approved: Option<i64>,
    pub(super) merged: i64,
    /// Number of the deployment that ships it.
    pub(super) deployment: Option<u32>,
    /// Whether it is what a hotfix ships.
    pub(super) is_urgent: bool,
    pub(super) n_lines: i32,
    /// Place of its title in the list of titles.
    pub(super) title: usize,
}

/// A merge, before anything else of it is known: small, for a month of them is sorted at once.
type Merge = (u32, u16, bool);

/// Draws the changes of one month, in order of merge.
pub(super) struct Changes<'a> {
    organisation: &'a Organisation,
    schedule: Arc<Schedule>,
    merges: std::vec::IntoIter<Merge>,
    month_from: i64,
    number: u32,
    rng: Pcg64,
    reviews: Pcg64,
    author: Pick,
    coding: Beta<f64>,
    pickup: Beta<f64>,
    review: Beta<f64>,
}

/// The changes of `month` in order of merge. `before` is how many there were in earlier months.
pub(super) fn changes<'a>(
    organisation: &'a Organisation,
    month: &Month,
    before: u32,
    rollouts: &[Rollout],
    schedule: Arc<Schedule>,
) -> Changes<'a> {
    let mut rng = chance(organisation.seed, month.place, Stream::Changes);
    let n = organisation.n_changes[month.place];
    let mut merges: Vec<Merge> = urgent(month, rollouts).take(n).collect();
    merges.reserve_exact(n - merges.len());
    let service = organisation.busy(month, 0.9);
    while merges.len() < n {
        let service = service.place(&mut rng);
        let zone = organisation.everybody.natures[service].zone_minutes;
        let merged = organisation.calendar.instant(month, &mut rng, zone);
        merges.push(((merged - month.from) as u32, service as u16, false));
    }
    merges.sort_unstable();
    // In any team a few write most.
    let authors = (1..=organisation.n_authors_a_team()).map(|rank| (rank as f64).powf(-1.1)).collect();
    Changes {
        organisation,
        schedule,
        merges: merges.into_iter(),
        month_from: month.from,
        number: before,
        rng,
        reviews: chance(organisation.seed, month.place, Stream::Reviews),
        author: Pick::new(authors),
        coding: Beta::new(2.0, 3.0).expect("both are positive"),
        pickup: Beta::new(1.3, 2.0).expect("both are positive"),
        review: Beta::new(2.0, 2.0).expect("both are positive"),
    }
}

/// A change for every hotfix, merged shortly before it.
fn urgent(month: &Month, rollouts: &[Rollout]) -> impl Iterator<Item = Merge> {
    rollouts.iter().filter(|r| r.kind == Kind::Hotfix).filter_map(|hotfix| {
        let failed = &rollouts[hotfix.repairs?];
        let ahead = ((hotfix.started - failed.finished) / 2).clamp(0, 600);
        let merged = (hotfix.started - ahead).max(month.from);
        Some(((merged - month.from) as u32, hotfix.service as u16, true))
    })
}

impl Iterator for Changes<'_> {
    type Item = Work;

    fn next(&mut self) -> Option<Work> {
        let (offset, service, is_urgent) = self.merges.next()?;
        self.number += 1;
        let service = usize::from(service);
        let merged = self.month_from + i64::from(offset);
        let seconds = self.seconds_of_work(service, merged, is_urgent);
        let team = self.organisation.everybody.natures[service].team;
        let author = team * self.organisation.n_authors_a_team() + self.author.place(&mut self.rng);
        let skipped = usize::from(happens(&mut self.rng, 0.03) && !is_urgent);
        let mut work = Work {
            number: self.number,
            service,
            author,
            first_commit: merged - seconds as i64,
            opened: merged,
            first_review: None,
            approved: None,
            merged,
            deployment: self.schedule.ships(service, merged, skipped),
            is_urgent,
            n_lines: 0,
            title: 0,
        };
        self.review(&mut work, seconds);
        Some(work)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.merges.size_hint()
    }
}

impl ExactSizeIterator for Changes<'_> {}

impl Changes<'_> {
    /// From first commit to merge.
    fn seconds_of_work(&mut self, service: usize, merged: i64, is_urgent: bool) -> f64 {
        if is_urgent {
            return log_normal(&mut self.rng, 2_700.0, 0.5);
        }
        let organisation = self.organisation;
        let progress = organisation.calendar.progress(merged);
        let slowness = organisation.everybody.natures[service].slowness(progress);
        log_normal(&mut self.rng, WORK, 1.25) * slowness * organisation.story.work(service, merged)
    }

    /// Cuts the work into its stages; where reviews are slow it began that much earlier.
    fn review(&mut self, work: &mut Work, seconds: f64) {
        let rng = &mut self.reviews;
        let slow = self.organisation.story.review(work.service, work.merged);
        let coding = seconds * self.coding.sample(rng);
        let pickup = (seconds - coding) * self.pickup.sample(rng) * slow;
        let review = (seconds - coding) * self.review.sample(rng);
        let wait = seconds - coding - pickup / slow;
        let approval = review.min(wait) * slow;
        let merge = wait - review.min(wait);
        work.first_commit = work.merged - (coding + pickup + approval + merge) as i64;
        work.opened = work.merged - (pickup + approval + merge) as i64;
        let reviewed = !happens(rng, 0.15);
        work.first_review = reviewed.then(|| work.merged - (approval + merge) as i64);
        work.approved = reviewed.then(|| work.merged - merge as i64);
        work.n_lines = log_normal(rng, 36.6, 1.5).min(1e6) as i32;
        work.title = rng.random_range(0..1_000_000);
    }
}

impl Organisation {
    /// Authors that a team has.
    fn n_authors_a_team(&self) -> usize {
        if self.size == Size::Demo { 8 } else { 40 }
    }
}
