//! A repository in a temporary folder, made by the real git with fixed dates and names.

use std::{
    cell::Cell,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

pub(super) struct Repo {
    dir: TempDir,
    clock: Cell<i64>,
}

/// 2024-01-01T00:00:00Z.
pub(super) const START: i64 = 1_704_067_200;

impl Repo {
    pub(super) fn new() -> Self {
        Self::with(&["init", "-q", "-b", "main", "."])
    }

    /// Made by another command than `git init`.
    pub(super) fn with(command: &[&str]) -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap(), clock: Cell::new(START) };
        repo.git(command);
        repo
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The instant of the next commit or tag.
    pub(super) fn set_clock(&self, seconds: i64) {
        self.clock.set(seconds);
    }

    fn command(&self, args: &[&str]) -> Command {
        let date = format!("{} +0000", self.clock.get());
        let mut command = Command::new("git");
        command
            .current_dir(self.path())
            .args(["-c", "protocol.file.allow=always", "-c", "gc.auto=0"])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1"), ("HOME", "/nonexistent")])
            .envs([("GIT_AUTHOR_NAME", "Ann"), ("GIT_AUTHOR_EMAIL", "ann@example.org"), ("GIT_AUTHOR_DATE", &date)])
            .envs([
                ("GIT_COMMITTER_NAME", "Bob"),
                ("GIT_COMMITTER_EMAIL", "bob@example.org"),
                ("GIT_COMMITTER_DATE", &date),
            ]);
        command
    }

    /// Runs git and gives what it prints.
    pub(super) fn git(&self, args: &[&str]) -> String {
        self.feed(args, b"")
    }

    /// Runs git with something on its standard input.
    pub(super) fn feed(&self, args: &[&str], input: &[u8]) -> String {
        let mut command = self.command(args);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || stdin.write_all(input).ok());
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        })
    }

    fn tick(&self) {
        self.clock.set(self.clock.get() + 3600);
    }

    /// Commits a file of its own; gives the SHA.
    pub(super) fn commit(&self, title: &str) -> String {
        self.commit_file(&format!("{}.txt", title.replace(' ', "-")), title, title)
    }

    /// Commits a file with this content.
    pub(super) fn commit_file(&self, path: &str, content: &str, message: &str) -> String {
        let file = self.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.tick();
        self.sha("HEAD")
    }

    /// Merges with a merge commit.
    pub(super) fn merge(&self, branch: &str) -> String {
        self.git(&["merge", "-q", "--no-ff", "-m", &format!("Merge {branch}"), branch]);
        self.tick();
        self.sha("HEAD")
    }

    /// Annotated tag on HEAD.
    pub(super) fn tag(&self, name: &str) {
        self.git(&["tag", "-a", "-m", name, name]);
        self.tick();
    }

    /// Lightweight tag on a revision.
    pub(super) fn light(&self, name: &str, revision: &str) {
        self.git(&["tag", name, revision]);
    }

    pub(super) fn checkout(&self, args: &[&str]) {
        self.git(&[&["checkout", "-q"], args].concat());
    }

    pub(super) fn sha(&self, revision: &str) -> String {
        self.git(&["rev-parse", "--verify", revision])
    }

    /// Writes an object of any bytes; gives its SHA.
    pub(super) fn object(&self, kind: &str, bytes: &[u8]) -> String {
        self.feed(&["hash-object", "-t", kind, "-w", "--literally", "--stdin"], bytes)
    }

    /// The SHAs that `git rev-list` prints.
    pub(super) fn rev_list(&self, args: &[&str]) -> Vec<String> {
        let mut shas: Vec<String> = self.git(&[&["rev-list"], args].concat()).lines().map(str::to_owned).collect();
        shas.sort();
        shas
    }
}
