//! Numbers, times and reasons as people read them. Unknown is said in words, never as 0.

use chrono::{DateTime, FixedOffset};

/// What is said where a value cannot be told.
pub(crate) const NOT_ENOUGH: &str = "not enough data";

/// Seconds as the two largest units that matter, as `3 h 20 min` or `4.8 days`.
pub(crate) fn duration(seconds: f64) -> String {
    let sign = if seconds < 0.0 { "-" } else { "" };
    let seconds = seconds.abs();
    let said = if seconds < 59.5 {
        format!("{seconds:.0} s")
    } else if seconds < 59.5 * 60.0 {
        format!("{:.0} min", seconds / 60.0)
    } else if seconds < 48.0 * 3600.0 {
        let minutes = (seconds / 60.0).round() as u64;
        // A half day to the minute says more than is known.
        match (minutes / 60, minutes % 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, rest) if hours < 10 => format!("{hours} h {rest} min"),
            (hours, rest) => format!("{} h", hours + u64::from(rest >= 30)),
        }
    } else {
        let days = seconds / 86_400.0;
        if days < 9.95 { format!("{} days", one_decimal(days)) } else { format!("{} days", count(days.round() as i64)) }
    };
    format!("{sign}{said}")
}

/// A share as `10.3 %`.
pub(crate) fn percent(share: f64) -> String {
    format!("{} %", one_decimal(share * 100.0))
}

/// How often, as the page says it: `13.2 a day`, `3 a week`, and what is rarer by the month, `0.7 a month`.
pub(crate) fn frequency(per_day: f64) -> String {
    for (days, unit) in [(1.0, "day"), (7.0, "week")] {
        if per_day * days >= 0.995 || per_day == 0.0 {
            return format!("{} a {unit}", one_decimal(per_day * days));
        }
    }
    let a_month = per_day * 365.25 / 12.0;
    if a_month < 0.05 { "fewer than 0.1 a month".to_owned() } else { format!("{} a month", one_decimal(a_month)) }
}

/// Days with a deployment in a week, as `3.5 days a week`.
pub(crate) fn days_a_week(days: f64) -> String {
    format!("{} day{} a week", one_decimal(days), if one_decimal(days) == "1" { "" } else { "s" })
}

/// A whole number with its thousands set apart.
pub(crate) fn count(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut said = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    if n < 0 { format!("-{said}") } else { said }
}

/// `1 change`, `2 changes`.
pub(crate) fn counted(n: i64, one: &str) -> String {
    format!("{} {one}{}", count(n), if n == 1 { "" } else { "s" })
}

/// An RFC 3339 instant to the minute, in its own offset.
pub(crate) fn minute(text: &str) -> String {
    let read: Option<DateTime<FixedOffset>> = DateTime::parse_from_rfc3339(text).ok();
    read.map_or_else(|| text.to_owned(), |at| at.format("%Y-%m-%d %H:%M").to_string())
}

/// Why rows were left out, as a clause after their number.
pub(crate) fn reason(name: &str) -> String {
    let said = match name {
        "unshipped" => "not shipped yet",
        "first_deployment" => "in the first deployment of a service, where the wait is unknown",
        "cherry_pick" => "copied from or to a change that shipped already",
        "no_commit_time" => "without a usable commit time",
        "open" => "not recovered yet",
        "recovered_before_it_finished" => "recovered before they finished",
        "failed" => "never reached production: the attempt failed",
        "cancelled" => "never reached production: cancelled",
        "running" => "still running",
        "no_pull_request" => "of no pull request",
        "no_start" => "without the instant that lead time begins with",
        "negative" => "with a clock that was off",
        "zero" => "that took no time",
        "bot" => "written by a bot",
        "after_gap" => "in a deployment after a long gap",
        "resolved_before_it_began" => "resolved before they began",
        "pending" => "not begun",
        other => return other.replace('_', " "),
    };
    said.to_owned()
}

/// At most one decimal, and none where it is 0.
fn one_decimal(x: f64) -> String {
    let rounded = (x * 10.0).round() / 10.0;
    if rounded.abs() >= 100.0 || rounded.fract() == 0.0 {
        return count(rounded.round() as i64);
    }
    format!("{rounded:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_in_the_units_that_matter() {
        for (seconds, said) in [
            (0.0, "0 s"),
            (59.4, "59 s"),
            (59.6, "1 min"),
            (3_569.0, "59 min"),
            (3_600.0, "1 h"),
            (7_129.0, "1 h 59 min"),
            (10_169.0, "2 h 49 min"),
            (147_223.0, "41 h"),
            (417_889.0, "4.8 days"),
            (5.0 * 86_400.0, "5 days"),
            (11_192_425.0, "130 days"),
            (-3_600.0, "-1 h"),
        ] {
            assert_eq!(duration(seconds), said, "{seconds}");
        }
    }

    #[test]
    fn shares_counts_and_frequencies_are_short() {
        assert_eq!(percent(0.102_607), "10.3 %");
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "change"), "1 change");
        assert_eq!(counted(0, "change"), "0 changes");
        assert_eq!(frequency(13.21), "13.2 a day");
        assert_eq!(frequency(3.0 / 7.0), "3 a week");
        assert_eq!(frequency(1.5 * 12.0 / 365.25), "1.5 a month");
        assert_eq!(frequency(8.1 / 365.25), "0.7 a month");
        assert_eq!(frequency(0.2 / 365.25), "fewer than 0.1 a month");
        assert_eq!(frequency(0.0), "0 a day");
        assert_eq!([0.0, 1.0, 3.5].map(days_a_week), ["0 days a week", "1 day a week", "3.5 days a week"]);
    }

    #[test]
    fn an_unknown_reason_is_still_readable() {
        assert_eq!(reason("not_in_the_list"), "not in the list");
    }
}
