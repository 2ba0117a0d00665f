//! Branches: what is read besides the deployed revisions, and the commits on one branch as deployments.

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice},
};

use super::{
    Error, GitOptions, Progress,
    commit::{self, Commit, Peeled},
    diff::{self, Pair},
    notes::{Notes, sample},
    open::Opened,
    tags::Found,
};

/// Where branches end.
#[derive(Debug, Default)]
pub(super) struct Heads {
    /// Tips of the branches to read.
    pub(super) tips: Vec<ObjectId>,
    /// Tip of the deployed branch, where each of its commits is a deployment.
    pub(super) deployed: Option<ObjectId>,
}

/// Finds the branch asked for, else all local and remote ones and HEAD.
pub(super) fn heads(opened: &Opened, options: &GitOptions) -> Result<Heads, Error> {
    let mut branches: Vec<(BString, ObjectId)> = Vec::new();
    for folder in ["refs/heads/", "refs/remotes/"] {
        for (name, target) in opened.refs(folder)? {
            if let Some(target) = target
                && let Peeled::Commit { commit, .. } = commit::peel(&opened.git, target)?
            {
                branches.push((name, commit.id));
            }
        }
    }
    let head = opened.git.head_id().ok().map(gix::Id::detach);
    if let Some(wanted) = &options.branch {
        let named = |name: &str| branches.iter().find(|(branch, _)| branch == name).map(|&(_, tip)| tip);
        let short = wanted.trim_start_matches("refs/heads/").trim_start_matches("refs/remotes/");
        let Some(tip) = named(short).or_else(|| named(&format!("origin/{short}"))) else {
            return Err(unknown(opened, wanted, &branches));
        };
        return Ok(Heads { tips: vec![tip], deployed: options.every_merge.then_some(tip) });
    }
    let tips: Vec<ObjectId> = branches.iter().map(|&(_, tip)| tip).chain(head).collect();
    if options.every_merge && head.is_none() && !tips.is_empty() {
        return Err(unknown(opened, "HEAD", &branches));
    }
    Ok(Heads { tips, deployed: head.filter(|_| options.every_merge) })
}

fn unknown(opened: &Opened, branch: &str, branches: &[(BString, ObjectId)]) -> Error {
    let known: Vec<String> = branches.iter().map(|(name, _)| name.to_str_lossy().into_owned()).collect();
    Error::UnknownBranch {
        repository: opened.repository.clone(),
        branch: branch.to_owned(),
        known: if known.is_empty() { "none".to_owned() } else { sample(&known) },
    }
}

/// Each commit on the first-parent chain of the deployed branch that touches a service, down to the tip
/// that an earlier run read.
pub(super) fn deployments(
    opened: &Opened,
    options: &GitOptions,
    heads: &Heads,
    read_before: Option<ObjectId>,
    notes: &mut Notes,
    progress: &dyn Fn(Progress),
) -> Result<Vec<Found>, Error> {
    let chain = chain(opened, heads.deployed, read_before)?;
    let rules = options.rules(opened)?;
    let touched = if opened.reads_paths { touched(opened, &chain, progress)? } else { Vec::new() };
    let mut found = Vec::new();
    let mut n_undated = 0;
    for (at, commit) in chain.iter().enumerate() {
        let Some(deployed_at) = commit.committed_at else {
            n_undated += 1;
            continue;
        };
        for rule in &rules {
            let paths = touched.get(at).and_then(Option::as_ref);
            if rule.paths.is_empty() || paths.is_none_or(|paths| paths.iter().any(|path| rule.holds(path))) {
                let mut deployment = rule.deployment(opened, options, commit.id, &commit.id.to_string(), deployed_at);
                deployment.fact.branch.clone_from(&options.branch);
                deployment.fact.title = Some(commit.title.clone());
                found.push(deployment);
            }
        }
    }
    if n_undated > 0 {
        notes.push(format!("commits on the deployed branch without a date that can be read are no deployments (number of them: {n_undated})"));
    }
    notes.push(
        "each commit on the branch is taken for a deployment at its committer date; tags are not used".to_owned(),
    );
    Ok(found)
}

fn chain(opened: &Opened, tip: Option<ObjectId>, read_before: Option<ObjectId>) -> Result<Vec<Commit>, Error> {
    let mut chain = Vec::new();
    let mut next = tip;
    while let Some(id) = next.filter(|&id| Some(id) != read_before) {
        let Some(commit) = commit::read(&opened.git, id)? else { break };
        next = commit.parents.first().copied().filter(|_| !opened.shallow.contains(&id));
        chain.push(commit);
    }
    Ok(chain)
}

/// Paths that each commit of the chain brings to the branch, merges included.
fn touched(opened: &Opened, chain: &[Commit], progress: &dyn Fn(Progress)) -> Result<Vec<Option<Vec<String>>>, Error> {
    let mut pairs = Vec::new();
    for (at, commit) in chain.iter().enumerate() {
        let before = match (chain.get(at + 1), commit.parents.first()) {
            (Some(parent), _) => Some(parent.tree),
            (None, Some(&parent)) if !opened.shallow.contains(&commit.id) => {
                commit::read(&opened.git, parent)?.map(|p| p.tree)
            }
            _ => None,
        };
        pairs.push(Pair { before, after: commit.tree });
    }
    Ok(diff::map(&opened.git, &pairs, diff::Differ::paths, progress))
}
