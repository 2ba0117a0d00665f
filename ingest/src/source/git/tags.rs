//! Tags to deployments: which tags count, when they were made and what they name.

use std::collections::{BTreeMap, BTreeSet};

use dorado_lake::{Deployment, Instant, Status};
use gix::{ObjectId, bstr::ByteSlice};

use super::{
    Error, GitOptions, SOURCE,
    commit::{self, Peeled},
    notes::{Notes, sample},
    open::Opened,
    options::{Pattern, Rule},
    patch_release,
    version::Version,
};

/// A deployment and the commit deployed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) fact: Deployment,
    pub(super) revision: ObjectId,
}

/// A tag that names a commit.
struct Tag {
    name: String,
    revision: ObjectId,
    at: Instant,
}

/// The repository's tags.
#[derive(Default)]
pub(super) struct Tags {
    /// How many there are, whatever they name.
    pub(super) n: usize,
    dated: Vec<Tag>,
    not_commits: Vec<String>,
    undated: Vec<String>,
}

/// Why a tag is left out.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Unmatched,
    Floating,
    PreRelease,
    Deployed,
}

/// Reads all tags.
pub(super) fn list(opened: &Opened) -> Result<Tags, Error> {
    let mut tags = Tags::default();
    for (name, target) in opened.refs("refs/tags/")? {
        tags.n += 1;
        let name = name.to_str_lossy().into_owned();
        let Some(target) = target else {
            tags.not_commits.push(name);
            continue;
        };
        match commit::peel(&opened.git, target)? {
            Peeled::Commit { commit, tagged_at } => match tagged_at.or(commit.committed_at).or(commit.author.at) {
                Some(at) => tags.dated.push(Tag { name, revision: commit.id, at }),
                None => tags.undated.push(name),
            },
            Peeled::Other => tags.not_commits.push(name),
        }
    }
    Ok(tags)
}

/// The deployments that the tags stand for.
pub(super) fn deployments(
    opened: &Opened,
    options: &GitOptions,
    tags: &Tags,
    notes: &mut Notes,
) -> Result<Vec<Found>, Error> {
    let mut found = Vec::new();
    let mut verdicts: BTreeMap<&str, Verdict> = BTreeMap::new();
    let rules = options.rules(opened)?;
    let versions = versions(tags);
    for rule in &rules {
        let mut of_rule = Vec::new();
        for tag in &tags.dated {
            let verdict = rule.judge(&tag.name, versions.get(tag.name.as_str()));
            if verdict == Verdict::Deployed {
                let mut deployment = rule.deployment(opened, options, tag.revision, &tag.name, tag.at);
                deployment.fact.version = Some(tag.name.clone());
                of_rule.push(deployment);
            }
            let best = verdicts.entry(&tag.name).or_insert(Verdict::Unmatched);
            *best = verdict.max(*best);
        }
        if of_rule.is_empty() && rules.len() > 1 {
            notes.push(format!("service `{}` has no deployment: no tag matches {}", rule.service, rule.wanted()));
        }
        patch_release::flag(&mut of_rule, &versions);
        found.extend(of_rule);
    }
    note(tags, &verdicts, &rules, &versions, notes);
    if found.is_empty() {
        let problem = nothing(tags, &verdicts, &rules);
        return Err(Error::NoDeployment { repository: opened.repository.clone(), problem });
    }
    Ok(found)
}

impl Rule {
    /// A deployment of this service: what tags and branches have in common.
    pub(super) fn deployment(
        &self,
        opened: &Opened,
        options: &GitOptions,
        revision: ObjectId,
        name: &str,
        at: Instant,
    ) -> Found {
        let fact = Deployment {
            source: SOURCE.to_owned(),
            id: format!("{}@{name}", self.id_prefix),
            service: Some(self.service.clone()),
            repository: Some(opened.repository.clone()),
            environment: options.environment.clone(),
            status: Status::Success,
            started_at: Some(at),
            finished_at: Some(at),
            revision: Some(revision.to_string()),
            paths: self.paths.clone(),
            ..Deployment::default()
        };
        Found { fact, revision }
    }

    fn judge(&self, tag: &str, version: Option<&Version>) -> Verdict {
        let is_pre_release = version.is_some_and(|version| version.is_pre_release);
        if self.patterns.is_empty() {
            return match version {
                None => Verdict::Unmatched,
                Some(_) if is_pre_release => Verdict::PreRelease,
                Some(version) if version.is_floating => Verdict::Floating,
                Some(_) => Verdict::Deployed,
            };
        }
        // Who names a pattern means every tag that it matches, pre-releases too.
        let (unwanted, wanted): (Vec<&Pattern>, Vec<&Pattern>) =
            self.patterns.iter().filter(|pattern| pattern.matches(tag)).partition(|pattern| pattern.is_exclusion);
        match (unwanted.is_empty(), wanted.is_empty()) {
            (true, false) => Verdict::Deployed,
            _ => Verdict::Unmatched,
        }
    }

    fn wanted(&self) -> String {
        if self.patterns.is_empty() {
            return "a version such as v1.2.3".to_owned();
        }
        self.patterns.iter().map(|pattern| format!("`{}`", pattern.text)).collect::<Vec<_>>().join(" or ")
    }
}

/// The tags that are versions.
fn versions(tags: &Tags) -> BTreeMap<&str, Version> {
    let named = tags.dated.iter().filter_map(|tag| Some((tag.name.as_str(), Version::parse(&tag.name)?)));
    let mut versions: BTreeMap<&str, Version> = named.collect();
    let mut floating: BTreeSet<(String, Vec<u64>)> = BTreeSet::new();
    for version in versions.values().filter(|version| !version.is_pre_release) {
        let mut numbers = version.numbers.clone();
        while numbers.pop() == Some(0) {
            floating.insert((version.prefix.clone(), numbers.clone()));
        }
    }
    for version in versions.values_mut() {
        version.is_floating = floating.contains(&(version.prefix.clone(), version.numbers.clone()));
    }
    versions
}

fn note(
    tags: &Tags,
    verdicts: &BTreeMap<&str, Verdict>,
    rules: &[Rule],
    versions: &BTreeMap<&str, Version>,
    notes: &mut Notes,
) {
    let left_out = |why: &Verdict| verdicts.iter().filter(|(_, v)| *v == why).map(|(&tag, _)| tag).collect::<Vec<_>>();
    notes.tags("names no commit and is left out", "name no commit and are left out", &tags.not_commits);
    notes.tags(
        "has no date that can be read and is left out",
        "have no date that can be read and are left out",
        &tags.undated,
    );
    notes.tags(
        "is a pre-release and not taken for a deployment; name a pattern that matches it, such as `*-rc*`, to count it",
        "are pre-releases and not taken for deployments; name a pattern that matches them, such as `*-rc*`, to count them",
        &left_out(&Verdict::PreRelease),
    );
    notes.tags(
        "stands for the latest of several releases and is left out",
        "stand for the latest of several releases and are left out",
        &left_out(&Verdict::Floating),
    );
    notes.tags("does not match and is left out", "do not match and are left out", &left_out(&Verdict::Unmatched));
    let deployed = verdicts.iter().filter(|(_, verdict)| **verdict == Verdict::Deployed);
    let prefixes: BTreeSet<&str> = deployed.filter_map(|(tag, _)| Some(versions.get(tag)?.prefix.as_str())).collect();
    if prefixes.len() > 1 && rules.len() == 1 {
        notes.push(format!(
            "all tags are taken for one service, but they have {} prefixes ({}): if these are packages, name them as services",
            prefixes.len(),
            sample(&prefixes.iter().map(|prefix| format!("`{prefix}`")).collect::<Vec<_>>()),
        ));
    }
}

fn nothing(tags: &Tags, verdicts: &BTreeMap<&str, Verdict>, rules: &[Rule]) -> String {
    if tags.n == 0 {
        return "it has no tags; a branch can be read instead, each commit on it as a deployment".to_owned();
    }
    let wanted: Vec<String> = rules.iter().map(Rule::wanted).collect();
    let n_pre_releases = verdicts.values().filter(|verdict| **verdict == Verdict::PreRelease).count();
    let names: Vec<&str> = tags.dated.iter().map(|tag| tag.name.as_str()).collect();
    let all: Vec<&str> =
        names.into_iter().chain(tags.not_commits.iter().chain(&tags.undated).map(String::as_str)).collect();
    format!(
        "none of its {} tags ({}) matches {} and names a commit{}",
        tags.n,
        sample(&all),
        wanted.join(" or "),
        match n_pre_releases {
            0 => String::new(),
            1 => "; 1 is a pre-release, which counts only where a pattern matches it".to_owned(),
            n => format!("; {n} are pre-releases, which count only where a pattern matches them"),
        },
    )
}
