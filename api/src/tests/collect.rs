//! Collecting that somebody asks for, beside runs that the clock begins.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use dorado_ingest::http::{Authorization, Outgoing};
use dorado_ingest::{Error, Source, Wakers};
use dorado_lake::{Delivery, Fact, Lake, Run, RunState};
use serde_json::json;

use super::{Bench, now};
use crate::Limits;

/// A tool that can be asked.
struct Tool;

impl Source for Tool {
    fn name(&self) -> &'static str {
        "tool"
    }

    fn authenticate(&self, _: &Delivery) -> Result<(), Error> {
        Ok(())
    }

    fn translate(&self, _: &Delivery) -> Result<Vec<Fact>, Error> {
        Ok(Vec::new())
    }

    fn outgoing(&self) -> Option<Outgoing> {
        Some(Outgoing {
            url: "http://127.0.0.1:9".to_owned(),
            authorization: Authorization::None,
            certificates: None,
            identity: None,
            networks: Vec::new(),
            headers: Vec::new(),
            every: None,
            since: None,
        })
    }
}

/// Begins a run by the clock just when one is asked for, and the one that is asked for after it.
async fn begin_another_first(lake: Lake, wakers: Wakers) {
    let run = |minute, state, asked_since| Run {
        source: "tool".to_owned(),
        state,
        asked_since,
        started_at: Some(now() + TimeDelta::minutes(minute)),
        ..Run::default()
    };
    let keep = async |run| lake.keep_run(run).await.expect("the inbox writes");
    wakers.woken("tool").await;
    keep(run(1, RunState::Running, None)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    keep(run(1, RunState::Idle, None)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    keep(run(2, RunState::Running, wakers.since("tool"))).await;
}

#[tokio::test]
async fn a_run_that_the_clock_begins_meanwhile_is_not_the_one_that_was_asked_for() {
    let mut app = Bench::app(Limits::default()).await;
    app.sources = vec![Arc::new(Tool)];
    app.wakers = Wakers::of(&app.sources);
    let clock = tokio::spawn(begin_another_first(app.engine.lake().clone(), app.wakers.clone()));
    let bench = Bench::of(app);
    let ask = async |since: &str| bench.post(&format!("/api/v1/collect?since={since}"), &[], "").await;
    let begun = ask("2026-01-01").await;
    assert_eq!(begun.status, 202, "{}", begun.text());
    assert_eq!(begun.json()["data"][0]["run_began_at"], json!("2026-11-01T12:02:30Z"), "{}", begun.text());
    clock.await.expect("no panic");
    assert_eq!(ask("2026-01-01").await.status, 202, "the same again joins it");
    assert_eq!(ask("2026-06-01").await.status, 202, "it reads more than that");
    ask("2025-01-01").await.problem(409);
}
