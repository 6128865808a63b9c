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
