//! Repositories as they are found: cut off, bare, packed, damaged, oddly dated, oddly written.

use super::{Error, Repo, changes, deployments, history, options, read, repo::START, with_services, with_tags};

#[test]
fn a_repository_is_named_by_its_remote_or_its_folder() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    let unnamed = super::GitOptions::default();
    let folder = repo.path().file_name().unwrap().to_string_lossy().into_owned();
    assert_eq!(history(&repo, &unnamed).repository, folder);
    repo.git(&["remote", "add", "origin", "git@github.com:owner/name.git"]);
    let named = history(&repo, &unnamed);
    assert_eq!(named.repository, "owner/name");
    assert_eq!(deployments(&named)["owner/name@v1.0.0"].service.as_deref(), Some("name"));
}

#[test]
fn a_bare_packed_repository_and_a_worktree_read_the_same() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    repo.light("v1.1.0", "HEAD");
    repo.commit("two");
    let expected = history(&repo, &options());

    let tree = tempfile::tempdir().unwrap();
    let path = tree.path().join("linked");
    repo.git(&["worktree", "add", "-q", "--detach", &path.to_string_lossy()]);
    assert_eq!(read(&path, &options(), &|_| {}).unwrap().facts, expected.facts);

    let bare = Repo::with(&["clone", "-q", "--bare", &repo.path().to_string_lossy(), "."]);
    bare.git(&["gc", "-q"]);
    bare.git(&["commit-graph", "write", "--reachable"]);
    assert!(bare.path().join("packed-refs").exists());
    assert_eq!(history(&bare, &options()).facts, expected.facts);
}

#[test]
fn a_shallow_clone_is_read_and_told() {
    let origin = Repo::new();
    for n in 0..5 {
        origin.commit(&format!("c{n}"));
        origin.tag(&format!("v1.{n}.0"));
    }
    let url = format!("file://{}", origin.path().to_string_lossy());
    let clone = Repo::with(&["clone", "-q", "--depth", "2", &url, "."]);
    clone.git(&["fetch", "-q", "--tags", "--depth", "2"]);
    let found = history(&clone, &with_services(&["all=v*", "none=v*:nothing"]));
    let roots: Vec<&str> =
        changes(&found).values().filter(|c| c.parents == Some(Vec::new())).map(|c| c.id.as_str()).collect();
    assert_eq!(roots.len(), clone.rev_list(&["--all", "--max-parents=0"]).len());
    assert!(found.notes.iter().any(|note| note.starts_with("shallow clone: history is cut off")), "{:?}", found.notes);

    let state = found.state;
    clone.git(&["fetch", "-q", "--unshallow"]);
    let options = super::GitOptions { since_state: Some(state), ..with_services(&["all=v*", "none=v*:nothing"]) };
    assert_eq!(history(&clone, &options).n_commits, 5, "what was cut off is read again whole");
}

#[test]
fn tags_of_other_things_are_left_out_and_told() {
    let repo = Repo::new();
    let one = repo.commit("one");
    repo.tag("v1.0.0");
    repo.light("v1.1.0", &repo.object("blob", b"text"));
    repo.light("v1.2.0", &repo.sha("HEAD^{tree}"));
    repo.git(&["tag", "-a", "-m", "of a tree", "v1.3.0", "HEAD^{tree}"]);
    repo.git(&["tag", "-a", "-m", "of a tag", "v1.4.0", "v1.0.0"]);
    let found = history(&repo, &with_tags(&["v*"]));
    let all = deployments(&found);
    assert_eq!(all.keys().collect::<Vec<_>>(), [&"o/r@v1.0.0", &"o/r@v1.4.0"]);
    assert_eq!(all["o/r@v1.4.0"].revision, Some(one));
    assert_eq!(all["o/r@v1.4.0"].finished_at.unwrap().timestamp(), START + 7200, "the outer tag's date");
    assert!(found.notes.contains(&"3 tags name no commit and are left out: v1.1.0, v1.2.0, v1.3.0".to_owned()));
}

#[test]
fn a_broken_ref_costs_only_itself() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    std::fs::write(repo.path().join(".git/refs/tags/v2.0.0"), "nonsense\n").unwrap();
    std::fs::write(repo.path().join(".git/refs/tags/v3.0.0"), format!("{}\n", "1".repeat(40))).unwrap();
    std::fs::write(repo.path().join(".git/refs/heads/gone"), "ref: refs/heads/nowhere\n").unwrap();
    let found = history(&repo, &options());
    assert_eq!(deployments(&found).into_keys().collect::<Vec<_>>(), ["o/r@v1.0.0"]);
    assert!(found.notes.iter().any(|note| note.starts_with("2 tags name no commit")), "{:?}", found.notes);
}

#[test]
fn odd_dates_names_and_messages_are_read() {
    let repo = Repo::new();
    let one = repo.commit("one");
    let tree = repo.sha("HEAD^{tree}");
    let mut parent = one;
    let mut shas = Vec::new();
    for (author, committer, message) in [
        (&b"J\xf6rg <j@x> 1700000000 +051800"[..], &b"C <c@x> 1700000060 -0730"[..], &b"Gr\xfc\xdfe\n\nbody \xff"[..]),
        (b"A <a@x> 99999999999999999999 +0000", b"C <c@x> -1 +0000", b"\n\n  late title\n"),
        (b"no mail", b"C <c@x>", b""),
    ] {
        let mut bytes = format!("tree {tree}\nparent {parent}\nauthor ").into_bytes();
        bytes.extend([author, b"\ncommitter ", committer, b"\n\n", message].concat());
        parent = repo.object("commit", &bytes);
        shas.push(parent.clone());
    }
    repo.git(&["update-ref", "refs/heads/odd", &parent]);
    repo.git(&["tag", "-a", "-m", "x", "v1.0.0", "odd"]);
    repo.light("v2.0.0", "odd");
    let found = history(&repo, &options());
    let all = changes(&found);
    let first = all[shas[0].as_str()];
    assert_eq!(first.title.as_deref(), Some("Gr\u{fffd}\u{fffd}e"));
    assert_eq!(first.author.as_deref(), Some("J\u{fffd}rg <j@x>"));
    assert_eq!(first.authored_at.unwrap().timestamp(), 1_700_000_000);
    assert_eq!(first.committed_at.unwrap().timestamp(), 1_700_000_060);
    let second = all[shas[1].as_str()];
    assert_eq!((second.authored_at, second.title.as_deref()), (None, Some("late title")));
    let third = all[shas[2].as_str()];
    assert_eq!((third.authored_at, third.committed_at, third.title.as_deref()), (None, None, Some("")));
    assert!(found.notes.contains(&"tag `v2.0.0` has no date that can be read and is left out".to_owned()));
    assert!(found.notes.contains(&"1 change has no date that can be read".to_owned()), "{:?}", found.notes);
}

#[test]
fn the_mailmap_names_the_author() {
    let repo = Repo::new();
    let one = repo.commit_file(".mailmap", "Anna <anna@example.org> <ann@example.org>\n", "one");
    repo.tag("v1.0.0");
    assert_eq!(changes(&history(&repo, &options()))[one.as_str()].author.as_deref(), Some("Anna <anna@example.org>"));
    let bare = Repo::with(&["clone", "-q", "--bare", &repo.path().to_string_lossy(), "."]);
    assert_eq!(changes(&history(&bare, &options()))[one.as_str()].author.as_deref(), Some("Anna <anna@example.org>"));
}

#[test]
fn reverts_and_picks_name_what_they_are_of() {
    let repo = Repo::new();
    repo.commit("one");
    repo.tag("v1.0.0");
    let two = repo.commit("two");
    let three = repo.commit("three");
    repo.git(&["revert", "--no-edit", &two]);
    let revert = repo.sha("HEAD");
    let short = repo.commit_file("four", "4", &format!("four\n\nThis reverts commit {}", &three[..10]));
    repo.checkout(&["-b", "release-1", "v1.0.0"]);
    repo.git(&["cherry-pick", "-x", &two]);
    let by_trailer = repo.sha("HEAD");
    repo.git(&["cherry-pick", &three]);
    let by_patch = repo.sha("HEAD");
    let found = history(&repo, &options());
    let all = changes(&found);
    assert_eq!(all[revert.as_str()].reverts.as_ref(), Some(&two));
    assert_eq!(all[short.as_str()].reverts.as_ref(), Some(&three), "an abbreviated SHA is made whole");
    assert_eq!(all[by_trailer.as_str()].cherry_pick_of.as_ref(), Some(&two));
    assert_eq!(all[by_patch.as_str()].cherry_pick_of.as_ref(), Some(&three));
    assert_eq!(all.values().filter(|change| change.cherry_pick_of.is_some()).count(), 2);
    assert!(found.notes.contains(&"2 changes revert another".to_owned()), "{:?}", found.notes);
}

#[test]
fn commits_alike_in_all_but_their_patch_are_no_picks() {
    let repo = Repo::new();
    repo.commit("base");
    repo.tag("v1.0.0");
    for branch in ["x", "y"] {
        repo.checkout(&["-b", branch, "main"]);
        repo.set_clock(START + 9_000);
        repo.commit_file("same.txt", branch, "same title");
    }
    let found = history(&repo, &options());
    assert!(changes(&found).values().all(|change| change.cherry_pick_of.is_none()));
}

#[test]
fn a_pick_is_found_where_the_lines_around_it_differ() {
    let repo = Repo::new();
    repo.commit_file("f", "a\nb\nc\nd\ne\nf\ng\nh\n", "base");
    repo.tag("v1.0.0");
    repo.commit_file("f", "a\nb\nc\nd\ne\nf\ng\nH\n", "other");
    let fix = repo.commit_file("f", "a\nb\nC\nd\ne\nf\ng\nH\n", "fix");
    repo.checkout(&["-b", "release-1", "v1.0.0"]);
    repo.git(&["cherry-pick", &fix]);
    let pick = repo.sha("HEAD");
    assert_eq!(changes(&history(&repo, &options()))[pick.as_str()].cherry_pick_of, Some(fix));
}

#[test]
fn an_empty_repository_is_told() {
    let repo = Repo::new();
    let error = read(repo.path(), &options(), &|_| {}).unwrap_err();
    assert!(matches!(error, Error::Empty { .. }), "{error}");
}

#[test]
fn formats_that_are_not_supported_are_named() {
    for (flag, said) in [("--object-format=sha256", "SHA-256"), ("--ref-format=reftable", "reftable")] {
        let repo = Repo::with(&["init", "-q", flag, "."]);
        repo.commit("one");
        repo.tag("v1.0.0");
        let error = read(repo.path(), &options(), &|_| {}).unwrap_err();
        assert!(matches!(error, Error::Unsupported { .. }), "{error:?}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn a_partial_clone_is_read_without_its_trees() {
    let origin = Repo::new();
    origin.git(&["config", "uploadpack.allowFilter", "true"]);
    origin.commit_file("web/x", "1", "one");
    origin.commit_file("web/x", "2", "two");
    origin.tag("v1.0.0");
    let url = format!("file://{}", origin.path().to_string_lossy());
    let clone = Repo::with(&["clone", "-q", "--bare", "--filter=tree:0", &url, "."]);
    let found = history(&clone, &with_services(&["web=v*:web"]));
    assert_eq!(found.n_commits, 2);
    assert!(found.notes.iter().any(|note| note.contains("partial clone")), "{:?}", found.notes);
}
