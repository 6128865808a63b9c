//! What crosses the boundary by value, and how it is made.

use std::fmt;

use fieldscore_runtime::schema::{self, Field};
use fieldscore_runtime::{Date, DecimalMark, FieldSet, Flags, decide};

use crate::error::{FieldscoreError, argument};

/// One applicant's values, with their envelope.
#[derive(Clone, uniffi::Record)]
pub struct Application {
    /// The application's id; it goes into the record.
    pub id: String,
    /// The day as of which it is scored, `YYYY-MM-DD`. There is no clock in the runtime.
    pub as_of: String,
    /// Whether the applicant consents to a decision without a person.
    pub automation: bool,
    /// The values that are there, in any order; a field without an entry has none.
    pub values: Vec<Entry>,
}

/// One field's value.
#[derive(Clone, uniffi::Record)]
pub struct Entry {
    /// The field's index in [`BundleInfo::fields`].
    pub field: u16,
    /// Its value.
    pub value: Value,
}

/// A value as a caller has it.
#[derive(Clone, uniffi::Enum)]
pub enum Value {
    /// A whole number; for money, whole major units.
    Integer {
        /// It.
        value: i64,
    },
    /// A number with no more decimals than the field has.
    Number {
        /// It.
        value: f64,
    },
    /// An amount of money in minor units.
    Minor {
        /// It.
        value: i64,
    },
    /// True or false.
    Boolean {
        /// It.
        value: bool,
    },
    /// A category's code, or text.
    Text {
        /// It.
        value: String,
    },
    /// A value of any type in its text form, as a form or a file has it; empty for none.
    Written {
        /// It.
        value: String,
        /// Whether its decimal mark is a comma.
        comma: bool,
    },
    /// A tensor's bytes.
    Bytes {
        /// They.
        value: Vec<u8>,
    },
    /// A table's rows.
    Rows {
        /// Each row's cells in their text form, in the order of the columns; empty for none.
        rows: Vec<Vec<String>>,
        /// Whether their decimal mark is a comma.
        comma: bool,
    },
}

fn mark(comma: bool) -> DecimalMark {
    match comma {
        true => DecimalMark::Comma,
        false => DecimalMark::Point,
    }
}

/// Gives the table at `field` these rows.
#[cfg(feature = "tables")]
fn set_rows(
    into: &mut fieldscore_runtime::Application,
    field: usize,
    rows: &[Vec<String>],
    mark: DecimalMark,
) -> fieldscore_runtime::Result<()> {
    into.start_rows_at(field)?;
    for row in rows {
        into.add_row_at(field)?;
        for (column, text) in row.iter().enumerate() {
            into.set_cell_text_at(field, column, text, mark)?;
        }
    }
    Ok(())
}

impl Application {
    /// Fills `into`, which is emptied first.
    pub(crate) fn fill(
        &self,
        into: &mut fieldscore_runtime::Application,
    ) -> Result<(), FieldscoreError> {
        let as_of = Date::parse(&self.as_of)
            .ok_or_else(|| argument("asOf", "a date as YYYY-MM-DD between 1800 and 2399"))?;
        into.reset(&self.id, as_of);
        into.set_automation_consent(self.automation);
        for Entry { field, value } in &self.values {
            let at = usize::from(*field);
            match value {
                Value::Integer { value } => into.set_at(at, (*value).into()),
                Value::Number { value } => into.set_at(at, (*value).into()),
                Value::Minor { value } => into.set_at(at, fieldscore_runtime::Value::Minor(*value)),
                Value::Boolean { value } => into.set_at(at, (*value).into()),
                Value::Text { value } => into.set_at(at, value.as_str().into()),
                Value::Written { value, comma } => into.set_text_at(at, value, mark(*comma)),
                #[cfg(feature = "tables")]
                Value::Bytes { value } => into.set_at(at, fieldscore_runtime::Value::Bytes(value)),
                #[cfg(feature = "tables")]
                Value::Rows { rows, comma } => set_rows(into, at, rows, mark(*comma)),
                // No bundle that opens has such a field.
                #[cfg(not(feature = "tables"))]
                Value::Bytes { .. } | Value::Rows { .. } => {
                    return Err(argument(
                        "value",
                        "one number or text: rows and bytes take a library built with the feature tables",
                    ));
                }
            }?;
        }
        Ok(())
    }
}

/// Declares an enumeration that mirrors one of the runtime's, name by name.
macro_rules! mirror {
    ($(#[$about:meta])* $name:ident of $theirs:path { $($(#[$doc:meta])* $variant:ident),* $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
        pub enum $name {
            $($(#[$doc])* $variant),*
        }

        impl From<$theirs> for $name {
            fn from(theirs: $theirs) -> Self {
                use $theirs as Theirs;
                match theirs {
                    $(Theirs::$variant => Self::$variant),*
                }
            }
        }
    };
}

mirror! {
    /// What is decided.
    Outcome of decide::Outcome {
        /// The loan may be granted.
        Approve,
        /// A person decides.
        Refer,
        /// The loan is not granted.
        Decline,
    }
}

mirror! {
    /// What happens to a value that is missing, unlisted or out of range.
    Answer of schema::Answer {
        /// It is taken.
        Accept,
        /// It is treated as missing.
        AsMissing,
        /// It is moved to the nearer end of the range.
        Clip,
        /// It is taken, and the outcome is refer at best.
        Refer,
        /// Scoring fails with an error that names the field.
        Refuse,
    }
}

mirror! {
    /// How sensitive a field is.
    Sensitivity of schema::Sensitivity {
        /// About the loan, not the person.
        Ordinary,
        /// Personal data.
        Personal,
        /// A special category of personal data.
        Special,
    }
}

/// What a decision says about how it came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Enum)]
pub enum Flag {
    /// A field had no value.
    Missing,
    /// A field's value was outside its range.
    OutOfRange,
    /// A field's category was not in its list.
    Unlisted,
    /// The day is after the bundle's last.
    Expired,
    /// The day is before the bundle's first.
    NotYetValid,
    /// The applicant does not consent to an automated decision.
    AutomationRefused,
    /// The score was raised to the scale's floor or lowered to its ceiling.
    ScoreClamped,
    /// A table or a text has more rows or words than the model reads.
    Truncated,
}

impl Flag {
    fn all(flags: Flags) -> Vec<Self> {
        let known = [
            (Flags::MISSING, Self::Missing),
            (Flags::OUT_OF_RANGE, Self::OutOfRange),
            (Flags::UNLISTED, Self::Unlisted),
            (Flags::EXPIRED, Self::Expired),
            (Flags::NOT_YET_VALID, Self::NotYetValid),
            (Flags::AUTOMATION_REFUSED, Self::AutomationRefused),
            (Flags::SCORE_CLAMPED, Self::ScoreClamped),
            #[cfg(feature = "tables")]
            (Flags::TRUNCATED, Self::Truncated),
        ];
        let set = known.into_iter().filter(|(flag, _)| flags.contains(*flag));
        set.map(|(_, flag)| flag).collect()
    }
}

/// What comes out of scoring one application. Fields are given by their index.
///
/// Its `Debug` leaves the record out, which holds the applicant's values.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct Decision {
    /// The score in points on the bundle's scale.
    pub score: i32,
    /// The probability of default in parts per million, 100 to 999 900.
    pub probability_ppm: u32,
    /// What the policy says.
    pub outcome: Outcome,
    /// How it came about.
    pub flags: Vec<Flag>,
    /// Fields without a value.
    pub missing: Vec<u16>,
    /// Fields whose value was outside their range.
    pub out_of_range: Vec<u16>,
    /// Fields whose category was not in their list.
    pub unlisted: Vec<u16>,
    /// Fields whose policy referred the application.
    pub referred: Vec<u16>,
    /// The knock-out rules that fired, by their index in [`BundleInfo::rules`].
    pub rules: Vec<u16>,
    /// The bundle's further probabilities, in the order of [`BundleInfo::others`], in parts per
    /// million.
    pub others: Vec<u32>,
    /// The canonical record: what is stored, and what `replay` scores again.
    pub record: Vec<u8>,
}

impl fmt::Debug for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("score", &self.score)
            .field("probability_ppm", &self.probability_ppm)
            .field("outcome", &self.outcome)
            .field("flags", &self.flags)
            .finish_non_exhaustive()
    }
}

impl Decision {
    /// `others` is how many further probabilities the bundle has.
    pub(crate) fn of(decision: &decide::Decision, others: usize, record: Vec<u8>) -> Self {
        let fired = (0..64).filter(|bit| decision.fired >> bit & 1 == 1);
        Self {
            score: decision.score,
            probability_ppm: decision.probability_ppm,
            outcome: decision.outcome.into(),
            flags: Flag::all(decision.flags),
            missing: indices(&decision.missing),
            out_of_range: indices(&decision.out_of_range),
            unlisted: indices(&decision.unlisted),
            referred: indices(&decision.referred),
            rules: fired.collect(),
            others: decision.others.iter().take(others).copied().collect(),
            record,
        }
    }
}

fn indices(set: &FieldSet) -> Vec<u16> {
    set.iter().map(|index| index as u16).collect()
}

/// A field's new value. It has no `Debug`: it says something of the applicant.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct Change {
    /// The field's index in [`BundleInfo::fields`].
    pub field: u16,
    /// The value in its text form, as [`Value::Written`] takes it.
    pub value: String,
}

/// What leads to a better outcome.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
pub struct Alternative {
    /// The changes, one to three, in the order of the fields.
    pub changes: Vec<Change>,
    /// The outcome with them.
    pub outcome: Outcome,
    /// The score with them, in points.
    pub score: i32,
    /// The probability of default with them, in parts per million.
    pub probability_ppm: u32,
}

impl Alternative {
    /// One of a bundle with this schema.
    pub(crate) fn of(
        alternative: &fieldscore_runtime::Alternative,
        schema: &schema::Schema,
    ) -> Result<Self, FieldscoreError> {
        let changes = alternative.changes.iter().map(|change| {
            Ok(Change {
                field: change.field,
                value: schema.text_of(change.field.into(), change.value)?,
            })
        });
        Ok(Self {
            changes: changes.collect::<Result<_, FieldscoreError>>()?,
            outcome: alternative.decision.outcome.into(),
            score: alternative.decision.score,
            probability_ppm: alternative.decision.probability_ppm,
        })
    }
}

/// What came of one application of many.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum Scored {
    /// It was decided.
    Decided {
        /// The decision.
        decision: Decision,
    },
    /// It was refused; the others are none the worse.
    Refused {
        /// The error's stable code.
        code: String,
        /// The field or argument at fault.
        place: String,
        /// What was expected there.
        expected: String,
    },
}

impl From<Result<Decision, FieldscoreError>> for Scored {
    fn from(result: Result<Decision, FieldscoreError>) -> Self {
        match result {
            Ok(decision) => Self::Decided { decision },
            Err(error) => {
                let (code, place, expected) = error.parts();
                Self::Refused {
                    code: code.to_owned(),
                    place: place.to_owned(),
                    expected: expected.to_owned(),
                }
            }
        }
    }
}

/// A decision with contributions and reasons.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Explanation {
    /// The decision, the same as scoring gives but for its record, which has the explanation too.
    pub decision: Decision,
    /// The reference applicant's score.
    pub reference_score: i32,
    /// Points for each group, in the schema's order: they sum to score minus reference score.
    pub groups: Vec<i32>,
    /// Points for each field, in the schema's order: a group's fields sum to the group.
    pub fields: Vec<i32>,
    /// The reasons, most important first.
    pub reasons: Vec<Reason>,
}

/// Why the score is not higher, or why a person must decide.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Reason {
    /// Its stable code.
    pub code: String,
    /// The field that it is about, where it is about one.
    pub field: Option<u16>,
    /// Its text in the language that was asked for.
    pub text: String,
}

impl Reason {
    pub(crate) fn of(
        scorer: &fieldscore_runtime::Scorer,
        reason: decide::Reason,
        language: &str,
    ) -> Self {
        Self {
            code: scorer.reason_code(reason).to_owned(),
            field: match reason {
                decide::Reason::System(_, field) => field,
                decide::Reason::Field(field, _) => Some(field),
                decide::Reason::Rule(_) => None,
            },
            text: scorer.reason_text(reason, language),
        }
    }
}

/// A bundle's own account of itself.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct BundleInfo {
    /// The product's stable name.
    pub product: String,
    /// Rises with every release of the product.
    pub sequence: u64,
    /// SHA-256 over header and section table: every record names it.
    pub bundle_id: Vec<u8>,
    /// The first day on which it holds, `YYYY-MM-DD`.
    pub not_before: Option<String>,
    /// The last day on which it holds, `YYYY-MM-DD`.
    pub not_after: Option<String>,
    /// Whether staff may see the score of an application that they are still filling in.
    pub score_as_typed: bool,
    /// The BCP-47 languages of its texts; the first is the default.
    pub languages: Vec<String>,
    /// The kernels that execute it on this device.
    pub kernels: String,
    /// What one explanation costs, in evaluations of the model.
    pub evaluations: u32,
    /// The codes of the knock-out rules.
    pub rules: Vec<String>,
    /// The names of the probabilities beside that of default.
    pub others: Vec<String>,
    /// The groups of contributions.
    pub groups: Vec<GroupInfo>,
    /// The fields, in the schema's order.
    pub fields: Vec<FieldInfo>,
}

/// A group of fields that one contribution stands for.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct GroupInfo {
    /// Its stable code.
    pub code: String,
    /// Its name: `group.NAME.label` is its text.
    pub name: String,
}

/// One field of an application.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct FieldInfo {
    /// Its name: `field.NAME.label` and `field.NAME.help` are its texts.
    pub name: String,
    /// Its type.
    pub kind: FieldKind,
    /// Its unit; empty where it has none.
    pub unit: String,
    /// The range in which a value is ordinary.
    pub range: Option<Range>,
    /// What happens where there is no value.
    pub missing: Answer,
    /// What happens to a value outside its range.
    pub out_of_range: Answer,
    /// What happens to a category that is not listed.
    pub unlisted: Answer,
    /// How sensitive it is.
    pub sensitivity: Sensitivity,
    /// Whether the applicant could change it.
    pub changeable: bool,
    /// The stable code of the reason that it pulled the score down.
    pub reason_code: String,
    /// Its group, by index in [`BundleInfo::groups`].
    pub group: u16,
}

/// A range, both ends included, in units of 10^-decimals of the field; for a date in days since
/// 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Range {
    /// The least.
    pub low: i64,
    /// The greatest.
    pub high: i64,
}

/// A field's type.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Enum)]
pub enum FieldKind {
    /// A whole number.
    Integer,
    /// A decimal number.
    Decimal {
        /// How many decimals it has at most.
        decimals: u8,
    },
    /// An amount of money.
    Money {
        /// ISO 4217.
        currency: String,
        /// How many decimals its minor unit is.
        decimals: u8,
    },
    /// True or false.
    Boolean,
    /// One of a list.
    Category {
        /// The codes; `field.NAME.category.CODE` is a code's text.
        codes: Vec<String>,
    },
    /// A day.
    Date,
    /// Any text.
    Text,
    /// Rows.
    Table {
        /// What each row has.
        columns: Vec<ColumnInfo>,
        /// How many rows the model reads.
        max_rows: u16,
    },
    /// Bytes of an exact shape.
    Tensor {
        /// The lengths of its axes, the last one running fastest.
        shape: Vec<u32>,
    },
    /// Text, whose first words count.
    Words,
}

/// One column of a table.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// The name of its type, as in a recipe.
    pub kind: String,
    /// Its unit; empty where it has none.
    pub unit: String,
}

impl From<&schema::FieldKind> for FieldKind {
    fn from(kind: &schema::FieldKind) -> Self {
        use schema::FieldKind as Theirs;
        match kind {
            Theirs::Integer => Self::Integer,
            Theirs::Decimal { decimals } => Self::Decimal {
                decimals: *decimals,
            },
            Theirs::Money { currency, decimals } => Self::Money {
                currency: currency.clone(),
                decimals: *decimals,
            },
            Theirs::Boolean => Self::Boolean,
            Theirs::Category { codes } => Self::Category {
                codes: codes.clone(),
            },
            Theirs::Date => Self::Date,
            Theirs::Text { .. } => Self::Text,
            #[cfg(feature = "tables")]
            Theirs::Table {
                columns, max_rows, ..
            } => Self::Table {
                columns: columns.iter().map(ColumnInfo::from).collect(),
                max_rows: *max_rows,
            },
            #[cfg(feature = "tables")]
            Theirs::Tensor { shape } => Self::Tensor {
                shape: shape.clone(),
            },
            #[cfg(feature = "tables")]
            Theirs::Words { .. } => Self::Words,
            // Another crate of the same build may have asked the runtime for more.
            #[cfg(not(feature = "tables"))]
            #[allow(unreachable_patterns, reason = "the runtime has no more by itself")]
            _ => Self::Text,
        }
    }
}

#[cfg(feature = "tables")]
impl From<&schema::TableColumn> for ColumnInfo {
    fn from(column: &schema::TableColumn) -> Self {
        let column = &column.0;
        Self {
            name: column.name.clone(),
            kind: column.kind.name().to_owned(),
            unit: column.unit.clone(),
        }
    }
}

impl From<&Field> for FieldInfo {
    fn from(field: &Field) -> Self {
        Self {
            name: field.name.clone(),
            kind: (&field.kind).into(),
            unit: field.unit.clone(),
            range: field.range.map(|(low, high)| Range { low, high }),
            missing: field.missing.into(),
            out_of_range: field.out_of_range.into(),
            unlisted: field.unknown.into(),
            sensitivity: field.sensitivity.into(),
            changeable: field.changeable,
            reason_code: field.reason_code.clone(),
            group: field.group,
        }
    }
}

impl From<&fieldscore_runtime::Scorer> for BundleInfo {
    fn from(scorer: &fieldscore_runtime::Scorer) -> Self {
        let meta = scorer.meta();
        let date = |date: Option<Date>| date.map(|date| date.to_string());
        let schema = scorer.schema();
        Self {
            product: meta.product.clone(),
            sequence: meta.sequence,
            bundle_id: scorer.bundle_id().to_vec(),
            not_before: date(meta.not_before),
            not_after: date(meta.not_after),
            score_as_typed: meta.score_as_typed,
            languages: scorer.texts().languages.clone(),
            kernels: scorer.kernels().to_owned(),
            evaluations: u32::try_from(scorer.explanation_cost()).unwrap_or(u32::MAX),
            rules: scorer.policy().codes().map(str::to_owned).collect(),
            others: scorer
                .decide()
                .others()
                .iter()
                .map(|other| other.name.clone())
                .collect(),
            groups: schema
                .groups()
                .iter()
                .map(|group| GroupInfo {
                    code: group.code.clone(),
                    name: group.name.clone(),
                })
                .collect(),
            fields: schema.fields().iter().map(FieldInfo::from).collect(),
        }
    }
}
