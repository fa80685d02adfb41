//! Rows of text: few characters, nothing lost. Pure.

use crate::tools::{Content, Keep};

/// Columns are parted by two spaces and not aligned: padding costs tokens and tells nothing.
const GAP: &str = "  ";
/// What an empty cell shows.
const EMPTY: &str = "-";
/// Longest cell, in characters.
const CELL_CHARS_MAX: usize = 400;

#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(columns: &[&'static str]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Columns in which nothing is said are left out, except the first.
    pub(super) fn content(self, footer: String) -> Content {
        let said =
            |index: usize| index == 0 || self.rows.iter().any(|row| row.get(index).is_some_and(|c| !c.is_empty()));
        let kept: Vec<bool> = (0..self.columns.len()).map(said).collect();
        let joined = |cells: Vec<String>| {
            let cells = cells.into_iter().zip(&kept).filter_map(|(cell, kept)| kept.then_some(cell));
            cells.collect::<Vec<_>>().join(GAP)
        };
        let header = joined(self.columns.iter().map(|name| (*name).to_owned()).collect());
        let lines = self.rows.iter().map(|row| joined(row.iter().map(|text| cell(text)).collect())).collect();
        Content::Lines { header, lines, footer, keep: Keep::Head }
    }
}

/// One line, single spaces, bounded.
pub(super) fn cell(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() {
        return EMPTY.to_owned();
    }
    let text = words.join(" ");
    match text.char_indices().nth(CELL_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::reduce::whole;

    #[test]
    fn empty_columns_go_and_cells_stay_on_their_line() {
        let mut table = Table::new(&["NAME", "NODE", "MESSAGE"]);
        table.rows.push(vec!["a".into(), String::new(), "two\nlines  of text".into()]);
        table.rows.push(vec!["b".into(), String::new(), String::new()]);
        assert_eq!(whole(&table.content("2 in all".into())), "NAME  MESSAGE\na  two lines of text\nb  -\n2 in all");
    }

    #[test]
    fn long_cells_are_cut_between_characters() {
        let text = cell(&"ü".repeat(CELL_CHARS_MAX + 1));
        assert_eq!(text.chars().count(), CELL_CHARS_MAX + 1);
        assert!(text.ends_with('…'));
    }
}
