//! Neutral events: what anything that can post JSON sends when no source of its own exists for it. One
//! object, an array, or one object a line; each event is taken or rejected on its own.

mod event;
mod field;
mod nearest;
mod read;
mod rules;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use dorado_lake::{Delivery, Fact};
use serde::Serialize;

pub(crate) use event::{Change, Deployment, Incident, Override, PullRequest};
pub(crate) use field::sha;
pub use nearest::nearest;
pub use read::EventType;
pub(crate) use read::{WrongEvent, explained, read_json};
pub(crate) use rules::{Event, Wrong};
pub use schema::schema;

use super::{Error, Source};
use crate::json;

/// Name of the source, and what its facts name as their `source`.
pub const NAME: &str = "events";

/// The source of neutral events. Who may send is decided by the tokens of the API.
#[derive(Debug, Clone, Copy, Default)]
pub struct Events;

impl Source for Events {
    fn name(&self) -> &'static str {
        NAME
    }

    fn authenticate(&self, _: &Delivery) -> Result<(), Error> {
        Ok(())
    }

    /// The facts of the events that are right. Their sender was told which are wrong; only where none
    /// is right is that an error here.
    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        let parsed = parse_from(&delivery.source_name(), &delivery.body, delivery.header("content-type"))?;
        match parsed.rejected.into_iter().next() {
            Some(first) if parsed.n_accepted == 0 => Err(first.into()),
            _ => Ok(parsed.accepted),
        }
    }
}

/// What a body of events came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parsed {
    /// Facts of the events that are right, in their order.
    pub accepted: Vec<Fact>,
    /// Events that are right. One event may state several facts.
    pub n_accepted: usize,
    /// The same by type.
    pub accepted_types: BTreeMap<EventType, usize>,
    /// Events that are wrong, in their order.
    pub rejected: Vec<Rejected>,
}

/// An event that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rejected {
    /// Its place in the body, from 0; blank lines do not count.
    pub index: usize,
    /// Its type, as far as it could be read.
    pub r#type: Option<String>,
    /// Its id, as far as it could be read.
    pub id: Option<String>,
    /// The field that is wrong, as `finished_at` or `changes[2].id`; none where it is the whole event.
    pub field: Option<String>,
    /// What is wrong, and what would have been right.
    pub problem: String,
}

impl Rejected {
    /// Where the problem is, as `events[3].finished_at`.
    pub fn place(&self) -> String {
        match &self.field {
            Some(field) => format!("events[{}].{field}", self.index),
            None => format!("events[{}]", self.index),
        }
    }
}

impl std::fmt::Display for Rejected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place(), self.problem)
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Malformed { place: rejected.place(), problem: rejected.problem }
    }
}

/// Reads a body of events, sent to `/api/v1/events`: one JSON object, an array of them, or one a line. Which it
/// is is seen from the body; `content_type` decides only for `application/x-ndjson` and its kin.
///
/// # Errors
/// [`Error::Malformed`] where no event can be told from another: an empty body, or an array that is not closed.
pub fn parse(body: &[u8], content_type: Option<&str>) -> Result<Parsed, Error> {
    parse_from(NAME, body, content_type)
}

/// As [`parse`], for facts whose `source` is `source_name`.
///
/// # Errors
/// As [`parse`].
pub fn parse_from(source_name: &str, body: &[u8], content_type: Option<&str>) -> Result<Parsed, Error> {
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body).trim_ascii();
    let mut parsed = Parsed::default();
    for (index, event) in split(body, content_type)?.into_iter().enumerate() {
        match read_json(event, source_name, &mut parsed.accepted) {
            Ok(kind) => {
                parsed.n_accepted += 1;
                *parsed.accepted_types.entry(kind).or_default() += 1;
            }
            Err(WrongEvent { kind, id, wrong: Wrong { field, problem } }) => {
                parsed.rejected.push(Rejected { index, r#type: kind, id, field, problem });
            }
        }
    }
    Ok(parsed)
}

/// The events' texts.
fn split<'a>(body: &'a [u8], content_type: Option<&str>) -> Result<Vec<&'a [u8]>, Error> {
    let malformed = |problem: String| Error::Malformed { place: "body".to_owned(), problem };
    let Some(first) = body.first() else {
        return Err(malformed("is empty; send a JSON object, an array of them, or one a line".to_owned()));
    };
    if says_lines(content_type) {
        return Ok(lines(body).collect());
    }
    match first {
        b'[' => json::elements(body).map_err(|broken| malformed(format!("{broken}; it starts as an array of events"))),
        _ => match json::is_one_value(body) {
            Err(json::Broken::TooDeep(_)) | Ok(false) => Ok(lines(body).collect()),
            // Cut off: whole objects a line are many events, one of them broken; else it is one broken event.
            Err(_) if lines(body).any(|line| line.starts_with(b"{") && json::is_one_value(line) == Ok(true)) => {
                Ok(lines(body).collect())
            }
            Ok(true) | Err(_) => Ok(vec![body]),
        },
    }
}

fn says_lines(content_type: Option<&str>) -> bool {
    let named = content_type.unwrap_or_default().to_ascii_lowercase();
    ["ndjson", "jsonl", "json-lines", "json-seq"].iter().any(|kind| named.contains(kind))
}

/// Lines that are not blank.
fn lines(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    body.split(|b| *b == b'\n')
        .map(|line| line.trim_ascii().trim_ascii_start())
        .map(|line| line.strip_prefix(b"\x1e").unwrap_or(line))
        .filter(|line| !line.is_empty())
}
