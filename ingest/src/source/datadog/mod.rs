//! Datadog's DORA API as it is posted to: deployments, failures and what became of a deployment. Who sends them there
//! sends them here by changing the address. Source: docs.datadoghq.com/api/latest/dora-metrics.

#[cfg(test)]
mod tests;
mod translate;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::reading::Told;
use super::{BadOption, Connection, Error, Kind, Source, options, posted_to};
use crate::signature::{Checked, Secret, check_same, check_token};

/// Datadog's API as a kind of connection.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Datadog DORA API",
    recognises: |headers| headers.iter().any(|(name, _)| name == API_KEY),
    connect,
    options: || schemars::schema_for!(Options),
};

const NAME: &str = "datadog";

/// Holds the connection's secret.
const API_KEY: &str = "dd-api-key";

/// There are none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {}

/// A connection that takes what is posted to Datadog's API.
#[derive(Debug)]
struct Datadog {
    name: String,
    secrets: Vec<Secret>,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let Options {} = options(&connection)?;
    Ok(Arc::new(Datadog { name: connection.name, secrets: connection.secrets }))
}

impl Source for Datadog {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.name
    }

    /// A verdict may be given, changed and given again in the same words, and what was deleted be deleted again: each time it
    /// is another delivery.
    fn delivery_id(&self, delivery: &Delivery) -> Option<String> {
        let path = posted_to(delivery)?;
        let digest = hex::encode(Sha256::digest([path.as_bytes(), b"\n", &delivery.body].concat()));
        let says_when = path.contains('/');
        Some(if says_when { format!("{digest}/{}", delivery.received_at.timestamp_micros()) } else { digest })
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        let checked = match delivery.header(API_KEY) {
            Some(key) => check_same(&self.secrets, key),
            None => check_token(&self.secrets, delivery),
        };
        Checked::of(checked, delivery)
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        translate::posted(delivery).map(Told::facts)
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        translate::posted(delivery).ok()?.reason()
    }
}
