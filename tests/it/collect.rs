//! `dorado collect` and the collecting of `dorado serve`, against a provider that misbehaves while the reader is killed. In
//! the end the facts must be the provider's.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{Ran, Serving, command};
use crate::history::Random;
use crate::provider::{Provider, TOKEN, World};

const PERIOD: &str = "from=2026-06-01&to=2026-09-01";

/// A data directory, and the configuration that reads from a provider into it.
struct Bench {
    folder: TempDir,
    provider: Provider,
}

impl Bench {
    fn new(world: World) -> Self {
        Self::reading(world, "acme/shop")
    }

    fn reading(world: World, repositories: &str) -> Self {
        Self::with(world, repositories, "token = { env = 'DORADO_TEST_TOKEN' }")
    }

    fn with(world: World, repositories: &str, options: &str) -> Self {
        let folder = TempDir::new().unwrap();
        let folder_of_api = world.folder;
        let provider = Provider::start(world);
        let url = format!("{}{folder_of_api}", provider.address);
        let text = format!(
            "[[connection]]\nsource = 'github'\nname = 'main'\nurl = '{url}'\n{options}\n\
             since = '2026-05-01'\nevery = '1s'\nrepositories = ['{repositories}']\n\
             [[service]]\nname = 'shop'\nrepositories = ['acme/shop', 'acme/store']\n"
        );
        std::fs::create_dir(folder.path().join("lake")).unwrap();
        std::fs::write(folder.path().join("lake/dorado.toml"), text).unwrap();
        Self { folder, provider }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("lake")
    }

    fn dorado(&self, args: &[&str]) -> std::process::Command {
        let config = self.data().join("dorado.toml");
        let mut command = command(args);
        command.arg("--config").arg(config).env("DORADO_DATA", self.data()).env("DORADO_TEST_TOKEN", TOKEN);
        command
    }

    fn run(&self, args: &[&str]) -> Ran {
        let output = self.dorado(args).output().unwrap();
        Ran {
            succeeded: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    fn collect(&self) -> String {
        let ran = self.run(&["collect"]);
        assert!(ran.succeeded, "{}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    fn serve(&self) -> Serving {
        Serving::start_with(&self.data(), &[("DORADO_TEST_TOKEN", TOKEN)])
    }

    /// Everything that is known of what happened.
    fn facts(&self) -> Vec<Vec<Value>> {
        let server = self.serve();
        server.wait_until_settled();
        let lists = ["deployments", "changes", "incidents"];
        let mut facts: Vec<Vec<Value>> =
            lists.iter().map(|list| server.rows(&format!("/api/v1/{list}?{PERIOD}&limit=1000"))).collect();
        facts.push(server.json(&format!("/api/v1/summary?{PERIOD}&bucket=all"))["data"].as_array().unwrap().clone());
        facts
    }
}

#[test]
fn what_is_collected_from_a_provider_that_misbehaves_is_what_it_knows_however_often_the_reader_is_killed() {
    let mut world = World::new(120);
    (world.bad_every, world.is_lively, world.page_size) = (7, true, 20);
    let bench = Bench::new(world);
    let mut random = Random::new(3);
    let mut n_killed = 0;
    for _ in 0..12 {
        let mut child = bench
            .dorado(&["collect"])
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(300 + random.below(1200) as u64));
        n_killed += usize::from(child.try_wait().unwrap().is_none());
        let _ = child.kill();
        child.wait().unwrap();
    }
    assert!(n_killed > 3, "only {n_killed} runs were still under way when they were killed");
    bench.collect();
    {
        // What moved while it was read is read by the next run.
        let mut world = bench.provider.world.lock().unwrap();
        (world.is_lively, world.bad_every) = (false, 0);
    }
    bench.collect();

    let calm = Bench::new(World::new(120));
    calm.collect();
    let (found, expected) = (bench.facts(), calm.facts());
    // Of a pull request that was squashed its own two commits are the changes.
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>()[..3], [12, 240, 3]);
    let without_preview: Vec<Value> = found[0].iter().filter(|row| row["environment"] != "preview").cloned().collect();
    assert_eq!(without_preview, expected[0]);
    assert_eq!(found[1..], expected[1..]);
    let again = bench.collect();
    assert!(again.contains("0 new records"), "what was read is read again: {again}");
}

#[test]
fn a_thousand_merged_pull_requests_cost_few_calls() {
    let mut world = World::new(1000);
    // Their deployments are another matter: each costs a call.
    world.forget_deployments();
    let bench = Bench::new(world);
    bench.collect();
    let calls = bench.provider.world.lock().unwrap().calls.clone();
    assert!(calls.len() <= 25, "{} calls: {calls:#?}", calls.len());
}

#[test]
fn a_repository_that_moved_is_followed_and_one_that_is_gone_stops_nobody() {
    let mut world = World::new(30);
    world.rename("acme/store");
    let bench = Bench::reading(world, "acme/shop', 'acme/gone");
    bench.collect();
    let facts = bench.facts();
    assert_eq!(facts[0].len(), 3, "{:?}", facts[0]);
    assert!(
        facts[0].iter().all(|row| row["deployment"].as_str().unwrap().starts_with("acme/store/")),
        "{:?}",
        facts[0]
    );

    let nothing = Bench::reading(World::new(1), "acme/gone");
    let ran = nothing.run(&["collect"]);
    assert!(!ran.succeeded && ran.stderr.contains("acme/gone is not there"), "{}", ran.stderr);
}

#[test]
fn a_token_that_is_revoked_is_named_and_never_shown_and_nothing_is_lost() {
    let bench = Bench::reading(World::new(30), "acme/*");
    let fine = bench.run(&["sources", "test"]);
    assert!(fine.succeeded && fine.stdout.starts_with("github/main: fine; "), "{}{}", fine.stdout, fine.stderr);
    bench.collect();
    let before = bench.facts();
    bench.provider.world.lock().unwrap().is_revoked = true;
    let (run, test) = (bench.run(&["collect"]), bench.run(&["sources", "test", "main"]));
    assert!(!run.succeeded && run.stderr.contains("revoked"), "{}", run.stderr);
    assert!(
        !test.succeeded && test.stdout.contains("the token is missing, wrong, expired or revoked"),
        "{}",
        test.stdout
    );

    let listed = bench.run(&["sources"]);
    let failed = ["github/main (GitHub): failed;", "it failed: http", "revoked", "last delivery 2", "last success 2"];
    assert!(failed.iter().all(|part| listed.stdout.contains(part)), "{}{}", listed.stdout, listed.stderr);

    let server = bench.serve();
    let path = "/api/v1/sources";
    server.time_until(path, |answer| row(answer)["state"] == "failed" && row(answer)["next_run_at"].is_string());
    let told = server.json(path);
    assert!(row(&told)["error"].as_str().unwrap().contains("revoked"), "{told}");
    bench.provider.world.lock().unwrap().is_revoked = false;
    server.time_until(path, |answer| row(answer)["state"] == "idle" && row(answer)["error"].is_null());
    let told = server.get(path).text();
    let beside = bench.run(&["sources"]);
    assert!(beside.stdout.contains("github/main (GitHub): idle;"), "while a server runs: {}", beside.stdout);
    server.kill();
    assert_eq!(bench.facts(), before);
    for text in [run.stderr, run.stdout, test.stdout, test.stderr, told, listed.stdout] {
        assert!(!text.contains(TOKEN), "{text}");
    }
    assert_hidden(bench.folder.path());
}

#[test]
fn beside_a_server_it_is_the_server_that_collects_once_a_connection_and_no_token_is_left() {
    let bench = Bench::new(World::new(40));
    let config = bench.data().join("dorado.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("every = '1s'", "every = '1h'");
    std::fs::write(&config, format!("{text}[server]\nloopback_without_token = false\n")).unwrap();
    let admin = bench.run(&["token", "create", "a test", "--scope", "admin"]).stdout;
    let bearer = format!("Bearer {}", admin.trim());
    let server = Serving::start_with(&bench.data(), &[("DORADO_TEST_TOKEN", TOKEN), ("DORADO_LOG", "trace")]);
    let ask = |method: &str, path: &str| server.send(method, path, &[("authorization", &bearer)], Vec::new());
    let listed = |list: &str| ask("GET", &format!("/api/v1/{list}?{PERIOD}&limit=1000")).json(200)["data"].clone();
    let told = bench.collect();
    assert!(told.starts_with("github/main: ") && told.contains(" calls, "), "{told}");
    {
        let mut world = bench.provider.world.lock().unwrap();
        (41..=60).for_each(|number| world.pull(number));
        (5..=6).for_each(|n| world.deployment(n));
    }
    let n_calls = || bench.provider.world.lock().unwrap().calls.len();
    let before = n_calls();
    let told = bench.collect();
    assert!(!told.contains(": 0 new records") && n_calls() > before, "{told}");
    let since = std::time::Instant::now();
    while listed("deployments").as_array().unwrap().len() < 6 {
        assert!(since.elapsed() < Duration::from_secs(10), "what was collected does not arrive");
    }
    assert!(bench.collect().contains("github/main: 0 new records"));
    // What was read is read again, and is nothing new; who asks meanwhile for no other start joins that run.
    let before = n_calls();
    let began = ask("POST", "/api/v1/collect?source=main&since=2026-05-01").json(202)["data"][0].clone();
    let joined = ask("POST", "/api/v1/collect").json(202)["data"][0].clone();
    let is_over = joined["run_began_at"] != began["run_began_at"];
    assert!(is_over || began["state"] == "running", "{began} {joined}");
    let again = bench.run(&["collect", "github", "--since", "2026-05-01"]);
    assert!(again.succeeded && again.stdout.contains(": 0 new records"), "{}{}", again.stdout, again.stderr);
    assert!(n_calls() >= before + 10, "{} calls", n_calls() - before);
    ask("POST", "/api/v1/collect?source=nobody").problem(422);
    let ran = bench.run(&["collect", "nobody"]);
    assert!(!ran.succeeded && ran.stderr.contains("is called `nobody`; there are github/main"), "{}", ran.stderr);

    let tokens = bench.run(&["token", "list"]).stdout;
    assert!(tokens.contains("a test") && !tokens.contains("dorado collect"), "{tokens}");
    let audit = bench.run(&["audit", "--json"]).stdout;
    assert!(audit.contains("collect.asked") && audit.contains("dorado collect, process "), "{audit}");
    assert_hidden(bench.folder.path());
    assert!(bench.data().join("serving").is_file());
    server.terminate();
    assert!(!bench.data().join("serving").exists());
    for entry in walkdir::WalkDir::new(bench.folder.path()).into_iter().map(Result::unwrap) {
        let bytes = if entry.file_type().is_file() { std::fs::read(entry.path()).unwrap() } else { Vec::new() };
        let is_token = |window: &[u8]| window.starts_with(b"dorado_") && window[7..].iter().all(u8::is_ascii_hexdigit);
        assert!(!bytes.windows(71).any(is_token), "{} holds a token", entry.path().display());
    }
}

#[test]
fn what_is_watched_is_not_waited_for_and_hinders_nobody_with_and_without_a_server() {
    let bench = Bench::new(World::new(4));
    // One that takes connections and never answers: its run is under way all the time.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let watched = format!("[[connection]]\nsource = 'kubernetes'\nurl = 'http://{}'\n", silent.local_addr().unwrap());
    let config = bench.data().join("dorado.toml");
    let text = std::fs::read_to_string(&config).unwrap().replace("every = '1s'", "every = '1h'");
    std::fs::write(&config, text + &watched).unwrap();
    let server = bench.serve();
    let since = std::time::Instant::now();
    let state = |name: &str| {
        let rows = server.json("/api/v1/sources")["data"].as_array().unwrap().clone();
        rows.iter().find(|row| row["source"] == name).unwrap()["state"].clone()
    };
    while state("github/main") != "idle" || state("kubernetes") != "running" {
        assert!(since.elapsed() < Duration::from_secs(30), "{} {}", state("github/main"), state("kubernetes"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let begun = server.post("/api/v1/collect?since=2026-05-01", &[], "").json(202)["data"].clone();
    let begun: Vec<&Value> = begun.as_array().unwrap().iter().map(|row| &row["source"]).collect();
    assert_eq!(begun, ["github/main"]);
    let told = bench.collect();
    assert!(told.starts_with("github/main: ") && !told.contains("kubernetes"), "{told}");
    let ran = bench.run(&["collect", "kubernetes"]);
    assert!(!ran.succeeded && ran.stderr.contains("has nothing to collect from"), "{}", ran.stderr);
    server.terminate();
    let told = bench.collect();
    assert!(told.starts_with("github/main: ") && !told.contains("kubernetes"), "without a server: {told}");
}

#[test]
fn an_app_reads_as_its_installation_and_what_its_webhook_lost() {
    // By its number, and by its client id, of which the number is found.
    for app_id in ["123", "Iv23liAbCdEf"] {
        let folder = TempDir::new().unwrap();
        let options = format!("{}\napp_id = '{app_id}'\nhooks = ['acme/shop/3']", private_key(folder.path()));
        let bench = Bench::with(World::new(20), "acme/shop", &options);
        bench.collect();
        let calls = bench.provider.world.lock().unwrap().calls.clone();
        let facts = bench.facts();
        assert_eq!(facts[0].len(), 2, "{:?}", facts[0]);
        let found: Vec<&str> = facts[2].iter().filter_map(|row| row["incident"].as_str()).collect();
        assert_eq!(found, ["acme/shop#77"]);
        let n = |part: &str| calls.iter().filter(|call| call.contains(part)).count();
        assert_eq!(n("access_tokens"), 1, "one token for all calls");
        assert_eq!(n("/deliveries/"), 1, "what got through is not read");
        assert_eq!(n("GET /app"), usize::from(app_id != "123"));
    }
}

#[test]
fn releases_and_runs_of_a_workflow_are_deployments_at_a_server_of_ones_own() {
    let folder = TempDir::new().unwrap();
    let mut world = World::new(40);
    world.release();
    (world.folder, world.page_size) = ("/api/v3", 3);
    let deployments = "deployments = [{ releases = {} }, { workflow = { name = 'deploy.yml', environment = 'pier' } }]";
    let options = format!("{}\napp_id = '123'\n{deployments}", private_key(folder.path()));
    let bench = Bench::with(world, "acme/*", &options);
    bench.collect();
    let told = |row: &Value| {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let deployment = text("deployment").trim_start_matches("acme/shop/").to_owned();
        (deployment, text("environment"), text("status"), text("revision").trim_start_matches(['0', '1']).to_owned())
    };
    let facts = bench.facts();
    let mut found: Vec<_> = facts[0].iter().map(told).collect();
    found.sort();
    let expected = [
        ("release/71", "production", "success", "a"),
        ("release/72", "production", "success", "4"),
        ("run/901/1", "pier", "success", "a"),
        ("run/902/1", "pier", "failed", "4"),
        ("run/903/1", "pier", "success", "e"),
        ("run/904/1", "pier", "success", "28"),
    ];
    let found: Vec<_> = found.iter().map(|(a, b, c, d)| (a.as_str(), b.as_str(), c.as_str(), d.as_str())).collect();
    assert_eq!(found, expected);
    let calls = bench.provider.world.lock().unwrap().calls.clone();
    assert!(calls.contains(&"POST /api/graphql".to_owned()), "{calls:?}");
    assert!(calls.iter().all(|call| call.contains(" /api/")), "{calls:?}");
    let again = bench.collect();
    assert!(again.contains("0 new records"), "{again}");
    let listed = bench.run(&["sources"]).stdout;
    for part in ["name that nobody mapped:", "  environment pier: 4 deployments", "    [[environment]]"] {
        assert!(listed.contains(part), "{part} is not in {listed}");
    }
}

/// A private key of an App, as an option.
fn private_key(folder: &Path) -> String {
    let key = folder.join("app.pem");
    let made = std::process::Command::new("openssl").args(["genrsa", "-out"]).arg(&key).arg("2048").output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    format!("token = {{ file = '{}' }}", key.display())
}

fn row(answer: &Value) -> &Value {
    answer["data"].as_array().unwrap().iter().find(|row| row["source"] == "github/main").unwrap()
}

/// No file holds the token: neither the lake, nor the inbox, nor the log.
fn assert_hidden(folder: &Path) {
    let mut n_files = 0;
    for entry in walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap).filter(|e| e.file_type().is_file()) {
        let bytes = std::fs::read(entry.path()).unwrap();
        let found = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
        assert!(!found, "{} holds the token", entry.path().display());
        n_files += 1;
    }
    assert!(n_files > 5, "only {n_files} files were looked into");
}
