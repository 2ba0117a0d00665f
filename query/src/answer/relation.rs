//! The rows of gold as the pack in force sees them. The default pack sees them as they are; another one
//! through expressions over the same columns, so that nothing is attributed again.

use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::JoinType;
use datafusion::prelude::{Expr, col, lit, when};
use dorado_lake::Instant;

use super::frame::{Over, asked_rows, in_period};
use super::project;
use crate::engine::Error;
use crate::gold::{Confidence, FailureRule, evidence};
pub(crate) use crate::metric::{INCIDENTS, RECOVERIES};
use crate::pack::{Attribution, Counted, Failure, FirstDeployment, Pack, RecoveryStart, Start, Unit};
use crate::tables::among;

/// Rows of a period, of a gold table or of [`INCIDENTS`] or [`RECOVERIES`]; `None` where there are none yet.
pub(crate) async fn rows(over: &Over<'_>, table: &str, period: (Instant, Instant)) -> Result<Option<DataFrame>, Error> {
    let pack = &*over.question.pack;
    match table {
        INCIDENTS => {
            let Some(causes) = causes(over).await? else { return Ok(None) };
            Ok(Some(in_period(selected(causes, over)?, "opened_at", period)?))
        }
        RECOVERIES => recoveries(over, period).await,
        _ => {
            let Some(frame) = asked_rows(over.tables, table, over.selection, period)? else { return Ok(None) };
            match table {
                "shipments" if !pack.has_ready_lead_time() => shipments(frame, pack).map(Some),
                "outcomes" if !pack.has_ready_judgement() => outcomes(frame, over).await.map(Some),
                _ => Ok(Some(frame)),
            }
        }
    }
}

fn shipments(frame: DataFrame, pack: &Pack) -> Result<DataFrame, Error> {
    let start = match (pack.start, pack.unit) {
        (Start::Commit, _) => "lead_ms",
        (Start::FirstCommit, Unit::Change) => "coalesce(first_commit_ms, lead_ms)",
        (Start::FirstCommit, Unit::PullRequest) => "first_commit_ms",
        (Start::Opened, _) => "opened_ms",
        (Start::Merged, _) => "merged_ms",
    };
    let mut frame = frame;
    let mut reasons = vec![match pack.first_deployment {
        FirstDeployment::Baseline => "excluded <> 'no_commit_time' then excluded".to_owned(),
        FirstDeployment::All => "excluded not in ('no_commit_time', 'first_deployment') then excluded".to_owned(),
    }];
    if pack.unit == Unit::PullRequest {
        frame = frame.clone().filter(frame.parse_sql_expr("represents or pull_request is null")?)?;
        reasons.push("pull_request is null then 'no_pull_request'".to_owned());
    }
    if pack.bots == Counted::LeaveOut {
        reasons.push("by_bot then 'bot'".to_owned());
    }
    if let Some(days) = pack.gap_days {
        reasons.push(format!("since_previous_ms > {} then 'after_gap'", i64::from(days) * 86_400_000));
    }
    let unknown = if pack.start == Start::Commit { "no_commit_time" } else { "no_start" };
    reasons.push(format!("{start} is null then '{unknown}'"));
    reasons.push(format!("{start} < 0 then 'negative'"));
    if pack.zero_lead_times == Counted::LeaveOut {
        reasons.push(format!("{start} = 0 then 'zero'"));
    }
    let excluded = frame.parse_sql_expr(&format!("case when {} end", reasons.join(" when ")))?;
    let lead_ms = frame.parse_sql_expr(start)?;
    let mut frame = frame.with_column("excluded", excluded)?.with_column("lead_ms", lead_ms)?;
    if pack.start != Start::Commit {
        let name = serde_json::to_value(pack.start).ok();
        let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        frame = frame.with_column("lead_from", lit(name))?;
    }
    Ok(frame)
}

/// Incidents with the deployment that the pack puts each on.
pub(crate) async fn causes(over: &Over<'_>) -> Result<Option<DataFrame>, Error> {
    let pack = &*over.question.pack;
    if pack.attribution == Attribution::Project {
        return project::causes(over).await;
    }
    let Some(frame) = over.tables.table("causes")? else { return Ok(None) };
    if pack.has_ready_judgement() {
        return Ok(Some(frame));
    }
    let near = pack.window_ms().map_or_else(|| "latest is not null".to_owned(), |ms| format!("latest_ms <= {ms}"));
    let named = "rule in ('override', 'explicit', 'remediated')";
    let mut found = vec![(named, ["deployment_source", "deployment", "deployment_ms", "rule", "confidence"])];
    if pack.first_deployment == FirstDeployment::All {
        let by_change = "baseline is not null and rule not in ('override', 'explicit')";
        let columns = ["baseline_source", "baseline", "baseline_ms", "'explicit'", "'confirmed'"];
        found.insert(0, (by_change, columns));
    }
    found.push((near.as_str(), ["latest_source", "latest", "latest_ms", "'proximity'", "'probable'"]));
    let mut seen = frame.clone();
    for (number, column) in
        ["deployment_source", "deployment", "deployment_ms", "rule", "confidence"].iter().enumerate()
    {
        let whens: Vec<String> =
            found.iter().map(|(condition, columns)| format!("when {condition} then {}", columns[number])).collect();
        let otherwise = if *column == "rule" { " else 'unattributed'" } else { "" };
        let expr = frame.parse_sql_expr(&format!("case {}{otherwise} end", whens.join(" ")))?;
        // Under another name first: each looks at the others as they were.
        seen = seen.with_column(&format!("seen_{column}"), expr)?;
    }
    for column in ["deployment_source", "deployment", "deployment_ms", "rule", "confidence"] {
        let expr = col(format!("seen_{column}"));
        seen = seen.with_column(column, expr)?.drop_columns(&[format!("seen_{column}").as_str()])?;
    }
    Ok(Some(seen))
}

/// Incidents as an audience may read them: a deployment of a service that it may not know has no name.
pub(crate) fn named_to(over: &Over<'_>, incidents: DataFrame) -> Result<DataFrame, Error> {
    if over.directory.is_whole() {
        return Ok(incidents);
    }
    let Some(outcomes) = over.tables.table("outcomes")? else { return Ok(incidents) };
    let known = outcomes.filter(among("service", over.directory.services.keys()))?;
    let known = known.select(vec![col("source").alias("known_source"), col("deployment").alias("known_deployment")])?;
    let (blamed, keys) = (["deployment_source", "deployment"], ["known_source", "known_deployment"]);
    let mut named = incidents.join(known.distinct()?, JoinType::Left, &blamed, &keys, None)?;
    for column in ["deployment", "deployment_source"] {
        let name = when(col("known_deployment").is_not_null(), col(column)).end()?;
        named = named.with_column(column, name)?;
    }
    Ok(named.drop_columns(&keys)?)
}

fn selected(causes: DataFrame, over: &Over<'_>) -> Result<DataFrame, Error> {
    let mut causes = causes;
    for filter in over.selection.filters() {
        causes = causes.filter(filter)?;
    }
    Ok(causes)
}

async fn recoveries(over: &Over<'_>, period: (Instant, Instant)) -> Result<Option<DataFrame>, Error> {
    let Some(causes) = causes(over).await? else { return Ok(None) };
    let mut causes = selected(causes, over)?;
    let opened = "cast(opened_at as bigint)";
    let start = match over.question.pack.recovery_start {
        RecoveryStart::Incident => opened.to_owned(),
        RecoveryStart::Earlier => format!("{opened} - greatest(coalesce(deployment_ms, 0), 0) * 1000"),
        RecoveryStart::Deployment => {
            causes = causes.filter(col("deployment").is_not_null())?;
            format!("{opened} - deployment_ms * 1000")
        }
    };
    let began_at = causes.parse_sql_expr(&instant(&start))?;
    let causes = causes.with_column("began_at", began_at)?;
    let length = causes.parse_sql_expr("(cast(resolved_at as bigint) - cast(began_at as bigint)) / 1000")?;
    let at = match over.question.pack.recovery_start {
        // Who looks at incidents alone counts them when they are closed.
        RecoveryStart::Incident => causes.parse_sql_expr("coalesce(resolved_at, opened_at)")?,
        _ => col("began_at"),
    };
    let recoveries = causes.with_column("recovery_ms", length)?.with_column("at", at)?;
    Ok(Some(in_period(recoveries, "at", period)?))
}

/// An instant of microseconds.
fn instant(micros: &str) -> String {
    format!("arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))')")
}

/// An incident of several services counts once in each group.
pub(crate) fn each_once(incidents: DataFrame, keys: &[&str]) -> Result<DataFrame, Error> {
    let on: Vec<Expr> = ["source", "incident"].iter().chain(keys).map(|name| col(*name)).collect();
    let columns: Vec<Expr> = incidents.schema().columns().into_iter().map(Expr::Column).collect();
    let order = on.iter().cloned().chain([col("service")]).map(|expr| expr.sort(true, false)).collect();
    Ok(incidents.distinct_on(on, columns, Some(order))?)
}

/// Deployments judged by the evidence that the pack takes.
async fn outcomes(frame: DataFrame, over: &Over<'_>) -> Result<DataFrame, Error> {
    let pack = &*over.question.pack;
    let seen = Judgement::of(pack);
    let frame = match causes(over).await? {
        Some(causes) if pack.failure.contains(&Failure::Incident) => {
            let causes = match &over.selection.services {
                Some(services) if !services.is_empty() => causes.filter(among("service", services))?,
                _ => causes,
            };
            let session = over.tables.alone()?;
            session.register_table("causes", causes.into_view())?;
            let blamed = session.sql(BLAMED).await?;
            let keys = ["service", "source", "deployment"];
            frame.join(blamed, JoinType::Left, &keys, &["b_service", "b_source", "b_deployment"], None)?
        }
        _ => frame
            .with_column("b_n", lit(0_i64))?
            .with_column("b_rank", lit(99_i64))?
            .with_column("b_ended_us", lit(0_i64))?
            .with_column("b_opened_us", lit(0_i64))?,
    };
    let mut frame = frame;
    for (column, sql) in seen.columns() {
        let expr = frame.parse_sql_expr(&sql)?;
        frame = frame.with_column(column, expr)?;
    }
    let spent =
        ["b_service", "b_source", "b_deployment", "b_n", "b_rank", "b_ended_us", "b_opened_us", "hit", "end_ms"];
    let there: Vec<&str> =
        spent.into_iter().filter(|name| frame.schema().has_column_with_unqualified_name(name)).collect();
    Ok(frame.drop_columns(&there)?)
}

/// What is put on each deployment; microseconds of instants, and no end where an incident is still open.
const BLAMED: &str = "select service as b_service, deployment_source as b_source, deployment as b_deployment, \
    count(*) as b_n, \
    min(case rule when 'override' then 0 when 'explicit' then 1 when 'remediated' then 2 else 6 end) as b_rank, \
    case when count(*) = count(resolved_at) then max(cast(resolved_at as bigint)) end as b_ended_us, \
    min(cast(opened_at as bigint)) as b_opened_us \
    from causes where deployment is not null group by service, deployment_source, deployment";

/// From a deployment's finish to the opening of its first incident.
const OPENED_MS: &str = "(b_opened_us - cast(finished_at as bigint)) / 1000";

/// The expressions by which a pack judges.
struct Judgement<'a> {
    pack: &'a Pack,
    /// Bits of `evidence` that make a deployment failed.
    mask: i32,
    /// Time until the first repair that counts.
    remedy: Vec<String>,
}

impl<'a> Judgement<'a> {
    fn of(pack: &'a Pack) -> Self {
        let (mut mask, mut remedy) = (0, Vec::new());
        for failure in &*pack.failure {
            match failure {
                Failure::Incident => {}
                Failure::Override => mask |= FailureRule::Override.bit(),
                Failure::Rollback => {
                    mask |= FailureRule::RolledBack.bit() | FailureRule::OlderRevision.bit();
                    remedy.push("rollback_ms".to_owned());
                }
                Failure::Remediation => {
                    mask |= FailureRule::Remediated.bit()
                        | FailureRule::HotfixFollowed.bit()
                        | FailureRule::PatchRelease.bit();
                    remedy.push("remediation_ms".to_owned());
                }
                Failure::Revert => {
                    mask |= reverted(pack);
                    remedy.push(format!("case when {} then revert_ms end", bits(reverted(pack))));
                }
            }
        }
        Self { pack, mask, remedy }
    }

    /// In the order in which they build on each other.
    fn columns(&self) -> Vec<(&'static str, String)> {
        let hit = format!("reached and coalesce(b_n, 0) > 0 and not {}", bits(evidence::ABSOLVED));
        let start = match self.pack.recovery_start {
            RecoveryStart::Deployment => "0".to_owned(),
            RecoveryStart::Incident => format!("case when hit then {OPENED_MS} else 0 end"),
            RecoveryStart::Earlier => format!("case when hit then least(0, {OPENED_MS}) else 0 end"),
        };
        let rework = match self.pack.first_deployment {
            FirstDeployment::Baseline => "rework".to_owned(),
            FirstDeployment::All => format!("rework or {}", bits(evidence::REVERTS_BASELINE)),
        };
        vec![
            ("hit", hit),
            ("failed", format!("case when reached then hit or {} end", bits(self.mask))),
            ("failure_rule", format!("case {} end", self.rules())),
            ("confidence", Self::confidence()),
            ("confirmed", "case when reached then coalesce(confidence = 'confirmed', false) end".to_owned()),
            ("n_incidents", "case when hit then cast(b_n as int) else 0 end".to_owned()),
            ("end_ms", self.end_ms()),
            (
                "recovered_at",
                format!(
                    "case when end_ms is not null then {} end",
                    instant("cast(finished_at as bigint) + end_ms * 1000")
                ),
            ),
            ("recovery_rule", Self::recovery_rule()),
            ("recovery_ms", format!("end_ms - ({start})")),
            ("rework", rework),
        ]
    }

    fn rules(&self) -> String {
        let when = |rule: FailureRule| {
            let told = if rule == FailureRule::Reverted { reverted(self.pack) } else { rule.bit() };
            let bit = told & self.mask;
            format!("when reached and ((hit and b_rank = {}) or {}) then '{}'", rule as i32, bits(bit), rule.as_str())
        };
        FailureRule::ALL.map(when).join(" ")
    }

    fn confidence() -> String {
        let when = |rule: &FailureRule| format!("'{}'", rule.as_str());
        let probable: Vec<String> =
            FailureRule::ALL.iter().filter(|rule| rule.confidence() == Confidence::Probable).map(when).collect();
        format!(
            "case when failure_rule in ({}) then 'probable' when failure_rule is not null then 'confirmed' end",
            probable.join(", ")
        )
    }

    fn remedy(&self) -> String {
        match &self.remedy[..] {
            [] => "cast(null as bigint)".to_owned(),
            [one] => one.clone(),
            several => format!("least({})", several.join(", ")),
        }
    }

    fn end_ms(&self) -> String {
        let incident = "(b_ended_us - cast(finished_at as bigint)) / 1000";
        format!("case when failed and hit then {incident} when failed then {} end", self.remedy())
    }

    fn recovery_rule() -> String {
        let rolled_back = bits(FailureRule::RolledBack.bit());
        let remediated = bits(FailureRule::Remediated.bit());
        let followed = bits(FailureRule::HotfixFollowed.bit());
        format!(
            "case when end_ms is null then null when hit then 'incident_resolved' \
             when end_ms = rollback_ms then case when {rolled_back} then 'rolled_back' else 'older_revision' end \
             when end_ms = remediation_ms then case when {remediated} then 'remediated' \
             when {followed} then 'hotfix_followed' else 'patch_release' end \
             else 'reverted' end"
        )
    }
}

/// Where the first deployment ships, what it held can be reverted too.
fn reverted(pack: &Pack) -> i32 {
    match pack.first_deployment {
        FirstDeployment::Baseline => FailureRule::Reverted.bit(),
        FirstDeployment::All => FailureRule::Reverted.bit() | evidence::BASELINE_REVERTED,
    }
}

/// Whether any of these bits is in the evidence.
fn bits(mask: i32) -> String {
    if mask == 0 { "false".to_owned() } else { format!("((evidence & {mask}) <> 0)") }
}
