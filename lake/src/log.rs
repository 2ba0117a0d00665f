//! Delta's log, as far as we write it ourselves: the text of a commit. Reading the log, with its checkpoints,
//! is left to delta-rs.
//! Source of the format: <https://github.com/delta-io/delta/blob/master/PROTOCOL.md>.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use serde_json::{Value, json};

use crate::file::DataFile;

/// The partition column of every table: `2026-11`.
pub(crate) const MONTH: &str = "month";

/// The table property that says which Dorado wrote a table.
pub(crate) const SCHEMA_VERSION: &str = "dorado.schemaVersion";

/// The path of a commit within its table.
pub(crate) fn commit_path(version: u64) -> String {
    format!("_delta_log/{version:020}.json")
}

/// What a table is, as its log says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The table's id, made when it was made.
    pub(crate) id: String,
    /// Version of its schema.
    pub(crate) schema_version: u32,
    /// How long files that were taken out and old log entries are kept for readers elsewhere.
    pub(crate) retention: chrono::Duration,
}

/// One commit under way.
#[derive(Debug, Default)]
pub(crate) struct Commit {
    lines: Vec<Value>,
}

impl Commit {
    /// Begins with who commits what; the id tells our own commit from another's at the same version.
    pub(crate) fn new(operation: &str, at: i64) -> Self {
        let info = json!({ "commitInfo": {
            "timestamp": at,
            "operation": operation,
            "engineInfo": concat!("dorado/", env!("CARGO_PKG_VERSION")),
            "txnId": uuid::Uuid::new_v4().to_string(),
        }});
        Self { lines: vec![info] }
    }

    /// The first commit also says which protocol a reader must know: the oldest.
    pub(crate) fn protocol(&mut self) {
        self.lines.push(json!({ "protocol": { "minReaderVersion": 1, "minWriterVersion": 2 } }));
    }

    pub(crate) fn metadata(&mut self, metadata: &Metadata, schema: &Schema, at: i64) -> Result<(), String> {
        let retention = format!("interval {} seconds", metadata.retention.num_seconds());
        self.lines.push(json!({ "metaData": {
            "id": metadata.id,
            "format": { "provider": "parquet", "options": {} },
            "schemaString": schema_string(schema)?,
            "partitionColumns": [MONTH],
            "configuration": {
                SCHEMA_VERSION: metadata.schema_version.to_string(),
                "delta.deletedFileRetentionDuration": retention,
                "delta.logRetentionDuration": retention,
            },
            "createdTime": at,
        }}));
        Ok(())
    }

    pub(crate) fn transaction(&mut self, application: &str, version: i64, at: i64) {
        self.lines.push(json!({ "txn": { "appId": application, "version": version, "lastUpdated": at } }));
    }

    pub(crate) fn add(&mut self, file: &DataFile, change: DataChange) {
        self.lines.push(json!({ "add": {
            "path": file.path,
            "partitionValues": { MONTH: file.month },
            "size": file.n_bytes,
            "modificationTime": file.modified_at,
            "dataChange": change == DataChange::Yes,
            "stats": file.stats,
        }}));
    }

    pub(crate) fn remove(&mut self, file: &DataFile, change: DataChange, at: i64) {
        self.lines.push(json!({ "remove": {
            "path": file.path,
            "deletionTimestamp": at,
            "dataChange": change == DataChange::Yes,
            "extendedFileMetadata": true,
            "partitionValues": { MONTH: file.month },
            "size": file.n_bytes,
        }}));
    }

    /// The commit's text: a JSON object a line.
    pub(crate) fn text(&self) -> String {
        self.lines.iter().flat_map(|line| [line.to_string(), "\n".to_owned()]).collect()
    }
}

/// Whether a commit changes what a table says, or only how it lies on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataChange {
    /// It says something else afterwards.
    Yes,
    /// Compaction.
    No,
}

/// A schema in Delta's words, the partition column last. Every column may be null, so that one can be added.
fn schema_string(schema: &Schema) -> Result<String, String> {
    let month = Field::new(MONTH, DataType::Utf8, true);
    let fields = schema.fields().iter().map(AsRef::as_ref).chain([&month]);
    let fields = fields.map(|field| {
        Ok(json!({
            "name": field.name(),
            "type": type_name(field.data_type())?,
            "nullable": true,
            "metadata": {},
        }))
    });
    let fields = fields.collect::<Result<Vec<_>, String>>()?;
    Ok(json!({ "type": "struct", "fields": fields }).to_string())
}

fn type_name(data_type: &DataType) -> Result<Value, String> {
    let name = match data_type {
        DataType::Utf8 => "string",
        DataType::Boolean => "boolean",
        DataType::Int8 => "byte",
        DataType::Int16 => "short",
        DataType::Int32 => "integer",
        DataType::Int64 => "long",
        DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Binary => "binary",
        DataType::Date32 => "date",
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => "timestamp",
        DataType::List(item) => {
            let item = type_name(item.data_type())?;
            return Ok(json!({ "type": "array", "elementType": item, "containsNull": true }));
        }
        other => return Err(format!("columns of type {other} cannot be kept")),
    };
    Ok(Value::from(name))
}

/// Versions of application ids.
pub(crate) type Transactions = BTreeMap<String, i64>;
