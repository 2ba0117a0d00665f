//! What is posted to the DORA API, to facts.

use dorado_lake::{Delivery, Deployment, Fact, Incident, Override, Status, Verdict};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::source::events::sha;
use crate::source::reading::{Place, Told, first_line, parse, repository_of_url};
use crate::source::{Error, posted_to};

/// Translates a body by the path that it was posted to.
pub(super) fn posted(delivery: &Delivery) -> Result<Told, Error> {
    if let Some(deleted) = deleted(delivery) {
        return Ok(Told::one(deleted));
    }
    let body = parse(&delivery.body)?;
    let data = Place::of(&body).at("data");
    let attributes = data.at("attributes");
    if !attributes.value().is_object() {
        return Err(data.missing("attributes"));
    }
    let source = delivery.source_name();
    match kind_of(posted_to(delivery).as_deref(), &data) {
        Some(Posted::Deployment) => Ok(Told::one(Fact::Deployment(deployment(&attributes, &source, &body)?))),
        Some(Posted::Failure) => Ok(Told::one(Fact::Incident(failure(&attributes, &source, &body)?))),
        Some(Posted::Verdict(id)) => verdict(&attributes, id, delivery),
        None => Ok(Told::nothing("neither a deployment nor a failure")),
    }
}

enum Posted {
    Deployment,
    Failure,
    /// On the deployment of this id.
    Verdict(String),
}

fn kind_of(path: Option<&str>, data: &Place<'_>) -> Option<Posted> {
    let segments: Vec<&str> = path.unwrap_or_default().split('/').filter(|s| !s.is_empty()).collect();
    match segments[..] {
        ["deployment"] => return Some(Posted::Deployment),
        ["failure" | "incident"] => return Some(Posted::Failure),
        ["deployments", id] => return Some(Posted::Verdict(id.to_owned())),
        _ => {}
    }
    let attributes = data.at("attributes");
    if data.text("type").is_some_and(|of| of == "dora_deployment_patch_request") {
        return data.text("id").map(Posted::Verdict);
    }
    if !attributes.at("services").is_null() || !attributes.at("severity").is_null() || !attributes.at("name").is_null()
    {
        return Some(Posted::Failure);
    }
    (!attributes.at("service").is_null()).then_some(Posted::Deployment)
}

/// What a call deletes, which has no body: it is gone from when it arrives.
fn deleted(delivery: &Delivery) -> Option<Fact> {
    let path = posted_to(delivery)?;
    let (kind, id) = path.split_once('/')?;
    let (source, id, deleted_at) = (delivery.source_name(), id.to_owned(), Some(delivery.received_at));
    match kind {
        "deployment" => Some(Fact::Deployment(Deployment { source, id, deleted_at, ..Deployment::default() })),
        "failure" => Some(Fact::Incident(Incident { source, id, deleted_at, ..Incident::default() })),
        _ => None,
    }
}

fn deployment(told: &Place<'_>, source: &str, body: &Value) -> Result<Deployment, Error> {
    let started_at = told.time("started_at");
    let finished_at = told.needed_time("finished_at")?;
    let git = told.at("git");
    Ok(Deployment {
        source: source.to_owned(),
        id: told.text("id").unwrap_or_else(|| id_of(body)),
        service: Some(told.needed_text("service")?),
        team: told.text("team"),
        repository: git.text("repository_url").as_deref().map(repository_of_url),
        environment: told.text("env").unwrap_or_else(|| "production".to_owned()),
        status: Status::Success,
        started_at,
        finished_at: Some(finished_at),
        revision: git.text("commit_sha").map(sha),
        version: told.text("version"),
        labels: told.texts("custom_tags"),
        updated_at: Some(finished_at),
        ..Deployment::default()
    })
}

fn failure(told: &Place<'_>, source: &str, body: &Value) -> Result<Incident, Error> {
    let started_at = told.needed_time("started_at")?;
    let finished_at = told.time("finished_at");
    let git = told.at("git");
    let mut services = told.texts("services");
    if services.is_empty() {
        services = told.texts("service");
    }
    Ok(Incident {
        source: source.to_owned(),
        id: told.text("id").unwrap_or_else(|| id_of(body)),
        services,
        repository: git.text("repository_url").as_deref().map(repository_of_url),
        environment: told.text("env"),
        title: told.text("name").as_deref().and_then(first_line),
        severity: told.text("severity"),
        opened_at: Some(started_at),
        resolved_at: finished_at,
        // What ran when it failed.
        caused_by: git.text("commit_sha").map(sha).or_else(|| told.text("version")),
        updated_at: Some(finished_at.unwrap_or(started_at)),
        ..Incident::default()
    })
}

/// That a deployment failed or did not, and what remedied it. The body has no instant: it is said when it arrives.
fn verdict(told: &Place<'_>, deployment: String, delivery: &Delivery) -> Result<Told, Error> {
    let remediation = told.at("remediation");
    let failed = told.flag("change_failure").or_else(|| (!remediation.is_null()).then_some(true));
    let Some(failed) = failed else {
        return Err(told.missing("change_failure"));
    };
    let reason = match remediation.text("type") {
        Some(kind) if failed => format!("marked as a change failure, remedied by a {kind}"),
        _ if failed => "marked as a change failure".to_owned(),
        _ => "marked as stable".to_owned(),
    };
    Ok(Told::one(Fact::Override(Override {
        source: delivery.source_name(),
        id: deployment.clone(),
        verdict: if failed { Verdict::Failed } else { Verdict::NotFailed },
        deployment: Some(deployment),
        remedy: remediation.first_text(&["id", "version"]).filter(|_| failed),
        author: delivery.source_name(),
        reason,
        decided_at: Some(delivery.received_at),
        updated_at: Some(delivery.received_at),
        ..Override::default()
    })))
}

/// An id for what is posted without one: of the content, so that what is posted twice is one. In the form in which
/// Datadog gives ids.
fn id_of(body: &Value) -> String {
    let hex = hex::encode(&Sha256::digest(sorted(body).to_string())[..16]);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// With the keys of every object in order, however the client wrote them.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}
