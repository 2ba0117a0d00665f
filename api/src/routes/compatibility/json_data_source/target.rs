//! What a panel may ask: a metric, the stages of lead time, or what happened.

use dorado_query::{METRICS, Metric, PACKS};
use serde_json::{Value, json};

use crate::names::Names;
use crate::routes::annotations::What;

/// What a panel may ask.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// A metric over time.
    Metric(&'static Metric),
    /// The stages of lead time.
    Stages,
    /// What happened, as a frame of annotations.
    Happened(What),
}

/// All of them.
pub(crate) static TARGETS: std::sync::LazyLock<Vec<Target>> = std::sync::LazyLock::new(|| {
    let happened = What::ALL.into_iter().map(Target::Happened);
    METRICS.iter().map(Target::Metric).chain([Target::Stages]).chain(happened).collect()
});

impl Target {
    /// By its id, with hyphens or underscores.
    pub(crate) fn find(id: &str) -> Option<Self> {
        let id = id.replace('_', "-");
        TARGETS.iter().find(|target| target.id() == id).copied()
    }

    pub(crate) fn id(&self) -> &'static str {
        match self {
            Self::Metric(metric) => metric.id,
            Self::Stages => "lead-time-stages",
            Self::Happened(what) => what.as_str(),
        }
    }

    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Metric(metric) => metric.title,
            Self::Stages => "Stages of lead time",
            Self::Happened(what) => what.title(),
        }
    }

    /// The fields of its form.
    pub(crate) fn payloads(&self) -> Value {
        let filters = Names::ALL.iter().map(|names| json!({"name": names.key(), "type": "multi-select"}));
        let choices = ["field", "bucket", "group_by", "pack", "format"];
        let choices = choices.into_iter().filter(|name| !self.options(name).is_empty());
        filters
            .chain(choices.map(|name| json!({"name": name, "type": "select", "options": self.choices(name)})))
            .collect()
    }

    fn choices(&self, name: &str) -> Value {
        self.options(name).iter().map(|value| json!({"label": value, "value": value})).collect()
    }

    /// The values of a field that are the same for everybody.
    pub(crate) fn options(&self, name: &str) -> Vec<String> {
        let own = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        match (self, name) {
            (Self::Happened(_), _) => Vec::new(),
            (Self::Metric(metric), "field") => match metric.unit {
                "deployments" => own(&["value", "per_day", "share_of_days", "median_interval_seconds"]),
                "seconds" => own(&["value", "n", "low", "high", "p75", "p90", "p95", "mean", "min", "max"]),
                _ => own(&["value", "n", "numerator", "denominator", "low", "high"]),
            },
            (Self::Stages, "field") => own(&["value", "n", "low", "high", "p75", "p90", "p95", "mean"]),
            (_, "bucket") => own(&["day", "week", "month", "quarter", "year", "all"]),
            (_, "group_by") => own(&["service", "team", "repository", "environment"]),
            (_, "pack") => PACKS.iter().map(|pack| pack.id.to_string()).collect(),
            (_, "format") => own(&["time_series", "table"]),
            _ => Vec::new(),
        }
    }
}
