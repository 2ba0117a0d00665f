//! How large the organisation is, and what is told of it.

use std::fmt;
use std::str::FromStr;

/// How large. `S`, `M` and `L` are the yardstick that speeds are measured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Size {
    /// What `dorado demo` shows: 8 groups, 24 teams, 60 services with names that mean something, 18 months, about
    /// 6,000 production deployments and what went before them in dev and staging, 45,000 changes and their pull
    /// requests, 450 incidents, and a story.
    Demo,
    /// For tests: 1,000 deployments, 10,000 changes, 50 incidents over one year.
    Tiny,
    /// 100,000 deployments, 1,000,000 changes, 5,000 incidents over five years.
    S,
    /// Ten times [`Size::S`].
    M,
    /// A hundred times [`Size::S`].
    L,
}

/// A word that is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size; write demo, tiny, S, M or L")]
pub struct UnknownSize(String);

impl Size {
    const ALL: [Self; 5] = [Self::Demo, Self::Tiny, Self::S, Self::M, Self::L];

    fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Tiny => "tiny",
            Self::S => "S",
            Self::M => "M",
            Self::L => "L",
        }
    }

    pub(super) fn scale(self) -> Scale {
        match self {
            Self::Demo => Scale {
                n_months: 18,
                n_deployments: 16_600,
                production: 0.36,
                n_changes: 45_000,
                n_incidents: 450,
                n_groups: 8,
                n_teams: 24,
                n_services: 60,
                detail: Detail::Full,
            },
            Self::Tiny => Scale { n_months: 12, n_groups: 5, n_teams: 30, n_services: 200, ..Scale::yardstick(1_000) },
            Self::S => Scale::yardstick(100_000),
            Self::M => Scale::yardstick(1_000_000),
            Self::L => Scale::yardstick(10_000_000),
        }
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Size {
    type Err = UnknownSize;

    fn from_str(word: &str) -> Result<Self, UnknownSize> {
        let known = Self::ALL.into_iter().find(|size| size.name().eq_ignore_ascii_case(word));
        known.ok_or_else(|| UnknownSize(word.to_owned()))
    }
}

/// Counts. Deployments are to all environments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) n_months: u32,
    pub(super) n_deployments: u32,
    /// Share of the deployments that go to production.
    pub(super) production: f64,
    pub(super) n_changes: u32,
    pub(super) n_incidents: u32,
    pub(super) n_groups: usize,
    pub(super) n_teams: usize,
    pub(super) n_services: usize,
    pub(super) detail: Detail,
}

impl Scale {
    fn yardstick(n_deployments: u32) -> Self {
        Self {
            n_months: 60,
            n_deployments,
            production: 0.5,
            n_changes: n_deployments * 10,
            n_incidents: n_deployments / 20,
            n_groups: 25,
            n_teams: 300,
            n_services: 2_000,
            detail: Detail::Bare,
        }
    }
}

/// What is told of each thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything, pull requests, titles and addresses included.
    Full,
    /// Without pull requests, titles, addresses and versions: no metric of the yardstick reads them.
    Bare,
}
