//! The query string. Its parameters are the fields of a type that also documents them, so that what is
//! read, what is documented and what is called unknown are one list. Lists are repeated or comma-separated.

use std::collections::BTreeMap;

use axum::extract::FromRequestParts;
use dorado_ingest::events::nearest;
use http::request::Parts;
use percent_encoding::percent_decode;
use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use utoipa::IntoParams;

use crate::problem::{Kind, Problem};

/// The parameters of `A` and of `B`, and no others.
#[derive(Debug)]
pub(crate) struct Query<A, B = Nothing>(pub(crate) A, pub(crate) B);

/// No parameters.
#[derive(Debug, serde::Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Nothing {}

impl<A, B, S> FromRequestParts<S> for Query<A, B>
where
    A: DeserializeOwned + IntoParams,
    B: DeserializeOwned + IntoParams,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let given = given(parts.uri.query().unwrap_or_default())?;
        let mut known = names::<A>();
        known.extend(names::<B>());
        if let Some(unknown) = given.keys().find(|name| !known.contains(name)) {
            return Err(unknown_parameter(unknown, &given[unknown], &known));
        }
        Ok(Self(read(&given)?, read(&given)?))
    }
}

fn names<T: IntoParams>() -> Vec<String> {
    T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect()
}

fn unknown_parameter(name: &str, values: &[String], known: &[String]) -> Problem {
    let near = nearest(name, known.iter().map(String::as_str));
    let expected = match near.first() {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "no parameters".to_owned(),
        None => format!("one of {}", known.join(", ")),
    };
    Problem::new(Kind::InvalidParameter, format!("`{name}` is not a parameter of this address"))
        .parameter(name)
        .value(values.join(","))
        .expected(expected)
}

/// The values of each parameter, decoded. An empty value is as good as none: templates leave them.
fn given(query: &str) -> Result<BTreeMap<String, Vec<String>>, Problem> {
    let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        given.entry(name).or_default().push(value);
    }
    Ok(given)
}

fn decoded(text: &str) -> Result<String, Problem> {
    let spaced = text.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().map(String::from).map_err(|_not_utf8| {
        Problem::new(Kind::Unreadable, "the query string is not UTF-8")
            .parameter("query")
            .value(text)
            .expected("percent-encoded UTF-8")
    })
}

fn read<T: DeserializeOwned>(given: &BTreeMap<String, Vec<String>>) -> Result<T, Problem> {
    let said = given.iter().filter(|(_, values)| values.iter().any(|value| !value.is_empty()));
    let fields = said.map(|(name, values)| (name.as_str(), Given { name, values }));
    T::deserialize(MapDeserializer::new(fields)).map_err(|Wrong(problem)| *problem)
}

/// What one parameter was given.
struct Given<'a> {
    name: &'a str,
    values: &'a [String],
}

impl<'a> Given<'a> {
    fn single(&self) -> Result<&'a str, Wrong> {
        match self.values {
            [value] => Ok(value),
            several => Err(Wrong(Box::new(
                Problem::new(Kind::InvalidParameter, format!("`{}` is given {} times", self.name, several.len()))
                    .parameter(self.name)
                    .value(several.join(","))
                    .expected("one value"),
            ))),
        }
    }
}

impl<'de> Deserializer<'de> for Given<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.single()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let items = self.values.iter().flat_map(|v| v.split(',')).map(str::trim).filter(|item| !item.is_empty());
        visitor.visit_seq(SeqDeserializer::new(items))
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let text = self.single()?;
        match text.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => Err(Wrong(Box::new(
                Problem::new(Kind::InvalidParameter, format!("`{}` is not a whole number", self.name))
                    .parameter(self.name)
                    .value(text)
                    .expected("a whole number such as 100"),
            ))),
        }
    }

    /// What belongs to the other type of parameters.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier
    }
}

impl IntoDeserializer<'_, Wrong> for Given<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A problem on its way through serde.
#[derive(Debug)]
struct Wrong(Box<Problem>);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a parameter makes no sense")
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self(Box::new(Problem::new(Kind::InvalidParameter, message.to_string())))
    }
}
