//! From a question to an answer: one plan over gold, then one flat row a bucket and group.

pub(crate) mod benchmark;
pub(crate) mod days;
pub(crate) mod definitions;
pub(crate) mod deliveries;
pub(crate) mod directory;
pub(crate) mod explain;
pub(crate) mod flow;
pub(crate) mod frame;
pub(crate) mod list;
pub(crate) mod measure;
pub(crate) mod overrides;
pub(crate) mod page;
pub(crate) mod project;
pub(crate) mod quality;
pub(crate) mod relation;
pub(crate) mod series;
pub(crate) mod stages;
mod unmapped;
