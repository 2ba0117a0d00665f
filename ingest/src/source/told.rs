//! What an event came to, and what translators of many tools share: how versions of one record are ordered within
//! a second, what is a SHA, which environment a name speaks of.

use chrono::Duration;
use dorado_lake::{Fact, Instant, Status};

use super::Error;
use super::body::Part;

/// What an event came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    /// What it says.
    Facts(Vec<Fact>),
    /// Nothing that a metric needs, and why.
    Nothing(String),
}

impl Told {
    /// Nothing, and why.
    pub(crate) fn nothing(why: impl Into<String>) -> Self {
        Self::Nothing(why.into())
    }

    /// One fact.
    pub(crate) fn one(fact: Fact) -> Self {
        Self::Facts(vec![fact])
    }

    /// Facts; where there are none, nothing, and why.
    pub(crate) fn some(facts: Vec<Fact>, why_none: &str) -> Self {
        if facts.is_empty() { Self::nothing(why_none) } else { Self::Facts(facts) }
    }

    /// What [`Source::translate`](super::Source::translate) answers.
    pub(crate) fn facts(told: Result<Self, Error>) -> Result<Vec<Fact>, Error> {
        Ok(match told? {
            Self::Facts(facts) => facts,
            Self::Nothing(_) => Vec::new(),
        })
    }

    /// What [`Source::ignored_reason`](super::Source::ignored_reason) answers.
    pub(crate) fn reason(told: Result<Self, Error>) -> Option<String> {
        match told {
            Ok(Self::Nothing(why)) => Some(why),
            _ => None,
        }
    }
}

/// Many a tool's clock has whole seconds, and a record may pass through several states in one. A microsecond a step
/// keeps the later state ahead, whatever order they arrive in.
pub(crate) fn ranked(at: Instant, status: Status) -> Instant {
    let step = match status {
        Status::Pending => 0,
        Status::Running => 1,
        Status::Success | Status::Failed | Status::Cancelled => 2,
    };
    at + Duration::microseconds(step)
}

/// Whether nothing more is to come.
pub(crate) fn is_over(status: Status) -> bool {
    matches!(status, Status::Success | Status::Failed | Status::Cancelled)
}

/// A commit's full SHA in lower case; `None` where `text` is anything else, as a short one.
pub(crate) fn full_sha(text: &str) -> Option<String> {
    let text = text.trim();
    let is_whole = matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit());
    // A row of zeros says that there is no commit.
    (is_whole && text.bytes().any(|b| b != b'0')).then(|| text.to_ascii_lowercase())
}

/// A full SHA that stands in `text` between other things, as in `sha-4f2c…` or `…/commit/4f2c…`.
pub(crate) fn sha_in(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric()).find_map(full_sha)
}

/// The first line of a text, where it has one.
pub(crate) fn first_line(text: &str) -> Option<String> {
    let line = text.trim_start().lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// `owner/name`, or a deeper path, of a repository's address, in whatever form it is given.
pub(crate) fn repository_of_url(url: &str) -> Option<String> {
    let url = url.trim().trim_end_matches('/');
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        // `git@host:owner/name.git`, but not a path on a disk.
        None => url.split_once(':').filter(|(host, _)| !host.contains('/'))?.1,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!path.is_empty()).then(|| path.to_owned())
}

/// The environment that one of several names speaks of, as `prod` of `checkout-prod`; the first that does.
pub(crate) fn environment_in<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    names.into_iter().find_map(|name| {
        let name = name.to_lowercase();
        let words: Vec<&str> = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|word| is_environment(word))?;
        let before = at.checked_sub(1).map(|n| words[n]).filter(|word| matches!(*word, "pre" | "non"));
        Some(before.map_or_else(|| words[at].to_owned(), |before| format!("{before}-{}", words[at])))
    })
}

/// Whole words only: `product` is no environment, and neither is `device`.
fn is_environment(word: &str) -> bool {
    const WORDS: [&str; 22] = [
        "production",
        "prod",
        "prd",
        "live",
        "preproduction",
        "preprod",
        "nonprod",
        "staging",
        "stage",
        "stg",
        "uat",
        "acceptance",
        "qa",
        "testing",
        "test",
        "tst",
        "development",
        "dev",
        "sandbox",
        "preview",
        "integration",
        "demo",
    ];
    WORDS.contains(&word.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// What somebody wrote for us on a resource of Kubernetes, as the annotation or label `dorado/service`; the first of
/// several places that has it.
pub(crate) fn marked(places: &[Part<'_>], name: &str) -> Option<String> {
    let key = format!("dorado/{name}");
    places.iter().find_map(|place| place.field(&key).to_text())
}

/// Whether a ref looks like a version, as `v1.2` or `2026.11.3`, and not like a branch.
pub(crate) fn is_version(name: &str) -> bool {
    let bare = name.strip_prefix(['v', 'V']).unwrap_or(name);
    bare.starts_with(|c: char| c.is_ascii_digit()) && bare.contains('.') && !bare.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_sha_is_one() {
        let sha = "4F2C1D6B8A90E7F3C5D1B2A49687E0F1C2D3B4A5";
        assert_eq!(full_sha(sha), Some(sha.to_lowercase()));
        assert_eq!(sha_in(&format!("registry/app:main-{sha}")), Some(sha.to_lowercase()));
        assert_eq!(full_sha("4f2c1d6"), None);
        assert_eq!(full_sha(&"0".repeat(40)), None);
        assert_eq!(sha_in("v1.2.3"), None);
    }

    #[test]
    fn a_repository_is_read_from_every_form_of_its_address() {
        for url in [
            "https://git.example.org/harbour/quay.git",
            "https://git.example.org/harbour/quay/",
            "git@git.example.org:harbour/quay.git",
            "ssh://git@git.example.org:2222/harbour/quay.git",
            "https://user:pass@git.example.org/harbour/quay",
        ] {
            assert_eq!(repository_of_url(url).as_deref(), Some("harbour/quay"), "{url}");
        }
        assert_eq!(repository_of_url("/srv/git/quay"), None);
        assert_eq!(repository_of_url("quay"), None);
    }

    #[test]
    fn an_environment_is_a_whole_word_of_a_name() {
        let found = |names: &[&str]| environment_in(names.iter().copied());
        assert_eq!(found(&["checkout-prod"]).as_deref(), Some("prod"));
        assert_eq!(found(&["checkout", "EU_Production"]).as_deref(), Some("production"));
        assert_eq!(found(&["pre-prod-2"]).as_deref(), Some("pre-prod"));
        assert_eq!(found(&["dev3"]).as_deref(), Some("dev3"));
        assert_eq!(found(&["product-catalogue", "device-registry", "delivery"]), None);
    }

    #[test]
    fn a_version_is_told_from_a_branch() {
        assert!(["v1.2.3", "1.0.0", "2026.11"].iter().all(|name| is_version(name)));
        assert!(!["main", "release/1.2", "v2", "4f2c1d6"].iter().any(|name| is_version(name)));
    }
}
