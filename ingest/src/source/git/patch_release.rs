//! The rule `patch_release`: X.Y.Z with Z above zero repairs the release before it in the same X.Y, where
//! that one was deployed earlier. A rule, not knowledge: it is written on each deployment that it flags.

use std::collections::BTreeMap;

use super::{tags::Found, version::Version};

/// What `flagged_by` says.
const RULE: &str = "patch_release";

/// Place among the deployments and version.
type Release<'a> = (usize, &'a Version);

/// Flags the patch releases among one service's deployments.
pub(super) fn flag(deployments: &mut [Found], versions: &BTreeMap<&str, Version>) {
    let mut lines: BTreeMap<(&str, u64, u64), Vec<Release<'_>>> = BTreeMap::new();
    for (at, found) in deployments.iter().enumerate() {
        let version = found.fact.version.as_deref().and_then(|tag| versions.get(tag));
        if let Some(version) = version.filter(|version| !version.is_pre_release) {
            lines.entry(version.line()).or_default().push((at, version));
        }
    }
    let repairs: Vec<(usize, String)> = lines.into_values().flat_map(|line| repairs(line, deployments)).collect();
    for (at, repaired) in repairs {
        let fact = &mut deployments[at].fact;
        fact.is_hotfix = true;
        fact.flagged_by = Some(RULE.to_owned());
        fact.repairs = Some(repaired);
    }
}

/// Each patch release of one X.Y with the id of what it repairs: the greatest lower version released before it.
fn repairs(mut line: Vec<Release<'_>>, deployments: &[Found]) -> Vec<(usize, String)> {
    let released_at = |&(at, _): &Release<'_>| deployments[at].fact.finished_at;
    line.sort_by(|a, b| a.1.compare(b.1).then_with(|| released_at(a).cmp(&released_at(b))));
    let mut repairs = Vec::new();
    for (place, patch) in line.iter().enumerate() {
        if released_at(patch).is_some_and(|at| patch.1.is_patch(at)) {
            let lower = line[..place].iter().rev();
            let mut before =
                lower.filter(|other| released_at(other) < released_at(patch) && other.1.compare(patch.1).is_lt());
            repairs.extend(before.next().map(|&(at, _)| (patch.0, deployments[at].fact.id.clone())));
        }
    }
    repairs
}
