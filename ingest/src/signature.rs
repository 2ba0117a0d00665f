//! Signatures over raw bytes, compared in constant time. A secret that cannot be read never lets a delivery in.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, TimeDelta};
use dorado_lake::Delivery;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

use crate::source::Error;

/// How far the time of a signature may lie from the time of arrival, as Standard Webhooks recommends.
const OLDEST_SIGNATURE: TimeDelta = TimeDelta::minutes(5);

/// A secret shared with a tool. It is read at each use, so that a changed one needs no restart, and it may be
/// unreadable. Never printed.
#[derive(Clone)]
pub struct Secret(Arc<dyn Fn() -> Option<Vec<u8>> + Send + Sync>);

impl Secret {
    /// A secret of this value.
    pub fn value(value: impl Into<Vec<u8>>) -> Self {
        let value = value.into();
        Self(Arc::new(move || Some(value.clone())))
    }

    /// A secret that `read` fetches at each use; `None` where it cannot be read.
    pub fn read_by(read: impl Fn() -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// A secret that is configured but cannot be read.
    pub fn unreadable() -> Self {
        Self(Arc::new(|| None))
    }

    /// Its bytes. An empty secret would let anybody sign, so it counts as unreadable.
    pub(crate) fn read(&self) -> Option<Vec<u8>> {
        (self.0)().filter(|secret| !secret.is_empty())
    }

    /// It as a text, for a header; without the line break at its end.
    pub(crate) fn text(&self) -> Option<String> {
        let text = String::from_utf8(self.read()?).ok()?.trim().to_owned();
        (!text.is_empty()).then_some(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What came of checking a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checked {
    /// One of the secrets signed this.
    Signed,
    /// None did; one that could not be read might have.
    Unknown,
    /// None did.
    Forged,
}

impl Checked {
    /// As [`Source::authenticate`](crate::Source::authenticate) answers.
    ///
    /// # Errors
    /// [`Error::Forged`] or [`Error::Unreadable`].
    pub fn of(self, delivery: &Delivery) -> Result<(), Error> {
        match self {
            Self::Signed => Ok(()),
            Self::Unknown => Err(Error::Unreadable { source_name: delivery.source_name() }),
            Self::Forged => Err(Error::Forged { source_name: delivery.source_name() }),
        }
    }
}

/// Whether one of `secrets` passes: several are live while one replaces another.
fn any(secrets: &[Secret], passes: impl Fn(&[u8]) -> bool) -> Checked {
    let mut checked = Checked::Forged;
    for secret in secrets {
        match secret.read() {
            Some(secret) if passes(&secret) => return Checked::Signed,
            Some(_) => {}
            None => checked = Checked::Unknown,
        }
    }
    checked
}

/// Whether `signature`, in hexadecimal, is the HMAC-SHA256 of `body` under any of `secrets`.
pub fn check_hmac_sha256(secrets: &[Secret], body: &[u8], signature: &str) -> Checked {
    let Ok(signature) = hex::decode(signature) else { return Checked::Forged };
    any(secrets, |secret| hmac_sha256(secret, body).verify_slice(&signature).is_ok())
}

/// Whether `signature`, in hexadecimal, is the HMAC-SHA512 of `body` under any of `secrets`.
pub fn check_hmac_sha512(secrets: &[Secret], body: &[u8], signature: &str) -> Checked {
    let Ok(signature) = hex::decode(signature) else { return Checked::Forged };
    any(secrets, |secret| {
        let mut mac = Hmac::<Sha512>::new_from_slice(secret).expect("a key of any length is taken");
        mac.update(body);
        mac.verify_slice(&signature).is_ok()
    })
}

/// Whether a delivery is signed as standardwebhooks.com says: `webhook-signature` lists `v1,BASE64` of the
/// HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`; a secret is `whsec_BASE64`. What was signed long before
/// it arrived is a replay, and forged.
pub fn check_standard_webhooks(secrets: &[Secret], delivery: &Delivery) -> Checked {
    let header =
        |name: &str| delivery.header(&format!("webhook-{name}")).or_else(|| delivery.header(&format!("svix-{name}")));
    let (Some(id), Some(timestamp), Some(signatures)) = (header("id"), header("timestamp"), header("signature")) else {
        return Checked::Forged;
    };
    let signed_at = timestamp.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    if signed_at.is_none_or(|at| (delivery.received_at - at).abs() > OLDEST_SIGNATURE) {
        return Checked::Forged;
    }
    let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &delivery.body].concat();
    let given: Vec<Vec<u8>> = signatures
        .split_whitespace()
        .filter_map(|signature| BASE64.decode(signature.strip_prefix("v1,")?).ok())
        .collect();
    any(secrets, |secret| {
        let key = secret.trim_ascii().strip_prefix(b"whsec_").and_then(|key| BASE64.decode(key).ok());
        let key = key.as_deref().unwrap_or(secret);
        given.iter().any(|signature| hmac_sha256(key, &message).verify_slice(signature).is_ok())
    })
}

/// Whether a delivery brings one of `secrets` itself, for tools that cannot sign: as `Authorization: Bearer`, as the
/// password of `Authorization: Basic`, as `X-Dorado-Token`, or as the parameter `token` of the URL.
pub fn check_token(secrets: &[Secret], delivery: &Delivery) -> Checked {
    let given = delivery.header("x-dorado-token").map(str::to_owned).or_else(|| {
        let (scheme, value) = delivery.header("authorization")?.split_once(' ')?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => Some(value.trim().to_owned()),
            "basic" => {
                let text = String::from_utf8(BASE64.decode(value.trim()).ok()?).ok()?;
                Some(text.split_once(':')?.1.to_owned())
            }
            _ => None,
        }
    });
    match given {
        Some(given) => check_same(secrets, &given),
        None => Checked::Forged,
    }
}

/// Whether `given` is one of `secrets`.
pub fn check_same(secrets: &[Secret], given: &str) -> Checked {
    // Digests are of one length: how long a secret is cannot be timed.
    let given = Sha256::digest(given.as_bytes());
    any(secrets, |secret| bool::from(Sha256::digest(secret.trim_ascii()).as_slice().ct_eq(given.as_slice())))
}

/// The HMAC-SHA256 of `body` in hexadecimal, as a sender writes it.
pub fn sign_hmac_sha256(secret: &[u8], body: &[u8]) -> String {
    hex::encode(hmac_sha256(secret, body).finalize().into_bytes())
}

fn hmac_sha256(secret: &[u8], body: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("a key of any length is taken");
    mac.update(body);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";
    const BODY: &[u8] = b"Hello, World!";
    // The value that GitHub's documentation prints for this secret and body.
    const SIGNATURE: &str = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn check(secrets: &[Secret], signature: &str) -> Checked {
        check_hmac_sha256(secrets, BODY, signature)
    }

    #[test]
    fn the_documented_vector_is_signed() {
        assert_eq!(sign_hmac_sha256(SECRET.as_bytes(), BODY), SIGNATURE);
        assert_eq!(check(&[Secret::value(SECRET)], SIGNATURE), Checked::Signed);
    }

    #[test]
    fn two_secrets_may_be_live_at_once() {
        let secrets = [Secret::value("the next one"), Secret::value(SECRET)];
        assert_eq!(check(&secrets, SIGNATURE), Checked::Signed);
        assert_eq!(check(&[Secret::unreadable(), Secret::value(SECRET)], SIGNATURE), Checked::Signed);
    }

    #[test]
    fn every_mutation_of_a_signature_is_forged() {
        for at in 0..SIGNATURE.len() {
            let mut mutated = SIGNATURE.to_owned();
            let other = if &SIGNATURE[at..=at] == "0" { "1" } else { "0" };
            mutated.replace_range(at..=at, other);
            assert_eq!(check(&[Secret::value(SECRET)], &mutated), Checked::Forged);
            assert_eq!(check(&[Secret::value(SECRET)], &SIGNATURE[..at]), Checked::Forged);
        }
    }

    #[test]
    fn no_secret_or_an_unreadable_one_lets_nothing_in() {
        assert_eq!(check(&[], SIGNATURE), Checked::Forged);
        assert_eq!(check(&[Secret::unreadable()], SIGNATURE), Checked::Unknown);
        let by_empty = sign_hmac_sha256(b"", BODY);
        assert_eq!(check(&[Secret::value("")], &by_empty), Checked::Unknown);
    }

    #[test]
    fn a_sha512_signature_is_checked_over_the_body() {
        // printf 'Hello, World!' | openssl dgst -sha512 -hmac "It's a Secret to Everybody"
        let right = "11ed355a617e98134e842012a7944ccf59c10256cb182357bd7e3a42013ff07c376f8c14cf5cc1923da20b51d64256b2fb8ebbf100aa67a61326f61fea8111bc";
        let secrets = [Secret::value("other"), Secret::value(SECRET)];
        assert_eq!(check_hmac_sha512(&secrets, BODY, right), Checked::Signed);
        assert_eq!(check_hmac_sha512(&secrets, b"Hello, World?", right), Checked::Forged);
        assert_eq!(check_hmac_sha512(&secrets, BODY, SIGNATURE), Checked::Forged);
        assert_eq!(check_hmac_sha512(&[Secret::unreadable()], BODY, right), Checked::Unknown);
    }

    fn delivery(headers: &[(&str, &str)], body: &'static [u8], seconds: i64) -> Delivery {
        Delivery {
            source: "x".to_owned(),
            connection: String::new(),
            id: "1".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            body: body.into(),
            received_at: DateTime::from_timestamp(seconds, 0).unwrap_or_default(),
        }
    }

    /// The example that the specification of Standard Webhooks prints.
    #[test]
    fn the_vector_of_standard_webhooks_is_signed_and_no_other() {
        let secrets = [Secret::value("whsec_b3RoZXI="), Secret::value("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n")];
        let right = "v1,bm9ldHUjKzFob2VudXRob2VodWUzMjRvdWVvdW9ldQo= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let check = |signature: &str, body: &'static [u8], seconds: i64| {
            let headers = [
                ("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"),
                ("webhook-timestamp", "1614265330"),
                ("webhook-signature", signature),
            ];
            check_standard_webhooks(&secrets, &delivery(&headers, body, seconds))
        };
        let body = br#"{"test": 2432232314}"#;
        assert_eq!(check(right, body, 1_614_265_330), Checked::Signed);
        assert_eq!(check(right, body, 1_614_265_330 + 299), Checked::Signed);
        assert_eq!(check(right, body, 1_614_265_330 + 301), Checked::Forged, "a replay");
        assert_eq!(check(right, b"{}", 1_614_265_330), Checked::Forged);
        assert_eq!(check(&right.replace("v1", "v1a"), body, 1_614_265_330), Checked::Forged);
        assert_eq!(check("", body, 1_614_265_330), Checked::Forged);
    }

    #[test]
    fn a_token_is_taken_wherever_a_tool_can_put_it_and_nothing_but_it() {
        let check =
            |secrets: &[Secret], name: &str, value: &str| check_token(secrets, &delivery(&[(name, value)], b"", 0));
        let secrets = [Secret::value("next"), Secret::value("open sesame\n")];
        for (name, value) in [
            ("authorization", "Bearer open sesame"),
            ("authorization", "bearer next"),
            ("authorization", "Basic ZG9yYWRvOm9wZW4gc2VzYW1l"),
            ("x-dorado-token", "open sesame"),
        ] {
            assert_eq!(check(&secrets, name, value), Checked::Signed, "{name}: {value}");
        }
        for (name, value) in [
            ("authorization", "Bearer "),
            ("authorization", "open sesame"),
            ("authorization", "Bearer open sesam"),
            ("authorization", "Basic b3BlbiBzZXNhbWU="),
            ("x-dorado-token", ""),
            ("x-token", "open sesame"),
        ] {
            assert_eq!(check(&secrets, name, value), Checked::Forged, "{name}: {value}");
        }
        assert_eq!(check(&[], "x-dorado-token", ""), Checked::Forged);
        assert_eq!(check(&[Secret::unreadable()], "x-dorado-token", "a"), Checked::Unknown);
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::value(SECRET)), "Secret(..)");
    }
}
