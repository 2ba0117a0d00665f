//! Opening, locking and reading.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::tests::{collect, count, facts, keep_all, path, query, session, settle_all};
use crate::{Change, Error, GoldChange, GoldMonth, Lake, Row};

pub(crate) fn gold_schema() -> SchemaRef {
    let fields = [Field::new("service", DataType::Utf8, true), Field::new("seconds", DataType::Int64, true)];
    Arc::new(Schema::new(fields.to_vec()))
}

pub(crate) fn gold(month: &str, rows: &[(&str, i64)]) -> Vec<GoldChange> {
    let services: StringArray = rows.iter().map(|(service, _)| Some(*service)).collect();
    let seconds: Int64Array = rows.iter().map(|(_, seconds)| Some(*seconds)).collect();
    let batch = RecordBatch::try_new(gold_schema(), vec![Arc::new(services), Arc::new(seconds)]).unwrap();
    vec![GoldChange { table: "shipments", months: BTreeMap::from([(month.to_owned(), GoldMonth::Rows(batch))]) }]
}

#[tokio::test]
async fn a_second_writer_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    let refused = Lake::open(&path(&directory)).await.unwrap_err().to_string();
    assert!(refused.contains(&path(&directory)) && refused.contains("--data"), "{refused}");
    lake.close();
    Lake::open(&path(&directory)).await.unwrap();
}

#[tokio::test]
async fn months_of_gold_are_replaced_whole() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    lake.declare_gold("shipments", gold_schema()).await.unwrap();
    lake.publish(gold("2025-10", &[("a", 1), ("b", 2)]), 3).await.unwrap();
    lake.publish(gold("2025-11", &[("a", 10)]), 5).await.unwrap();
    lake.publish(gold("2025-10", &[("c", 4)]), 6).await.unwrap();
    assert_eq!(lake.gold_through(), 6);
    assert_eq!(count(&lake, "select sum(seconds) from shipments").await, 14);
    assert_eq!(count(&lake, "select count(*) from shipments where month = '2025-10'").await, 1);
    lake.publish(gold("2025-11", &[]), 7).await.unwrap();
    assert_eq!(lake.snapshot().months("shipments"), ["2025-10"]);
    lake.close();

    let lake = Lake::open(&path(&directory)).await.unwrap();
    lake.declare_gold("shipments", gold_schema()).await.unwrap();
    assert_eq!(lake.gold_through(), 7);
    assert_eq!(count(&lake, "select sum(seconds) from shipments").await, 4);
    lake.close();

    // With other columns it is to be computed again.
    let lake = Lake::open(&path(&directory)).await.unwrap();
    let other = Arc::new(Schema::new(vec![Field::new("service", DataType::Utf8, true)]));
    lake.declare_gold("shipments", other).await.unwrap();
    assert_eq!(lake.gold_through(), 0);
    assert_eq!(count(&lake, "select count(*) from shipments").await, 0);
    let refused = lake.publish(gold("2025-10", &[("a", 1)]), 9).await;
    assert!(matches!(refused, Err(Error::Schema { .. })));
}

#[tokio::test]
async fn rows_come_back_as_they_went_in() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    lake.import(facts(7)).await.unwrap();
    let rows = Change::from_batch(&query(&lake, "select * from changes").await);
    assert_eq!(crate::Fact::Change(rows[0].fact.clone()), facts(7)[0]);
    assert_eq!((rows[0].stamp.arrival, rows[0].stamp.clock), (1, facts(7)[0].clock()));
}

#[tokio::test]
async fn files_that_cannot_match_are_passed_by() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    for n in 0..5 {
        lake.import(facts(n * 3_000_000)).await.unwrap();
    }
    let snapshot = lake.snapshot();
    let session = session(&lake, &snapshot);
    let plan = |sql: &'static str| {
        let session = session.clone();
        async move {
            let plan = collect(&session, &format!("explain {sql}")).await;
            let plans = plan.column(1).as_any().downcast_ref::<StringArray>().unwrap().clone();
            plans.value(1).to_owned()
        }
    };
    let all = plan("select id from changes").await;
    assert_eq!(all.matches(".parquet").count(), 5, "{all}");
    let month = plan("select id from changes where month = '2025-10'").await;
    assert_eq!(month.matches(".parquet").count(), 1, "{month}");
    let clock = plan("select id from changes where clock < timestamp '2025-11-20T00:00:00Z'").await;
    assert_eq!(clock.matches(".parquet").count(), 2, "{clock}");
    assert!(clock.contains("pruning_predicate"), "{clock}");
    let arrival = plan("select id from changes where arrival > 3 and source = 'events'").await;
    assert_eq!(arrival.matches(".parquet").count(), 2, "{arrival}");
    let nothing = plan("select id from changes where source = 'github'").await;
    assert_eq!(nothing.matches(".parquet").count(), 0, "{nothing}");
}

#[tokio::test]
async fn a_reader_sees_what_a_writer_adds_and_writes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let lake = Lake::open(&path(&directory)).await.unwrap();
    keep_all(&lake, 0..3).await;
    settle_all(&lake).await;
    let reader = Lake::open_read_only(&path(&directory)).await.unwrap();
    assert_eq!(count(&reader, "select count(*) from changes").await, 3);
    keep_all(&lake, 3..5).await;
    settle_all(&lake).await;
    assert_eq!(count(&reader, "select count(*) from changes").await, 3);
    reader.reload().await.unwrap();
    assert_eq!(count(&reader, "select count(*) from changes").await, 5);
    assert_eq!(reader.snapshot().version(), lake.snapshot().version());
    assert_eq!(reader.silver_through(), lake.silver_through());
    assert!(matches!(reader.keep(crate::tests::delivery(9)).await, Err(Error::ReadOnly)));
}
