//! How GitHub is asked: with a token or as an App, which has a token for each owner; which repositories there are to read,
//! and what became of one that has moved.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta};
use dorado_lake::Instant;
use globset::Glob;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::super::Github;
use super::PER_PAGE;
use crate::http::{Answer, Authorization, Error, Http};
use crate::signature::Secret;

/// Repositories of one pattern at most.
const MOST_REPOSITORIES: usize = 10_000;

/// Asks GitHub.
pub(super) struct Access<'a> {
    source: &'a Github,
    http: &'a Http,
    /// Tokens of an App, by owner.
    tokens: Mutex<BTreeMap<String, (Http, Instant)>>,
}

impl<'a> Access<'a> {
    pub(super) fn new(source: &'a Github, http: &'a Http) -> Self {
        Self { source, http, tokens: Mutex::default() }
    }

    pub(super) fn now(&self) -> Instant {
        self.http.now()
    }

    /// Asks as whoever may see what is the owner's of this repository or organisation.
    pub(super) async fn http(&self, of: &str) -> Result<Http, Error> {
        let Some(app_id) = &self.source.options.app_id else { return Ok(self.http.clone()) };
        let owner = of.split('/').next().unwrap_or_default().to_lowercase();
        let now = self.now();
        let known = self.tokens.lock().unwrap_or_else(PoisonError::into_inner).get(&owner).cloned();
        if let Some((http, _)) = known.filter(|(_, ends_at)| *ends_at > now + TimeDelta::minutes(1)) {
            return Ok(http);
        }
        let as_app = self.http.with(Authorization::Bearer(Secret::value(self.assertion(app_id)?)));
        let installation = as_app.get(&self.rest(&format!("users/{owner}/installation")), &[]).await;
        let installation: Value = installation
            .map_err(|error| match error {
                gone if gone.is_gone() => Error::Unsuitable(format!("the App is not installed for `{owner}`")),
                other => other,
            })?
            .json()?;
        let path = self.rest(&format!("app/installations/{}/access_tokens", installation["id"]));
        let granted: Value = as_app.post(&path, &json!({})).await?.json()?;
        let token = granted["token"].as_str().unwrap_or_default();
        let ends_at = granted["expires_at"].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        let ends_at = ends_at.map_or(now + TimeDelta::minutes(50), |at| at.to_utc());
        let http = self.http.with(Authorization::Bearer(Secret::value(token)));
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).insert(owner, (http.clone(), ends_at));
        Ok(http)
    }

    /// Asks as somebody else.
    pub(super) fn http_as(&self, authorization: Authorization) -> Http {
        self.http.with(authorization)
    }

    /// Says for ten minutes that we are the App.
    pub(super) fn assertion(&self, app_id: &str) -> Result<String, Error> {
        let wrong = |problem: &str| Error::Unsuitable(format!("the App's private key {problem}"));
        let key =
            self.source.connection.token.as_ref().and_then(Secret::read).ok_or_else(|| wrong("cannot be read"))?;
        let key = EncodingKey::from_rsa_pem(&key).map_err(|error| wrong(&format!("is not one in PEM: {error}")))?;
        let now = self.now().timestamp();
        // A minute back, for clocks that are off.
        let claims = json!({ "iat": now - 60, "exp": now + 540, "iss": app_id });
        jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, &key).map_err(|error| wrong(&error.to_string()))
    }

    /// A path of the REST API. A server of one's own has it below `/api/v3`.
    pub(super) fn rest(&self, path: &str) -> String {
        format!("{}/{path}", self.source.rest_base())
    }

    /// The path of a repository's list.
    pub(super) fn of(&self, repository: &str, path: &str) -> String {
        self.rest(format!("repos/{repository}/{path}").trim_end_matches('/'))
    }

    pub(super) async fn get(&self, repository: &str, path: &str, query: &[(&str, &str)]) -> Result<Answer, Error> {
        self.http(repository).await?.get(&self.of(repository, path), query).await
    }

    /// Asks over GraphQL; gives `data`.
    pub(super) async fn graphql(&self, repository: &str, query: &str, variables: Value) -> Result<Value, Error> {
        let http = self.http(repository).await?;
        let answer = http.post("graphql", &json!({ "query": query, "variables": variables })).await?;
        let mut told: Value = answer.json()?;
        let errors = told["errors"].as_array().cloned().unwrap_or_default();
        let is = |kind: &str| errors.iter().any(|error| error["type"] == kind);
        if is("RATE_LIMITED") {
            let resets_at = http.budget().and_then(|budget| budget.resets_at);
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
        let found: Value = self.http(repository).await?.get(&self.rest(&path), &[]).await?.json()?;
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
        let http = self.http(owner).await?;
        let per_page = PER_PAGE.to_string();
        let query = [("per_page", per_page.as_str()), ("sort", "full_name")];
        let of_organisation = self.rest(&format!("orgs/{owner}/repos"));
        let mut answer = match http.get(&of_organisation, &query).await {
            Err(error) if error.is_gone() => http.get(&self.rest(&format!("users/{owner}/repos")), &query).await?,
            answer => answer?,
        };
        let mut names = Vec::new();
        loop {
            let rows: Vec<Value> = answer.json()?;
            names.extend(rows.iter().filter_map(|row| row["full_name"].as_str()).map(str::to_owned));
            let Some(next) = answer.next_page().filter(|_| names.len() < MOST_REPOSITORIES) else { return Ok(names) };
            answer = http.get(next, &[]).await?;
        }
    }
}
