//! What a run has read, so that the next one reads only what is new. The caller keeps it, as JSON.

use std::collections::{BTreeMap, BTreeSet};

use dorado_lake::Deployment;
use gix::ObjectId;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{GitOptions, tags::Found};

/// What is read by now of one repository.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// What decided how the changes look; where it differs, all is read again.
    signature: String,
    /// Everything reachable from these commits is read.
    tips: BTreeSet<String>,
    /// Tips of deployed branches, each by the options that it was read with.
    branches: BTreeMap<String, String>,
    /// Digest of each deployment by id, so that a moved tag is seen.
    deployments: BTreeMap<String, String>,
}

impl State {
    /// The state after a reading.
    pub(super) fn after(
        &self,
        signature: &str,
        options: &GitOptions,
        tips: &BTreeSet<ObjectId>,
        deployed: Option<ObjectId>,
        deployments: &[Found],
    ) -> Self {
        let mut after = Self {
            signature: signature.to_owned(),
            tips: tips.iter().map(ToString::to_string).collect(),
            ..self.clone()
        };
        match deployed {
            Some(tip) => {
                after.branches.insert(asked(options), tip.to_string());
            }
            None => after.deployments.extend(deployments.iter().map(|d| (d.fact.id.clone(), digest(&d.fact)))),
        }
        after
    }

    /// The tip down to which the deployed branch is read, with the same options.
    pub(super) fn branch_tip(&self, options: &GitOptions) -> Option<ObjectId> {
        self.branches.get(&asked(options)).and_then(|hex| ObjectId::from_hex(hex.as_bytes()).ok())
    }

    /// Whether the changes read before look as they would now.
    pub(super) fn fits(&self, signature: &str) -> bool {
        self.signature == signature
    }

    /// The commits that everything is read from.
    pub(super) fn known_tips(&self) -> Vec<ObjectId> {
        self.tips.iter().filter_map(|hex| ObjectId::from_hex(hex.as_bytes()).ok()).collect()
    }

    /// Whether a deployment is new or other than it was.
    pub(super) fn lacks(&self, deployment: &Deployment) -> bool {
        self.deployments.get(&deployment.id) != Some(&digest(deployment))
    }

    /// Ids of the tags read before that are not among these deployments.
    pub(super) fn gone(&self, deployments: &[Found]) -> Vec<&str> {
        let now: BTreeSet<&str> = deployments.iter().map(|found| found.fact.id.as_str()).collect();
        self.deployments.keys().map(String::as_str).filter(|id| !now.contains(id)).collect()
    }

    /// Ids of the tags read before that are other deployments by now.
    pub(super) fn moved<'a>(&self, deployments: &'a [Found]) -> Vec<&'a str> {
        let known = deployments.iter().filter(|found| self.deployments.contains_key(&found.fact.id));
        known.filter(|found| self.lacks(&found.fact)).map(|found| found.fact.id.as_str()).collect()
    }
}

fn asked(options: &GitOptions) -> String {
    let asked = (&options.branch, &options.services, &options.service, &options.environment);
    hex::encode(&Sha256::digest(format!("{asked:?}"))[..8])
}

fn digest(deployment: &Deployment) -> String {
    let json = serde_json::to_vec(deployment).expect("a deployment has only text keys");
    hex::encode(&Sha256::digest(json)[..8])
}
