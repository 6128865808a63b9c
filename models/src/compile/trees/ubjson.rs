//! UBJSON as XGBoost writes it: big-endian numbers, strongly typed arrays, containers with or
//! without a count (Universal Binary JSON specification, draft 12).

use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// How deep containers may lie in each other.
const MAX_DEPTH: usize = 64;

/// Reads a whole file.
///
/// # Errors
/// Where it is cut off, nested too deep, or no UBJSON.
pub(super) fn parse(bytes: &[u8], place: &str) -> Result<Value> {
    let mut reader = Reader { bytes, at: 0 };
    let fault = |at: usize| Error::input(format!("{place}, byte {at}"), "valid UBJSON");
    let tag = reader.byte().ok_or_else(|| fault(0))?;
    let value = reader
        .value(tag, MAX_DEPTH)
        .ok_or_else(|| fault(reader.at))?;
    if reader.at == bytes.len() {
        Ok(value)
    } else {
        Err(fault(reader.at))
    }
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
}

/// What stands between a container's mark and its items.
struct Head {
    /// The type of all items.
    tag: Option<u8>,
    /// How many.
    count: Option<usize>,
}

impl Reader<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let end = self.at.checked_add(N)?;
        let taken = self.bytes.get(self.at..end)?.try_into().ok()?;
        self.at = end;
        Some(taken)
    }

    fn integer(&mut self, tag: u8) -> Option<i64> {
        Some(match tag {
            b'i' => i8::from_be_bytes(self.take()?).into(),
            b'U' => self.byte()?.into(),
            b'I' => i16::from_be_bytes(self.take()?).into(),
            b'l' => i32::from_be_bytes(self.take()?).into(),
            b'L' => i64::from_be_bytes(self.take()?),
            _ => return None,
        })
    }

    /// A length, which no file exceeds that has as many items.
    fn length(&mut self) -> Option<usize> {
        let tag = self.byte()?;
        usize::try_from(self.integer(tag)?)
            .ok()
            .filter(|&length| length <= self.bytes.len())
    }

    fn string(&mut self) -> Option<String> {
        let length = self.length()?;
        let end = self.at.checked_add(length)?;
        let text = std::str::from_utf8(self.bytes.get(self.at..end)?).ok()?;
        self.at = end;
        Some(text.to_owned())
    }

    fn peek(&mut self, mark: u8) -> bool {
        let found = self.bytes.get(self.at) == Some(&mark);
        self.at += usize::from(found);
        found
    }

    fn head(&mut self) -> Option<Head> {
        let tag = if self.peek(b'$') {
            Some(self.byte()?)
        } else {
            None
        };
        let count = if self.peek(b'#') {
            Some(self.length()?)
        } else {
            None
        };
        // A type without a count has no end.
        (tag.is_none() || count.is_some()).then_some(Head { tag, count })
    }

    fn value(&mut self, tag: u8, depth: usize) -> Option<Value> {
        Some(match tag {
            b'Z' => Value::Null,
            b'T' => Value::Bool(true),
            b'F' => Value::Bool(false),
            b'd' => float(f32::from_be_bytes(self.take()?).into()),
            b'D' => float(f64::from_be_bytes(self.take()?)),
            b'C' => Value::String(char::from(self.byte()?).to_string()),
            b'S' => Value::String(self.string()?),
            b'[' => self.array(depth.checked_sub(1)?)?,
            b'{' => self.object(depth.checked_sub(1)?)?,
            tag => Value::Number(self.integer(tag)?.into()),
        })
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let head = self.head()?;
        let mut items = Vec::new();
        while head.count.is_none_or(|count| items.len() < count) {
            let tag = match head.tag {
                // Items without bytes: a count alone could fill the memory.
                Some(b'Z' | b'T' | b'F') => return None,
                Some(tag) => tag,
                None => self.byte()?,
            };
            if head.count.is_none() && tag == b']' {
                break;
            }
            items.push(self.value(tag, depth)?);
        }
        Some(Value::Array(items))
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let head = self.head()?;
        let mut items = Map::new();
        let mut read = 0;
        while head.count.is_none_or(|count| read < count) {
            if head.count.is_none() && self.peek(b'}') {
                break;
            }
            let key = self.string()?;
            let tag = match head.tag {
                Some(tag) => tag,
                None => self.byte()?,
            };
            items.insert(key, self.value(tag, depth)?);
            read += 1;
        }
        Some(Value::Object(items))
    }
}

/// JSON has no infinities; what needs a number says so where it finds none.
fn float(x: f64) -> Value {
    Number::from_f64(x).map_or(Value::Null, Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_and_typed_arrays() {
        let bytes = b"{U\x01a[$d#U\x02\x3f\x80\x00\x00\xbf\x00\x00\x00U\x01b[#U\x02i\xffTU\x01c[L\0\0\0\0\0\0\0\x07]U\x01dSU\x02hi}";
        let value = parse(bytes, "file").ok();
        let expected = serde_json::json!({"a": [1.0, -0.5], "b": [-1, true], "c": [7], "d": "hi"});
        assert_eq!(value, Some(expected));
    }

    #[test]
    fn what_is_cut_off_nested_or_endless_is_an_error() {
        let whole = b"{U\x01a[$d#U\x01\x3f\x80\x00\x00}";
        assert!(parse(whole, "file").is_ok());
        for end in 0..whole.len() {
            assert!(parse(&whole[..end], "file").is_err(), "cut at {end}");
        }
        assert!(parse(&[b'['; 1000], "file").is_err());
        assert!(parse(b"[$Z#l\x7f\xff\xff\xff", "file").is_err());
        assert!(parse(b"[$T#U\x02", "file").is_err());
    }
}
