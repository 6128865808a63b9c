//! Fields and groups, as SCHM stores them.

use minicbor::Encode;

#[cfg(feature = "tables")]
use crate::bundle::cbor::{Read, Reader, UpTo};
use crate::bundle::cbor::{structure, variants};
use crate::error::{Error, Result, Shown};
use crate::schema::{in_order, number::MAX_MAGNITUDE};

/// What a field's values are.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum FieldKind {
    /// A whole number.
    #[n(0)]
    Integer,
    /// A number with a fixed count of decimals, 1 to 9.
    #[n(1)]
    Decimal {
        /// Digits behind the decimal mark.
        #[n(0)]
        decimals: u8,
    },
    /// An amount of money, held in minor units.
    #[n(2)]
    Money {
        /// ISO 4217 code.
        #[n(0)]
        currency: String,
        /// Digits behind the decimal mark (the minor unit's exponent), 0 to 4.
        #[n(1)]
        decimals: u8,
    },
    /// True or false.
    #[n(3)]
    Boolean,
    /// One of a list of codes.
    #[n(4)]
    Category {
        /// The codes, in the recipe's order.
        #[n(0)]
        codes: Vec<String>,
    },
    /// A calendar date.
    #[n(5)]
    Date,
    /// Text, which features see as a bucket: FNV-1a (64 bits) over its UTF-8, modulo `buckets`.
    #[n(6)]
    Text {
        /// How many buckets.
        #[n(0)]
        buckets: u32,
    },
    /// A table of rows: transactions, instalments.
    #[cfg(feature = "tables")]
    #[n(7)]
    Table {
        /// The columns.
        #[n(0)]
        columns: Vec<TableColumn>,
        /// The column whose numbers or dates put the rows in rising order: those without one come
        /// first, equal ones stay as given. Without it rows stay in the order given.
        #[n(1)]
        order: Option<u16>,
        /// How many rows the model reads, 1 to [`MAX_ROWS`](crate::schema::MAX_ROWS).
        #[n(2)]
        max_rows: u16,
        /// Which rows it reads of a table with more. [`Field::out_of_range`] says what is then done.
        #[n(3)]
        keep: Keep,
    },
    /// Bytes of an exact shape: an image that the caller has decoded.
    #[cfg(feature = "tables")]
    #[n(8)]
    Tensor {
        /// The lengths of its axes; the last one runs fastest.
        #[n(0)]
        shape: Vec<u32>,
    },
    /// Text, which features see as the ids of its first words: 1 + FNV-1a (64 bits) over a word's
    /// UTF-8, modulo `buckets`. Words are what white space leaves over.
    #[cfg(feature = "tables")]
    #[n(9)]
    Words {
        /// How many buckets.
        #[n(0)]
        buckets: u32,
        /// How many words the model reads, 1 to [`MAX_ROWS`](crate::schema::MAX_ROWS).
        #[n(1)]
        count: u16,
    },
}

/// Which rows of a table are read where it has more than the model reads.
#[cfg(feature = "tables")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum Keep {
    /// The first ones.
    #[n(0)]
    First,
    /// The last ones.
    #[n(1)]
    Last,
}

/// A column of a table, described as a field is. Its reason code is empty, its group and sensitivity are
/// the table's; a table, a tensor or a list of words is none.
#[cfg(feature = "tables")]
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(transparent)]
pub struct TableColumn(#[n(0)] pub Field);

#[cfg(feature = "tables")]
impl<'b> Read<'b> for TableColumn {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        let mut ahead = *from;
        let mut entries = ahead.map()?;
        ahead.entry::<UpTo<6>>(&mut entries, 1)?;
        Field::read(from).map(Self)
    }
}

impl FieldKind {
    /// Digits behind the decimal mark in the field's text form; 0 for what is not a decimal number.
    pub fn decimals(&self) -> u8 {
        match self {
            Self::Decimal { decimals } | Self::Money { decimals, .. } => *decimals,
            _ => 0,
        }
    }

    /// The kind's name, as in a recipe.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Decimal { .. } => "decimal",
            Self::Money { .. } => "money",
            Self::Boolean => "boolean",
            Self::Category { .. } => "category",
            Self::Date => "date",
            Self::Text { .. } => "text",
            #[cfg(feature = "tables")]
            Self::Table { .. } => "table",
            #[cfg(feature = "tables")]
            Self::Tensor { .. } => "tensor",
            #[cfg(feature = "tables")]
            Self::Words { .. } => "words",
        }
    }

    /// Whether values are text that is kept as it is.
    pub(crate) fn is_text(&self) -> bool {
        #[cfg(feature = "tables")]
        if let Self::Words { .. } = self {
            return true;
        }
        matches!(self, Self::Text { .. })
    }

    /// Whether values are given as text alone: a category's code, or text.
    pub(crate) fn is_words(&self) -> bool {
        self.is_text() || matches!(self, Self::Category { .. })
    }

    /// Whether values are ordered numbers (a range makes sense).
    pub fn is_numeric(&self) -> bool {
        matches!(
            self,
            Self::Integer | Self::Decimal { .. } | Self::Money { .. } | Self::Date
        )
    }
}

/// What happens to a value that is missing, unlisted or out of range. Whatever happens, a flag of
/// the decision says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum Answer {
    /// It is taken: a missing value is imputed by the transforms.
    #[n(0)]
    Accept,
    /// It is treated as missing.
    #[n(1)]
    AsMissing,
    /// It is moved to the nearer end of the range.
    #[n(2)]
    Clip,
    /// It is taken (as missing, or clipped), and the outcome is `refer` at best.
    #[n(3)]
    Refer,
    /// Scoring fails with an error that names the field.
    #[n(4)]
    Refuse,
}

impl Answer {
    /// The answer's name, as in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::AsMissing => "missing",
            Self::Clip => "clip",
            Self::Refer => "refer",
            Self::Refuse => "refuse",
        }
    }
}

/// How sensitive a field is; forms and stores decide by it what to hide and what to encrypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum Sensitivity {
    /// About the loan, not the person.
    #[n(0)]
    Ordinary,
    /// Personal data.
    #[n(1)]
    Personal,
    /// A special category of personal data (health, origin, …).
    #[n(2)]
    Special,
}

impl Sensitivity {
    /// The class's name, as in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Personal => "personal",
            Self::Special => "special",
        }
    }
}

/// One field of an application.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Field {
    /// Its name: the column in a CSV file, the key in JSON.
    #[n(0)]
    pub name: String,
    /// What its values are.
    #[n(1)]
    pub kind: FieldKind,
    /// The unit that is shown beside the value, as a code ("months", "EUR"); may be empty.
    #[n(2)]
    pub unit: String,
    /// Least and greatest value in raw units: 10^-decimals for numbers, days since 1970-01-01 for
    /// dates.
    #[n(3)]
    pub range: Option<(i64, i64)>,
    /// What a missing value means.
    #[n(4)]
    pub missing: Answer,
    /// What a value outside the range means.
    #[n(5)]
    pub out_of_range: Answer,
    /// What an unlisted category means.
    #[n(6)]
    pub unknown: Answer,
    /// How sensitive it is.
    #[n(7)]
    pub sensitivity: Sensitivity,
    /// Whether the applicant can change it.
    #[n(8)]
    pub changeable: bool,
    /// The stable code of the reason that names this field.
    #[n(9)]
    pub reason_code: String,
    /// The group that it belongs to, an index into [`SchemaParts::groups`].
    #[n(10)]
    pub group: u16,
    /// How far it is changed where alternatives are looked for. Where nothing is said, a changeable
    /// field changes within its range in either direction, by units, and a category to any code.
    #[n(11)]
    pub change: Option<Leeway>,
}

/// Which way a value may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum Direction {
    /// Either way.
    #[n(0)]
    Any,
    /// To greater numbers; of a boolean, to true.
    #[n(1)]
    Up,
    /// To smaller numbers; of a boolean, to false.
    #[n(2)]
    Down,
}

impl Direction {
    /// The direction's name, as in a recipe.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// How far the value of a changeable number, boolean or category is changed where alternatives are
/// looked for.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Leeway {
    /// Which way; of a category [`Direction::Any`].
    #[n(0)]
    pub direction: Direction,
    /// New numbers are multiples of it, in raw units; 1 of anything else.
    #[n(1)]
    pub step: i64,
    /// The least and the greatest new number, in raw units; the field's range where there is none.
    #[n(2)]
    pub range: Option<(i64, i64)>,
    /// The new categories, as rising indices; all where there are none.
    #[n(3)]
    pub codes: Option<Vec<u16>>,
}

/// A group of fields that contributions are attributed to first.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Group {
    /// Its name in the recipe.
    #[n(0)]
    pub name: String,
    /// Its stable code.
    #[n(1)]
    pub code: String,
}

/// SCHM as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct SchemaParts {
    /// The fields, in the order of forms.
    #[n(0)]
    pub fields: Vec<Field>,
    /// The groups.
    #[n(1)]
    pub groups: Vec<Group>,
}

structure!(SchemaParts {
    0: fields,
    1: groups
});
structure!(Group { 0: name, 1: code });
structure!(Field {
    0: name,
    1: kind,
    2: unit,
    3: range,
    4: missing,
    5: out_of_range,
    6: unknown,
    7: sensitivity,
    8: changeable,
    9: reason_code,
    10: group,
    11: change,
});
structure!(Leeway {
    0: direction,
    1: step,
    2: range,
    3: codes
});
variants!(Direction {
    0: Any,
    1: Up,
    2: Down
});
variants!(Answer {
    0: Accept,
    1: AsMissing,
    2: Clip,
    3: Refer,
    4: Refuse
});
variants!(Sensitivity {
    0: Ordinary,
    1: Personal,
    2: Special
});
variants!(FieldKind [
    0: Integer {}, 1: Decimal { decimals }, 2: Money { currency, decimals }, 3: Boolean {},
    4: Category { codes }, 5: Date {}, 6: Text { buckets },
    #[cfg(feature = "tables")] 7: Table { columns, order, max_rows, keep },
    #[cfg(feature = "tables")] 8: Tensor { shape },
    #[cfg(feature = "tables")] 9: Words { buckets, count },
]);
#[cfg(feature = "tables")]
variants!(Keep { 0: First, 1: Last });

/// No schema has more fields.
pub const MAX_FIELDS: usize = 256;
/// No schema has more groups: an explanation evaluates every set of them.
pub const MAX_GROUPS: usize = 16;
/// No group has more fields.
pub const MAX_GROUP_FIELDS: usize = 10;
/// No field has more categories.
pub const MAX_CATEGORIES: usize = 4096;

/// Whether any of these words comes twice.
fn any_twice<'a>(words: impl Iterator<Item = &'a String>) -> bool {
    let words: Vec<&str> = words.map(String::as_str).collect();
    in_order(&words)
        .windows(2)
        .any(|pair| words[usize::from(pair[0])] == words[usize::from(pair[1])])
}

impl SchemaParts {
    /// The feature bits that a bundle of them must require
    /// ([`features`](crate::bundle::container::features)).
    pub fn features(&self) -> u64 {
        #[cfg(feature = "tables")]
        if self.fields.iter().any(|field| field.kind.cells() > 0) {
            return crate::bundle::container::features::TABLES;
        }
        0
    }

    pub(crate) fn check(&self) -> Result<()> {
        let place = "section SCHM";
        if self.fields.is_empty() || self.fields.len() > MAX_FIELDS {
            return Err(Error::malformed(place, format!("1 to {MAX_FIELDS} fields")));
        }
        if self.groups.is_empty() || self.groups.len() > MAX_GROUPS {
            return Err(Error::malformed(place, format!("1 to {MAX_GROUPS} groups")));
        }
        #[cfg(feature = "tables")]
        super::rows::check_cells(&self.fields)?;
        let names = self.fields.iter().map(|f| &f.name);
        let reasons = self.fields.iter().map(|f| &f.reason_code);
        let repeated = any_twice(names) || any_twice(reasons);
        for (index, field) in self.fields.iter().enumerate() {
            field.check()?;
            if usize::from(field.group) >= self.groups.len() {
                return Err(Error::malformed(
                    place,
                    format!("a group for field {}", field.name),
                ));
            }
            // Looking through all earlier ones is for saying which one it is.
            let mut earlier = self.fields[..index].iter();
            if repeated
                && earlier.any(|f| f.name == field.name || f.reason_code == field.reason_code)
            {
                return Err(Error::malformed(
                    place,
                    format!("field {} and its reason code only once", field.name),
                ));
            }
        }
        for (index, group) in self.groups.iter().enumerate() {
            let members = self
                .fields
                .iter()
                .filter(|f| usize::from(f.group) == index)
                .count();
            if members == 0 || members > MAX_GROUP_FIELDS {
                return Err(Error::malformed(
                    place,
                    format!("1 to {MAX_GROUP_FIELDS} fields in group {}", group.name),
                ));
            }
            if self.groups[..index].iter().any(|g| g.code == group.code) {
                return Err(Error::malformed(
                    place,
                    format!("group code {} only once", group.code),
                ));
            }
        }
        Ok(())
    }
}

impl Field {
    fn check(&self) -> Result<()> {
        let fault = |expected: &str| {
            Err(Error::malformed(
                format!("section SCHM, field {}", Shown(&self.name)),
                expected.to_owned(),
            ))
        };
        if self.name.is_empty() || self.name.len() > 128 || self.reason_code.len() > 32 {
            return fault("a name of 1 to 128 bytes and a reason code of at most 32");
        }
        match &self.kind {
            FieldKind::Decimal { decimals } if !(1..=9).contains(decimals) => {
                return fault("1 to 9 decimals");
            }
            FieldKind::Money { decimals, .. } if *decimals > 4 => {
                return fault("0 to 4 decimals of the currency");
            }
            FieldKind::Category { codes } => {
                let long = |code: &String| code.len() > 128;
                if codes.is_empty() || codes.len() > MAX_CATEGORIES || codes.iter().any(long) {
                    return fault("1 to 4096 categories of at most 128 bytes");
                }
                if any_twice(codes.iter()) {
                    return fault("each category once");
                }
            }
            FieldKind::Text { buckets } if *buckets == 0 || *buckets > 1 << 20 => {
                return fault("1 to 1048576 buckets");
            }
            #[cfg(feature = "tables")]
            kind if !super::rows::is_sound(kind, self.out_of_range) => {
                return fault(super::rows::SOUND);
            }
            _ => {}
        }
        #[cfg(feature = "tables")]
        if let FieldKind::Table { columns, .. } = &self.kind {
            let names = columns.iter().map(|column| &column.0.name);
            if any_twice(names) {
                return fault("each column once");
            }
            for column in columns {
                column.0.check().map_err(|e| {
                    Error::malformed(
                        format!(
                            "section SCHM, field {}, {}",
                            Shown(&self.name),
                            e.place().strip_prefix("section SCHM, ").unwrap_or_default()
                        ),
                        e.expected().to_owned(),
                    )
                })?;
            }
        }
        match self.range {
            Some(_) if !self.kind.is_numeric() => fault("a range only on a number or a date"),
            Some((low, high)) if low > high => fault("a range that is not empty"),
            _ => Ok(()),
        }?;
        if self
            .change
            .as_ref()
            .is_some_and(|change| !self.fits(change))
        {
            return fault(
                "a change of a changeable number, boolean or category, inside what it may be",
            );
        }
        let allowed = matches!(
            self.missing,
            Answer::Accept | Answer::Refer | Answer::Refuse
        ) && matches!(
            self.out_of_range,
            Answer::Clip | Answer::AsMissing | Answer::Refer | Answer::Refuse
        ) && matches!(
            self.unknown,
            Answer::AsMissing | Answer::Refer | Answer::Refuse
        );
        if allowed {
            Ok(())
        } else {
            fault("answers that fit what they answer")
        }
    }
    /// Whether a leeway is one of this field.
    fn fits(&self, change: &Leeway) -> bool {
        let (low, high) = self.range.unwrap_or((-MAX_MAGNITUDE, MAX_MAGNITUDE));
        let range = change.range.is_none_or(|(least, most)| {
            self.kind.is_numeric() && low <= least && least <= most && most <= high
        });
        let kind = match &self.kind {
            FieldKind::Integer | FieldKind::Decimal { .. } | FieldKind::Money { .. } => {
                self.range.or(change.range).is_some() && (1..=MAX_MAGNITUDE).contains(&change.step)
            }
            FieldKind::Boolean => change.step == 1,
            FieldKind::Category { codes } => {
                let listed = |own: &Vec<u16>| {
                    own.is_sorted_by(|a, b| a < b)
                        && own.last().is_some_and(|&at| usize::from(at) < codes.len())
                };
                change.step == 1
                    && change.direction == Direction::Any
                    && change.codes.as_ref().is_none_or(listed)
            }
            _ => false,
        };
        let category = matches!(self.kind, FieldKind::Category { .. });
        self.changeable && kind && range && (category || change.codes.is_none())
    }
}
