//! A record that is scored again: its decision, what comes with it, and the rules that were tried.

use crate::error::FieldscoreError;
use crate::scorer::Scorer;
use crate::types::{Decision, Outcome};

/// A record that was scored again and came out the same.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct VerifiedRecord {
    /// The application's id.
    pub id: String,
    /// The day as of which it was scored, `YYYY-MM-DD`.
    pub as_of: String,
    /// The decision.
    pub decision: Decision,
    /// The amounts and tiers that the policy gives with it.
    pub terms: Vec<Term>,
    /// Each rule of the policy that was tried, in order.
    pub trace: Vec<Tried>,
    /// What the bundle's challenger said, where it has one and that scored the application. It is no part of the
    /// decision.
    pub challenger: Option<Shadow>,
}

/// What a challenger, a second bundle that is scored in shadow, says of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, uniffi::Record)]
pub struct Shadow {
    /// What its policy says.
    pub outcome: Outcome,
    /// The score on its scale.
    pub score: i32,
    /// The probability of default in parts per million.
    pub probability_ppm: u32,
}

/// An amount or a tier that comes out with a decision.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// A number with a decimal point, or a word; none where there is none.
    pub text: Option<String>,
    /// The unit that is shown beside it; may be empty.
    pub unit: String,
}

/// A rule that was tried.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Tried {
    /// What it belongs to: `score`, `flags`, `fields`, `knock_out`, or a table of the policy.
    pub table: String,
    /// Its code, or its number in its table, from 1.
    pub rule: String,
    /// What it looked at.
    pub saw: Vec<Seen>,
    /// Whether it held.
    pub held: bool,
    /// What it said; nothing where it did not hold.
    pub said: Vec<Seen>,
}

/// A name and what it was, as text.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Seen {
    /// Its name.
    pub name: String,
    /// What it was; none where there was no value.
    pub text: Option<String>,
}

#[uniffi::export]
impl Scorer {
    /// Scores a record's application again, and gives the decision where the same record comes out, with the
    /// policy's terms and each rule that was tried.
    ///
    /// # Errors
    /// [`FieldscoreError::BadRecord`] where it is no record or another one comes out;
    /// [`FieldscoreError::WrongBundle`] for another bundle's record.
    pub fn verify_record(&self, record: Vec<u8>) -> Result<VerifiedRecord, FieldscoreError> {
        let (application, decision) = self.scorer.verify_record(&record)?;
        let terms = self.scorer.terms(&application, &decision).into_iter();
        let trace = self.scorer.trace(&application, &decision).into_iter();
        let seen = |(name, text)| Seen { name, text };
        Ok(VerifiedRecord {
            challenger: decision.challenger.map(|shadow| Shadow {
                outcome: shadow.outcome.into(),
                score: shadow.score,
                probability_ppm: shadow.probability_ppm,
            }),
            id: application.id().to_owned(),
            as_of: application.as_of().to_string(),
            decision: Decision::of(&decision, self.others(), record),
            terms: terms
                .map(|term| Term {
                    name: term.name,
                    text: term.text,
                    unit: term.unit,
                })
                .collect(),
            trace: trace
                .map(|tried| Tried {
                    table: tried.table,
                    rule: tried.rule,
                    saw: tried.saw.into_iter().map(seen).collect(),
                    held: tried.held,
                    said: tried
                        .said
                        .into_iter()
                        .map(|(name, text)| seen((name, Some(text))))
                        .collect(),
                })
                .collect(),
        })
    }
}
