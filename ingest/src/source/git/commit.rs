//! Reads commit and tag objects as leniently as git does: a broken date, a missing `>`, an offset of
//! +051800 or a message that is not UTF-8 costs that one field, never the run.
//! The formats are those of git's `hash-object` documentation; dates are read as in git's `commit.c`.

use chrono::DateTime;
use dorado_lake::Instant;
use gix::{
    ObjectId, Repository,
    bstr::{BString, ByteSlice},
    objs::Kind,
};

use super::Error;

/// What a commit object says.
#[derive(Debug, Clone)]
pub(super) struct Commit {
    pub(super) id: ObjectId,
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    pub(super) author: Signature,
    pub(super) committed_at: Option<Instant>,
    pub(super) title: String,
    /// SHA after `This reverts commit`, whole or abbreviated.
    pub(super) reverts: Option<String>,
    /// SHAs of the trailers `(cherry picked from commit …)`, the oldest first.
    pub(super) picked_from: Vec<ObjectId>,
}

/// Who and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Signature {
    pub(super) name: BString,
    pub(super) email: BString,
    pub(super) at: Option<Instant>,
}

/// What a ref points to when every tag on the way is peeled.
pub(super) enum Peeled {
    /// A commit, and the date of the outermost annotated tag that has one.
    Commit { commit: Box<Commit>, tagged_at: Option<Instant> },
    /// A tree, a blob, or something that is not there or cannot be parsed.
    Other,
}

/// Tags of tags deeper than this are taken for a loop.
const DEEPEST_TAG: usize = 64;

/// Reads one commit; `None` where it is not there, not a commit or without a tree.
pub(super) fn read(repository: &Repository, id: ObjectId) -> Result<Option<Commit>, Error> {
    let object = find(repository, id)?;
    Ok(object.filter(|object| object.kind == Kind::Commit).and_then(|object| parse(id, &object.data)))
}

/// Follows annotated tags down to what they name.
pub(super) fn peel(repository: &Repository, start: ObjectId) -> Result<Peeled, Error> {
    let (mut id, mut tagged_at) = (start, None);
    for _ in 0..DEEPEST_TAG {
        let Some(object) = find(repository, id)? else {
            return Ok(Peeled::Other);
        };
        match object.kind {
            Kind::Commit => {
                return Ok(parse(id, &object.data)
                    .map_or(Peeled::Other, |commit| Peeled::Commit { commit: Box::new(commit), tagged_at }));
            }
            Kind::Tag => {
                let Some(target) = header(&object.data, b"object ").and_then(object_id) else {
                    return Ok(Peeled::Other);
                };
                tagged_at = tagged_at.or_else(|| header(&object.data, b"tagger ").and_then(|line| signature(line).at));
                id = target;
            }
            Kind::Tree | Kind::Blob => return Ok(Peeled::Other),
        }
    }
    Ok(Peeled::Other)
}

fn find(repository: &Repository, id: ObjectId) -> Result<Option<gix::Object<'_>>, Error> {
    repository.try_find_object(id).map_err(|source| Error::Object { id: id.to_string(), source: source.into() })
}

/// Parses the bytes of a commit object; `None` without a tree.
pub(super) fn parse(id: ObjectId, data: &[u8]) -> Option<Commit> {
    let (mut tree, mut parents) = (None, Vec::new());
    let (mut author, mut committed_at) = (Signature::default(), None);
    let headers_end = data.find(b"\n\n").unwrap_or(data.len());
    for line in data[..headers_end].split(|&byte| byte == b'\n') {
        if let Some(rest) = line.strip_prefix(b"parent ") {
            parents.extend(object_id(rest));
        } else if let Some(rest) = line.strip_prefix(b"tree ") {
            tree = tree.or_else(|| object_id(rest));
        } else if let Some(rest) = line.strip_prefix(b"author ") {
            author = signature(rest);
        } else if let Some(rest) = line.strip_prefix(b"committer ") {
            committed_at = signature(rest).at;
            break;
        }
    }
    let message = data.get(headers_end + 2..).unwrap_or_default();
    Some(Commit {
        id,
        tree: tree?,
        parents,
        author,
        committed_at,
        title: title(message),
        reverts: reverts(message),
        picked_from: picked_from(message),
    })
}

fn header<'a>(data: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let headers_end = data.find(b"\n\n").unwrap_or(data.len());
    data[..headers_end].split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(key))
}

fn object_id(hex: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(hex.trim_ascii()).ok()
}

/// `Name <email> seconds offset`; the date is what follows the last `>`, and its offset says nothing
/// about the instant.
fn signature(line: &[u8]) -> Signature {
    let end = line.rfind_byte(b'>');
    let start = line.find_byte(b'<').unwrap_or_else(|| end.unwrap_or(line.len()));
    let email = end.and_then(|end| line.get(start + 1..end)).unwrap_or_default();
    Signature {
        name: line[..start].trim_ascii().into(),
        email: email.trim_with(|c| c.is_whitespace() || c == '<' || c == '>').into(),
        at: end.and_then(|end| instant(&line[end + 1..])),
    }
}

/// Seconds since the epoch as an instant, where they are digits and fall between the years 1 and 9999.
fn instant(date: &[u8]) -> Option<Instant> {
    const YEAR_1: i64 = -62_135_596_800;
    const YEAR_10000: i64 = 253_402_300_800;
    let digits = date.fields().next()?.to_str().ok()?;
    let seconds = digits.parse::<i64>().ok().filter(|_| !digits.starts_with('+'))?;
    (YEAR_1..YEAR_10000).contains(&seconds).then(|| DateTime::from_timestamp(seconds, 0)).flatten()
}

/// The first line that is not empty.
fn title(message: &[u8]) -> String {
    let line = message.lines().map(<[u8]>::trim_ascii).find(|line| !line.is_empty());
    line.unwrap_or_default().to_str_lossy().into_owned()
}

/// What `git revert` writes, also in the middle of a line as in `This reverts commit x, reversing …`.
fn reverts(message: &[u8]) -> Option<String> {
    const PHRASE: &[u8] = b"This reverts commit ";
    let mut rest = message;
    while let Some(at) = rest.find(PHRASE) {
        rest = &rest[at + PHRASE.len()..];
        let hex = leading_hex(rest.trim_ascii_start());
        if (7..=40).contains(&hex.len()) {
            return Some(String::from_utf8_lossy(hex).to_ascii_lowercase());
        }
    }
    None
}

/// What `git cherry-pick -x` writes: a line of its own, whole SHA.
fn picked_from(message: &[u8]) -> Vec<ObjectId> {
    let trailers = message.lines().filter_map(|line| {
        let rest = line.trim_ascii().strip_prefix(b"(cherry picked from commit ")?;
        object_id(leading_hex(rest))
    });
    trailers.collect()
}

fn leading_hex(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(text.len());
    &text[..end]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn commit(text: &[u8]) -> Commit {
        parse(ObjectId::empty_tree(gix::hash::Kind::Sha1), text).unwrap()
    }

    #[test]
    fn an_odd_offset_does_not_move_the_instant() {
        for offset in ["+0000", "+051800", "-0730", "", "+", "nonsense"] {
            let text = format!("A <a@x> 1700000000 {offset}");
            assert_eq!(signature(text.as_bytes()).at.unwrap().timestamp(), 1_700_000_000, "{offset}");
        }
    }

    #[test]
    fn a_date_that_is_none_is_unknown() {
        for date in ["", "x", "99999999999999999999", "18446744073709551615", "9223372036854775807", "-99999999999999"]
        {
            assert_eq!(signature(format!("A <a@x> {date} +0000").as_bytes()).at, None, "{date}");
        }
        assert_eq!(signature(b"A <a@x>").at, None);
        assert_eq!(signature(b"no brackets 1700000000 +0000").at, None);
    }

    #[test]
    fn odd_names_are_read_as_far_as_they_go() {
        let of = |line: &[u8]| {
            let s = signature(line);
            (s.name.to_string(), s.email.to_string(), s.at.map(|at| at.timestamp()))
        };
        assert_eq!(of(b"A B <a@x> 1 +0000"), ("A B".into(), "a@x".into(), Some(1)));
        assert_eq!(of(b"<a@x> 1 +0000"), (String::new(), "a@x".into(), Some(1)));
        assert_eq!(of(b"A <<a@x>> 1 +0000"), ("A".into(), "a@x".into(), Some(1)));
        assert_eq!(of(b"A a@x> 1 +0000"), ("A a@x".into(), String::new(), Some(1)));
        assert_eq!(of(b"A <a@x> <b> 5 +0000").2, Some(5));
        assert_eq!(of(b"> < 5").2, None);
        assert_eq!(of(b"\xff\xfe <a@x> 1 +0000").1, "a@x");
    }

    #[test]
    fn a_commit_is_read_whole() {
        let sha = "1111111111111111111111111111111111111111";
        let text = format!(
            "tree {sha}\nparent {sha}\nauthor A <a@x> 10 +0000\ncommitter B <b@x> 20 +0000\nencoding ISO-8859-1\n\
             gpgsig -----BEGIN\n parent {sha}\n\n\n  Title é \n\nThis reverts commit {sha}.\n\n(cherry picked from commit {sha})\n"
        );
        let read = commit(text.as_bytes());
        assert_eq!((read.parents.len(), read.title.as_str()), (1, "Title é"));
        assert_eq!(read.author.at.unwrap().timestamp(), 10);
        assert_eq!(read.committed_at.unwrap().timestamp(), 20);
        assert_eq!(read.reverts.as_deref(), Some(sha));
        assert_eq!(read.picked_from.len(), 1);
    }

    #[test]
    fn no_bytes_end_the_run() {
        for text in [&b""[..], b"\n\n", b"tree", b"tree zz\n\n", b"author\n", b"tree \nparent \nauthor \ncommitter "] {
            assert!(parse(ObjectId::null(gix::hash::Kind::Sha1), text).is_none());
        }
    }

    #[test]
    fn prose_about_a_revert_is_none() {
        assert_eq!(reverts(b"t\n\nThis reverts commit that broke it"), None);
        assert_eq!(reverts(b"t\n\nThis reverts commit abc1234."), Some("abc1234".into()));
        assert_eq!(reverts(b"t\n\nThis reverts commit it. This reverts commit ABC1234"), Some("abc1234".into()));
        assert!(picked_from(b"t\n\nwas (cherry picked from commit 1)").is_empty());
    }
}
