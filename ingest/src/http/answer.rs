//! An answer of a tool, read within its limits, and what its headers say about when to ask again.

use bytes::{Bytes, BytesMut};
use chrono::{DateTime, TimeDelta};
use dorado_lake::Instant;
use reqwest::Response;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;
use url::Url;

use super::{Error, shown};

/// What is left of a tool's patience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Calls in a period.
    pub limit: Option<u64>,
    /// Calls left in this one.
    pub remaining: Option<u64>,
    /// When the next period begins.
    pub resets_at: Option<Instant>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status; a success, or 304.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Bytes,
    url: String,
}

pub(super) async fn read(mut response: Response, url: &Url, limit: usize) -> Result<Answer, Error> {
    let headers = response.headers().iter();
    let text = |value: &http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let headers = headers.filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect();
    let status = response.status().as_u16();
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| Error::of(url, &error))? {
        if body.len() + chunk.len() > limit {
            return Err(Error::TooLarge { url: shown(url), limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body: body.freeze(), url: shown(url) })
}

impl Answer {
    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// [`Error::NotJson`] with the place that is not as expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut parser = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut parser).map_err(|error| Error::NotJson {
            url: self.url.clone(),
            place: error.path().to_string(),
            problem: error.inner().to_string(),
        })
    }

    /// The tag with which to ask whether it has changed.
    pub fn etag(&self) -> Option<&str> {
        self.header("etag")
    }

    /// The URL of the next page, as `Link: <…>; rel="next"` gives it.
    pub fn next_page(&self) -> Option<&str> {
        let links = self.headers.iter().filter(|(name, _)| name == "link").flat_map(|(_, value)| value.split(','));
        links.into_iter().find_map(|link| {
            let (address, parameters) = link.split_once('>')?;
            let is_next = parameters.split(';').any(|p| matches!(p.trim(), "rel=\"next\"" | "rel=next"));
            is_next.then(|| address.trim().trim_start_matches('<'))
        })
    }

    pub(super) fn is_json(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.contains("json")) && !self.body.is_empty()
    }

    pub(super) fn is_whole_json(&self) -> bool {
        serde_json::from_slice::<IgnoredAny>(&self.body).is_ok()
    }

    pub(super) fn date(&self) -> Option<Instant> {
        http_date(self.header("date")?)
    }

    /// What the tool says of its patience.
    pub(super) fn budget(&self, now: Instant) -> Option<Budget> {
        let number = |name: &str| {
            let value =
                self.header(&format!("x-ratelimit-{name}")).or_else(|| self.header(&format!("ratelimit-{name}")));
            value.and_then(|value| value.trim().parse::<u64>().ok())
        };
        let resets_at = number("reset").and_then(|seconds| match i64::try_from(seconds).ok()? {
            // Seconds from now, or since the epoch: nobody makes us wait thirty years.
            seconds if seconds < 1_000_000_000 => now.checked_add_signed(TimeDelta::seconds(seconds)),
            seconds => Some(DateTime::from_timestamp(seconds, 0)? - self.clock_ahead(now)),
        });
        let budget = Budget { limit: number("limit"), remaining: number("remaining"), resets_at };
        (budget.remaining.is_some() || budget.limit.is_some()).then_some(budget)
    }

    /// Until when this refusal asks us to wait; `None` where it is none of that kind.
    pub(super) fn limited_until(&self, now: Instant) -> Option<Instant> {
        let after = self.header("retry-after").and_then(|value| match value.trim().parse::<i64>() {
            Ok(seconds) => now.checked_add_signed(TimeDelta::try_seconds(seconds)?),
            Err(_) => Some(http_date(value)? - self.clock_ahead(now)),
        });
        let budget = self.budget(now);
        let is_spent = budget.is_some_and(|budget| budget.remaining == Some(0));
        let is_told = self.said().to_lowercase().contains("rate limit");
        match self.status {
            429 => {}
            403 if after.is_some() || is_spent || is_told => {}
            503 if after.is_some() => {}
            _ => return None,
        }
        let resets_at = budget.filter(|_| is_spent).and_then(|budget| budget.resets_at);
        Some(after.or(resets_at).unwrap_or(now + TimeDelta::minutes(1)).max(now))
    }

    /// What it says of itself in a sentence: a JSON body's message, else the beginning of its text.
    pub(super) fn said(&self) -> String {
        let told = serde_json::from_slice::<Value>(&self.body).ok().and_then(|body| {
            let keys = ["message", "error_description", "error", "detail", "title", "errors", "ErrorMessage"];
            keys.iter().find_map(|key| match body.get(*key)? {
                Value::String(text) => Some(text.clone()),
                Value::Null => None,
                other => Some(other.to_string()),
            })
        });
        let text = told.unwrap_or_else(|| String::from_utf8_lossy(&self.body).into_owned());
        text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
    }

    fn clock_ahead(&self, now: Instant) -> TimeDelta {
        self.date().map_or_else(TimeDelta::zero, |date| date - now)
    }
}

fn http_date(text: &str) -> Option<Instant> {
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc())
}
