//! Packs: named sets of the choices behind the numbers. Every answer carries its pack and the
//! parameters in force.

use chrono::TimeDelta;
use serde::Serialize;

/// The choices in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pack {
    /// Its id, as `pack=` takes it.
    pub id: &'static str,
    /// In one sentence, whose definitions these are.
    pub title: &'static str,
    /// An incident is probably caused by a deployment that finished at most so many seconds before it.
    pub window_seconds: i64,
    /// Whether the first deployment of a service ships what it contains.
    pub first_deployment: FirstDeployment,
    /// Whether attempts that never reached production count in the fail rate.
    pub count_failed_attempts: bool,
    /// Below so many rows a value is shown with `enough_data = false`.
    pub min_n: u64,
}

/// What the first deployment of a service ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FirstDeployment {
    /// Nothing: what it ships is unknowable.
    Baseline,
}

impl Pack {
    /// [`Pack::window_seconds`] as a duration.
    pub fn window(&self) -> TimeDelta {
        TimeDelta::seconds(self.window_seconds)
    }
}

/// Every pack; the first is the default.
pub const PACKS: &[Pack] = &[Pack {
    id: "dora-2025",
    title: "The five metrics as dora.dev defines them (2025).",
    window_seconds: 24 * 60 * 60,
    first_deployment: FirstDeployment::Baseline,
    count_failed_attempts: false,
    min_n: 5,
}];
