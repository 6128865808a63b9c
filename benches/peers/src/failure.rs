//! Why something couldn't be measured.

use std::fmt;

/// A place and what is wrong there.
#[derive(Debug)]
pub struct Failure(String);

/// What a measurement gives.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure in words.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    /// Makes a failure of an error at `place`. Peers' errors may span lines: the first one says it.
    pub fn at<E: fmt::Display>(place: impl fmt::Display) -> impl Fn(E) -> Self {
        move |error| {
            let text = error.to_string();
            Self(format!("{place}: {}", text.lines().next().unwrap_or("")))
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<fieldscore_runtime::Error> for Failure {
    fn from(error: fieldscore_runtime::Error) -> Self {
        Self::at("fieldscore")(error)
    }
}

impl From<fieldscore_models::Error> for Failure {
    fn from(error: fieldscore_models::Error) -> Self {
        Self::at("compiler")(error)
    }
}
