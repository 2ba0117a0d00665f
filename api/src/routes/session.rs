//! `/api/v1/session`: the page signs in with a token, asks who it is, and signs out. The page never keeps the
//! token: it gets a cookie that scripts cannot read and other sites cannot send.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::TimeDelta;
use dorado_lake::Key;
use dorado_query::Audience;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderValue, StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::{By, COOKIE, Caller, Credential, Grant, HOST_COOKIE, Visit, token_needed};
use crate::api::Api;
use crate::extract::{Body, Nothing, Query};
use crate::problem::{Kind, Problem};

/// How long a sign-in lasts where its token lasts longer.
const LASTS: TimeDelta = TimeDelta::days(14);

/// Who asks, and what they may do.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Whether anything may be asked.
    signed_in: bool,
    /// What proves it: `token`, `session` (the page's cookie) or `loopback` (this machine needs no token).
    #[schema(example = "session")]
    by: Option<&'static str>,
    /// The token's name.
    #[schema(example = "payments team")]
    name: Option<String>,
    /// The token's scopes.
    #[schema(example = json!(["read:payments"]))]
    scopes: Vec<String>,
    /// The teams that may be read, with those below them; null for all.
    #[schema(example = json!(["payments"]))]
    teams: Option<Vec<String>>,
    /// What may be done.
    may: May,
    /// When it ends; null where it does not.
    #[schema(example = "2026-12-01T00:00:00Z")]
    expires_at: Option<String>,
}

/// What somebody may do.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_excessive_bools, reason = "four answers to four questions")]
pub(crate) struct May {
    /// Read something.
    read: bool,
    /// Read everything.
    read_everything: bool,
    /// Send events.
    ingest: bool,
    /// Override, read the audit log, all else.
    administer: bool,
}

/// A token, to sign in with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// As `dorado token create` showed it.
    #[schema(example = "dorado_0000000000000000000000000000000000000000000000000000000000000000")]
    token: String,
}

impl Session {
    fn of(caller: &Caller) -> Self {
        let audience = caller.audience();
        let grant = match caller {
            Caller::Holder(grant) => Some(grant),
            Caller::Nobody | Caller::Local => None,
        };
        Self {
            signed_in: !matches!(caller, Caller::Nobody),
            by: match caller {
                Caller::Nobody => None,
                Caller::Local => Some("loopback"),
                Caller::Holder(Grant { by: By::Token, .. }) => Some("token"),
                Caller::Holder(Grant { by: By::Session(_), .. }) => Some("session"),
            },
            name: grant.map(|grant| grant.token.name.clone()),
            scopes: grant.map_or_else(Vec::new, |grant| grant.token.scopes.iter().map(ToString::to_string).collect()),
            teams: match &audience {
                Some(Audience::Teams(teams)) => Some(teams.iter().cloned().collect()),
                Some(Audience::Everybody) => None,
                None => Some(Vec::new()),
            },
            may: May {
                read: audience.is_some(),
                read_everything: audience == Some(Audience::Everybody),
                ingest: caller.may_ingest(dorado_ingest::events::NAME),
                administer: caller.may_administer(),
            },
            expires_at: caller.expires_at().map(|at| at.to_rfc3339()),
        }
    }

    fn respond(&self) -> Response {
        ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(self)).into_response()
    }
}

/// Who asks
#[utoipa::path(get, path = "/api/v1/session", tag = "Access", responses(
    (status = 200, description = "Who it is, also where that is nobody", body = Session),
))]
pub(crate) async fn who(visit: Visit, _: Query<Nothing>) -> Response {
    Session::of(&visit.caller).respond()
}

/// Signs in with a token
///
/// The answer sets a cookie, which is as good as the token for 14 days, or until the token ends.
#[utoipa::path(post, path = "/api/v1/session", tag = "Access",
    request_body(content = SignIn, content_type = "application/json"),
    responses(
        (status = 200, description = "Signed in", body = Session),
        (status = 401, description = "The token is not known, or it is expired or revoked", body = Problem,
            content_type = "application/problem+json"),
        (status = 403, description = "The token does not allow reading", body = Problem,
            content_type = "application/problem+json"),
    ))]
pub(crate) async fn sign_in(
    State(api): State<Api>,
    visit: Visit,
    _: Query<Nothing>,
    body: Body,
) -> Result<Response, Problem> {
    let asked = read(&body)?;
    let key = Key::read(asked.token.trim()).ok_or_else(wrong_token)?;
    let grant = api.grant(&Credential::Token(key.digest())).await?.ok_or_else(wrong_token)?;
    if Caller::Holder(grant.clone()).audience().is_none() {
        return Err(Problem::new(Kind::OutOfScope, "the token does not allow reading")
            .expected("a token with the scope read or read:TEAM"));
    }
    let now = api.now();
    let expires_at = grant.token.expires_at.map_or(now + LASTS, |at| at.min(now + LASTS));
    let register = api.access().register.clone();
    let token = grant.token.clone();
    let page = api.aside(move || Ok(register.sign_in(&token, expires_at, now)?)).await?;
    let signed_in = api.grant(&Credential::Session(page.digest())).await?.ok_or_else(wrong_token)?;
    let mut response = Session::of(&Caller::Holder(signed_in)).respond();
    let age = (expires_at - now).num_seconds();
    response.headers_mut().insert(SET_COOKIE, cookie(visit.is_secure, page.show(), age));
    Ok(response)
}

/// Signs out
#[utoipa::path(delete, path = "/api/v1/session", tag = "Access", responses(
    (status = 204, description = "Signed out, or was not signed in"),
))]
pub(crate) async fn sign_out(State(api): State<Api>, visit: Visit, _: Query<Nothing>) -> Result<Response, Problem> {
    if let Caller::Holder(Grant { by: By::Session(key), .. }) = &visit.caller {
        let (register, key) = (api.access().register.clone(), *key);
        api.aside(move || Ok(register.sign_out(&key)?)).await?;
        api.door().forget(&key);
        api.audit(&visit.caller, "session.ended", visit.caller.actor(), None).await?;
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.headers_mut().insert(SET_COOKIE, cookie(visit.is_secure, "", 0));
    Ok(response)
}

fn read(body: &Body) -> Result<SignIn, Problem> {
    if body.media_type().is_some_and(|kind| kind != "application/json") {
        return Err(Problem::new(Kind::UnsupportedMediaType, "a token comes as JSON")
            .parameter("Content-Type")
            .expected("application/json"));
    }
    // What serde says of a body may hold a part of it, and that part may be of a token.
    serde_json::from_slice(&body.bytes).map_err(|_wrong| {
        Problem::new(Kind::InvalidBody, "the body is not a token to sign in with")
            .parameter("body")
            .expected("{\"token\": \"dorado_…\"}")
    })
}

fn wrong_token() -> Problem {
    token_needed("the token is not known, or it is expired or revoked")
}

fn cookie(is_secure: bool, value: &str, max_age: i64) -> HeaderValue {
    let (name, secure) = if is_secure { (HOST_COOKIE, "; Secure") } else { (COOKIE, "") };
    let text = format!("{name}={value}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}");
    let mut value = HeaderValue::try_from(text).expect("a key is a prefix and hexadecimal digits");
    value.set_sensitive(true);
    value
}
