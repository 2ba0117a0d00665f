//! What GitLab knows from before it was connected, and what its hooks missed: over REST v4, project by project.
//!
//! Rows are read in the order in which they were last touched, each page from where the one before it ended, and not
//! by page numbers: a row that is touched meanwhile moves to the end and is read again, and none slips through.

use std::collections::{BTreeMap, VecDeque};

use chrono::{SecondsFormat, TimeDelta};
use dorado_lake::{Delivery, Instant};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Gitlab, NAME};
use crate::http::{self, Http};
use crate::source::{BadOption, Cursor, Error, Page, collected, time};

/// Rows a page, the most that GitLab gives.
const PER_PAGE: usize = 100;
/// Projects of one connection at most.
const MOST_PROJECTS: usize = 5_000;
/// Pages of commits of one merge request at most.
const COMMIT_PAGES: usize = 10;
/// Calls at once for the commits of merge requests.
const AT_ONCE: usize = 4;
/// A row may become visible some time after its own clock: so far each run looks back.
const LOOK_BACK: TimeDelta = TimeDelta::minutes(2);
/// A commit reaches the default branch long after it was made.
const LOOK_BACK_FOR_COMMITS: TimeDelta = TimeDelta::days(30);

/// Checks that every pattern names a project, or a group with `/*`.
pub(super) fn check_patterns(patterns: &[String]) -> Result<(), BadOption> {
    let is_path = |path: &str| !path.is_empty() && path.split('/').all(|segment| !segment.is_empty());
    let wrong = patterns.iter().find(|pattern| {
        let (path, is_group) = pattern.strip_suffix("/*").map_or((pattern.as_str(), false), |path| (path, true));
        !is_path(path) || path.contains('*') || (!is_group && !path.contains('/'))
    });
    match wrong {
        Some(pattern) => {
            let right = "expected `group/project`, or `group/*` for all projects of a group and its subgroups";
            Err(BadOption::new("projects", format!("`{pattern}` names nothing; {right}")))
        }
        None => Ok(()),
    }
}

/// How far each project has been read, by its number: it keeps that through every renaming.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Note {
    projects: BTreeMap<u64, Marks>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Marks {
    /// The latest `updated_at` that was read, by kind of row.
    read_until: BTreeMap<String, Instant>,
    /// The head of the default branch when its commits were last read to the end.
    head: Option<String>,
}

/// A project as the API names it.
#[derive(Debug, Clone, Deserialize)]
struct Project {
    id: u64,
    path_with_namespace: String,
    default_branch: Option<String>,
    web_url: Option<String>,
}

/// One call, or one page with what belongs to its rows.
#[derive(Debug, Clone)]
enum Step {
    Project { path: String },
    Group { path: String, next: Option<String> },
    Environments { project: Project },
    Rows { project: Project, kind: Rows, after: Instant, page: usize },
    Commits { project: Project, page: usize, head: Option<String> },
}

/// Kinds of rows that have a clock.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rows {
    Deployments,
    MergeRequests,
    Incidents,
    Labelled(String),
}

impl Rows {
    fn key(&self) -> String {
        match self {
            Self::Deployments => "deployments".to_owned(),
            Self::MergeRequests => "merge_requests".to_owned(),
            Self::Incidents => "incidents".to_owned(),
            Self::Labelled(label) => format!("issues labelled {label}"),
        }
    }

    fn route(&self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::MergeRequests => "merge_requests",
            Self::Incidents | Self::Labelled(_) => "issues",
        }
    }

    fn filter(&self) -> Vec<(&'static str, &str)> {
        match self {
            Self::Deployments => vec![],
            Self::MergeRequests => vec![("state", "all"), ("scope", "all")],
            Self::Incidents => vec![("issue_type", "incident"), ("scope", "all")],
            Self::Labelled(label) => vec![("labels", label), ("scope", "all")],
        }
    }
}

struct Run<'a> {
    http: &'a Http,
    gitlab: &'a Gitlab,
    from: Cursor,
    note: Note,
    steps: VecDeque<Step>,
    tiers: BTreeMap<u64, BTreeMap<String, String>>,
    n_done: u64,
    n_projects: usize,
}

pub(super) fn collect<'a>(gitlab: &'a Gitlab, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
    let steps = gitlab.options.projects.iter().map(|pattern| match pattern.strip_suffix("/*") {
        Some(path) => Step::Group { path: path.to_owned(), next: None },
        None => Step::Project { path: pattern.clone() },
    });
    let run = Run {
        http,
        gitlab,
        note: from.read(),
        from,
        steps: steps.collect(),
        tiers: BTreeMap::new(),
        n_done: 0,
        n_projects: 0,
    };
    stream::try_unfold(run, |mut run| async move {
        let Some(step) = run.steps.pop_front() else {
            return Ok(None);
        };
        let deliveries = run.make(step).await?;
        run.n_done += 1;
        let page = Page {
            deliveries,
            cursor: run.from.with(&run.note),
            n_done: Some(run.n_done),
            n_total: Some(run.n_done + run.steps.len() as u64),
        };
        Ok(Some((page, run)))
    })
    .boxed()
}

impl Run<'_> {
    async fn make(&mut self, step: Step) -> Result<Vec<Delivery>, Error> {
        match step {
            Step::Project { path } => match self.get(&format!("api/v4/projects/{}", encoded(&path)), &[]).await {
                Ok(answer) => self.plan(answer.json()?),
                // One that was deleted or renamed must not stop the others.
                Err(error) if is_not_there(&error) => {
                    tracing::warn!(source = NAME, project = path, %error, "a configured project is not read");
                }
                Err(error) => return Err(error.into()),
            },
            Step::Group { path, next } => self.group(path, next).await?,
            Step::Environments { project } => self.environments(&project).await?,
            Step::Rows { project, kind, after, page } => return self.rows(project, kind, after, page).await,
            Step::Commits { project, page, head } => return self.commits(project, page, head).await,
        }
        Ok(Vec::new())
    }

    async fn group(&mut self, path: String, next: Option<String>) -> Result<(), Error> {
        let answer = if let Some(url) = &next {
            self.http.get(url, &[]).await?
        } else {
            let route = format!("api/v4/groups/{}/projects", encoded(&path));
            let query = [("include_subgroups", "true"), ("simple", "true"), ("order_by", "id"), ("sort", "asc")];
            self.get(&route, &query).await?
        };
        let projects: Vec<Project> = answer.json()?;
        for project in projects {
            self.plan(project);
        }
        if let Some(url) = answer.next_page() {
            self.steps.push_front(Step::Group { path, next: Some(url.to_owned()) });
        }
        Ok(())
    }

    /// What is to be read of a project.
    fn plan(&mut self, project: Project) {
        self.n_projects += 1;
        if self.n_projects > MOST_PROJECTS {
            let project = &project.path_with_namespace;
            tracing::warn!(source = NAME, project, "a connection reads {MOST_PROJECTS} projects; this one is left out");
            return;
        }
        let labelled = self.gitlab.options.incident_labels.iter().cloned().map(Rows::Labelled);
        let kinds = [Rows::MergeRequests, Rows::Deployments, Rows::Incidents].into_iter().chain(labelled);
        let marks = self.note.projects.entry(project.id).or_default();
        self.steps.push_back(Step::Environments { project: project.clone() });
        for kind in kinds {
            let read_until = marks.read_until.get(&kind.key()).map(|at| *at - LOOK_BACK);
            let after = read_until.unwrap_or(self.from.since);
            self.steps.push_back(Step::Rows { project: project.clone(), kind, after, page: 1 });
        }
        self.steps.push_back(Step::Commits { project, page: 1, head: None });
    }

    /// The deployments API does not tell an environment's tier; the environments API does.
    async fn environments(&mut self, project: &Project) -> Result<(), Error> {
        let answer = match self.get(&format!("api/v4/projects/{}/environments", project.id), &[]).await {
            Ok(answer) => answer,
            Err(error) if is_closed(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let rows: Vec<Value> = answer.json()?;
        let tier = |row: &Value| Some((row["name"].as_str()?.to_owned(), row["tier"].as_str()?.to_owned()));
        self.tiers.insert(project.id, rows.iter().filter_map(tier).collect());
        Ok(())
    }

    async fn rows(
        &mut self,
        project: Project,
        kind: Rows,
        after: Instant,
        page: usize,
    ) -> Result<Vec<Delivery>, Error> {
        let route = format!("api/v4/projects/{}/{}", project.id, kind.route());
        let (after_text, page_text) = (after.to_rfc3339_opts(SecondsFormat::Millis, true), page.to_string());
        let mut query = kind.filter();
        query.extend([
            ("order_by", "updated_at"),
            ("sort", "asc"),
            ("updated_after", &after_text),
            ("page", &page_text),
        ]);
        let answer = match self.get(&route, &query).await {
            Ok(answer) => answer,
            // A feature that this project has switched off.
            Err(error) if is_closed(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let rows: Vec<Value> = answer.json()?;
        let last = rows.iter().filter_map(|row| time::read(&row["updated_at"])).max();
        if rows.len() >= PER_PAGE {
            // Many rows of one instant, as after an import, are the only ones that need page numbers.
            let (after, page) = match last {
                Some(last) if last > after + TimeDelta::milliseconds(1) => (last, 1),
                _ => (after, page + 1),
            };
            self.steps.push_front(Step::Rows { project: project.clone(), kind: kind.clone(), after, page });
        }
        if let Some(last) = last {
            let read_until = &mut self.note.projects.entry(project.id).or_default().read_until;
            let mark = read_until.entry(kind.key()).or_insert(last);
            *mark = last.max(*mark);
        }
        let bodies: Vec<Value> = match kind {
            Rows::Deployments => rows.iter().map(|row| self.deployment(&project, row)).collect(),
            Rows::MergeRequests => {
                let with_commits = rows.into_iter().map(|row| self.merge_request(&project, row));
                stream::iter(with_commits).buffered(AT_ONCE).try_collect().await?
            }
            Rows::Incidents | Rows::Labelled(_) => {
                rows.into_iter().map(|row| json!({"object_kind": "issue", "issue": row})).collect()
            }
        };
        Ok(bodies.into_iter().map(|body| self.delivery(&project, kind.route(), body)).collect())
    }

    fn deployment(&self, project: &Project, row: &Value) -> Value {
        let name = row["environment"]["name"].as_str().unwrap_or_default();
        let tier = self.tiers.get(&project.id).and_then(|tiers| tiers.get(name));
        json!({"object_kind": "deployment", "environment_tier": tier, "deployment": row})
    }

    async fn merge_request(&self, project: &Project, row: Value) -> Result<Value, Error> {
        let mut commits: Vec<Value> = Vec::new();
        // What is in one that is still open changes until it is merged.
        if row["state"] == "merged" {
            let route = format!("api/v4/projects/{}/merge_requests/{}/commits", project.id, row["iid"]);
            let mut answer = self.get(&route, &[]).await;
            for _ in 0..COMMIT_PAGES {
                let whole = match answer {
                    Ok(whole) => whole,
                    Err(error) if is_closed(&error) => break,
                    Err(error) => return Err(error.into()),
                };
                commits.extend(whole.json::<Vec<Value>>()?);
                let Some(next) = whole.next_page() else { break };
                answer = self.http.get(next, &[]).await;
            }
        }
        Ok(json!({"object_kind": "merge_request", "merge_request": row, "commits": commits}))
    }

    /// Commits of the default branch, the newest first: new ones only move the older ones to later pages.
    async fn commits(&mut self, project: Project, page: usize, head: Option<String>) -> Result<Vec<Delivery>, Error> {
        let Some(branch) = project.default_branch.clone() else {
            return Ok(Vec::new());
        };
        let marks = self.note.projects.entry(project.id).or_default();
        let since = match marks.read_until.get("commits") {
            Some(at) => *at - LOOK_BACK_FOR_COMMITS,
            None => self.from.since,
        };
        let known_head = marks.head.clone();
        let (since, page_text) = (since.to_rfc3339_opts(SecondsFormat::Secs, true), page.to_string());
        let query = [("ref_name", branch.as_str()), ("since", &since), ("page", &page_text)];
        let answer = match self.get(&format!("api/v4/projects/{}/repository/commits", project.id), &query).await {
            Ok(answer) => answer,
            Err(error) if is_closed(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let rows: Vec<Value> = answer.json()?;
        let first = rows.first().and_then(|row| row["id"].as_str()).map(str::to_owned);
        if page == 1 && first.is_some() && first == known_head {
            return Ok(Vec::new());
        }
        let head = head.or(first);
        if rows.len() >= PER_PAGE {
            self.steps.push_front(Step::Commits { project: project.clone(), page: page + 1, head });
        } else {
            let now = self.http.now();
            let marks = self.note.projects.entry(project.id).or_default();
            marks.head = head;
            marks.read_until.insert("commits".to_owned(), now);
        }
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![self.delivery(&project, "commits", json!({"object_kind": "commits", "commits": rows}))])
    }

    async fn get(&self, route: &str, query: &[(&str, &str)]) -> Result<http::Answer, http::Error> {
        let per_page = PER_PAGE.to_string();
        let query: Vec<_> = query.iter().copied().chain([("per_page", per_page.as_str())]).collect();
        self.http.get(route, &query).await
    }

    /// A row as a delivery. Its id is made of the row and its clock, so that reading again is a redelivery.
    fn delivery(&self, project: &Project, what: &str, mut body: Value) -> Delivery {
        let path = &project.path_with_namespace;
        let branch = &project.default_branch;
        body["project"] = json!({"path_with_namespace": path, "default_branch": branch, "web_url": project.web_url});
        let row = ["deployment", "merge_request", "issue"].iter().find_map(|key| body.get(*key));
        let row = row.or_else(|| body["commits"].get(0)).unwrap_or(&Value::Null);
        let n_commits = body["commits"].as_array().map_or(0, Vec::len);
        let clock = row["updated_at"].as_str().map_or_else(|| n_commits.to_string(), str::to_owned);
        let id = format!("rest/{}/{what}/{}/{clock}", project.id, row["id"].to_string().trim_matches('"'));
        collected(self.gitlab, id, Vec::new(), body.to_string(), self.http.now())
    }
}

pub(super) fn test<'a>(gitlab: &'a Gitlab, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
    async move {
        let user: Value = http.get("api/v4/user", &[]).await.and_then(|answer| answer.json())?;
        let name = user["username"].as_str().unwrap_or("somebody without a name");
        let mut unseen = Vec::new();
        for pattern in &gitlab.options.projects {
            let route = match pattern.strip_suffix("/*") {
                Some(path) => format!("api/v4/groups/{}", encoded(path)),
                None => format!("api/v4/projects/{}", encoded(pattern)),
            };
            match http.get(&route, &[]).await {
                Ok(_) => {}
                Err(error) if is_not_there(&error) => unseen.push(pattern.as_str()),
                Err(error) => return Err(error.into()),
            }
        }
        if unseen.is_empty() {
            return Ok(format!("signed in as {name}; every configured project and group is seen"));
        }
        let unseen = unseen.join("`, `");
        let problem = format!("signed in as {name}, who does not see `{unseen}`; it needs the scope read_api");
        Err(http::Error::Unsuitable(problem).into())
    }
    .boxed()
}

/// A path as one segment of an address.
fn encoded(path: &str) -> String {
    utf8_percent_encode(path, NON_ALPHANUMERIC).to_string()
}

fn is_not_there(error: &http::Error) -> bool {
    error.is_gone() || matches!(error, http::Error::Moved { .. })
}

/// Whether a project's feature is switched off, or not for us.
fn is_closed(error: &http::Error) -> bool {
    error.is_gone() || error.status() == Some(403)
}
