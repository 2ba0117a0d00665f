//! How an answer leaves: the format that the caller accepts, its entity tag, the link to the next page.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use dorado_lake::Instant;
use dorado_query::{Answer, Question};
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::api::Api;
use crate::extract::{Format, header_text};
use crate::problem::{Kind, Problem};

/// What the caller wants to get: taken from the request's own address and headers.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) format: Format,
    uri: Uri,
    known: Vec<String>,
}

impl FromRequestParts<Api> for Wanted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        Ok(Self {
            format: Format::accepted(header_text(&parts.headers, &ACCEPT).as_deref())?,
            uri: parts.uri.clone(),
            known: known_tags(&parts.headers),
        })
    }
}

/// The tags that a caller has, without the mark of weakness: comparison is always weak.
pub(crate) fn known_tags(headers: &HeaderMap) -> Vec<String> {
    let given = header_text(headers, &IF_NONE_MATCH).unwrap_or_default();
    given.split(',').map(|tag| tag.trim().trim_start_matches("W/").to_owned()).filter(|tag| !tag.is_empty()).collect()
}

/// An entity tag in its quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    /// Of the answer to a question: the tables' version, the question, and which program answers.
    pub(crate) fn of_question(wanted: &Wanted, question: &Question, version: u64, started_at: Instant) -> Self {
        let mut digest = Sha256::new();
        for part in [
            env!("CARGO_PKG_VERSION"),
            &started_at.to_rfc3339(),
            &version.to_string(),
            &question.from.to_rfc3339(),
            &question.to.to_rfc3339(),
            &format!("{:?}", question.audience()),
            wanted.format.content_type(),
            &wanted.uri.to_string(),
        ] {
            digest.update(part);
            digest.update([0]);
        }
        Self::from_digest(&digest.finalize())
    }

    pub(crate) fn of_body(body: &[u8]) -> Self {
        Self::from_digest(&Sha256::digest(body))
    }

    fn from_digest(digest: &[u8]) -> Self {
        Self(format!("\"{}\"", hex::encode(&digest[..16])))
    }

    /// Weak, because the same answer may leave compressed.
    fn header(&self) -> HeaderValue {
        HeaderValue::try_from(format!("W/{}", self.0)).expect("a tag is hexadecimal in quotes")
    }
}

impl Wanted {
    /// Whether the caller has what this tag names.
    pub(crate) fn has(&self, tag: &Tag) -> bool {
        self.known.iter().any(|known| known == "*" || *known == tag.0)
    }

    /// The address that was asked, with its query.
    pub(crate) fn address(&self) -> String {
        self.uri.path_and_query().map_or_else(String::new, ToString::to_string)
    }

    pub(crate) fn not_modified(tag: &Tag) -> Response {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        Self::describe(response.headers_mut(), tag);
        response
    }

    /// An encoded answer; `next_cursor` becomes the link to the next page.
    pub(crate) fn respond(&self, body: Vec<u8>, tag: &Tag, next_cursor: Option<&str>) -> Response {
        let mut response = body.into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.format.content_type()));
        Self::describe(headers, tag);
        if let Some(link) = next_cursor.and_then(|cursor| self.link_to(cursor)) {
            headers.insert(LINK, link);
        }
        response
    }

    /// Rows that no question was asked for; tagged by what they are.
    pub(crate) fn rows<T: Serialize>(&self, data: &[T]) -> Result<Response, Problem> {
        let body = self.format.encode_rows(data, &serde_json::json!({}))?;
        Ok(self.respond_by_content(body, None))
    }

    /// The same, one page of them.
    pub(crate) fn page<T: Serialize>(&self, data: &[T], next_cursor: Option<&str>) -> Result<Response, Problem> {
        let body = self.format.encode_rows(data, &serde_json::json!({ "next_cursor": next_cursor }))?;
        Ok(self.respond_by_content(body, next_cursor))
    }

    fn respond_by_content(&self, body: Vec<u8>, next_cursor: Option<&str>) -> Response {
        let tag = Tag::of_body(&body);
        if self.has(&tag) { Self::not_modified(&tag) } else { self.respond(body, &tag, next_cursor) }
    }

    fn describe(headers: &mut HeaderMap, tag: &Tag) {
        headers.insert(ETAG, tag.header());
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.insert(VARY, HeaderValue::from_static("Accept, Authorization, Cookie"));
    }

    /// The same address at another cursor.
    fn link_to(&self, cursor: &str) -> Option<HeaderValue> {
        const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        let mut query: Vec<String> = self
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="))
            .map(String::from)
            .collect();
        query.push(format!("cursor={}", utf8_percent_encode(cursor, UNRESERVED)));
        let link = format!("<{}?{}>; rel=\"next\"", self.uri.path(), query.join("&"));
        HeaderValue::try_from(link).ok()
    }
}

impl Format {
    /// An answer's bytes. JSON has all of it, the row formats have its rows.
    pub(crate) fn encode(self, answer: &Answer) -> Result<Vec<u8>, Problem> {
        match self {
            Self::Json => json(answer),
            Self::Csv | Self::NdJson => self.encode_maps(&answer.data),
        }
    }

    fn encode_rows<T: Serialize>(self, data: &[T], meta: &serde_json::Value) -> Result<Vec<u8>, Problem> {
        if self == Self::Json {
            return json(&serde_json::json!({ "data": data, "meta": meta }));
        }
        let rows = data
            .iter()
            .map(|row| match serde_json::to_value(row) {
                Ok(serde_json::Value::Object(map)) => Ok(map),
                Ok(_) => Err(Problem::new(Kind::Internal, "a row is not an object")),
                Err(error) => Err(unwritable(&error)),
            })
            .collect::<Result<Vec<_>, _>>()?;
        self.encode_maps(&rows)
    }

    fn encode_maps(self, rows: &[dorado_query::Row]) -> Result<Vec<u8>, Problem> {
        if self == Self::Csv {
            return Ok(csv::encode(rows).into_bytes());
        }
        let mut lines = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut lines, row).map_err(|e| unwritable(&e))?;
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

fn json<T: Serialize>(answer: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer).map_err(|e| unwritable(&e))
}

fn unwritable(error: &serde_json::Error) -> Problem {
    Problem::new(Kind::Internal, "the answer cannot be written").caused_by(error)
}

mod csv {
    //! RFC 4180, with cells that a spreadsheet would run as a formula made harmless.

    use std::collections::BTreeSet;

    use dorado_query::{Row, csv_cell as cell};
    use serde_json::Value;

    /// Rows under one heading line; a row that lacks a column has an empty cell there.
    pub(super) fn encode(rows: &[Row]) -> String {
        let mut seen = BTreeSet::new();
        let columns: Vec<&String> = rows.iter().flat_map(Row::keys).filter(|key| seen.insert(*key)).collect();
        let heading: Vec<String> = columns.iter().map(|column| cell(column)).collect();
        let mut text = heading.join(",") + "\r\n";
        for row in rows {
            let cells: Vec<String> = columns.iter().map(|column| value(row.get(*column))).collect();
            text += &cells.join(",");
            text += "\r\n";
        }
        text
    }

    fn value(value: Option<&Value>) -> String {
        match value {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => cell(text),
            Some(Value::Array(items)) if items.iter().all(Value::is_string) => {
                cell(&items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(";"))
            }
            Some(nested @ (Value::Array(_) | Value::Object(_))) => cell(&nested.to_string()),
            Some(plain) => plain.to_string(),
        }
    }

    #[cfg(test)]
    mod tests {
        #![expect(clippy::unwrap_used, reason = "tests")]

        use super::*;

        #[test]
        fn a_formula_is_only_text_and_numbers_stay_numbers() {
            let row = |text: &str| serde_json::from_str::<Row>(text).unwrap();
            let rows = [
                row(r#"{"title":"=1+1","n":-2,"none":null}"#),
                row(r#"{"title":"a \"b\", c","n":1.5,"extra":["x","y"]}"#),
            ];
            let text = encode(&rows);
            let lines: Vec<&str> = text.split("\r\n").collect();
            assert_eq!(lines[0], "n,none,title,extra");
            assert_eq!(lines[1], "-2,,\"'=1+1\",");
            assert_eq!(lines[2], "1.5,,\"a \"\"b\"\", c\",x;y");
        }
    }
}
