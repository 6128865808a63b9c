//! The notice of a decision, and a person's decision beside it.

use fieldscore_runtime as runtime;

use crate::error::{FieldscoreError, argument};
use crate::scorer::Scorer;
use crate::types::Outcome;

/// The notice of a decision: what the applicant is told and takes home. None of the values that they
/// gave is in it.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Notice {
    /// The BCP-47 language that it is in: the bundle's that serves the one asked for best.
    pub language: String,
    /// Whether that is written from right to left.
    pub right_to_left: bool,
    /// Its title.
    pub title: String,
    /// The outcome in a sentence.
    pub statement: String,
    /// The lender, the application's id, its date, the score where the recipe wants it, and what the
    /// decision stands on, in this order.
    pub facts: Vec<Fact>,
    /// The title of the reasons.
    pub reasons_title: String,
    /// The reasons, the most important first; none where the application is approved.
    pub reasons: Vec<String>,
    /// The title of `review`.
    pub review_title: String,
    /// How to have a person look at the decision.
    pub review: String,
    /// All of it as plain text, the same bytes on every device.
    pub text: String,
}

/// A line of a notice.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Fact {
    /// What it says something about.
    pub label: String,
    /// What it says.
    pub value: String,
}

/// A person's decision beside the one on record.
#[derive(Debug, Clone, PartialEq, Eq, uniffi::Record)]
pub struct Override {
    /// The id of who decided.
    pub by: String,
    /// What they decided.
    pub outcome: Outcome,
    /// The code of one of the bundle's reasons; `override.CODE` is its text.
    pub reason: String,
    /// The day on which they did, `YYYY-MM-DD`.
    pub as_of: String,
}

impl From<runtime::Notice> for Notice {
    fn from(notice: runtime::Notice) -> Self {
        let text = notice.to_text();
        let facts = notice.facts.into_iter();
        Self {
            text,
            language: notice.language,
            right_to_left: notice.right_to_left,
            title: notice.title,
            statement: notice.statement,
            facts: facts.map(|(label, value)| Fact { label, value }).collect(),
            reasons_title: notice.reasons_title,
            reasons: notice.reasons,
            review_title: notice.review_title,
            review: notice.review,
        }
    }
}

#[uniffi::export]
impl Scorer {
    /// The notice of a decision on record, in the language that serves `language` best. The record is
    /// scored again first.
    ///
    /// # Errors
    /// [`FieldscoreError::BadRecord`] where it is no record or another decision comes out;
    /// [`FieldscoreError::WrongBundle`] for another bundle's record.
    pub fn notice(&self, record: Vec<u8>, language: &str) -> Result<Notice, FieldscoreError> {
        Ok(self.scorer.notice_of(&record, language)?.into())
    }

    /// The codes of the reasons for which staff may override a decision; `override.CODE` is the text of
    /// one. None where the bundle allows no override.
    ///
    /// # Errors
    /// None today.
    pub fn override_reasons(&self) -> Result<Vec<String>, FieldscoreError> {
        Ok(self.scorer.override_reasons().map(str::to_owned).collect())
    }

    /// A person's decision in the place of the one on record, to be kept beside it.
    ///
    /// # Errors
    /// [`FieldscoreError::BadRecord`] with what does not hold; [`FieldscoreError::WrongType`] where
    /// `as_of` is no date.
    pub fn override_decision(
        &self,
        record: Vec<u8>,
        made: Override,
    ) -> Result<Vec<u8>, FieldscoreError> {
        let as_of = runtime::Date::parse(&made.as_of)
            .ok_or_else(|| argument("asOf", "a date as YYYY-MM-DD between 1800 and 2399"))?;
        let (by, outcome) = (&made.by, made.outcome.into());
        Ok(self
            .scorer
            .override_decision(&record, by, outcome, &made.reason, as_of)?)
    }

    /// Reads an override and holds it against its record.
    ///
    /// # Errors
    /// [`FieldscoreError::BadRecord`] with what does not hold, [`FieldscoreError::WrongBundle`].
    pub fn check_override(
        &self,
        record: Vec<u8>,
        bytes: Vec<u8>,
    ) -> Result<Override, FieldscoreError> {
        let found = self.scorer.check_override(&record, &bytes)?;
        Ok(Override {
            by: found.by,
            outcome: found.outcome.into(),
            reason: found.reason,
            as_of: found.as_of.to_string(),
        })
    }
}

impl From<Outcome> for runtime::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Approve => Self::Approve,
            Outcome::Refer => Self::Refer,
            Outcome::Decline => Self::Decline,
        }
    }
}
