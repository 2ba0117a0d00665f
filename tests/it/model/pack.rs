//! Other people's definitions, read straight from what they say: which pack a question names, and what it
//! changes of it.

use chrono::TimeDelta;

/// What a pack decides.
#[expect(clippy::struct_excessive_bools, reason = "each is a sentence of a definition, and none excludes another")]
#[derive(Debug, Clone)]
pub(crate) struct Pack {
    pub(crate) does_first_ship: bool,
    pub(crate) is_of_pull_requests: bool,
    pub(crate) start: String,
    pub(crate) longest_gap: Option<TimeDelta>,
    pub(crate) counts_zero: bool,
    pub(crate) counts_bots: bool,
    pub(crate) is_by_day: bool,
    pub(crate) is_median_lower: bool,
    pub(crate) counts_days_a_week: bool,
    pub(crate) is_by_project: bool,
    pub(crate) window: Option<TimeDelta>,
    pub(crate) failure: Vec<String>,
    pub(crate) counts_incidents: bool,
    pub(crate) counts_failed_attempts: bool,
    pub(crate) is_recovery_of_incidents: bool,
    pub(crate) recovery_start: String,
    pub(crate) min_n: usize,
}

impl Pack {
    /// Reads `pack=…&window_hours=…`.
    pub(crate) fn of(pairs: &[(&str, &str)]) -> Self {
        let one = |key: &str| pairs.iter().find(|(k, _)| *k == key).map(|(_, v)| (*v).to_owned());
        let mut pack = Self::named(&one("pack").or(one("definition")).unwrap_or_else(|| "dora-2025".to_owned()));
        for (key, value) in pairs {
            match *key {
                "first_deployment" => pack.does_first_ship = *value == "all",
                "unit" => pack.is_of_pull_requests = *value == "pull_request",
                "start" => (*value).clone_into(&mut pack.start),
                "bots" => pack.counts_bots = *value == "count",
                "window_hours" => pack.window = value.parse::<f64>().ok().map(hours),
                "failure" => pack.failure = value.split(',').map(str::to_owned).collect(),
                "count_failed_attempts" => pack.counts_failed_attempts = *value == "true",
                "recovery_start" => (*value).clone_into(&mut pack.recovery_start),
                "min_n" => pack.min_n = value.parse().expect("a number"),
                _ => {}
            }
        }
        pack
    }

    fn named(id: &str) -> Self {
        let dora = Self {
            does_first_ship: false,
            is_of_pull_requests: false,
            start: "commit".to_owned(),
            longest_gap: None,
            counts_zero: true,
            counts_bots: true,
            is_by_day: false,
            is_median_lower: false,
            counts_days_a_week: false,
            is_by_project: false,
            window: Some(TimeDelta::hours(24)),
            failure: ["incident", "rollback", "remediation", "revert", "override"].map(str::to_owned).to_vec(),
            counts_incidents: false,
            counts_failed_attempts: false,
            is_recovery_of_incidents: false,
            recovery_start: "deployment".to_owned(),
            min_n: 5,
        };
        match id {
            "devlake" => Self {
                is_of_pull_requests: true,
                start: "first_commit".to_owned(),
                is_median_lower: true,
                counts_days_a_week: true,
                is_by_project: true,
                window: None,
                failure: vec!["incident".to_owned()],
                is_recovery_of_incidents: true,
                ..dora
            },
            "gitlab" => Self {
                is_of_pull_requests: true,
                start: "merged".to_owned(),
                is_by_day: true,
                counts_incidents: true,
                is_recovery_of_incidents: true,
                recovery_start: "incident".to_owned(),
                ..dora
            },
            "fourkeys" => Self {
                counts_zero: false,
                counts_incidents: true,
                is_recovery_of_incidents: true,
                recovery_start: "earlier".to_owned(),
                ..dora
            },
            "datadog" => Self {
                longest_gap: Some(TimeDelta::days(60)),
                failure: ["rollback", "remediation", "override"].map(str::to_owned).to_vec(),
                ..dora
            },
            _ => dora,
        }
    }

    pub(crate) fn takes(&self, failure: &str) -> bool {
        self.failure.iter().any(|f| f == failure)
    }
}

fn hours(hours: f64) -> TimeDelta {
    TimeDelta::milliseconds((hours * 3_600_000.0) as i64)
}
