//! What happens to every request, from the outside in: observed, let through the gate, compressed.

mod compress;
mod gate;
mod observe;

pub(crate) use compress::compress;
pub(crate) use gate::gate;
pub(crate) use observe::observe;
