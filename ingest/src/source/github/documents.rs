//! What GitHub's API tells in one piece where webhooks take several: a pull request with its commits and reviews, and
//! commits with their parents. The fields are those of the queries in `collect/`.

use dorado_lake::{Change, Fact, Instant, PullRequest};

use super::payload::{Time, lenient, null_is_default};
use super::translate::{Told, first_line, is_bot_name, needed, sha_after, stepped};
use crate::source::Error;
use crate::source::events::sha;

lenient! {
    Document {
        repository: Named,
        pull_request: Option<Node>,
        commits: Vec<Row>,
    }
    Named {
        full_name: Option<String>,
    }
    Node {
        number: Option<u64>,
        title: Option<String>,
        url: Option<String>,
        created_at as "createdAt": Time,
        updated_at as "updatedAt": Time,
        merged_at as "mergedAt": Time,
        closed_at as "closedAt": Time,
        head_ref_name as "headRefName": Option<String>,
        base_ref_name as "baseRefName": Option<String>,
        author: Author,
        labels: Labels,
        merge_commit as "mergeCommit": Option<Commit>,
        reviews: Reviews,
        commits: Commits,
    }
    Author {
        login: Option<String>,
        kind as "__typename": Option<String>,
    }
    Labels {
        nodes: Vec<Option<Label>>,
    }
    Label {
        name: Option<String>,
    }
    Reviews {
        nodes: Vec<Option<Review>>,
    }
    Review {
        state: Option<String>,
        submitted_at as "submittedAt": Time,
        author: Author,
    }
    Commits {
        nodes: Vec<Option<Edge>>,
    }
    Edge {
        commit: Commit,
    }
    Commit {
        oid: Option<String>,
        message: Option<String>,
        authored_date as "authoredDate": Time,
        committed_date as "committedDate": Time,
        author: Committer,
        parents: Option<Parents>,
    }
    Committer {
        name: Option<String>,
        user: Author,
    }
    Parents {
        nodes: Vec<Option<Oid>>,
    }
    Oid {
        oid: Option<String>,
    }
    // A commit as REST lists it.
    Row {
        sha: Option<String>,
        html_url: Option<String>,
        commit: RowCommit,
        author: Author,
        parents: Option<Vec<Parent>>,
    }
    Parent {
        sha: Option<String>,
    }
    RowCommit {
        message: Option<String>,
        author: Signed,
        committer: Signed,
    }
    Signed {
        name: Option<String>,
        date: Time,
    }
}

impl Author {
    /// As webhooks name it.
    fn name(&self) -> Option<String> {
        let login = self.login.clone()?;
        Some(if self.is_bot() && !login.ends_with("[bot]") { format!("{login}[bot]") } else { login })
    }

    fn is_bot(&self) -> bool {
        self.kind.as_deref() == Some("Bot") || self.login.as_deref().is_some_and(is_bot_name)
    }
}

/// Translates a document.
pub(super) fn document(body: &[u8], source: &str) -> Result<Told, Error> {
    let mut parser = serde_json::Deserializer::from_slice(body);
    let document: Document = serde_path_to_error::deserialize(&mut parser)
        .map_err(|e| Error::Malformed { place: e.path().to_string(), problem: e.inner().to_string() })?;
    let repository = needed(document.repository.full_name, || "repository.full_name".to_owned())?;
    let mut facts = Vec::new();
    if let Some(node) = document.pull_request {
        pull_request(node, source, &repository, &mut facts)?;
    }
    for (n, row) in document.commits.into_iter().enumerate() {
        let id = needed(row.sha.clone(), || format!("commits[{n}].sha"))?;
        facts.push(listed(id, row, source, &repository));
    }
    Ok(if facts.is_empty() { Told::Nothing("a document about nothing".to_owned()) } else { Told::Facts(facts) })
}

/// The pull request, and where it was merged, its commits: others may never reach a branch that is deployed.
fn pull_request(node: Node, source: &str, repository: &str, facts: &mut Vec<Fact>) -> Result<(), Error> {
    let number = needed(node.number, || "pull_request.number".to_owned())?;
    let (merged_at, author) = (node.merged_at.0, node.author);
    let reviewed = |review: &Review| {
        let is_own = review.author.login.is_some() && review.author.login == author.login;
        let counts = !is_own && !review.author.is_bot() && review.state.as_deref() != Some("PENDING");
        review.submitted_at.0.filter(|_| counts)
    };
    let reviews: Vec<Review> = node.reviews.nodes.into_iter().flatten().collect();
    let is_approval = |review: &&Review| review.state.as_deref() == Some("APPROVED");
    let commits: Vec<Commit> = node.commits.nodes.into_iter().flatten().map(|edge| edge.commit).collect();
    let ids: Vec<String> = commits.iter().filter_map(|commit| commit.oid.clone()).map(sha).collect();
    let merge_commit = node.merge_commit.as_ref().and_then(|commit| commit.oid.clone());
    facts.push(Fact::PullRequest(PullRequest {
        source: source.to_owned(),
        id: number.to_string(),
        repository: Some(repository.to_owned()),
        title: first_line(node.title.as_deref()),
        author: author.name(),
        branch: node.head_ref_name,
        base: node.base_ref_name,
        labels: node.labels.nodes.into_iter().flatten().filter_map(|label| label.name).collect(),
        first_commit_at: commits.iter().filter_map(|commit| commit.authored_date.0).min(),
        opened_at: node.created_at.0,
        first_review_at: reviews.iter().filter_map(reviewed).min(),
        approved_at: reviews.iter().filter(is_approval).filter_map(reviewed).min(),
        merged_at,
        closed_at: node.closed_at.0,
        commits: (!ids.is_empty()).then_some(ids),
        merge_commit: merged_at.and(merge_commit).map(sha),
        url: node.url,
        updated_at: stepped(node.updated_at.0, i64::from(node.closed_at.0.is_some())),
        ..PullRequest::default()
    }));
    if merged_at.is_some() {
        facts.extend(commits.into_iter().filter_map(|commit| change(commit, source, repository, None)));
        facts.extend(node.merge_commit.and_then(|commit| change(commit, source, repository, merged_at)));
    }
    Ok(())
}

fn change(commit: Commit, source: &str, repository: &str, merged_at: Option<Instant>) -> Option<Fact> {
    let message = commit.message.unwrap_or_default();
    let parents = commit.parents.map(|parents| parents.nodes.into_iter().flatten().filter_map(|parent| parent.oid));
    Some(Fact::Change(Change {
        source: source.to_owned(),
        id: sha(commit.oid?),
        repository: Some(repository.to_owned()),
        parents: parents.map(|parents| parents.map(sha).collect()),
        authored_at: commit.authored_date.0,
        committed_at: commit.committed_date.0,
        merged_at,
        title: first_line(Some(&message)),
        author: commit.author.user.login.or(commit.author.name),
        reverts: sha_after(&message, "This reverts commit "),
        cherry_pick_of: sha_after(&message, "(cherry picked from commit "),
        ..Change::default()
    }))
}

fn listed(id: String, row: Row, source: &str, repository: &str) -> Fact {
    let message = row.commit.message.unwrap_or_default();
    let parents = row.parents.map(|parents| parents.into_iter().filter_map(|parent| parent.sha));
    Fact::Change(Change {
        source: source.to_owned(),
        id: sha(id),
        repository: Some(repository.to_owned()),
        parents: parents.map(|parents| parents.map(sha).collect()),
        authored_at: row.commit.author.date.0,
        committed_at: row.commit.committer.date.0,
        title: first_line(Some(&message)),
        author: row.author.login.or(row.commit.author.name),
        reverts: sha_after(&message, "This reverts commit "),
        cherry_pick_of: sha_after(&message, "(cherry picked from commit "),
        url: row.html_url,
        ..Change::default()
    })
}
