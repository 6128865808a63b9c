//! What the fuzz targets share: bundles taken apart leniently and signed again.

use ed25519_dalek::{Signer, SigningKey};
use fieldscore_runtime::bundle::container::{
    ENTRY_BYTES, HEADER_BYTES, KNOWN_FEATURES, SIGNATURE_BYTES, SectionKind, Version, key_id,
    write_container,
};

/// A small bundle that opens.
pub const SMALL: &[u8] = include_bytes!("../seeds/bundle/small.fsb");

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
