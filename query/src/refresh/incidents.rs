//! Which service each incident belongs to. One that names a deployment belongs where that deployment is,
//! even where it hit another service; one that names nothing known belongs to the services that it hit.

use std::collections::{BTreeSet, HashMap};

use datafusion::prelude::{col, lit};
use dorado_lake::{Change, Deployment, Incident, Verdict};

use super::touched::{NAMES_AT_MOST, hit_by};
use super::{Surroundings, text_at, texts};
use crate::catalog::Catalog;
use crate::engine::Error;
use crate::tables::{Tables, among};

/// Incidents by service.
pub(super) struct IncidentsByService<'a> {
    by_service: HashMap<String, Vec<&'a Incident>>,
}

impl<'a> IncidentsByService<'a> {
    /// Those that may belong to one of `services`, whose deployments are `deployments`.
    pub(super) async fn read(
        tables: &Tables,
        catalog: &Catalog,
        surroundings: &'a Surroundings,
        services: &BTreeSet<String>,
        deployments: &[Deployment],
    ) -> Result<Self, Error> {
        let ours: BTreeSet<&str> = deployments.iter().flat_map(names_of).collect();
        let named = surroundings.named_deployments();
        let relevant: Vec<(&Incident, BTreeSet<String>, Option<&str>)> = surroundings
            .incidents
            .iter()
            .enumerate()
            .map(|(i, incident)| (incident, hit_by(incident, catalog), named[i]))
            .filter(|(_, hit, name)| {
                hit.is_empty() || hit.iter().any(|s| services.contains(s)) || name.is_some_and(|n| ours.contains(n))
            })
            .collect();
        let names: BTreeSet<String> = relevant.iter().filter_map(|(.., name)| name.map(String::from)).collect();
        let owners = owners(tables, catalog, &names).await?;
        let lost: BTreeSet<String> = relevant
            .iter()
            .filter(|(_, hit, _)| hit.is_empty())
            .filter_map(|(incident, ..)| incident.caused_by_change.clone())
            .collect();
        let homes = homes_of_changes(tables, catalog, surroundings, &lost).await?;
        let mut by_service: HashMap<String, Vec<&Incident>> = HashMap::new();
        for (incident, hit, name) in relevant {
            for service in belongs_to(incident, hit, name.and_then(|n| owners.get(n)), &homes) {
                by_service.entry(service).or_default().push(incident);
            }
        }
        for incidents in by_service.values_mut() {
            incidents.sort_by(|a, b| (a.opened_at, &a.source, &a.id).cmp(&(b.opened_at, &b.source, &b.id)));
        }
        Ok(Self { by_service })
    }

    /// The incidents of a service, in order of their opening.
    pub(super) fn of(&self, service: &str) -> Vec<&'a Incident> {
        self.by_service.get(service).cloned().unwrap_or_default()
    }
}

impl Surroundings {
    /// For each incident the deployment that a person, or else the incident itself, names.
    fn named_deployments(&self) -> Vec<Option<&str>> {
        let decided: HashMap<&str, &str> = self
            .overrides
            .iter()
            .filter(|o| o.verdict == Verdict::CausedBy)
            .filter_map(|o| Some((o.incident.as_deref()?, o.deployment.as_deref()?)))
            .collect();
        self.incidents.iter().map(|i| decided.get(i.id.as_str()).copied().or(i.caused_by.as_deref())).collect()
    }
}

/// The services that have a deployment of a name, by how they have it.
#[derive(Default)]
struct Owners {
    by_id: BTreeSet<String>,
    by_revision: BTreeSet<String>,
    by_version: BTreeSet<String>,
}

fn belongs_to(
    incident: &Incident,
    hit: BTreeSet<String>,
    owners: Option<&Owners>,
    homes: &HashMap<String, BTreeSet<String>>,
) -> BTreeSet<String> {
    if let Some(owners) = owners {
        for having in [&owners.by_id, &owners.by_revision, &owners.by_version] {
            let at_home: BTreeSet<String> = hit.intersection(having).cloned().collect();
            if !at_home.is_empty() {
                return at_home;
            }
        }
        // Outside the services that it hit only an id is a name; where nobody knows what it hit, any name is.
        let anywhere = [&owners.by_id, &owners.by_revision, &owners.by_version];
        let names = if hit.is_empty() { &anywhere[..] } else { &anywhere[..1] };
        if let Some(having) = names.iter().find(|having| !having.is_empty()) {
            return (*having).clone();
        }
    }
    if hit.is_empty() {
        let change = incident.caused_by_change.as_deref();
        return change.and_then(|id| homes.get(id)).cloned().unwrap_or_default();
    }
    hit
}

fn names_of(deployment: &Deployment) -> impl Iterator<Item = &str> {
    [Some(deployment.id.as_str()), deployment.revision.as_deref(), deployment.version.as_deref()].into_iter().flatten()
}

async fn owners(
    tables: &Tables,
    catalog: &Catalog,
    names: &BTreeSet<String>,
) -> Result<HashMap<String, Owners>, Error> {
    let mut owners: HashMap<String, Owners> = HashMap::new();
    let Some(deployments) = tables.table("deployments")?.filter(|_| !names.is_empty()) else { return Ok(owners) };
    let columns = ["id", "revision", "version"];
    let filter = if names.len() <= NAMES_AT_MOST {
        columns.map(|c| among(c, names)).into_iter().reduce(datafusion::prelude::Expr::or).unwrap_or(lit(true))
    } else {
        lit(true)
    };
    let wanted = ["id", "revision", "version", "service", "repository"].map(col).to_vec();
    for batch in deployments.filter(filter)?.select(wanted)?.collect().await? {
        let [ids, revisions, versions] = columns.map(|c| texts(&batch, c));
        let (services, repositories) = (texts(&batch, "service"), texts(&batch, "repository"));
        for i in 0..batch.num_rows() {
            let hits = [ids, revisions, versions].map(|c| text_at(c, i).filter(|name| names.contains(name)));
            if hits.iter().all(Option::is_none) {
                continue;
            }
            let deployment = Deployment {
                service: text_at(services, i),
                repository: text_at(repositories, i),
                ..Deployment::default()
            };
            let Some(service) = catalog.service_of(&deployment) else { continue };
            let [id, revision, version] = hits;
            let mut add = |name: Option<String>, slot: fn(&mut Owners) -> &mut BTreeSet<String>| {
                if let Some(name) = name {
                    slot(owners.entry(name).or_default()).insert(service.clone());
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
