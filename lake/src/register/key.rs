//! Keys: what a token or a page's sign-in is proved with. 256 random bits, shown once; kept is only their
//! SHA-256, which is enough because nobody can guess what has that many bits.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::Error;

/// How a key begins, so that people and scanners recognise one where it does not belong.
pub(super) const PREFIX: &str = "dorado_";

/// Hexadecimal digits behind the prefix.
pub(super) const DIGITS: usize = 64;

/// A key in the clear. Its debug form does not show it.
pub struct Key(String);

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn random() -> Result<Self, Error> {
        let mut bits = [0_u8; DIGITS / 2];
        getrandom::fill(&mut bits).or(Err(Error::NoRandomness))?;
        Ok(Self(format!("{PREFIX}{}", hex::encode(bits))))
    }

    /// A key as it was sent; `None` for what cannot be one.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(PREFIX)?;
        let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (digits.len() == DIGITS && digits.bytes().all(is_digit)).then(|| Self(text.to_owned()))
    }

    /// As it is shown, once.
    pub fn show(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.0.as_bytes()).into())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// What is kept of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyDigest(pub(super) [u8; 32]);

impl KeyDigest {
    /// By what people name the key: tells nothing about it.
    pub fn id(&self) -> String {
        hex::encode(&self.0[..6])
    }

    /// Whether it is the digest that was kept, in a time that does not depend on where they differ.
    pub(super) fn is(&self, kept: &[u8]) -> bool {
        self.0.ct_eq(kept).into()
    }
}

/// A text with every key in it made unusable, for logs and answers.
pub fn redacted(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains(PREFIX) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len());
    let mut parts = text.split(PREFIX);
    safe.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let n_digits = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        safe.push_str(PREFIX);
        // Half a key is worth hiding; a word such as `dorado_api` is not.
        if n_digits >= DIGITS / 4 {
            safe.push('…');
            safe.push_str(&part[n_digits..]);
        } else {
            safe.push_str(part);
        }
    }
    safe.into()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_key_is_read_as_it_was_shown_and_nothing_else_is() {
        let key = Key::random().unwrap();
        let again = Key::read(key.show()).unwrap();
        assert_eq!(again.digest(), key.digest());
        assert!(again.digest().is(&key.digest().0));
        assert_ne!(Key::random().unwrap().digest(), key.digest());
        assert!(!format!("{key:?}").contains(&key.show()[PREFIX.len()..]));
        for wrong in ["", "dorado_", &key.show()[1..], &key.show().to_uppercase(), &format!("{}0", key.show())] {
            assert!(Key::read(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_key_is_recognised_in_any_text() {
        let key = Key::random().unwrap();
        let text = format!("a={} b={}, dorado_api ä", key.show(), &key.show()[..40]);
        assert_eq!(redacted(&text), "a=dorado_… b=dorado_…, dorado_api ä");
        assert_eq!(redacted("nothing"), "nothing");
    }
}
