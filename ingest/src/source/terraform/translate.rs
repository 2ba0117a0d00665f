//! A run's notification to a deployment. A run is one from when it begins to apply: a plan changes nothing.

use dorado_lake::{Deployment, Fact, Status};

use super::Options;
use crate::source::body::Part;
use crate::source::told::{Told, environment_in, first_line, is_over, ranked, sha_in};
use crate::source::{Error, rule};

pub(super) fn notification(event: &Part<'_>, source: &str, options: &Options) -> Result<Told, Error> {
    let notifications = event.items("notifications");
    let Some(last) = notifications.iter().max_by_key(|told| told.instant("run_updated_at")) else {
        // Drift and other assessments have a form of their own.
        return match event.text("trigger") {
            Some(trigger) => Ok(Told::nothing(format!("`{trigger}` is about no run"))),
            None => Err(event.missing("notifications.0")),
        };
    };
    let trigger = last.text("trigger").unwrap_or_default();
    if trigger == "verification" {
        return Ok(Told::nothing("the call that verifies the address"));
    }
    if !event.part("run_id").exists() {
        return Ok(Told::nothing(format!("`{trigger}` is about no run")));
    }
    let word = last.text("run_status").unwrap_or_default();
    let status = match word.as_str() {
        "confirmed" | "apply_queued" | "queuing_apply" | "applying" => Status::Running,
        "applied" => Status::Success,
        "errored" | "policy_soft_failed" => Status::Failed,
        "canceled" | "cancelled" | "force_canceled" | "discarded" => Status::Cancelled,
        "planned_and_finished" | "planned_and_saved" => return Ok(Told::nothing("a run that had nothing to apply")),
        _ => return Ok(Told::nothing(format!("a run that is `{word}` has not begun to apply"))),
    };
    let workspace = event.needed_text("workspace_name")?;
    let organisation = event.text("organization_name").unwrap_or_default();
    let Some(rule) = rule::of(&options.workspaces, &[&workspace, &format!("{organisation}/{workspace}")]) else {
        return Ok(Told::nothing(format!("runs of the workspace `{workspace}` are not taken as deployments")));
    };
    let at = last.needed_instant("run_updated_at")?;
    let message = event.text("run_message");
    let environment = rule.environment.or_else(|| environment_in([workspace.as_str()]));
    Ok(Told::one(Fact::Deployment(Deployment {
        source: source.to_owned(),
        id: event.needed_text("run_id")?,
        service: Some(rule.service.unwrap_or(workspace)),
        repository: rule.repository,
        environment: environment.unwrap_or_else(|| options.environment.clone()),
        status,
        started_at: event.instant("run_created_at"),
        finished_at: is_over(status).then_some(at),
        revision: message.as_deref().and_then(sha_in),
        title: message.as_deref().and_then(first_line),
        url: event.text("run_url"),
        updated_at: Some(ranked(at, status)),
        ..Deployment::default()
    })))
}
