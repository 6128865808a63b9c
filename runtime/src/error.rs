//! One error for the whole runtime: a stable code, the place at fault, what was expected there.

use std::borrow::Cow;
use std::fmt::{self, Write};

/// What went wrong, as a stable code that every binding passes on unchanged.
///
/// More kinds may be added; match with a wildcard arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file or stream could not be read or written.
    Io,
    /// The bytes are not a bundle at all, or end too early.
    NotABundle,
    /// The bundle needs a newer runtime, or a feature this build does not have.
    Unsupported,
    /// No pinned key matches the bundle's key id.
    UntrustedKey,
    /// The signature does not verify: the header or the section table was altered.
    BadSignature,
    /// A section's bytes do not match its hash, or padding is not zero.
    Altered,
    /// The bundle is signed and whole, but what it says is not valid.
    Malformed,
    /// A known-answer vector came out differently on this device.
    SelfTest,
    /// The schema has no such field.
    UnknownField,
    /// The value is not of the field's type, or its text form is not in the grammar.
    WrongType,
    /// The value lies outside the field's range and the field refuses that.
    OutOfRange,
    /// The field has no value and refuses that.
    Missing,
    /// The category is not one of the field's, and the field refuses that.
    UnknownCategory,
    /// The application was made for another bundle.
    WrongBundle,
    /// The model produced something that is not a finite number.
    NotFinite,
    /// A record cannot be decoded.
    BadRecord,
    /// The store refuses an update: another product, or not a higher sequence number.
    Refused,
    /// The store holds no bundle that opens.
    Empty,
    /// A summary cannot be decoded.
    BadSummary,
    /// A summary counts too few decisions to leave the device.
    TooFew,
}

impl ErrorKind {
    /// The stable code of this kind, the same in every language binding.
    ///
    /// ```
    /// assert_eq!(fieldscore_runtime::ErrorKind::BadSignature.code(), "bundle.signature");
    /// ```
    pub const fn code(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::NotABundle => "bundle.not_a_bundle",
            Self::Unsupported => "bundle.unsupported",
            Self::UntrustedKey => "bundle.untrusted_key",
            Self::BadSignature => "bundle.signature",
            Self::Altered => "bundle.altered",
            Self::Malformed => "bundle.malformed",
            Self::SelfTest => "bundle.self_test",
            Self::UnknownField => "field.unknown",
            Self::WrongType => "field.type",
            Self::OutOfRange => "field.range",
            Self::Missing => "field.missing",
            Self::UnknownCategory => "field.category",
            Self::WrongBundle => "application.bundle",
            Self::NotFinite => "model.not_finite",
            Self::BadRecord => "record.malformed",
            Self::Refused => "store.refused",
            Self::Empty => "store.empty",
            Self::BadSummary => "summary.malformed",
            Self::TooFew => "summary.too_few",
        }
    }
}

/// An error of the runtime.
///
/// It never holds an applicant's value: only a stable [code](ErrorKind::code), the place (a
/// section, a field, a file) and what was expected there, so it is safe to log and to show.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(Box<Parts>);

/// Behind a pointer, so that a result is no larger for its error: most of them have none.
#[derive(Clone, PartialEq, Eq)]
struct Parts {
    kind: ErrorKind,
    place: Cow<'static, str>,
    expected: Cow<'static, str>,
}

/// The runtime's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` at `place`, where `expected` says what should have been there.
    pub fn new(
        kind: ErrorKind,
        place: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::of(kind, place.into(), expected.into())
    }

    #[cold]
    #[inline(never)]
    fn of(kind: ErrorKind, place: Cow<'static, str>, expected: Cow<'static, str>) -> Self {
        Self(Box::new(Parts {
            kind,
            place,
            expected,
        }))
    }

    pub(crate) fn malformed(
        place: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::new(ErrorKind::Malformed, place, expected)
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code, as [`ErrorKind::code`].
    pub fn code(&self) -> &'static str {
        self.0.kind.code()
    }

    /// The section, field or file at fault.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// What was expected there.
    pub fn expected(&self) -> &str {
        &self.0.expected
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.0.place, self.0.expected, self.code())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}

/// A name as errors show it: its first 64 characters, and those that nobody sees, or that turn lines
/// or the direction of writing, as `\u{...}`.
pub(crate) struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = self.0.chars().take(64);
        shown.try_for_each(|letter| show(letter, f))
    }
}

/// Writes a character of a [`Shown`] name.
pub(crate) fn show(letter: char, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    // What Unicode calls controls, formats, separators of lines, private or not characters.
    match letter {
        '\0'..' '
        | '\u{7f}'..'\u{a0}'
        | '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{e000}'..='\u{f8ff}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{e0000}'.. => write!(f, "\\u{{{:x}}}", u32::from(letter)),
        _ => f.write_char(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::Shown;

    #[test]
    fn names_are_shown_on_one_line_in_one_direction() {
        let shown = |name: &str| Shown(name).to_string();
        assert_eq!(shown("años de \"empleo\""), "años de \"empleo\"");
        assert_eq!(shown("a\nb\0\u{202e}c"), "a\\u{a}b\\u{0}\\u{202e}c");
        assert_eq!(shown(&"x".repeat(99)), "x".repeat(64));
    }
}
