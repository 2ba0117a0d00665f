//! Histories made at random (merges, roots, branches, wild dates, tags anywhere) against `git rev-list`,
//! and read in two runs against read in one.

use std::{collections::BTreeMap, fmt::Write};

use dorado_lake::Fact;
use rand::{Rng, SeedableRng, seq::IndexedRandom};
use rand_pcg::Pcg64;

use super::{GitOptions, Repo, history, shipped::agrees_with_git, with_services, with_tags};

/// A repository of random commits, as `git fast-import` takes it; tags are split in two halves.
fn import(random: &mut Pcg64, repo: &Repo) -> Vec<String> {
    let n_commits = random.random_range(1..60);
    let mut stream = String::new();
    let (mut tags, mut clock) = (Vec::new(), super::repo::START);
    for mark in 1..=n_commits {
        clock += random.random_range(0..7200);
        let date = if random.random_bool(0.2) { random.random_range(0..2_000_000_000) } else { clock };
        let offset = ["+0000", "-0730", "+051800"].choose(random).unwrap();
        let title = format!("c{}", random.random_range(0..n_commits));
        writeln!(stream, "commit refs/import/c{mark}\nmark :{mark}\nauthor A <a@x> {date} {offset}").unwrap();
        writeln!(stream, "committer B <b@x> {date} {offset}\ndata {}\n{title}", title.len()).unwrap();
        let n_parents = if mark == 1 || random.random_bool(0.03) {
            0
        } else {
            random.random_range(1..4_usize).saturating_sub(1).max(1)
        };
        let mut parents: Vec<i32> = (0..n_parents).map(|_| random.random_range((mark - 6).max(1)..mark)).collect();
        parents.sort_unstable();
        parents.dedup();
        for (at, parent) in parents.iter().enumerate() {
            writeln!(stream, "{} :{parent}", if at == 0 { "from" } else { "merge" }).unwrap();
        }
        for _ in 0..random.random_range(0..3) {
            let path = ["a/x", "a/y/z", "ab", "b/x", "c"].choose(random).unwrap();
            let content = random.random_range(0..4).to_string();
            writeln!(stream, "M 100644 inline {path}\ndata {}\n{content}", content.len()).unwrap();
        }
        if random.random_bool(0.2) {
            clock += 60;
            let service = ["a", "b"].choose(random).unwrap();
            let name = format!("{service}-{mark}.{}", random.random_range(0..3));
            writeln!(stream, "tag {name}\nfrom :{mark}\ntagger T <t@x> {clock} +0000\ndata 1\nt").unwrap();
            tags.push(name);
        }
    }
    writeln!(stream, "reset refs/heads/main\nfrom :{n_commits}\n").unwrap();
    repo.feed(&["fast-import", "--quiet", "--date-format=raw-permissive"], stream.as_bytes());
    tags
}

fn variants() -> [GitOptions; 2] {
    [with_tags(&["*"]), with_services(&["a=a-*:a", "b=b-*:b,c", "all=*"])]
}

#[test]
fn random_histories_ship_as_git_says() {
    let mut n_deployments = 0;
    for seed in 0..40 {
        let repo = Repo::new();
        if import(&mut Pcg64::seed_from_u64(seed), &repo).is_empty() {
            continue;
        }
        for options in variants() {
            n_deployments += agrees_with_git(&repo, &options).len();
        }
    }
    assert!(n_deployments > 300, "{n_deployments}");
}

#[test]
fn two_runs_find_what_one_finds() {
    for seed in 100..130 {
        let mut random = Pcg64::seed_from_u64(seed);
        let repo = Repo::new();
        let tags = import(&mut random, &repo);
        let later: Vec<&String> = tags.iter().filter(|_| random.random_bool(0.5)).collect();
        if tags.len() < 2 || later.len() == tags.len() {
            continue;
        }
        for options in variants() {
            let at_once = history(&repo, &options);
            let mut undo = String::new();
            for name in &later {
                let name = format!("refs/tags/{name}");
                writeln!(undo, "create {name} {}", repo.sha(&name)).unwrap();
                repo.git(&["update-ref", "-d", &name]);
            }
            let main = repo.sha("main");
            repo.git(&["update-ref", "refs/heads/main", "refs/import/c1"]);
            let first = history(&repo, &options);
            repo.feed(&["update-ref", "--stdin"], undo.as_bytes());
            repo.git(&["update-ref", "refs/heads/main", &main]);
            let second = history(&repo, &GitOptions { since_state: Some(first.state), ..options.clone() });
            let both: Vec<Fact> = first.facts.into_iter().chain(second.facts).collect();
            assert_eq!(latest(&both), latest(&at_once.facts), "seed {seed}");
            let third = history(&repo, &GitOptions { since_state: Some(second.state), ..options });
            assert_eq!(third.facts, [], "seed {seed}");
        }
    }
}

fn latest(facts: &[Fact]) -> BTreeMap<String, &Fact> {
    let key = |fact: &Fact| match fact {
        Fact::Change(change) => change.id.clone(),
        Fact::Deployment(deployment) => deployment.id.clone(),
        _ => String::new(),
    };
    facts.iter().map(|fact| (key(fact), fact)).collect()
}
