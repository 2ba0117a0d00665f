//! `/api/v1/sources`: how each source is doing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chrono::SecondsFormat;
use dorado_ingest::{Kind, Source, source_name};
use dorado_lake::{Instant, Reason, Run, SourceStatus};
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
    pub(super) source: String,
    /// The kind of tool.
    #[schema(example = "events")]
    kind: String,
    /// The tool's name as people write it.
    #[schema(example = "Events")]
    title: String,
    /// The connection's name; empty where it has none.
    #[schema(example = "")]
    connection: String,
    /// silent: nothing came yet. receiving: it sends. idle, running, waiting (until the tool takes calls again),
    /// failed: it is asked.
    #[schema(example = "receiving")]
    state: &'static str,
    /// When its last delivery arrived.
    #[schema(example = "2026-11-01T08:00:00Z")]
    last_delivery_at: Option<String>,
    /// Seconds since then.
    #[schema(example = 12.5)]
    lag_seconds: Option<f64>,
    /// When the run began that is under way, or else the last one.
    run_began_at: Option<String>,
    /// Deliveries that were new in that run.
    n_collected: u64,
    /// Calls that it made.
    n_calls: u64,
    /// When it was last asked and answered to the end.
    last_success_at: Option<String>,
    /// When it is asked next.
    next_run_at: Option<String>,
    /// Why asking it failed the last time, where it did.
    error: Option<String>,
    /// Deliveries that gave facts.
    n_kept: u64,
    /// Deliveries that are right and give none.
    n_ignored: u64,
    /// Deliveries that could not be read.
    n_rejected: u64,
    /// Deliveries not yet settled.
    n_waiting: u64,
    /// Why deliveries gave no facts, most frequent first.
    reasons: Vec<ReasonRow>,
    /// Calls that the tool allows in a period.
    rate_limit: Option<u64>,
    /// Calls left in this period.
    rate_limit_remaining: Option<u64>,
    /// When the next period begins.
    rate_limit_resets_at: Option<String>,
    /// Steps done by the run that is under way, or by the last one.
    n_done: Option<u64>,
    /// Steps in all, as far as is known.
    n_total: Option<u64>,
}

/// How often deliveries gave no facts for one reason.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReasonRow {
    /// `ignored` or `rejected`.
    #[schema(example = "ignored")]
    outcome: String,
    /// The reason.
    #[schema(example = "a push of a tag")]
    reason: String,
    /// How often.
    #[schema(example = 3)]
    n: u64,
}

/// The sources.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sources {
    pub(super) data: Vec<SourceRow>,
    pub(super) meta: serde_json::Map<String, serde_json::Value>,
}

/// How each source is doing
#[utoipa::path(get, path = "/api/v1/sources", tag = "Deliveries", responses(
    (status = 200, description = "Every source that is connected or that a delivery came from", body = Sources),
))]
pub(crate) async fn sources(
    _: WholeReader,
    State(api): State<Api>,
    _: Query<Nothing>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    wanted.rows(&rows(&api).await?)
}

/// Every source that is connected or that a delivery came from.
pub(super) async fn rows(api: &Api) -> Result<Vec<SourceRow>, Problem> {
    let now = api.now();
    let lake = api.engine().lake();
    let counted: BTreeMap<String, SourceStatus> =
        lake.source_status().await?.into_iter().map(|status| (status.source.clone(), status)).collect();
    let mut runs: BTreeMap<String, Run> = lake.runs().await?.into_iter().map(|run| (run.source.clone(), run)).collect();
    let connected: BTreeMap<String, &Arc<dyn Source>> =
        api.sources().iter().map(|source| (source_name(source.as_ref()), source)).collect();
    let names: BTreeSet<String> = connected.keys().chain(counted.keys()).cloned().collect();
    let rows = names.into_iter().map(|name| {
        let is_asked = connected.get(&name).is_some_and(|source| source.outgoing().is_some());
        let run = runs.remove(&name).filter(|_| is_asked);
        row(counted.get(&name), run, name, now)
    });
    Ok(rows.collect())
}

fn row(status: Option<&SourceStatus>, run: Option<Run>, source: String, now: Instant) -> SourceRow {
    let text = |at: Option<Instant>| at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true));
    let (kind, connection) = source.split_once('/').unwrap_or((&source, ""));
    let (kind, connection) = (kind.to_owned(), connection.to_owned());
    let last_delivery_at = status.and_then(|status| status.last_delivery_at);
    let state = match &run {
        Some(run) => run.state.as_str(),
        None if last_delivery_at.is_none() => "silent",
        None => "receiving",
    };
    let run = run.unwrap_or_default();
    let reasons = status.map(|status| status.reasons.clone()).unwrap_or_default();
    let n = |of: fn(&SourceStatus) -> u64| status.map_or(0, of);
    SourceRow {
        title: Kind::of(&kind).map_or_else(|| title(&kind), |kind| kind.title.to_owned()),
        state,
        last_delivery_at: text(last_delivery_at),
        lag_seconds: last_delivery_at.map(|at| (now - at).as_seconds_f64()),
        run_began_at: text(run.started_at),
        n_collected: run.n_deliveries,
        n_calls: run.n_calls,
        last_success_at: text(run.last_success_at),
        next_run_at: text(run.next_at),
        error: run.error,
        n_kept: n(|status| status.n_kept),
        n_ignored: n(|status| status.n_ignored),
        n_rejected: n(|status| status.n_rejected),
        n_waiting: n(|status| status.n_waiting),
        reasons: reasons.into_iter().map(|Reason { outcome, reason, n }| ReasonRow { outcome, reason, n }).collect(),
        rate_limit: run.rate_limit,
        rate_limit_remaining: run.rate_limit_remaining,
        rate_limit_resets_at: text(run.rate_limit_resets_at),
        n_done: run.n_done,
        n_total: run.n_total,
        source,
        kind,
        connection,
    }
}

/// A name with a capital letter.
fn title(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
