//! What can be set of a connection to GitHub.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::source::{BadOption, Connection};

/// GitHub's own options.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// What counts as a deployment. Default: GitHub's deployments.
    pub(super) deployments: Vec<DeploymentKind>,
    /// Labels that make an issue an incident, in any case. Default: `incident`.
    pub(super) incident_labels: Vec<String>,
    /// Repositories to ask for what happened, as `owner/name`, `owner/*` or `owner/api-*`. Default: none is asked.
    pub(super) repositories: Vec<String>,
    /// Id, or client id, of the GitHub App that asks; `token` is then where its private key is, in PEM.
    pub(super) app_id: Option<String>,
    /// Webhooks whose failed deliveries are read again, as `owner/name/ID`, `organisation/ID`, or `app`.
    pub(super) hooks: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deployments: vec![DeploymentKind::Deployments {}],
            incident_labels: vec!["incident".to_owned()],
            repositories: Vec::new(),
            app_id: None,
            hooks: Vec::new(),
        }
    }
}

impl Options {
    /// Says what does not fit together.
    pub(super) fn check(&self, connection: &Connection) -> Result<(), BadOption> {
        let is_plain = |part: &str| !part.is_empty() && !part.contains(['*', '?', '[', '{']);
        for pattern in &self.repositories {
            match pattern.split_once('/') {
                Some((owner, name)) if is_plain(owner) && !name.is_empty() && !name.contains('/') => {}
                _ => {
                    let right = format!("`{pattern}` is no repository; expected one as owner/name or owner/*");
                    return Err(BadOption::new("repositories", right));
                }
            }
        }
        if self.app_id.is_some() && connection.token.is_none() {
            return Err(BadOption::new("app_id", "an App needs its private key; add token = { file = \"app.pem\" }"));
        }
        if !self.hooks.is_empty() && self.repositories.is_empty() {
            return Err(BadOption::new("hooks", "are read with repositories only; name those too"));
        }
        let is_hook = |hook: &&String| *hook == "app" || [1, 2].contains(&hook.matches('/').count());
        match self.hooks.iter().find(|hook| !is_hook(hook)) {
            Some(hook) => {
                let right = format!("`{hook}` is no hook; expected one as owner/name/ID, organisation/ID or app");
                Err(BadOption::new("hooks", right))
            }
            None => Ok(()),
        }
    }
}

/// One of the ways in which deployments show at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum DeploymentKind {
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
