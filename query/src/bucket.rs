//! Cutting a period into days, ISO weeks, months, quarters or years of an IANA time zone. The zone enters
//! here and nowhere below: a bucket is two instants, half-open, whatever happened to clocks between them.

mod each;
mod function;

use std::str::FromStr;

use chrono::{DateTime, Datelike, Days, LocalResult, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};
use dorado_lake::Instant;
use serde::{Deserialize, Serialize};

pub(crate) use each::in_each_bucket;

/// More buckets than this are refused.
const MOST_BUCKETS: usize = 50_000;

/// How long a bucket is, by the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BucketSize {
    /// From one local midnight to the next: 23 or 25 hours where the clocks change.
    Day,
    /// ISO week, from Monday.
    Week,
    /// Calendar month.
    Month,
    /// January to March and so on.
    Quarter,
    /// Calendar year.
    Year,
    /// The whole period in one bucket.
    All,
}

/// Why a period cannot be cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not the name of a size.
    #[error("unknown bucket `{given}`: expected day, week, month, quarter, year or all")]
    UnknownSize {
        /// What was asked for.
        given: String,
    },
    /// The period ends before it began, or as it begins.
    #[error("the period from {from} to {to} is empty")]
    Empty {
        /// Start asked for.
        from: Instant,
        /// End asked for.
        to: Instant,
    },
    /// RFC 3339 has four digits for the year.
    #[error("the period from {from} to {to} is not within the years 1 to 9998")]
    OutOfRange {
        /// Start asked for.
        from: Instant,
        /// End asked for.
        to: Instant,
    },
    /// The answer would be too long for anybody to read.
    #[error("a bucket a {size} makes more than {MOST_BUCKETS} buckets from {from} to {to}")]
    TooMany {
        /// Size asked for.
        size: BucketSize,
        /// Start asked for.
        from: Instant,
        /// End asked for.
        to: Instant,
    },
}

impl BucketSize {
    /// All sizes, the smallest first.
    pub const ALL: [Self; 6] = [Self::Day, Self::Week, Self::Month, Self::Quarter, Self::Year, Self::All];

    /// As in a question: `day`, `week`, …
    pub fn name(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
            Self::All => "all",
        }
    }

    /// First date of the bucket that holds `date`; `None` beyond the calendar.
    fn first_date(self, date: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day | Self::All => Some(date),
            Self::Week => date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into())),
            Self::Month => date.with_day(1),
            Self::Quarter => date.with_day(1)?.with_month0(date.month0() / 3 * 3),
            Self::Year => date.with_ordinal(1),
        }
    }

    /// First date of the next bucket.
    fn next_date(self, first: NaiveDate) -> Option<NaiveDate> {
        match self {
            Self::Day => first.checked_add_days(Days::new(1)),
            Self::Week => first.checked_add_days(Days::new(7)),
            Self::Month => first.checked_add_months(Months::new(1)),
            Self::Quarter => first.checked_add_months(Months::new(3)),
            Self::Year => first.checked_add_months(Months::new(12)),
            Self::All => None,
        }
    }
}

impl std::fmt::Display for BucketSize {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name())
    }
}

impl FromStr for BucketSize {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self, Error> {
        let named = Self::ALL.into_iter().find(|size| size.name() == given);
        named.ok_or_else(|| Error::UnknownSize { given: given.to_owned() })
    }
}

/// A period cut into at least one bucket, all instants at whole microseconds.
///
/// Each has a start by the calendar, which is its label, and two edges: the first bucket may begin after its
/// label, where the period does, and the last one ends where the period does.
#[derive(Debug, Clone, PartialEq)]
pub struct Buckets {
    edges: Vec<Instant>,
    starts: Vec<DateTime<Tz>>,
}

impl Buckets {
    /// Cuts the period from `from` to just before `to`.
    pub fn new(from: Instant, to: Instant, size: BucketSize, tz: Tz) -> Result<Self, Error> {
        let (from, to) = (to_whole_micros(from), to_whole_micros(to));
        if from >= to {
            return Err(Error::Empty { from, to });
        }
        if from.year() < 1 || to.year() > 9998 {
            return Err(Error::OutOfRange { from, to });
        }
        if size == BucketSize::All {
            return Ok(Self { edges: vec![from, to], starts: vec![from.with_timezone(&tz)] });
        }
        let mut buckets = Self { edges: Vec::new(), starts: Vec::new() };
        let mut date = size.first_date(from.with_timezone(&tz).date_naive());
        while let Some(first) = date {
            let start = first_instant(first, tz);
            if start >= to {
                break;
            }
            buckets.begin(start, from);
            if buckets.starts.len() > MOST_BUCKETS {
                return Err(Error::TooMany { size, from, to });
            }
            date = size.next_date(first);
        }
        buckets.edges.push(to);
        Ok(buckets)
    }

    fn begin(&mut self, start: DateTime<Tz>, from: Instant) {
        // What began at or before the period's start is replaced by what begins there later; a date that a zone
        // left out, by the one after it.
        let edge = start.with_timezone(&Utc).max(from);
        if self.edges.last() == Some(&edge) {
            self.edges.pop();
            self.starts.pop();
        }
        self.edges.push(edge);
        self.starts.push(start);
    }

    /// Number of buckets, at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always at least one bucket")]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Where buckets begin and end: one more than there are buckets, rising.
    pub fn edges(&self) -> &[Instant] {
        &self.edges
    }

    /// Starts by the calendar, in the zone; the first may lie before the period.
    pub fn starts(&self) -> &[DateTime<Tz>] {
        &self.starts
    }

    /// The zone that it was cut in.
    pub fn tz(&self) -> Tz {
        self.starts[0].timezone()
    }

    /// First instant of the period.
    pub fn from(&self) -> Instant {
        self.edges[0]
    }

    /// The instant after the period.
    pub fn to(&self) -> Instant {
        self.edges[self.len()]
    }

    /// The bucket's start in RFC 3339, with the zone's offset at that instant.
    pub fn label(&self, bucket: usize) -> String {
        self.starts[bucket].to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
    }

    /// Length of the part of the period in a bucket: a day has 82,800 or 90,000 where the clocks change.
    pub fn seconds(&self, bucket: usize) -> f64 {
        seconds_between(self.edges[bucket], self.edges[bucket + 1])
    }

    /// The same in days of the zone: each counts one, however long it is, and in part where it is cut.
    /// So a whole week has seven days, in every zone and at every time of the year.
    pub fn days(&self, bucket: usize) -> f64 {
        days_between(self.edges[bucket], self.edges[bucket + 1], self.tz())
    }

    /// The bucket that holds an instant; `None` outside the period.
    pub fn index_of(&self, instant: Instant) -> Option<usize> {
        let index = self.edges.partition_point(|&edge| edge <= instant).checked_sub(1)?;
        (index < self.len()).then_some(index)
    }
}

/// Edges are compared with whole microseconds, so one between two of them may as well be the later one.
fn to_whole_micros(instant: Instant) -> Instant {
    let excess = i64::from(instant.timestamp_subsec_nanos() % 1_000);
    if excess == 0 { instant } else { instant + TimeDelta::nanoseconds(1_000 - excess) }
}

/// When a date begins in a zone: at midnight, or where clocks were put forward over midnight, as in São Paulo
/// until 2018, at the first instant after. Where midnight comes twice, the first one.
fn first_instant(date: NaiveDate, tz: Tz) -> DateTime<Tz> {
    let midnight = date.and_time(NaiveTime::MIN);
    match tz.from_local_datetime(&midnight) {
        LocalResult::Single(instant) | LocalResult::Ambiguous(instant, _) => instant,
        LocalResult::None => {
            GapInfo::new(&midnight, &tz).and_then(|gap| gap.end).unwrap_or_else(|| tz.from_utc_datetime(&midnight))
        }
    }
}

fn seconds_between(start: Instant, end: Instant) -> f64 {
    let length = end - start;
    length.num_seconds() as f64 + f64::from(length.subsec_nanos()) / 1e9
}

fn days_between(start: Instant, end: Instant, tz: Tz) -> f64 {
    let first = start.with_timezone(&tz).date_naive();
    let last = end.with_timezone(&tz).date_naive();
    // Whole days from the first midnight to the last, then the parts of the first and the last day.
    let whole = (last - first).num_days() as f64;
    whole + part_of_day(end, last, tz) - part_of_day(start, first, tz)
}

/// How much of a date is over at an instant on it, from 0 to 1.
fn part_of_day(instant: Instant, date: NaiveDate, tz: Tz) -> f64 {
    let begin = first_instant(date, tz).with_timezone(&Utc);
    let end = first_instant(date + Days::new(1), tz).with_timezone(&Utc);
    (seconds_between(begin, instant) / seconds_between(begin, end)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests;
