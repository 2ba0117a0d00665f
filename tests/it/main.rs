//! One binary of tests over the whole: the metrics by example, their properties, and the real server.

mod access;
mod benchmarks;
mod binary;
mod cli;
mod collect;
mod compatibility;
mod events;
mod flow;
mod generated;
mod git;
mod github;
mod history;
mod kill;
mod model;
mod overrides;
mod properties;
mod provider;
mod quality;
mod replay;
mod server;
mod subject;
mod tables;
mod tidy;
mod tls;
