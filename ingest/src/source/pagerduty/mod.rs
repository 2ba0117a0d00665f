//! PagerDuty: webhooks of version 3. What happens to an incident comes as an event each, with the incident as it then
//! was. Source: developer.pagerduty.com, "Webhooks Overview", "Verifying Signatures" and the support article "Webhooks".

#[cfg(test)]
mod tests;
mod translate;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reading::{Place, Told, parse};
use super::{BadOption, Connection, Error, Kind, Source, options};
use crate::signature::{Checked, Secret, check_hmac_sha256};

/// PagerDuty as a kind of connection.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "PagerDuty",
    recognises: |headers| headers.iter().any(|(name, _)| name == SIGNATURE),
    connect,
    options: || schemars::schema_for!(Options),
};

const NAME: &str = "pagerduty";

/// Holds one signature for each secret that is live: `v1=…,v1=…`.
const SIGNATURE: &str = "x-pagerduty-signature";

/// There are none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {}

/// A connection to PagerDuty.
#[derive(Debug)]
struct PagerDuty {
    name: String,
    secrets: Vec<Secret>,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let Options {} = options(&connection)?;
    Ok(Arc::new(PagerDuty { name: connection.name, secrets: connection.secrets }))
}

impl PagerDuty {
    fn read(delivery: &Delivery) -> Result<Told, Error> {
        translate::event(&delivery.body, &delivery.source_name())
    }
}

impl Source for PagerDuty {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.name
    }

    fn delivery_id(&self, delivery: &Delivery) -> Option<String> {
        Place::of(&parse(&delivery.body).ok()?).at("event").text("id")
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        let signatures = delivery.header(SIGNATURE).unwrap_or_default().split(',');
        let hex = signatures.filter_map(|signature| signature.trim().strip_prefix("v1="));
        let mut is_unreadable = false;
        for signature in hex.take(MOST_SIGNATURES) {
            match check_hmac_sha256(&self.secrets, &delivery.body, signature) {
                Checked::Signed => return Ok(()),
                Checked::Unknown => is_unreadable = true,
                Checked::Forged => {}
            }
        }
        let source_name = delivery.source_name();
        Err(if is_unreadable { Error::Unreadable { source_name } } else { Error::Forged { source_name } })
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        Self::read(delivery).map(Told::facts)
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        Self::read(delivery).ok()?.reason()
    }
}

/// More signatures than secrets can be live at once are not looked at.
const MOST_SIGNATURES: usize = 16;
