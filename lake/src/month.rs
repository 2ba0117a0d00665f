//! Months, by which tables are partitioned.

use std::fmt::{Display, Formatter};

use chrono::Datelike;

use crate::Instant;

/// A calendar month in UTC; prints as `2026-11`. Instants before 1990 and after 2099 are the mistakes of
/// clocks: they are put into the first and the last month, so that they cannot make partitions without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

impl Month {
    /// The month that an instant is put into.
    pub fn of(instant: Instant) -> Self {
        let month = instant.year().saturating_mul(12).saturating_add(instant.month0().cast_signed());
        Self(month.clamp(1990 * 12, 2099 * 12 + 11))
    }
}

impl Display for Month {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.0 / 12, self.0 % 12 + 1)
    }
}
