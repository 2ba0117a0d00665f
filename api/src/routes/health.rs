//! `/healthz` and `/readyz`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::Api;
use crate::extract::{Nothing, Query};
use crate::problem::{Kind, Problem};

/// That the process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `ok`.
    #[schema(example = "ok")]
    status: &'static str,
    /// Version of the program.
    #[schema(example = "0.1.0")]
    version: &'static str,
}

/// What it takes to answer questions and keep deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Readiness {
    /// `ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// Deliveries kept and not yet settled.
    n_waiting: u64,
    /// Version of the tables.
    table_version: u64,
    /// Arrivals that are in silver and not yet in gold.
    gold_lag_arrivals: i64,
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "Operations", responses(
    (status = 200, description = "It does", body = Health),
))]
pub(crate) async fn healthz(_: Query<Nothing>) -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether deliveries can be kept and tables be read
#[utoipa::path(get, path = "/readyz", tag = "Operations", responses(
    (status = 200, description = "They can", body = Readiness),
    (status = 503, description = "They cannot", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn readyz(State(api): State<Api>, _: Query<Nothing>) -> Result<Json<Readiness>, Problem> {
    // After a while somebody has to try again, or nobody would ever learn that it works.
    const REMEMBERED: Duration = Duration::from_secs(15);
    if api.telemetry().since_keeping_failed().is_some_and(|ago| ago < REMEMBERED) {
        return Err(Problem::new(Kind::Unavailable, "the last delivery could not be kept"));
    }
    let lake = api.engine().lake();
    let n_waiting = lake.n_waiting().await?;
    Ok(Json(Readiness {
        status: "ready",
        n_waiting,
        table_version: api.engine().table_version(),
        gold_lag_arrivals: (lake.silver_through() - lake.gold_through()).max(0),
    }))
}
