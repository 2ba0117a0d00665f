//! What is acknowledged is never lost, never counted twice, and nothing else is there: a server under load is
//! killed at random moments and started again on the same directory, while its clients send again what
//! they got no answer to.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::{Serving, run};
use crate::history::Random;

const N_CLIENTS: usize = 4;
const N_KILLS: usize = 50;
/// All that is told lies in here.
const PERIOD: &str = "from=2026-01-01&to=2026-03-01";

/// What clients and the hand that kills know of each other.
#[derive(Debug, Default)]
struct Load {
    /// Where the server is now; it has a new port after each start.
    address: Mutex<String>,
    is_over: AtomicBool,
}

/// Numbers of what one client told. What it gave up on may have been kept or not.
#[derive(Debug, Default)]
struct Told {
    sent: BTreeSet<usize>,
    acknowledged: BTreeSet<usize>,
    n_retried: usize,
}

impl Load {
    fn is_at(&self, server: &Serving) {
        self.address.lock().unwrap().clone_from(&server.address);
    }
}

/// A deployment with one change of its own, and with every third one an incident that it caused.
fn events(client: usize, number: usize) -> Vec<Value> {
    let at = |minutes: usize| {
        let start: chrono::DateTime<chrono::Utc> = "2026-01-02T00:00:00Z".parse().unwrap();
        (start + chrono::TimeDelta::minutes(minutes as i64)).to_rfc3339()
    };
    let service = format!("service-{client}");
    let id = format!("{client}-{number}");
    let mut events = vec![json!({
        "type": "deployment", "id": id, "service": service, "finished_at": at(number + 2),
        "changes": [{"id": format!("change-{id}"), "committed_at": at(number)}],
    })];
    if number.is_multiple_of(3) {
        events.push(json!({
            "type": "incident", "id": id, "service": service, "opened_at": at(number + 3), "caused_by": id,
        }));
    }
    events
}

/// Sends one to twelve things at a time until it is over, and then only what is still unanswered.
async fn client(number: usize, load: Arc<Load>) -> Told {
    let mut random = Random::new(number as u64);
    let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let mut told = Told::default();
    let mut unanswered: Vec<usize> = Vec::new();
    // Number 0 is each service's first deployment, which is told before.
    let mut next = 1;
    loop {
        let is_over = load.is_over.load(Ordering::SeqCst);
        if unanswered.is_empty() {
            if is_over {
                return told;
            }
            let end = next + if random.below(2) == 0 { 1 } else { 2 + random.below(11) };
            unanswered.extend(next..end);
            next = end;
        }
        told.sent.extend(&unanswered);
        if post(&http, &load, number, &unanswered).await {
            told.acknowledged.extend(unanswered.drain(..));
            continue;
        }
        told.n_retried += 1;
        // Some senders give up.
        if random.below(6) == 0 {
            unanswered.clear();
        }
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

/// Whether the server said that it has them.
async fn post(http: &reqwest::Client, load: &Load, client: usize, numbers: &[usize]) -> bool {
    let address = load.address.lock().unwrap().clone();
    let lines: Vec<String> = numbers.iter().flat_map(|n| events(client, *n)).map(|e| e.to_string()).collect();
    let n_events = lines.len();
    let request = http.post(format!("{address}/api/v1/events")).header("content-type", "application/x-ndjson");
    let Ok(response) = request.body(lines.join("\n")).send().await else { return false };
    let is_kept = response.status().is_success();
    // A 2xx counts from its first line on, whether or not the rest of the answer still arrives.
    if let Ok(body) = response.text().await {
        assert_eq!(is_kept, body.contains(&format!("\"accepted\":{n_events},")), "{body}");
    }
    is_kept
}

/// Runs clients against the server while `upset` does what it does to it; gives the last server and what
/// each client told.
fn under_load(data: &Path, upset: impl FnOnce(Serving, &Load) -> Serving) -> (Serving, Vec<Told>) {
    let server = Serving::start(data);
    for number in 0..N_CLIENTS {
        server.tell(&json!(events(number, 0)));
    }
    let load = Arc::new(Load::default());
    load.is_at(&server);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let clients: Vec<_> = (0..N_CLIENTS).map(|number| runtime.spawn(client(number, Arc::clone(&load)))).collect();
    let server = upset(server, &load);
    load.is_over.store(true, Ordering::SeqCst);
    let told = clients.into_iter().map(|client| runtime.block_on(client).unwrap()).collect();
    server.wait_until_settled();
    (server, told)
}

/// Each acknowledged thing is there once, and nothing is there that was not sent.
fn assert_exactly_once(server: &Serving, told: &[Told]) {
    let deployments = server.rows(&format!("/api/v1/deployments?{PERIOD}&limit=1000"));
    let incidents = server.rows(&format!("/api/v1/incidents?{PERIOD}&limit=1000"));
    let (mut n_deployments, mut n_incidents) = (0, 0);
    for (client, told) in told.iter().enumerate() {
        let is_incident = |number: &usize| number.is_multiple_of(3);
        let found = numbers_of(client, &deployments, "deployment");
        assert_between(&told.acknowledged, &found, &told.sent, "deployments");
        n_deployments += found.len();
        let found = numbers_of(client, &incidents, "incident");
        let [acknowledged, sent] =
            [&told.acknowledged, &told.sent].map(|all| all.iter().copied().filter(is_incident).collect());
        assert_between(&acknowledged, &found, &sent, "incidents");
        n_incidents += found.len();
    }
    assert_eq!(incidents.len(), n_incidents + N_CLIENTS, "incidents of somebody else");
    assert_eq!(deployments.len(), n_deployments + N_CLIENTS, "deployments of somebody else");
    let metric = |id: &str| server.json(&format!("/api/v1/metrics/{id}?{PERIOD}&bucket=all"))["data"][0].clone();
    let frequency = metric("deployment-frequency");
    assert_eq!(frequency["value"], n_deployments + N_CLIENTS, "{frequency}");
    let fail_rate = metric("change-fail-rate");
    assert_eq!(fail_rate["denominator"], n_deployments + N_CLIENTS, "{fail_rate}");
    assert_eq!(fail_rate["numerator"], n_incidents + N_CLIENTS, "{fail_rate}");
    // What the first deployment of a service brings is not known to be new.
    let lead_time = metric("change-lead-time");
    assert_eq!(lead_time["n"], n_deployments, "{lead_time}");
    assert_eq!(lead_time["value"], 120.0, "{lead_time}");
}

/// Numbers of what a client's rows name, each of which may be there only once.
fn numbers_of(client: usize, rows: &[Value], key: &str) -> BTreeSet<usize> {
    let prefix = format!("{client}-");
    let ids = rows.iter().filter_map(|row| row[key].as_str().unwrap().strip_prefix(&prefix));
    let mut numbers = BTreeSet::new();
    for number in ids.map(|id| id.parse::<usize>().unwrap()).filter(|number| *number > 0) {
        assert!(numbers.insert(number), "{key} {prefix}{number} is there twice");
    }
    numbers
}

fn assert_between(acknowledged: &BTreeSet<usize>, found: &BTreeSet<usize>, sent: &BTreeSet<usize>, what: &str) {
    let lost: Vec<_> = acknowledged.difference(found).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged {what} are lost: {lost:?}", lost.len(), acknowledged.len());
    let phantoms: Vec<_> = found.difference(sent).collect();
    assert!(phantoms.is_empty(), "{what} that nobody sent: {phantoms:?}");
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("lake");
    let mut random = Random::new(7);
    let (server, told) = under_load(&data, |mut server, load| {
        for _ in 0..N_KILLS {
            std::thread::sleep(Duration::from_millis(20 + random.below(281) as u64));
            server.kill();
            server = Serving::start(&data);
            load.is_at(&server);
        }
        server
    });
    let n_acknowledged: usize = told.iter().map(|told| told.acknowledged.len()).sum();
    let n_retried: usize = told.iter().map(|told| told.n_retried).sum();
    assert!(n_acknowledged > 2 * N_KILLS, "only {n_acknowledged} were acknowledged: that was no load");
    assert!(n_retried > N_KILLS / 2, "only {n_retried} requests failed: the kills hit nobody");
    assert_exactly_once(&server, &told);
    // Nor do the numbers depend on what the last process still had in memory.
    server.kill();
    let server = Serving::start(&data);
    server.wait_until_settled();
    assert_exactly_once(&server, &told);
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_told_to_stop() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("lake");
    let (server, told) = under_load(&data, |mut server, load| {
        for pause in [30, 300, 150] {
            std::thread::sleep(Duration::from_millis(pause));
            let status = server.terminate();
            assert!(status.success(), "told to stop, it ended with {status}");
            server = Serving::start(&data);
            load.is_at(&server);
        }
        server
    });
    assert!(told.iter().all(|told| !told.acknowledged.is_empty()), "that was no load");
    assert_exactly_once(&server, &told);
}

#[test]
fn a_second_server_on_a_directory_fails_and_names_it() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("lake");
    let first = Serving::start(&data);
    let second = run(["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()]);
    assert!(!second.succeeded);
    let sentence = format!("another dorado is using `{}`", data.display());
    assert!(second.stderr.contains(&sentence), "{}", second.stderr);
    assert_eq!(first.get("/healthz").status, 200, "the first one was disturbed");
    first.kill();
    // A lock that outlives its owner would keep everybody out for good.
    Serving::start(&data);
}
