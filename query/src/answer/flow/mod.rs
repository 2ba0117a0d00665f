//! How changes flow through a service: how many go out together, how long they wait, and where.

mod batch_size;
mod ladder;
mod regressions;
mod unshipped;
