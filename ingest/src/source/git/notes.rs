//! What was left out, assumed or decided by rule, said to a person.

use dorado_lake::Change;

use super::{GitOptions, State, tags::Found, walk::Walker};

/// Sentences without a full stop.
#[derive(Debug, Default)]
pub(super) struct Notes(pub(super) Vec<String>);

impl Notes {
    pub(super) fn push(&mut self, note: String) {
        self.0.push(note);
    }

    /// `3 tags are …: a, b, c`, or nothing for no tag.
    pub(super) fn tags(&mut self, of_one: &str, of_many: &str, names: &[impl AsRef<str>]) {
        match names {
            [] => {}
            [name] => self.push(format!("tag `{}` {of_one}", name.as_ref())),
            _ => self.push(format!("{} tags {of_many}: {}", names.len(), sample(names))),
        }
    }

    fn changes(&mut self, of_one: &str, of_many: &str, n: usize) {
        match n {
            0 => {}
            1 => self.push(format!("1 change {of_one}")),
            _ => self.push(format!("{n} changes {of_many}")),
        }
    }

    /// Where history is cut off or broken, and what changes say of each other.
    pub(super) fn on_changes(&mut self, walker: &Walker<'_>, changes: &[Change]) {
        let opened = walker.opened();
        if !opened.shallow.is_empty() {
            self.push(format!(
                "shallow clone: history is cut off (commits taken for its beginning: {}); what lies before is unknown, so the \
                 first deployments seem to ship less than they did",
                opened.shallow.len(),
            ));
        }
        if walker.n_missing > 0 {
            let n = walker.n_missing;
            self.push(format!(
                "history is taken to begin after commits that are missing or damaged (number of them: {n})"
            ));
        }
        let count = |is: &dyn Fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
        let no_date = count(&|c| c.authored_at.is_none() && c.committed_at.is_none());
        self.changes("has no date that can be read", "have no date that can be read", no_date);
        self.changes("reverts another", "revert another", count(&|c| c.reverts.is_some()));
        let picked = count(&|c| c.cherry_pick_of.is_some());
        self.changes(
            "is a cherry-pick of another, by its trailer or patch",
            "are cherry-picks of others, by trailer or patch",
            picked,
        );
        let is_without_paths =
            |c: &Change| c.paths.is_none() && c.parents.as_ref().is_none_or(|parents| parents.len() < 2);
        let no_paths = if opened.reads_paths { count(&is_without_paths) } else { 0 };
        self.changes(
            "has no paths, since its trees are not here",
            "have no paths, since their trees are not here (partial clone)",
            no_paths,
        );
    }

    /// What rules say of deployments, and what became of those read before.
    pub(super) fn on_deployments(&mut self, before: &State, deployments: &[Found], options: &GitOptions) {
        if options.every_merge {
            return;
        }
        let patches: Vec<&str> = deployments
            .iter()
            .filter(|found| found.fact.flagged_by.is_some())
            .filter_map(|found| found.fact.version.as_deref())
            .collect();
        self.tags(
            "is a patch release, so by rule `patch_release` it repairs the release before it",
            "are patch releases, so by rule `patch_release` they repair the releases before them",
            &patches,
        );
        let gone = before.gone(deployments);
        self.tags(
            "was read before and is gone; its deployment stays",
            "were read before and are gone; their deployments stay",
            &gone,
        );
        let moved = before.moved(deployments);
        self.tags("is another deployment than before", "are other deployments than before", &moved);
    }
}

/// The first few, and how many more there are.
pub(super) fn sample(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 5;
    let shown = names.iter().take(SHOWN).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        n_more => format!("{shown} and {n_more} more"),
    }
}
