//! A build of a job that deploys, to a deployment. The plugin tells each build up to four times; COMPLETED and
//! FINALIZED are both its end, and two versions of one deployment.

use chrono::TimeDelta;
use dorado_lake::{Delivery, Deployment, Fact, Status};
use percent_encoding::percent_decode_str;

use super::Options;
use crate::source::body::Part;
use crate::source::told::{Told, environment_in, full_sha, is_over, ranked, repository_of_url};
use crate::source::{Error, rule};

pub(super) fn notification(event: &Part<'_>, delivery: &Delivery, options: &Options) -> Result<Told, Error> {
    let build = event.part("build");
    if !build.exists() {
        return Err(event.missing("build"));
    }
    let phase = build.text("phase").unwrap_or_default();
    let result = build.text("status").unwrap_or_default();
    let status = match (phase.to_uppercase().as_str(), result.to_uppercase().as_str()) {
        ("QUEUED", _) => return Ok(Told::nothing("a build that waits")),
        ("STARTED", _) => Status::Running,
        // Unstable: it ran to its end, and a check of it was not content.
        (_, "SUCCESS" | "UNSTABLE") => Status::Success,
        (_, "FAILURE" | "FAILED") => Status::Failed,
        (_, "ABORTED" | "NOT_BUILT") => Status::Cancelled,
        _ => return Ok(Told::nothing(format!("a build in phase `{phase}` with the result `{result}`"))),
    };
    let job = Job::of(event, &build)?;
    let Some(rule) = rule::of(&options.jobs, &[job.path.as_str(), job.name()]) else {
        return Ok(Told::nothing(format!("the job `{}` is none that deploys", job.path)));
    };
    // Old versions of the plugin tell no time, and send at once.
    let at = build.instant("timestamp").unwrap_or(delivery.received_at);
    let duration = build.number("duration").filter(|ms| *ms > 0).map(TimeDelta::milliseconds);
    let started_at = match status {
        Status::Running => Some(at),
        _ => duration.map(|duration| at - duration),
    };
    let scm = build.part("scm");
    let is_set = |names: &[&str]| parameter(&build, names).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let environment = rule
        .environment
        .or_else(|| parameter(&build, &options.environment_parameters))
        .or_else(|| environment_in(job.segments.iter().rev().map(String::as_str)))
        .unwrap_or_else(|| options.environment.clone());
    let service = rule.service.or_else(|| parameter(&build, &options.service_parameters));
    Ok(Told::one(Fact::Deployment(Deployment {
        source: delivery.source_name(),
        id: format!("{}#{}", job.path, build.needed_text("number")?),
        service: Some(service.unwrap_or_else(|| job.name().to_owned())),
        repository: rule.repository.or_else(|| repository_of_url(&scm.text("url")?)),
        environment,
        status,
        started_at,
        finished_at: is_over(status).then_some(at),
        revision: scm.text("commit").and_then(|commit| full_sha(&commit)),
        version: parameter(&build, &["version", "release", "tag", "image_tag"]),
        branch: scm.text("branch").map(|branch| short(&branch).to_owned()),
        title: build.first_text(&["notes", "display_name"]),
        is_rollback: is_set(&["rollback", "is_rollback"]),
        is_hotfix: is_set(&["hotfix", "is_hotfix"]),
        url: build.first_text(&["full_url", "url"]),
        updated_at: Some(ranked(at, status)),
        ..Deployment::default()
    })))
}

/// A job by the folders that it is in.
struct Job {
    path: String,
    segments: Vec<String>,
    /// The last segment is a branch of a multibranch job, which is the one before it.
    is_branch: bool,
}

impl Job {
    fn of(event: &Part<'_>, build: &Part<'_>) -> Result<Self, Error> {
        let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
        // `job/shop/job/checkout/job/main/`: every second one is the word itself.
        let of_url = |url: String| {
            let mut parts = url.trim_matches('/').split('/').map(str::to_owned).collect::<Vec<_>>().into_iter();
            let mut segments = Vec::new();
            while let Some(part) = parts.next() {
                if part == "job" {
                    segments.extend(parts.next().map(|name| decoded(&name)));
                }
            }
            (!segments.is_empty()).then_some(segments)
        };
        let segments = match event.text("url").and_then(of_url) {
            Some(segments) => segments,
            None => event.needed_text("name")?.split('/').filter(|part| !part.is_empty()).map(decoded).collect(),
        };
        let branch = build.text("scm.branch");
        let last = segments.last().map(String::as_str);
        let is_branch = segments.len() > 1 && branch.is_some_and(|branch| last == Some(short(&branch)));
        Ok(Self { path: segments.join("/"), segments, is_branch })
    }

    fn name(&self) -> &str {
        let back = if self.is_branch { 2 } else { 1 };
        self.segments.get(self.segments.len().saturating_sub(back)).map_or("", String::as_str)
    }
}

/// The first of these parameters that the build was given.
fn parameter(build: &Part<'_>, names: &[impl AsRef<str>]) -> Option<String> {
    let given = build.part("parameters").fields();
    let of = |name: &str| given.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?.1.to_text();
    names.iter().find_map(|name| of(name.as_ref()))
}

fn short(branch: &str) -> &str {
    let branch = branch.strip_prefix("refs/heads/").or_else(|| branch.strip_prefix("refs/remotes/")).unwrap_or(branch);
    branch.strip_prefix("origin/").unwrap_or(branch)
}
