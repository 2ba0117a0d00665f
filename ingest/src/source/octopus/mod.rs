//! Octopus Deploy: what its subscriptions post, and over REST whole deployments. A subscription's event has ids, and
//! names only in its sentence; where the connection may ask, an event does nothing but start the next collecting, which
//! brings the whole record. Source: octopus.com/docs, "Subscriptions" and "Octopus REST API".

mod collect;
#[cfg(test)]
mod tests;
mod translate;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::body::{self, Part};
use super::told::Told;
use super::{BadOption, Connection, Cursor, Error, Kind, Page, Source, options};
use crate::http::{Authorization, Http, Outgoing};
use crate::signature::check_token;

const NAME: &str = "octopus";

/// Octopus Deploy among the tools.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Octopus Deploy",
    // Its headers are what the subscription's owner writes, so that it is addressed by name.
    recognises: |_| false,
    connect,
    options: || -> Schema { schema_for!(Options) },
};

/// How Octopus Deploy is read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Spaces to read deployments from, by name or id; none for the default space.
    spaces: Vec<String>,
}

/// One connection of Octopus Deploy.
struct Octopus {
    connection: Connection,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let read: Options = options(&connection)?;
    match (&connection.url, &connection.token) {
        (None, Some(_)) => Err(BadOption::new("url", "a token is given, and no address to use it at")),
        (Some(_), None) => Err(BadOption::new("token", "an address is given, and no API key to ask it with")),
        _ => Ok(Arc::new(Octopus { connection, options: read })),
    }
}

impl Octopus {
    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let value = body::parse(delivery)?;
        let body = Part::whole(&value);
        if body.part("deployment").exists() {
            return translate::document(&body, &delivery.source_name());
        }
        match translate::event(&body, &delivery.source_name())? {
            Told::Facts(_) if self.asks() => Ok(Told::nothing("its whole record is read from Octopus Deploy")),
            told => Ok(told),
        }
    }

    /// Whether it is asked for what its events are about.
    fn asks(&self) -> bool {
        self.connection.token.is_some()
    }
}

impl Source for Octopus {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.connection.name
    }

    fn delivery_id(&self, delivery: &Delivery) -> Option<String> {
        let value = body::parse(delivery).ok()?;
        Part::whole(&value).text("Payload.Event.Id")
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        check_token(&self.connection.secrets, delivery).of(delivery)
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        Told::facts(self.read(delivery))
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        Told::reason(self.read(delivery))
    }

    fn outgoing(&self) -> Option<Outgoing> {
        let key = self.connection.token.clone()?;
        Some(self.connection.outgoing("", Authorization::Header("x-octopus-apikey", key)))
    }

    fn asks_to_collect(&self, delivery: &Delivery) -> bool {
        let Ok(value) = body::parse(delivery) else { return false };
        self.asks() && matches!(translate::event(&Part::whole(&value), NAME), Ok(Told::Facts(_)))
    }

    fn collect<'a>(&'a self, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
        collect::collect(self, http, from)
    }

    fn test<'a>(&'a self, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
        collect::test(self, http)
    }
}
