//! Errors as they are thrown: a string of code, field (or nothing) and text, with a zero byte
//! between; the package makes its `FieldscoreError` of it.

use fieldscore_runtime::{Error, ErrorKind};
use wasm_bindgen::JsValue;

/// What a failing call throws.
#[derive(Debug)]
pub struct Thrown(String);

impl From<Error> for Thrown {
    fn from(error: Error) -> Self {
        let field = error.place().strip_prefix("field ").unwrap_or_default();
        Self(format!("{}\0{field}\0{error}", error.code()))
    }
}

impl From<Thrown> for JsValue {
    fn from(thrown: Thrown) -> Self {
        Self::from_str(&thrown.0)
    }
}

/// The error of an argument that has no field: `place` and what was expected there.
pub fn argument(place: &'static str, expected: &'static str) -> Thrown {
    Error::new(ErrorKind::WrongType, place, expected).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_field_and_text_are_told_apart() {
        let error = Error::new(ErrorKind::WrongType, "field income", "a number");
        let Thrown(text) = error.into();
        assert_eq!(
            text,
            "field.type\0income\0field income: a number [field.type]"
        );
        let Thrown(text) = argument("asOf", "a date");
        assert_eq!(text, "field.type\0\0asOf: a date [field.type]");
    }
}
