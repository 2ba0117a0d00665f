//! Which services each incident belongs to: those that it hit, and the one whose deployment it names, or
//! whose deployment was repaired by what ended it. Where that is known, no other deployment is to blame.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::prelude::{col, lit};
use dorado_lake::{Change, Deployment, Incident, Instant, Tier, Verdict};
use futures::TryStreamExt as _;

use super::Surroundings;
use super::touched::{NAMES_AT_MOST, hit_by};
use crate::answer::directory::Columns;
use crate::attribution::{Elsewhere, Fix, Hit};
use crate::catalog::Catalog;
use crate::deleted::Deleted;
use crate::engine::Error;
use crate::gold::CauseRule;
use crate::tables::{Tables, among};

/// Incidents by service.
pub(super) struct IncidentsByService<'a> {
    by_service: HashMap<String, Vec<Hit<'a>>>,
}

impl<'a> IncidentsByService<'a> {
    /// Those that may belong to one of `services`, whose deployments are `deployments`.
    pub(super) async fn of(
        tables: &Tables,
        catalog: &Catalog,
        surroundings: &'a Surroundings,
        services: &BTreeSet<String>,
        deployments: &[Deployment],
    ) -> Result<Self, Error> {
        let ours: BTreeSet<&str> = deployments.iter().flat_map(names_of).collect();
        let is_relevant = |told: &Told<'a>| {
            let names_ours = told.names().any(|name| ours.contains(name));
            told.hit.is_empty() || told.hit.iter().any(|s| services.contains(s)) || names_ours
        };
        let relevant = surroundings.told(catalog).into_iter().filter(is_relevant).collect();
        Self::read(tables, catalog, surroundings, relevant).await
    }

    /// Those of every service.
    pub(super) async fn of_all(
        tables: &Tables,
        catalog: &Catalog,
        surroundings: &'a Surroundings,
    ) -> Result<Self, Error> {
        Self::read(tables, catalog, surroundings, surroundings.told(catalog)).await
    }

    async fn read(
        tables: &Tables,
        catalog: &Catalog,
        surroundings: &'a Surroundings,
        relevant: Vec<Told<'a>>,
    ) -> Result<Self, Error> {
        let names: BTreeSet<String> = relevant.iter().flat_map(Told::names).map(String::from).collect();
        let owners = owners(tables, catalog, &names, &surroundings.deleted).await?;
        let lost: BTreeSet<String> = relevant
            .iter()
            .filter(|told| told.hit.is_empty())
            .filter_map(|told| told.incident.caused_by_change.clone())
            .collect();
        let homes = homes_of_changes(tables, catalog, surroundings, &lost).await?;
        let mut by_service: HashMap<String, Vec<Hit<'a>>> = HashMap::new();
        for told in relevant {
            let caused_in = told.caused_in(&owners);
            let mut services = told.hit.clone();
            services.extend(caused_in.iter().flat_map(|(_, reached)| reached.keys().cloned()));
            if services.is_empty() {
                let change = told.incident.caused_by_change.as_deref();
                services.extend(change.and_then(|id| homes.get(id)).into_iter().flatten().cloned());
            }
            for service in services {
                let hit = told.hit(&service, caused_in.as_ref());
                by_service.entry(service).or_default().push(hit);
            }
        }
        for hits in by_service.values_mut() {
            hits.sort_by(|a, b| {
                let key = |h: &Hit<'a>| (h.incident.opened_at, &h.incident.source, &h.incident.id);
                key(a).cmp(&key(b))
            });
        }
        Ok(Self { by_service })
    }

    /// The incidents of a service, in order of their opening.
    pub(super) fn hits(&self, service: &str) -> Vec<Hit<'a>> {
        self.by_service.get(service).cloned().unwrap_or_default()
    }
}

impl Surroundings {
    /// For each incident what people and other facts say of it.
    fn told<'a>(&'a self, catalog: &Catalog) -> Vec<Told<'a>> {
        let decided: HashMap<&str, &str> = self
            .overrides
            .iter()
            .filter(|o| o.verdict == Verdict::CausedBy)
            .filter_map(|o| Some((o.incident.as_deref()?, o.deployment.as_deref()?)))
            .collect();
        let mut fixes: HashMap<&str, Vec<&Fix>> = HashMap::new();
        for fix in &self.fixes {
            fixes.entry(&fix.incident).or_default().push(fix);
        }
        let told = |incident: &'a Incident| {
            let by_person = decided.get(incident.id.as_str()).map(|name| (CauseRule::Override, *name));
            Told {
                incident,
                hit: hit_by(incident, catalog),
                named: by_person.or_else(|| Some((CauseRule::Explicit, incident.caused_by.as_deref()?))),
                fixes: fixes.get(incident.id.as_str()).cloned().unwrap_or_default(),
            }
        };
        self.incidents.iter().map(told).collect()
    }
}

/// An incident and what is said of its cause.
struct Told<'a> {
    incident: &'a Incident,
    /// The services that it hit.
    hit: BTreeSet<String>,
    /// The deployment that a person, or else the incident itself, names.
    named: Option<(CauseRule, &'a str)>,
    fixes: Vec<&'a Fix>,
}

/// The deployments that are to blame, by service, and how that is known.
type CausedIn<'a> = (CauseRule, BTreeMap<String, &'a Reached>);

impl<'a> Told<'a> {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(_, name)| *name).chain(self.fixes.iter().map(|fix| fix.repairs.as_str()))
    }

    fn caused_in<'b>(&self, owners: &'b HashMap<String, Owners>) -> Option<CausedIn<'b>> {
        let named = self.named.and_then(|(rule, name)| Some((rule, self.named_in(owners.get(name)?)?)));
        named.or_else(|| {
            let repaired = self.fixes.iter().find_map(|fix| repaired_by(fix, owners.get(&fix.repairs)?));
            repaired.map(|reached| (CauseRule::Remediated, reached))
        })
    }

    /// Of the services that have a deployment of the name first those that were hit. Outside these only an id
    /// is a name; where nobody knows what was hit, any name is.
    fn named_in<'b>(&self, owners: &'b Owners) -> Option<BTreeMap<String, &'b Reached>> {
        let until = self.incident.opened_at?;
        let having = [
            latest_until(&owners.by_id, Instant::MAX_UTC),
            latest_until(&owners.by_revision, until),
            latest_until(&owners.by_version, until),
        ];
        for having in &having {
            let at_home: BTreeMap<String, &Reached> = having
                .iter()
                .filter(|(service, _)| self.hit.contains(*service))
                .map(|(s, r)| (s.clone(), *r))
                .collect();
            if !at_home.is_empty() {
                return Some(at_home);
            }
        }
        let n_names = if self.hit.is_empty() { having.len() } else { 1 };
        having.into_iter().take(n_names).find(|having| !having.is_empty())
    }

    fn hit(&self, service: &str, caused_in: Option<&CausedIn<'_>>) -> Hit<'a> {
        let elsewhere = caused_in.filter(|(_, reached)| !reached.contains_key(service)).and_then(|(rule, reached)| {
            let first = reached.values().next()?;
            Some(Elsewhere {
                source: first.source.clone(),
                deployment: first.id.clone(),
                finished_at: first.finished_at,
                rule: *rule,
            })
        });
        Hit { incident: self.incident, elsewhere, fixes: self.fixes.clone() }
    }
}

/// What a fix repaired: a deployment before it, by its id, or by a name of the fix's own service.
fn repaired_by<'b>(fix: &Fix, owners: &'b Owners) -> Option<BTreeMap<String, &'b Reached>> {
    let before = |reached: &&Reached| (reached.finished_at, &reached.id) < (fix.finished_at, &fix.id);
    let by_id: BTreeMap<String, &Reached> =
        latest_until(&owners.by_id, Instant::MAX_UTC).into_iter().filter(|(_, reached)| before(reached)).collect();
    if !by_id.is_empty() {
        return Some(by_id);
    }
    if !owners.by_id.is_empty() {
        return None;
    }
    let own = [&owners.by_revision, &owners.by_version].into_iter().filter_map(|names| names.get(&fix.service));
    let latest = own.flatten().filter(before).max_by_key(|r| (r.finished_at, &r.id))?;
    Some(BTreeMap::from([(fix.service.clone(), latest)]))
}

/// A deployment that reached production.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Reached {
    source: String,
    id: String,
    finished_at: Instant,
}

/// The deployments that have a name and reached production, by service and by how they have it.
#[derive(Default)]
struct Owners {
    by_id: BTreeMap<String, Vec<Reached>>,
    by_revision: BTreeMap<String, Vec<Reached>>,
    by_version: BTreeMap<String, Vec<Reached>>,
}

/// Of each service the latest of these that had finished.
fn latest_until(names: &BTreeMap<String, Vec<Reached>>, until: Instant) -> BTreeMap<String, &Reached> {
    let mut found = BTreeMap::new();
    for (service, all) in names {
        let latest = all.iter().filter(|r| r.finished_at <= until).max_by_key(|r| (r.finished_at, &r.id));
        found.extend(latest.map(|reached| (service.clone(), reached)));
    }
    found
}

fn names_of(deployment: &Deployment) -> impl Iterator<Item = &str> {
    [Some(deployment.id.as_str()), deployment.revision.as_deref(), deployment.version.as_deref()].into_iter().flatten()
}

async fn owners(
    tables: &Tables,
    catalog: &Catalog,
    names: &BTreeSet<String>,
    deleted: &Deleted,
) -> Result<HashMap<String, Owners>, Error> {
    let mut owners: HashMap<String, Owners> = HashMap::new();
    let Some(deployments) = tables.table("deployments")?.filter(|_| !names.is_empty()) else { return Ok(owners) };
    let columns = ["id", "revision", "version"];
    let filter = if names.len() <= NAMES_AT_MOST {
        columns.map(|c| among(c, names)).into_iter().reduce(datafusion::prelude::Expr::or).unwrap_or(lit(true))
    } else {
        lit(true)
    };
    let reached = filter.and(col("status").eq(lit("success"))).and(col("finished_at").is_not_null());
    let wanted = ["id", "revision", "version", "service", "repository", "source", "environment", "tier", "finished_at"];
    let mut batches = deployments.filter(reached)?.select(wanted.map(col).to_vec())?.execute_stream().await?;
    while let Some(batch) = batches.try_next().await? {
        let told = Columns(&batch);
        for i in 0..batch.num_rows() {
            let hits = columns.map(|c| told.text(c, i).filter(|name| names.contains(name)));
            let deployment = Deployment {
                service: told.text("service", i),
                repository: told.text("repository", i),
                ..Deployment::default()
            };
            let environment = told.text("environment", i).unwrap_or_default();
            let tier = told.text("tier", i).and_then(|tier| Tier::from_name(&tier));
            let place = catalog.service_of(&deployment).zip(told.instant("finished_at", i));
            let is_known = hits.iter().any(Option::is_some) && catalog.tier(&environment, tier) == Tier::Production;
            let Some((service, finished_at)) = place.filter(|_| is_known) else { continue };
            let reached = Reached {
                source: told.text("source", i).unwrap_or_default(),
                id: told.text("id", i).unwrap_or_default(),
                finished_at,
            };
            if deleted.has_deployment(&reached.source, &reached.id) {
                continue;
            }
            let [id, revision, version] = hits;
            let mut add = |name: Option<String>, slot: fn(&mut Owners) -> &mut BTreeMap<String, Vec<Reached>>| {
                if let Some(name) = name {
                    slot(owners.entry(name).or_default()).entry(service.clone()).or_default().push(reached.clone());
                }
            };
            add(id, |o| &mut o.by_id);
            add(revision, |o| &mut o.by_revision);
            add(version, |o| &mut o.by_version);
        }
    }
    Ok(owners)
}

/// The services whose repositories these changes are in.
async fn homes_of_changes(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    ids: &BTreeSet<String>,
) -> Result<HashMap<String, BTreeSet<String>>, Error> {
    let mut homes: HashMap<String, BTreeSet<String>> = HashMap::new();
    if ids.is_empty() {
        return Ok(homes);
    }
    let repositories = surroundings.repositories(catalog);
    let filter = (ids.len() <= NAMES_AT_MOST).then(|| among("id", ids));
    for change in tables.facts::<Change>(filter).await?.into_iter().map(|c| c.fact) {
        let entry = homes.entry(change.id).or_default();
        match (change.service, change.repository) {
            (Some(service), _) => drop(entry.insert(catalog.canonical(&service).to_owned())),
            (None, Some(repository)) => {
                entry.extend(catalog.services_of_repository(&repository));
                let there = repositories.iter().filter(|(_, homes)| homes.contains(&repository));
                entry.extend(there.map(|(service, _)| service.clone()));
            }
            (None, None) => {}
        }
    }
    Ok(homes)
}
