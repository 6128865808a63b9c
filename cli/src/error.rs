//! One error for compiler and command: the place at fault, what was expected, and a hint.

use std::fmt;

/// Whether bad input or a failed check ended the work: the command's exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A gate or a check failed: exit status 1.
    Check,
    /// Bad usage or bad input: exit status 2.
    Input,
}

/// An error of compiler or command. It names a file, row, field or node, says what was expected
/// there, and may carry a hint on what to do. It never holds an applicant's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    fault: Fault,
    place: String,
    expected: String,
    hint: Option<String>,
}

/// The compiler's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Bad input at `place`, where `expected` should have been.
    pub fn input(place: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            fault: Fault::Input,
            place: place.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    /// A check that failed.
    pub fn check(place: impl Into<String>, expected: impl Into<String>) -> Self {
        Self {
            fault: Fault::Check,
            place: place.into(),
            expected: expected.into(),
            hint: None,
        }
    }

    /// The same error with a hint on what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same error inside a larger place: `place: own place`.
    #[must_use]
    pub fn within(mut self, place: impl fmt::Display) -> Self {
        self.place = format!("{place}: {}", self.place);
        self
    }

    /// Bad input or a failed check.
    pub fn fault(&self) -> Fault {
        self.fault
    }

    /// What to do, if there is something to say.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: expected {}", self.place, self.expected)
    }
}

impl std::error::Error for Error {}

impl From<fieldscore_runtime::Error> for Error {
    fn from(e: fieldscore_runtime::Error) -> Self {
        let fault = match e.kind() {
            fieldscore_runtime::ErrorKind::SelfTest => Fault::Check,
            _ => Fault::Input,
        };
        Self {
            fault,
            place: e.place().to_owned(),
            expected: format!("{} [{}]", e.expected(), e.code()),
            hint: None,
        }
    }
}

/// An error of the operating system on a file.
pub fn io(path: impl AsRef<std::path::Path>, what: &std::io::Error) -> Error {
    let expected = match what.kind() {
        std::io::ErrorKind::NotFound => "a file that exists".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission to read or write".to_owned(),
        std::io::ErrorKind::InvalidData => "text in UTF-8".to_owned(),
        _ => format!("a readable and writable file ({what})"),
    };
    Error::input(path.as_ref().display().to_string(), expected)
}
