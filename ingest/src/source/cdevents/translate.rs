//! CDEvents to facts. An event tells one thing that happened and not all that is known of its subject: what an
//! incident's end leaves out goes on from its beginning.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::TimeDelta;
use dorado_lake::{Change, Delivery, Deployment, Fact, Incident, Instant, PullRequest, Status};
use serde_json::Value;

use super::Pipeline;
use super::purl::{Artifact, artifact};
use crate::source::Error;
use crate::source::events::sha;
use crate::source::reading::{Place, Told, first_line, parse, time_of};

/// Translates what was delivered in any of the bindings' modes.
pub(super) fn delivered(delivery: &Delivery, pipelines: &[Pipeline]) -> Result<Told, Error> {
    let body = parse(&delivery.body)?;
    let source = delivery.source_name();
    let mut facts = Vec::new();
    let mut reasons = Vec::new();
    let events: Vec<&Value> = match &body {
        Value::Array(batch) => batch.iter().collect(),
        one => vec![one],
    };
    for event in events {
        match one(event, delivery, &source, pipelines)? {
            Told::Facts(told) => facts.extend(told),
            Told::Nothing(why) => reasons.push(why),
        }
    }
    match reasons.into_iter().next() {
        _ if !facts.is_empty() => Ok(Told::Facts(facts)),
        Some(why) => Ok(Told::Nothing(why)),
        None => Ok(Told::nothing("a batch without events")),
    }
}

fn one(body: &Value, delivery: &Delivery, source: &str, pipelines: &[Pipeline]) -> Result<Told, Error> {
    let body = Place::of(body);
    if let Some(encoded) = body.text("data_base64") {
        let broken = |problem: String| Error::Malformed { place: "data_base64".to_owned(), problem };
        let data = BASE64.decode(encoded).map_err(|error| broken(error.to_string()))?;
        return Event::of(&Place::of(&parse(&data)?), &body, delivery, source)?.tell(pipelines);
    }
    // Structured: the CloudEvent around the CDEvent. In binary mode its attributes are headers.
    let is_structured = body.at("context").is_null() && !body.at("data").is_null();
    let event = if is_structured { body.at("data") } else { body.clone() };
    Event::of(&event, &body, delivery, source)?.tell(pipelines)
}

/// One event and what its envelope says.
struct Event<'a> {
    /// `service` of `dev.cdevents.service.deployed.0.2.0`.
    subject_kind: String,
    /// `deployed` of the same.
    predicate: String,
    at: Instant,
    id: String,
    /// Where the event comes from.
    origin: String,
    subject: Place<'a>,
    content: Place<'a>,
    custom: Place<'a>,
    /// What facts name as their source.
    source: &'a str,
}

impl<'a> Event<'a> {
    fn of(event: &Place<'a>, envelope: &Place<'_>, delivery: &Delivery, source: &'a str) -> Result<Self, Error> {
        let context = event.at("context");
        let header = |name: &str| delivery.header(name).map(str::to_owned);
        let kind = context.text("type").or_else(|| envelope.text("type")).or_else(|| header("ce-type"));
        let kind = kind.ok_or_else(|| context.missing("type"))?;
        let at = context.time("timestamp").or_else(|| envelope.time("time"));
        let at = at.or_else(|| time_of(&Value::String(header("ce-time")?)));
        let id = context.text("id").or_else(|| envelope.text("id")).or_else(|| header("ce-id"));
        let origin = context.text("source").or_else(|| envelope.text("source")).or_else(|| header("ce-source"));
        let mut words = kind.strip_prefix("dev.cdevents.").unwrap_or_default().split('.');
        let mut word = || words.next().unwrap_or_default().to_owned();
        Ok(Self {
            subject_kind: word(),
            predicate: word(),
            at: at.ok_or_else(|| context.missing("timestamp"))?,
            id: id.ok_or_else(|| context.missing("id"))?,
            origin: origin.unwrap_or_default(),
            subject: event.at("subject"),
            content: event.at("subject").at("content"),
            custom: event.at("customData"),
            source,
        })
    }

    fn tell(&self, pipelines: &[Pipeline]) -> Result<Told, Error> {
        match (self.subject_kind.as_str(), self.predicate.as_str()) {
            ("service", "deployed" | "upgraded" | "rolledback") => Ok(Told::one(Fact::Deployment(self.deployment()?))),
            ("incident", "detected" | "reported" | "resolved") => Ok(Told::one(Fact::Incident(self.incident()?))),
            ("ticket", "created" | "updated" | "closed") => self.ticket(),
            ("change", "created" | "updated" | "reviewed" | "merged" | "abandoned") => self.change(),
            ("pipelinerun", "finished") => self.run(pipelines),
            ("", _) => Ok(Told::nothing("an event of another vocabulary than CDEvents'")),
            (subject, predicate) => {
                Ok(Told::nothing(format!("event `{subject}.{predicate}` tells nothing that a metric needs")))
            }
        }
    }

    /// The end of a run of a pipeline that deploys.
    fn run(&self, pipelines: &[Pipeline]) -> Result<Told, Error> {
        let name = self.content.text("pipelineName").unwrap_or_default();
        let Some(pipeline) = pipelines.iter().find(|pipeline| pipeline.name == name) else {
            return Ok(Told::nothing("a run of a pipeline that is not configured as one that deploys"));
        };
        let status = match self.content.text("outcome").as_deref() {
            Some("success") if pipeline.successes => Status::Success,
            Some("success") => return Ok(Told::nothing("a run that ended well, which `service.deployed` tells")),
            Some("failure" | "error") => Status::Failed,
            Some("cancel" | "cancelled" | "canceled") => Status::Cancelled,
            other => return Ok(Told::nothing(format!("a run that ended with `{}`", other.unwrap_or("nothing")))),
        };
        let Some(service) = pipeline.service.clone().or_else(|| self.custom.text("service")) else {
            return Ok(Told::nothing("a run of a pipeline of an unknown service"));
        };
        let built = self.artifact().unwrap_or_default();
        let revision = self.custom.first_text(&["revision", "commitSha", "commit_sha", "commit"]);
        Ok(Told::one(Fact::Deployment(Deployment {
            source: self.source.to_owned(),
            id: format!("{}/run", self.subject_id()?),
            service: Some(service),
            repository: built.repository.or_else(|| self.custom.text("repository")),
            environment: pipeline.environment.clone(),
            status,
            finished_at: Some(self.at),
            revision: built.revision.or_else(|| revision.map(sha)),
            version: built.version.or_else(|| self.custom.text("version")),
            title: self.content.text("errors").as_deref().and_then(first_line),
            url: self.content.first_text(&["uri", "url"]),
            updated_at: Some(self.at),
            ..Deployment::default()
        })))
    }

    /// The service as it now runs. That a deployment failed, CDEvents has no word for.
    fn deployment(&self) -> Result<Deployment, Error> {
        let service = self.subject.needed_text("id")?;
        let built = self.artifact().unwrap_or_default();
        let environment = self.content.at("environment").first_text(&["id", "name"]);
        let revision = self.custom.first_text(&["revision", "commitSha", "commit_sha", "commit"]);
        Ok(Deployment {
            source: self.source.to_owned(),
            id: format!("{}/{}/{}", self.origin, self.id, self.predicate),
            service: Some(service),
            repository: built.repository.or_else(|| self.custom.text("repository")),
            environment: environment.unwrap_or_else(|| "production".to_owned()),
            status: Status::Success,
            finished_at: Some(self.at),
            revision: built.revision.or_else(|| revision.map(sha)),
            version: built.version,
            is_rollback: self.predicate == "rolledback",
            updated_at: Some(self.at),
            ..Deployment::default()
        })
    }

    fn incident(&self) -> Result<Incident, Error> {
        let is_resolved = self.predicate == "resolved";
        let title = self.content.text("description").as_deref().and_then(first_line);
        let built = self.artifact().unwrap_or_default();
        Ok(Incident {
            id: self.subject_id()?,
            services: self.content.at("service").text("id").into_iter().collect(),
            environment: self.content.at("environment").first_text(&["id", "name"]),
            // The description of the end is about the end.
            title: title.filter(|_| !is_resolved),
            severity: self.custom.text("severity"),
            // A report comes after the detection, where there was one.
            opened_at: (self.predicate == "detected").then_some(self.at),
            resolved_at: is_resolved.then_some(self.at),
            // What ran when it was found; at the end it is what repaired it.
            caused_by: built.revision.or(built.version).filter(|_| !is_resolved),
            url: self.content.first_text(&["ticketURI", "uri"]),
            ..self.whole_incident()
        })
    }

    /// A ticket that is an incident's.
    fn ticket(&self) -> Result<Told, Error> {
        let kind = self.content.first_text(&["ticketType", "type"]);
        let is_incident = kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("incident"));
        // Its end need not say again what it was.
        let may_be = kind.is_none() && self.predicate == "closed";
        if !is_incident && !may_be {
            return Ok(Told::nothing("a ticket that is no incident"));
        }
        let labels = self.content.texts("labels");
        let services = labels.iter().filter_map(|label| label.strip_prefix("service:")).map(str::to_owned);
        Ok(Told::one(Fact::Incident(Incident {
            id: self.subject_id()?,
            services: services.collect(),
            title: self.content.text("summary").as_deref().and_then(first_line),
            severity: self.content.text("priority"),
            opened_at: (self.predicate == "created").then_some(self.at),
            resolved_at: (self.predicate == "closed").then_some(self.at),
            url: self.content.text("uri"),
            ..self.whole_incident()
        })))
    }

    fn whole_incident(&self) -> Incident {
        Incident { source: self.source.to_owned(), updated_at: Some(self.clock()), ..Incident::default() }
    }

    /// Where several events of one subject have one timestamp, a microsecond a step keeps the later ahead, whatever order
    /// they arrive in.
    fn clock(&self) -> Instant {
        let step = match self.predicate.as_str() {
            "detected" | "created" => 0,
            "reported" | "updated" | "reviewed" => 1,
            _ => 2,
        };
        self.at + TimeDelta::microseconds(step)
    }

    /// A change is what others call a pull request. Merged, it is a change that a deployment may ship.
    fn change(&self) -> Result<Told, Error> {
        let id = self.subject.needed_text("id")?;
        let repository = self.content.at("repository").first_text(&["id", "name"]);
        let Some(repository) = repository else {
            return Ok(Told::nothing("a change of an unknown repository"));
        };
        let when = |predicate: &str| (self.predicate == predicate).then_some(self.at);
        let merged_at = when("merged");
        let title = self.content.text("description").as_deref().and_then(first_line);
        let mut facts = vec![Fact::PullRequest(PullRequest {
            source: self.source.to_owned(),
            id: id.clone(),
            repository: Some(repository.clone()),
            title: title.clone(),
            opened_at: when("created"),
            first_review_at: when("reviewed"),
            merged_at,
            closed_at: merged_at.or_else(|| when("abandoned")),
            updated_at: Some(self.clock()),
            ..PullRequest::default()
        })];
        if merged_at.is_some() {
            facts.push(Fact::Change(Change {
                source: self.source.to_owned(),
                id: sha(id.clone()),
                repository: Some(repository),
                merged_at,
                title,
                pull_request: Some(id),
                updated_at: Some(self.at),
                ..Change::default()
            }));
        }
        Ok(Told::Facts(facts))
    }

    fn artifact(&self) -> Option<Artifact> {
        self.content.text("artifactId").as_deref().map(artifact)
    }

    /// An id is unique within the source of its subject, which is the event's where none is named.
    fn subject_id(&self) -> Result<String, Error> {
        let id = self.subject.needed_text("id")?;
        let source = self.subject.text("source").unwrap_or_else(|| self.origin.clone());
        Ok(if source.is_empty() { id } else { format!("{source}/{id}") })
    }
}
