//! The house's rules, read from its sources: which floor may name what, how a file opens, how long it may be.
//! Each line of ARCHITECTURE.md that says what may not be is a test here.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of ours, with its path from the root.
struct Source {
    path: String,
    text: String,
}

/// Lines of a file that match, as `path:line: text`.
type Found = Vec<String>;

const FLOORS: [&str; 5] = ["lake", "ingest", "query", "api", "dashboards"];

/// Endings of what people write here.
const WRITTEN: [&str; 10] = ["rs", "toml", "sql", "ts", "svelte", "css", "mjs", "py", "html", "md"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Everything that people wrote, whether or not it is committed yet.
fn sources() -> Vec<Source> {
    const MADE: [&str; 7] = ["target", "node_modules", ".git", "dist", "fixtures", "snapshots", "schema.d.ts"];
    let is_ours = |entry: &walkdir::DirEntry| !MADE.iter().any(|name| entry.file_name() == *name);
    let files = walkdir::WalkDir::new(root()).sort_by_file_name().into_iter().filter_entry(is_ours);
    let files = files.map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    let written = files.filter(|entry| WRITTEN.iter().any(|e| entry.path().extension().is_some_and(|x| x == *e)));
    let read = |entry: walkdir::DirEntry| Source {
        path: entry.path().strip_prefix(root()).unwrap().to_str().unwrap().to_owned(),
        text: std::fs::read_to_string(entry.path()).unwrap(),
    };
    let sources: Vec<Source> = written.map(read).collect();
    assert!(sources.len() > 200, "only {} files were found", sources.len());
    sources
}

fn rust() -> Vec<Source> {
    sources().into_iter().filter(|source| source.ends_with(".rs")).collect()
}

impl Source {
    fn ends_with(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }

    fn is_under(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.ends_with("/tests.rs")
    }

    /// Lines with their numbers, comments left out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let mark = if self.ends_with(".toml") { "#" } else { "//" };
        self.text.lines().enumerate().map(move |(n, line)| {
            let is_comment = line.trim_start().starts_with(mark);
            // An address has two slashes too, and no blank before them.
            let end = if is_comment { 0 } else { line.find(&format!(" {mark}")).unwrap_or(line.len()) };
            (n + 1, &line[..end])
        })
    }

    /// The code without its own tests, which stand at the end of a file or in a module of their own.
    fn code_that_ships(&self) -> impl Iterator<Item = (usize, &str)> {
        let tests = if self.is_test() { 0 } else { usize::MAX };
        let modules = self.text.lines().enumerate().skip_while(|(_, line)| line.trim() != "#[cfg(test)]");
        let mut modules = modules.filter(|(_, line)| line.trim_start().starts_with("mod ") && line.ends_with('{'));
        let end = modules.next().map_or(tests, |(n, _)| n.min(tests));
        self.code().take_while(move |(n, _)| *n <= end)
    }

    fn found<'a>(&self, lines: impl Iterator<Item = (usize, &'a str)>, is_wrong: impl Fn(&str) -> bool) -> Found {
        let wrong = lines.filter(|(_, line)| is_wrong(line));
        wrong.map(|(n, line)| format!("{}:{n}: {}", self.path, line.trim())).collect()
    }
}

/// Whether a line has the word, not as a part of a longer one.
fn names(line: &str, word: &str) -> bool {
    let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .any(|(at, _)| !is_part(line[..at].chars().next_back()) && !is_part(line[at + word.len()..].chars().next()))
}

fn assert_none(rule: &str, found: &Found) {
    assert!(found.is_empty(), "{rule}; {} places:\n{}\n", found.len(), found.join("\n"));
}

/// Where code or a manifest names a crate outside the places that may. The root manifest names all, with
/// their versions.
fn naming(crate_name: &str, places: &[&str]) -> Found {
    let dashed = crate_name.replace('_', "-");
    let sources = sources().into_iter().filter(|source| source.ends_with(".rs") || source.ends_with(".toml"));
    let elsewhere = sources
        .filter(|source| !source.is_under(places) && source.path != "Cargo.toml" && source.path != "tests/it/tidy.rs");
    elsewhere.flat_map(|s| s.found(s.code(), |line| names(line, crate_name) || names(line, &dashed))).collect()
}

#[test]
fn axum_is_named_only_in_api() {
    assert_none("only api speaks HTTP", &naming("axum", &["api/"]));
}

#[test]
fn delta_and_object_stores_are_named_only_in_lake() {
    for name in ["deltalake", "deltalake_core", "object_store"] {
        let mut found = naming(name, &["lake/", "deny.toml"]);
        // The SQL engine's own name for where files are.
        found.retain(|line| !line.contains("features ="));
        assert_none("only the lake knows how tables are kept", &found);
    }
}

#[test]
fn arrows_point_downwards_only() {
    for (floor, forbidden) in [
        ("lake/", &["dorado_ingest", "dorado_query", "dorado_api", "dorado_dashboards"][..]),
        ("ingest/", &["dorado_query", "dorado_api", "dorado_dashboards", "datafusion"]),
        ("query/", &["dorado_ingest", "dorado_api", "dorado_dashboards"]),
        ("dashboards/", &["dorado_lake", "dorado_ingest", "dorado_api", "datafusion"]),
        ("api/", &["datafusion", "arrow", "parquet", "rusqlite"]),
        ("src/", &["datafusion", "arrow", "parquet", "rusqlite"]),
    ] {
        let files =
            sources().into_iter().filter(|s| s.is_under(&[floor]) && (s.ends_with(".rs") || s.ends_with(".toml")));
        let knows = |line: &str| {
            let dashed = |name: &str| name.replace('_', "-");
            let is_path = |name: &str| names(line, name) && line.contains(&format!("{name}::"));
            let is_dependency = |name: &str| line.starts_with(&dashed(name)) && line.contains("workspace");
            forbidden.iter().any(|name| is_path(name) || is_dependency(name))
        };
        let rule = format!("`{floor}` knows none of {forbidden:?}");
        assert_none(&rule, &files.flat_map(|s| s.found(s.code(), knows)).collect());
    }
}

#[test]
fn api_never_touches_a_table() {
    let reading = [".table(", ".register(", "TableProvider", "SessionContext", ".settle(", ".publish(", ".import("];
    let files = rust().into_iter().filter(|source| source.is_under(&["api/"]));
    let touches = |line: &str| reading.iter().any(|call| line.contains(call));
    assert_none("api asks the engine", &files.flat_map(|s| s.found(s.code_that_ships(), touches)).collect());
}

#[test]
fn the_environment_and_the_clock_are_read_only_in_src() {
    const READING: [&str; 8] = [
        "std::env",
        "env::var",
        "env::args",
        "Utc::now",
        "Local::now",
        "SystemTime::now",
        "chrono::Utc::now",
        "UNIX_EPOCH.elapsed",
    ];
    let files = rust().into_iter().filter(|source| !source.is_under(&["src/", "tests/", "benches/"]));
    let reads = |line: &str| READING.iter().any(|word| names(line, word));
    assert_none(
        "time and environment are handed down",
        &files.flat_map(|s| s.found(s.code_that_ships(), reads)).collect(),
    );
}

/// Tools by their names. Git is none: it is what repositories are.
const VENDORS: [&str; 24] = [
    "github",
    "gitlab",
    "bitbucket",
    "gitea",
    "forgejo",
    "jenkins",
    "circleci",
    "buildkite",
    "teamcity",
    "octopus",
    "argocd",
    "argo",
    "spinnaker",
    "flux",
    "pagerduty",
    "opsgenie",
    "datadog",
    "sentry",
    "jira",
    "statuspage",
    "servicenow",
    "grafana",
    "gerrit",
    "azure",
];

/// Places that may name tools: sources and what is tested with them, configuration, and the compatibility routes.
/// Packs have the names of those whose definitions they are. Sources are named where they are exported, and an address of a specification or of this project names nobody.
const VENDOR_PLACES: [&str; 9] = [
    "ingest/src/source/",
    "ingest/src/lib.rs",
    "query/src/pack.rs",
    "src/config",
    "src/cli.rs",
    "api/src/routes/webhooks.rs",
    "api/src/routes/compatibility/",
    "dashboards/",
    "tests/it/",
];

#[test]
fn tools_are_named_only_by_their_sources() {
    let files = sources().into_iter().filter(|source| {
        (source.ends_with(".rs") || source.ends_with(".sql")) && !source.is_test() && !source.is_under(&VENDOR_PLACES)
    });
    let named = |line: &str| {
        let line = line.to_lowercase();
        let words = line.split_whitespace().filter(|word| !word.contains("https://"));
        let line = words.collect::<Vec<_>>().join(" ");
        VENDORS.iter().any(|vendor| names(&line, vendor))
    };
    // Comments too: who reads a metric's file should not have to know a tool.
    let lines = |source: &Source| {
        let lines: Vec<(usize, String)> = source.text.lines().enumerate().map(|(n, l)| (n + 1, l.to_owned())).collect();
        source.found(lines.iter().map(|(n, line)| (*n, line.as_str())), named)
    };
    let end_of_tests = |found: &String, source: &Source| {
        let n: usize = found.split(':').nth(1).unwrap().parse().unwrap();
        n <= source.code_that_ships().last().map_or(0, |(n, _)| n)
    };
    let found = files.flat_map(|source| {
        let mut found = lines(&source);
        found.retain(|line| end_of_tests(line, &source));
        found
    });
    assert_none("a tool's name stays with its source", &found.collect());
}

#[test]
fn sql_files_lie_only_in_query() {
    let elsewhere = sources().into_iter().filter(|s| s.ends_with(".sql") && !s.is_under(&["query/"]));
    assert_none("SQL belongs to query", &elsewhere.map(|s| s.path).collect());
}

#[test]
fn every_file_says_first_what_it_is_for() {
    let silent = rust().into_iter().filter(|source| !source.text.starts_with("//! "));
    assert_none("a file opens with `//!`", &silent.map(|s| s.path).collect());
}

#[test]
fn no_file_is_too_long_to_read() {
    let code = sources().into_iter().filter(|source| !source.ends_with(".md"));
    let long = code.map(|s| (s.text.lines().count(), s.path)).filter(|(n, _)| *n > 600);
    assert_none("600 lines are enough", &long.map(|(n, path)| format!("{path}: {n} lines")).collect());
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = ["todo", "unimplemented"].map(|word| format!("{word}!"));
    let ignored = format!("#[{}", "ignore");
    let is_wrong = |line: &str| line.contains(&ignored) || marks.iter().any(|mark| line.contains(mark));
    assert_none("what is here works", &rust().iter().flat_map(|s| s.found(s.code(), is_wrong)).collect());
}

#[test]
fn versions_of_dependencies_stand_in_the_root_manifest() {
    let manifests =
        FLOORS.map(|floor| (floor, std::fs::read_to_string(root().join(floor).join("Cargo.toml")).unwrap()));
    let own = manifests.iter().flat_map(|(floor, manifest)| {
        let dependencies = manifest.split("\n[").filter(|part| part.contains("dependencies]"));
        let lines = dependencies.flat_map(|part| part.lines().skip(1)).filter(|line| line.contains('='));
        let own = lines.filter(|line| !line.contains("workspace = true"));
        own.map(|line| format!("{floor}/Cargo.toml: {line}")).collect::<Vec<_>>()
    });
    assert_none("one version for all", &own.collect());
}

#[test]
fn no_large_file_is_committed() {
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let size = |path: &&str| std::fs::symlink_metadata(root().join(path)).map_or(0, |file| file.len());
    let large = listed.split('\0').filter(|path| !path.is_empty() && size(path) > 1 << 20);
    assert_none("a clone stays small", &large.map(str::to_owned).collect());
}

#[test]
fn every_metric_is_defined_by_example() {
    let folder = root().join("tests/metrics");
    let ids: BTreeSet<&str> = dorado_query::METRICS.iter().map(|metric| metric.id).collect();
    assert!(ids.len() >= 5, "{ids:?}");
    let missing = ids.into_iter().filter(|id| !folder.join(format!("{id}.md")).is_file());
    assert_none("a metric has its examples", &missing.map(|id| format!("tests/metrics/{id}.md")).collect());
}

#[test]
fn api_takes_an_audience_only_from_who_asks() {
    let files =
        rust().into_iter().filter(|source| source.is_under(&["api/"]) && !source.is_under(&["api/src/access/"]));
    let asks = ["Some(Audience::Everybody)", "== Audience::Everybody", "!= Audience::Everybody"];
    let gives = |line: &str| line.contains("Audience::Everybody") && !asks.iter().any(|asks| line.contains(asks));
    assert_none(
        "whose rows may be read is decided at the door",
        &files.flat_map(|s| s.found(s.code_that_ships(), gives)).collect(),
    );
}
