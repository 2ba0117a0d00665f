//! The five metrics as gauges: per service and per team, over the thirty days before the current hour. What cannot be
//! measured has no sample. Percentiles over time are what the dashboards are for; gauges are for alerts.

use chrono::{DurationRound, TimeDelta};
use dorado_query::{Answer, Asked, METRICS, Question};

use crate::access::Reader;
use crate::api::Api;
use crate::problem::Problem;
use crate::telemetry::Exposition;

/// The period.
const PERIOD: TimeDelta = TimeDelta::days(30);
/// Services, and teams, at most: each is a series in somebody's Prometheus.
const AT_MOST: usize = 1_000;

/// A gauge: the metric, the field of its row, and its names and help for services and for teams.
struct Gauge {
    metric: &'static str,
    field: &'static str,
    names: [&'static str; 2],
    help: &'static str,
}

const GAUGES: [Gauge; 5] = [
    Gauge {
        metric: "deployment-frequency",
        field: "per_day",
        names: ["dorado_service_deployments_per_day", "dorado_team_deployments_per_day"],
        help: "Successful production deployments a day, in the last 30 days.",
    },
    Gauge {
        metric: "change-lead-time",
        field: "value",
        names: ["dorado_service_change_lead_time_seconds", "dorado_team_change_lead_time_seconds"],
        help: "Median change lead time in the last 30 days.",
    },
    Gauge {
        metric: "change-fail-rate",
        field: "value",
        names: ["dorado_service_change_fail_ratio", "dorado_team_change_fail_ratio"],
        help: "Change fail rate in the last 30 days, confirmed and probable.",
    },
    Gauge {
        metric: "failed-deployment-recovery-time",
        field: "value",
        names: [
            "dorado_service_failed_deployment_recovery_time_seconds",
            "dorado_team_failed_deployment_recovery_time_seconds",
        ],
        help: "Median failed deployment recovery time in the last 30 days.",
    },
    Gauge {
        metric: "deployment-rework-rate",
        field: "value",
        names: ["dorado_service_deployment_rework_ratio", "dorado_team_deployment_rework_ratio"],
        help: "Deployment rework rate in the last 30 days.",
    },
];

/// Writes them.
pub(super) async fn write(page: &mut Exposition, api: &Api, reader: &Reader) -> Result<(), Problem> {
    let now = api.now();
    // Within an hour it is one question, which is answered from memory until a table changes.
    let to = now.duration_trunc(TimeDelta::hours(1)).unwrap_or(now);
    let mut n_left_out = 0;
    for gauge in &GAUGES {
        for (group, name) in ["service", "team"].into_iter().zip(gauge.names) {
            let asked = Asked {
                from: Some((to - PERIOD).to_rfc3339()),
                to: Some(to.to_rfc3339()),
                bucket: Some("all".to_owned()),
                group_by: Some(group.to_owned()),
                ..Asked::default()
            };
            let question = Question::new(&asked, reader.audience.clone(), to)?;
            let Some(metric) = METRICS.iter().find(|metric| metric.id == gauge.metric) else { continue };
            let answer = api.ask(move |engine| async move { engine.series(metric, &question).await }).await?;
            n_left_out = n_left_out.max(samples(page, gauge, name, group, &answer));
        }
    }
    page.gauge(
        "dorado_delivery_groups_left_out",
        "Services or teams beyond the thousand that have gauges.",
        n_left_out,
    );
    Ok(())
}

/// Writes a family, and says how many groups are left out.
fn samples(page: &mut Exposition, gauge: &Gauge, name: &'static str, group: &str, answer: &Answer) -> usize {
    let measured = answer.data.iter().filter_map(|row| {
        let value = row.get(gauge.field)?.as_f64()?;
        Some((row.get(group)?.as_str()?, value))
    });
    page.family(name, "gauge", gauge.help);
    for (group_name, value) in measured.clone().take(AT_MOST) {
        page.sample("", &[(group, group_name)], value);
    }
    measured.count().saturating_sub(AT_MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_gauge_of_each_metric() {
        let of_gauges: Vec<&str> = GAUGES.iter().map(|gauge| gauge.metric).collect();
        assert_eq!(of_gauges, METRICS.iter().map(|metric| metric.id).collect::<Vec<_>>());
    }
}
