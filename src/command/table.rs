//! A table of aligned columns for a terminal. What it is given may come from strangers, as titles of
//! commits do: no control character gets through.

/// On which side of its column a cell stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Rows under headings.
#[derive(Debug)]
pub(crate) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with only its headings.
    pub(crate) fn new(columns: &[(&str, Side)]) -> Self {
        Self {
            sides: columns.iter().map(|(_, side)| *side).collect(),
            rows: vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect()],
        }
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: &[String]) {
        self.rows.push(row.iter().map(|cell| printable(cell)).collect());
    }

    /// The lines, headings first, without spaces at their ends.
    pub(crate) fn lines(&self) -> Vec<String> {
        let width = |column: usize| self.rows.iter().filter_map(|r| r.get(column)).map(|c| n_columns(c)).max();
        let widths: Vec<usize> = (0..self.sides.len()).map(|c| width(c).unwrap_or(0)).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).zip(&self.sides);
            let padded: Vec<String> = cells.map(|((cell, width), side)| pad(cell, *width, *side)).collect();
            padded.join("  ").trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// A text of at least this width.
pub(crate) fn pad(text: &str, width: usize, side: Side) -> String {
    let spaces = " ".repeat(width.saturating_sub(n_columns(text)));
    match side {
        Side::Left => format!("{text}{spaces}"),
        Side::Right => format!("{spaces}{text}"),
    }
}

/// A text that is not wider than this; what was cut off is shown by an ellipsis.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if n_columns(text) <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A text without what could move the cursor or change colours.
pub(crate) fn printable(text: &str) -> String {
    let unsafe_here = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|c| if unsafe_here(c) { ' ' } else { c }).collect()
}

fn n_columns(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_numbers_stand_right() {
        let mut table = Table::new(&[("service", Side::Left), ("n", Side::Right), ("title", Side::Left)]);
        table.push(&["cart".into(), "1,200".into(), "a".into()]);
        table.push(&["checkout-ä".into(), "7".into(), String::new()]);
        assert_eq!(table.lines(), ["service         n  title", "cart        1,200  a", "checkout-ä      7"]);
    }

    #[test]
    fn a_title_cannot_colour_the_terminal() {
        assert_eq!(printable("a\u{1b}[31mb\nc\u{202e}d"), "a [31mb c d");
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("abcd", 4), "abcd");
    }
}
