//! Gold brought up to silver: which services the new facts touch, their rows made again from facts, and
//! only the months written whose rows differ. The same whether one event came or ten million.

mod incidents;
mod made;
mod touched;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, RecordBatch, StringArray};
use chrono::TimeDelta;
use datafusion::prelude::{Expr, col, lit};
use dorado_lake::{
    Change, Deployment, GoldChange, GoldMonth, Incident, Lake, Override, PullRequest, Row as _, Status, Tier, Verdict,
};
use tracing::info;

use crate::attribution::{Candidates, Fix, ServiceFacts, ServiceGold, attribute, history};
use crate::catalog::Catalog;
use crate::deleted::Deleted;
use crate::engine::Error;
use crate::gold::{Cause, GoldRow, MadeBy, Outcome, Shipment, to_batch};
use crate::tables::{Tables, among};

use incidents::IncidentsByService;
use made::{Encoding, Made};

/// Changes of a portion of services; more are done in several portions.
const CHANGES_AT_ONCE: u64 = 500_000;

/// Portions that are held in memory at once, each with a thread.
const PORTIONS_AT_ONCE: usize = 4;

/// Up to so many services have their gold rows read in one go; those of more, month by month.
const SERVICES_AT_ONCE: usize = 64;

/// What a refresh did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Services whose rows were made again.
    pub n_services: usize,
    /// Months of gold tables that were written, as `outcomes/2026-11`.
    pub months: BTreeSet<String>,
}

/// Brings gold up to silver.
pub(crate) async fn refresh(
    tables: &Tables,
    lake: &Lake,
    catalog: &Catalog,
    window: TimeDelta,
) -> Result<Refreshed, Error> {
    let (done, through) = (tables.snapshot.gold_through(), tables.snapshot.silver_through());
    let made_by = MadeBy { catalog: serde_json::to_string(catalog).expect("a catalogue is plain data") };
    let is_same_catalog = made_by_of(tables).await?.as_ref() == Some(&made_by);
    if done >= through && (is_same_catalog || through == 0) {
        return Ok(Refreshed::default());
    }
    let surroundings = Surroundings::read(tables, catalog).await?;
    // Another catalogue may move any row.
    let since = if is_same_catalog { done } else { 0 };
    let mut touched = touched::services(tables, catalog, &surroundings, since).await?;
    if !is_same_catalog {
        touched.extend(services_in_gold(tables).await?);
    }
    let is_empty =
        [Shipment::TABLE, Outcome::TABLE, Cause::TABLE].iter().all(|table| tables.snapshot.n_rows(table) == 0);
    let (mut made, mut encoding) = (Made::default(), Encoding::default());
    let portions = portions(tables, catalog, &surroundings, &touched).await?;
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for portions in portions.chunks(n_threads.min(PORTIONS_AT_ONCE)) {
        for of_portion in make(portions, tables, catalog, &surroundings, window).await? {
            if is_empty { encoding.take(of_portion, lake)? } else { made.take(of_portion) }
        }
    }
    let mut gold = encoding.finish()?;
    let mut months = BTreeSet::new();
    Made::changes::<Shipment>(&made.shipments, tables, &touched, &mut gold).await?;
    Made::changes::<Outcome>(&made.outcomes, tables, &touched, &mut gold).await?;
    Made::changes::<Cause>(&made.causes, tables, &touched, &mut gold).await?;
    for change in &gold {
        months.extend(change.months.keys().map(|month| format!("{}/{month}", change.table)));
    }
    lake.publish(gold, through).await?;
    if !is_same_catalog {
        // Last, so that a crash before it makes the rows again.
        let row = BTreeMap::from([(MadeBy::MONTH.to_owned(), GoldMonth::Rows(to_batch(&[made_by])))]);
        lake.publish(vec![GoldChange { table: MadeBy::TABLE, months: row }], through).await?;
    }
    info!(n_services = touched.len(), n_months = months.len(), through, "gold is up to date");
    Ok(Refreshed { n_services: touched.len(), months })
}

/// The gold rows of some portions of services, each in a thread.
async fn make(
    portions: &[BTreeSet<String>],
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    window: TimeDelta,
) -> Result<Vec<Made>, Error> {
    let mut facts = Vec::with_capacity(portions.len());
    for services in portions {
        let (homes, deleted) = (surroundings.repositories(catalog), &surroundings.deleted);
        facts.push(PortionFacts::read(tables, catalog, homes, deleted, services).await?);
    }
    let mut incidents = Vec::with_capacity(portions.len());
    for (services, facts) in portions.iter().zip(&facts) {
        incidents.push(IncidentsByService::read(tables, catalog, surroundings, services, &facts.deployments).await?);
    }
    let overrides = surroundings.overrides.as_slice();
    std::thread::scope(|scope| {
        let threads = portions.iter().zip(&facts).zip(&incidents).map(|((services, facts), incidents)| {
            scope.spawn(move || Made::of(facts.attribute(catalog, overrides, incidents, services, window)))
        });
        let threads: Vec<_> = threads.collect();
        let made = threads.into_iter().map(|thread| match thread.join() {
            Ok(made) => made,
            Err(panicked) => std::panic::resume_unwind(panicked),
        });
        made.collect()
    })
}

/// Makes the next refresh compute everything again.
pub(crate) async fn forget(tables: &Tables, lake: &Lake) -> Result<(), Error> {
    let nothing = BTreeMap::from([(MadeBy::MONTH.to_owned(), GoldMonth::Rows(to_batch::<MadeBy>(&[])))]);
    let forgotten = vec![GoldChange { table: MadeBy::TABLE, months: nothing }];
    Ok(lake.publish(forgotten, tables.snapshot.gold_through()).await?)
}

/// What gold was made by; `None` where it never was.
async fn made_by_of(tables: &Tables) -> Result<Option<MadeBy>, Error> {
    let batches = tables.rows(MadeBy::TABLE, None).await?;
    let found = batches.iter().find(|batch| batch.num_rows() > 0);
    Ok(found.and_then(|batch| text_at(texts(batch, "catalog"), 0)).map(|catalog| MadeBy { catalog }))
}

/// Every service that has rows.
async fn services_in_gold(tables: &Tables) -> Result<BTreeSet<String>, Error> {
    let mut services = BTreeSet::new();
    for name in [Shipment::TABLE, Outcome::TABLE, Cause::TABLE] {
        let Some(table) = tables.table(name)? else { continue };
        for batch in table.select(vec![col("service")])?.distinct()?.collect().await? {
            services.extend(texts(&batch, "service").into_iter().flatten().flatten().map(String::from));
        }
    }
    Ok(services)
}

/// What is small enough to be read whole: incidents, overrides, and which service lives where.
pub(crate) struct Surroundings {
    pub(crate) incidents: Vec<Incident>,
    pub(crate) overrides: Vec<Override>,
    /// What sources deleted.
    pub(crate) deleted: Deleted,
    /// Production deployments that ended an incident and name what they repair.
    pub(crate) fixes: Vec<Fix>,
    /// Names by which deployments call a service and a repository, each pair once.
    pub(crate) homes: Vec<(Option<String>, Option<String>)>,
}

impl Surroundings {
    async fn read(tables: &Tables, catalog: &Catalog) -> Result<Self, Error> {
        let incidents = history::incidents(tables.facts::<Incident>(None).await?);
        let mut overrides = history::overrides(tables.facts::<Override>(None).await?);
        overrides.retain(|o| o.verdict != Verdict::Withdrawn);
        overrides.sort_by(|a, b| (a.decided_at, &a.source, &a.id).cmp(&(b.decided_at, &b.source, &b.id)));
        let mut homes = Vec::new();
        if let Some(deployments) = tables.table("deployments")? {
            let pairs = deployments.select(vec![col("service"), col("repository")])?.distinct()?.collect().await?;
            for batch in pairs {
                let (services, repositories) = (texts(&batch, "service"), texts(&batch, "repository"));
                homes.extend((0..batch.num_rows()).map(|i| (text_at(services, i), text_at(repositories, i))));
            }
        }
        let deleted = Deleted::read(tables).await?;
        let fixes = fixes(tables, catalog, &deleted).await?;
        Ok(Self { incidents, overrides, deleted, fixes, homes })
    }

    /// The service that each pair of names means.
    pub(crate) fn home_services<'a>(
        &'a self,
        catalog: &'a Catalog,
    ) -> impl Iterator<Item = (String, Option<&'a String>)> + 'a {
        self.homes.iter().filter_map(|(service, repository)| {
            let deployment =
                Deployment { service: service.clone(), repository: repository.clone(), ..Deployment::default() };
            Some((catalog.service_of(&deployment)?, repository.as_ref()))
        })
    }

    /// Repositories that a service is built from, by its deployments and by configuration.
    pub(crate) fn repositories(&self, catalog: &Catalog) -> HashMap<String, BTreeSet<String>> {
        let mut found: HashMap<String, BTreeSet<String>> = HashMap::new();
        for (service, repository) in self.home_services(catalog) {
            let entry = found.entry(service).or_default();
            entry.extend(repository.cloned());
        }
        for service in &catalog.services {
            found.entry(service.name.clone()).or_default().extend(service.repositories.iter().cloned());
        }
        found
    }
}

/// Deployments that say which incident they end and what they repair.
async fn fixes(tables: &Tables, catalog: &Catalog, deleted: &Deleted) -> Result<Vec<Fix>, Error> {
    let versions = tables.facts::<Deployment>(Some(col("fixes_incident").is_not_null())).await?;
    let ids: BTreeSet<String> = versions.iter().map(|v| v.fact.id.clone()).collect();
    // A later version may say otherwise.
    let versions = if (1..=touched::NAMES_AT_MOST).contains(&ids.len()) {
        tables.facts::<Deployment>(Some(among("id", &ids))).await?
    } else {
        versions
    };
    let deployments = deleted.without_deployments(history::deployments(versions));
    let mut fixes: Vec<Fix> = deployments
        .into_iter()
        .filter(|d| d.status == Status::Success && catalog.tier(&d.environment, d.tier) == Tier::Production)
        .filter_map(|d| {
            let service = catalog.service_of(&d)?;
            Some(Fix {
                id: d.id,
                service,
                incident: d.fixes_incident?,
                repairs: d.repairs?,
                finished_at: d.finished_at?,
            })
        })
        .collect();
    fixes.sort_by(|a, b| (a.finished_at, &a.id).cmp(&(b.finished_at, &b.id)));
    Ok(fixes)
}

/// Services in order of their name, cut so that each portion's changes fit in memory.
async fn portions(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    touched: &BTreeSet<String>,
) -> Result<Vec<BTreeSet<String>>, Error> {
    if tables.snapshot.n_rows(Change::TABLE) as u64 <= CHANGES_AT_ONCE {
        return Ok(if touched.is_empty() { Vec::new() } else { vec![touched.clone()] });
    }
    let filter = if touched.len() <= SERVICES_AT_ONCE {
        let repositories = surroundings.repositories(catalog);
        let places = touched.iter().filter_map(|service| repositories.get(service)).flatten();
        among("service", &names_of(catalog, touched)).or(among("repository", places))
    } else {
        lit(true)
    };
    let sizes = touched::changes_by_service(tables, catalog, surroundings, filter).await?;
    let mut portions: Vec<BTreeSet<String>> = Vec::new();
    let mut size = u64::MAX;
    for service in touched {
        let n = sizes.get(service).copied().unwrap_or(0) + 1;
        if size.saturating_add(n) > CHANGES_AT_ONCE {
            portions.push(BTreeSet::new());
            size = 0;
        }
        size += n;
        portions.last_mut().expect("one was just pushed").insert(service.clone());
    }
    Ok(portions)
}

/// Every name that facts may call these services by.
fn names_of(catalog: &Catalog, services: &BTreeSet<String>) -> BTreeSet<String> {
    let known = catalog.services.iter().filter(|entry| services.contains(&entry.name));
    services.iter().chain(known.flat_map(|entry| &entry.aliases)).cloned().collect()
}

/// The facts of some services.
pub(crate) struct PortionFacts {
    deployments: Vec<Deployment>,
    changes: Vec<Change>,
    pull_requests: Vec<PullRequest>,
    repositories: HashMap<String, BTreeSet<String>>,
}

impl PortionFacts {
    /// Of some services; `repositories` are those of every service.
    pub(crate) async fn read(
        tables: &Tables,
        catalog: &Catalog,
        repositories: HashMap<String, BTreeSet<String>>,
        deleted: &Deleted,
        services: &BTreeSet<String>,
    ) -> Result<Self, Error> {
        let names = names_of(catalog, services);
        let mut places: BTreeSet<String> =
            services.iter().filter_map(|s| repositories.get(s)).flatten().cloned().collect();
        places.extend(touched::repositories_by_name(tables, catalog, services).await?);
        let about = |lonely: Expr| {
            let named = among("service", &names);
            if places.is_empty() { named } else { named.or(among("repository", &places).and(lonely)) }
        };
        // A deployment in a shared repository that names another service is not ours.
        let deployments = tables.facts::<Deployment>(Some(about(col("service").is_null()))).await?;
        let changes = tables.facts::<Change>(Some(about(lit(true)))).await?;
        let pull_requests = tables.facts::<PullRequest>(Some(about(lit(true)))).await?;
        Ok(Self {
            deployments: deleted.without_deployments(history::deployments(deployments)),
            changes: history::changes(changes),
            pull_requests: history::pull_requests(pull_requests),
            repositories,
        })
    }

    fn attribute(
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
                incidents: incidents.of(service),
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
    fn new(facts: &'a PortionFacts, catalog: &Catalog) -> Self {
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

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a StringArray> {
    batch.column_by_name(column)?.as_any().downcast_ref()
}

fn text_at(column: Option<&StringArray>, row: usize) -> Option<String> {
    column.filter(|c| c.is_valid(row)).map(|c| c.value(row).to_owned())
}
