//! `dorado.toml`: what is configured, with environment and flags over it. Secrets are never in it: it
//! names the environment variable or the file that holds each.

mod check;
mod connection;
mod sense;
mod server;
mod shape;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use dorado_ingest::{Source, events_source};
use dorado_query::{Catalog, EnvironmentEntry, PackEntry, ReworkRule, ServiceEntry, TeamEntry, packs_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::warn;

pub(crate) use check::{Weight, check};
pub(crate) use connection::{ConnectionConfig, day, schema};
pub(crate) use server::ServerConfig;

/// Everything that can be configured.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Data directory, or `s3://bucket/prefix`. Default: `dorado-data`.
    pub(crate) data: Option<String>,
    /// Directory of the inbox where `data` is no directory. Default: `dorado-inbox`.
    pub(crate) inbox: Option<PathBuf>,
    /// Address to serve on. Default: `127.0.0.1:8080`.
    pub(crate) listen: Option<String>,
    /// Who is let in, and how.
    pub(crate) server: ServerConfig,
    /// Limits of the API and of memory.
    pub(crate) limits: LimitsConfig,
    /// Tools that are connected.
    #[serde(rename = "connection")]
    pub(crate) connections: Vec<ConnectionConfig>,
    /// Services, and where their deployments and changes come from.
    #[serde(rename = "service")]
    pub(crate) services: Vec<ServiceEntry>,
    /// Teams and their place in the tree.
    #[serde(rename = "team")]
    pub(crate) teams: Vec<TeamEntry>,
    /// Environments whose tier cannot be read from their name.
    #[serde(rename = "environment")]
    pub(crate) environments: Vec<EnvironmentEntry>,
    /// What makes a deployment rework where its source does not flag it.
    pub(crate) rework: ReworkRule,
    /// Definitions of one's own.
    #[serde(rename = "pack")]
    pub(crate) packs: Vec<PackEntry>,
}

/// Limits of the API and of memory.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Bytes of a body as sent. Default: 5 MiB.
    pub(crate) body_bytes: Option<usize>,
    /// Bytes of a body once expanded. Default: 20 MiB.
    pub(crate) expanded_bytes: Option<usize>,
    /// Bytes of decoded columns kept in memory between questions; 0 keeps none. Default: 128 MiB.
    pub(crate) cache_bytes: Option<usize>,
    /// Facts that attribution holds in memory for each thread; a service with more of them needs more. Default: 200,000.
    pub(crate) facts_at_once: Option<u64>,
}

/// Where the configuration is looked for when no file is named.
const FILE_NAME: &str = "dorado.toml";

impl Config {
    /// Reads the file that is named, else the one that is found, else nothing; warns of what may be wrong in it.
    pub(crate) fn read(named: Option<&Path>, data: Option<&str>) -> Result<Self> {
        let (config, warnings) = Self::read_checked(named, data)?;
        for warning in warnings {
            warn!("{warning}");
        }
        Ok(config)
    }

    /// The same for commands that use little of it.
    pub(crate) fn read_without_warnings(named: Option<&Path>, data: Option<&str>) -> Result<Self> {
        Ok(Self::read_checked(named, data)?.0)
    }

    fn read_checked(named: Option<&Path>, data: Option<&str>) -> Result<(Self, Vec<String>)> {
        let Some(path) = Self::find(named, data) else { return Ok((Self::default(), Vec::new())) };
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let (mistakes, config) = check(&text);
        let told = mistakes.iter().map(|mistake| mistake.told(&path.display(), &text).to_string()).collect::<Vec<_>>();
        match config {
            Some(config) => Ok((config, told)),
            None => bail!("the configuration is not right\n{}", told.join("\n")),
        }
    }

    /// The file that [`Config::read`] reads.
    pub(crate) fn find(named: Option<&Path>, data: Option<&str>) -> Option<PathBuf> {
        if let Some(path) = named {
            return Some(path.to_owned());
        }
        let beside =
            Some(data.unwrap_or("dorado-data")).filter(|d| !d.contains("://")).map(|d| Path::new(d).join(FILE_NAME));
        [Some(PathBuf::from(FILE_NAME)), beside].into_iter().flatten().find(|path| path.is_file())
    }

    /// Who is who.
    pub(crate) fn catalog(&self) -> Catalog {
        Catalog {
            services: self.services.clone(),
            teams: self.teams.clone(),
            environments: self.environments.clone(),
            rework: self.rework.clone(),
            packs: packs_of(&self.packs),
            ..Catalog::default()
        }
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> dorado_api::Limits {
        let mut limits = dorado_api::Limits::default();
        limits.body_bytes = self.limits.body_bytes.unwrap_or(limits.body_bytes);
        limits.expanded_bytes = self.limits.expanded_bytes.unwrap_or(limits.expanded_bytes);
        limits
    }

    /// The sources: neutral events, and the tools that are connected.
    pub(crate) fn sources(&self) -> Result<Vec<Arc<dyn Source>>> {
        let mut sources = vec![events_source()];
        for configured in &self.connections {
            let connected = configured.connect();
            sources.push(connected.with_context(|| format!("cannot connect `{}`", configured.label()))?);
        }
        Ok(sources)
    }

    /// The data directory or address: flag or environment, else configured, else the default.
    pub(crate) fn data(&self, asked: Option<&str>) -> String {
        asked.or(self.data.as_deref()).unwrap_or("dorado-data").to_owned()
    }

    /// The directory of the inbox of a lake that is no directory.
    pub(crate) fn inbox(&self) -> PathBuf {
        self.inbox.clone().unwrap_or_else(|| PathBuf::from("dorado-inbox"))
    }

    /// The address to serve on.
    pub(crate) fn listen(&self, asked: Option<std::net::SocketAddr>) -> Result<std::net::SocketAddr> {
        match (asked, &self.listen) {
            (Some(address), _) => Ok(address),
            (None, Some(text)) => match text.parse() {
                Ok(address) => Ok(address),
                Err(_) => bail!("`listen` is `{text}`: expected an address and port, as 127.0.0.1:8080"),
            },
            (None, None) => Ok(std::net::SocketAddr::from(([127, 0, 0, 1], 8080))),
        }
    }
}
