//! Lists: who there is, and what happened, newest first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use datafusion::prelude::{col, lit};
use dorado_lake::{Deployment, Incident, Instant};
use serde_json::json;

use super::directory::{Columns, Directory};
use super::explain::{Rows, change_rows, next_cursor, one_page, outcome_row, time};
use super::frame::{Over, asked_rows, in_period, instant_literal, within};
use super::page::{Place, bad_cursor, decode, encode};
use super::relation::named_to;
use crate::attribution::history;
use crate::catalog::Catalog;
use crate::engine::{Error, List, Page, Row};
use crate::tables::among;

/// One page of a list.
pub(crate) async fn list(over: &Over<'_>, catalog: &Catalog, list: List, page: &Page) -> Result<Rows, Error> {
    match list {
        List::Services => by_name(services(over), page),
        List::Teams => by_name(teams(over.directory, catalog), page),
        List::Environments => by_name(environments(over.directory), page),
        List::Deployments => deployments(over, catalog, page).await,
        List::Changes => changes(over, page).await,
        List::Incidents => incidents(over, catalog, page).await,
    }
}

fn by_name(rows: BTreeMap<String, Row>, page: &Page) -> Result<Rows, Error> {
    let after = match &page.cursor {
        None => None,
        Some(cursor) => {
            let parts = decode(cursor).filter(|p| p.len() == 1).ok_or_else(|| bad_cursor(cursor))?;
            parts.into_iter().next()
        }
    };
    let mut taken: Vec<(String, Row)> =
        rows.into_iter().filter(|(name, _)| after.as_ref().is_none_or(|a| name > a)).take(page.limit + 1).collect();
    let more = taken.len() > page.limit;
    taken.truncate(page.limit);
    let next_cursor = taken.last().filter(|_| more).map(|(name, _)| encode(&[name]));
    Ok(Rows { rows: taken.into_iter().map(|(_, row)| row).collect(), next_cursor })
}

fn services(over: &Over<'_>) -> BTreeMap<String, Row> {
    let wanted = |name: &String| over.selection.services.as_ref().is_none_or(|s| s.contains(name));
    let joined = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(", ");
    over.directory
        .services
        .iter()
        .filter(|(name, _)| wanted(name))
        .map(|(name, card)| {
            let pairs = [
                ("service", json!(name)),
                ("team", json!(card.team)),
                ("repository", json!((!card.repositories.is_empty()).then(|| joined(&card.repositories)))),
                ("environments", json!((!card.environments.is_empty()).then(|| joined(&card.environments)))),
                ("n_deployments", json!(card.n_deployments)),
                ("first_deployment_at", time(card.first_deployment_at)),
                ("last_deployment_at", time(card.last_deployment_at)),
            ];
            (name.clone(), row(pairs))
        })
        .collect()
}

fn teams(directory: &Directory, catalog: &Catalog) -> BTreeMap<String, Row> {
    let mut owned: BTreeMap<&str, usize> = BTreeMap::new();
    for team in directory.services.values().filter_map(|c| c.team.as_deref()) {
        *owned.entry(team).or_default() += 1;
    }
    directory
        .teams
        .iter()
        .map(|(name, parent)| {
            let n_services: usize = catalog.team_tree(name).iter().filter_map(|t| owned.get(t.as_str())).sum();
            let pairs = [("team", json!(name)), ("parent", json!(parent)), ("n_services", json!(n_services))];
            (name.clone(), row(pairs))
        })
        .collect()
}

fn environments(directory: &Directory) -> BTreeMap<String, Row> {
    directory
        .environments
        .iter()
        .map(|(name, (tier, n))| {
            let pairs = [("environment", json!(name)), ("tier", json!(tier.as_str())), ("n_deployments", json!(n))];
            (name.clone(), row(pairs))
        })
        .collect()
}

/// Deployments to any environment, whatever their status; judged where they reached production.
async fn deployments(over: &Over<'_>, catalog: &Catalog, page: &Page) -> Result<Rows, Error> {
    let question = over.question;
    let period = (question.from, question.to);
    let then = within("finished_at", period).or(within("started_at", period));
    let versions = over.tables.facts_like::<Deployment>(then).await?;
    let at = |d: &Deployment| d.finished_at.or(d.started_at).unwrap_or(Instant::UNIX_EPOCH);
    let deployments = over.directory.deleted.without_deployments(history::deployments(versions));
    let mut found: Vec<(Place, Deployment)> = deployments
        .into_iter()
        .filter(|d| (question.from..question.to).contains(&at(d)))
        .filter_map(|d| {
            let service = Directory::service_of(catalog, d.service.clone(), d.repository.clone())?;
            let named = over.selection.services.as_ref().is_none_or(|s| s.contains(&service));
            let there =
                question.filter.environments.is_empty() || question.filter.environments.contains(&d.environment);
            let repository = d.repository.as_ref();
            let ours = question.filter.repositories.is_empty()
                || repository.is_some_and(|r| question.filter.repositories.contains(r));
            let place = Place { rank: 0, at: at(&d), service, id: d.id.clone() };
            (named && there && ours).then_some((place, d))
        })
        .collect();
    let (taken, next_cursor) = cut(&mut found, page)?;
    let ids: BTreeSet<String> = taken.iter().map(|(_, d)| d.id.clone()).collect();
    let mut judged: HashMap<(String, String), Row> = HashMap::new();
    if let (Some((latest, _)), Some((earliest, _))) = (taken.first(), taken.last()) {
        let then = col("finished_at").between(instant_literal(earliest.at), instant_literal(latest.at));
        for batch in over.tables.rows("outcomes", Some(then.and(among("deployment", &ids)))).await? {
            let columns = Columns(&batch);
            for i in 0..batch.num_rows() {
                let key =
                    (columns.text("source", i).unwrap_or_default(), columns.text("deployment", i).unwrap_or_default());
                judged.insert(key, outcome_row(&columns, i));
            }
        }
    }
    let rows = taken
        .into_iter()
        .map(|(place, d)| {
            let judgement = judged.get(&(d.source.clone(), d.id.clone()));
            let from = |key: &str| judgement.and_then(|j| j.get(key)).cloned().unwrap_or_default();
            row([
                ("service", json!(place.service)),
                ("deployment", json!(d.id)),
                ("source", json!(d.source)),
                ("version", json!(d.version)),
                ("revision", json!(d.revision)),
                ("repository", json!(d.repository)),
                ("environment", json!(d.environment)),
                ("tier", json!(catalog.tier(&d.environment, d.tier).as_str())),
                ("status", json!(d.status)),
                ("title", json!(d.title)),
                ("started_at", time(d.started_at)),
                ("finished_at", time(d.finished_at)),
                ("n_changes", from("n_changes")),
                ("n_incidents", from("n_incidents")),
                ("failed", from("failed")),
                ("failure_rule", from("failure_rule")),
                ("confidence", from("confidence")),
                ("recovered_at", from("recovered_at")),
                ("rework", from("rework")),
                ("rework_rule", from("rework_rule")),
                ("url", json!(d.url)),
            ])
        })
        .collect();
    Ok(Rows { rows, next_cursor })
}

async fn changes(over: &Over<'_>, page: &Page) -> Result<Rows, Error> {
    let period = (over.question.from, over.question.to);
    let Some(frame) = asked_rows(over.tables, "shipments", over.selection, period)? else {
        return Ok(Rows { rows: Vec::new(), next_cursor: None });
    };
    let batches = one_page(frame.with_column("rank", lit(0_i64))?, "known_at", "change", page).await?;
    let mut places = Vec::new();
    for batch in &batches {
        let columns = Columns(batch);
        places.extend((0..batch.num_rows()).map(|i| Place {
            rank: 0,
            at: columns.instant("known_at", i).unwrap_or(Instant::UNIX_EPOCH),
            service: columns.text("service", i).unwrap_or_default(),
            id: columns.text("change", i).unwrap_or_default(),
        }));
    }
    let next_cursor = next_cursor(&mut places, page.limit);
    let mut rows = change_rows(over.tables, &batches).await?;
    rows.truncate(page.limit);
    Ok(Rows { rows, next_cursor })
}

/// Incidents, each with the deployment that it is put on in each service; also those of no known service.
async fn incidents(over: &Over<'_>, catalog: &Catalog, page: &Page) -> Result<Rows, Error> {
    let question = over.question;
    let mut causes: HashMap<(String, String), Vec<Row>> = HashMap::new();
    let period = (question.from, question.to);
    let found = match over.tables.table("causes")? {
        Some(rows) => named_to(over, in_period(rows, "opened_at", period)?)?.collect().await?,
        None => Vec::new(),
    };
    for batch in found {
        let columns = Columns(&batch);
        for i in 0..batch.num_rows() {
            let key = (columns.text("source", i).unwrap_or_default(), columns.text("incident", i).unwrap_or_default());
            let found = ["service", "deployment", "rule", "confidence"].map(|n| (n, json!(columns.text(n, i))));
            causes.entry(key).or_default().push(row(found));
        }
    }
    let mut found: Vec<(Place, (Incident, Option<Row>))> = Vec::new();
    let then = within("opened_at", period).or(col("opened_at").is_null());
    let incidents = history::incidents(over.tables.facts_like::<Incident>(then).await?);
    for incident in over.directory.deleted.without_incidents(incidents) {
        let Some(opened_at) = incident.opened_at.filter(|at| (question.from..question.to).contains(at)) else {
            continue;
        };
        let edges = causes.remove(&(incident.source.clone(), incident.id.clone())).unwrap_or_default();
        let edges: Vec<Option<Row>> = if edges.is_empty() { vec![None] } else { edges.into_iter().map(Some).collect() };
        for edge in edges {
            let told = incident.services.first().map(|s| catalog.canonical(s).to_owned());
            let service = edge.as_ref().and_then(|e| e["service"].as_str().map(String::from)).or(told);
            let wanted = over.selection.services.as_ref();
            if wanted.is_some_and(|w| service.as_ref().is_none_or(|s| !w.contains(s))) {
                continue;
            }
            let place = Place { rank: 0, at: opened_at, service: service.unwrap_or_default(), id: incident.id.clone() };
            found.push((place, (incident.clone(), edge)));
        }
    }
    let (taken, next_cursor) = cut(&mut found, page)?;
    let rows = taken
        .into_iter()
        .map(|(place, (incident, edge))| {
            let from = |key: &str| edge.as_ref().and_then(|e| e.get(key)).cloned().unwrap_or_default();
            row([
                ("service", json!((!place.service.is_empty()).then_some(place.service))),
                ("incident", json!(incident.id)),
                ("source", json!(incident.source)),
                ("title", json!(incident.title)),
                ("severity", json!(incident.severity)),
                ("opened_at", time(incident.opened_at)),
                ("acknowledged_at", time(incident.acknowledged_at)),
                ("resolved_at", time(incident.resolved_at)),
                ("deployment", from("deployment")),
                ("rule", from("rule")),
                ("confidence", from("confidence")),
                ("url", json!(incident.url)),
            ])
        })
        .collect();
    Ok(Rows { rows, next_cursor })
}

/// A page of a list that is sorted here, and the cursor of the next.
type Taken<T> = (Vec<(Place, T)>, Option<String>);

/// Sorts newest first, skips to the cursor and takes a page.
fn cut<T: Clone>(found: &mut Vec<(Place, T)>, page: &Page) -> Result<Taken<T>, Error> {
    let key = |p: &Place| (std::cmp::Reverse(p.at), p.service.clone(), p.id.clone());
    found.sort_by_key(|(p, _)| key(p));
    if let Some(cursor) = &page.cursor {
        let last = Place::from_cursor(cursor)?;
        found.retain(|(p, _)| key(p) > key(&last));
    }
    let mut places: Vec<Place> = found.iter().take(page.limit + 1).map(|(p, _)| p.clone()).collect();
    let next_cursor = next_cursor(&mut places, page.limit);
    found.truncate(page.limit);
    Ok((std::mem::take(found), next_cursor))
}

fn row<const N: usize>(pairs: [(&str, serde_json::Value); N]) -> Row {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
