//! Packs: named sets of the choices behind the numbers. A pack is data: another expression over the same
//! rows of gold. Every answer carries its pack and the parameters in force.

mod adjust;
mod words;

use std::borrow::Cow;
use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use adjust::{Adjustments, FAILURES, PackEntry, packs_of};
pub(crate) use words::PARAMETERS;
pub use words::sentence;

/// The choices in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pack {
    /// Its id, as `pack=` takes it.
    pub id: Cow<'static, str>,
    /// In one sentence, whose definitions these are.
    pub title: Cow<'static, str>,
    /// What lead time is counted in.
    pub unit: Unit,
    /// Where lead time begins.
    pub start: Start,
    /// Whether the first deployment of a service ships what it contains.
    pub first_deployment: FirstDeployment,
    /// No lead time with a deployment after a gap of more than so many days.
    pub gap_days: Option<u32>,
    /// Whether a lead time of zero counts.
    pub zero_lead_times: Counted,
    /// Whether changes that bots wrote count in lead time.
    pub bots: Counted,
    /// What lead and recovery time are the median of.
    pub aggregate: Aggregate,
    /// Which median of an even number of values.
    pub median: Median,
    /// What deployment frequency is.
    pub frequency: Frequency,
    /// Which deployment an incident is put on.
    pub attribution: Attribution,
    /// An incident is probably caused by a deployment that finished at most so many hours before it;
    /// null: however long.
    pub window_hours: f64,
    /// What makes a deployment failed.
    pub failure: Cow<'static, [Failure]>,
    /// What the fail rate counts.
    pub fail_rate: FailRate,
    /// Whether attempts that failed before they reached production count in the fail rate.
    pub count_failed_attempts: bool,
    /// What has a recovery time.
    pub recovery_unit: RecoveryUnit,
    /// Where recovery time begins.
    pub recovery_start: RecoveryStart,
    /// Below so many rows a value is shown with `enough_data = false`.
    pub min_n: u64,
}

/// An enum that is written as text, in answers, in configuration and in questions.
macro_rules! choices {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant),+ }
    };
}

choices! {
    /// What lead time is counted in.
    Unit {
        /// Each change.
        Change,
        /// Each pull request, by the last of its changes that ship.
        PullRequest,
    }
}

choices! {
    /// Where lead time begins.
    Start {
        /// The change's commit time.
        Commit,
        /// The first commit of its pull request.
        FirstCommit,
        /// The opening of its pull request.
        Opened,
        /// The merge of its pull request.
        Merged,
    }
}

choices! {
    /// What the first deployment of a service ships.
    FirstDeployment {
        /// Nothing: what it ships is unknowable.
        Baseline,
        /// All that it contains.
        All,
    }
}

choices! {
    /// Whether something counts.
    Counted {
        /// It does.
        Count,
        /// It does not.
        LeaveOut,
    }
}

choices! {
    /// What a time is the median of.
    Aggregate {
        /// All values.
        Rows,
        /// The medians of each day that has values.
        MedianOfDailyMedians,
    }
}

choices! {
    /// Which median of an even number of values.
    Median {
        /// The mean of the two in the middle.
        Interpolated,
        /// The lower of the two.
        Lower,
    }
}

choices! {
    /// What deployment frequency is.
    Frequency {
        /// The number of deployments.
        Deployments,
        /// The median over weeks of the days with at least one deployment.
        DaysPerWeek,
    }
}

choices! {
    /// Which deployment an incident is put on.
    Attribution {
        /// The one that a person, the incident or its repair names; else the latest of its service before it.
        Service,
        /// The latest before it of the project: of all services of the team, whatever anybody names.
        Project,
    }
}

choices! {
    /// One of the things that make a deployment failed. That a person says it did not fail beats all.
    Failure {
        /// An incident is put on it.
        Incident,
        /// It was rolled back.
        Rollback,
        /// A hotfix or roll-forward repaired it.
        Remediation,
        /// One of its changes was reverted.
        Revert,
        /// A person said so.
        Override,
    }
}

choices! {
    /// What the fail rate counts.
    FailRate {
        /// Failed deployments of all deployments: at most 1.
        Deployments,
        /// Incidents opened, to deployments: may be above 1.
        Incidents,
    }
}

choices! {
    /// What has a recovery time.
    RecoveryUnit {
        /// Each failed deployment.
        Deployment,
        /// Each incident.
        Incident,
    }
}

choices! {
    /// Where recovery time begins.
    RecoveryStart {
        /// The finish of the failed deployment.
        Deployment,
        /// The opening of the incident; where there is none, the finish of the deployment.
        Incident,
        /// Whichever of the two was earlier.
        Earlier,
    }
}

/// The pack that is in force where none is named.
const DORA: Pack = Pack {
    id: Cow::Borrowed("dora-2025"),
    title: Cow::Borrowed("The five metrics as dora.dev defines them (2025)."),
    unit: Unit::Change,
    start: Start::Commit,
    first_deployment: FirstDeployment::Baseline,
    gap_days: None,
    zero_lead_times: Counted::Count,
    bots: Counted::Count,
    aggregate: Aggregate::Rows,
    median: Median::Interpolated,
    frequency: Frequency::Deployments,
    attribution: Attribution::Service,
    window_hours: 24.0,
    failure: Cow::Borrowed(&[
        Failure::Incident,
        Failure::Rollback,
        Failure::Remediation,
        Failure::Revert,
        Failure::Override,
    ]),
    fail_rate: FailRate::Deployments,
    count_failed_attempts: false,
    recovery_unit: RecoveryUnit::Deployment,
    recovery_start: RecoveryStart::Deployment,
    min_n: 5,
};

/// Every pack that is built in; the first is the default.
pub static PACKS: LazyLock<Vec<Pack>> = LazyLock::new(|| {
    vec![
        DORA,
        Pack {
            id: Cow::Borrowed("devlake"),
            title: Cow::Borrowed("As DevLake's dashboards count."),
            unit: Unit::PullRequest,
            start: Start::FirstCommit,
            median: Median::Lower,
            frequency: Frequency::DaysPerWeek,
            attribution: Attribution::Project,
            window_hours: f64::INFINITY,
            failure: Cow::Borrowed(&[Failure::Incident]),
            recovery_unit: RecoveryUnit::Incident,
            ..DORA
        },
        Pack {
            id: Cow::Borrowed("gitlab"),
            title: Cow::Borrowed("As GitLab's DORA API counts."),
            unit: Unit::PullRequest,
            start: Start::Merged,
            aggregate: Aggregate::MedianOfDailyMedians,
            fail_rate: FailRate::Incidents,
            recovery_unit: RecoveryUnit::Incident,
            recovery_start: RecoveryStart::Incident,
            ..DORA
        },
        Pack {
            id: Cow::Borrowed("fourkeys"),
            title: Cow::Borrowed("As the Four Keys project counted."),
            zero_lead_times: Counted::LeaveOut,
            fail_rate: FailRate::Incidents,
            recovery_unit: RecoveryUnit::Incident,
            recovery_start: RecoveryStart::Earlier,
            ..DORA
        },
        Pack {
            id: Cow::Borrowed("datadog"),
            title: Cow::Borrowed("As Datadog's DORA Metrics count."),
            gap_days: Some(60),
            failure: Cow::Borrowed(&[Failure::Rollback, Failure::Remediation, Failure::Override]),
            ..DORA
        },
    ]
});

impl Pack {
    /// Whether lead time is what gold has ready: rows and columns as they are.
    pub(crate) fn has_ready_lead_time(&self) -> bool {
        (self.unit, self.start, self.first_deployment) == (DORA.unit, DORA.start, DORA.first_deployment)
            && (self.gap_days, self.zero_lead_times, self.bots) == (DORA.gap_days, DORA.zero_lead_times, DORA.bots)
    }

    /// Whether the judgement of deployments is what gold has ready.
    pub(crate) fn has_ready_judgement(&self) -> bool {
        (self.first_deployment, self.attribution) == (DORA.first_deployment, DORA.attribution)
            && self.window_hours.total_cmp(&DORA.window_hours).is_eq()
            && DORA.failure.iter().all(|failure| self.failure.contains(failure))
            && self.recovery_start == DORA.recovery_start
    }

    /// Whether values of each day are needed besides those of each bucket.
    pub(crate) fn looks_at_days(&self) -> bool {
        self.aggregate == Aggregate::MedianOfDailyMedians || self.frequency == Frequency::DaysPerWeek
    }

    /// [`Pack::window_hours`] in milliseconds; `None` for a window without end.
    pub(crate) fn window_ms(&self) -> Option<i64> {
        self.window_hours.is_finite().then(|| (self.window_hours * 3_600_000.0).round() as i64)
    }
}
