//! What is configured of a connection, before its kind has read it.

use std::time::Duration;

use dorado_lake::Instant;
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::http::{Authorization, Outgoing};
use crate::signature::Secret;

/// A connection as it is configured.
#[derive(Debug, Clone, Default)]
pub struct Connection {
    /// Its name, for who has several; else empty.
    pub name: String,
    /// Secrets of what the tool sends; several while one replaces another.
    pub secrets: Vec<Secret>,
    /// Token with which the tool is asked.
    pub token: Option<Secret>,
    /// Base URL of the tool; none where it has one for all the world.
    pub url: Option<String>,
    /// Certificates in PEM that vouch for the tool besides those of the system.
    pub certificates: Option<Secret>,
    /// Private networks in which the tool may be.
    pub networks: Vec<IpNet>,
    /// How often the tool is asked; none for the default.
    pub every: Option<Duration>,
    /// From when on it is asked for what happened; none for the default.
    pub since: Option<Instant>,
    /// The kind's own options.
    pub options: Map<String, Value>,
}

impl Connection {
    /// How the tool is asked, at the configured address, else at `address`.
    pub fn outgoing(&self, address: &str, authorization: Authorization) -> Outgoing {
        Outgoing {
            url: self.url.clone().unwrap_or_else(|| address.to_owned()),
            authorization,
            certificates: self.certificates.clone(),
            identity: None,
            networks: self.networks.clone(),
            headers: Vec::new(),
            every: self.every,
            since: self.since,
        }
    }
}

/// An option that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{option}`: {problem}")]
pub struct BadOption {
    /// Its key, as `secrets` or `projects`.
    pub option: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl BadOption {
    /// An option and what is wrong with it.
    pub fn new(option: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { option: option.into(), problem: problem.into() }
    }
}

/// A kind's own options, read into its own type.
///
/// # Errors
/// [`BadOption`] with the key.
pub fn options<T: DeserializeOwned>(connection: &Connection) -> Result<T, BadOption> {
    serde_path_to_error::deserialize(Value::Object(connection.options.clone())).map_err(|error| {
        let (path, problem) = (error.path().to_string(), error.inner().to_string());
        let unknown = problem.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
        let key = path.split(['.', '[']).next().filter(|key| !key.is_empty() && *key != "?");
        BadOption::new(key.or(unknown).unwrap_or("source"), problem.clone())
    })
}
