//! The local store.

use std::error::Error as _;

use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

use crate::store::DurableStore;
use crate::tests::{delivery, path};
use crate::{Error, Lake};

fn create() -> PutOptions {
    PutOptions::from(PutMode::Create)
}

#[tokio::test]
async fn what_is_there_already_is_not_written_over() {
    let directory = tempfile::tempdir().unwrap();
    let store = DurableStore::open(directory.path()).unwrap();
    let place = Path::from("a/b=c/0.json");
    store.put_opts(&place, "first".into(), create()).await.unwrap();
    let refused = store.put_opts(&place, "second".into(), create()).await;
    assert!(matches!(refused, Err(object_store::Error::AlreadyExists { .. })));
    assert_eq!(store.get(&place).await.unwrap().bytes().await.unwrap(), "first");
    store.put(&place, "third".into()).await.unwrap();
    assert_eq!(store.get(&place).await.unwrap().bytes().await.unwrap(), "third");
}

#[tokio::test]
async fn of_many_who_create_one_file_one_succeeds() {
    let directory = tempfile::tempdir().unwrap();
    let store = DurableStore::open(directory.path()).unwrap();
    let place = Path::from("log/7.json");
    let puts = (0..20).map(|n| store.put_opts(&place, format!("writer {n}").into(), create()));
    let results = futures::future::join_all(puts).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
}

#[tokio::test]
async fn what_an_earlier_process_left_unfinished_is_swept() {
    let directory = tempfile::tempdir().unwrap();
    let unfinished = directory.path().join(".unfinished");
    std::fs::create_dir(&unfinished).unwrap();
    std::fs::write(unfinished.join("12"), "half a fi").unwrap();
    let store = DurableStore::open(directory.path()).unwrap();
    store.put(&Path::from("t/2"), "2".into()).await.unwrap();
    store.put(&Path::from("t/1"), "1".into()).await.unwrap();
    assert_eq!(std::fs::read_dir(&unfinished).unwrap().count(), 0);
    let listed: Vec<_> = store.list(Some(&Path::from("t"))).map_ok(|meta| meta.location).try_collect().await.unwrap();
    assert_eq!(listed, [Path::from("t/1"), Path::from("t/2")]);
}

#[tokio::test]
async fn a_broken_inbox_is_said_to_be_one() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(
        directory.path().join("inbox.sqlite"),
        "this is not a database, though it is long enough".repeat(99),
    )
    .unwrap();
    let error = Lake::open(&path(&directory)).await.unwrap_err();
    assert!(matches!(error, Error::Inbox { .. }) && error.source().is_some(), "{error}");
}

#[tokio::test]
async fn a_read_only_lake_of_nothing_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open_read_only(&path(&directory)).await.unwrap();
    assert_eq!(lake.snapshot().n_rows("changes"), 0);
    assert!(matches!(lake.keep(delivery(1)).await, Err(Error::ReadOnly)));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_address_that_is_none_is_named() {
    let error = Lake::open("ftp://somewhere/lake").await.unwrap_err();
    assert!(error.to_string().contains("`ftp://somewhere/lake` is not a lake"), "{error}");
}
