//! Commits to changes.

use dorado_lake::Change;
use gix::{ObjectId, actor::SignatureRef, bstr::ByteSlice, hash::Prefix};

use super::{
    Progress, SOURCE,
    commit::Commit,
    diff::{self, Pair},
    open::Opened,
    picks::Picks,
    walk::Walker,
};

/// The commits as changes, in their order, with their paths where a service needs them.
pub(super) fn changes(
    walker: &Walker<'_>,
    ids: &[ObjectId],
    picks: &Picks,
    progress: &dyn Fn(Progress),
) -> Vec<Change> {
    let opened = walker.opened();
    let commits: Vec<&Commit> = ids.iter().filter_map(|&id| walker.commit(id)).collect();
    let mut changes: Vec<Change> = commits.iter().map(|commit| change(opened, commit, picks)).collect();
    if opened.reads_paths {
        // A merge is no change, so nobody asks for its paths.
        let of: Vec<usize> = (0..commits.len()).filter(|&at| commits[at].parents.len() < 2).collect();
        let pairs: Vec<Pair> = of.iter().map(|&at| Pair::of(commits[at], walker)).collect();
        for (at, paths) in of.into_iter().zip(diff::map(&opened.git, &pairs, diff::Differ::paths, progress)) {
            changes[at].paths = paths;
        }
    }
    changes
}

fn change(opened: &Opened, commit: &Commit, picks: &Picks) -> Change {
    Change {
        source: SOURCE.to_owned(),
        id: commit.id.to_string(),
        repository: Some(opened.repository.clone()),
        parents: Some(commit.parents.iter().map(ToString::to_string).collect()),
        authored_at: commit.author.at,
        committed_at: commit.committed_at,
        title: Some(commit.title.clone()),
        author: Some(author(opened, commit)),
        reverts: commit.reverts.as_deref().map(|sha| whole(opened, sha)),
        cherry_pick_of: picks.original.get(&commit.id).map(ToString::to_string),
        ..Change::default()
    }
}

/// `Name <email>` as the mailmap has it.
fn author(opened: &Opened, commit: &Commit) -> String {
    let signature = SignatureRef { name: commit.author.name.as_bstr(), email: commit.author.email.as_bstr(), time: "" };
    let mapped = opened.mailmap.try_resolve_ref(signature);
    let name = mapped.as_ref().and_then(|mapped| mapped.name).unwrap_or(signature.name);
    let email = mapped.as_ref().and_then(|mapped| mapped.email).unwrap_or(signature.email);
    format!("{} <{}>", name.to_str_lossy(), email.to_str_lossy())
}

/// An abbreviated SHA as the one commit that it stands for, or as it is.
fn whole(opened: &Opened, sha: &str) -> String {
    let found = Prefix::from_hex(sha).ok().and_then(|prefix| opened.git.objects.lookup_prefix(prefix, None).ok());
    found.flatten().and_then(Result::ok).map_or_else(|| sha.to_owned(), |id| id.to_string())
}
