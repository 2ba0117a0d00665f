//! Alertmanager: each alert that fires is an incident, from its start to its end. Nothing is read from before it
//! was connected. Source: prometheus.io/docs/alerting/latest/configuration, "webhook_config", version 4 of the body;
//! Grafana's own alerts come in the same form.

#[cfg(test)]
mod tests;
mod translate;

use std::collections::BTreeMap;
use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reading::Told;
use super::{BadOption, Connection, Error, Kind, Source, options};
use crate::signature::{Secret, check_token};

/// Alertmanager as a kind of connection.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Prometheus Alertmanager",
    recognises: |headers| {
        headers.iter().any(|(name, value)| name == "user-agent" && value.starts_with("Alertmanager/"))
    },
    connect,
    options: || schemars::schema_for!(Options),
};

const NAME: &str = "alertmanager";

/// How alerts are read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Labels that name the service; the first that an alert has counts. Default: `service`, `service_name`, `app`,
    /// `app_kubernetes_io_name`.
    service_labels: Vec<String>,
    /// Labels that name the environment. Default: `environment`, `env`, `deployment_environment`.
    environment_labels: Vec<String>,
    /// Labels that hold the severity. Default: `severity`.
    severity_labels: Vec<String>,
    /// Which alerts are incidents: those whose labels have one of these values. Default: all but those of severity
    /// `none`, which are there to show that alerting works.
    only: BTreeMap<String, Vec<String>>,
}

impl Default for Options {
    fn default() -> Self {
        let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            service_labels: labels(&["service", "service_name", "app", "app_kubernetes_io_name"]),
            environment_labels: labels(&["environment", "env", "deployment_environment"]),
            severity_labels: labels(&["severity"]),
            only: BTreeMap::new(),
        }
    }
}

/// A connection to Alertmanager.
#[derive(Debug)]
struct Alertmanager {
    name: String,
    secrets: Vec<Secret>,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let options = options(&connection)?;
    Ok(Arc::new(Alertmanager { name: connection.name, secrets: connection.secrets, options }))
}

impl Alertmanager {
    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        translate::alerts(&delivery.body, &delivery.source_name(), &self.options)
    }
}

impl Source for Alertmanager {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.name
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        check_token(&self.secrets, delivery).of(delivery)
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        self.read(delivery).map(Told::facts)
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        self.read(delivery).ok()?.reason()
    }
}
