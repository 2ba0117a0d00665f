//! What a dashboard sends. Only what is read is named; a dashboard sends much more. An empty body is as good as `{}`.

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ObjectBuilder, Schema, SchemaType, Type};

use super::target::{TARGETS, Target};
use crate::extract::Body;
use crate::problem::{Kind, Problem};

/// The dashboard's period.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct Range {
    /// Its start: RFC 3339; empty is none.
    #[schema(example = "2026-08-01T00:00:00.000Z")]
    pub(crate) from: Option<String>,
    /// Its end: RFC 3339; empty is none.
    #[schema(example = "2026-11-01T00:00:00.000Z")]
    pub(crate) to: Option<String>,
}

/// A filter that somebody set on the dashboard.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct AdHocFilter {
    /// `team`, `service`, `repository` or `environment`; the plurals too.
    #[schema(
        pattern = "^(team|service|repository|environment|teams|services|repositories|environments)?$",
        example = "team"
    )]
    pub(crate) key: String,
    /// `=`, or `=~` for one of several.
    #[schema(pattern = "^(=|=~|=\\|)?$", example = "=")]
    pub(crate) operator: String,
    /// The value.
    #[schema(example = "payments")]
    pub(crate) value: String,
}

/// One query of a panel.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct TargetRequest {
    /// The panel's name for it, which its answer carries.
    #[schema(example = "A")]
    pub(crate) ref_id: Option<String>,
    /// What is asked.
    #[schema(schema_with = target_schema)]
    pub(crate) target: Option<String>,
    /// The fields of its form.
    #[schema(value_type = Option<PayloadForm>)]
    #[serde(deserialize_with = "form")]
    pub(crate) payload: Value,
    /// Whether it is switched off.
    pub(crate) hide: bool,
    /// `table` for a table.
    pub(crate) r#type: Option<String>,
}

/// The form of a target. An empty field is none; of the lists everything that is written for all is none, too.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "says what `TargetRequest::payload` may hold, which is read field by field")]
pub(crate) struct PayloadForm {
    /// Only these teams: one, several, or as a dashboard writes several, `(a|b)` or `{a,b}`.
    team: Option<Value>,
    /// Only these services, likewise.
    service: Option<Value>,
    /// Only these repositories, likewise.
    repository: Option<Value>,
    /// Only these environments, likewise.
    environment: Option<Value>,
    /// Which number of the rows; `value` where none is named. What there is differs by target.
    #[schema(example = "value")]
    field: Option<String>,
    /// How the period is cut.
    #[schema(pattern = "^(day|week|month|quarter|year|all)?$", example = "week")]
    bucket: Option<String>,
    /// A line for each of these.
    #[schema(pattern = "^(service|team|repository|environment)?$", example = "team")]
    group_by: Option<String>,
    /// Whose definitions.
    #[schema(example = "dora-2025")]
    pack: Option<String>,
    /// IANA time zone of the cuts.
    #[schema(example = "Europe/Berlin")]
    tz: Option<String>,
    /// `table` for a table.
    #[schema(pattern = "^(time_series|table)?$", example = "time_series")]
    format: Option<String>,
}

/// What a variable is made of.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "says what `VariableRequest::payload` may hold, which may also be the name alone")]
pub(crate) struct VariableForm {
    /// Whose names.
    #[schema(
        pattern = "^(team|service|repository|environment|teams|services|repositories|environments)?$",
        example = "teams"
    )]
    target: Option<String>,
}

fn target_schema() -> Schema {
    let ids = TARGETS.iter().map(Target::id).chain([""]).collect::<Vec<_>>();
    let ids = ids.into_iter().map(|id| Some(id.to_owned())).chain([None]);
    ObjectBuilder::new()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .enum_values(Some(ids))
        .examples(["deployment-frequency"])
        .description(Some("What is asked; nothing yet where somebody is still editing."))
        .into()
}

/// The queries of a panel.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct QueryRequest {
    /// The dashboard's period.
    #[serde(deserialize_with = "object")]
    pub(crate) range: Option<Range>,
    /// Its time zone, or `browser`.
    pub(crate) timezone: Option<String>,
    /// Milliseconds between two points, as the panel is wide.
    #[schema(example = 86_400_000)]
    pub(crate) interval_ms: Option<f64>,
    /// Filters of the dashboard.
    #[serde(alias = "adhocFilters", deserialize_with = "objects")]
    pub(crate) filters: Option<Vec<AdHocFilter>>,
    /// The queries.
    #[serde(deserialize_with = "objects")]
    pub(crate) targets: Option<Vec<TargetRequest>>,
}

/// Nothing that is needed.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
pub(crate) struct MetricsRequest {}

/// Which field of a form.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct OptionsRequest {
    /// The target.
    #[schema(example = "change-lead-time")]
    pub(crate) metric: Option<String>,
    /// The field.
    #[schema(example = "team")]
    pub(crate) name: String,
}

/// Which variable.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct VariableRequest {
    /// `{"target": "teams"}`, or the name alone.
    #[schema(value_type = Option<VariableForm>)]
    #[serde(deserialize_with = "form_or_name")]
    payload: Value,
    /// The name, as older clients give it.
    #[schema(pattern = "^(team|service|repository|environment|teams|services|repositories|environments)?$")]
    target: Option<String>,
}

impl VariableRequest {
    /// The name that is asked for.
    pub(crate) fn name(&self) -> Option<&str> {
        let payload = &self.payload;
        let nested = payload.get("target").or_else(|| payload.get("name")).unwrap_or(payload);
        nested.as_str().or(self.target.as_deref())
    }
}

/// Which key.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub(crate) struct KeyRequest {
    /// `team`, `service`, `repository` or `environment`; the plurals too.
    #[schema(
        pattern = "^(team|service|repository|environment|teams|services|repositories|environments)$",
        example = "team"
    )]
    pub(crate) key: String,
}

/// A part of an id.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct SearchRequest {
    /// The part; empty for all.
    pub(crate) target: Option<String>,
}

/// Which annotations.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct AnnotationRequest {
    /// The dashboard's period.
    #[serde(deserialize_with = "object")]
    pub(crate) range: Option<Range>,
    /// The annotation as it is configured.
    #[serde(deserialize_with = "object")]
    pub(crate) annotation: Option<ChosenAnnotation>,
}

/// An annotation as it is configured.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct ChosenAnnotation {
    /// `deployments`, `failures` or `incidents`.
    #[schema(pattern = "^(deployments|failures|incidents)?$", example = "failures")]
    pub(crate) query: Option<String>,
}

/// An object, and not a list of its fields in their order, as which serde would read it too.
fn object<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<T>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    (!value.is_null()).then(|| of_object(value)).transpose()
}

/// A list of objects.
fn objects<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<Option<Vec<T>>, D::Error> {
    let values = Option::<Vec<Value>>::deserialize(deserializer)?;
    values.map(|values| values.into_iter().map(of_object).collect()).transpose()
}

/// The fields of a form, if there is one.
fn form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let value = Value::deserialize(deserializer)?;
    if value.is_object() || value.is_null() { Ok(value) } else { Err(D::Error::custom("a form is an object")) }
}

/// The same, or the one name that it would hold.
fn form_or_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let is_name = |key: &str| value.get(key).is_none_or(|name| name.is_string() || name.is_null());
    if !is_name("target") || !is_name("name") {
        return Err(D::Error::custom("a name is a text"));
    }
    if value.is_string() { Ok(value) } else { form(value).map_err(D::Error::custom) }
}

fn of_object<T: DeserializeOwned, E: Error>(value: Value) -> Result<T, E> {
    if !value.is_object() {
        return Err(E::custom(format!("`{value}` is no object")));
    }
    serde_json::from_value(value).map_err(E::custom)
}

/// Reads a body; an empty one says nothing.
pub(crate) fn read<T: DeserializeOwned>(body: &Body) -> Result<T, Problem> {
    let wrong = |place: String, problem: String| {
        Problem::new(Kind::InvalidBody, format!("the body cannot be read: {problem}"))
            .parameter(place)
            .expected("what the data source's documentation says that it sends")
    };
    // A list would be read as the fields of the object, in their order.
    let said = if body.bytes.trim_ascii().is_empty() { b"{}" } else { &body.bytes[..] };
    let value: Value = serde_json::from_slice(said).map_err(|e| wrong("body".to_owned(), e.to_string()))?;
    if !value.is_object() {
        return Err(wrong("body".to_owned(), "it is no object".to_owned()));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." { "body".to_owned() } else { path };
        wrong(place, error.inner().to_string())
    })
}
