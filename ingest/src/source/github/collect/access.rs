//! As whom GitHub is asked: with a token or as an App, which has an installation for each owner; which repositories there
//! are to read, and what became of one that has moved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::TimeDelta;
use dorado_lake::Instant;
use globset::Glob;
use octocrab::auth::AppAuth;
use octocrab::jsonwebtoken::{self, Algorithm, EncodingKey, Header};
use octocrab::models::{AppId, InstallationId};
use octocrab::{AuthState, Octocrab};
use serde_json::{Value, json};

use super::super::Github;
use super::PER_PAGE;
use super::client::{self, Listed};
use crate::http::{Budget, Error, Http};
use crate::signature::Secret;

/// Repositories of one pattern at most.
const MOST_REPOSITORIES: usize = 10_000;

/// Asks GitHub.
pub(super) struct Access<'a> {
    source: &'a Github,
    http: &'a Http,
    /// Signed in as the connection says: with its token, as its App, or not at all.
    own: Arc<Octocrab>,
    /// As the App's installations, by owner; each has a token that octocrab renews.
    installations: Mutex<BTreeMap<String, Arc<Octocrab>>>,
}

impl<'a> Access<'a> {
    pub(super) async fn new(source: &'a Github, http: &'a Http) -> Result<Self, Error> {
        let as_whom = |auth| client::octocrab(http, source.rest_base(), auth);
        let auth = match (&source.options.app_id, &source.connection.token) {
            (None, None) => AuthState::None,
            (None, Some(token)) => bearer(token.text().ok_or_else(|| http.no_token())?),
            (Some(app_id), key) => {
                let key = key.as_ref().and_then(Secret::read).ok_or_else(|| wrong("cannot be read"))?;
                let key =
                    EncodingKey::from_rsa_pem(&key).map_err(|error| wrong(&format!("is not one in PEM: {error}")))?;
                let app_id = match app_id.parse() {
                    Ok(id) => id,
                    // octocrab signs with the number only.
                    Err(_) => number_of(&as_whom(bearer(assertion(app_id, &key, http.now())?)), app_id).await?,
                };
                AuthState::App(AppAuth { app_id: AppId(app_id), key })
            }
        };
        Ok(Self { source, http, own: Arc::new(as_whom(auth)), installations: Mutex::default() })
    }

    pub(super) fn now(&self) -> Instant {
        self.http.now()
    }

    /// What is left of GitHub's patience.
    pub(super) fn budget(&self) -> Option<Budget> {
        self.http.budget()
    }

    /// Signed in as the connection says.
    pub(super) fn own(&self) -> Arc<Octocrab> {
        Arc::clone(&self.own)
    }

    /// Signed in as whoever may see what is the owner's of this repository or organisation.
    pub(super) async fn octocrab(&self, of: &str) -> Result<Arc<Octocrab>, Error> {
        if self.source.options.app_id.is_none() {
            return Ok(self.own());
        }
        let owner = of.split('/').next().unwrap_or_default().to_lowercase();
        let known = self.installations.lock().unwrap_or_else(PoisonError::into_inner).get(&owner).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let route = client::route(&format!("users/{owner}/installation"), &[]);
        let installation = client::get(&self.own, &route).await.map_err(|error| match error {
            gone if gone.is_gone() => Error::Unsuitable(format!("the App is not installed for `{owner}`")),
            other => other,
        })?;
        let id = InstallationId(installation["id"].as_u64().unwrap_or_default());
        let octocrab = Arc::new(self.own.installation(id).map_err(|error| client::ours(&route, error))?);
        self.installations.lock().unwrap_or_else(PoisonError::into_inner).insert(owner, Arc::clone(&octocrab));
        Ok(octocrab)
    }

    /// Reads what is at a path of a repository.
    pub(super) async fn get(&self, repository: &str, path: &str, query: &[(&str, &str)]) -> Result<Value, Error> {
        let path = format!("repos/{repository}/{path}");
        let octocrab = self.octocrab(repository).await?;
        client::get(&octocrab, &client::route(path.trim_end_matches('/'), query)).await
    }

    /// A page of a repository's list; `None` where it is as it was when it had this ETag.
    pub(super) async fn page(
        &self,
        repository: &str,
        path: &str,
        query: &[(&str, &str)],
        etag: Option<&str>,
    ) -> Result<Option<Listed>, Error> {
        let route = client::route(&format!("repos/{repository}/{path}"), query);
        client::page(&*self.octocrab(repository).await?, self.http, &route, etag).await
    }

    /// The page at a route.
    pub(super) async fn page_at(&self, octocrab: &Octocrab, route: &str) -> Result<Listed, Error> {
        let unasked = || Error::Unsuitable(format!("{route} has not changed, which nobody asked"));
        client::page(octocrab, self.http, route, None).await?.ok_or_else(unasked)
    }

    /// Asks over GraphQL; gives `data`.
    pub(super) async fn graphql(&self, repository: &str, query: &str, variables: Value) -> Result<Value, Error> {
        let mut told = client::graphql(&*self.octocrab(repository).await?, query, variables).await?;
        let errors = told["errors"].as_array().cloned().unwrap_or_default();
        let is = |kind: &str| errors.iter().any(|error| error["type"] == kind);
        if is("RATE_LIMITED") {
            let resets_at = self.budget().and_then(|budget| budget.resets_at);
            let until = resets_at.unwrap_or(self.now() + TimeDelta::minutes(1));
            return Err(Error::Limited { url: "the GraphQL API".to_owned(), until });
        }
        if told["data"]["repository"].is_null() {
            if is("NOT_FOUND") {
                let url = format!("the GraphQL API for {repository}");
                return Err(Error::Refused { url, status: 404, said: String::new() });
            }
            let said = errors.first().and_then(|error| error["message"].as_str()).unwrap_or("nothing was told");
            return Err(Error::Refused { url: "the GraphQL API".to_owned(), status: 502, said: said.to_owned() });
        }
        Ok(told["data"].take())
    }

    /// Whether a repository is there for us.
    pub(super) async fn is_there(&self, repository: &str) -> Result<bool, Error> {
        match self.get(repository, "", &[]).await {
            Ok(_) | Err(Error::Moved { .. }) => Ok(true),
            Err(error) if error.is_gone() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The name that a repository has now.
    pub(super) async fn new_name(&self, repository: &str, to: &str) -> Result<String, Error> {
        let lost = || Error::Unsuitable(format!("{repository} has moved to where it cannot be found: {to}"));
        let segments: Vec<&str> = to.split('?').next().unwrap_or_default().split('/').collect();
        let at = segments.iter().position(|s| ["repositories", "repos"].contains(s)).ok_or_else(lost)?;
        let n = if segments[at] == "repositories" { 2 } else { 3 };
        let path = segments.get(at..at + n).ok_or_else(lost)?.join("/");
        let found = client::get(&*self.octocrab(repository).await?, &client::route(&path, &[])).await?;
        let name = found["full_name"].as_str().ok_or_else(lost)?;
        if name == repository { Err(lost()) } else { Ok(name.to_owned()) }
    }

    /// The repositories of these patterns: `owner/name`, `owner/*`, `owner/api-*`.
    pub(super) async fn repositories(&self, patterns: &[String]) -> Result<Vec<String>, Error> {
        let mut names = BTreeSet::new();
        for pattern in patterns {
            if !pattern.contains(['*', '?', '[', '{']) {
                names.insert(pattern.clone());
                continue;
            }
            let owner = pattern.split('/').next().unwrap_or_default();
            let glob = Glob::new(&pattern.to_lowercase()).map_err(|error| Error::Unsuitable(error.to_string()))?;
            let glob = glob.compile_matcher();
            let all = self.all_of(owner).await?;
            names.extend(all.into_iter().filter(|name| glob.is_match(name.to_lowercase())));
        }
        Ok(names.into_iter().collect())
    }

    /// All repositories of an organisation, or of a user.
    async fn all_of(&self, owner: &str) -> Result<Vec<String>, Error> {
        let octocrab = self.octocrab(owner).await?;
        let per_page = PER_PAGE.to_string();
        let query = [("per_page", per_page.as_str()), ("sort", "full_name")];
        let route = |of: &str| client::route(&format!("{of}/{owner}/repos"), &query);
        let mut page = match self.page_at(&octocrab, &route("orgs")).await {
            Err(error) if error.is_gone() => self.page_at(&octocrab, &route("users")).await?,
            page => page?,
        };
        let mut names = Vec::new();
        loop {
            names.extend(page.rows.iter().filter_map(|row| row["full_name"].as_str()).map(str::to_owned));
            let Some(next) = page.next.filter(|_| names.len() < MOST_REPOSITORIES) else { return Ok(names) };
            page = self.page_at(&octocrab, &next).await?;
        }
    }
}

fn bearer(token: String) -> AuthState {
    AuthState::AccessToken { token: token.into() }
}

fn wrong(problem: &str) -> Error {
    Error::Unsuitable(format!("the App's private key {problem}"))
}

/// Says for ten minutes that we are the App of this client id. A minute back, for clocks that are off.
fn assertion(client_id: &str, key: &EncodingKey, now: Instant) -> Result<String, Error> {
    let now = now.timestamp();
    let claims = json!({ "iat": now - 60, "exp": now + 540, "iss": client_id });
    jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key).map_err(|error| wrong(&error.to_string()))
}

/// The number of the App that is signed in with its client id.
async fn number_of(octocrab: &Octocrab, client_id: &str) -> Result<u64, Error> {
    let app = client::get(octocrab, "/app").await?;
    app["id"].as_u64().ok_or_else(|| Error::Unsuitable(format!("GitHub knows no number of the App `{client_id}`")))
}
