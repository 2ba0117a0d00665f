//! `/api/v1/definitions`: whose definitions there are, and what they make of the same events.

use axum::extract::State;
use axum::response::Response;
use dorado_query::{PACKS, Pack, pack_named};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::access::Reader;
use crate::answer::Wanted;
use crate::api::Api;
use crate::extract::{Nothing, Query};
use crate::problem::Problem;
use crate::routes::metrics::MetricRow;
use crate::routes::question::{Meta, QuestionParams};

/// A pack: its parameters, and what it makes of each metric.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct DefinitionRow {
    /// Its id, as `pack=` takes it.
    #[schema(example = "dora-2025")]
    pack: String,
    /// In one sentence, whose definitions these are.
    title: String,
    /// Whether the configuration adds it.
    is_custom: bool,
    /// What lead time is counted in: `change` or `pull_request`.
    unit: String,
    /// Where lead time begins: `commit`, `first_commit`, `opened` or `merged`.
    start: String,
    /// Whether the first deployment ships what it holds: `baseline` (no) or `all`.
    first_deployment: String,
    /// No lead time after a gap of more than so many days; null for no limit.
    gap_days: Option<u64>,
    /// Whether a lead time of zero counts: `count` or `leave_out`.
    zero_lead_times: String,
    /// Whether changes that bots wrote count: `count` or `leave_out`.
    bots: String,
    /// What times are the median of: `rows` or `median_of_daily_medians`.
    aggregate: String,
    /// Which median: `interpolated` or `lower`.
    median: String,
    /// What frequency is: `deployments` or `days_per_week`.
    frequency: String,
    /// Which deployment an incident is put on: of its `service`, or the latest of its `project`.
    attribution: String,
    /// Hours before an incident in which its deployment may have finished; null for however long.
    window_hours: Option<f64>,
    /// What makes a deployment failed.
    #[schema(example = "incident, rollback")]
    failure: String,
    /// What the fail rate counts: `deployments` or `incidents`.
    fail_rate: String,
    /// Whether attempts that failed before production count in it.
    count_failed_attempts: bool,
    /// What has a recovery time: a `deployment` or an `incident`.
    recovery_unit: String,
    /// Where it begins: `deployment`, `incident` or `earlier`.
    recovery_start: String,
    /// Below so many rows `enough_data` is false.
    min_n: u64,
    /// Deployment frequency in a sentence.
    deployment_frequency: String,
    /// Change lead time in a sentence.
    change_lead_time: String,
    /// Change fail rate in a sentence.
    change_fail_rate: String,
    /// Failed deployment recovery time in a sentence.
    failed_deployment_recovery_time: String,
    /// Deployment rework rate in a sentence.
    deployment_rework_rate: String,
}

/// Every pack; the first is the default.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Definitions {
    data: Vec<DefinitionRow>,
    meta: Map<String, Value>,
}

/// Whose definitions there are
#[utoipa::path(get, path = "/api/v1/definitions", tag = "Metrics", responses(
    (status = 200, description = "Every pack with its parameters; the first is the default", body = Definitions),
))]
pub(crate) async fn definitions(
    _: Reader,
    State(api): State<Api>,
    _: Query<Nothing>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    wanted.rows(&api.engine().definitions())
}

/// Which packs are compared.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct PacksParams {
    /// Ids of packs, repeated or comma-separated; the others are held against the first. Default: all.
    #[serde(default)]
    #[param(example = json!(["dora-2025", "devlake"]))]
    packs: Vec<String>,
}

impl PacksParams {
    fn packs(&self, own: &[Pack]) -> Result<Vec<Pack>, Problem> {
        if self.packs.is_empty() {
            return Ok(PACKS.iter().chain(own).cloned().collect());
        }
        let mut packs: Vec<Pack> = Vec::new();
        for id in &self.packs {
            let pack = pack_named(id, own).map_err(|mut wrong| {
                wrong.parameter = "packs";
                wrong
            })?;
            if !packs.contains(pack) {
                packs.push(pack.clone());
            }
        }
        Ok(packs)
    }
}

/// A metric's number under a pack.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct ComparedRow {
    /// Id of the metric.
    metric: String,
    /// Its name for people.
    title: String,
    /// Unit of `value` under the pack.
    unit: String,
    /// Which way is good.
    better: String,
    /// Id of the pack.
    pack: String,
    /// What the metric is under the pack.
    definition: String,
    #[serde(flatten)]
    row: MetricRow,
}

/// Where a difference comes from: one parameter, taken over alone into the pack that is held against.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Difference {
    /// Id of the metric.
    metric: String,
    /// Id of the pack that differs.
    pack: String,
    /// Id of the pack that it is held against.
    against: String,
    /// The parameter.
    #[schema(example = "first_deployment")]
    parameter: String,
    /// Its value in the pack that is held against.
    here: String,
    /// Its value in the pack that differs.
    there: String,
    /// The cause in words, and what it does alone.
    cause: String,
    /// The value of the pack that is held against.
    value: Option<f64>,
    /// The value with this parameter taken over, and no other.
    value_with: Option<f64>,
    /// Its rows.
    n: Option<u64>,
    /// Its rows with this parameter taken over.
    n_with: Option<u64>,
    /// How many rows come in; negative: fall out.
    n_moved: Option<i64>,
    /// Of rates: how many come into the numerator.
    numerator_moved: Option<i64>,
}

/// Packs side by side.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Compared {
    /// A row a pack and metric.
    data: Vec<ComparedRow>,
    /// A row a pack, metric and parameter that differs.
    differences: Vec<Difference>,
    /// What the rows are.
    meta: Meta,
}

/// Packs side by side on the same events
///
/// Over the whole period. Where the question changes parameters, its pack with them is one more, `adjusted`. Each difference is told by its cause: the parameter that differs, and what it
/// moves when it alone is changed.
#[utoipa::path(get, path = "/api/v1/definitions/compare", tag = "Metrics", params(PacksParams, QuestionParams),
    responses((status = 200, description = "Numbers, and where they differ and why", body = Compared)))]
pub(crate) async fn compare(
    reader: Reader,
    State(api): State<Api>,
    Query(packs, asked): Query<PacksParams, QuestionParams>,
    wanted: Wanted,
) -> Result<Response, Problem> {
    let question = asked.question(&api, &reader)?;
    let mut packs = packs.packs(&api.engine().catalog().packs)?;
    if !question.adjusted.is_empty() {
        let title = format!("`{}` with {} changed.", question.pack.id, question.adjusted.join(", "));
        packs.push(Pack { id: "adjusted".into(), title: title.into(), ..(*question.pack).clone() });
    }
    let about = question.clone();
    api.answer(&wanted, &about, move |engine| async move { engine.compare_packs(&question, &packs).await }).await
}
