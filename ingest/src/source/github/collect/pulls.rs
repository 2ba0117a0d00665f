//! Pull requests, each with its commits and reviews, a hundred in one query; the last updated first.

use chrono::TimeDelta;
use dorado_lake::Delivery;
use serde_json::{Value, json};

use super::{Reader, instant};
use crate::http::Error as HttpError;
use crate::source::Error;

/// The query for a page of pull requests.
pub(crate) const PULL_REQUESTS: &str = include_str!("pulls.graphql");
/// The query for the commits of one that has more than a page of them.
pub(crate) const COMMITS: &str = include_str!("commits.graphql");

/// Fewer pull requests a page are not tried.
const FEWEST_PER_PAGE: usize = 10;
/// Pages of commits of one pull request at most; GitHub itself shows 250 commits.
const COMMIT_PAGES: usize = 10;

impl Reader<'_> {
    /// One page, and whether all are read.
    pub(super) async fn pull_requests(&mut self, repository: &str) -> Result<(Vec<Delivery>, bool), Error> {
        let since = self.since();
        let walk = self.note.repositories.entry(repository.to_owned()).or_default().walk("pull_requests").clone();
        let floor = walk.floor(since, TimeDelta::zero());
        let mut told = self.page_of_pulls(repository, walk.next.as_deref()).await?;
        if let Some(new) = told["nameWithOwner"].as_str().filter(|new| !new.eq_ignore_ascii_case(repository)) {
            let new = new.to_owned();
            self.rename(repository, &new);
            return Ok((Vec::new(), false));
        }
        let connection = told["pullRequests"].take();
        let mut nodes = connection["nodes"].as_array().cloned().unwrap_or_default();
        nodes.retain(|node| !node.is_null());
        let is_old = |node: &Value| instant(node, "updatedAt").is_some_and(|at| at < floor);
        let is_last = connection["pageInfo"]["hasNextPage"] != true || nodes.iter().any(is_old);
        nodes.retain(|node| !is_old(node));
        let mut deliveries = Vec::with_capacity(nodes.len());
        for mut node in nodes {
            self.whole_commits(repository, &mut node).await?;
            let walk = self.note.repositories.entry(repository.to_owned()).or_default().walk("pull_requests");
            walk.meet(instant(&node, "updatedAt"));
            let body = json!({ "pull_request": node });
            deliveries.push(self.delivery("pull_request_document", repository, &node, body));
        }
        let walk = self.note.repositories.entry(repository.to_owned()).or_default().walk("pull_requests");
        walk.next = connection["pageInfo"]["endCursor"].as_str().map(str::to_owned);
        // A page without a place to go on would be the first one again.
        let is_last = is_last || walk.next.is_none();
        if is_last {
            walk.finish();
        }
        Ok((deliveries, is_last))
    }

    /// Asks for a page; for a smaller one where GitHub does not manage in its time.
    async fn page_of_pulls(&mut self, repository: &str, after: Option<&str>) -> Result<Value, Error> {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        loop {
            let first = self.pulls_per_page;
            let variables = json!({ "owner": owner, "name": name, "first": first, "after": after });
            match self.access.graphql(repository, PULL_REQUESTS, variables).await {
                Ok(mut data) => return Ok(data["repository"].take()),
                Err(HttpError::Refused { status: 500.., .. } | HttpError::Unreachable { .. })
                    if first > FEWEST_PER_PAGE =>
                {
                    self.pulls_per_page = first / 2;
                    tracing::debug!(
                        repository,
                        first,
                        "a page of pull requests was too much and is asked for by halves"
                    );
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads the commits of a pull request that did not fit into the page.
    async fn whole_commits(&self, repository: &str, node: &mut Value) -> Result<(), Error> {
        let (owner, name) = repository.split_once('/').unwrap_or((repository, ""));
        for _ in 0..COMMIT_PAGES {
            let info = node["commits"]["pageInfo"].clone();
            if info["hasNextPage"] != true || !info["endCursor"].is_string() {
                break;
            }
            let variables = json!({
                "owner": owner, "name": name, "number": node["number"], "after": info["endCursor"],
            });
            let mut data = self.access.graphql(repository, COMMITS, variables).await?;
            let mut more = data["repository"]["pullRequest"]["commits"].take();
            if let (Some(all), Some(more)) = (node["commits"]["nodes"].as_array_mut(), more["nodes"].as_array_mut()) {
                all.append(more);
            }
            node["commits"]["pageInfo"] = more["pageInfo"].take();
        }
        Ok(())
    }
}
