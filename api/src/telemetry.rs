//! What this instance counts about itself, in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::Instant;

/// Upper edges of the histogram of request durations, in seconds.
const EDGES: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Counters since the instance began.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    requests: BTreeMap<(String, String, u16), u64>,
    durations: BTreeMap<(String, String), Histogram>,
    kept: BTreeMap<String, u64>,
    refused: BTreeMap<&'static str, u64>,
    events_accepted: u64,
    events_rejected: u64,
    keeping_failed_at: Option<Instant>,
}

#[derive(Debug, Default)]
struct Histogram {
    below: [u64; EDGES.len()],
    n: u64,
    sum: f64,
}

impl Telemetry {
    pub(crate) fn request(&self, route: &str, method: &Method, status: StatusCode, took: Duration) {
        // A method that nobody knows must not become a series of its own.
        let method = match *method {
            Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::DELETE | Method::OPTIONS => {
                method.to_string()
            }
            _ => "other".to_owned(),
        };
        let mut counts = self.counts();
        *counts.requests.entry((route.to_owned(), method.clone(), status.as_u16())).or_default() += 1;
        let durations = counts.durations.entry((route.to_owned(), method)).or_default();
        let seconds = took.as_secs_f64();
        for (below, edge) in durations.below.iter_mut().zip(EDGES) {
            *below += u64::from(seconds <= edge);
        }
        durations.n += 1;
        durations.sum += seconds;
    }

    pub(crate) fn kept(&self, source: &str) {
        let mut counts = self.counts();
        *counts.kept.entry(source.to_owned()).or_default() += 1;
        counts.keeping_failed_at = None;
    }

    pub(crate) fn keeping_failed(&self) {
        *self.counts().refused.entry("not-kept").or_default() += 1;
        self.counts().keeping_failed_at = Some(Instant::now());
    }

    /// How long ago keeping a delivery failed; none where it has worked since, or was never tried.
    pub(crate) fn since_keeping_failed(&self) -> Option<Duration> {
        self.counts().keeping_failed_at.map(|at| at.elapsed())
    }

    /// A delivery that was not kept, and why.
    pub(crate) fn refused(&self, reason: &'static str) {
        *self.counts().refused.entry(reason).or_default() += 1;
    }

    pub(crate) fn events(&self, n_accepted: usize, n_rejected: usize) {
        let mut counts = self.counts();
        counts.events_accepted += n_accepted as u64;
        counts.events_rejected += n_rejected as u64;
    }

    pub(crate) fn write(&self, page: &mut Exposition) {
        let counts = self.counts();
        page.family("dorado_http_requests_total", "counter", "Requests answered.");
        for ((route, method, status), n) in &counts.requests {
            page.sample("", &[("route", route), ("method", method), ("status", &status.to_string())], n);
        }
        page.family(
            "dorado_http_request_duration_seconds",
            "histogram",
            "Time from a request's headers to its answer's.",
        );
        for ((route, method), durations) in &counts.durations {
            let labels = [("route", route.as_str()), ("method", method.as_str())];
            for (below, edge) in durations.below.iter().zip(EDGES) {
                page.sample("_bucket", &[labels[0], labels[1], ("le", &edge.to_string())], below);
            }
            page.sample("_bucket", &[labels[0], labels[1], ("le", "+Inf")], durations.n);
            page.sample("_sum", &labels, durations.sum);
            page.sample("_count", &labels, durations.n);
        }
        page.family("dorado_deliveries_kept_total", "counter", "Deliveries kept in the inbox.");
        for (source, n) in &counts.kept {
            page.sample("", &[("source", source)], n);
        }
        page.family("dorado_deliveries_refused_total", "counter", "Deliveries that were not kept.");
        for (reason, n) in &counts.refused {
            page.sample("", &[("reason", reason)], n);
        }
        page.family("dorado_events_accepted_total", "counter", "Neutral events accepted.");
        page.sample("", &[], counts.events_accepted);
        page.family("dorado_events_rejected_total", "counter", "Neutral events rejected.");
        page.sample("", &[], counts.events_rejected);
    }

    /// Counters are whole at any moment, so a panic elsewhere spoils none.
    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page in the text format, version 0.0.4.
#[derive(Debug, Default)]
pub(crate) struct Exposition {
    text: String,
    family: &'static str,
}

impl Exposition {
    /// Begins a family; its samples follow.
    pub(crate) fn family(&mut self, name: &'static str, kind: &str, help: &str) {
        self.family = name;
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub(crate) fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        let pairs: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        let _ = writeln!(self.text, "{}{suffix}{labels} {value}", self.family);
    }

    /// A family of one sample without labels.
    pub(crate) fn gauge(&mut self, name: &'static str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample("", &[], value);
    }

    pub(crate) fn into_text(self) -> String {
        self.text
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_in_every_bucket_above_its_duration() {
        let telemetry = Telemetry::default();
        telemetry.request("/healthz", &Method::GET, StatusCode::OK, Duration::from_millis(30));
        let mut page = Exposition::default();
        telemetry.write(&mut page);
        let text = page.into_text();
        assert!(text.contains(r#"dorado_http_requests_total{route="/healthz",method="GET",status="200"} 1"#), "{text}");
        assert!(text.contains(r#"seconds_bucket{route="/healthz",method="GET",le="0.025"} 0"#), "{text}");
        assert!(text.contains(r#"seconds_bucket{route="/healthz",method="GET",le="0.05"} 1"#), "{text}");
        assert!(text.contains(r#"seconds_count{route="/healthz",method="GET"} 1"#), "{text}");
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        let mut page = Exposition::default();
        page.family("x", "gauge", "X.");
        page.sample("", &[("source", "a\"b\\c\nd")], 1);
        assert!(page.into_text().ends_with("x{source=\"a\\\"b\\\\c\\nd\"} 1\n"));
    }
}
