//! JSON as these libraries write it, and reaching into it with an error that says where.

use serde_json::Value;

use crate::error::{Error, Result};

/// Reads a text whose numbers may be NaN or infinite, which JSON does not know: they become null.
pub(super) fn parse(bytes: &[u8], place: &str) -> Result<Value> {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut in_text = false;
    while let Some(&byte) = rest.first() {
        let word = [&b"NaN"[..], b"-Infinity", b"Infinity"]
            .into_iter()
            .find(|word| !in_text && rest.starts_with(word));
        let len = match (word, byte) {
            (Some(word), _) => {
                plain.extend(b"null");
                word.len()
            }
            (None, b'\\') if in_text => {
                plain.extend(&rest[..rest.len().min(2)]);
                rest.len().min(2)
            }
            _ => {
                in_text ^= byte == b'"';
                plain.push(byte);
                1
            }
        };
        rest = &rest[len..];
    }
    serde_json::from_slice(&plain).map_err(|e| Error::input(place, format!("valid JSON: {e}")))
}

/// The value of `key`.
pub(super) fn field<'v>(value: &'v Value, key: &str, place: &str) -> Result<&'v Value> {
    value
        .get(key)
        .ok_or_else(|| Error::input(place, format!("the key {key}")))
}

/// The list under `key`.
pub(super) fn list<'v>(value: &'v Value, key: &str, place: &str) -> Result<&'v [Value]> {
    let found = field(value, key, place)?.as_array();
    found
        .map(Vec::as_slice)
        .ok_or_else(|| Error::input(place, format!("a list under {key}")))
}

/// The text under `key`.
pub(super) fn text<'v>(value: &'v Value, key: &str, place: &str) -> Result<&'v str> {
    field(value, key, place)?
        .as_str()
        .ok_or_else(|| Error::input(place, format!("a text under {key}")))
}

/// The numbers under `key`; null is NaN.
pub(super) fn numbers(value: &Value, key: &str, place: &str) -> Result<Vec<f64>> {
    let number = |item: &Value| match item {
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::Null => Some(f64::NAN),
        item => item.as_f64(),
    };
    let all: Option<Vec<f64>> = list(value, key, place)?.iter().map(number).collect();
    all.ok_or_else(|| Error::input(place, format!("numbers under {key}")))
}

/// The whole numbers under `key`.
pub(super) fn integers(value: &Value, key: &str, place: &str) -> Result<Vec<i64>> {
    let whole = |x: &f64| x.fract() == 0.0 && x.abs() < 9e15;
    let all = numbers(value, key, place)?;
    if all.iter().all(whole) {
        Ok(all.into_iter().map(|x| x as i64).collect())
    } else {
        Err(Error::input(place, format!("whole numbers under {key}")))
    }
}
