//! Tests of the API through its router, over a lake in memory.

mod access;
mod answers;
mod collect;
mod connections;
mod deliveries;
mod described;
mod gitlab;
mod problems;
mod scope;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use dorado_ingest::{Connection, Kind, Secret, Source, Wakers, events_source, source_name};
use dorado_lake::{Batch, Instant, Lake, Register, Settled};
use dorado_query::{Catalog, Engine};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use tower::ServiceExt;

use crate::access::Peer;
use crate::{Access, App, Limits, router};

const SECRET: &str = "a secret of this test";
/// That of the connection `main`.
const ANOTHER_SECRET: &str = "another secret of this test";

fn now() -> Instant {
    DateTime::parse_from_rfc3339("2026-11-01T12:00:30Z").expect("a valid instant").with_timezone(&Utc)
}

/// An API over a lake of its own.
pub(crate) struct Bench {
    router: Router,
    access: Access,
    engine: Engine,
    sources: Vec<Arc<dyn Source>>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    async fn with(limits: Limits) -> Self {
        Self::of(Self::app(limits).await)
    }

    fn of(app: App) -> Self {
        let (engine, sources, access) = (app.engine.clone(), app.sources.clone(), app.access.clone());
        Self { router: router(app), access, engine, sources }
    }

    async fn app(limits: Limits) -> App {
        let lake = Lake::open("memory://").await.expect("a lake in memory opens");
        let engine = Engine::open(lake, Catalog::default()).await.expect("an engine opens");
        let github = Kind::of("github").expect("a kind that there is");
        let connect = |name: &str, secret: &str| {
            let (name, secrets) = (name.to_owned(), vec![Secret::value(secret)]);
            (github.connect)(Connection { name, secrets, ..Connection::default() }).expect("options that are right")
        };
        let sources = vec![events_source(), connect("", SECRET), connect("main", ANOTHER_SECRET)];
        let queries = tokio::runtime::Handle::current();
        let access = Access::local(Arc::new(Register::in_memory().expect("a register in memory opens")));
        let wakers = Wakers::of(&sources);
        App { engine, sources, wakers, limits, access, now, started_at: now(), queries }
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        answer_of(self.router.clone(), request).await
    }

    async fn get(&self, address: &str) -> Answer {
        self.send(request("GET", address, &[], "")).await
    }

    async fn post(&self, address: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.send(request("POST", address, headers, body)).await
    }

    /// What the pipeline does with what is waiting.
    async fn settle(&self) {
        let lake = self.engine.lake();
        let mut batch = Batch::default();
        for (arrival, delivery) in lake.waiting(1000).await.expect("the inbox reads") {
            let source = self
                .sources
                .iter()
                .find(|s| source_name(s.as_ref()) == delivery.source_name())
                .expect("a known source");
            let outcome = source.translate(&delivery).map_err(|error| error.to_string());
            let ignored = source.ignored_reason(&delivery);
            batch.deliveries.push(Settled { arrival, delivery, outcome, ignored });
        }
        lake.settle(batch).await.expect("the batch settles");
        self.engine.refresh().await.expect("gold is brought up to silver");
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Value::String(self.text()))
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The problem that this is, with what every problem must have.
    fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for key in ["type", "title", "detail"] {
            assert!(problem[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {problem}");
        }
        problem
    }
}

async fn answer_of(router: Router, request: Request<Body>) -> Answer {
    let response: Response = router.oneshot(request).await.expect("a router never fails");
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a whole body");
    Answer { status: parts.status, headers: parts.headers, body }
}

fn request(method: &str, address: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(address);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(body.into()).expect("a valid request");
    request.extensions_mut().insert(Peer(([127, 0, 0, 1], 4711).into()));
    request
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(plain).expect("memory takes all");
    encoder.finish().expect("memory takes all")
}

const JSON: (&str, &str) = ("content-type", "application/json");

/// A deployment, its change and an incident that it caused.
const EVENTS: &str = r#"[
    {"type": "change", "service": "checkout", "id": "c1", "authored_at": "2026-10-20T08:00:00Z",
     "committed_at": "2026-10-20T08:00:00Z", "title": "=1+1"},
    {"type": "deployment", "id": "d0", "service": "checkout", "environment": "production", "status": "success",
     "started_at": "2026-10-19T10:00:00Z", "finished_at": "2026-10-19T10:04:00Z"},
    {"type": "deployment", "id": "d1", "service": "checkout", "environment": "production", "status": "success",
     "started_at": "2026-10-20T10:00:00Z", "finished_at": "2026-10-20T10:04:00Z", "changes": ["c1"]},
    {"type": "incident", "id": "i1", "service": "checkout", "opened_at": "2026-10-20T11:00:00Z",
     "resolved_at": "2026-10-20T12:00:00Z"}
]"#;
