//! How facts arrive: sources, signature checking, translation. Nothing here touches a table or a metric.

mod source;

pub use source::{Error, Source};
