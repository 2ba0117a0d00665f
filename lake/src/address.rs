//! Where a lake is: a directory, a bucket, or nowhere but in memory.

use std::fs::File;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::memory::InMemory;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use url::Url;

use crate::Error;
use crate::store::DurableStore;

/// A lake's place, found but not yet read.
#[derive(Debug)]
pub(crate) struct Place {
    /// Rooted at the lake.
    pub(crate) store: Arc<dyn ObjectStore>,
    /// The directory, where it is one.
    pub(crate) directory: Option<PathBuf>,
    /// Held for as long as the lake is open for writing.
    pub(crate) lock: Option<Arc<File>>,
}

impl Place {
    /// A place that cannot be locked itself, for whoever has the lock of this directory.
    pub(crate) fn locked_by(self, directory: &FilePath) -> Result<Self, Error> {
        std::fs::create_dir_all(directory).map_err(|source| unavailable("make the inbox's directory of", source))?;
        Ok(Self { lock: Some(Arc::new(lock(directory)?)), ..self })
    }
}

/// Whether somebody means to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// One process at a time.
    Write,
    /// Any number.
    Read,
}

/// Finds the place that an address names, and locks it for a writer.
pub(crate) fn find(url: &str, access: Access) -> Result<Place, Error> {
    let unknown = || Error::Address { url: url.to_owned() };
    let Some((scheme, _)) = url.split_once("://") else { return directory(FilePath::new(url), access) };
    let address = Url::parse(url).or(Err(unknown()))?;
    match scheme {
        "file" => directory(&address.to_file_path().or(Err(unknown()))?, access),
        "memory" => Ok(Place { store: Arc::new(InMemory::new()), directory: None, lock: None }),
        "s3" => bucket(&address).map_err(|source| unavailable("open", source)),
        _ => Err(unknown()),
    }
}

/// How long a call to a bucket is tried again before whoever waits for it is told.
const S3_PATIENCE: Duration = Duration::from_secs(8);

/// A bucket as the environment describes it: `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP` and the others
/// that `object_store` knows. Commits are conditional puts, so that no two writers can make the same.
fn bucket(address: &Url) -> object_store::Result<Place> {
    let bucket = address.host_str().unwrap_or_default();
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    let retry = RetryConfig { backoff, retry_timeout: S3_PATIENCE, ..RetryConfig::default() };
    let s3 = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry).build()?;
    let prefix = address.path().trim_matches('/');
    let store: Arc<dyn ObjectStore> =
        if prefix.is_empty() { Arc::new(s3) } else { Arc::new(PrefixStore::new(s3, prefix)) };
    Ok(Place { store, directory: None, lock: None })
}

fn directory(directory: &FilePath, access: Access) -> Result<Place, Error> {
    if access == Access::Read {
        let store = DurableStore::open_read_only(directory).map_err(|source| unavailable("open", source))?;
        return Ok(Place { store: Arc::new(store), directory: Some(directory.to_owned()), lock: None });
    }
    std::fs::create_dir_all(directory).map_err(|source| unavailable("make the directory of", source))?;
    let lock = lock(directory)?;
    let store = DurableStore::open(directory).map_err(|source| unavailable("open", source))?;
    Ok(Place { store: Arc::new(store), directory: Some(directory.to_owned()), lock: Some(Arc::new(lock)) })
}

fn lock(directory: &FilePath) -> Result<File, Error> {
    let path = directory.join("lock");
    let opened = File::options().create(true).truncate(false).write(true).open(path);
    let lock = opened.map_err(|source| unavailable("lock", source))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::Locked { directory: directory.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(unavailable("lock", source)),
    }
}

/// An error outside any table.
pub(crate) fn unavailable(action: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Unavailable { table: "lake".to_owned(), action, source: source.into() }
}
