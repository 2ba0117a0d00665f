//! Pages that were collected, and deliveries that are understood anew.

use serde_json::json;

use crate::tests::{count, delivery, keep_all, path, settle_all, translated};
use crate::{Collected, Lake, Run, RunState};

fn page(numbers: std::ops::Range<i64>) -> Vec<Collected> {
    numbers.map(|n| (delivery(n), [u8::try_from(n).unwrap(); 16])).collect()
}

fn run(source: &str, note: i64) -> Run {
    Run { source: source.to_owned(), note: json!(note), state: RunState::Running, ..Run::default() }
}

#[tokio::test]
async fn a_page_is_kept_with_the_place_after_it_and_what_was_collected_is_not_kept_again() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    assert_eq!(lake.keep_page(page(0..5), run("a", 1)).await.unwrap(), 5);
    assert_eq!(lake.n_waiting().await.unwrap(), 5);
    assert_eq!(lake.keep_page(page(3..8), run("a", 2)).await.unwrap(), 3, "three are new");
    settle_all(&lake).await;
    assert_eq!(lake.keep_page(page(0..8), run("a", 3)).await.unwrap(), 0, "also when they have left the inbox");
    assert_eq!(count(&lake, "select count(*) from deliveries").await, 8);
    lake.close();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    assert_eq!(lake.runs().await.unwrap(), [run("a", 3)]);
    assert_eq!(lake.keep_page(page(7..8), run("b", 1)).await.unwrap(), 1, "another source has its own");
    lake.keep_run(Run { state: RunState::Failed, error: Some("no".to_owned()), ..run("b", 1) }).await.unwrap();
    let states: Vec<_> = lake.runs().await.unwrap().into_iter().map(|run| (run.source, run.state)).collect();
    assert_eq!(states, [("a".to_owned(), RunState::Running), ("b".to_owned(), RunState::Failed)]);
}

#[tokio::test]
async fn reasons_are_counted_by_source_and_never_without_end() {
    let lake = Lake::open("memory://").await.unwrap();
    for n in 0..100 {
        lake.keep(delivery(n)).await.unwrap();
        let mut batch = translated(lake.waiting(10).await.unwrap());
        batch.deliveries[0].outcome = if n % 2 == 0 { Ok(Vec::new()) } else { Err(format!("problem {n}")) };
        batch.deliveries[0].ignored = Some("of no account".to_owned());
        lake.settle(batch).await.unwrap();
    }
    let status = lake.source_status().await.unwrap().remove(0);
    assert_eq!((status.n_ignored, status.n_rejected), (50, 50));
    let reasons: Vec<_> = status.reasons.iter().map(|r| (r.outcome.as_str(), r.reason.as_str(), r.n)).collect();
    assert_eq!(reasons[0], ("ignored", "of no account", 50));
    assert_eq!(reasons.iter().map(|(_, _, n)| n).sum::<u64>(), 100);
    assert!(reasons.len() <= 52, "{}", reasons.len());
}

#[tokio::test]
async fn what_a_delivery_says_now_takes_the_place_of_what_it_said() {
    let lake = Lake::open("memory://").await.unwrap();
    keep_all(&lake, 0..30).await;
    let settled = lake.waiting(100).await.unwrap();
    settle_all(&lake).await;
    assert!(lake.retell(translated(settled.clone()).deliveries).await.unwrap().is_empty(), "they say the same");

    let retold = || {
        let mut deliveries = translated(settled.clone()).deliveries;
        for settled in &mut deliveries {
            match settled.delivery.id.as_str() {
                // It says nothing now, says it with a problem, says something else.
                "delivery-3" => settled.outcome = Ok(Vec::new()),
                "delivery-6" => settled.outcome = Err("not understood".to_owned()),
                "delivery-9" => settled.outcome = Ok(crate::tests::facts(90)),
                _ => {}
            }
        }
        deliveries
    };
    let retelling = lake.retell(retold()).await.unwrap();
    assert_eq!(retelling.n_deliveries, 3);
    retelling.apply().await.unwrap();
    assert_eq!(count(&lake, "select count(*) from changes").await, 28);
    assert_eq!(count(&lake, "select count(*) from deployments").await, 8);
    assert_eq!(count(&lake, "select count(*) from deployments where id = 'deployment-90'").await, 1);
    assert_eq!(count(&lake, "select count(*) from deployments where id = 'deployment-12'").await, 1);
    assert_eq!(count(&lake, "select count(*) from deliveries").await, 30);
    assert_eq!(count(&lake, "select count(*) from deliveries where problem = 'not understood'").await, 1);
    assert_eq!(count(&lake, "select count(*) from deliveries where n_facts = 0").await, 2);
    assert!(lake.retell(retold()).await.unwrap().is_empty(), "the second time nothing is left to do");
}
