//! Repositories made by the real git, read without it, and compared with what `git rev-list` says.
#![expect(clippy::unwrap_used, reason = "tests")]

mod deployments;
mod incremental;
mod oddities;
mod random;
mod repo;
mod shipped;

use std::collections::BTreeMap;

use dorado_lake::{Change, Deployment, Fact};

use super::{Error, GitHistory, GitOptions, Progress, State, read};
use repo::Repo;

/// Reads with every option at its default but the name, so that ids are short.
fn options() -> GitOptions {
    GitOptions { repository: Some("o/r".to_owned()), ..GitOptions::default() }
}

fn with_tags(patterns: &[&str]) -> GitOptions {
    GitOptions { tags: patterns.iter().map(|&pattern| pattern.to_owned()).collect(), ..options() }
}

fn with_services(services: &[&str]) -> GitOptions {
    GitOptions { services: services.iter().map(|text| text.parse().unwrap()).collect(), ..options() }
}

fn history(repo: &Repo, options: &GitOptions) -> GitHistory {
    read(repo.path(), options, &|_| {}).unwrap()
}

fn changes(history: &GitHistory) -> BTreeMap<&str, &Change> {
    history
        .facts
        .iter()
        .filter_map(|fact| if let Fact::Change(change) = fact { Some((change.id.as_str(), change)) } else { None })
        .collect()
}

fn deployments(history: &GitHistory) -> BTreeMap<&str, &Deployment> {
    history
        .facts
        .iter()
        .filter_map(|fact| if let Fact::Deployment(d) = fact { Some((d.id.as_str(), d)) } else { None })
        .collect()
}

#[test]
fn progress_ends_with_all_commits() {
    let repo = Repo::new();
    repo.commit("one");
    repo.commit("two");
    repo.tag("v1.0.0");
    let seen = std::cell::RefCell::new(Vec::new());
    let options = with_services(&["web=v*:web"]);
    read(repo.path(), &options, &|progress| seen.borrow_mut().push(progress)).unwrap();
    assert_eq!(seen.into_inner(), [Progress::Walked { n_commits: 2 }, Progress::Compared { n_commits: 2, of: 2 }]);
}

#[test]
fn a_path_without_a_repository_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().to_owned(), folder.path().join("nowhere")] {
        let error = read(&path, &options(), &|_| {}).unwrap_err();
        assert!(matches!(error, Error::NoRepository { .. }));
        assert!(error.to_string().contains(&*path.to_string_lossy()), "{error}");
    }
}
