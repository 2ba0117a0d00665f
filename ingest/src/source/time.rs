//! Instants as tools write them. A time without an offset is not one, since nobody knows when it was.

use chrono::DateTime;
use dorado_lake::Instant;
use serde_json::Value;

/// What a JSON value says: RFC 3339 and what is close to it, or seconds, milli-, micro- or nanoseconds since the epoch.
/// `None` where it is none of these, and for the zero time that some tools write for "not yet".
pub(crate) fn read(value: &Value) -> Option<Instant> {
    let at = match value {
        Value::String(text) => of_text(text),
        Value::Number(number) => match number.as_i64() {
            Some(number) => of_epoch(number),
            None => of_seconds(number.as_f64()?),
        },
        _ => None,
    };
    at.filter(|at| *at > Instant::UNIX_EPOCH)
}

/// The same, of text.
pub(crate) fn of_text(text: &str) -> Option<Instant> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return of_epoch(number);
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.to_utc());
    }
    // `2016-08-12 15:23:28 UTC`, `2021-04-28 21:50:00 +0200`, `2017-01-30T18:32:14.716+0100`.
    let text = match text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')) {
        Some(bare) => format!("{}+0000", bare.trim_end()),
        None => text.to_owned(),
    };
    ["%Y-%m-%d %H:%M:%S%.f %#z", "%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z"]
        .iter()
        .find_map(|form| DateTime::parse_from_str(&text, form).ok())
        .map(|at| at.to_utc())
}

/// A count since the epoch, whose unit shows in its size: seconds would reach these sizes in the year 5138.
fn of_epoch(number: i64) -> Option<Instant> {
    match number.unsigned_abs() {
        0..100_000_000_000 => DateTime::from_timestamp(number, 0),
        100_000_000_000..100_000_000_000_000 => DateTime::from_timestamp_millis(number),
        100_000_000_000_000..100_000_000_000_000_000 => DateTime::from_timestamp_micros(number),
        _ => Some(DateTime::from_timestamp_nanos(number)),
    }
}

fn of_seconds(seconds: f64) -> Option<Instant> {
    if seconds.abs() >= 1e11 {
        return of_epoch(seconds as i64);
    }
    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instant_is_read_in_every_form_that_tools_write() {
        let expected = DateTime::from_timestamp(1_619_639_400, 0);
        for value in [
            json!("2021-04-28T19:50:00Z"),
            json!("2021-04-28T19:50:00.000Z"),
            json!("2021-04-28T21:50:00+02:00"),
            json!("2021-04-28T21:50:00.000+0200"),
            json!("2021-04-28 21:50:00 +0200"),
            json!("2021-04-28 19:50:00 UTC"),
            json!("2021-04-28 19:50:00.0 UTC"),
            json!("2021-04-28 19:50:00Z"),
            json!(1_619_639_400),
            json!(1_619_639_400_000_i64),
            json!(1_619_639_400_000_000_i64),
            json!(1_619_639_400_000_000_000_i64),
            json!(1_619_639_400.0),
            json!(1_619_639_400_000.0),
            json!("1619639400000"),
        ] {
            assert_eq!(read(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for value in [
            json!("2021-04-28 19:50:00"),
            json!("2021-04-28"),
            json!("0001-01-01T00:00:00Z"),
            json!(0),
            json!("soon"),
            json!(null),
            json!(true),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
