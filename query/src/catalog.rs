//! Teams, services, environments and rules as one TOML file tells them, and how a source's names are
//! mapped onto them. What no entry maps keeps a plain default: a repository's last segment is its service.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::OnceLock;

use dorado_lake::{Deployment, Tier};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::pack::Pack;

/// The part of `dorado.toml` that says who is who.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Catalog {
    /// Services, and where their deployments and changes come from.
    #[serde(rename = "service")]
    pub services: Vec<ServiceEntry>,
    /// Teams and their place in the tree.
    #[serde(rename = "team")]
    pub teams: Vec<TeamEntry>,
    /// Environments whose tier cannot be read from their name.
    #[serde(rename = "environment")]
    pub environments: Vec<EnvironmentEntry>,
    /// What makes a deployment rework where its source does not flag it.
    pub rework: ReworkRule,
    /// Packs of one's own. No row of gold depends on them.
    #[serde(skip)]
    pub packs: Vec<Pack>,
    /// Finds services by their names.
    #[serde(skip)]
    pub index: Index,
}

/// Services by every name that they have. Made when it is first asked, so services are not changed after that; a
/// clone makes its own.
#[derive(Default)]
pub struct Index(OnceLock<Places>);

/// Places in [`Catalog::services`].
#[derive(Default)]
struct Places {
    by_name: HashMap<String, usize>,
    by_any_name: HashMap<String, usize>,
    by_repository: HashMap<String, Vec<usize>>,
}

impl Index {
    fn of(&self, services: &[ServiceEntry]) -> &Places {
        self.0.get_or_init(|| {
            let mut places = Places::default();
            for (place, service) in services.iter().enumerate() {
                places.by_name.entry(service.name.clone()).or_insert(place);
                for name in std::iter::once(&service.name).chain(&service.aliases) {
                    places.by_any_name.entry(name.clone()).or_insert(place);
                }
                for repository in &service.repositories {
                    places.by_repository.entry(repository.to_ascii_lowercase()).or_default().push(place);
                }
            }
            places
        })
    }
}

impl Clone for Index {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl std::fmt::Debug for Index {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Index")
    }
}

/// One service.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceEntry {
    /// Its name in every answer.
    pub name: String,
    /// The team that owns it.
    pub team: Option<String>,
    /// Other names that sources give it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Repositories that it is built from, as `owner/name`.
    #[serde(default)]
    pub repositories: Vec<String>,
    /// Path prefixes of the repository that belong to it; empty for all of it.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Its own rework rule, instead of the common one.
    pub rework: Option<ReworkRule>,
}

/// One team.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamEntry {
    /// Its name.
    pub name: String,
    /// The team that it is part of.
    pub parent: Option<String>,
}

/// One environment.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentEntry {
    /// Its name as the source gives it.
    pub name: String,
    /// Its tier.
    pub tier: Tier,
}

/// What makes a deployment rework by its names.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ReworkRule {
    /// Prefixes of a branch, tag, version, label or title.
    pub prefixes: Vec<String>,
}

impl Default for ReworkRule {
    fn default() -> Self {
        Self { prefixes: ["hotfix/", "revert-", "Revert \""].map(String::from).to_vec() }
    }
}

impl ReworkRule {
    /// Whether a branch, version, label or title of `deployment` begins with one of the prefixes.
    pub fn matches(&self, deployment: &Deployment) -> bool {
        let branch = deployment.branch.as_deref().map(short_ref);
        let named = [branch, deployment.version.as_deref().map(short_ref), deployment.title.as_deref()];
        named
            .into_iter()
            .flatten()
            .chain(deployment.labels.iter().map(String::as_str))
            .any(|text| self.prefixes.iter().any(|prefix| text.starts_with(prefix.as_str())))
    }
}

impl Catalog {
    /// The service that a deployment is of; `None` where neither a service nor a repository is named.
    pub fn service_of(&self, deployment: &Deployment) -> Option<String> {
        match (&deployment.service, &deployment.repository) {
            (Some(name), _) => Some(self.canonical(name).to_owned()),
            (None, Some(repository)) => Some(self.services_of_repository(repository).into_iter().next()?),
            (None, None) => None,
        }
    }

    /// A service's own name for one of its names.
    pub fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        let place = self.index.of(&self.services).by_any_name.get(name);
        place.map_or(name, |&place| self.services[place].name.as_str())
    }

    /// Services that the configuration builds from `repository`; else the one named like its last segment.
    pub fn services_of_repository(&self, repository: &str) -> BTreeSet<String> {
        let places = self.index.of(&self.services).by_repository.get(&repository.to_ascii_lowercase());
        let mapped: BTreeSet<String> =
            places.into_iter().flatten().map(|&place| self.services[place].name.clone()).collect();
        if mapped.is_empty() {
            let last = repository.rsplit('/').next().unwrap_or(repository);
            return BTreeSet::from([self.canonical(last).to_owned()]);
        }
        mapped
    }

    /// The entry of a service.
    pub fn service(&self, name: &str) -> Option<&ServiceEntry> {
        self.index.of(&self.services).by_name.get(name).map(|&place| &self.services[place])
    }

    /// The rework rule in force for a service.
    pub fn rework_of(&self, service: &str) -> &ReworkRule {
        self.service(service).and_then(|s| s.rework.as_ref()).unwrap_or(&self.rework)
    }

    /// The tier of an environment: as its source says, as configured, else by the common names.
    pub fn tier(&self, environment: &str, told: Option<Tier>) -> Tier {
        if let Some(entry) = self.environments.iter().find(|e| e.name == environment) {
            return entry.tier;
        }
        told.unwrap_or_else(|| tier_by_name(environment))
    }

    /// A team and all teams below it.
    pub fn team_tree(&self, team: &str) -> BTreeSet<String> {
        let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for entry in &self.teams {
            if let Some(parent) = &entry.parent {
                children.entry(parent).or_default().push(&entry.name);
            }
        }
        let mut tree = BTreeSet::new();
        let mut open = vec![team];
        while let Some(name) = open.pop() {
            if tree.insert(name.to_owned()) {
                open.extend(children.get(name).into_iter().flatten());
            }
        }
        tree
    }
}

/// `refs/heads/main` as `main`.
pub(crate) fn short_ref(name: &str) -> &str {
    name.strip_prefix("refs/heads/").or_else(|| name.strip_prefix("refs/tags/")).unwrap_or(name)
}

/// Tiers by the words of a name, as in `eu-prod-2`; what is not yet production goes before production.
fn tier_by_name(environment: &str) -> Tier {
    let name = environment.to_lowercase();
    let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let begins = |with: &[&str]| words.iter().any(|word| with.iter().any(|w| word.starts_with(w)));
    let is = |one_of: &[&str]| words.iter().any(|word| one_of.contains(word));
    if begins(&["preprod", "nonprod", "stag", "accept"]) || is(&["pre", "non", "stg", "stage", "uat"]) {
        Tier::Staging
    } else if begins(&["prod"]) || is(&["prd", "live"]) {
        Tier::Production
    } else if begins(&["test", "qa"]) || is(&["qc", "ci", "integration"]) {
        Tier::Testing
    } else if begins(&["dev", "sandbox", "review", "preview", "local"]) {
        Tier::Development
    } else {
        Tier::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_read_from_the_common_names() {
        for (name, tier) in [
            ("production", Tier::Production),
            ("prod-eu", Tier::Production),
            ("Live", Tier::Production),
            ("pre-prod", Tier::Staging),
            ("non-production", Tier::Staging),
            ("qa", Tier::Testing),
            ("dev-3", Tier::Development),
            ("moon", Tier::Other),
            ("delivery", Tier::Other),
            ("evaluation", Tier::Other),
            ("pricing", Tier::Other),
            ("eu-prod-2", Tier::Production),
        ] {
            assert_eq!(tier_by_name(name), tier, "{name}");
        }
    }

    #[test]
    fn a_team_tree_ends_even_where_teams_are_each_others_parents() {
        let team = |name: &str, parent: &str| TeamEntry { name: name.into(), parent: Some(parent.into()) };
        let catalog = Catalog { teams: vec![team("a", "b"), team("b", "a"), team("c", "b")], ..Catalog::default() };
        assert_eq!(catalog.team_tree("b").len(), 3);
    }
}
