//! Every mistake in a configuration, each with its place: syntax first; then keys and types against the
//! schema that the types themselves give; then what only sense forbids.

use std::fmt;
use std::ops::Range;

use toml::de::DeTable;

use super::{Config, sense, shape};

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    /// Where it begins, in bytes of the text.
    pub(super) at: usize,
    /// Whether it stops a command.
    pub(crate) weight: Weight,
    /// What is wrong.
    pub(super) wrong: String,
    /// What would be right.
    pub(super) right: String,
}

/// How bad a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// Nothing runs with it.
    Error,
    /// Probably not what was meant.
    Warning,
}

impl Mistake {
    pub(super) fn error(at: usize, wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { at, weight: Weight::Error, wrong: wrong.into(), right: right.into() }
    }

    pub(super) fn warning(at: usize, wrong: impl Into<String>, right: impl Into<String>) -> Self {
        Self { weight: Weight::Warning, ..Self::error(at, wrong, right) }
    }

    /// `FILE:LINE:COLUMN: error: what is wrong; what would be right`.
    pub(crate) fn told<'a>(&'a self, file: &'a dyn fmt::Display, text: &str) -> impl fmt::Display + use<'a> {
        let (line, column) = place(text, self.at);
        fmt::from_fn(move |f| {
            let weight = if self.weight == Weight::Error { "error" } else { "warning" };
            write!(f, "{file}:{line}:{column}: {weight}: {}", self.wrong)?;
            if self.right.is_empty() { Ok(()) } else { write!(f, "; {}", self.right) }
        })
    }
}

/// Every mistake in order, and the configuration where there is no error among them.
pub(crate) fn check(text: &str) -> (Vec<Mistake>, Option<Config>) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let start = |span: Option<Range<usize>>| span.map_or(0, |span| span.start);
    let syntax = |error: &toml::de::Error| {
        Mistake::error(start(error.span()), error.message().lines().collect::<Vec<_>>().join(", "), "")
    };
    let mut mistakes: Vec<Mistake> = errors.iter().map(syntax).collect();
    if mistakes.is_empty() {
        shape::check(table.get_ref(), &mut mistakes);
        sense::check(table.get_ref(), &mut mistakes);
    }
    mistakes.sort();
    mistakes.dedup();
    if mistakes.iter().any(|m| m.weight == Weight::Error) {
        return (mistakes, None);
    }
    match toml::from_str::<Config>(text) {
        Ok(config) => {
            sense::connecting(table.get_ref(), &config.connections, &mut mistakes);
            mistakes.sort();
            let config = mistakes.iter().all(|m| m.weight == Weight::Warning).then_some(config);
            (mistakes, config)
        }
        Err(error) => {
            mistakes.push(syntax(&error));
            (mistakes, None)
        }
    }
}

/// Line and column of a byte, both from 1; columns count characters.
fn place(text: &str, at: usize) -> (usize, usize) {
    let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The known name that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = |candidate: &str| distance(&name.to_lowercase(), &candidate.to_lowercase());
    let best = known.into_iter().map(|candidate| (far(candidate), candidate)).min()?;
    // Two letters that changed places are two letters replaced.
    let n = name.chars().count();
    (best.0 <= (n / 3).max(if n > 2 { 2 } else { 1 })).then_some(best.1)
}

/// Letters to insert, remove or replace to make one word of another.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Each mistake as `line:column: weight: …`.
    fn told(text: &str) -> Vec<String> {
        check(text).0.iter().map(|m| m.told(&"f", text).to_string()["f:".len()..].to_owned()).collect()
    }

    #[test]
    fn what_is_right_is_read() {
        let text = "data = 'here'\n[[pack]]\nid = 'ours'\nbase = 'gitlab'\nwindow_hours = 48\nfailure = ['rollback']\nmedian = 'lower'\n[[team]]\nname = 'a'\n[[team]]\nname = 'b'\nparent = 'a'\n\
                    [[service]]\nname = 's'\nteam = 'b'\nrework = { prefixes = ['fix/'] }\n\
                    [[environment]]\nname = 'blue'\ntier = 'production'\n\
                    [[connection]]\nsource = 'github'\nsecrets = [{ file = '/dev/null' }]\ndeployments = [{ deployments = {} }, { releases = {} }]\n";
        let (mistakes, config) = check(text);
        assert_eq!(mistakes, []);
        let config = config.unwrap();
        let pack = &config.catalog().packs[0];
        assert_eq!((pack.id.as_ref(), pack.window_hours, pack.failure.len()), ("ours", 48.0, 1));
        assert_eq!(config.services[0].team.as_deref(), Some("b"));
        assert!(check("").1.is_some());
    }

    #[test]
    fn each_mistake_is_told_with_its_line_and_what_would_be_right() {
        for (text, expected) in [
            ("data = \n", "1:8: error: "),
            ("lisen = 'x'\n", "1:1: error: `lisen` is not a key here; did you mean `listen`?"),
            ("\nzzz = 1", "2:1: error: `zzz` is not a key here; it takes connection, data, environment, "),
            ("data = 3\n", "1:8: error: `data` is an integer; expected a string"),
            ("[server]\ntrusted_proxies = ['proxy']", "2:20: error: `server.trusted_proxies` has `proxy`: expected "),
            ("[server]\ntls_key = 'k'", "2:11: error: `server.tls_key` needs `server.tls_cert`; set both"),
            ("[limits]\nbody_bytes = -1", "2:14: error: `limits.body_bytes` is -1; expected 0 or more"),
            ("[[service]]\nteam = 'a'", "1:1: error: `service` has no `name`; it must have one"),
            ("[[service]]\nname = 'a'\npaths = 'x'", "3:9: error: `service.paths` is a string; expected an array"),
            ("[[service]]\nname = 'a'\npaths = [1]", "3:10: error: `service.paths` is an integer; expected a string"),
            ("[service]\nname = 'a'", "1:1: error: `service` is a table; expected an array of tables, as [[service]]"),
            (
                "[[environment]]\nname = 'x'\ntier = 'prodution'",
                "3:8: error: `environment.tier` is `prodution`; did you mean `production`?",
            ),
            (
                "[[connection]]\nsource = 'github'\nsecrets = [{ evn = 'X' }]",
                "3:14: error: `evn` is not a key here; did you mean `env`?",
            ),
            (
                "[[connection]]\nsource = 'githbu'",
                "2:10: error: `connection.source` is `githbu`; did you mean `github`?",
            ),
            ("[[connection]]\nsecrets = []", "1:1: error: `connection` has no `source`; expected one of "),
            (
                "[[connection]]\nsource = 'github'\nsecrets = [{ file = '/dev/null' }]\nincident_lables = []",
                "4:1: error: `incident_lables` is not a key here; did you mean `incident_labels`?",
            ),
            (
                "[[connection]]\nsource = 'github'\nsecrets = [{ file = '/dev/null' }]\nnetworks = ['inside']",
                "4:12: error: the connection `github` cannot be made: `networks`; `inside` is no network; ",
            ),
            (
                "[[connection]]\nsource = 'github'\nsecrets = [{ file = '/dev/null' }]\n\
                 [[connection]]\nsource = 'github'\nsecrets = [{ file = '/dev/null' }]",
                "4:1: error: a second connection to `github` is called ``; ",
            ),
            ("[[service]]\nname = ' '", "2:8: error: a name of a service is empty; "),
            ("[[service]]\nname = 'a'\n[[service]]\nname = 'a'", "4:8: error: a second service is called `a`; "),
            (
                "[[service]]\nname = 'a'\n[[service]]\nname = 'b'\naliases = ['a']",
                "5:12: error: a second service is called `a`; ",
            ),
            (
                "[[team]]\nname = 'core'\n[[service]]\nname = 'a'\nteam = 'cor'",
                "5:8: error: no [[team]] is called `cor`; did you mean `core`?",
            ),
            ("[[team]]\nname = 'a'\nparent = 'zz'", "3:10: error: no [[team]] is called `zz`; "),
            ("[[team]]\nname = 'a'\n[[team]]\nname = 'a'", "4:8: error: a second team is called `a`; "),
            (
                "[[team]]\nname = 'a'\nparent = 'b'\n[[team]]\nname = 'b'\nparent = 'a'",
                "3:10: error: the team `a` is below itself: a, b, a; ",
            ),
            (
                "[[environment]]\nname = 'x'\ntier = 'other'\n[[environment]]\nname = 'x'\ntier = 'other'",
                "5:8: error: a second environment is called `x`; ",
            ),
            (
                "[[service]]\nname = 'a'\nrepositories = ['o/r']\n[[service]]\nname = 'b'\nrepositories = ['O/r']",
                "6:17: warning: `b` and `a` share all of `O/r`; ",
            ),
            (
                "listen = 'localhost'",
                "1:10: error: `listen` is `localhost`; expected an address and port, as 127.0.0.1:8080",
            ),
            (
                "[[connection]]\nsource = 'github'\nincident_labels = ['x']",
                "1:1: error: the connection `github` cannot be made: `secrets`; neither a secret nor a repository ",
            ),
            (
                "[[connection]]\nsource = 'github'\nsecrets = [{ env = 'DORADO_NO_SUCH_VARIABLE' }]",
                "3:20: warning: the environment variable `DORADO_NO_SUCH_VARIABLE` is not set; ",
            ),
            (
                "[[connection]]\nsource = 'github'\nsecrets = [{ file = '/no/such/file' }]",
                "3:21: warning: the file `/no/such/file` cannot be read; ",
            ),
            ("[[pack]]\nid = 'gitlab'", "2:6: error: the pack `gitlab` is built in; give yours another id"),
            ("[[pack]]\nid = 'a'\nbase = 'b'", "3:8: error: no pack is called `b`; expected one that is built in"),
            ("[[pack]]\nid = 'a'\nunit = 'commit'", "3:8: error: `pack.unit` is `commit`; "),
            ("[[pack]]\nid = 'a'\nwindow = 3", "3:1: error: `window` is not a key here; "),
            ("[rework]\nprefixes = ['']", "2:13: error: an empty prefix makes every deployment rework; "),
        ] {
            let told = told(text);
            assert_eq!(told.len(), 1, "{text}\n{told:#?}");
            assert!(told[0].starts_with(expected), "{text}\n{told:#?}\n{expected}");
        }
    }

    #[test]
    fn all_mistakes_are_told_in_order() {
        let text = "dta = 'x'\n[[service]]\nname = 1\nteem = 'a'\n[[team]]\nname = 'a'\nparent = 'b'\n";
        let lines: Vec<String> = told(text).iter().map(|t| t.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(lines, ["1", "3", "4", "7"]);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(place("ä = 'öö' x", "ä = 'öö' ".len()), (1, 10));
        assert_eq!(place("a\nb", 2), (2, 1));
        assert_eq!(place("", 9), (1, 1));
    }

    #[test]
    fn only_a_near_name_is_proposed() {
        assert_eq!(nearest("enviroment", ["environment", "service"]), Some("environment"));
        assert_eq!(nearest("moon", ["environment", "service"]), None);
    }
}
