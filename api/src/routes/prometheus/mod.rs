//! `/metrics`: how this instance is doing and how each service and team delivers, for Prometheus.

mod delivery;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dorado_lake::{Snapshot, SourceStatus};
use http::HeaderValue;
use http::header::CONTENT_TYPE;

use crate::access::{Reader, WholeReader};
use crate::api::Api;
use crate::extract::{Nothing, Query};
use crate::problem::Problem;
use crate::telemetry::Exposition;

/// The tables whose size is told: raw deliveries, facts, and what attribution makes of them.
const TABLES: [&str; 9] = [
    "deliveries",
    "changes",
    "pull_requests",
    "deployments",
    "incidents",
    "overrides",
    "shipments",
    "outcomes",
    "causes",
];

/// How this instance is doing
#[utoipa::path(get, path = "/metrics", tag = "Operations", responses(
    (status = 200, description = "Prometheus text format", body = String, content_type = "text/plain; version=0.0.4"),
))]
pub(crate) async fn prometheus(
    _: WholeReader,
    reader: Reader,
    State(api): State<Api>,
    _: Query<Nothing>,
) -> Result<Response, Problem> {
    let lake = api.engine().lake();
    let n_waiting = lake.n_waiting().await?;
    let sources = lake.source_status().await?;
    let mut page = Exposition::default();

    page.family("dorado_build_info", "gauge", "The version that runs.");
    page.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    let started = api.started_at().timestamp_millis() as f64 / 1e3;
    page.gauge("process_start_time_seconds", "When this instance began.", started);
    if let Some(bytes) = resident_bytes() {
        page.gauge("process_resident_memory_bytes", "Memory in use.", bytes);
    }
    page.gauge("dorado_inbox_waiting_deliveries", "Deliveries kept and not yet settled.", n_waiting);
    page.gauge("dorado_silver_through_arrival", "Last arrival in the silver tables.", lake.silver_through());
    page.gauge("dorado_gold_through_arrival", "Last arrival in the gold tables.", lake.gold_through());
    let lag = (lake.silver_through() - lake.gold_through()).max(0);
    page.gauge("dorado_gold_lag_arrivals", "Arrivals in silver and not yet in gold.", lag);
    page.gauge(
        "dorado_table_version",
        "Version of the tables that answers are read from.",
        api.engine().table_version(),
    );
    write_tables(&mut page, &lake.snapshot());
    write_sources(&mut page, &sources);
    api.telemetry().write(&mut page);
    delivery::write(&mut page, &api, &reader).await?;

    let content_type = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(CONTENT_TYPE, content_type)], page.into_text()).into_response())
}

fn write_tables(page: &mut Exposition, snapshot: &Snapshot) {
    type Measure = fn(&Snapshot, &str) -> u64;
    let families: [(&str, &str, Measure); 3] = [
        ("dorado_table_rows", "Rows of a table.", |snapshot, table| snapshot.n_rows(table) as u64),
        ("dorado_table_files", "Files of a table.", |snapshot, table| snapshot.n_files(table) as u64),
        ("dorado_table_size_bytes", "Bytes of a table's files.", Snapshot::n_bytes),
    ];
    for (name, help, measure) in families {
        page.family(name, "gauge", help);
        for table in TABLES {
            page.sample("", &[("table", table)], measure(snapshot, table));
        }
    }
}

fn write_sources(page: &mut Exposition, sources: &[SourceStatus]) {
    let last = "dorado_source_last_delivery_timestamp_seconds";
    page.family(last, "gauge", "When a source's last delivery arrived.");
    for status in sources {
        if let Some(at) = status.last_delivery_at {
            page.sample("", &[("source", &status.source)], at.timestamp_millis() as f64 / 1e3);
        }
    }
    page.family("dorado_source_deliveries", "gauge", "Deliveries of a source, by what became of them.");
    for status in sources {
        let outcomes = [
            ("kept", status.n_kept),
            ("ignored", status.n_ignored),
            ("rejected", status.n_rejected),
            ("waiting", status.n_waiting),
        ];
        for (outcome, n) in outcomes {
            page.sample("", &[("source", &status.source), ("outcome", outcome)], n);
        }
    }
}

/// Resident memory as Linux tells it; none elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
