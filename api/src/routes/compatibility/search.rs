//! What a connection was told, found again by who may post to it and may read: its own events and no others.

use dorado_query::{Asked, Audience, List, Page, Question, Row};
use serde::Deserialize;
use serde_json::{Value, json};

use super::datadog::FoundEvent;
use crate::api::Api;
use crate::problem::{Kind, Problem};

/// Which events are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    Deployments,
    Failures,
}

/// Who looks for them.
#[derive(Debug)]
pub(super) struct Seeker {
    /// The connection that they post to.
    pub(super) source: String,
    /// What they may read.
    pub(super) audience: Audience,
}

/// A search as its sender wrote it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Search {
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    /// `service:(a OR b) env:production`.
    query: Option<String>,
    /// Newest first, but where it names a time without `-` before it.
    sort: Option<String>,
    #[serde(skip)]
    id: Option<String>,
    /// Keys and values beside those of `query`.
    #[serde(skip)]
    terms: Vec<(String, Vec<String>)>,
}

const DEFAULT_LIMIT: usize = 10;
const GREATEST_LIMIT: usize = 1_000;
/// Rows that are looked through at most.
const LOOKED_THROUGH: usize = 20_000;

impl Search {
    pub(super) fn of_id(id: String) -> Self {
        Self { id: Some(id), limit: Some(1), ..Self::default() }
    }

    /// The latest of this service, environment and version.
    pub(super) fn of_version(service: String, environment: String, version: String) -> Self {
        let terms = [("service", service), ("env", environment), ("version", version)];
        let terms = terms.map(|(key, value)| (key.to_owned(), vec![value])).to_vec();
        Self { terms, limit: Some(1), ..Self::default() }
    }

    /// The events of this source that it finds.
    pub(super) async fn events(self, api: &Api, wanted: Wanted, seeker: Seeker) -> Result<Vec<FoundEvent>, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT).min(GREATEST_LIMIT);
        let is_oldest_first = self.sort.as_deref().is_some_and(|sort| !sort.starts_with('-'));
        let mut terms = terms(self.query.as_deref().unwrap_or_default())?;
        terms.extend(self.terms);
        let of = |key: &str| terms.iter().filter(|(k, _)| k == key).flat_map(|(_, values)| values.clone()).collect();
        let versions: Vec<String> = of("version");
        let asked = Asked {
            from: self.from.or_else(|| Some("1970-01-01T00:00:00Z".to_owned())),
            to: self.to,
            bucket: Some("all".to_owned()),
            service: of("service"),
            team: of("team"),
            environment: of("env"),
            ..Asked::default()
        };
        let question = Question::new(&asked, seeker.audience, api.end_of_minute())?;
        let (list, id_key) = match wanted {
            Wanted::Deployments => (List::Deployments, "deployment"),
            Wanted::Failures => (List::Incidents, "incident"),
        };
        let is_ours = |row: &Row| {
            let is = |key: &str, value: &str| row.get(key).is_some_and(|told| told == value);
            let is_version = versions.is_empty() || versions.iter().any(|version| is("version", version));
            is("source", &seeker.source) && self.id.as_ref().is_none_or(|id| is(id_key, id)) && is_version
        };
        let mut events: Vec<FoundEvent> = Vec::new();
        let mut page = Page { limit: GREATEST_LIMIT, cursor: None };
        for _ in 0..LOOKED_THROUGH / GREATEST_LIMIT {
            let (engine, question, this) = (api.engine().clone(), question.clone(), page.clone());
            let answer =
                api.on_queries(async move { Ok::<_, Problem>(engine.list(list, &question, &this).await?) }).await?;
            for row in answer.data.iter().filter(|row| is_ours(row)) {
                add(&mut events, wanted, row);
            }
            page.cursor = answer.meta.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
            // One more, since the last may go on with another service.
            if page.cursor.is_none() || (!is_oldest_first && events.len() > limit) {
                break;
            }
        }
        if is_oldest_first {
            events.reverse();
        }
        events.truncate(limit);
        Ok(events)
    }
}

fn add(events: &mut Vec<FoundEvent>, wanted: Wanted, row: &Row) {
    let of = |key: &str| row.get(key).cloned().unwrap_or_default();
    let text = |key: &str| of(key).as_str().unwrap_or_default().to_owned();
    match wanted {
        Wanted::Deployments => events.push(FoundEvent {
            id: text("deployment"),
            r#type: "dora_deployment",
            attributes: without_nulls(json!({
                "service": of("service"),
                "env": of("environment"),
                "version": of("version"),
                "started_at": if of("started_at").is_null() { of("finished_at") } else { of("started_at") },
                "finished_at": of("finished_at"),
                "change_failure": of("failed"),
                "git": match (of("revision").as_str(), of("repository").as_str()) {
                    (Some(revision), Some(repository)) => json!({"commit_sha": revision, "repository_id": repository}),
                    _ => Value::Null,
                },
            })),
        }),
        // A row for each service that it hit; they follow each other.
        Wanted::Failures => match events.iter_mut().find(|event| event.id == text("incident")) {
            Some(event) => {
                if let Some(services) = event.attributes["services"].as_array_mut() {
                    services.push(of("service"));
                }
            }
            None => events.push(FoundEvent {
                id: text("incident"),
                r#type: "dora_failure",
                attributes: without_nulls(json!({
                    "services": of("service").as_str().into_iter().collect::<Vec<_>>(),
                    "name": of("title"),
                    "severity": of("severity"),
                    "started_at": of("opened_at"),
                    "finished_at": of("resolved_at"),
                })),
            }),
        },
    }
}

fn without_nulls(mut attributes: Value) -> Value {
    if let Some(fields) = attributes.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    attributes
}

/// `service:(a OR b) env:production` as keys and values. `*` leaves out nothing.
fn terms(query: &str) -> Result<Vec<(String, Vec<String>)>, Problem> {
    let mut terms = Vec::new();
    let mut rest = query.trim();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('*').or_else(|| rest.strip_prefix("AND ")) {
            rest = after.trim_start();
            continue;
        }
        let wrong = |rest: &str| {
            Problem::new(Kind::InvalidParameter, "a part of the search is not understood")
                .parameter("query")
                .value(rest)
                .expected("service:NAME, env:NAME, team:NAME or version:NAME, or several as service:(A OR B)")
        };
        let (key, after) = rest.split_once(':').ok_or_else(|| wrong(rest))?;
        if !["service", "env", "team", "version"].contains(&key) {
            return Err(wrong(rest));
        }
        let (values, after) = match after.strip_prefix('(') {
            Some(inner) => inner.split_once(')').ok_or_else(|| wrong(rest))?,
            None => after.split_once(char::is_whitespace).unwrap_or((after, "")),
        };
        let values = values.split(" OR ").map(|value| value.trim().trim_matches('"').to_owned());
        terms.push((key.to_owned(), values.filter(|value| !value.is_empty() && value != "*").collect()));
        rest = after.trim_start();
    }
    Ok(terms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_read_by_its_terms() {
        let read = |query: &str| terms(query).unwrap_or_default();
        let term = |key: &str, values: &[&str]| (key.to_owned(), values.iter().map(|v| (*v).to_owned()).collect());
        assert_eq!(
            read("service:(quay OR \"crane\") env:production"),
            [term("service", &["quay", "crane"]), term("env", &["production"])]
        );
        assert_eq!(read("env:prod AND version:v1"), [term("env", &["prod"]), term("version", &["v1"])]);
        assert!(read("*").is_empty());
        assert!(terms("service").is_err());
        assert!(terms("@git.branch:main").is_err());
        assert!(terms("service:(a").is_err());
    }
}
