//! One cell of a file, and how it becomes a field's value or a part of the envelope.

use std::borrow::Cow;

use fieldscore_runtime::schema::{Field, FieldKind, Schema, column_of};
use fieldscore_runtime::{Application, Date, DecimalMark, Value};

use super::batch::{RowError, shown};
use super::json_rows;
use super::reader::ReadOptions;

/// What stands in a cell.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    /// Text: every CSV cell, a JSON string.
    Text(Cow<'a, str>),
    /// A JSON number, as written.
    Number(&'a str),
    /// A JSON boolean.
    Truth(bool),
    /// JSON null.
    Null,
    /// A JSON array or object, as written.
    Nested(&'a str),
}

/// What a cell becomes a value of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Slot {
    /// The field at this index.
    Field(usize),
    /// The last row of the table at the first index: the column at the second.
    Column(usize, usize),
}

impl Slot {
    fn field(self, schema: &Schema) -> Option<&Field> {
        match self {
            Self::Field(index) => schema.field_at(index).ok(),
            Self::Column(index, column) => {
                let columns = schema.field_at(index).ok()?.kind.columns();
                columns.get(column).map(|column| &column.0)
            }
        }
    }

    fn set(self, application: &mut Application, value: Value<'_>) -> Result<(), RowError> {
        let set = match self {
            Self::Field(index) => application.set_at(index, value),
            Self::Column(index, column) => application.set_cell_at(index, column, value),
        };
        set.map_err(RowError::from)
    }

    fn set_text(
        self,
        application: &mut Application,
        text: &str,
        mark: DecimalMark,
    ) -> Result<(), RowError> {
        let set = match self {
            Self::Field(index) => application.set_text_at(index, text, mark),
            Self::Column(index, column) => application.set_cell_text_at(index, column, text, mark),
        };
        set.map_err(RowError::from)
    }
}

impl Cell<'_> {
    fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Null => true,
            _ => false,
        }
    }

    /// Sets a field, or a column of a table's last row.
    pub fn set(
        &self,
        application: &mut Application,
        slot: Slot,
        schema: &Schema,
        options: &ReadOptions,
    ) -> Result<(), RowError> {
        let numeric = slot
            .field(schema)
            .is_some_and(|f| f.kind.is_numeric() && f.kind.name() != "date");
        match self {
            Self::Text(text) => slot.set_text(application, text, options.mark),
            // By its text: 0.1 is then the same value as "0.1", digit for digit.
            Self::Number(raw) if numeric && !raw.contains(['e', 'E']) => {
                slot.set_text(application, raw, DecimalMark::Point)
            }
            Self::Number(raw) => {
                let number = raw.parse().unwrap_or(f64::NAN);
                slot.set(application, Value::Number(number))
            }
            Self::Truth(truth) => slot.set(application, Value::Boolean(*truth)),
            Self::Null => slot.set(application, Value::Missing),
            Self::Nested(raw) => {
                let kind = slot.field(schema).map(|field| &field.kind);
                match (slot, kind) {
                    (Slot::Field(index), Some(FieldKind::Table { .. })) => {
                        rows(raw, application, index, schema, options)
                    }
                    (_, Some(FieldKind::Tensor { .. })) => {
                        let bytes = json_rows::bytes(raw).unwrap_or_default();
                        slot.set(application, Value::Bytes(&bytes))
                    }
                    // No other field takes it, and none takes NaN: each answers with what it takes.
                    _ => slot.set(application, Value::Number(f64::NAN)),
                }
            }
        }
    }

    /// An id; `None` where blank.
    pub fn id(&self) -> Result<Option<&str>, RowError> {
        match self {
            _ if self.is_blank() => Ok(None),
            Self::Text(text) => Ok(Some(text.trim())),
            Self::Number(raw) => Ok(Some(raw)),
            _ => Err(RowError::field("field.type", "id", "text or a number")),
        }
    }

    /// A date; `None` where blank.
    pub fn as_of(&self) -> Result<Option<Date>, RowError> {
        let wrong = || {
            RowError::field(
                "field.type",
                "as_of",
                "a date as YYYY-MM-DD between 1800 and 2399",
            )
        };
        match self {
            _ if self.is_blank() => Ok(None),
            Self::Text(text) => Date::parse(text.trim()).map(Some).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }

    /// Consent to an automated decision; given where blank.
    pub fn consent(&self) -> Result<bool, RowError> {
        let wrong = || RowError::field("field.type", "consent", "true or false (yes, no, 1, 0)");
        match self {
            _ if self.is_blank() => Ok(true),
            Self::Truth(truth) => Ok(*truth),
            Self::Text(text) => {
                let is = |words: [&str; 3]| {
                    words
                        .iter()
                        .any(|word| word.eq_ignore_ascii_case(text.trim()))
                };
                match (is(["true", "yes", "1"]), is(["false", "no", "0"])) {
                    (true, _) => Ok(true),
                    (_, true) => Ok(false),
                    _ => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }
}

/// Sets a table from a JSON array with an object for each row. Keys that no column has are passed over,
/// or refused where reading is strict.
fn rows(
    raw: &str,
    application: &mut Application,
    index: usize,
    schema: &Schema,
    options: &ReadOptions,
) -> Result<(), RowError> {
    let field = schema.field_at(index)?;
    let place = |row: usize| format!("{}, row {}", field.name, row + 1);
    application.start_rows_at(index)?;
    let items = json_rows::items(raw).ok_or_else(|| {
        RowError::field(
            "field.type",
            &field.name,
            "an array with an object for each row",
        )
    })?;
    let mut pairs = Vec::new();
    for (row, item) in items.into_iter().enumerate() {
        json_rows::pairs(item, &mut pairs).map_err(|_| {
            RowError::field(
                "field.type",
                place(row),
                "an object with a key for each column",
            )
        })?;
        application.add_row_at(index)?;
        let mut given = Vec::with_capacity(pairs.len());
        for (key, value) in &pairs {
            let name = json_rows::text(&item[key.clone()]);
            let column = match column_of(field, &name) {
                Ok(column) => column,
                Err(error) if options.strict => return Err(error.into()),
                Err(_) => continue,
            };
            if given.contains(&column) {
                let place = format!("{}, column {}", place(row), shown(&name));
                return Err(RowError::field("row.duplicate", place, "each key once"));
            }
            given.push(column);
            let slot = Slot::Column(index, column);
            json_rows::cell(&item[value.clone()]).set(application, slot, schema, options)?;
        }
    }
    Ok(())
}
