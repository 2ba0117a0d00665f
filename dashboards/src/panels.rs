//! The panels as data: which metric each shows and how, and the columns behind each number. One file,
//! `panels.json`, read by the page when it is built and by whoever makes other dashboards of it.

use std::sync::LazyLock;

use serde::Deserialize;

/// The whole of `panels.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Panels {
    /// The views of the page.
    pub views: Vec<View>,
    /// Dashboards, each a list of panels.
    pub dashboards: Vec<Dashboard>,
    /// The columns of the rows behind each metric.
    pub explain: Vec<Explain>,
}

/// A view of the page.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Id, stable.
    pub id: String,
    /// Its place in the address, one segment below the page's own; empty for the first.
    pub path: String,
    /// Title for people.
    pub title: String,
}

/// One dashboard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dashboard {
    /// Id, stable.
    pub id: String,
    /// Title for people.
    pub title: String,
    /// Its panels in reading order.
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Panel {
    /// One number with its certainty.
    Card {
        /// Id, unique in its dashboard.
        id: String,
        /// Metric id.
        metric: String,
        /// Title for people.
        title: String,
        /// Field of the answer that is the headline.
        value: String,
        /// How values are written.
        format: Format,
        /// What the numerator counts, where the value is a share.
        counted: Option<String>,
        /// What to say where the value is unknown.
        missing: String,
    },
    /// A metric over time.
    Trend {
        /// Id, unique in its dashboard.
        id: String,
        /// Metric id.
        metric: String,
        /// Title for people.
        title: String,
        /// How values are written.
        format: Format,
        /// What is drawn.
        mark: Mark,
        /// Which scale the values are on.
        axis: Axis,
        /// Share of the row at full width.
        width: Width,
        /// The area between two fields, where there is one.
        band: Option<Band>,
        /// Lines or bars, the main one first.
        series: Vec<Series>,
    },
}

/// How a value is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A whole number.
    Count,
    /// A number a day, week or month, whichever reads best.
    Frequency,
    /// Seconds, in the unit that reads best.
    Duration,
    /// A share between 0 and 1, as per cent.
    Rate,
}

/// What a trend draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// Bars from zero.
    Bars,
    /// A line with a mark a bucket.
    Line,
    /// Marks, joined by a thin line.
    Points,
}

/// Which scale values are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// From zero to the largest.
    Count,
    /// Linear, or logarithmic where values are far apart.
    Duration,
    /// From zero to at most one.
    Rate,
}

/// Share of the row at full width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// Half.
    Half,
    /// A third.
    Third,
}

/// The area between two fields.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    /// Field of the lower edge.
    pub low: String,
    /// Field of the upper edge.
    pub high: String,
    /// Name in the legend.
    pub label: String,
}

/// A line, or the bars.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Series {
    /// Field of the answer.
    pub field: String,
    /// Name in the legend.
    pub label: String,
    /// Weight of the line.
    pub stroke: Stroke,
}

/// Weight of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stroke {
    /// The number itself.
    Main,
    /// Lighter and dashed.
    Second,
    /// Lightest and dotted.
    Third,
}

/// The columns of the rows behind a metric.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explain {
    /// Metric id; `incident` where a pack counts incidents, whatever the metric.
    pub metric: String,
    /// Columns from left to right.
    pub columns: Vec<Column>,
}

/// One column of the rows behind a metric.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Field of the row.
    pub field: String,
    /// Heading.
    pub title: String,
    /// How its cells are written.
    pub format: Cell,
}

/// How a cell is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cell {
    /// As it is.
    Text,
    /// A link to the tool that it came from, where the row has a `url`.
    Link,
    /// Date and time in the view's zone.
    Instant,
    /// Seconds, in the unit that reads best.
    Duration,
    /// Yes, no, or unknown.
    YesNo,
    /// The rule that found it, with its confidence.
    Rule,
}

static PANELS: LazyLock<Panels> =
    LazyLock::new(|| serde_json::from_str(include_str!("../panels.json")).expect("a test parses the embedded panels"));

/// The panels.
pub fn panels() -> &'static Panels {
    &PANELS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_overview_has_five_cards_and_five_trends_of_the_same_metrics() {
        let overview = &panels().dashboards[0];
        let (cards, trends): (Vec<_>, Vec<_>) =
            overview.panels.iter().partition(|panel| matches!(panel, Panel::Card { .. }));
        let metric = |panel: &&Panel| match panel {
            Panel::Card { metric, .. } | Panel::Trend { metric, .. } => metric.clone(),
        };
        let metrics: Vec<String> = cards.iter().map(metric).collect();
        assert_eq!(metrics.len(), 5);
        assert_eq!(metrics, trends.iter().map(metric).collect::<Vec<_>>());
        let explained: Vec<String> = panels().explain.iter().map(|explain| explain.metric.clone()).collect();
        // The rows of a pack that counts incidents are none of deployments.
        assert_eq!(explained.split_last(), Some((&"incident".to_owned(), &metrics[..])));
    }
}
