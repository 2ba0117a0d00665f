//! What a person may say about a repository: which tags or commits are deployments, and of what.

use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use super::{Error, State, open::Opened};

/// How to read a repository. The default reads every tag that looks like a release as a deployment of one
/// service to `production`.
#[derive(Debug, Clone)]
pub struct GitOptions {
    /// Globs over whole tag names, where `*` matches `/` too; none means every tag that looks like a release.
    pub tags: Vec<String>,
    /// Services of a monorepo, each with its own tags; `tags` then adds the default service only where given.
    pub services: Vec<ServicePattern>,
    /// Branch to read besides the deployed revisions; all branches where none is given.
    pub branch: Option<String>,
    /// Take every commit on the branch's first-parent chain for a deployment, and no tag.
    pub every_merge: bool,
    /// Name of the default service; else the last part of the repository's name.
    pub service: Option<String>,
    /// Name of the repository; else `owner/name` of the remote `origin`, or the folder's name.
    pub repository: Option<String>,
    /// Environment that is deployed to.
    pub environment: String,
    /// Read the paths of all changes even where no service here is a part of the repository.
    pub with_paths: bool,
    /// What an earlier run read.
    pub since_state: Option<State>,
}

impl Default for GitOptions {
    fn default() -> Self {
        Self {
            tags: Vec::new(),
            services: Vec::new(),
            branch: None,
            every_merge: false,
            service: None,
            repository: None,
            environment: "production".to_owned(),
            with_paths: false,
            since_state: None,
        }
    }
}

/// A service of a monorepo, written `NAME=TAG-PATTERN` or `NAME=TAG-PATTERN:PATH,PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePattern {
    /// The service.
    pub name: String,
    /// Glob over whole tag names.
    pub pattern: String,
    /// Files and folders that the service is built from, without `/` at either end; none means all.
    pub paths: Vec<String>,
}

impl FromStr for ServicePattern {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let malformed = || Error::Service { text: text.to_owned() };
        let (name, rest) = text.split_once('=').ok_or_else(malformed)?;
        let (pattern, paths) = rest.split_once(':').unwrap_or((rest, ""));
        if name.trim().is_empty() || pattern.trim().is_empty() {
            return Err(malformed());
        }
        Ok(Self {
            name: name.trim().to_owned(),
            pattern: pattern.trim().to_owned(),
            paths: paths.split(',').map(normal_path).filter(|path| !path.is_empty()).collect(),
        })
    }
}

/// `./web/` and `/web/**` as `web`.
fn normal_path(path: &str) -> String {
    let path = path.trim().trim_start_matches("./").trim_start_matches('/');
    path.trim_end_matches("/**").trim_end_matches("/*").trim_end_matches('/').to_owned()
}

/// One service with the tags that deploy it.
pub(super) struct Rule {
    pub(super) service: String,
    /// What stands before `@` in the id of a deployment.
    pub(super) id_prefix: String,
    pub(super) paths: Vec<String>,
    /// Empty: every tag that looks like a release.
    pub(super) patterns: Vec<Pattern>,
}

/// A glob over tag names; after `!` it says which tags are left out.
pub(super) struct Pattern {
    pub(super) text: String,
    glob: GlobMatcher,
    pub(super) is_exclusion: bool,
}

impl Rule {
    /// Whether a path is the service's.
    pub(super) fn holds(&self, path: &str) -> bool {
        self.paths.is_empty()
            || self
                .paths
                .iter()
                .any(|own| path.strip_prefix(own.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/')))
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Self, Error> {
        let (glob, is_exclusion) = text.strip_prefix('!').map_or((text, false), |glob| (glob, true));
        let glob =
            GlobBuilder::new(glob).build().map_err(|source| Error::Pattern { pattern: text.to_owned(), source })?;
        Ok(Self { text: text.to_owned(), glob: glob.compile_matcher(), is_exclusion })
    }

    pub(super) fn matches(&self, tag: &str) -> bool {
        self.text == tag || self.glob.is_match(tag)
    }
}

impl GitOptions {
    /// Whether some service may be only a part of the repository, so that the paths of commits matter.
    pub(super) fn needs_paths(&self) -> bool {
        self.with_paths || self.services.iter().any(|service| !service.paths.is_empty())
    }

    /// The services and their tags.
    pub(super) fn rules(&self, opened: &Opened) -> Result<Vec<Rule>, Error> {
        let mut rules: Vec<Rule> = Vec::new();
        for service in &self.services {
            rules.push(Rule {
                service: service.name.clone(),
                id_prefix: service.name.clone(),
                paths: service.paths.iter().map(|path| normal_path(path)).filter(|path| !path.is_empty()).collect(),
                patterns: vec![Pattern::new(&service.pattern)?],
            });
        }
        let mut rules = merged(rules);
        if rules.is_empty() || (!self.tags.is_empty() && !self.every_merge) {
            let last = opened.repository.rsplit('/').next().unwrap_or(&opened.repository);
            rules.push(Rule {
                service: self.service.clone().unwrap_or_else(|| last.to_owned()),
                id_prefix: opened.repository.clone(),
                paths: Vec::new(),
                patterns: self.tags.iter().map(|text| Pattern::new(text)).collect::<Result<_, _>>()?,
            });
        }
        Ok(rules)
    }
}

/// A service that is named twice has the tags and the paths of both.
fn merged(rules: Vec<Rule>) -> Vec<Rule> {
    let mut merged: Vec<Rule> = Vec::new();
    for rule in rules {
        match merged.iter_mut().find(|known| known.service == rule.service) {
            None => merged.push(rule),
            Some(known) => {
                known.patterns.extend(rule.patterns);
                if known.paths.is_empty() || rule.paths.is_empty() {
                    known.paths.clear();
                } else {
                    known.paths.extend(rule.paths);
                }
            }
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_service_is_read_from_text() {
        let service: ServicePattern = "web=web@*:./apps/web/,libs/ui/**, go.mod".parse().unwrap();
        assert_eq!(service.name, "web");
        assert_eq!(service.pattern, "web@*");
        assert_eq!(service.paths, ["apps/web", "libs/ui", "go.mod"]);
        assert_eq!("web=v*".parse::<ServicePattern>().unwrap().paths, [""; 0]);
        for text in ["web", "=v*", "web=", "web=:apps"] {
            let message = text.parse::<ServicePattern>().unwrap_err().to_string();
            assert!(message.starts_with(&format!("service `{text}` should be NAME=")), "{message}");
        }
    }

    #[test]
    fn a_path_filter_ends_at_a_slash() {
        let rule = |path: &str| Rule {
            service: String::new(),
            id_prefix: String::new(),
            paths: vec![path.to_owned()],
            patterns: Vec::new(),
        };
        assert!(rule("apps/web").holds("apps/web/main.rs"));
        assert!(rule("go.mod").holds("go.mod"));
        assert!(!rule("apps/web").holds("apps/website/main.rs"));
        assert!(!rule("apps/web").holds("apps"));
    }

    #[test]
    fn a_bad_glob_is_named() {
        let error = Pattern::new("v[").err().unwrap();
        assert_eq!(error.to_string(), "tag pattern `v[` is not a glob such as `v*`");
        assert!(Pattern::new("v*").unwrap().matches("v1/x"));
    }
}
