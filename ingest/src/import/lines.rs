//! Files of JSON: one event a line, or one document.

use std::io::{BufRead, Read as _};
use std::sync::atomic::Ordering;

use super::{Error, Reading};
use crate::source::RunLog;
use crate::source::events::{self, EventType, Wrong, WrongEvent, read_json};

/// Reads one event a line.
pub(super) fn read_lines(reading: &mut Reading) -> Result<(), Error> {
    let mut text = reading.open_text()?;
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        number += 1;
        if text.read_until(b'\n', &mut line).map_err(|source| reading.unreadable(source))? == 0 {
            return Ok(());
        }
        let event = if number == 1 { line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line) } else { &line };
        let event = event.trim_ascii();
        if event.is_empty() {
            continue;
        }
        if reading.summary.n_rows == 0 {
            if let Some(log) = RunLog::begins_with(event) {
                let first = event.to_vec();
                return read_log(reading, text, log, &first);
            }
            refuse_mapping(reading)?;
        }
        reading.summary.n_rows += 1;
        match read_json(event, &reading.options.source_name, &mut reading.facts) {
            Ok(kind) => reading.summary.keep(kind),
            Err(WrongEvent { wrong, .. }) => {
                let place = reading.place(number);
                reading.summary.reject(&wrong, || place);
            }
        }
        reading.hand_over_full()?;
    }
}

/// Reads the log of a run of a tool, which is one event as a whole; the mapping's constants say what it does not.
fn read_log(reading: &mut Reading, text: impl BufRead, mut log: RunLog, first: &[u8]) -> Result<(), Error> {
    if !reading.options.mapping.columns.is_empty() {
        return refuse_mapping(reading);
    }
    log.line(first);
    for line in text.split(b'\n') {
        log.line(&line.map_err(|source| reading.unreadable(source))?);
    }
    reading.summary.n_rows += 1;
    let place = reading.place(1);
    let event = match log.event(&reading.options.mapping.constants) {
        Ok(event) => event.to_string(),
        Err(why) => {
            reading.summary.ignore(why, 1, || place);
            return Ok(());
        }
    };
    match read_json(event.as_bytes(), &reading.options.source_name, &mut reading.facts) {
        Ok(kind) => reading.summary.keep(kind),
        Err(WrongEvent { wrong, .. }) => reading.summary.reject(&wrong, || place),
    }
    Ok(())
}

/// Reads a whole document: one event, or an array of them.
pub(super) fn read_document(reading: &mut Reading) -> Result<(), Error> {
    refuse_mapping(reading)?;
    let mut body = Vec::new();
    reading.open_text()?.read_to_end(&mut body).map_err(|source| reading.unreadable(source))?;
    reading.n_bytes.store(reading.n_bytes_total, Ordering::Relaxed);
    let parsed = events::parse_from(&reading.options.source_name, &body, None)
        .map_err(|source| Error::unreadable(reading.path, source))?;
    reading.summary.n_rows += (parsed.n_accepted + parsed.rejected.len()) as u64;
    for (kind, n) in parsed.accepted_types {
        *reading.summary.kept.entry(kind).or_default() += n as u64;
    }
    for rejected in parsed.rejected {
        let place = reading.place(format_args!("events[{}]", rejected.index));
        let wrong = Wrong { field: rejected.field, problem: rejected.problem };
        reading.summary.reject(&wrong, || place);
    }
    reading.facts.extend(parsed.accepted);
    Ok(())
}

/// Events of JSON name their own type and fields.
fn refuse_mapping(reading: &Reading) -> Result<(), Error> {
    let mapping = &reading.options.mapping;
    if mapping.is_empty() {
        return Ok(());
    }
    let given = mapping.columns.first().map(|(_, _, given)| given.clone());
    Err(Error::BadMapping {
        given: given.or_else(|| mapping.kind.map(|kind| EventType::name(kind).to_owned())).unwrap_or_default(),
        problem: "events in JSON name their own type and fields; only CSV and Parquet are mapped".to_owned(),
    })
}
