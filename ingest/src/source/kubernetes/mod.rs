//! Kubernetes: rollouts of Deployments, StatefulSets and DaemonSets, watched at the API server. Each revision of a
//! workload is a deployment of its service. Source: kubernetes.io, "API Concepts", "Deployments", and the
//! controllers' own code for what their conditions mean.

mod access;
mod client;
#[cfg(test)]
mod tests;
mod translate;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use dorado_lake::{Delivery, Fact};
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use schemars::{JsonSchema, Schema, schema_for};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::body::{self, Part};
use super::told::Told;
use super::{BadOption, Connection, Cursor, Error, Kind, Page, Source, options};
use crate::http::{Authorization, Http, Outgoing};
use crate::signature::check_token;
use access::Access;

const NAME: &str = "kubernetes";

/// Kubernetes among the tools.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "Kubernetes",
    // It sends nothing: it is watched.
    recognises: |_| false,
    connect,
    options: || -> Schema { schema_for!(Options) },
};

/// How Kubernetes is watched.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Options {
    /// A kubeconfig that says where the cluster is and how Dorado signs in there, in place of `url`, `token` and
    /// `certificates`.
    kubeconfig: Option<PathBuf>,
    /// Its context; none for its current one.
    context: Option<String>,
    /// Namespaces to watch; where it is empty, all.
    namespaces: Vec<String>,
    /// Label selector of the workloads to watch, as `team=harbour`; none for all.
    selector: Option<String>,
    /// Environment of workloads where neither an annotation or label nor the namespace's or their own name says it.
    environment: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            kubeconfig: None,
            context: None,
            namespaces: Vec::new(),
            selector: None,
            environment: "production".to_owned(),
        }
    }
}

/// How long signing in may take.
const LONGEST_SIGNING_IN: Duration = Duration::from_mins(1);

/// One cluster.
struct Kubernetes {
    connection: Connection,
    options: Options,
    /// What its kubeconfig said when it was connected.
    access: Option<Access>,
    /// Held by whoever signs in, and by a plugin that does not end.
    signing_in: Arc<Mutex<()>>,
    longest_signing_in: Duration,
}

fn connect(connection: Connection) -> Result<Arc<dyn Source>, BadOption> {
    Ok(Arc::new(Kubernetes::new(connection)?))
}

impl Kubernetes {
    fn new(connection: Connection) -> Result<Self, BadOption> {
        let options: Options = options(&connection)?;
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if let Some(wrong) = options.namespaces.iter().find(|name| !is_name(name)) {
            return Err(BadOption::new("namespaces", format!("`{wrong}` is no name of a namespace")));
        }
        let access = Access::of(&connection, &options)?;
        Ok(Self { connection, options, access, signing_in: Arc::default(), longest_signing_in: LONGEST_SIGNING_IN })
    }

    /// What its kubeconfig says, which is read again at each run; as long as that fails, what it said.
    fn access(&self) -> Option<Access> {
        Access::of(&self.connection, &self.options).unwrap_or_else(|_| self.access.clone())
    }

    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let value = body::parse(delivery)?;
        translate::event(&Part::whole(&value), &delivery.source_name(), &self.options)
    }
}

impl Source for Kubernetes {
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

    fn outgoing(&self) -> Option<Outgoing> {
        if let Some(access) = self.access() {
            return Some(access.outgoing(&self.connection));
        }
        let authorization = self.connection.token.clone().map_or(Authorization::None, Authorization::Bearer);
        Some(self.connection.outgoing("https://kubernetes.default.svc", authorization))
    }

    fn collect<'a>(&'a self, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
        watch::collect(self, http, from)
    }

    fn watches(&self) -> bool {
        true
    }

    fn test<'a>(&'a self, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
        watch::test(self, http)
    }
}
