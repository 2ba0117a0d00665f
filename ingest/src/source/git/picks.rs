//! Finds cherry-picks: by the trailer of `git cherry-pick -x`, else by patch, among commits that have
//! author, author date and title in common. The pick is the one committed later.

use std::collections::{BTreeMap, HashMap as Groups};

use dorado_lake::Instant;
use gix::{
    ObjectId,
    hashtable::{HashMap, HashSet},
};

use super::{
    Error, Progress,
    commit::Commit,
    diff::{self, Pair},
    walk::Walker,
};

/// Which commit is a pick of which.
#[derive(Debug, Default)]
pub(super) struct Picks {
    /// Pick to original.
    pub(super) original: HashMap<ObjectId, ObjectId>,
    /// Known commits that turn out to be picks of new ones.
    pub(super) known: Vec<ObjectId>,
}

/// Two commits with the same key may hold the same patch.
type Key<'a> = (&'a [u8], Instant, &'a str);

/// Picks among the new commits, and of new commits among the known ones.
pub(super) fn find(walker: &mut Walker<'_>, new: &[ObjectId], progress: &dyn Fn(Progress)) -> Result<Picks, Error> {
    let mut picks = Picks::default();
    for commit in new.iter().filter_map(|&id| walker.commit(id)).filter(|commit| commit.parents.len() < 2) {
        let is_here = |id: &ObjectId| walker.commit(*id).is_some() || walker.opened().git.has_object(id);
        let first = commit.picked_from.iter().find(|id| is_here(id)).or(commit.picked_from.first());
        picks.original.extend(first.filter(|&&id| id != commit.id).map(|&first| (commit.id, first)));
    }
    let first_authored = new.iter().filter_map(|&id| walker.commit(id)?.author.at).min();
    let known = first_authored.map_or(Ok(Vec::new()), |since| walker.known_since(since))?;
    by_patch(walker, new, &known, &mut picks, progress);
    Ok(picks)
}

fn by_patch(walker: &Walker<'_>, new: &[ObjectId], known: &[ObjectId], picks: &mut Picks, progress: &dyn Fn(Progress)) {
    let is_new: HashSet<ObjectId> = new.iter().copied().collect();
    let mut groups: Groups<Key<'_>, Vec<&Commit>> = Groups::new();
    for commit in new.iter().chain(known).filter_map(|&id| walker.commit(id)) {
        if let Some(key) = key(commit) {
            groups.entry(key).or_default().push(commit);
        }
    }
    let alike = groups.into_values().filter(|group| group.len() > 1 && group.iter().any(|c| is_new.contains(&c.id)));
    let mut alike: Vec<Vec<&Commit>> = alike.collect();
    for group in &mut alike {
        group.sort_unstable_by_key(|commit| (commit.committed_at, commit.id));
    }
    alike.sort_unstable_by_key(|group| group[0].id);
    let pairs: Vec<Pair> = alike.iter().flatten().map(|commit| Pair::of(commit, walker)).collect();
    let mut patches = diff::map(&walker.opened().git, &pairs, diff::Differ::patch_id, progress).into_iter();
    for group in alike {
        let mut originals: BTreeMap<[u8; 32], ObjectId> = BTreeMap::new();
        for (commit, patch) in group.into_iter().zip(patches.by_ref()) {
            let Some(patch) = patch else { continue };
            let original = *originals.entry(patch).or_insert(commit.id);
            let is_known = !is_new.contains(&commit.id);
            if original == commit.id || !commit.picked_from.is_empty() || (is_known && !is_new.contains(&original)) {
                continue;
            }
            picks.original.insert(commit.id, original);
            picks.known.extend(is_known.then_some(commit.id));
        }
    }
}

fn key(commit: &Commit) -> Option<Key<'_>> {
    let is_change = commit.parents.len() < 2;
    is_change.then_some((commit.author.email.as_slice(), commit.author.at?, commit.title.as_str()))
}
