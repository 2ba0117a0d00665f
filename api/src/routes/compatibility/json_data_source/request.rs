//! What a dashboard sends. Only what is read is named; a dashboard sends much more. An empty body is as good as `{}`.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::extract::Body;
use crate::problem::{Kind, Problem};

/// The dashboard's period.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct Range {
    /// Its start.
    #[schema(example = "2026-08-01T00:00:00.000Z", format = DateTime)]
    pub(crate) from: Option<String>,
    /// Its end.
    #[schema(example = "2026-11-01T00:00:00.000Z", format = DateTime)]
    pub(crate) to: Option<String>,
}

/// A filter that somebody set on the dashboard.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct AdHocFilter {
    /// `team`, `service`, `repository` or `environment`.
    #[schema(pattern = "^(team|service|repository|environment)$", example = "team")]
    pub(crate) key: String,
    /// `=`, or `=~` for one of several.
    #[schema(pattern = "^(=|=~)$", example = "=")]
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
    #[schema(pattern = "^[a-z-]*$", example = "deployment-frequency")]
    pub(crate) target: Option<String>,
    /// The fields of its form.
    #[schema(value_type = Object, example = json!({"team": "payments", "bucket": "week"}))]
    pub(crate) payload: Value,
    /// Whether it is switched off.
    pub(crate) hide: bool,
    /// `table` for a table.
    pub(crate) r#type: Option<String>,
}

/// The queries of a panel.
#[derive(Debug, Clone, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct QueryRequest {
    /// The dashboard's period.
    pub(crate) range: Option<Range>,
    /// Its time zone, or `browser`.
    pub(crate) timezone: Option<String>,
    /// Milliseconds between two points, as the panel is wide.
    #[schema(example = 86_400_000)]
    pub(crate) interval_ms: Option<f64>,
    /// Filters of the dashboard.
    #[serde(alias = "adhocFilters")]
    pub(crate) filters: Option<Vec<AdHocFilter>>,
    /// The queries.
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
    #[schema(value_type = Object, example = json!({"target": "teams"}))]
    payload: Value,
    /// The name, as older clients give it.
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
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct KeyRequest {
    /// `team`, `service`, `repository` or `environment`.
    #[schema(pattern = "^(team|service|repository|environment)$", example = "team")]
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
    pub(crate) range: Option<Range>,
    /// The annotation as it is configured.
    pub(crate) annotation: Option<Annotation>,
}

/// An annotation as it is configured.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default)]
pub(crate) struct Annotation {
    /// `deployments`, `failures` or `incidents`.
    #[schema(pattern = "^(deployments|failures|incidents)?$", example = "failures")]
    pub(crate) query: Option<String>,
}

/// Reads a body; an empty one says nothing.
pub(crate) fn read<T: DeserializeOwned + Default>(body: &Body) -> Result<T, Problem> {
    if body.bytes.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    let mut json = serde_json::Deserializer::from_slice(&body.bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|wrong| {
        let path = wrong.path().to_string();
        let place = if path == "." { "body".to_owned() } else { path };
        Problem::new(Kind::InvalidBody, format!("the body cannot be read: {}", wrong.inner()))
            .parameter(place)
            .expected("what the data source's documentation says that it sends")
    })
}
