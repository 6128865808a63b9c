//! META: what product the bundle is, when it holds, what it needs.

use minicbor::Encode;

use crate::bundle::cbor::{self, structure, variants};
use crate::error::{Error, Result};
use crate::schema::Date;

/// Which engine executes the bundle's models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum EngineKind {
    /// The plan engine: every device, the same bytes.
    #[n(0)]
    Plan,
    /// tract, native builds with that feature only.
    #[n(1)]
    Tract,
    /// TensorFlow Lite, native builds with that feature only.
    #[n(2)]
    Tflite,
}

impl std::fmt::Display for EngineKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plan => "plan",
            Self::Tract => "tract",
            Self::Tflite => "tflite",
        })
    }
}

/// What a bundle says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Meta {
    /// The product's stable name; a store takes updates of one product only.
    #[n(0)]
    pub product: String,
    /// Rises with every release of the product.
    #[n(1)]
    pub sequence: u64,
    /// The first day on which the bundle holds.
    #[n(2)]
    pub not_before: Option<Date>,
    /// The last day on which the bundle holds.
    #[n(3)]
    pub not_after: Option<Date>,
    /// The engine that its models need.
    #[n(4)]
    pub engine: EngineKind,
    /// Whether a form may show staff the score of an application while they are still filling it
    /// in. Whoever tries answers out against a score learns what the model wants to hear, so it
    /// takes the signer's word; where it is not so, the entry is left out.
    #[n(5)]
    #[cbor(skip_if = "std::ops::Not::not")]
    pub score_as_typed: bool,
}

variants!(EngineKind {
    0: Plan,
    1: Tract,
    2: Tflite
});
structure!(Meta {
    0: product,
    1: sequence,
    2: not_before,
    3: not_after,
    4: engine,
    5: score_as_typed = false,
});

impl Meta {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self> {
        let meta: Self = cbor::decode(bytes, "section META")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if meta.product.is_empty() || meta.product.len() > 64 || !meta.product.chars().all(plain) {
            return Err(Error::malformed(
                "section META",
                "a product name of 1 to 64 ASCII letters, digits, '-', '_' or '.'",
            ));
        }
        Ok(meta)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::ErrorKind;
    use crate::bundle::encode;

    fn meta(score_as_typed: bool) -> Meta {
        Meta {
            product: "credit".to_owned(),
            sequence: 7,
            not_before: None,
            not_after: None,
            engine: EngineKind::Plan,
            score_as_typed,
        }
    }

    /// The entries of `meta(false)`, and one more behind them.
    fn with(entry: &[u8]) -> Vec<u8> {
        let mut bytes = encode(&meta(false));
        bytes[0] += 1;
        bytes.extend_from_slice(entry);
        bytes
    }

    #[test]
    fn scoring_as_staff_type_is_written_only_where_it_is_allowed() {
        let not = encode(&meta(false));
        assert_eq!(not, b"\xa3\x00\x66credit\x01\x07\x04\x00");
        assert_eq!(Meta::decode(&not).unwrap(), meta(false));
        let allowed = encode(&meta(true));
        assert_eq!(allowed, with(&[5, 0xf5]));
        assert_eq!(Meta::decode(&allowed).unwrap(), meta(true));
        assert_eq!(Meta::decode(&with(&[5, 0xf4])).unwrap(), meta(false));
    }

    #[test]
    fn scoring_as_staff_type_is_true_or_false() {
        for wrong in [
            &[5, 1][..],
            &[5, 0xf6],
            &[5, 0x64, b't', b'r', b'u', b'e'],
            &[5],
        ] {
            let error = Meta::decode(&with(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Malformed, "{wrong:?}");
            assert_eq!(error.place(), "section META");
        }
    }

    #[test]
    fn what_a_newer_writer_adds_is_skipped() {
        assert_eq!(Meta::decode(&with(&[6, 0xf5])).unwrap(), meta(false));
    }
}
