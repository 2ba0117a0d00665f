//! Incidents from PagerDuty's REST API, each with what its log says of acknowledgement and resolution. They are asked for
//! by the time of their making, a month at a time; those that were open are looked at again. Source:
//! developer.pagerduty.com, "List incidents" and "List log entries for an incident".

use std::collections::BTreeMap;

use chrono::{SecondsFormat, TimeDelta};
use dorado_lake::{Delivery, Instant};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::PagerDuty;
use crate::http::Http;
use crate::source::{Cursor, Error, Page, collected, time};

/// Incidents a page; PagerDuty gives at most a hundred.
const LIMIT: usize = 100;
/// Made within this of each other, they are asked for together; PagerDuty allows half a year.
const WINDOW: TimeDelta = TimeDelta::days(30);
/// PagerDuty counts no further within a window.
const FURTHEST: usize = 10_000;
/// Calls at once.
const AT_ONCE: usize = 4;
/// An incident that stays open is looked at again for so long.
const LONGEST: TimeDelta = TimeDelta::days(90);

/// How far was read.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    /// Incidents that were made before are known as they are.
    known_until: Option<Instant>,
    /// Incidents made since, and what they were like when they were read.
    seen: BTreeMap<String, Seen>,
    /// The run under way: where its window begins, and how many incidents of it were read.
    window: Option<Instant>,
    offset: usize,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Seen {
    created_at: Instant,
    clock: String,
    is_open: bool,
}

struct Run<'a> {
    source: &'a PagerDuty,
    http: &'a Http,
    from: Cursor,
    note: Note,
    until: Instant,
    is_over: bool,
    n_done: u64,
    n_total: u64,
}

pub(super) fn collect<'a>(source: &'a PagerDuty, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
    let mut note: Note = from.read();
    let until = http.now();
    let begin = note.window.or(note.known_until).unwrap_or(from.since).max(from.since).min(until);
    note.window = Some(begin);
    let n_total = ((until - begin).num_days() / WINDOW.num_days()).unsigned_abs() + 1;
    let run = Run { source, http, from, note, until, is_over: false, n_done: 0, n_total };
    stream::try_unfold(run, |mut run| async move {
        if run.is_over {
            return Ok(None);
        }
        let deliveries = run.page().await?;
        let cursor = run.from.with(&run.note);
        let page = Page { deliveries, cursor, n_done: Some(run.n_done), n_total: Some(run.n_total) };
        Ok(Some((page, run)))
    })
    .boxed()
}

impl Run<'_> {
    /// The next page of the window, and where to go on after it.
    async fn page(&mut self) -> Result<Vec<Delivery>, Error> {
        let begin = self.note.window.unwrap_or(self.from.since);
        let end = (begin + WINDOW).min(self.until);
        let text = |at: Instant| at.to_rfc3339_opts(SecondsFormat::Secs, true);
        // The end is not part of it, and the clocks of two machines differ.
        let end_asked = if end == self.until { end + TimeDelta::hours(1) } else { end };
        let (since, until) = (text(begin), text(end_asked));
        let (limit, offset) = (LIMIT.to_string(), self.note.offset.to_string());
        let mut query = vec![
            ("since", since.as_str()),
            ("until", until.as_str()),
            ("sort_by", "created_at:asc"),
            ("time_zone", "UTC"),
            ("limit", limit.as_str()),
            ("offset", offset.as_str()),
        ];
        query.extend(self.source.options.services.iter().map(|id| ("service_ids[]", id.as_str())));
        query.extend(self.source.options.teams.iter().map(|id| ("team_ids[]", id.as_str())));
        let list: Value = self.http.get("incidents", &query).await?.json()?;
        let rows: Vec<Value> = list["incidents"].as_array().cloned().unwrap_or_default();
        let n_rows = rows.len();
        let new: Vec<Value> = rows.into_iter().filter(|row| self.is_new(row)).collect();
        let http = self.http;
        let whole = stream::iter(new).map(|row| with_log(http, row)).buffered(AT_ONCE);
        let whole: Vec<(Value, Vec<Value>)> = whole.try_collect().await?;
        let deliveries = whole.into_iter().map(|(row, log)| self.delivery(&row, &log)).collect();
        self.note.offset += n_rows;
        let is_more = list["more"] == true && n_rows > 0 && self.note.offset + LIMIT <= FURTHEST;
        if !is_more {
            (self.note.window, self.note.offset) = (Some(end), 0);
            self.n_done += 1;
            if end >= self.until {
                self.finish();
            }
        }
        Ok(deliveries)
    }

    /// Whether it is not as it was when it was last read.
    fn is_new(&self, row: &Value) -> bool {
        let seen = row["id"].as_str().and_then(|id| self.note.seen.get(id));
        seen.is_none_or(|seen| seen.clock != clock(row))
    }

    fn delivery(&mut self, row: &Value, log: &[Value]) -> Delivery {
        let id = row["id"].as_str().unwrap_or_default().to_owned();
        if let Some(created_at) = time::read(&row["created_at"]) {
            let seen = Seen { created_at, clock: clock(row), is_open: row["status"] != "resolved" };
            self.note.seen.insert(id.clone(), seen);
        }
        let id = format!("rest/{id}/{}", clock(row));
        let body = json!({ "incident": row, "log_entries": log });
        collected(self.source, id, Vec::new(), body.to_string(), self.http.now())
    }

    /// The next run begins at the oldest that is open, where that is not too long ago.
    fn finish(&mut self) {
        let given_up = self.until - LONGEST;
        let open = self.note.seen.values().filter(|seen| seen.is_open && seen.created_at > given_up);
        // What was resolved may be opened again within a day.
        let floor = open.map(|seen| seen.created_at).min().unwrap_or(self.until).min(self.until - TimeDelta::days(1));
        self.note.seen.retain(|_, seen| seen.created_at >= floor);
        (self.note.known_until, self.note.window) = (Some(floor), None);
        self.is_over = true;
    }
}

/// An incident, and the log's entries on what became of it. Who did it is left out.
async fn with_log(http: &Http, row: Value) -> Result<(Value, Vec<Value>), Error> {
    let Some(id) = row["id"].as_str() else { return Ok((row, Vec::new())) };
    let query = [("is_overview", "true"), ("time_zone", "UTC"), ("limit", "100")];
    let log: Value = match http.get(&format!("incidents/{id}/log_entries"), &query).await {
        Ok(answer) => answer.json()?,
        // It was merged into another after its list was read.
        Err(error) if error.is_gone() => Value::Null,
        Err(error) => return Err(error.into()),
    };
    let entry = |entry: &Value| json!({ "type": entry["type"], "created_at": entry["created_at"] });
    let entries = log["log_entries"].as_array().map(|entries| entries.iter().map(entry).collect());
    Ok((row, entries.unwrap_or_default()))
}

/// What changes when the incident does.
fn clock(row: &Value) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    format!("{}/{}/{}", text("status"), text("last_status_change_at"), text("updated_at"))
}

pub(super) fn test<'a>(source: &'a PagerDuty, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
    async move {
        let mut query = vec![("limit", "1")];
        query.extend(source.options.services.iter().map(|id| ("service_ids[]", id.as_str())));
        query.extend(source.options.teams.iter().map(|id| ("team_ids[]", id.as_str())));
        let list: Value = http.get("incidents", &query).await?.json()?;
        let Some(first) = list["incidents"].as_array().and_then(|rows| rows.first()) else {
            return Ok("incidents can be read, and there is none".to_owned());
        };
        with_log(http, first.clone()).await?;
        let at = first["created_at"].as_str().unwrap_or("an unknown time");
        Ok(format!("incidents and their logs can be read; one is of {at}"))
    }
    .boxed()
}
