//! For packs that look at days: the median of each day's median, and on how many days of each week
//! something was deployed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use arrow::array::{Array, Int32Array};
use datafusion::dataframe::DataFrame;
use datafusion::prelude::col;

use super::frame::{Aggregates, Cell, Cells, Cut, Over, asking, instant_column, numbered_rows, places, read};
use crate::bucket::{BucketSize, Buckets};
use crate::engine::Error;

/// What a select list gives on one day of a bucket and group.
type OnDay = (usize, Cell, Aggregates);

/// Adds to each cell what the select list gives on each of its days.
pub(crate) async fn add(
    over: &Over<'_>,
    buckets: &Buckets,
    table: &str,
    list: &str,
    cut: Cut,
    cells: &mut Cells,
) -> Result<(), Error> {
    let day_starts = sliced(buckets, BucketSize::Day)?;
    let mut weeks: HashMap<Option<usize>, Buckets> = HashMap::new();
    for (day, (bucket, key), aggregates) in on_days(over, buckets, table, list).await? {
        let whole = (cut == Cut::BucketsAndTotals).then_some((None, key.clone()));
        for cell in [Some((bucket, key)), whole].into_iter().flatten() {
            let weeks = match weeks.entry(cell.0) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(weeks_of(buckets, cell.0)?),
            };
            let into = cells.entry(cell).or_default();
            if aggregates.count("frequency_n") > 0 {
                into.weeks.resize(weeks.len(), 0);
                into.weeks[weeks.index_of(day_starts.edges()[day]).unwrap_or(0)] += 1;
            }
            into.days.push(aggregates.clone());
        }
    }
    Ok(())
}

async fn on_days(over: &Over<'_>, buckets: &Buckets, table: &str, list: &str) -> Result<Vec<OnDay>, Error> {
    let mut found = Vec::new();
    let Some(frame) = numbered_rows(over, table, buckets).await? else { return Ok(found) };
    let sql = format!("select bucket, key, day, {list} from asked group by bucket, key, day");
    let session = asking(over.tables, with_day(frame, table, buckets)?)?;
    for batch in session.sql(&sql).await?.collect().await? {
        let Some(days) = batch.column(2).as_any().downcast_ref::<Int32Array>() else { continue };
        let rows = places(&batch).into_iter().zip(read(&batch, 3)).zip(days.values());
        found.extend(rows.map(|((cell, aggregates), day)| (*day as usize, cell, aggregates)));
    }
    Ok(found)
}

/// Adds the column `day`: the number of the day in the asker's time zone.
pub(crate) fn with_day(frame: DataFrame, table: &str, buckets: &Buckets) -> Result<DataFrame, Error> {
    let days = sliced(buckets, BucketSize::Day)?;
    Ok(frame.with_column("day", days.index_expr(col(instant_column(table))))?)
}

fn sliced(buckets: &Buckets, size: BucketSize) -> Result<Buckets, Error> {
    Buckets::new(buckets.from(), buckets.to(), size, buckets.tz()).map_err(|e| Error::period(&e))
}

/// The ISO weeks of a bucket, or of the whole period; the first and the last in part.
fn weeks_of(buckets: &Buckets, bucket: Option<usize>) -> Result<Buckets, Error> {
    let edges = buckets.edges();
    let (from, to) = bucket.map_or((buckets.from(), buckets.to()), |b| (edges[b], edges[b + 1]));
    Buckets::new(from, to, BucketSize::Week, buckets.tz()).map_err(|e| Error::period(&e))
}
