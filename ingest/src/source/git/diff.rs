//! Compares trees and files: the paths that a commit touches, and its patch id. Renames are not followed:
//! both names are touched. Works on all cores; the results do not depend on how many there are.

use std::{
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use gix::{
    ObjectId, Repository,
    bstr::{BString, ByteSlice},
    diff::{
        blob::{Algorithm, InternedInput, diff_with_slider_heuristics},
        tree::{Recorder, State, recorder::Change},
    },
    objs::TreeRefIter,
};
use sha2::{Digest, Sha256};

use super::{Progress, commit::Commit, open::with_tree_cache, walk::Walker};

/// Two trees to compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    /// Tree of the first parent; `None` for a root.
    pub(super) before: Option<ObjectId>,
    /// Tree of the commit.
    pub(super) after: ObjectId,
}

impl Pair {
    /// A commit against its first parent.
    pub(super) fn of(commit: &Commit, walker: &Walker<'_>) -> Self {
        let parent = commit.parents.first().and_then(|&parent| walker.commit(parent));
        Self { before: parent.map(|parent| parent.tree), after: commit.tree }
    }
}

/// One thread's handle for comparing.
pub(super) struct Differ {
    git: Repository,
    state: State,
}

/// Pairs that a thread takes at a time; neighbours share most of their trees.
const BLOCK: usize = 256;

/// Compares pairs on all cores; one result a pair, in order.
pub(super) fn map<T: Send>(
    git: &Repository,
    pairs: &[Pair],
    work: impl Fn(&mut Differ, &Pair) -> T + Sync,
    progress: &dyn Fn(Progress),
) -> Vec<T> {
    let shared = git.clone().into_sync();
    let next = AtomicUsize::new(0);
    let n_threads = thread::available_parallelism().map_or(1, usize::from).min(pairs.len().div_ceil(BLOCK));
    let mut blocks: Vec<(usize, Vec<T>)> = Vec::new();
    thread::scope(|scope| {
        let (done, results) = mpsc::channel();
        for _ in 0..n_threads {
            let (shared, next, work, done) = (&shared, &next, &work, done.clone());
            scope.spawn(move || {
                let mut differ = Differ { git: with_tree_cache(shared), state: State::default() };
                loop {
                    let start = next.fetch_add(BLOCK, Ordering::Relaxed);
                    let Some(block) = pairs.get(start..pairs.len().min(start + BLOCK)).filter(|b| !b.is_empty()) else {
                        return;
                    };
                    let block: Vec<T> = block.iter().map(|pair| work(&mut differ, pair)).collect();
                    if done.send((start, block)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done);
        let mut n_commits = 0;
        for (start, block) in results {
            n_commits += block.len();
            blocks.push((start, block));
            progress(Progress::Compared { n_commits, of: pairs.len() });
        }
    });
    blocks.sort_unstable_by_key(|&(start, _)| start);
    blocks.into_iter().flat_map(|(_, block)| block).collect()
}

impl Differ {
    /// Paths of the files, links and submodules that differ, sorted; `None` where a tree cannot be read.
    pub(super) fn paths(&mut self, pair: &Pair) -> Option<Vec<String>> {
        let changes = self.changes(pair)?;
        let mut paths: Vec<String> = changes.iter().map(|change| path(change).to_str_lossy().into_owned()).collect();
        paths.sort_unstable();
        paths.dedup();
        Some(paths)
    }

    /// A digest of what was taken away and added in which file, whatever the lines around it and the white
    /// space, after `git patch-id`; `None` where nothing differs or an object cannot be read.
    pub(super) fn patch_id(&mut self, pair: &Pair) -> Option<[u8; 32]> {
        let mut changes = self.changes(pair)?;
        changes.sort_by(|a, b| path(a).cmp(path(b)));
        let mut hash = Sha256::new();
        for change in &changes {
            let (before, after) = sides(change);
            hash.update(path(change));
            hash.update([0, u8::from(before.is_some()), u8::from(after.is_some())]);
            self.hash_lines(&mut hash, before, after)?;
        }
        (!changes.is_empty()).then(|| hash.finalize().into())
    }

    fn changes(&mut self, pair: &Pair) -> Option<Vec<Change>> {
        let tree =
            |id: Option<ObjectId>| id.map_or(Some(Vec::new()), |id| Some(self.git.find_tree(id).ok()?.detach().data));
        let (before, after) = (tree(pair.before)?, tree(Some(pair.after))?);
        let kind = self.git.object_hash();
        let mut recorder = Recorder::default();
        gix::diff::tree(
            TreeRefIter::from_bytes(&before, kind),
            TreeRefIter::from_bytes(&after, kind),
            &mut self.state,
            &self.git.objects,
            &mut recorder,
        )
        .ok()?;
        recorder.records.retain(|change| !is_tree(change));
        Some(recorder.records)
    }

    fn hash_lines(&self, hash: &mut Sha256, before: Option<Entry>, after: Option<Entry>) -> Option<()> {
        let (old, new) = (self.content(before)?, self.content(after)?);
        if is_binary(&old) || is_binary(&new) {
            for entry in [before, after] {
                hash.update(entry.map_or_else(Vec::new, |entry| entry.id.as_slice().to_vec()));
            }
            return Some(());
        }
        let input = InternedInput::new(old.as_slice(), new.as_slice());
        for hunk in diff_with_slider_heuristics(Algorithm::Myers, &input).hunks() {
            for (sign, tokens, range) in [(b"-", &input.before, hunk.before), (b"+", &input.after, hunk.after)] {
                for &token in &tokens[range.start as usize..range.end as usize] {
                    hash.update(sign);
                    hash.update(
                        input.interner[token].iter().copied().filter(|b| !b.is_ascii_whitespace()).collect::<Vec<u8>>(),
                    );
                    hash.update(b"\n");
                }
            }
        }
        Some(())
    }

    /// A submodule's content is the commit that it points to.
    fn content(&self, entry: Option<Entry>) -> Option<Vec<u8>> {
        match entry {
            None => Some(Vec::new()),
            Some(entry) if entry.is_submodule => Some(entry.id.to_string().into_bytes()),
            Some(entry) => Some(self.git.find_blob(entry.id).ok()?.detach().data),
        }
    }
}

/// One side of a difference.
#[derive(Debug, Clone, Copy)]
struct Entry {
    id: ObjectId,
    is_submodule: bool,
}

/// As git tells: a zero byte near the beginning.
fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(8000)].contains(&0)
}

fn path(change: &Change) -> &BString {
    match change {
        Change::Addition { path, .. } | Change::Deletion { path, .. } | Change::Modification { path, .. } => path,
    }
}

fn is_tree(change: &Change) -> bool {
    match change {
        Change::Addition { entry_mode, .. } | Change::Deletion { entry_mode, .. } => entry_mode.is_tree(),
        Change::Modification { previous_entry_mode, entry_mode, .. } => {
            previous_entry_mode.is_tree() && entry_mode.is_tree()
        }
    }
}

fn sides(change: &Change) -> (Option<Entry>, Option<Entry>) {
    match *change {
        Change::Addition { entry_mode, oid, .. } => {
            (None, Some(Entry { id: oid, is_submodule: entry_mode.is_commit() }))
        }
        Change::Deletion { entry_mode, oid, .. } => {
            (Some(Entry { id: oid, is_submodule: entry_mode.is_commit() }), None)
        }
        Change::Modification { previous_entry_mode, previous_oid, entry_mode, oid, .. } => (
            Some(Entry { id: previous_oid, is_submodule: previous_entry_mode.is_commit() }),
            Some(Entry { id: oid, is_submodule: entry_mode.is_commit() }),
        ),
    }
}
