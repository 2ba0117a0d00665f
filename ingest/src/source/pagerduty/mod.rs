//! PagerDuty: webhooks of version 3, and over REST incidents with their logs. What happens to an incident comes as an event
//! each, with the incident as it then was. Source: developer.pagerduty.com, "Webhooks Overview", "Verifying Signatures" and
//! the support article "Webhooks".

mod collect;
#[cfg(test)]
mod tests;
mod translate;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use schemars::JsonSchema;
use serde::Deserialize;

use super::reading::{Place, Told, parse};
use super::{BadOption, Connection, Cursor, Error, Kind, Page, Source, options};
use crate::http::{Authorization, Http, Outgoing};
use crate::signature::{Checked, check_hmac_sha256};

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

/// Which incidents are read; they need a `token`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Ids of the services whose incidents are read, as `PQUAY01`; none for all that the token may see.
    services: Vec<String>,
    /// Ids of the teams whose incidents are read; none for all.
    teams: Vec<String>,
}

/// A connection to PagerDuty.
#[derive(Debug)]
struct PagerDuty {
    connection: Connection,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let options: Options = options(&connection)?;
    Ok(Arc::new(PagerDuty { connection, options }))
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
        &self.connection.name
    }

    fn delivery_id(&self, delivery: &Delivery) -> Option<String> {
        Place::of(&parse(&delivery.body).ok()?).at("event").text("id")
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        let signatures = delivery.header(SIGNATURE).unwrap_or_default().split(',');
        let hex = signatures.filter_map(|signature| signature.trim().strip_prefix("v1="));
        let mut is_unreadable = false;
        for signature in hex.take(MOST_SIGNATURES) {
            match check_hmac_sha256(&self.connection.secrets, &delivery.body, signature) {
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

    fn outgoing(&self) -> Option<Outgoing> {
        let token = self.connection.token.clone()?;
        let mut outgoing = self.connection.outgoing("https://api.pagerduty.com", Authorization::Token(token));
        outgoing.headers = vec![("accept", "application/vnd.pagerduty+json;version=2".to_owned())];
        Some(outgoing)
    }

    fn collect<'a>(&'a self, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
        collect::collect(self, http, from)
    }

    fn test<'a>(&'a self, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
        collect::test(self, http)
    }
}

/// More signatures than secrets can be live at once are not looked at.
const MOST_SIGNATURES: usize = 16;
