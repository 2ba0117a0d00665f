//! `/api/v1/annotations`: what happened, as marks on another tool's charts.

use axum::extract::State;
use axum::response::Response;
use dorado_query::{List, Page, Question, Row, metric_named};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::Query;
use crate::problem::{Kind, Problem};
use crate::routes::list::ListParams;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Deployments that reached production.
    Deployments,
    /// Those of them that failed, until service was restored.
    Failures,
    /// Incidents, until they were resolved.
    Incidents,
}

impl What {
    pub(crate) const ALL: [Self; 3] = [Self::Deployments, Self::Failures, Self::Incidents];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::Failures => "failures",
            Self::Incidents => "incidents",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Deployments => "Deployments to production",
            Self::Failures => "Failed deployments",
            Self::Incidents => "Incidents",
        }
    }

    /// The metric whose rows these are.
    fn metric(self) -> Option<&'static str> {
        match self {
            Self::Deployments => Some("deployment-frequency"),
            Self::Failures => Some("failed-deployment-recovery-time"),
            Self::Incidents => None,
        }
    }

    pub(crate) fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|what| what.as_str() == name)
    }
}

/// A mark.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Annotation {
    /// When it began.
    #[schema(example = "2026-10-01T12:00:00Z")]
    pub(crate) time: String,
    /// When it ended; null for an instant, and for what has not ended.
    #[serde(rename = "timeEnd")]
    pub(crate) time_end: Option<String>,
    /// What it is.
    #[schema(example = "checkout failed")]
    pub(crate) title: String,
    /// More about it.
    pub(crate) text: String,
    /// Words to filter by, comma-separated.
    #[schema(example = "failure,checkout")]
    pub(crate) tags: String,
}

/// Marks, in order of time.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Annotations {
    data: Vec<Annotation>,
    meta: serde_json::Map<String, serde_json::Value>,
}

/// Which marks.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AnnotationParams {
    /// `deployments`, `failures` or `incidents`. Default: `deployments`.
    #[param(pattern = "^(deployments|failures|incidents)?$", example = "failures")]
    kind: Option<String>,
}

/// Marks at most: a chart shows no more.
const AT_MOST: usize = 1_000;

/// What happened, as marks for charts; the latest thousand of the period
#[utoipa::path(get, path = "/api/v1/annotations", tag = "Lists", params(ListParams, AnnotationParams), responses(
    (status = 200, description = "The marks, in order of time", body = Annotations),
))]
pub(crate) async fn annotations(
    reader: Reader,
    State(api): State<Api>,
    Query(asked, chosen): Query<ListParams, AnnotationParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let kind = chosen.kind.unwrap_or_else(|| What::Deployments.as_str().to_owned());
    let what = What::find(&kind).ok_or_else(|| {
        Problem::new(Kind::InvalidParameter, "there are no such marks")
            .parameter("kind")
            .value(&kind)
            .expected("one of deployments, failures, incidents")
    })?;
    let question = asked.question(&api, &reader)?;
    wanted.rows(&happened(&api, question, what).await?)
}

/// What happened in the question's period, in order of time.
pub(crate) async fn happened(api: &Api, question: Question, what: What) -> Result<Vec<Annotation>, Problem> {
    let page = Page { limit: AT_MOST, cursor: None };
    let answer = match what.metric() {
        // The rows behind a metric begin with those that make its number, the newest of them first.
        Some(id) => {
            let metric = metric_named(id)?;
            api.ask(move |engine| async move { engine.explain(metric, &question, &page).await }).await?
        }
        None => api.ask(move |engine| async move { engine.list(List::Incidents, &question, &page).await }).await?,
    };
    let mut found: Vec<Annotation> = answer.data.iter().filter_map(|row| mark(row, what)).collect();
    found.sort_by(|a, b| a.time.cmp(&b.time));
    Ok(found)
}

fn mark(row: &Row, what: What) -> Option<Annotation> {
    let text = |key: &str| row.get(key).and_then(|value| value.as_str()).map(String::from);
    let service = text("service").or_else(|| text("services")).unwrap_or_default();
    let joined = |parts: &[Option<String>]| parts.iter().flatten().cloned().collect::<Vec<_>>().join(" · ");
    let mark = match what {
        What::Deployments | What::Failures => {
            // Null where it never reached production.
            let failed = row.get("failed")?.as_bool()?;
            let version = text("version").or_else(|| text("revision").map(|sha| sha.chars().take(8).collect()));
            let (verb, tag) = if failed { ("failed", "failure") } else { ("deployed", "deployment") };
            Annotation {
                time: text("finished_at")?,
                time_end: if what == What::Failures { text("recovered_at") } else { None },
                title: format!("{service} {verb}"),
                text: joined(&[version, text("title"), text("failure_rule"), text("url")]),
                tags: format!("{tag},{service}"),
            }
        }
        What::Incidents => Annotation {
            time: text("opened_at")?,
            time_end: text("resolved_at"),
            title: text("title").unwrap_or_else(|| "Incident".to_owned()),
            text: joined(&[Some(service.clone()).filter(|s| !s.is_empty()), text("severity"), text("url")]),
            tags: format!("incident,{service}"),
        },
    };
    Some(mark)
}
