//! What a route needs, as what its handler takes. Without one of these a handler has no audience to ask a
//! question for, nobody to write into the audit log, and no right to keep anything.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use dorado_query::Audience;
use http::request::Parts;

use super::{Caller, Visit};
use crate::problem::{Kind, Problem};

/// Somebody who may read something.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) audience: Audience,
}

/// Somebody who may read everything.
#[derive(Debug)]
pub(crate) struct WholeReader;

/// Somebody who may send something.
#[derive(Debug)]
pub(crate) struct Ingester(Caller);

/// Somebody who may do everything.
#[derive(Debug)]
pub(crate) struct Admin;

impl Reader {
    /// Refuses who may not read everything.
    pub(crate) fn of_everything(&self) -> Result<(), Problem> {
        if self.audience == Audience::Everybody { Ok(()) } else { Err(out_of_scope("read")) }
    }
}

impl Ingester {
    /// Refuses who may not send what `source` tells.
    pub(crate) fn of(&self, source: &str) -> Result<(), Problem> {
        if self.0.may_ingest(source) { Ok(()) } else { Err(out_of_scope(&format!("ingest:{source}"))) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Whom the door has not seen is nobody.
        let visit = parts.extensions.get::<Self>().cloned();
        Ok(visit.unwrap_or(Self { caller: Caller::Nobody, is_secure: false }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = known(parts, state).await?;
        caller.audience().map(|audience| Self { audience }).ok_or_else(|| out_of_scope("read"))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WholeReader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = known(parts, state).await?;
        if caller.audience() == Some(Audience::Everybody) { Ok(Self) } else { Err(out_of_scope("read")) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Ingester {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self(known(parts, state).await?))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Admin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let caller = known(parts, state).await?;
        if caller.may_administer() { Ok(Self) } else { Err(out_of_scope("admin")) }
    }
}

async fn known<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<Caller, Problem> {
    let Ok(visit) = Visit::from_request_parts(parts, state).await;
    match visit.caller {
        Caller::Nobody => Err(super::door::token_needed("this needs a token")),
        caller => Ok(caller),
    }
}

fn out_of_scope(needed: &str) -> Problem {
    Problem::new(Kind::OutOfScope, "the token does not allow this").expected(format!("a token with the scope {needed}"))
}
