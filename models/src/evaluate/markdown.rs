//! A [`Report`] as Markdown: the same text as the page, for a repository, a wiki or a terminal.

use std::fmt::Write;

use super::report::{Align, Item, NoteKind, Report, ReportError, Section, Table};

/// A column whose widest cell is wider than this is not filled up with spaces.
const WIDEST: usize = 44;

// Writing to a string cannot fail: the results of `writeln!` below are dropped for that.

impl Report {
    /// The report in CommonMark with GitHub's tables. The same report gives the same bytes; what
    /// Markdown would read as markup is escaped. Figures stand by their captions.
    ///
    /// # Errors
    ///
    /// [`ReportError::RowWidth`] for a table whose rows don't fit its columns.
    pub fn to_markdown(&self) -> Result<String, ReportError> {
        let mut out = format!("# {}\n", paragraph(&self.title));
        if !self.subtitle.is_empty() {
            let _ = writeln!(out, "\n{}", paragraph(&self.subtitle));
        }
        if !self.facts.is_empty() {
            out.push('\n');
        }
        for (name, value) in &self.facts {
            let _ = writeln!(out, "- **{}**: {}", escaped(name), escaped(value));
        }
        for section in &self.sections {
            self.section_as_markdown(section, &mut out)?;
        }
        Ok(out)
    }

    fn section_as_markdown(&self, section: &Section, out: &mut String) -> Result<(), ReportError> {
        let _ = writeln!(out, "\n## {}", paragraph(&section.heading));
        if !section.intro.is_empty() {
            let _ = writeln!(out, "\n{}", paragraph(&section.intro));
        }
        for item in &section.items {
            match item {
                Item::Table(table) => table_as_markdown(table, out)?,
                Item::Figure { caption, .. } => {
                    let _ = writeln!(out, "\n*{}*", escaped(caption));
                }
                Item::Note { kind, text } => {
                    let word = kind.word(&self.lang);
                    let _ = writeln!(out, "\n> **{word}:** {}", escaped(text));
                }
            }
        }
        Ok(())
    }
}

impl NoteKind {
    /// The word that stands before a note, in the language of the report: English, or Chinese.
    pub(super) fn word(self, lang: &str) -> &'static str {
        match (self, lang.starts_with("zh")) {
            (Self::Info, false) => "Note",
            (Self::Warning, false) => "Warning",
            (Self::Good, false) => "Passed",
            (Self::Info, true) => "说明",
            (Self::Warning, true) => "警告",
            (Self::Good, true) => "通过",
        }
    }
}

fn table_as_markdown(table: &Table, out: &mut String) -> Result<(), ReportError> {
    table.check()?;
    let heads = table.columns.iter().map(|column| escaped(&column.heading));
    let mut lines: Vec<Vec<String>> = vec![heads.collect()];
    for row in &table.rows {
        lines.push(row.iter().map(|cell| escaped(&cell.text)).collect());
    }
    let width = |at: usize| {
        let widest = lines.iter().map(|line| line[at].chars().count()).max();
        widest.filter(|&width| width <= WIDEST).unwrap_or(3).max(3)
    };
    let widths: Vec<usize> = (0..table.columns.len()).map(width).collect();
    let _ = writeln!(out, "\n**{}**\n", escaped(&table.caption));
    for (number, line) in lines.iter().enumerate() {
        let columns = table.columns.iter().zip(&widths);
        for (cell, (column, &width)) in line.iter().zip(columns) {
            let _ = match column.align {
                Align::Left => write!(out, "| {cell:<width$} "),
                Align::Right => write!(out, "| {cell:>width$} "),
            };
        }
        out.push_str("|\n");
        if number == 0 {
            for (column, &width) in table.columns.iter().zip(&widths) {
                let dashes = "-".repeat(width + 1);
                let _ = match column.align {
                    Align::Left => write!(out, "|{dashes}-"),
                    Align::Right => write!(out, "|{dashes}:"),
                };
            }
            out.push_str("|\n");
        }
    }
    Ok(())
}

/// A text of its own line: what would make a list, a heading or a rule at its start is escaped too.
fn paragraph(text: &str) -> String {
    let text = escaped(text);
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text.as_bytes().get(digits) {
        Some(b'#' | b'+' | b'-' | b'=') if digits == 0 => format!("\\{text}"),
        Some(b'.' | b')') if digits > 0 => format!("{}\\{}", &text[..digits], &text[digits..]),
        _ => text,
    }
}

/// A text in one line, with a backslash before everything that Markdown or HTML would read.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = ' ';
    let mut characters = text.trim().chars().peekable();
    while let Some(character) = characters.next() {
        let inside = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric() || *c == '_');
        match character {
            c if c.is_whitespace() || c.is_control() => {
                if last != ' ' {
                    out.push(' ');
                }
                last = ' ';
                continue;
            }
            // Between letters it is no markup: a field's name stays as it is.
            '_' if last.is_alphanumeric() && inside(characters.peek()) => {}
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '&' | '~' | '$' => {
                out.push('\\')
            }
            _ => {}
        }
        out.push(character);
        last = character;
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::report::{Cell, Column, Tone};
    use super::*;

    #[test]
    fn a_report_is_markdown() {
        let table = Table::new("Gates", [Column::text("Gate"), Column::number("Is")])
            .row([Cell::from("AUC lost"), Cell::toned(Tone::Good, "0.001")]);
        let section = Section::new("Gates")
            .intro("What had to hold.")
            .note(NoteKind::Warning, "Few rows.")
            .table(table);
        let text = Report::new("Credit", "Card")
            .fact("Rows", "900")
            .section(section)
            .to_markdown();
        let expected = "# Credit\n\nCard\n\n- **Rows**: 900\n\n## Gates\n\nWhat had to hold.\n\n\
                        > **Warning:** Few rows.\n\n**Gates**\n\n\
                        | Gate     |    Is |\n|----------|------:|\n| AUC lost | 0.001 |\n";
        assert_eq!(text.unwrap(), expected);
    }

    #[test]
    fn no_text_becomes_markup() {
        for (text, expected) in [
            ("<script>a|b</script>", "\\<script\\>a\\|b\\</script\\>"),
            ("**x** `y` [z](u)", "\\*\\*x\\*\\* \\`y\\` \\[z\\](u)"),
            ("loan_share _x_ &amp;", "loan_share \\_x\\_ \\&amp;"),
            ("two\n\nlines\t\u{7}", "two lines"),
        ] {
            assert_eq!(escaped(text), expected);
        }
        assert_eq!(paragraph("# one"), "\\# one");
        assert_eq!(paragraph("12. two"), "12\\. two");
        assert_eq!(paragraph("- three"), "\\- three");
        assert_eq!(paragraph("2026"), "2026");
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let table = Table::new("Gates", [Column::text("Gate")]).row(["one", "two"]);
        let report = Report::new("t", "").section(Section::new("s").table(table));
        assert!(matches!(
            report.to_markdown(),
            Err(ReportError::RowWidth { row: 0, .. })
        ));
    }
}
