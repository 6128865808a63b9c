//! A quick reader for CBOR as [`encode`](crate::bundle::encode) writes it: definite lengths, known
//! keys in rising order, nothing left out but what may be. It takes less than minicbor does, and
//! what it takes means the same; whatever it declines, minicbor decodes or says what is wrong.

use minicbor::bytes::ByteVec;

/// What can be read quickly.
pub(crate) trait Canonical: Sized {
    /// Reads one item, or declines.
    fn read(from: &mut Reader<'_>) -> Option<Self>;

    /// What an absent entry of a map stands for.
    fn absent() -> Option<Self> {
        None
    }
}

/// Bytes that are read from the front.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'b>(pub &'b [u8]);

/// CBOR's major types (RFC 8949, section 3.1), in place.
pub(crate) mod major {
    pub const UNSIGNED: u8 = 0 << 5;
    pub const NEGATIVE: u8 = 1 << 5;
    pub const BYTES: u8 = 2 << 5;
    pub const TEXT: u8 = 3 << 5;
    pub const ARRAY: u8 = 4 << 5;
    pub const MAP: u8 = 5 << 5;
}

/// Room that is made at once for a list, at most: a stated length is no promise.
const ROOM: usize = 64;

impl<'b> Reader<'b> {
    #[inline]
    fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    /// The argument of an item whose first byte, without its type, is `info`.
    #[inline]
    fn argument(&mut self, info: u8) -> Option<u64> {
        match info {
            0..24 => Some(info.into()),
            24 => self.byte().map(u64::from),
            25 => Some(u16::from_be_bytes(self.array()?).into()),
            26 => Some(u32::from_be_bytes(self.array()?).into()),
            27 => Some(u64::from_be_bytes(self.array()?)),
            _ => None,
        }
    }

    /// The argument of an item of this major type: a number, a count, a length.
    #[inline]
    pub fn head(&mut self, major: u8) -> Option<u64> {
        let first = self.byte()?;
        match first ^ major {
            info @ 0..24 => Some(info.into()),
            info @ 24..32 => self.argument(info),
            _ => None,
        }
    }

    /// A byte or text string's bytes; of text it is not yet known whether they are UTF-8.
    #[inline]
    pub fn string(&mut self, major: u8) -> Option<&'b [u8]> {
        let len = usize::try_from(self.head(major)?).ok()?;
        let (string, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(string)
    }

    /// An array of exactly `count` items.
    #[inline]
    pub fn tuple(&mut self, count: u64) -> Option<()> {
        (self.head(major::ARRAY)? == count).then_some(())
    }

    /// The entry `key` of a map of which `left` entries are still to come.
    #[inline]
    pub fn entry<T: Canonical>(&mut self, key: u8, left: &mut u64) -> Option<T> {
        match self.0.split_first() {
            Some((&next, rest)) if next == key && *left > 0 => {
                *left -= 1;
                self.0 = rest;
                T::read(self)
            }
            _ => T::absent(),
        }
    }
}

/// Reads the one item that `bytes` holds, or declines.
pub(crate) fn read<T: Canonical>(bytes: &[u8]) -> Option<T> {
    let mut from = Reader(bytes);
    let item = T::read(&mut from)?;
    from.0.is_empty().then_some(item)
}

macro_rules! unsigned {
    ($($kind:ty),*) => {$(
        impl Canonical for $kind {
            #[inline]
            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.head(major::UNSIGNED)?.try_into().ok()
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

impl Canonical for i64 {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let first = from.byte()?;
        let argument = i64::try_from(from.argument(first & 31)?).ok()?;
        match first & !31 {
            major::UNSIGNED => Some(argument),
            major::NEGATIVE => Some(!argument),
            _ => None,
        }
    }
}

impl Canonical for i32 {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        i64::read(from)?.try_into().ok()
    }
}

impl Canonical for bool {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        match from.byte()? {
            0xf4 => Some(false),
            0xf5 => Some(true),
            _ => None,
        }
    }
}

impl Canonical for f64 {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        match from.byte()? {
            0xfb => from.array().map(Self::from_be_bytes),
            _ => None,
        }
    }
}

impl Canonical for String {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(str::from_utf8(from.string(major::TEXT)?).ok()?.to_owned())
    }
}

impl Canonical for ByteVec {
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(from.string(major::BYTES)?.to_vec().into())
    }
}

impl<T: Canonical> Canonical for Option<T> {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        if let [0xf6, rest @ ..] = from.0 {
            from.0 = rest;
            return Some(None);
        }
        T::read(from).map(Some)
    }

    #[inline]
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Canonical> Canonical for Vec<T> {
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let count = from.head(major::ARRAY)?;
        let mut all = Self::with_capacity(ROOM.min(usize::try_from(count).ok()?));
        for _ in 0..count {
            all.push(T::read(from)?);
        }
        Some(all)
    }
}

impl<A: Canonical, B: Canonical> Canonical for (A, B) {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        from.tuple(2)?;
        Some((A::read(from)?, B::read(from)?))
    }
}

/// A structure that is a map from these keys, or an array of its fields in this order.
macro_rules! structure {
    ($name:ident { $($key:literal: $field:ident),* $(,)? }) => {
        impl $crate::bundle::canonical::Canonical for $name {
            #[inline]
            fn read(from: &mut $crate::bundle::canonical::Reader<'_>) -> Option<Self> {
                let mut left = from.head($crate::bundle::canonical::major::MAP)?;
                $(let $field = from.entry($key, &mut left)?;)*
                (left == 0).then(|| Self { $($field),* })
            }
        }
    };
    ($name:ident [ $($field:ident),* $(,)? ]) => {
        impl $crate::bundle::canonical::Canonical for $name {
            fn read(from: &mut $crate::bundle::canonical::Reader<'_>) -> Option<Self> {
                from.tuple([$(stringify!($field)),*].len() as u64)?;
                Some(Self {
                    $($field: $crate::bundle::canonical::Canonical::read(from)?),*
                })
            }
        }
    };
}
pub(crate) use structure;

/// An enumeration whose variants have no fields, or are an array of their number and an array of
/// their fields.
macro_rules! variants {
    ($name:ident { $($index:literal: $variant:ident),* $(,)? }) => {
        impl $crate::bundle::canonical::Canonical for $name {
            #[inline]
            fn read(from: &mut $crate::bundle::canonical::Reader<'_>) -> Option<Self> {
                match <u64 as $crate::bundle::canonical::Canonical>::read(from)? {
                    $($index => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
    ($name:ident [ $($index:literal: $variant:ident { $($field:tt),* }),* $(,)? ]) => {
        impl $crate::bundle::canonical::Canonical for $name {
            fn read(from: &mut $crate::bundle::canonical::Reader<'_>) -> Option<Self> {
                use $crate::bundle::canonical::Canonical;
                from.tuple(2)?;
                match u64::read(from)? {
                    $($index => {
                        from.tuple(<[&str]>::len(&[$(stringify!($field)),*]) as u64)?;
                        Some(Self::$variant { $($field: Canonical::read(from)?),* })
                    })*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use variants;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fmt::Debug;

    use super::*;
    use crate::bundle::container::{Container, SectionKind, Trust};
    use crate::bundle::{cbor, encode};
    use crate::decide::DecideParts;
    use crate::plan::{Plan, Step};
    use crate::schema::transform::{Column, Encoding, TransformParts};
    use crate::schema::{FieldKind, LazyTexts, SchemaParts, Texts};

    const GOLDEN: &[u8] = include_bytes!("../../../tests/golden/credit/credit.fsb");

    fn section(kind: SectionKind) -> &'static [u8] {
        let container = Container::read(GOLDEN, Trust::DangerouslyUnverified).unwrap();
        let section = container.section(kind).unwrap();
        &GOLDEN[section.offset..section.offset + section.len]
    }

    /// `bytes` with one byte changed, in many ways, and cut short.
    fn harmed(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        const VALUES: [u8; 21] = [
            0x00, 0x01, 0x05, 0x17, 0x18, 0x19, 0x1b, 0x20, 0x38, 0x40, 0x60, 0x62, 0x80, 0x82,
            0x9f, 0xa1, 0xbf, 0xf4, 0xf6, 0xfb, 0xff,
        ];
        let changed = (0..bytes.len()).flat_map(move |at| {
            let near = [1, 0x20, 0x80].map(|bit| bytes[at] ^ bit);
            VALUES.into_iter().chain(near).map(move |value| {
                let mut bytes = bytes.to_vec();
                bytes[at] = value;
                bytes
            })
        });
        let cut = (0..bytes.len()).map(|len| bytes[..len].to_vec());
        changed.chain(cut)
    }

    /// What is read quickly is what minicbor decodes.
    fn agrees<T>(bytes: &[u8])
    where
        T: Canonical + Debug + for<'b> minicbor::Decode<'b, ()>,
    {
        if let Some(quick) = read::<T>(bytes) {
            let slow: T = cbor::decode(bytes, "section").unwrap();
            // As text: not even a NaN makes a difference.
            assert_eq!(format!("{quick:?}"), format!("{slow:?}"));
        }
    }

    fn agrees_when_harmed<T>(bytes: &[u8])
    where
        T: Canonical + Debug + for<'b> minicbor::Decode<'b, ()>,
    {
        assert!(read::<T>(bytes).is_some());
        agrees::<T>(bytes);
        harmed(bytes).for_each(|bytes| agrees::<T>(&bytes));
    }

    #[test]
    fn sections_of_the_golden_bundle() {
        agrees_when_harmed::<SchemaParts>(section(SectionKind::SCHEMA));
        agrees_when_harmed::<TransformParts>(section(SectionKind::TRANSFORMS));
        agrees_when_harmed::<Plan>(section(SectionKind::PLAN));
        agrees_when_harmed::<DecideParts>(section(SectionKind::DECIDE));
    }

    #[test]
    fn every_variant() {
        let currency = "EUR".to_owned();
        let kinds = vec![
            FieldKind::Integer,
            FieldKind::Decimal { decimals: 200 },
            FieldKind::Money {
                currency,
                decimals: 2,
            },
            FieldKind::Boolean,
            FieldKind::Category {
                codes: vec!["ä".repeat(300), String::new()],
            },
            FieldKind::Date,
            FieldKind::Text { buckets: 70_000 },
        ];
        agrees_when_harmed::<Vec<FieldKind>>(&encode(&kinds));
        let columns = vec![
            Column::Ratio(1, 300),
            Column::Difference(0, 0),
            Column::Sum(vec![1, 2, 3]),
        ];
        agrees_when_harmed::<Vec<Column>>(&encode(&columns));
        let values = vec![0.0, -1.5, f64::NAN];
        let encodings = vec![
            Encoding::Plain,
            Encoding::Standardise {
                mean: 1.0,
                deviation: -2.0,
            },
            Encoding::Piecewise {
                edges: values.clone(),
            },
            Encoding::OneHot { categories: 9 },
            Encoding::Ordinal { values },
        ];
        agrees_when_harmed::<Vec<Encoding>>(&encode(&encodings));
        let (input, output, weights) = (1, 2, 1 << 40);
        let steps = vec![
            Step::Quantise {
                input,
                output,
                weights,
            },
            Step::DenseU8 {
                input,
                output,
                weights,
                input_high: 3,
                zero: 4,
                low: 5,
                high: 6,
            },
            Step::DenseF32 {
                input,
                output,
                weights,
                input_high: 3,
                relu: true,
            },
            Step::DenseFloat {
                input,
                output,
                weights,
                half: true,
                relu: false,
            },
        ];
        agrees_when_harmed::<Vec<Step>>(&encode(&steps));
        agrees_when_harmed::<Vec<Option<(i64, i64)>>>(&encode(&vec![
            Some((i64::MIN, i64::MAX)),
            None,
            Some((-1, 24)),
        ]));
    }

    #[test]
    fn texts_are_refused_as_decoding_refuses_them() {
        let sound = section(SectionKind::TEXTS);
        let same = |bytes: &[u8]| {
            let (lazy, eager) = (LazyTexts::check(bytes), Texts::decode(bytes));
            assert_eq!(lazy.map(|texts| texts.of(bytes).clone()), eager);
        };
        same(sound);
        let some = Texts {
            languages: vec!["en".to_owned(), "zh".to_owned()],
            entries: Texts::decode(sound).unwrap().entries[..5].to_vec(),
        };
        harmed(&encode(&some)).for_each(|bytes| same(&bytes));
    }
}
