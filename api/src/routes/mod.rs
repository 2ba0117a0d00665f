//! One file a resource: its parameters, its answer and its handler side by side.

pub(crate) mod audit;
pub(crate) mod changes;
pub(crate) mod deliveries;
pub(crate) mod deployments;
pub(crate) mod docs;
pub(crate) mod environments;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod health;
pub(crate) mod incidents;
pub(crate) mod list;
pub(crate) mod metrics;
pub(crate) mod page;
pub(crate) mod prometheus;
pub(crate) mod question;
pub(crate) mod services;
pub(crate) mod session;
pub(crate) mod sources;
pub(crate) mod stages;
pub(crate) mod summary;
pub(crate) mod teams;
pub(crate) mod unmapped;
pub(crate) mod webhooks;
