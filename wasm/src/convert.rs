//! Rust values as plain JavaScript objects, and decisions as numbers.

use fieldscore_runtime::decide::SystemReason;
use fieldscore_runtime::schema::{Field, FieldKind};
#[cfg(feature = "tables")]
use fieldscore_runtime::{Application, DecimalMark, Result, Value, schema::column_of};
use fieldscore_runtime::{Date, Decision, Explanation, Flags, Outcome, Reason, Scorer};
use js_sys::{Array, Object, Reflect};
#[cfg(feature = "tables")]
use js_sys::{Uint8Array, Uint8ClampedArray};
#[cfg(feature = "tables")]
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;

pub fn set(object: &Object, name: &str, value: impl Into<JsValue>) {
    put(object, name, &value.into());
}

/// Apart from [`set`], which there is one of for each kind of value.
fn put(object: &Object, name: &str, value: &JsValue) {
    // Setting a property of a plain object cannot fail.
    let _ = Reflect::set(object, &name.into(), value);
}

pub fn list<T: Into<JsValue>>(items: impl IntoIterator<Item = T>) -> Array {
    let array = Array::new();
    for item in items {
        array.push(&item.into());
    }
    array
}

/// Lower-case hexadecimal.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    let digits = |byte: &u8| [digit(byte >> 4), digit(*byte)];
    bytes.iter().flat_map(digits).collect()
}

fn date(date: Option<Date>) -> JsValue {
    date.map_or(JsValue::NULL, |date| date.to_string().into())
}

/// What a bundle says of itself, and the words that decisions are made of.
pub fn info(scorer: &Scorer) -> Object {
    let info = Object::new();
    let meta = scorer.meta();
    set(&info, "product", meta.product.as_str());
    set(&info, "sequence", meta.sequence as f64);
    set(&info, "bundleId", hex(scorer.bundle_id()));
    set(&info, "notBefore", date(meta.not_before));
    set(&info, "notAfter", date(meta.not_after));
    set(&info, "scoreAsTyped", meta.score_as_typed);
    let languages = scorer.texts().languages.iter().map(String::as_str);
    set(&info, "languages", list(languages));
    set(&info, "kernels", scorer.kernels());
    set(&info, "evaluations", scorer.explanation_cost() as u32);
    set(&info, "rules", list(scorer.policy().codes()));
    let flag = |bit: u32| Flags::from_bits(1 << bit).names().next();
    set(&info, "flags", list((0..32).map_while(flag)));
    let outcomes = [Outcome::Approve, Outcome::Refer, Outcome::Decline];
    set(&info, "outcomes", list(outcomes.map(Outcome::name)));
    let others = scorer.decide().others();
    if !others.is_empty() {
        let names = others.iter().map(|other| other.name.as_str());
        set(&info, "others", list(names));
    }
    let groups = scorer.schema().groups().iter().map(|group| {
        let object = Object::new();
        set(&object, "code", group.code.as_str());
        set(&object, "name", group.name.as_str());
        object
    });
    set(&info, "groups", list(groups));
    let fields = scorer.schema().fields().iter();
    let described = fields.map(|about| {
        let group = scorer.schema().groups().get(usize::from(about.group));
        field(about, group.map_or("", |group| group.code.as_str()))
    });
    set(&info, "fields", list(described));
    info
}

fn field(about: &Field, group: &str) -> Object {
    let object = Object::new();
    let kind = &about.kind;
    set(&object, "name", about.name.as_str());
    set(&object, "type", kind.name());
    set(&object, "group", group);
    set(&object, "missing", about.missing.name());
    set(&object, "outOfRange", about.out_of_range.name());
    set(&object, "unlisted", about.unknown.name());
    set(&object, "sensitivity", about.sensitivity.name());
    set(&object, "changeable", about.changeable);
    set(&object, "reasonCode", about.reason_code.as_str());
    if !about.unit.is_empty() {
        set(&object, "unit", about.unit.as_str());
    }
    if let Some((low, high)) = about.range {
        set(&object, "min", bound(kind, low));
        set(&object, "max", bound(kind, high));
    }
    if matches!(kind, FieldKind::Decimal { .. } | FieldKind::Money { .. }) {
        set(&object, "decimals", kind.decimals());
    }
    match kind {
        FieldKind::Money { currency, .. } => set(&object, "currency", currency.as_str()),
        FieldKind::Category { codes } => {
            set(
                &object,
                "categories",
                list(codes.iter().map(String::as_str)),
            );
        }
        _ => {}
    }
    #[cfg(feature = "tables")]
    columns(&object, kind);
    object
}

/// What a table's columns are called, and what they hold.
#[cfg(feature = "tables")]
fn columns(object: &Object, kind: &FieldKind) {
    if let FieldKind::Table {
        columns, max_rows, ..
    } = kind
    {
        let described = columns.iter().map(|column| field(&column.0, ""));
        set(object, "columns", list(described));
        set(object, "maxRows", *max_rows);
    }
    if let FieldKind::Tensor { shape } = kind {
        set(object, "shape", list(shape.iter().copied()));
    }
}

/// Sets a field to an array of objects or to bytes.
#[cfg(feature = "tables")]
pub fn set_nested(application: &mut Application, index: usize, value: &JsValue) -> Result<()> {
    if let Some(bytes) = value.dyn_ref::<Uint8Array>() {
        return application.set_at(index, Value::Bytes(&bytes.to_vec()));
    }
    // What a canvas gives.
    if let Some(bytes) = value.dyn_ref::<Uint8ClampedArray>() {
        return application.set_at(index, Value::Bytes(&bytes.to_vec()));
    }
    let Some(rows) = value.dyn_ref::<Array>() else {
        // No field takes it: each answers with what it takes.
        return application.set_at(index, Value::Number(f64::NAN));
    };
    application.start_rows_at(index)?;
    let schema = std::sync::Arc::clone(application.schema());
    let about = schema.field_at(index)?;
    for row in rows.iter() {
        application.add_row_at(index)?;
        let cells = row.dyn_ref::<Object>().map(Object::entries);
        for cell in cells.unwrap_or_default().iter() {
            let cell = Array::from(&cell);
            let name = cell.get(0).as_string().unwrap_or_default();
            let column = column_of(about, &name)?;
            let value = cell.get(1);
            if let Some(text) = value.as_string() {
                application.set_cell_text_at(index, column, &text, DecimalMark::Point)?;
            } else if !value.is_null() && !value.is_undefined() {
                let number = || Value::Number(value.as_f64().unwrap_or(f64::NAN));
                let value = value.as_bool().map_or_else(number, Value::Boolean);
                application.set_cell_at(index, column, value)?;
            }
        }
    }
    Ok(())
}

/// An end of a range: a number in the field's unit, or a date. A whole number of 10^-decimals and
/// that power are exact, so their quotient is the number nearest to the decimal one.
pub fn bound(kind: &FieldKind, raw: i64) -> JsValue {
    match kind {
        FieldKind::Date => date(Date::from_days(raw)),
        _ => (raw as f64 / 10i64.pow(kind.decimals().into()) as f64).into(),
    }
}

/// A decision's numbers: score, probability, outcome, flags, rules that fired (two words), and eight
/// words each for the sets of fields, then the `others` probabilities beside that of default.
pub fn decision(decision: &Decision, others: usize, out: &mut Vec<i32>) {
    out.clear();
    out.extend([
        decision.score,
        decision.probability_ppm as i32,
        decision.outcome as i32,
        decision.flags.bits() as i32,
        decision.fired as i32,
        (decision.fired >> 32) as i32,
    ]);
    for set in [
        &decision.missing,
        &decision.out_of_range,
        &decision.unlisted,
        &decision.referred,
    ] {
        for word in set.words() {
            out.extend([word as i32, (word >> 32) as i32]);
        }
    }
    out.extend(decision.others.iter().take(others).map(|&ppm| ppm as i32));
}

/// Behind a decision's numbers: the reference score, the groups' and the fields' points, reasons.
pub fn explanation(explanation: &Explanation, others: usize, out: &mut Vec<i32>) {
    decision(&explanation.decision, others, out);
    out.push(explanation.reference_score);
    out.extend_from_slice(&explanation.groups);
    out.extend_from_slice(&explanation.fields);
    out.extend(explanation.reasons.iter().map(number));
}

const SYSTEM: [SystemReason; 6] = [
    SystemReason::AutomationRefused,
    SystemReason::Expired,
    SystemReason::NotYetValid,
    SystemReason::ValueMissing,
    SystemReason::ValueOutOfRange,
    SystemReason::ValueUnlisted,
];
/// A number's parts: which kind of reason, which of the system's, and which field or rule.
const KIND: i32 = 1 << 24;
const WHICH: i32 = 1 << 16;

/// A reason as a number that [`reason`] reads.
pub fn number(reason: Reason) -> i32 {
    match reason {
        Reason::System(reason, at) => {
            let which = SYSTEM.iter().position(|known| *known == reason);
            which.unwrap_or_default() as i32 * WHICH + at.map_or(0xffff, i32::from)
        }
        Reason::Rule(at) => KIND + i32::from(at),
        Reason::Field(at, _) => 2 * KIND + i32::from(at),
    }
}

/// The reason of a number. What a field costs is not part of it.
pub fn reason(number: i32) -> Option<Reason> {
    let at = (number & 0xffff) as u16;
    match number.div_euclid(KIND) {
        0 => {
            let reason = *SYSTEM.get(usize::try_from(number / WHICH).ok()?)?;
            Some(Reason::System(reason, (at != 0xffff).then_some(at)))
        }
        1 => Some(Reason::Rule(at)),
        2 => Some(Reason::Field(at, 0)),
        _ => None,
    }
}

/// The reason that has a stable code.
pub fn reason_of(scorer: &Scorer, code: &str) -> Option<Reason> {
    let system = SYSTEM.iter().find(|reason| reason.code() == code);
    let rule = || scorer.policy().codes().position(|rule| rule == code);
    let fields = scorer.schema().fields();
    let field = || fields.iter().position(|field| field.reason_code == code);
    system
        .map(|reason| Reason::System(*reason, None))
        .or_else(|| rule().map(|at| Reason::Rule(at as u16)))
        .or_else(|| field().map(|at| Reason::Field(at as u16, 0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_return_from_their_numbers() {
        let mut reasons = vec![Reason::Rule(0), Reason::Rule(63), Reason::Field(255, 0)];
        for system in SYSTEM {
            reasons.extend([None, Some(0), Some(255)].map(|at| Reason::System(system, at)));
        }
        for original in reasons {
            assert_eq!(reason(number(original)), Some(original));
        }
        assert_eq!(reason(-1), None);
        assert_eq!(reason(3 * KIND), None);
        assert_eq!(reason(6 * WHICH), None);
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(hex(&[0, 0x5a, 0xff]), "005aff");
    }
}
