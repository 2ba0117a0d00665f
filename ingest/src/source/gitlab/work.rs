//! What GitLab tells of the work itself: pushes, commits, merge requests and comments on them, issues and incidents.

use chrono::Duration;
use dorado_lake::{Change, Fact, Incident, Instant, PullRequest};

use super::{Options, repository};
use crate::source::Error;
use crate::source::body::Part;
use crate::source::told::{Told, first_line, full_sha, sha_in};

/// Commits pushed to a branch. Parents are not told, so a commit with GitLab's own merge message, which holds no work
/// of its own, is left out. Those pushed to the default branch reached it when its new head was committed: the
/// hook does not say when it was pushed.
pub(super) fn push(event: &Part<'_>, source: &str) -> Result<Told, Error> {
    let repository = repository(event)?;
    let Some(branch) = event.text("ref").and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned)) else {
        return Ok(Told::nothing("a push of a tag"));
    };
    let commits = event.items("commits");
    let is_default = event.text("project.default_branch").as_deref() == Some(branch.as_str());
    let head = commits.iter().filter_map(|commit| commit.instant("timestamp")).max();
    let mut facts = Vec::with_capacity(commits.len());
    for commit in &commits {
        let message = commit.first_text(&["message", "title"]).unwrap_or_default();
        if is_merge(&message) {
            continue;
        }
        let at = commit.instant("timestamp");
        let paths = ["added", "modified", "removed"].iter().flat_map(|key| commit.texts(key)).collect::<Vec<_>>();
        facts.push(Fact::Change(Change {
            source: source.to_owned(),
            id: sha(commit, "id")?,
            repository: Some(repository.clone()),
            authored_at: at,
            committed_at: at,
            merged_at: head.filter(|_| is_default),
            author: commit.text("author.name"),
            branch: Some(branch.clone()),
            paths: (!paths.is_empty()).then_some(paths),
            url: commit.text("url"),
            ..of_message(&message)
        }));
    }
    Ok(Told::some(facts, "a push without new work"))
}

/// Commits of the default branch from the repository's history, as the collector wraps them: with parents, so that
/// merges hold the graph together.
pub(super) fn commits(event: &Part<'_>, source: &str) -> Result<Told, Error> {
    let repository = repository(event)?;
    let branch = event.text("project.default_branch");
    let mut facts = Vec::new();
    for row in event.items("commits") {
        facts.push(Fact::Change(Change {
            parents: row.part("parent_ids").exists().then(|| row.texts("parent_ids")),
            branch: branch.clone(),
            ..of_row(&row, &repository, source)?
        }));
    }
    Ok(Told::some(facts, "a page without commits"))
}

fn of_row(row: &Part<'_>, repository: &str, source: &str) -> Result<Change, Error> {
    let committed_at = row.instant("committed_date").or_else(|| row.instant("created_at"));
    Ok(Change {
        source: source.to_owned(),
        id: sha(row, "id")?,
        repository: Some(repository.to_owned()),
        authored_at: row.instant("authored_date").or(committed_at),
        committed_at,
        author: row.text("author_name"),
        url: row.text("web_url"),
        ..of_message(&row.first_text(&["message", "title"]).unwrap_or_default())
    })
}

/// What a commit's message says of it.
fn of_message(message: &str) -> Change {
    Change {
        title: first_line(message),
        reverts: sha_after(message, "This reverts commit "),
        cherry_pick_of: sha_after(message, "(cherry picked from commit "),
        ..Change::default()
    }
}

fn sha_after(message: &str, words: &str) -> Option<String> {
    message.lines().rev().find_map(|line| sha_in(line.trim().strip_prefix(words)?))
}

fn sha(commit: &Part<'_>, key: &str) -> Result<String, Error> {
    let text = commit.needed_text(key)?;
    Ok(full_sha(&text).unwrap_or(text))
}

fn is_merge(message: &str) -> bool {
    ["Merge branch '", "Merge branches '", "Merge remote-tracking branch '", "Merge tag '", "Merge commit '"]
        .iter()
        .any(|start| message.starts_with(start))
}

/// A merge request, as its hook tells it or as a row of the API with its commits.
pub(super) fn merge_request(event: &Part<'_>, source: &str) -> Result<Told, Error> {
    let repository = event
        .text("object_attributes.target.path_with_namespace")
        .filter(|_| !event.part("project.path_with_namespace").exists())
        .map_or_else(|| repository(event), Ok)?;
    if event.part("merge_request").exists() {
        return row(event, &repository, source);
    }
    let told = event.part("object_attributes");
    let action = told.text("action").unwrap_or_default();
    let state = told.text("state").unwrap_or_default();
    // Only the event of the merge tells when it was merged: a later one has its own clock.
    if state == "merged" && action != "merge" && !told.part("merged_at").exists() {
        return Ok(Told::nothing("an event after the merge, which was told when it happened"));
    }
    let at = told.instant("updated_at");
    let is_merged = state == "merged";
    let is_closed = is_merged || state == "closed";
    let merged_at = if is_merged {
        Some(told.instant("merged_at").map_or_else(|| told.needed_instant("updated_at"), Ok)?)
    } else {
        None
    };
    let is_approval = matches!(action.as_str(), "approved" | "approval");
    let approved_at = at.filter(|_| is_approval && event.text("user.id") != told.text("author_id"));
    Ok(Told::one(Fact::PullRequest(PullRequest {
        first_review_at: approved_at,
        approved_at,
        merged_at,
        closed_at: merged_at.or(told.instant("closed_at").or(at).filter(|_| is_closed)),
        merge_commit: merged_at.and_then(|_| merge_commit(&told, "last_commit.id")),
        ..whole(event, &told, repository, source)?
    })))
}

/// What every event that carries a merge request says of it.
fn whole(event: &Part<'_>, told: &Part<'_>, repository: String, source: &str) -> Result<PullRequest, Error> {
    let is_closed = matches!(told.text("state").as_deref(), Some("merged" | "closed"));
    let by_author = event.text("user.id").is_some_and(|id| told.text("author_id") == Some(id));
    let labels =
        |part: &Part<'_>| part.items("labels").iter().filter_map(|label| label.text("title")).collect::<Vec<_>>();
    let own = labels(told);
    Ok(PullRequest {
        source: source.to_owned(),
        id: told.needed_text("iid")?,
        repository: Some(repository),
        title: told.text("title").and_then(|title| first_line(&title)),
        author: event.text("user.username").filter(|_| by_author),
        branch: told.text("source_branch"),
        base: told.text("target_branch"),
        labels: if own.is_empty() { labels(event) } else { own },
        opened_at: told.instant("created_at"),
        url: told.text("url"),
        updated_at: told.instant("updated_at").map(|at| stepped(at, is_closed)),
        ..PullRequest::default()
    })
}

/// The commit that brought it to its target: of the merge, else of the squash, else, fast-forward, its own last.
fn merge_commit(told: &Part<'_>, own: &str) -> Option<String> {
    ["merge_commit_sha", "squash_commit_sha", own].iter().find_map(|path| full_sha(&told.text(path)?))
}

/// A row of the merge requests API with its commits, as the collector wraps them.
fn row(event: &Part<'_>, repository: &str, source: &str) -> Result<Told, Error> {
    let told = event.part("merge_request");
    let id = told.needed_text("iid")?;
    let merged_at = told.instant("merged_at");
    let closed_at = told.instant("closed_at").or(merged_at);
    let mut commits = Vec::new();
    for commit in event.items("commits") {
        commits.push(Change { pull_request: Some(id.clone()), ..of_row(&commit, repository, source)? });
    }
    let shas = || commits.iter().map(|commit| commit.id.clone()).collect::<Vec<_>>();
    let pull_request = PullRequest {
        source: source.to_owned(),
        id: id.clone(),
        repository: Some(repository.to_owned()),
        title: told.text("title").and_then(|title| first_line(&title)),
        author: told.text("author.username"),
        branch: told.text("source_branch"),
        base: told.text("target_branch"),
        labels: told.texts("labels"),
        first_commit_at: commits.iter().filter_map(|commit| commit.authored_at).min(),
        opened_at: told.instant("created_at"),
        merged_at,
        closed_at,
        commits: (!commits.is_empty()).then(shas),
        merge_commit: merged_at.and_then(|_| merge_commit(&told, "sha")),
        url: told.text("web_url"),
        // Above a hook of the same second: the row knows who wrote it and what is in it.
        updated_at: told.instant("updated_at").map(|at| stepped(at, true) + Duration::microseconds(1)),
        ..PullRequest::default()
    };
    let changes = commits.into_iter().map(Fact::Change);
    Ok(Told::Facts(std::iter::once(Fact::PullRequest(pull_request)).chain(changes).collect()))
}

/// A comment on a merge request by somebody else than its author: a review.
pub(super) fn note(event: &Part<'_>, source: &str) -> Result<Told, Error> {
    let told = event.part("merge_request");
    let note = event.part("object_attributes");
    if !told.exists() {
        return Ok(Told::nothing("a comment on something else than a merge request"));
    }
    if note.flag("system") {
        return Ok(Told::nothing("a comment that GitLab made itself"));
    }
    if note.text("author_id").or_else(|| event.text("user.id")) == told.text("author_id") {
        return Ok(Told::nothing("an author's comment on their own merge request"));
    }
    if !matches!(told.text("state").as_deref(), None | Some("opened")) {
        return Ok(Told::nothing("a comment on a merge request that is closed"));
    }
    Ok(Told::one(Fact::PullRequest(PullRequest {
        first_review_at: Some(note.needed_instant("created_at")?),
        ..whole(event, &told, repository(event)?, source)?
    })))
}

/// An incident, or an issue that carries an incident label, as its hook tells it or as a row of the API.
pub(super) fn issue(event: &Part<'_>, source: &str, options: &Options) -> Result<Told, Error> {
    let repository = repository(event)?;
    let row = event.part("issue");
    let told = if row.exists() { row } else { event.part("object_attributes") };
    let titles = |part: &Part<'_>| {
        part.items("labels")
            .iter()
            .filter_map(|label| label.text("title").or_else(|| label.to_text()))
            .collect::<Vec<_>>()
    };
    let own = titles(&told);
    let labels = if own.is_empty() { titles(event) } else { own };
    let is_incident = |word: &str| options.incident_labels.iter().any(|label| label.eq_ignore_ascii_case(word));
    let kind = [told.text("type"), told.text("issue_type"), event.text("object_kind"), event.text("event_type")];
    // Before 17.2 the hook does not name the type, but only incidents escalate.
    let escalates = !told.part("type").exists() && told.part("escalation_status").exists();
    let is_kind = escalates || kind.iter().flatten().any(|kind| kind.eq_ignore_ascii_case("incident"));
    if !is_kind && !labels.iter().any(|label| is_incident(label)) {
        return Ok(Told::nothing("an issue that is no incident"));
    }
    let is_closed = told.text("state").as_deref() == Some("closed");
    let closed_at = told.instant("closed_at").or_else(|| told.instant("updated_at")).filter(|_| is_closed);
    let cause = cause(&told.text("description").unwrap_or_default());
    let severity = told.text("severity").filter(|severity| !severity.eq_ignore_ascii_case("unknown"));
    Ok(Told::one(Fact::Incident(Incident {
        source: source.to_owned(),
        id: format!("{repository}#{}", told.needed_text("iid")?),
        services: labels.iter().filter_map(|label| after(label, &["service::", "service:", "service/"])).collect(),
        repository: Some(repository),
        title: told.text("title").and_then(|title| first_line(&title)),
        severity: severity.map(|s| s.to_lowercase()).or_else(|| labels.iter().find_map(|label| severity_of(label))),
        opened_at: Some(told.needed_instant("created_at")?),
        resolved_at: closed_at,
        caused_by: cause.clone().filter(|cause| full_sha(cause).is_none()),
        caused_by_change: cause.and_then(|cause| full_sha(&cause)),
        url: told.first_text(&["url", "web_url"]),
        updated_at: told.instant("updated_at").map(|at| stepped(at, is_closed)),
        ..Incident::default()
    })))
}

fn severity_of(label: &str) -> Option<String> {
    after(label, &["severity::", "severity:", "severity/"])
        .or_else(|| label.to_ascii_lowercase().starts_with("sev").then(|| label.to_owned()))
}

/// What a line `Root cause: …` or `Caused by: …` names, where that is one word.
fn cause(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let named = after(line.trim(), &["root cause:", "caused by:"])?;
        let named = named.trim_matches('`');
        (!named.is_empty() && !named.contains(char::is_whitespace)).then(|| named.to_owned())
    })
}

fn after(text: &str, starts: &[&str]) -> Option<String> {
    starts.iter().find_map(|start| {
        let head = text.get(..start.len())?;
        head.eq_ignore_ascii_case(start).then(|| text[start.len()..].trim().to_owned())
    })
}

/// A state that ends a record is ahead of others within the same second.
fn stepped(at: Instant, is_end: bool) -> Instant {
    at + Duration::microseconds(i64::from(is_end))
}
