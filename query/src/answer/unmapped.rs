//! Names that sources give and the configuration does not know: repositories and services that go by a plain default,
//! and environments whose tier is only guessed, each with the lines that would map it.

use datafusion::functions_aggregate::expr_fn::{max, sum};
use datafusion::prelude::{col, lit};
use dorado_lake::{Deployment, Tier};
use serde_json::json;

use super::directory::Columns;
use super::explain::time;
use crate::catalog::Catalog;
use crate::deleted::Deleted;
use crate::engine::{Engine, Error, Row};

/// Names of one kind at most, those with the most deployments first.
const MOST: usize = 500;

impl Engine {
    /// Names that the configuration does not know, most deployments first.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub async fn unmapped(&self) -> Result<Vec<Row>, Error> {
        let tables = self.tables();
        let catalog = self.catalog();
        let Some(deployments) = tables.table("deployments")? else { return Ok(Vec::new()) };
        let told = max(datafusion::functions::expr_fn::coalesce(vec![col("finished_at"), col("started_at")]));
        let counted = vec![sum(lit(1_i64)).alias("n"), told.alias("last")];
        let groups = ["service", "repository", "environment", "tier"].map(col).to_vec();
        let mut found = Found::default();
        let there = Deleted::read(&tables).await?.without_versions(&tables, deployments)?;
        for batch in there.aggregate(groups, counted)?.collect().await? {
            let columns = Columns(&batch);
            for i in 0..batch.num_rows() {
                let (service, repository) = (columns.text("service", i), columns.text("repository", i));
                let environment = columns.text("environment", i).unwrap_or_default();
                let tier = columns.text("tier", i).and_then(|tier| Tier::from_name(&tier));
                let row = Told { n: columns.number("n", i).unwrap_or_default(), last: columns.instant("last", i) };
                found.owner(catalog, service, repository, row);
                found.environment(catalog, environment, tier, row);
            }
        }
        Ok(found.rows())
    }
}

#[derive(Clone, Copy)]
struct Told {
    n: i64,
    last: Option<dorado_lake::Instant>,
}

#[derive(Default)]
struct Found(std::collections::BTreeMap<(&'static str, String), (Told, String, String)>);

impl Found {
    fn owner(&mut self, catalog: &Catalog, service: Option<String>, repository: Option<String>, told: Told) {
        let is_known = |name: &str| catalog.service(catalog.canonical(name)).is_some();
        match (service, repository) {
            (Some(name), _) if !is_known(&name) => {
                let toml = format!("[[service]]\nname = {}\n", quoted(&name));
                self.add("service", name.clone(), told, name, toml);
            }
            (None, Some(repository)) => {
                let by_name = Deployment { repository: Some(repository.clone()), ..Deployment::default() };
                let Some(taken_as) = catalog.service_of(&by_name) else { return };
                let is_listed = |r: &String| r.eq_ignore_ascii_case(&repository);
                if catalog.services.iter().any(|service| service.repositories.iter().any(is_listed)) {
                    return;
                }
                let (name, its) = (quoted(&taken_as), quoted(&repository));
                let toml = format!("[[service]]\nname = {name}\nrepositories = [{its}]\n");
                self.add("repository", repository, told, taken_as, toml);
            }
            _ => {}
        }
    }

    /// One that says nothing of its tier, by itself or by its source, counts nowhere.
    fn environment(&mut self, catalog: &Catalog, name: String, tier: Option<Tier>, told: Told) {
        let is_known = catalog.environments.iter().any(|environment| environment.name == name);
        if is_known || catalog.tier(&name, tier) != Tier::Other || name.is_empty() {
            return;
        }
        let toml = format!("[[environment]]\nname = {}\ntier = \"production\"\n", quoted(&name));
        self.add("environment", name, told, Tier::Other.as_str().to_owned(), toml);
    }

    fn add(&mut self, kind: &'static str, name: String, told: Told, taken_as: String, toml: String) {
        let entry = self.0.entry((kind, name)).or_insert((Told { n: 0, last: None }, taken_as, toml));
        entry.0.n += told.n;
        entry.0.last = entry.0.last.max(told.last);
    }

    fn rows(self) -> Vec<Row> {
        let mut rows: Vec<_> = self.0.into_iter().collect();
        rows.sort_by(|a, b| b.1.0.n.cmp(&a.1.0.n).then_with(|| a.0.cmp(&b.0)));
        rows.truncate(MOST);
        let row = |((kind, name), (told, taken_as, toml)): ((&str, String), (Told, String, String))| {
            let pairs = [
                ("kind", json!(kind)),
                ("name", json!(name)),
                ("n_deployments", json!(told.n)),
                ("last_deployment_at", time(told.last)),
                ("taken_as", json!(taken_as)),
                ("toml", json!(toml)),
            ];
            pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
        };
        rows.into_iter().map(row).collect()
    }
}

/// A TOML string.
fn quoted(text: &str) -> String {
    // What JSON escapes, TOML does too.
    json!(text).to_string()
}
