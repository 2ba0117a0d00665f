//! `dorado suggest`: lines of configuration out of files that say who owns what: CODEOWNERS and catalog-info.yaml. They are
//! printed to be read by a person; nothing is changed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use yaml_rust2::{Yaml, YamlLoader};

use super::output::deliver;
use crate::cli::SuggestArgs;

/// A service as a file suggests it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Suggested {
    team: Option<String>,
    repositories: BTreeSet<String>,
    paths: BTreeSet<String>,
}

/// What files suggest: services by name, and teams with their parents.
#[derive(Debug, Default)]
struct Suggestions {
    services: BTreeMap<String, Suggested>,
    teams: BTreeMap<String, Option<String>>,
}

/// Prints what these files suggest.
pub(crate) fn run(args: &SuggestArgs) -> Result<()> {
    let mut suggestions = Suggestions::default();
    for file in &args.files {
        let text = std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))?;
        let name = file.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let is_yaml = [".yaml", ".yml"].iter().any(|ending| name.ends_with(ending));
        if name == "codeowners" {
            let repository = repository_of(file);
            suggestions.code_owners(&text, &repository);
        } else if is_yaml {
            suggestions.catalog(&text).with_context(|| format!("cannot read `{}`", file.display()))?;
        } else {
            bail!("`{}` is neither a CODEOWNERS nor a catalog-info.yaml", file.display());
        }
    }
    deliver(&suggestions.to_toml(), None)
}

impl Suggestions {
    /// A line for everything is the service named like the repository; one for a folder is a service of that folder. Of two
    /// lines for one the later counts, as it does for the owners.
    fn code_owners(&mut self, text: &str, repository: &str) {
        let own = repository.rsplit('/').next().unwrap_or(repository);
        for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
            let mut words = line.split_whitespace();
            let (Some(pattern), Some(owner)) = (words.next(), words.next()) else { continue };
            // Sections, and people: an address or a name without an organisation is no team.
            let Some((_, team)) = owner.strip_prefix('@').and_then(|owner| owner.split_once('/')) else { continue };
            let folder = pattern.trim_matches('/').trim_end_matches("/**").trim_end_matches("/*");
            let (name, paths) = match folder {
                "*" | "**" => (own.to_owned(), BTreeSet::new()),
                folder if folder.contains('*') || folder.is_empty() => continue,
                folder => {
                    let last = folder.rsplit('/').next().unwrap_or(folder);
                    (last.to_owned(), BTreeSet::from([format!("{folder}/")]))
                }
            };
            // A file, not a folder.
            if !pattern.ends_with(['/', '*']) && name.contains('.') {
                continue;
            }
            let repositories = BTreeSet::from([repository.to_owned()]);
            self.teams.entry(team.to_owned()).or_default();
            self.services.insert(name, Suggested { team: Some(team.to_owned()), repositories, paths });
        }
    }

    /// Components, groups and systems of a software catalogue.
    fn catalog(&mut self, text: &str) -> Result<()> {
        for entity in YamlLoader::load_from_str(text)? {
            let (metadata, spec) = (&entity["metadata"], &entity["spec"]);
            let Some(name) = metadata["name"].as_str() else { continue };
            match entity["kind"].as_str() {
                Some("Component") => {
                    let team = spec["owner"].as_str().and_then(team_of);
                    if let Some(team) = &team {
                        self.teams.entry(team.clone()).or_default();
                    }
                    let repositories = repositories(&metadata["annotations"]);
                    let suggested = Suggested { team, repositories, paths: BTreeSet::new() };
                    self.services.insert(name.to_owned(), suggested);
                }
                Some("Group") => {
                    let parent = spec["parent"].as_str().and_then(team_of);
                    if let Some(parent) = &parent {
                        self.teams.entry(parent.clone()).or_default();
                    }
                    self.teams.insert(name.to_owned(), parent);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn to_toml(&self) -> String {
        let quoted = |text: &str| serde_json::Value::from(text).to_string();
        let listed = |texts: &BTreeSet<String>| texts.iter().map(|text| quoted(text)).collect::<Vec<_>>().join(", ");
        let mut tables = Vec::new();
        for (name, parent) in &self.teams {
            let parent = parent.as_ref().map(|parent| format!("parent = {}\n", quoted(parent))).unwrap_or_default();
            tables.push(format!("[[team]]\nname = {}\n{parent}", quoted(name)));
        }
        for (name, Suggested { team, repositories, paths }) in &self.services {
            let mut table = format!("[[service]]\nname = {}\n", quoted(name));
            table.extend(team.iter().map(|team| format!("team = {}\n", quoted(team))));
            for (key, values) in [("repositories", repositories), ("paths", paths)] {
                if !values.is_empty() {
                    table.extend([format!("{key} = [{}]\n", listed(values))]);
                }
            }
            tables.push(table);
        }
        tables.join("\n")
    }
}

/// The team that a reference names: `group:default/payments` as `payments`; nobody where it names a person.
fn team_of(reference: &str) -> Option<String> {
    let (kind, name) = reference.split_once(':').unwrap_or(("group", reference));
    let name = name.rsplit('/').next().unwrap_or(name);
    (kind.eq_ignore_ascii_case("group") && !name.is_empty()).then(|| name.to_owned())
}

/// Repositories that annotations name: `…/project-slug`, or the address of the source.
fn repositories(annotations: &Yaml) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, value) in annotations.as_hash().into_iter().flatten() {
        let (Some(key), Some(value)) = (key.as_str(), value.as_str()) else { continue };
        if key.ends_with("/project-slug") {
            found.insert(value.to_owned());
        } else if key.ends_with("/source-location") {
            let path = value.trim_start_matches("url:").split_once("://").map_or("", |(_, rest)| rest);
            let segments: Vec<&str> = path.split('/').skip(1).take(2).filter(|part| !part.is_empty()).collect();
            if let [owner, name] = segments[..] {
                found.insert(format!("{owner}/{}", name.trim_end_matches(".git")));
            }
        }
    }
    found
}

/// The repository that a file lies in: by its remote, else by its folder.
fn repository_of(file: &Path) -> String {
    let folder = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let root = folder.ancestors().skip(1).find(|folder| folder.join(".git").exists());
    let remote = root.and_then(|root| std::fs::read_to_string(root.join(".git/config")).ok()).and_then(|config| {
        let url = config.lines().find_map(|line| line.trim().strip_prefix("url = ").map(str::to_owned))?;
        let path = url.trim_end_matches(".git").replace(':', "/");
        let segments: Vec<&str> = path.rsplit('/').take(2).collect();
        if let [name, owner] = segments[..] { Some(format!("{owner}/{name}")) } else { None }
    });
    let named = |folder: &Path| folder.file_name().map(|name| name.to_string_lossy().into_owned());
    remote.or_else(|| root.or_else(|| folder.parent()).and_then(named)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn code_owners_suggest_a_service_for_the_repository_and_one_for_each_folder() {
        let mut suggestions = Suggestions::default();
        let text = "# who owns what\n*  @acme/platform\n/services/checkout/ @acme/payments # both\n\
                    /services/checkout/** @acme/shop\n*.md @acme/docs\n/README @acme/docs\n/till ann@example.org\n/tills/ @ann\n";
        suggestions.code_owners(text, "acme/shop");
        assert_eq!(
            suggestions.to_toml(),
            "[[team]]\nname = \"docs\"\n\n[[team]]\nname = \"payments\"\n\n[[team]]\nname = \"platform\"\n\n\
             [[team]]\nname = \"shop\"\n\n\
             [[service]]\nname = \"README\"\nteam = \"docs\"\nrepositories = [\"acme/shop\"]\npaths = [\"README/\"]\n\n\
             [[service]]\nname = \"checkout\"\nteam = \"shop\"\nrepositories = [\"acme/shop\"]\n\
             paths = [\"services/checkout/\"]\n\n\
             [[service]]\nname = \"shop\"\nteam = \"platform\"\nrepositories = [\"acme/shop\"]\n"
        );
    }

    #[test]
    fn a_catalogue_suggests_its_components_and_groups_and_what_is_suggested_is_right() {
        let mut suggestions = Suggestions::default();
        let text = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata:\n  name: checkout\n  annotations:\n    \
                    example.com/project-slug: acme/shop\n    backstage.io/source-location: url:https://git.example.org/acme/pay/tree/main/\n\
                    spec:\n  type: service\n  owner: group:default/payments\n---\nkind: Group\nmetadata:\n  name: payments\n\
                    spec:\n  parent: commerce\n---\nkind: Component\nmetadata:\n  name: till\nspec:\n  owner: user:ann\n---\nkind: API\n";
        suggestions.catalog(text).unwrap();
        let toml = suggestions.to_toml();
        assert_eq!(
            toml,
            "[[team]]\nname = \"commerce\"\n\n[[team]]\nname = \"payments\"\nparent = \"commerce\"\n\n\
             [[service]]\nname = \"checkout\"\nteam = \"payments\"\nrepositories = [\"acme/pay\", \"acme/shop\"]\n\n\
             [[service]]\nname = \"till\"\n"
        );
        let (mistakes, config) = crate::config::check(&toml);
        assert!(mistakes.is_empty() && config.is_some(), "{toml}");
        assert!(suggestions.catalog("a: [").is_err());
    }
}
