//! GitHub: webhooks, and over REST what happened before they were connected. Both go through one
//! translator. Source: docs.github.com, "Webhook events and payloads" and "Validating webhook deliveries".

mod backfill;
mod payload;
#[cfg(test)]
mod tests;
mod translate;

use std::borrow::Cow;

use dorado_lake::{Delivery, Fact, Instant};
use futures::StreamExt as _;
use futures::stream::BoxStream;
use percent_encoding::percent_decode;

pub use backfill::GithubBackfill;
use payload::Payload;
use translate::Told;

use super::{Error, Source};
use crate::json;
use crate::signature::{Checked, Secret, check_hmac_sha256};

const NAME: &str = "github";

/// How GitHub is read.
#[derive(Debug, Clone)]
pub struct GithubOptions {
    /// Secrets of the webhook; several while one replaces another. Without any, nothing is let in.
    pub secrets: Vec<Secret>,
    /// What counts as a deployment. Default: GitHub's deployments.
    pub deployments: Vec<DeploymentKind>,
    /// Labels that make an issue an incident, in any case. Default: `incident`.
    pub incident_labels: Vec<String>,
    /// Where to read from what happened before; none where only webhooks are taken.
    pub backfill: Option<GithubBackfill>,
}

impl Default for GithubOptions {
    fn default() -> Self {
        Self {
            secrets: Vec::new(),
            deployments: vec![DeploymentKind::Deployments],
            incident_labels: vec!["incident".to_owned()],
            backfill: None,
        }
    }
}

/// One of the ways in which deployments show at GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeploymentKind {
    /// Deployments and their statuses.
    Deployments,
    /// Published releases.
    Releases {
        /// Environment that they reach.
        environment: String,
        /// Whether pre-releases count too.
        prereleases: bool,
    },
    /// Finished runs of a workflow.
    Workflow {
        /// The workflow's name, or its file's, as `deploy.yml`.
        name: String,
        /// Environment that it deploys to.
        environment: String,
    },
}

/// The source of GitHub's webhooks.
#[derive(Debug, Clone)]
pub struct Github {
    options: GithubOptions,
}

impl Github {
    /// GitHub with these options.
    pub fn new(options: GithubOptions) -> Self {
        Self { options }
    }

    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let name = delivery.header("x-github-event").ok_or_else(|| Error::Malformed {
            place: "header X-GitHub-Event".to_owned(),
            problem: "is missing; GitHub names the event there".to_owned(),
        })?;
        if !translate::EVENTS.contains(&name) {
            return Ok(Told::Nothing(format!("event `{name}` tells nothing that a metric needs")));
        }
        let body = json_of(delivery);
        translate::event(name, parse(&body)?, &delivery.source_name(), &self.options)
    }
}

impl Source for Github {
    fn name(&self) -> &'static str {
        NAME
    }

    fn id_header(&self) -> Option<&'static str> {
        Some("x-github-delivery")
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        let signature = delivery.header("x-hub-signature-256").and_then(|value| value.strip_prefix("sha256="));
        let checked = signature
            .map_or(Checked::Forged, |signature| check_hmac_sha256(&self.options.secrets, &delivery.body, signature));
        match checked {
            Checked::Signed => Ok(()),
            Checked::Unknown => Err(Error::Unreadable { source_name: delivery.source_name() }),
            Checked::Forged => Err(Error::Forged { source_name: delivery.source_name() }),
        }
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        match self.read(delivery)? {
            Told::Facts(facts) => Ok(facts),
            Told::Nothing(_) => Ok(Vec::new()),
        }
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        match self.read(delivery) {
            Ok(Told::Nothing(why)) => Some(why),
            _ => None,
        }
    }

    fn backfill(&self, since: Instant) -> BoxStream<'_, Result<Delivery, Error>> {
        match &self.options.backfill {
            Some(from) => from.deliveries(since).boxed(),
            None => futures::stream::empty().boxed(),
        }
    }
}

/// The JSON of a delivery. A webhook may be set to send it as the field `payload` of a form.
fn json_of(delivery: &Delivery) -> Cow<'_, [u8]> {
    match delivery.body.strip_prefix(b"payload=") {
        Some(field) => {
            let field = field.split(|b| *b == b'&').next().unwrap_or_default();
            let spaced: Vec<u8> = field.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
            Cow::Owned(percent_decode(&spaced).collect())
        }
        None => Cow::Borrowed(&delivery.body),
    }
}

fn parse(body: &[u8]) -> Result<Payload, Error> {
    json::check_depth(body)
        .map_err(|broken| Error::Malformed { place: "body".to_owned(), problem: broken.to_string() })?;
    let mut parser = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut parser).map_err(|e| Error::Malformed {
        place: match e.path().to_string() {
            root if root == "." => "body".to_owned(),
            path => path,
        },
        problem: e.inner().to_string(),
    })
}
