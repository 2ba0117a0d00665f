//! `/api/v1/replay`: kept deliveries translated anew, after an update or a change of options that understands them better.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use chrono::SecondsFormat;
use chrono_tz::Tz;
use dorado_ingest::{NotConnected, check_connected};
use dorado_lake::{Instant, Replay};
use dorado_query::instant;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::access::{Admin, Visit, WholeReader};
use crate::api::Api;
use crate::extract::{Nothing, Query};
use crate::problem::{Kind, Problem};

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ReplayParams {
    /// Only deliveries of this source, as `events`, or of one connection of it, as `events/main`.
    source: Option<String>,
    /// Only deliveries that arrived on this day, or at this instant, or later.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-01-31")]
    since: Option<String>,
}

/// How a replay stands.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayStatus {
    /// `none`: there was none yet. `running`, or `done`, and its results count. `failed`: it ended early, or was cancelled.
    #[schema(example = "running")]
    state: &'static str,
    /// Only deliveries of this source.
    source: Option<String>,
    /// Only deliveries that arrived then or later.
    since: Option<String>,
    /// When it was asked for.
    began_at: Option<String>,
    /// When it was through, or ended early.
    ended_at: Option<String>,
    /// Deliveries read.
    n_done: u64,
    /// Deliveries that belong to it, once that is known.
    n_total: Option<u64>,
    /// Deliveries that say something else than before.
    n_changed: u64,
    /// Why it ended early, where it did; asked for again, it begins anew.
    error: Option<String>,
}

impl From<Option<Replay>> for ReplayStatus {
    fn from(replay: Option<Replay>) -> Self {
        let state = match &replay {
            None => "none",
            Some(replay) if replay.is_under_way() => "running",
            Some(Replay { error: Some(_), .. }) => "failed",
            Some(_) => "done",
        };
        let replay = replay.unwrap_or_default();
        let text = |at: Option<Instant>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
        Self {
            state,
            source: replay.source,
            since: text(replay.since),
            began_at: text(replay.began_at),
            ended_at: text(replay.ended_at),
            n_done: replay.n_done,
            n_total: replay.scope.map(|(_, n_total)| n_total),
            n_changed: replay.n_changed,
            error: replay.error,
        }
    }
}

/// How the replay stands that is under way, or the last one
#[utoipa::path(get, path = "/api/v1/replay", tag = "Deliveries", responses(
    (status = 200, description = "How it stands", body = ReplayStatus),
))]
pub(crate) async fn replay(
    _: WholeReader,
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Result<Json<ReplayStatus>, Problem> {
    Ok(Json(api.engine().lake().replay().await?.into()))
}

/// Translates kept deliveries anew
///
/// What says the same stays untouched; what says something else takes the place of what was understood before, under the
/// same arrival. The results follow when all is through, and until then stay as they were. One replay at a time: the same
/// again joins it, another is answered with 409, and a source that is not connected with 422: nobody is here to say what its
/// deliveries mean.
#[utoipa::path(post, path = "/api/v1/replay", tag = "Deliveries", params(ReplayParams), responses(
    (status = 202, description = "It has begun, or is under way", body = ReplayStatus),
    (status = 409, description = "Another replay is under way", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn begin_replay(
    _: Admin,
    visit: Visit,
    State(api): State<Api>,
    Query(params, _): Query<ReplayParams>,
) -> Result<Response, Problem> {
    let since = params.since.as_deref().map(|text| instant("since", text, Tz::UTC)).transpose()?;
    if let Some(source) = &params.source {
        check_connected(api.sources(), source).map_err(|NotConnected { name, known }| {
            Problem::new(Kind::InvalidParameter, format!("no connection is called `{name}`"))
                .parameter("source")
                .value(name)
                .expected(format!("one of {}", known.join(", ")))
        })?;
    }
    let lake = api.engine().lake();
    let _one_at_a_time = api.asking().await;
    let asked = Replay { source: params.source, since, began_at: Some(api.now()), ..Replay::default() };
    let known = lake.replay().await?.filter(Replay::is_under_way);
    let replay = match known {
        Some(other) if (&other.source, other.since) != (&asked.source, asked.since) => {
            return Err(Problem::new(Kind::UnderWay, "another replay is under way")
                .parameter("source")
                .value(other.source.unwrap_or_default())
                .expected("to be asked again when it is through, as `GET /api/v1/replay` tells"));
        }
        Some(same) => same,
        None => {
            let detail = json!({ "source": asked.source, "since": asked.since });
            api.audit(&visit.caller, "replay.asked", "deliveries", Some(detail)).await?;
            lake.keep_replay(asked.clone()).await?;
            asked
        }
    };
    Ok((StatusCode::ACCEPTED, Json(ReplayStatus::from(Some(replay)))).into_response())
}

/// Cancels the replay that is under way
///
/// It ends before its next portion of a thousand deliveries, as `GET /api/v1/replay` tells. What it did so far counts. Where
/// none is under way nothing changes.
#[utoipa::path(delete, path = "/api/v1/replay", tag = "Deliveries", responses(
    (status = 202, description = "It ends, or has ended", body = ReplayStatus),
))]
pub(crate) async fn cancel_replay(
    _: Admin,
    visit: Visit,
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Result<Response, Problem> {
    let lake = api.engine().lake();
    let _one_at_a_time = api.asking().await;
    let known = lake.replay().await?;
    if let Some(replay) = known.as_ref().filter(|replay| replay.is_under_way()) {
        let detail = json!({ "source": replay.source, "since": replay.since });
        api.audit(&visit.caller, "replay.cancelled", "deliveries", Some(detail)).await?;
        lake.cancel_replay(replay).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(ReplayStatus::from(known))).into_response())
}
