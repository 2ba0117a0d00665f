//! Where tables are kept. On a local disk that is [`DurableStore`], because `object_store`'s own never
//! syncs: after a power cut it has lost commits that it had reported as written, and left empty ones.
//! Reading is left to `object_store`.

use std::collections::HashSet;
use std::fmt::{Display, Formatter};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    CopyMode, CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart,
};

/// Files not yet in their place; emptied when a writer opens the directory.
const UNFINISHED: &str = ".unfinished";

/// A directory as an object store. What it has answered survives a power cut: a file is synced before it
/// becomes visible, and its directory, with the directories made for it, before the answer.
#[derive(Debug)]
pub(crate) struct DurableStore {
    files: Arc<Files>,
    reading: LocalFileSystem,
}

impl DurableStore {
    /// A directory that exists, for reading and writing. Sweeps what an earlier process left unfinished.
    pub(crate) fn open(root: &FilePath) -> io::Result<Self> {
        let unfinished = root.join(UNFINISHED);
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        fs::create_dir_all(&unfinished)?;
        let root = &root.canonicalize()?;
        sync_directory(root)?;
        // As far as one may: the parent need not be ours to read, and then it was not made by us either.
        let _ = root.parent().map(sync_directory);
        Self::open_read_only(root)
    }

    /// A directory that exists, for reading; it is not touched.
    pub(crate) fn open_read_only(root: &FilePath) -> io::Result<Self> {
        let files =
            Files { root: root.canonicalize()?, n_written: AtomicU64::new(0), known_directories: Mutex::default() };
        let reading = LocalFileSystem::new_with_prefix(&files.root)?;
        Ok(Self { files: Arc::new(files), reading })
    }

    async fn place(&self, location: &Path, payload: PutPayload, mode: PutMode) -> Result<PutResult> {
        let (files, location) = (Arc::clone(&self.files), location.clone());
        tokio::task::spawn_blocking(move || files.place(&location, &payload, &mode)).await?
    }
}

impl Display for DurableStore {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "DurableStore({})", self.files.root.display())
    }
}

#[derive(Debug)]
struct Files {
    root: PathBuf,
    n_written: AtomicU64,
    /// Directories whose entry in their parent is known to be synced.
    known_directories: Mutex<HashSet<PathBuf>>,
}

impl Files {
    fn place(&self, location: &Path, payload: &PutPayload, mode: &PutMode) -> Result<PutResult> {
        let target = location.parts().fold(self.root.clone(), |path, part| path.join(part.as_ref()));
        let n = self.n_written.fetch_add(1, Ordering::Relaxed);
        let unfinished = self.root.join(UNFINISHED).join(n.to_string());
        let placed = write_and_sync(&unfinished, payload)
            .and_then(|()| self.make_directories(target.parent().unwrap_or(&self.root)))
            .and_then(|()| make_visible(&unfinished, &target, mode));
        // A failure to remove leaves a file that the next open sweeps.
        let _ = fs::remove_file(&unfinished);
        match placed {
            Ok(()) => Ok(PutResult { e_tag: None, version: None }),
            Err(error) => Err(named(location, error)),
        }
    }

    fn make_directories(&self, directory: &FilePath) -> io::Result<()> {
        if directory == self.root || self.knows(directory) {
            return Ok(());
        }
        let parent = directory.parent().unwrap_or(&self.root);
        self.make_directories(parent)?;
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        sync_directory(parent)?;
        let mut known = self.known_directories.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(directory.to_owned());
        Ok(())
    }

    fn knows(&self, directory: &FilePath) -> bool {
        let known = self.known_directories.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(directory) && directory.is_dir()
    }
}

fn write_and_sync(path: &FilePath, payload: &PutPayload) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    for bytes in payload {
        file.write_all(bytes)?;
    }
    file.sync_all()
}

/// Also where the target was there already its directory is synced before that is said: whoever reads it
/// then and finds their own bytes may count on them.
fn make_visible(unfinished: &FilePath, target: &FilePath, mode: &PutMode) -> io::Result<()> {
    let moved = match mode {
        PutMode::Create => fs::hard_link(unfinished, target),
        _ => fs::rename(unfinished, target),
    };
    if let Err(error) = &moved
        && error.kind() != io::ErrorKind::AlreadyExists
    {
        return moved;
    }
    sync_directory(target.parent().unwrap_or(FilePath::new("/")))?;
    moved
}

fn sync_directory(directory: &FilePath) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// An I/O error as `object_store` names them.
fn named(location: &Path, error: io::Error) -> object_store::Error {
    let path = location.to_string();
    match error.kind() {
        io::ErrorKind::AlreadyExists => object_store::Error::AlreadyExists { path, source: error.into() },
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            object_store::Error::PermissionDenied { path, source: error.into() }
        }
        _ => object_store::Error::Generic { store: "DurableStore", source: error.into() },
    }
}

#[async_trait]
impl ObjectStore for DurableStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        if matches!(options.mode, PutMode::Update(_)) {
            return Err(not_implemented("update"));
        }
        self.place(location, payload, options.mode).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        _options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        Ok(Box::new(Upload { files: Arc::clone(&self.files), location: location.clone(), parts: Vec::new() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.reading.get_opts(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[std::ops::Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.reading.get_ranges(location, ranges).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.reading.delete_stream(locations)
    }

    /// In order, as Delta's log needs it.
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let listed = self.reading.list(prefix).try_collect::<Vec<_>>();
        let ordered = async move {
            let mut listed = listed.await?;
            listed.sort_unstable_by(|a, b| a.location.cmp(&b.location));
            Ok::<_, object_store::Error>(futures::stream::iter(listed.into_iter().map(Ok)))
        };
        futures::stream::once(ordered).try_flatten().boxed()
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.reading.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let bytes = self.reading.get_opts(from, GetOptions::default()).await?.bytes().await?;
        let mode = match options.mode {
            CopyMode::Create => PutMode::Create,
            CopyMode::Overwrite => PutMode::Overwrite,
        };
        self.place(to, bytes.into(), mode).await.map(|_| ())
    }
}

fn not_implemented(operation: &str) -> object_store::Error {
    object_store::Error::NotImplemented { operation: operation.to_owned(), implementer: "DurableStore".to_owned() }
}

/// Parts are gathered in memory: only checkpoints come this way, and they are small.
#[derive(Debug)]
struct Upload {
    files: Arc<Files>,
    location: Path,
    parts: Vec<PutPayload>,
}

#[async_trait]
impl MultipartUpload for Upload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        self.parts.push(data);
        Box::pin(futures::future::ready(Ok(())))
    }

    async fn complete(&mut self) -> Result<PutResult> {
        let payload: PutPayload = std::mem::take(&mut self.parts).into_iter().flatten().collect();
        let (files, location) = (Arc::clone(&self.files), self.location.clone());
        tokio::task::spawn_blocking(move || files.place(&location, &payload, &PutMode::Overwrite)).await?
    }

    async fn abort(&mut self) -> Result<()> {
        self.parts.clear();
        Ok(())
    }
}
