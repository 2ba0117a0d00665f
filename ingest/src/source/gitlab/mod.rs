//! GitLab: webhooks of projects and groups, and over REST what happened before they were connected. Both go through
//! one translator. Source: docs.gitlab.com, "Webhook events", "Webhooks" and "Deployments API".

mod collect;
mod deployments;
#[cfg(test)]
mod tests;
mod work;

use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;

use super::body::{self, Part};
use super::told::{Told, repository_of_url};
use super::{BadOption, Connection, Cursor, Error, Kind, Page, Source, options};
use crate::http::{Authorization, Http, Outgoing};
use crate::signature::{Checked, check_same, check_standard_webhooks};

const NAME: &str = "gitlab";

/// GitLab among the tools.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "GitLab",
    recognises: |headers| headers.iter().any(|(name, _)| name == "x-gitlab-event"),
    connect,
    options: || -> Schema { schema_for!(Options) },
};

/// How GitLab is read.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// Projects to read from what happened before, as `group/project`, or `group/*` for all of a group and its
    /// subgroups. Where it is empty, only what GitLab sends is taken.
    projects: Vec<String>,
    /// Labels that make an issue an incident, in any case. GitLab's own incidents always are.
    incident_labels: Vec<String>,
    /// The environment that a release reaches, where releases are how this organisation deploys.
    releases: Option<String>,
    /// Pipelines that deploy without naming an environment in their jobs.
    pipelines: Vec<PipelineRule>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            projects: Vec::new(),
            incident_labels: vec!["incident".to_owned()],
            releases: None,
            pipelines: Vec::new(),
        }
    }
}

/// A pipeline that deploys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PipelineRule {
    /// Branch or tag that it runs for, as `main` or `v*`.
    #[serde(rename = "ref")]
    git_ref: String,
    /// Environment that it deploys to.
    environment: String,
}

/// One connection of GitLab.
struct Gitlab {
    connection: Connection,
    options: Options,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    let read: Options = options(&connection)?;
    collect::check_patterns(&read.projects)?;
    for rule in &read.pipelines {
        globset::Glob::new(&rule.git_ref).map_err(|error| BadOption::new("pipelines", error.to_string()))?;
    }
    Ok(Arc::new(Gitlab { connection, options: read }))
}

impl Gitlab {
    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let value = body::parse(delivery)?;
        let event = Part::whole(&value);
        let source = delivery.source_name();
        let kind = event.first_text(&["object_kind", "event_name", "event_type"]).ok_or_else(|| {
            let problem = "is missing; GitLab names the event there".to_owned();
            Error::Malformed { place: "object_kind".to_owned(), problem }
        })?;
        match kind.as_str() {
            "deployment" => deployments::deployment(&event, &source),
            "build" => deployments::job(&event, &source),
            "pipeline" => deployments::pipeline(&event, &source, &self.options),
            "release" => deployments::release(&event, &source, &self.options),
            "push" => work::push(&event, &source),
            "commits" => work::commits(&event, &source),
            "merge_request" => work::merge_request(&event, &source),
            "note" => work::note(&event, &source),
            "issue" | "work_item" | "incident" => work::issue(&event, &source, &self.options),
            other => Ok(Told::nothing(format!("event `{other}` tells nothing that a metric needs"))),
        }
    }
}

impl Source for Gitlab {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.connection.name
    }

    fn delivery_id(&self, delivery: &Delivery) -> Option<String> {
        // Not `X-Gitlab-Event-UUID`: several events that one action of GitLab's sends to a hook share it.
        ["idempotency-key", "webhook-id"].iter().find_map(|name| delivery.header(name)).map(str::to_owned)
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        let secrets = &self.connection.secrets;
        // A signature that is there must be right: its secret never travels, so it is worth more than the token.
        let checked = match (delivery.header("webhook-signature"), delivery.header("x-gitlab-token")) {
            (Some(_), _) => check_standard_webhooks(secrets, delivery),
            (None, Some(token)) => check_same(secrets, token),
            (None, None) => Checked::Forged,
        };
        checked.of(delivery)
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        Told::facts(self.read(delivery))
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        Told::reason(self.read(delivery))
    }

    fn outgoing(&self) -> Option<Outgoing> {
        let token = self.connection.token.clone();
        let authorization = token.map_or(Authorization::None, |token| Authorization::Header("private-token", token));
        (!self.options.projects.is_empty()).then(|| self.connection.outgoing("https://gitlab.com", authorization))
    }

    fn collect<'a>(&'a self, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
        collect::collect(self, http, from)
    }

    fn test<'a>(&'a self, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
        collect::test(self, http)
    }
}

/// The project that an event is of, as `group/project`.
fn repository(event: &Part<'_>) -> Result<String, Error> {
    let urls = ["project.web_url", "repository.homepage", "repository.git_http_url", "project.http_url"];
    event
        .text("project.path_with_namespace")
        .or_else(|| urls.iter().find_map(|url| repository_of_url(&event.text(url)?)))
        .ok_or_else(|| event.missing("project.path_with_namespace"))
}
