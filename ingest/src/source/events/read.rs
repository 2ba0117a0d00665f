//! One event's text to facts, and a parser's complaint to a problem that its sender can act on.

use std::borrow::Cow;

use dorado_lake::Fact;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::event::{Change, Deployment, Incident, Override, PullRequest};
use super::nearest::nearest;
use super::rules::{Event, Wrong};
use crate::json;

/// Type of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventType {
    /// A deployment.
    Deployment,
    /// A commit.
    Change,
    /// A pull request.
    PullRequest,
    /// An incident.
    Incident,
    /// A person's verdict.
    Override,
}

impl EventType {
    /// All types, in the order in which they are documented.
    pub const ALL: [Self; 5] = [Self::Deployment, Self::Change, Self::PullRequest, Self::Incident, Self::Override];

    /// Its name as `type` gives it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::Change => "change",
            Self::PullRequest => "pull_request",
            Self::Incident => "incident",
            Self::Override => "override",
        }
    }

    /// The type of this name; the error names the known ones.
    pub fn named(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|t| t.name() == name).ok_or_else(|| {
            let known: Vec<&str> = Self::ALL.iter().map(|t| t.name()).collect();
            let near = nearest(name, known.iter().copied());
            let meant = if near.is_empty() { known } else { near };
            format!("`{name}` is not a type of event; write {}", one_of(&meant))
        })
    }
}

/// Which event is wrong, as far as could be told, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WrongEvent {
    pub(crate) kind: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) wrong: Wrong,
}

/// Appends the facts that one event in JSON states. Appends nothing on error.
pub(crate) fn read_json(event: &[u8], source: &str, facts: &mut Vec<Fact>) -> Result<EventType, WrongEvent> {
    let label = label(event)?;
    let known = match &label.kind {
        Some(name) => EventType::named(name),
        None => Err("is missing; write deployment, change, pull_request, incident or override".to_owned()),
    };
    known
        .map_err(|problem| Wrong::new("type", problem))
        .and_then(|kind| read_typed(kind, event, source, facts).map(|()| kind))
        .map_err(|wrong| WrongEvent {
            kind: label.kind.map(Cow::into_owned),
            id: label.id.or(label.sha).and_then(|id| match id {
                Value::String(text) => Some(text.chars().take(super::field::MAX_NAME).collect()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            }),
            wrong,
        })
}

/// What tells one event from another, read leniently so that a wrong one can be named.
#[derive(Deserialize)]
struct Label<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    id: Option<Value>,
    /// The id of a change may go by this name.
    #[serde(alias = "commit_sha", default)]
    sha: Option<Value>,
}

fn label(event: &[u8]) -> Result<Label<'_>, WrongEvent> {
    let nameless = |field: Option<&str>, problem: String| WrongEvent {
        kind: None,
        id: None,
        wrong: Wrong { field: field.map(str::to_owned), problem },
    };
    if let Err(broken @ json::Broken::TooDeep(_)) = json::check_depth(event) {
        return Err(nameless(None, broken.to_string()));
    }
    serde_json::from_slice(event).map_err(|e| match (e.classify(), event.first()) {
        (serde_json::error::Category::Data, Some(b'{')) if e.to_string().contains("duplicate field") => {
            nameless(None, without_place(&e.to_string()))
        }
        (serde_json::error::Category::Data, Some(b'{')) => nameless(Some("type"), "is not text".to_owned()),
        (serde_json::error::Category::Data, _) => nameless(None, "is not a JSON object".to_owned()),
        _ => nameless(None, format!("is not JSON: {e}")),
    })
}

fn read_typed(kind: EventType, event: &[u8], source: &str, facts: &mut Vec<Fact>) -> Result<(), Wrong> {
    match kind {
        EventType::Deployment => from_json::<Deployment>(event)?.state(source, facts),
        EventType::Change => from_json::<Change>(event)?.state(source, facts),
        EventType::PullRequest => from_json::<PullRequest>(event)?.state(source, facts),
        EventType::Incident => from_json::<Incident>(event)?.state(source, facts),
        EventType::Override => from_json::<Override>(event)?.state(source, facts),
    }
}

/// Tracking where the parser is costs as much as parsing, so it is done only once something is wrong.
fn from_json<T: DeserializeOwned>(event: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(event).or_else(|_| {
        let mut parser = serde_json::Deserializer::from_slice(event);
        serde_path_to_error::deserialize(&mut parser)
            .map_err(|e| explained(&e.path().to_string(), &without_place(&e.inner().to_string())))
    })
}

/// A parser's complaint at `path` as a problem: unknown fields get the known ones nearest to them.
pub(crate) fn explained(path: &str, complaint: &str) -> Wrong {
    let mut quoted = complaint.split('`').skip(1).step_by(2);
    let named = quoted.next().unwrap_or_default();
    if complaint.starts_with("unknown field") {
        let known: Vec<&str> = quoted.filter(|field| *field != "type").collect();
        let near = nearest(named, known.iter().copied());
        let meant = if near.is_empty() { known } else { near };
        return Wrong::new(path, format!("is not a known field; did you mean {}?", one_of(&meant)));
    }
    if complaint.starts_with("missing field") {
        let place = if path == "." { named.to_owned() } else { format!("{path}.{named}") };
        return Wrong::new(&place, "is missing");
    }
    Wrong { field: (path != ".").then(|| path.to_owned()), problem: complaint.to_owned() }
}

/// serde_json appends a line and column of the event, which means nothing to the sender of a batch.
fn without_place(complaint: &str) -> String {
    complaint.rsplit_once(" at line ").map_or(complaint, |(said, _)| said).to_owned()
}

fn one_of(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}
