//! `[[connection]]`: the tools that are connected. What all connections have stands here; the rest of a table are its
//! kind's own options, and the schema says which.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{NaiveDate, NaiveTime};
use dorado_ingest::{BadOption, Connection, KINDS, Kind, Secret, Source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Config;

/// A tool that is connected.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ConnectionConfig {
    /// The tool.
    pub(crate) source: String,
    /// Its name, for who has several of one tool: then in `/webhooks/{source}/{name}` and in facts' `source`.
    #[serde(default)]
    pub(crate) name: String,
    /// Where the secrets are with which the tool signs what it sends; several while one replaces another.
    #[serde(default)]
    pub(crate) secrets: Vec<SecretPlace>,
    /// Where the token is with which the tool is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<SecretPlace>,
    /// Base URL of the tool, where it is not the one for all the world. Nothing outside it is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// Where certificates in PEM are that vouch for the tool besides those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) certificates: Option<SecretPlace>,
    /// Private networks in which the tool may be, as `10.1.0.0/16`. An address that `url` itself names need not be
    /// in one.
    #[serde(default)]
    pub(crate) networks: Vec<String>,
    /// How often the tool is asked, as `90s`, `10m` or `1h`. Default: every 10 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) every: Option<String>,
    /// From which day on the first run asks for what happened, as `2026-01-31`. Default: the last 180 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<String>,
    /// The kind's own options.
    #[serde(flatten)]
    pub(crate) options: Map<String, Value>,
}

/// Where a secret is.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum SecretPlace {
    /// In this environment variable.
    Env(String),
    /// In this file; a line break at its end is not part of it.
    File(PathBuf),
}

impl SecretPlace {
    fn secret(&self) -> Secret {
        match self.clone() {
            Self::Env(name) => Secret::read_by(move || Some(std::env::var(&name).ok()?.into_bytes())),
            Self::File(path) => Secret::read_by(move || {
                let text = std::fs::read_to_string(&path).ok()?;
                Some(text.trim_end_matches(['\r', '\n']).as_bytes().to_vec())
            }),
        }
    }
}

impl ConnectionConfig {
    /// Its kind and its name.
    pub(crate) fn label(&self) -> String {
        if self.name.is_empty() { self.source.clone() } else { format!("{}/{}", self.source, self.name) }
    }

    /// Connects it, or says which key is wrong.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Source>, BadOption> {
        let kind = Kind::of(&self.source).ok_or_else(|| {
            let known: Vec<&str> = KINDS.iter().map(|kind| kind.name).collect();
            BadOption::new("source", format!("expected one of {}", known.join(", ")))
        })?;
        (kind.connect)(self.read()?)
    }

    fn read(&self) -> Result<Connection, BadOption> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if self.name.len() > 64 || !self.name.bytes().all(is_plain) {
            return Err(BadOption::new("name", "expected at most 64 letters, digits, `-`, `_` and `.`"));
        }
        let network = |text: &String| {
            let network =
                text.parse().ok().or_else(|| Some(ipnet::IpNet::from(text.parse::<std::net::IpAddr>().ok()?)));
            network.ok_or_else(|| {
                BadOption::new("networks", format!("`{text}` is no network; expected one as 10.1.0.0/16"))
            })
        };
        Ok(Connection {
            name: self.name.clone(),
            secrets: self.secrets.iter().map(SecretPlace::secret).collect(),
            token: self.token.as_ref().map(SecretPlace::secret),
            url: self.url.clone(),
            certificates: self.certificates.as_ref().map(SecretPlace::secret),
            networks: self.networks.iter().map(network).collect::<Result<_, _>>()?,
            every: self.every.as_deref().map(duration).transpose()?,
            since: self.since.as_deref().map(day).transpose()?,
            options: self.options.clone(),
        })
    }
}

fn duration(text: &str) -> Result<Duration, BadOption> {
    let wrong = || BadOption::new("every", format!("`{text}` is no duration; expected one as 90s, 10m or 1h"));
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_not_a_number| wrong())?;
    let seconds = match unit {
        "s" => number,
        "m" => number.saturating_mul(60),
        "h" => number.saturating_mul(3600),
        "d" => number.saturating_mul(86_400),
        _ => return Err(wrong()),
    };
    if (1..=31 * 86_400).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err(wrong()) }
}

/// The start of a day, or an instant.
pub(crate) fn day(text: &str) -> Result<dorado_lake::Instant, BadOption> {
    let instant = chrono::DateTime::parse_from_rfc3339(text).map(|at| at.to_utc()).ok();
    let day = || Some(text.parse::<NaiveDate>().ok()?.and_time(NaiveTime::MIN).and_utc());
    instant
        .or_else(day)
        .ok_or_else(|| BadOption::new("since", format!("`{text}` is no day; expected one as 2026-01-31")))
}

/// The schema of the configuration: that of its types, with each kind's own options among a connection's.
pub(crate) fn schema() -> Value {
    let mut root = schemars::schema_for!(Config).to_value();
    let common = root["$defs"]["ConnectionConfig"].clone();
    let mut choices = Vec::new();
    for kind in KINDS {
        // Two kinds may call their types by one name.
        let own = (kind.options)().to_value().to_string();
        let own = own.replace("#/$defs/", &format!("#/$defs/{}.", kind.name));
        let own: Value = serde_json::from_str(&own).unwrap_or_default();
        for (name, definition) in own["$defs"].as_object().into_iter().flatten() {
            root["$defs"][format!("{}.{name}", kind.name)] = definition.clone();
        }
        let mut choice = common.clone();
        choice["title"] = json!(kind.title);
        choice["description"] = own["description"].clone();
        choice["properties"]["source"] = json!({"const": kind.name, "description": format!("{}.", kind.title)});
        for (name, option) in own["properties"].as_object().into_iter().flatten() {
            choice["properties"][name] = option.clone();
        }
        choice["additionalProperties"] = json!(false);
        choices.push(choice);
    }
    root["$defs"]["ConnectionConfig"] = json!({"description": "A tool that is connected.", "oneOf": choices});
    root
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_duration_has_a_unit_and_is_more_than_none() {
        assert_eq!(duration("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(duration("2h").unwrap(), Duration::from_hours(2));
        for wrong in ["", "s", "10", "0s", "-1m", "1.5h", "10 m", "99999d", "5ä"] {
            assert_eq!(duration(wrong).unwrap_err().option, "every", "{wrong}");
        }
    }

    #[test]
    fn since_is_a_day_or_an_instant() {
        assert_eq!(day("2026-01-31").unwrap(), day("2026-01-31T01:00:00+01:00").unwrap());
        assert!(day("31.1.2026").is_err());
    }

    #[test]
    fn every_kind_can_be_configured_and_refuses_what_it_does_not_know() {
        for kind in KINDS {
            let text = format!("source = '{}'\nno_such_option = 1\n", kind.name);
            let configured: ConnectionConfig = toml::from_str(&text).unwrap();
            let wrong = configured.connect().err().unwrap();
            assert_eq!(wrong.option, "no_such_option", "{}: {wrong}", kind.name);
        }
    }
}
