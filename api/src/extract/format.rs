//! Which format a caller accepts (RFC 9110, section 12.5).

use crate::problem::{Kind, Problem};

/// A format that answers come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// The whole answer.
    Json,
    /// Its rows, for spreadsheets.
    Csv,
    /// Its rows, one object a line.
    NdJson,
}

impl Format {
    const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::NdJson];

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::NdJson => "application/x-ndjson",
        }
    }

    /// The format that the caller likes best; JSON where it likes several as much.
    pub(crate) fn accepted(accept: Option<&str>) -> Result<Self, Problem> {
        let Some(accept) = accept.filter(|text| !text.trim().is_empty()) else {
            return Ok(Self::Json);
        };
        let liked: Vec<(String, f32)> = accept.split(',').filter_map(weighed).collect();
        let mut best = None;
        for format in Self::ALL {
            let weight = format.weight(&liked);
            if weight > 0.0 && best.is_none_or(|(_, heaviest)| weight > heaviest) {
                best = Some((format, weight));
            }
        }
        best.map(|(format, _)| format).ok_or_else(|| {
            Problem::new(Kind::NotAcceptable, "no answer comes in a format that `Accept` names")
                .parameter("Accept")
                .value(accept)
                .expected("application/json, text/csv or application/x-ndjson")
        })
    }

    /// The most exact range that names this format decides.
    fn weight(self, liked: &[(String, f32)]) -> f32 {
        let own = self.content_type().split(';').next().unwrap_or_default();
        let kind = own.split('/').next().unwrap_or_default();
        let ranges = [own.to_owned(), format!("{kind}/*"), "*/*".to_owned()];
        ranges.iter().find_map(|range| liked.iter().find(|(name, _)| name == range)).map_or(0.0, |(_, weight)| *weight)
    }
}

/// Whether an answer may leave compressed.
pub(crate) fn accepts_gzip(accept_encoding: Option<&str>) -> bool {
    let codings: Vec<(String, f32)> = accept_encoding.unwrap_or_default().split(',').filter_map(weighed).collect();
    ["gzip", "*"]
        .iter()
        .find_map(|name| codings.iter().find(|(coding, _)| coding == name))
        .is_some_and(|(_, weight)| *weight > 0.0)
}

/// `text/csv;q=0.5` as its name and its weight.
fn weighed(item: &str) -> Option<(String, f32)> {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, weight.map_or(1.0, |text| text.parse().unwrap_or(0.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_that_is_liked_best_wins_and_none_is_a_problem() {
        let accepted = |text: &str| Format::accepted(Some(text)).ok();
        assert_eq!(Format::accepted(None).ok(), Some(Format::Json));
        assert_eq!(accepted("*/*"), Some(Format::Json));
        assert_eq!(accepted("text/html,application/xhtml+xml,*/*;q=0.8"), Some(Format::Json));
        assert_eq!(accepted("text/csv"), Some(Format::Csv));
        assert_eq!(accepted("application/json;q=0.5, text/csv"), Some(Format::Csv));
        assert_eq!(accepted("text/*, application/json;q=0.1"), Some(Format::Csv));
        assert_eq!(accepted("application/*;q=0.1, application/json;q=0, text/csv;q=0.05"), Some(Format::NdJson));
        assert_eq!(accepted("image/png"), None);
    }

    #[test]
    fn gzip_may_be_refused() {
        assert!(accepts_gzip(Some("gzip, deflate, br")));
        assert!(accepts_gzip(Some("*")));
        assert!(!accepts_gzip(Some("gzip;q=0, *")));
        assert!(!accepts_gzip(Some("br")));
        assert!(!accepts_gzip(None));
    }
}
