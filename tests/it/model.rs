//! A naive model of the five metrics, written straight from the definitions and apart from the query
//! layer, so that the two can be compared. Quadratic and obvious: every answer starts again from all
//! facts, and nothing is shared with what it checks. Where the definitions leave a choice, the one
//! taken is written in `tests/metrics/README.md`.

mod answer;
mod facts;
mod outcomes;
mod pack;
mod question;
mod shipments;

pub(crate) use answer::answer;
pub(crate) use facts::Facts;
pub(crate) use question::{Question, moment};
