//! Tables and answers as files: Parquet, Arrow, CSV or lines of JSON, batch by batch, so that a table of any
//! size leaves through little memory. Rows come in no particular order.

mod answers;
mod encode;
mod select;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::execution::SendableRecordBatchStream;
use dorado_lake::Instant;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

use crate::engine::{Engine, Error, Row};
use crate::metric::{METRICS, Metric, metric};
use crate::question::{BadParameter, Question};

use answers::ANSWERS;
pub use answers::Whole;
use encode::Encoder;
pub use encode::csv_cell;

/// A file in pieces, none of them empty.
pub type Chunks = BoxStream<'static, Result<Vec<u8>, Error>>;

/// What can be exported.
#[derive(Debug, Clone, Copy)]
pub enum Exported {
    /// Facts: every version of every record.
    Facts(&'static str),
    /// Results: what attribution found.
    Results(&'static str),
    /// A metric's answer.
    Metric(&'static Metric),
    /// Another answer.
    Answer(Whole),
}

const FACTS: [&str; 5] = ["deployments", "changes", "pull_requests", "incidents", "overrides"];
const RESULTS: [&str; 3] = ["shipments", "outcomes", "causes"];

impl Exported {
    /// What goes by this name.
    ///
    /// # Errors
    /// Nothing does.
    pub fn named(name: &str) -> Result<Self, BadParameter> {
        let among = |names: &[&'static str]| names.iter().copied().find(|known| *known == name);
        let facts = among(&FACTS).map(Self::Facts);
        let answer = || ANSWERS.iter().find(|(known, _)| *known == name).map(|(_, answer)| *answer);
        let results = || among(&RESULTS).map(Self::Results);
        let found = facts.or_else(results).or_else(|| metric(name).map(Self::Metric)).or_else(answer);
        found.ok_or_else(|| BadParameter {
            parameter: "name",
            value: name.to_owned(),
            problem: "there is no table and no answer of this name".into(),
            expected: format!("one of {}", Self::names().join(", ")),
        })
    }

    /// Every name.
    pub fn names() -> Vec<&'static str> {
        let metrics = METRICS.iter().map(|metric| metric.id);
        let answers = ANSWERS.iter().map(|(name, _)| *name);
        FACTS.into_iter().chain(RESULTS).chain(metrics).chain(answers).collect()
    }

    /// Whether its rows are of the whole organisation: facts name what they name, whoever's that is.
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Facts(_))
    }

    /// Whether it is a table, which without `from` is exported from its beginning.
    pub fn is_table(&self) -> bool {
        matches!(self, Self::Facts(_) | Self::Results(_))
    }
}

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// Apache Parquet, compressed with zstd.
    Parquet,
    /// Arrow's IPC stream.
    Arrow,
    /// CSV (RFC 4180) in which no cell is a formula.
    Csv,
    /// One JSON object a line.
    NdJson,
}

impl ExportFormat {
    /// The one of this name; CSV where none is named.
    ///
    /// # Errors
    /// There is no such format.
    pub fn named(name: Option<&str>) -> Result<Self, BadParameter> {
        match name {
            None | Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            Some("arrow") => Ok(Self::Arrow),
            Some("ndjson") => Ok(Self::NdJson),
            Some(other) => Err(BadParameter {
                parameter: "format",
                value: other.to_owned(),
                problem: "it is not a format".into(),
                expected: "one of parquet, arrow, csv, ndjson".into(),
            }),
        }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Parquet => "application/vnd.apache.parquet",
            Self::Arrow => "application/vnd.apache.arrow.stream",
            Self::Csv => "text/csv; charset=utf-8",
            Self::NdJson => "application/x-ndjson",
        }
    }

    /// What a file's name ends with.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrows",
            Self::Csv => "csv",
            Self::NdJson => "ndjson",
        }
    }
}

impl Engine {
    /// Rows of a table that a question asks about, or its answer, as a file in pieces. `now` is as for [`Engine::data_quality`].
    ///
    /// # Errors
    /// A filter that the table has no column for; tables that cannot be read. Also within the pieces.
    pub async fn export(
        &self,
        what: Exported,
        question: &Question,
        format: ExportFormat,
        now: Instant,
    ) -> Result<Chunks, Error> {
        let batches = match what {
            Exported::Metric(metric) => return encoded_rows(&self.series(metric, question).await?.data, format),
            Exported::Answer(asked) => return encoded_rows(&self.rows_of(asked, question, now).await?, format),
            Exported::Facts(table) => self.facts_of(table, question).await?,
            Exported::Results(table) => self.results_of(table, question).await?,
        };
        let encoder = Encoder::new(format, &batches.schema())?;
        Ok(encoded(pieces(batches), encoder))
    }
}

fn encoded_rows(rows: &[Row], format: ExportFormat) -> Result<Chunks, Error> {
    let batch = batch_of(rows)?;
    let encoder = Encoder::new(format, &batch.schema())?;
    Ok(encoded(stream::iter([Ok(batch)]).boxed(), encoder))
}

fn pieces(batches: SendableRecordBatchStream) -> BoxStream<'static, Result<RecordBatch, Error>> {
    batches.map(|batch| batch.map_err(Error::from)).boxed()
}

/// Encodes batch by batch. After an error nothing follows.
fn encoded(batches: BoxStream<'static, Result<RecordBatch, Error>>, encoder: Encoder) -> Chunks {
    let state = (batches, Some(encoder));
    let chunks = stream::try_unfold(state, |(mut batches, mut encoder)| async move {
        loop {
            let Some(mut open) = encoder.take() else { return Ok(None) };
            let Some(batch) = batches.next().await else {
                let last = open.finish()?;
                return Ok((!last.is_empty()).then_some((last, (batches, None))));
            };
            let bytes = open.encode(&batch?)?;
            encoder = Some(open);
            if !bytes.is_empty() {
                return Ok(Some((bytes, (batches, encoder))));
            }
        }
    });
    chunks.boxed()
}

/// Flat rows as columns: each key one, of the one type that its values have.
fn batch_of(rows: &[Row]) -> Result<RecordBatch, Error> {
    let mut seen = BTreeSet::new();
    let keys: Vec<&String> = rows.iter().flat_map(Row::keys).filter(|key| seen.insert(*key)).collect();
    let columns: Vec<ArrayRef> = keys.iter().map(|key| column(rows, key)).collect();
    let fields: Vec<Field> =
        keys.iter().zip(&columns).map(|(key, column)| Field::new(*key, column.data_type().clone(), true)).collect();
    let options = arrow::array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

fn column(rows: &[Row], key: &str) -> ArrayRef {
    let values = || rows.iter().map(|row| row.get(key).unwrap_or(&Value::Null));
    match kind(values()) {
        DataType::Boolean => Arc::new(values().map(Value::as_bool).collect::<BooleanArray>()),
        DataType::Int64 => Arc::new(values().map(Value::as_i64).collect::<Int64Array>()),
        DataType::Utf8 => {
            let text = |value: &Value| match value {
                Value::Null => None,
                Value::String(text) => Some(text.clone()),
                other => Some(other.to_string()),
            };
            Arc::new(values().map(text).collect::<StringArray>())
        }
        _ => Arc::new(values().map(Value::as_f64).collect::<Float64Array>()),
    }
}

/// What all values are; numbers where none is known, as most of what may be unknown is a number.
fn kind<'a>(values: impl Iterator<Item = &'a Value> + Clone) -> DataType {
    let known = values.filter(|value| !value.is_null());
    let all = |is: fn(&Value) -> bool| known.clone().next().is_some() && known.clone().all(is);
    if all(Value::is_boolean) {
        DataType::Boolean
    } else if all(Value::is_i64) {
        DataType::Int64
    } else if known.clone().all(Value::is_number) {
        DataType::Float64
    } else {
        DataType::Utf8
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn rows_of_an_answer_become_columns_of_one_type() {
        let row = |text: &str| serde_json::from_str::<Row>(text).unwrap();
        let rows = [
            row(r#"{"time": "2026-05-01", "value": 1, "n": 3, "low": null, "enough_data": true}"#),
            row(
                r#"{"time": "2026-05-02", "value": 1.5, "n": 4, "low": null, "enough_data": null, "verdict": "worse"}"#,
            ),
        ];
        let batch = batch_of(&rows).unwrap();
        let kinds = |name: &str| batch.column_by_name(name).map(|column| column.data_type().clone());
        assert_eq!(kinds("time"), Some(DataType::Utf8));
        assert_eq!(kinds("value"), Some(DataType::Float64));
        assert_eq!(kinds("n"), Some(DataType::Int64));
        assert_eq!(kinds("low"), Some(DataType::Float64));
        assert_eq!(kinds("enough_data"), Some(DataType::Boolean));
        assert_eq!(batch.column_by_name("verdict").map(|column| column.null_count()), Some(1));
    }

    #[test]
    fn a_name_that_nothing_has_lists_those_that_there_are() {
        assert!(Exported::named("shipments").is_ok_and(|what| what.is_table()));
        assert!(Exported::named("change-fail-rate").is_ok_and(|what| !what.is_table()));
        assert!(Exported::named("deliveries").is_err_and(|bad| bad.expected.contains("pull_requests")));
    }
}
