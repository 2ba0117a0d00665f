//! A question as the API takes it, and the buckets that its period is cut into.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Tz;

use super::facts::Instant;
use super::pack::Pack;

/// `change-lead-time?from=2026-01-01&to=2026-02-01&bucket=month`, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) metric: String,
    pub(crate) from: DateTime<Tz>,
    pub(crate) to: DateTime<Tz>,
    pub(crate) bucket: String,
    pub(crate) services: Vec<String>,
    pub(crate) environments: Vec<String>,
    pub(crate) is_grouped_by_service: bool,
    pub(crate) pack: Pack,
    tz: Tz,
}

/// A half-open stretch of time; `start` is where its calendar unit begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    pub(crate) start: DateTime<Tz>,
    pub(crate) end: DateTime<Tz>,
}

impl Question {
    pub(crate) fn parse(text: &str) -> Self {
        let text = text.replace("%2B", "+");
        let (metric, query) = text.split_once('?').expect("a question has parameters");
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let all = |key: &str| -> Vec<String> {
            pairs.iter().filter(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned()).collect()
        };
        let one = |key: &str| all(key).into_iter().next();
        let tz: Tz = one("tz").map_or(Tz::UTC, |tz| tz.parse().expect("a time zone"));
        Self {
            metric: metric.to_owned(),
            from: moment(&one("from").expect("a question has a start"), tz),
            to: moment(&one("to").expect("a question has an end"), tz),
            bucket: one("bucket").expect("a question has a bucket"),
            services: all("service"),
            environments: all("environment"),
            is_grouped_by_service: one("group_by").as_deref() == Some("service"),
            pack: Pack::of(&pairs),
            tz,
        }
    }

    /// The buckets that the period touches, in order; the first and the last are cut to the period.
    pub(crate) fn buckets(&self) -> Vec<Bucket> {
        if self.bucket == "all" {
            return vec![Bucket { start: self.from, end: self.to }];
        }
        let mut date = self.first_date();
        let mut buckets = Vec::new();
        while midnight(date, self.tz) < self.to {
            let next = self.date_after(date);
            buckets.push(Bucket { start: midnight(date, self.tz), end: midnight(next, self.tz) });
            date = next;
        }
        buckets
    }

    /// The parts of ISO weeks that a bucket has.
    pub(crate) fn weeks(&self, bucket: Bucket) -> Vec<Bucket> {
        let part = Self {
            bucket: "week".to_owned(),
            from: bucket.start.max(self.from),
            to: bucket.end.min(self.to),
            ..self.clone()
        };
        part.buckets()
    }

    /// Whether an instant counts in a bucket of this question.
    pub(crate) fn holds(&self, bucket: Bucket, at: Instant) -> bool {
        self.from <= at && at < self.to && bucket.start <= at && at < bucket.end
    }

    fn first_date(&self) -> NaiveDate {
        let date = self.from.date_naive();
        let month = |month: u32| NaiveDate::from_ymd_opt(date.year(), month, 1).expect("the first of a month");
        match self.bucket.as_str() {
            "day" => date,
            "week" => date - Days::new(u64::from(date.weekday().num_days_from_monday())),
            "month" => month(date.month()),
            "quarter" => month((date.month() - 1) / 3 * 3 + 1),
            _ => month(1),
        }
    }

    fn date_after(&self, date: NaiveDate) -> NaiveDate {
        match self.bucket.as_str() {
            "day" => date + Days::new(1),
            "week" => date + Days::new(7),
            "month" => date + Months::new(1),
            "quarter" => date + Months::new(3),
            "year" => date + Months::new(12),
            other => unreachable!("no bucket is called {other}"),
        }
    }
}

impl Bucket {
    /// Local days in the bucket, each with its start and its end.
    pub(crate) fn days(self) -> Vec<Bucket> {
        let tz = self.start.timezone();
        let dates = self.start.date_naive().iter_days();
        dates
            .map(|date| Bucket { start: midnight(date, tz), end: midnight(date + Days::new(1), tz) })
            .take_while(|day| day.start < self.end)
            .collect()
    }
}

/// An instant, or the beginning of a date in a time zone.
pub(crate) fn moment(text: &str, tz: Tz) -> DateTime<Tz> {
    match text.parse::<NaiveDate>() {
        Ok(date) => midnight(date, tz),
        Err(_) => DateTime::parse_from_rfc3339(text).expect("a date or an instant").with_timezone(&tz),
    }
}

/// The first instant of a local day, which is not midnight where a clock is put forward at midnight.
fn midnight(date: NaiveDate, tz: Tz) -> DateTime<Tz> {
    (0..24 * 4)
        .filter_map(|quarter| NaiveTime::from_num_seconds_from_midnight_opt(quarter * 900, 0))
        .find_map(|time| tz.from_local_datetime(&date.and_time(time)).earliest())
        .expect("every day has an instant")
}
