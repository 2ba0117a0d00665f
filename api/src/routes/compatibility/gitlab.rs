//! GitLab's own address for DORA metrics, with its parameters and shapes, answered under the pack `gitlab`. Source:
//! docs.gitlab.com, "DevOps Research and Assessment (DORA) metrics API". A project is a repository, or a service of
//! that name; a group is a team. GitLab's own numbers of projects and groups are not known here.

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use chrono::{Days, Months, NaiveDate};
use dorado_query::{Asked, Question, Row, metric_named};
use http::StatusCode;
use http::header::CONTENT_LENGTH;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::Reader;
use crate::api::Api;
use crate::extract::{Path, Query};
use crate::names::{Names, names};
use crate::problem::{Kind, Problem};

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(project)).routes(routes!(group)).layer(map_response(as_theirs))
}

/// Bytes of a problem at most.
const PROBLEM_AT_MOST: usize = 64 << 10;

/// Problems as GitLab's clients read them: `message` says what is wrong, and what makes no sense is answered with 400.
async fn as_theirs(response: Response) -> Response {
    if response.status().is_success() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, PROBLEM_AT_MOST).await else { return parts.status.into_response() };
    let Ok(mut problem) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return Response::from_parts(parts, Body::from(body));
    };
    if parts.status == StatusCode::UNPROCESSABLE_ENTITY {
        parts.status = StatusCode::BAD_REQUEST;
        problem.insert("status".to_owned(), json!(parts.status.as_u16()));
    }
    let expected = problem.get("expected").and_then(Value::as_str).map(|expected| format!("; expected {expected}"));
    let detail = problem.get("detail").and_then(Value::as_str).unwrap_or_default();
    problem.insert("message".to_owned(), json!(format!("{detail}{}", expected.unwrap_or_default())));
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(Value::Object(problem).to_string()))
}

/// GitLab's parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DoraParams {
    /// `deployment_frequency`, `lead_time_for_changes`, `time_to_restore_service` or `change_failure_rate`.
    #[param(
        required = true,
        pattern = "^(deployment_frequency|lead_time_for_changes|time_to_restore_service|change_failure_rate)$",
        example = "deployment_frequency"
    )]
    metric: Option<String>,
    /// First day. Default: three months ago.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2})?$", example = "2026-08-01")]
    start_date: Option<String>,
    /// Last day. Default: today.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2})?$", example = "2026-11-01")]
    end_date: Option<String>,
    /// `daily`, `monthly` or `all`. Default: `daily`.
    #[param(pattern = "^(daily|monthly|all)?$", example = "daily")]
    interval: Option<String>,
    /// Only `production` is measured.
    #[serde(default)]
    #[param(example = json!(["production"]))]
    environment_tiers: Vec<String>,
    /// The same, as GitLab's clients write a list.
    #[serde(default, rename = "environment_tiers[]")]
    #[param(example = json!(["production"]))]
    environment_tiers_list: Vec<String>,
}

/// A value as GitLab gives it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Measured {
    /// The day, or the first of the month; null where the value is of the whole period.
    #[schema(example = "2026-08-01")]
    date: Option<String>,
    /// The value; null where there is none.
    #[schema(value_type = Option<f64>, example = 3)]
    value: Value,
}

/// GitLab's words and ours.
const METRICS: [(&str, &str); 4] = [
    ("deployment_frequency", "deployment-frequency"),
    ("lead_time_for_changes", "change-lead-time"),
    ("time_to_restore_service", "failed-deployment-recovery-time"),
    ("change_failure_rate", "change-fail-rate"),
];
const INTERVALS: [(&str, &str); 3] = [("daily", "day"), ("monthly", "month"), ("all", "all")];

/// A project's DORA metrics as GitLab answers them
#[utoipa::path(get, operation_id = "gitlab_project", path = "/api/v4/projects/{id}/dora/metrics", tag = "Compatibility",
    params(("id" = String, Path, description = "The project's path, percent-encoded", example = "shop/checkout"), DoraParams),
    responses(
        (status = 200, description = "`[{date, value}]`; with `interval=all` one of them, without a date", body = Vec<Measured>),
        (status = 404, description = "No such project", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn project(
    reader: Reader,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(asked, _): Query<DoraParams>,
) -> Result<Json<Vec<Measured>>, Problem> {
    let mut of = Asked::default();
    if names(&api, &reader, Names::Repositories).await?.contains(&id) {
        of.repository.push(id);
    } else if names(&api, &reader, Names::Services).await?.contains(&id) {
        of.service.push(id);
    } else {
        return Err(not_found("project", &id, "the path of a repository, or the name of a service"));
    }
    answer(&api, &reader, asked, of).await
}

/// A group's DORA metrics as GitLab answers them
#[utoipa::path(get, operation_id = "gitlab_group", path = "/api/v4/groups/{id}/dora/metrics", tag = "Compatibility",
    params(("id" = String, Path, description = "The team's name, percent-encoded", example = "payments"), DoraParams),
    responses(
        (status = 200, description = "`[{date, value}]`; with `interval=all` one of them, without a date", body = Vec<Measured>),
        (status = 404, description = "No such group", body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn group(
    reader: Reader,
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(asked, _): Query<DoraParams>,
) -> Result<Json<Vec<Measured>>, Problem> {
    if !names(&api, &reader, Names::Teams).await?.contains(&id) {
        return Err(not_found("group", &id, "the name of a team"));
    }
    answer(&api, &reader, asked, Asked { team: vec![id], ..Asked::default() }).await
}

async fn answer(api: &Api, reader: &Reader, asked: DoraParams, of: Asked) -> Result<Json<Vec<Measured>>, Problem> {
    let metric = metric_named(ours("metric", asked.metric.as_deref().unwrap_or_default(), &METRICS)?)?;
    let bucket = ours("interval", asked.interval.as_deref().unwrap_or("daily"), &INTERVALS)?;
    let tiers = asked.environment_tiers.iter().chain(&asked.environment_tiers_list);
    if let Some(other) = tiers.into_iter().find(|tier| *tier != "production") {
        return Err(wrong("environment_tiers", other, "only production is measured", "production"));
    }
    let today = api.now().date_naive();
    let last = asked.end_date.as_deref().map_or(Ok(today), |text| date("end_date", text))?;
    let first = match asked.start_date.as_deref() {
        Some(text) => date("start_date", text)?,
        None => last.checked_sub_months(Months::new(3)).unwrap_or(last),
    };
    if first > last {
        return Err(wrong("start_date", &first.to_string(), "it is after `end_date`", "a day not after `end_date`"));
    }
    let question = Asked {
        from: Some(first.to_string()),
        // Both days are part of the period.
        to: Some(last.checked_add_days(Days::new(1)).unwrap_or(last).to_string()),
        bucket: Some(bucket.to_owned()),
        pack: Some("gitlab".to_owned()),
        ..of
    };
    let question = Question::new(&question, reader.audience.clone(), api.end_of_minute())?;
    let answer = api.ask(move |engine| async move { engine.series(metric, &question).await }).await?;
    let value = |row: &Row| row.get("value").cloned().unwrap_or_default();
    let day = |row: &Row| row.get("time").and_then(Value::as_str).and_then(|time| time.get(..10)).map(String::from);
    let date = |row: &Row| if bucket == "all" { None } else { day(row) };
    Ok(Json(answer.data.iter().map(|row| Measured { date: date(row), value: value(row) }).collect()))
}

fn ours(parameter: &str, value: &str, known: &[(&str, &'static str)]) -> Result<&'static str, Problem> {
    let found = known.iter().find(|(theirs, _)| *theirs == value).map(|(_, ours)| *ours);
    found.ok_or_else(|| {
        let words: Vec<&str> = known.iter().map(|(theirs, _)| *theirs).collect();
        let problem = if value.is_empty() { "it is missing" } else { "it is not known" };
        wrong(parameter, value, problem, &format!("one of {}", words.join(", ")))
    })
}

fn date(parameter: &str, text: &str) -> Result<NaiveDate, Problem> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .map_err(|_no_date| wrong(parameter, text, "it is not a date", "a date such as 2026-08-01"))
}

fn wrong(parameter: &str, value: &str, problem: &str, expected: &str) -> Problem {
    let detail = if value.is_empty() {
        format!("`{parameter}`: {problem}")
    } else {
        format!("`{parameter}` is `{value}`: {problem}")
    };
    Problem::new(Kind::InvalidParameter, detail).parameter(parameter).value(value).expected(expected)
}

fn not_found(what: &str, id: &str, expected: &str) -> Problem {
    Problem::new(Kind::NotFound, format!("there is no {what} `{id}`")).parameter("id").value(id).expected(expected)
}
