//! The challenger: a second bundle inside a bundle, which is scored in shadow for a set share of the
//! applications. What it says is kept beside the decision and never is part of it.

use hmac::{Hmac, KeyInit, Mac};
use minicbor::Encode;
use sha2::Sha256;

use crate::bundle::cbor::{Read, Reader, major};
use crate::decide::Outcome;
use crate::error::{Error, Result};

/// The longest key of an assignment, in bytes.
pub const MAX_ASSIGNMENT_KEY_BYTES: usize = 64;

/// CHAL as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cbor(map)]
pub struct ChallengerParts<'b> {
    /// Which applications it scores.
    #[n(0)]
    pub assignment: Assignment<'b>,
    /// The challenger: a whole bundle with the same SCHM.
    #[n(1)]
    #[cbor(with = "minicbor::bytes")]
    pub bundle: &'b [u8],
}

/// Which applications a challenger scores: those whose id has a keyed hash below a share of all hashes.
///
/// The hash is the first eight bytes, big-endian, of HMAC-SHA-256 (FIPS 198-1) over the id's UTF-8. So it is
/// the same on every device and for every try, it says nothing of the applicant, and another key makes
/// another choice.
///
/// # Example
/// ```
/// use fieldscore_runtime::decide::Assignment;
/// let tenth = Assignment { share_ppm: 100_000, key: "spring trial" };
/// let taken = (0..100_000).filter(|n| tenth.takes(&format!("A-{n}"))).count();
/// assert!((9_000..=11_000).contains(&taken));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cbor(map)]
pub struct Assignment<'b> {
    /// The share of applications in parts per million, 1 to 1 000 000.
    #[n(0)]
    pub share_ppm: u32,
    /// The hash's key, 1 to [`MAX_ASSIGNMENT_KEY_BYTES`] bytes. It stands in the bundle for all to read.
    #[n(1)]
    pub key: &'b str,
}

/// What a challenger says of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shadow {
    /// The score on the challenger's scale.
    pub score: i32,
    /// The probability of default in parts per million, 100 to 999 900.
    pub probability_ppm: u32,
    /// What the challenger's policy says.
    pub outcome: Outcome,
}

impl<'b> Read<'b> for Assignment<'b> {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        let mut entries = from.map()?;
        let assignment = Self {
            share_ppm: from.entry(&mut entries, 0)?,
            key: from.entry(&mut entries, 1)?,
        };
        from.end(entries)?;
        Some(assignment)
    }
}

/// A byte string, where it lies.
struct Bytes<'b>(&'b [u8]);

impl<'b> Read<'b> for Bytes<'b> {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        from.string(major::BYTES).map(Self)
    }
}

impl<'b> Read<'b> for ChallengerParts<'b> {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        let mut entries = from.map()?;
        let parts = Self {
            assignment: from.entry(&mut entries, 0)?,
            bundle: from.entry::<Bytes<'b>>(&mut entries, 1)?.0,
        };
        from.end(entries)?;
        Some(parts)
    }
}

impl Assignment<'_> {
    pub(crate) fn check(&self) -> Result<()> {
        let sound = (1..=1_000_000).contains(&self.share_ppm)
            && (1..=MAX_ASSIGNMENT_KEY_BYTES).contains(&self.key.len());
        match sound {
            true => Ok(()),
            false => Err(Error::malformed(
                "section CHAL",
                "a share of 1 to 1000000 millionths and a key of 1 to 64 bytes",
            )),
        }
    }

    /// Whether the challenger scores the application of this id.
    pub fn takes(&self, id: &str) -> bool {
        // It takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.key.as_bytes()) else {
            return false;
        };
        mac.update(id.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&mac.finalize().into_bytes()[..8]);
        let hash = u64::from_be_bytes(first);
        (u128::from(hash) * 1_000_000) >> 64 < u128::from(self.share_ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of 100 000 ids that is taken, in parts per million.
    fn taken(assignment: Assignment<'_>, prefix: &str) -> i64 {
        let ids = (0..100_000).map(|n| format!("{prefix}{n}"));
        ids.filter(|id| assignment.takes(id)).count() as i64 * 10
    }

    #[test]
    fn the_share_is_kept_to_a_hundredth_of_the_ids() {
        for share_ppm in [1_000, 10_000, 50_000, 200_000, 500_000, 900_000, 1_000_000] {
            for key in ["k", "spring trial", "autumn trial"] {
                for prefix in ["", "A-", "2026-11-22/branch 7/"] {
                    let taken = taken(Assignment { share_ppm, key }, prefix);
                    let off = (taken - i64::from(share_ppm)).abs();
                    assert!(off <= 10_000, "{share_ppm} {key} {prefix}: {taken}");
                }
            }
        }
    }

    #[test]
    fn keys_choose_independently() {
        let half = |key| Assignment {
            share_ppm: 500_000,
            key,
        };
        let both = (0..100_000)
            .map(|n| format!("A-{n}"))
            .filter(|id| half("one").takes(id) && half("two").takes(id))
            .count();
        assert!((24_000..=26_000).contains(&both), "{both}");
    }

    /// Test case 2 of RFC 4231, section 4.3: key "Jefe".
    #[test]
    fn the_hash_is_hmac_sha_256() {
        let id = "what do ya want for nothing?";
        let first = u64::from_be_bytes([0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e]);
        let share = ((u128::from(first) * 1_000_000) >> 64) as u32;
        let of = |share_ppm| Assignment {
            share_ppm,
            key: "Jefe",
        };
        assert!(!of(share).takes(id));
        assert!(of(share + 1).takes(id));
    }

    #[test]
    fn shares_and_keys_out_of_bounds_are_refused() {
        let long = "k".repeat(65);
        for (share_ppm, key) in [(0, "k"), (1_000_001, "k"), (1, ""), (1, &long)] {
            assert!(Assignment { share_ppm, key }.check().is_err());
        }
        let long = &long[1..];
        assert!(
            Assignment {
                share_ppm: 1_000_000,
                key: long
            }
            .check()
            .is_ok()
        );
    }
}
