//! Which services new facts touch: those that they name, those that live in the repositories that they
//! name, and those whose deployments or incidents they speak of.

use std::collections::{BTreeSet, HashMap, HashSet};

use arrow::array::Int64Array;
use datafusion::functions_aggregate::expr_fn::count;
use datafusion::prelude::{Expr, col, lit};
use dorado_lake::{Change, Deployment, Incident, Override, PullRequest, Row as _};

use super::{Surroundings, text_at, texts};
use crate::catalog::Catalog;
use crate::engine::Error;
use crate::tables::{Tables, among};

/// Names in an `in` list; with more of them everything is looked at.
pub(super) const NAMES_AT_MOST: usize = 2_000;

/// Every service that facts speak of. What was said once and is not said any more has no rows to lose where there is
/// no gold yet.
pub(super) async fn all_services(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
) -> Result<BTreeSet<String>, Error> {
    let mut touched = in_facts(tables, catalog, surroundings, || lit(true)).await?;
    touched.extend(surroundings.home_services(catalog).map(|(service, _)| service));
    touched.extend(surroundings.incidents.iter().flat_map(|incident| hit_by(incident, catalog)));
    Ok(touched)
}

/// The services that facts newer than arrival `done` touch.
pub(super) async fn services(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    done: i64,
) -> Result<BTreeSet<String>, Error> {
    let newer = || col("arrival").gt(lit(done));
    let mut touched = in_facts(tables, catalog, surroundings, newer).await?;
    let incidents = tables.facts::<Incident>(Some(newer())).await?;
    let overrides = tables.facts::<Override>(Some(newer())).await?;
    let mut incident_ids: HashSet<String> = incidents.into_iter().map(|i| i.fact.id).collect();
    let mut deployment_ids = BTreeSet::new();
    for Override { deployment, incident, .. } in every_version(tables, overrides).await? {
        incident_ids.extend(incident);
        deployment_ids.extend(deployment);
    }
    let arrived = arrived(tables, newer(), &mut incident_ids, &mut deployment_ids).await?;
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

/// Services that facts which pass a filter name, and those that live in the repositories which they name.
async fn in_facts(
    tables: &Tables,
    catalog: &Catalog,
    surroundings: &Surroundings,
    filter: impl Fn() -> Expr,
) -> Result<BTreeSet<String>, Error> {
    let mut touched = BTreeSet::new();
    let mut repositories = BTreeSet::new();
    let mut inhabited = BTreeSet::new();
    for table in OF_SERVICES {
        for (service, repository) in pairs(tables, table, filter()).await? {
            match (service, repository) {
                (Some(service), home) => {
                    touched.insert(catalog.canonical(&service).to_owned());
                    inhabited.extend(home.filter(|_| table == Deployment::TABLE));
                }
                (None, Some(repository)) => drop(repositories.insert(repository)),
                (None, None) => {}
            }
        }
    }
    in_repositories(catalog, surroundings, &repositories, &mut touched);
    touched.extend(no_services(tables, catalog, surroundings, &inhabited).await?);
    Ok(touched)
}

/// Columns of deployments that name something.
const NAMING: [&str; 6] = ["id", "revision", "version", "fixes_incident", "repairs", "deleted_at"];

/// Names of the deployments that pass a filter, and what they say of incidents and of other deployments.
async fn arrived(
    tables: &Tables,
    newer: Expr,
    incident_ids: &mut HashSet<String>,
    deployment_ids: &mut BTreeSet<String>,
) -> Result<BTreeSet<String>, Error> {
    let (mut arrived, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    let mut take = |deployment: Deployment| {
        let Deployment { id, revision, version, fixes_incident, repairs, .. } = deployment;
        arrived.extend([Some(id), revision, version].into_iter().flatten());
        if let Some(incident) = fixes_incident {
            incident_ids.insert(incident);
            deployment_ids.extend(repairs);
        }
    };
    tables
        .each_fact(&NAMING, Some(newer), |deployment: Deployment| {
            if deployment.deleted_at.is_some() {
                deleted.insert(deployment.id.clone());
            }
            take(deployment);
        })
        .await?;
    if !deleted.is_empty() {
        // What deletes one does not say what it was.
        let filter = (deleted.len() <= NAMES_AT_MOST).then(|| among("id", &deleted));
        tables.each_fact(&NAMING, filter, take).await?;
    }
    Ok(arrived)
}

/// Services that an incident hit: those it names, else those of its repository.
pub(super) fn hit_by(incident: &Incident, catalog: &Catalog) -> BTreeSet<String> {
    if incident.services.is_empty() {
        return incident.repository.iter().flat_map(|r| catalog.services_of_repository(r)).collect();
    }
    incident.services.iter().map(|s| catalog.canonical(s).to_owned()).collect()
}

/// The tables whose facts say which service or repository they are of.
pub(super) const OF_SERVICES: [&str; 3] = [Deployment::TABLE, Change::TABLE, PullRequest::TABLE];

/// How many facts there are, by the service that they name, and else by their repository.
#[derive(Default)]
pub(super) struct FactsByPlace {
    pub(super) by_service: HashMap<String, u64>,
    pub(super) by_repository: HashMap<String, u64>,
}

/// Of the facts that pass a filter.
pub(super) async fn facts_by_place(tables: &Tables, catalog: &Catalog, filter: Expr) -> Result<FactsByPlace, Error> {
    let mut found = FactsByPlace::default();
    for table in OF_SERVICES {
        let Some(facts) = tables.table(table)? else { continue };
        let by = vec![col("service"), col("repository")];
        let counted = facts.filter(filter.clone())?.aggregate(by, vec![count(lit(1)).alias("n")])?.collect().await?;
        for batch in counted {
            let (services, repositories) = (texts(&batch, "service"), texts(&batch, "repository"));
            let counts = batch.column_by_name("n").and_then(|c| c.as_any().downcast_ref::<Int64Array>());
            for i in 0..batch.num_rows() {
                let n = counts.map_or(0, |c| c.value(i) as u64);
                match (text_at(services, i), text_at(repositories, i)) {
                    (Some(service), _) => {
                        *found.by_service.entry(catalog.canonical(&service).to_owned()).or_default() += n;
                    }
                    (None, Some(repository)) => *found.by_repository.entry(repository).or_default() += n,
                    (None, None) => {}
                }
            }
        }
    }
    Ok(found)
}

/// Repositories of changes and pull requests that name no service.
pub(super) async fn nameless_repositories(tables: &Tables) -> Result<BTreeSet<String>, Error> {
    let mut found = BTreeSet::new();
    for table in [Change::TABLE, PullRequest::TABLE] {
        // Files in which every row names a service are passed by.
        found.extend(pairs(tables, table, col("service").is_null()).await?.into_iter().filter_map(|(_, home)| home));
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
