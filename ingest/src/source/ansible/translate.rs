//! A run of a playbook to a deployment.

use dorado_lake::{Delivery, Deployment, Fact, Status};

use crate::source::Error;
use crate::source::events::sha;
use crate::source::reading::{Place, Told, parse, repository_of_url};

/// Translates what the plugin sent.
pub(super) fn run(delivery: &Delivery) -> Result<Told, Error> {
    let body = parse(&delivery.body)?;
    let run = Place::of(&body);
    let status = match run.needed_text("result")?.as_str() {
        "running" => Status::Running,
        "success" => Status::Success,
        "failure" | "failed" => Status::Failed,
        "cancelled" => Status::Cancelled,
        other => return Ok(Told::nothing(format!("the result `{other}` says nothing about the outcome"))),
    };
    let service = run.text("service");
    let repository = run.text("repository").as_deref().map(repository_of_url);
    if service.is_none() && repository.is_none() {
        return Ok(Told::nothing("the playbook names neither a service nor a repository"));
    }
    let started_at = run.needed_time("started_at")?;
    let finished_at = if status == Status::Running { None } else { Some(run.needed_time("finished_at")?) };
    Ok(Told::one(Fact::Deployment(Deployment {
        source: delivery.source_name(),
        id: run.needed_text("id")?,
        service,
        team: run.text("team"),
        repository,
        environment: run.text("environment").unwrap_or_else(|| "production".to_owned()),
        status,
        started_at: Some(started_at),
        finished_at,
        revision: run.first_text(&["revision", "commit_sha"]).map(sha),
        version: run.text("version"),
        title: run.first_text(&["play", "playbook"]),
        is_rollback: run.flag("rollback") == Some(true),
        is_hotfix: run.flag("hotfix") == Some(true),
        url: run.text("url"),
        updated_at: Some(finished_at.unwrap_or(started_at)),
        ..Deployment::default()
    })))
}
