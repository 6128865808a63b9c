//! One applicant's values with their envelope, and how typed and text forms become one.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::decide::RecordValue;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::arch::fp_state::DefaultFpState;
use crate::memory::wipe;
use crate::schema::number::{self, DecimalMark, MAX_MAGNITUDE};
#[cfg(feature = "tables")]
use crate::schema::rows::{self, GivenTable};
use crate::schema::{Date, Field, FieldKind, Schema};

/// A typed value handed in by a caller.
#[derive(Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value<'a> {
    /// No value.
    Missing,
    /// A whole number; for money, whole major units.
    Integer(i64),
    /// A number; must have no more decimals than the field.
    Number(f64),
    /// An amount of money in minor units.
    Minor(i64),
    /// True or false.
    Boolean(bool),
    /// A date.
    Date(Date),
    /// A category's code, or text.
    Text(&'a str),
    /// A tensor's bytes.
    #[cfg(feature = "tables")]
    Bytes(&'a [u8]),
}

impl From<i64> for Value<'_> {
    fn from(x: i64) -> Self {
        Self::Integer(x)
    }
}

impl From<i32> for Value<'_> {
    fn from(x: i32) -> Self {
        Self::Integer(x.into())
    }
}

impl From<f64> for Value<'_> {
    fn from(x: f64) -> Self {
        Self::Number(x)
    }
}

impl From<bool> for Value<'_> {
    fn from(x: bool) -> Self {
        Self::Boolean(x)
    }
}

impl From<Date> for Value<'_> {
    fn from(x: Date) -> Self {
        Self::Date(x)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(x: &'a str) -> Self {
        Self::Text(x)
    }
}

/// A field's value as given, in its one canonical form.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Given {
    Missing,
    /// A number in units of 10^-decimals, or days since 1970-01-01.
    Number(i64),
    Truth(bool),
    /// An index into the field's categories.
    Category(u32),
    /// A category that is not in the list: where its text lies in the application.
    Unlisted {
        start: u32,
        len: u32,
    },
    /// Where a text, or a tensor's bytes, lie in the application.
    Text {
        start: u32,
        len: u32,
    },
    /// Which of the application's tables it is.
    #[cfg(feature = "tables")]
    Rows(u16),
}

/// The longest text value, in bytes.
pub const MAX_TEXT_BYTES: usize = 1024;

/// One application: an envelope and a value for each field of one bundle's schema.
///
/// Made by [`Scorer::application`](crate::Scorer::application) and reusable: once warm, filling it
/// again allocates nothing. Dropping or clearing it zeroes the values. Its `Debug` shows none.
///
/// Values are checked for their type as they are set; range and missing policies are applied when
/// it is scored.
pub struct Application {
    pub(crate) schema: Arc<Schema>,
    pub(crate) id: String,
    pub(crate) as_of: Date,
    pub(crate) automation: bool,
    pub(crate) given: Vec<Given>,
    pub(crate) text: Vec<u8>,
    #[cfg(feature = "tables")]
    pub(crate) tables: Vec<GivenTable>,
}

impl Application {
    /// An application for `schema`, every value missing.
    pub fn new(schema: Arc<Schema>, id: &str, as_of: Date) -> Self {
        let given = vec![Given::Missing; schema.fields().len()];
        #[cfg(feature = "tables")]
        let tables = {
            let fields = schema.fields().iter();
            let tables = fields.filter(|field| !field.kind.columns().is_empty());
            tables.map(|_| GivenTable::default()).collect()
        };
        Self {
            schema,
            id: id.to_owned(),
            as_of,
            automation: true,
            given,
            text: Vec::new(),
            #[cfg(feature = "tables")]
            tables,
        }
    }

    /// Another application with the same values.
    #[cfg(feature = "casework")]
    pub(crate) fn copy(&self) -> Self {
        Self {
            schema: Arc::clone(&self.schema),
            id: self.id.clone(),
            as_of: self.as_of,
            automation: self.automation,
            given: self.given.clone(),
            text: self.text.clone(),
            #[cfg(feature = "tables")]
            tables: self.tables.clone(),
        }
    }

    /// The schema that it is for.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// The application's id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The date as of which it is scored.
    pub fn as_of(&self) -> Date {
        self.as_of
    }

    /// Whether the applicant consents to an automated decision (the default). Without consent the
    /// outcome is `refer`.
    pub fn set_automation_consent(&mut self, consent: bool) {
        self.automation = consent;
    }

    /// Starts over for another applicant: every value missing, consent given.
    pub fn reset(&mut self, id: &str, as_of: Date) {
        self.clear();
        self.id.push_str(id);
        self.as_of = as_of;
    }

    /// Sets a field from a typed value.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownField`], or [`ErrorKind::WrongType`] with the field's name.
    pub fn set<'v>(&mut self, field: &str, value: impl Into<Value<'v>>) -> Result<()> {
        let index = self.schema.index_of(field)?;
        self.set_at(index, value.into())
    }

    /// Sets a field from its text form, as a form or a file gives it; blank text is a missing
    /// value. The grammar is in `docs/recipe.md`, "Text forms".
    ///
    /// # Errors
    /// As [`Application::set`].
    pub fn set_text(&mut self, field: &str, text: &str, mark: DecimalMark) -> Result<()> {
        let index = self.schema.index_of(field)?;
        self.set_text_at(index, text, mark)
    }

    /// As [`Application::set`], by the field's index in the schema.
    ///
    /// # Errors
    /// As [`Application::set`].
    pub fn set_at(&mut self, index: usize, value: Value<'_>) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let given = self.typed(schema.field_at(index)?, value)?;
        #[cfg(feature = "tables")]
        if let Given::Rows(at) = self.given[index] {
            self.tables[usize::from(at)].clear();
        }
        self.given[index] = given;
        Ok(())
    }

    /// A typed value as a field holds it.
    pub(super) fn typed(&mut self, field: &Field, value: Value<'_>) -> Result<Given> {
        let decimals = field.kind.decimals();
        let unit = number::POWERS_OF_TEN[usize::from(decimals)];
        let bounded = |raw: i64| (raw.unsigned_abs() <= MAX_MAGNITUDE as u64).then_some(raw);
        let number = |raw: Option<i64>| {
            raw.and_then(bounded)
                .map(Given::Number)
                .ok_or_else(|| wrong_type(field))
        };
        Ok(match (&field.kind, value) {
            (_, Value::Missing) => Given::Missing,
            (
                FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. },
                Value::Integer(x),
            ) => number(x.checked_mul(unit))?,
            (
                FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. },
                Value::Number(x),
            ) => {
                // The caller's rounding mode must not decide what a number is.
                let _state = DefaultFpState::enter();
                number(number::from_f64(x, decimals))?
            }
            (FieldKind::Money { .. }, Value::Minor(x)) => number(Some(x))?,
            (FieldKind::Boolean, Value::Boolean(x)) => Given::Truth(x),
            (FieldKind::Date, Value::Date(date)) => Given::Number(date.days().into()),
            // As in the text form: blanks around it are dropped, and blank is missing.
            (kind, Value::Text(text)) if kind.is_words() && text.trim().is_empty() => {
                Given::Missing
            }
            (FieldKind::Category { codes }, Value::Text(text)) => {
                self.category(field, codes, text.trim())?
            }
            (kind, Value::Text(text)) if kind.is_text() => {
                let text = text.trim();
                let (start, len) = self.keep(field, text)?;
                Given::Text { start, len }
            }
            #[cfg(feature = "tables")]
            (FieldKind::Tensor { .. }, Value::Bytes(bytes))
                if bytes.len() == field.kind.cells() =>
            {
                let (start, len) = self.keep_bytes(field, bytes)?;
                Given::Text { start, len }
            }
            _ => return Err(wrong_type(field)),
        })
    }

    /// As [`Application::set_text`], by the field's index in the schema.
    ///
    /// # Errors
    /// As [`Application::set`].
    pub fn set_text_at(&mut self, index: usize, text: &str, mark: DecimalMark) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let given = self.read(schema.field_at(index)?, text, mark)?;
        #[cfg(feature = "tables")]
        if let Given::Rows(at) = self.given[index] {
            self.tables[usize::from(at)].clear();
        }
        self.given[index] = given;
        Ok(())
    }

    /// A value's text form as a field holds it.
    pub(super) fn read(&mut self, field: &Field, text: &str, mark: DecimalMark) -> Result<Given> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Ok(Given::Missing);
        }
        let given = match &field.kind {
            FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. } => {
                number::parse(trimmed, field.kind.decimals(), mark).map(Given::Number)
            }
            FieldKind::Boolean => truth(trimmed).map(Given::Truth),
            FieldKind::Date => Date::parse(trimmed).map(|d| Given::Number(d.days().into())),
            #[cfg(feature = "tables")]
            FieldKind::Tensor { .. } => {
                // Of no other length; with room for all of it, so that no copy stays behind.
                let count = field.kind.cells();
                let mut bytes = Vec::with_capacity(count + 2);
                let whole =
                    trimmed.len() == count.div_ceil(3) * 4 && rows::base64(trimmed, &mut bytes);
                let given = match whole {
                    true => self.typed(field, Value::Bytes(&bytes)).ok(),
                    false => None,
                };
                bytes.zeroize();
                given
            }
            _ => return self.typed(field, Value::Text(trimmed)),
        };
        given.ok_or_else(|| wrong_type(field))
    }

    /// Sets a field from a record's value.
    pub(crate) fn restore_at<S: AsRef<str>>(
        &mut self,
        index: usize,
        value: &RecordValue<S>,
    ) -> Result<()> {
        #[cfg(feature = "tables")]
        if let RecordValue::Rows(rows) = value {
            return self.restore_rows(index, rows);
        }
        let schema = Arc::clone(&self.schema);
        self.given[index] = self.restored(schema.field_at(index)?, value)?;
        Ok(())
    }

    /// A record's value as a field holds it.
    pub(super) fn restored<S: AsRef<str>>(
        &mut self,
        field: &Field,
        value: &RecordValue<S>,
    ) -> Result<Given> {
        match value {
            RecordValue::Text(text) => self.typed(field, Value::Text(text.as_ref())),
            RecordValue::Truth(truth) => self.typed(field, Value::Boolean(*truth)),
            RecordValue::Number(raw) if field.kind == FieldKind::Date => {
                let date = Date::from_days(*raw).ok_or_else(|| wrong_type(field))?;
                self.typed(field, Value::Date(date))
            }
            RecordValue::Number(raw)
                if field.kind.is_numeric() && raw.unsigned_abs() <= MAX_MAGNITUDE as u64 =>
            {
                Ok(Given::Number(*raw))
            }
            #[cfg(feature = "tables")]
            RecordValue::Bytes(bytes) => self.typed(field, Value::Bytes(bytes)),
            _ => Err(wrong_type(field)),
        }
    }

    fn category(&mut self, field: &Field, codes: &[String], text: &str) -> Result<Given> {
        Ok(match codes.iter().position(|code| code == text) {
            Some(at) => Given::Category(at as u32),
            None => {
                let (start, len) = self.keep(field, text)?;
                Given::Unlisted { start, len }
            }
        })
    }

    fn keep(&mut self, field: &Field, text: &str) -> Result<(u32, u32)> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(wrong_type(field));
        }
        self.keep_bytes(field, text.as_bytes())
    }

    fn keep_bytes(&mut self, field: &Field, bytes: &[u8]) -> Result<(u32, u32)> {
        // A field that is set over and over must not grow the application without end.
        let room = self.text.capacity();
        #[cfg(feature = "tables")]
        let room = room.min(rows::MAX_KEPT_BYTES);
        if self.text.len() + bytes.len() > room {
            self.make_room(field, bytes.len())?;
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(bytes);
        Ok((start, bytes.len() as u32))
    }

    /// Moves the texts that fields still refer to into memory with room for `more` bytes and as
    /// much again, and zeroes what they leave.
    fn make_room(&mut self, field: &Field, more: usize) -> Result<()> {
        let used = |given: &Given| match *given {
            Given::Unlisted { len, .. } | Given::Text { len, .. } => len as usize,
            _ => 0,
        };
        let live: usize = self.given.iter().map(used).sum();
        #[cfg(feature = "tables")]
        let live = {
            let cells = self.tables.iter().flat_map(|table| &table.cells);
            live + cells.map(used).sum::<usize>()
        };
        #[cfg(feature = "tables")]
        if live + more > rows::MAX_KEPT_BYTES {
            return Err(wrong_type(field));
        }
        let mut moved = Vec::with_capacity((live + more) * 2);
        let text = &self.text;
        let mut take_along = |given: &mut Given| {
            if let Given::Unlisted { start, len } | Given::Text { start, len } = given {
                let from = *start as usize;
                let to = moved.len() as u32;
                let bytes = text.get(from..from + *len as usize);
                moved.extend_from_slice(bytes.unwrap_or_default());
                *start = to;
            }
        };
        self.given.iter_mut().for_each(&mut take_along);
        #[cfg(feature = "tables")]
        {
            let cells = self.tables.iter_mut().flat_map(|table| &mut table.cells);
            cells.for_each(&mut take_along);
        }
        std::mem::swap(&mut self.text, &mut moved);
        moved.zeroize();
        #[cfg(not(feature = "tables"))]
        let _ = field;
        Ok(())
    }

    /// The kept bytes at `start`.
    pub(crate) fn bytes_at(&self, start: u32, len: u32) -> &[u8] {
        let (start, len) = (start as usize, len as usize);
        self.text.get(start..start + len).unwrap_or_default()
    }

    /// The kept text at `start`.
    pub(crate) fn text_at(&self, start: u32, len: u32) -> &str {
        std::str::from_utf8(self.bytes_at(start, len)).unwrap_or_default()
    }

    fn clear(&mut self) {
        // Missing alone would leave the numbers in memory: it overwrites no payload.
        wipe(&mut self.given, Given::Number(0));
        self.given.fill(Given::Missing);
        #[cfg(feature = "tables")]
        self.tables.iter_mut().for_each(GivenTable::clear);
        self.text.as_mut_slice().zeroize();
        self.text.clear();
        self.id.zeroize();
        self.automation = true;
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Application(values not shown)")
    }
}

fn truth(text: &str) -> Option<bool> {
    const TRUE: [&str; 3] = ["true", "yes", "1"];
    const FALSE: [&str; 3] = ["false", "no", "0"];
    let is = |word: &&str| text.eq_ignore_ascii_case(word);
    match (TRUE.iter().any(is), FALSE.iter().any(is)) {
        (true, _) => Some(true),
        (_, true) => Some(false),
        _ => None,
    }
}

/// What the field takes; says nothing of what it got.
pub(super) fn wrong_type(field: &Field) -> Error {
    let expected = match &field.kind {
        FieldKind::Integer => "a whole number of at most 15 digits, without grouping".to_owned(),
        FieldKind::Decimal { decimals } => {
            format!("a number with at most {decimals} decimals and 15 digits, without grouping")
        }
        FieldKind::Money { currency, decimals } => {
            format!("an amount in {currency} with at most {decimals} decimals, without grouping")
        }
        FieldKind::Boolean => "true or false (yes, no, 1, 0)".to_owned(),
        FieldKind::Category { codes } => {
            let some: Vec<&str> = codes.iter().take(12).map(String::as_str).collect();
            format!(
                "a category's code of at most {MAX_TEXT_BYTES} bytes ({})",
                some.join(", ")
            )
        }
        FieldKind::Date => "a date as YYYY-MM-DD between 1800 and 2399".to_owned(),
        #[cfg(feature = "tables")]
        FieldKind::Table { columns, .. } => rows::expected(columns),
        #[cfg(feature = "tables")]
        FieldKind::Tensor { shape } => {
            let axes: Vec<String> = shape.iter().map(u32::to_string).collect();
            format!("{} bytes, as base64 in text", axes.join(" × "))
        }
        _ => format!("text of at most {MAX_TEXT_BYTES} bytes"),
    };
    Error::new(
        ErrorKind::WrongType,
        format!("field {}", field.name),
        expected,
    )
}
