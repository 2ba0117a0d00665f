//! Services in portions whose facts fit in memory, and the facts of one portion: read as rows, and made into
//! the newest version of each record where there is a thread for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::RecordBatch;
use chrono::TimeDelta;
use datafusion::prelude::{Expr, col, lit};
use dorado_lake::{Change, Deployment, Override, PullRequest, Row, Stamped};

use super::incidents::IncidentsByService;
use super::touched;
use super::{SERVICES_AT_ONCE, Surroundings};
use crate::attribution::{Candidates, ServiceFacts, ServiceGold, attribute, history};
use crate::catalog::Catalog;
use crate::deleted::Deleted;
use crate::engine::Error;
use crate::tables::{Tables, among_near};

/// Services in order of their name, cut so that each portion has so many facts at most, or is of one service.
pub(super) async fn portions(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    touched: &BTreeSet<String>,
    facts_at_once: u64,
) -> Result<Vec<BTreeSet<String>>, Error> {
    let n_facts: usize = touched::OF_SERVICES.iter().map(|table| tables.snapshot.n_rows(table)).sum();
    if touched.is_empty() || n_facts as u64 <= facts_at_once {
        return Ok(if touched.is_empty() { Vec::new() } else { vec![touched.clone()] });
    }
    let repositories = surroundings.repositories(catalog);
    let filter = if touched.len() <= SERVICES_AT_ONCE {
        let places: BTreeSet<String> = touched.iter().filter_map(|s| repositories.get(s)).flatten().cloned().collect();
        among_near("service", &names_of(catalog, touched)).or(among_near("repository", &places))
    } else {
        lit(true)
    };
    let sizes = touched::facts_by_place(tables, catalog, filter).await?;
    let mut portions: Vec<BTreeSet<String>> = Vec::new();
    let (mut size, mut inside) = (u64::MAX, BTreeSet::new());
    for service in touched {
        let homes = repositories.get(service).into_iter().flatten();
        let in_homes: BTreeMap<&String, u64> =
            homes.map(|home| (home, sizes.by_repository.get(home).copied().unwrap_or(0))).collect();
        let own = sizes.by_service.get(service).copied().unwrap_or(0) + 1;
        // What a portion has read of a repository serves all its services.
        let n: u64 = own + in_homes.iter().filter(|(home, _)| !inside.contains(*home)).map(|(_, n)| n).sum::<u64>();
        if size.saturating_add(n) > facts_at_once {
            portions.push(BTreeSet::new());
            inside.clear();
            size = own + in_homes.values().sum::<u64>();
        } else {
            size += n;
        }
        inside.extend(in_homes.into_keys());
        portions.last_mut().expect("one was just pushed").insert(service.clone());
    }
    Ok(portions)
}

/// Every name that facts may call these services by.
fn names_of(catalog: &Catalog, services: &BTreeSet<String>) -> BTreeSet<String> {
    let known = catalog.services.iter().filter(|entry| services.contains(&entry.name));
    services.iter().chain(known.flat_map(|entry| &entry.aliases)).cloned().collect()
}

/// What the facts of every portion are read by.
pub(crate) struct Homes {
    /// The repositories of every service.
    repositories: HashMap<String, BTreeSet<String>>,
    /// Repositories of facts that name no service.
    nameless: BTreeSet<String>,
}

impl Homes {
    pub(crate) async fn read(tables: &Tables, repositories: HashMap<String, BTreeSet<String>>) -> Result<Self, Error> {
        Ok(Self { repositories, nameless: touched::nameless_repositories(tables).await? })
    }
}

/// All versions of the facts of some services, as rows.
pub(crate) struct PortionRows {
    deployments: Vec<RecordBatch>,
    changes: Vec<RecordBatch>,
    pull_requests: Vec<RecordBatch>,
}

impl PortionRows {
    pub(crate) async fn read(
        tables: &Tables,
        catalog: &Catalog,
        homes: &Homes,
        services: &BTreeSet<String>,
    ) -> Result<Self, Error> {
        let names = names_of(catalog, services);
        let mut places: BTreeSet<String> =
            services.iter().filter_map(|s| homes.repositories.get(s)).flatten().cloned().collect();
        // Those whose default service is one of these, though no deployment says so.
        let is_default = |r: &&String| catalog.services_of_repository(r).iter().any(|s| services.contains(s));
        places.extend(homes.nameless.iter().filter(is_default).cloned());
        let about = |lonely: Expr| {
            let named = among_near("service", &names);
            if places.is_empty() { named } else { named.or(among_near("repository", &places).and(lonely)) }
        };
        Ok(Self {
            // A deployment in a shared repository that names another service is not ours.
            deployments: tables.rows(Deployment::TABLE, Some(about(col("service").is_null()))).await?,
            changes: tables.rows(Change::TABLE, Some(about(lit(true)))).await?,
            pull_requests: tables.rows(PullRequest::TABLE, Some(about(lit(true)))).await?,
        })
    }

    /// The records that these are versions of.
    pub(crate) fn facts<'a>(self, homes: &'a Homes, deleted: &Deleted) -> PortionFacts<'a> {
        PortionFacts {
            deployments: deleted.without_deployments(history::deployments(versions(self.deployments))),
            changes: history::changes(versions(self.changes)),
            pull_requests: history::pull_requests(versions(self.pull_requests)),
            repositories: &homes.repositories,
        }
    }
}

/// Batch by batch, so that no row is in memory in both forms for long.
fn versions<T: Row>(batches: Vec<RecordBatch>) -> impl Iterator<Item = Stamped<T>> {
    batches.into_iter().flat_map(|batch| T::from_batch(&batch))
}

/// The facts of some services.
pub(crate) struct PortionFacts<'a> {
    pub(super) deployments: Vec<Deployment>,
    changes: Vec<Change>,
    pull_requests: Vec<PullRequest>,
    repositories: &'a HashMap<String, BTreeSet<String>>,
}

impl PortionFacts<'_> {
    pub(super) fn attribute(
        &self,
        catalog: &Catalog,
        overrides: &[Override],
        incidents: &IncidentsByService<'_>,
        services: &BTreeSet<String>,
        window: TimeDelta,
    ) -> ServiceGold {
        let overrides: Vec<&Override> = overrides.iter().collect();
        let mut gold = ServiceGold::default();
        self.each(catalog, services, |service, deployments, candidates| {
            let facts = ServiceFacts {
                service,
                incidents: incidents.hits(service),
                deployments,
                candidates,
                overrides: &overrides,
            };
            let ServiceGold { shipments, outcomes, causes } = attribute(&facts, catalog, window);
            gold.shipments.extend(shipments);
            gold.outcomes.extend(outcomes);
            gold.causes.extend(causes);
        });
        gold
    }

    /// Visits each service with its deployments and what they can have shipped.
    pub(crate) fn each<'a>(
        &'a self,
        catalog: &Catalog,
        services: &BTreeSet<String>,
        mut visit: impl FnMut(&str, Vec<&'a Deployment>, &Candidates<'a>),
    ) {
        let mut by_service: HashMap<String, Vec<&Deployment>> = HashMap::new();
        for deployment in &self.deployments {
            if let Some(service) = catalog.service_of(deployment) {
                by_service.entry(service).or_default().push(deployment);
            }
        }
        let places = Places::new(self, catalog);
        let mut shared: HashMap<PlacesKey, Candidates<'_>> = HashMap::new();
        for service in services {
            let deployments = by_service.remove(service).unwrap_or_default();
            let key = places.key(service, self.repositories.get(service));
            let candidates = shared.entry(key).or_insert_with_key(|key| {
                let (changes, pull_requests) = places.of(key);
                Candidates::new(changes, pull_requests)
            });
            visit(service, deployments, candidates);
        }
    }
}

/// Where a service's changes are found: services of one repository share their candidates.
type PlacesKey = (BTreeSet<String>, Option<String>);

struct Places<'a> {
    by_repository: HashMap<&'a str, Vec<&'a Change>>,
    by_service: HashMap<String, Vec<&'a Change>>,
    requests_by_repository: HashMap<&'a str, Vec<&'a PullRequest>>,
    requests_by_service: HashMap<String, Vec<&'a PullRequest>>,
    default_repositories: HashMap<String, BTreeSet<String>>,
}

impl<'a> Places<'a> {
    fn new(facts: &'a PortionFacts<'_>, catalog: &Catalog) -> Self {
        let mut places = Self {
            by_repository: HashMap::new(),
            by_service: HashMap::new(),
            requests_by_repository: HashMap::new(),
            requests_by_service: HashMap::new(),
            default_repositories: HashMap::new(),
        };
        for change in &facts.changes {
            match (&change.service, &change.repository) {
                (Some(service), _) => {
                    places.by_service.entry(catalog.canonical(service).to_owned()).or_default().push(change);
                }
                (None, Some(repository)) => places.by_repository.entry(repository).or_default().push(change),
                (None, None) => {}
            }
        }
        for request in &facts.pull_requests {
            match (&request.service, &request.repository) {
                (Some(service), _) => {
                    let service = catalog.canonical(service).to_owned();
                    places.requests_by_service.entry(service).or_default().push(request);
                }
                (None, Some(repository)) => {
                    places.requests_by_repository.entry(repository).or_default().push(request);
                }
                (None, None) => {}
            }
        }
        let inhabited: BTreeSet<&String> = facts.repositories.values().flatten().collect();
        for repository in places.by_repository.keys() {
            for service in catalog.services_of_repository(repository) {
                // Where services of other names live, the repository's own name is none.
                let is_service = facts.repositories.contains_key(&service);
                if inhabited.contains(&(*repository).to_owned()) && !is_service {
                    continue;
                }
                places.default_repositories.entry(service).or_default().insert((*repository).to_owned());
            }
        }
        places
    }

    fn key(&self, service: &str, told: Option<&BTreeSet<String>>) -> PlacesKey {
        let mut repositories = told.cloned().unwrap_or_default();
        if repositories.is_empty() {
            repositories = self.default_repositories.get(service).cloned().unwrap_or_default();
        }
        let own = self.by_service.contains_key(service) || self.requests_by_service.contains_key(service);
        (repositories, own.then(|| service.to_owned()))
    }

    fn of(&self, (repositories, service): &PlacesKey) -> (Vec<&'a Change>, Vec<&'a PullRequest>) {
        let service = service.as_deref().unwrap_or_default();
        let mut changes: Vec<&Change> = self.by_service.get(service).cloned().unwrap_or_default();
        let mut requests: Vec<&PullRequest> = self.requests_by_service.get(service).cloned().unwrap_or_default();
        for repository in repositories {
            changes.extend(self.by_repository.get(repository.as_str()).into_iter().flatten());
            requests.extend(self.requests_by_repository.get(repository.as_str()).into_iter().flatten());
        }
        // Told by the service and by the repository is told once. Sorted, so that every run is the same.
        changes.sort_by(|a, b| (&a.id, a.parents.is_none()).cmp(&(&b.id, b.parents.is_none())));
        changes.dedup_by(|a, b| a.id == b.id);
        requests.sort_by(|a, b| (&a.repository, &a.id).cmp(&(&b.repository, &b.id)));
        (changes, requests)
    }
}
