//! A question: what is asked, over which rows, cut how. It cannot be built invalid, so nobody below
//! checks again. The API's parameters and the command line's flags both come in through [`Asked`].

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use dorado_lake::Instant;

use crate::audience::Audience;
use crate::bucket::{BucketSize, Buckets};
use crate::metric::{METRICS, Metric, metric};
use crate::pack::{Adjustments, PACKS, Pack, sentence};

/// The parameters of a question as they were written. Lists are comma-separated or repeated.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// Start of the period: RFC 3339, epoch seconds or milliseconds, or a date in `tz`.
    pub from: Option<String>,
    /// End of the period, not part of it.
    pub to: Option<String>,
    /// `day`, `week`, `month`, `quarter`, `year` or `all`.
    pub bucket: Option<String>,
    /// IANA time zone; UTC when absent.
    pub tz: Option<String>,
    /// Services.
    pub service: Vec<String>,
    /// Teams, each with the teams below it.
    pub team: Vec<String>,
    /// Repositories.
    pub repository: Vec<String>,
    /// Production environments.
    pub environment: Vec<String>,
    /// `service`, `team`, `repository` or `environment`.
    pub group_by: Option<String>,
    /// Whose definitions.
    pub pack: Option<String>,
    /// Parameters of the pack that the question itself changes, each one of [`ADJUSTABLE`] with its value.
    pub adjustments: Vec<(&'static str, String)>,
    /// `previous` for the period of the same length before.
    pub compare: Option<String>,
}

/// A parameter that makes no sense, and what would.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{parameter}` is `{value}`: {problem}")]
pub struct BadParameter {
    /// The parameter.
    pub parameter: &'static str,
    /// What it was.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What would have been right.
    pub expected: String,
}

/// What answers are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// By service.
    Service,
    /// By the team that owns the service.
    Team,
    /// By repository.
    Repository,
    /// By production environment.
    Environment,
}

impl GroupBy {
    /// The key in the answer's rows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Team => "team",
            Self::Repository => "repository",
            Self::Environment => "environment",
        }
    }
}

/// Whether to look at the period before as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Only this period.
    Nothing,
    /// The period of the same length that ends where this one begins.
    Previous,
}

/// Which rows are asked about. Empty sets leave out nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// Services.
    pub services: BTreeSet<String>,
    /// Teams as asked, not yet with those below them.
    pub teams: BTreeSet<String>,
    /// Repositories.
    pub repositories: BTreeSet<String>,
    /// Environments.
    pub environments: BTreeSet<String>,
}

/// A valid question.
#[derive(Debug, Clone)]
pub struct Question {
    /// The period, half-open, and how it is cut.
    pub buckets: Buckets,
    /// How it is cut.
    pub size: BucketSize,
    /// The time zone of the cuts.
    pub tz: Tz,
    /// Start of the period.
    pub from: Instant,
    /// End of the period.
    pub to: Instant,
    /// Which rows.
    pub filter: Filter,
    /// Grouping.
    pub group_by: Option<GroupBy>,
    /// Comparison.
    pub compare: Compare,
    /// Whose definitions, with what the question changes of them.
    pub pack: Arc<Pack>,
    /// The parameters that the question changes.
    pub adjusted: Vec<&'static str>,
    audience: Audience,
}

/// The parameters of a pack that a question may change.
pub const ADJUSTABLE: [&str; 9] = [
    "window_hours",
    "first_deployment",
    "count_failed_attempts",
    "min_n",
    "unit",
    "start",
    "failure",
    "recovery_start",
    "bots",
];

/// Period when none is asked for.
const DEFAULT_PERIOD: TimeDelta = TimeDelta::days(90);

impl Question {
    /// Whether the definitions in force are the default pack's, as it has them.
    pub fn is_as_usual(&self) -> bool {
        self.pack.id == PACKS[0].id && self.adjusted.is_empty()
    }

    /// What a metric is under the definitions in force, in words.
    pub fn definition_of(&self, metric: &Metric) -> String {
        if self.is_as_usual() { metric.definition.to_owned() } else { sentence(metric.id, &self.pack) }
    }

    /// Reads a question, to be answered for `audience` and nobody else. It knows the built-in packs only.
    ///
    /// # Errors
    /// The first parameter that makes no sense.
    pub fn new(asked: &Asked, audience: Audience, now: Instant) -> Result<Self, BadParameter> {
        Self::with_packs(asked, audience, now, &[])
    }

    /// Reads a question that may also name packs of one's own.
    ///
    /// # Errors
    /// The first parameter that makes no sense.
    pub fn with_packs(asked: &Asked, audience: Audience, now: Instant, packs: &[Pack]) -> Result<Self, BadParameter> {
        let tz = time_zone(asked.tz.as_deref())?;
        let to = asked.to.as_deref().map(|text| instant("to", text, tz)).transpose()?.unwrap_or(now);
        let from = match asked.from.as_deref() {
            Some(text) => instant("from", text, tz)?,
            None => to - DEFAULT_PERIOD,
        };
        if from >= to {
            return Err(BadParameter {
                parameter: "from",
                value: asked.from.clone().unwrap_or_else(|| from.to_rfc3339()),
                problem: format!("it is not before `to`, which is {}", to.to_rfc3339()),
                expected: "an instant before `to`".into(),
            });
        }
        let size = asked.bucket.as_deref().map_or(Ok(BucketSize::Week), |text| {
            text.parse().ok().ok_or_else(|| unknown("bucket", text, &BucketSize::ALL.map(BucketSize::name)))
        })?;
        let buckets = Buckets::new(from, to, size, tz).map_err(|error| BadParameter {
            parameter: "bucket",
            value: asked.bucket.clone().unwrap_or_else(|| "week".into()),
            problem: error.to_string(),
            expected: "a shorter period or a larger bucket".into(),
        })?;
        Ok(Self {
            buckets,
            size,
            tz,
            from,
            to,
            filter: Filter {
                services: list(&asked.service),
                teams: list(&asked.team),
                repositories: list(&asked.repository),
                environments: list(&asked.environment),
            },
            group_by: asked.group_by.as_deref().map(group_by).transpose()?,
            compare: compare(asked.compare.as_deref())?,
            pack: Arc::new(pack_of(asked, packs)?),
            adjusted: asked.adjustments.iter().map(|(name, _)| *name).collect(),
            audience,
        })
    }

    /// For whom it is answered.
    pub fn audience(&self) -> &Audience {
        &self.audience
    }

    /// The same question over its whole period, neither cut nor grouped nor compared.
    #[must_use]
    pub fn whole(&self) -> Self {
        let buckets = Buckets::new(self.from, self.to, BucketSize::All, self.tz);
        Self {
            buckets: buckets.expect("the period was cut before"),
            size: BucketSize::All,
            group_by: None,
            compare: Compare::Nothing,
            ..self.clone()
        }
    }

    /// The same question under another pack.
    pub(crate) fn under(&self, pack: Pack) -> Self {
        Self { pack: Arc::new(pack), ..self.clone() }
    }

    /// The period before.
    pub(crate) fn previous(&self) -> (Instant, Instant) {
        (self.from - (self.to - self.from), self.from)
    }
}

/// A metric by its id, or the ids that there are.
///
/// # Errors
/// No metric has this id.
pub fn metric_named(id: &str) -> Result<&'static Metric, BadParameter> {
    metric(id).ok_or_else(|| unknown("metric", id, &METRICS.iter().map(|m| m.id).collect::<Vec<_>>()))
}

/// An instant as people and tools write it: RFC 3339, epoch seconds or milliseconds, or a date, which is
/// the first instant of that day in `tz`.
///
/// # Errors
/// It is none of these.
pub fn instant(parameter: &'static str, text: &str, tz: Tz) -> Result<Instant, BadParameter> {
    let bad = |problem: &str| BadParameter {
        parameter,
        value: text.to_owned(),
        problem: problem.to_owned(),
        expected:
            "RFC 3339 with an offset (2026-01-31T00:00:00Z), a date (2026-01-31), or epoch seconds or milliseconds"
                .into(),
    };
    // In a query string a `+` that nobody escaped arrives as a space.
    let written = text.trim().replace(' ', "+");
    let found = if let Ok(number) = written.parse::<i64>() {
        // Milliseconds since 1973 have twelve digits; seconds have them only after the year 5138.
        if number.abs() >= 100_000_000_000 {
            DateTime::from_timestamp_millis(number)
        } else {
            DateTime::from_timestamp(number, 0)
        }
    } else if let Ok(date) = NaiveDate::parse_from_str(&written, "%Y-%m-%d") {
        first_instant(date, tz)
    } else {
        match DateTime::parse_from_rfc3339(&written) {
            Ok(at) => Some(at.with_timezone(&Utc)),
            Err(_) if DateTime::parse_from_rfc3339(&format!("{written}Z")).is_ok() => {
                return Err(bad("it has no offset from UTC"));
            }
            Err(_) => return Err(bad("it is not a time that can be read")),
        }
    };
    let within = |at: &Instant| (0..4_102_444_800).contains(&at.timestamp()); // 1970 to 2100
    found.filter(within).ok_or_else(|| bad("it is not between 1970 and 2100"))
}

fn first_instant(date: NaiveDate, tz: Tz) -> Option<Instant> {
    let midnight = date.and_time(NaiveTime::MIN);
    // Where clocks skip midnight the day begins within the next hours.
    (0..=24)
        .find_map(|quarters| tz.from_local_datetime(&(midnight + TimeDelta::minutes(15 * quarters))).earliest())
        .map(|at| at.with_timezone(&Utc))
}

fn time_zone(text: Option<&str>) -> Result<Tz, BadParameter> {
    let Some(text) = text else { return Ok(Tz::UTC) };
    text.parse().ok().ok_or_else(|| BadParameter {
        parameter: "tz",
        value: text.to_owned(),
        problem: "no such time zone".into(),
        expected: "an IANA name such as Europe/Berlin or UTC".into(),
    })
}

fn list(values: &[String]) -> BTreeSet<String> {
    values.iter().flat_map(|v| v.split(',')).map(str::trim).filter(|v| !v.is_empty()).map(String::from).collect()
}

fn group_by(text: &str) -> Result<GroupBy, BadParameter> {
    [GroupBy::Service, GroupBy::Team, GroupBy::Repository, GroupBy::Environment]
        .into_iter()
        .find(|g| g.as_str() == text)
        .ok_or_else(|| unknown("group_by", text, &["service", "team", "repository", "environment"]))
}

fn compare(text: Option<&str>) -> Result<Compare, BadParameter> {
    match text {
        None => Ok(Compare::Nothing),
        Some("previous") => Ok(Compare::Previous),
        Some(other) => Err(unknown("compare", other, &["previous"])),
    }
}

fn pack_of(asked: &Asked, packs: &[Pack]) -> Result<Pack, BadParameter> {
    let mut pack = match asked.pack.as_deref() {
        None => PACKS[0].clone(),
        Some(id) => pack_named(id, packs)?.clone(),
    };
    Adjustments::read(&asked.adjustments)?.apply(&mut pack);
    Ok(pack)
}

/// A pack by its id, or the ids that there are.
///
/// # Errors
/// No pack has this id.
pub fn pack_named<'a>(id: &str, packs: &'a [Pack]) -> Result<&'a Pack, BadParameter> {
    let all = || PACKS.iter().chain(packs);
    all()
        .find(|pack| pack.id == id)
        .ok_or_else(|| unknown("pack", id, &all().map(|p| p.id.as_ref()).collect::<Vec<_>>()))
}

fn unknown(parameter: &'static str, value: &str, known: &[&str]) -> BadParameter {
    BadParameter {
        parameter,
        value: value.to_owned(),
        problem: "it is not known".into(),
        expected: format!("one of {}", known.join(", ")),
    }
}
