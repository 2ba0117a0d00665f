//! What happens to every request, from the outside in: observed, let through the gate, let in, compressed.

mod admit;
mod compress;
mod cors;
mod gate;
mod observe;

pub(crate) use admit::{OPEN, admit};
pub(crate) use compress::compress;
pub(crate) use cors::cors;
pub(crate) use gate::gate;
pub(crate) use observe::observe;
