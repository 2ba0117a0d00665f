//! A row of a table as an event: its cells are handed to the structs that parse JSON, without any JSON between
//! them, so that fields, checks and problems are the same.

use std::borrow::Cow;
use std::cell::Cell as Slot;
use std::fmt;

use dorado_lake::Fact;
use serde::de::value::StrDeserializer;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::source::events::{Change, Deployment, Event, EventType, Incident, Override, PullRequest, Wrong, explained};

/// What stands in one column of one row.
#[derive(Debug, Clone)]
pub(super) enum Cell<'a> {
    /// Nothing.
    Null,
    /// Text; lists in it are separated by `;`.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// An instant, in microseconds since the epoch.
    Micros(i64),
    /// True or false.
    Flag(bool),
    /// A list of texts.
    Texts(Vec<String>),
}

/// A field and the column that it is read from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bound {
    pub(super) field: &'static str,
    pub(super) column: usize,
}

/// Rows whose cells can be asked for.
pub(super) trait Cells {
    /// The cell of this column in the current row.
    fn cell(&self, column: usize) -> Cell<'_>;
}

/// Appends the facts that a row of this type states. Appends nothing on error.
pub(super) fn state(
    kind: EventType,
    bound: &[Bound],
    cells: &impl Cells,
    source: &str,
    facts: &mut Vec<Fact>,
) -> Result<(), Wrong> {
    match kind {
        EventType::Deployment => event::<Deployment>(bound, cells)?.state(source, facts),
        EventType::Change => event::<Change>(bound, cells)?.state(source, facts),
        EventType::PullRequest => event::<PullRequest>(bound, cells)?.state(source, facts),
        EventType::Incident => event::<Incident>(bound, cells)?.state(source, facts),
        EventType::Override => event::<Override>(bound, cells)?.state(source, facts),
    }
}

/// All names that fields of an event of this type are taken under, `type` included.
pub(super) fn fields_of_type(kind: EventType) -> &'static [&'static str] {
    match kind {
        EventType::Deployment => fields_of::<Deployment>(),
        EventType::Change => fields_of::<Change>(),
        EventType::PullRequest => fields_of::<PullRequest>(),
        EventType::Incident => fields_of::<Incident>(),
        EventType::Override => fields_of::<Override>(),
    }
}

fn event<'de, T: Deserialize<'de>>(bound: &'de [Bound], cells: &'de impl Cells) -> Result<T, Wrong> {
    let place = Slot::new(".");
    let row = Row { bound: bound.iter(), cells, value: Cell::Null, place: &place };
    T::deserialize(de::value::MapAccessDeserializer::new(row)).map_err(|Complaint(said)| explained(place.get(), &said))
}

/// The cells of a row that hold something, as a map from field to value. `place` follows the field being read.
struct Row<'a, 'p, C> {
    bound: std::slice::Iter<'a, Bound>,
    cells: &'a C,
    value: Cell<'a>,
    place: &'p Slot<&'static str>,
}

impl<'de, C: Cells> MapAccess<'de> for Row<'de, '_, C> {
    type Error = Complaint;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Complaint> {
        for bound in self.bound.by_ref() {
            self.value = self.cells.cell(bound.column);
            if !matches!(self.value, Cell::Null) {
                self.place.set(bound.field);
                return seed.deserialize(StrDeserializer::new(bound.field)).map(Some);
            }
        }
        self.place.set(".");
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Complaint> {
        seed.deserialize(std::mem::replace(&mut self.value, Cell::Null))
    }
}

impl<'de> Deserializer<'de> for Cell<'de> {
    type Error = Complaint;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self {
            Self::Null => visitor.visit_unit(),
            Self::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Self::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Self::Integer(number) => visitor.visit_i64(number),
            Self::Micros(micros) => visitor.visit_i128(i128::from(micros)),
            Self::Flag(flag) => visitor.visit_bool(flag),
            Self::Texts(texts) => visitor.visit_seq(Elements(texts.into_iter().map(Cow::Owned))),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self {
            Self::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// Names may be numbers in a table.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self {
            Self::Integer(number) => visitor.visit_string(number.to_string()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        let flag = match &self {
            Self::Text(text) => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "t" | "yes" | "1" => true,
                "false" | "f" | "no" | "0" => false,
                _ => return Err(Complaint(format!("`{text}` is neither true nor false"))),
            },
            Self::Integer(0) => false,
            Self::Integer(1) => true,
            _ => return self.deserialize_any(visitor),
        };
        visitor.visit_bool(flag)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Complaint> {
        match self {
            Self::Text(text) => {
                let parts: Vec<String> =
                    text.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect();
                visitor.visit_seq(Elements(parts.into_iter().map(Cow::Owned)))
            }
            Self::Integer(number) => visitor.visit_seq(Elements([Cow::Owned(number.to_string())].into_iter())),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Complaint> {
        match self {
            Self::Text(word) => {
                let word: StrDeserializer<'_, Complaint> = (*word).into_deserializer();
                word.deserialize_enum(name, variants, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}

struct Elements<I>(I);

impl<'de, I: Iterator<Item = Cow<'de, str>>> SeqAccess<'de> for Elements<I> {
    type Error = Complaint;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Complaint> {
        self.0.next().map(|text| seed.deserialize(Cell::Text(text))).transpose()
    }
}

/// What a field's parser says is wrong.
#[derive(Debug)]
pub(super) struct Complaint(String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Complaint {}

impl de::Error for Complaint {
    fn custom<T: fmt::Display>(said: T) -> Self {
        Self(said.to_string())
    }
}

/// The names that a struct's parser takes: it tells them to whoever parses it.
fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    struct Ask<'a>(&'a Slot<&'static [&'static str]>);
    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = Complaint;
        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Complaint> {
            Err(Complaint(String::new()))
        }
        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Complaint> {
            self.0.set(fields);
            Err(Complaint(String::new()))
        }
        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
            newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }
    let told = Slot::new(&[] as &[&str]);
    // It is asked, not parsed: it always answers with an error.
    let _ = T::deserialize(Ask(&told));
    told.get()
}
