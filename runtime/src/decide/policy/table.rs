//! Decision tables, in the words of DMN (Decision Model and Notation 1.5, chapter 8): inputs, rules,
//! outputs, a hit policy.

use minicbor::Encode;

use super::Outcome;
use crate::bundle::cbor::{structure, variants};

/// A table. Its inputs are values of the policy; what it says is read by values behind them, and by the
/// outcome where one of its columns is one.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Table {
    /// Its name, of tables the only one of it.
    #[n(0)]
    pub name: String,
    /// What it says where several rules hold.
    #[n(1)]
    pub hit: HitPolicy,
    /// The values that it looks at, by index.
    #[n(2)]
    pub inputs: Vec<u16>,
    /// What it says.
    #[n(3)]
    pub columns: Vec<OutputColumn>,
    /// Its rules, in order; at most [`MAX_TABLE_RULES`].
    #[n(4)]
    pub rules: Vec<Rule>,
}

/// What a table says where several of its rules hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(index_only)]
pub enum HitPolicy {
    /// Never more than one does; where it is otherwise the table says nothing.
    #[n(0)]
    Unique,
    /// What the first one says.
    #[n(1)]
    First,
    /// What the one says whose first output comes first in that column's list; of outcomes, the gravest.
    /// Of several, the first.
    #[n(2)]
    Priority,
    /// All of them, in their order.
    #[n(3)]
    Collect,
    /// The sums of what they say; nothing where none holds.
    #[n(4)]
    CollectSum,
}

/// A column of outputs.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct OutputColumn {
    /// Its name, in its table the only one of it.
    #[n(0)]
    pub name: String,
    /// What stands in it.
    #[n(1)]
    pub kind: ColumnKind,
}

/// What stands in a column of outputs.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub enum ColumnKind {
    /// Whole numbers.
    #[n(0)]
    Number,
    /// Indices into these words.
    #[n(1)]
    Words(#[n(0)] Vec<String>),
    /// Outcomes, by their number: the gravest of all tables', bands' and rules' is the decision's.
    #[n(2)]
    Outcome,
}

impl ColumnKind {
    /// The word that stands for a number; none in a column of numbers.
    pub(crate) fn word(&self, number: i64) -> Option<&str> {
        let at = usize::try_from(number).ok()?;
        match self {
            Self::Number => None,
            Self::Words(words) => words.get(at).map(String::as_str),
            Self::Outcome => match at {
                0 => Some(Outcome::Approve.name()),
                1 => Some(Outcome::Refer.name()),
                _ => Some(Outcome::Decline.name()),
            },
        }
    }
}

/// A rule: a row of a table.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Rule {
    /// The stable code of the reason that it is: of rules that refer or decline, and of no others.
    #[n(0)]
    pub code: Option<String>,
    /// A test for each input: all must hold.
    #[n(1)]
    pub when: Vec<Option<Cell>>,
    /// What it says, for each column.
    #[n(2)]
    pub then: Vec<i64>,
}

/// A test of one input; what is not one of these holds for any value and for none.
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
pub struct Cell {
    /// It holds for these numbers: from, to and with; rising, apart.
    #[n(0)]
    pub ranges: Vec<(i64, i64)>,
    /// Whether it holds where there is no number.
    #[n(1)]
    pub missing: bool,
}

structure!(Table {
    0: name,
    1: hit,
    2: inputs,
    3: columns,
    4: rules
});
variants!(HitPolicy {
    0: Unique,
    1: First,
    2: Priority,
    3: Collect,
    4: CollectSum
});
structure!(OutputColumn { 0: name, 1: kind });
variants!(ColumnKind [0: Number {}, 1: Words { 0 }, 2: Outcome {}]);
structure!(Rule {
    0: code,
    1: when,
    2: then
});
structure!(Cell [ranges, missing]);

/// No table has more rules: those that hold are a set of bits.
pub const MAX_TABLE_RULES: usize = 256;

/// Rules of a table, one bit each.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hits([u64; MAX_TABLE_RULES / 64]);

impl Hits {
    fn insert(&mut self, rule: usize) {
        self.0[rule / 64] |= 1 << (rule % 64);
    }

    pub fn contains(self, rule: usize) -> bool {
        self.0[rule / 64] >> (rule % 64) & 1 == 1
    }

    pub fn count(self) -> u32 {
        self.0.iter().map(|bits| bits.count_ones()).sum()
    }
}

impl Cell {
    fn holds(&self, value: Option<i64>) -> bool {
        match value {
            None => self.missing,
            Some(x) => self
                .ranges
                .iter()
                .any(|&(from, to)| (from..=to).contains(&x)),
        }
    }
}

impl Rule {
    fn holds(&self, inputs: &[u16], values: &[Option<i64>]) -> bool {
        self.when.iter().zip(inputs).all(|(cell, &at)| {
            let value = values.get(usize::from(at)).copied().flatten();
            cell.as_ref().is_none_or(|cell| cell.holds(value))
        })
    }
}

impl Table {
    /// The rules that count: none of a table of unique rules where several hold, the first, those that
    /// say what comes first, or all that hold.
    pub(crate) fn hits(&self, values: &[Option<i64>]) -> Hits {
        let mut hits = Hits::default();
        let mut best = i64::MAX;
        for (index, rule) in self.rules.iter().enumerate() {
            if !rule.holds(&self.inputs, values) {
                continue;
            }
            if self.hit == HitPolicy::Priority {
                let rank = self.rank(rule);
                if rank > best {
                    continue;
                }
                if rank < best {
                    (best, hits) = (rank, Hits::default());
                }
            }
            hits.insert(index);
            if self.hit == HitPolicy::First {
                break;
            }
        }
        match self.hit == HitPolicy::Unique && hits.count() > 1 {
            true => Hits::default(),
            false => hits,
        }
    }

    /// Where a rule stands among the priorities.
    fn rank(&self, rule: &Rule) -> i64 {
        let first = rule.then.first().copied().unwrap_or_default();
        match self.columns.first().map(|column| &column.kind) {
            Some(ColumnKind::Outcome) => -first,
            _ => first,
        }
    }

    /// The rules that these are.
    pub(crate) fn rules_of(&self, hits: Hits) -> impl Iterator<Item = &Rule> {
        let rules = self.rules.iter().enumerate();
        rules
            .filter(move |(index, _)| hits.contains(*index))
            .map(|(_, rule)| rule)
    }

    /// What the rules that count say in a column.
    pub(crate) fn says(&self, hits: Hits, column: usize) -> Option<i64> {
        let mut said = self
            .rules_of(hits)
            .map(|rule| rule.then.get(column).copied());
        match self.hit {
            HitPolicy::CollectSum => said.reduce(|a, b| a?.checked_add(b?))?,
            _ => said.next()?,
        }
    }

    /// Its column of outcomes.
    pub fn outcome_column(&self) -> Option<usize> {
        let is_outcome = |column: &OutputColumn| column.kind == ColumnKind::Outcome;
        self.columns.iter().position(is_outcome)
    }

    /// What its rules with a code say of the outcome.
    pub(crate) fn coded(&self) -> impl Iterator<Item = Outcome> {
        let rules = self.rules.iter().filter(|rule| rule.code.is_some());
        let column = self.outcome_column().unwrap_or(usize::MAX);
        rules.map(move |rule| rule.outcome(column))
    }

    /// What it says of the outcome: nothing where none of its columns is one, a person decides where no
    /// rule says anything.
    pub(crate) fn outcome(&self, hits: Hits) -> Outcome {
        let Some(column) = self.outcome_column() else {
            return Outcome::Approve;
        };
        let none = match self.hit {
            HitPolicy::Collect => Outcome::Approve,
            _ => Outcome::Refer,
        };
        let said = self.rules_of(hits).map(|rule| rule.outcome(column));
        said.reduce(Outcome::max).unwrap_or(none)
    }

    /// How many tests a look at it takes at most.
    pub(crate) fn work(&self) -> usize {
        let cells = self.rules.iter().flat_map(|rule| &rule.when);
        let each = cells.map(|cell| 1 + cell.as_ref().map_or(0, |cell| cell.ranges.len()));
        each.sum::<usize>() + self.rules.len()
    }

    /// Whether it is a table that can be looked at, but for its inputs and the codes of its rules.
    pub(crate) fn is_sound(&self) -> bool {
        let columns = self.columns.iter();
        let outcomes = columns
            .clone()
            .filter(|c| c.kind == ColumnKind::Outcome)
            .count();
        let sums = self.hit == HitPolicy::CollectSum;
        let named = |(at, column): (usize, &OutputColumn)| {
            let before = &self.columns[..at];
            super::is_name(&column.name) && before.iter().all(|b| b.name != column.name)
        };
        (1..=8).contains(&self.columns.len())
            && (1..=MAX_TABLE_RULES).contains(&self.rules.len())
            && (1..=16).contains(&self.inputs.len())
            && outcomes <= 1
            && columns.clone().enumerate().all(named)
            && columns
                .clone()
                .all(|c| !sums || c.kind == ColumnKind::Number)
            && (self.hit != HitPolicy::Priority || self.columns[0].kind != ColumnKind::Number)
            && self.rules.iter().all(|rule| self.fits(rule))
    }

    fn fits(&self, rule: &Rule) -> bool {
        let rising = |cell: &Cell| {
            cell.ranges.iter().all(|(from, to)| from <= to)
                && cell.ranges.windows(2).all(|pair| pair[0].1 < pair[1].0)
        };
        let says = |(column, &then): (&OutputColumn, &i64)| match &column.kind {
            ColumnKind::Number => true,
            ColumnKind::Words(words) => usize::try_from(then).is_ok_and(|at| at < words.len()),
            ColumnKind::Outcome => (0..=2).contains(&then),
        };
        let told = self
            .outcome_column()
            .is_some_and(|at| rule.outcome(at) != Outcome::Approve);
        rule.when.len() == self.inputs.len()
            && rule.code.is_some() == told
            && rule.then.len() == self.columns.len()
            && rule.when.iter().flatten().all(rising)
            && self.columns.iter().zip(&rule.then).all(says)
    }
}

impl Rule {
    /// What it says in the column of outcomes.
    fn outcome(&self, column: usize) -> Outcome {
        match self.then.get(column) {
            Some(0) => Outcome::Approve,
            Some(2) => Outcome::Decline,
            _ => Outcome::Refer,
        }
    }
}
