//! What a policy counts with: named whole numbers, each made of what is there before it.

use minicbor::Encode;

use super::Facts;
use super::annuity::{AnnualRate, Rounding, annual_rate, instalment};
use crate::bundle::cbor::{structure, variants};
use crate::schema::{Date, Given};

/// A named whole number, or none: where a value is missing, a divisor is zero, or 64 bits are too few.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct PolicyValue {
    /// Its name, of values the only one of it.
    #[n(0)]
    pub name: String,
    /// What it is.
    #[n(1)]
    pub source: Source,
    /// How many of its digits stand behind the decimal mark, where it is shown.
    #[n(2)]
    pub decimals: u8,
    /// The unit that is shown beside it; may be empty.
    #[n(3)]
    pub unit: String,
}

/// Where a value comes from. Other values are meant by their index, which is below its own.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum Source {
    /// A field as given: raw units, days, 0 or 1, a category's index; 0 for what is no number.
    #[n(0)]
    Field(#[n(0)] u16),
    /// The score in points.
    #[n(1)]
    Score,
    /// The probability of default in parts per million.
    #[n(2)]
    Probability,
    /// The date as of which the application is scored, in days since 1970-01-01.
    #[n(3)]
    AsOf,
    /// 1 where one of these flags is set ([`Flags::bits`](crate::decide::Flags::bits)), else 0.
    #[n(4)]
    Flag(#[n(0)] u32),
    /// This number.
    #[n(5)]
    Constant(#[n(0)] i64),
    /// Some values, less others.
    #[n(6)]
    Sum {
        /// What is added.
        #[n(0)]
        plus: Vec<u16>,
        /// What is taken off.
        #[n(1)]
        minus: Vec<u16>,
    },
    /// The product of two, divided by a number.
    #[n(7)]
    Product {
        /// One factor.
        #[n(0)]
        left: u16,
        /// The other one.
        #[n(1)]
        right: u16,
        /// What their product is divided by, at least 1.
        #[n(2)]
        by: i64,
        /// How the quotient becomes a whole number.
        #[n(3)]
        rounding: Rounding,
    },
    /// One times a number, divided by another one.
    #[n(8)]
    Ratio {
        /// What is divided.
        #[n(0)]
        left: u16,
        /// By what.
        #[n(1)]
        right: u16,
        /// What `left` is multiplied with, at least 1.
        #[n(2)]
        times: i64,
        /// How the quotient becomes a whole number.
        #[n(3)]
        rounding: Rounding,
    },
    /// The least of these.
    #[n(9)]
    Least(#[n(0)] Vec<u16>),
    /// The greatest of these.
    #[n(10)]
    Greatest(#[n(0)] Vec<u16>),
    /// The monthly instalment of a loan.
    #[n(11)]
    Instalment {
        /// What is lent.
        #[n(0)]
        amount: u16,
        /// The rate of a year.
        #[n(1)]
        rate: u16,
        /// How many months it is paid back in, 1 to [`MAX_TERM`](super::MAX_TERM).
        #[n(2)]
        term: u16,
        /// The rate that is 100 %.
        #[n(3)]
        whole: i64,
        /// How the quotient becomes a whole number.
        #[n(4)]
        rounding: Rounding,
    },
    /// The annual percentage rate of a loan, in parts per million.
    #[n(12)]
    AnnualRate {
        /// What the applicant gets.
        #[n(0)]
        amount: u16,
        /// What they pay every month.
        #[n(1)]
        instalment: u16,
        /// For how many months.
        #[n(2)]
        term: u16,
        /// What it counts.
        #[n(3)]
        kind: AnnualRate,
    },
    /// Whole months between two dates.
    #[n(13)]
    Months {
        /// The earlier one, in days.
        #[n(0)]
        from: u16,
        /// The later one.
        #[n(1)]
        to: u16,
    },
    /// What a table says in a column.
    #[n(14)]
    Output {
        /// The table.
        #[n(0)]
        table: u16,
        /// The column.
        #[n(1)]
        column: u16,
    },
    /// How many of a table's rules hold.
    #[n(15)]
    Hits(#[n(0)] u16),
}

structure!(PolicyValue {
    0: name,
    1: source,
    2: decimals,
    3: unit
});
variants!(Source [
    0: Field { 0 },
    1: Score {},
    2: Probability {},
    3: AsOf {},
    4: Flag { 0 },
    5: Constant { 0 },
    6: Sum { plus, minus },
    7: Product { left, right, by, rounding },
    8: Ratio { left, right, times, rounding },
    9: Least { 0 },
    10: Greatest { 0 },
    11: Instalment { amount, rate, term, whole, rounding },
    12: AnnualRate { amount, instalment, term, kind },
    13: Months { from, to },
    14: Output { table, column },
    15: Hits { 0 },
]);

impl Source {
    /// The values that it is made of, by index.
    pub fn reads(&self) -> Vec<u16> {
        match self {
            Self::Sum { plus, minus } => [&plus[..], minus].concat(),
            Self::Least(of) | Self::Greatest(of) => of.clone(),
            Self::Product { left, right, .. } | Self::Ratio { left, right, .. } => {
                vec![*left, *right]
            }
            Self::Instalment {
                amount, rate, term, ..
            } => vec![*amount, *rate, *term],
            Self::AnnualRate {
                amount,
                instalment,
                term,
                ..
            } => vec![*amount, *instalment, *term],
            Self::Months { from, to } => vec![*from, *to],
            _ => Vec::new(),
        }
    }

    /// Its number, given those of the values before it; what tables say is not known here.
    pub(crate) fn number(&self, facts: Facts<'_>, before: &[Option<i64>]) -> Option<i64> {
        let of = |at: &u16| before.get(usize::from(*at)).copied().flatten();
        let wide = |at: &u16| of(at).map(i128::from);
        let date = |at: &u16| of(at).and_then(Date::from_days);
        match self {
            Self::Field(at) => match *facts.application.given.get(usize::from(*at))? {
                Given::Number(raw) => Some(raw),
                Given::Truth(truth) => Some(i64::from(truth)),
                Given::Category(at) => Some(i64::from(at)),
                Given::Missing | Given::Unlisted { .. } => None,
                _ => Some(0),
            },
            Self::Score => Some(facts.score.into()),
            Self::Probability => Some(facts.probability_ppm.into()),
            Self::AsOf => Some(facts.application.as_of.days().into()),
            Self::Flag(bits) => Some((facts.flags.bits() & bits != 0).into()),
            Self::Constant(number) => Some(*number),
            Self::Sum { plus, minus } => {
                let sum = |of: &[u16]| of.iter().map(wide).sum::<Option<i128>>();
                (sum(plus)? - sum(minus)?).try_into().ok()
            }
            Self::Product {
                left,
                right,
                by,
                rounding,
            } => rounding.divide(wide(left)? * wide(right)?, (*by).into()),
            Self::Ratio {
                left,
                right,
                times,
                rounding,
            } => rounding.divide(wide(left)? * i128::from(*times), wide(right)?),
            Self::Least(all) => all.iter().map(of).reduce(|a, b| Some(a?.min(b?)))?,
            Self::Greatest(all) => all.iter().map(of).reduce(|a, b| Some(a?.max(b?)))?,
            Self::Instalment {
                amount,
                rate,
                term,
                whole,
                rounding,
            } => instalment(of(amount)?, of(rate)?, of(term)?, *whole, *rounding),
            Self::AnnualRate {
                amount,
                instalment,
                term,
                kind,
            } => annual_rate(of(amount)?, of(instalment)?, of(term)?, *kind),
            Self::Months { from, to } => Some(date(from)?.months_until(date(to)?)),
            Self::Output { .. } | Self::Hits(_) => None,
        }
    }
}
