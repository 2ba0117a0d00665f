//! Batches to bytes of a file. What is written is handed on at once; only Parquet holds a row group back.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, SchemaRef};
use arrow::ipc::writer::StreamWriter;

use arrow::json::WriterBuilder;
use arrow::json::writer::LineDelimited;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::error::DataFusionError;
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::parquet::basic::{Compression, ZstdLevel};
use datafusion::parquet::errors::ParquetError;
use datafusion::parquet::file::properties::WriterProperties;

use super::ExportFormat;
use crate::engine::Error;

/// Rows that Parquet gathers before it writes them.
const ROW_GROUP: usize = 64 << 10;

/// Where writers write, and what was written is taken from.
#[derive(Debug, Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A file that is being written.
pub(super) struct Encoder {
    sink: Sink,
    writer: Writer,
}

enum Writer {
    Parquet(Box<ArrowWriter<Sink>>),
    Arrow(Box<StreamWriter<Sink>>),
    Csv,
    NdJson(Box<arrow::json::Writer<Sink, LineDelimited>>),
}

impl Encoder {
    /// Begins a file of rows of this schema.
    pub(super) fn new(format: ExportFormat, schema: &SchemaRef) -> Result<Self, Error> {
        let sink = Sink::default();
        let writer = match format {
            ExportFormat::Parquet => {
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_max_row_group_row_count(Some(ROW_GROUP))
                    .build();
                let writer = ArrowWriter::try_new(sink.clone(), Arc::clone(schema), Some(properties));
                Writer::Parquet(Box::new(writer.map_err(unwritten)?))
            }
            ExportFormat::Arrow => Writer::Arrow(Box::new(StreamWriter::try_new(sink.clone(), schema)?)),
            ExportFormat::Csv => {
                let heading: Vec<String> = schema.fields().iter().map(|field| csv_cell(field.name())).collect();
                sink.clone()
                    .write_all((heading.join(",") + "\r\n").as_bytes())
                    .map_err(arrow::error::ArrowError::from)?;
                Writer::Csv
            }
            ExportFormat::NdJson => {
                Writer::NdJson(Box::new(WriterBuilder::new().with_explicit_nulls(true).build(sink.clone())))
            }
        };
        Ok(Self { sink, writer })
    }

    /// Adds rows; what is ready of the file, which may be nothing yet.
    pub(super) fn encode(&mut self, batch: &RecordBatch) -> Result<Vec<u8>, Error> {
        match &mut self.writer {
            Writer::Parquet(writer) => writer.write(batch).map_err(unwritten)?,
            Writer::Arrow(writer) => writer.write(batch)?,
            Writer::Csv => write_csv(batch, &mut self.sink)?,
            Writer::NdJson(writer) => writer.write(batch)?,
        }
        Ok(self.sink.take())
    }

    /// The end of the file.
    pub(super) fn finish(self) -> Result<Vec<u8>, Error> {
        match self.writer {
            Writer::Parquet(writer) => drop(writer.close().map_err(unwritten)?),
            Writer::Arrow(mut writer) => writer.finish()?,
            Writer::Csv => {}
            Writer::NdJson(mut writer) => writer.finish()?,
        }
        Ok(self.sink.take())
    }
}

fn unwritten(error: ParquetError) -> Error {
    Error::Plan(DataFusionError::from(error))
}

fn write_csv(batch: &RecordBatch, sink: &mut Sink) -> Result<(), Error> {
    let options = FormatOptions::default();
    let columns: Vec<&dyn Array> = batch.columns().iter().map(AsRef::as_ref).collect();
    let formatters: Vec<ArrayFormatter<'_>> =
        columns.iter().map(|column| ArrayFormatter::try_new(*column, &options)).collect::<Result<_, _>>()?;
    let mut lines = String::new();
    for row in 0..batch.num_rows() {
        for (n, (column, formatter)) in columns.iter().zip(&formatters).enumerate() {
            if n > 0 {
                lines.push(',');
            }
            if column.is_valid(row) {
                lines += &cell(*column, formatter, row);
            }
        }
        lines += "\r\n";
    }
    sink.write_all(lines.as_bytes()).map_err(arrow::error::ArrowError::from)?;
    Ok(())
}

fn cell(column: &dyn Array, formatter: &ArrayFormatter<'_>, row: usize) -> String {
    match column.data_type() {
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            let texts = items.as_string_opt::<i32>();
            texts.map_or_else(
                || csv_cell(&formatter.value(row).to_string()),
                |texts| csv_cell(&texts.iter().flatten().collect::<Vec<_>>().join(";")),
            )
        }
        // A negative number begins like a formula, and is none.
        kind if kind.is_numeric() => formatter.value(row).to_string(),
        _ => csv_cell(&formatter.value(row).to_string()),
    }
}

/// A cell of CSV (RFC 4180). What a spreadsheet would run as a formula becomes text.
pub fn csv_cell(text: &str) -> String {
    let guard = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if guard.is_empty() && !text.contains(['"', ',', '\n', '\r']) {
        return text.to_owned();
    }
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use arrow::array::{Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::{Field, Schema};

    fn batch(n: i64) -> RecordBatch {
        let texts: StringArray = (0..n).map(|i| if i % 2 == 0 { Some("=1+1") } else { None }).collect();
        let numbers: Int64Array = (0..n).map(|i| Some(-i)).collect();
        let instants = (0..n).map(|i| Some(i * 1_000_000)).collect::<TimestampMicrosecondArray>().with_timezone("UTC");
        let columns: Vec<arrow::array::ArrayRef> = vec![Arc::new(texts), Arc::new(numbers), Arc::new(instants)];
        let fields: Vec<Field> = ["title", "n", "at"]
            .iter()
            .zip(&columns)
            .map(|(name, column)| Field::new(*name, column.data_type().clone(), true))
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
    }

    fn written(format: ExportFormat, batches: &[RecordBatch]) -> Vec<u8> {
        let mut encoder = Encoder::new(format, &batches[0].schema()).unwrap();
        let mut bytes: Vec<u8> = batches.iter().flat_map(|batch| encoder.encode(batch).unwrap()).collect();
        bytes.extend(encoder.finish().unwrap());
        bytes
    }

    #[test]
    fn a_formula_is_text_in_csv_and_a_negative_number_stays_one() {
        let text = String::from_utf8(written(ExportFormat::Csv, &[batch(2)])).unwrap();
        assert_eq!(text, "title,n,at\r\n\"'=1+1\",0,1970-01-01T00:00:00Z\r\n,-1,1970-01-01T00:00:01Z\r\n");
        for formula in ["=x", "+x", "-x", "@x", "\tx", "\rx"] {
            assert!(csv_cell(formula).starts_with("\"'"), "{formula:?}");
        }
        assert_eq!(csv_cell("a \"b\""), "\"a \"\"b\"\"\"");
    }

    #[test]
    fn lines_of_json_have_every_key_and_null_where_nothing_is_known() {
        let text = String::from_utf8(written(ExportFormat::NdJson, &[batch(2)])).unwrap();
        let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(rows[1], serde_json::json!({"title": null, "n": -1, "at": "1970-01-01T00:00:01Z"}));
    }

    #[test]
    fn arrow_and_parquet_read_back_as_they_were() {
        let batches = [batch(3), batch(2)];
        let bytes = written(ExportFormat::Arrow, &batches);
        let read: Vec<RecordBatch> =
            arrow::ipc::reader::StreamReader::try_new(&bytes[..], None).unwrap().map(Result::unwrap).collect();
        assert_eq!(read, batches);
        let bytes = written(ExportFormat::Parquet, &batches);
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), bytes).unwrap();
        let reader = datafusion::parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(
            std::fs::File::open(path.path()).unwrap(),
            1024,
        );
        let read: Vec<RecordBatch> = reader.unwrap().map(Result::unwrap).collect();
        assert_eq!(read.iter().map(RecordBatch::num_rows).sum::<usize>(), 5);
        assert_eq!(read[0].column(0).as_string::<i32>().value(0), "=1+1");
    }

    #[test]
    fn parquet_hands_on_what_it_has_row_group_by_row_group() {
        let large = batch(ROW_GROUP as i64);
        let mut encoder = Encoder::new(ExportFormat::Parquet, &large.schema()).unwrap();
        let first = encoder.encode(&large).unwrap();
        assert!(first.len() > 1000, "{} bytes", first.len());
        assert!(encoder.encode(&batch(10)).unwrap().is_empty());
        assert!(!encoder.finish().unwrap().is_empty());
    }
}
