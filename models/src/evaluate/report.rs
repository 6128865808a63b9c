//! A report: one HTML file that needs nothing else.
//!
//! A caller composes a [`Report`] from sections of tables, figures and notes; the page does the
//! rest. It loads nothing (a content security policy forbids it), runs no script, follows the
//! reader's light or dark scheme, scrolls wide tables inside their own frame, and prints. Every text
//! is escaped by the template engine; only an [`Svg`] of [`super::plots`] passes as it is.

use thiserror::Error;

use super::plots::Svg;

/// A whole document.
///
/// ```
/// use fieldscore_models::evaluate::report::{Cell, Column, Report, Section, Table, Tone};
///
/// let gates = Table::new("Gates", [Column::text("Gate"), Column::number("Measured")])
///     .row([Cell::from("AUC lost to int8"), Cell::toned(Tone::Good, "0.0004")]);
/// let html = Report::new("Credit model", "Held-out test part")
///     .fact("Rows", "900")
///     .section(Section::new("Gates").table(gates))
///     .to_html()?;
/// assert!(html.contains("AUC lost to int8"));
/// # Ok::<(), fieldscore_models::evaluate::report::ReportError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The heading of the page, and its title in the browser.
    pub title: String,
    /// A line below it.
    pub subtitle: String,
    /// The BCP-47 language of the texts; `en` from [`Report::new`].
    pub lang: String,
    /// What identifies the run: bundle id, data, rows, date. Names with values, in order.
    pub facts: Vec<(String, String)>,
    /// The body, in order.
    pub sections: Vec<Section>,
}

/// A heading with what stands below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Section {
    /// The heading.
    pub heading: String,
    /// A paragraph below it; empty for none.
    pub intro: String,
    /// Tables, figures and notes, in order. Figures that follow each other share a line where the
    /// page is wide.
    pub items: Vec<Item>,
}

/// A part of a section.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Rows and columns.
    Table(Table),
    /// A chart.
    Figure {
        /// The chart itself.
        svg: Svg,
        /// What it shows and how to read it.
        caption: String,
    },
    /// A sentence that stands out.
    Note {
        /// What kind of news it is.
        kind: NoteKind,
        /// The sentence.
        text: String,
    },
}

/// What kind of news a note is; said by a word as well as by a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoteKind {
    /// To be known.
    Info,
    /// To be acted on.
    Warning,
    /// As it should be.
    Good,
}

/// Rows and columns, with a caption.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// What the table shows.
    pub caption: String,
    /// The columns; the first one names the rows.
    pub columns: Vec<Column>,
    /// The rows, each with a cell per column.
    pub rows: Vec<Vec<Cell>>,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its heading.
    pub heading: String,
    /// How its cells stand.
    pub align: Align,
}

/// How cells stand in their column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// To the left: words.
    Left,
    /// To the right, in figures of equal width: numbers.
    Right,
}

/// A cell of a table; a `&str` or `String` makes a plain one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// What it says; it must say all by itself, without its tone.
    pub text: String,
    /// Whether it is good news, a warning or a failure.
    pub tone: Option<Tone>,
}

/// What news a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// To be looked at.
    Warning,
    /// Not as it should be.
    Bad,
}

/// Why a report can't be written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A row of a table hasn't one cell per column.
    #[error("row {row} of the table {caption:?} has {found} cells for {columns} columns")]
    RowWidth {
        /// The table's caption.
        caption: String,
        /// The row, counted from 0.
        row: usize,
        /// Cells in that row.
        found: usize,
        /// Columns of the table.
        columns: usize,
    },
    /// The template engine failed.
    #[error("the report couldn't be rendered")]
    Template(#[from] minijinja::Error),
}

impl Report {
    /// An English report without facts or sections.
    pub fn new(title: impl Into<String>, subtitle: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            subtitle: subtitle.into(),
            lang: "en".to_owned(),
            facts: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn fact(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.facts.push((name.into(), value.into()));
        self
    }

    /// Adds sections, if any.
    #[must_use]
    pub fn sections(mut self, sections: impl IntoIterator<Item = Section>) -> Self {
        self.sections.extend(sections);
        self
    }

    /// Adds a section.
    #[must_use]
    pub fn section(mut self, section: Section) -> Self {
        self.sections.push(section);
        self
    }
}

impl Section {
    /// A section with nothing in it.
    pub fn new(heading: impl Into<String>) -> Self {
        Self {
            heading: heading.into(),
            intro: String::new(),
            items: Vec::new(),
        }
    }

    /// Sets the paragraph below the heading.
    #[must_use]
    pub fn intro(mut self, intro: impl Into<String>) -> Self {
        self.intro = intro.into();
        self
    }

    /// Adds a table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.items.push(Item::Table(table));
        self
    }

    /// Adds a figure.
    #[must_use]
    pub fn figure(mut self, svg: Svg, caption: impl Into<String>) -> Self {
        let caption = caption.into();
        self.items.push(Item::Figure { svg, caption });
        self
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, kind: NoteKind, text: impl Into<String>) -> Self {
        let text = text.into();
        self.items.push(Item::Note { kind, text });
        self
    }
}

impl Table {
    /// A table without rows.
    pub fn new(caption: impl Into<String>, columns: impl IntoIterator<Item = Column>) -> Self {
        Self {
            caption: caption.into(),
            columns: columns.into_iter().collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, with a cell per column.
    #[must_use]
    pub fn row<C: Into<Cell>>(mut self, cells: impl IntoIterator<Item = C>) -> Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }
}

impl Column {
    /// A column of words.
    pub fn text(heading: impl Into<String>) -> Self {
        let (heading, align) = (heading.into(), Align::Left);
        Self { heading, align }
    }

    /// A column of numbers.
    pub fn number(heading: impl Into<String>) -> Self {
        let (heading, align) = (heading.into(), Align::Right);
        Self { heading, align }
    }
}

impl Cell {
    /// A cell with a tone.
    pub fn toned(tone: Tone, text: impl Into<String>) -> Self {
        let (text, tone) = (text.into(), Some(tone));
        Self { text, tone }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}
