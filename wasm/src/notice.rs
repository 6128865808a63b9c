//! The notice of a decision, and a person's decision beside it.

use fieldscore_runtime::Outcome;
use js_sys::{Array, Object};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::{list, set};
use crate::error::{Thrown, argument};
use crate::memory;
use crate::session::{Session, day};

#[wasm_bindgen]
impl Session {
    /// The notice of a decision on record, in the language that serves `language` best.
    ///
    /// # Errors
    /// As [`Scorer::notice_of`](fieldscore_runtime::Scorer::notice_of).
    pub fn notice(&self, record: &[u8], language: &str) -> Result<Object, Thrown> {
        let made = self.scorer.notice_of(record, language);
        memory::wipe_stack();
        let notice = made?;
        let object = Object::new();
        let text = |name: &str, value: &str| set(&object, name, value);
        text("language", &notice.language);
        set(&object, "rightToLeft", notice.right_to_left);
        text("title", &notice.title);
        text("outcome", notice.outcome.name());
        text("statement", &notice.statement);
        text("reasonsTitle", &notice.reasons_title);
        text("reviewTitle", &notice.review_title);
        text("review", &notice.review);
        text("text", &notice.to_text());
        let facts = notice.facts.iter().map(|(label, value)| {
            let fact = Object::new();
            set(&fact, "label", label.as_str());
            set(&fact, "value", value.as_str());
            fact
        });
        set(&object, "facts", list(facts));
        let reasons = notice.reasons.iter().map(String::as_str);
        set(&object, "reasons", list(reasons));
        Ok(object)
    }

    /// The codes of the reasons for which staff may override a decision.
    #[wasm_bindgen(js_name = overrideReasons)]
    pub fn override_reasons(&self) -> Array {
        list(self.scorer.override_reasons())
    }

    /// Makes the override of a decision on record.
    ///
    /// # Errors
    /// As [`Scorer::override_decision`](fieldscore_runtime::Scorer::override_decision), and where
    /// `outcome` or `as_of` is none.
    #[wasm_bindgen(js_name = overrideDecision)]
    pub fn override_decision(
        &self,
        record: &[u8],
        by: &str,
        outcome: &str,
        reason: &str,
        as_of: &str,
    ) -> Result<Vec<u8>, Thrown> {
        let outcome = Outcome::parse(outcome)
            .ok_or_else(|| argument("outcome", "approve, refer or decline"))?;
        Ok(self
            .scorer
            .override_decision(record, by, outcome, reason, day(as_of)?)?)
    }

    /// Reads an override and holds it against its record.
    ///
    /// # Errors
    /// As [`Scorer::check_override`](fieldscore_runtime::Scorer::check_override).
    #[wasm_bindgen(js_name = checkOverride)]
    pub fn check_override(&self, record: &[u8], bytes: &[u8]) -> Result<Object, Thrown> {
        let found = self.scorer.check_override(record, bytes)?;
        let object = Object::new();
        set(&object, "by", found.by.as_str());
        set(&object, "outcome", found.outcome.name());
        set(&object, "reason", found.reason.as_str());
        set(&object, "asOf", found.as_of.to_string());
        Ok(object)
    }
}
