//! Who a request comes from, and what that allows.

use std::collections::BTreeSet;
use std::sync::Arc;

use dorado_lake::{Instant, KeyDigest, Scope, Token};
use dorado_query::Audience;

/// Who a request comes from.
#[derive(Debug, Clone)]
pub(crate) enum Caller {
    /// Somebody of whom nothing is known.
    Nobody,
    /// This machine, which needs no token.
    Local,
    /// The holder of a valid token.
    Holder(Grant),
}

/// A token that was proved to be held.
#[derive(Debug, Clone)]
pub(crate) struct Grant {
    pub(crate) token: Arc<Token>,
    pub(crate) by: By,
}

/// What a grant was proved with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The token itself.
    Token,
    /// The page's cookie.
    Session(KeyDigest),
}

/// A caller, and how the request came.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) caller: Caller,
    /// Whether it came encrypted all the way from the browser, as far as is known.
    pub(crate) is_secure: bool,
}

impl Caller {
    /// What it may read; `None` where that is nothing.
    pub(crate) fn audience(&self) -> Option<Audience> {
        let scopes = match self {
            Self::Nobody => return None,
            Self::Local => return Some(Audience::Everybody),
            Self::Holder(grant) => &grant.token.scopes,
        };
        if scopes.iter().any(|scope| matches!(scope, Scope::Admin | Scope::Read(None))) {
            return Some(Audience::Everybody);
        }
        let teams: BTreeSet<String> = scopes
            .iter()
            .filter_map(|scope| match scope {
                Scope::Read(team) => team.clone(),
                Scope::Admin | Scope::Ingest(_) => None,
            })
            .collect();
        (!teams.is_empty()).then_some(Audience::Teams(teams))
    }

    /// Whether it may send what `source` tells.
    pub(crate) fn may_ingest(&self, source: &str) -> bool {
        self.has(|scope| match scope {
            Scope::Admin | Scope::Ingest(None) => true,
            Scope::Ingest(Some(only)) => only == source,
            Scope::Read(_) => false,
        })
    }

    /// Whether it may do everything.
    pub(crate) fn may_administer(&self) -> bool {
        self.has(|scope| *scope == Scope::Admin)
    }

    /// What the audit log calls it.
    pub(crate) fn actor(&self) -> &str {
        match self {
            Self::Nobody => "nobody",
            Self::Local => "loopback",
            Self::Holder(grant) => &grant.token.id,
        }
    }

    fn has(&self, is_enough: impl Fn(&Scope) -> bool) -> bool {
        match self {
            Self::Nobody => false,
            Self::Local => true,
            Self::Holder(grant) => grant.token.scopes.iter().any(is_enough),
        }
    }

    /// When it stops being let in.
    pub(crate) fn expires_at(&self) -> Option<Instant> {
        match self {
            Self::Holder(grant) => grant.token.expires_at,
            Self::Nobody | Self::Local => None,
        }
    }
}
