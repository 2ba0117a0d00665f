//! CDEvents, over CloudEvents' HTTP binding: binary, structured and batched, or as they are. Versions 0.3 to 0.5 of the
//! specification; fields have kept their names. Source: cdevents.dev and cloudevents.io, "HTTP Protocol Binding".

#[cfg(test)]
mod conformance;
mod purl;
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

/// CDEvents as a kind of connection.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "CDEvents",
    recognises: |headers| {
        let is = |(name, value): &(String, String)| match name.as_str() {
            "ce-type" => value.starts_with("dev.cdevents."),
            "content-type" => value.starts_with("application/cloudevents"),
            _ => false,
        };
        headers.iter().any(is)
    },
    connect,
    options: || schemars::schema_for!(Options),
};

const NAME: &str = "cdevents";

/// What pipelines are.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Pipelines that deploy. CDEvents has no word for a deployment that failed: a run of such a pipeline that did not end
    /// well is one. That it ended well, `service.deployed` tells.
    pipelines: Vec<Pipeline>,
}

/// A pipeline that deploys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pipeline {
    /// Its name, as `pipelineName` gives it.
    name: String,
    /// Service that it deploys; the event's `customData.service` where none is named.
    #[serde(default)]
    service: Option<String>,
    /// Environment that it deploys to.
    #[serde(default = "production")]
    environment: String,
    /// Whether runs that ended well are deployments too: for pipelines that send no `service.deployed`.
    #[serde(default)]
    successes: bool,
}

fn production() -> String {
    "production".to_owned()
}

/// A connection that takes CDEvents.
#[derive(Debug)]
struct CdEvents {
    name: String,
    secrets: Vec<Secret>,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let read: Options = options(&connection)?;
    Ok(Arc::new(CdEvents { name: connection.name, secrets: connection.secrets, options: read }))
}

/// A delivery is known by its body and not by `ce-id`: producers give one id to several events of a chain.
impl Source for CdEvents {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.name
    }

    fn kept_headers(&self) -> &'static [&'static str] {
        &["ce-id", "ce-source", "ce-subject", "ce-time", "ce-type"]
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        check_token(&self.secrets, delivery).of(delivery)
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        translate::delivered(delivery, &self.options.pipelines).map(Told::facts)
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        translate::delivered(delivery, &self.options.pipelines).ok()?.reason()
    }
}
