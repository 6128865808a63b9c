//! The runtime for Android and iOS: uniffi makes Kotlin and Swift of what is here, and the façades in
//! `android/` and `ios/` are what developers use. This crate converts types and does nothing else: no
//! arithmetic, no policy, no parsing of its own.
//!
//! What holds: every exported function returns a result and panics are caught at the boundary; errors
//! carry a stable code and never an applicant's value; everything may be used from any thread.

mod error;
mod logger;
mod notice;
mod scorer;
mod store;
mod tray;
mod types;
mod verified;

pub use error::FieldscoreError;
pub use logger::{LogFailed, LogLevel, LogSink, set_log};
pub use notice::{Fact, Notice, Override};
pub use scorer::Scorer;
pub use store::BundleStore;
pub use tray::Tray;
pub use types::{
    Alternative, Answer, Application, BundleInfo, Change, ColumnInfo, Decision, Entry, Explanation,
    FieldInfo, FieldKind, Flag, GroupInfo, Outcome, Range, Reason, Scored, Sensitivity, Value,
};
pub use verified::{Seen, Term, Tried, VerifiedRecord};

uniffi::setup_scaffolding!();

/// Whether a BCP-47 language is written from right to left.
///
/// # Errors
/// None today.
#[uniffi::export]
pub fn is_right_to_left(language: &str) -> Result<bool, FieldscoreError> {
    Ok(fieldscore_runtime::is_right_to_left(language))
}
