//! What the columns of a file are: `their_name=our_field`, and `our_field=:value` for what no column says.

use super::Error;
use crate::source::events::{EventType, nearest};

use super::row::fields_of_type;

/// What the rows and columns of a table are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Type of all rows; none where a column `type` says it.
    pub(super) kind: Option<EventType>,
    /// Their column, our field, and the words that said so.
    pub(super) columns: Vec<(String, String, String)>,
    /// Our field, its value.
    pub(super) constants: Vec<(String, String)>,
}

impl Mapping {
    /// A mapping for rows of this type (`None`: a column `type` says it) from words like `deployed_at=finished_at` (their
    /// column, our field) and `environment=:production` (our field, the value of all rows).
    ///
    /// # Errors
    /// [`Error::BadMapping`] for words of another form, and for a field that no such event has.
    pub fn new<S: AsRef<str>>(kind: Option<EventType>, words: impl IntoIterator<Item = S>) -> Result<Self, Error> {
        let mut mapping = Self { kind, ..Self::default() };
        for word in words {
            mapping.add(word.as_ref())?;
        }
        Ok(mapping)
    }

    fn add(&mut self, word: &str) -> Result<(), Error> {
        let bad = |problem: String| Error::BadMapping { given: word.to_owned(), problem };
        let form = || bad("write their_column=our_field, or our_field=:value".to_owned());
        let (left, right) = word.split_once('=').ok_or_else(form)?;
        let (left, right) = (left.trim(), right.trim());
        if left.is_empty() || right.is_empty() {
            return Err(form());
        }
        let (field, known) = match right.strip_prefix(':') {
            Some(_) => (left, self.known_fields()),
            None => (right, self.known_fields()),
        };
        if !known.contains(&field) {
            let near = nearest(field, known.iter().copied());
            let meant = if near.is_empty() { known } else { near };
            return Err(bad(format!("`{field}` is not a field; known are {}", meant.join(", "))));
        }
        match right.strip_prefix(':') {
            Some(value) => self.constants.push((left.to_owned(), value.to_owned())),
            None => self.columns.push((left.to_owned(), right.to_owned(), word.to_owned())),
        }
        Ok(())
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn known_fields(&self) -> Vec<&'static str> {
        let kinds = self.kind.map_or(EventType::ALL.to_vec(), |kind| vec![kind]);
        let mut known: Vec<&str> = kinds.into_iter().flat_map(fields_of_type).copied().collect();
        known.sort_unstable();
        known.dedup();
        known
    }
}
