//! Errors as an enumeration, a variant for each kind, each with its stable code.

use std::fmt;

use fieldscore_runtime::{Error, ErrorKind};

macro_rules! errors {
    ($($(#[$doc:meta])* $kind:ident),* $(,)?) => {
        /// What went wrong: one variant for each of the runtime's kinds of error.
        ///
        /// It never holds an applicant's value: it is safe to log and to show.
        #[derive(Debug, Clone, PartialEq, Eq, uniffi::Error)]
        pub enum FieldscoreError {
            $(
                $(#[$doc])*
                $kind {
                    /// The stable code, the same in every language.
                    code: String,
                    /// The section, field, file or argument at fault.
                    place: String,
                    /// What was expected there.
                    expected: String,
                },
            )*
            /// A kind of error that is newer than these bindings: its code says which.
            Other {
                /// The stable code, the same in every language.
                code: String,
                /// The section, field, file or argument at fault.
                place: String,
                /// What was expected there.
                expected: String,
            },
        }

        impl FieldscoreError {
            /// Code, place, and what was expected there.
            pub fn parts(&self) -> (&str, &str, &str) {
                match self {
                    $(Self::$kind { code, place, expected })|*
                    | Self::Other { code, place, expected } => (code, place, expected),
                }
            }
        }

        impl From<Error> for FieldscoreError {
            fn from(error: Error) -> Self {
                let code = error.code().to_owned();
                let place = error.place().to_owned();
                let expected = error.expected().to_owned();
                match error.kind() {
                    $(ErrorKind::$kind => Self::$kind { code, place, expected },)*
                    _ => Self::Other { code, place, expected },
                }
            }
        }
    };
}

errors! {
    /// The file could not be read or written.
    Io,
    /// The bytes are not a bundle at all, or end too early.
    NotABundle,
    /// The bundle needs a newer runtime, or a feature that this build does not have.
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
    /// The value is not of the field's type, or its text form is not in the grammar; or an argument
    /// is not what it must be.
    WrongType,
    /// The value lies outside the field's range and the field refuses that.
    OutOfRange,
    /// The field has no value and refuses that.
    Missing,
    /// The category is not one of the field's, and the field refuses that.
    UnknownCategory,
    /// The application or record was made for another bundle.
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

impl fmt::Display for FieldscoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, place, expected) = self.parts();
        write!(f, "{place}: {expected} [{code}]")
    }
}

impl std::error::Error for FieldscoreError {}

/// The error of an argument that is no field.
pub(crate) fn argument(place: &'static str, expected: &'static str) -> FieldscoreError {
    Error::new(ErrorKind::WrongType, place, expected).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_texts_are_the_runtimes() {
        for kind in [ErrorKind::Io, ErrorKind::BadSignature, ErrorKind::Empty] {
            let error = Error::new(kind, "field income", "a number");
            let own = FieldscoreError::from(error.clone());
            assert_eq!(own.parts(), (kind.code(), "field income", "a number"));
            assert_eq!(own.to_string(), error.to_string());
            assert!(!matches!(own, FieldscoreError::Other { .. }));
        }
    }
}
