//! Days that are not 24 hours long, weeks that belong to another year, midnights that do not exist.

#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

use super::*;
use chrono_tz::{America::Sao_Paulo, Asia::Beirut, Asia::Kathmandu, Europe::Berlin, Pacific::Apia};
use proptest::prelude::*;

fn at(text: &str) -> Instant {
    text.parse().unwrap()
}

fn cut(from: &str, to: &str, size: BucketSize, tz: Tz) -> Buckets {
    Buckets::new(at(from), at(to), size, tz).unwrap()
}

fn labels(buckets: &Buckets) -> Vec<String> {
    (0..buckets.len()).map(|bucket| buckets.label(bucket)).collect()
}

fn hours(buckets: &Buckets) -> Vec<f64> {
    (0..buckets.len()).map(|bucket| buckets.seconds(bucket) / 3600.0).collect()
}

#[test]
fn the_day_when_clocks_go_forward_has_23_hours() {
    let buckets = cut("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", BucketSize::Day, Berlin);
    assert_eq!(
        labels(&buckets),
        ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"]
    );
    assert_eq!(hours(&buckets), [24.0, 23.0, 24.0]);
    assert_eq!((0..3).map(|day| buckets.days(day)).collect::<Vec<_>>(), [1.0, 1.0, 1.0]);
}

#[test]
fn the_day_when_clocks_go_back_has_25_hours_and_the_week_still_seven_days() {
    let buckets = cut("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", BucketSize::Day, Berlin);
    assert_eq!(hours(&buckets), [25.0]);
    assert_eq!(labels(&buckets), ["2026-10-25T00:00:00+02:00"]);
    let week = cut("2026-10-18T22:00:00Z", "2026-10-25T23:00:00Z", BucketSize::Week, Berlin);
    assert_eq!(hours(&week), [169.0]);
    assert_eq!(week.days(0), 7.0);
}

#[test]
fn a_day_without_midnight_begins_at_its_first_instant() {
    let buckets = cut("2018-11-03T03:00:00Z", "2018-11-06T02:00:00Z", BucketSize::Day, Sao_Paulo);
    assert_eq!(
        labels(&buckets),
        ["2018-11-03T00:00:00-03:00", "2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"]
    );
    assert_eq!(hours(&buckets), [24.0, 23.0, 24.0]);
    assert_eq!(buckets.index_of(at("2018-11-04T02:59:59.999999Z")), Some(0));
    assert_eq!(buckets.index_of(at("2018-11-04T03:00:00Z")), Some(1));
    let spring = cut("2021-03-27T22:00:00Z", "2021-03-28T21:00:00Z", BucketSize::Day, Beirut);
    assert_eq!(labels(&spring), ["2021-03-28T01:00:00+03:00"]);
    assert_eq!(hours(&spring), [23.0]);
}

#[test]
fn a_date_that_a_zone_left_out_is_no_bucket() {
    // Samoa went from the 29th to the 31st of December.
    let buckets = cut("2011-12-29T10:00:00Z", "2012-01-01T10:00:00Z", BucketSize::Day, Apia);
    assert_eq!(
        labels(&buckets),
        ["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"]
    );
}

#[test]
fn weeks_begin_on_monday_and_the_last_may_be_the_53rd() {
    for (from, to, label) in [
        ("2026-12-28T00:00:00Z", "2027-01-04T00:00:00Z", "2026-12-28T00:00:00Z"),
        ("2021-01-01T00:00:00Z", "2021-01-04T00:00:00Z", "2020-12-28T00:00:00Z"),
    ] {
        let buckets = cut(from, to, BucketSize::Week, Tz::UTC);
        assert_eq!(labels(&buckets), [label]);
        assert_eq!(buckets.starts()[0].iso_week().week(), 53);
    }
}

#[test]
fn quarters_and_years_and_months_begin_on_their_first() {
    let quarters = cut("2026-02-10T00:00:00Z", "2026-10-01T00:00:00Z", BucketSize::Quarter, Tz::UTC);
    assert_eq!(labels(&quarters), ["2026-01-01T00:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T00:00:00Z"]);
    let years = cut("2024-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", BucketSize::Year, Tz::UTC);
    assert_eq!(labels(&years), ["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"]);
    assert_eq!(years.days(0), 366.0);
    let months = cut("2024-01-31T00:00:00Z", "2024-03-01T00:00:00Z", BucketSize::Month, Tz::UTC);
    assert_eq!((0..2).map(|month| months.days(month)).collect::<Vec<_>>(), [1.0, 29.0]);
}

#[test]
fn offsets_of_a_quarter_hour_are_kept() {
    let buckets = cut("2026-01-01T18:15:00Z", "2026-01-02T18:15:00Z", BucketSize::Day, Kathmandu);
    assert_eq!(labels(&buckets), ["2026-01-02T00:00:00+05:45"]);
    assert_eq!(buckets.days(0), 1.0);
}

#[test]
fn the_first_bucket_is_labelled_by_the_calendar_and_holds_only_the_period() {
    let buckets = cut("2026-01-07T12:00:00Z", "2026-01-14T06:00:00Z", BucketSize::Week, Tz::UTC);
    assert_eq!(labels(&buckets), ["2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z"]);
    assert_eq!((0..2).map(|week| buckets.days(week)).collect::<Vec<_>>(), [4.5, 2.25]);
    assert_eq!(buckets.index_of(at("2026-01-07T11:59:59Z")), None);
    assert_eq!(buckets.index_of(at("2026-01-07T12:00:00Z")), Some(0));
    assert_eq!(buckets.index_of(at("2026-01-14T06:00:00Z")), None);
    let all = cut("2026-01-07T12:00:00Z", "2026-01-14T06:00:00Z", BucketSize::All, Berlin);
    assert_eq!(labels(&all), ["2026-01-07T13:00:00+01:00"]);
    assert_eq!(all.days(0), 6.75);
}

#[test]
fn what_cannot_be_cut_is_said() {
    let refused = |from: &str, to: &str, size| Buckets::new(at(from), at(to), size, Tz::UTC).unwrap_err();
    let (year_0, day_1, day_2) = ("0000-06-01T00:00:00Z", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
    assert!(matches!(refused(day_1, day_1, BucketSize::Day), Error::Empty { .. }));
    assert!(matches!(refused(day_2, day_1, BucketSize::All), Error::Empty { .. }));
    assert!(matches!(refused(year_0, day_1, BucketSize::Year), Error::OutOfRange { .. }));
    let too_many = refused("1850-01-01T00:00:00Z", day_1, BucketSize::Day);
    assert!(too_many.to_string().starts_with("a bucket a day makes more than 50000 buckets"), "{too_many}");
    let unknown = "fortnight".parse::<BucketSize>().unwrap_err();
    assert_eq!(unknown.to_string(), "unknown bucket `fortnight`: expected day, week, month, quarter, year or all");
}

proptest! {
    #[test]
    fn buckets_cover_the_period_without_gap_in_every_zone(
        from in -2_000_000_000_i64..2_500_000_000,
        length in 1_i64..60_000_000,
        size in prop::sample::select(&BucketSize::ALL[..]),
        tz in prop::sample::select(&chrono_tz::TZ_VARIANTS[..]),
    ) {
        let from = DateTime::from_timestamp(from, 0).unwrap();
        let to = from + TimeDelta::seconds(length);
        let buckets = Buckets::new(from, to, size, tz).unwrap();
        prop_assert_eq!((buckets.from(), buckets.to()), (from, to));
        prop_assert_eq!(buckets.edges().len(), buckets.len() + 1);
        prop_assert!(buckets.edges().is_sorted_by(|a, b| a < b));
        prop_assert!(buckets.starts()[0] <= from);
        for (bucket, edge) in buckets.edges()[..buckets.len()].iter().enumerate() {
            prop_assert_eq!(buckets.index_of(*edge), Some(bucket));
            prop_assert!(bucket == 0 || buckets.starts()[bucket] == *edge);
        }
        let days: f64 = (0..buckets.len()).map(|bucket| buckets.days(bucket)).sum();
        prop_assert!((days - length as f64 / 86_400.0).abs() < 1.5, "{} days", days);
    }
}
