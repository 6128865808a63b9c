//! The house's policy: cut-offs on the score, knock-out rules on the fields, and the cases that a
//! person must decide. All comparisons are of integers.

use minicbor::Encode;

use crate::bundle::cbor::{structure, variants};
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
structure!(Policy {
    0: approve_from,
    1: refer_from,
    2: knock_outs
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

/// No policy has more knock-out rules: fired ones are a set of bits.
pub const MAX_RULES: usize = 64;

impl Policy {
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        let fault = |what: String| Err(Error::malformed("section PLCY", what));
        if self.refer_from > self.approve_from {
            return fault("a refer cut-off that is not above the approve cut-off".to_owned());
        }
        if self.knock_outs.len() > MAX_RULES {
            return fault(format!("at most {MAX_RULES} knock-out rules"));
        }
        for (index, rule) in self.knock_outs.iter().enumerate() {
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
            let sound = !rule.when.is_empty()
                && fits
                && rule.outcome != Outcome::Approve
                && !rule.code.is_empty()
                && rule.code.len() <= 32
                && self.knock_outs[..index]
                    .iter()
                    .all(|earlier| earlier.code != rule.code);
            if !sound {
                return fault(format!(
                    "rule {} with a code of its own, conditions that fit their fields, and refer or decline",
                    Shown(&rule.code)
                ));
            }
        }
        Ok(())
    }

    /// The rules that fire, one bit each in their order.
    pub(crate) fn fired(&self, application: &Application) -> u64 {
        self.knock_outs
            .iter()
            .enumerate()
            .fold(0, |bits, (index, rule)| {
                bits | u64::from(rule.when.iter().all(|c| c.holds(application))) << index
            })
    }

    /// The outcome: what a person must decide comes first, then the gravest of score band, fired
    /// rules and field policies.
    pub(crate) fn outcome(
        &self,
        score: i32,
        fired: u64,
        found: &Resolved,
        person_decides: bool,
    ) -> Outcome {
        if person_decides {
            return Outcome::Refer;
        }
        let band = if score >= self.approve_from {
            Outcome::Approve
        } else if score >= self.refer_from {
            Outcome::Refer
        } else {
            Outcome::Decline
        };
        let rules = self
            .knock_outs
            .iter()
            .enumerate()
            .filter(|(index, _)| fired >> index & 1 == 1)
            .map(|(_, rule)| rule.outcome);
        let field = if found.referred.is_empty() {
            Outcome::Approve
        } else {
            Outcome::Refer
        };
        rules.fold(band.max(field), Outcome::max)
    }
}
