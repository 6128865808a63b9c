//! CBOR sections: one item each, nothing behind it.

use minicbor::{Decode, Decoder, Encode};

use crate::bundle::canonical::{self, Canonical};
use crate::error::{Error, Result};

/// Decodes the one item that `bytes` holds.
///
/// # Errors
/// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), naming `place`.
pub(crate) fn decode<'b, T: Decode<'b, ()>>(bytes: &'b [u8], place: &'static str) -> Result<T> {
    let mut decoder = Decoder::new(bytes);
    let item = decoder
        .decode()
        .map_err(|e| Error::malformed(place, format!("valid CBOR of its kind ({})", reason(&e))))?;
    if decoder.position() != bytes.len() {
        return Err(Error::malformed(place, "nothing behind its one CBOR item"));
    }
    Ok(item)
}

/// What minicbor says, without the position's neighbourhood: a class and a place, never a value.
pub(crate) fn reason(e: &minicbor::decode::Error) -> String {
    let class = if e.is_end_of_input() {
        "ends too early"
    } else if e.is_type_mismatch() {
        "wrong type"
    } else if e.is_missing_value() {
        "a required entry is missing"
    } else if e.is_unknown_variant() {
        "unknown variant"
    } else {
        "not decodable"
    };
    match e.position() {
        Some(at) => format!("{class} at byte {at}"),
        None => class.to_owned(),
    }
}

/// As [`decode`], at once where the item is written as [`encode`] writes it. Not in WebAssembly: what
/// a browser has to load counts for more there than microseconds.
///
/// # Errors
/// As [`decode`].
pub(crate) fn decode_quickly<'b, T>(bytes: &'b [u8], place: &'static str) -> Result<T>
where
    T: Canonical + Decode<'b, ()>,
{
    if cfg!(target_arch = "wasm32") {
        return decode(bytes, place);
    }
    canonical::read(bytes).map_or_else(|| decode(bytes, place), Ok)
}

/// Encodes `item` in the order of its declaration: the same item gives the same bytes.
pub fn encode<T: Encode<()>>(item: &T) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a vector cannot fail, and our types have no failing encoders.
    let written = minicbor::encode(item, &mut out);
    debug_assert!(written.is_ok());
    out
}
