//! CSV: a line of names, then rows. An empty cell is no value; lists are separated by `;`.

use super::columns::Columns;
use super::row::{Cell, Cells};
use super::{Error, Reading};
use crate::source::events::Wrong;

/// Reads a CSV file.
pub(super) fn read(reading: &mut Reading) -> Result<(), Error> {
    let text = reading.open_text()?;
    let mut rows = csv::ReaderBuilder::new().flexible(true).from_reader(text);
    let unreadable = |reading: &Reading, source: csv::Error| Error::unreadable(reading.path, source);
    let head = rows.headers().map_err(|source| unreadable(reading, source))?;
    let names: Vec<String> = head.iter().map(|name| name.trim().trim_start_matches('\u{feff}').to_owned()).collect();
    let columns = Columns::find(&names, reading)?;
    let mut record = csv::ByteRecord::new();
    while rows.read_byte_record(&mut record).map_err(|source| unreadable(reading, source))? {
        let line = record.position().map_or(0, csv::Position::line);
        match problem(&record, names.len()) {
            None => columns.read_row(&Record(&record), reading, line)?,
            Some(problem) => {
                reading.summary.n_rows += 1;
                let place = reading.place(line);
                reading.summary.reject(&Wrong { field: None, problem }, || place);
            }
        }
    }
    columns.report_unused(reading);
    Ok(())
}

/// What is wrong with a row as a row.
fn problem(record: &csv::ByteRecord, n_columns: usize) -> Option<String> {
    if record.len() != n_columns {
        return Some(format!("the row has {} cells under {n_columns} names", record.len()));
    }
    record.iter().any(|cell| std::str::from_utf8(cell).is_err()).then(|| "the row is not UTF-8".to_owned())
}

struct Record<'a>(&'a csv::ByteRecord);

impl Cells for Record<'_> {
    fn cell(&self, column: usize) -> Cell<'_> {
        let text = self.0.get(column).and_then(|cell| std::str::from_utf8(cell).ok()).unwrap_or_default();
        if text.trim().is_empty() { Cell::Null } else { Cell::Text(text.into()) }
    }
}
