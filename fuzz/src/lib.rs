//! What the fuzz targets share: bundles taken apart leniently and signed again.

use ed25519_dalek::{Signer, SigningKey};
use fieldscore_runtime::bundle::container::{
    ENTRY_BYTES, HEADER_BYTES, KNOWN_FEATURES, SIGNATURE_BYTES, SectionKind, Version, key_id,
    write_container,
};
use fieldscore_runtime::{Application, Outcome, Scorer};

/// A small bundle that opens.
pub const SMALL: &[u8] = include_bytes!("../seeds/bundle/small.fsb");

/// A bundle whose policy has amounts, tables and terms, with what surrounds a decision: words of notices,
/// reasons of overrides, fields that change, a histogram to count against.
pub const POLICY: &[u8] = include_bytes!("../seeds/bundle/policy.fsb");

/// A section: what it holds, whether it is critical, its bytes.
pub type Part = (SectionKind, bool, Vec<u8>);

fn signing() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// The public half of the key that [`pack`] signs with.
pub fn public() -> [u8; 32] {
    signing().verifying_key().to_bytes()
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
}

/// The sections of something that resembles a bundle: lengths that do not fit are cut.
pub fn unpack(bytes: &[u8]) -> Option<Vec<Part>> {
    let count = u32::from_le_bytes(bytes.get(12..16)?.try_into().ok()?) as usize;
    let start = HEADER_BYTES + count.min(16) * ENTRY_BYTES + SIGNATURE_BYTES;
    let mut parts = Vec::new();
    for index in 0..count.min(16) {
        let at = HEADER_BYTES + index * ENTRY_BYTES;
        let entry = bytes.get(at..at + ENTRY_BYTES)?;
        let offset = number(entry, 8)?.clamp(start.min(bytes.len()), bytes.len());
        let len = number(entry, 16)?.min(bytes.len() - offset);
        let kind = SectionKind(entry[..4].try_into().ok()?);
        let body = bytes[offset..offset + len].to_vec();
        parts.push((kind, entry[4] & 1 == 1, body));
    }
    Some(parts)
}

/// A bundle of these sections, correctly signed.
pub fn pack(parts: &[Part]) -> Vec<u8> {
    let sections: Vec<_> = parts
        .iter()
        .map(|(kind, critical, body)| (*kind, *critical, &body[..]))
        .collect();
    let least = Version {
        major: 0,
        minor: 0,
        patch: 0,
    };
    let sign = |bytes: &[u8]| Ok::<_, std::convert::Infallible>(signing().sign(bytes).to_bytes());
    match write_container(&sections, KNOWN_FEATURES, least, key_id(&public()), sign) {
        Ok(bytes) => bytes,
        Err(never) => match never {},
    }
}

/// One of the seed bundles above, opened.
pub fn open(seed: &[u8]) -> Scorer {
    let parts = unpack(seed).unwrap_or_default();
    Scorer::open(pack(&parts), &[public()]).expect("the seed bundle opens")
}

/// What surrounds a decision: its trace and terms, record and notice, alternatives, a person's decision.
/// Where a person's would be another outcome, one of a reason that the bundle lists holds.
pub fn surround(scorer: &Scorer, application: &Application) {
    let Ok(explanation) = scorer.explain(application) else {
        return;
    };
    let decision = &explanation.decision;
    let trace = scorer.trace(application, decision);
    assert!(
        trace
            .iter()
            .all(|tried| tried.held || tried.said.is_empty())
    );
    let terms = scorer.terms(application, decision);
    assert!(
        terms
            .iter()
            .all(|term| term.number.is_some() == term.text.is_some())
    );
    let mut record = Vec::new();
    scorer.record_explained(application, &explanation, &mut record);
    assert!(scorer.replay(&record).is_ok_and(|replay| replay.same));
    let verified = scorer.verify_record(&record);
    assert!(verified.is_ok_and(|(_, again)| again == *decision));
    let notice = scorer.notice(application, &explanation, "zh-Hans-CN");
    assert!(
        scorer
            .notice_of(&record, "zh-Hans-CN")
            .is_ok_and(|own| own == notice)
    );
    let _ = notice.to_text();
    if let Ok(alternatives) = scorer.alternatives(application) {
        let found = alternatives.found.iter();
        assert!(
            found
                .clone()
                .all(|one| one.decision.outcome < decision.outcome)
        );
        assert!(found.len() <= 3);
    }
    let other = match decision.outcome {
        Outcome::Refer => Outcome::Approve,
        _ => Outcome::Refer,
    };
    if let Some(reason) = scorer.override_reasons().next() {
        let made = scorer.override_decision(&record, "T-1", other, reason, application.as_of());
        if let Ok(made) = made {
            assert!(
                scorer
                    .check_override(&record, &made)
                    .is_ok_and(|own| own.outcome == other)
            );
        }
    }
}
