//! What ships first with what, worked out naively from the facts, is what `git rev-list` says.

use std::collections::{BTreeMap, BTreeSet};

use dorado_lake::{Change, Deployment};

use super::{GitOptions, Repo, changes, deployments, history, options, with_services, with_tags};

/// For each deployment in time order: id and the changes reachable from it and from none before it.
pub(super) fn first_shipped(all: &BTreeMap<&str, &Change>, deployments: &[&Deployment]) -> Vec<BTreeSet<String>> {
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    let mut shipped = Vec::new();
    for deployment in deployments {
        let mut new = BTreeSet::new();
        let mut stack = vec![deployment.revision.as_deref().unwrap()];
        while let Some(id) = stack.pop() {
            if seen.insert(id) {
                let change = all[id];
                let parents = change.parents.as_ref().unwrap();
                stack.extend(parents.iter().map(String::as_str));
                if parents.len() < 2 && touches(change, &deployment.paths) {
                    new.insert(id.to_owned());
                }
            }
        }
        shipped.push(new);
    }
    shipped
}

fn touches(change: &Change, filters: &[String]) -> bool {
    let is_under = |path: &String, filter: &String| path == filter || path.starts_with(&format!("{filter}/"));
    filters.is_empty() || change.paths.as_ref().unwrap().iter().any(|path| filters.iter().any(|f| is_under(path, f)))
}

/// Compares every deployment of every service with git; gives how many changes ship with each.
pub(super) fn agrees_with_git(repo: &Repo, options: &GitOptions) -> BTreeMap<String, usize> {
    let history = history(repo, options);
    let changes = changes(&history);
    let mut services: BTreeMap<&str, Vec<&Deployment>> = BTreeMap::new();
    for deployment in deployments(&history).into_values() {
        services.entry(deployment.service.as_deref().unwrap()).or_default().push(deployment);
    }
    let mut sizes = BTreeMap::new();
    for of_service in services.values_mut() {
        of_service.sort_by_key(|deployment| (deployment.finished_at, &deployment.id));
        let shipped = first_shipped(&changes, of_service);
        for (at, deployment) in of_service.iter().enumerate() {
            let revisions: Vec<&str> = of_service[..=at].iter().map(|d| d.revision.as_deref().unwrap()).collect();
            let (revision, earlier) = revisions.split_last().unwrap();
            let mut args = vec!["--no-merges", *revision, "--not"];
            args.extend(earlier);
            if !deployment.paths.is_empty() {
                args.insert(0, "--full-history");
                args.push("--");
                args.extend(deployment.paths.iter().map(String::as_str));
            }
            let expected: BTreeSet<String> = repo.rev_list(&args).into_iter().collect();
            assert_eq!(shipped[at], expected, "{}", deployment.id);
            sizes.insert(deployment.id.clone(), expected.len());
        }
    }
    sizes
}

fn sizes(repo: &Repo, options: &GitOptions) -> Vec<usize> {
    agrees_with_git(repo, options).into_values().collect()
}

#[test]
fn a_line_ships_from_tag_to_tag() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.commit("two");
    repo.commit("three");
    repo.tag("v1.1.0");
    repo.commit("unshipped");
    assert_eq!(sizes(&repo, &options()), [1, 2]);
    assert_eq!(changes(&history(&repo, &options())).len(), 4, "the unshipped one is a change too");
}

#[test]
fn merged_commits_ship_and_merges_do_not() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.checkout(&["-b", "topic"]);
    repo.commit("two");
    repo.commit("three");
    repo.checkout(&["main"]);
    repo.commit("four");
    repo.merge("topic");
    repo.tag("v1.1.0");
    assert_eq!(sizes(&repo, &options()), [1, 3]);
}

#[test]
fn a_squash_ships_as_one() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.checkout(&["-b", "topic"]);
    repo.commit("two");
    repo.commit("three");
    repo.checkout(&["main"]);
    repo.git(&["merge", "-q", "--squash", "topic"]);
    repo.git(&["commit", "-q", "-m", "topic (#1)"]);
    repo.tag("v1.1.0");
    assert_eq!(sizes(&repo, &options()), [1, 1]);
}

#[test]
fn a_backport_ships_from_its_own_branch() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.commit("two");
    repo.tag("v2.0.0");
    let fix = repo.commit("fix");
    repo.checkout(&["-b", "release-1", "v1.0.0"]);
    repo.git(&["cherry-pick", "-x", &fix]);
    repo.tag("v1.0.1");
    repo.checkout(&["main"]);
    repo.tag("v2.0.1");
    let sizes = agrees_with_git(&repo, &options());
    assert_eq!(sizes.values().copied().collect::<Vec<_>>(), [1, 1, 1, 1]);
}

#[test]
fn several_roots_are_read() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.checkout(&["--orphan", "other"]);
    repo.commit("alone");
    repo.checkout(&["main"]);
    repo.git(&["merge", "-q", "--allow-unrelated-histories", "-m", "join", "other"]);
    repo.tag("v1.1.0");
    assert_eq!(sizes(&repo, &options()), [1, 1]);
}

#[test]
fn a_package_ships_what_touches_its_paths() {
    let repo = Repo::new();
    repo.commit_file("a/x", "1", "both begin");
    repo.commit_file("ab/x", "1", "a name that begins alike");
    repo.tag("a@1.0.0");
    repo.tag("b@1.0.0");
    repo.commit_file("a/y", "1", "only a");
    repo.commit_file("b/y", "1", "only b");
    repo.commit_file("shared.txt", "1", "shared");
    repo.checkout(&["-b", "topic"]);
    repo.commit_file("a/x", "2", "a on a branch");
    repo.checkout(&["main"]);
    repo.commit_file("b/x", "2", "b again");
    repo.merge("topic");
    repo.git(&["mv", "a/y", "b/from-a"]);
    repo.git(&["commit", "-q", "-m", "moved from a to b"]);
    repo.tag("a@1.1.0");
    repo.tag("b@1.1.0");
    let options = with_services(&["a=a@*:a", "b=b@*:b,shared.txt"]);
    assert_eq!(sizes(&repo, &options), [1, 3, 0, 4]);
}

#[test]
fn a_tag_on_a_commit_that_is_deployed_ships_nothing() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.light("v1.0.0-final", "HEAD");
    repo.tag("v1.0.1");
    let sizes = agrees_with_git(&repo, &options());
    assert_eq!(sizes["o/r@v1.0.0"] + sizes["o/r@v1.0.0-final"] + sizes["o/r@v1.0.1"], 1);
}

#[test]
fn tags_count_in_the_order_of_time() {
    let repo = Repo::new();
    repo.commit("one");
    let two = repo.commit("two");
    repo.commit("three");
    repo.tag("v3.0.0");
    repo.git(&["tag", "-a", "-m", "late", "v2.0.0", &two]);
    assert_eq!(sizes(&repo, &options()), [0, 3]);
}

#[test]
fn commits_dated_before_their_parents_ship_all_the_same() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    for (title, clock) in [("two", 1_000_000_000), ("three", 1_800_000_000), ("four", 500_000_000)] {
        repo.set_clock(clock);
        repo.commit(title);
    }
    repo.set_clock(1_810_000_000);
    repo.tag("v1.1.0");
    assert_eq!(sizes(&repo, &options()), [1, 3]);
}

#[test]
fn each_commit_on_a_branch_ships_what_it_brings() {
    let repo = Repo::new();
    repo.commit("one");
    repo.checkout(&["-b", "topic"]);
    repo.commit("two");
    repo.commit("three");
    repo.checkout(&["main"]);
    repo.merge("topic");
    repo.commit("four");
    let options = GitOptions { every_merge: true, branch: Some("main".to_owned()), ..options() };
    let mut sizes = sizes(&repo, &options);
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 2]);
}

#[test]
fn a_tag_off_the_main_branch_ships() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.checkout(&["--detach"]);
    repo.commit("only in the release");
    repo.tag("v1.1.0");
    repo.checkout(&["main"]);
    assert_eq!(sizes(&repo, &with_tags(&["v*"])), [1, 1]);
}
