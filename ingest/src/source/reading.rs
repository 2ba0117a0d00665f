//! Reading what tools send as JSON: any field may be missing, null or of another type than documented, and is then
//! unknown; what a fact cannot do without is asked for by name, and the error says its place.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use dorado_lake::{Fact, Instant};
use serde_json::Value;

use super::{Error, time};
use crate::json;

/// What a delivery came to.
#[derive(Debug)]
pub(crate) enum Told {
    /// These facts.
    Facts(Vec<Fact>),
    /// Nothing that a metric needs, and why.
    Nothing(String),
}

impl Told {
    pub(crate) fn nothing(why: impl Into<String>) -> Self {
        Self::Nothing(why.into())
    }

    pub(crate) fn one(fact: Fact) -> Self {
        Self::Facts(vec![fact])
    }

    /// For [`super::Source::translate`].
    pub(crate) fn facts(self) -> Vec<Fact> {
        match self {
            Self::Facts(facts) => facts,
            Self::Nothing(_) => Vec::new(),
        }
    }

    /// For [`super::Source::ignored_reason`].
    pub(crate) fn reason(self) -> Option<String> {
        match self {
            Self::Facts(_) => None,
            Self::Nothing(why) => Some(why),
        }
    }
}

/// A body as JSON, refused where it nests too deep.
pub(crate) fn parse(body: &[u8]) -> Result<Value, Error> {
    let broken = |problem: String| Error::Malformed { place: "body".to_owned(), problem };
    json::check_depth(body).map_err(|e| broken(e.to_string()))?;
    serde_json::from_slice(body).map_err(|e| broken(e.to_string()))
}

/// A value and where it stands in its body.
#[derive(Debug, Clone)]
pub(crate) struct Place<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Place<'a> {
    /// The whole body.
    pub(crate) fn of(body: &'a Value) -> Self {
        Self { path: String::new(), value: body }
    }

    /// The value of a field; null where there is none.
    pub(crate) fn at(&self, key: &str) -> Self {
        Self { path: self.path_of(key), value: &self.value[key] }
    }

    /// The elements of a list; none where it is no list.
    pub(crate) fn list(&self, key: &str) -> Vec<Self> {
        let list = self.at(key);
        let elements = list.value.as_array().into_iter().flatten().enumerate();
        elements.map(|(n, value)| Self { path: format!("{}[{n}]", list.path), value }).collect()
    }

    /// The value itself.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value.is_null()
    }

    /// A text that holds something; a number counts as its digits.
    pub(crate) fn text(&self, key: &str) -> Option<String> {
        text_of(&self.value[key])
    }

    /// The first of several fields that holds something.
    pub(crate) fn first_text(&self, keys: &[&str]) -> Option<String> {
        keys.iter().find_map(|key| self.text(key))
    }

    /// A text without which there is no fact.
    pub(crate) fn needed_text(&self, key: &str) -> Result<String, Error> {
        self.text(key).ok_or_else(|| self.missing(key))
    }

    /// The texts of a list, or the one text that stands in its stead.
    pub(crate) fn texts(&self, key: &str) -> Vec<String> {
        match &self.value[key] {
            Value::Array(list) => list.iter().filter_map(text_of).collect(),
            one => text_of(one).into_iter().collect(),
        }
    }

    /// An instant in any of the forms in which tools write one.
    pub(crate) fn time(&self, key: &str) -> Option<Instant> {
        time_of(&self.value[key])
    }

    /// An instant without which there is no fact.
    pub(crate) fn needed_time(&self, key: &str) -> Result<Instant, Error> {
        self.time(key).ok_or_else(|| match self.value[key] {
            Value::Null => self.missing(key),
            _ => Error::Malformed { place: self.path_of(key), problem: "is no instant".to_owned() },
        })
    }

    /// A field that may be true or false, also where it is written as a text.
    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        match &self.value[key] {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.to_ascii_lowercase().parse().ok(),
            _ => None,
        }
    }

    /// That a field is missing.
    pub(crate) fn missing(&self, key: &str) -> Error {
        Error::Malformed { place: self.path_of(key), problem: "is missing".to_owned() }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An instant in any of the forms in which tools write one. Without an offset it is UTC, which is what tools mean that leave
/// it out.
pub(crate) fn time_of(value: &Value) -> Option<Instant> {
    time::read(value).or_else(|| without_offset(value.as_str()?.trim()))
}

/// Whether a text is an instant in any form that tools write.
pub fn is_instant(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text.trim()).is_ok() || time_of(&Value::from(text)).is_some()
}

fn without_offset(text: &str) -> Option<Instant> {
    let text = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).unwrap_or(text).trim_end();
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
    let at = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
    let day = || Some(NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_time(NaiveTime::MIN));
    at.or_else(day).map(|at| at.and_utc()).filter(|at| *at > Instant::UNIX_EPOCH)
}

/// `owner/name` of the address of a repository, as other sources name it; what is no address stays as it is.
pub(crate) fn repository_of_url(address: &str) -> String {
    let address = address.trim();
    let path = match (address.split_once("://"), address.split_once(':')) {
        (Some((_, rest)), _) => rest.split_once('/').map_or(rest, |(_, path)| path),
        (None, Some((host, path))) if host.contains('@') => path,
        // `github.com/owner/name`
        (None, _) => match address.split_once('/') {
            Some((host, path)) if host.contains('.') && path.contains('/') => path,
            _ => address,
        },
    };
    let path = path.split(['?', '#']).next().unwrap_or(path).trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    if path.is_empty() { address.to_owned() } else { path.to_owned() }
}

/// The first line of a text, where it holds something.
pub(crate) fn first_line(text: &str) -> Option<String> {
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use chrono::DateTime;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instant_is_read_in_every_form_that_tools_write() {
        let expected = DateTime::from_timestamp(1_619_639_400, 0).unwrap();
        for form in [
            json!("2021-04-28T19:50:00Z"),
            json!("2021-04-28T19:50:00.000Z"),
            json!("2021-04-28T21:50:00+02:00"),
            json!("2021-04-28T21:50:00.000+0200"),
            json!("2021-04-28T21:50:00+0200"),
            json!("2021-04-28 21:50:00 +0200"),
            json!("2021-04-28 19:50:00 UTC"),
            json!("2021-04-28 19:50:00"),
            json!("2021-04-28T19:50:00"),
            json!("2021-04-28 19:50"),
            json!(1_619_639_400),
            json!(1_619_639_400_000_i64),
            json!(1_619_639_400_000_000_i64),
            json!(1_619_639_400_000_000_000_i64),
            json!("1619639400000"),
            json!(1_619_639_400.0),
        ] {
            assert_eq!(time_of(&form), Some(expected), "{form}");
        }
        for nothing in [json!("0001-01-01T00:00:00Z"), json!(""), json!("soon"), json!(null), json!({})] {
            assert_eq!(time_of(&nothing), None, "{nothing}");
        }
        assert_eq!(time_of(&json!("2021-04-28")).unwrap().timestamp(), 1_619_568_000);
    }

    #[test]
    fn a_repository_is_named_alike_whatever_its_address() {
        for address in [
            "https://github.com/acme/shop",
            "https://github.com/acme/shop.git",
            "https://token@github.com/acme/shop/",
            "ssh://git@github.com:22/acme/shop.git",
            "git@github.com:acme/shop.git",
            "github.com/acme/shop",
            "acme/shop",
        ] {
            assert_eq!(repository_of_url(address), "acme/shop", "{address}");
        }
        assert_eq!(repository_of_url("https://gitlab.example.org/a/b/c.git"), "a/b/c");
        assert_eq!(repository_of_url("devlake"), "devlake");
    }

    #[test]
    fn a_missing_field_is_named_with_its_path() {
        let body = json!({"event": {"data": [{"id": ""}]}});
        let event = Place::of(&body).at("event");
        let data = event.list("data");
        assert_eq!(data[0].needed_text("id").unwrap_err().to_string(), "event.data[0].id: is missing");
        assert_eq!(event.at("x").needed_time("y").unwrap_err().to_string(), "event.x.y: is missing");
        assert!(parse(b"{").unwrap_err().to_string().starts_with("body: EOF"));
        assert!(parse("[".repeat(100_000).as_bytes()).unwrap_err().to_string().contains("nests deeper than 64"));
    }
}
