//! The parameters that every question takes, and the parts that every answer has.

use dorado_query::{Asked, Page, Question};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::access::Reader;
use crate::api::Api;
use crate::problem::{Kind, Problem};

/// What is asked: which period, cut how, over which rows.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct QuestionParams {
    /// Start of the period: RFC 3339, a date, or epoch seconds or milliseconds. Default: 90 days before `to`.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-08-01")]
    from: Option<String>,
    /// End of the period, not part of it. Default: now.
    #[param(pattern = "^(\\d{4}-\\d{2}-\\d{2}(T.+)?|\\d{1,13})?$", example = "2026-11-01T00:00:00Z")]
    to: Option<String>,
    /// How the period is cut. Default: `week`.
    #[param(pattern = "^(day|week|month|quarter|year|all)?$", example = "week")]
    bucket: Option<String>,
    /// IANA time zone of the cuts. Default: `UTC`.
    #[param(example = "Europe/Berlin")]
    tz: Option<String>,
    /// Only these services; repeated or comma-separated.
    #[serde(default)]
    #[param(example = json!(["checkout", "search"]))]
    service: Vec<String>,
    /// Only services of these teams and of the teams below them.
    #[serde(default)]
    team: Vec<String>,
    /// Only these repositories.
    #[serde(default)]
    repository: Vec<String>,
    /// Only these production environments.
    #[serde(default)]
    environment: Vec<String>,
    /// One row for each of these, and bucket.
    #[param(pattern = "^(service|team|repository|environment)?$", example = "team")]
    group_by: Option<String>,
    /// Whose definitions. Default: `dora-2025`.
    #[param(example = "dora-2025")]
    pack: Option<String>,
    /// The same as `pack`.
    definition: Option<String>,
    /// Of the pack, changed: hours before an incident in which its deployment may have finished, or `none`.
    #[param(pattern = "^([0-9]{1,6}(\\.[0-9]+)?|1000000|none|inf)?$", example = "24")]
    window_hours: Option<String>,
    /// Of the pack, changed: whether the first deployment of a service ships what it holds.
    #[param(pattern = "^(baseline|all)?$", example = "baseline")]
    first_deployment: Option<String>,
    /// Of the pack, changed: whether attempts that failed before production count in the fail rate.
    #[param(pattern = "^(true|false)?$", example = "false")]
    count_failed_attempts: Option<String>,
    /// Of the pack, changed: below so many rows `enough_data` is false.
    #[param(pattern = "^[0-9]{0,9}$", example = "5")]
    min_n: Option<String>,
    /// Of the pack, changed: what lead time is counted in.
    #[param(pattern = "^(change|pull_request)?$", example = "change")]
    unit: Option<String>,
    /// Of the pack, changed: where lead time begins.
    #[param(pattern = "^(commit|first_commit|opened|merged)?$", example = "commit")]
    start: Option<String>,
    /// Of the pack, changed: what makes a deployment failed: `incident`, `rollback`, `remediation`, `revert`, `override`.
    #[serde(default)]
    failure: Vec<String>,
    /// Of the pack, changed: where recovery time begins.
    #[param(pattern = "^(deployment|incident|earlier)?$", example = "deployment")]
    recovery_start: Option<String>,
    /// Of the pack, changed: whether changes that bots wrote count.
    #[param(pattern = "^(count|leave_out)?$", example = "count")]
    bots: Option<String>,
    /// `previous` also looks at the period of the same length before.
    #[param(pattern = "^(previous)?$", example = "previous")]
    compare: Option<String>,
}

impl QuestionParams {
    /// The same, where no start is given from the beginning.
    pub(crate) fn since_the_beginning(mut self) -> Self {
        self.from.get_or_insert_with(|| "1970-01-01T00:00:00Z".to_owned());
        self
    }

    pub(crate) fn question(self, api: &Api, reader: &Reader) -> Result<Question, Problem> {
        if let (Some(pack), Some(definition)) = (&self.pack, &self.definition)
            && pack != definition
        {
            let problem = format!("`definition` is another name for `pack`, which is `{pack}`");
            return Err(Problem::new(Kind::InvalidParameter, problem)
                .parameter("definition")
                .value(definition.clone())
                .expected("one of the two"));
        }
        let failure = (!self.failure.is_empty()).then(|| self.failure.join(","));
        let changed = [
            ("window_hours", self.window_hours),
            ("first_deployment", self.first_deployment),
            ("count_failed_attempts", self.count_failed_attempts),
            ("min_n", self.min_n),
            ("unit", self.unit),
            ("start", self.start),
            ("failure", failure),
            ("recovery_start", self.recovery_start),
            ("bots", self.bots),
        ];
        let asked = Asked {
            from: self.from,
            to: self.to,
            bucket: self.bucket,
            tz: self.tz,
            service: self.service,
            team: self.team,
            repository: self.repository,
            environment: self.environment,
            group_by: self.group_by,
            pack: self.pack.or(self.definition),
            adjustments: changed.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
            compare: self.compare,
        };
        let packs = &api.engine().catalog().packs;
        Ok(Question::with_packs(&asked, reader.audience.clone(), api.end_of_minute(), packs)?)
    }
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageParams {
    /// Rows at most.
    #[param(minimum = 1, maximum = 1000, default = 100, example = 100)]
    limit: Option<usize>,
    /// `next_cursor` of the page before.
    #[param(pattern = "^([0-9a-f]{2})*$")]
    cursor: Option<String>,
}

impl PageParams {
    const DEFAULT: usize = 100;
    const MAXIMUM: usize = 1000;

    pub(crate) fn page(self) -> Result<Page, Problem> {
        let limit = self.limit.unwrap_or(Self::DEFAULT);
        if !(1..=Self::MAXIMUM).contains(&limit) {
            return Err(Problem::new(Kind::InvalidParameter, "a page has 1 to 1000 rows")
                .parameter("limit")
                .value(limit.to_string())
                .expected("a whole number from 1 to 1000"));
        }
        Ok(Page { limit, cursor: self.cursor })
    }
}

/// The cursor of a list whose rows are numbered.
pub(crate) fn numbered_cursor(number: i64) -> String {
    format!("{number:016x}")
}

/// The number that such a cursor has.
pub(crate) fn number_of(cursor: &str) -> Result<i64, Problem> {
    let is_ours = cursor.len() == 16 && cursor.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let number = if is_ours { i64::from_str_radix(cursor, 16).ok() } else { None };
    number.ok_or_else(|| {
        Problem::new(Kind::InvalidParameter, "the cursor is not one of this list")
            .parameter("cursor")
            .value(cursor)
            .expected("the `next_cursor` of the page before, unchanged")
    })
}

/// Flat rows and what they are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rows<T> {
    /// Flat objects: each key has one type, and null where the value is unknown.
    data: Vec<T>,
    /// What the rows are.
    meta: Meta,
}

/// What the rows of an answer are.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Meta {
    /// Id of the metric.
    metric: Option<String>,
    /// Its name for people.
    title: Option<String>,
    /// Unit of `value`.
    unit: Option<String>,
    /// Which way is good: `higher` or `lower`.
    better: Option<String>,
    /// Whose definitions.
    pack: Option<String>,
    /// The choices in force.
    parameters: Option<Map<String, Value>>,
    /// Parameters that the question changed.
    adjusted: Option<Vec<String>>,
    /// How the period is cut.
    bucket: Option<String>,
    /// The time zone of the cuts.
    tz: Option<String>,
    /// Start of the period.
    from: Option<String>,
    /// End of the period, not part of it.
    to: Option<String>,
    /// Start of the period before.
    previous_from: Option<String>,
    /// End of the period before.
    previous_to: Option<String>,
    /// Version of the tables that the answer was read from.
    table_version: Option<u64>,
    /// Whether all that has been settled is in the answer.
    complete: Option<bool>,
    /// Every delivery that arrived until then is in the answer.
    complete_through: Option<String>,
    /// Names that were asked for and are not known, by parameter.
    unknown: Option<Map<String, Value>>,
    /// Where the next page begins; null on the last one.
    next_cursor: Option<String>,
}
