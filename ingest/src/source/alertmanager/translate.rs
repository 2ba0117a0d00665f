//! Alerts to incidents.

use std::collections::BTreeMap;

use dorado_lake::{Fact, Incident};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Options;
use crate::source::Error;
use crate::source::reading::{Place, Told, first_line, parse};

/// Translates a notification: a group of alerts, each with a state of its own.
pub(super) fn alerts(body: &[u8], source: &str, options: &Options) -> Result<Told, Error> {
    let body = parse(body)?;
    let body = Place::of(&body);
    let alerts = body.list("alerts");
    if alerts.is_empty() {
        return Ok(Told::nothing("a notification without alerts"));
    }
    let mut facts = Vec::with_capacity(alerts.len());
    for alert in &alerts {
        if is_incident(alert, options) {
            facts.push(Fact::Incident(incident(alert, source, options)?));
        }
    }
    if facts.is_empty() {
        return Ok(Told::nothing("none of these alerts is configured to be an incident"));
    }
    Ok(Told::Facts(facts))
}

fn is_incident(alert: &Place<'_>, options: &Options) -> bool {
    let labels = alert.at("labels");
    if options.only.is_empty() {
        return labels.text("severity").is_none_or(|severity| severity != "none");
    }
    options.only.iter().all(|(label, values)| labels.text(label).is_some_and(|value| values.contains(&value)))
}

/// An alert that fires again after its end starts at another instant, and is another incident. The group is no part
/// of its id: one alert may be told in several.
fn incident(alert: &Place<'_>, source: &str, options: &Options) -> Result<Incident, Error> {
    let labels = alert.at("labels");
    let label = |names: &[String]| names.iter().find_map(|name| labels.text(name));
    let annotations = alert.at("annotations");
    let starts_at = alert.needed_time("startsAt")?;
    // While an alert fires its end is 0001-01-01, or when it will be taken to be over if nobody speaks of it again.
    let is_over = alert.text("status").is_some_and(|status| status == "resolved");
    let resolved_at = if is_over { Some(alert.needed_time("endsAt")?) } else { None };
    let fingerprint = alert.text("fingerprint").unwrap_or_else(|| digest(&labels));
    let title = annotations.first_text(&["summary", "title", "description", "message"]);
    Ok(Incident {
        source: source.to_owned(),
        id: format!("{fingerprint}/{}", starts_at.format("%Y-%m-%dT%H:%M:%S%.3fZ")),
        services: label(&options.service_labels).into_iter().collect(),
        environment: label(&options.environment_labels),
        title: title.as_deref().and_then(first_line).or_else(|| labels.text("alertname")),
        severity: label(&options.severity_labels),
        opened_at: Some(starts_at),
        resolved_at,
        url: alert.first_text(&["generatorURL", "dashboardURL"]),
        updated_at: Some(resolved_at.unwrap_or(starts_at)),
        ..Incident::default()
    })
}

/// What stands for a fingerprint in versions that had none: alerts are told apart by their labels.
fn digest(labels: &Place<'_>) -> String {
    let sorted: BTreeMap<&String, &Value> = labels.value().as_object().into_iter().flatten().collect();
    hex::encode(&Sha256::digest(format!("{sorted:?}"))[..8])
}
