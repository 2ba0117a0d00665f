//! How others talk to Dorado: HTTP routes, their OpenAPI, limits. Nothing here touches a table or reads a
//! vendor's body; numbers come from `query`, what a body says from `ingest`.

mod access;
mod answer;
mod api;
mod extract;
mod layer;
mod limits;
mod names;
mod openapi;
mod problem;
mod router;
mod routes;
mod server;
mod taking;
mod telemetry;
#[cfg(test)]
mod tests;
mod tls;

use std::sync::Arc;

use dorado_ingest::{Source, Wakers};
use dorado_lake::Instant;
use dorado_query::Engine;

pub use access::{Access, Loopback, Tls};
pub use limits::Limits;
pub use openapi::openapi;
pub use router::router;
pub use server::serve;

/// What the API stands on.
#[derive(Clone)]
pub struct App {
    /// Answers questions; its lake keeps deliveries.
    pub engine: Engine,
    /// The sources that are connected.
    pub sources: Vec<Arc<dyn Source>>,
    /// Wakes whoever collects from them.
    pub wakers: Wakers,
    /// What one caller may take.
    pub limits: Limits,
    /// Who is let in.
    pub access: Access,
    /// The clock.
    pub now: fn() -> Instant,
    /// When this instance began.
    pub started_at: Instant,
    /// Where questions are answered: apart from the runtime that serves HTTP, because a join that
    /// explodes cannot be cancelled.
    pub queries: tokio::runtime::Handle,
}
