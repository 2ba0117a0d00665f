//! From a kept delivery to rows.

use crate::tests::{at, count, delivery, facts, keep_all, path, settle_all, translated};
use crate::{Batch, Error, Lake, Settled};

#[tokio::test]
async fn what_is_kept_and_settled_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    keep_all(&lake, 0..30).await;
    assert_eq!(lake.n_waiting().await.unwrap(), 30);
    assert_eq!(lake.silver_through(), 0);
    settle_all(&lake).await;
    assert_eq!(lake.n_waiting().await.unwrap(), 0);
    assert_eq!(lake.silver_through(), 30);
    assert_eq!(count(&lake, "select count(*) from deliveries").await, 30);
    assert_eq!(count(&lake, "select count(distinct id) from changes").await, 30);
    assert_eq!(count(&lake, "select count(*) from deployments where status = 'success'").await, 10);
    assert_eq!(lake.snapshot().months("changes"), ["2025-10"]);
    assert_eq!(lake.snapshot().months("deployments"), ["2025-11"]);
}

#[tokio::test]
async fn a_redelivery_is_kept_once() {
    let lake = Lake::open("memory://").await.unwrap();
    let first = lake.keep(delivery(1)).await.unwrap();
    let again = lake.keep(delivery(1)).await.unwrap();
    assert!(!first.duplicate && again.duplicate);
    assert_eq!(first.arrival, again.arrival);
    assert_eq!(lake.n_waiting().await.unwrap(), 1);
}

#[tokio::test]
async fn arrival_numbers_are_never_given_twice() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    keep_all(&lake, 0..5).await;
    settle_all(&lake).await;
    lake.close();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    assert_eq!(lake.keep(delivery(9)).await.unwrap().arrival, 6);
    settle_all(&lake).await;
    assert_eq!(lake.import(facts(10)).await.unwrap(), 7);
    lake.close();
    // Also where the inbox is lost: the tables remember.
    for file in std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap) {
        if file.file_name().to_str().unwrap().starts_with("inbox") {
            std::fs::remove_file(file.path()).unwrap();
        }
    }
    let lake = Lake::open(&path(&directory)).await.unwrap();
    assert_eq!(lake.keep(delivery(11)).await.unwrap().arrival, 8);
    settle_all(&lake).await;
    assert_eq!(count(&lake, "select count(*) from changes").await, 8);
}

#[tokio::test]
async fn it_is_known_when_the_last_delivery_came_of_those_up_to_an_arrival() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    assert_eq!(lake.delivered_through(0), None);
    keep_all(&lake, 0..3).await;
    settle_all(&lake).await;
    keep_all(&lake, 3..4).await;
    settle_all(&lake).await;
    assert_eq!(lake.delivered_through(2), None, "of a batch all or nothing");
    assert_eq!(lake.delivered_through(3), Some(at(2)));
    assert_eq!(lake.delivered_through(3), Some(at(2)), "also when asked again");
    assert_eq!(lake.delivered_through(4), Some(at(3)));
    lake.close();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    assert_eq!((lake.delivered_through(3), lake.delivered_through(4)), (None, Some(at(3))));
    keep_all(&lake, 4..5).await;
    assert_eq!(lake.delivered_through(5), Some(at(3)), "what waits is in no table");
}

#[tokio::test]
async fn deliveries_wait_through_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    keep_all(&lake, 0..12).await;
    lake.close();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    let waiting = lake.waiting(100).await.unwrap();
    assert_eq!(waiting.len(), 12);
    assert_eq!(waiting[3], (4, delivery(3)));
    settle_all(&lake).await;
    assert_eq!(count(&lake, "select count(*) from changes").await, 12);
}

#[tokio::test]
async fn a_settled_batch_settled_again_changes_nothing() {
    let lake = Lake::open("memory://").await.unwrap();
    keep_all(&lake, 0..6).await;
    let waiting = lake.waiting(100).await.unwrap();
    lake.settle(translated(waiting.clone())).await.unwrap();
    let before = lake.snapshot().version();
    lake.settle(translated(waiting)).await.unwrap();
    assert_eq!(lake.snapshot().version(), before);
    assert_eq!(count(&lake, "select count(*) from deliveries").await, 6);
}

#[tokio::test]
async fn a_batch_that_leaves_out_an_earlier_delivery_is_refused() {
    let lake = Lake::open("memory://").await.unwrap();
    keep_all(&lake, 0..6).await;
    let late = lake.waiting(100).await.unwrap().split_off(3);
    let refused = lake.settle(translated(late)).await;
    assert!(matches!(refused, Err(Error::OutOfOrder { through: 6 })));
    assert_eq!(lake.n_waiting().await.unwrap(), 6);
}

#[tokio::test]
async fn sources_are_counted_once_for_each_delivery() {
    let lake = Lake::open("memory://").await.unwrap();
    keep_all(&lake, 0..4).await;
    let outcomes = [Ok(facts(0)), Ok(Vec::new()), Err("$.time: no offset".to_owned())];
    let waiting = lake.waiting(3).await.unwrap();
    let settled = waiting.into_iter().zip(outcomes);
    let settled = settled.map(|((arrival, delivery), outcome)| Settled { arrival, delivery, outcome, ignored: None });
    lake.settle(Batch { deliveries: settled.collect() }).await.unwrap();
    let status = lake.source_status().await.unwrap().remove(0);
    assert_eq!(status.source, "events");
    assert_eq!((status.n_kept, status.n_ignored, status.n_rejected, status.n_waiting), (1, 1, 1, 1));
    assert_eq!(status.last_delivery_at, Some(at(3)));
    assert_eq!(count(&lake, "select count(*) from deliveries where problem is not null").await, 1);
}

#[tokio::test]
async fn silver_is_not_complete_through_an_import_while_it_runs() {
    let lake = Lake::open("memory://").await.unwrap();
    keep_all(&lake, 0..2).await;
    let mut import = lake.begin_import().await.unwrap();
    import.push(facts(50)).await.unwrap();
    keep_all(&lake, 2..4).await;
    settle_all(&lake).await;
    assert_eq!(lake.silver_through(), 2);
    assert_eq!(count(&lake, "select count(*) from changes").await, 4);
    assert_eq!(import.finish().await.unwrap(), 3);
    assert_eq!(lake.silver_through(), 5);
    assert_eq!(count(&lake, "select count(*) from changes").await, 5);
}

#[tokio::test]
async fn an_import_that_is_given_up_leaves_nothing() {
    let lake = Lake::open("memory://").await.unwrap();
    let mut import = lake.begin_import().await.unwrap();
    import.push(facts(1)).await.unwrap();
    drop(import);
    keep_all(&lake, 0..1).await;
    settle_all(&lake).await;
    assert_eq!(lake.silver_through(), 2);
    assert_eq!(count(&lake, "select count(*) from changes").await, 1);
}
