//! CBOR sections: one item each, nothing behind it, written as [`encode`] writes it.
//!
//! Reading takes what `docs/bundle-format.md` promises and no more: definite lengths, a map's keys in
//! rising order, unknown ones skipped. What it takes means what minicbor makes of it: the tests
//! compare the two over bytes harmed in every place.

use minicbor::Encode;
use minicbor::bytes::ByteVec;

use crate::error::{Error, Result};

/// Decodes the one item that `bytes` holds.
///
/// # Errors
/// [`ErrorKind::Malformed`](crate::ErrorKind::Malformed), naming `place`.
pub(crate) fn decode<'b, T: Read<'b>>(bytes: &'b [u8], place: &'static str) -> Result<T> {
    let mut from = Reader(bytes);
    match T::read(&mut from) {
        Some(item) if from.0.is_empty() => Ok(item),
        read => Err(malformed(place, read.is_some(), bytes, from)),
    }
}

/// Apart from [`decode`], which there is one of for each kind of item.
#[cold]
fn malformed(place: &'static str, whole: bool, bytes: &[u8], from: Reader<'_>) -> Error {
    Error::malformed(place, expected(whole, bytes, from))
}

/// What was expected where reading `bytes` ended: a place, never a value.
pub(crate) fn expected(whole: bool, bytes: &[u8], from: Reader<'_>) -> String {
    let at = bytes.len() - from.0.len();
    match whole {
        true => format!("nothing behind its one CBOR item (byte {at})"),
        false => format!("canonical CBOR of its kind (not so at byte {at})"),
    }
}

/// Encodes `item` in the order of its declaration: the same item gives the same bytes.
pub fn encode<T: Encode<()>>(item: &T) -> Vec<u8> {
    let mut out = Vec::new();
    // Writing to a vector cannot fail, and our types have no failing encoders.
    let written = minicbor::encode(item, &mut out);
    debug_assert!(written.is_ok());
    out
}

/// What can be read.
pub(crate) trait Read<'b>: Sized {
    /// Reads one item; `None` where another one lies there.
    fn read(from: &mut Reader<'b>) -> Option<Self>;

    /// What an absent entry of a map stands for; `None` where it may not be absent.
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
    pub const TAG: u8 = 6 << 5;
}

/// The item that stands for no value.
const NULL: u8 = 0xf6;

/// Room that is made at once for a list, at most: a stated length is no promise.
const ROOM: usize = 64;

/// A map whose entries are being read.
pub(crate) struct Entries {
    /// How many are still to come.
    left: u64,
    /// The least key that the next one may have.
    least: u64,
}

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

    #[inline]
    fn bytes(&mut self, len: u64) -> Option<&'b [u8]> {
        let (bytes, rest) = self.0.split_at_checked(usize::try_from(len).ok()?)?;
        self.0 = rest;
        Some(bytes)
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
        let len = self.head(major)?;
        self.bytes(len)
    }

    /// An array of exactly `count` items.
    #[inline]
    pub fn tuple(&mut self, count: u64) -> Option<()> {
        (self.head(major::ARRAY)? == count).then_some(())
    }

    /// The next item's first byte.
    pub fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// Whether the next item is null, which is then read.
    #[inline]
    pub fn null(&mut self) -> bool {
        let null = self.peek() == Some(NULL);
        if null {
            self.byte();
        }
        null
    }

    /// Leaves out one item, whatever it is.
    fn skip(&mut self) -> Option<()> {
        // Each takes a byte at least: the count that an item states keeps nobody here.
        let mut items = 1_u64;
        while items > 0 {
            items -= 1;
            let first = self.byte()?;
            let argument = self.argument(first & 31)?;
            match first & !31 {
                major::BYTES | major::TEXT => {
                    self.bytes(argument)?;
                }
                major::ARRAY => items = items.checked_add(argument)?,
                major::MAP => items = items.checked_add(argument.checked_mul(2)?)?,
                major::TAG => items = items.checked_add(1)?,
                _ => {}
            }
        }
        Some(())
    }

    /// A map with integer keys.
    #[inline]
    pub fn map(&mut self) -> Option<Entries> {
        let left = self.head(major::MAP)?;
        Some(Entries { left, least: 0 })
    }

    /// Goes to the value of `key`, past unknown ones; whether there is one.
    pub fn find(&mut self, entries: &mut Entries, key: u64) -> Option<bool> {
        while entries.left > 0 {
            let before = *self;
            let found = self.head(major::UNSIGNED)?;
            if found < entries.least {
                return None;
            }
            if found > key {
                *self = before;
                break;
            }
            entries.left -= 1;
            entries.least = found.checked_add(1)?;
            if found == key {
                return Some(true);
            }
            self.skip()?;
        }
        Some(false)
    }

    /// The value of `key`, which is greater than those asked for before.
    #[inline]
    pub fn entry<T: Read<'b>>(&mut self, entries: &mut Entries, key: u64) -> Option<T> {
        self.entry_or(entries, key, T::absent)
    }

    /// As [`Reader::entry`], with another value for an absent entry.
    #[inline]
    pub fn entry_or<T: Read<'b>>(
        &mut self,
        entries: &mut Entries,
        key: u64,
        absent: fn() -> Option<T>,
    ) -> Option<T> {
        match self.find(entries, key)? {
            true => T::read(self),
            false => absent(),
        }
    }

    /// The map's end, past unknown keys.
    #[inline]
    pub fn end(&mut self, mut entries: Entries) -> Option<()> {
        (!self.find(&mut entries, u64::MAX)?).then_some(())
    }
}

macro_rules! unsigned {
    ($($kind:ty),*) => {$(
        impl Read<'_> for $kind {
            #[inline]
            fn read(from: &mut Reader<'_>) -> Option<Self> {
                from.head(major::UNSIGNED)?.try_into().ok()
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

impl Read<'_> for i64 {
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

impl Read<'_> for i32 {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        i64::read(from)?.try_into().ok()
    }
}

impl Read<'_> for bool {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        match from.byte()? {
            0xf4 => Some(false),
            0xf5 => Some(true),
            _ => None,
        }
    }
}

impl Read<'_> for f64 {
    #[inline]
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        match from.byte()? {
            0xfb => from.array().map(Self::from_be_bytes),
            _ => None,
        }
    }
}

impl<'b> Read<'b> for &'b str {
    #[inline]
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        str::from_utf8(from.string(major::TEXT)?).ok()
    }
}

impl<'b> Read<'b> for String {
    #[inline]
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        <&str>::read(from).map(str::to_owned)
    }
}

/// Any item of an enumeration whose variant's number is at most `LAST`. What may hold others of its own
/// kind asks for it first, so that how deep items nest is never a file's own choice.
#[cfg(feature = "tables")]
pub(crate) struct UpTo<const LAST: u64>;

#[cfg(feature = "tables")]
impl<const LAST: u64> Read<'_> for UpTo<LAST> {
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let mut ahead = *from;
        ahead.tuple(2)?;
        let plain = u64::read(&mut ahead)? <= LAST;
        from.skip()?;
        plain.then_some(Self)
    }
}

impl Read<'_> for ByteVec {
    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(from.string(major::BYTES)?.to_vec().into())
    }
}

impl<'b, T: Read<'b>> Read<'b> for Option<T> {
    #[inline]
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        match from.null() {
            true => Some(None),
            false => T::read(from).map(Some),
        }
    }

    #[inline]
    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<'b, T: Read<'b>> Read<'b> for Vec<T> {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        let count = from.head(major::ARRAY)?;
        let mut all = Self::with_capacity(ROOM.min(usize::try_from(count).ok()?));
        for _ in 0..count {
            all.push(T::read(from)?);
        }
        Some(all)
    }
}

impl<'b, T: Read<'b> + Copy + Default, const N: usize> Read<'b> for [T; N] {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        from.tuple(N as u64)?;
        let mut all = [T::default(); N];
        for item in &mut all {
            *item = T::read(from)?;
        }
        Some(all)
    }
}

impl<'b, A: Read<'b>, B: Read<'b>> Read<'b> for (A, B) {
    #[inline]
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        from.tuple(2)?;
        Some((A::read(from)?, B::read(from)?))
    }
}

/// A structure that is a map from these keys, with what stands for an absent one, or an array of its
/// fields in this order.
macro_rules! structure {
    (@absent) => { $crate::bundle::cbor::Read::absent };
    (@absent $absent:literal) => { || Some($absent) };
    ($name:ident { $($key:literal: $field:ident $(= $absent:literal)?),* $(,)? }) => {
        impl<'b> $crate::bundle::cbor::Read<'b> for $name {
            #[inline]
            fn read(from: &mut $crate::bundle::cbor::Reader<'b>) -> Option<Self> {
                let mut entries = from.map()?;
                $(
                    let absent = $crate::bundle::cbor::structure!(@absent $($absent)?);
                    let $field = from.entry_or(&mut entries, $key, absent)?;
                )*
                from.end(entries)?;
                Some(Self { $($field),* })
            }
        }
    };
    ($name:ident [ $($field:ident),* $(,)? ]) => {
        impl<'b> $crate::bundle::cbor::Read<'b> for $name {
            fn read(from: &mut $crate::bundle::cbor::Reader<'b>) -> Option<Self> {
                from.tuple([$(stringify!($field)),*].len() as u64)?;
                Some(Self {
                    $($field: $crate::bundle::cbor::Read::read(from)?),*
                })
            }
        }
    };
}
pub(crate) use structure;

/// An enumeration whose variants have no fields, or are an array of their number and an array of
/// their fields.
macro_rules! variants {
    ($name:ident { $($(#[$if:meta])* $index:literal: $variant:ident),* $(,)? }) => {
        impl<'b> $crate::bundle::cbor::Read<'b> for $name {
            #[inline]
            fn read(from: &mut $crate::bundle::cbor::Reader<'b>) -> Option<Self> {
                match <u64 as $crate::bundle::cbor::Read<'b>>::read(from)? {
                    $($(#[$if])* $index => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
    ($name:ident [ $($(#[$when:meta])* $index:literal: $variant:ident { $($field:tt),* }),* $(,)? ]) => {
        impl<'b> $crate::bundle::cbor::Read<'b> for $name {
            fn read(from: &mut $crate::bundle::cbor::Reader<'b>) -> Option<Self> {
                use $crate::bundle::cbor::Read;
                from.tuple(2)?;
                match u64::read(from)? {
                    $($(#[$when])* $index => {
                        from.tuple(<[&str]>::len(&[$(stringify!($field)),*]) as u64)?;
                        Some(Self::$variant { $($field: Read::read(from)?),* })
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
    use crate::bundle::Meta;
    use crate::bundle::container::{Container, SectionKind, Trust};
    use crate::decide::{DecideParts, Policy};
    use crate::plan::{Axis, Nest, Plan, Step, TensorOperation};
    use crate::schema::transform::{Column, Encoding, Operation, TransformParts};
    use crate::schema::{FieldKind, Group, LazyTexts, SchemaParts, Texts};

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

    fn read<T: for<'b> Read<'b>>(bytes: &[u8]) -> Option<T> {
        decode(bytes, "section").ok()
    }

    /// What is read is what minicbor decodes.
    fn agrees<T>(bytes: &[u8])
    where
        T: for<'b> Read<'b> + Debug + for<'b> minicbor::Decode<'b, ()>,
    {
        if let Some(own) = read::<T>(bytes) {
            let mut decoder = minicbor::Decoder::new(bytes);
            let theirs: T = decoder.decode().unwrap();
            assert_eq!(decoder.position(), bytes.len());
            // As text: not even a NaN makes a difference.
            assert_eq!(format!("{own:?}"), format!("{theirs:?}"));
        }
    }

    fn agrees_when_harmed<T>(bytes: &[u8])
    where
        T: for<'b> Read<'b> + Debug + for<'b> minicbor::Decode<'b, ()>,
    {
        assert!(read::<T>(bytes).is_some());
        agrees::<T>(bytes);
        harmed(bytes).for_each(|bytes| agrees::<T>(&bytes));
    }

    #[test]
    fn sections_of_the_golden_bundle() {
        agrees_when_harmed::<Meta>(section(SectionKind::META));
        agrees_when_harmed::<SchemaParts>(section(SectionKind::SCHEMA));
        agrees_when_harmed::<TransformParts>(section(SectionKind::TRANSFORMS));
        agrees_when_harmed::<Plan>(section(SectionKind::PLAN));
        agrees_when_harmed::<DecideParts>(section(SectionKind::DECIDE));
        agrees_when_harmed::<Policy>(section(SectionKind::POLICY));
    }

    #[test]
    #[cfg(feature = "outputs")]
    fn blends_and_further_outputs_are_read_as_they_are_written() {
        use crate::decide::{Blend, Member, Other, OutputKind};
        let golden = section(SectionKind::DECIDE);
        let parts: DecideParts = read(golden).unwrap();
        assert_eq!(
            encode(&parts),
            golden,
            "nothing is written where there is nothing"
        );
        let member = |output, weight| Member {
            output,
            element: 300,
            kind: OutputKind::Probability,
            weight,
        };
        let parts = DecideParts {
            reference: vec![1; 40],
            blend: Some(Blend {
                members: vec![member(0, 0.25), member(1, -1e300)],
                bias: -0.5,
                probabilities: true,
            }),
            others: vec![Other {
                name: "fraud".to_owned(),
                output: 1,
                element: 2,
                kind: OutputKind::Logit,
                calibration: parts.calibration.clone(),
            }],
            ..parts
        };
        let bytes = encode(&parts);
        assert_eq!(read::<DecideParts>(&bytes).unwrap(), parts);
        agrees_when_harmed::<DecideParts>(&bytes);
    }

    #[test]
    fn errors_name_the_byte() {
        let whole = section(SectionKind::POLICY);
        let error = |bytes: &[u8]| decode::<Policy>(bytes, "section PLCY").unwrap_err();
        let at = |error: &Error| error.expected().rsplit_once("byte ").unwrap().1.to_owned();
        assert_eq!(
            at(&error(&[whole, &[0]].concat())),
            format!("{})", whole.len())
        );
        assert_eq!(at(&error(&[0xa3, 0x00, 0x61])), "3)");
        assert_eq!(at(&error(&[])), "0)");
    }

    /// A map of these entries.
    fn map(entries: &[&[u8]]) -> Vec<u8> {
        let count = u8::try_from(entries.len()).unwrap();
        [&[major::MAP | count], entries.concat().as_slice()].concat()
    }

    #[test]
    fn keys_rise_and_unknown_ones_are_skipped() {
        let (name, code): (&[u8], &[u8]) = (&[0, 0x61, b'n'], &[1, 0x61, b'c']);
        let group = Group {
            name: "n".to_owned(),
            code: "c".to_owned(),
        };
        let taken = |entries: &[&[u8]]| read::<Group>(&map(entries));
        assert_eq!(taken(&[name, code]), Some(group.clone()));
        // One of each kind of item, and of each width of argument.
        for unknown in [
            &[2, 0x17][..],
            &[2, 0x38, 0xff],
            &[2, 0x42, 1, 2],
            &[2, 0x59, 0, 1, 7],
            &[2, 0x61, b'x'],
            &[2, 0x83, 0x80, 0xa1, 0xf4, 0x82, 0xa0, 0xf6, 0x40],
            &[2, 0xc1, 0x1a, 0, 0, 0, 0],
            &[2, 0xfb, 0, 0, 0, 0, 0, 0, 0, 0],
            &[2, 0xf9, 0, 0],
            &[0x18, 99, 0xf5],
            &[0x1b, 1, 0, 0, 0, 0, 0, 0, 0, 0xf5],
        ] {
            assert_eq!(
                taken(&[name, code, unknown]),
                Some(group.clone()),
                "{unknown:?}"
            );
            agrees::<Group>(&map(&[name, code, unknown]));
            // It ends too early, and it comes too early.
            assert_eq!(taken(&[name, code, &unknown[..unknown.len() - 1]]), None);
            assert_eq!(taken(&[name, unknown, code]), None);
        }
        for refused in [
            &[code, name][..],
            &[name, name, code],
            &[name, code, code],
            &[name],
            &[name, code, &[0x20, 0x00]],
            &[name, code, &[0x61, b'k', 0x00]],
            &[name, code, &[2, 0x9f, 0xff]],
            &[name, code, &[2, 0xff]],
            &[
                name,
                code,
                &[2, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255],
            ],
            &[
                name,
                code,
                &[2, 0xbb, 255, 255, 255, 255, 255, 255, 255, 255],
            ],
            &[
                name,
                code,
                &[0x1b, 255, 255, 255, 255, 255, 255, 255, 255, 0xf5],
            ],
        ] {
            assert_eq!(taken(refused), None, "{refused:?}");
        }
        // More entries than are stated, and fewer.
        let two = map(&[name, code]);
        assert!(read::<Group>(&[&[0xa1], &two[1..]].concat()).is_none());
        assert!(read::<Group>(&[&[0xa3], &two[1..]].concat()).is_none());
    }

    #[test]
    fn every_variant() {
        let currency = "EUR".to_owned();
        #[cfg(feature = "tables")]
        let column = {
            let schema: SchemaParts = read(section(SectionKind::SCHEMA)).unwrap();
            crate::schema::TableColumn(schema.fields[0].clone())
        };
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
            #[cfg(feature = "tables")]
            FieldKind::Table {
                columns: vec![column],
                order: Some(300),
                max_rows: 24,
                keep: crate::schema::Keep::Last,
            },
            #[cfg(feature = "tables")]
            FieldKind::Tensor {
                shape: vec![3, 70_000],
            },
            #[cfg(feature = "tables")]
            FieldKind::Words {
                buckets: 70_000,
                count: 24,
            },
        ];
        agrees_when_harmed::<Vec<FieldKind>>(&encode(&kinds));
        let columns = vec![
            Column::Ratio(1, 300),
            Column::Difference(0, 0),
            Column::Sum(vec![1, 2, 3]),
            #[cfg(feature = "trees")]
            Column::Made(3, vec![Operation::Single]),
            #[cfg(feature = "trees")]
            Column::Norm(2, vec![1, 2]),
            #[cfg(feature = "trees")]
            Column::Share(3, 4, true),
        ];
        agrees_when_harmed::<Vec<Column>>(&encode(&columns));
        let values = vec![0.0, -1.5, f64::NAN];
        #[cfg(feature = "tables")]
        let block = {
            let parts: TransformParts = read(section(SectionKind::TRANSFORMS)).unwrap();
            parts.blocks[0].clone()
        };
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
            Encoding::Ordinal {
                values: values.clone(),
            },
            Encoding::Chain {
                operations: vec![
                    Operation::Single,
                    Operation::Impute { value: 1.0 },
                    Operation::Affine {
                        offset: 2.0,
                        factor: -3.0,
                    },
                    Operation::Clip {
                        low: 0.0,
                        high: 1.0,
                    },
                    Operation::Lookup {
                        values: values.clone(),
                    },
                    Operation::Bins {
                        edges: vec![0.5, 1.5],
                        values: values.clone(),
                    },
                    #[cfg(feature = "trees")]
                    Operation::Power { lambda: -0.5 },
                    #[cfg(feature = "trees")]
                    Operation::Interpolate {
                        xs: vec![1.0, 1.0],
                        ys: vec![0.0, 2.0],
                    },
                    Operation::OneHot { values },
                ],
            },
            #[cfg(feature = "tables")]
            Encoding::Rows {
                columns: vec![crate::schema::transform::RowBlock(block)],
                rows: 70_000,
                by_column: true,
                at_end: false,
                mask: true,
            },
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
            Step::Tensor {
                operation: TensorOperation::Dense,
                left: 1,
                right: 2,
                output: 3,
                weights: 1 << 40,
                size: 70_000,
                nest: Nest {
                    inner: 2,
                    start: [0, 300, 70_000],
                    axes: [Axis {
                        count: 24,
                        left: -1,
                        right: 255,
                        output: i32::MIN,
                    }; 6],
                },
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
