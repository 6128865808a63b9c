//! Flags and values in words.

use fieldscore_runtime::decide::{Record, RecordValue};
use fieldscore_runtime::schema::{Field, FieldKind, Sensitivity};
use fieldscore_runtime::{Change, Date, Flags, Scorer};

/// What a flag means.
pub(crate) fn flag(flag: Flags) -> &'static str {
    const WORDS: [(Flags, &str); 8] = [
        (Flags::MISSING, "a field has no value"),
        (
            Flags::OUT_OF_RANGE,
            "a value lies outside its field's range",
        ),
        (Flags::UNLISTED, "a category is not in its field's list"),
        (Flags::EXPIRED, "the bundle's last day has passed"),
        (Flags::NOT_YET_VALID, "the bundle's first day has not come"),
        (
            Flags::AUTOMATION_REFUSED,
            "the applicant does not consent to an automated decision",
        ),
        (
            Flags::SCORE_CLAMPED,
            "the score stands at the end of the scale",
        ),
        (
            Flags::TRUNCATED,
            "a table or a text has more than the model reads",
        ),
    ];
    let known = WORDS.iter().find(|(own, _)| *own == flag);
    known.map_or("a flag of a newer runtime", |(_, words)| words)
}

/// The flags that are set, with their names.
pub(crate) fn flags(flags: Flags) -> Vec<(&'static str, &'static str)> {
    (0..32)
        .map(|bit| Flags::from_bits(flags.bits() & 1 << bit))
        .filter(|flag| flag.bits() != 0)
        .map(|one| (one.names().next().unwrap_or("unknown"), flag(one)))
        .collect()
}

/// A number in raw units of 10^-decimals, exactly.
pub(crate) fn decimal(raw: i64, decimals: u8) -> String {
    let sign = if raw < 0 { "-" } else { "" };
    let unit = 10u64.pow(u32::from(decimals.min(18)));
    let (whole, part) = (raw.unsigned_abs() / unit, raw.unsigned_abs() % unit);
    match usize::from(decimals) {
        0 => format!("{sign}{whole}"),
        width => format!("{sign}{whole}.{part:0width$}"),
    }
}

/// A raw number of a field as people read it: a number or a date.
pub fn raw(field: &Field, raw: i64) -> String {
    match (&field.kind, Date::from_days(raw)) {
        (FieldKind::Date, Some(date)) => date.to_string(),
        _ => decimal(raw, field.kind.decimals()),
    }
}

/// A field's value as given; those of a special category of personal data stay hidden.
pub(crate) fn value(scorer: &Scorer, record: &Record, field: &Field, language: &str) -> String {
    let Some((_, value)) = record.values.iter().find(|(name, _)| *name == field.name) else {
        return "(none)".to_owned();
    };
    if field.sensitivity == Sensitivity::Special {
        return "(hidden)".to_owned();
    }
    match value {
        RecordValue::Number(number) => raw(field, *number),
        RecordValue::Truth(truth) => yes_or_no(*truth),
        RecordValue::Text(text) => category(scorer, field, text, language),
        RecordValue::Bytes(bytes) => count(bytes.len() as u64, "byte", "bytes"),
        RecordValue::Rows(rows) => count(rows.len() as u64, "row", "rows"),
    }
}

fn yes_or_no(truth: bool) -> String {
    if truth { "yes" } else { "no" }.to_owned()
}

/// A category's label in the language, else its code.
fn category(scorer: &Scorer, field: &Field, code: &str, language: &str) -> String {
    let key = format!("field.{}.category.{code}", field.name);
    let label = scorer.texts().text(&key, language);
    label.unwrap_or(code).chars().take(40).collect()
}

/// A change's new value with its unit; those of a special category of personal data stay hidden.
pub(crate) fn changed(scorer: &Scorer, field: &Field, change: Change, language: &str) -> String {
    if field.sensitivity == Sensitivity::Special {
        return "(hidden)".to_owned();
    }
    match &field.kind {
        FieldKind::Boolean => yes_or_no(change.value != 0),
        FieldKind::Category { codes } => {
            let code = usize::try_from(change.value)
                .ok()
                .and_then(|at| codes.get(at));
            category(scorer, field, code.map_or("", String::as_str), language)
        }
        _ => {
            let value = raw(field, change.value);
            match field.unit.as_str() {
                "" => value,
                unit => format!("{value} {unit}"),
            }
        }
    }
}

/// A field's label in the language, else its name.
pub(crate) fn label<'a>(scorer: &'a Scorer, field: &'a Field, language: &str) -> &'a str {
    let key = format!("field.{}.label", field.name);
    scorer.texts().text(&key, language).unwrap_or(&field.name)
}

/// Parts per million as a percentage with two decimals.
pub(crate) fn percent(ppm: u32) -> String {
    let hundredths = (ppm + 50) / 100;
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

/// A count with its noun.
pub(crate) fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(decimal(-5, 2), "-0.05");
        assert_eq!(decimal(1250, 1), "125.0");
        assert_eq!(decimal(7, 0), "7");
        assert_eq!(percent(123_456), "12.35 %");
        assert_eq!(percent(100), "0.01 %");
    }

    #[test]
    fn every_flag_has_words() {
        let all = Flags::from_bits(255);
        assert_eq!(flags(all).len(), all.names().count());
        assert!(flags(all).iter().all(|(_, words)| !words.contains("newer")));
    }
}
