//! The kinds of values that fields of events hold, each with its own check, so that a record that was
//! read is a record that is right.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};
use dorado_lake::{Instant, Status};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::event::Change;

/// Ids and names may have this many characters.
pub(crate) const MAX_NAME: usize = 512;

/// Instants from here on are a mistake of the sender, as milliseconds taken for seconds.
const LAST_YEAR: i32 = 2100;

/// An instant, RFC 3339 with an offset, kept to the microsecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct When(pub(crate) Instant);

impl When {
    /// Reads an RFC 3339 instant; the error says what was wrong and what would have been right.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match DateTime::parse_from_rfc3339(text) {
            Ok(instant) => Self::checked(instant.to_utc(), text),
            Err(_) => Err(Self::why_not(text)),
        }
    }

    /// From microseconds since the epoch.
    pub(crate) fn from_micros(micros: i64) -> Result<Self, String> {
        let instant = DateTime::from_timestamp_micros(micros).ok_or_else(|| format!("{micros} µs is no instant"))?;
        Self::checked(instant, &instant.to_rfc3339())
    }

    fn checked(instant: DateTime<Utc>, text: &str) -> Result<Self, String> {
        use chrono::Datelike as _;
        if instant.timestamp() < 0 {
            return Err(format!("`{text}` is before 1970"));
        }
        if instant.year() >= LAST_YEAR {
            return Err(format!("`{text}` is after {LAST_YEAR}; were milliseconds taken for seconds?"));
        }
        // The tables keep microseconds; what is read back must equal what was read here.
        let micros = instant.timestamp_micros();
        Ok(Self(DateTime::from_timestamp_micros(micros).unwrap_or(instant)))
    }

    fn why_not(text: &str) -> String {
        let spaced = text.replacen(' ', "T", 1);
        if NaiveDateTime::parse_from_str(&spaced, "%Y-%m-%dT%H:%M:%S%.f").is_ok() {
            return format!("`{text}` has no offset; write {spaced}Z or {spaced}+01:00");
        }
        if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
            return format!("`{text}` has no time of day and no offset; write {text}T00:00:00Z");
        }
        format!("`{text}` is not an instant; write RFC 3339 with an offset, as 2026-01-02T03:04:05Z")
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = When;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an RFC 3339 instant with an offset, as \"2026-01-02T03:04:05Z\"")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<When, E> {
                When::parse(text).map_err(E::custom)
            }
            // JSON has no such number: this is how typed columns hand over their microseconds.
            fn visit_i128<E: de::Error>(self, micros: i128) -> Result<When, E> {
                i64::try_from(micros).map_err(E::custom).and_then(|micros| When::from_micros(micros).map_err(E::custom))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for When {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "When".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time", "examples": ["2026-01-02T03:04:05Z", "2026-01-02T08:22:05+05:18"]})
    }
}

/// An id: text or a whole number, not empty, at most [`MAX_NAME`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Id(pub(crate) String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an id: text or a whole number")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Id, E> {
                checked_name(text).map(Id).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, id: i64) -> Result<Id, E> {
                Ok(Id(id.to_string()))
            }
            fn visit_u64<E: de::Error>(self, id: u64) -> Result<Id, E> {
                Ok(Id(id.to_string()))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for Id {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Id".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "minLength": 1, "maxLength": MAX_NAME, "pattern": "\\S"})
    }
}

/// A name: text, not empty, at most [`MAX_NAME`] characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        checked_name(&text).map(Self).map_err(de::Error::custom)
    }
}

impl JsonSchema for Name {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Name".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "minLength": 1, "maxLength": MAX_NAME, "pattern": "\\S"})
    }
}

fn checked_name(text: &str) -> Result<String, String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err("is empty".to_owned());
    }
    // Bytes bound characters from above, so that the count is seldom needed.
    if trimmed.len() > MAX_NAME {
        let n_chars = trimmed.chars().count();
        if n_chars > MAX_NAME {
            return Err(format!("has {n_chars} characters; at most {MAX_NAME} are taken"));
        }
    }
    Ok(trimmed.to_owned())
}

/// A deployment's status in any of the words that tools use for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatusWord(pub(crate) Status);

const STATUS_WORDS: &[(&str, Status)] = &[
    ("success", Status::Success),
    ("successful", Status::Success),
    ("succeeded", Status::Success),
    ("failed", Status::Failed),
    ("failure", Status::Failed),
    ("error", Status::Failed),
    ("cancelled", Status::Cancelled),
    ("canceled", Status::Cancelled),
    ("aborted", Status::Cancelled),
    ("running", Status::Running),
    ("in_progress", Status::Running),
    ("started", Status::Running),
    ("pending", Status::Pending),
    ("queued", Status::Pending),
    ("waiting", Status::Pending),
    ("created", Status::Pending),
];

impl StatusWord {
    /// The words for a deployment that is not over.
    pub(crate) fn going_on() -> impl Iterator<Item = &'static str> {
        let is_over = |status: &Status| matches!(status, Status::Success | Status::Failed | Status::Cancelled);
        STATUS_WORDS.iter().filter(move |(_, status)| !is_over(status)).map(|(word, _)| *word)
    }
}

impl<'de> Deserialize<'de> for StatusWord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = Cow::<str>::deserialize(deserializer)?;
        STATUS_WORDS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word.trim()))
            .map(|(_, status)| Self(*status))
            .ok_or_else(|| {
                de::Error::custom(format!(
                    "`{word}` is not a status; write success, failed, cancelled, running or pending"
                ))
            })
    }
}

impl JsonSchema for StatusWord {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "StatusWord".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = STATUS_WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({"type": "string", "enum": words})
    }
}

/// A change in a deployment's list: its SHA or id, or the whole change.
#[derive(Debug, Clone)]
pub(crate) enum ChangeRef {
    Id(Id),
    Inline(Box<Change>),
}

impl<'de> Deserialize<'de> for ChangeRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = ChangeRef;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a SHA, an id or a change object")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ChangeRef, E> {
                checked_name(text).map(|id| ChangeRef::Id(Id(id))).map_err(E::custom)
            }
            fn visit_i64<E: de::Error>(self, id: i64) -> Result<ChangeRef, E> {
                Ok(ChangeRef::Id(Id(id.to_string())))
            }
            fn visit_u64<E: de::Error>(self, id: u64) -> Result<ChangeRef, E> {
                Ok(ChangeRef::Id(Id(id.to_string())))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<ChangeRef, A::Error> {
                let change = Change::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(ChangeRef::Inline(Box::new(change)))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl JsonSchema for ChangeRef {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "ChangeRef".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let id = Id::json_schema(generator);
        let change = generator.subschema_for::<Change>();
        json_schema!({"anyOf": [id, change]})
    }
}

/// A SHA in lower case; any other id as it is.
pub(crate) fn sha(id: String) -> String {
    if matches!(id.len(), 40 | 64) && id.bytes().all(|b| b.is_ascii_hexdigit()) { id.to_ascii_lowercase() } else { id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_needs_its_offset_and_the_error_says_so() {
        let problem = |text: &str| When::parse(text).err().unwrap_or_default();
        assert_eq!(
            problem("2026-01-02T03:04:05"),
            "`2026-01-02T03:04:05` has no offset; write 2026-01-02T03:04:05Z or 2026-01-02T03:04:05+01:00"
        );
        assert!(problem("2026-01-02 03:04:05.5").contains("write 2026-01-02T03:04:05.5Z"));
        assert!(problem("2026-01-02").contains("write 2026-01-02T00:00:00Z"));
        assert!(problem("1767322800").contains("RFC 3339"));
        assert!(problem("2026-02-30T00:00:00Z").contains("is not an instant"));
        assert!(problem("1969-12-31T23:59:59Z").contains("before 1970"));
        assert!(problem("57973-01-01T00:00:00Z").contains("not an instant"));
        assert!(problem("2512-01-01T00:00:00Z").contains("after 2100"));
    }

    #[test]
    fn offsets_of_minutes_are_read_and_nanoseconds_are_cut_to_microseconds() {
        let at = |text: &str| When::parse(text).map(|w| w.0.to_rfc3339()).unwrap_or_default();
        assert_eq!(at("2026-01-02T08:22:05+05:18"), "2026-01-02T03:04:05+00:00");
        assert_eq!(at("2026-01-02T03:04:05.123456789Z"), "2026-01-02T03:04:05.123456+00:00");
        assert_eq!(When::parse("2016-12-31T23:59:60Z").map(|w| w.0.timestamp()), Ok(1_483_228_800));
    }

    #[test]
    fn only_whole_shas_are_lowered() {
        assert_eq!(sha("ABCDEF0123ABCDEF0123ABCDEF0123ABCDEF0123".into()), "abcdef0123abcdef0123abcdef0123abcdef0123");
        assert_eq!(sha("PROJ-ABC".into()), "PROJ-ABC");
    }
}
