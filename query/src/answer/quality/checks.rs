//! From counts to rows: what each check is called, how grave it is where it fails, and what to do about it.

use std::collections::BTreeSet;

use dorado_lake::{Instant, SourceStatus};
use serde_json::{Value, json};

use crate::answer::benchmark::object;
use crate::engine::Row;

/// What was counted.
#[derive(Debug, Default)]
pub(super) struct Counted {
    pub(super) n_attempts: i64,
    pub(super) n_with_revision: i64,
    pub(super) n_duplicates: i64,
    pub(super) n_homeless_deployments: Option<i64>,
    /// Services that were deployed in the period.
    pub(super) services: BTreeSet<String>,
    pub(super) services_with_changes: BTreeSet<String>,
    pub(super) services_with_incidents: BTreeSet<String>,
    pub(super) n_services_known: i64,
    pub(super) n_services_with_team: i64,
    pub(super) n_changes: i64,
    pub(super) n_shipped: i64,
    pub(super) n_known_unshipped: i64,
    pub(super) n_without_commit_time: i64,
    pub(super) n_with_pull_request: i64,
    pub(super) n_skewed: i64,
    /// Of all rows: with an end before its beginning.
    pub(super) n_backwards: i64,
    pub(super) n_future: i64,
    /// Rows of attempts, changes and incidents.
    pub(super) n_rows: i64,
    pub(super) n_incidents: i64,
    pub(super) n_confirmed: i64,
    pub(super) n_probable: i64,
    /// Of the incidents in production: those of a known service, and all.
    pub(super) incidents_with_service: Option<(i64, i64)>,
}

/// One check: `right` of `all` are as they should be.
struct Check {
    id: &'static str,
    title: &'static str,
    right: i64,
    all: i64,
    /// From 0 to 1: how much the numbers lose where nothing is right.
    gravity: f64,
    advice: &'static str,
}

const fn check(
    id: &'static str,
    title: &'static str,
    (right, all): (i64, i64),
    gravity: f64,
    advice: &'static str,
) -> Check {
    Check { id, title, right, all, gravity, advice }
}

/// Rows of all checks, what costs most first.
pub(super) fn rows(counted: &Counted, sources: &[SourceStatus], now: Instant) -> Vec<Row> {
    let mut rows: Vec<(f64, Row)> = checks(counted).iter().map(Check::row).collect();
    rows.extend(sources.iter().map(|source| lag(source, now)));
    // Stable: checks of one weight stay in the order in which they are listed.
    rows.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn checks(c: &Counted) -> Vec<Check> {
    let mut checks = of_deployments(c);
    checks.extend(of_changes(c));
    checks.extend(of_incidents(c));
    let rows = |wrong: i64| (c.n_rows - wrong, c.n_rows);
    checks.extend([
        check("negative_times", "Records that end after they begin", rows(c.n_backwards), 0.6,
            "Compare the clocks of the tools whose records end before they begin; explain a number to see such rows."),
        check("future_times", "Records that are not dated in the future", (c.n_rows, c.n_rows + c.n_future), 0.6,
            "Set the clocks of the tools that sent records of the future, and send those records again."),
        check("services_without_data", "Known services that were deployed in the period",
            (c.services.len() as i64, c.n_services_known.max(c.services.len() as i64)), 0.3,
            "Send the deployments of the services that have none in this period, or take them out of the configuration."),
    ]);
    checks
}

fn of_deployments(c: &Counted) -> Vec<Check> {
    let services = c.services.len() as i64;
    let mut checks = vec![
        check(
            "deployment_revision",
            "Deployments that say which commit they put live",
            (c.n_with_revision, c.n_attempts),
            0.9,
            "Send the full commit SHA as `revision` with each deployment: without it, what shipped is guessed from times alone.",
        ),
        check(
            "service_team",
            "Deployed services that belong to a team",
            (c.n_services_with_team, services),
            0.3,
            "Name a `team` for each `[[service]]` in dorado.toml, or send it with the deployment: else a service is in no team's numbers.",
        ),
        check(
            "duplicate_deployments",
            "Deployments reported once, not by two tools",
            (c.n_attempts - c.n_duplicates, c.n_attempts),
            0.7,
            "Let one tool report each deployment: two report the same commit of the same service within an hour, which counts twice.",
        ),
    ];
    if let Some(lost) = c.n_homeless_deployments {
        checks.push(check(
            "deployment_service",
            "Deployments that say which service they are of",
            (c.n_attempts, c.n_attempts + lost),
            1.0,
            "Send `service` or `repository` with each deployment: one that has neither counts nowhere.",
        ));
    }
    checks
}

fn of_changes(c: &Counted) -> Vec<Check> {
    let with_changes = c.services.intersection(&c.services_with_changes).count() as i64;
    vec![
        check(
            "service_changes",
            "Deployed services whose code changes arrive here",
            (with_changes, c.services.len() as i64),
            1.0,
            "Connect the repositories of these services, or list `changes` with each deployment: without them there is no lead time.",
        ),
        check(
            "change_linked",
            "Changes of which it is known whether they shipped",
            (c.n_shipped + c.n_known_unshipped, c.n_changes),
            0.9,
            "Send the parents of each commit, or list `changes` with each deployment: old changes without a deployment may have shipped unseen.",
        ),
        check(
            "change_commit_time",
            "Shipped changes with a believable commit date",
            (c.n_shipped - c.n_without_commit_time, c.n_shipped),
            0.8,
            "Send author or committer dates that lie before the deployment and after 1990: these changes have no lead time.",
        ),
        check(
            "change_pull_request",
            "Changes that came with a pull request",
            (c.n_with_pull_request, c.n_changes),
            0.4,
            "Connect the tool in which changes are reviewed: without pull requests lead time has no stages.",
        ),
        check(
            "clock_skew",
            "Changes that were merged before they shipped",
            (c.n_changes - c.n_skewed, c.n_changes),
            0.6,
            "Compare the clocks of the repository's host and of the tool that deploys: these changes shipped before they were merged.",
        ),
    ]
}

fn of_incidents(c: &Counted) -> Vec<Check> {
    let attributed = c.n_confirmed + c.n_probable;
    let watched = c.services.intersection(&c.services_with_incidents).count() as i64;
    let mut checks = vec![
        check(
            "service_incidents",
            "Deployed services whose incidents arrive here",
            (watched, c.services.len() as i64),
            0.8,
            "Connect the tool in which incidents of these services are opened, or send incidents as events: a service without any looks as if it never failed.",
        ),
        check(
            "incidents_attributed",
            "Incidents traced to a deployment",
            (attributed, c.n_incidents),
            0.5,
            "Name what caused an incident (`caused_by`), or decide it where the incident is listed. Some have other causes: 100 % is no goal.",
        ),
        check(
            "incidents_confirmed",
            "Incidents traced by name, not by time alone",
            (c.n_confirmed, c.n_incidents),
            0.3,
            "Name the deployment in the incident: one that is blamed because it came shortly before is only probable.",
        ),
    ];
    if let Some(counts) = c.incidents_with_service {
        checks.push(check(
            "incident_service",
            "Incidents that say which service they hit",
            counts,
            0.8,
            "Send `services` with each incident, in the names that deployments use: else it counts against no service.",
        ));
    }
    checks
}

impl Check {
    /// The row, and by how much it goes before others.
    fn row(&self) -> (f64, Row) {
        let value = (self.all > 0).then(|| (self.right as f64 / self.all as f64).clamp(0.0, 1.0));
        let weight = value.map_or(0.0, |value| self.gravity * (1.0 - value));
        let row = object([
            ("check", json!(self.id)),
            ("title", json!(self.title)),
            ("subject", Value::Null),
            ("value", json!(value)),
            ("numerator", json!(self.right as f64)),
            ("denominator", json!(self.all as f64)),
            ("unit", json!("ratio")),
            ("weight", json!(weight)),
            ("advice", json!((weight > 0.0).then_some(self.advice))),
        ]);
        (weight, row)
    }
}

/// A source that is silent for so many seconds may have lost its connection.
const SILENT: f64 = 7.0 * 86_400.0;

fn lag(source: &SourceStatus, now: Instant) -> (f64, Row) {
    let lag = source.last_delivery_at.map(|at| (now - at).as_seconds_f64().max(0.0));
    let weight = lag.map_or(0.0, |lag| if lag < SILENT { 0.0 } else { 0.5 });
    let advice = format!(
        "Nothing has come from `{}` for {:.0} days: look whether its deliveries are still sent, and with the right secret.",
        source.source,
        lag.unwrap_or(0.0) / 86_400.0
    );
    let row = object([
        ("check", json!("source_lag")),
        ("title", json!("Time since a source was last heard from")),
        ("subject", json!(source.source)),
        ("value", Value::Null),
        ("numerator", json!(lag)),
        ("denominator", Value::Null),
        ("unit", json!("seconds")),
        ("weight", json!(weight)),
        ("advice", json!((weight > 0.0).then_some(advice))),
    ]);
    (weight, row)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Counted {
        Counted {
            n_attempts: 10,
            n_with_revision: 5,
            n_rows: 100,
            services: BTreeSet::from(["a".to_owned(), "b".to_owned()]),
            services_with_changes: BTreeSet::from(["a".to_owned(), "z".to_owned()]),
            n_services_known: 2,
            n_services_with_team: 2,
            ..Counted::default()
        }
    }

    #[test]
    fn what_costs_most_comes_first_and_what_is_right_needs_no_advice() {
        let rows = rows(&counted(), &[], Instant::UNIX_EPOCH);
        let of = |id: &str| rows.iter().find(|row| row["check"] == id).cloned().unwrap_or_default();
        let order: Vec<&str> = rows.iter().filter_map(|row| row["check"].as_str()).take(3).collect();
        assert_eq!(order, ["service_incidents", "service_changes", "deployment_revision"]);
        assert_eq!(of("service_incidents")["value"], 0.0);
        assert_eq!(of("deployment_revision")["value"], 0.5);
        assert_eq!((&of("service_team")["value"], &of("service_team")["advice"]), (&json!(1.0), &Value::Null));
        // Nothing of it, so nothing can be said.
        assert_eq!(
            (&of("incidents_attributed")["value"], &of("incidents_attributed")["advice"]),
            (&Value::Null, &Value::Null)
        );
        assert!(of("deployment_service").is_empty(), "it was not counted");
    }

    #[test]
    fn a_source_that_fell_silent_is_named() {
        let now = Instant::from_timestamp(100 * 86_400, 0).expect("in range");
        let source = |days: i64| SourceStatus {
            source: "ci".into(),
            last_delivery_at: Some(now - chrono::TimeDelta::days(days)),
            n_kept: 1,
            n_ignored: 0,
            n_rejected: 0,
            n_waiting: 0,
            reasons: Vec::new(),
        };
        let (weight, row) = lag(&source(8), now);
        assert!(weight > 0.0);
        assert!(row["advice"].as_str().is_some_and(|advice| advice.contains("`ci` for 8 days")), "{row:?}");
        let (weight, row) = lag(&source(1), now);
        assert_eq!((weight, &row["numerator"], &row["advice"]), (0.0, &json!(86_400.0), &Value::Null));
    }
}
