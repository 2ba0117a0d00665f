//! Maintenance, and tables of other versions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema};
use object_store::ObjectStore;
use object_store::memory::InMemory;

use crate::address::{self, Access, Place};
use crate::lake::SCHEMA_VERSION;
use crate::log::Metadata;
use crate::table::{Change as Commit, Table};
use crate::tests::{at, collect, count, facts, keep_all, path, query, session, settle_all};
use crate::{Change, Error, Lake, Options, Row, Stamp, Stamped};

fn n_files(directory: &tempfile::TempDir, table: &str) -> usize {
    let months = std::fs::read_dir(directory.path().join(table)).unwrap().map(Result::unwrap);
    let months = months.filter(|entry| entry.file_name().to_str().unwrap().starts_with("month="));
    months.map(|month| std::fs::read_dir(month.path()).unwrap().count()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_reader_notices_compaction_checkpoints_and_vacuum() {
    let directory = tempfile::tempdir().unwrap();
    let retention = chrono::Duration::zero();
    let options = Options { retention, checkpoint_every: 5, compact_from: 4, ..Options::default() };
    let lake = Lake::open_with(&path(&directory), options).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (reading, reader_done) = (lake.clone(), Arc::clone(&done));
    let reader = tokio::spawn(async move {
        let mut n_answers = 0;
        while !reader_done.load(Ordering::SeqCst) {
            let snapshot = reading.snapshot();
            let session = session(&reading, &snapshot);
            // Planned now, run later: its files must still be there.
            let plan = session.sql("select count(distinct id) as n from changes").await.unwrap();
            let plan = plan.create_physical_plan().await.unwrap();
            let expected = snapshot.n_rows("changes") as i64;
            drop(snapshot);
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let batches = datafusion::physical_plan::collect(plan, session.task_ctx()).await.unwrap();
            let counted = batches[0].column(0).as_any().downcast_ref::<arrow::array::Int64Array>().unwrap();
            assert_eq!(counted.value(0), expected);
            n_answers += 1;
        }
        n_answers
    });
    let (mut n_compacted, mut n_checkpoints, mut n_vacuumed) = (0, 0, 0);
    for n in 0..30 {
        keep_all(&lake, n * 3..n * 3 + 3).await;
        settle_all(&lake).await;
        let maintained = lake.maintain(at(n)).await.unwrap();
        n_compacted += maintained.n_compacted;
        n_checkpoints += maintained.n_checkpoints;
        n_vacuumed += maintained.n_vacuumed;
    }
    done.store(true, Ordering::SeqCst);
    assert!(reader.await.unwrap() > 3);
    assert!(n_compacted > 20 && n_checkpoints > 5 && n_vacuumed > 20, "{n_compacted} {n_checkpoints} {n_vacuumed}");
    lake.maintain(at(1_000)).await.unwrap();
    let mut left = n_files(&directory, "changes");
    assert!(left < 8, "{left} files are left");
    assert_eq!(count(&lake, "select count(*) from changes").await, 90);
    assert_eq!(count(&lake, "select count(distinct body) from deliveries").await, 90);
    lake.close();

    // From the checkpoints, and nothing is left over.
    let lake = Lake::open(&path(&directory)).await.unwrap();
    assert_eq!(count(&lake, "select count(distinct id) from changes").await, 90);
    assert_eq!(count(&lake, "select count(*) from deployments").await, 30);
    left -= lake.snapshot().n_files("changes");
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_is_outside_a_table_stays_for_its_retention() {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { compact_from: 2, ..Options::default() };
    let lake = Lake::open_with(&path(&directory), options).await.unwrap();
    for n in 0..2 {
        lake.import(facts(3 * n + 1)).await.unwrap();
    }
    std::fs::write(directory.path().join("changes/month=2025-10/part-left-over.parquet"), b"PAR1").unwrap();
    assert_eq!(lake.maintain(at(0)).await.unwrap().n_compacted, 2);
    assert_eq!(lake.maintain(at(3_599)).await.unwrap().n_vacuumed, 0);
    assert_eq!(n_files(&directory, "changes"), 4);
    assert_eq!(lake.maintain(at(7_200)).await.unwrap().n_vacuumed, 3);
    assert_eq!(n_files(&directory, "changes"), 1);
}

#[tokio::test]
async fn a_table_of_a_newer_version_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    lake.inner.facts["incidents"].make_current(crate::Incident::schema(), SCHEMA_VERSION + 1).await.unwrap();
    lake.close();
    let refused = Lake::open(&path(&directory)).await.unwrap_err();
    assert_eq!(refused.to_string(), "table `incidents` has schema version 3, this dorado knows 2: use a newer dorado");
    assert!(matches!(Lake::open_read_only(&path(&directory)).await, Err(Error::NewerSchema { .. })));
}

#[tokio::test]
async fn a_table_of_an_older_version_opens_and_its_rows_have_nulls_in_new_columns() {
    let directory = tempfile::tempdir().unwrap();
    let whole = Change::schema();
    let old: Vec<Field> = whole
        .fields()
        .iter()
        .filter(|field| field.name() != "deployment" && field.name() != "paths")
        .map(|field| field.as_ref().clone())
        .collect();
    let old = Arc::new(Schema::new(old));
    let change = Change { id: "abc".to_owned(), authored_at: Some(at(0)), ..Change::default() };
    let rows = [Stamped { fact: change.clone(), stamp: Stamp { clock: at(0), arrival: 1 } }];
    let batch = Change::to_batch(&rows);
    let columns = old.fields().iter().map(|field| Arc::clone(batch.column_by_name(field.name()).unwrap()));
    let batch = RecordBatch::try_new(Arc::clone(&old), columns.collect()).unwrap();
    {
        let place = address::find(&path(&directory), Access::Write).unwrap();
        let table = table(&place.store, &old).await;
        table.make_current(Arc::clone(&old), 0).await.unwrap();
        let mut commit = Commit::of_data("WRITE");
        commit.add = vec![table.write("2025-10", vec![batch]).await.unwrap()];
        table.commit(|_| Ok(Some(commit))).await.unwrap();
    }
    let lake = Lake::open(&path(&directory)).await.unwrap();
    lake.import(facts(1)).await.unwrap();
    let read = Change::from_batch(&query(&lake, "select * from changes order by clock").await);
    assert_eq!(read[0].fact, change);
    assert_eq!(count(&lake, "select count(*) from changes where deployment is null").await, 2);
    lake.close();
    let options = Options { compact_from: 2, ..Options::default() };
    let lake = Lake::open_with(&path(&directory), options).await.unwrap();
    assert_eq!(lake.maintain(at(0)).await.unwrap().n_compacted, 2);
    let read = Change::from_batch(&query(&lake, "select * from changes order by clock").await);
    assert_eq!(read[0].fact, change);
}

async fn table(store: &Arc<dyn ObjectStore>, schema: &Arc<Schema>) -> Table {
    let metadata =
        Metadata { id: "t".to_owned(), schema_version: SCHEMA_VERSION, retention: chrono::Duration::hours(1) };
    Table::open(store, "changes", Arc::clone(schema), metadata).await.unwrap()
}

#[tokio::test]
async fn somebody_elses_commit_is_taken_up_and_ours_comes_after_it() {
    let store: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let place = Place { store: Arc::clone(&store), directory: None, lock: None };
    let lake = Lake::open_at(place, None, Options::default()).await.unwrap();
    lake.import(facts(1)).await.unwrap();
    let other = table(&store, &Change::schema()).await;
    let mut commit = Commit::of_data("WRITE");
    let row = Stamped { fact: Change::default(), stamp: Stamp { clock: at(0), arrival: 1 } };
    commit.add = vec![other.write("2025-10", vec![Change::to_batch(&[row])]).await.unwrap()];
    other.commit(|_| Ok(Some(commit))).await.unwrap();
    lake.import(facts(2)).await.unwrap();
    let snapshot = lake.snapshot();
    let counted = collect(&session(&lake, &snapshot), "select id from changes").await;
    assert_eq!(counted.num_rows(), 3);
}
