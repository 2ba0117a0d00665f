//! Tells versions from other tags: `v1.2.3`, `pkg@1.2.3`, `pkg-v1.2.3`, `release-1.2.3`, `1.2.3.4`,
//! `REL_15_2`, `2024-01-15`; finds out which are pre-releases (semver.org, PEP 440, Maven) and which come
//! after which. It looks at names only.

use std::cmp::Ordering;

use chrono::{Datelike, NaiveDate};
use dorado_lake::Instant;

/// A tag's name read as a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// What stands before the numbers, without a `v`: the package, in a monorepo.
    pub(super) prefix: String,
    /// The numbers: major, minor, patch and so on.
    pub(super) numbers: Vec<u64>,
    /// `-rc1`, `b2`, `.dev3`, `-SNAPSHOT`: not meant for production.
    pub(super) is_pre_release: bool,
    /// `v4` beside `v4.0.0`: moved from release to release, and none itself. Its name alone does not tell.
    pub(super) is_floating: bool,
    /// The numbers are written as a day, so that the third is no patch.
    is_written_as_day: bool,
}

/// What follows the numbers.
enum Rest {
    Release,
    PreRelease,
    NoVersion,
}

/// Words that make a pre-release, whatever stands before them.
const PRE_RELEASE: &[&str] = &[
    "alpha",
    "beta",
    "rc",
    "pre",
    "preview",
    "prerelease",
    "candidate",
    "dev",
    "devel",
    "snapshot",
    "milestone",
    "nightly",
    "canary",
    "next",
    "eap",
    "ea",
    "cr",
    "unstable",
    "experimental",
    "insider",
    "insiders",
    "test",
    "testing",
    "wip",
    "draft",
];

/// Words that make none, although they follow a hyphen.
const RELEASE: &[&str] = &[
    "final", "release", "ga", "stable", "lts", "post", "hotfix", "patch", "fix", "update", "security", "p", "sp", "r",
    "rev", "jre", "android",
];

impl Version {
    /// Reads a tag's name; `None` where it is no version.
    pub(super) fn parse(tag: &str) -> Option<Self> {
        let starts: Vec<usize> = starts(tag, starts_word).chain(starts(tag, follows_letters)).collect();
        let many = starts.iter().find_map(|&at| Self::parse_at(tag, at).filter(|version| version.numbers.len() > 1));
        many.or_else(|| starts.iter().filter(|&&at| starts_word(tag, at)).find_map(|&at| Self::parse_at(tag, at)))
    }

    /// Orders by number, a missing one as zero.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let longest = self.numbers.len().max(other.numbers.len());
        let number = |version: &Self, at: usize| version.numbers.get(at).copied().unwrap_or(0);
        (0..longest).map(|at| number(self, at).cmp(&number(other, at))).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
    }

    /// The package, major and minor, within which one patch release follows another.
    pub(super) fn line(&self) -> (&str, u64, u64) {
        (&self.prefix, self.numbers[0], self.numbers.get(1).copied().unwrap_or(0))
    }

    /// `X.Y.Z` with Z (or a number after it) above zero, and not a day.
    pub(super) fn is_patch(&self, released_at: Instant) -> bool {
        let is_above_zero = self.numbers.iter().skip(2).any(|&number| number > 0);
        is_above_zero && !self.is_pre_release && !self.is_written_as_day && !self.is_day_of(released_at)
    }

    /// Whether the numbers are year, month and day of about the release: `2024.1.15` tagged that day.
    fn is_day_of(&self, released_at: Instant) -> bool {
        day(&self.numbers).is_some_and(|day| (day - released_at.date_naive()).num_days().abs() <= 2)
    }

    fn parse_at(tag: &str, start: usize) -> Option<Self> {
        let mut numbers = Vec::new();
        let mut end = start;
        let mut is_padded = false;
        let mut separator = None;
        loop {
            let digits = digits(&tag[end..]);
            is_padded |= !numbers.is_empty() && digits.len() == 2 && digits.starts_with('0');
            numbers.push(digits.parse().ok()?);
            end += digits.len();
            let next = tag[end..].chars().next();
            let is_hyphen_of_day = next == Some('-') && (1990..=2100).contains(&numbers[0]) && numbers.len() < 3;
            let goes_on = matches!(next, Some('.' | '_')) || is_hyphen_of_day;
            if !goes_on || separator.is_some_and(|s| Some(s) != next) || !starts_with_digit(&tag[end + 1..]) {
                break;
            }
            separator = next;
            end += 1;
        }
        let is_day = day(&numbers).is_some() && (is_padded || separator == Some('-'));
        let is_stamp = numbers.len() == 1 && digits(&tag[start..]).len() >= 8;
        let is_pre_release = match rest(&tag[end..], numbers.len() > 1) {
            Rest::Release => false,
            Rest::PreRelease => {
                !((is_day || is_stamp) && tag[end..].starts_with('-') && starts_with_digit(&tag[end + 1..]))
            }
            Rest::NoVersion => return None,
        };
        Some(Self {
            prefix: prefix(&tag[..start]).to_owned(),
            numbers,
            is_pre_release,
            is_floating: false,
            is_written_as_day: is_day,
        })
    }
}

fn starts(tag: &str, is_start: fn(&str, usize) -> bool) -> impl Iterator<Item = usize> + '_ {
    let is_number = move |at: usize| tag.as_bytes()[at].is_ascii_digit();
    (0..tag.len()).filter(move |&at| is_number(at) && (at == 0 || !is_number(at - 1)) && is_start(tag, at))
}

/// At the beginning, after a separator, or after a `v` that stands there; not within the numbers.
fn starts_word(tag: &str, at: usize) -> bool {
    let before = prefix(&tag[..at]);
    let is_within =
        before.strip_suffix(['.', '_']).is_some_and(|shorter| shorter.ends_with(|c: char| c.is_ascii_digit()));
    !is_within && !before.ends_with(|c: char| c.is_alphanumeric())
}

/// As in `go1.21`.
fn follows_letters(tag: &str, at: usize) -> bool {
    !starts_word(tag, at) && tag[..at].ends_with(|c: char| c.is_alphabetic())
}

/// Without the `v` of `pkg-v`, which is no part of the package's name.
fn prefix(before: &str) -> &str {
    match before.strip_suffix(['v', 'V']) {
        Some(shorter) if !shorter.ends_with(|c: char| c.is_alphanumeric()) => shorter,
        _ => before,
    }
}

fn digits(text: &str) -> &str {
    &text[..text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len())]
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

fn rest(text: &str, has_many_numbers: bool) -> Rest {
    if text.is_empty() || text.starts_with('+') {
        return Rest::Release;
    }
    let separator = text.chars().next().filter(|c| "-_.~".contains(*c));
    let text = text.strip_prefix(['-', '_', '.', '~']).unwrap_or(text);
    let word_end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (word, after) = (text[..word_end].to_ascii_lowercase(), &text[word_end..]);
    let is_numbered = starts_with_digit(after);
    if PRE_RELEASE.contains(&word.as_str()) || (matches!(word.as_str(), "a" | "b" | "c" | "m") && is_numbered) {
        return Rest::PreRelease;
    }
    if RELEASE.contains(&word.as_str()) {
        return Rest::Release;
    }
    match separator {
        Some('-' | '~') => Rest::PreRelease,
        None if word.len() > 1 || !has_many_numbers => Rest::NoVersion,
        _ => Rest::Release,
    }
}

fn day(numbers: &[u64]) -> Option<NaiveDate> {
    let [year, month, day] = *numbers.first_chunk::<3>()?;
    let date =
        NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    (1990..=2100).contains(&date.year()).then_some(date)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn at(day: &str) -> Instant {
        format!("{day}T12:00:00Z").parse().unwrap()
    }

    #[test]
    fn versions_are_told_by_prefix_and_numbers() {
        for (tag, prefix, numbers) in [
            ("v1.2.3", "", &[1, 2, 3][..]),
            ("1.2.3.4", "", &[1, 2, 3, 4]),
            ("1.2", "", &[1, 2]),
            ("v7", "", &[7]),
            ("release-42", "release-", &[42]),
            ("pkg@1.2.3", "pkg@", &[1, 2, 3]),
            ("@scope/pkg2@1.2.3", "@scope/pkg2@", &[1, 2, 3]),
            ("pkg-v1.2.3", "pkg-", &[1, 2, 3]),
            ("log4j-2.17.1", "log4j-", &[2, 17, 1]),
            ("python3.9-1.2.3", "python3.9-", &[1, 2, 3]),
            ("sub/mod/v2.0.1", "sub/mod/", &[2, 0, 1]),
            ("REL_15_2", "REL_", &[15, 2]),
            ("curl-8_4_0", "curl-", &[8, 4, 0]),
            ("go1.21.3", "go", &[1, 21, 3]),
            ("2024-01-15", "", &[2024, 1, 15]),
            ("1.0.2k", "", &[1, 0, 2]),
            ("jdk-17.0.1+12", "jdk-", &[17, 0, 1]),
            ("1.2.3.Final", "", &[1, 2, 3]),
            ("1.2.3-final", "", &[1, 2, 3]),
            ("1.2.3-hotfix1", "", &[1, 2, 3]),
            ("deploy-20240115-1030", "deploy-", &[20_240_115]),
            ("2024-01-15-2", "", &[2024, 1, 15]),
        ] {
            let version = Version::parse(tag).unwrap();
            assert_eq!(
                (version.prefix.as_str(), &*version.numbers, version.is_pre_release),
                (prefix, numbers, false),
                "{tag}"
            );
        }
    }

    #[test]
    fn pre_releases_are_told() {
        for tag in [
            "v1.2.3-rc1",
            "v1.2.3-rc.1",
            "1.2.3-beta",
            "1.2.3-beta.2",
            "1.0.0rc1",
            "1.0b2",
            "v1.0a1",
            "1.2.3.dev0",
            "1.2.3-SNAPSHOT",
            "go1.21rc2",
            "1.2.3-0",
            "1.0.0-x.7",
            "1.0.0.Beta1",
            "v2.6.12-rc5",
            "1.2.3~rc1",
            "v5-beta",
            "v1.2.3-alpha+001",
            "1.2.3_rc1",
        ] {
            assert!(Version::parse(tag).unwrap().is_pre_release, "{tag}");
        }
    }

    #[test]
    fn other_tags_are_no_versions() {
        for tag in
            ["", "latest", "nightly", "prod", "backup", "x86", "foo3", "é1é", "v", "1.2foo", "99999999999999999999.1"]
        {
            assert_eq!(Version::parse(tag), None, "{tag}");
        }
    }

    #[test]
    fn only_a_number_after_the_minor_makes_a_patch() {
        let is_patch = |tag: &str, day: &str| Version::parse(tag).unwrap().is_patch(at(day));
        assert!(is_patch("v1.2.3", "2024-01-15"));
        assert!(is_patch("v1.2.0.1", "2024-01-15"));
        assert!(is_patch("2024.1.3", "2024-01-20"), "a calendar version with a patch number");
        for tag in ["v1.2.0", "v1.2", "v3", "v1.2.3-rc1", "2024.1.15", "2024-01-15", "2024.01.03"] {
            assert!(!is_patch(tag, "2024-01-15"), "{tag}");
        }
    }

    #[test]
    fn a_missing_number_is_zero() {
        let compare = |a: &str, b: &str| Version::parse(a).unwrap().compare(&Version::parse(b).unwrap());
        assert_eq!(compare("1.2", "1.2.0"), Ordering::Equal);
        assert_eq!(compare("1.2", "1.2.0.1"), Ordering::Less);
        assert_eq!(compare("1.10", "1.9.9"), Ordering::Greater);
    }
}
