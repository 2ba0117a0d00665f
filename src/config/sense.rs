//! What the types of a configuration allow and sense forbids: names given twice, teams that nobody
//! declared, circles, secrets that are not there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use dorado_query::PACKS;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::check::{Mistake, nearest};
use super::connection::ConnectionConfig;
use super::server;

/// A text and where it stands.
type Text<'a> = (&'a str, usize);

/// Adds what makes no sense. What is of a wrong type is passed over: it was told already.
pub(super) fn check(table: &DeTable<'_>, mistakes: &mut Vec<Mistake>) {
    let root = Entry { table, at: 0 };
    let (services, teams) = (root.entries("service"), root.entries("team"));
    top(&root, mistakes);
    names("service", services.iter().flat_map(|s| s.text("name").into_iter().chain(s.texts("aliases"))), mistakes);
    names("team", teams.iter().filter_map(|t| t.text("name")), mistakes);
    names("environment", root.entries("environment").iter().filter_map(|e| e.text("name")), mistakes);
    packs(&root.entries("pack"), mistakes);
    declared_teams(&services, &teams, mistakes);
    circles(&teams, mistakes);
    shared_repositories(&services, mistakes);
    for rule in root.entry("rework").into_iter().chain(services.iter().filter_map(|s| s.entry("rework"))) {
        for (_, at) in rule.texts("prefixes").into_iter().filter(|(prefix, _)| prefix.is_empty()) {
            mistakes.push(Mistake::error(at, "an empty prefix makes every deployment rework", "leave it out"));
        }
    }
    if let Some(server) = root.entry("server") {
        access(&server, mistakes);
    }
    connections(&root.entries("connection"), mistakes);
}

/// A table and where it stands.
struct Entry<'a> {
    table: &'a DeTable<'a>,
    at: usize,
}

impl<'a> Entry<'a> {
    fn of(value: &'a Spanned<DeValue<'a>>) -> Option<Self> {
        Some(Self { table: value.get_ref().as_table()?, at: value.span().start })
    }

    fn entry(&self, key: &str) -> Option<Self> {
        Self::of(self.table.get(key)?)
    }

    fn entries(&self, key: &str) -> Vec<Self> {
        let array = self.table.get(key).and_then(|value| value.get_ref().as_array());
        array.into_iter().flat_map(|array| array.iter()).filter_map(Self::of).collect()
    }

    fn text(&self, key: &str) -> Option<Text<'a>> {
        text(self.table.get(key)?)
    }

    fn texts(&self, key: &str) -> Vec<Text<'a>> {
        let array = self.table.get(key).and_then(|value| value.get_ref().as_array());
        array.into_iter().flat_map(|array| array.iter()).filter_map(text).collect()
    }
}

fn text<'a>(value: &'a Spanned<DeValue<'a>>) -> Option<Text<'a>> {
    Some((value.get_ref().as_str()?, value.span().start))
}

fn top(root: &Entry<'_>, mistakes: &mut Vec<Mistake>) {
    if let Some((listen, at)) = root.text("listen")
        && listen.parse::<SocketAddr>().is_err()
    {
        let right = "expected an address and port, as 127.0.0.1:8080";
        mistakes.push(Mistake::error(at, format!("`listen` is `{listen}`"), right));
    }
    if let Some((data, at)) = root.text("data")
        && data.trim().is_empty()
    {
        let right = "expected a directory or s3://bucket/prefix; leave it out for `dorado-data`";
        mistakes.push(Mistake::error(at, "`data` is empty", right));
    }
}

/// Addresses that are none, and half a certificate.
fn access(server: &Entry<'_>, mistakes: &mut Vec<Mistake>) {
    let mut tell = |at: usize, read: anyhow::Result<()>| {
        if let Err(error) = read {
            mistakes.push(Mistake::error(at, error.to_string(), ""));
        }
    };
    for (text, at) in server.texts("trusted_proxies") {
        tell(at, server::network(text).map(drop));
    }
    for (text, at) in server.texts("allowed_origins") {
        tell(at, server::origin(text).map(drop));
    }
    if let Some((text, at)) = server.text("public_url") {
        tell(at, server::public_url(text).map(drop));
    }
    for (one, other) in [("tls_cert", "tls_key"), ("tls_key", "tls_cert")] {
        if let (Some((_, at)), None) = (server.text(one), server.text(other)) {
            mistakes.push(Mistake::error(at, format!("`server.{one}` needs `server.{other}`"), "set both"));
        }
    }
}

/// Names that are empty or given twice.
fn names<'a>(kind: &str, names: impl Iterator<Item = Text<'a>>, mistakes: &mut Vec<Mistake>) {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, at) in names {
        if name.trim().is_empty() {
            mistakes.push(Mistake::error(at, format!("a name of a {kind} is empty"), "give it one"));
        } else if seen.insert(name, at).is_some() {
            let right = "each name and alias may stand for one only, and be given once";
            mistakes.push(Mistake::error(at, format!("a second {kind} is called `{name}`"), right));
        }
    }
}

/// Packs that have the id of another, and bases that are none.
fn packs(packs: &[Entry<'_>], mistakes: &mut Vec<Mistake>) {
    names("pack", packs.iter().filter_map(|p| p.text("id")), mistakes);
    let mut known: Vec<&str> = PACKS.iter().map(|pack| pack.id.as_ref()).collect();
    for pack in packs {
        if let Some((base, at)) = pack.text("base")
            && !known.contains(&base)
        {
            let right = format!("expected one that is built in or stands before it: {}", known.join(", "));
            mistakes.push(Mistake::error(at, format!("no pack is called `{base}`"), right));
        }
        let Some((id, at)) = pack.text("id") else { continue };
        if PACKS.iter().any(|pack| pack.id == id) {
            mistakes.push(Mistake::error(at, format!("the pack `{id}` is built in"), "give yours another id"));
        }
        known.push(id);
    }
}

/// Teams that are named and not declared, where any is declared.
fn declared_teams(services: &[Entry<'_>], teams: &[Entry<'_>], mistakes: &mut Vec<Mistake>) {
    let declared: Vec<&str> = teams.iter().filter_map(|t| t.text("name")).map(|(name, _)| name).collect();
    let owners = services.iter().filter_map(|s| s.text("team")).filter(|_| !teams.is_empty());
    for (name, at) in owners.chain(teams.iter().filter_map(|t| t.text("parent"))) {
        if !declared.contains(&name) {
            let right = nearest(name, declared.iter().copied())
                .map_or_else(|| "declare it".to_owned(), |near| format!("did you mean `{near}`?"));
            mistakes.push(Mistake::error(at, format!("no [[team]] is called `{name}`"), right));
        }
    }
}

/// Teams that are below themselves: each circle once, at its first team.
fn circles(teams: &[Entry<'_>], mistakes: &mut Vec<Mistake>) {
    let parents: BTreeMap<&str, Text<'_>> =
        teams.iter().filter_map(|t| Some((t.text("name")?.0, t.text("parent")?))).collect();
    let mut told: Vec<&str> = Vec::new();
    for team in teams {
        let Some((name, _)) = team.text("name") else { continue };
        let mut way = vec![name];
        while let Some((parent, _)) = way.last().and_then(|last| parents.get(last)) {
            if *parent == name || way.contains(parent) {
                break;
            }
            way.push(parent);
        }
        let closes = way.last().and_then(|last| parents.get(last)).is_some_and(|(parent, _)| *parent == name);
        if !closes || told.contains(&name) {
            continue;
        }
        told.extend(&way);
        let at = parents.get(name).map_or(team.at, |(_, at)| *at);
        way.push(name);
        let wrong = format!("the team `{name}` is below itself: {}", way.join(", "));
        mistakes.push(Mistake::error(at, wrong, "a team at the top has no `parent`"));
    }
}

/// Services that are built from the same part of a repository: may be meant, and is easily forgotten.
fn shared_repositories(services: &[Entry<'_>], mistakes: &mut Vec<Mistake>) {
    let mut seen: Vec<(&str, &str, Vec<Text<'_>>)> = Vec::new();
    for service in services {
        let Some((name, _)) = service.text("name") else { continue };
        let paths = service.texts("paths");
        for (repository, at) in service.texts("repositories") {
            for (other, its_repository, its_paths) in &seen {
                if !its_repository.eq_ignore_ascii_case(repository) || *other == name {
                    continue;
                }
                let Some(shared) = shared_part(&paths, its_paths) else { continue };
                let part = if shared.is_empty() { "all of".to_owned() } else { format!("`{shared}` of") };
                let wrong = format!("`{name}` and `{other}` share {part} `{repository}`");
                let right = "a change there counts for both; `paths` tells them apart where that is not meant";
                mistakes.push(Mistake::warning(at, wrong, right));
            }
            seen.push((name, repository, paths.clone()));
        }
    }
}

/// The part of a repository that two lists of path prefixes have in common; empty for all of it.
fn shared_part<'a>(a: &[Text<'a>], b: &[Text<'a>]) -> Option<&'a str> {
    match (a, b) {
        ([], []) => Some(""),
        ([], paths) | (paths, []) => paths.first().map(|(path, _)| *path),
        _ => a
            .iter()
            .flat_map(|(x, _)| b.iter().map(move |(y, _)| (*x, *y)))
            .find_map(|(x, y)| if is_below(x, y) { Some(x) } else { is_below(y, x).then_some(y) }),
    }
}

/// Whether a path is another or lies in it.
fn is_below(path: &str, folder: &str) -> bool {
    let folder = folder.trim_end_matches('/');
    path.strip_prefix(folder).is_some_and(|rest| folder.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// Connections that are there twice, or whose secrets are not there.
fn connections(connections: &[Entry<'_>], mistakes: &mut Vec<Mistake>) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for connection in connections {
        let text = |key: &str| connection.text(key).map_or("", |(text, _)| text);
        let label = (text("source"), text("name"));
        if seen.contains(&label) {
            let wrong = format!("a second connection to `{}` is called `{}`", label.0, label.1);
            mistakes.push(Mistake::error(connection.at, wrong, "give each of one source a `name` of its own"));
        }
        seen.push(label);
        let places = connection.entries("secrets").into_iter();
        for place in places.chain(connection.entry("token")).chain(connection.entry("certificates")) {
            secret(&place, mistakes);
        }
    }
}

/// Adds what their kinds refuse of connections that can be read.
pub(super) fn connecting(table: &DeTable<'_>, configured: &[ConnectionConfig], mistakes: &mut Vec<Mistake>) {
    let root = Entry { table, at: 0 };
    for (connection, configured) in root.entries("connection").iter().zip(configured) {
        if let Err(wrong) = configured.connect() {
            let at = connection.table.get(wrong.option.as_str()).map_or(connection.at, |value| value.span().start);
            let sentence = format!("the connection `{}` cannot be made: `{}`", configured.label(), wrong.option);
            mistakes.push(Mistake::error(at, sentence, wrong.problem));
        }
    }
}

fn secret(place: &Entry<'_>, mistakes: &mut Vec<Mistake>) {
    let right = "what needs it is refused until it is";
    if let Some((name, at)) = place.text("env")
        && !std::env::var(name).is_ok_and(|secret| !secret.is_empty())
    {
        mistakes.push(Mistake::warning(at, format!("the environment variable `{name}` is not set"), right));
    }
    if let Some((path, at)) = place.text("file")
        && let Err(error) = std::fs::File::open(path)
    {
        let wrong = format!("the file `{path}` cannot be read");
        mistakes.push(Mistake::warning(at, wrong, format!("{right} ({error})")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_overlap_only_at_their_edges() {
        let shared = |a: &'static [&str], b: &'static [&str]| {
            let texts = |paths: &'static [&'static str]| paths.iter().map(|p| (*p, 0)).collect::<Vec<_>>();
            shared_part(&texts(a), &texts(b))
        };
        assert_eq!(shared(&["api/"], &["api/v1"]), Some("api/v1"));
        assert_eq!(shared(&["api"], &["api-docs"]), None);
        assert_eq!(shared(&["a", "b"], &["c", "b/"]), Some("b"));
        assert_eq!(shared(&[], &["c"]), Some("c"));
    }
}
