//! Columns kept decoded: the same rows as from the files, whatever is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::tests::{collect, path, session};
use crate::{GoldChange, GoldMonth, Lake, Options};

fn schema() -> SchemaRef {
    let at = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    Arc::new(Schema::new(vec![
        Field::new("service", DataType::Utf8, true),
        Field::new("at", at, true),
        Field::new("lead_ms", DataType::Int64, true),
        Field::new("excluded", DataType::Utf8, true),
        Field::new("reached", DataType::Boolean, true),
    ]))
}

/// A month of forty services, each with some hundred rows; every seventh number is unknown.
fn month(month: i64, n_rows: i64) -> RecordBatch {
    let rows = || (0..40).flat_map(move |service| (0..n_rows).map(move |row| (service, row)));
    let services: StringArray = rows().map(|(service, _)| Some(format!("service-{service:02}"))).collect();
    let at: TimestampMicrosecondArray =
        rows().map(|(service, row)| Some((month * 2_592_000 + row * 997 + service) * 1_000_000)).collect();
    let leads: Int64Array = rows().map(|(service, row)| ((service + row) % 7 > 0).then_some(row * 1_013)).collect();
    let excluded: StringArray = rows().map(|(_, row)| (month == 1 && row % 5 == 0).then_some("negative")).collect();
    let reached: BooleanArray = rows().map(|(service, row)| Some((service * row) % 3 == 0)).collect();
    let columns: Vec<arrow::array::ArrayRef> = vec![
        Arc::new(services),
        Arc::new(at.with_timezone("UTC")),
        Arc::new(leads),
        Arc::new(excluded),
        Arc::new(reached),
    ];
    RecordBatch::try_new(schema(), columns).unwrap()
}

async fn lake(directory: &tempfile::TempDir, bytes_kept: usize) -> Lake {
    let lake = Lake::open_with(&path(directory), Options { bytes_kept, ..Options::default() }).await.unwrap();
    lake.declare_gold("shipments", schema()).await.unwrap();
    for (number, n_rows) in [(0, 700), (1, 300), (2, 2)] {
        let mut encoder = lake.gold_encoder("shipments").unwrap();
        encoder.push(month(number, n_rows)).unwrap();
        let name = format!("1970-{:02}", number + 1);
        let file = encoder.store(&name).await.unwrap();
        let months = BTreeMap::from([(name, GoldMonth::Files(vec![file]))]);
        lake.publish(vec![GoldChange { table: "shipments", months }], number + 1).await.unwrap();
    }
    lake
}

const QUESTIONS: [&str; 12] = [
    "select * from shipments",
    "select count(*) as n from shipments",
    "select lead_ms from shipments where excluded is null",
    "select at, lead_ms from shipments where at >= '1970-01-05T00:00:00Z' and at < '1970-02-03T00:00:00Z'",
    "select lead_ms from shipments where service = 'service-07'",
    "select service, at from shipments where service in ('service-01', 'service-02', 'service-39', 'nobody')",
    "select service, count(*) as n, sum(lead_ms) as s from shipments where reached group by service",
    "select at from shipments where service < 'service-03' and lead_ms > 1000 and at < '1970-01-03T00:00:00Z'",
    "select lead_ms from shipments where not (lead_ms > 5000)",
    "select lead_ms, excluded from shipments where excluded = 'negative' or service = 'service-11'",
    "select reached from shipments where month = '1970-02' and service = 'service-05'",
    "select service, month from shipments where month > '1970-01'",
];

#[tokio::test]
async fn what_is_kept_answers_as_the_files_do() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (kept, read) = (lake(&directories[0], 1 << 24).await, lake(&directories[1], 0).await);
    for question in QUESTIONS {
        let mut answers = Vec::new();
        // Twice, as the first time fills what the second finds.
        for lake in [&kept, &kept, &read] {
            let session = session(lake, &lake.snapshot());
            let found = collect(&session, question).await;
            let columns: Vec<_> = found
                .columns()
                .iter()
                .map(|column| arrow::compute::SortColumn { values: Arc::clone(column), options: None })
                .collect();
            let order = arrow::compute::lexsort_to_indices(&columns, None).unwrap();
            answers.push(arrow::compute::take_record_batch(&found, &order).unwrap());
        }
        assert!(answers[0].num_rows() > 0, "{question}");
        assert_eq!(answers[0], answers[2], "{question}");
        assert_eq!(answers[1], answers[2], "{question}");
    }
}

#[tokio::test]
async fn columns_are_kept_where_they_fit_and_only_there() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let plan = async |bytes_kept: usize, directory| {
        let lake = lake(directory, bytes_kept).await;
        let session = session(&lake, &lake.snapshot());
        let plan = collect(&session, "explain select lead_ms from shipments where at > '1970-01-01T12:00:00Z'").await;
        plan.column(1).as_any().downcast_ref::<StringArray>().unwrap().value(1).to_owned()
    };
    assert!(plan(1 << 24, &directories[0]).await.contains("HotExec"));
    let too_small = plan(1 << 10, &directories[1]).await;
    assert!(!too_small.contains("HotExec") && too_small.contains("predicate=at"), "{too_small}");
}
