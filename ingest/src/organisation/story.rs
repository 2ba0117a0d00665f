//! What happened in the demo's organisation, for its dashboards to show: one group adopted a platform, one
//! team lost its reviewers, one team waits for a sign-off before it goes to production, one service is broken right
//! now. At other sizes nothing happened.

use super::services::Everybody;
use super::size::Size;

const DAY: i64 = 86_400;
/// Eight months before the end this group adopted a platform.
const ADOPTERS: &str = "commerce";
const ADOPTED_BEFORE: i64 = 243 * DAY;
/// In the last quarter this team's reviews grew slow.
const SLOW_REVIEWERS: &str = "search";
const SLOW_BEFORE: i64 = 91 * DAY;
/// What this team has in staging waits for somebody's signature.
const SIGNED_OFF: &str = "payments";
/// This service is broken at the end, and nobody has repaired it yet.
const BROKEN: &str = "fraud-scoring";
const BROKEN_BEFORE: i64 = 3 * 3_600;

/// What happened to which services, and when.
#[derive(Debug, Clone)]
pub(super) struct Story {
    adopters: Vec<bool>,
    adopted_at: i64,
    slow_reviewers: Vec<bool>,
    slow_at: i64,
    signed_off: Vec<bool>,
    /// The service that is broken, and when the deployment that broke it finished.
    pub(super) broken: Option<(usize, i64)>,
}

impl Story {
    pub(super) fn new(size: Size, everybody: &Everybody, until: i64) -> Self {
        let told = size == Size::Demo;
        let team_of = |service: usize| &everybody.teams[everybody.natures[service].team];
        let places = 0..everybody.services.len();
        let broken = everybody.services.iter().position(|s| told && s.name == BROKEN);
        Self {
            adopters: places.clone().map(|s| told && team_of(s).group == ADOPTERS).collect(),
            adopted_at: until - ADOPTED_BEFORE,
            signed_off: places.clone().map(|s| told && team_of(s).name == SIGNED_OFF).collect(),
            slow_reviewers: places.map(|s| told && team_of(s).name == SLOW_REVIEWERS).collect(),
            slow_at: until - SLOW_BEFORE,
            broken: broken.map(|service| (service, until - BROKEN_BEFORE)),
        }
    }

    /// How many times longer work takes.
    pub(super) fn work(&self, service: usize, at: i64) -> f64 {
        self.adoption(service, at, 0.5)
    }

    /// How many times more often a deployment goes wrong.
    pub(super) fn failure(&self, service: usize, at: i64) -> f64 {
        self.adoption(service, at, 0.42)
    }

    /// How many times longer a repair takes.
    pub(super) fn repair(&self, service: usize, at: i64) -> f64 {
        self.adoption(service, at, 0.6)
    }

    /// How many times more often a service is deployed.
    pub(super) fn traffic(&self, service: usize, at: i64) -> f64 {
        self.adoption(service, at, 2.0)
    }

    /// How many times longer a review takes.
    pub(super) fn review(&self, service: usize, at: i64) -> f64 {
        if self.slow_reviewers[service] { eased(at - self.slow_at, 21 * DAY, 4.0) } else { 1.0 }
    }

    /// How many times longer a revision stays in staging.
    pub(super) fn sign_off(&self, service: usize) -> f64 {
        if self.signed_off[service] { 8.0 } else { 1.0 }
    }

    fn adoption(&self, service: usize, at: i64, factor: f64) -> f64 {
        if self.adopters[service] { eased(at - self.adopted_at, 30 * DAY, factor) } else { 1.0 }
    }
}

/// From 1 to `factor`, in a straight line over `span`.
fn eased(since: i64, span: i64, factor: f64) -> f64 {
    1.0 + (factor - 1.0) * (since as f64 / span as f64).clamp(0.0, 1.0)
}
