//! What DORA publishes to hold a number against, as data: the Quick Check's classes, scores and industries, and
//! the clusters of the reports. Nothing here is computed from anybody's rows, and nothing is invented: where
//! a report has a gap between two levels, a value in it is in neither.

pub(crate) mod clusters;
pub(crate) mod quick_check;

/// Seconds.
pub(crate) const HOUR: f64 = 3_600.0;
/// Seconds.
pub(crate) const DAY: f64 = 24.0 * HOUR;
/// Seconds.
pub(crate) const WEEK: f64 = 7.0 * DAY;
/// Seconds. DORA says "a month"; here it has 30 days.
pub(crate) const MONTH: f64 = 30.0 * DAY;
/// Seconds: six such months.
pub(crate) const SIX_MONTHS: f64 = 180.0 * DAY;

/// Deployments a day.
pub(crate) const SEVERAL_A_DAY: f64 = 2.0;
/// Deployments a day.
pub(crate) const HOURLY: f64 = 24.0;
/// Deployments a day.
pub(crate) const DAILY: f64 = 1.0;
/// Deployments a day.
pub(crate) const WEEKLY: f64 = 1.0 / 7.0;
/// Deployments a day.
pub(crate) const MONTHLY: f64 = 1.0 / 30.0;
/// Deployments a day.
pub(crate) const HALF_YEARLY: f64 = 1.0 / 180.0;

/// Which values a published class or level has, in the unit of its metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Range {
    /// Less than this.
    Below(f64),
    /// More than this.
    Above(f64),
    /// This or more.
    AtLeast(f64),
    /// From the one to the other, both included.
    Between(f64, f64),
    /// The report gives one number, and no range around it.
    Point(f64),
}

impl Range {
    /// Whether a value lies in it; unknown for a point, which has no extent.
    pub(crate) fn holds(self, value: f64) -> Option<bool> {
        match self {
            Self::Below(bound) => Some(value < bound),
            Self::Above(bound) => Some(value > bound),
            Self::AtLeast(bound) => Some(value >= bound),
            Self::Between(low, high) => Some((low..=high).contains(&value)),
            Self::Point(_) => None,
        }
    }

    /// Its ends, where it has them.
    pub(crate) fn ends(self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Below(bound) => (None, Some(bound)),
            Self::Above(bound) | Self::AtLeast(bound) => (Some(bound), None),
            Self::Between(low, high) => (Some(low), Some(high)),
            Self::Point(at) => (Some(at), Some(at)),
        }
    }
}
