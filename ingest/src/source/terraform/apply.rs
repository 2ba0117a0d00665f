//! What `terraform apply -json` prints, a message a line, to one deployment: from its first message to its last,
//! successful where it says what was applied and no error was told. Source: developer.hashicorp.com, "Machine-Readable
//! UI".

use serde_json::{Map, Value, json};

use crate::source::body::Part;

/// The log of one run, as far as it is read.
#[derive(Debug, Default)]
pub(crate) struct RunLog {
    began: Option<String>,
    ended: Option<String>,
    /// How the summary counts what was applied; none while nothing was.
    applied: Option<String>,
    error: Option<String>,
    has_begun_to_apply: bool,
}

impl RunLog {
    /// A log, where this is the first line of one.
    pub(crate) fn begins_with(line: &[u8]) -> Option<Self> {
        let first: Value = serde_json::from_slice(line).ok()?;
        let module = Part::whole(&first).field("@module").to_text()?;
        (module.starts_with("terraform") || module.starts_with("tofu")).then(Self::default)
    }

    /// Reads a line; one that is not JSON, as of a program around it, is passed over.
    pub(crate) fn line(&mut self, line: &[u8]) {
        let Ok(message) = serde_json::from_slice::<Value>(line) else { return };
        let message = Part::whole(&message);
        if let Some(at) = message.field("@timestamp").to_text() {
            self.began.get_or_insert_with(|| at.clone());
            self.ended = Some(at);
        }
        let said = message.field("@message").to_text();
        match message.text("type").as_deref() {
            Some("apply_start") => self.has_begun_to_apply = true,
            Some("change_summary") => {
                let operation = message.text("changes.operation").unwrap_or_default();
                if matches!(operation.as_str(), "apply" | "destroy") {
                    self.applied = said;
                }
            }
            Some("diagnostic" | "apply_errored") => {
                let is_error = message.text("diagnostic.severity").is_none_or(|severity| severity == "error");
                if is_error {
                    self.error = message.text("diagnostic.summary").or(said);
                }
            }
            _ => {}
        }
    }

    /// The event that it comes to, with what is known beside it, as `service`; or why it comes to none.
    pub(crate) fn event(self, known: &[(String, String)]) -> Result<Value, String> {
        let (Some(began), Some(ended)) = (self.began, self.ended) else {
            return Err("a log without instants".to_owned());
        };
        let status = match (&self.applied, &self.error) {
            (_, Some(_)) => "failed",
            (Some(_), None) => "success",
            (None, None) if self.has_begun_to_apply => "cancelled",
            (None, None) => return Err("a plan, of which nothing was applied".to_owned()),
        };
        let mut event = json!({"type": "deployment", "environment": "production", "status": status,
            "started_at": began, "finished_at": ended, "title": self.error.or(self.applied)});
        let fields: Map<String, Value> = known.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
        let service = fields.get("service").and_then(Value::as_str);
        let service = service.ok_or("a run does not say what it deploys; name it: --map service=:NAME")?;
        event["id"] = json!(format!("apply/{service}/{began}"));
        for (key, value) in fields {
            event[key] = value;
        }
        Ok(event)
    }
}
