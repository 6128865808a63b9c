//! Amounts and decision tables of a recipe's `[policy]`, and their way into what the runtime reads.

mod cell;
mod cover;
mod lower;

use fieldscore_runtime::decide;
use indexmap::IndexMap;
use serde::Deserialize;

pub(super) use lower::lower;

use crate::recipe::Text;

/// `[policy.values.NAME]`: exactly one of what it can be.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Value {
    /// A number.
    pub number: Option<toml::Value>,
    /// These added.
    pub sum: Option<Vec<String>>,
    /// With `sum`: these taken off.
    pub less: Vec<String>,
    /// The first times the second.
    pub product: Option<[String; 2]>,
    /// The first divided by the second.
    pub ratio: Option<[String; 2]>,
    /// The least of these.
    pub least: Option<Vec<String>>,
    /// The greatest of these.
    pub greatest: Option<Vec<String>>,
    /// The monthly instalment of a loan.
    pub instalment: Option<Instalment>,
    /// The annual percentage rate of a loan, in per cent with four decimals.
    pub annual_rate: Option<AnnualRate>,
    /// Whole months between two dates.
    pub months: Option<Span>,
    /// Whole years between two dates.
    pub years: Option<Span>,
    /// What a table's column says.
    pub output: Option<String>,
    /// How many of a table's rules hold.
    pub hits: Option<String>,
    /// Digits behind the decimal mark.
    pub decimals: Option<u8>,
    /// How a quotient becomes a number of so many decimals.
    pub rounding: Option<Rounding>,
    /// Shown beside it.
    pub unit: String,
}

/// How a quotient is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// To the nearest, a half away from zero.
    HalfUp,
    /// To the nearest, a half to the even one.
    HalfEven,
    /// Away from zero.
    Up,
    /// Towards zero.
    Down,
}

impl From<Rounding> for decide::Rounding {
    fn from(rounding: Rounding) -> Self {
        match rounding {
            Rounding::HalfUp => Self::HalfUp,
            Rounding::HalfEven => Self::HalfEven,
            Rounding::Up => Self::Up,
            Rounding::Down => Self::Down,
        }
    }
}

/// What a rate of 1 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateIn {
    /// One hundredth.
    Percent,
    /// The whole.
    Fraction,
}

/// `instalment = { … }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instalment {
    /// What is lent.
    pub amount: String,
    /// The rate of a year.
    pub rate: String,
    /// In how many months it is paid back.
    pub term: String,
    /// What a rate of 1 is.
    pub rate_in: RateIn,
}

/// What an annual percentage rate counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RateKind {
    /// Twelve times the monthly rate.
    Nominal,
    /// With interest on interest.
    Effective,
}

/// `annual_rate = { … }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnnualRate {
    /// What the applicant gets.
    pub amount: String,
    /// What they pay every month.
    pub instalment: String,
    /// For how many months.
    pub term: String,
    /// What it counts.
    pub kind: RateKind,
}

/// `months = { … }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The earlier date.
    pub from: String,
    /// The later one.
    pub to: String,
}

/// What a table says where several rules hold (DMN 1.5, 8.2.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hit {
    /// Never more than one.
    Unique,
    /// The first.
    First,
    /// The one whose output comes first in its list; the gravest outcome.
    Priority,
    /// All.
    Collect,
    /// Their sum.
    CollectSum,
}

impl From<Hit> for decide::HitPolicy {
    fn from(hit: Hit) -> Self {
        match hit {
            Hit::Unique => Self::Unique,
            Hit::First => Self::First,
            Hit::Priority => Self::Priority,
            Hit::Collect => Self::Collect,
            Hit::CollectSum => Self::CollectSum,
        }
    }
}

/// `[policy.tables.NAME]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What it says where several rules hold.
    pub hit: Hit,
    /// What it looks at: fields, values, tables' columns, `score`, `probability`, `as_of`, `flag.NAME`.
    pub inputs: Vec<String>,
    /// What it says, column by column.
    pub outputs: IndexMap<String, Output>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// What stands in a column of outputs.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Output {
    /// `"outcome"`: approve, refer or decline.
    Named(OutputName),
    /// One of these words; the first counts most.
    Words(Vec<String>),
    /// Numbers.
    Number(NumberOutput),
}

/// A kind of outputs that needs nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputName {
    /// Approve, refer or decline.
    Outcome,
    /// Whole numbers.
    Number,
}

/// A column of numbers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberOutput {
    /// Digits behind the decimal mark.
    pub decimals: u8,
    /// Shown beside them.
    #[serde(default)]
    pub unit: String,
}

/// A row of a table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// A test for each input.
    pub when: Vec<toml::Value>,
    /// What it says, for each output.
    pub then: Vec<toml::Value>,
    /// Stable code, where it refers or declines.
    pub code: Option<String>,
    /// What people are then told.
    #[serde(default)]
    pub text: Text,
}
