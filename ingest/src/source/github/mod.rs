//! GitHub: webhooks, and through its API what happened before they were connected. Both go through one
//! translator. Source: docs.github.com, "Webhook events and payloads" and "Validating webhook deliveries".

mod collect;
mod documents;
mod options;
mod payload;
#[cfg(test)]
mod tests;
mod translate;

use std::borrow::Cow;
use std::sync::Arc;

use dorado_lake::{Delivery, Fact};
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use percent_encoding::percent_decode;

use options::Options;
use payload::Payload;
use translate::Told;

use super::{BadOption, Connection, Cursor, Error, Kind, Page, Source};
use crate::http::{Authorization, Http, Outgoing};
use crate::json;
use crate::signature::{Checked, check_hmac_sha256};

const NAME: &str = "github";

/// GitHub.
pub(super) const KIND: Kind = Kind {
    name: NAME,
    title: "GitHub",
    recognises: |headers| headers.iter().any(|(name, _)| name == "x-github-event"),
    connect: |connection| Ok(Arc::new(Github::new(connection)?)),
    options: || schemars::schema_for!(Options),
};

/// A connection to GitHub.
#[derive(Debug, Clone)]
struct Github {
    connection: Connection,
    options: Options,
}

impl Github {
    fn new(connection: Connection) -> Result<Self, BadOption> {
        let options: Options = super::options(&connection)?;
        if connection.secrets.is_empty() && options.repositories.is_empty() {
            let right = "neither a secret nor a repository is named, so that nothing could come in; \
                         add secrets = [{ env = \"GITHUB_WEBHOOK_SECRET\" }]";
            return Err(BadOption::new("secrets", right));
        }
        options.check(&connection)?;
        Ok(Self { connection, options })
    }

    /// Where the API of the world is, or of a server of one's own: that one has REST below `/api/v3` and GraphQL beside
    /// it.
    fn base(&self) -> (&str, &'static str) {
        let url = self.connection.url.as_deref().map(|url| url.trim_end_matches('/'));
        match url {
            None | Some("https://github.com" | "https://www.github.com") => ("https://api.github.com", ""),
            Some(url) => {
                url.strip_suffix("/v3").filter(|url| url.ends_with("/api")).map_or((url, ""), |url| (url, "v3"))
            }
        }
    }

    fn rest_base(&self) -> &'static str {
        self.base().1
    }

    fn read(&self, delivery: &Delivery) -> Result<Told, Error> {
        let name = delivery.header("x-github-event").ok_or_else(|| Error::Malformed {
            place: "header X-GitHub-Event".to_owned(),
            problem: "is missing; GitHub names the event there".to_owned(),
        })?;
        if translate::DOCUMENTS.contains(&name) {
            return documents::document(&delivery.body, &delivery.source_name());
        }
        if !translate::EVENTS.contains(&name) {
            return Ok(Told::Nothing(format!("event `{name}` tells nothing that a metric needs")));
        }
        let body = json_of(delivery);
        translate::event(name, parse(&body)?, &delivery.source_name(), &self.options)
    }
}

impl Source for Github {
    fn name(&self) -> &'static str {
        NAME
    }

    fn connection(&self) -> &str {
        &self.connection.name
    }

    fn delivery_id(&self, delivery: &Delivery) -> Option<String> {
        delivery.header("x-github-delivery").map(str::to_owned)
    }

    fn authenticate(&self, delivery: &Delivery) -> Result<(), Error> {
        let signature = delivery.header("x-hub-signature-256").and_then(|value| value.strip_prefix("sha256="));
        let secrets = &self.connection.secrets;
        let check = |signature| check_hmac_sha256(secrets, &delivery.body, signature);
        signature.map_or(Checked::Forged, check).of(delivery)
    }

    fn translate(&self, delivery: &Delivery) -> Result<Vec<Fact>, Error> {
        match self.read(delivery)? {
            Told::Facts(facts) => Ok(facts),
            Told::Nothing(_) => Ok(Vec::new()),
        }
    }

    fn ignored_reason(&self, delivery: &Delivery) -> Option<String> {
        match self.read(delivery) {
            Ok(Told::Nothing(why)) => Some(why),
            _ => None,
        }
    }

    fn outgoing(&self) -> Option<Outgoing> {
        if self.options.repositories.is_empty() {
            return None;
        }
        // octocrab signs in, and names the version of the API.
        let mut outgoing = self.connection.outgoing("", Authorization::None);
        self.base().0.clone_into(&mut outgoing.url);
        outgoing.headers = vec![("accept", "application/vnd.github+json".to_owned())];
        Some(outgoing)
    }

    fn collect<'a>(&'a self, http: &'a Http, from: Cursor) -> BoxStream<'a, Result<Page, Error>> {
        collect::pages(self, http, from).boxed()
    }

    fn test<'a>(&'a self, http: &'a Http) -> BoxFuture<'a, Result<String, Error>> {
        Box::pin(collect::test(self, http))
    }
}

/// The JSON of a delivery. A webhook may be set to send it as the field `payload` of a form.
fn json_of(delivery: &Delivery) -> Cow<'_, [u8]> {
    match delivery.body.strip_prefix(b"payload=") {
        Some(field) => {
            let field = field.split(|b| *b == b'&').next().unwrap_or_default();
            let spaced: Vec<u8> = field.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
            Cow::Owned(percent_decode(&spaced).collect())
        }
        None => Cow::Borrowed(&delivery.body),
    }
}

fn parse(body: &[u8]) -> Result<Payload, Error> {
    json::check_depth(body)
        .map_err(|broken| Error::Malformed { place: "body".to_owned(), problem: broken.to_string() })?;
    let mut parser = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut parser).map_err(|e| Error::Malformed {
        place: match e.path().to_string() {
            root if root == "." => "body".to_owned(),
            path => path,
        },
        problem: e.inner().to_string(),
    })
}
