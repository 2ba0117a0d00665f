//! When an application was not well although it had been synced: an incident from when it became degraded until it was
//! healthy again.
//!
//! A message about a healthy application does not say that it had been degraded. But the controller notes on the
//! application which notifications it has sent, and ours are sent once per change of health, named by its instant:
//! so every message tells all periods that are noted, and one that was lost is told by the next.

use dorado_lake::{Deployment, Incident, Instant};
use serde_json::{Map, Value};

use super::translate::{full_name, id_at};
use crate::source::body::Part;
use crate::source::told::first_line;
use crate::source::{Error, time};

/// Where the controller notes what it has sent, as an object whose keys are `ONCE-PER:TRIGGER:…`.
const NOTED: &str = "notified.notifications.argoproj.io";
/// Our triggers.
const DEGRADED: &str = ":on-dorado-degraded:";
const HEALTHY: &str = ":on-dorado-healthy:";

/// Incidents that are known of the application; the last may still be open.
pub(super) fn incidents(app: &Part<'_>, deployment: &Deployment) -> Result<Vec<Incident>, Error> {
    let changed_at = app.instant("status.health.lastTransitionTime").or_else(|| app.instant("status.reconciledAt"));
    let mut starts = noted(app, DEGRADED);
    let mut ends = noted(app, HEALTHY);
    let was_deployed = app.text("status.operationState.phase").as_deref() == Some("Succeeded");
    match app.text("status.health.status").as_deref() {
        // While it is synced it may well be, and where the sync failed nothing new was brought.
        Some("Degraded") if was_deployed => {
            starts.push(changed_at.ok_or_else(|| app.missing("status.health.lastTransitionTime"))?);
        }
        Some("Healthy") => ends.extend(changed_at),
        _ => {}
    }
    starts.sort_unstable();
    starts.dedup();
    let name = full_name(app)?;
    let message = app.text("status.health.message");
    let incident = |opened_at: Instant| {
        let resolved_at = ends.iter().copied().filter(|end| *end > opened_at).min();
        let why = message.as_ref().filter(|_| resolved_at.is_none()).map_or_else(String::new, |m| format!(": {m}"));
        Incident {
            source: deployment.source.clone(),
            id: format!("{name}/degraded@{}", opened_at.format("%Y-%m-%dT%H:%M:%SZ")),
            services: deployment.service.iter().cloned().collect(),
            repository: deployment.repository.clone(),
            environment: Some(deployment.environment.clone()),
            title: first_line(&format!("{name} is degraded{why}")),
            opened_at: Some(opened_at),
            resolved_at,
            caused_by: Some(deployed_before(app, &name, opened_at).unwrap_or_else(|| deployment.id.clone())),
            updated_at: resolved_at.or(Some(opened_at)),
            ..Incident::default()
        }
    };
    Ok(starts.into_iter().map(incident).collect())
}

/// Instants at which one of our triggers was sent.
fn noted(app: &Part<'_>, trigger: &str) -> Vec<Instant> {
    let noted = app.part("metadata.annotations").field(NOTED).to_text();
    let noted = noted.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok()).unwrap_or_default();
    noted.keys().filter_map(|key| time::of_text(key.split_once(trigger)?.0)).collect()
}

/// The sync that was in place at an instant.
fn deployed_before(app: &Part<'_>, name: &str, at: Instant) -> Option<String> {
    let history = app.items("status.history");
    let before = history.iter().filter_map(|entry| Some((entry.instant("deployedAt").filter(|t| *t <= at)?, entry)));
    let (_, last) = before.max_by_key(|(deployed_at, _)| *deployed_at)?;
    Some(id_at(name, &last.text("deployStartedAt")?))
}
