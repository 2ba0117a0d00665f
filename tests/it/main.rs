//! One binary of tests over the whole: the metrics by example, their properties, and the real server.

mod history;
mod model;
mod properties;
mod server;
mod subject;
mod tables;
