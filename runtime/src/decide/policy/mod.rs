//! The house's policy: cut-offs on the score, knock-out rules on the fields, amounts and decision
//! tables, and the cases that a person must decide. All of it is integers.

#[cfg(feature = "casework")]
mod annuity;
#[cfg(feature = "casework")]
mod table;
#[cfg(feature = "casework")]
mod trace;
#[cfg(feature = "casework")]
mod value;

use minicbor::Encode;

#[cfg(feature = "casework")]
pub use annuity::{AnnualRate, MAX_TERM, Rounding};
#[cfg(feature = "casework")]
pub use table::{Cell, ColumnKind, HitPolicy, MAX_TABLE_RULES, OutputColumn, Rule, Table};
#[cfg(feature = "casework")]
pub use trace::{Term, Tried};
#[cfg(feature = "casework")]
pub use value::{PolicyValue, Source};

use crate::bundle::cbor::{Read, Reader, structure, variants};
#[cfg(feature = "casework")]
use crate::decide::Decision;
use crate::decide::Flags;
use crate::error::{Error, Result, Shown};
use crate::schema::{Application, FieldKind, Given, Resolved, Schema};

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum Outcome {
    /// The loan may be granted.
    #[n(0)]
    Approve,
    /// A person decides.
    #[n(1)]
    Refer,
    /// The loan is not granted.
    #[n(2)]
    Decline,
}

impl Outcome {
    /// The outcome's name, the same in every binding.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refer => "refer",
            Self::Decline => "decline",
        }
    }
}

impl Outcome {
    /// The outcome of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let all = [Self::Approve, Self::Refer, Self::Decline];
        all.into_iter().find(|outcome| outcome.name() == name)
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// PLCY as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Policy {
    /// The least score that is approved.
    #[n(0)]
    pub approve_from: i32,
    /// The least score that is referred; below it is declined.
    #[n(1)]
    pub refer_from: i32,
    /// Rules on fields, in order.
    #[n(2)]
    pub knock_outs: Vec<KnockOut>,
    /// What tables look at and terms are, in order; at most [`MAX_VALUES`].
    #[cfg(feature = "casework")]
    #[n(3)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub values: Vec<PolicyValue>,
    /// Decision tables, in order; at most [`MAX_TABLES`].
    #[cfg(feature = "casework")]
    #[n(4)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub tables: Vec<Table>,
    /// The values that come out with a decision, by index, rising; at most [`MAX_TERMS`].
    #[cfg(feature = "casework")]
    #[n(5)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub terms: Vec<u16>,
}

impl<'b> Read<'b> for Policy {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        let mut entries = from.map()?;
        let policy = Self {
            approve_from: from.entry(&mut entries, 0)?,
            refer_from: from.entry(&mut entries, 1)?,
            knock_outs: from.entry(&mut entries, 2)?,
            #[cfg(feature = "casework")]
            values: from.entry_or(&mut entries, 3, || Some(Vec::new()))?,
            #[cfg(feature = "casework")]
            tables: from.entry_or(&mut entries, 4, || Some(Vec::new()))?,
            #[cfg(feature = "casework")]
            terms: from.entry_or(&mut entries, 5, || Some(Vec::new()))?,
        };
        from.end(entries)?;
        Some(policy)
    }
}

/// A rule that refers or declines whatever the score.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct KnockOut {
    /// Its stable code.
    #[n(0)]
    pub code: String,
    /// What must hold, all of it.
    #[n(1)]
    pub when: Vec<Condition>,
    /// What then comes out: [`Outcome::Refer`] or [`Outcome::Decline`].
    #[n(2)]
    pub outcome: Outcome,
}

/// A test of one field's value as given. A missing value satisfies only `Missing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Condition {
    /// The field's index.
    #[n(0)]
    pub field: u16,
    /// What is asked of it.
    #[n(1)]
    pub test: Test,
}

/// What a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum Test {
    /// The number (raw units) or date (days) is greater.
    #[n(0)]
    Above(#[n(0)] i64),
    /// The number (raw units) or date (days) is less.
    #[n(1)]
    Below(#[n(0)] i64),
    /// The number or date is equal; for a boolean 0 or 1; for a category its index.
    #[n(2)]
    Is(#[n(0)] i64),
    /// There is no value.
    #[n(3)]
    Missing,
}

variants!(Outcome {
    0: Approve,
    1: Refer,
    2: Decline
});
structure!(KnockOut {
    0: code,
    1: when,
    2: outcome
});
structure!(Condition [field, test]);
variants!(Test [0: Above { 0 }, 1: Below { 0 }, 2: Is { 0 }, 3: Missing {}]);

impl Condition {
    fn holds(&self, application: &Application) -> bool {
        let Some(given) = application.given.get(usize::from(self.field)) else {
            return false;
        };
        let number = match *given {
            Given::Number(raw) => Some(raw),
            Given::Truth(truth) => Some(i64::from(truth)),
            Given::Category(at) => Some(i64::from(at)),
            _ => None,
        };
        match self.test {
            Test::Missing => matches!(given, Given::Missing),
            Test::Above(limit) => number.is_some_and(|x| x > limit),
            Test::Below(limit) => number.is_some_and(|x| x < limit),
            Test::Is(value) => number == Some(value),
        }
    }
}

/// No policy has more rules with a code: fired ones are a set of bits.
pub const MAX_RULES: usize = 64;
/// No policy has more values.
#[cfg(feature = "casework")]
pub const MAX_VALUES: usize = 64;
/// No policy has more tables.
#[cfg(feature = "casework")]
pub const MAX_TABLES: usize = 32;
/// No decision comes with more terms.
#[cfg(feature = "casework")]
pub const MAX_TERMS: usize = 16;
/// Nor takes a look at a policy more tests of cells.
#[cfg(feature = "casework")]
const MAX_WORK: usize = 1 << 16;

/// The numbers of a policy's values.
#[cfg(feature = "casework")]
pub(crate) type Numbers = [Option<i64>; MAX_VALUES];

/// Whether it may name a value, a table or a column.
#[cfg(feature = "casework")]
fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 64
}

/// What a policy looks at.
#[derive(Clone, Copy)]
pub(crate) struct Facts<'a> {
    pub application: &'a Application,
    pub score: i32,
    #[cfg(feature = "casework")]
    pub probability_ppm: u32,
    #[cfg(feature = "casework")]
    pub flags: Flags,
}

impl<'a> Facts<'a> {
    /// Those of a decision, as far as it is made.
    #[cfg_attr(not(feature = "casework"), allow(unused_variables))]
    pub fn new(
        application: &'a Application,
        score: i32,
        probability_ppm: u32,
        flags: Flags,
    ) -> Self {
        Self {
            application,
            score,
            #[cfg(feature = "casework")]
            probability_ppm,
            #[cfg(feature = "casework")]
            flags,
        }
    }

    /// Those of a decision.
    #[cfg(feature = "casework")]
    pub fn of(application: &'a Application, decision: &Decision) -> Self {
        let Decision {
            score,
            probability_ppm,
            flags,
            ..
        } = *decision;
        Self::new(application, score, probability_ppm, flags)
    }
}

impl Policy {
    /// A policy of cut-offs and knock-out rules alone.
    pub fn new(approve_from: i32, refer_from: i32, knock_outs: Vec<KnockOut>) -> Self {
        Self {
            approve_from,
            refer_from,
            knock_outs,
            #[cfg(feature = "casework")]
            values: Vec::new(),
            #[cfg(feature = "casework")]
            tables: Vec::new(),
            #[cfg(feature = "casework")]
            terms: Vec::new(),
        }
    }

    /// The feature bits that a bundle of it must require
    /// ([`features`](crate::bundle::container::features)).
    pub fn features(&self) -> u64 {
        #[cfg(feature = "casework")]
        if !self.values.is_empty() || !self.tables.is_empty() {
            return crate::bundle::container::features::POLICY;
        }
        0
    }

    /// The codes of its rules, in the order of a decision's bits: knock-out rules, then the tables' rules
    /// that have one.
    pub fn codes(&self) -> impl Iterator<Item = &str> {
        let knock_outs = self.knock_outs.iter().map(|rule| rule.code.as_str());
        #[cfg(feature = "casework")]
        let knock_outs = {
            let rules = self.tables.iter().flat_map(|table| &table.rules);
            knock_outs.chain(rules.filter_map(|rule| rule.code.as_deref()))
        };
        knock_outs
    }

    /// What the rule of an index among [`codes`](Self::codes) says.
    pub fn outcome_of(&self, index: u16) -> Outcome {
        let mut outcomes = self.knock_outs.iter().map(|rule| rule.outcome);
        #[cfg(feature = "casework")]
        let mut outcomes = outcomes
            .by_ref()
            .chain(self.tables.iter().flat_map(Table::coded));
        outcomes.nth(index.into()).unwrap_or(Outcome::Refer)
    }

    /// Those of the rules that fired.
    pub fn fired_codes(&self, fired: u64) -> impl Iterator<Item = &str> {
        let all = self.codes().enumerate();
        all.filter(move |(index, _)| fired >> index & 1 == 1)
            .map(|(_, code)| code)
    }

    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        let fault = |what: String| Err(Error::malformed("section PLCY", what));
        if self.refer_from > self.approve_from {
            return fault("a refer cut-off that is not above the approve cut-off".to_owned());
        }
        if self.codes().count() > MAX_RULES {
            return fault(format!("at most {MAX_RULES} rules with a code"));
        }
        for (index, code) in self.codes().enumerate() {
            let twice = self.codes().take(index).any(|earlier| earlier == code);
            if code.is_empty() || code.len() > 32 || twice {
                return fault(format!("rule {} with a code of its own", Shown(code)));
            }
        }
        for rule in &self.knock_outs {
            let fits = rule.when.iter().all(|condition| {
                schema
                    .fields()
                    .get(usize::from(condition.field))
                    .is_some_and(|field| match (&condition.test, &field.kind) {
                        (Test::Missing, _) => true,
                        (Test::Is(at), FieldKind::Category { codes }) => {
                            usize::try_from(*at).is_ok_and(|at| at < codes.len())
                        }
                        (Test::Is(truth), FieldKind::Boolean) => (0..=1).contains(truth),
                        (_, kind) => kind.is_numeric(),
                    })
            });
            if rule.when.is_empty() || !fits || rule.outcome == Outcome::Approve {
                return fault(format!(
                    "rule {} with conditions that fit their fields, and refer or decline",
                    Shown(&rule.code)
                ));
            }
        }
        #[cfg(feature = "casework")]
        self.check_tables(schema)?;
        Ok(())
    }

    #[cfg(feature = "casework")]
    fn check_tables(&self, schema: &Schema) -> Result<()> {
        let place = |name: &str, what: &'static str| {
            Err(Error::malformed(
                format!("section PLCY, {}", Shown(name)),
                what,
            ))
        };
        let values: Vec<&str> = self.values.iter().map(|value| &*value.name).collect();
        let tables: Vec<&str> = self.tables.iter().map(|table| &*table.name).collect();
        for names in [values, tables] {
            for (index, name) in names.iter().enumerate() {
                if !is_name(name) || names[..index].contains(name) {
                    return place(name, "a name of its own, of at most 64 bytes");
                }
            }
        }
        let table = |at: &u16| self.tables.get(usize::from(*at));
        let mut work = self.tables.iter().map(Table::work).sum::<usize>();
        for (index, value) in self.values.iter().enumerate() {
            let before = |at: &u16| usize::from(*at) < index;
            let sound = match &value.source {
                Source::Field(at) => usize::from(*at) < schema.fields().len(),
                Source::Product { by, .. } => *by > 0,
                Source::Ratio { times, .. } => *times > 0,
                Source::Instalment { whole, .. } => *whole > 0,
                Source::Least(of) | Source::Greatest(of) => !of.is_empty(),
                Source::Output { table: of, column } => {
                    work += table(of).map_or(0, Table::work);
                    table(of).is_some_and(|table| {
                        usize::from(*column) < table.columns.len()
                            && table.hit != HitPolicy::Collect
                            && table.inputs.iter().all(before)
                    })
                }
                Source::Hits(of) => {
                    work += table(of).map_or(0, Table::work);
                    table(of).is_some_and(|table| table.inputs.iter().all(before))
                }
                _ => true,
            };
            let reads = value.source.reads();
            work += reads.len();
            if !sound || !reads.iter().all(before) || value.decimals > 9 || value.unit.len() > 32 {
                return place(&value.name, "a value of what is there before it");
            }
        }
        for table in &self.tables {
            let known = |at: &u16| usize::from(*at) < self.values.len();
            if !table.is_sound() || !table.inputs.iter().all(known) {
                return place(
                    &table.name,
                    "a table whose rules fit its inputs and outputs, with a code where they refer or decline",
                );
            }
        }
        let terms = self.terms.windows(2).all(|pair| pair[0] < pair[1])
            && self
                .terms
                .iter()
                .all(|&at| usize::from(at) < self.values.len());
        let few = self.values.len() <= MAX_VALUES
            && self.tables.len() <= MAX_TABLES
            && self.terms.len() <= MAX_TERMS;
        if !few || !terms || work > MAX_WORK {
            return Err(Error::malformed(
                "section PLCY",
                format!(
                    "at most {MAX_VALUES} values, {MAX_TABLES} tables, {MAX_TERMS} terms and {MAX_WORK} tests"
                ),
            ));
        }
        Ok(())
    }

    /// What the cut-offs say of a score.
    fn band(&self, score: i32) -> Outcome {
        if score >= self.approve_from {
            Outcome::Approve
        } else if score >= self.refer_from {
            Outcome::Refer
        } else {
            Outcome::Decline
        }
    }

    /// The numbers of its values.
    #[cfg(feature = "casework")]
    pub(crate) fn numbers(&self, facts: Facts<'_>) -> Numbers {
        let mut numbers = [None; MAX_VALUES];
        for (index, value) in self.values.iter().enumerate().take(MAX_VALUES) {
            let table = |at: &u16| self.tables.get(usize::from(*at));
            numbers[index] = match &value.source {
                Source::Output { table: of, column } => {
                    table(of).and_then(|t| t.says(t.hits(&numbers), (*column).into()))
                }
                Source::Hits(of) => table(of).map(|table| table.hits(&numbers).count().into()),
                source => source.number(facts, &numbers[..index]),
            };
        }
        numbers
    }

    /// The word that a value is, where it is one.
    #[cfg(feature = "casework")]
    pub(crate) fn word(&self, source: &Source, number: Option<i64>) -> Option<&str> {
        let Source::Output { table, column } = source else {
            return None;
        };
        let table = self.tables.get(usize::from(*table))?;
        let kind = &table.columns.get(usize::from(*column))?.kind;
        kind.word(number?)
    }

    /// The rules that fire, one bit each in the order of [`codes`](Self::codes), and the outcome: what a
    /// person must decide comes first, then the gravest of score band, fired rules, tables and field
    /// policies.
    pub(crate) fn decide(
        &self,
        facts: Facts<'_>,
        found: &Resolved,
        person_decides: bool,
    ) -> (u64, Outcome) {
        let (mut fired, mut bit) = (0, 0);
        let mut outcome = self.band(facts.score);
        if !found.referred.is_empty() {
            outcome = outcome.max(Outcome::Refer);
        }
        let mut fire = |fires: bool| {
            fired |= u64::from(fires) << (bit & 63);
            bit += 1;
        };
        for rule in &self.knock_outs {
            let fires = rule.when.iter().all(|c| c.holds(facts.application));
            fire(fires);
            if fires {
                outcome = outcome.max(rule.outcome);
            }
        }
        #[cfg(feature = "casework")]
        if !self.tables.is_empty() {
            let numbers = self.numbers(facts);
            for table in &self.tables {
                let hits = table.hits(&numbers);
                outcome = outcome.max(table.outcome(hits));
                for (index, rule) in table.rules.iter().enumerate() {
                    if rule.code.is_some() {
                        fire(hits.contains(index));
                    }
                }
            }
        }
        if person_decides {
            outcome = Outcome::Refer;
        }
        (fired, outcome)
    }
}
