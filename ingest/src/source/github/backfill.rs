//! Deployments, their statuses and pull requests from before GitHub was connected, over REST, as the webhooks that
//! would have told them. Source: docs.github.com, "REST API endpoints for deployments" and "for pull requests".

use std::collections::VecDeque;

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat};
use dorado_lake::{Delivery, Instant};
use futures::stream::{self, Stream};
use octocrab::Octocrab;
use serde_json::{Value, json};

use super::NAME;
use crate::signature::Secret;
use crate::source::Error;

/// Rows a page; GitHub gives at most a hundred.
const PER_PAGE: usize = 100;

/// Where to read what happened before.
#[derive(Debug, Clone)]
pub struct GithubBackfill {
    /// A token that may read deployments and pull requests; none for what is public.
    pub token: Option<Secret>,
    /// Base URL of the REST API of an own server, as `https://github.example.org/api/v3`; none for github.com.
    pub base_url: Option<String>,
    /// Repositories to read, as `owner/name`.
    pub repositories: Vec<String>,
}

/// One request still to be made.
#[derive(Debug, Clone)]
enum Request {
    Deployments { repository: String, page: usize },
    Statuses { repository: String, deployment: Value },
    PullRequests { repository: String, page: usize },
}

struct Reader {
    client: Octocrab,
    since: Instant,
    requests: VecDeque<Request>,
    ready: VecDeque<Delivery>,
}

impl GithubBackfill {
    /// What these repositories know since `since`; page by page, as it is asked for.
    pub(super) fn deliveries(&self, since: Instant) -> impl Stream<Item = Result<Delivery, Error>> + Send + '_ {
        stream::try_unfold(None, move |reader: Option<Reader>| async move {
            let mut reader = match reader {
                Some(reader) => reader,
                None => self.reader(since)?,
            };
            while reader.ready.is_empty() {
                match reader.requests.pop_front() {
                    Some(request) => reader.make(request).await?,
                    None => return Ok(None),
                }
            }
            Ok(reader.ready.pop_front().map(|delivery| (delivery, Some(reader))))
        })
    }

    fn reader(&self, since: Instant) -> Result<Reader, Error> {
        let requests = self.repositories.iter().flat_map(|repository| {
            [
                Request::Deployments { repository: repository.clone(), page: 1 },
                Request::PullRequests { repository: repository.clone(), page: 1 },
            ]
        });
        Ok(Reader { client: self.client()?, since, requests: requests.collect(), ready: VecDeque::new() })
    }

    fn client(&self) -> Result<Octocrab, Error> {
        let mut builder = Octocrab::builder();
        if let Some(token) = &self.token {
            let token = token.read().and_then(|token| String::from_utf8(token).ok());
            let token = token.ok_or_else(|| Error::Unreadable { source_name: NAME.to_owned() })?;
            builder = builder.personal_token(token.trim().to_owned());
        }
        if let Some(base_url) = &self.base_url {
            builder = builder.base_uri(base_url.as_str()).map_err(unreachable)?;
        }
        builder.build().map_err(unreachable)
    }
}

impl Reader {
    async fn make(&mut self, request: Request) -> Result<(), Error> {
        match request {
            Request::Deployments { repository, page } => {
                let rows =
                    self.rows(&format!("/repos/{repository}/deployments"), &[("page", &page.to_string())]).await?;
                // The newest come first: an old one ends the search.
                let n_rows = rows.len();
                let young: Vec<Value> = rows.into_iter().filter(|row| self.is_young(row, "created_at")).collect();
                if young.len() == PER_PAGE {
                    self.requests.push_back(Request::Deployments { repository: repository.clone(), page: page + 1 });
                }
                tracing::debug!(source = NAME, n_rows, n_young = young.len(), "read a page of deployments");
                for deployment in young {
                    let body = json!({"action": "created", "deployment": deployment});
                    self.ready.push_back(delivery("deployment", "deployment", &repository, body));
                    self.requests.push_back(Request::Statuses { repository: repository.clone(), deployment });
                }
            }
            Request::Statuses { repository, deployment } => {
                let route = format!("/repos/{repository}/deployments/{}/statuses", deployment["id"]);
                for status in self.rows(&route, &[]).await? {
                    let body = json!({"action": "created", "deployment_status": status, "deployment": deployment});
                    self.ready.push_back(delivery("deployment_status", "deployment_status", &repository, body));
                }
            }
            Request::PullRequests { repository, page } => {
                let page_text = page.to_string();
                let query =
                    [("page", page_text.as_str()), ("state", "all"), ("sort", "updated"), ("direction", "desc")];
                let rows = self.rows(&format!("/repos/{repository}/pulls"), &query).await?;
                let young: Vec<Value> = rows.into_iter().filter(|row| self.is_young(row, "updated_at")).collect();
                if young.len() == PER_PAGE {
                    self.requests.push_back(Request::PullRequests { repository: repository.clone(), page: page + 1 });
                }
                for pull_request in young {
                    let body = json!({"action": "synchronize", "pull_request": pull_request});
                    self.ready.push_back(delivery("pull_request", "pull_request", &repository, body));
                }
            }
        }
        Ok(())
    }

    async fn rows(&self, route: &str, query: &[(&str, &str)]) -> Result<Vec<Value>, Error> {
        let per_page = PER_PAGE.to_string();
        let query: Vec<_> = query.iter().copied().chain([("per_page", per_page.as_str())]).collect();
        self.client.get(route, Some(&query)).await.map_err(unreachable)
    }

    fn is_young(&self, row: &Value, field: &str) -> bool {
        instant(&row[field]).is_some_and(|at| at >= self.since)
    }
}

/// The webhook that would have told this. Its id is made from the row and its clock, so that reading again
/// is a redelivery.
fn delivery(event: &str, row: &str, repository: &str, mut body: Value) -> Delivery {
    body["repository"] = json!({"full_name": repository});
    let row = &body[row];
    let at = instant(&row["updated_at"]).or_else(|| instant(&row["created_at"])).unwrap_or(Instant::UNIX_EPOCH);
    let clock = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let id = format!("backfill/{repository}/{event}/{}/{clock}", row["id"]);
    Delivery {
        source: NAME.to_owned(),
        connection: String::new(),
        headers: vec![("x-github-event".to_owned(), event.to_owned()), ("x-github-delivery".to_owned(), id.clone())],
        id,
        body: Bytes::from(body.to_string()),
        received_at: at,
    }
}

fn instant(value: &Value) -> Option<Instant> {
    DateTime::parse_from_rfc3339(value.as_str()?).ok().map(|at| at.to_utc())
}

fn unreachable(cause: octocrab::Error) -> Error {
    Error::Unreachable { source_name: NAME.to_owned(), cause: Box::new(cause) }
}
