//! Ansible: what the callback plugin under `integrations/ansible` sends at the start and at the end of a playbook.
//! Ansible itself sends nothing.

#[cfg(test)]
mod tests;
mod translate;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use schemars::JsonSchema;
use serde::Deserialize;

use super::reading::Told;
use super::{BadOption, Connection, Error, Kind, Source, options};
use crate::signature::{Secret, check_token};

/// Ansible as a kind of connection.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Ansible",
    recognises: |headers| {
        headers.iter().any(|(name, value)| name == "user-agent" && value.starts_with("dorado-ansible/"))
    },
    connect,
    options: || schemars::schema_for!(Options),
};

const NAME: &str = "ansible";

/// There are none.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {}

/// A connection that takes what the callback plugin sends.
#[derive(Debug)]
struct Ansible {
    name: String,
    secrets: Vec<Secret>,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let Options {} = options(&connection)?;
    Ok(Arc::new(Ansible { name: connection.name, secrets: connection.secrets }))
}

impl Source for Ansible {
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
        translate::run(delivery).map(Told::facts)
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        translate::run(delivery).ok()?.reason()
    }
}
