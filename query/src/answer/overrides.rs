//! Verdicts of people: what stands, what was taken back, by whom and why. The audit trail is the versions.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::TimeDelta;
use datafusion::prelude::{col, lit};
use dorado_lake::{Deployment, Incident, Instant, Override, Row as _, Stamped, Verdict};
use serde_json::json;

use super::benchmark::object;
use super::explain::{Rows, next_cursor, time};
use super::page::Place;
use crate::audience::Audience;
use crate::engine::{Answer, Engine, Error, Page, Row};
use crate::question::BadParameter;
use crate::tables::Tables;

/// What overrides are about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct About {
    /// Id of a deployment.
    pub deployment: Option<String>,
    /// Id of an incident.
    pub incident: Option<String>,
}

/// An override with what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// As it was decided; where nothing but a withdrawal is known, that.
    pub decided: Override,
    /// As it was taken back.
    pub withdrawn: Option<Override>,
    /// The latest instant that any version of it names. What is to beat it names a later one.
    pub clock: Instant,
}

impl Engine {
    /// One page of the overrides, the latest decision first; those that were taken back too.
    ///
    /// # Errors
    /// A cursor that is none; tables that cannot be read.
    pub async fn overrides(&self, about: &About, page: &Page) -> Result<Arc<Answer>, Error> {
        self.kept(format!("overrides {about:?} {page:?}"), &Audience::Everybody, async |tables, directory| {
            let is_wanted = |asked: &Option<String>, named: &Option<String>| asked.is_none() || asked == named;
            let mut found: Vec<(Place, Row)> = decisions(tables, None)
                .await?
                .into_iter()
                .filter(|d| is_wanted(&about.deployment, &d.decided.deployment))
                .filter(|d| is_wanted(&about.incident, &d.decided.incident))
                .map(|decision| (place(&decision), decision_row(&decision)))
                .collect();
            let rows = one_page(&mut found, page)?;
            let pairs = [
                ("table_version", json!(tables.snapshot.version())),
                ("complete_through", time(directory.complete_through)),
                ("next_cursor", json!(rows.next_cursor)),
            ];
            Ok(Answer { data: rows.rows, series: None, differences: None, meta: object(pairs) })
        })
        .await
    }

    /// The overrides of an id: several where several sources gave it.
    ///
    /// # Errors
    /// Tables that cannot be read.
    pub async fn decisions(&self, id: &str) -> Result<Vec<Decision>, Error> {
        decisions(&self.tables(), Some(id)).await
    }

    /// That the deployment and the incident that a verdict is about are known.
    ///
    /// # Errors
    /// The one that is not, by its parameter.
    pub async fn check_known(&self, about: &About) -> Result<(), Error> {
        let tables = self.tables();
        for (parameter, table, id) in
            [("deployment", Deployment::TABLE, &about.deployment), ("incident", Incident::TABLE, &about.incident)]
        {
            let Some(id) = id else { continue };
            if !has(&tables, table, id).await? {
                return Err(Error::BadParameter(BadParameter {
                    parameter,
                    value: id.clone(),
                    problem: format!("no source has told a {parameter} of this id"),
                    expected: format!("the id of a {parameter} as /api/v1/{parameter}s lists it"),
                }));
            }
        }
        Ok(())
    }
}

async fn has(tables: &Tables, table: &str, id: &str) -> Result<bool, Error> {
    let Some(rows) = tables.table(table)? else { return Ok(false) };
    let found = rows.filter(col("id").eq(lit(id)))?.select(vec![col("id")])?.limit(0, Some(1))?.collect().await?;
    Ok(found.iter().any(|batch| batch.num_rows() > 0))
}

/// Every override, or those of an id, each with its withdrawal.
async fn decisions(tables: &Tables, id: Option<&str>) -> Result<Vec<Decision>, Error> {
    let versions = tables.facts::<Override>(id.map(|id| col("id").eq(lit(id)))).await?;
    let mut by_key: BTreeMap<(String, String), Vec<Stamped<Override>>> = BTreeMap::new();
    for version in versions {
        by_key.entry((version.fact.source.clone(), version.fact.id.clone())).or_default().push(version);
    }
    Ok(by_key.into_values().filter_map(decision).collect())
}

fn decision(mut versions: Vec<Stamped<Override>>) -> Option<Decision> {
    versions.sort_by_key(|version| version.stamp);
    let clock = versions.last()?.stamp.clock;
    let last = versions.last()?.fact.clone();
    let standing = versions.into_iter().rev().map(|version| version.fact).find(|o| o.verdict != Verdict::Withdrawn);
    let withdrawn = (last.verdict == Verdict::Withdrawn).then(|| last.clone());
    Some(Decision { decided: standing.unwrap_or(last), withdrawn, clock })
}

impl Decision {
    /// An instant that a new version must name to beat those that there are: now, or a moment after the latest.
    pub fn later_than_all(&self, now: Instant) -> Instant {
        now.max(self.clock + TimeDelta::microseconds(1))
    }
}

/// An override as answers show it.
pub fn decision_row(decision: &Decision) -> Row {
    let Decision { decided, withdrawn, .. } = decision;
    object([
        ("override", json!(decided.id)),
        ("source", json!(decided.source)),
        ("verdict", json!(decided.verdict)),
        ("deployment", json!(decided.deployment)),
        ("incident", json!(decided.incident)),
        ("author", json!(decided.author)),
        ("reason", json!(decided.reason)),
        ("decided_at", time(decided.decided_at)),
        ("withdrawn", json!(withdrawn.is_some())),
        ("withdrawn_at", time(withdrawn.as_ref().and_then(|w| w.decided_at))),
        ("withdrawn_by", json!(withdrawn.as_ref().map(|w| &w.author))),
        ("withdrawn_reason", json!(withdrawn.as_ref().map(|w| &w.reason))),
    ])
}

fn place(decision: &Decision) -> Place {
    Place {
        rank: 0,
        at: decision.decided.decided_at.unwrap_or(Instant::UNIX_EPOCH),
        service: decision.decided.source.clone(),
        id: decision.decided.id.clone(),
    }
}

fn one_page(found: &mut Vec<(Place, Row)>, page: &Page) -> Result<Rows, Error> {
    let key = |p: &Place| (std::cmp::Reverse(p.at), p.service.clone(), p.id.clone());
    found.sort_by_key(|(place, _)| key(place));
    if let Some(cursor) = &page.cursor {
        let last = Place::from_cursor(cursor)?;
        found.retain(|(place, _)| key(place) > key(&last));
    }
    let mut places: Vec<Place> = found.iter().take(page.limit + 1).map(|(place, _)| place.clone()).collect();
    let next_cursor = next_cursor(&mut places, page.limit);
    Ok(Rows { rows: found.drain(..).take(page.limit).map(|(_, row)| row).collect(), next_cursor })
}

#[cfg(test)]
mod tests {
    use super::*;
    use dorado_lake::Stamp;

    fn version(verdict: Verdict, second: i64, author: &str) -> Stamped<Override> {
        let at = Instant::from_timestamp(second, 0).expect("in range");
        let fact =
            Override { id: "o".into(), verdict, author: author.into(), decided_at: Some(at), ..Override::default() };
        Stamped { fact, stamp: Stamp { clock: at, arrival: second } }
    }

    #[test]
    fn a_withdrawal_keeps_what_was_decided_and_a_later_verdict_stands_again() {
        let (failed, withdrawn) = (version(Verdict::Failed, 10, "ann"), version(Verdict::Withdrawn, 20, "bob"));
        let taken_back = decision(vec![withdrawn.clone(), failed.clone()]).expect("there are versions");
        assert_eq!((taken_back.decided.author.as_str(), taken_back.decided.verdict), ("ann", Verdict::Failed));
        assert_eq!(taken_back.withdrawn.as_ref().map(|w| w.author.as_str()), Some("bob"));
        let again =
            decision(vec![failed, withdrawn, version(Verdict::NotFailed, 30, "eve")]).expect("there are versions");
        assert_eq!((again.decided.verdict, again.withdrawn), (Verdict::NotFailed, None));
        assert_eq!(decision(Vec::new()), None);
    }

    #[test]
    fn a_withdrawal_is_later_than_a_verdict_from_the_future() {
        let decided = decision(vec![version(Verdict::Failed, 100, "ann")]).expect("there is a version");
        let at = |second| Instant::from_timestamp(second, 0).expect("in range");
        assert_eq!(decided.later_than_all(at(200)), at(200));
        assert!(decided.later_than_all(at(50)) > at(100));
    }
}
