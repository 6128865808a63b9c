//! Reasons: what a person is told, most important first.

use crate::decide::{Decision, Flags, Policy};
use crate::schema::{Schema, Texts};

/// A decision carries at most this many reasons.
pub const MAX_REASONS: usize = 4;

/// Reasons that no recipe writes: they come from the envelope, the bundle's dates and the fields'
/// own policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SystemReason {
    /// The applicant does not consent to an automated decision.
    AutomationRefused,
    /// The bundle's last day has passed.
    Expired,
    /// The bundle's first day has not come.
    NotYetValid,
    /// A field that a person must look at has no value.
    ValueMissing,
    /// A field that a person must look at is out of range.
    ValueOutOfRange,
    /// A field that a person must look at has an unlisted category.
    ValueUnlisted,
}

impl SystemReason {
    /// Its stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AutomationRefused => "S1",
            Self::Expired => "S2",
            Self::NotYetValid => "S3",
            Self::ValueMissing => "S4",
            Self::ValueOutOfRange => "S5",
            Self::ValueUnlisted => "S6",
        }
    }
}

/// One reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The envelope or the bundle's dates, or a field's policy (with the field's index).
    System(SystemReason, Option<u16>),
    /// A rule fired: its index among [`Policy::codes`].
    Rule(u16),
    /// A field pulled the score down: its index, and by how many points (negative).
    Field(u16, i32),
}

/// Up to [`MAX_REASONS`] reasons, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reasons {
    list: [Option<Reason>; MAX_REASONS],
}

impl Reasons {
    fn push(&mut self, reason: Reason) {
        if let Some(free) = self.list.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(reason);
        }
    }

    /// Adds the reasons of the fields that have a key, the least key first: each time the least above
    /// the last one served, so that there is no list and nothing is allocated.
    fn push_ranked(
        &mut self,
        fields: usize,
        key: &dyn Fn(usize) -> Option<(i32, u16)>,
        reason: &dyn Fn(u16) -> Reason,
    ) {
        let mut last = None;
        for _ in 0..MAX_REASONS {
            let keys = (0..fields).filter_map(|at| Some((key(at)?, at as u16)));
            let Some((key, at)) = keys.filter(|(key, _)| Some(*key) > last).min() else {
                break;
            };
            last = Some(key);
            self.push(reason(at));
        }
    }

    /// The reasons, in order.
    pub fn iter(&self) -> impl Iterator<Item = Reason> + '_ {
        self.list.iter().flatten().copied()
    }

    /// What a person must decide first, then the rules that fired in the policy's order, then the
    /// fields that refer, by reason code, then those that pulled the score down, the most first, ties
    /// by reason code. `ranks` are the places of the fields' codes in order: in what order the schema
    /// has the fields says nothing.
    pub(crate) fn of(decision: &Decision, fields: &[i32], ranks: &[u16]) -> Self {
        let mut reasons = Self::default();
        let system = [
            (Flags::AUTOMATION_REFUSED, SystemReason::AutomationRefused),
            (Flags::EXPIRED, SystemReason::Expired),
            (Flags::NOT_YET_VALID, SystemReason::NotYetValid),
        ];
        for (flag, reason) in system {
            if decision.flags.contains(flag) {
                reasons.push(Reason::System(reason, None));
            }
        }
        for index in (0..64).filter(|index| decision.fired >> index & 1 == 1) {
            reasons.push(Reason::Rule(index));
        }
        let referred = |at: usize| decision.referred.contains(at).then_some((0, ranks[at]));
        reasons.push_ranked(fields.len(), &referred, &|at| {
            let reason = if decision.out_of_range.contains(usize::from(at)) {
                SystemReason::ValueOutOfRange
            } else if decision.unlisted.contains(usize::from(at)) {
                SystemReason::ValueUnlisted
            } else {
                SystemReason::ValueMissing
            };
            Reason::System(reason, Some(at))
        });
        let lowers = |at: usize| (fields[at] < 0).then_some((fields[at], ranks[at]));
        reasons.push_ranked(fields.len(), &lowers, &|at| {
            Reason::Field(at, fields[usize::from(at)])
        });
        reasons
    }
}

impl Reason {
    /// Its stable code.
    pub fn code<'a>(&self, schema: &'a Schema, policy: &'a Policy) -> &'a str {
        match *self {
            Self::System(reason, _) => reason.code(),
            Self::Rule(at) => policy.codes().nth(at.into()).unwrap_or_default(),
            Self::Field(at, _) => schema
                .fields()
                .get(usize::from(at))
                .map_or("", |f| &f.reason_code),
        }
    }

    /// Its text in the language that serves `language` best.
    pub fn text(&self, schema: &Schema, policy: &Policy, texts: &Texts, language: &str) -> String {
        let code = self.code(schema, policy);
        let name = |at: u16| {
            schema
                .fields()
                .get(usize::from(at))
                .map_or("", |f| f.name.as_str())
        };
        let text = |key: &str| texts.text(key, language).map(str::to_owned);
        let found = match *self {
            Self::System(_, None) => text(&format!("system.{code}")),
            Self::System(_, Some(at)) => text(&format!("system.{code}")).map(|what| {
                let label = text(&format!("field.{}.label", name(at)));
                format!("{what}: {}", label.unwrap_or_else(|| name(at).to_owned()))
            }),
            Self::Rule(_) => text(&format!("rule.{code}")),
            Self::Field(at, _) => text(&format!("field.{}.reason", name(at))),
        };
        found.unwrap_or_else(|| code.to_owned())
    }
}
