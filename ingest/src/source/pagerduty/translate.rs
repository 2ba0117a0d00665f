//! What happens to an incident, to a version of it.

use dorado_lake::{Fact, Incident, Instant};

use crate::source::Error;
use crate::source::reading::{Place, Told, first_line, parse};

/// Translates an event.
pub(super) fn event(body: &[u8], source: &str) -> Result<Told, Error> {
    let body = parse(body)?;
    if !Place::of(&body).at("incident").is_null() {
        return Ok(Told::one(Fact::Incident(document(&Place::of(&body), source)?)));
    }
    let event = Place::of(&body).at("event");
    if event.is_null() {
        return Err(Place::of(&body).missing("event"));
    }
    let kind = event.needed_text("event_type")?;
    let data = event.at("data");
    // A note, a responder or a status update names its incident, but is none.
    let is_incident = data.text("type").is_none_or(|of| of == "incident") && kind.starts_with("incident.");
    if !is_incident {
        return Ok(Told::nothing(format!("event `{kind}` tells nothing that a metric needs")));
    }
    Ok(Told::one(Fact::Incident(incident(&event, &kind, source)?)))
}

fn incident(event: &Place<'_>, kind: &str, source: &str) -> Result<Incident, Error> {
    let data = event.at("data");
    let occurred_at = event.needed_time("occurred_at")?;
    let is_resolved = kind == "incident.resolved" || data.text("status").is_some_and(|status| status == "resolved");
    let resolved_at = match kind {
        "incident.resolved" => Some(data.time("resolved_at").unwrap_or(occurred_at)),
        _ => data.time("resolved_at").filter(|_| is_resolved),
    };
    let opened_at = data.time("created_at").or_else(|| (kind == "incident.triggered").then_some(occurred_at));
    // An event after the resolution need not say when that was. Without an opening it continues what was told before.
    let continues = is_resolved && resolved_at.is_none();
    let service = data.at("service").first_text(&["summary", "name", "id"]);
    let priority = data.at("priority").first_text(&["summary", "name"]);
    Ok(Incident {
        source: source.to_owned(),
        id: data.needed_text("id")?,
        services: service.into_iter().collect(),
        title: data.first_text(&["title", "summary"]).as_deref().and_then(first_line),
        severity: priority.or_else(|| data.text("urgency")),
        opened_at: opened_at.filter(|_| !continues),
        acknowledged_at: acknowledged_at(&data).or_else(|| (kind == "incident.acknowledged").then_some(occurred_at)),
        resolved_at,
        url: data.first_text(&["html_url", "self"]),
        updated_at: Some(occurred_at),
        ..Incident::default()
    })
}

/// An incident as REST tells it, with its log.
fn document(body: &Place<'_>, source: &str) -> Result<Incident, Error> {
    let told = body.at("incident");
    let log = body.list("log_entries");
    let entries = |kind: &str| {
        let of_kind = log.iter().filter(|entry| entry.text("type").is_some_and(|of| of.starts_with(kind)));
        of_kind.filter_map(|entry| entry.time("created_at")).collect::<Vec<Instant>>()
    };
    let changed_at = told.time("last_status_change_at");
    let is_resolved = told.text("status").is_some_and(|status| status == "resolved");
    // The last: between two it was opened again.
    let resolved_at =
        entries("resolve_log_entry").into_iter().max().or_else(|| told.time("resolved_at")).or(changed_at);
    let opened_at = told.time("created_at").or_else(|| entries("trigger_log_entry").into_iter().min());
    let priority = told.at("priority").first_text(&["summary", "name"]);
    let clock = [changed_at, told.time("updated_at"), opened_at, resolved_at.filter(|_| is_resolved)];
    Ok(Incident {
        source: source.to_owned(),
        id: told.needed_text("id")?,
        services: told.at("service").first_text(&["summary", "name", "id"]).into_iter().collect(),
        title: told.first_text(&["title", "summary"]).as_deref().and_then(first_line),
        severity: priority.or_else(|| told.text("urgency")),
        opened_at: Some(opened_at.map_or_else(|| told.needed_time("created_at"), Ok)?),
        acknowledged_at: entries("acknowledge_log_entry").into_iter().min().or_else(|| acknowledged_at(&told)),
        resolved_at: resolved_at.filter(|_| is_resolved),
        url: told.first_text(&["html_url", "self"]),
        updated_at: clock.into_iter().flatten().max(),
        ..Incident::default()
    })
}

/// The first acknowledgement that still stands, where the incident lists them.
fn acknowledged_at(data: &Place<'_>) -> Option<Instant> {
    data.list("acknowledgements").iter().filter_map(|acknowledgement| acknowledgement.time("at")).min()
}
