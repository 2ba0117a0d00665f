//! Files of events to facts: NDJSON and JSON (gzip or not), CSV, Parquet. A row is the same event that could have
//! been posted, checked by the same rules; what cannot be taken is counted by reason, with where it stands.

mod columns;
mod csv;
mod lines;
mod mapping;
mod parquet;
mod row;
mod summary;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dorado_lake::Fact;

use crate::source::events;
pub use mapping::Mapping;
pub use summary::{Counted, Summary};

/// Facts handed over at once, about.
const CHUNK: usize = 25_000;

/// Kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One event a line.
    Ndjson,
    /// One event or an array of them.
    Json,
    /// Comma-separated values under a line of names.
    Csv,
    /// Apache Parquet.
    Parquet,
}

impl Format {
    /// Names that are taken for formats, in options and as extensions of files.
    pub const NAMES: [(&'static str, Self); 6] = [
        ("ndjson", Self::Ndjson),
        ("jsonl", Self::Ndjson),
        ("json", Self::Json),
        ("csv", Self::Csv),
        ("parquet", Self::Parquet),
        ("pq", Self::Parquet),
    ];

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| *format)
    }

    /// The format that a file's extension names; `.gz` after it is looked through.
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let name = name.strip_suffix(".gz").unwrap_or(name);
        Self::named(name.rsplit_once('.')?.1)
    }
}

/// How a file is read.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its format; by its extension where none is given.
    pub format: Option<Format>,
    /// What its rows and columns are, for CSV and Parquet.
    pub mapping: Mapping,
    /// What facts name as their source. The default, `events`, makes an imported event the same as a posted one.
    pub source_name: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { format: None, mapping: Mapping::default(), source_name: events::NAME.to_owned() }
    }
}

/// Facts of the rows read since the last chunk, and how far the file is read.
#[derive(Debug)]
pub struct Chunk {
    /// Facts, in the order of the file.
    pub facts: Vec<Fact>,
    /// Rows read so far.
    pub n_rows: u64,
    /// Bytes read so far, as they lie in the file.
    pub n_bytes: u64,
    /// Bytes of the whole file.
    pub n_bytes_total: u64,
}

/// Reads a file, a chunk of about 25,000 facts at a time; `take` may stop it. Says what was kept and what was
/// not. Reading a file again gives the same facts.
///
/// # Errors
/// Where the file as a whole cannot be read. What is wrong with a row is in the summary.
pub fn read(path: &Path, options: &Options, take: &mut dyn FnMut(Chunk) -> ControlFlow<()>) -> Result<Summary, Error> {
    let format =
        options.format.or_else(|| Format::of(path)).ok_or_else(|| Error::UnknownFormat { path: path.into() })?;
    let mut reading = Reading::new(path, options, take)?;
    match format {
        Format::Ndjson => lines::read_lines(&mut reading)?,
        Format::Json => lines::read_document(&mut reading)?,
        Format::Csv => csv::read(&mut reading)?,
        Format::Parquet => parquet::read(&mut reading)?,
    }
    reading.hand_over()?;
    Ok(reading.summary)
}

/// A file that is being read, and what came of it so far.
struct Reading<'a> {
    path: &'a Path,
    options: &'a Options,
    take: &'a mut dyn FnMut(Chunk) -> ControlFlow<()>,
    facts: Vec<Fact>,
    summary: Summary,
    n_bytes: Arc<AtomicU64>,
    n_bytes_total: u64,
}

impl<'a> Reading<'a> {
    fn new(
        path: &'a Path,
        options: &'a Options,
        take: &'a mut dyn FnMut(Chunk) -> ControlFlow<()>,
    ) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(|source| Error::unreadable(path, source))?;
        Ok(Self {
            path,
            options,
            take,
            facts: Vec::new(),
            summary: Summary::default(),
            n_bytes: Arc::default(),
            n_bytes_total: metadata.len(),
        })
    }

    fn open(&self) -> Result<File, Error> {
        File::open(self.path).map_err(|source| self.unreadable(source))
    }

    /// The text of the file, unpacked where it is gzip.
    fn open_text(&self) -> Result<Box<dyn BufRead>, Error> {
        let counted = Counting { inner: self.open()?, n_bytes: Arc::clone(&self.n_bytes) };
        let mut raw = BufReader::with_capacity(1 << 18, counted);
        let head = raw.fill_buf().map_err(|source| self.unreadable(source))?;
        if head.starts_with(&[0x1f, 0x8b]) {
            let unpacked = flate2::bufread::MultiGzDecoder::new(raw);
            return Ok(Box::new(BufReader::with_capacity(1 << 18, unpacked)));
        }
        Ok(Box::new(raw))
    }

    fn unreadable(&self, source: io::Error) -> Error {
        Error::unreadable(self.path, source)
    }

    /// Where a row stands, as `file.csv:17`.
    fn place(&self, at: impl std::fmt::Display) -> String {
        format!("{}:{at}", self.path.display())
    }

    /// To be called after each row or batch of rows: hands over what fills a chunk.
    fn hand_over_full(&mut self) -> Result<(), Error> {
        if self.facts.len() >= CHUNK { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), Error> {
        let chunk = Chunk {
            n_rows: self.summary.n_rows,
            n_bytes: self.n_bytes.load(Ordering::Relaxed).min(self.n_bytes_total),
            n_bytes_total: self.n_bytes_total,
            facts: std::mem::take(&mut self.facts),
        };
        self.summary.n_facts += chunk.facts.len() as u64;
        match (self.take)(chunk) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped { path: self.path.into() }),
        }
    }
}

/// Counts the bytes that are read through it.
struct Counting<R> {
    inner: R,
    n_bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.n_bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Why a file cannot be imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It cannot be opened or read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Neither its extension nor an option says what it is.
    #[error("cannot tell the format of `{}`; name it: ndjson, json, csv or parquet", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// Nothing says what its rows are.
    #[error("cannot tell what the rows of `{}` are; name their type, or give them a column `type`", path.display())]
    UnknownType {
        /// The file.
        path: PathBuf,
    },
    /// A mapping that cannot be used.
    #[error("cannot use the mapping `{given}`: {problem}")]
    BadMapping {
        /// The mapping as given.
        given: String,
        /// What is wrong and what would have been right.
        problem: String,
    },
    /// A column of a type that no field can be read from.
    #[error("cannot read column `{column}` of `{}`: it holds {found}", path.display())]
    BadColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// The one who takes the facts wanted no more.
    #[error("stopped reading `{}`", path.display())]
    Stopped {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    fn unreadable(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unreadable { path: path.into(), source: source.into() }
    }
}
