//! Taking a bundle apart and putting it together again, correctly signed over whatever is in it.

use std::ops::Range;

use fieldscore_models::keys::Signing;
use fieldscore_runtime::bundle::container::{
    ENTRY_BYTES, HEADER_BYTES, KNOWN_FEATURES, SIGNATURE_BYTES, SectionKind, Version,
    write_container,
};
use sha2::{Digest, Sha256};

/// A section: what it holds, whether it is critical, its bytes.
pub type Part = (SectionKind, bool, Vec<u8>);

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// How many sections the header states.
pub fn count(bundle: &[u8]) -> usize {
    u32::from_le_bytes(bundle[12..16].try_into().expect("four bytes")) as usize
}

/// Where the entry of section `index` lies.
pub fn entry(index: usize) -> Range<usize> {
    let start = HEADER_BYTES + index * ENTRY_BYTES;
    start..start + ENTRY_BYTES
}

/// Where the signature lies.
pub fn signature(bundle: &[u8]) -> Range<usize> {
    let start = HEADER_BYTES + count(bundle) * ENTRY_BYTES;
    start..start + SIGNATURE_BYTES
}

/// Where the body of section `index` lies.
pub fn body(bundle: &[u8], index: usize) -> Range<usize> {
    let at = entry(index).start;
    let start = word(bundle, at + 8) as usize;
    start..start + word(bundle, at + 16) as usize
}

/// The index of a section.
pub fn index_of(bundle: &[u8], kind: SectionKind) -> usize {
    (0..count(bundle))
        .find(|&index| bundle[entry(index)][..4] == kind.0)
        .expect("the section")
}

/// The sections of a sound bundle.
pub fn sections(bundle: &[u8]) -> Vec<Part> {
    (0..count(bundle))
        .map(|index| {
            let entry = &bundle[entry(index)];
            let kind = SectionKind(entry[..4].try_into().expect("four bytes"));
            (
                kind,
                entry[4] & 1 == 1,
                bundle[body(bundle, index)].to_vec(),
            )
        })
        .collect()
}

/// A bundle of these sections, signed.
pub fn assemble(parts: &[Part], key: &Signing) -> Vec<u8> {
    assemble_for(parts, key, (0, 1, 0))
}

/// As [`assemble`], for runtimes from `least` on.
pub fn assemble_for(parts: &[Part], key: &Signing, least: (u16, u16, u16)) -> Vec<u8> {
    assemble_requiring(parts, key, least, KNOWN_FEATURES)
}

/// As [`assemble_for`], requiring these feature bits.
pub fn assemble_requiring(
    parts: &[Part],
    key: &Signing,
    least: (u16, u16, u16),
    features: u64,
) -> Vec<u8> {
    let sections: Vec<_> = parts
        .iter()
        .map(|(kind, critical, body)| (*kind, *critical, &body[..]))
        .collect();
    let least = Version {
        major: least.0,
        minor: least.1,
        patch: least.2,
    };
    let sign = |bytes: &[u8]| Ok::<_, std::convert::Infallible>(key.sign(bytes));
    match write_container(&sections, features, least, key.id(), sign) {
        Ok(bytes) => bytes,
        Err(never) => match never {},
    }
}

/// The bundle with one section replaced, signed anew.
pub fn with_section(bundle: &[u8], kind: SectionKind, body: &[u8], key: &Signing) -> Vec<u8> {
    let mut parts = sections(bundle);
    let part = parts.iter_mut().find(|part| part.0 == kind);
    part.expect("the section").2 = body.to_vec();
    assemble(&parts, key)
}

/// Signs header and table as they stand.
pub fn sign(bundle: &mut [u8], key: &Signing) {
    let at = signature(bundle);
    let signature = key.sign(&bundle[..at.start]);
    bundle[at].copy_from_slice(&signature);
}

/// Writes the hashes of the sections as they stand, and signs.
pub fn hash_and_sign(bundle: &mut [u8], key: &Signing) {
    for index in 0..count(bundle) {
        let hash = Sha256::digest(&bundle[body(bundle, index)]);
        bundle[entry(index)][32..].copy_from_slice(&hash);
    }
    sign(bundle, key);
}
