//! A person's decision in the place of the bundle's: who decided what, and for which of the reasons
//! that the bundle lists. It is kept beside the record, which stays as it is.
//! `docs/bundle-format.md`, "The override", has its CDDL.

use minicbor::Encoder;
use sha2::{Digest, Sha256};

use crate::Scorer;
use crate::bundle::cbor::{Read, Reader, major};
use crate::decide::{Outcome, Record};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::Date;

/// The version that this runtime writes.
pub const OVERRIDE_VERSION: u32 = 1;

/// The longest staff id, in bytes.
pub const MAX_STAFF_ID_BYTES: usize = 256;

/// What a text's key starts with where it is a reason for an override.
const REASONS: &str = "override.";

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// SHA-256 of the record of the decision that is set aside.
    pub record: [u8; 32],
    /// The id of who decided; 1 to [`MAX_STAFF_ID_BYTES`] bytes.
    pub by: String,
    /// What they decided.
    pub outcome: Outcome,
    /// Why: a code of [`Scorer::override_reasons`].
    pub reason: String,
    /// The day on which they did.
    pub as_of: Date,
}

impl Override {
    /// Its one encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let written = self.write(&mut Encoder::new(&mut out));
        // A vector takes whatever is written.
        debug_assert!(written.is_some());
        out
    }

    fn write(&self, e: &mut Encoder<&mut Vec<u8>>) -> Option<()> {
        e.array(6).ok()?.u32(OVERRIDE_VERSION).ok()?;
        e.bytes(&self.record).ok()?.str(&self.by).ok()?;
        e.encode(self.outcome).ok()?.str(&self.reason).ok()?;
        e.i32(self.as_of.days()).ok()?;
        Some(())
    }

    /// Decodes an override; whether it holds [`Scorer::check_override`] says.
    ///
    /// # Errors
    /// [`ErrorKind::BadRecord`]; an error never shows what it holds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        let read = |from: &mut Reader<'_>| {
            from.tuple(6)?;
            (u32::read(from)? == OVERRIDE_VERSION).then_some(())?;
            Some(Self {
                record: from.string(major::BYTES)?.try_into().ok()?,
                by: String::read(from)?,
                outcome: Outcome::read(from)?,
                reason: String::read(from)?,
                as_of: Date::read(from)?,
            })
        };
        read(&mut Reader(bytes))
            .filter(|read| read.encode() == bytes)
            .ok_or_else(|| bad("canonical CBOR of its kind and version 1"))
    }
}

fn bad(expected: &'static str) -> Error {
    Error::new(ErrorKind::BadRecord, "override", expected)
}

impl Scorer {
    /// The codes of the reasons for which staff may override a decision, in the order of their
    /// codes; none where the bundle allows no override. The text of `CODE` has the key
    /// `override.CODE`.
    pub fn override_reasons(&self) -> impl Iterator<Item = &str> {
        let keys = self.texts().entries.iter().map(|entry| entry.key.as_str());
        keys.filter_map(|key| key.strip_prefix(REASONS))
    }

    /// Makes the override of a decision on record, to be kept beside it.
    ///
    /// # Errors
    /// As [`Scorer::check_override`].
    pub fn override_decision(
        &self,
        record: &[u8],
        by: &str,
        outcome: Outcome,
        reason: &str,
        as_of: Date,
    ) -> Result<Vec<u8>> {
        let made = Override {
            record: Sha256::digest(record).into(),
            by: by.to_owned(),
            outcome,
            reason: reason.to_owned(),
            as_of,
        };
        let bytes = made.encode();
        self.check_override(record, &bytes)?;
        Ok(bytes)
    }

    /// Decodes an override and holds it against the record that it is kept beside: it must be of this
    /// record and bundle, name who decided, differ from the decision, have a reason of the bundle's
    /// list and not lie before the decision.
    ///
    /// # Errors
    /// [`ErrorKind::BadRecord`] with what does not hold, or [`ErrorKind::WrongBundle`].
    pub fn check_override(&self, record: &[u8], bytes: &[u8]) -> Result<Override> {
        let found = Override::decode(bytes)?;
        let decided = Record::borrow(record)?;
        self.check_bundle(&decided.bundle_id)?;
        let hash: [u8; 32] = Sha256::digest(record).into();
        let plain = |letter: char| !letter.is_control();
        for (holds, expected) in [
            (found.record == hash, "the SHA-256 of its record"),
            (
                (1..=MAX_STAFF_ID_BYTES).contains(&found.by.len()) && found.by.chars().all(plain),
                "the id of who decided, 1 to 256 bytes on one line",
            ),
            (
                found.outcome != decided.decision.outcome,
                "another outcome than the decision's",
            ),
            (
                self.override_reasons().any(|code| code == found.reason),
                "a reason that the bundle lists for overrides",
            ),
            (
                found.as_of >= decided.as_of,
                "a day that is not before the decision's",
            ),
        ] {
            if !holds {
                return Err(bad(expected));
            }
        }
        Ok(found)
    }
}
