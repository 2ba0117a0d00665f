//! Terraform: run notifications of HCP Terraform and Terraform Enterprise. Source: developer.hashicorp.com,
//! "Notification configurations". What `terraform apply -json` prints is read by the import, through [`RunLog`].

mod apply;
#[cfg(test)]
mod tests;
mod translate;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::body::{self, Part};
use super::rule::{self, Rule};
use super::told::Told;
use super::{BadOption, Connection, Error, Kind, Source, options};
pub(crate) use apply::RunLog;

use crate::signature::{check_hmac_sha512, check_token};

const NAME: &str = "terraform";
const SIGNATURE: &str = "x-tfe-notification-signature";

/// Terraform among the tools.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Terraform",
    recognises: |headers| headers.iter().any(|(name, _)| name == SIGNATURE),
    connect,
    options: || -> Schema { schema_for!(Options) },
};

/// How Terraform is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Workspaces whose runs are deployments; where there are none, those of every workspace are.
    workspaces: Vec<Rule>,
    /// Environment of workspaces whose rule or name does not say it.
    environment: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { workspaces: Vec::new(), environment: "production".to_owned() }
    }
}

/// One connection of Terraform.
struct Terraform {
    connection: Connection,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let read: Options = options(&connection)?;
    rule::check(&read.workspaces, "workspaces")?;
    Ok(Arc::new(Terraform { connection, options: read }))
}

impl Terraform {
    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let value = body::parse(delivery)?;
        translate::notification(&Part::whole(&value), &delivery.source_name(), &self.options)
    }
}

impl Source for Terraform {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.connection.name
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        let secrets = &self.connection.secrets;
        match delivery.header(SIGNATURE) {
            Some(signature) => check_hmac_sha512(secrets, &delivery.body, signature).of(delivery),
            // A notification without a token of its own is not signed: then the address has to bring ours.
            None => check_token(secrets, delivery).of(delivery),
        }
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        Told::facts(self.read(delivery))
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        Told::reason(self.read(delivery))
    }
}
