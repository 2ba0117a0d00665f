//! `/api/v1/sources`: how each source is doing.

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::WholeReader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::{Nothing, Query};
use crate::problem::Problem;

/// How a source is doing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SourceRow {
    /// Source, with its connection where it has one.
    #[schema(example = "events")]
    source: String,
    /// When its last delivery arrived.
    #[schema(example = "2026-11-01T08:00:00Z")]
    last_delivery_at: Option<String>,
    /// Seconds since then.
    #[schema(example = 12.5)]
    lag_seconds: Option<f64>,
    /// Deliveries that gave facts.
    n_kept: u64,
    /// Deliveries that are right and give none.
    n_ignored: u64,
    /// Deliveries that could not be read.
    n_rejected: u64,
    /// Deliveries not yet settled.
    n_waiting: u64,
}

/// The sources.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sources {
    data: Vec<SourceRow>,
    meta: serde_json::Map<String, serde_json::Value>,
}

/// How each source is doing
#[utoipa::path(get, path = "/api/v1/sources", tag = "Deliveries", responses(
    (status = 200, description = "Every source that a delivery came from", body = Sources),
))]
pub(crate) async fn sources(
    _: WholeReader,
    State(api): State<Api>,
    _: Query<Nothing>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let now = api.now();
    let rows: Vec<SourceRow> = api
        .engine()
        .lake()
        .source_status()
        .await?
        .into_iter()
        .map(|status| SourceRow {
            source: status.source,
            last_delivery_at: status.last_delivery_at.map(|at| at.to_rfc3339()),
            lag_seconds: status.last_delivery_at.map(|at| (now - at).as_seconds_f64()),
            n_kept: status.n_kept,
            n_ignored: status.n_ignored,
            n_rejected: status.n_rejected,
            n_waiting: status.n_waiting,
        })
        .collect();
    wanted.rows(&rows)
}
