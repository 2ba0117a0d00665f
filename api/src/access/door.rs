//! The door: reads from a request who it comes from. Tokens are looked up in the register, and believed for
//! half a second before they are looked up again, so that a revoked one is out within one.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dorado_lake::{Instant, Key, KeyDigest, Register, Token};
use http::header::{AUTHORIZATION, COOKIE as COOKIES, HOST};
use http::uri::Authority;
use http::{HeaderMap, Uri};
use tokio::time::Instant as Tick;

use super::{Access, By, Caller, Grant, Loopback, Peer};
use crate::extract::basic_password;
use crate::problem::{Kind, Problem};

/// The cookie of the page, where only this host can have set it.
pub(crate) const HOST_COOKIE: &str = "__Host-dorado";
/// The same over plain HTTP, where browsers allow no better.
pub(crate) const COOKIE: &str = "dorado";

/// How long a token is believed.
const BELIEVED: Duration = Duration::from_millis(500);
/// Tokens believed at most.
const BELIEVED_AT_MOST: usize = 1_000;
/// What proxies add. Who comes through one is not this machine.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];

/// What a request proves itself with.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// Nothing.
    None,
    /// A token.
    Token(KeyDigest),
    /// The page's cookie.
    Session(KeyDigest),
    /// Something that cannot be a token.
    Unreadable,
}

/// Tokens that were looked up a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Door {
    believed: Mutex<HashMap<KeyDigest, (Tick, Grant)>>,
}

impl Door {
    /// What is believed of a credential without looking it up.
    pub(crate) fn believed(&self, credential: &Credential, now: Instant) -> Option<Grant> {
        let believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, grant) = believed.get(&credential.key()?)?;
        let is_believed = since.elapsed() < BELIEVED && grant.token.is_valid(now) && credential.is_proof_of(grant);
        is_believed.then(|| grant.clone())
    }

    /// Believes what was looked up from now on.
    pub(crate) fn believe(&self, key: KeyDigest, grant: &Grant, since: Tick) {
        let mut believed = self.believed.lock().unwrap_or_else(PoisonError::into_inner);
        if believed.len() >= BELIEVED_AT_MOST {
            believed.retain(|_, (since, _)| since.elapsed() < BELIEVED);
        }
        if believed.len() < BELIEVED_AT_MOST {
            believed.insert(key, (since, grant.clone()));
        }
    }

    /// Believes a key no longer.
    pub(crate) fn forget(&self, key: &KeyDigest) {
        self.believed.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl Credential {
    /// What the headers of a request prove it with; a header goes before a cookie.
    pub(crate) fn of(headers: &HeaderMap, is_secure: bool) -> Self {
        if let Some(authorization) = headers.get(AUTHORIZATION) {
            let text = authorization.to_str().unwrap_or_default();
            let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
            let token = bearer.map(|(_, token)| token.trim().to_owned()).or_else(|| basic_password(text));
            let key = token.as_deref().and_then(Key::read);
            return key.map_or(Self::Unreadable, |key| Self::Token(key.digest()));
        }
        // As clients of other products send theirs.
        if let Some(token) = headers.get("private-token") {
            let key = token.to_str().ok().and_then(Key::read);
            return key.map_or(Self::Unreadable, |key| Self::Token(key.digest()));
        }
        let cookie = cookie(headers, HOST_COOKIE).or_else(|| cookie(headers, COOKIE).filter(|_| !is_secure));
        cookie.and_then(Key::read).map_or(Self::None, |key| Self::Session(key.digest()))
    }

    /// A token that stands alone in a header.
    pub(crate) fn of_token(text: &str) -> Self {
        Key::read(text).map_or(Self::Unreadable, |key| Self::Token(key.digest()))
    }

    /// Looks it up, and notes that the token is in use.
    pub(crate) fn look_up(&self, register: &Register, now: Instant) -> Result<Option<Grant>, dorado_lake::Error> {
        let (token, by) = match self {
            Self::None | Self::Unreadable => return Ok(None),
            Self::Token(key) => (register.token(key, now)?, By::Token),
            Self::Session(key) => (register.session(key, now)?, By::Session(*key)),
        };
        let Some(token) = token else { return Ok(None) };
        note_use(register, &token, now);
        Ok(Some(Grant { token: Arc::new(token), by }))
    }

    /// Whether the grant was proved in this way: a token in a cookie is none, nor is a cookie that is sent as a token.
    fn is_proof_of(&self, grant: &Grant) -> bool {
        match self {
            Self::Token(_) => grant.by == By::Token,
            Self::Session(key) => grant.by == By::Session(*key),
            Self::None | Self::Unreadable => false,
        }
    }

    pub(crate) fn key(&self) -> Option<KeyDigest> {
        match self {
            Self::Token(key) | Self::Session(key) => Some(*key),
            Self::None | Self::Unreadable => None,
        }
    }
}

/// When a token was last used is nice to know; who holds it is let in without.
fn note_use(register: &Register, token: &Token, now: Instant) {
    if let Err(error) = register.used(token, now) {
        tracing::warn!(token = token.id, %error, "cannot note that a token is used");
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(COOKIES).iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(';'));
    all.filter_map(|pair| pair.trim().split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
}

impl Access {
    /// Who a request without credentials comes from.
    pub(crate) fn without_credentials(&self, peer: Option<Peer>, headers: &HeaderMap, uri: &Uri) -> Caller {
        let is_here = peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback());
        let is_direct = !FORWARDED.iter().any(|name| headers.contains_key(*name));
        // A page of another site can give its own name this machine's address; the name gives it away.
        let is_called_so = host(headers, uri).is_none_or(is_loopback_name);
        match self.loopback {
            Loopback::Trusted if is_here && is_direct && is_called_so => Caller::Local,
            Loopback::Trusted | Loopback::NeedsToken => Caller::Nobody,
        }
    }

    /// Whether a connection may come without TLS: from here, or from a proxy that is named.
    pub(crate) fn may_connect_plainly(&self, address: IpAddr) -> bool {
        address.to_canonical().is_loopback() || self.is_proxy(address)
    }

    fn is_proxy(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address.to_canonical()))
    }
}

/// Whether a request came encrypted all the way, as far as is known.
pub(crate) fn is_secure(access: &Access, peer: Option<Peer>, headers: &HeaderMap) -> bool {
    if access.tls.is_some() {
        return true;
    }
    let through_proxy = FORWARDED.iter().any(|name| headers.contains_key(*name));
    let told = headers.get("x-forwarded-proto").is_some_and(|scheme| scheme == "https");
    let is_believed = peer.is_some_and(|Peer(address)| access.is_proxy(address.ip()));
    let is_public = access.public_url.as_ref().is_some_and(|url| url.scheme() == "https");
    through_proxy && (is_public || told && is_believed)
}

/// The host that a request names, with its port.
pub(crate) fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    // HTTP/2 has the host in its address.
    headers.get(HOST).and_then(|host| host.to_str().ok()).or_else(|| uri.authority().map(Authority::as_str))
}

fn is_loopback_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_address = name.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || name == "localhost" || name.ends_with(".localhost")
}

/// Who is nobody and wants something.
pub(crate) fn token_needed(why: &str) -> Problem {
    Problem::new(Kind::TokenNeeded, why)
        .parameter("Authorization")
        .expected("`Bearer` and a valid token, as `dorado token create` makes one")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn only_a_direct_connection_from_this_machine_under_its_own_name_needs_no_token() {
        let access = Access::local(Arc::new(Register::in_memory().unwrap()));
        let is_local = |peer: &str, headers: &[(&'static str, &str)]| {
            let peer = Peer(format!("{peer}:4711").parse().unwrap());
            let headers =
                headers.iter().map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
            let caller = access.without_credentials(Some(peer), &headers.collect(), &Uri::from_static("/"));
            matches!(caller, Caller::Local)
        };
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST", "[::1]:8080", "dorado.localhost"] {
            assert!(is_local("127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(is_local("[::1]", &[]) && is_local("[::ffff:127.0.0.1]", &[]));
        for host in ["example.org", "127.0.0.1.example.org", "localhost.example.org", "10.0.0.1", "a b"] {
            assert!(!is_local("127.0.0.1", &[("host", host)]), "{host}");
        }
        assert!(!is_local("10.0.0.1", &[]));
        for name in FORWARDED {
            assert!(!is_local("127.0.0.1", &[(name, "127.0.0.1")]), "{name}");
        }
        let strict = Access { loopback: Loopback::NeedsToken, ..access };
        let peer = Some(Peer("127.0.0.1:1".parse().unwrap()));
        let caller = strict.without_credentials(peer, &HeaderMap::new(), &Uri::from_static("/"));
        assert!(matches!(caller, Caller::Nobody));
    }
}
