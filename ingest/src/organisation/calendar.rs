//! When people work: five days a week, by day, in their own time zone, with quiet holidays, and a little
//! more each year. Instants are seconds since the Unix epoch.

use chrono::{DateTime, Datelike, Months, NaiveDate};
use dorado_lake::Instant;
use rand::Rng;
use rand_pcg::Pcg64;

use super::chance::Pick;

const DAY: i64 = 86_400;
/// Monday to Sunday.
const WEEKDAY: [f64; 7] = [1.0, 1.12, 1.12, 1.05, 0.72, 0.10, 0.07];
/// Hours of the day where the team sits.
const HOUR: [f64; 24] = [
    0.05, 0.03, 0.02, 0.02, 0.02, 0.03, 0.08, 0.25, 0.6, 1.0, 1.25, 1.2, 0.8, 1.0, 1.25, 1.25, 1.1, 0.8, 0.45, 0.3,
    0.22, 0.18, 0.12, 0.08,
];
/// Month and day of holidays on which hardly anybody works.
const HOLIDAYS: [(u32, u32); 5] = [(1, 1), (5, 1), (12, 24), (12, 25), (12, 26)];
/// Draws of an instant before any of the period is taken: only at its ragged ends are several needed.
const MAX_DRAWS: usize = 64;

/// A calendar month of the history, or the part of one at either end. Half-open.
#[derive(Debug, Clone)]
pub(super) struct Month {
    pub(super) place: usize,
    pub(super) from: i64,
    pub(super) to: i64,
    first_day: i64,
    days: Pick,
    weight: f64,
}

/// The whole history.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    pub(super) from: i64,
    pub(super) until: i64,
    pub(super) months: Vec<Month>,
    hours: Pick,
}

impl Calendar {
    pub(super) fn new(until: Instant, n_months: u32) -> Self {
        let first = until.checked_sub_months(Months::new(n_months)).unwrap_or(Instant::UNIX_EPOCH);
        let (from, until) = (first.timestamp(), until.timestamp());
        let mut months = Vec::new();
        let mut start = from;
        while start < until {
            let end = next_month(start).min(until);
            months.push(Month::new(months.len(), start..end, from..until));
            start = end;
        }
        Self { from, until, months, hours: Pick::new(HOUR.to_vec()) }
    }

    /// `total` divided among the months by how much is worked in them.
    pub(super) fn divide(&self, total: u32) -> Vec<usize> {
        let all: f64 = self.months.iter().map(|m| m.weight).sum();
        let mut so_far = 0.0;
        let mut given = 0;
        let share = |month: &Month| {
            so_far += month.weight;
            let due = (so_far / all * f64::from(total)).round() as usize;
            let share = due - given;
            given = due;
            share
        };
        self.months.iter().map(share).collect()
    }

    /// An instant of `month` at which people of a time zone work.
    pub(super) fn instant(&self, month: &Month, rng: &mut Pcg64, zone_minutes: i32) -> i64 {
        for _ in 0..MAX_DRAWS {
            let day = month.first_day + month.days.place(rng) as i64;
            let hour = self.hours.place(rng) as i64;
            let at = day * DAY + hour * 3_600 + rng.random_range(0..3_600) - i64::from(zone_minutes) * 60;
            if (month.from..month.to).contains(&at) {
                return at;
            }
        }
        rng.random_range(month.from..month.to)
    }

    /// How far through the history an instant lies, from 0 to 1.
    pub(super) fn progress(&self, at: i64) -> f64 {
        (at - self.from) as f64 / (self.until - self.from) as f64
    }
}

impl Month {
    fn new(place: usize, span: std::ops::Range<i64>, history: std::ops::Range<i64>) -> Self {
        let first_day = span.start.div_euclid(DAY);
        let last_day = (span.end - 1).div_euclid(DAY);
        let weights: Vec<f64> = (first_day..=last_day)
            .map(|day| {
                let worked = span.end.min((day + 1) * DAY) - span.start.max(day * DAY);
                let grown = (day * DAY - history.start) as f64 / (history.end - history.start) as f64;
                weight(day) * (0.7 + 0.6 * grown) * worked as f64 / DAY as f64
            })
            .collect();
        Self {
            place,
            from: span.start,
            to: span.end,
            first_day,
            weight: weights.iter().sum(),
            days: Pick::new(weights),
        }
    }
}

fn weight(day: i64) -> f64 {
    let date = date(day * DAY);
    let (month, day_of_month) = (date.month(), date.day());
    let weekday = WEEKDAY[date.weekday().num_days_from_monday() as usize];
    if HOLIDAYS.contains(&(month, day_of_month)) {
        weekday * 0.08
    } else if (month == 12 && day_of_month >= 21) || (month == 1 && day_of_month <= 2) {
        weekday * 0.25
    } else {
        weekday
    }
}

fn next_month(at: i64) -> i64 {
    let first = date(at).with_day(1).unwrap_or_default();
    first.checked_add_months(Months::new(1)).unwrap_or_default().and_time(chrono::NaiveTime::MIN).and_utc().timestamp()
}

fn date(at: i64) -> NaiveDate {
    DateTime::from_timestamp(at, 0).unwrap_or_default().date_naive()
}
