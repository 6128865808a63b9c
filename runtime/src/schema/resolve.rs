//! From values as given to numbers that transforms read: missing, unlisted and out-of-range
//! policies, and the flags that say what they did.

use crate::error::{Error, ErrorKind, Result};
use crate::schema::{Answer, Application, Date, Field, FieldKind, Given, POWERS_OF_TEN};

/// A set of fields, by index.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet([u64; 4]);

impl FieldSet {
    pub(crate) fn insert(&mut self, index: usize) {
        if let Some(word) = self.0.get_mut(index / 64) {
            *word |= 1 << (index % 64);
        }
    }

    /// Whether the field at `index` is in the set.
    pub fn contains(&self, index: usize) -> bool {
        self.0
            .get(index / 64)
            .is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Whether no field is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    /// The indices in the set, rising.
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().enumerate().flat_map(|(word, &bits)| {
            // Without the lowest bit each time.
            let rest = |&bits: &u64| Some(bits & (bits - 1)).filter(|&rest| rest > 0);
            let first = Some(bits).filter(|&bits| bits > 0);
            std::iter::successors(first, rest)
                .map(move |bits| word * 64 + bits.trailing_zeros() as usize)
        })
    }

    /// The set as bits: field 0 is the lowest of the first word.
    pub fn words(&self) -> [u64; 4] {
        self.0
    }
}

impl std::fmt::Debug for FieldSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What resolving found out, for flags and policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Resolved {
    /// Fields without a value.
    pub missing: FieldSet,
    /// Fields with a value outside their range.
    pub out_of_range: FieldSet,
    /// Fields with an unlisted category.
    pub unknown: FieldSet,
    /// Fields of these sets whose policy refers the application.
    pub referred: FieldSet,
    /// Whether a table or a text has more than the model reads.
    #[cfg(feature = "tables")]
    pub truncated: bool,
}

/// Writes each field's number into `numbers` (NaN where there is none): the value in the field's
/// unit, 0 or 1 for booleans, the category's index, the text's bucket, and for a date the whole
/// months from it to the application's `as_of`, so that an application mixed with the reference
/// applicant reckons each date from its own `as_of`. The cells of tables, tensors and lists of words
/// follow, field by field.
pub(crate) fn resolve(application: &Application, numbers: &mut [f64]) -> Result<Resolved> {
    let mut found = Resolved::default();
    let fields = application.schema.fields();
    #[cfg(feature = "tables")]
    let (numbers, mut cells) = numbers.split_at_mut(fields.len());
    for (index, (field, number)) in fields.iter().zip(numbers.iter_mut()).enumerate() {
        let given = application.given[index];
        #[cfg(feature = "tables")]
        if field.kind.cells() > 0 {
            let all = std::mem::take(&mut cells);
            let (own, rest) = all.split_at_mut(field.kind.cells().min(all.len()));
            cells = rest;
            *number = super::rows::resolve(application, (index, field), own, &mut found)?;
            continue;
        }
        *number = number_of(application, field, given, index, &mut found)?;
    }
    Ok(found)
}

/// The number of one value of a field, or of a column of the table that the field at `index` is.
pub(super) fn number_of(
    application: &Application,
    field: &Field,
    given: Given,
    index: usize,
    found: &mut Resolved,
) -> Result<f64> {
    Ok(match given {
        Given::Missing => {
            found.missing.insert(index);
            answer(field, field.missing, ErrorKind::Missing, index, found)?;
            f64::NAN
        }
        Given::Number(raw) => {
            let number = in_range(field, raw, index, found)?;
            match (&field.kind, Date::from_days(number as i64)) {
                (FieldKind::Date, Some(date)) if !number.is_nan() => {
                    date.months_until(application.as_of) as f64
                }
                (FieldKind::Date, _) => f64::NAN,
                _ => number,
            }
        }
        Given::Truth(truth) => f64::from(u8::from(truth)),
        Given::Category(at) => f64::from(at),
        Given::Unlisted { .. } => {
            found.unknown.insert(index);
            let what = ErrorKind::UnknownCategory;
            answer(field, field.unknown, what, index, found)?;
            f64::NAN
        }
        Given::Text { start, len } => match field.kind {
            FieldKind::Text { buckets } if buckets > 0 => {
                let hash = fnv1a(application.text_at(start, len).as_bytes());
                (hash % u64::from(buckets)) as f64
            }
            _ => f64::NAN,
        },
        #[cfg(feature = "tables")]
        Given::Rows(_) => f64::NAN,
    })
}

pub(super) fn in_range(field: &Field, raw: i64, index: usize, found: &mut Resolved) -> Result<f64> {
    let unit = POWERS_OF_TEN[usize::from(field.kind.decimals())] as f64;
    let Some((low, high)) = field.range.filter(|&(low, high)| raw < low || raw > high) else {
        return Ok(raw as f64 / unit);
    };
    found.out_of_range.insert(index);
    answer(
        field,
        field.out_of_range,
        ErrorKind::OutOfRange,
        index,
        found,
    )?;
    Ok(match field.out_of_range {
        Answer::AsMissing => f64::NAN,
        _ => raw.clamp(low, high) as f64 / unit,
    })
}

/// Refuses or refers where the field's policy says so.
fn answer(
    field: &Field,
    answer: Answer,
    kind: ErrorKind,
    index: usize,
    found: &mut Resolved,
) -> Result<()> {
    match answer {
        Answer::Refuse => Err(Error::new(
            kind,
            format!("field {}", field.name),
            match (kind, field.range) {
                (ErrorKind::OutOfRange, Some((low, high))) => {
                    format!("a value {}", show_range(field, low, high))
                }
                (ErrorKind::UnknownCategory, _) => "one of the field's categories".to_owned(),
                _ => "a value".to_owned(),
            },
        )),
        Answer::Refer => {
            found.referred.insert(index);
            Ok(())
        }
        Answer::Accept | Answer::AsMissing | Answer::Clip => Ok(()),
    }
}

fn show_range(field: &Field, low: i64, high: i64) -> String {
    if let (FieldKind::Date, Some(low), Some(high)) =
        (&field.kind, Date::from_days(low), Date::from_days(high))
    {
        return format!("from {low} to {high}");
    }
    let show = |raw| show_decimal(raw, field.kind.decimals());
    format!("from {} to {}", show(low), show(high))
}

/// A whole number of 10^-decimals. In integers: an exact one needs no float's formatting, which is
/// kilobytes where code is downloaded.
pub(crate) fn show_decimal(raw: i64, decimals: u8) -> String {
    if decimals == 0 {
        return raw.to_string();
    }
    let unit = POWERS_OF_TEN[usize::from(decimals).min(9)].unsigned_abs();
    let (sign, size) = (if raw < 0 { "-" } else { "" }, raw.unsigned_abs());
    let width = usize::from(decimals);
    format!("{sign}{}.{:0width$}", size / unit, size % unit)
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923): the named function that hashes text.
pub(super) fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn decimals_are_shown_as_they_are() {
        for (raw, decimals, text) in [
            (0, 0, "0"),
            (-7, 0, "-7"),
            (5, 1, "0.5"),
            (-5, 2, "-0.05"),
            (123_456, 2, "1234.56"),
            (999_999_999_999_999, 9, "999999.999999999"),
        ] {
            assert_eq!(super::show_decimal(raw, decimals), text);
        }
    }

    use super::fnv1a;

    #[test]
    fn fnv_of_the_published_vectors() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
