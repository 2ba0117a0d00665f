//! Packs of one's own: what configuration and questions change of another pack.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::de::value::{Error as Wrong, StrDeserializer};
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde::{Deserialize, Serialize};

use super::{
    Aggregate, Attribution, Counted, FailRate, Failure, FirstDeployment, Frequency, Median, PACKS, Pack, RecoveryStart,
    RecoveryUnit, Start, Unit,
};
use crate::question::BadParameter;

/// A pack in configuration.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackEntry {
    /// Its id, as `pack=` takes it.
    pub id: String,
    /// In one sentence, whose definitions these are.
    pub title: Option<String>,
    /// The pack that it changes: one that is built in, or one that stands before it. Default: `dora-2025`.
    pub base: Option<String>,
    /// What it changes.
    #[serde(flatten)]
    pub changes: Adjustments,
}

/// What may make a deployment failed, by the names that `failure` takes.
pub const FAILURES: [&str; 5] = ["incident", "rollback", "remediation", "revert", "override"];

/// What is changed of a pack. What is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Adjustments {
    /// What lead time is counted in.
    pub unit: Option<Unit>,
    /// Where lead time begins.
    pub start: Option<Start>,
    /// Whether the first deployment of a service ships what it contains.
    pub first_deployment: Option<FirstDeployment>,
    /// No lead time with a deployment after a gap of more than so many days; 0 for no such limit.
    pub gap_days: Option<u32>,
    /// Whether a lead time of zero counts.
    pub zero_lead_times: Option<Counted>,
    /// Whether changes that bots wrote count in lead time.
    pub bots: Option<Counted>,
    /// What lead and recovery time are the median of.
    pub aggregate: Option<Aggregate>,
    /// Which median of an even number of values.
    pub median: Option<Median>,
    /// What deployment frequency is.
    pub frequency: Option<Frequency>,
    /// Which deployment an incident is put on.
    pub attribution: Option<Attribution>,
    /// An incident is probably caused by a deployment that finished at most so many hours before it; `inf` for
    /// however long.
    pub window_hours: Option<f64>,
    /// What makes a deployment failed.
    pub failure: Option<Vec<Failure>>,
    /// What the fail rate counts.
    pub fail_rate: Option<FailRate>,
    /// Whether attempts that failed before they reached production count in the fail rate.
    pub count_failed_attempts: Option<bool>,
    /// What has a recovery time.
    pub recovery_unit: Option<RecoveryUnit>,
    /// Where recovery time begins.
    pub recovery_start: Option<RecoveryStart>,
    /// Below so many rows a value is shown with `enough_data = false`.
    pub min_n: Option<u64>,
}

impl Adjustments {
    /// Changes a pack.
    pub fn apply(&self, pack: &mut Pack) {
        fn set<T: Clone>(slot: &mut T, to: Option<&T>) {
            if let Some(value) = to {
                slot.clone_from(value);
            }
        }
        set(&mut pack.unit, self.unit.as_ref());
        set(&mut pack.start, self.start.as_ref());
        set(&mut pack.first_deployment, self.first_deployment.as_ref());
        set(&mut pack.gap_days, self.gap_days.map(|days| Some(days).filter(|days| *days > 0)).as_ref());
        set(&mut pack.zero_lead_times, self.zero_lead_times.as_ref());
        set(&mut pack.bots, self.bots.as_ref());
        set(&mut pack.aggregate, self.aggregate.as_ref());
        set(&mut pack.median, self.median.as_ref());
        set(&mut pack.frequency, self.frequency.as_ref());
        set(&mut pack.attribution, self.attribution.as_ref());
        set(&mut pack.window_hours, self.window_hours.as_ref());
        set(&mut pack.failure, self.failure.clone().map(Cow::Owned).as_ref());
        set(&mut pack.fail_rate, self.fail_rate.as_ref());
        set(&mut pack.count_failed_attempts, self.count_failed_attempts.as_ref());
        set(&mut pack.recovery_unit, self.recovery_unit.as_ref());
        set(&mut pack.recovery_start, self.recovery_start.as_ref());
        set(&mut pack.min_n, self.min_n.as_ref());
    }

    /// Reads what a question changes.
    ///
    /// # Errors
    /// A value that its parameter does not take.
    pub(crate) fn read(written: &[(&'static str, String)]) -> Result<Self, BadParameter> {
        let mut read = Self::default();
        for (parameter, value) in written {
            let value = value.trim();
            match *parameter {
                "unit" => read.unit = Some(choice(parameter, value, &["change", "pull_request"])?),
                "start" => {
                    read.start = Some(choice(parameter, value, &["commit", "first_commit", "opened", "merged"])?);
                }
                "first_deployment" => read.first_deployment = Some(choice(parameter, value, &["baseline", "all"])?),
                "bots" => read.bots = Some(choice(parameter, value, &["count", "leave_out"])?),
                "recovery_start" => {
                    read.recovery_start = Some(choice(parameter, value, &["deployment", "incident", "earlier"])?);
                }
                "failure" => read.failure = Some(failures(parameter, value)?),
                "count_failed_attempts" => {
                    let is = value.parse().map_err(|_wrong| bad(parameter, value, "true or false"))?;
                    read.count_failed_attempts = Some(is);
                }
                "min_n" => {
                    let n = value.parse().ok().filter(|_| value.len() <= 9 && !value.starts_with('+'));
                    read.min_n = Some(n.ok_or_else(|| bad(parameter, value, "a whole number such as 5"))?);
                }
                _ => read.window_hours = Some(hours(parameter, value)?),
            }
        }
        Ok(read)
    }
}

/// The packs of a configuration, each over its base. What names no pack changes the default.
pub fn packs_of(entries: &[PackEntry]) -> Vec<Pack> {
    let mut packs: Vec<Pack> = Vec::new();
    for entry in entries {
        let base = entry.base.as_deref().unwrap_or(&PACKS[0].id);
        let of_base = packs.iter().rev().chain(PACKS.iter()).find(|pack| pack.id == base);
        let mut pack = of_base.unwrap_or(&PACKS[0]).clone();
        pack.title =
            Cow::Owned(entry.title.clone().unwrap_or_else(|| format!("`{base}`, changed in the configuration.")));
        pack.id = Cow::Owned(entry.id.clone());
        entry.changes.apply(&mut pack);
        packs.push(pack);
    }
    packs
}

fn choice<T: DeserializeOwned>(parameter: &'static str, value: &str, known: &[&str]) -> Result<T, BadParameter> {
    let read: StrDeserializer<'_, Wrong> = value.into_deserializer();
    T::deserialize(read).map_err(|_wrong| bad(parameter, value, &format!("one of {}", known.join(", "))))
}

fn failures(parameter: &'static str, value: &str) -> Result<Vec<Failure>, BadParameter> {
    let named = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    let mut failures: Vec<Failure> = Vec::new();
    for name in named {
        let failure = choice(parameter, name, &FAILURES)?;
        if !failures.contains(&failure) {
            failures.push(failure);
        }
    }
    Ok(failures)
}

fn hours(parameter: &'static str, value: &str) -> Result<f64, BadParameter> {
    if ["none", "inf"].contains(&value) {
        return Ok(f64::INFINITY);
    }
    // As people write hours: neither `1e3` nor `+1`.
    let is_plain = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let hours: Option<f64> = value.parse().ok().filter(|hours: &f64| is_plain && (0.0..=1e6).contains(hours));
    hours.ok_or_else(|| bad(parameter, value, "hours from 0 to 1000000, or none"))
}

fn bad(parameter: &'static str, value: &str, expected: &str) -> BadParameter {
    let problem = "it is not among what this parameter takes".to_owned();
    BadParameter { parameter, value: value.to_owned(), problem, expected: expected.to_owned() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_pack_changes_what_it_names_and_nothing_else() {
        let changes = Adjustments { window_hours: Some(48.0), min_n: Some(10), ..Adjustments::default() };
        let entry = PackEntry { id: "ours".into(), base: Some("gitlab".into()), changes, ..PackEntry::default() };
        let second = PackEntry { id: "stricter".into(), base: Some("ours".into()), ..PackEntry::default() };
        let packs = packs_of(&[entry, second]);
        let gitlab = PACKS.iter().find(|p| p.id == "gitlab").unwrap();
        assert_eq!((packs[0].window_hours, packs[0].min_n, packs[0].start), (48.0, 10, gitlab.start));
        assert_eq!((packs[1].id.as_ref(), packs[1].min_n), ("stricter", 10));
    }

    #[test]
    fn a_value_that_a_parameter_does_not_take_is_named_with_those_that_it_does() {
        for (parameter, value, expected) in [
            ("unit", "commit", "one of change, pull_request"),
            ("failure", "incident,storm", "one of incident, rollback, remediation, revert, override"),
            ("window_hours", "-1", "hours from 0 to 1000000, or none"),
            ("window_hours", "1e3", "hours from 0 to 1000000, or none"),
            ("min_n", "few", "a whole number such as 5"),
            ("min_n", "+5", "a whole number such as 5"),
        ] {
            let wrong = Adjustments::read(&[(parameter, value.to_owned())]).unwrap_err();
            assert_eq!((wrong.parameter, wrong.expected.as_str()), (parameter, expected));
        }
        let read = Adjustments::read(&[("window_hours", "none".into()), ("failure", "rollback".into())]).unwrap();
        assert_eq!((read.window_hours, read.failure), (Some(f64::INFINITY), Some(vec![Failure::Rollback])));
    }
}
