//! One cell of a file, and how it becomes a field's value or a part of the envelope.

use std::borrow::Cow;

use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::{Application, Date, DecimalMark, Value};

use super::batch::RowError;

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
    /// A JSON array or object.
    Nested,
}

impl Cell<'_> {
    fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Null => true,
            _ => false,
        }
    }

    /// Sets the field at `index`.
    pub fn set(
        &self,
        application: &mut Application,
        index: usize,
        schema: &Schema,
        mark: DecimalMark,
    ) -> Result<(), RowError> {
        let numeric = schema
            .field_at(index)
            .is_ok_and(|f| f.kind.is_numeric() && f.kind.name() != "date");
        let done = match self {
            Self::Text(text) => application.set_text_at(index, text, mark),
            // By its text: 0.1 is then the same value as "0.1", digit for digit.
            Self::Number(raw) if numeric && !raw.contains(['e', 'E']) => {
                application.set_text_at(index, raw, DecimalMark::Point)
            }
            Self::Number(raw) => {
                let number = raw.parse().unwrap_or(f64::NAN);
                application.set_at(index, Value::Number(number))
            }
            Self::Truth(truth) => application.set_at(index, Value::Boolean(*truth)),
            Self::Null => application.set_at(index, Value::Missing),
            // No field takes it, and none takes NaN: each answers with what it takes.
            Self::Nested => application.set_at(index, Value::Number(f64::NAN)),
        };
        done.map_err(RowError::from)
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
