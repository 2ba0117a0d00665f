//! The ladder of environments: how long a change takes from its commit to each, and waits in each for the next.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use dorado_lake::{Instant, Tier};
use serde_json::{Value, json};

use crate::answer::benchmark::object;
use crate::attribution::ladder::{Rung, climb};
use crate::engine::{Answer, Engine, Error, Row};
use crate::quantiles::distribution_of;
use crate::question::{BadParameter, Filter, Question};
use crate::refresh::{Homes, PortionRows};

/// The facts of so many services are read at most.
const SERVICES_AT_MOST: usize = 50;

/// One environment, over all services that were asked about.
struct Step {
    environment: String,
    tier: Tier,
    n_deployments: usize,
    /// From commit to arrival in milliseconds, of what arrived in the period.
    leads: Vec<i64>,
    /// When each change of each service arrived, whenever that was.
    arrivals: HashMap<(usize, String), Instant>,
    /// Those that arrived in the period.
    recent: BTreeSet<(usize, String)>,
}

impl Engine {
    /// How changes climbed through the environments in the period, the one farthest from users first.
    ///
    /// # Errors
    /// No service is named, or more than fifty; and as [`Engine::series`].
    pub async fn ladder(&self, question: &Question) -> Result<Arc<Answer>, Error> {
        self.kept(format!("ladder {question:?}"), question.audience(), async |tables, directory| {
            let names = Filter { environments: BTreeSet::new(), ..question.filter.clone() };
            let selection = directory.select(&names, self.catalog())?;
            let services = selection.services.ok_or_else(|| unbounded(question, "no service is named"))?;
            if services.len() > SERVICES_AT_MOST {
                return Err(unbounded(question, "these are too many services").into());
            }
            let homes = Homes::read(tables, directory.homes.as_ref().clone()).await?;
            let rows_of = PortionRows::read(tables, self.catalog(), &homes, &services).await?;
            let facts = rows_of.facts(&homes, &directory.deleted);
            let mut climbed: Vec<Vec<Rung>> = Vec::new();
            facts.each(self.catalog(), &services, |service, deployments, candidates| {
                climbed.push(climb(service, &deployments, candidates, self.catalog()));
            });
            let meta = self.meta(tables, directory, question);
            Ok(Answer { data: rows(&steps(climbed, question), question), series: None, differences: None, meta })
        })
        .await
    }
}

fn unbounded(question: &Question, problem: &str) -> BadParameter {
    BadParameter {
        parameter: "service",
        value: question.filter.services.iter().cloned().collect::<Vec<_>>().join(","),
        problem: problem.to_owned(),
        expected: format!("`service` or `team` with 1 to {SERVICES_AT_MOST} services"),
    }
}

/// The environments in order: the farthest from users first, and of one tier the one that is reached sooner.
fn steps(climbed: Vec<Vec<Rung>>, question: &Question) -> Vec<Step> {
    let period = question.from..question.to;
    let mut steps: BTreeMap<String, Step> = BTreeMap::new();
    for (service, rungs) in climbed.into_iter().enumerate() {
        for rung in rungs {
            let step = steps.entry(rung.environment.clone()).or_insert_with(|| Step {
                environment: rung.environment,
                tier: rung.tier,
                n_deployments: 0,
                leads: Vec::new(),
                arrivals: HashMap::new(),
                recent: BTreeSet::new(),
            });
            step.n_deployments += rung.deployed_at.iter().filter(|at| period.contains(at)).count();
            for (change, (at, lead_ms)) in rung.arrivals {
                let key = (service, change);
                if period.contains(&at) {
                    step.leads.push(lead_ms);
                    step.recent.insert(key.clone());
                }
                step.arrivals.insert(key, at);
            }
        }
    }
    let mut steps: Vec<Step> = steps.into_values().collect();
    // What nothing reached comes last of its tier.
    let median = |step: &Step| distribution_of(&step.leads).map_or(i64::MAX, |found| found.p50 as i64);
    steps.sort_by_cached_key(|step| (height(step.tier), median(step), step.environment.clone()));
    steps
}

fn height(tier: Tier) -> u8 {
    match tier {
        Tier::Development => 0,
        Tier::Testing => 1,
        Tier::Other => 2,
        Tier::Staging => 3,
        Tier::Production => 4,
    }
}

fn rows(steps: &[Step], question: &Question) -> Vec<Row> {
    let wanted = |step: &Step| {
        question.filter.environments.is_empty() || question.filter.environments.contains(&step.environment)
    };
    let seconds = |ms: Option<f64>| -> Value { json!(ms.map(|ms| ms / 1000.0)) };
    let shown = steps.iter().enumerate().filter(|(_, step)| wanted(step));
    shown
        .map(|(i, step)| {
            let lead = distribution_of(&step.leads);
            let next = steps.get(i + 1);
            let waits = next.map(|next| waits(step, next)).unwrap_or_default();
            let wait = distribution_of(&waits);
            object([
                ("environment", json!(step.environment)),
                ("tier", json!(step.tier)),
                ("n_deployments", json!(step.n_deployments)),
                ("n", json!(step.leads.len())),
                ("enough_data", json!(step.leads.len() as u64 >= question.pack.min_n)),
                ("p50", seconds(lead.map(|found| found.p50))),
                ("p90", seconds(lead.map(|found| found.p90))),
                ("next_environment", json!(next.map(|next| &next.environment))),
                ("wait_p50", seconds(wait.map(|found| found.p50))),
                ("wait_p90", seconds(wait.map(|found| found.p90))),
                ("n_wait", json!(waits.len())),
            ])
        })
        .collect()
}

/// How long changes that reached the next environment in the period had been in this one, in milliseconds. One
/// that came there first did not wait.
fn waits(step: &Step, next: &Step) -> Vec<i64> {
    let waited = next.recent.iter().filter_map(|key| Some(*next.arrivals.get(key)? - *step.arrivals.get(key)?));
    waited.map(|wait| wait.num_milliseconds()).filter(|wait| *wait >= 0).collect()
}
