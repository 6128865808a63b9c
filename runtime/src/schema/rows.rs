//! Fields of many numbers: tables of rows, tensors and lists of words. What they hold, how a form gives it,
//! and how it becomes the cells that transforms read.

use std::ops::Range;
use std::sync::Arc;

use crate::decide::RecordValue;
use crate::error::{Error, ErrorKind, Result, Shown};
use crate::memory::wipe;
use crate::schema::application::{Given, wrong_type};
use crate::schema::number::DecimalMark;
use crate::schema::resolve::{Resolved, fnv1a, in_range, number_of};
use crate::schema::{Answer, Application, Field, FieldKind, Keep, TableColumn, Value};

/// No table has more rows that a model reads, and no text more words.
pub const MAX_ROWS: u16 = 1024;
/// No table has more columns.
pub const MAX_COLUMNS: usize = 64;
/// No schema has more cells: what its tables, tensors and lists of words come to for a model.
pub const MAX_CELLS: usize = 1 << 16;
/// No table is given more rows, and no application more cells over all of its tables.
pub const MAX_GIVEN_ROWS: usize = 4096;
/// See [`MAX_GIVEN_ROWS`].
pub const MAX_GIVEN_CELLS: usize = 1 << 15;
/// No application keeps more bytes of texts and tensors.
pub const MAX_KEPT_BYTES: usize = 1 << 19;
/// Bytes of the code of a table's category at most: 32768 cells of it fit into a record.
const MAX_CELL_CODE_BYTES: usize = 32;

/// What a sound field of these kinds has.
pub(super) const SOUND: &str = "1 to 64 columns, codes in them of at most 32 bytes, 1 to 1024 rows or words, axes of 1 and more, at most 65536 cells, 1 to 1048576 buckets, an order by a number or a date, and clip, refer or refuse for what is more";

/// Whether a field's kind is sound in itself.
pub(super) fn is_sound(kind: &FieldKind, more: Answer) -> bool {
    match kind {
        FieldKind::Table {
            columns,
            order,
            max_rows,
            ..
        } => {
            (1..=MAX_COLUMNS).contains(&columns.len())
                && (1..=MAX_ROWS).contains(max_rows)
                && more != Answer::AsMissing
                && !columns.iter().any(has_long_codes)
                && order.is_none_or(|at| {
                    let column = columns.get(usize::from(at));
                    column.is_some_and(|column| column.0.kind.is_numeric())
                })
        }
        FieldKind::Tensor { shape } => {
            (1..=8).contains(&shape.len()) && (1..=MAX_CELLS).contains(&kind.cells())
        }
        FieldKind::Words { buckets, count } => {
            (1..=1 << 20).contains(buckets)
                && (1..=MAX_ROWS).contains(count)
                && more != Answer::AsMissing
        }
        _ => true,
    }
}

/// Whether a cell could take so long a code that a record of the most cells would be too long.
fn has_long_codes(column: &TableColumn) -> bool {
    match &column.0.kind {
        FieldKind::Category { codes } => codes.iter().any(|code| code.len() > MAX_CELL_CODE_BYTES),
        _ => false,
    }
}

/// That a schema's fields do not come to too many cells.
pub(super) fn check_cells(fields: &[Field]) -> Result<()> {
    let cells = |sum: usize, field: &Field| sum.saturating_add(field.kind.cells());
    match fields.iter().fold(0, cells) <= MAX_CELLS {
        true => Ok(()),
        false => Err(Error::malformed(
            "section SCHM",
            format!("at most {MAX_CELLS} cells of tables, tensors and words"),
        )),
    }
}

impl FieldKind {
    /// How many numbers transforms read of it besides its own; 0 for all but tables, tensors and lists
    /// of words.
    pub fn cells(&self) -> usize {
        match self {
            Self::Table {
                columns, max_rows, ..
            } => columns.len().saturating_mul(usize::from(*max_rows)),
            Self::Tensor { shape } => shape
                .iter()
                .fold(1, |all, &len| all.saturating_mul(len as usize)),
            Self::Words { count, .. } => usize::from(*count),
            _ => 0,
        }
    }

    /// How many cells a row has for features over so many of them: of a table its columns, of a tensor
    /// as many as there are features, of words one.
    pub fn stride(&self, columns: usize) -> usize {
        match self {
            Self::Table { columns, .. } => columns.len(),
            Self::Tensor { .. } => columns,
            _ => 1,
        }
    }

    /// A table's columns.
    pub fn columns(&self) -> &[TableColumn] {
        match self {
            Self::Table { columns, .. } => columns,
            _ => &[],
        }
    }
}

/// A table as given.
#[derive(Clone, Default)]
pub(crate) struct GivenTable {
    /// Row by row, in the order given.
    pub cells: Vec<Given>,
    /// The rows in the table's order.
    order: Vec<u16>,
}

impl GivenTable {
    fn rows(&self) -> usize {
        self.order.len()
    }

    /// Another row, every cell missing. Cells that move leave nothing behind.
    fn widen(&mut self, width: usize) {
        if self.cells.len() + width > self.cells.capacity() {
            let mut moved = Vec::with_capacity(2 * (self.cells.len() + width));
            moved.extend_from_slice(&self.cells);
            std::mem::swap(&mut self.cells, &mut moved);
            wipe(&mut moved, Given::Number(0));
        }
        self.cells.resize(self.cells.len() + width, Given::Missing);
    }

    pub fn clear(&mut self) {
        wipe(&mut self.cells, Given::Number(0));
        self.cells.clear();
        self.order.clear();
    }

    /// Puts the last row where `column` says.
    fn place_last(&mut self, column: u16, width: usize) {
        let cells = &self.cells;
        let key = |row: u16| match cells[usize::from(row) * width + usize::from(column)] {
            Given::Number(raw) => Some(raw),
            _ => None,
        };
        let last = self.order.len().wrapping_sub(1) as u16;
        self.order.retain(|&row| row != last);
        let at = self.order.partition_point(|&row| key(row) <= key(last));
        self.order.insert(at, last);
    }
}

/// The same error at a cell, rows counted from 1.
fn in_cell(error: Error, field: &Field, row: usize, column: &Field) -> Error {
    let place = format!(
        "field {}, row {}, column {}",
        field.name,
        row + 1,
        column.name
    );
    Error::new(error.kind(), place, error.expected().to_owned())
}

/// What a table field takes.
pub(super) fn expected(columns: &[TableColumn]) -> String {
    let some = columns.iter().take(12).map(|column| column.0.name.as_str());
    let some: Vec<&str> = some.collect();
    format!(
        "at most {MAX_GIVEN_ROWS} rows of cells by column ({}), {MAX_GIVEN_CELLS} cells and {MAX_KEPT_BYTES} bytes of text in all",
        some.join(", ")
    )
}

/// The columns of a table field.
fn columns_of(field: &Field) -> Result<&[TableColumn]> {
    match &field.kind {
        FieldKind::Table { columns, .. } => Ok(columns),
        _ => Err(wrong_type(field)),
    }
}

impl Application {
    /// The place of a table among the tables.
    fn table_at(&self, index: usize) -> usize {
        let earlier = &self.schema.fields()[..index];
        let is_table = |field: &&Field| matches!(field.kind, FieldKind::Table { .. });
        earlier.iter().filter(is_table).count()
    }

    /// Starts the table at `index` of the schema over: it is given, and has no rows.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownField`], or [`ErrorKind::WrongType`] where the field is no table.
    pub fn start_rows_at(&mut self, index: usize) -> Result<()> {
        columns_of(self.schema.field_at(index)?)?;
        let at = self.table_at(index);
        self.tables[at].clear();
        self.given[index] = Given::Rows(at as u16);
        Ok(())
    }

    /// Adds a row to the table at `index`, every cell missing; [`Application::set_cell_at`] fills it.
    ///
    /// # Errors
    /// As [`Application::start_rows_at`]; [`ErrorKind::WrongType`] where it is a row too many.
    pub fn add_row_at(&mut self, index: usize) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let field = schema.field_at(index)?;
        let width = columns_of(field)?.len();
        let at = self.table_at(index);
        if self.given[index] != Given::Rows(at as u16) {
            self.tables[at].clear();
        }
        let all: usize = self.tables.iter().map(|table| table.cells.len()).sum();
        let table = &mut self.tables[at];
        if table.rows() >= MAX_GIVEN_ROWS || all + width > MAX_GIVEN_CELLS {
            return Err(wrong_type(field));
        }
        self.given[index] = Given::Rows(at as u16);
        table.widen(width);
        table.order.push(table.order.len() as u16);
        if let FieldKind::Table {
            order: Some(column),
            ..
        } = field.kind
        {
            table.place_last(column, width);
        }
        Ok(())
    }

    /// Sets a cell of the last row of the table at `index`.
    ///
    /// # Errors
    /// As [`Application::start_rows_at`]; [`ErrorKind::UnknownField`] where there is no such column,
    /// [`ErrorKind::WrongType`] with the field, the row (from 1) and the column.
    pub fn set_cell_at(&mut self, index: usize, column: usize, value: Value<'_>) -> Result<()> {
        self.cell(index, column, |own, column| own.typed(column, value))
    }

    /// As [`Application::set_cell_at`], from a value's text form.
    ///
    /// # Errors
    /// As [`Application::set_cell_at`].
    pub fn set_cell_text_at(
        &mut self,
        index: usize,
        column: usize,
        text: &str,
        mark: DecimalMark,
    ) -> Result<()> {
        self.cell(index, column, |own, column| own.read(column, text, mark))
    }

    fn cell(
        &mut self,
        index: usize,
        column: usize,
        read: impl FnOnce(&mut Self, &Field) -> Result<Given>,
    ) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let field = schema.field_at(index)?;
        let columns = columns_of(field)?;
        let (Some(TableColumn(own)), Given::Rows(at)) = (columns.get(column), self.given[index])
        else {
            return Err(no_column(field));
        };
        let at = usize::from(at);
        let Some(row) = self.tables[at].rows().checked_sub(1) else {
            return Err(no_column(field));
        };
        let given = read(self, own).map_err(|e| in_cell(e, field, row, own))?;
        let table = &mut self.tables[at];
        table.cells[row * columns.len() + column] = given;
        match field.kind {
            FieldKind::Table {
                order: Some(order), ..
            } if usize::from(order) == column => table.place_last(order, columns.len()),
            _ => {}
        }
        Ok(())
    }

    /// Adds a row to a table, its cells by the names of their columns; those that are not named are
    /// missing. A table that had none has one row then.
    ///
    /// # Errors
    /// As [`Application::set_cell_at`]; the table is then as it was before.
    pub fn add_row(&mut self, field: &str, cells: &[(&str, Value<'_>)]) -> Result<()> {
        let index = self.schema.index_of(field)?;
        let before = self.given[index];
        self.add_row_at(index)?;
        let schema = Arc::clone(&self.schema);
        let done = cells.iter().try_for_each(|(name, value)| {
            let column = column_of(schema.field_at(index)?, name)?;
            self.set_cell_at(index, column, *value)
        });
        if done.is_err() {
            self.drop_row(index, before);
        }
        done
    }

    /// Takes the last row off again, from a table that was `before` it.
    fn drop_row(&mut self, index: usize, before: Given) {
        let Given::Rows(at) = self.given[index] else {
            return;
        };
        let table = &mut self.tables[usize::from(at)];
        let last = table.rows().saturating_sub(1);
        let width = table.cells.len() / table.rows().max(1);
        wipe(&mut table.cells[last * width..], Given::Number(0));
        table.cells.truncate(last * width);
        table.order.retain(|&row| usize::from(row) != last);
        self.given[index] = before;
    }

    /// The rows of a table as given.
    pub(crate) fn given_rows(
        &self,
        at: u16,
        width: usize,
    ) -> impl ExactSizeIterator<Item = &[Given]> {
        self.tables[usize::from(at)]
            .cells
            .chunks_exact(width.max(1))
    }

    /// Sets a table from a record's rows.
    pub(crate) fn restore_rows<S: AsRef<str>>(
        &mut self,
        index: usize,
        rows: &[Vec<Option<RecordValue<S>>>],
    ) -> Result<()> {
        self.start_rows_at(index)?;
        for row in rows {
            self.add_row_at(index)?;
            let width = self.schema.field_at(index)?.kind.columns().len();
            if row.len() != width {
                return Err(no_column(self.schema.field_at(index)?));
            }
            for (column, value) in row.iter().enumerate() {
                if let Some(value) = value {
                    self.cell(index, column, |own, field| own.restored(field, value))?;
                }
            }
        }
        Ok(())
    }
}

fn no_column(field: &Field) -> Error {
    let columns = field.kind.columns().len();
    Error::new(
        ErrorKind::UnknownField,
        format!("field {}", field.name),
        format!("a row, of the table's {columns} columns"),
    )
}

/// The index of a table's column called `name`.
///
/// # Errors
/// [`ErrorKind::UnknownField`] with the field and the first 64 characters of the name.
pub fn column_of(field: &Field, name: &str) -> Result<usize> {
    let mut columns = field.kind.columns().iter();
    columns
        .position(|column| column.0.name == name)
        .ok_or_else(|| {
            let place = format!("field {}, column {}", field.name, Shown(name));
            Error::new(ErrorKind::UnknownField, place, "a column of the table")
        })
}

/// Writes the cells of a field that has any into `cells`, NaN where there is nothing, and gives its own
/// number: rows, words or bytes that there are for the model; NaN where it is missing.
pub(super) fn resolve(
    application: &Application,
    (index, field): (usize, &Field),
    cells: &mut [f64],
    found: &mut Resolved,
) -> Result<f64> {
    cells.fill(f64::NAN);
    let given = application.given[index];
    match (&field.kind, given) {
        (
            FieldKind::Table {
                columns,
                max_rows,
                keep,
                ..
            },
            Given::Rows(at),
        ) => {
            let (table, width) = (&application.tables[usize::from(at)], columns.len());
            let kept = kept(table.rows(), usize::from(*max_rows), *keep);
            more(field, index, table.rows() - kept.len(), *max_rows, found)?;
            let count = kept.len();
            let rows = table.order[kept].iter().zip(cells.chunks_exact_mut(width));
            for (&row, cells) in rows {
                let row = usize::from(row);
                for (at, (cell, TableColumn(column))) in cells.iter_mut().zip(columns).enumerate() {
                    let given = table.cells[row * width + at];
                    let number = match (&column.kind, given) {
                        // Of a row, days count, where of a field whole months do.
                        (FieldKind::Date, Given::Number(day)) => {
                            in_range(column, day, index, found)
                                .map(|day| f64::from(application.as_of.days()) - day)
                        }
                        _ => number_of(application, column, given, index, found),
                    };
                    *cell = number.map_err(|e| in_cell(e, field, row, column))?;
                }
            }
            Ok(count as f64)
        }
        (FieldKind::Tensor { .. }, Given::Text { start, len }) => {
            let bytes = application.bytes_at(start, len);
            for (cell, &byte) in cells.iter_mut().zip(bytes) {
                *cell = byte.into();
            }
            Ok(bytes.len() as f64)
        }
        (FieldKind::Words { buckets, count }, Given::Text { start, len }) => {
            let mut words = application.text_at(start, len).split_whitespace();
            let mut taken = 0;
            for (cell, word) in cells.iter_mut().zip(words.by_ref()) {
                *cell = (1 + fnv1a(word.as_bytes()) % u64::from((*buckets).max(1))) as f64;
                taken += 1;
            }
            more(field, index, words.count(), *count, found)?;
            Ok(f64::from(taken))
        }
        _ => number_of(application, field, given, index, found),
    }
}

/// The rows that are read, of so many.
fn kept(rows: usize, most: usize, keep: Keep) -> Range<usize> {
    let count = rows.min(most);
    match keep {
        Keep::First => 0..count,
        Keep::Last => rows - count..rows,
    }
}

/// What is done about rows or words that are not read.
fn more(
    field: &Field,
    index: usize,
    left_out: usize,
    most: u16,
    found: &mut Resolved,
) -> Result<()> {
    if left_out == 0 {
        return Ok(());
    }
    found.truncated = true;
    match field.out_of_range {
        Answer::Refuse => Err(Error::new(
            ErrorKind::OutOfRange,
            format!("field {}", field.name),
            format!("at most {most} rows or words"),
        )),
        Answer::Refer => {
            found.out_of_range.insert(index);
            found.referred.insert(index);
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The bytes that a text says in base64 (RFC 4648, section 4), into `out`; whether it is base64.
pub(super) fn base64(text: &str, out: &mut Vec<u8>) -> bool {
    let whole = text.len().is_multiple_of(4);
    let body = text.strip_suffix("==").or(text.strip_suffix('='));
    let body = body.unwrap_or(text);
    let (mut bits, mut count) = (0u32, 0);
    for byte in body.bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return false,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over of the last byte must say nothing: one value has one form.
    whole && bits == 0 && count < 6
}

#[cfg(test)]
mod tests;
