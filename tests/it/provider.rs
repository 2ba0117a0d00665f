//! A provider of our own that is asked as GitHub is and misbehaves by a script: it limits, fails, cuts answers short, moves
//! and deletes repositories, and lets pages shift while they are read. Shares no code with what reads it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// The token that is let in.
pub(crate) const TOKEN: &str = "t0ken-of-the-provider-c4n4ry";

/// What it knows, and how it behaves.
#[derive(Debug, Default)]
pub(crate) struct World {
    /// By number; each is a whole node as the query asks for it.
    pulls: BTreeMap<u64, Value>,
    /// Oldest first.
    deployments: Vec<(Value, Vec<Value>)>,
    /// Newest first.
    commits: Vec<Value>,
    issues: Vec<Value>,
    /// Newest first; and the runs of the one workflow.
    releases: Vec<Value>,
    runs: Vec<Value>,
    /// Where a server of one's own has its API; empty for the world's.
    pub(crate) folder: &'static str,
    /// The name that the repository has now.
    name: String,
    /// Every so many calls, one of the bad moods in turn; 0 for never.
    pub(crate) bad_every: usize,
    /// Pull requests are touched and deployments made and deleted while it is read.
    pub(crate) is_lively: bool,
    /// Nobody is let in.
    pub(crate) is_revoked: bool,
    /// Every call so far: method and path.
    pub(crate) calls: Vec<String>,
    /// Rows a page at most, whatever is asked for.
    pub(crate) page_size: usize,
    n_bad: usize,
}

/// A running provider. Ends with the process.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) address: String,
    pub(crate) world: Arc<Mutex<World>>,
}

fn at(hours: i64, minutes: i64) -> String {
    let start: DateTime<Utc> = "2026-06-01T00:00:00Z".parse().unwrap();
    (start + TimeDelta::hours(hours) + TimeDelta::minutes(minutes)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn sha(kind: u64, number: u64) -> String {
    format!("{kind:08x}{number:032x}")
}

impl World {
    /// A repository with so many pull requests, an hour apart; every tenth is followed by a deployment of its merge, every
    /// third of which fails at first and has an incident.
    pub(crate) fn new(n_pulls: u64) -> Self {
        let mut world = Self { name: "acme/shop".to_owned(), page_size: 100, ..Self::default() };
        for number in 1..=n_pulls {
            world.pull(number);
        }
        for n in 1..=n_pulls / 10 {
            world.deployment(n);
        }
        world
    }

    pub(crate) fn pull(&mut self, number: u64) {
        let hours = number as i64;
        let commit = |kind: u64, minutes: i64, parent: String| {
            json!({
                "oid": sha(kind, number), "message": format!("Work {number} ({kind})"), "authoredDate": at(hours, minutes),
                "committedDate": at(hours, minutes + 1), "author": {"name": "Ann", "user": {"login": "ann"}},
                "parents": {"nodes": [{"oid": parent}]},
            })
        };
        let base = sha(1, number - 1);
        let merge = commit(1, 50, base.clone());
        let node = json!({
            "number": number, "title": format!("Pull request {number}"), "url": format!("https://example.org/{number}"),
            "createdAt": at(hours, 10), "updatedAt": at(hours, 51), "mergedAt": at(hours, 51), "closedAt": at(hours, 51),
            "headRefName": format!("work-{number}"), "baseRefName": "main",
            "author": {"login": "ann", "__typename": "User"}, "labels": {"nodes": [{"name": "feature"}]},
            "mergeCommit": merge,
            "reviews": {"nodes": [
                {"state": "COMMENTED", "submittedAt": at(hours, 20), "author": {"login": "checks", "__typename": "Bot"}},
                {"state": "APPROVED", "submittedAt": at(hours, 30), "author": {"login": "bob", "__typename": "User"}},
            ]},
            "commits": {"pageInfo": {"hasNextPage": false, "endCursor": null}, "nodes": [
                {"commit": commit(2, 0, base)}, {"commit": commit(3, 5, sha(2, number))},
            ]},
        });
        self.pulls.insert(number, node);
        self.commits.insert(0, json!({
            "sha": sha(1, number), "html_url": format!("https://example.org/commit/{number}"), "author": {"login": "ann"},
            "commit": {
                "message": format!("Work {number} (1)"), "author": {"name": "Ann", "date": at(hours, 50)},
                "committer": {"name": "Ann", "date": at(hours, 51)},
            },
            "parents": [{"sha": sha(1, number - 1)}],
        }));
    }

    pub(crate) fn deployment(&mut self, n: u64) {
        let hours = n as i64 * 10 + 1;
        let deployment = json!({
            "id": 1000 + n, "sha": sha(1, n * 10), "ref": "main", "task": "deploy", "payload": {},
            "environment": "production", "production_environment": true, "description": null,
            "created_at": at(hours, 0), "updated_at": at(hours, 6),
        });
        let status = |id: u64, state: &str, minutes: i64| {
            json!({
                "id": id, "state": state, "environment": "production", "created_at": at(hours, minutes),
                "updated_at": at(hours, minutes),
            })
        };
        let result = if n.is_multiple_of(3) { "failure" } else { "success" };
        let statuses =
            vec![status(n * 10 + 2, "inactive", 600), status(n * 10 + 1, result, 6), status(n * 10, "in_progress", 1)];
        self.deployments.push((deployment, statuses));
        if n.is_multiple_of(4) {
            self.issues.push(json!({
                "id": n, "number": 5000 + n, "title": "Checkout is down", "body": "Nobody can pay.", "state": "closed",
                "labels": [{"name": "incident"}], "created_at": at(hours, 20), "updated_at": at(hours, 50),
                "closed_at": at(hours, 50), "html_url": "https://example.org/issue",
            }));
        }
    }

    /// Releases, of which one is a draft and one for trying; and runs of a workflow, of which one failed.
    pub(crate) fn release(&mut self) {
        for n in (1..=4_u64).rev() {
            let hours = n as i64 * 10 + 2;
            self.releases.push(json!({
                "id": 70 + n, "tag_name": format!("v1.{n}"), "target_commitish": "main", "name": format!("Release {n}"),
                "draft": n == 3, "prerelease": n == 4, "created_at": at(hours, 0), "published_at": at(hours, 1),
                "html_url": "https://example.org/release",
            }));
            self.runs.push(json!({
                "id": 900 + n, "name": "Deploy", "path": ".github/workflows/deploy.yml", "head_branch": "main",
                "head_sha": sha(1, n * 10), "status": "completed", "run_attempt": 1,
                "conclusion": if n == 2 { "failure" } else { "success" }, "created_at": at(hours, 10),
                "run_started_at": at(hours, 10), "updated_at": at(hours, 15), "html_url": "https://example.org/run",
            }));
        }
    }

    /// What happens on its own while somebody reads.
    fn live(&mut self) {
        let n = self.calls.len() as u64;
        if !self.is_lively {
            return;
        }
        // One that was perhaps not read yet moves to the front.
        if n.is_multiple_of(4) {
            let number = n * 7 % self.pulls.len() as u64 + 1;
            let minutes = 51 + n as i64;
            let newest = self.pulls.len() as i64 + 5;
            self.pulls.get_mut(&number).unwrap()["updatedAt"] = json!(at(newest, minutes));
        }
        // A deployment that is of no account goes, and those behind it move up.
        if n.is_multiple_of(9) {
            self.deployments.retain(|(deployment, _)| deployment["environment"] != "preview");
        }
        if n == 6 {
            let (mut preview, _) = self.deployments[0].clone();
            let last = self.deployments.last().unwrap().0.clone();
            (preview["environment"], preview["id"]) = (json!("preview"), json!(1));
            (preview["production_environment"], preview["created_at"]) = (json!(false), last["created_at"].clone());
            self.deployments.push((preview, Vec::new()));
        }
    }

    pub(crate) fn forget_deployments(&mut self) {
        self.deployments.clear();
        self.issues.clear();
    }

    pub(crate) fn rename(&mut self, name: &str) {
        name.clone_into(&mut self.name);
    }

    /// Status, further headers and body of the answer to a call.
    fn answer(&self, method: &str, address: &str, body: &Value) -> (u16, Vec<(String, String)>, Value) {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        let query: BTreeMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let not_found = || (404, Vec::new(), json!({"message": "Not Found"}));
        // A server of one's own has REST in a folder of its API, and GraphQL beside it.
        if method == "POST" && path == format!("{}/graphql", self.folder.trim_end_matches("/v3")) {
            return (200, Vec::new(), self.graphql(body));
        }
        let Some(path) = path.strip_prefix(self.folder) else { return not_found() };
        if path == "/app" {
            return (200, Vec::new(), json!({"id": 123}));
        }
        if path == "/users/acme/installation" {
            return (200, Vec::new(), json!({"id": 5}));
        }
        if method == "POST" && path == "/app/installations/5/access_tokens" {
            let token = json!({"token": TOKEN, "expires_at": "2126-01-01T00:00:00Z", "permissions": {}});
            return (201, Vec::new(), token);
        }
        if let Some(id) = path.strip_prefix("/repos/acme/shop/hooks/3/deliveries") {
            return (200, Vec::new(), Self::hook_deliveries(id));
        }
        if path == "/repositories/7" {
            return (200, Vec::new(), json!({"id": 7, "full_name": self.name}));
        }
        if path == "/orgs/acme/repos" {
            return (200, Vec::new(), json!([{"full_name": self.name}, {"full_name": "other/thing"}]));
        }
        let Some(rest) = path.strip_prefix("/repos/") else { return not_found() };
        let mut segments = rest.splitn(3, '/');
        let name = format!("{}/{}", segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let list = segments.next().unwrap_or_default();
        if name != self.name {
            if name != "acme/shop" {
                return not_found();
            }
            let to = format!("http://{{host}}{}/repositories/7/{list}", self.folder);
            return (301, vec![("location".to_owned(), to)], json!({"message": "Moved Permanently"}));
        }
        if list.is_empty() {
            return (200, Vec::new(), json!({"id": 7, "full_name": self.name}));
        }
        let newest_first = || self.deployments.iter().rev();
        let rows: Vec<Value> = match list {
            "deployments" => newest_first().map(|(deployment, _)| deployment.clone()).collect(),
            "commits" => self.commits.clone(),
            "issues" => self.issues.iter().rev().cloned().collect(),
            "releases" => self.releases.clone(),
            "actions/workflows/deploy.yml/runs" => self.runs.clone(),
            list if list.starts_with("commits/v1%2E") => {
                let n: u64 = list.trim_start_matches("commits/v1%2E").parse().unwrap();
                return (200, Vec::new(), json!({"sha": sha(1, n * 10)}));
            }
            list => {
                let id = list.trim_start_matches("deployments/").trim_end_matches("/statuses");
                match newest_first()
                    .find(|(deployment, _)| deployment["id"].as_u64().is_some_and(|n| n.to_string() == id))
                {
                    Some((_, statuses)) => statuses.clone(),
                    None => return not_found(),
                }
            }
        };
        let per_page = query.get("per_page").map_or(30, |n| n.parse().unwrap()).min(self.page_size);
        let page: usize = query.get("page").map_or(1, |n| n.parse().unwrap());
        let here: Vec<Value> = rows.iter().skip((page - 1) * per_page).take(per_page).cloned().collect();
        let mut headers = vec![("etag".to_owned(), format!("\"{:x}\"", digest(&json!(here).to_string())))];
        if rows.len() > page * per_page {
            let whole = format!("http://{{host}}{}{path}", self.folder);
            headers.push(("link".to_owned(), format!("<{whole}?page={}&per_page={per_page}>; rel=\"next\"", page + 1)));
        }
        let body = if list.ends_with("/runs") {
            json!({"total_count": rows.len(), "workflow_runs": here})
        } else {
            json!(here)
        };
        (200, headers, body)
    }

    /// One that got through at the second try, and one that never did.
    fn hook_deliveries(id: &str) -> Value {
        let tried = |id: u64, guid: &str, code: u64| json!({"id": id, "guid": guid, "delivered_at": Utc::now().to_rfc3339(), "status_code": code, "event": "issues"});
        if id.is_empty() {
            return json!([tried(4, "lost", 502), tried(3, "late", 200), tried(2, "late", 500), tried(1, "lost", 503)]);
        }
        let issue = json!({
            "number": 77, "title": "The till is stuck", "labels": [{"name": "incident"}], "created_at": at(9, 0),
            "updated_at": at(10, 0), "closed_at": at(10, 0),
        });
        let payload = json!({"action": "closed", "issue": issue, "repository": {"full_name": "acme/shop"}});
        json!({"event": "issues", "guid": "lost", "request": {"payload": payload}})
    }

    /// Whole nodes, the last updated first; a cursor is a number of rows to pass over.
    fn graphql(&self, body: &Value) -> Value {
        let variables = &body["variables"];
        let asked = format!("{}/{}", variables["owner"].as_str().unwrap(), variables["name"].as_str().unwrap());
        if asked != self.name && asked != "acme/shop" {
            return json!({"data": {"repository": null}, "errors": [{"type": "NOT_FOUND", "message": "no such thing"}]});
        }
        let first = (variables["first"].as_u64().unwrap() as usize).min(self.page_size);
        let from: usize = variables["after"].as_str().map_or(0, |after| after.parse().unwrap());
        let mut nodes: Vec<&Value> = self.pulls.values().collect();
        nodes.sort_by_key(|node| std::cmp::Reverse(node["updatedAt"].as_str().unwrap().to_owned()));
        let here: Vec<&&Value> = nodes.iter().skip(from).take(first).collect();
        let end = from + here.len();
        json!({"data": {"repository": {
            "nameWithOwner": self.name,
            "pullRequests": {"pageInfo": {"hasNextPage": end < nodes.len(), "endCursor": end.to_string()}, "nodes": here},
        }}})
    }
}

fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Provider {
    pub(crate) fn start(world: World) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let provider = Self { address: format!("http://{host}"), world: Arc::new(Mutex::new(world)) };
        let (served, world_host) = (provider.clone(), host);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (served, host) = (served.clone(), world_host.clone());
                // Who asks may be killed in the middle.
                std::thread::spawn(move || drop(served.serve(stream, &host)));
            }
        });
        provider
    }

    fn serve(&self, mut stream: TcpStream, host: &str) -> std::io::Result<()> {
        let mut reader = BufReader::new(stream.try_clone()?);
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let mut words = line.split(' ');
        let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers.get("content-length").map_or(0, |n| n.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = serde_json::from_slice(&body).unwrap_or_default();
        std::thread::sleep(Duration::from_millis(5));

        let (mood, mut answer) = {
            let mut world = self.world.lock().unwrap();
            world.calls.push(format!("{method} {path}"));
            world.live();
            let is_bad = world.bad_every > 0 && world.calls.len().is_multiple_of(world.bad_every);
            world.n_bad += usize::from(is_bad);
            let mood = if is_bad { world.n_bad % 5 + 1 } else { 0 };
            let given = headers.get("authorization").map_or("", String::as_str);
            // Who says that it is the App, signed or not, learns only of its installation.
            let is_app = given.starts_with("Bearer ey") && (path.contains("installation") || path.ends_with("/app"));
            let is_let_in = given == format!("Bearer {TOKEN}") || is_app;
            if world.is_revoked || !is_let_in {
                // What it was sent, it repeats.
                let said = format!("Bad credentials: {}", headers.get("authorization").cloned().unwrap_or_default());
                (0, (401, Vec::new(), json!({ "message": said })))
            } else {
                (mood, world.answer(&method, &path, &body))
            }
        };
        let etag = answer.1.iter().find(|(name, _)| name == "etag").map(|(_, value)| value.clone());
        if etag.is_some() && headers.get("if-none-match") == etag.as_ref() {
            answer = (304, answer.1, Value::Null);
        }
        let limited = |status: u16, said: &str| {
            (status, vec![("retry-after".to_owned(), "1".to_owned())], json!({"message": said}))
        };
        match mood {
            1 => answer = (500, Vec::new(), json!({"message": "Server Error"})),
            2 => answer = limited(429, "too many"),
            3 => answer = limited(403, "You have exceeded a secondary rate limit"),
            4 => answer = (502, Vec::new(), Value::Null),
            _ => {}
        }
        let (status, headers, body) = answer;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.extend([name.as_str(), ": ", &value.replace("{host}", host), "\r\n"]);
        }
        stream.write_all(format!("{head}content-length: {}\r\n\r\n", body.len()).as_bytes())?;
        // The last mood: it hangs up in the middle.
        let end = if mood == 5 { body.len() / 2 } else { body.len() };
        stream.write_all(&body.as_bytes()[..end])
    }
}
