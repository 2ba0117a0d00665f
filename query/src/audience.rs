//! For whom a question is answered. Part of every question, so that nobody below can forget whose rows may
//! be read: the directory is narrowed to what the audience may know before any name is looked up in it.

use std::collections::BTreeSet;

/// Who gets to see the answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Those who may see everything.
    Everybody,
    /// Those who may see these teams and the teams below them.
    Teams(BTreeSet<String>),
}
