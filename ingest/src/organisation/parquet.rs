//! The history as Parquet files for other engines: whole tables with numbers for names, a file a year,
//! zstd. Instants are timestamps in microseconds without a zone, in UTC.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use chrono::{DateTime, Datelike};
use dorado_lake::Status;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::chance::{Stream, sha};
use super::changes::Work;
use super::deployments::{Kind, Rollout};
use super::incidents::Outage;
use super::{MAX_BATCH, Organisation};

impl Organisation {
    /// Writes `teams.parquet`, `services.parquet` and the folders `deployments`, `incidents` and `changes`, each
    /// with a file a year, into `dir`. Numbers of teams and services are their places in
    /// [`Organisation::teams`], groups left out, and [`Organisation::services`].
    ///
    /// # Errors
    /// A file cannot be made or written.
    pub fn write_parquet(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)?;
        write_whole(&dir.join("teams.parquet"), &self.team_rows()?)?;
        write_whole(&dir.join("services.parquet"), &self.service_rows()?)?;
        let mut deployments = Table::new(dir, "deployments")?;
        let mut incidents = Table::new(dir, "incidents")?;
        let mut changes = Table::new(dir, "changes")?;
        for mut month in self.months() {
            for rows in by_year(&month.rollouts, |rollout| rollout.finished) {
                deployments.write(year(rows[0].finished), &self.deployment_rows(rows)?)?;
            }
            for rows in by_year(&month.outages, |outage| outage.opened) {
                incidents.write(year(rows[0].opened), &incident_rows(rows)?)?;
            }
            loop {
                let works: Vec<Work> = month.changes.by_ref().take(MAX_BATCH).collect();
                if works.is_empty() {
                    break;
                }
                for rows in by_year(&works, |work| work.merged) {
                    changes.write(year(rows[0].merged), &self.change_rows(rows)?)?;
                }
            }
        }
        [deployments, incidents, changes].into_iter().try_for_each(Table::close)
    }

    fn team_rows(&self) -> io::Result<RecordBatch> {
        let teams = &self.everybody.teams;
        batch([
            ("team_id", Arc::new(Int32Array::from_iter_values(0..teams.len() as i32))),
            ("team", Arc::new(StringArray::from_iter_values(teams.iter().map(|t| &t.name)))),
            ("tz_minutes", Arc::new(Int32Array::from_iter_values(teams.iter().map(|t| t.zone_minutes)))),
        ])
    }

    fn service_rows(&self) -> io::Result<RecordBatch> {
        let services = &self.everybody.services;
        let teams = self.everybody.natures.iter().map(|nature| nature.team as i32);
        batch([
            ("service_id", Arc::new(Int32Array::from_iter_values(0..services.len() as i32))),
            ("service", Arc::new(StringArray::from_iter_values(services.iter().map(|s| &s.name)))),
            ("team_id", Arc::new(Int32Array::from_iter_values(teams))),
        ])
    }

    fn deployment_rows(&self, rows: &[Rollout]) -> io::Result<RecordBatch> {
        let status = |row: &Rollout| match row.status {
            Status::Success => "success",
            Status::Cancelled => "cancelled",
            _ => "failure",
        };
        let kind = |row: &Rollout| match row.kind {
            Kind::Planned => "planned",
            Kind::Hotfix => "hotfix",
            Kind::Rollback => "rollback",
        };
        let shas = rows.iter().map(|row| sha(self.seed, Stream::Revisions, row.revision));
        batch([
            ("deployment_id", numbers(rows, |row| Some(row.number))),
            ("service_id", places(rows, |row| row.service)),
            ("environment", words(rows, |row| row.environment.name())),
            ("status", words(rows, status)),
            ("kind", words(rows, kind)),
            ("commit_sha", Arc::new(StringArray::from_iter_values(shas))),
            ("started_at", instants(rows, |row| Some(row.started))),
            ("deployed_at", instants(rows, |row| Some(row.finished))),
        ])
    }

    fn change_rows(&self, rows: &[Work]) -> io::Result<RecordBatch> {
        let shas = rows.iter().map(|row| sha(self.seed, Stream::Commits, row.number));
        batch([
            ("change_id", numbers(rows, |row| Some(row.number))),
            ("service_id", places(rows, |row| row.service)),
            ("author_id", places(rows, |row| row.author)),
            ("merge_sha", Arc::new(StringArray::from_iter_values(shas))),
            ("first_commit_at", instants(rows, |row| Some(row.first_commit))),
            ("opened_at", instants(rows, |row| Some(row.opened))),
            ("first_review_at", instants(rows, |row| row.first_review)),
            ("merged_at", instants(rows, |row| Some(row.merged))),
            ("deployment_id", numbers(rows, |row| row.deployment)),
            ("lines_changed", Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| row.n_lines)))),
        ])
    }
}

fn incident_rows(rows: &[Outage]) -> io::Result<RecordBatch> {
    batch([
        ("incident_id", numbers(rows, |row| Some(row.number))),
        ("service_id", places(rows, |row| row.service)),
        ("severity", words(rows, |row| ["sev1", "sev2", "sev3", "sev4"][row.severity])),
        ("opened_at", instants(rows, |row| Some(row.opened))),
        ("resolved_at", instants(rows, |row| row.resolved)),
        ("caused_by_deployment_id", numbers(rows, |row| row.caused_by)),
    ])
}

/// A table in one file a year.
struct Table {
    dir: PathBuf,
    open: Option<(i32, ArrowWriter<File>)>,
}

impl Table {
    fn new(parent: &Path, name: &str) -> io::Result<Self> {
        let dir = parent.join(name);
        fs::create_dir_all(&dir)?;
        Ok(Self { dir, open: None })
    }

    /// Years come in order.
    fn write(&mut self, year: i32, rows: &RecordBatch) -> io::Result<()> {
        if let Some((_, finished)) = self.open.take_if(|(open, _)| *open != year) {
            finished.close()?;
        }
        if self.open.is_none() {
            self.open = Some((year, writer(&self.dir.join(format!("{year}.parquet")), rows)?));
        }
        let (_, writer) = self.open.as_mut().expect("it was opened above");
        Ok(writer.write(rows)?)
    }

    fn close(self) -> io::Result<()> {
        self.open.map_or(Ok(()), |(_, writer)| writer.close().map(|_| ()).map_err(io::Error::other))
    }
}

fn write_whole(path: &Path, rows: &RecordBatch) -> io::Result<()> {
    let mut writer = writer(path, rows)?;
    writer.write(rows)?;
    writer.close()?;
    Ok(())
}

fn writer(path: &Path, rows: &RecordBatch) -> io::Result<ArrowWriter<File>> {
    let level = ZstdLevel::try_new(3)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    Ok(ArrowWriter::try_new(File::create(path)?, rows.schema(), Some(properties))?)
}

/// Runs of rows of one year.
fn by_year<T>(rows: &[T], at: impl Fn(&T) -> i64) -> impl Iterator<Item = &[T]> {
    rows.chunk_by(move |a, b| year(at(a)) == year(at(b)))
}

fn year(at: i64) -> i32 {
    DateTime::from_timestamp(at, 0).unwrap_or_default().year()
}

fn batch<const N: usize>(columns: [(&str, ArrayRef); N]) -> io::Result<RecordBatch> {
    // A column is nullable where its name says that it may be unknown, whatever a batch happens to hold.
    let optional = ["first_review_at", "resolved_at", "caused_by_deployment_id"];
    let columns = columns.map(|(name, column)| (name, column, optional.contains(&name) || name == "deployment_id"));
    RecordBatch::try_from_iter_with_nullable(columns).map_err(io::Error::other)
}

fn numbers<T>(rows: &[T], number: impl Fn(&T) -> Option<u32>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| number(row).map(i64::from)).collect::<Int64Array>())
}

fn places<T>(rows: &[T], place: impl Fn(&T) -> usize) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.iter().map(|row| place(row) as i32)))
}

fn words<T>(rows: &[T], word: impl Fn(&T) -> &'static str) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(rows.iter().map(word)))
}

fn instants<T>(rows: &[T], at: impl Fn(&T) -> Option<i64>) -> ArrayRef {
    Arc::new(rows.iter().map(|row| at(row).map(|at| at * 1_000_000)).collect::<TimestampMicrosecondArray>())
}
