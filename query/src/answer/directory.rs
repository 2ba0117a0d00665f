//! Who there is: services with their teams, repositories and environments, as facts and configuration
//! tell them. Made once a version of the tables; turns the names of a filter into filters on rows.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::{Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use datafusion::functions_aggregate::expr_fn::{max, min, sum};
use datafusion::prelude::{Expr, col, lit, when};
use dorado_lake::{Deployment, Instant, Lake, Tier};
use tokio::sync::OnceCell;

use crate::audience::Audience;
use crate::catalog::Catalog;
use crate::deleted::Deleted;
use crate::engine::Error;
use crate::question::{BadParameter, Filter};
use crate::tables::{Tables, among};

/// One service as everybody sees it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ServiceCard {
    pub(crate) team: Option<String>,
    pub(crate) repositories: BTreeSet<String>,
    pub(crate) environments: BTreeSet<String>,
    pub(crate) n_deployments: i64,
    pub(crate) first_deployment_at: Option<Instant>,
    pub(crate) last_deployment_at: Option<Instant>,
}

/// Everybody.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) services: BTreeMap<String, ServiceCard>,
    /// Environments by name, with their tier and how many deployments each has.
    pub(crate) environments: BTreeMap<String, (Tier, i64)>,
    /// Teams by name, with the team above each.
    pub(crate) teams: BTreeMap<String, Option<String>>,
    /// When the last delivery came that gold has, or where nothing was delivered, the last attempt at production.
    pub(crate) complete_through: Option<Instant>,
    /// Repositories that each service is built from, by its deployments and by configuration, whoever may know it.
    pub(crate) homes: Arc<HashMap<String, BTreeSet<String>>>,
    /// What sources deleted.
    pub(crate) deleted: Deleted,
    /// Deployments by service and environment.
    deployed: BTreeMap<String, BTreeMap<String, i64>>,
    /// The teams that may be asked for, where not all may.
    only: Option<BTreeSet<String>>,
    /// Incidents beside what their project deployed before them, once a pack has asked.
    pub(crate) on_projects: OnceCell<Option<RecordBatch>>,
}

impl Directory {
    pub(crate) async fn read(tables: &Tables, lake: &Lake, catalog: &Catalog) -> Result<Self, Error> {
        let mut directory = Self::default();
        directory.read_outcomes(tables).await?;
        directory.complete_through = match lake.delivered_through(tables.snapshot.gold_through()) {
            Some(delivered) => Some(delivered),
            // Where nothing was ever delivered, but imported.
            None if lake.source_status().await?.iter().all(|source| source.last_delivery_at.is_none()) => {
                directory.services.values().filter_map(|card| card.last_deployment_at).max()
            }
            None => None,
        };
        directory.deleted = Deleted::read(tables).await?;
        directory.read_environments(tables, catalog).await?;
        for entry in &catalog.services {
            let card = directory.services.entry(entry.name.clone()).or_default();
            card.repositories.extend(entry.repositories.iter().cloned());
            if entry.team.is_some() {
                card.team.clone_from(&entry.team);
            }
        }
        directory.read_teams(catalog);
        Ok(directory)
    }

    /// The same as far as an audience may know it: its teams, their services, where those were deployed.
    pub(crate) fn seen_by(whole: &Arc<Self>, audience: &Audience, catalog: &Catalog) -> Arc<Self> {
        let Audience::Teams(teams) = audience else { return Arc::clone(whole) };
        let tree: BTreeSet<String> = teams.iter().flat_map(|team| catalog.team_tree(team)).collect();
        let is_theirs = |card: &ServiceCard| card.team.as_ref().is_some_and(|team| tree.contains(team));
        let services: BTreeMap<String, ServiceCard> = whole
            .services
            .iter()
            .filter(|(_, card)| is_theirs(card))
            .map(|(name, card)| (name.clone(), card.clone()))
            .collect();
        let mut environments: BTreeMap<String, (Tier, i64)> = BTreeMap::new();
        for (name, n) in services.keys().filter_map(|service| whole.deployed.get(service)).flatten() {
            let Some((tier, _)) = whole.environments.get(name) else { continue };
            environments.entry(name.clone()).or_insert((*tier, 0)).1 += n;
        }
        let above = |parent: &Option<String>| parent.clone().filter(|parent| tree.contains(parent));
        let theirs = whole.teams.iter().filter(|(name, _)| tree.contains(*name));
        Arc::new(Self {
            teams: theirs.map(|(name, parent)| (name.clone(), above(parent))).collect(),
            homes: Arc::clone(&whole.homes),
            deployed: BTreeMap::new(),
            complete_through: whole.complete_through,
            deleted: whole.deleted.clone(),
            services,
            environments,
            only: Some(tree),
            on_projects: OnceCell::new(),
        })
    }

    /// Whether its audience may read everything.
    pub(crate) fn is_whole(&self) -> bool {
        self.only.is_none()
    }

    fn read_teams(&mut self, catalog: &Catalog) {
        for entry in &catalog.teams {
            self.teams.insert(entry.name.clone(), entry.parent.clone());
        }
        let parents = catalog.teams.iter().filter_map(|entry| entry.parent.as_ref());
        for name in parents.chain(self.services.values().filter_map(|card| card.team.as_ref())) {
            self.teams.entry(name.clone()).or_default();
        }
    }

    async fn read_outcomes(&mut self, tables: &Tables) -> Result<(), Error> {
        let Some(outcomes) = tables.table("outcomes")? else { return Ok(()) };
        let reached = || col("reached");
        let groups = ["service", "team", "repository", "environment"].map(col).to_vec();
        let counted = vec![
            sum(when(reached(), lit(1_i64)).otherwise(lit(0_i64))?).alias("n"),
            min(when(reached(), col("finished_at")).end()?).alias("first"),
            max(when(reached(), col("finished_at")).end()?).alias("last"),
            max(col("finished_at")).alias("told"),
        ];
        let mut told: BTreeMap<String, Option<Instant>> = BTreeMap::new();
        for batch in outcomes.aggregate(groups, counted)?.collect().await? {
            let columns = Columns(&batch);
            for i in 0..batch.num_rows() {
                let Some(service) = columns.text("service", i) else { continue };
                let card = self.services.entry(service.clone()).or_default();
                card.repositories.extend(columns.text("repository", i));
                card.environments.extend(columns.text("environment", i));
                card.n_deployments += columns.number("n", i).unwrap_or(0);
                let earliest = [card.first_deployment_at, columns.instant("first", i)];
                card.first_deployment_at = earliest.into_iter().flatten().min();
                card.last_deployment_at = card.last_deployment_at.max(columns.instant("last", i));
                // The team that was told last.
                let team = columns.text("team", i);
                let at = columns.instant("told", i);
                let latest = told.entry(service).or_default();
                if team.is_some() && (card.team.is_none() || at > *latest) {
                    card.team = team;
                    *latest = at;
                }
            }
        }
        Ok(())
    }

    async fn read_environments(&mut self, tables: &Tables, catalog: &Catalog) -> Result<(), Error> {
        let Some(deployments) = tables.table("deployments")? else { return Ok(()) };
        let groups = ["environment", "tier", "service", "repository"].map(col).to_vec();
        let counted = vec![sum(lit(1_i64)).alias("n")];
        let mut homes: HashMap<String, BTreeSet<String>> = HashMap::new();
        let there = self.deleted.without_versions(tables, deployments)?;
        for batch in there.aggregate(groups, counted)?.collect().await? {
            let columns = Columns(&batch);
            for i in 0..batch.num_rows() {
                let Some(name) = columns.text("environment", i) else { continue };
                let told = columns.text("tier", i).and_then(|t| Tier::from_name(&t));
                let tier = catalog.tier(&name, told);
                let n = columns.number("n", i).unwrap_or(0);
                let repository = columns.text("repository", i);
                if let Some(service) = Self::service_of(catalog, columns.text("service", i), repository.clone()) {
                    homes.entry(service.clone()).or_default().extend(repository);
                    *self.deployed.entry(service).or_default().entry(name.clone()).or_default() += n;
                }
                self.environments.entry(name).or_insert((tier, 0)).1 += n;
            }
        }
        for service in &catalog.services {
            homes.entry(service.name.clone()).or_default().extend(service.repositories.iter().cloned());
        }
        self.homes = Arc::new(homes);
        Ok(())
    }

    /// `member` and `member_team` of every service that has a team.
    pub(crate) fn team_batch(&self) -> Result<RecordBatch, Error> {
        let pairs: Vec<(&str, &str)> =
            self.services.iter().filter_map(|(name, card)| Some((name.as_str(), card.team.as_deref()?))).collect();
        let members: StringArray = pairs.iter().map(|(member, _)| Some(*member)).collect();
        let teams: StringArray = pairs.iter().map(|(_, team)| Some(*team)).collect();
        Ok(RecordBatch::try_from_iter([
            ("member", Arc::new(members) as arrow::array::ArrayRef),
            ("member_team", Arc::new(teams) as arrow::array::ArrayRef),
        ])?)
    }

    /// Which rows a filter means.
    pub(crate) fn select(&self, filter: &Filter, catalog: &Catalog) -> Result<Selection, Error> {
        for name in &filter.environments {
            if let Some((tier, _)) = self.environments.get(name).filter(|(tier, _)| *tier != Tier::Production) {
                return Err(Error::BadParameter(BadParameter {
                    parameter: "environment",
                    value: name.clone(),
                    problem: format!("it is of the tier {}; DORA's metrics are about production", tier.as_str()),
                    expected: format!("one of {}", self.production().join(", ")),
                }));
            }
        }
        let is_out_of_scope = |team: &&String| self.only.as_ref().is_some_and(|only| !only.contains(*team));
        if let Some(team) = filter.teams.iter().find(is_out_of_scope) {
            return Err(Error::OutOfScope { team: team.clone() });
        }
        let services = (!filter.services.is_empty())
            .then(|| filter.services.iter().map(|s| catalog.canonical(s).to_owned()).collect());
        let of_teams = (!filter.teams.is_empty()).then(|| {
            let teams: BTreeSet<String> = filter.teams.iter().flat_map(|t| catalog.team_tree(t)).collect();
            let owned = self.services.iter().filter(|(_, card)| card.team.as_ref().is_some_and(|t| teams.contains(t)));
            owned.map(|(name, _)| name.clone()).collect::<BTreeSet<String>>()
        });
        let services = match (services, of_teams) {
            (Some(named), Some(owned)) => Some(BTreeSet::intersection(&named, &owned).cloned().collect()),
            (named, owned) => named.or(owned),
        };
        let services = match (services, &self.only) {
            (Some(asked), Some(_)) => Some(asked.into_iter().filter(|s| self.services.contains_key(s)).collect()),
            (None, Some(_)) => Some(self.services.keys().cloned().collect()),
            (asked, None) => asked,
        };
        Ok(Selection { services, repositories: filter.repositories.clone(), environments: filter.environments.clone() })
    }

    /// Names of a filter that nobody has told yet, by parameter.
    pub(crate) fn unknown(&self, filter: &Filter, catalog: &Catalog) -> BTreeMap<&'static str, Vec<String>> {
        let is_repository = |name: &String| self.services.values().any(|card| card.repositories.contains(name));
        let mut unknown = BTreeMap::new();
        let mut note = |parameter: &'static str, names: &BTreeSet<String>, known: &dyn Fn(&String) -> bool| {
            let missing: Vec<String> = names.iter().filter(|n| !known(n)).cloned().collect();
            if !missing.is_empty() {
                unknown.insert(parameter, missing);
            }
        };
        note("service", &filter.services, &|n| self.services.contains_key(catalog.canonical(n)));
        note("team", &filter.teams, &|n| self.teams.contains_key(n));
        note("repository", &filter.repositories, &is_repository);
        note("environment", &filter.environments, &|n| self.environments.contains_key(n));
        unknown
    }

    fn production(&self) -> Vec<String> {
        let production = self.environments.iter().filter(|(_, (tier, _))| *tier == Tier::Production);
        production.map(|(name, _)| name.clone()).collect()
    }

    /// The service of a deployment that names none, for lists of silver rows.
    pub(crate) fn service_of(catalog: &Catalog, service: Option<String>, repository: Option<String>) -> Option<String> {
        catalog.service_of(&Deployment { service, repository, ..Deployment::default() })
    }
}

/// Which rows are asked about. Empty sets leave out nothing; a `Some` of no services leaves out all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Selection {
    pub(crate) services: Option<BTreeSet<String>>,
    pub(crate) repositories: BTreeSet<String>,
    pub(crate) environments: BTreeSet<String>,
}

impl Selection {
    /// As filters on a gold table.
    pub(crate) fn filters(&self) -> Vec<Expr> {
        let mut filters = Vec::new();
        match &self.services {
            Some(services) if services.is_empty() => filters.push(lit(false)),
            Some(services) => filters.push(among("service", services)),
            None => {}
        }
        if !self.repositories.is_empty() {
            filters.push(among("repository", &self.repositories));
        }
        if !self.environments.is_empty() {
            filters.push(among("environment", &self.environments));
        }
        filters
    }
}

/// Typed access to a batch's columns by name; null where the column or the value is missing.
pub(crate) struct Columns<'a>(pub(crate) &'a RecordBatch);

impl<'a> Columns<'a> {
    fn typed<A: Array + 'static>(&self, name: &str, row: usize) -> Option<&'a A> {
        self.0.column_by_name(name)?.as_any().downcast_ref::<A>().filter(|c| c.is_valid(row))
    }

    pub(crate) fn str(&self, name: &str, row: usize) -> Option<&'a str> {
        self.typed::<StringArray>(name, row).map(|c| c.value(row))
    }

    pub(crate) fn text(&self, name: &str, row: usize) -> Option<String> {
        self.str(name, row).map(str::to_owned)
    }

    pub(crate) fn number(&self, name: &str, row: usize) -> Option<i64> {
        let long = self.typed::<Int64Array>(name, row).map(|c| c.value(row));
        long.or_else(|| self.typed::<arrow::array::Int32Array>(name, row).map(|c| i64::from(c.value(row))))
    }

    pub(crate) fn flag(&self, name: &str, row: usize) -> Option<bool> {
        self.typed::<arrow::array::BooleanArray>(name, row).map(|c| c.value(row))
    }

    pub(crate) fn instant(&self, name: &str, row: usize) -> Option<Instant> {
        let micros = self.typed::<TimestampMicrosecondArray>(name, row).map(|c| c.value(row))?;
        Instant::from_timestamp_micros(micros)
    }
}
