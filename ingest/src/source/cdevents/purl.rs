//! What a package URL says of where an artifact came from. Source: github.com/package-url/purl-spec.

use percent_encoding::percent_decode_str;

use crate::source::events::sha;
use crate::source::reading::repository_of_url;

/// The parts of a package URL that tell a version from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Artifact {
    /// Its version, as a tag or a digest; all of what is no package URL.
    pub(super) version: Option<String>,
    /// The commit that it was built from.
    pub(super) revision: Option<String>,
    /// The repository that it was built from.
    pub(super) repository: Option<String>,
}

/// Reads `pkg:type/namespace/name@version?qualifiers#subpath`.
pub(super) fn artifact(id: &str) -> Artifact {
    let Some(package) = id.strip_prefix("pkg:") else {
        return Artifact { version: Some(id.to_owned()), ..Artifact::default() };
    };
    let package = package.split('#').next().unwrap_or_default();
    let (package, qualifiers) = package.split_once('?').unwrap_or((package, ""));
    let (path, version) = match package.rsplit_once('@') {
        Some((path, version)) => (path, Some(decoded(version))),
        None => (package, None),
    };
    let (kind, name) = path.split_once('/').unwrap_or((path, ""));
    let is_forge = ["github", "gitlab", "bitbucket"].contains(&kind);
    let source = qualifier(qualifiers, "vcs_url").map(|url| of_vcs_url(&url)).unwrap_or_default();
    // A whole SHA as version is the commit. A digest of an image is none: it says by what it was made.
    let commit = version.as_deref().filter(|version| is_sha(version)).map(|version| sha(version.to_owned()));
    let tag = qualifier(qualifiers, "tag");
    Artifact {
        version: tag.or(version),
        revision: source.revision.or(commit),
        repository: source.repository.or_else(|| is_forge.then(|| decoded(name.trim_matches('/')))),
    }
}

/// `git+https://github.com/acme/shop.git@SHA`, as SPDX writes it.
fn of_vcs_url(url: &str) -> Artifact {
    let url = url.split_once('+').map_or(url, |(_, rest)| rest);
    let (address, revision) = match url.rsplit_once('@') {
        Some((address, revision)) if is_sha(revision) => (address, Some(sha(revision.to_owned()))),
        _ => (url, None),
    };
    Artifact { version: None, revision, repository: Some(repository_of_url(address)) }
}

fn qualifier(qualifiers: &str, name: &str) -> Option<String> {
    qualifiers.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| decoded(v))
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

fn is_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "0b31b1c02ff458ad9b7b81cbdf8f028bd54699fa";

    #[test]
    fn a_package_url_tells_version_commit_and_repository() {
        let told = |id: &str| {
            let Artifact { version, revision, repository } = artifact(id);
            [version, revision, repository].map(Option::unwrap_or_default)
        };
        assert_eq!(told("pkg:oci/myapp@sha256%3A0b31"), ["sha256:0b31", "", ""]);
        assert_eq!(told("pkg:oci/myapp@sha256%3A0b31?tag=v1.2"), ["v1.2", "", ""]);
        assert_eq!(told(&format!("pkg:github/acme/shop@{COMMIT}")), [COMMIT, COMMIT, "acme/shop"]);
        assert_eq!(told("pkg:golang/mygit.com/myorg/myapp@234fd47e07d1004f0aed9c"), ["234fd47e07d1004f0aed9c", "", ""]);
        let with_source = format!("pkg:oci/shop@sha256:1?vcs_url=git%2Bhttps://github.com/acme/shop.git%40{COMMIT}");
        assert_eq!(told(&with_source), ["sha256:1", COMMIT, "acme/shop"]);
        assert_eq!(told("myapp-1.0.whl"), ["myapp-1.0.whl", "", ""]);
        assert_eq!(told("pkg:"), ["", "", ""]);
    }
}
