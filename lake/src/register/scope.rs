//! What a token is for.

use std::fmt;
use std::str::FromStr;

/// One thing that a token allows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Everything.
    Admin,
    /// To read: everything, or only a team and the teams below it.
    Read(Option<String>),
    /// To send: for every source, or only for one.
    Ingest(Option<String>),
}

/// A scope that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope: expected admin, read, read:TEAM, ingest or ingest:SOURCE")]
pub struct NoScope(String);

impl FromStr for Scope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        let (kind, whose) = match text.split_once(':') {
            Some((kind, whose)) => (kind, Some(whose.trim())),
            None => (text, None),
        };
        match (kind.trim(), whose) {
            ("admin", None) => Ok(Self::Admin),
            ("read", None) => Ok(Self::Read(None)),
            ("ingest", None) => Ok(Self::Ingest(None)),
            ("read", Some(team)) if !team.is_empty() => Ok(Self::Read(Some(team.to_owned()))),
            ("ingest", Some(source)) if !source.is_empty() => Ok(Self::Ingest(Some(source.to_owned()))),
            _ => Err(NoScope(text.to_owned())),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Read(None) => f.write_str("read"),
            Self::Ingest(None) => f.write_str("ingest"),
            Self::Read(Some(team)) => write!(f, "read:{team}"),
            Self::Ingest(Some(source)) => write!(f, "ingest:{source}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_read_as_it_is_written() {
        for text in ["admin", "read", "read:payments", "read:Team A", "ingest", "ingest:events", "ingest:gitlab/main"] {
            assert_eq!(text.parse::<Scope>().map(|scope| scope.to_string()), Ok(text.to_owned()));
        }
        for wrong in ["", "write", "read:", "ingest: ", "admin:all", "Read"] {
            assert!(wrong.parse::<Scope>().is_err(), "{wrong}");
        }
    }
}
