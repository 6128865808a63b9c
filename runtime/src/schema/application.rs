//! One applicant's values with their envelope, and how typed and text forms become one.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroize;

use crate::decide::RecordValue;
use crate::error::{Error, ErrorKind, Result};
use crate::kernels::arch::fp_state::DefaultFpState;
use crate::memory::wipe;
use crate::schema::number::{self, DecimalMark, MAX_MAGNITUDE};
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
    /// Where a text lies in the application.
    Text {
        start: u32,
        len: u32,
    },
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
}

impl Application {
    /// An application for `schema`, every value missing.
    pub fn new(schema: Arc<Schema>, id: &str, as_of: Date) -> Self {
        let given = vec![Given::Missing; schema.fields().len()];
        Self {
            schema,
            id: id.to_owned(),
            as_of,
            automation: true,
            given,
            text: Vec::new(),
        }
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
        let field = schema.field_at(index)?;
        let decimals = field.kind.decimals();
        let unit = number::POWERS_OF_TEN[usize::from(decimals)];
        let bounded = |raw: i64| (raw.unsigned_abs() <= MAX_MAGNITUDE as u64).then_some(raw);
        let number = |raw: Option<i64>| {
            raw.and_then(bounded)
                .map(Given::Number)
                .ok_or_else(|| wrong_type(field))
        };
        let given = match (&field.kind, value) {
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
            (FieldKind::Category { .. } | FieldKind::Text { .. }, Value::Text(text))
                if text.trim().is_empty() =>
            {
                Given::Missing
            }
            (FieldKind::Category { codes }, Value::Text(text)) => {
                self.category(field, codes, text.trim())?
            }
            (FieldKind::Text { .. }, Value::Text(text)) => {
                let text = text.trim();
                let (start, len) = self.keep(field, text)?;
                Given::Text { start, len }
            }
            _ => return Err(wrong_type(field)),
        };
        self.given[index] = given;
        Ok(())
    }

    /// As [`Application::set_text`], by the field's index in the schema.
    ///
    /// # Errors
    /// As [`Application::set`].
    pub fn set_text_at(&mut self, index: usize, text: &str, mark: DecimalMark) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let field = schema.field_at(index)?;
        let trimmed = text.trim();
        if trimmed.is_empty() {
            self.given[index] = Given::Missing;
            return Ok(());
        }
        let given = match &field.kind {
            FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. } => {
                number::parse(trimmed, field.kind.decimals(), mark).map(Given::Number)
            }
            FieldKind::Boolean => truth(trimmed).map(Given::Truth),
            FieldKind::Date => Date::parse(trimmed).map(|d| Given::Number(d.days().into())),
            FieldKind::Category { .. } | FieldKind::Text { .. } => {
                return self.set_at(index, Value::Text(trimmed));
            }
        };
        self.given[index] = given.ok_or_else(|| wrong_type(field))?;
        Ok(())
    }

    /// Sets a field from a record's value.
    pub(crate) fn restore_at<S: AsRef<str>>(
        &mut self,
        index: usize,
        value: &RecordValue<S>,
    ) -> Result<()> {
        let schema = Arc::clone(&self.schema);
        let field = schema.field_at(index)?;
        match value {
            RecordValue::Text(text) => self.set_at(index, Value::Text(text.as_ref())),
            RecordValue::Truth(truth) => self.set_at(index, Value::Boolean(*truth)),
            RecordValue::Number(raw) if field.kind == FieldKind::Date => {
                let date = Date::from_days(*raw).ok_or_else(|| wrong_type(field))?;
                self.set_at(index, Value::Date(date))
            }
            RecordValue::Number(raw) if field.kind.is_numeric() => {
                if raw.unsigned_abs() > MAX_MAGNITUDE as u64 {
                    return Err(wrong_type(field));
                }
                self.given[index] = Given::Number(*raw);
                Ok(())
            }
            RecordValue::Number(_) => Err(wrong_type(field)),
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
        // A field that is set over and over must not grow the application without end.
        if self.text.len() + text.len() > self.text.capacity() {
            self.make_room(text.len());
        }
        let start = self.text.len() as u32;
        self.text.extend_from_slice(text.as_bytes());
        Ok((start, text.len() as u32))
    }

    /// Moves the texts that fields still refer to into memory with room for `more` bytes and as
    /// much again, and zeroes what they leave.
    fn make_room(&mut self, more: usize) {
        let used = |given: &Given| match *given {
            Given::Unlisted { len, .. } | Given::Text { len, .. } => len as usize,
            _ => 0,
        };
        let live: usize = self.given.iter().map(used).sum();
        let mut moved = Vec::with_capacity((live + more) * 2);
        for given in &mut self.given {
            if let Given::Unlisted { start, len } | Given::Text { start, len } = given {
                let from = *start as usize;
                let to = moved.len() as u32;
                let bytes = self.text.get(from..from + *len as usize);
                moved.extend_from_slice(bytes.unwrap_or_default());
                *start = to;
            }
        }
        std::mem::swap(&mut self.text, &mut moved);
        moved.zeroize();
    }

    /// The kept text at `start`.
    pub(crate) fn text_at(&self, start: u32, len: u32) -> &str {
        let (start, len) = (start as usize, len as usize);
        self.text
            .get(start..start + len)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    fn clear(&mut self) {
        // Missing alone would leave the numbers in memory: it overwrites no payload.
        wipe(&mut self.given, Given::Number(0));
        self.given.fill(Given::Missing);
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
fn wrong_type(field: &Field) -> Error {
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
        FieldKind::Text { .. } => format!("text of at most {MAX_TEXT_BYTES} bytes"),
    };
    Error::new(
        ErrorKind::WrongType,
        format!("field {}", field.name),
        expected,
    )
}
