//! Tables for people. Narrow enough for a terminal, readable without colour.

use comfy_table::{
    Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, TableStyle, Width, presets,
};

/// How wide text for people may be.
pub(crate) fn width() -> u16 {
    let columns = std::env::var("COLUMNS").ok();
    columns
        .and_then(|columns| columns.parse().ok())
        .filter(|columns| (40..=400).contains(columns))
        .unwrap_or(80)
}

/// A table without lines: columns with two blanks between them.
pub(crate) fn plain() -> Table {
    framed(presets::NOTHING)
}

fn framed(style: TableStyle) -> Table {
    let mut table = Table::new();
    table
        .load_style(style)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width());
    table
}

/// Renders a table, indented, without blanks at line ends.
pub(crate) fn render(table: &Table, indent: &str) -> String {
    let mut out = String::new();
    for line in table.lines() {
        let line = format!("{indent}{line}");
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A cell that is aligned to the right.
pub(crate) fn right(text: impl ToString) -> Cell {
    Cell::new(text).set_alignment(CellAlignment::Right)
}

/// Rows that may be many: rendered a thousand at a time, in columns as wide as the first
/// thousand needed, so that memory stays the same.
pub(crate) struct Stream {
    header: Vec<Cell>,
    rows: Vec<Vec<Cell>>,
    widths: Option<Vec<u16>>,
}

/// Rows that are rendered together.
const TOGETHER: usize = 1000;

impl Stream {
    pub fn new(header: Vec<Cell>) -> Self {
        Self {
            header,
            rows: Vec::new(),
            widths: None,
        }
    }

    /// Adds a row; text to print comes back when enough are there.
    pub fn add(&mut self, row: Vec<Cell>) -> Option<String> {
        self.rows.push(row);
        (self.rows.len() >= TOGETHER).then(|| self.flush())
    }

    /// The rows that have not been rendered yet.
    pub fn flush(&mut self) -> String {
        let mut table = plain();
        let first = self.widths.is_none();
        if first {
            table.set_header(self.header.clone());
        }
        table.add_rows(std::mem::take(&mut self.rows));
        match &self.widths {
            Some(widths) => {
                let fixed = widths
                    .iter()
                    .map(|width| ColumnConstraint::LowerBoundary(Width::Fixed(*width)));
                table.set_constraints(fixed);
            }
            None => self.widths = Some(table_widths(&table)),
        }
        render(&table, "")
    }
}

fn table_widths(table: &Table) -> Vec<u16> {
    let mut widths = table.column_max_content_widths();
    // The last column ends the line: it may be as wide as it likes.
    if let Some(last) = widths.last_mut() {
        *last = 1;
    }
    widths.iter().map(|width| (*width).min(24) + 2).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_long_table_comes_in_parts_of_the_same_columns() {
        let mut stream = Stream::new(["id", "score", "flags"].map(Cell::new).to_vec());
        let mut out = String::new();
        for row in 0..2500 {
            let cells = [
                format!("A-{row:04}"),
                format!("{}", row % 7),
                "none".to_owned(),
            ];
            let cells = cells.map(Cell::new).to_vec();
            out += &stream.add(cells).unwrap_or_default();
            assert!(stream.rows.len() < TOGETHER);
        }
        out += &stream.flush();
        let lines: Vec<&str> = out.lines().collect();
        assert_eq!(lines.len(), 2501);
        assert_eq!(
            lines.iter().filter(|line| line.contains("score")).count(),
            1
        );
        assert_eq!(
            lines[1].len(),
            lines[2400].len(),
            "{}\n{}",
            lines[1],
            lines[2400]
        );
    }
}
