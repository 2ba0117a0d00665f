//! One binary of tests over the whole: the metrics by example, their properties, and the real server.

mod access;
mod binary;
mod cli;
mod collect;
mod events;
mod generated;
mod git;
mod github;
mod history;
mod kill;
mod model;
mod properties;
mod provider;
mod replay;
mod server;
mod subject;
mod tables;
mod tidy;
