//! Which column of a table is which field of which type of event, found once a file.

use std::collections::BTreeMap;

use super::mapping::Mapping;
use super::row::{Bound, Cell, Cells, fields_of_type, state};
use super::{Error, Reading};
use crate::source::events::{EventType, Wrong};

/// How the columns of one file are read. Columns past the file's own are constants.
pub(super) struct Columns {
    kind: Kind,
    bound: BTreeMap<EventType, Vec<Bound>>,
    n_own: usize,
    constants: Vec<String>,
    /// Of the file's own columns, those that some field is read from.
    pub(super) used: Vec<usize>,
    /// Names of those that none is.
    unused: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Always(EventType),
    InColumn(usize),
}

/// One row: the file's own cells, then the constants.
struct WithConstants<'a, C> {
    own: &'a C,
    n_own: usize,
    constants: &'a [String],
}

impl<C: Cells> Cells for WithConstants<'_, C> {
    fn cell(&self, column: usize) -> Cell<'_> {
        match column.checked_sub(self.n_own) {
            Some(constant) => Cell::Text(self.constants[constant].as_str().into()),
            None => self.own.cell(column),
        }
    }
}

impl Columns {
    /// Finds what the columns of these names are, by the mapping, else by their own names.
    pub(super) fn find(names: &[String], reading: &Reading) -> Result<Self, Error> {
        let mapping = &reading.options.mapping;
        let told = fields_told(names, mapping)?;
        let kind = match (mapping.kind, told.iter().find(|(field, _)| *field == "type")) {
            (Some(kind), _) => Kind::Always(kind),
            (None, Some((_, column))) => Kind::InColumn(*column),
            (None, None) => return Err(Error::UnknownType { path: reading.path.into() }),
        };
        let kinds = match kind {
            Kind::Always(kind) => vec![kind],
            Kind::InColumn(_) => EventType::ALL.to_vec(),
        };
        let bound: BTreeMap<_, _> = kinds.into_iter().map(|kind| (kind, bind(kind, &told))).collect();
        let is_used = |column: usize| {
            matches!(kind, Kind::InColumn(c) if c == column) || bound.values().flatten().any(|b| b.column == column)
        };
        let (used, unused): (Vec<usize>, Vec<usize>) = (0..names.len()).partition(|column| is_used(*column));
        Ok(Self {
            kind,
            n_own: names.len(),
            constants: mapping.constants.iter().map(|(_, value)| value.clone()).collect(),
            used,
            unused: unused.into_iter().map(|column| names[column].clone()).collect(),
            bound,
        })
    }

    /// Reads one row; what is wrong with it goes into the summary.
    pub(super) fn read_row(&self, cells: &impl Cells, reading: &mut Reading, at: u64) -> Result<(), Error> {
        reading.summary.n_rows += 1;
        let row = WithConstants { own: cells, n_own: self.n_own, constants: &self.constants };
        let stated = self.kind_of(&row).and_then(|kind| {
            let bound = self.bound.get(&kind).map(Vec::as_slice).unwrap_or_default();
            state(kind, bound, &row, &reading.options.source_name, &mut reading.facts).map(|()| kind)
        });
        match stated {
            Ok(kind) => reading.summary.keep(kind),
            Err(wrong) => {
                let place = reading.place(at);
                reading.summary.reject(&wrong, || place);
            }
        }
        reading.hand_over_full()
    }

    /// Once the file is read: says which columns were of no use.
    pub(super) fn report_unused(&self, reading: &mut Reading) {
        let what = match self.kind {
            Kind::Always(kind) => kind.name(),
            Kind::InColumn(_) => "any event",
        };
        for column in &self.unused {
            let example = reading.path.display().to_string();
            let n_rows = reading.summary.n_rows;
            reading.summary.ignore(format!("column `{column}`: not a field of {what}"), n_rows, || example);
        }
    }

    fn kind_of(&self, row: &impl Cells) -> Result<EventType, Wrong> {
        let column = match self.kind {
            Kind::Always(kind) => return Ok(kind),
            Kind::InColumn(column) => column,
        };
        match row.cell(column) {
            Cell::Text(name) => EventType::named(name.trim()).map_err(|problem| Wrong::new("type", problem)),
            _ => Err(Wrong::new("type", "is missing; write deployment, change, pull_request, incident or override")),
        }
    }
}

/// Which field each column, and after them each constant, tells. A column may tell several; its own name counts
/// only where nothing is mapped to that field.
fn fields_told<'a>(names: &'a [String], mapping: &'a Mapping) -> Result<Vec<(&'a str, usize)>, Error> {
    let mut told: Vec<(&str, usize)> = Vec::new();
    for (their, our, given) in &mapping.columns {
        let column = names.iter().position(|name| name == their).ok_or_else(|| Error::BadMapping {
            given: given.clone(),
            problem: format!("the file has no column `{their}`; it has {}", names.join(", ")),
        })?;
        told.push((our, column));
    }
    for (n, (our, _)) in mapping.constants.iter().enumerate() {
        told.push((our, names.len() + n));
    }
    let n_mapped = told.len();
    for (column, name) in names.iter().enumerate() {
        let is_mapped = mapping.columns.iter().any(|(their, _, _)| their == name);
        if !is_mapped && !told[..n_mapped].iter().any(|(field, _)| field == name) {
            told.push((name, column));
        }
    }
    Ok(told)
}

fn bind(kind: EventType, told: &[(&str, usize)]) -> Vec<Bound> {
    fields_of_type(kind)
        .iter()
        .filter(|field| **field != "type")
        .flat_map(|field| {
            told.iter().filter(move |(name, _)| name == field).map(|(_, column)| Bound { field, column: *column })
        })
        .collect()
}
