//! Some rows at a time, in memory that is used again.

use std::ops::Range;
use std::sync::Arc;

use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{Application, Date};

/// Why a row has no decision: a stable code, the field if it is one's fault, what was expected.
/// Never a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// A runtime code (`field.type`, …), or one of the reader's own: `row.ragged`, `row.quote`,
    /// `row.length`, `row.utf8`, `row.json`, `row.duplicate`, `field.absent`.
    pub code: &'static str,
    /// The field or key at fault.
    pub field: Option<String>,
    /// What was expected.
    pub expected: String,
}

impl RowError {
    /// An error of the row itself.
    pub fn row(code: &'static str, expected: impl Into<String>) -> Self {
        Self {
            code,
            field: None,
            expected: expected.into(),
        }
    }

    /// An error of a field.
    pub fn field(
        code: &'static str,
        field: impl Into<String>,
        expected: impl Into<String>,
    ) -> Self {
        Self {
            code,
            field: Some(field.into()),
            expected: expected.into(),
        }
    }

    /// Where it is: file, line, row, field.
    pub fn place(&self, file: &str, row: &Row) -> String {
        let field = self.field.as_ref().map(|name| format!(", field {name}"));
        format!(
            "{file}:{}: row {}{}",
            row.line,
            row.number,
            field.unwrap_or_default()
        )
    }

    /// The same as an error of bad input.
    pub fn at(&self, file: &str, row: &Row) -> crate::Error {
        let expected = format!("{} [{}]", self.expected, self.code);
        crate::Error::input(self.place(file, row), expected)
    }
}

impl From<fieldscore_runtime::Error> for RowError {
    fn from(e: fieldscore_runtime::Error) -> Self {
        let field = e.place().strip_prefix("field ").unwrap_or(e.place());
        Self::field(e.code(), field, e.expected())
    }
}

/// A name from a file as messages show it: escaped, and cut at 64 characters.
pub fn shown(name: &str) -> String {
    let cut: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    if name.chars().count() > 64 {
        cut + "…"
    } else {
        cut
    }
}

type Span = Range<usize>;

/// One row of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Which row of data it is, from 1.
    pub number: u64,
    /// The line of the file that it starts on, from 1.
    pub line: u64,
    id: Span,
    extras: Span,
    /// Its application's index in [`Batch::applications`], or why there is none.
    pub application: Result<usize, RowError>,
}

/// A column or key that the schema does not name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Extra<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its text; the raw JSON value where `json`.
    pub value: &'a str,
    /// Whether `value` is JSON rather than plain text.
    pub json: bool,
}

#[derive(Debug)]
struct ExtraSpan {
    name: Span,
    value: Span,
    json: bool,
}

/// Rows with their applications. Its `Debug` shows no value.
#[derive(Default)]
pub struct Batch {
    rows: Vec<Row>,
    applications: Vec<Application>,
    used: usize,
    text: String,
    extras: Vec<ExtraSpan>,
    /// Where the extras of the row that is being read start.
    open_extras: usize,
}

/// A batch of rows with much text in them ends early.
const FULL_TEXT: usize = 4 << 20;

impl Batch {
    /// The rows, in file order.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The applications of the rows that have one.
    pub fn applications(&self) -> &[Application] {
        &self.applications[..self.used]
    }

    /// A row's id; empty where it could not be read.
    pub fn id(&self, row: &Row) -> &str {
        self.text.get(row.id.clone()).unwrap_or_default()
    }

    /// A row's columns that the schema does not name.
    pub fn extras(&self, row: &Row) -> impl Iterator<Item = Extra<'_>> + Clone {
        let spans = self.extras.get(row.extras.clone()).unwrap_or_default();
        spans.iter().map(|span| Extra {
            name: &self.text[span.name.clone()],
            value: &self.text[span.value.clone()],
            json: span.json,
        })
    }

    /// Empties the batch and keeps its memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.used = 0;
        self.text.clear();
        self.extras.clear();
        self.open_extras = 0;
    }

    pub(super) fn is_full(&self, rows: usize) -> bool {
        self.rows.len() >= rows || self.text.len() >= FULL_TEXT
    }

    pub(super) fn keep(&mut self, text: &str) -> Span {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    pub(super) fn add_extra(&mut self, name: &str, value: &str, json: bool) {
        let (name, value) = (self.keep(name), self.keep(value));
        self.extras.push(ExtraSpan { name, value, json });
    }

    /// A blank application for the row that is being read.
    pub(super) fn blank(
        &mut self,
        schema: &Arc<Schema>,
        id: &Span,
        as_of: Date,
    ) -> &mut Application {
        let id = self.text.get(id.clone()).unwrap_or_default();
        if self.used == self.applications.len() {
            self.applications
                .push(Application::new(Arc::clone(schema), id, as_of));
        } else {
            self.applications[self.used].reset(id, as_of);
        }
        &mut self.applications[self.used]
    }

    /// Ends the row that is being read: with its application filled in, or with an error.
    pub(super) fn end_row(&mut self, number: u64, line: u64, id: Span, done: Result<(), RowError>) {
        let application = done.map(|()| {
            self.used += 1;
            self.used - 1
        });
        let extras = self.open_extras..self.extras.len();
        self.open_extras = self.extras.len();
        self.rows.push(Row {
            number,
            line,
            id,
            extras,
            application,
        });
    }
}

impl std::fmt::Debug for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Batch({} rows, values not shown)", self.rows.len())
    }
}
