//! Reads a git repository, bare or not, without the git binary and without a network: commits become
//! changes, tags (or the commits on a branch) become production deployments. What ships with what is
//! not decided here; attribution reads the graph that these facts carry.

mod branch;
mod change;
mod commit;
mod diff;
mod notes;
mod open;
mod options;
mod patch_release;
mod picks;
mod state;
mod tags;
#[cfg(test)]
mod tests;
mod version;
mod walk;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use dorado_lake::{Deployment, Fact};
use gix::ObjectId;

use notes::Notes;
pub use options::{GitOptions, ServicePattern};
pub use state::State;

/// What the facts name as their source.
const SOURCE: &str = "git";

/// What one reading found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GitHistory {
    /// The changes and deployments that the state given did not have yet.
    pub facts: Vec<Fact>,
    /// What was left out, assumed or decided by rule, as sentences for a person.
    pub notes: Vec<String>,
    /// Name of the repository, as in the facts.
    pub repository: String,
    /// Changes among the facts, merge commits included.
    pub n_commits: usize,
    /// Tags in the repository, whether they match or not.
    pub n_tags: usize,
    /// Deployments among the facts.
    pub n_deployments: usize,
    /// What is read by now; give it to the next run, which then returns only what is new.
    pub state: State,
}

/// How far a reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Commits read so far; how many there are is not known before the end.
    Walked {
        /// Commits.
        n_commits: usize,
    },
    /// Commits whose paths or patches are compared, of those that need it.
    Compared {
        /// Commits.
        n_commits: usize,
        /// All that need it.
        of: usize,
    },
}

/// Why a repository cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no repository.
    #[error("`{}` is not a git repository: expected a folder that holds `.git`, or a bare repository", path.display())]
    NoRepository {
        /// Where it was looked for.
        path: PathBuf,
        /// What was found instead.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A repository of a kind that is not supported.
    #[error("cannot read `{}`: it {problem}", path.display())]
    Unsupported {
        /// The repository.
        path: PathBuf,
        /// What it uses, and what would be supported.
        problem: &'static str,
    },
    /// It has no commit.
    #[error("repository `{}` is empty: it has no commit yet", path.display())]
    Empty {
        /// The repository.
        path: PathBuf,
    },
    /// No tag gives a deployment.
    #[error("no deployment in repository `{repository}`: {problem}")]
    NoDeployment {
        /// The repository.
        repository: String,
        /// Patterns and tags seen, and what to do.
        problem: String,
    },
    /// The branch is not there.
    #[error("repository `{repository}` has no branch `{branch}`; it has {known}")]
    UnknownBranch {
        /// The repository.
        repository: String,
        /// The branch asked for.
        branch: String,
        /// Branches that it has.
        known: String,
    },
    /// A tag pattern that is no glob.
    #[error("tag pattern `{pattern}` is not a glob such as `v*`")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        source: globset::Error,
    },
    /// A service that is not written as it should be.
    #[error("service `{text}` should be NAME=TAG-PATTERN or NAME=TAG-PATTERN:PATH,PATH")]
    Service {
        /// What was given.
        text: String,
    },
    /// The refs cannot be listed.
    #[error("cannot list the refs of `{}`", path.display())]
    Refs {
        /// The repository.
        path: PathBuf,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// An object is there but damaged.
    #[error("cannot read object {id} of the repository")]
    Object {
        /// Its SHA.
        id: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads what is new in the repository at `path` since `options.since_state`.
///
/// Every commit reachable from a deployed revision or a branch becomes a change; every matching tag, or every
/// commit on a branch's first-parent chain, a successful deployment. Given a state, known changes and
/// deployments are left out; where dates go backwards a few known changes may come again.
///
/// # Errors
/// Where there is no readable repository, no deployment in it, or the options do not fit it; see [`Error`].
pub fn read(path: &Path, options: &GitOptions, progress: &dyn Fn(Progress)) -> Result<GitHistory, Error> {
    let opened = open::open(path, options)?;
    let mut notes = Notes::default();
    let before = options.since_state.clone().filter(|state| state.fits(&opened.signature)).unwrap_or_default();
    let tags = tags::list(&opened)?;
    let heads = branch::heads(&opened, options)?;
    if tags.n == 0 && heads.tips.is_empty() {
        return Err(Error::Empty { path: path.to_owned() });
    }
    let deployments = if options.every_merge {
        let read_before = before.branch_tip(options);
        branch::deployments(&opened, options, &heads, read_before, &mut notes, progress)?
    } else {
        tags::deployments(&opened, options, &tags, &mut notes)?
    };

    let off_branch = deployments.iter().map(|d| d.revision).filter(|_| !options.every_merge);
    let tips: BTreeSet<ObjectId> = heads.tips.iter().copied().chain(off_branch).collect();
    let mut walker = walk::Walker::start(&opened, &before.known_tips(), progress)?;
    let mut commits = walker.new_commits(tips.iter().copied())?;
    let picks = picks::find(&mut walker, &commits, progress)?;
    commits.extend(&picks.known);
    let changes = change::changes(&walker, &commits, &picks, progress);
    notes.on_changes(&walker, &changes);
    notes.on_deployments(&before, &deployments, options);

    let state = before.after(&opened.signature, options, &tips, heads.deployed, &deployments);
    let new: Vec<Deployment> = deployments.into_iter().map(|d| d.fact).filter(|d| before.lacks(d)).collect();
    Ok(GitHistory {
        notes: notes.0,
        n_commits: changes.len(),
        n_tags: tags.n,
        n_deployments: new.len(),
        facts: changes.into_iter().map(Fact::Change).chain(new.into_iter().map(Fact::Deployment)).collect(),
        state,
        repository: opened.repository,
    })
}
