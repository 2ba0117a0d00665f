//! Jenkins: what its Notification plugin posts, or a step of a Jenkinsfile that posts the same. Source: the plugin's
//! own code (`Phase`, `JobState`, `BuildState`), whose field names go over the wire.

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
use crate::signature::check_token;

const NAME: &str = "jenkins";

/// Jenkins among the tools.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Jenkins",
    // Nothing in its headers is its own, so that it is addressed by name.
    recognises: |_| false,
    connect,
    options: || -> Schema { schema_for!(Options) },
};

/// How Jenkins is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Jobs that deploy, by name or full path; where there are none, every job that notifies does.
    jobs: Vec<Rule>,
    /// Build parameters that name the environment, in any case. Where a build has none of them, its job's rule or
    /// name says it.
    environment_parameters: Vec<String>,
    /// Build parameters that name the service, in any case.
    service_parameters: Vec<String>,
    /// Environment of builds of which nothing says it.
    environment: String,
}

impl Default for Options {
    fn default() -> Self {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            jobs: Vec::new(),
            environment_parameters: owned(&["environment", "env", "deploy_env", "target_env", "deploy_to", "stage"]),
            service_parameters: owned(&["service", "service_name", "application", "app", "app_name"]),
            environment: "production".to_owned(),
        }
    }
}

/// One connection of Jenkins.
struct Jenkins {
    connection: Connection,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let read: Options = options(&connection)?;
    rule::check(&read.jobs, "jobs")?;
    Ok(Arc::new(Jenkins { connection, options: read }))
}

impl Jenkins {
    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let value = body::parse(delivery)?;
        translate::notification(&Part::whole(&value), delivery, &self.options)
    }
}

impl Source for Jenkins {
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
