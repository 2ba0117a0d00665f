//! Where the time of the changes that shipped had gone, stage by stage, and which of them have no stages.

use serde_json::{Value, json};

use super::frame::{Cells, Over};
use super::series::series;
use crate::engine::{Error, Row};
use crate::metric::{LEFT_OUT, Metric, STAGES};

/// A row a bucket, group and stage, and how many changes each stage leaves out, by reason.
pub(crate) async fn stages(over: &Over<'_>) -> Result<(Vec<Row>, Vec<Value>), Error> {
    let metrics: Vec<&'static Metric> = STAGES.iter().collect();
    let (rows, cells) = series(over, &metrics, |stage, row| {
        row.insert("stage".into(), json!(stage.id));
        row.insert("title".into(), json!(stage.title));
    })
    .await?;
    Ok((rows, left_out(&cells)))
}

/// What has no pull request has no stage at all, and is told once.
fn left_out(cells: &Cells) -> Vec<Value> {
    let sum = |stage: &Metric, reason: &str| {
        let name = format!("{}_{reason}", stage.id);
        cells.values().map(|aggregates| aggregates.count(&name)).sum::<i64>()
    };
    let [of_all, of_each @ ..] = LEFT_OUT;
    let all = json!({ "stage": null, "reason": of_all, "n": sum(&STAGES[0], of_all) });
    let each = STAGES.iter().flat_map(|stage| {
        of_each.map(|reason| json!({ "stage": stage.id, "reason": reason, "n": sum(stage, reason) }))
    });
    std::iter::once(all).chain(each).filter(|entry| entry["n"] != json!(0)).collect()
}
