//! Fieldscore's runtime: opens signed bundles and turns applications into decisions, the same
//! bytes on every device.
//!
//! Start with [`Scorer`]. The rooms: [`bundle`] is the file, [`schema`] the fields and transforms,
//! [`plan`] the compiled model, [`kernels`] the arithmetic, [`decide`] what a score means, [`watch`] what
//! many decisions come to.
//!
//! What holds everywhere: no clock, no locale, no randomness; errors and logs never show an
//! applicant's value; scoring allocates nothing once warm; no input can make it panic.

pub mod bundle;
pub mod decide;
mod engine;
mod error;
mod explain;
#[cfg(feature = "mmap")]
mod map;
mod memory;
pub mod plan;
pub mod schema;
mod scorer;
#[cfg(feature = "casework")]
pub mod watch;

pub use bundle::store::{BundleStore, FileStorage, Storage};
pub use decide::{Decision, Flags, Outcome, Reason, Reasons, Record};
#[cfg(feature = "casework")]
pub use decide::{Notice, Override};
#[cfg(feature = "files")]
pub use engine::{MAX_MODEL_FILE_BYTES, ModelFile};
pub use error::{Error, ErrorKind, Result};
pub use explain::Explanation;
pub use fieldscore_kernels as kernels;
pub use schema::{Application, Date, DecimalMark, FieldSet, Value, is_right_to_left};
#[cfg(feature = "casework")]
pub use scorer::{
    Alternative, Alternatives, Change, MAX_ALTERNATIVE_SCORES, MAX_ALTERNATIVES, MAX_CHANGES,
};
pub use scorer::{KnownAnswers, OpenOptions, Replay, Scorer};
#[cfg(feature = "casework")]
pub use watch::Summary;
