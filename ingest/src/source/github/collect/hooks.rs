//! Deliveries that a webhook tried in vain: GitHub does not repeat them by itself, but keeps them for some days. Each is
//! read as it was sent. Source: docs.github.com, "Handling failed webhook deliveries".

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use dorado_lake::Delivery;
use octocrab::Octocrab;
use serde_json::Value;

use super::{PER_PAGE, Reader, client, instant};
use crate::http::Error as HttpError;
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
        let (octocrab, path) = self.hook(hook).await?;
        let mut walk = self.note.hooks.get(hook).cloned().unwrap_or_default();
        let floor = walk.floor((self.access.now() - KEPT).max(self.since()), OVERLAP);
        let per_page = PER_PAGE.to_string();
        let first = client::route(&path, &[("per_page", per_page.as_str())]);
        let mut page = self.access.page_at(&octocrab, &first).await?;
        let (mut reached, mut failed) = (BTreeSet::new(), Vec::<Value>::new());
        for _ in 0..MOST_PAGES {
            let rows = page.rows;
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
            let Some(next) = page.next.filter(|_| !is_last) else { break };
            page = self.access.page_at(&octocrab, &next).await?;
        }
        let mut deliveries = Vec::new();
        for row in failed {
            let Some(guid) = row["guid"].as_str().filter(|guid| !reached.contains(*guid)) else { continue };
            reached.insert(guid.to_owned());
            let sent = client::get(&octocrab, &client::route(&format!("{path}/{}", row["id"]), &[])).await?;
            let event = sent["event"].as_str().or(row["event"].as_str()).unwrap_or_default();
            deliveries.push(self.kept(event, guid.to_owned(), sent["request"]["payload"].to_string()));
        }
        walk.finish();
        self.note.hooks.insert(hook.to_owned(), walk);
        Ok((deliveries, true))
    }

    /// Who may read the deliveries of a hook, and where they are.
    async fn hook(&self, hook: &str) -> Result<(Arc<Octocrab>, String), Error> {
        let path = match hook.split('/').collect::<Vec<_>>()[..] {
            ["app"] => return Ok((self.access.own(), "app/hook/deliveries".to_owned())),
            [organisation, id] => format!("orgs/{organisation}/hooks/{id}/deliveries"),
            [owner, name, id] => format!("repos/{owner}/{name}/hooks/{id}/deliveries"),
            _ => return Err(HttpError::Unsuitable(format!("`{hook}` is no hook")).into()),
        };
        Ok((self.access.octocrab(hook).await?, path))
    }
}
