//! Argo CD: what its notifications controller posts. The body is what a template says, and ours
//! (integrations/argocd) says the parts of an Application that are needed, so a whole Application does as well.
//! Source: argo-cd.readthedocs.io, "Notifications" and the Application's definition.

mod health;
#[cfg(test)]
mod tests;
mod translate;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::body::{self, Part};
use super::told::Told;
use super::{BadOption, Connection, Error, Kind, Source, options};
use crate::signature::check_token;

const NAME: &str = "argocd";

/// Argo CD among the tools.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Argo CD",
    // Nothing in its headers is its own, so that it is addressed by name.
    recognises: |_| false,
    connect,
    options: || -> Schema { schema_for!(Options) },
};

/// How Argo CD is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Environment of applications where neither an annotation or label nor the name of application, namespace,
    /// project or cluster says it.
    environment: String,
    /// What an application's repository holds.
    repositories: Holds,
}

impl Default for Options {
    fn default() -> Self {
        Self { environment: "production".to_owned(), repositories: Holds::default() }
    }
}

/// What the repository of an Application holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Holds {
    /// Manifests: its commits are not those of the application, which is read from annotations and images.
    #[default]
    Manifests,
    /// The application's own code beside its manifests: its revision is the application's.
    Code,
}

/// One connection of Argo CD.
struct Argocd {
    connection: Connection,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let read = options(&connection)?;
    Ok(Arc::new(Argocd { connection, options: read }))
}

impl Argocd {
    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let value = body::parse(delivery)?;
        translate::message(&Part::whole(&value), &delivery.source_name(), &self.options)
    }
}

impl Source for Argocd {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.connection.name
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
}
