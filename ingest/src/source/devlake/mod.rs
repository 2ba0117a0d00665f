//! Apache DevLake's webhook API as it is posted to: deployments, issues and pull requests. Who sends them there sends
//! them here by changing the address. Source: backend/plugins/webhook in apache/incubator-devlake.

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
use crate::signature::{Secret, check_token};

/// DevLake's webhook API as a kind of connection.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "DevLake webhook API",
    recognises: |_| false,
    connect,
    options: || schemars::schema_for!(Options),
};

const NAME: &str = "devlake";

/// What DevLake's connection is of, where what is posted does not say it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Service of its deployments and incidents. Default: of the repository that each names.
    service: Option<String>,
    /// Repository of its pull requests. Default: the one in their URL.
    repository: Option<String>,
}

/// A connection that takes what is posted to DevLake's webhook API.
#[derive(Debug)]
struct DevLake {
    name: String,
    secrets: Vec<Secret>,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let options = options(&connection)?;
    Ok(Arc::new(DevLake { name: connection.name, secrets: connection.secrets, options }))
}

impl Source for DevLake {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.name
    }

    /// A closing has no body.
    fn delivery_id(&self, delivery: &Delivery) -> Option<String> {
        let path = posted_to(delivery)?;
        Some(hex::encode(Sha256::digest([path.as_bytes(), b"\n", &delivery.body].concat())))
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        check_token(&self.secrets, delivery).of(delivery)
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        translate::posted(delivery, &self.options).map(Told::facts)
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        translate::posted(delivery, &self.options).ok()?.reason()
    }
}
