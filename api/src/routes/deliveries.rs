//! `/api/v1/deliveries`: what was delivered, and which facts each delivery gives or why it gives none. Read again by the
//! translator as it is now.

use axum::extract::State;
use axum::response::Response;
use dorado_ingest::source_name;
use dorado_query::{Answer, Deliveries, DeliveryOutcome, SettledDelivery};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use crate::access::WholeReader;
use crate::answer::{Tag, Wanted};
use crate::api::Api;
use crate::extract::Query;
use crate::problem::{Kind, Problem};
use crate::routes::question::{PageParams, Rows, number_of, numbered_cursor};
use crate::taking::FactName;

/// Facts of a delivery that are named at most.
const NAMED: usize = 100;

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryParams {
    /// Only of this source, as `events`, or of one connection of it, as `events/main`.
    #[param(example = "events")]
    source: Option<String>,
    /// Only with this outcome: `kept`, `ignored` or `rejected`.
    #[param(pattern = "^(kept|ignored|rejected)?$", example = "rejected")]
    outcome: Option<String>,
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryRow {
    /// Its number, in order of arrival.
    #[schema(example = 4711)]
    arrival: i64,
    /// Source and connection.
    #[schema(example = "events/main")]
    source: String,
    /// The sender's id for it.
    #[schema(example = "72d3162e-cc78-11e3-81ab-4c9367dc0958")]
    id: String,
    /// When it arrived.
    #[schema(example = "2026-11-01T08:00:00Z")]
    received_at: String,
    /// kept: it gave facts. ignored: it is right and gave none. rejected: it could not be read.
    #[schema(example = "kept")]
    outcome: &'static str,
    /// Facts that it gave.
    #[schema(example = 1)]
    n_facts: i64,
    /// The first hundred of them.
    facts: Vec<FactName>,
    /// Why it gave none; null where it gave some.
    why_none: Option<String>,
}

/// Deliveries, newest first
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "Deliveries", params(DeliveryParams, PageParams), responses(
    (status = 200, description = "A page of them; `Link: rel=next` leads to the next", body = Rows<DeliveryRow>),
))]
pub(crate) async fn deliveries(
    _: WholeReader,
    State(api): State<Api>,
    Query(asked, page): Query<DeliveryParams, PageParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let page = page.page()?;
    let wrong = |name: &str, value: String, right: &str| {
        Problem::new(Kind::InvalidParameter, format!("`{name}` is not right"))
            .parameter(name)
            .value(value)
            .expected(right)
    };
    let outcome = asked.outcome.map(|name| {
        let found = DeliveryOutcome::ALL.into_iter().find(|outcome| outcome.as_str() == name);
        found.ok_or_else(|| wrong("outcome", name, "kept, ignored or rejected"))
    });
    let before = page.cursor.as_deref().map(number_of).transpose()?;
    // One more than a page tells whether there is another.
    let asked = Deliveries {
        source: asked.source,
        outcome: outcome.transpose()?,
        before,
        limit: page.limit + 1,
        ..Deliveries::default()
    };
    let (reader, engine, format) = (api.clone(), api.engine().clone(), wanted.format);
    let (body, next_cursor) = api
        .on_queries(async move {
            let mut found = engine.deliveries(&asked).await?;
            let has_more = found.len() > page.limit;
            found.truncate(page.limit);
            let next_cursor = found.last().filter(|_| has_more).map(|last| numbered_cursor(last.arrival));
            let rows = found.iter().filter_map(|settled| json!(row(&reader, settled)).as_object().cloned());
            let meta = [("next_cursor".to_owned(), json!(next_cursor))].into_iter().collect();
            let answer = Answer { data: rows.collect(), series: None, differences: None, meta };
            Ok((format.encode(&answer)?, next_cursor))
        })
        .await?;
    let tag = Tag::of_body(&body);
    if wanted.has(&tag) {
        return Ok(Wanted::not_modified(&tag));
    }
    Ok(wanted.respond(body, &tag, next_cursor.as_deref()))
}

fn row(api: &Api, settled: &SettledDelivery) -> DeliveryRow {
    let SettledDelivery { arrival, delivery, n_facts, problem } = settled;
    let name = delivery.source_name();
    let source = api.sources().iter().find(|source| source_name(source.as_ref()) == name);
    let told = source.map(|source| (source.translate(delivery), source));
    let (facts, why_none) = match told {
        None => (Vec::new(), Some(format!("source `{name}` is not connected"))),
        Some((Ok(facts), source)) if facts.is_empty() => (facts, source.ignored_reason(delivery)),
        Some((Ok(facts), _)) => (facts, None),
        Some((Err(error), _)) => (Vec::new(), Some(error.to_string())),
    };
    let facts = facts.iter().take(NAMED);
    DeliveryRow {
        arrival: *arrival,
        source: name,
        id: delivery.id.clone(),
        received_at: delivery.received_at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
        outcome: settled.outcome().as_str(),
        n_facts: *n_facts,
        facts: facts.map(|fact| FactName { kind: fact.kind(), id: fact.id().to_owned() }).collect(),
        why_none: problem.clone().or(why_none),
    }
}
