//! Signatures over raw bytes, compared in constant time. A secret that cannot be read never lets a delivery in.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

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
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What came of checking a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// One of the secrets signed this.
    Signed,
    /// None did; one that could not be read might have.
    Unknown,
    /// None did.
    Forged,
}

/// Whether `signature`, in hexadecimal, is the HMAC-SHA256 of `body` under any of `secrets`: several are live while
/// one replaces another.
pub(crate) fn check_hmac_sha256(secrets: &[Secret], body: &[u8], signature: &str) -> Checked {
    let Ok(signature) = hex::decode(signature) else {
        return Checked::Forged;
    };
    let mut checked = Checked::Forged;
    for secret in secrets {
        match secret.read() {
            Some(secret) if hmac_sha256(&secret, body).verify_slice(&signature).is_ok() => return Checked::Signed,
            Some(_) => {}
            None => checked = Checked::Unknown,
        }
    }
    checked
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
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::value(SECRET)), "Secret(..)");
    }
}
