//! Which services new facts touch: those that they name, those that live in the repositories that they
//! name, and those whose deployments or incidents they speak of.

use std::collections::{BTreeSet, HashMap, HashSet};

use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{Expr, col, lit};
use dorado_lake::{Deployment, Incident, Override};

use super::{Surroundings, text_at, texts};
use crate::catalog::Catalog;
use crate::engine::Error;
use crate::tables::{Tables, among};

/// Names in an `in` list; with more of them everything is looked at.
pub(super) const NAMES_AT_MOST: usize = 2_000;

/// The services that facts newer than arrival `done` touch.
pub(super) async fn services(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    done: i64,
) -> Result<BTreeSet<String>, Error> {
    let newer = || col("arrival").gt(lit(done));
    let mut touched = BTreeSet::new();
    let mut repositories = BTreeSet::new();
    let mut inhabited = BTreeSet::new();
    for table in ["deployments", "changes", "pull_requests"] {
        for (service, repository) in pairs(tables, table, newer()).await? {
            match (service, repository) {
                (Some(service), home) => {
                    touched.insert(catalog.canonical(&service).to_owned());
                    inhabited.extend(home.filter(|_| table == "deployments"));
                }
                (None, Some(repository)) => drop(repositories.insert(repository)),
                (None, None) => {}
            }
        }
    }
    in_repositories(catalog, surroundings, &repositories, &mut touched);
    touched.extend(no_services(tables, catalog, surroundings, &inhabited).await?);
    let incidents = tables.facts::<Incident>(Some(newer())).await?;
    let overrides = tables.facts::<Override>(Some(newer())).await?;
    let mut incident_ids: HashSet<String> = incidents.into_iter().map(|i| i.fact.id).collect();
    let mut deployment_ids = BTreeSet::new();
    for Override { deployment, incident, .. } in every_version(tables, overrides).await? {
        incident_ids.extend(incident);
        deployment_ids.extend(deployment);
    }
    // A service that a deployment had before its latest version loses it.
    let mut arrived = BTreeSet::new();
    let mut deployments = tables.facts::<Deployment>(Some(newer())).await?;
    let deleted: BTreeSet<String> =
        deployments.iter().map(|d| &d.fact).filter(|d| d.deleted_at.is_some()).map(|d| d.id.clone()).collect();
    if !deleted.is_empty() {
        // What deletes one does not say what it was.
        let filter = (deleted.len() <= NAMES_AT_MOST).then(|| among("id", &deleted));
        deployments.extend(tables.facts::<Deployment>(filter).await?);
    }
    for Deployment { id, revision, version, fixes_incident, repairs, .. } in deployments.into_iter().map(|d| d.fact) {
        arrived.extend([Some(id), revision, version].into_iter().flatten());
        if let Some(incident) = fixes_incident {
            incident_ids.insert(incident);
            deployment_ids.extend(repairs);
        }
    }
    let decided = surroundings.overrides.iter().filter(|o| o.deployment.as_ref().is_some_and(|d| arrived.contains(d)));
    incident_ids.extend(decided.filter_map(|o| o.incident.clone()));
    for fix in &surroundings.fixes {
        let is_new = [&fix.id, &fix.repairs].into_iter().any(|name| arrived.contains(name));
        if is_new {
            incident_ids.insert(fix.incident.clone());
        }
        if incident_ids.contains(&fix.incident) {
            deployment_ids.insert(fix.repairs.clone());
        }
    }
    about_incidents(tables, catalog, &incident_ids, &mut touched, &mut deployment_ids).await?;
    name_deployments(surroundings, &arrived, catalog, &mut touched);
    deployment_ids.extend(arrived);
    owners(tables, catalog, &deployment_ids, &mut touched).await?;
    Ok(touched)
}

/// Services that an incident hit: those it names, else those of its repository.
pub(super) fn hit_by(incident: &Incident, catalog: &Catalog) -> BTreeSet<String> {
    if incident.services.is_empty() {
        return incident.repository.iter().flat_map(|r| catalog.services_of_repository(r)).collect();
    }
    incident.services.iter().map(|s| catalog.canonical(s).to_owned()).collect()
}

/// How many changes each service may have to look at, of those that pass a filter.
pub(super) async fn changes_by_service(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    filter: Expr,
) -> Result<HashMap<String, u64>, Error> {
    let mut by_service: HashMap<String, u64> = HashMap::new();
    let Some(changes) = tables.table("changes")? else { return Ok(by_service) };
    let changes = changes.filter(filter)?;
    let grouped =
        changes.aggregate(vec![col("service"), col("repository")], vec![count(lit(1)).alias("n")])?.collect().await?;
    let mut by_repository: HashMap<String, u64> = HashMap::new();
    for batch in grouped {
        let (services, repositories) = (texts(&batch, "service"), texts(&batch, "repository"));
        let counts = batch.column_by_name("n").and_then(|c| c.as_any().downcast_ref::<arrow::array::Int64Array>());
        for i in 0..batch.num_rows() {
            let n = counts.map_or(0, |c| c.value(i) as u64);
            match (text_at(services, i), text_at(repositories, i)) {
                (Some(service), _) => *by_service.entry(catalog.canonical(&service).to_owned()).or_default() += n,
                (None, Some(repository)) => *by_repository.entry(repository).or_default() += n,
                (None, None) => {}
            }
        }
    }
    for (service, repositories) in surroundings.repositories(catalog) {
        let n: u64 = repositories.iter().filter_map(|r| by_repository.get(r)).sum();
        *by_service.entry(service).or_default() += n;
    }
    Ok(by_service)
}

/// Repositories whose default service is one of these, though no deployment says so.
pub(super) async fn repositories_by_name(
    tables: &Tables,
    catalog: &Catalog,
    services: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for table in ["changes", "pull_requests"] {
        // Files in which every row names a service are passed by.
        for (_, repository) in pairs(tables, table, col("service").is_null()).await? {
            let Some(repository) = repository else { continue };
            if catalog.services_of_repository(&repository).iter().any(|s| services.contains(s)) {
                found.insert(repository);
            }
        }
    }
    Ok(found)
}

/// Distinct (service, repository) of the rows that pass a filter.
async fn pairs(tables: &Tables, table: &str, filter: Expr) -> Result<Vec<(Option<String>, Option<String>)>, Error> {
    let Some(frame) = tables.table(table)? else { return Ok(Vec::new()) };
    let batches = frame.filter(filter)?.select(vec![col("service"), col("repository")])?.distinct()?.collect().await?;
    let mut found = Vec::new();
    for batch in &batches {
        let (services, repositories) = (texts(batch, "service"), texts(batch, "repository"));
        found.extend((0..batch.num_rows()).map(|i| (text_at(services, i), text_at(repositories, i))));
    }
    Ok(found)
}

fn in_repositories(
    catalog: &Catalog,
    surroundings: &Surroundings,
    repositories: &BTreeSet<String>,
    touched: &mut BTreeSet<String>,
) {
    if repositories.is_empty() {
        return;
    }
    touched.extend(repositories.iter().flat_map(|r| catalog.services_of_repository(r)));
    for (service, homes) in surroundings.repositories(catalog) {
        if homes.iter().any(|home| repositories.contains(home)) {
            touched.insert(service);
        }
    }
}

/// Names of repositories that had rows while nobody was known to live there, and are no services now.
async fn no_services(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    inhabited: &BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let services = surroundings.repositories(catalog);
    let names = inhabited.iter().flat_map(|repository| catalog.services_of_repository(repository));
    let names: BTreeSet<String> = names.filter(|name| !services.contains_key(name)).collect();
    let Some(rows) = tables.table("shipments")?.filter(|_| !names.is_empty()) else { return Ok(BTreeSet::new()) };
    let found = rows.filter(among("service", &names))?.select(vec![col("service")])?.distinct()?.collect().await?;
    Ok(found
        .iter()
        .flat_map(|batch| texts(batch, "service").into_iter().flatten().flatten())
        .map(String::from)
        .collect())
}

/// An override that now says something else also touches what it said before.
async fn every_version(tables: &Tables, newer: Vec<dorado_lake::Stamped<Override>>) -> Result<Vec<Override>, Error> {
    let ids: BTreeSet<String> = newer.into_iter().map(|o| o.fact.id).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let all = tables.facts::<Override>(Some(among("id", &ids))).await?;
    Ok(all.into_iter().map(|o| o.fact).collect())
}

/// Services that incidents hit in any of their versions, and deployments that they name.
async fn about_incidents(
    tables: &Tables,
    catalog: &Catalog,
    ids: &HashSet<String>,
    touched: &mut BTreeSet<String>,
    deployments: &mut BTreeSet<String>,
) -> Result<(), Error> {
    if ids.is_empty() {
        return Ok(());
    }
    let filter = (ids.len() <= NAMES_AT_MOST).then(|| among("id", ids));
    let mut changes = BTreeSet::new();
    for incident in tables.facts::<Incident>(filter).await? {
        touched.extend(hit_by(&incident.fact, catalog));
        deployments.extend(incident.fact.caused_by);
        changes.extend(incident.fact.caused_by_change);
    }
    // Where the change went is a row of gold; where it is not, its own arrival touches the service.
    if !changes.is_empty() {
        for batch in tables.rows("shipments", Some(among("change", &changes))).await? {
            touched.extend(texts(&batch, "service").into_iter().flatten().flatten().map(String::from));
        }
    }
    Ok(())
}

/// An incident may have named a deployment before it arrived.
fn name_deployments(
    surroundings: &Surroundings,
    arrived: &BTreeSet<String>,
    catalog: &Catalog,
    touched: &mut BTreeSet<String>,
) {
    for incident in &surroundings.incidents {
        if incident.caused_by.as_ref().is_some_and(|name| arrived.contains(name)) {
            touched.extend(hit_by(incident, catalog));
        }
    }
}

/// Services that deployments of these ids, revisions or versions were ever of.
async fn owners(
    tables: &Tables,
    catalog: &Catalog,
    names: &BTreeSet<String>,
    touched: &mut BTreeSet<String>,
) -> Result<(), Error> {
    if names.is_empty() {
        return Ok(());
    }
    let named = || among("id", names).or(among("revision", names)).or(among("version", names));
    let filter = if names.len() <= NAMES_AT_MOST { named() } else { lit(true) };
    for (service, repository) in pairs(tables, "deployments", filter).await? {
        let deployment = Deployment { service, repository, ..Deployment::default() };
        touched.extend(catalog.service_of(&deployment));
    }
    Ok(())
}
