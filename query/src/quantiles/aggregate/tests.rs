//! The aggregate inside plans: in one phase and in two, grouped and not, filtered, null and empty.

#![expect(clippy::unwrap_used, clippy::float_cmp, reason = "tests")]

use super::*;
use crate::quantiles::{distribution_of, distributions};
use arrow::array::RecordBatch;
use arrow::datatypes::{Float64Type, Schema};
use datafusion::datasource::MemTable;
use datafusion::prelude::{SessionConfig, SessionContext, col};
use proptest::prelude::*;

type Row = (Option<i64>, Option<i64>, Option<bool>);

/// A session with the rows as table `t` (team, x, keep), dealt out to partitions in batches of `n_batch`; known to be
/// sorted by team where they are.
fn session(rows: &[Row], n_partitions: usize, n_batch: usize) -> SessionContext {
    let schema = Arc::new(Schema::new(vec![
        Field::new("team", DataType::Int64, true),
        Field::new("x", DataType::Int64, true),
        Field::new("keep", DataType::Boolean, true),
    ]));
    let mut partitions = vec![Vec::new(); n_partitions];
    for (turn, rows) in rows.chunks(n_batch).enumerate() {
        let team: Int64Array = rows.iter().map(|row| row.0).collect();
        let x: Int64Array = rows.iter().map(|row| row.1).collect();
        let keep: BooleanArray = rows.iter().map(|row| row.2).collect();
        let columns: Vec<ArrayRef> = vec![Arc::new(team), Arc::new(x), Arc::new(keep)];
        partitions[turn % n_partitions].push(RecordBatch::try_new(schema.clone(), columns).unwrap());
    }
    let config = SessionConfig::new()
        .with_target_partitions(n_partitions)
        .with_batch_size(n_batch)
        // So that small tests reach the way around the first phase, too.
        .set_u64("datafusion.execution.skip_partial_aggregation_probe_rows_threshold", 64);
    let context = SessionContext::new_with_config(config);
    context.register_udaf(distribution());
    let sorted = rows.is_sorted_by_key(|row| row.0) && n_partitions == 1;
    let order = sorted.then(|| vec![col("team").sort(true, false)]);
    let table = MemTable::try_new(schema, partitions).unwrap().with_sort_order(order.into_iter().collect());
    context.register_table("t", Arc::new(table)).unwrap();
    context
}

async fn ask(context: &SessionContext, sql: &str) -> RecordBatch {
    let rows = context.sql(sql).await.unwrap();
    let schema = Arc::new(rows.schema().as_arrow().clone());
    arrow::compute::concat_batches(&schema, &rows.collect().await.unwrap()).unwrap()
}

async fn found(context: &SessionContext, sql: &str) -> Vec<Option<Distribution>> {
    distributions(ask(context, sql).await.column_by_name("d").unwrap().as_struct())
}

fn some_rows(n: i64) -> Vec<Row> {
    let row = |i: i64| {
        let x = (i * 7_919 % 10_007) * if i % 31 == 0 { 1_000_000 } else { 1 };
        (Some(i * i % 5), (i % 13 != 0).then_some(x), (i % 11 != 0).then_some(i % 3 != 0))
    };
    (0..n).map(row).collect()
}

fn expected(rows: &[Row], team: Option<i64>, filtered: bool) -> Option<Distribution> {
    let counts = |row: &&Row| (team.is_none() || row.0 == team) && (!filtered || row.2 == Some(true));
    let values: Vec<i64> = rows.iter().filter(counts).filter_map(|row| row.1).collect();
    distribution_of(&values)
}

#[tokio::test]
async fn groups_come_out_the_same_however_rows_are_dealt() {
    let rows = some_rows(20_000);
    let teams = [0, 1, 4].map(Some);
    for (n_partitions, n_batch) in [(1, 8192), (2, 500), (4, 64)] {
        let context = session(&rows, n_partitions, n_batch);
        let all = found(&context, "select team, distribution(x) as d from t group by team order by team").await;
        assert_eq!(all, teams.map(|team| expected(&rows, team, false)));
        let kept = "select team, distribution(x) filter (where keep) as d from t group by team order by team";
        assert_eq!(found(&context, kept).await, teams.map(|team| expected(&rows, team, true)));
        let total = found(&context, "select distribution(x) as d from t").await;
        assert_eq!(total, [expected(&rows, None, false)]);
        let total = found(&context, "select distribution(x) filter (where keep) as d from t").await;
        assert_eq!(total, [expected(&rows, None, true)]);
    }
}

#[tokio::test]
async fn a_group_a_row_skips_the_first_phase_and_comes_out_the_same() {
    let rows: Vec<Row> = (0..5_000).map(|i| (Some(i), (i % 7 != 0).then_some(-i), Some(i % 2 == 0))).collect();
    let context = session(&rows, 2, 128);
    let sql = "select team, distribution(x) filter (where keep) as d from t group by team order by team";
    let plan = ask(&context, &format!("explain analyze {sql}")).await;
    let plan = arrow::util::pretty::pretty_format_batches(&[plan]).unwrap().to_string();
    assert!(plan.contains("skipped_aggregation_rows=") && !plan.contains("skipped_aggregation_rows=0"), "{plan}");
    let found = found(&context, sql).await;
    assert_eq!(found.len(), rows.len());
    for (row, found) in rows.iter().zip(found) {
        let value = row.1.filter(|_| row.2 == Some(true));
        assert_eq!(found.map(|found| (found.n, found.p50)), value.map(|value| (1, value as f64)));
    }
}

#[tokio::test]
async fn sorted_groups_are_given_out_as_they_end() {
    let rows: Vec<Row> = (0..3_000).map(|i| (Some(i / 100), Some(i * 17 % 101), None)).collect();
    let context = session(&rows, 1, 64);
    let sql = "select team, distribution(x) as d from t group by team order by team";
    let plan = ask(&context, &format!("explain {sql}")).await;
    let plan = arrow::util::pretty::pretty_format_batches(&[plan]).unwrap().to_string();
    assert!(plan.contains("ordering_mode=Sorted"), "{plan}");
    let expected: Vec<_> = (0..30).map(|team| expected(&rows, Some(team), false)).collect();
    assert_eq!(found(&context, sql).await, expected);
}

#[tokio::test]
async fn nothing_has_n_0_and_no_numbers() {
    for rows in [vec![], vec![(Some(1), None, Some(true)), (Some(1), Some(5), Some(false))]] {
        let context = session(&rows, 2, 64);
        let answer = ask(&context, "select distribution(x) filter (where keep) as d from t").await;
        let column = answer.column(0).as_struct();
        assert_eq!(column.column(0).as_primitive::<Int64Type>().value(0), 0);
        assert!(column.columns()[1..].iter().all(|number| number.is_null(0)));
        assert_eq!(distributions(column), [None]);
        let grouped = "select team, distribution(x) filter (where keep) as d from t group by team";
        assert_eq!(found(&context, grouped).await, vec![None; usize::from(!rows.is_empty())]);
    }
}

#[tokio::test]
async fn fields_can_be_taken_in_sql_from_one_aggregate() {
    let context = session(&some_rows(1_000), 2, 100);
    let sql = "select distribution(x)['p50'] as p50, distribution(x)['n'] as n, distribution(x)['high'] as high from t";
    let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap().to_string();
    assert_eq!(plan.matches("distribution(t.x)]").count(), 1, "{plan}");
    let answer = ask(&context, sql).await;
    let median = expected(&some_rows(1_000), None, false).unwrap().p50;
    assert_eq!(answer["p50"].as_primitive::<Float64Type>().value(0), median);
}

#[tokio::test]
async fn distinct_beside_others_is_refused() {
    let context = session(&some_rows(10), 1, 100);
    // Alone it is planned as a grouping by x, which is right.
    let sql = "select distribution(distinct x), count(distinct team) from t";
    let asked = context.sql(sql).await.unwrap().collect().await;
    assert!(asked.unwrap_err().to_string().contains("every value counts"));
}

#[tokio::test]
async fn a_window_may_ask_again_and_again() {
    let context = session(&(0..50).map(|i| (Some(i), Some(i), None)).collect::<Vec<_>>(), 1, 8);
    let running = found(&context, "select distribution(x) over (order by team) as d from t order by team").await;
    let medians: Vec<f64> = running.iter().map(|found| found.unwrap().p50).collect();
    assert_eq!(medians, (0..50).map(|i| f64::from(i) / 2.0).collect::<Vec<_>>());
}

#[test]
fn state_and_answers_leave_later_groups_in_place() {
    let mut groups = Groups { heaps: Heaps::default(), total: Total::Without };
    let values: ArrayRef = Arc::new(Int64Array::from(vec![10, 20, 30, 40, 50, 60]));
    groups.update_batch(&[values], &[0, 1, 2, 0, 1, 2], None, 3).unwrap();
    let grown = groups.size();
    let state = groups.state(EmitTo::First(1)).unwrap();
    assert_eq!(state[0].as_list::<i32>().value(0).as_primitive::<Int32Type>().values(), &[10, 40]);
    assert!(groups.size() < grown);
    // The state comes back as group 2, after what was group 2.
    groups.merge_batch(&state, &[2], 3).unwrap();
    let medians = |column: ArrayRef| {
        distributions(column.as_struct()).into_iter().map(|found| found.unwrap().p50).collect::<Vec<_>>()
    };
    assert_eq!(medians(groups.evaluate(EmitTo::First(2)).unwrap()), [35.0, 45.0]);
    assert_eq!(medians(groups.evaluate(EmitTo::All).unwrap()), [25.0]);
    assert_eq!(groups.evaluate(EmitTo::All).unwrap().len(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn percentiles_are_those_of_percentile_cont(
        rows in prop::collection::vec((0_i64..4, prop::option::of(-2_000_000_i64..9_000_000_000)), 1..600),
    ) {
        let rows: Vec<Row> = rows.into_iter().map(|(team, x)| (Some(team), x, None)).collect();
        let sql = "select team, distribution(x) as d, avg(x) as mean, min(x)::double as min, max(x)::double as max,
             percentile_cont(0.25) within group (order by x::double) as p25,
             percentile_cont(0.5) within group (order by x::double) as p50,
             percentile_cont(0.75) within group (order by x::double) as p75,
             percentile_cont(0.9) within group (order by x::double) as p90,
             percentile_cont(0.95) within group (order by x::double) as p95
             from t group by team";
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(async { ask(&session(&rows, 3, 50), sql).await });
        let ours = answer["d"].as_struct();
        for name in ["mean", "min", "max", "p25", "p50", "p75", "p90", "p95"] {
            let ours = ours.column_by_name(name).unwrap().as_primitive::<Float64Type>();
            let theirs = answer[name].as_primitive::<Float64Type>();
            for (ours, theirs) in ours.iter().zip(theirs) {
                // Theirs keeps six decimals of the way between two ranks.
                let near = |ours: f64, theirs: f64| (ours - theirs).abs() <= 1e-6 * 9_002_000_000.0;
                let same = ours.zip(theirs).map_or(ours == theirs, |(ours, theirs)| near(ours, theirs));
                prop_assert!(same, "{name}: {ours:?}, not {theirs:?}");
            }
        }
    }
}
