//! The container: header, section table, signature, sections. `docs/bundle-format.md` is its
//! description for other implementers.
//!
//! Reading order is a security property: the signature over header and table is checked before
//! any of the table is believed, and each section's SHA-256 before the section is looked at.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result, show};

/// The first eight bytes: not text, and damaged by any transfer that changes line ends.
pub const MAGIC: [u8; 8] = *b"\x89FSB\r\n\x1a\n";
/// The format's major version: a reader refuses any other.
pub const MAJOR: u16 = 1;
/// The format's minor version: a reader accepts higher ones.
pub const MINOR: u16 = 0;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 128;
/// Bytes of one entry of the section table.
pub const ENTRY_BYTES: usize = 64;
/// Bytes of the signature, right after the table.
pub const SIGNATURE_BYTES: usize = 64;
/// Sections start at multiples of this, and zeros fill the gaps.
pub const ALIGNMENT: usize = 64;
/// No bundle is larger.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// No bundle has more sections.
pub const MAX_SECTIONS: usize = 32;
/// No structured (CBOR) section is larger; weights and card may be.
pub const MAX_STRUCTURED_BYTES: usize = 1 << 20;

/// Required feature bits: what a bundle asks of a runtime beyond dense nets. One bit for each family
/// of plan steps, so that a runtime built without it, or from before it, says so at once.
pub mod features {
    /// Trees and scorecards.
    pub const TREES: u64 = 1;
    /// Nets beyond chains of dense layers: attention, convolution, recurrence.
    pub const TENSORS: u64 = 1 << 1;
    /// A scorecard's points as the model's output, and chains of operations as transforms.
    pub const LINES: u64 = 1 << 2;
    /// Fields that are tables of rows, tensors or lists of words.
    pub const TABLES: u64 = 1 << 3;
    /// A model with several inputs or outputs, blends, and probabilities beside the score's.
    pub const OUTPUTS: u64 = 1 << 4;
    /// Decision tables, and the amounts that they look at, in the policy.
    pub const POLICY: u64 = 1 << 5;
    /// A challenger that is scored in shadow.
    pub const CHALLENGER: u64 = 1 << 6;
}

/// Feature bits that this runtime knows. A bundle that requires any other is refused.
pub const KNOWN_FEATURES: u64 = features::LINES
    | if cfg!(feature = "casework") {
        features::POLICY | features::CHALLENGER
    } else {
        0
    }
    | if cfg!(feature = "trees") {
        features::TREES
    } else {
        0
    }
    | if cfg!(feature = "tensors") {
        features::TENSORS
    } else {
        0
    }
    | if cfg!(feature = "tables") {
        features::TABLES
    } else {
        0
    }
    | if cfg!(feature = "outputs") {
        features::OUTPUTS
    } else {
        0
    };

/// A version as three numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Incompatible changes.
    pub major: u16,
    /// Additions.
    pub minor: u16,
    /// Repairs.
    pub patch: u16,
}

impl Version {
    /// This runtime's version.
    pub fn of_this_runtime() -> Self {
        let part = |text: &str| text.parse().unwrap_or(0);
        Self {
            major: part(env!("CARGO_PKG_VERSION_MAJOR")),
            minor: part(env!("CARGO_PKG_VERSION_MINOR")),
            patch: part(env!("CARGO_PKG_VERSION_PATCH")),
        }
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// What a section holds, as four ASCII letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SectionKind(pub [u8; 4]);

impl SectionKind {
    /// Product, sequence number, dates, engine.
    pub const META: Self = Self(*b"META");
    /// Fields and groups.
    pub const SCHEMA: Self = Self(*b"SCHM");
    /// From fields to features.
    pub const TRANSFORMS: Self = Self(*b"TRNS");
    /// Models as plans.
    pub const PLAN: Self = Self(*b"PLAN");
    /// Weights, raw.
    pub const WEIGHTS: Self = Self(*b"WGTS");
    /// A model file as it is, for an engine other than the plan's.
    pub const MODEL: Self = Self(*b"MODL");
    /// Calibration, score scale, reference applicant.
    pub const DECIDE: Self = Self(*b"DCDE");
    /// Cut-offs and knock-out rules.
    pub const POLICY: Self = Self(*b"PLCY");
    /// Texts per language.
    pub const TEXTS: Self = Self(*b"TEXT");
    /// Known-answer vectors.
    pub const KNOWN_ANSWERS: Self = Self(*b"KATV");
    /// The card, JSON; ancillary.
    pub const CARD: Self = Self(*b"CARD");
    /// Provenance, JSON; ancillary.
    pub const PROVENANCE: Self = Self(*b"PROV");
    /// The histogram of the training part ([`Histogram`](crate::watch::Histogram)); ancillary.
    pub const HISTOGRAM: Self = Self(*b"HIST");
    /// A second bundle that is scored in shadow
    /// ([`ChallengerParts`](crate::decide::ChallengerParts)).
    #[cfg(feature = "casework")]
    pub const CHALLENGER: Self = Self(*b"CHAL");

    const KNOWN: &'static [Self] = &[
        Self::META,
        Self::SCHEMA,
        Self::TRANSFORMS,
        Self::PLAN,
        Self::WEIGHTS,
        Self::MODEL,
        Self::DECIDE,
        Self::POLICY,
        Self::TEXTS,
        Self::KNOWN_ANSWERS,
        Self::CARD,
        Self::PROVENANCE,
        Self::HISTOGRAM,
        #[cfg(feature = "casework")]
        Self::CHALLENGER,
    ];
}

impl std::fmt::Display for SectionKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut letters = self.0.into_iter();
        letters.try_for_each(|byte| show(char::from(byte), f))
    }
}

/// One section: what it is and where it lies in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// What it holds.
    pub kind: SectionKind,
    /// Whether a reader that does not know `kind` must refuse the bundle.
    pub critical: bool,
    /// Where it starts, in bytes from the start of the file.
    pub offset: usize,
    /// Its length in bytes.
    pub len: usize,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

/// The identity of a public key: the first eight bytes of its SHA-256.
pub type KeyId = [u8; 8];

/// The identity of `key`.
pub fn key_id(key: &[u8; 32]) -> KeyId {
    let hash: [u8; 32] = Sha256::digest(key).into();
    let mut id = [0; 8];
    id.copy_from_slice(&hash[..8]);
    id
}

/// The header and section table of a bundle whose signature and hashes have been verified.
#[derive(Debug, Clone)]
pub struct Container {
    /// Major and minor version of the format.
    pub format: (u16, u16),
    /// What it asks of a runtime: bits of [`features`].
    pub features: u64,
    /// The least runtime that may open the bundle.
    pub least_runtime: Version,
    /// Who signed.
    pub key_id: KeyId,
    /// SHA-256 over header and section table: the bundle's identity.
    pub bundle_id: [u8; 32],
    /// The sections, in file order.
    pub sections: Vec<Section>,
}

fn not_a_bundle(expected: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::NotABundle, "bundle", expected)
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    at.checked_add(N)
        .and_then(|end| bytes.get(at..end))
        .and_then(|slice| slice.try_into().ok())
        .ok_or_else(|| not_a_bundle("more bytes: the file ends too early"))
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(array(bytes, at)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(array(bytes, at)?))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(array(bytes, at)?))
}

/// How far a reader goes with keys.
#[derive(Debug, Clone, Copy)]
pub enum Trust<'a> {
    /// The signature must verify under one of these public keys.
    Keys(&'a [[u8; 32]]),
    /// No signature is checked, and no hash: only for measuring, and for the fuzz targets that
    /// enter behind them.
    DangerouslyUnverified,
}

impl Container {
    /// Reads and verifies: lengths, signature, table, hashes, padding, in this order.
    ///
    /// # Errors
    /// [`ErrorKind::NotABundle`], [`ErrorKind::Unsupported`], [`ErrorKind::UntrustedKey`],
    /// [`ErrorKind::BadSignature`], [`ErrorKind::Altered`] or [`ErrorKind::Malformed`].
    pub fn read(bytes: &[u8], trust: Trust<'_>) -> Result<Self> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(not_a_bundle(format!("at most {MAX_FILE_BYTES} bytes")));
        }
        if !bytes.starts_with(&MAGIC) {
            return Err(not_a_bundle(
                "a file that starts as a Fieldscore bundle does",
            ));
        }
        let format = (u16_at(bytes, 8)?, u16_at(bytes, 10)?);
        if format.0 != MAJOR {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "header",
                format!("format version {MAJOR}, found {}", format.0),
            ));
        }
        let count = u32_at(bytes, 12)? as usize;
        if count == 0 || count > MAX_SECTIONS {
            return Err(not_a_bundle(format!("1 to {MAX_SECTIONS} sections")));
        }
        let signed_len = HEADER_BYTES + count * ENTRY_BYTES;
        let signed = bytes
            .get(..signed_len)
            .ok_or_else(|| not_a_bundle("the whole section table: the file ends too early"))?;
        let signature: [u8; SIGNATURE_BYTES] = array(bytes, signed_len)?;
        let key_id: KeyId = array(bytes, 40)?;
        if let Trust::Keys(keys) = trust {
            verify(signed, &signature, &key_id, keys)?;
        }

        // From here on header and table are the signer's own words.
        let features = u64_at(bytes, 16)?;
        if features & !KNOWN_FEATURES != 0 {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "header",
                format!(
                    "a newer runtime: required features {:#x} are unknown here",
                    features & !KNOWN_FEATURES
                ),
            ));
        }
        let least_runtime = Version {
            major: u16_at(bytes, 32)?,
            minor: u16_at(bytes, 34)?,
            patch: u16_at(bytes, 36)?,
        };
        if least_runtime > Version::of_this_runtime() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "header",
                format!(
                    "runtime {least_runtime} or newer, this is {}",
                    Version::of_this_runtime()
                ),
            ));
        }
        if u64_at(bytes, 24)? != bytes.len() as u64 {
            return Err(not_a_bundle("a file of the length its header states"));
        }
        let sections = read_table(bytes, count, format.1)?;
        check_cover(bytes, signed_len + SIGNATURE_BYTES, &sections)?;
        if let Trust::Keys(_) = trust {
            for section in &sections {
                let body = &bytes[section.offset..section.offset + section.len];
                let hash: [u8; 32] = Sha256::digest(body).into();
                if hash != section.sha256 {
                    return Err(Error::new(
                        ErrorKind::Altered,
                        format!("section {}", section.kind),
                        "bytes that match the signed hash",
                    ));
                }
            }
        }
        Ok(Self {
            format,
            features,
            least_runtime,
            key_id,
            bundle_id: Sha256::digest(signed).into(),
            sections,
        })
    }

    /// The section of `kind`, which must be there.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] where there is none.
    pub fn section(&self, kind: SectionKind) -> Result<Section> {
        self.find(kind)
            .ok_or_else(|| Error::malformed(format!("section {kind}"), "this section, once"))
    }

    /// The section of `kind`, if there is one.
    pub fn find(&self, kind: SectionKind) -> Option<Section> {
        self.sections.iter().copied().find(|s| s.kind == kind)
    }
}

fn verify(
    signed: &[u8],
    signature: &[u8; 64],
    key_id_in_file: &KeyId,
    keys: &[[u8; 32]],
) -> Result<()> {
    let mut known = false;
    for key in keys.iter().filter(|key| key_id(key) == *key_id_in_file) {
        known = true;
        let verifies = VerifyingKey::from_bytes(key)
            .and_then(|key| key.verify_strict(signed, &Signature::from_bytes(signature)))
            .is_ok();
        if verifies {
            return Ok(());
        }
    }
    Err(if known {
        Error::new(
            ErrorKind::BadSignature,
            "signature",
            "a signature over this header and section table",
        )
    } else {
        Error::new(
            ErrorKind::UntrustedKey,
            "header",
            "a bundle signed with one of the pinned keys",
        )
    })
}

fn read_table(bytes: &[u8], count: usize, minor: u16) -> Result<Vec<Section>> {
    let mut sections: Vec<Section> = Vec::with_capacity(count);
    for index in 0..count {
        let at = HEADER_BYTES + index * ENTRY_BYTES;
        let kind = SectionKind(array(bytes, at)?);
        let flags = u32_at(bytes, at + 4)?;
        let place = || format!("section {kind}");
        // A later minor version may give them a meaning that this reader can do without.
        let reserved = flags & !1 != 0 || array::<8>(bytes, at + 24)? != [0; 8];
        if reserved && minor == MINOR {
            return Err(Error::malformed(place(), "zeros in reserved bits"));
        }
        let offset = usize::try_from(u64_at(bytes, at + 8)?).ok();
        let len = usize::try_from(u64_at(bytes, at + 16)?).ok();
        let (Some(offset), Some(len)) = (offset, len) else {
            return Err(Error::malformed(
                place(),
                "an offset and a length inside the file",
            ));
        };
        if sections.iter().any(|s| s.kind == kind) {
            return Err(Error::malformed(place(), "this section only once"));
        }
        let section = Section {
            kind,
            critical: flags & 1 != 0,
            offset,
            len,
            sha256: array(bytes, at + 32)?,
        };
        if section.critical && !SectionKind::KNOWN.contains(&kind) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                place(),
                "a newer runtime: this critical section is unknown here",
            ));
        }
        sections.push(section);
    }
    Ok(sections)
}

/// Sections lie in table order, each at the next multiple of [`ALIGNMENT`], zeros between, and the
/// last one ends the file: no byte belongs to nobody.
fn check_cover(bytes: &[u8], start: usize, sections: &[Section]) -> Result<()> {
    let mut end = start;
    for section in sections {
        let place = || format!("section {}", section.kind);
        if section.offset != end.next_multiple_of(ALIGNMENT) {
            return Err(Error::malformed(
                place(),
                "its place right behind the section before it",
            ));
        }
        let gap = bytes
            .get(end..section.offset)
            .ok_or_else(|| not_a_bundle("all its sections: the file ends too early"))?;
        if gap.iter().fold(0, |all, b| all | b) != 0 {
            return Err(Error::new(
                ErrorKind::Altered,
                place(),
                "zeros before the section",
            ));
        }
        end = section
            .offset
            .checked_add(section.len)
            .filter(|&end| end <= bytes.len())
            .ok_or_else(|| not_a_bundle("all its sections: the file ends too early"))?;
    }
    if end != bytes.len() {
        return Err(not_a_bundle("nothing behind the last section"));
    }
    Ok(())
}

/// Lays out sections as a bundle and has them signed: the counterpart of [`Container::read`].
///
/// `features` are the bits that the plan requires ([`Plan::features`](crate::plan::Plan::features)).
/// `sign` gets header and section table and returns the Ed25519 signature over them.
///
/// # Errors
/// Whatever `sign` returns.
pub fn write_container<E>(
    sections: &[(SectionKind, bool, &[u8])],
    features: u64,
    least_runtime: Version,
    key_id: KeyId,
    sign: impl FnOnce(&[u8]) -> std::result::Result<[u8; 64], E>,
) -> std::result::Result<Vec<u8>, E> {
    let signed_len = HEADER_BYTES + sections.len() * ENTRY_BYTES;
    let mut offsets = Vec::with_capacity(sections.len());
    let mut end = signed_len + SIGNATURE_BYTES;
    for (_, _, body) in sections {
        let offset = end.next_multiple_of(ALIGNMENT);
        offsets.push(offset);
        end = offset + body.len();
    }
    let mut out = vec![0; end];
    out[..8].copy_from_slice(&MAGIC);
    out[8..10].copy_from_slice(&MAJOR.to_le_bytes());
    out[10..12].copy_from_slice(&MINOR.to_le_bytes());
    out[12..16].copy_from_slice(&(sections.len() as u32).to_le_bytes());
    out[16..24].copy_from_slice(&features.to_le_bytes());
    out[24..32].copy_from_slice(&(end as u64).to_le_bytes());
    out[32..34].copy_from_slice(&least_runtime.major.to_le_bytes());
    out[34..36].copy_from_slice(&least_runtime.minor.to_le_bytes());
    out[36..38].copy_from_slice(&least_runtime.patch.to_le_bytes());
    out[40..48].copy_from_slice(&key_id);
    for (index, ((kind, critical, body), offset)) in sections.iter().zip(&offsets).enumerate() {
        let entry = &mut out[HEADER_BYTES + index * ENTRY_BYTES..][..ENTRY_BYTES];
        entry[..4].copy_from_slice(&kind.0);
        entry[4..8].copy_from_slice(&u32::from(*critical).to_le_bytes());
        entry[8..16].copy_from_slice(&(*offset as u64).to_le_bytes());
        entry[16..24].copy_from_slice(&(body.len() as u64).to_le_bytes());
        entry[32..].copy_from_slice(&Sha256::digest(body));
        out[*offset..offset + body.len()].copy_from_slice(body);
    }
    let signature = sign(&out[..signed_len])?;
    out[signed_len..signed_len + SIGNATURE_BYTES].copy_from_slice(&signature);
    Ok(out)
}
