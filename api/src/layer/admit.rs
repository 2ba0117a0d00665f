//! Who a request comes from is found out once, before its route sees it. Whom nobody knows gets no further
//! than what is meant for everybody: a new route is closed until its handler says whom it needs.

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::ORIGIN;
use http::request::Parts;

use crate::access::{By, Caller, Credential, Grant, Peer, Visit, is_secure, token_needed};
use crate::api::Api;
use crate::problem::{Kind, Problem};
use crate::routes::compatibility::ROOTS;

/// Routes for everybody: they tell nothing about an organisation, or find out themselves who asks.
pub(crate) const OPEN: [&str; 11] = [
    "/healthz",
    "/readyz",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/{*path}",
    "/api/v1/events/schema",
    "/api/v1/session",
    "/webhooks",
    "/webhooks/{source}",
    "/webhooks/{source}/{connection}",
];

pub(crate) async fn admit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    // What no route matches is a file of the page, or nothing.
    let route = parts.extensions.get::<MatchedPath>().map(MatchedPath::as_str);
    let has_own_door = |route: &str| OPEN.contains(&route) || ROOTS.iter().any(|root| route.starts_with(root));
    let is_open = route.is_none_or(has_own_door);
    match visit(&api, &parts, is_open).await {
        Ok(visit) => {
            parts.extensions.insert(visit);
            next.run(Request::from_parts(parts, body)).await
        }
        Err(problem) => {
            api.telemetry().refused("no-token");
            problem.into_response()
        }
    }
}

async fn visit(api: &Api, parts: &Parts, is_open: bool) -> Result<Visit, Problem> {
    let access = api.access();
    let (headers, peer) = (&parts.headers, parts.extensions.get::<Peer>().copied());
    let is_secure = is_secure(access, peer, headers);
    let credential = Credential::of(headers, is_secure);
    let caller = match (api.grant(&credential).await?, &credential) {
        (Some(grant), _) => Caller::Holder(grant),
        // A cookie that is over is none; a token that is wrong must not be let in by another door.
        (None, Credential::None | Credential::Session(_)) => access.without_credentials(peer, headers, &parts.uri),
        (None, Credential::Token(_) | Credential::Unreadable) => Caller::Nobody,
    };
    match (&caller, &credential) {
        _ if is_open => {}
        (Caller::Nobody, Credential::Token(_) | Credential::Unreadable) => {
            return Err(token_needed("the token is not known, or it is expired or revoked"));
        }
        (Caller::Nobody, _) => return Err(token_needed("this needs a token")),
        _ => {}
    }
    // Browsers send the cookie by themselves, but never a POST without its origin.
    let is_by_cookie = matches!(&caller, Caller::Holder(Grant { by: By::Session(_), .. }));
    let names_origin = headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site");
    if is_by_cookie && !parts.method.is_safe() && !names_origin {
        return Err(Problem::new(Kind::CrossSite, "a cookie came without the page that it is for")
            .parameter("Origin")
            .expected("a page of this server, or a token in the header `Authorization`"));
    }
    Ok(Visit { caller, is_secure })
}
