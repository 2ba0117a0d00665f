//! `dorado.toml`: what is configured, with environment and flags over it. Secrets are never in it: it
//! names the environment variable or the file that holds each.

mod check;
mod sense;
mod server;
mod shape;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use dorado_ingest::{DeploymentKind, GithubOptions, Secret, SourceOptions};
use dorado_query::{Catalog, EnvironmentEntry, ReworkRule, ServiceEntry, TeamEntry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing::warn;

pub(crate) use check::{Weight, check};
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
    /// Limits of the API.
    pub(crate) limits: LimitsConfig,
    /// GitHub, where it is connected.
    pub(crate) github: Option<GithubConfig>,
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
}

/// Limits of the API.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// Bytes of a body as sent. Default: 5 MiB.
    pub(crate) body_bytes: Option<usize>,
    /// Bytes of a body once expanded. Default: 20 MiB.
    pub(crate) expanded_bytes: Option<usize>,
}

/// How GitHub is connected.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GithubConfig {
    /// Where the webhook's secrets are; several while one replaces another.
    pub(crate) secrets: Vec<SecretPlace>,
    /// Labels that make an issue an incident. Default: `incident`.
    pub(crate) incident_labels: Vec<String>,
    /// What counts as a deployment. Default: GitHub's deployments.
    pub(crate) deployments: Vec<DeploymentsFrom>,
}

/// Where a secret is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SecretPlace {
    /// In this environment variable.
    Env(String),
    /// In this file; a line break at its end is not part of it.
    File(PathBuf),
}

/// One of the ways in which deployments show at GitHub.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum DeploymentsFrom {
    /// GitHub's deployments and their statuses.
    Deployments {},
    /// Published releases.
    Releases {
        /// Environment that they reach.
        #[serde(default = "production")]
        environment: String,
        /// Whether pre-releases count too.
        #[serde(default)]
        prereleases: bool,
    },
    /// Finished runs of a workflow.
    Workflow {
        /// The workflow's name, or its file's, as `deploy.yml`.
        name: String,
        /// Environment that it deploys to.
        #[serde(default = "production")]
        environment: String,
    },
}

fn production() -> String {
    "production".to_owned()
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
        }
    }

    /// The limits in force.
    pub(crate) fn limits(&self) -> dorado_api::Limits {
        let mut limits = dorado_api::Limits::default();
        limits.body_bytes = self.limits.body_bytes.unwrap_or(limits.body_bytes);
        limits.expanded_bytes = self.limits.expanded_bytes.unwrap_or(limits.expanded_bytes);
        limits
    }

    /// What the sources need to know.
    pub(crate) fn sources(&self) -> SourceOptions {
        SourceOptions { github: self.github.as_ref().map(GithubConfig::options) }
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

impl GithubConfig {
    fn options(&self) -> GithubOptions {
        let defaults = GithubOptions::default();
        let or_default =
            |given: Vec<DeploymentKind>| if given.is_empty() { defaults.deployments.clone() } else { given };
        GithubOptions {
            secrets: self.secrets.iter().map(SecretPlace::secret).collect(),
            deployments: or_default(self.deployments.iter().map(DeploymentsFrom::kind).collect()),
            incident_labels: if self.incident_labels.is_empty() {
                defaults.incident_labels
            } else {
                self.incident_labels.clone()
            },
            backfill: None,
        }
    }
}

impl SecretPlace {
    fn secret(&self) -> Secret {
        match self.clone() {
            Self::Env(name) => Secret::read_by(move || Some(std::env::var(&name).ok()?.into_bytes())),
            Self::File(path) => Secret::read_by(move || {
                let text = std::fs::read_to_string(&path).ok()?;
                Some(text.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
            }),
        }
    }
}

impl DeploymentsFrom {
    fn kind(&self) -> DeploymentKind {
        match self.clone() {
            Self::Deployments {} => DeploymentKind::Deployments,
            Self::Releases { environment, prereleases } => DeploymentKind::Releases { environment, prereleases },
            Self::Workflow { name, environment } => DeploymentKind::Workflow { name, environment },
        }
    }
}
