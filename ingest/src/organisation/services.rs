//! Who is who: groups, teams and services, and how each service fares. The demo's have names that mean
//! something; the yardstick's are numbered.

use rand::seq::SliceRandom;
use rand_distr::{Beta, Distribution, Normal};

use super::chance::{Pick, Stream, chance};
use super::size::{Scale, Size};

/// Groups, their teams, and their services with the busiest first.
type Named = &'static [(&'static str, &'static [(&'static str, &'static [&'static str])])];

const DEMO: Named = &[
    (
        "commerce",
        &[
            ("checkout", &["cart", "checkout-api", "checkout-web"]),
            ("catalogue", &["catalogue-api", "product-pages"]),
            ("pricing", &["pricing-engine", "promotions", "sales-tax"]),
        ],
    ),
    (
        "money",
        &[
            ("payments", &["payments-api", "payment-gateway", "card-vault"]),
            ("billing", &["ledger", "invoicing", "subscriptions"]),
            ("risk", &["fraud-scoring", "sanctions-screening"]),
        ],
    ),
    (
        "discovery",
        &[
            ("search", &["search-api", "search-indexer", "query-suggestions"]),
            ("recommendations", &["recommendations-api", "ranking"]),
            ("content", &["content-api", "reviews"]),
        ],
    ),
    (
        "members",
        &[
            ("identity", &["login", "sessions", "identity-api"]),
            ("accounts", &["profiles", "preferences"]),
            ("loyalty", &["rewards", "gift-cards"]),
        ],
    ),
    (
        "logistics",
        &[
            ("orders", &["orders-api", "order-history", "returns"]),
            ("fulfilment", &["warehouse-sync", "stock-levels", "picking"]),
            ("delivery", &["shipping-rates", "parcel-tracking"]),
        ],
    ),
    (
        "customer-care",
        &[
            ("support", &["help-centre", "support-chat"]),
            ("notifications", &["notifications-api", "email-sender", "push-gateway"]),
            ("mobile", &["mobile-gateway", "app-config"]),
        ],
    ),
    (
        "data",
        &[
            ("streaming", &["event-collector", "stream-processor"]),
            ("analytics", &["reporting-api", "metrics-store", "experiments"]),
            ("machine-learning", &["feature-store", "model-serving"]),
        ],
    ),
    (
        "platform",
        &[
            ("edge", &["edge-router", "image-resizer", "rate-limiter"]),
            ("developer-tools", &["developer-portal", "build-cache"]),
            ("reliability", &["feature-flags", "secrets", "status-page"]),
        ],
    ),
];

/// A service of the organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The team that owns it.
    pub team: String,
    /// The repository that it is built from, its own.
    pub repository: String,
}

/// A team, and where it sits.
#[derive(Debug, Clone)]
pub(super) struct Team {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) zone_minutes: i32,
}

/// How a service fares, beside its name.
#[derive(Debug, Clone)]
pub(super) struct Nature {
    pub(super) team: usize,
    pub(super) zone_minutes: i32,
    /// Share of its deployments that go wrong.
    pub(super) fail_rate: f64,
    /// Weight of its deployments among those of all.
    pub(super) traffic: f64,
    /// Logarithm of how much slower than others it is.
    slowness: f64,
    /// How much that grows over the whole history.
    drift: f64,
}

impl Nature {
    /// How many times slower than a common service it is.
    pub(super) fn slowness(&self, progress: f64) -> f64 {
        (self.slowness + self.drift * progress).exp()
    }
}

/// Everybody.
#[derive(Debug, Clone)]
pub(super) struct Everybody {
    pub(super) teams: Vec<Team>,
    pub(super) services: Vec<Service>,
    pub(super) natures: Vec<Nature>,
}

impl Everybody {
    pub(super) fn new(size: Size, seed: u64) -> Self {
        let scale = size.scale();
        let mut rng = chance(seed, 0, Stream::Services);
        let (mut teams, owned, traffic) = match size {
            Size::Demo => named(),
            _ => numbered(&scale, &mut rng),
        };
        let zones: (&[i32], &[f64]) = match size {
            Size::Demo => (&[0, 60, 120, -300], &[0.3, 0.4, 0.1, 0.2]),
            _ => (&[-480, -300, 0, 60, 120, 330, 480, 540], &[0.22, 0.18, 0.10, 0.20, 0.08, 0.12, 0.06, 0.04]),
        };
        let zone = Pick::new(zones.1.to_vec());
        for team in &mut teams {
            team.zone_minutes = zones.0[zone.place(&mut rng)];
        }
        let fail_rate = Beta::new(2.0, 18.0).expect("both are positive");
        let slowness = Normal::new(0.0, 0.6).expect("not negative");
        let drift = Normal::new(0.0, 0.25).expect("not negative");
        let natures = owned.iter().zip(traffic).map(|((_, team), traffic)| Nature {
            team: *team,
            zone_minutes: teams[*team].zone_minutes,
            fail_rate: fail_rate.sample(&mut rng),
            traffic,
            slowness: slowness.sample(&mut rng),
            drift: drift.sample(&mut rng),
        });
        let natures = natures.collect();
        let services = owned.into_iter().map(|(name, team)| Service {
            repository: format!("acme/{name}"),
            team: teams[team].name.clone(),
            name,
        });
        Self { services: services.collect(), teams, natures }
    }
}

/// Teams, services with their team's place, and weights of the services' traffic.
type Listed = (Vec<Team>, Vec<(String, usize)>, Vec<f64>);

fn named() -> Listed {
    let (mut teams, mut services, mut ranks) = (Vec::new(), Vec::new(), Vec::new());
    for (group, members) in DEMO {
        for (team, owned) in *members {
            for (rank, service) in owned.iter().enumerate() {
                services.push(((*service).to_owned(), teams.len()));
                // A team's second service is less busy than any team's first.
                ranks.push((rank * 24 + teams.len() * 7 % 24) as f64);
            }
            teams.push(Team { name: (*team).to_owned(), group: (*group).to_owned(), zone_minutes: 0 });
        }
    }
    let traffic = ranks.into_iter().map(|rank| (rank + 8.0).powf(-0.8)).collect();
    (teams, services, traffic)
}

fn numbered(scale: &Scale, rng: &mut rand_pcg::Pcg64) -> Listed {
    let team = |place: usize| Team {
        name: format!("team-{place:03}"),
        group: format!("group-{:02}", place * scale.n_groups / scale.n_teams),
        zone_minutes: 0,
    };
    let weights = (1..=scale.n_teams).map(|rank| (rank as f64).powf(-0.7)).collect();
    let owner = Pick::new(weights);
    let mut owners: Vec<usize> = (0..scale.n_teams).collect();
    owners.extend((scale.n_teams..scale.n_services).map(|_| owner.place(rng)));
    owners.shuffle(rng);
    let mut traffic: Vec<f64> = (1..=scale.n_services).map(|rank| (rank as f64 + 3.0).powf(-1.05)).collect();
    traffic.shuffle(rng);
    let services = owners.into_iter().enumerate().map(|(place, team)| (format!("svc-{place:04}"), team));
    ((0..scale.n_teams).map(team).collect(), services.collect(), traffic)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_demo_is_as_large_as_its_size_says_and_no_name_means_two_things() {
        let scale = Size::Demo.scale();
        let everybody = Everybody::new(Size::Demo, 1);
        assert_eq!(everybody.teams.len(), scale.n_teams);
        assert_eq!(everybody.services.len(), scale.n_services);
        let groups: HashSet<&str> = DEMO.iter().map(|(group, _)| *group).collect();
        let teams: HashSet<&str> = everybody.teams.iter().map(|t| t.name.as_str()).collect();
        let services: HashSet<&str> = everybody.services.iter().map(|s| s.name.as_str()).collect();
        assert_eq!((groups.len(), teams.len(), services.len()), (scale.n_groups, scale.n_teams, scale.n_services));
        assert!(groups.is_disjoint(&teams));
    }
}
