//! `/api/v1/collect`: reads now what connected tools know, beside the runs that begin by the clock.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono_tz::Tz;
use dorado_ingest::collect::{Unknown, named};
use dorado_ingest::source_name;
use dorado_lake::{Run, RunState};
use dorado_query::instant;
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use tokio::time::timeout;
use utoipa::IntoParams;

use crate::access::{Admin, Visit};
use crate::api::{Api, LOOK};
use crate::extract::Query;
use crate::problem::{Kind, Problem};
use crate::routes::sources::{Sources, rows};

/// What is collected.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct CollectParams {
    /// Only from these connections, as `/api/v1/sources` names them, or by the tool alone; default: all that can be asked.
    #[serde(default)]
    source: Vec<String>,
    /// Read again from this day or instant on; default: go on where the last run ended.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-01-31")]
    since: Option<String>,
}

/// Collects now from connected tools
///
/// A connection has one run at a time. Where one is under way, it is joined; unless `since` asks to read again from
/// another start, which is answered with 409. A connection that watches is under way all the time: it is begun where it is
/// not, and is not among the rows. How a run stands is told by `GET /api/v1/sources`.
#[utoipa::path(post, path = "/api/v1/collect", tag = "Deliveries", params(CollectParams), responses(
    (status = 202, description = "The connections, whose runs have begun", body = Sources),
    (status = 409, description = "A run is under way that reads from another start", body = Problem,
        content_type = "application/problem+json"),
))]
pub(crate) async fn collect(
    _: Admin,
    visit: Visit,
    State(api): State<Api>,
    Query(params, _): Query<CollectParams>,
) -> Result<Response, Problem> {
    let since = params.since.as_deref().map(|text| instant("since", text, Tz::UTC)).transpose()?;
    let asked = named(api.sources(), &params.source).map_err(|Unknown { name, known }| {
        Problem::new(Kind::InvalidParameter, format!("no connection that can be asked is called `{name}`"))
            .parameter("source")
            .value(name)
            .expected(if known.is_empty() { "none, since no connection can be asked".into() } else { known.join(", ") })
    })?;
    let before = runs(&api).await?;
    // A run that the clock began reads on from where the last one ended.
    let is_asked_for = |run: &Run| since.is_none_or(|since| run.asked_since.is_some_and(|asked| asked <= since));
    let is_under_way =
        |name: &String| before.get(name).is_some_and(|r| matches!(r.state, RunState::Running | RunState::Waiting));
    // What watches has no end to wait for, and where it is under way there is nothing to do.
    let (watched, read): (Vec<_>, Vec<_>) = asked.iter().partition(|source| source.watches());
    let names: Vec<String> = read.iter().map(|source| source_name(source.as_ref())).collect();
    let (joined, mut woken): (Vec<String>, Vec<String>) = names.iter().cloned().partition(is_under_way);
    let watched = watched.iter().map(|source| source_name(source.as_ref()));
    woken.extend(watched.filter(|name| !is_under_way(name)));
    if let Some(name) = joined.iter().find(|name| before.get(*name).is_some_and(|run| !is_asked_for(run))) {
        return Err(Problem::new(Kind::UnderWay, format!("a run of `{name}` is under way"))
            .parameter("since")
            .expected("to be asked again when it has ended"));
    }
    for name in &woken {
        api.audit(&visit.caller, "collect.asked", name, since.map(|since| json!({ "since": since }))).await?;
        api.wakers().wake(name, since);
    }
    let begun = async {
        loop {
            let now = runs(&api).await?;
            let has_begun = |name: &String| {
                let earlier = before.get(name).and_then(|run| run.started_at);
                // Also where the clock begins one just before this one.
                now.get(name).is_some_and(|run| run.started_at > earlier && is_asked_for(run))
            };
            if woken.iter().all(has_begun) {
                return Ok::<_, Problem>(());
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let late = |_| Problem::new(Kind::Unavailable, "the run does not begin; it may do so later");
    timeout(api.limits().visible, begun).await.map_err(late)??;
    let mut data = rows(&api).await?;
    data.retain(|row| names.contains(&row.source));
    Ok((StatusCode::ACCEPTED, Json(Sources { data, meta: serde_json::Map::new() })).into_response())
}

async fn runs(api: &Api) -> Result<BTreeMap<String, Run>, Problem> {
    Ok(api.engine().lake().runs().await?.into_iter().map(|run| (run.source.clone(), run)).collect())
}
