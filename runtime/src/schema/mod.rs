//! What an application is: fields, their types, ranges and policies; text forms; transforms from
//! fields to the model's features.
#![forbid(unsafe_code)]

mod application;
mod date;
mod field;
mod number;
mod resolve;
#[cfg(feature = "tables")]
mod rows;
mod texts;
pub mod transform;

pub use application::{Application, MAX_TEXT_BYTES, Value};
pub use date::Date;
pub use field::{
    Answer, Direction, Field, FieldKind, Group, Leeway, MAX_CATEGORIES, MAX_FIELDS,
    MAX_GROUP_FIELDS, MAX_GROUPS, SchemaParts, Sensitivity,
};
pub use number::{DecimalMark, parse as parse_number};
pub(crate) use texts::LazyTexts;
pub use texts::{TextEntry, Texts, is_right_to_left};

pub(crate) use application::Given;
#[cfg(feature = "tables")]
pub use field::{Keep, TableColumn};
#[cfg(feature = "casework")]
pub(crate) use number::MAX_MAGNITUDE;
pub(crate) use number::POWERS_OF_TEN;
pub use resolve::FieldSet;
pub(crate) use resolve::{Resolved, resolve, show_decimal};
#[cfg(feature = "tables")]
pub use rows::{
    MAX_CELLS, MAX_COLUMNS, MAX_GIVEN_CELLS, MAX_GIVEN_ROWS, MAX_KEPT_BYTES, MAX_ROWS, column_of,
};

use crate::bundle::cbor;
use crate::error::{Error, ErrorKind, Result, Shown};

/// The places of `words`, at most 2^16 − 1, in the words' order.
pub(crate) fn in_order(words: &[&str]) -> Vec<u16> {
    let mut order: Vec<u16> = (0..words.len() as u16).collect();
    order.sort_unstable_by_key(|&at| words[usize::from(at)]);
    order
}

/// The fields and groups of one bundle.
#[derive(Debug)]
pub struct Schema {
    parts: SchemaParts,
    /// Indices of fields, sorted by name.
    by_name: Vec<u16>,
    /// The bundle it belongs to.
    bundle_id: [u8; 32],
}

impl Schema {
    pub(crate) fn decode(bytes: &[u8], bundle_id: [u8; 32]) -> Result<Self> {
        Self::new(cbor::decode(bytes, "section SCHM")?, bundle_id)
    }

    /// Checks `parts`. `bundle_id` is the bundle that applications of this schema are for; zeros
    /// while there is none.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`], with the field at fault.
    pub fn new(parts: SchemaParts, bundle_id: [u8; 32]) -> Result<Self> {
        parts.check()?;
        let names: Vec<&str> = parts.fields.iter().map(|f| f.name.as_str()).collect();
        let by_name = in_order(&names);
        Ok(Self {
            parts,
            by_name,
            bundle_id,
        })
    }

    /// The fields, in the order of forms.
    pub fn fields(&self) -> &[Field] {
        &self.parts.fields
    }

    /// The groups.
    pub fn groups(&self) -> &[Group] {
        &self.parts.groups
    }

    /// The index of the field called `name`.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownField`], with the first 64 characters of the name.
    pub fn index_of(&self, name: &str) -> Result<usize> {
        self.by_name
            .binary_search_by(|&at| self.parts.fields[usize::from(at)].name.as_str().cmp(name))
            .map(|at| usize::from(self.by_name[at]))
            .map_err(|_| {
                Error::new(
                    ErrorKind::UnknownField,
                    format!("field {}", Shown(name)),
                    "a field of the bundle's schema",
                )
            })
    }

    /// The field at `index`.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownField`].
    pub fn field_at(&self, index: usize) -> Result<&Field> {
        self.parts.fields.get(index).ok_or_else(|| {
            Error::new(
                ErrorKind::UnknownField,
                "application",
                "an index below the count of fields",
            )
        })
    }

    /// The text form of a raw value of the field at `index`, as [`Application::set_text_at`] takes it: a
    /// number of 10^-decimals, days since 1970-01-01, 0 or 1 of a boolean, or a category's index.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownField`].
    pub fn text_of(&self, index: usize, raw: i64) -> Result<String> {
        let kind = &self.field_at(index)?.kind;
        Ok(match kind {
            FieldKind::Boolean => (raw != 0).to_string(),
            FieldKind::Category { codes } => {
                let code = usize::try_from(raw).ok().and_then(|at| codes.get(at));
                code.cloned().unwrap_or_default()
            }
            FieldKind::Date => {
                Date::from_days(raw).map_or_else(String::new, |date| date.to_string())
            }
            kind => show_decimal(raw, kind.decimals()),
        })
    }

    /// The feature bits that a bundle of it must require.
    pub(crate) fn features(&self) -> u64 {
        self.parts.features()
    }

    pub(crate) fn bundle_id(&self) -> &[u8; 32] {
        &self.bundle_id
    }
}
