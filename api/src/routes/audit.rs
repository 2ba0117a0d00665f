//! `/api/v1/audit`: who did what.

use axum::extract::State;
use axum::response::Response;
use dorado_lake::Entry;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Admin;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::{Nothing, Query};
use crate::problem::Problem;
use crate::routes::question::{PageParams, number_of, numbered_cursor};

/// A line of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditRow {
    /// Its number; they only grow.
    #[schema(example = 17)]
    id: i64,
    /// When it was done.
    #[schema(example = "2026-11-01T08:00:00Z")]
    at: String,
    /// Id of a token, `cli`, `loopback` or `server`.
    #[schema(example = "cli")]
    actor: String,
    /// What was done.
    #[schema(example = "token.created")]
    action: String,
    /// To what.
    #[schema(example = "3f9c0a77e1b2")]
    subject: String,
    /// More about it, as JSON.
    #[schema(example = "{\"name\":\"ci\",\"scopes\":[\"ingest\"]}")]
    detail: Option<String>,
}

/// The audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Audit {
    /// Newest first.
    data: Vec<AuditRow>,
    meta: AuditMeta,
}

/// What the lines are.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AuditMeta {
    /// Where the next page begins; null on the last one.
    #[schema(example = "0000000000000011")]
    next_cursor: Option<String>,
}

impl From<Entry> for AuditRow {
    fn from(entry: Entry) -> Self {
        let Entry { id, at, actor, action, subject, detail } = entry;
        Self { id, at: at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true), actor, action, subject, detail }
    }
}

/// Who did what, newest first
#[utoipa::path(get, path = "/api/v1/audit", tag = "Access", params(PageParams), responses(
    (status = 200, description = "A page of it; `Link: rel=next` leads to the next", body = Audit),
))]
pub(crate) async fn audit(
    _: Admin,
    State(api): State<Api>,
    Query(page, _): Query<PageParams, Nothing>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let page = page.page()?;
    let before = page.cursor.as_deref().map(number_of).transpose()?;
    let register = api.access().register.clone();
    let mut entries = api.aside(move || Ok(register.entries(page.limit + 1, before)?)).await?;
    let more = entries.len() > page.limit;
    entries.truncate(page.limit);
    let next = entries.last().filter(|_| more).map(|entry| numbered_cursor(entry.id));
    let rows: Vec<AuditRow> = entries.into_iter().map(AuditRow::from).collect();
    wanted.page(&rows, next.as_deref())
}
