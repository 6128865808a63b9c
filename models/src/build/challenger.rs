//! The challenger of a recipe: a bundle that was built before, taken into this one.

use fieldscore_runtime::Scorer;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::bundle::{EngineKind, encode};
use fieldscore_runtime::decide::{Assignment, ChallengerParts, MAX_ASSIGNMENT_KEY_BYTES};

use super::hex;
use crate::error::{Error, Result, io};
use crate::keys::Signing;
use crate::recipe::{Challenger, Lowered};

/// The section CHAL of a recipe's challenger, for a bundle that `key` signs.
///
/// # Errors
/// Where the file is no bundle of that key, or has other fields or groups; and for a share or key out of bounds.
pub(super) fn section(recipe: &Challenger, lowered: &Lowered, key: &Signing) -> Result<Vec<u8>> {
    let Challenger {
        bundle,
        share,
        key: own,
    } = recipe;
    if !(*share > 0.0 && *share <= 1.0) {
        return Err(Error::input(
            "challenger.share",
            "a number above 0, at most 1",
        ));
    }
    if !(1..=MAX_ASSIGNMENT_KEY_BYTES).contains(&own.len()) {
        let expected = format!("1 to {MAX_ASSIGNMENT_KEY_BYTES} bytes");
        return Err(Error::input("challenger.key", expected));
    }
    let bytes = std::fs::read(bundle).map_err(|what| io(bundle, &what))?;
    let place = |error: Error| error.within("challenger.bundle");
    let scorer = Scorer::open(bytes.clone(), &[key.public()]).map_err(|e| place(e.into()))?;
    scorer.self_test().map_err(|e| place(e.into()))?;
    if scorer.challenger().is_some() || scorer.meta().engine != EngineKind::Plan {
        let expected = "a bundle that runs as a plan and has no challenger itself";
        return Err(Error::input("challenger.bundle", expected));
    }
    if scorer.section(SectionKind::SCHEMA) != Some(&encode(&lowered.schema)[..]) {
        return Err(Error::input(
            "challenger.bundle",
            format!(
                "a bundle with this recipe's own fields and groups, which {} has not",
                hex(&scorer.bundle_id()[..8])
            ),
        )
        .hint("let both recipes extend one file with [fields] and [groups]; a model need not read every field"));
    }
    let assignment = Assignment {
        share_ppm: ((share * 1e6).round() as u32).max(1),
        key: own,
    };
    Ok(encode(&ChallengerParts {
        assignment,
        bundle: &bytes,
    }))
}
