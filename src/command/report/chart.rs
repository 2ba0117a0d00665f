//! A metric over time as inline SVG: bars for counts, a line with dots for times and shares. Unknown is a
//! gap, and what the period cuts is hollow. Colours come from the page; each mark says its value to whoever points at it.

use std::fmt::Write as _;

use super::figures::{Figure, Unit};
use super::html::escape;

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 160.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 26.0;

/// Draws the figure's points under the labels of their buckets.
pub(super) fn draw(figure: &Figure, labels: &[String], is_cut: &[bool]) -> String {
    if figure.points.iter().all(|point| point.value.is_none()) {
        return "<p class=\"basis\">No value in any part of the period.</p>".to_owned();
    }
    let highest = figure.points.iter().filter_map(|p| p.value).fold(0.0, f64::max);
    let ticks = ticks(highest, figure.unit);
    let top = ticks.last().copied().unwrap_or(1.0);
    let plot = Plot { n: figure.points.len().max(1) as f64, top };
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{0}-t {0}-d\">\
         <title id=\"{0}-t\">{1} over time</title><desc id=\"{0}-d\">{2}</desc>",
        figure.id,
        escape(figure.title),
        escape(&alternative(figure, labels))
    );
    // Writing to a string cannot fail.
    for tick in &ticks {
        let y = plot.y(*tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            y + 4.0,
            escape(&figure.unit.say(*tick))
        );
    }
    for bucket in shown_labels(labels.len()) {
        let (anchor, x) = match bucket {
            0 if labels.len() > 2 => ("start", LEFT),
            last if last > 1 && last + 1 == labels.len() => ("end", WIDTH - RIGHT),
            middle => ("middle", plot.x(middle)),
        };
        let _ = write!(
            svg,
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            HEIGHT - 8.0,
            escape(&labels[bucket])
        );
    }
    svg.push_str(&match figure.unit {
        Unit::Deployments | Unit::DaysPerWeek => bars(figure, (labels, is_cut), &plot),
        Unit::Seconds | Unit::Ratio => line(figure, (labels, is_cut), &plot),
    });
    svg.push_str("</svg>");
    svg
}

/// Where things are.
struct Plot {
    n: f64,
    top: f64,
}

impl Plot {
    fn step(&self) -> f64 {
        (WIDTH - LEFT - RIGHT) / self.n
    }

    fn x(&self, bucket: usize) -> f64 {
        LEFT + self.step() * (bucket as f64 + 0.5)
    }

    fn y(&self, value: f64) -> f64 {
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - value / self.top)
    }
}

fn bars(figure: &Figure, (labels, is_cut): (&[String], &[bool]), plot: &Plot) -> String {
    let width = (plot.step() * 0.72).min(40.0);
    let mut svg = String::new();
    for (bucket, point) in figure.points.iter().enumerate() {
        let Some(value) = point.value.filter(|v| *v > 0.0) else { continue };
        let _ = write!(
            svg,
            "<rect class=\"bar{}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\" rx=\"1.5\"><title>{}</title></rect>",
            if is_cut[bucket] { " cut" } else { "" },
            plot.x(bucket) - width / 2.0,
            plot.y(value),
            plot.y(0.0) - plot.y(value),
            escape(&said(labels, bucket, &point.said))
        );
    }
    svg
}

fn line(figure: &Figure, (labels, is_cut): (&[String], &[bool]), plot: &Plot) -> String {
    let (mut path, mut dots, mut is_drawing) = (String::new(), String::new(), false);
    for (bucket, point) in figure.points.iter().enumerate() {
        let Some(value) = point.value else {
            is_drawing = false;
            continue;
        };
        let (x, y) = (plot.x(bucket), plot.y(value));
        if !is_cut[bucket] {
            let _ = write!(path, "{}{x:.1} {y:.1}", if is_drawing { "L" } else { "M" });
        }
        is_drawing = !is_cut[bucket];
        let _ = write!(
            dots,
            "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"><title>{}</title></circle>",
            if point.is_sure && !is_cut[bucket] { "dot" } else { "dot unsure" },
            escape(&said(labels, bucket, &point.said))
        );
    }
    format!("<path class=\"line\" d=\"{path}\"/>{dots}")
}

fn said(labels: &[String], bucket: usize, value: &str) -> String {
    format!("{}: {value}", labels.get(bucket).map_or("", String::as_str))
}

/// The chart in a sentence, for those who do not see it.
fn alternative(figure: &Figure, labels: &[String]) -> String {
    let known: Vec<(usize, f64)> =
        figure.points.iter().enumerate().filter_map(|(bucket, p)| Some((bucket, p.value?))).collect();
    let (Some(first), Some(last)) = (known.first(), known.last()) else {
        return "There is no value in any part of the period.".to_owned();
    };
    let highest = known.iter().fold(first, |a, b| if b.1 > a.1 { b } else { a });
    let lowest = known.iter().fold(first, |a, b| if b.1 < a.1 { b } else { a });
    let tell = |at: &(usize, f64)| said(labels, at.0, &figure.unit.say(at.1));
    format!(
        "{} of {} parts of the period have a value. First {}; last {}; lowest {}; highest {}. The table below has them all.",
        known.len(),
        figure.points.len(),
        tell(first),
        tell(last),
        tell(lowest),
        tell(highest)
    )
}

/// The buckets whose labels have room: the first, one in the middle, and the last.
fn shown_labels(n: usize) -> Vec<usize> {
    if n <= 3 {
        return (0..n).collect();
    }
    vec![0, (n - 1) / 2, n - 1]
}

const MINUTE: f64 = 60.0;
const HOUR: f64 = 3_600.0;
const DAY: f64 = 86_400.0;

/// Values of the axis from 0 to one that is not below `highest`, in steps that people count in.
fn ticks(highest: f64, unit: Unit) -> Vec<f64> {
    let steps: Vec<f64> = match unit {
        Unit::Seconds => [
            [1.0, 5.0, 15.0, 30.0].to_vec(),
            [1.0, 2.0, 5.0, 10.0, 15.0, 30.0].map(|m| m * MINUTE).to_vec(),
            [1.0, 2.0, 4.0, 6.0, 12.0].map(|h| h * HOUR).to_vec(),
            [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0].map(|d| d * DAY).to_vec(),
        ]
        .concat(),
        Unit::Ratio => vec![0.01, 0.02, 0.05, 0.1, 0.25],
        Unit::DaysPerWeek => vec![1.0, 2.0],
        Unit::Deployments => (0..9).flat_map(|e| [1.0, 2.0, 5.0].map(|m| m * 10_f64.powi(e))).collect(),
    };
    let fits = |step: &&f64| highest <= **step * 4.0;
    let step = steps.iter().find(fits).or(steps.last()).copied().unwrap_or(1.0);
    let n = (highest / step).ceil().max(1.0) as usize;
    (0..=n).map(|i| i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_begins_at_zero_and_ends_at_or_above_the_highest() {
        let said = |highest: f64, unit: Unit| ticks(highest, unit).into_iter().map(|t| unit.say(t)).collect::<Vec<_>>();
        assert_eq!(said(0.0, Unit::Deployments), ["0", "1"]);
        assert_eq!(said(51.0, Unit::Deployments), ["0", "20", "40", "60"]);
        assert_eq!(said(0.13, Unit::Ratio), ["0 %", "5 %", "10 %", "15 %"]);
        assert_eq!(said(5.0 * DAY, Unit::Seconds), ["0 s", "2 days", "4 days", "6 days"]);
        assert_eq!(said(1.0, Unit::Ratio).last().map(String::as_str), Some("100 %"));
    }

    #[test]
    fn few_labels_are_all_shown_and_many_are_thinned() {
        assert_eq!(shown_labels(3), [0, 1, 2]);
        assert_eq!(shown_labels(13), [0, 6, 12]);
    }

    #[test]
    fn an_unknown_value_breaks_the_line() {
        let report = crate::command::report::figures::tests::report();
        let labels = ["a".into(), "b".into(), "c".into()];
        let svg = draw(&report.figures[0], &labels, &[false; 3]);
        assert_eq!(svg.matches('M').count(), 2, "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2, "{svg}");
        let svg = draw(&report.figures[0], &labels, &[true, false, false]);
        assert_eq!((svg.matches('M').count(), svg.matches("dot unsure").count()), (1, 1), "{svg}");
    }
}
