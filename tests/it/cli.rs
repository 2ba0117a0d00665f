//! The command line: files in, numbers out, the same as over HTTP; and what shells and people read of it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Serving, dorado, run};

/// A folder with the events of a small organisation.
struct Bench {
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let bench = Self { folder };
        let events = bench.path("events.ndjson");
        dorado(["demo", "--size", "tiny", "--until", "2026-06-01T00:00:00Z", "--ndjson", text(&events)]);
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn events(&self) -> Vec<String> {
        let events = std::fs::read_to_string(self.path("events.ndjson")).unwrap();
        events.lines().map(str::to_owned).collect()
    }

    fn import(&self, data: &str, files: &[&Path]) -> String {
        let data = self.path(data);
        let files = files.iter().map(|file| text(file));
        dorado(["import", "--data", text(&data)].into_iter().chain(files))
    }

    fn numbers(&self, data: &str) -> Value {
        let server = Serving::start(&self.path(data));
        numbers(&server)
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// All five metrics by month, and over the whole period.
fn numbers(server: &Serving) -> Value {
    server.wait_until_settled();
    let mut answer = server.json("/api/v1/summary?from=2025-06-01&to=2026-06-01&bucket=month");
    answer.as_object_mut().unwrap().remove("meta");
    for row in answer["data"].as_array().unwrap() {
        assert!(row["n"].as_u64() > Some(0), "nothing to compare: {row}");
    }
    answer
}

/// How many of a kind an import says that it kept.
fn kept(summary: &str, kind: &str) -> usize {
    let is_of = |words: &[&str]| words.first() == Some(&"kept") && words.last() == Some(&kind);
    let lines = summary.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut counts = lines.filter(|words| is_of(words)).map(|words| words[1].parse().unwrap());
    counts.next().unwrap_or_default()
}

#[test]
fn importing_gives_the_numbers_that_posting_gives_and_again_changes_none() {
    let bench = Bench::new();
    let events = bench.events();
    let summary = bench.import("imported", &[&bench.path("events.ndjson")]);
    for kind in ["deployment", "change", "incident"] {
        let told = events.iter().filter(|event| event.contains(&format!("{{\"type\":\"{kind}\""))).count();
        assert!(told > 0, "{kind}");
        assert_eq!(kept(&summary, kind), told, "{summary}");
    }
    assert!(summary.contains(&format!("{} rows in ", events.len())), "{summary}");
    let imported = bench.numbers("imported");

    let posted = Serving::start(&bench.path("posted"));
    for part in events.chunks(4_000) {
        let answer = posted.post("/api/v1/events", &[("content-type", "application/x-ndjson")], part.join("\n"));
        assert_eq!(answer.json(202)["rejected"], json!([]));
    }
    assert_same(&numbers(&posted), &imported, "posted and imported");

    bench.import("imported", &[&bench.path("events.ndjson")]);
    assert_same(&bench.numbers("imported"), &imported, "imported again and imported");
}

/// Compares row by row, since all rows at once are more than anybody reads.
fn assert_same(left: &Value, right: &Value, what: &str) {
    for part in ["data", "series"] {
        let (left, right) = (left[part].as_array().unwrap(), right[part].as_array().unwrap());
        assert_eq!(left.len(), right.len(), "{part} of {what}");
        for (left, right) in left.iter().zip(right) {
            assert_eq!(left, right, "{what}");
        }
    }
}

/// Rows of one kind as CSV with these columns.
fn csv(events: &[String], kind: &str, columns: &[&str]) -> String {
    let mut table = format!("{}\n", columns.join(","));
    for event in events.iter().map(|event| serde_json::from_str::<Value>(event).unwrap()) {
        if event["type"] == kind {
            let cells: Vec<String> = columns.iter().map(|c| event[c].as_str().unwrap_or_default().to_owned()).collect();
            table.extend([cells.join(","), "\n".to_owned()]);
        }
    }
    table
}

#[test]
fn tables_in_csv_give_the_numbers_of_the_events() {
    let bench = Bench::new();
    // Deployments as somebody's own tool may have them, under its own names.
    let columns = ["id", "service", "environment", "status", "finished_at"];
    let table = csv(&bench.events(), "deployment", &columns).replace("finished_at", "done");
    let file = bench.path("deployments.csv");
    std::fs::write(&file, &table).unwrap();
    let data = bench.path("csv");
    let summary =
        dorado(["import", "--data", text(&data), "--type", "deployment", "--map", "done=finished_at", text(&file)]);
    assert_eq!(kept(&summary, "deployment"), table.lines().count() - 1, "{summary}");
    let question = "/api/v1/metrics/deployment-frequency?from=2025-06-01&to=2026-06-01&bucket=month";
    let from_table = Serving::start(&data).json(question)["data"].clone();
    bench.import("imported", &[&bench.path("events.ndjson")]);
    assert_eq!(from_table, Serving::start(&bench.path("imported")).json(question)["data"]);
}

#[test]
fn parquet_for_other_engines_can_be_imported() {
    let bench = Bench::new();
    let tables = bench.path("tables");
    dorado(["demo", "--size", "tiny", "--until", "2026-06-01T00:00:00Z", "--parquet", text(&tables)]);
    let files = |kind: &str| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(tables.join(kind)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    let data = bench.path("parquet");
    let files = files("deployments");
    let named = ["deployment_id=id", "service_id=service", "deployed_at=finished_at"]
        .into_iter()
        .flat_map(|map| ["--map", map]);
    let args = ["import", "--data", text(&data), "--type", "deployment"].into_iter().chain(named);
    let summary = dorado(args.chain(files.iter().map(|file| text(file))));
    let told = bench.events().iter().filter(|event| event.contains("{\"type\":\"deployment\"")).count();
    assert_eq!(kept(&summary, "deployment"), told, "{summary}");
    let question = "/api/v1/metrics/deployment-frequency?from=2025-06-01&to=2026-06-01&bucket=month";
    let from_tables = Serving::start(&data).json(question)["data"].clone();
    bench.import("imported", &[&bench.path("events.ndjson")]);
    let mut expected = Serving::start(&bench.path("imported")).json(question)["data"].clone();
    let mut found = from_tables;
    for rows in [&mut expected, &mut found] {
        for row in rows.as_array_mut().unwrap() {
            // Of services by number the same as of services by name.
            row.as_object_mut().unwrap().retain(|key, _| ["time", "value", "n"].contains(&key.as_str()));
        }
    }
    assert_eq!(found, expected);
}

#[test]
fn an_import_says_what_it_did_not_keep_and_where_that_is() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("events.ndjson");
    let right = json!({"type": "deployment", "id": "d1", "service": "s", "finished_at": "2026-05-10T08:06:00Z"});
    let wrong = json!({"type": "deployment", "id": "d2", "service": "s", "finished_at": "2026-05-10T08:06:00"});
    std::fs::write(&file, format!("{right}\n{wrong}\nbroken\n")).unwrap();
    let data = folder.path().join("lake");
    let summary = dorado(["import", "--data", text(&data), text(&file)]);
    assert_eq!(kept(&summary, "deployment"), 1, "{summary}");
    for said in ["no offset", "events.ndjson:2", "is not JSON", "events.ndjson:3"] {
        assert!(summary.contains(said), "`{said}` is not in\n{summary}");
    }
    std::fs::write(&file, "broken\n").unwrap();
    assert!(!run(["import", "--data", text(&data), text(&file)]).succeeded, "nothing was kept");
    let missing = run(["import", "--data", text(&data), "/nowhere.ndjson"]);
    assert!(!missing.succeeded && missing.stderr.contains("/nowhere.ndjson"), "{}", missing.stderr);
}

#[test]
fn shells_and_readers_of_manuals_are_served() {
    for shell in ["bash", "zsh", "fish"] {
        let completions = dorado(["completions", shell]);
        for word in ["serve", "import", "every-merge"] {
            assert!(completions.contains(word), "{shell}: {word}");
        }
    }
    let manual = dorado(["man"]);
    assert!(manual.starts_with(".ie") || manual.contains(".TH dorado"), "{manual}");
    for word in ["serve", "import", "report"] {
        assert!(manual.contains(word), "{word}");
    }
    assert!(dorado(["--version"]).starts_with("dorado "));
    let unknown = run(["sevre"]);
    assert!(!unknown.succeeded && unknown.stderr.contains("serve"), "{}", unknown.stderr);
}

#[test]
fn a_mistake_in_the_configuration_is_named_with_its_line() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("dorado.toml");
    let check = || run(["--config", text(&file), "check"]);
    let right = "[[team]]\nname = \"payments\"\n\n[[service]]\nname = \"checkout\"\nteam = \"payments\"\n";
    std::fs::write(&file, right).unwrap();
    let checked = check();
    assert!(checked.succeeded, "{}{}", checked.stdout, checked.stderr);
    for (line, from, to, said) in [
        (6, "team = \"payments\"\n", "taem = \"payments\"\n", "did you mean `team`?"),
        (6, "team = \"payments\"\n", "team = \"payment\"\n", "`payment`"),
        (5, "name = \"checkout\"", "name = 7", "name"),
        (5, "\"checkout\"", "\"checkout", "string"),
    ] {
        std::fs::write(&file, right.replace(from, to)).unwrap();
        let checked = check();
        assert!(!checked.succeeded, "{to}");
        let all = format!("{}{}", checked.stdout, checked.stderr);
        let mistake = all.lines().find(|l| l.contains(&format!("dorado.toml:{line}:"))).unwrap_or_default();
        assert!(mistake.contains(said), "`{said}` is not said of line {line}:\n{all}");
    }
    let schema: Value = serde_json::from_str(&dorado(["check", "--schema"])).unwrap();
    assert!(schema["properties"]["service"].is_object(), "{schema}");
}
