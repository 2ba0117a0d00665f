//! Random histories of small organisations, as newline-separated events. The same seed gives the same
//! history. Made so that what the definitions leave open is not met (`tests/metrics/README.md` has the list).

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

type Instant = DateTime<Utc>;

/// A seeded source of choices (SplitMix64), so that a history depends on nothing but its number.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number under `n`, which is not zero.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        (!from.is_empty()).then(|| &from[self.below(from.len())])
    }

    /// The same values in any order.
    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        for i in (1..values.len()).rev() {
            values.swap(i, self.below(i + 1));
        }
    }
}

/// How a service's deployments tell what they hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Listed,
    Graph,
    Merged,
}

/// A history of one to three services, its events in no order.
pub(crate) fn history(seed: u64) -> Vec<String> {
    let mut random = Random::new(seed);
    let mut events = Vec::new();
    for n in 0..=random.below(3) {
        events.extend(service(&mut random, ["anchor", "beacon", "compass"][n]));
    }
    random.shuffle(&mut events);
    events.iter().map(Value::to_string).collect()
}

/// Events of one service, in no order.
pub(crate) fn service(random: &mut Random, name: &'static str) -> Vec<Value> {
    let style = *random.pick(&[Style::Listed, Style::Graph, Style::Merged]).unwrap_or(&Style::Graph);
    let mut maker =
        Maker { random: random.clone(), name, style, commits: Vec::new(), deployed: Vec::new(), events: Vec::new() };
    for n in 0..maker.random.below(40) {
        maker.commit(n);
    }
    let mut finishes: Vec<Instant> = (0..maker.random.below(26)).map(|_| maker.half_hour(2, 43)).collect();
    finishes.sort();
    for (n, finished_at) in finishes.into_iter().enumerate() {
        maker.deployment(n, finished_at);
    }
    for n in 0..maker.random.below(7) {
        maker.incident(n);
    }
    for n in 0..maker.random.below(4) {
        maker.verdict(n);
    }
    *random = maker.random;
    maker.events
}

#[derive(Debug, Clone)]
struct Commit {
    id: String,
    at: Instant,
    is_plain: bool,
}

/// A deployment that reached production.
#[derive(Debug, Clone)]
struct Deployed {
    id: String,
    environment: &'static str,
    finished_at: Instant,
    revision: Option<String>,
}

struct Maker {
    random: Random,
    name: &'static str,
    style: Style,
    commits: Vec<Commit>,
    deployed: Vec<Deployed>,
    events: Vec<Value>,
}

impl Maker {
    /// On a grid of half hours, so that many things happen at one instant.
    fn half_hour(&mut self, from_day: usize, days: usize) -> Instant {
        let start: Instant = "2026-03-06T00:00:00Z".parse().unwrap_or_default();
        start + TimeDelta::minutes(30 * (from_day * 48 + self.random.below(days * 48)) as i64)
    }

    fn id(&self, kind: &str, n: usize) -> String {
        format!("{}-{kind}{n:02}", self.name)
    }

    fn commit(&mut self, n: usize) {
        let id = self.id("c", n);
        let last = self.commits.last().map(|c| c.at);
        let at = last.unwrap_or_else(|| self.half_hour(0, 1)) + TimeDelta::minutes(30 * self.random.below(72) as i64);
        let mut event = json!({"type": "change", "id": id, "service": self.name, "authored_at": at, "committed_at": at + TimeDelta::minutes(20), "merged_at": at + TimeDelta::minutes(30)});
        let mut is_plain = !self.skew(&mut event);
        if self.style == Style::Graph {
            event["parents"] = json!(self.parents());
            is_plain &= event["parents"].as_array().is_some_and(|p| p.len() < 2);
            if is_plain {
                is_plain = !(self.pick_or_revert(&mut event) || self.squash(&id, &event, n));
            }
        }
        self.tell_twice(&event);
        self.commits.push(Commit { id, at, is_plain });
    }

    /// Clocks that cannot be believed: the author's, or both.
    fn skew(&mut self, event: &mut Value) -> bool {
        let (author, both) = (self.random.chance(6), self.random.chance(2));
        let unbelievable = if self.random.chance(50) { "2027-03-01T00:00:00Z" } else { "1985-10-26T01:21:00Z" };
        if author || both {
            event["authored_at"] = json!(unbelievable);
        }
        if both {
            event["committed_at"] = json!(unbelievable);
        }
        author || both
    }

    fn parents(&mut self) -> Vec<String> {
        let Some(last) = self.commits.last().cloned() else { return Vec::new() };
        let other = self.random.pick(&self.commits).cloned().unwrap_or_else(|| last.clone());
        match self.random.below(10) {
            0 => vec![other.id],
            1 if other.id != last.id => vec![last.id, other.id],
            _ => vec![last.id],
        }
    }

    fn pick_or_revert(&mut self, event: &mut Value) -> bool {
        let plain: Vec<&Commit> = self.commits.iter().filter(|c| c.is_plain).collect();
        let Some(other) = self.random.pick(&plain) else { return false };
        if self.random.chance(6) {
            event["cherry_pick_of"] = json!(other.id);
            event["authored_at"] = json!(other.at);
            event["committed_at"] = json!(other.at + TimeDelta::minutes(20));
            return true;
        }
        if self.random.chance(5) {
            event["reverts"] = json!(other.id);
            return true;
        }
        false
    }

    /// Makes a commit the squash of a pull request whose two commits are known.
    fn squash(&mut self, id: &str, event: &Value, n: usize) -> bool {
        if !self.random.chance(8) {
            return false;
        }
        let own = [format!("{id}a"), format!("{id}b")];
        for (commit, parent) in own.iter().zip([&event["parents"], &json!([own[0]])]) {
            let mut commit = json!({"type": "change", "id": commit, "service": self.name, "parents": parent, "committed_at": event["committed_at"]});
            commit["authored_at"] = event["authored_at"].clone();
            self.events.push(commit);
        }
        let merged_at = event["merged_at"].clone();
        let mut pull_request = json!({"type": "pull_request", "id": self.id("p", n), "service": self.name, "opened_at": event["authored_at"], "merged_at": merged_at, "commits": own, "merge_commit": id});
        // Some are reviewed, some of these approved, and some of these by a clock that is off.
        let opened_at = event["committed_at"].as_str().and_then(|at| at.parse::<Instant>().ok()).unwrap_or_default();
        if !n.is_multiple_of(3) {
            pull_request["first_review_at"] = json!(opened_at + TimeDelta::minutes(n as i64));
        }
        if n % 5 > 1 {
            pull_request["approved_at"] = json!(opened_at + TimeDelta::minutes(15));
        }
        self.events.push(pull_request);
        true
    }

    fn deployment(&mut self, n: usize, finished_at: Instant) {
        let id = self.id("d", n);
        let environment = *self
            .random
            .pick(&["production", "production", "production", "production-eu", "staging"])
            .unwrap_or(&"production");
        let status = *self
            .random
            .pick(&["success", "success", "success", "success", "success", "failed", "cancelled"])
            .unwrap_or(&"success");
        let minutes = *self.random.pick(&[10, 30, 120, 5 * 24 * 60]).unwrap_or(&10);
        let started_at = finished_at - TimeDelta::minutes(minutes);
        let mut event = json!({"type": "deployment", "id": id, "service": self.name, "environment": environment, "status": status, "started_at": started_at, "finished_at": finished_at});
        self.contents(&mut event, n, finished_at);
        self.flags(&mut event, n, finished_at);
        if self.random.chance(20) {
            let mut running = event.clone();
            running["status"] = json!("running");
            running["updated_at"] = json!(started_at);
            running["finished_at"] = Value::Null;
            self.events.push(running);
        }
        let is_deleted = self.random.clone().chance(6);
        if is_deleted {
            // Nothing names it then: what that would mean is left open.
            let at = finished_at + TimeDelta::hours(n as i64);
            self.events.push(json!({"type": "deployment", "id": id, "deleted_at": at + TimeDelta::minutes(1)}));
        }
        if status == "success" && environment != "staging" && !is_deleted {
            let revision = event["revision"].as_str().map(str::to_owned);
            self.deployed.push(Deployed { id, environment, finished_at, revision });
        }
        self.tell_twice(&event);
    }

    fn contents(&mut self, event: &mut Value, n: usize, finished_at: Instant) {
        let believable: Vec<Commit> = self.commits.iter().filter(|c| c.at <= finished_at).cloned().collect();
        match self.style {
            Style::Graph => {
                let newest = &believable[believable.len().saturating_sub(4)..];
                let from = if self.random.chance(70) { newest } else { &believable };
                let revision =
                    self.random.pick(from).map_or_else(|| format!("{}-unknown", self.name), |c| c.id.clone());
                event["revision"] = json!(revision);
            }
            Style::Listed => {
                let mut listed = vec![self.id("nothing", n)];
                for _ in 0..self.random.below(5) {
                    listed.extend(self.random.pick(&believable).map(|c| c.id.clone()));
                }
                event["changes"] = json!(listed);
                event["revision"] = json!(self.id("r", self.random.clone().below(n + 3)));
            }
            Style::Merged if self.random.chance(70) => {
                event["revision"] = json!(self.id("r", self.random.clone().below(n + 3)));
            }
            Style::Merged => {}
        }
    }

    fn flags(&mut self, event: &mut Value, n: usize, finished_at: Instant) {
        let environment = event["environment"].as_str().unwrap_or_default().to_owned();
        let previous = self.deployed.iter().rfind(|d| d.environment == environment).cloned();
        let is_alone = self.deployed.iter().all(|d| d.finished_at < finished_at);
        match self.random.below(16) {
            0 => {
                event["rollback"] = json!(true);
                // What is rolled back is what was there: naming another one is left open.
                if let Some(previous) = previous.filter(|_| is_alone && self.random.chance(50)) {
                    event["rolls_back"] = json!(previous.id);
                }
            }
            1 => {
                event["hotfix"] = json!(true);
                let before: Vec<Deployed> =
                    self.deployed.iter().filter(|d| d.finished_at < finished_at).cloned().collect();
                let named = self.random.pick(&before).cloned();
                // Something new, since what names one deployment and puts back another is left open.
                if self.style != Style::Graph {
                    event["revision"] = json!(self.id("fix", n));
                }
                let is_new = self.deployed.iter().all(|d| d.revision.as_deref() != event["revision"].as_str());
                if let Some(named) = named.filter(|_| is_new && self.random.chance(50)) {
                    event["repairs"] = json!(named.id);
                }
            }
            2 => event["unplanned"] = json!(true),
            3 => event["branch"] = json!("hotfix/leak"),
            4 => event["title"] = json!("Revert \"Add a mast\""),
            _ => {}
        }
    }

    fn incident(&mut self, n: usize) {
        let near = self.random.pick(&self.deployed).cloned();
        let mut opened_at = self.half_hour(0, 45);
        let after = *self.random.pick(&[0, 3600, 24 * 3600, 24 * 3600 + 1, 40 * 3600]).unwrap_or(&0);
        let mut event = json!({"type": "incident", "id": self.id("i", n), "service": self.name});
        if let Some(near) = near {
            opened_at = near.finished_at + TimeDelta::seconds(after);
            if self.random.chance(25) {
                event["caused_by"] = json!(near.id);
            } else if self.random.chance(10) {
                // After all deployments, so that what caused it lies before it.
                opened_at = self.half_hour(46, 2);
                event["caused_by_change"] =
                    json!(self.random.pick(&self.commits).filter(|c| c.is_plain).map(|c| c.id.clone()));
            }
        }
        event["opened_at"] = json!(opened_at);
        if self.random.chance(30) {
            self.events.push(event.clone());
        }
        if self.random.chance(75) {
            let resolved_at = opened_at + TimeDelta::minutes(self.random.below(4000) as i64);
            event["resolved_at"] = json!(resolved_at);
            event["updated_at"] = json!(resolved_at + TimeDelta::minutes(1));
        }
        if self.random.clone().chance(6) {
            let at = opened_at + TimeDelta::days(30);
            self.events.push(json!({"type": "incident", "id": event["id"], "deleted_at": at}));
        }
        self.tell_twice(&event);
    }

    fn verdict(&mut self, n: usize) {
        let decided_at = self.half_hour(50, 2) + TimeDelta::minutes(n as i64);
        let mut event = json!({"type": "override", "id": self.id("o", n), "author": "ada", "reason": "seen in the review", "decided_at": decided_at});
        let Some(deployed) = self.random.pick(&self.deployed).cloned() else { return };
        let incident = self.id("i", self.random.clone().below(7));
        match self.random.below(4) {
            0 => event["verdict"] = json!("failed"),
            1 => event["verdict"] = json!("not_failed"),
            2 => {
                let opened_at = self.events.iter().find(|e| e["id"] == *incident).map(|e| e["opened_at"].clone());
                let opened_at: Option<Instant> = opened_at.and_then(|at| at.as_str()?.parse().ok());
                if opened_at.is_none_or(|at| at < deployed.finished_at) {
                    return;
                }
                event["verdict"] = json!("caused_by");
                event["incident"] = json!(incident);
            }
            _ => {
                event["verdict"] = json!("not_caused");
                event["incident"] = json!(incident);
            }
        }
        if event["verdict"] != "not_caused" {
            event["deployment"] = json!(deployed.id);
        }
        self.events.push(event.clone());
        if self.random.chance(25) {
            event["verdict"] = json!("withdrawn");
            event["decided_at"] = json!(decided_at + TimeDelta::hours(1));
            self.events.push(event);
        }
    }

    /// Tells an event, and sometimes tells it again.
    fn tell_twice(&mut self, event: &Value) {
        self.events.push(event.clone());
        if self.random.chance(10) {
            self.events.push(event.clone());
        }
    }
}
