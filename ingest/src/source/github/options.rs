//! What can be set of a connection to GitHub.

use schemars::JsonSchema;
use serde::Deserialize;

/// GitHub's own options.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Options {
    /// What counts as a deployment. Default: GitHub's deployments.
    pub(super) deployments: Vec<DeploymentKind>,
    /// Labels that make an issue an incident, in any case. Default: `incident`.
    pub(super) incident_labels: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { deployments: vec![DeploymentKind::Deployments {}], incident_labels: vec!["incident".to_owned()] }
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
