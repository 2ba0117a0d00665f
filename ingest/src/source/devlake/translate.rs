//! What is posted to the webhook API, to facts. DevLake wrote its fields in snake case before it wrote them in camel
//! case; both are read.

use dorado_lake::{Change, Delivery, Deployment, Fact, Incident, Instant, PullRequest, Status, Tier};

use super::Options;
use crate::source::events::sha;
use crate::source::reading::{Place, Told, first_line, parse, repository_of_url};
use crate::source::{Error, posted_to};

/// Translates a body by the path that it was posted to.
pub(super) fn posted(delivery: &Delivery, options: &Options) -> Result<Told, Error> {
    let path = posted_to(delivery).unwrap_or_default();
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    let (connection, what) = segments.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let of = Of { source: delivery.source_name(), scope: format!("webhook:{connection}"), options };
    if let ["issue", key, "close"] = what {
        return Ok(Told::one(Fact::Incident(of.closed(key, delivery.received_at))));
    }
    let body = parse(&delivery.body)?;
    let told = Place::of(&body);
    match what {
        ["deployments"] => of.deployments(&told),
        ["issues"] => of.issue(&told),
        ["pull_requests" | "pullrequests"] => of.pull_request(&told),
        _ => Ok(Told::nothing(format!("nothing is posted to `{path}`"))),
    }
}

/// Where what is posted belongs.
struct Of<'a> {
    source: String,
    /// DevLake's name for all that one connection holds; ids are unique within it.
    scope: String,
    options: &'a Options,
}

impl Of<'_> {
    fn id(&self, id: &str) -> String {
        format!("{}:{id}", self.scope)
    }

    /// One for each repository that was deployed; with several commits of one, of the last.
    fn deployments(&self, told: &Place<'_>) -> Result<Told, Error> {
        let commits = ["deploymentCommits", "deployment_commits"].map(|key| told.list(key)).concat();
        // Before there were several, the one commit stood beside the rest.
        let commits = if commits.is_empty() { vec![told.clone()] } else { commits };
        let mut facts: Vec<Deployment> = Vec::new();
        for commit in &commits {
            let Some(deployment) = self.deployment(told, commit)? else {
                let result = told.text("result").unwrap_or_default();
                return Ok(Told::nothing(format!("the result `{result}` says nothing about the outcome")));
            };
            match facts.iter().position(|d| d.repository == deployment.repository) {
                Some(n) if facts[n].finished_at <= deployment.finished_at => {
                    facts[n] = Deployment { id: facts[n].id.clone(), ..deployment };
                }
                Some(_) => {}
                None if facts.is_empty() => facts.push(deployment),
                None => {
                    let repository = deployment.repository.as_deref().unwrap_or_default();
                    facts.push(Deployment { id: format!("{}:{repository}", deployment.id), ..deployment });
                }
            }
        }
        Ok(Told::Facts(facts.into_iter().map(Fact::Deployment).collect()))
    }

    /// `None` where what came of it cannot be told.
    fn deployment(&self, told: &Place<'_>, commit: &Place<'_>) -> Result<Option<Deployment>, Error> {
        let Some(status) = status(commit.text("result").or_else(|| told.text("result"))) else { return Ok(None) };
        let time = |keys: &[&str]| keys.iter().find_map(|key| told.time(key).or_else(|| commit.time(key)));
        let started_at =
            time(&["startedDate", "started_date", "start_time", "startTime", "createdDate", "create_time"]);
        let finished_at = time(&["finishedDate", "finished_date", "end_time", "endTime"]).or(started_at);
        let finished_at = finished_at.ok_or_else(|| told.missing("finishedDate"))?;
        let revision = commit.first_text(&["commitSha", "commit_sha"]).ok_or_else(|| commit.missing("commitSha"))?;
        let repository = commit.first_text(&["repoUrl", "repo_url"]).as_deref().map(repository_of_url);
        let environment = told.text("environment").unwrap_or_else(|| "PRODUCTION".to_owned());
        let named = told.first_text(&["id", "pipeline_id", "pipelineId"]);
        let id = named.unwrap_or_else(|| format!("{revision}@{}", finished_at.format("%Y-%m-%dT%H:%M:%SZ")));
        let title = told.first_text(&["displayTitle", "display_title", "name"]);
        Ok(Some(Deployment {
            source: self.source.clone(),
            id: self.id(&id),
            service: self.options.service.clone(),
            repository: repository.or_else(|| self.options.repository.clone()),
            tier: tier(&environment),
            environment: told.first_text(&["originalEnvironment", "original_environment"]).unwrap_or(environment),
            status,
            started_at,
            finished_at: Some(finished_at),
            revision: Some(sha(revision)),
            branch: commit.first_text(&["refName", "ref_name"]),
            title: title.as_deref().and_then(first_line),
            updated_at: Some(finished_at),
            ..Deployment::default()
        }))
    }

    fn issue(&self, told: &Place<'_>) -> Result<Told, Error> {
        let kind = told.first_text(&["type", "originalType"]).unwrap_or_default();
        if !kind.eq_ignore_ascii_case("incident") {
            return Ok(Told::nothing(format!("an issue of type `{kind}` is no incident")));
        }
        let key = told.first_text(&["issueKey", "issue_key", "board_key"]).ok_or_else(|| told.missing("issueKey"))?;
        let time = |camel: &str, snake: &str| told.time(camel).or_else(|| told.time(snake));
        let opened_at = time("createdDate", "created_date").ok_or_else(|| told.missing("createdDate"))?;
        let updated_at = time("updatedDate", "updated_date");
        let is_done = told.text("status").is_some_and(|status| status.eq_ignore_ascii_case("done"));
        let resolved_at = time("resolutionDate", "resolution_date").or_else(|| updated_at.filter(|_| is_done));
        let url = told.text("url");
        let service = told.text("component").or_else(|| self.options.service.clone());
        Ok(Told::one(Fact::Incident(Incident {
            source: self.source.clone(),
            id: self.id(&key),
            services: service.into_iter().collect(),
            repository: url.as_deref().and_then(repository_of_page).or_else(|| self.options.repository.clone()),
            title: told.text("title").as_deref().and_then(first_line),
            severity: told.first_text(&["severity", "priority"]),
            opened_at: Some(opened_at),
            resolved_at,
            url,
            updated_at: updated_at.max(resolved_at).max(Some(opened_at)),
            ..Incident::default()
        })))
    }

    /// Only the key is told, so it goes on from what was told before; and no instant, so it is closed when that arrives.
    fn closed(&self, key: &str, at: Instant) -> Incident {
        Incident {
            source: self.source.clone(),
            id: self.id(key),
            resolved_at: Some(at),
            updated_at: Some(at),
            ..Incident::default()
        }
    }

    /// The pull request, and once it is merged its merge commit: nothing else here tells of changes.
    fn pull_request(&self, told: &Place<'_>) -> Result<Told, Error> {
        let id = told.first_text(&["pullRequestKey", "id"]).ok_or_else(|| told.missing("pullRequestKey"))?;
        let url = told.text("url");
        let base = told.text("baseRepoId").filter(|base| !base.starts_with("webhook:"));
        let repository = url.as_deref().and_then(repository_of_page).or_else(|| self.options.repository.clone());
        let repository = repository.or(base).unwrap_or_else(|| self.scope.clone());
        let merged_at = told.time("mergedDate");
        let closed_at = told.time("closedDate").or(merged_at);
        let opened_at = told.needed_time("createdDate")?;
        let merge_commit = merged_at.and(told.text("mergeCommitSha")).map(sha);
        let title = told.first_text(&["displayTitle", "title"]).as_deref().and_then(first_line);
        let author = told.first_text(&["authorName", "authorId"]);
        let mut facts = vec![Fact::PullRequest(PullRequest {
            source: self.source.clone(),
            id: id.clone(),
            repository: Some(repository.clone()),
            title: title.clone(),
            author: author.clone(),
            branch: told.text("headRef").map(|name| name.rsplit(':').next().unwrap_or_default().to_owned()),
            base: told.text("baseRef"),
            opened_at: Some(opened_at),
            merged_at,
            closed_at,
            merge_commit: merge_commit.clone(),
            url: url.clone(),
            updated_at: closed_at.max(Some(opened_at)),
            ..PullRequest::default()
        })];
        facts.extend(merge_commit.map(|merge_commit| {
            Fact::Change(Change {
                source: self.source.clone(),
                id: merge_commit,
                repository: Some(repository),
                committed_at: merged_at,
                merged_at,
                title,
                author,
                branch: told.text("baseRef"),
                pull_request: Some(id),
                updated_at: merged_at,
                ..Change::default()
            })
        }));
        Ok(Told::Facts(facts))
    }
}

fn status(result: Option<String>) -> Option<Status> {
    match result.unwrap_or_else(|| "SUCCESS".to_owned()).to_ascii_uppercase().as_str() {
        "SUCCESS" | "SUCCEEDED" => Some(Status::Success),
        "FAILURE" | "FAILED" | "ERROR" | "TIMEOUT" => Some(Status::Failed),
        "ABORT" | "ABORTED" | "CANCELED" | "CANCELLED" => Some(Status::Cancelled),
        _ => None,
    }
}

fn tier(environment: &str) -> Option<Tier> {
    match environment.to_ascii_uppercase().as_str() {
        "PRODUCTION" => Some(Tier::Production),
        "STAGING" => Some(Tier::Staging),
        "TESTING" => Some(Tier::Testing),
        "DEVELOPMENT" => Some(Tier::Development),
        _ => None,
    }
}

/// `owner/name` of the address of an issue or a pull request.
fn repository_of_page(address: &str) -> Option<String> {
    let pages = ["/-/issues/", "/-/merge_requests/", "/issues/", "/pull/", "/pulls/", "/pull-requests/"];
    let repository = pages.iter().find_map(|page| Some(address.split_once(page)?.0))?;
    Some(repository_of_url(repository))
}
