//! `dorado git` and then the server, against the git binary: for each deployment the changes that first
//! shipped with it are those that `git rev-list` finds, and the median of their lead times is to the second that of
//! the dates in `git log`.

#![expect(clippy::unwrap_used, reason = "tests")]

mod repository;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{Serving, dorado, run};
use crate::history::Random;
use repository::{Release, Repository};

/// Before 1990 no date is believed.
const FIRST_BELIEVED: i64 = 631_152_000;
const PERIOD: &str = "from=2000-01-01&to=2040-01-01";

/// A repository and the lake that it is read into.
struct Bench {
    folder: TempDir,
    repository: Repository,
}

/// What one service should show.
struct Expected<'a> {
    service: &'a str,
    /// What stands before `@` in the id of a deployment.
    id_prefix: &'a str,
    releases: Vec<Release>,
    paths: &'a [&'a str],
    /// Pick to original, besides what trailers say.
    picks: BTreeMap<String, String>,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let repository = Repository::new(&folder.path().join("shop"));
        Self { folder, repository }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    /// `dorado git` with these flags; gives what it prints.
    fn read(&self, flags: &[&str]) -> String {
        let data = self.data();
        let args = ["git", "--data", data.to_str().unwrap(), self.repository.path()];
        dorado(args.iter().chain(flags))
    }

    fn expected(&self) -> Expected<'_> {
        let releases = self.repository.releases("*");
        Expected { service: "shop", id_prefix: "shop", releases, paths: &[], picks: BTreeMap::new() }
    }

    /// Reads the repository and compares its only service.
    fn assert_agrees(&self) {
        self.read(&[]);
        self.assert_shows(&[self.expected()]);
    }

    /// Serves the lake and compares each service with git.
    fn assert_shows(&self, services: &[Expected<'_>]) {
        let server = Serving::start(&self.data());
        server.wait_until_settled();
        for expected in services {
            self.assert_service(&server, expected);
        }
    }

    fn assert_service(&self, server: &Serving, expected: &Expected<'_>) {
        let service = expected.service;
        let rows = server.rows(&format!("/api/v1/changes?{PERIOD}&service={service}&limit=1000"));
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in &rows {
            let deployment = row["deployment"].as_str().unwrap_or("unshipped").to_owned();
            let is_new = found.entry(deployment).or_default().insert(row["change"].as_str().unwrap().to_owned());
            assert!(is_new, "twice: {row}");
        }
        let shipped = self.shipped(expected);
        for (release, changes) in expected.releases.iter().zip(&shipped) {
            let id = format!("{}@{}", expected.id_prefix, release.name);
            let found = found.remove(&id).unwrap_or_default();
            assert_eq!(&found, changes, "what ships with {id} (left: dorado, right: git rev-list)");
        }
        found.remove("unshipped");
        assert!(found.is_empty(), "deployments that git does not know: {found:?}");
        self.assert_lead_times(server, expected, &shipped, &rows);
    }

    /// For each release the changes that are reachable from it and from none before it.
    fn shipped(&self, expected: &Expected<'_>) -> Vec<BTreeSet<String>> {
        let names: Vec<&str> = expected.releases.iter().map(|release| release.name.as_str()).collect();
        let at = |n: usize| self.repository.rev_list(names[n], &names[..n], expected.paths);
        (0..names.len()).map(at).collect()
    }

    /// Compares what counts, why the rest does not, the lead time of each change and their median.
    fn assert_lead_times(
        &self,
        server: &Serving,
        expected: &Expected<'_>,
        shipped: &[BTreeSet<String>],
        rows: &[Value],
    ) {
        let (counted, excluded) = self.lead_times(expected, shipped);
        let mut found = BTreeMap::new();
        let mut left_out = BTreeMap::new();
        for row in rows.iter().filter(|row| row["deployment"].is_string()) {
            let change = row["change"].as_str().unwrap().to_owned();
            assert_eq!(row["included"].as_bool().unwrap(), row["excluded_reason"].is_null(), "{row}");
            match row["excluded_reason"].as_str() {
                None => {
                    found.insert(change, row["lead_time_seconds"].as_f64().unwrap());
                    assert_eq!(row["rule"], "ancestry", "{row}");
                }
                Some(reason) => {
                    left_out.insert(change, reason.to_owned());
                }
            }
        }
        assert_eq!(left_out, excluded, "what is left out of {}", expected.service);
        assert_eq!(found, counted, "lead times of {}", expected.service);
        let question = format!("/api/v1/metrics/change-lead-time?{PERIOD}&bucket=all&service={}", expected.service);
        let answer = server.json(&question);
        let row = &answer["data"][0];
        let mut seconds: Vec<f64> = counted.into_values().collect();
        seconds.sort_by(f64::total_cmp);
        assert_eq!(row["n"], seconds.len(), "{answer}");
        assert_eq!(row["value"].as_f64(), median(&seconds), "{answer}");
        let frequency = server.json(&question.replace("change-lead-time", "deployment-frequency"));
        assert_eq!(frequency["data"][0]["value"], expected.releases.len(), "{frequency}");
    }

    /// Lead times by git's dates, and why the other changes that ship have none.
    fn lead_times(
        &self,
        expected: &Expected<'_>,
        shipped: &[BTreeSet<String>],
    ) -> (BTreeMap<String, f64>, BTreeMap<String, String>) {
        let (mut counted, mut excluded) = (BTreeMap::new(), BTreeMap::new());
        let mut originals: BTreeSet<String> = BTreeSet::new();
        let log = self.repository.log();
        for (n, release) in expected.releases.iter().enumerate() {
            // Of a change and its picks that ship together the original counts.
            let picked = |sha: &String| expected.picks.get(sha).or(log[sha].picked_from.as_ref()).cloned();
            let mut changes: Vec<(bool, &String)> = shipped[n].iter().map(|sha| (picked(sha).is_some(), sha)).collect();
            changes.sort();
            for (_, sha) in changes {
                let is_repeat = !originals.insert(picked(sha).unwrap_or_else(|| sha.clone()));
                let believed = |at: &i64| (FIRST_BELIEVED..=release.at).contains(at);
                let began = [log[sha].authored, log[sha].committed].into_iter().find(believed);
                let reason = match began {
                    _ if n == 0 => "first_deployment",
                    _ if is_repeat => "cherry_pick",
                    None => "no_commit_time",
                    Some(began) => {
                        counted.insert(sha.clone(), (release.at - began) as f64);
                        continue;
                    }
                };
                excluded.insert(sha.clone(), reason.to_owned());
            }
        }
        (counted, excluded)
    }
}

/// The middle of sorted values, or halfway between the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let (low, high) = (sorted.get(sorted.len().checked_sub(1)? / 2)?, sorted.get(sorted.len() / 2)?);
    Some(f64::midpoint(*low, *high))
}

#[test]
fn a_line_of_releases_ships_as_git_says() {
    let bench = Bench::new();
    let repository = &bench.repository;
    for release in 0..5 {
        for n in 0..=release {
            repository.commit(&format!("work {release} {n}"));
        }
        if release % 2 == 0 {
            repository.tag(&format!("v1.{release}.0"));
        } else {
            repository.git(&["tag", &format!("v1.{release}.0")]);
        }
    }
    repository.commit("not yet shipped");
    bench.assert_agrees();
}

#[test]
fn merged_branches_ship_as_git_says() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    for topic in ["search", "cart", "login"] {
        repository.checkout(&["-b", topic, "v1.0.0"]);
        repository.commit(&format!("{topic} one"));
        repository.commit(&format!("{topic} two"));
        repository.checkout(&["main"]);
        repository.commit(&format!("beside {topic}"));
    }
    repository.merge("cart");
    repository.tag("v1.1.0");
    repository.checkout(&["search"]);
    repository.merge("main");
    repository.commit("after a merge from main");
    repository.checkout(&["main"]);
    repository.merge("search");
    repository.tag("v1.2.0");
    // One that is merged long after it was written, and one that no branch keeps.
    repository.wait(40 * 86_400);
    repository.merge("login");
    repository.git(&["branch", "-D", "login", "search"]);
    repository.tag("v2.0.0");
    bench.assert_agrees();
}

#[test]
fn a_squashed_branch_ships_as_one_change() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    for topic in ["search", "cart"] {
        repository.checkout(&["-b", topic]);
        repository.commit(&format!("{topic} one"));
        repository.commit(&format!("{topic} two"));
        repository.checkout(&["main"]);
        repository.git(&["merge", "-q", "--squash", topic]);
        repository.git(&["commit", "-q", "-m", &format!("{topic} (#7)")]);
        repository.wait(5003);
        repository.git(&["branch", "-D", topic]);
    }
    repository.tag("v1.1.0");
    bench.assert_agrees();
}

#[test]
fn a_backport_is_the_same_change_with_and_without_a_trailer() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    repository.commit("of the second release");
    repository.tag("v2.0.0");
    let fixes = [repository.commit("fix with a trailer"), repository.commit("fix without one")];
    let only_there = repository.commit("fix that ships here first");
    repository.tag("v2.0.1");
    repository.checkout(&["-b", "release-1", "v1.0.0"]);
    // A pick keeps its author's date.
    repository.git(&["cherry-pick", "-x", &fixes[0]]);
    repository.wait(1009);
    repository.git(&["cherry-pick", &fixes[1]]);
    let pick = repository.git(&["rev-parse", "HEAD"]);
    repository.wait(1013);
    repository.commit("only for the old release");
    repository.tag("v1.0.1");
    repository.checkout(&["main"]);
    repository.commit("more for the second release");
    repository.tag("v2.1.0");
    repository.checkout(&["release-1"]);
    repository.git(&["cherry-pick", "-x", &only_there]);
    repository.wait(1019);
    repository.tag("v1.0.2");
    bench.read(&[]);
    let picks = BTreeMap::from([(pick, fixes[1].clone())]);
    bench.assert_shows(&[Expected { picks, ..bench.expected() }]);
}

#[test]
fn a_pick_that_ships_before_its_original_counts_instead_of_it() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    let fix = repository.commit("fix");
    repository.checkout(&["-b", "release-1", "v1.0.0"]);
    repository.git(&["cherry-pick", "-x", &fix]);
    repository.wait(7001);
    repository.tag("v1.0.1");
    repository.checkout(&["main"]);
    repository.commit("more");
    repository.tag("v1.1.0");
    bench.assert_agrees();
}

#[test]
fn several_roots_ship_as_git_says() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    repository.checkout(&["--orphan", "imported"]);
    repository.commit("from elsewhere");
    repository.commit("more from elsewhere");
    repository.checkout(&["main"]);
    repository.git(&["merge", "-q", "--allow-unrelated-histories", "-m", "join", "imported"]);
    repository.wait(3001);
    repository.tag("v1.1.0");
    // A release of the other root alone, which ships nothing new.
    repository.checkout(&["imported"]);
    repository.tag("v1.2.0");
    repository.commit("only there");
    repository.tag("v1.3.0");
    bench.assert_agrees();
}

#[test]
fn packages_of_a_monorepo_ship_what_touches_their_paths() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit_to("services/api/begin", "both begin");
    repository.commit_to("services/web/begin", "web begins");
    for tag in ["api-v1.0.0", "web-v1.0.0"] {
        repository.tag(tag);
    }
    repository.commit_to("services/api/a", "only api");
    repository.commit_to("services/api-docs/a", "a folder that begins alike");
    repository.commit_to("libs/ui/a", "a library of web");
    repository.checkout(&["-b", "topic"]);
    repository.commit_to("services/web/b", "web on a branch");
    repository.commit_to("services/api/b", "api on a branch");
    repository.checkout(&["main"]);
    repository.commit_to("README", "of nobody");
    repository.merge("topic");
    repository.tag("web-v1.1.0");
    repository.git(&["mv", "services/api/a", "services/web/a"]);
    repository.git(&["commit", "-q", "-m", "moved from api to web"]);
    repository.wait(2003);
    repository.tag("api-v1.1.0");
    repository.commit_to("services/api/c", "api again");
    repository.tag("web-v1.2.0");
    repository.tag("api-v2.0.0");
    bench.read(&["--service", "api=api-v*:services/api", "--service", "web=web-v*:services/web/,libs/ui/"]);
    let service = |name, paths, pattern| Expected {
        service: name,
        id_prefix: name,
        releases: repository.releases(pattern),
        paths,
        picks: BTreeMap::new(),
    };
    bench.assert_shows(&[
        service("api", &["services/api"], "api-v*"),
        service("web", &["services/web", "libs/ui"], "web-v*"),
    ]);
    let server = Serving::start(&bench.data());
    let grouped = server.json(&format!("/api/v1/metrics/change-lead-time?{PERIOD}&group_by=service&bucket=all"));
    let named: Vec<&str> =
        grouped["data"].as_array().unwrap().iter().map(|row| row["service"].as_str().unwrap()).collect();
    assert_eq!(named, ["api", "web"], "the repository `shop` is none of its services");
}

#[test]
fn of_tags_on_one_commit_the_first_ships_it() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    repository.commit("more");
    repository.tag("v1.1.0");
    repository.tag("v1.1.1");
    // Both of these carry the commit's date.
    repository.commit("last");
    repository.git(&["tag", "v1.3.0"]);
    repository.git(&["tag", "v1.2.0"]);
    bench.assert_agrees();
}

#[test]
fn a_tag_counts_from_when_it_was_made_whatever_it_is_on() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    let early = repository.commit("early");
    repository.commit("late");
    repository.tag("v3.0.0");
    repository.git(&["tag", "-a", "-m", "made last", "v2.0.0", &early]);
    repository.checkout(&["--detach"]);
    repository.wait(999);
    repository.commit("on no branch");
    repository.tag("v3.1.0");
    repository.checkout(&["main"]);
    bench.assert_agrees();
}

#[test]
fn dates_that_cannot_be_right_are_not_believed() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    repository.tag("v1.0.0");
    let now = repository.now();
    for (title, authored, committed) in [
        ("written before it was begun", now - 900 * 86_400, now),
        ("written after it shipped", now + 90 * 86_400, now + 7),
        ("committed before its parent", now - 5003, now - 700 * 86_400),
        ("a clock that was never set", 86_400, now + 11),
        ("both dates wrong", 86_400, now + 95 * 86_400),
        ("both clocks never set", 90_000, 86_400),
        ("written far off", now - 17, now + 13),
    ] {
        repository.at(authored, committed);
        repository.commit(title);
    }
    repository.at(now + 86_400, now + 86_400);
    repository.tag("v1.1.0");
    bench.assert_agrees();
}

#[test]
fn each_merge_to_a_branch_ships_what_it_brings() {
    let bench = Bench::new();
    let repository = &bench.repository;
    repository.commit("begin");
    for topic in ["search", "cart"] {
        repository.checkout(&["-b", topic]);
        repository.commit(&format!("{topic} one"));
        repository.commit(&format!("{topic} two"));
        repository.checkout(&["main"]);
        repository.commit(&format!("straight to main beside {topic}"));
        repository.merge(topic);
    }
    repository.checkout(&["-b", "unmerged"]);
    repository.commit("on another branch");
    repository.checkout(&["main"]);
    repository.tag("v1.0.0");
    bench.read(&["--branch", "main", "--every-merge"]);
    bench.assert_shows(&[Expected { releases: repository.first_parents("main"), ..bench.expected() }]);
}

/// A history in which several lines of releases are kept going at once, with merges between them.
fn tangle(repository: &Repository, seed: u64, n_steps: usize, name: &str) {
    let mut random = Random::new(seed);
    let mut branches = vec!["main".to_owned()];
    if repository.git(&["for-each-ref"]).is_empty() {
        repository.commit(&format!("{name} begin"));
        repository.tag("v0.1.0");
    }
    for step in 0..n_steps {
        let branch = branches[random.below(branches.len())].clone();
        repository.checkout(&[&branch]);
        match random.below(12) {
            0..=5 => {
                repository.commit(&format!("{name} {step}"));
            }
            6 | 7 => {
                let new = format!("{name}-{step}");
                repository.checkout(&["-b", &new]);
                branches.push(new);
                repository.commit(&format!("{name} {step}"));
            }
            8 => repository.tag(&format!("v{seed}.{step}.0")),
            _ => {
                let other = branches[random.below(branches.len())].clone();
                let is_there = repository.rev_list(&other, &[&branch], &[]).is_empty();
                if !is_there {
                    repository.merge(&other);
                }
            }
        }
    }
    repository.checkout(&["main"]);
    repository.tag(&format!("v{seed}.{n_steps}.0"));
}

#[test]
fn tangled_histories_ship_as_git_says() {
    for seed in 1..4 {
        let bench = Bench::new();
        tangle(&bench.repository, seed, 70, "tangle");
        bench.assert_agrees();
    }
}

#[test]
fn a_second_reading_reads_only_what_is_new_and_changes_no_number() {
    let bench = Bench::new();
    let repository = &bench.repository;
    tangle(repository, 9, 40, "before");
    let first = bench.read(&[]);
    let (n_commits, n_releases) = (count(repository), repository.releases("*").len());
    assert!(first.contains(&format!("shop: {n_commits} new commits, {n_releases} new deployments")), "{first}");
    bench.assert_shows(&[bench.expected()]);

    let second = bench.read(&[]);
    assert!(second.contains("shop: 0 new commits, 0 new deployments"), "{second}");
    bench.assert_shows(&[bench.expected()]);

    tangle(repository, 10, 25, "after");
    let third = bench.read(&[]);
    let (n_new, n_new_releases) = (count(repository) - n_commits, repository.releases("*").len() - n_releases);
    assert!(third.contains(&format!("shop: {n_new} new commits, {n_new_releases} new deployments")), "{third}");
    bench.assert_shows(&[bench.expected()]);

    // As if it had never been read: no state, no number changes.
    std::fs::remove_dir_all(bench.data().join("git")).unwrap();
    bench.read(&[]);
    bench.assert_shows(&[bench.expected()]);
}

fn count(repository: &Repository) -> usize {
    repository.git(&["rev-list", "--all", "--count"]).parse().unwrap()
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    let bench = Bench::new();
    let data = bench.data();
    let data = data.to_str().unwrap();
    let empty = run(["git", "--data", data, bench.repository.path()]);
    assert!(!empty.succeeded);
    assert!(empty.stderr.contains("it has no commit yet"), "{}", empty.stderr);
    let nowhere = run(["git", "--data", data, "/nowhere/at/all"]);
    assert!(!nowhere.succeeded);
    assert!(nowhere.stderr.contains("`/nowhere/at/all` is not a git repository"), "{}", nowhere.stderr);
    bench.repository.commit("begin");
    let untagged = run(["git", "--data", data, bench.repository.path()]);
    assert!(!untagged.succeeded);
    assert!(untagged.stderr.contains("it has no tags"), "{}", untagged.stderr);
}
