//! Paging by key: a cursor names the last row of a page, so that rows which arrive in between neither
//! repeat nor hide others.

use std::fmt::Write as _;

use datafusion::prelude::{Expr, col, lit};
use dorado_lake::Instant;

use super::frame::instant_literal;
use crate::engine::Error;
use crate::question::BadParameter;

/// A row's place in a list: rank, then newest first, then service and id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) rank: i64,
    pub(crate) at: Instant,
    pub(crate) service: String,
    pub(crate) id: String,
}

impl Place {
    /// As it is handed out.
    pub(crate) fn to_cursor(&self) -> String {
        encode(&[&self.rank.to_string(), &self.at.timestamp_micros().to_string(), &self.service, &self.id])
    }

    /// As it came back.
    pub(crate) fn from_cursor(cursor: &str) -> Result<Self, Error> {
        let bad = || bad_cursor(cursor);
        let parts = decode(cursor).ok_or_else(bad)?;
        let [rank, at, service, id] = <[String; 4]>::try_from(parts).ok().ok_or_else(bad)?;
        Ok(Self {
            rank: rank.parse().ok().ok_or_else(bad)?,
            at: at.parse().ok().and_then(Instant::from_timestamp_micros).ok_or_else(bad)?,
            service,
            id,
        })
    }

    /// Rows after this one, where `rank`, `at`, `service` and `id` are columns.
    pub(crate) fn after(&self, at: &str, id: &str) -> Expr {
        let same_at = || col(at).eq(instant_literal(self.at));
        let same_service = || col("service").eq(lit(self.service.as_str()));
        let later_id = same_service().and(col(id).gt(lit(self.id.as_str())));
        let later_service = col("service").gt(lit(self.service.as_str())).or(later_id);
        let older = col(at).lt(instant_literal(self.at)).or(same_at().and(later_service));
        col("rank").gt(lit(self.rank)).or(col("rank").eq(lit(self.rank)).and(older))
    }
}

/// Texts as one word of hexadecimal digits.
pub(crate) fn encode(parts: &[&str]) -> String {
    let mut word = String::new();
    for byte in parts.join("\u{1f}").bytes() {
        write!(word, "{byte:02x}").expect("writing to a string cannot fail");
    }
    word
}

/// What [`encode`] was given.
pub(crate) fn decode(word: &str) -> Option<Vec<String>> {
    if !word.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) || !word.len().is_multiple_of(2) {
        return None;
    }
    let bytes: Option<Vec<u8>> =
        (0..word.len()).step_by(2).map(|i| u8::from_str_radix(&word[i..i + 2], 16).ok()).collect();
    Some(String::from_utf8(bytes?).ok()?.split('\u{1f}').map(String::from).collect())
}

pub(crate) fn bad_cursor(cursor: &str) -> Error {
    Error::BadParameter(BadParameter {
        parameter: "cursor",
        value: cursor.to_owned(),
        problem: "it is not a cursor of this list".into(),
        expected: "the `next_cursor` of the page before, unchanged".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_comes_back_as_it_was_and_nonsense_does_not() {
        let place = Place {
            rank: 1,
            at: Instant::from_timestamp_micros(1_700_000_000_123_456).expect("in range"),
            service: "zahlung/ä".into(),
            id: "d|1".into(),
        };
        assert_eq!(Place::from_cursor(&place.to_cursor()).expect("its own cursor"), place);
        for nonsense in ["", "zz", "7", "31", "ä"] {
            assert!(Place::from_cursor(nonsense).is_err(), "{nonsense}");
        }
    }
}
