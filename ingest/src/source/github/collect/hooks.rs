//! Deliveries that a webhook tried in vain: GitHub does not repeat them by itself, but keeps them for some days. Each is
//! read as it was sent. Source: docs.github.com, "Handling failed webhook deliveries".

use std::collections::BTreeSet;

use chrono::TimeDelta;
use dorado_lake::Delivery;
use serde_json::Value;

use super::{PER_PAGE, Reader, instant};
use crate::http::{Authorization, Error as HttpError, Http};
use crate::signature::Secret;
use crate::source::Error;

/// GitHub keeps them no longer.
const KEPT: TimeDelta = TimeDelta::days(3);
/// What was tried just now may still be under way.
const OVERLAP: TimeDelta = TimeDelta::hours(1);
/// Pages of deliveries looked through in one run at most.
const MOST_PAGES: usize = 100;

impl Reader<'_> {
    /// The deliveries of a hook of which no try reached us. A hook is `owner/name/ID`, `organisation/ID` or `app`.
    pub(super) async fn missed(&mut self, hook: &str) -> Result<(Vec<Delivery>, bool), Error> {
        let (http, path) = self.hook(hook).await?;
        let mut walk = self.note.hooks.get(hook).cloned().unwrap_or_default();
        let floor = walk.floor((self.access.now() - KEPT).max(self.since()), OVERLAP);
        let per_page = PER_PAGE.to_string();
        let mut answer = http.get(&path, &[("per_page", per_page.as_str())]).await?;
        let (mut reached, mut failed) = (BTreeSet::new(), Vec::<Value>::new());
        for _ in 0..MOST_PAGES {
            let rows: Vec<Value> = answer.json()?;
            let is_old = |row: &Value| instant(row, "delivered_at").is_some_and(|at| at < floor);
            let is_last = rows.iter().any(is_old);
            for row in rows.into_iter().filter(|row| !is_old(row)) {
                walk.meet(instant(&row, "delivered_at"));
                match row["guid"].as_str() {
                    Some(guid) if row["status_code"].as_u64().is_some_and(|code| (200..300).contains(&code)) => {
                        reached.insert(guid.to_owned());
                    }
                    _ => failed.push(row),
                }
            }
            let Some(next) = answer.next_page().filter(|_| !is_last).map(str::to_owned) else { break };
            answer = http.get(&next, &[]).await?;
        }
        let mut deliveries = Vec::new();
        for row in failed {
            let Some(guid) = row["guid"].as_str().filter(|guid| !reached.contains(*guid)) else { continue };
            reached.insert(guid.to_owned());
            let sent: Value = http.get(&format!("{path}/{}", row["id"]), &[]).await?.json()?;
            let event = sent["event"].as_str().or(row["event"].as_str()).unwrap_or_default();
            deliveries.push(self.kept(event, guid.to_owned(), sent["request"]["payload"].to_string()));
        }
        walk.finish();
        self.note.hooks.insert(hook.to_owned(), walk);
        Ok((deliveries, true))
    }

    async fn hook(&self, hook: &str) -> Result<(Http, String), Error> {
        if hook == "app" {
            let app_id = self.source.options.app_id.as_deref().unwrap_or_default();
            let assertion = Secret::value(self.access.assertion(app_id)?);
            let http = self.access.http_as(Authorization::Bearer(assertion));
            return Ok((http, self.access.rest("app/hook/deliveries")));
        }
        let path = match hook.split('/').collect::<Vec<_>>()[..] {
            [organisation, id] => format!("orgs/{organisation}/hooks/{id}/deliveries"),
            [owner, name, id] => format!("repos/{owner}/{name}/hooks/{id}/deliveries"),
            _ => return Err(HttpError::Unsuitable(format!("`{hook}` is no hook")).into()),
        };
        Ok((self.access.http(hook).await?, self.access.rest(&path)))
    }
}
