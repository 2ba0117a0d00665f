//! What came of an import: kept by type, ignored and rejected by reason, with the first examples.

use std::collections::BTreeMap;

use crate::source::events::{EventType, Wrong};

/// Examples kept a reason.
const N_EXAMPLES: usize = 3;

/// Reasons told apart; a file where every row is wrong in its own way must not fill the memory.
const N_REASONS: usize = 100;

/// What came of reading files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows read: blank lines and the line of names do not count.
    pub n_rows: u64,
    /// Facts that the rows kept state.
    pub n_facts: u64,
    /// Rows kept, by type.
    pub kept: BTreeMap<EventType, u64>,
    /// What was passed over without harm, by reason; `n` counts rows.
    pub ignored: BTreeMap<String, Counted>,
    /// Rows that are wrong, by reason.
    pub rejected: BTreeMap<String, Counted>,
}

/// How often something was, and where first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// How often.
    pub n: u64,
    /// The first few, as `file.csv:17: finished_at: is missing`.
    pub examples: Vec<String>,
}

impl Summary {
    /// Rows kept.
    pub fn n_kept(&self) -> u64 {
        self.kept.values().sum()
    }

    /// Rows rejected.
    pub fn n_rejected(&self) -> u64 {
        self.rejected.values().map(|counted| counted.n).sum()
    }

    /// Adds what came of another file.
    pub fn add(&mut self, other: Self) {
        self.n_rows += other.n_rows;
        self.n_facts += other.n_facts;
        for (kind, n) in other.kept {
            *self.kept.entry(kind).or_default() += n;
        }
        for (reason, counted) in other.ignored {
            entry(&mut self.ignored, reason).add(counted);
        }
        for (reason, counted) in other.rejected {
            entry(&mut self.rejected, reason).add(counted);
        }
    }

    pub(super) fn keep(&mut self, kind: EventType) {
        *self.kept.entry(kind).or_default() += 1;
    }

    pub(super) fn ignore(&mut self, reason: String, n: u64, example: impl FnOnce() -> String) {
        entry(&mut self.ignored, reason).count(n, example);
    }

    pub(super) fn reject(&mut self, wrong: &Wrong, place: impl FnOnce() -> String) {
        let said = match &wrong.field {
            Some(field) => format!("{field}: {}", wrong.problem),
            None => wrong.problem.clone(),
        };
        entry(&mut self.rejected, without_values(&said)).count(1, || format!("{}: {said}", place()));
    }
}

impl Counted {
    fn count(&mut self, n: u64, example: impl FnOnce() -> String) {
        self.n += n;
        if self.examples.len() < N_EXAMPLES {
            self.examples.push(example());
        }
    }

    fn add(&mut self, other: Self) {
        self.n += other.n;
        let room = N_EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

fn entry(counts: &mut BTreeMap<String, Counted>, reason: String) -> &mut Counted {
    let known = counts.len() < N_REASONS || counts.contains_key(&reason);
    counts.entry(if known { reason } else { "other reasons".to_owned() }).or_default()
}

/// A problem without the values that differ from row to row: a value quoted at its start, what is to be
/// written instead of it, and places in lists.
fn without_values(said: &str) -> String {
    let head = said.split("; write ").next().unwrap_or(said);
    let mut plain = String::with_capacity(head.len());
    for (n, part) in head.split('`').enumerate() {
        let is_name = part.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        match (n % 2, is_name) {
            (0, _) => plain.push_str(&without_places(part)),
            (_, true) => plain.extend(["`", part, "`"]),
            (_, false) => plain.push('…'),
        }
    }
    plain
}

fn without_places(part: &str) -> String {
    let mut plain = String::with_capacity(part.len());
    let mut in_place = false;
    for c in part.chars() {
        in_place = if in_place { c != ']' } else { c == '[' };
        if !in_place || c == '[' {
            plain.push(c);
        }
    }
    plain
}
