//! Packs in words: what each metric is under a pack, and what each parameter decides.

use serde_json::{Value, json};

use super::{
    Aggregate, Attribution, Counted, FailRate, Failure, FirstDeployment, Frequency, Median, Pack, RecoveryStart,
    RecoveryUnit, Start, Unit,
};

/// One choice that packs make differently.
pub(crate) struct Parameter {
    /// Its name in answers, configuration and questions.
    pub(crate) name: &'static str,
    /// Ids of the metrics that it moves.
    pub(crate) metrics: &'static [&'static str],
    /// What it decides.
    pub(crate) decides: &'static str,
    /// Takes it over from another pack.
    pub(crate) take: fn(&mut Pack, &Pack),
}

const LEAD: &[&str] = &["change-lead-time"];
const RATE: &[&str] = &["change-fail-rate"];
const RECOVERY: &[&str] = &["failed-deployment-recovery-time"];
const FAILURE: &[&str] = &["change-fail-rate", "failed-deployment-recovery-time"];
const TIMES: &[&str] = &["change-lead-time", "failed-deployment-recovery-time"];

/// Every parameter, in the order in which a pack has them.
pub(crate) const PARAMETERS: &[Parameter] = &[
    Parameter { name: "unit", metrics: LEAD, decides: "what is counted", take: |to, of| to.unit = of.unit },
    Parameter { name: "start", metrics: LEAD, decides: "where lead time begins", take: |to, of| to.start = of.start },
    Parameter {
        name: "first_deployment",
        metrics: &["change-lead-time", "change-fail-rate", "failed-deployment-recovery-time", "deployment-rework-rate"],
        decides: "whether the first deployment of a service ships what it holds",
        take: |to, of| to.first_deployment = of.first_deployment,
    },
    Parameter {
        name: "gap_days",
        metrics: LEAD,
        decides: "whether deployments after a long gap are left out",
        take: |to, of| to.gap_days = of.gap_days,
    },
    Parameter {
        name: "zero_lead_times",
        metrics: LEAD,
        decides: "whether a lead time of zero counts",
        take: |to, of| to.zero_lead_times = of.zero_lead_times,
    },
    Parameter { name: "bots", metrics: LEAD, decides: "whether bots' changes count", take: |to, of| to.bots = of.bots },
    Parameter {
        name: "aggregate",
        metrics: TIMES,
        decides: "what the value is the median of",
        take: |to, of| to.aggregate = of.aggregate,
    },
    Parameter {
        name: "median",
        metrics: TIMES,
        decides: "which median an even number of values has",
        take: |to, of| to.median = of.median,
    },
    Parameter {
        name: "frequency",
        metrics: &["deployment-frequency"],
        decides: "what frequency is",
        take: |to, of| to.frequency = of.frequency,
    },
    Parameter {
        name: "attribution",
        metrics: FAILURE,
        decides: "which deployment an incident is put on",
        take: |to, of| to.attribution = of.attribution,
    },
    Parameter {
        name: "window_hours",
        metrics: FAILURE,
        decides: "how long before an incident its deployment may have finished",
        take: |to, of| to.window_hours = of.window_hours,
    },
    Parameter {
        name: "failure",
        metrics: FAILURE,
        decides: "what makes a deployment failed",
        take: |to, of| to.failure.clone_from(&of.failure),
    },
    Parameter {
        name: "fail_rate",
        metrics: RATE,
        decides: "what the fail rate counts",
        take: |to, of| to.fail_rate = of.fail_rate,
    },
    Parameter {
        name: "count_failed_attempts",
        metrics: RATE,
        decides: "whether attempts that failed before production count",
        take: |to, of| to.count_failed_attempts = of.count_failed_attempts,
    },
    Parameter {
        name: "recovery_unit",
        metrics: RECOVERY,
        decides: "what has a recovery time",
        take: |to, of| to.recovery_unit = of.recovery_unit,
    },
    Parameter {
        name: "recovery_start",
        metrics: RECOVERY,
        decides: "where recovery time begins",
        take: |to, of| to.recovery_start = of.recovery_start,
    },
];

impl Parameter {
    /// Its value in a pack; a list as its names.
    pub(crate) fn value(&self, pack: &Pack) -> Value {
        match json!(pack).get(self.name) {
            Some(Value::Array(names)) => {
                let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                json!(names.join(", "))
            }
            value => value.cloned().unwrap_or_default(),
        }
    }

    /// The same as text: `none` where there is no limit.
    pub(crate) fn said(&self, pack: &Pack) -> String {
        match self.value(pack) {
            Value::Null => "none".to_owned(),
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

/// What a metric is under a pack, in a sentence.
pub fn sentence(metric: &str, pack: &Pack) -> String {
    match metric {
        "deployment-frequency" => frequency(pack),
        "change-lead-time" => lead_time(pack),
        "change-fail-rate" => fail_rate(pack),
        "failed-deployment-recovery-time" => recovery(pack),
        _ => "Deployments made because of an incident in production, of the successful production deployments."
            .to_owned(),
    }
}

fn frequency(pack: &Pack) -> String {
    match pack.frequency {
        Frequency::Deployments => "Successful production deployments that finished in the period.".to_owned(),
        Frequency::DaysPerWeek => {
            format!("{} over weeks of the days with a successful production deployment.", median(pack))
        }
    }
}

fn median(pack: &Pack) -> &'static str {
    match pack.median {
        Median::Interpolated => "The median",
        Median::Lower => "The lower median",
    }
}

fn of_days(pack: &Pack) -> &'static str {
    match pack.aggregate {
        Aggregate::Rows => "",
        Aggregate::MedianOfDailyMedians => " of daily medians",
    }
}

fn lead_time(pack: &Pack) -> String {
    let unit = match pack.unit {
        Unit::Change => "change",
        Unit::PullRequest => "pull request",
    };
    let start = match pack.start {
        Start::Commit => "its commit time",
        Start::FirstCommit => "its first commit",
        Start::Opened => "its opening",
        Start::Merged => "its merge",
    };
    let mut limits = Vec::new();
    if pack.first_deployment == FirstDeployment::Baseline {
        limits.push("not with the first deployment of a service".to_owned());
    }
    limits.extend(pack.gap_days.map(|days| format!("not after a gap of more than {days} days")));
    if pack.zero_lead_times == Counted::LeaveOut {
        limits.push("only above zero".to_owned());
    }
    if pack.bots == Counted::LeaveOut {
        limits.push("without those of bots".to_owned());
    }
    let limits = if limits.is_empty() { String::new() } else { format!(", {}", limits.join(", ")) };
    let (median, of_days) = (median(pack), of_days(pack));
    format!("{median}{of_days}, over each {unit} that shipped, from {start} to the finish of its deployment{limits}.")
}

fn fail_rate(pack: &Pack) -> String {
    let attempts = if pack.count_failed_attempts { ", attempts that failed before it included" } else { "" };
    match pack.fail_rate {
        FailRate::Incidents => format!(
            "Incidents opened in the period, to the deployments that reached production in it{attempts}; may be above 1."
        ),
        FailRate::Deployments => format!(
            "Deployments that failed ({}), of those that reached production{attempts}.{}",
            failures(pack),
            if pack.failure.contains(&Failure::Incident) { format!(" {}", blame(pack)) } else { String::new() }
        ),
    }
}

fn failures(pack: &Pack) -> String {
    let said = |failure: &Failure| match failure {
        Failure::Incident => "an incident",
        Failure::Rollback => "a rollback",
        Failure::Remediation => "a hotfix or roll-forward",
        Failure::Revert => "a revert",
        Failure::Override => "a person's word",
    };
    let said: Vec<&str> = pack.failure.iter().map(said).collect();
    if said.is_empty() { "by nothing".to_owned() } else { said.join(", ") }
}

fn blame(pack: &Pack) -> String {
    let window = if pack.window_hours.is_finite() {
        format!("within {} hours", pack.window_hours)
    } else {
        "however long".to_owned()
    };
    match pack.attribution {
        Attribution::Service => format!(
            "An incident is put on the deployment that it or its repair names, else on the latest of its service before \
             it, {window}."
        ),
        Attribution::Project => {
            format!("An incident is put on the latest deployment of its team's services before it, {window}.")
        }
    }
}

fn recovery(pack: &Pack) -> String {
    let start = match pack.recovery_start {
        RecoveryStart::Deployment => "the finish of the deployment",
        RecoveryStart::Incident => "the opening of the incident",
        RecoveryStart::Earlier => "the finish of the deployment or the opening of the incident, whichever is earlier,",
    };
    let (median, of_days) = (median(pack), of_days(pack));
    match pack.recovery_unit {
        RecoveryUnit::Deployment => {
            format!("{median}{of_days}, over each deployment that failed, from {start} to service restored.")
        }
        RecoveryUnit::Incident => {
            let which =
                if pack.recovery_start == RecoveryStart::Deployment { " that is put on a deployment" } else { "" };
            format!("{median}{of_days}, over each incident{which}, from {start} to its resolution.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::PACKS;

    #[test]
    fn every_parameter_of_a_pack_but_its_names_and_min_n_is_described() {
        let Value::Object(pack) = json!(PACKS[0]) else { return };
        let mut described: Vec<&str> = PARAMETERS.iter().map(|p| p.name).chain(["id", "title", "min_n"]).collect();
        described.sort_unstable();
        let mut there: Vec<&str> = pack.keys().map(String::as_str).collect();
        there.sort_unstable();
        assert_eq!(there, described);
    }

    #[test]
    fn a_parameter_taken_over_is_then_the_same() {
        for pack in PACKS.iter() {
            let mut taken = PACKS[0].clone();
            for parameter in PARAMETERS {
                (parameter.take)(&mut taken, pack);
                assert_eq!(parameter.value(&taken), parameter.value(pack), "{}", parameter.name);
            }
        }
    }

    #[test]
    fn packs_are_told_in_sentences() {
        let said = |id: &str, metric: &str| PACKS.iter().find(|p| p.id == id).map(|p| sentence(metric, p));
        assert_eq!(
            said(&PACKS[2].id, "change-lead-time").as_deref(),
            Some(
                "The median of daily medians, over each pull request that shipped, from its merge to the finish of its \
                 deployment, not with the first deployment of a service."
            )
        );
    }
}
