//! Gold brought up to silver: which services the new facts touch, their rows made again from facts, and
//! only the months written whose rows differ. The same whether one event came or ten million.

mod incidents;
mod made;
mod portion;
mod touched;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use arrow::array::{Array, RecordBatch, StringArray};
use chrono::TimeDelta;
use datafusion::prelude::col;
use dorado_lake::{Deployment, GoldChange, GoldMonth, Incident, Lake, Override, Status, Tier, Verdict};
use tracing::info;

use crate::attribution::{Fix, history};
use crate::catalog::Catalog;
use crate::deleted::Deleted;
use crate::engine::Error;
use crate::gold::{Cause, GoldRow, MadeBy, Outcome, Shipment, to_batch};
use crate::tables::{Tables, among};

use incidents::IncidentsByService;
use made::{Encoding, Made};
use portion::portions;
pub(crate) use portion::{Homes, PortionFacts, PortionRows};

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
    (window, facts_at_once): (TimeDelta, u64),
) -> Result<Refreshed, Error> {
    let (done, through) = (tables.snapshot.gold_through(), tables.snapshot.silver_through());
    let made_by = MadeBy { catalog: serde_json::to_string(catalog).expect("a catalogue is plain data") };
    let is_same_catalog = made_by_of(tables).await?.as_ref() == Some(&made_by);
    if done >= through && (is_same_catalog || through == 0) {
        return Ok(Refreshed::default());
    }
    let surroundings = Surroundings::read(tables, catalog).await?;
    let touched = if done > 0 && is_same_catalog {
        touched::services(tables, catalog, &surroundings, done).await?
    } else {
        // Another catalogue may move any row.
        let mut all = touched::all_services(tables, catalog, &surroundings).await?;
        all.extend(services_in_gold(tables).await?);
        all
    };
    let is_empty =
        [Shipment::TABLE, Outcome::TABLE, Cause::TABLE].iter().all(|table| tables.snapshot.n_rows(table) == 0);
    let (mut made, mut encoding) = (Made::default(), Encoding::default());
    let portions = portions(tables, catalog, &surroundings, &touched, facts_at_once).await?;
    let mut making = Making::new(tables, catalog, &surroundings, window).await?;
    if portions.len() > 1 {
        making.incidents = Some(IncidentsByService::of_all(tables, catalog, &surroundings).await?);
    }
    let n_threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    for portions in portions.chunks(n_threads.min(PORTIONS_AT_ONCE)) {
        for of_portion in making.make(portions).await? {
            if is_empty { encoding.take(of_portion, lake).await? } else { made.take(of_portion) }
        }
    }
    let mut gold = encoding.finish().await?;
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

/// What the gold rows of every portion are made from, besides its own facts.
struct Making<'a> {
    tables: &'a Tables,
    catalog: &'a Catalog,
    surroundings: &'a Surroundings,
    homes: Homes,
    /// Where there are several portions, those of all services.
    incidents: Option<IncidentsByService<'a>>,
    window: TimeDelta,
}

impl<'a> Making<'a> {
    async fn new(
        tables: &'a Tables,
        catalog: &'a Catalog,
        surroundings: &'a Surroundings,
        window: TimeDelta,
    ) -> Result<Self, Error> {
        let homes = Homes::read(tables, surroundings.repositories(catalog)).await?;
        Ok(Self { tables, catalog, surroundings, homes, incidents: None, window })
    }

    /// The gold rows of some portions of services, each in a thread.
    async fn make(&self, portions: &[BTreeSet<String>]) -> Result<Vec<Made>, Error> {
        let mut rows = Vec::with_capacity(portions.len());
        for services in portions {
            rows.push((services, PortionRows::read(self.tables, self.catalog, &self.homes, services).await?));
        }
        let deleted = &self.surroundings.deleted;
        let Some(incidents) = &self.incidents else {
            let mut made = Vec::with_capacity(rows.len());
            for (services, rows) in rows {
                let facts = rows.facts(&self.homes, deleted);
                let incidents = self.incidents_of(services, &facts.deployments).await?;
                made.push(self.made(facts, &incidents, services)?);
            }
            return Ok(made);
        };
        std::thread::scope(|scope| {
            let threads = rows.into_iter().map(|(services, rows)| {
                scope.spawn(move || self.made(rows.facts(&self.homes, deleted), incidents, services))
            });
            let threads: Vec<_> = threads.collect();
            let made = threads.into_iter().map(|thread| match thread.join() {
                Ok(made) => made,
                Err(panicked) => std::panic::resume_unwind(panicked),
            });
            made.collect()
        })
    }

    async fn incidents_of(
        &self,
        services: &BTreeSet<String>,
        deployments: &[Deployment],
    ) -> Result<IncidentsByService<'a>, Error> {
        IncidentsByService::of(self.tables, self.catalog, self.surroundings, services, deployments).await
    }

    fn made(
        &self,
        facts: PortionFacts<'_>,
        incidents: &IncidentsByService<'_>,
        services: &BTreeSet<String>,
    ) -> Result<Made, Error> {
        let gold = facts.attribute(self.catalog, &self.surroundings.overrides, incidents, services, self.window);
        drop(facts);
        Made::of(gold)
    }
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

fn texts<'a>(batch: &'a RecordBatch, column: &str) -> Option<&'a StringArray> {
    batch.column_by_name(column)?.as_any().downcast_ref()
}

fn text_at(column: Option<&StringArray>, row: usize) -> Option<String> {
    column.filter(|c| c.is_valid(row)).map(|c| c.value(row).to_owned())
}
