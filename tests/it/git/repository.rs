//! A repository made by the real git with fixed dates, and what the real git says of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with a clock of its own, which each commit and each tag moves on.
#[derive(Debug)]
pub(crate) struct Repository {
    path: PathBuf,
    authored: Cell<i64>,
    committed: Cell<i64>,
}

/// A tag on a commit, at the instant that it says that it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    pub(crate) at: i64,
    pub(crate) name: String,
}

/// The dates of a commit, and the commit that it says that it was picked from.
#[derive(Debug, Clone)]
pub(crate) struct Commit {
    pub(crate) authored: i64,
    pub(crate) committed: i64,
    pub(crate) picked_from: Option<String>,
}

impl Repository {
    /// An empty repository in a new folder.
    pub(crate) fn new(path: &Path) -> Self {
        std::fs::create_dir_all(path).unwrap();
        // 2026-01-05T08:00:00Z
        let repository =
            Self { path: path.to_owned(), authored: Cell::new(1_767_600_000), committed: Cell::new(1_767_600_000) };
        repository.git(&["init", "-q", "-b", "main", "."]);
        repository
    }

    pub(crate) fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// Runs git and gives what it prints.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(&self.path)
            .args(["-c", "gc.auto=0", "-c", "commit.gpgsign=false"])
            .args(args)
            .env_clear()
            .envs(std::env::vars_os().filter(|(name, _)| name == "PATH"))
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")])
            .envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.org")])
            .envs([("GIT_COMMITTER_NAME", "Bob"), ("GIT_COMMITTER_EMAIL", "bob@example.org")])
            .env("GIT_AUTHOR_DATE", format!("@{} +0200", self.authored.get()))
            .env("GIT_COMMITTER_DATE", format!("@{} +0200", self.committed.get()))
            .output()
            .unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Moves the clock on; by uneven steps, so that no two spans of time are alike.
    pub(crate) fn wait(&self, seconds: i64) {
        let now = self.committed.get() + seconds;
        self.at(now, now);
    }

    /// What the next commit says of when it was written and committed.
    pub(crate) fn at(&self, authored: i64, committed: i64) {
        self.authored.set(authored);
        self.committed.set(committed);
    }

    pub(crate) fn now(&self) -> i64 {
        self.committed.get()
    }

    fn tick(&self) {
        self.wait(3607 + self.now() % 1009);
    }

    /// Commits a file of its own; gives the SHA.
    pub(crate) fn commit(&self, title: &str) -> String {
        self.commit_to(&format!("{title}.txt"), title)
    }

    /// Commits a change of this file.
    pub(crate) fn commit_to(&self, path: &str, title: &str) -> String {
        let file = self.path.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, title).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", title]);
        self.tick();
        self.git(&["rev-parse", "HEAD"])
    }

    /// Merges with a merge commit.
    pub(crate) fn merge(&self, branch: &str) {
        self.git(&["merge", "-q", "--no-ff", "-m", &format!("Merge {branch}"), branch]);
        self.tick();
    }

    /// An annotated tag on HEAD, made now.
    pub(crate) fn tag(&self, name: &str) {
        self.git(&["tag", "-a", "-m", name, name]);
        self.tick();
    }

    pub(crate) fn checkout(&self, args: &[&str]) {
        self.git(&[&["checkout", "-q"], args].concat());
    }

    /// Tags that match, in the order in which they were made: of an annotated tag its own date counts, of another
    /// one its commit's.
    pub(crate) fn releases(&self, pattern: &str) -> Vec<Release> {
        let format = "--format=%(creatordate:unix) %(refname:strip=2)";
        let listed = self.git(&["for-each-ref", format, &format!("refs/tags/{pattern}")]);
        let read = |line: &str| {
            let (at, name) = line.split_once(' ').unwrap();
            Release { at: at.parse().unwrap(), name: name.to_owned() }
        };
        let mut releases: Vec<Release> = listed.lines().map(read).collect();
        releases.sort();
        releases
    }

    /// The commits of the branch, each as a release, oldest first.
    pub(crate) fn first_parents(&self, branch: &str) -> Vec<Release> {
        let listed = self.git(&["log", "--first-parent", "--reverse", "--format=%ct %H", branch]);
        let read = |line: &str| {
            let (at, name) = line.split_once(' ').unwrap();
            Release { at: at.parse().unwrap(), name: name.to_owned() }
        };
        listed.lines().map(read).collect()
    }

    /// Commits that are reachable from one revision and from none of the others, merges left out.
    pub(crate) fn rev_list(&self, revision: &str, earlier: &[&str], paths: &[&str]) -> BTreeSet<String> {
        let mut args = vec!["rev-list", "--no-merges"];
        if !paths.is_empty() {
            args.push("--full-history");
        }
        args.push(revision);
        args.push("--not");
        args.extend(earlier);
        args.push("--");
        args.extend(paths);
        self.git(&args).lines().map(str::to_owned).collect()
    }

    /// What git knows of every commit.
    pub(crate) fn log(&self) -> BTreeMap<String, Commit> {
        let printed = self.git(&["log", "--all", "HEAD", "--format=%x01%H %at %ct %B"]);
        let read = |entry: &str| {
            let mut parts = entry.splitn(4, ' ');
            let mut next = || parts.next().unwrap();
            let sha = next().to_owned();
            let (authored, committed, message) = (next().parse().unwrap(), next().parse().unwrap(), next());
            let trailer = message.lines().find_map(|line| line.strip_prefix("(cherry picked from commit "));
            let picked_from = trailer.map(|sha| sha.trim_end_matches(')').to_owned());
            (sha, Commit { authored, committed, picked_from })
        };
        printed.split('\x01').filter(|entry| !entry.is_empty()).map(read).collect()
    }
}
