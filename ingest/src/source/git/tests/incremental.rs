//! A second run reads only what is new, and what it finds is what a first run would.

use super::{GitOptions, Repo, State, changes, deployments, history, options, with_services};

fn again(repo: &Repo, options: &GitOptions, state: State) -> super::GitHistory {
    history(repo, &GitOptions { since_state: Some(state), ..options.clone() })
}

#[test]
fn a_second_run_returns_only_what_is_new() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    let first = history(&repo, &options());
    assert_eq!((first.n_commits, first.n_deployments), (1, 1));

    let kept: State = serde_json::from_str(&serde_json::to_string(&first.state).unwrap()).unwrap();
    assert_eq!(kept, first.state);
    assert_eq!(again(&repo, &options(), kept).facts, []);

    let two = repo.commit("two");
    repo.tag("v1.1.0");
    let second = again(&repo, &options(), first.state);
    assert_eq!(changes(&second).into_keys().collect::<Vec<_>>(), [two]);
    assert_eq!(deployments(&second).into_keys().collect::<Vec<_>>(), ["o/r@v1.1.0"]);
    assert_eq!(again(&repo, &options(), second.state).facts, []);
}

#[test]
fn a_moved_tag_is_another_deployment() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    let first = history(&repo, &options());
    let two = repo.commit("two");
    repo.git(&["tag", "-f", "-a", "-m", "moved", "v1.0.0"]);
    let second = again(&repo, &options(), first.state);
    assert_eq!(deployments(&second)["o/r@v1.0.0"].revision.as_ref(), Some(&two));
    assert!(second.notes.iter().any(|note| note.contains("is another deployment than before")), "{:?}", second.notes);
}

#[test]
fn a_deleted_tag_is_told() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.tag("v1.1.0");
    let first = history(&repo, &options());
    repo.git(&["tag", "-d", "v1.1.0"]);
    let second = again(&repo, &options(), first.state);
    assert_eq!(second.facts, []);
    assert_eq!(second.notes, ["tag `o/r@v1.1.0` was read before and is gone; its deployment stays"]);
}

#[test]
fn a_pick_of_a_known_commit_is_found() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    let fix = repo.commit("fix");
    repo.tag("v2.0.0");
    let first = history(&repo, &options());
    repo.checkout(&["-b", "release-1", "v1.0.0"]);
    repo.git(&["cherry-pick", &fix]);
    repo.tag("v1.0.1");
    let second = again(&repo, &options(), first.state);
    let pick = repo.sha("release-1");
    assert_eq!(changes(&second).keys().collect::<Vec<_>>(), [&pick]);
    assert_eq!(changes(&second)[pick.as_str()].cherry_pick_of, Some(fix));
}

#[test]
fn an_original_that_comes_after_its_pick_is_linked() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    let fix = repo.commit("fix");
    repo.checkout(&["-b", "release-1", "v1.0.0"]);
    repo.git(&["cherry-pick", &fix]);
    repo.tag("v1.0.1");
    let pick = repo.sha("release-1");
    repo.git(&["update-ref", "refs/heads/main", "v1.0.0^{}"]);
    let first = history(&repo, &options());
    assert_eq!(changes(&first)[pick.as_str()].cherry_pick_of, None);
    repo.git(&["update-ref", "refs/heads/main", &fix]);
    let second = again(&repo, &options(), first.state);
    assert_eq!(changes(&second)[pick.as_str()].cherry_pick_of, Some(fix));
}

#[test]
fn a_branch_is_read_on_from_where_it_was() {
    let repo = Repo::new();
    repo.commit("one");
    repo.commit("two");
    let options = GitOptions { every_merge: true, branch: Some("main".to_owned()), ..options() };
    let first = history(&repo, &options);
    assert_eq!((first.n_commits, first.n_deployments), (2, 2));
    let three = repo.commit("three");
    let second = again(&repo, &options, first.state);
    assert_eq!(deployments(&second).into_keys().collect::<Vec<_>>(), [format!("o/r@{three}")]);
    let third = again(&repo, &options, second.state.clone());
    assert_eq!(third.facts, []);
    let other = GitOptions { service: Some("other".to_owned()), ..options };
    assert_eq!(again(&repo, &other, second.state).n_deployments, 3, "another service was never read");
}

#[test]
fn a_service_with_paths_has_all_read_again() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    let first = history(&repo, &options());
    let second = again(&repo, &with_services(&["web=v*:web"]), first.state);
    assert!(changes(&second).values().all(|change| change.paths.is_some()));
    assert_eq!(second.n_commits, 1);
}

#[test]
fn a_rewritten_branch_is_read_from_where_it_parted() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.commit("two");
    let first = history(&repo, &options());
    repo.git(&["reset", "-q", "--hard", "v1.0.0"]);
    repo.set_clock(super::repo::START + 1);
    let three = repo.commit("three");
    let second = again(&repo, &options(), first.state);
    assert_eq!(changes(&second).into_keys().collect::<Vec<_>>(), [three]);
}
