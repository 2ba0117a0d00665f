//! Which tags and commits are deployments, when, and what rules say of them.

use dorado_lake::Status;

use super::{Error, GitOptions, Repo, deployments, history, options, read, repo::START, with_services, with_tags};

fn ids(repo: &Repo, options: &GitOptions) -> Vec<String> {
    deployments(&history(repo, options)).into_keys().map(str::to_owned).collect()
}

#[test]
fn a_tag_is_a_successful_production_deployment() {
    let repo = Repo::new();
    let one = repo.commit("one");
    repo.tag("v1.0.0");
    repo.light("v1.1.0", "HEAD");
    let history = history(&repo, &options());
    let all = deployments(&history);
    let annotated = all["o/r@v1.0.0"];
    assert_eq!(annotated.finished_at.unwrap().timestamp(), START + 3600, "when it was tagged");
    assert_eq!(annotated.started_at, annotated.finished_at);
    assert_eq!(all["o/r@v1.1.0"].finished_at.unwrap().timestamp(), START, "when the commit was made");
    for deployment in all.values() {
        assert_eq!(deployment.source, "git");
        assert_eq!(deployment.service.as_deref(), Some("r"));
        assert_eq!(deployment.repository.as_deref(), Some("o/r"));
        assert_eq!(deployment.environment, "production");
        assert_eq!(deployment.status, Status::Success);
        assert_eq!(deployment.revision.as_ref(), Some(&one));
        assert!(deployment.id.ends_with(deployment.version.as_deref().unwrap()));
    }
}

#[test]
fn without_a_pattern_releases_are_deployed() {
    let repo = Repo::new();
    repo.commit("one");
    for tag in ["v1.0.0", "v1.1.0-rc1", "v1", "nightly", "2.0"] {
        repo.light(tag, "HEAD");
    }
    let history = history(&repo, &options());
    assert_eq!(deployments(&history).into_keys().collect::<Vec<_>>(), ["o/r@2.0", "o/r@v1.0.0"]);
    assert_eq!(history.n_tags, 5);
    for note in ["tag `v1.1.0-rc1` is a pre-release", "tag `nightly` does not match", "tag `v1` stands for the latest"]
    {
        assert!(history.notes.iter().any(|n| n.starts_with(note)), "{note}: {:?}", history.notes);
    }
}

#[test]
fn a_pattern_takes_every_tag_that_it_matches() {
    let repo = Repo::new();
    repo.commit("one");
    for tag in ["v1.0.0", "v1.1.0-rc1", "v1.1.0-rc2"] {
        repo.light(tag, "HEAD");
    }
    assert_eq!(ids(&repo, &with_tags(&["v*"])), ["o/r@v1.0.0", "o/r@v1.1.0-rc1", "o/r@v1.1.0-rc2"]);
    assert_eq!(ids(&repo, &with_tags(&["v*", "!*-rc*"])), ["o/r@v1.0.0"]);
    assert_eq!(ids(&repo, &options()), ["o/r@v1.0.0"], "a guess is careful");
}

#[test]
fn services_have_their_own_tags() {
    let repo = Repo::new();
    repo.commit("one");
    for tag in ["web@1.0.0", "api@2.0.0", "v9.0.0"] {
        repo.light(tag, "HEAD");
    }
    let options = with_services(&["web=web@*:apps/web", "api=api@*", "none=none@*"]);
    let history = history(&repo, &options);
    let all = deployments(&history);
    assert_eq!(all.keys().collect::<Vec<_>>(), [&"api@api@2.0.0", &"web@web@1.0.0"]);
    assert_eq!(all["web@web@1.0.0"].service.as_deref(), Some("web"));
    assert_eq!(all["web@web@1.0.0"].paths, ["apps/web"]);
    assert!(history.notes.contains(&"service `none` has no deployment: no tag matches `none@*`".to_owned()));
    let twice = with_services(&["web=web@*:apps/web", "web=v*:libs"]);
    let twice = super::history(&repo, &twice);
    assert_eq!(
        deployments(&twice)["web@v9.0.0"].paths,
        ["apps/web", "libs"],
        "named twice, it has the tags and paths of both"
    );
    let with_default = GitOptions { tags: vec!["v*".to_owned()], ..options };
    assert_eq!(ids(&repo, &with_default), ["api@api@2.0.0", "o/r@v9.0.0", "web@web@1.0.0"]);
}

#[test]
fn a_patch_release_repairs_the_one_before_it() {
    let repo = Repo::new();
    repo.commit("one");
    for tag in ["v1.0.0", "v1.1.0", "v1.0.1", "v1.1.2", "v2.0.1", "pkg-1.0.2", "v1.0.3-rc1", "v1.0.3", "v1.0.2"] {
        repo.tag(tag);
    }
    let history = history(&repo, &options());
    let all = deployments(&history);
    let flagged: Vec<(&str, &str)> = all
        .values()
        .filter(|deployment| deployment.is_hotfix)
        .map(|deployment| (deployment.id.as_str(), deployment.repairs.as_deref().unwrap()))
        .collect();
    assert_eq!(
        flagged,
        [
            ("o/r@v1.0.1", "o/r@v1.0.0"),
            ("o/r@v1.0.2", "o/r@v1.0.1"),
            ("o/r@v1.0.3", "o/r@v1.0.1"),
            ("o/r@v1.1.2", "o/r@v1.1.0"),
        ],
        "1.0.2 came after 1.0.3; 2.0.1 and pkg-1.0.2 follow nothing"
    );
    assert!(all.values().all(|d| d.is_hotfix == (d.flagged_by.as_deref() == Some("patch_release"))));
    assert!(history.notes.iter().any(|note| note.starts_with("4 tags are patch releases")), "{:?}", history.notes);
}

#[test]
fn packages_under_one_service_are_told() {
    let repo = Repo::new();
    repo.commit("one");
    repo.light("web@1.0.0", "HEAD");
    repo.light("api@1.0.0", "HEAD");
    let history = history(&repo, &options());
    assert!(history.notes.iter().any(|note| note.contains("2 prefixes (`api@`, `web@`)")), "{:?}", history.notes);
}

#[test]
fn no_matching_tag_is_told_with_what_there_is() {
    let repo = Repo::new();
    repo.commit("one");
    let message = |options: &GitOptions| read(repo.path(), options, &|_| {}).unwrap_err().to_string();
    assert_eq!(
        message(&options()),
        "no deployment in repository `o/r`: it has no tags; a branch can be read instead, each commit on it as a deployment"
    );
    repo.light("nightly", "HEAD");
    repo.light("v1.0.0-rc1", "HEAD");
    assert_eq!(
        message(&with_tags(&["w*", "r*"])),
        "no deployment in repository `o/r`: none of its 2 tags (nightly, v1.0.0-rc1) matches `w*` or `r*` and names a commit"
    );
    let guessed = message(&options());
    assert!(guessed.contains("matches a version such as v1.2.3"), "{guessed}");
    assert!(guessed.ends_with("1 is a pre-release, which counts only where a pattern matches it"), "{guessed}");
    assert!(message(&with_tags(&["v["])).contains("tag pattern `v[` is not a glob"));
}

#[test]
fn each_commit_on_a_branch_is_a_deployment() {
    let repo = Repo::new();
    let one = repo.commit_file("web/x", "1", "one");
    repo.checkout(&["-b", "topic"]);
    repo.commit_file("web/x", "2", "two");
    repo.checkout(&["main"]);
    let three = repo.commit_file("api/x", "1", "three");
    let merge = repo.merge("topic");
    repo.checkout(&["topic"]);
    let on_main = GitOptions { every_merge: true, branch: Some("main".to_owned()), ..options() };
    let mut expected: Vec<String> = [&one, &three, &merge].map(|sha| format!("o/r@{sha}")).into();
    expected.sort();
    assert_eq!(ids(&repo, &on_main), expected);

    let services = GitOptions { services: with_services(&["web=*:web"]).services, ..on_main };
    let mut expected: Vec<String> = [&one, &merge].map(|sha| format!("web@{sha}")).into();
    expected.sort();
    assert_eq!(ids(&repo, &services), expected, "what touches no path of a service does not deploy it");

    let on_head = GitOptions { every_merge: true, ..options() };
    assert_eq!(ids(&repo, &on_head).len(), 2, "the branch that is checked out");
}

#[test]
fn an_unknown_branch_is_told_with_those_there_are() {
    let repo = Repo::new();
    repo.commit("one");
    let options = GitOptions { every_merge: true, branch: Some("master".to_owned()), ..options() };
    let error = read(repo.path(), &options, &|_| {}).unwrap_err();
    assert!(matches!(error, Error::UnknownBranch { .. }));
    assert_eq!(error.to_string(), "repository `o/r` has no branch `master`; it has main");
}

#[test]
fn a_clone_knows_the_branches_of_its_remote() {
    let origin = Repo::new();
    origin.commit("one");
    origin.checkout(&["-b", "live"]);
    let two = origin.commit("two");
    origin.checkout(&["main"]);
    let clone = Repo::with(&["clone", "-q", &origin.path().to_string_lossy(), "."]);
    let options = GitOptions { every_merge: true, branch: Some("live".to_owned()), ..options() };
    assert!(ids(&clone, &options).contains(&format!("o/r@{two}")));
}
