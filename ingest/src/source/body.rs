//! A tool's JSON body, read leniently: what is missing, null, empty or of another kind is `None`, and more than is
//! asked for does no harm. What a fact cannot do without is asked for with `needed_…`, whose error names the place.

use dorado_lake::{Delivery, Instant};
use serde_json::Value;

use super::{Error, reading, time};

/// A part of a body, with its place in it. A part that is not there has no value, and neither has any part of it.
#[derive(Debug, Clone)]
pub(crate) struct Part<'a> {
    value: Option<&'a Value>,
    place: String,
}

/// Parses the body of a delivery.
///
/// # Errors
/// [`Error::Malformed`] where it is not JSON or nests too deep.
pub(crate) fn parse(delivery: &Delivery) -> Result<Value, Error> {
    reading::parse(&delivery.body)
}

impl<'a> Part<'a> {
    /// A whole body.
    pub(crate) fn whole(value: &'a Value) -> Self {
        Self { value: Some(value), place: String::new() }
    }

    /// What is at `path`, whose keys are separated by dots; an array's place is its number.
    pub(crate) fn part(&self, path: &str) -> Self {
        let mut value = self.value;
        for key in path.split('.') {
            value = match value {
                Some(Value::Array(items)) => key.parse::<usize>().ok().and_then(|n| items.get(n)),
                Some(Value::Object(fields)) => fields.get(key),
                _ => None,
            };
        }
        Self { value: value.filter(|v| !v.is_null()), place: self.place_of(path) }
    }

    /// What is under a key that may have dots in it, as a label's name.
    pub(crate) fn field(&self, key: &str) -> Self {
        Self { value: self.value.and_then(|v| v.get(key)).filter(|v| !v.is_null()), place: self.place_of(key) }
    }

    /// Whether there is anything here.
    pub(crate) fn exists(&self) -> bool {
        self.value.is_some()
    }

    /// The elements of the array at `path`; none where there is no array.
    pub(crate) fn items(&self, path: &str) -> Vec<Self> {
        let part = if path.is_empty() { self.clone() } else { self.part(path) };
        let Some(Value::Array(items)) = part.value else {
            return Vec::new();
        };
        let at = |(n, value): (usize, &'a Value)| Self { value: Some(value), place: part.place_of(&n.to_string()) };
        items.iter().enumerate().map(at).collect()
    }

    /// The keys and values of the object here.
    pub(crate) fn fields(&self) -> Vec<(&'a str, Self)> {
        let Some(Value::Object(fields)) = self.value else {
            return Vec::new();
        };
        fields.iter().map(|(key, _)| (key.as_str(), self.field(key))).collect()
    }

    /// This as text: a string that is not blank, or a number.
    pub(crate) fn to_text(&self) -> Option<String> {
        match self.value? {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    /// The text at `path`.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.part(path).to_text()
    }

    /// The first of several places that has text.
    pub(crate) fn first_text(&self, paths: &[&str]) -> Option<String> {
        paths.iter().find_map(|path| self.text(path))
    }

    /// The texts of the array at `path`.
    pub(crate) fn texts(&self, path: &str) -> Vec<String> {
        self.items(path).iter().filter_map(Self::to_text).collect()
    }

    /// The whole number at `path`, also where it is written as a string.
    pub(crate) fn number(&self, path: &str) -> Option<i64> {
        match self.part(path).value? {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Whether `path` says yes.
    pub(crate) fn flag(&self, path: &str) -> bool {
        match self.part(path).value {
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) => text.trim().eq_ignore_ascii_case("true"),
            _ => false,
        }
    }

    /// The instant at `path`, in any form that tools write.
    pub(crate) fn instant(&self, path: &str) -> Option<Instant> {
        time::read(self.part(path).value?)
    }

    /// The text at `path`, without which there is no fact.
    pub(crate) fn needed_text(&self, path: &str) -> Result<String, Error> {
        self.text(path).ok_or_else(|| self.missing(path))
    }

    /// The instant at `path`, without which there is no fact.
    pub(crate) fn needed_instant(&self, path: &str) -> Result<Instant, Error> {
        self.instant(path).ok_or_else(|| {
            if self.part(path).exists() {
                Error::Malformed { place: self.place_of(path), problem: "is not an instant".to_owned() }
            } else {
                self.missing(path)
            }
        })
    }

    /// The error of a body that lacks `path`.
    pub(crate) fn missing(&self, path: &str) -> Error {
        Error::Malformed { place: self.place_of(path), problem: "is missing".to_owned() }
    }

    fn place_of(&self, path: &str) -> String {
        if self.place.is_empty() { path.to_owned() } else { format!("{}.{path}", self.place) }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_kind_is_none() {
        let body = json!({"a": {"b": " x ", "n": 7, "no": null, "list": [{"t": "1"}], "empty": ""}, "a.b": "dotted"});
        let body = Part::whole(&body);
        assert_eq!(body.text("a.b").as_deref(), Some("x"));
        assert_eq!(body.text("a.n").as_deref(), Some("7"));
        assert_eq!(body.field("a.b").to_text().as_deref(), Some("dotted"));
        assert_eq!(body.items("a.list")[0].number("t"), Some(1));
        for path in ["a", "a.no", "a.empty", "a.list", "a.b.c", "z.z"] {
            assert_eq!(body.text(path), None, "{path}");
        }
    }

    #[test]
    fn an_error_names_the_whole_place() {
        let body = json!({"a": [{"b": {"at": "soon"}}]});
        let part = Part::whole(&body).items("a").remove(0).part("b");
        assert_eq!(part.needed_text("c").unwrap_err().to_string(), "a.0.b.c: is missing");
        assert_eq!(part.needed_instant("at").unwrap_err().to_string(), "a.0.b.at: is not an instant");
    }
}
