//! The lists that REST gives, the newest first, page by page until what was read before.

use std::collections::HashSet;
use std::path::Path;

use chrono::TimeDelta;
use dorado_lake::{Delivery, Instant};
use serde_json::{Value, json};

use super::super::options::{DeploymentKind, Options};
use super::client::Listed;
use super::note::Seen;
use super::{PER_PAGE, Reader, instant};
use crate::http::Error as HttpError;
use crate::source::Error;

/// Deployments and releases that are read in detail before what they told is kept.
const DETAILS_AT_ONCE: usize = 20;

/// A list of a repository.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum List {
    Commits,
    Deployments,
    Releases,
    /// Runs of a workflow, by its file or its name.
    Runs(String),
    /// Issues with a label.
    Issues(String),
}

/// A page that was read, to be looked at once more after the next one.
pub(super) struct Before {
    repository: String,
    path: String,
    page: usize,
    etag: String,
    ids: HashSet<String>,
}

impl Before {
    fn is_of(&self, repository: &str, path: &str) -> bool {
        self.repository == repository && self.path == path
    }
}

impl List {
    /// What is read under these options.
    pub(super) fn of(options: &Options) -> Vec<Self> {
        let deployments = options.deployments.iter().map(|kind| match kind {
            DeploymentKind::Deployments {} => Self::Deployments,
            DeploymentKind::Releases { .. } => Self::Releases,
            DeploymentKind::Workflow { name, .. } => Self::Runs(name.clone()),
        });
        let issues = options.incident_labels.iter().cloned().map(Self::Issues);
        [Self::Commits].into_iter().chain(deployments).chain(issues).collect()
    }

    fn key(&self) -> String {
        match self {
            Self::Commits => "commits".to_owned(),
            Self::Deployments => "deployments".to_owned(),
            Self::Releases => "releases".to_owned(),
            Self::Runs(workflow) => format!("runs/{workflow}"),
            Self::Issues(label) => format!("issues/{label}"),
        }
    }

    /// What it lists, in words.
    pub(super) fn what(&self) -> &'static str {
        match self {
            Self::Commits => "commits",
            Self::Deployments => "deployments",
            Self::Releases => "releases",
            Self::Runs(_) => "workflow runs",
            Self::Issues(_) => "issues",
        }
    }

    pub(super) fn path(&self) -> String {
        match self {
            Self::Commits => "commits".to_owned(),
            Self::Deployments => "deployments".to_owned(),
            Self::Releases => "releases".to_owned(),
            Self::Runs(workflow) if is_file(workflow) => format!("actions/workflows/{workflow}/runs"),
            Self::Runs(_) => "actions/runs".to_owned(),
            Self::Issues(_) => "issues".to_owned(),
        }
    }

    /// By what its rows are ordered.
    fn clock(&self) -> &'static str {
        if matches!(self, Self::Issues(_)) { "updated_at" } else { "created_at" }
    }

    /// How much of what was read is read again: a draft is published and a run tried again later than it is made.
    fn overlap(&self) -> TimeDelta {
        match self {
            Self::Releases => TimeDelta::days(30),
            Self::Runs(_) => TimeDelta::days(2),
            // Commits have their authors' clocks.
            Self::Commits => TimeDelta::days(1),
            Self::Deployments | Self::Issues(_) => TimeDelta::zero(),
        }
    }
}

impl Reader<'_> {
    /// One page of a list, or a part of one whose rows need a call each; and whether the list is through.
    pub(super) async fn list(&mut self, repository: &str, list: &List) -> Result<(Vec<Delivery>, bool), Error> {
        let since = self.since();
        let key = list.key();
        let read = self.note.repositories.entry(repository.to_owned()).or_default();
        let floor = match list {
            List::Deployments => read.deployments_floor(since),
            _ => read.walk(&key).floor(since, list.overlap()),
        };
        if self.pending.is_empty() {
            let page: usize = read.walk(&key).next.as_ref().and_then(|page| page.parse().ok()).unwrap_or(1);
            let (rows, is_last) = self.rows(repository, list, page, floor).await?;
            let newest = rows.iter().filter_map(|row| row_clock(row, list)).max();
            let walk = self.note.repositories.entry(repository.to_owned()).or_default().walk(&key);
            walk.meet(newest);
            walk.next = if is_last { None } else { Some((page + 1).to_string()) };
            if !matches!(list, List::Deployments | List::Releases) {
                let deliveries = self.told(repository, list, rows);
                return Ok((deliveries, self.turned(repository, &key, is_last)));
            }
            // The page counts as read when its details are.
            walk.next = Some(page.to_string());
            self.pending = rows.into();
            self.pending.push_back(json!({ "is_last": is_last, "page": page }));
        }
        let mut deliveries = Vec::new();
        for _ in 0..DETAILS_AT_ONCE {
            let Some(row) = self.pending.front().cloned() else { break };
            if let Some(page) = row["page"].as_u64().filter(|_| row["is_last"].is_boolean()) {
                self.pending.clear();
                let is_last = row["is_last"] == true;
                let read = self.note.repositories.entry(repository.to_owned()).or_default();
                read.forget_deployments();
                read.walk(&key).next = Some((page + 1).to_string());
                return Ok((deliveries, self.turned(repository, &key, is_last)));
            }
            match list {
                List::Deployments => self.deployment(repository, row, &mut deliveries).await?,
                _ => self.release(repository, row, &mut deliveries).await?,
            }
            self.pending.pop_front();
        }
        Ok((deliveries, false))
    }

    /// Notes that a list is through, where it is.
    fn turned(&mut self, repository: &str, key: &str, is_last: bool) -> bool {
        if is_last {
            self.note.repositories.entry(repository.to_owned()).or_default().walk(key).finish();
        }
        is_last
    }

    /// The rows of a page that are young enough, and whether it is the last.
    async fn rows(
        &mut self,
        repository: &str,
        list: &List,
        page: usize,
        floor: Instant,
    ) -> Result<(Vec<Value>, bool), Error> {
        let (page_text, per_page) = (page.to_string(), PER_PAGE.to_string());
        let floor_text = floor.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        let mut query = vec![("per_page", per_page.as_str()), ("page", page_text.as_str())];
        match list {
            List::Commits => query.push(("since", &floor_text)),
            List::Runs(_) => query.push(("status", "completed")),
            List::Issues(label) => {
                query.extend([("state", "all"), ("labels", label.as_str()), ("since", floor_text.as_str())]);
                query.extend([("sort", "updated"), ("direction", "desc")]);
            }
            List::Deployments | List::Releases => {}
        }
        let path = list.path();
        let read = self.access.page(repository, &path, &query, None).await?;
        let Some(Listed { mut rows, next, is_linked, etag }) = read else { return Ok((Vec::new(), true)) };
        // Without a link there is no telling a last page that happens to be full.
        let is_full = if is_linked { next.is_some() } else { rows.len() >= PER_PAGE };
        // Where rows were deleted meanwhile, others slid from this page to the one before, which is read already.
        if let Some(before) =
            self.before.take().filter(|before| before.is_of(repository, &path) && before.page + 1 == page)
        {
            let page_text = before.page.to_string();
            query[1].1 = &page_text;
            if let Some(changed) = self.access.page(repository, &path, &query, Some(&before.etag)).await? {
                let slid = changed.rows.into_iter().filter(|row| !before.ids.contains(&id_of(row)));
                let here: HashSet<String> = rows.iter().map(id_of).collect();
                rows.extend(slid.filter(|row| !here.contains(&id_of(row))).collect::<Vec<_>>());
            }
        }
        if let Some(etag) = etag.filter(|_| is_full && !matches!(list, List::Commits)) {
            let ids = rows.iter().map(id_of).collect();
            self.before = Some(Before { repository: repository.to_owned(), path, page, etag, ids });
        }
        let is_old = |row: &Value| row_clock(row, list).is_some_and(|at| at < floor);
        let is_last = !is_full || rows.iter().any(|row| is_old(row) && !matches!(list, List::Commits));
        rows.retain(|row| !is_old(row) || matches!(list, List::Commits));
        Ok((rows, is_last))
    }

    /// What rows that need no further call tell.
    fn told(&self, repository: &str, list: &List, rows: Vec<Value>) -> Vec<Delivery> {
        match list {
            List::Commits if rows.is_empty() => Vec::new(),
            List::Commits => {
                let first = rows[0].clone();
                vec![self.delivery("commits", repository, &first, json!({ "commits": rows }))]
            }
            List::Runs(workflow) => {
                let is_it = |row: &Value| is_file(workflow) || row["name"] == workflow.as_str();
                let rows = rows.into_iter().filter(is_it);
                let body = |row: &Value| json!({ "action": "completed", "workflow_run": row });
                rows.map(|row| self.delivery("workflow_run", repository, &row, body(&row))).collect()
            }
            _ => {
                let rows = rows.into_iter().filter(|row| row["pull_request"].is_null());
                let action = |row: &Value| if row["state"] == "closed" { "closed" } else { "opened" };
                let body = |row: &Value| json!({ "action": action(row), "issue": row });
                rows.map(|row| self.delivery("issues", repository, &row, body(&row))).collect()
            }
        }
    }

    /// A deployment and its statuses, unless it is as it was when it was last read.
    async fn deployment(&mut self, repository: &str, row: Value, told: &mut Vec<Delivery>) -> Result<(), Error> {
        let (Some(id), Some(created_at)) = (row["id"].as_u64(), instant(&row, "created_at")) else { return Ok(()) };
        let updated_at = row["updated_at"].as_str().unwrap_or_default().to_owned();
        let read = self.note.repositories.entry(repository.to_owned()).or_default();
        if read.deployments.get(&id).is_some_and(|seen| seen.is_over && seen.updated_at == updated_at) {
            return Ok(());
        }
        told.push(self.delivery("deployment", repository, &row, json!({ "action": "created", "deployment": row })));
        let per_page = PER_PAGE.to_string();
        let path = format!("deployments/{id}/statuses");
        let statuses = match self.access.page(repository, &path, &[("per_page", &per_page)], None).await {
            Ok(page) => page.map(|page| page.rows).unwrap_or_default(),
            // It was deleted after its list was read.
            Err(error) if error.is_gone() => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let is_over =
            statuses.iter().any(|s| matches!(s["state"].as_str(), Some("success" | "failure" | "error" | "inactive")));
        for status in statuses {
            let body = json!({ "action": "created", "deployment_status": status, "deployment": row });
            told.push(self.delivery("deployment_status", repository, &status, body));
        }
        let read = self.note.repositories.entry(repository.to_owned()).or_default();
        read.deployments.insert(id, Seen { created_at, updated_at, is_over });
        Ok(())
    }

    /// A release, with the commit of its tag: what it was made from may be a branch that has moved on.
    async fn release(&mut self, repository: &str, mut row: Value, told: &mut Vec<Delivery>) -> Result<(), Error> {
        if row["draft"] == true {
            return Ok(());
        }
        if let Some(tag) = row["tag_name"].as_str().map(escaped) {
            match self.access.get(repository, &format!("commits/{tag}"), &[]).await {
                Ok(commit) => {
                    if commit["sha"].is_string() {
                        row["target_commitish"] = commit["sha"].clone();
                    }
                }
                Err(HttpError::Refused { status: 404 | 409 | 422, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let body = json!({ "action": "published", "release": row });
        let clock = json!({ "id": row["id"], "updated_at": row["published_at"] });
        told.push(self.delivery("release", repository, &clock, body));
        Ok(())
    }
}

/// A tag in a path.
fn escaped(tag: &str) -> String {
    percent_encoding::utf8_percent_encode(tag, percent_encoding::NON_ALPHANUMERIC).to_string()
}

fn is_file(workflow: &str) -> bool {
    Path::new(workflow).extension().is_some_and(|extension| extension == "yml" || extension == "yaml")
}

fn id_of(row: &Value) -> String {
    if row["id"].is_null() { row["sha"].to_string() } else { row["id"].to_string() }
}

/// When a row is from, by the clock that orders its list.
fn row_clock(row: &Value, list: &List) -> Option<Instant> {
    match list {
        List::Commits => instant(&row["commit"]["committer"], "date"),
        _ => instant(row, list.clock()),
    }
}
