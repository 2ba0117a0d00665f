//! Opens a repository and finds out what it is called and where its history is cut off. Reads the
//! repository's own configuration only: no global one, no environment, no network.

use std::path::{Path, PathBuf};

use gix::{
    ObjectId, Repository,
    bstr::{BString, ByteSlice},
    hashtable::HashSet,
    open::Options,
    prelude::ReferenceExt,
    sec::Trust,
};
use sha2::{Digest, Sha256};

use super::{Error, GitOptions};

/// An open repository and what the other files need to know about it.
pub(super) struct Opened {
    pub(super) git: Repository,
    pub(super) path: PathBuf,
    /// Its name in the facts.
    pub(super) repository: String,
    /// Commits whose parents a shallow clone has left behind.
    pub(super) shallow: HashSet<ObjectId>,
    pub(super) mailmap: gix::mailmap::Snapshot,
    /// Whether the changes get their paths.
    pub(super) reads_paths: bool,
    /// What decides how every change looks; where it differs, all are read again.
    pub(super) signature: String,
}

/// Bytes of trees that each thread keeps, which halves the time for paths.
const TREE_CACHE: usize = 64 * 1024 * 1024;

/// Opens the repository that is at `path`, and not one of the folders above it.
pub(super) fn open(path: &Path, options: &GitOptions) -> Result<Opened, Error> {
    let git =
        Options::isolated().with(Trust::Full).open(path).map_err(|source| cannot_open(path, source))?.to_thread_local();
    if git.config_snapshot().string("extensions.refStorage").is_some_and(|kind| kind.as_slice() != b"files") {
        let problem = "keeps its refs as a reftable, and only ref files are supported";
        return Err(Error::Unsupported { path: path.to_owned(), problem });
    }
    let refs = |source: gix::Error| Error::Refs { path: path.to_owned(), source: source.into() };
    let shallow = git.shallow_commits().map_err(refs)?;
    let shallow: HashSet<ObjectId> = shallow.iter().flat_map(|commits| commits.iter().copied()).collect();
    let repository = options.repository.clone().unwrap_or_else(|| name(&git));
    let reads_paths = options.needs_paths();
    Ok(Opened {
        signature: signature(&repository, reads_paths, &shallow),
        mailmap: git.open_mailmap(),
        path: path.to_owned(),
        git,
        repository,
        shallow,
        reads_paths,
    })
}

impl Opened {
    /// The refs in a folder such as `refs/tags/`, by name without it; without a target where they are broken.
    pub(super) fn refs(&self, folder: &'static str) -> Result<Vec<(BString, Option<ObjectId>)>, Error> {
        let failed = |source: gix::Error| Error::Refs { path: self.path.clone(), source: source.into() };
        let platform = self.git.references().map_err(failed)?;
        let mut refs = Vec::new();
        for found in platform.prefixed(folder.as_bytes().as_bstr()).map_err(failed)? {
            refs.push(found.map(gix::Reference::detach).ok());
        }
        let target = |found: gix::refs::Reference| {
            let name = found.name.as_bstr().strip_prefix(folder.as_bytes()).unwrap_or_default().into();
            (name, found.attach(&self.git).follow_to_object().ok().map(gix::Id::detach))
        };
        Ok(refs.into_iter().map(|found| found.map_or_else(|| ("(unreadable)".into(), None), target)).collect())
    }
}

/// Another handle for the same repository with a cache for trees.
pub(super) fn with_tree_cache(git: &gix::ThreadSafeRepository) -> Repository {
    let mut git = git.to_thread_local();
    git.object_cache_size(TREE_CACHE);
    git
}

fn cannot_open(path: &Path, source: gix::Error) -> Error {
    let config = [path.join(".git/config"), path.join("config")].into_iter().find_map(|file| std::fs::read(file).ok());
    if config.is_some_and(|text| text.to_ascii_lowercase().contains_str("objectformat = sha256")) {
        let problem = "names its objects by SHA-256, and only SHA-1 is supported";
        return Error::Unsupported { path: path.to_owned(), problem };
    }
    Error::NoRepository { path: path.to_owned(), source: source.into() }
}

fn signature(repository: &str, reads_paths: bool, shallow: &HashSet<ObjectId>) -> String {
    let mut cut: Vec<&ObjectId> = shallow.iter().collect();
    cut.sort_unstable();
    let mut hash = Sha256::new();
    hash.update(format!("1 {repository} {reads_paths}"));
    for id in cut {
        hash.update(id.as_slice());
    }
    hex::encode(&hash.finalize()[..8])
}

/// `owner/name` of the remote `origin`, else the name of the folder.
fn name(git: &Repository) -> String {
    let origin = git.config_snapshot().string("remote.origin.url").map(|url| url.to_str_lossy().into_owned());
    origin.as_deref().and_then(name_in_url).unwrap_or_else(|| {
        let folder = git.common_dir().canonicalize().unwrap_or_else(|_| git.common_dir().to_owned());
        let is_hidden = folder.file_name().is_some_and(|name| name == ".git");
        let folder = if is_hidden { folder.parent().unwrap_or(&folder) } else { &folder };
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        name.strip_suffix(".git").unwrap_or(&name).to_owned()
    })
}

/// The whole path of a remote's URL (`group/subgroup/name`), of a local one its last part.
fn name_in_url(url: &str) -> Option<String> {
    let url = gix::url::parse(url.as_bytes()).ok()?;
    let path = url.path.to_str_lossy();
    let path = path.trim_end_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let name = if url.scheme == gix::url::Scheme::File || url.host().is_none() {
        path.rsplit('/').next().unwrap_or(path)
    } else {
        path.trim_start_matches('/')
    };
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_named_by_its_remote() {
        for (url, name) in [
            ("https://github.com/owner/name.git", Some("owner/name")),
            ("https://github.com/owner/name/", Some("owner/name")),
            ("git@github.com:owner/name.git", Some("owner/name")),
            ("ssh://git@host:2222/group/sub/name.git", Some("group/sub/name")),
            ("/srv/git/name.git", Some("name")),
            ("file:///srv/git/name/.git", Some("name")),
            ("../name", Some("name")),
            ("https://user:secret@host/owner/name", Some("owner/name")),
            ("", None),
        ] {
            assert_eq!(name_in_url(url).as_deref(), name, "{url}");
        }
    }
}
