//! What surrounds a decision: what would change it, the rules that were tried, counts of many.

use fieldscore_runtime::schema::{FieldKind, Schema};
use fieldscore_runtime::{Alternative, Summary};
use js_sys::{Array, Int32Array, Object};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::convert::{self, bound, list, set};
use crate::error::Thrown;
use crate::memory;
use crate::session::Session;

/// A name and its text, or null.
fn pair(name: &str, text: Option<&str>) -> JsValue {
    list([
        JsValue::from(name),
        text.map_or(JsValue::NULL, JsValue::from),
    ])
    .into()
}

fn pairs<'a>(all: impl Iterator<Item = (&'a String, Option<&'a str>)>) -> Array {
    list(all.map(|(name, text)| pair(name, text)))
}

/// What would change a decision: new values by field, and what they lead to.
fn alternatives(schema: &Schema, found: &[Alternative]) -> fieldscore_runtime::Result<Array> {
    let all = Array::new();
    for Alternative { changes, decision } in found {
        let object = Object::new();
        let changed = Array::new();
        for change in changes {
            let at = usize::from(change.field);
            let about = schema.field_at(at)?;
            let value = match &about.kind {
                FieldKind::Boolean => (change.value != 0).into(),
                FieldKind::Category { .. } => schema.text_of(at, change.value)?.into(),
                kind => bound(kind, change.value),
            };
            let one = Object::new();
            set(&one, "field", about.name.as_str());
            set(&one, "value", value);
            changed.push(&one);
        }
        set(&object, "changes", changed);
        set(&object, "outcome", decision.outcome.name());
        set(&object, "score", decision.score);
        set(&object, "probabilityPpm", decision.probability_ppm);
        all.push(&object);
    }
    Ok(all)
}

#[wasm_bindgen]
impl Session {
    /// What would change the decision on the application: a list of objects.
    ///
    /// # Errors
    /// As [`Scorer::alternatives`](fieldscore_runtime::Scorer::alternatives).
    pub fn alternatives(&mut self) -> Result<Array, Thrown> {
        self.decided(|session| {
            let all = session.scorer.alternatives(&session.application)?;
            alternatives(session.scorer.schema(), &all.found)
        })
    }

    /// A decision's record with what would change it in it too.
    ///
    /// # Errors
    /// As [`Scorer::record_alternatives`](fieldscore_runtime::Scorer::record_alternatives).
    #[wasm_bindgen(js_name = recordAlternatives)]
    pub fn record_alternatives(&self, record: &[u8]) -> Result<Vec<u8>, Thrown> {
        let with = self.scorer.record_alternatives(record);
        memory::wipe_stack();
        Ok(with?)
    }

    /// A summary, of none where it is empty, that counts a record's application too.
    ///
    /// # Errors
    /// As [`Summary::decode`] and [`Summary::add_record`].
    pub fn summarise(&self, summary: &[u8], record: &[u8]) -> Result<Vec<u8>, Thrown> {
        let mut summary = match summary.is_empty() {
            true => Summary::new(&self.scorer)?,
            false => Summary::decode(&self.scorer, summary)?,
        };
        summary.add_record(record)?;
        memory::wipe_stack();
        Ok(summary.encode())
    }

    /// A summary that may leave the device.
    ///
    /// # Errors
    /// As [`Summary::decode`] and [`Summary::encode_for_sharing`].
    #[wasm_bindgen(js_name = shareSummary)]
    pub fn share_summary(&self, summary: &[u8]) -> Result<Vec<u8>, Thrown> {
        Ok(Summary::decode(&self.scorer, summary)?.encode_for_sharing()?)
    }

    /// Scores a record's application again: its envelope, the decision's numbers as
    /// [`Session::score`] gives them, terms, and the trace.
    ///
    /// # Errors
    /// As [`Scorer::verify_record`](fieldscore_runtime::Scorer::verify_record).
    #[wasm_bindgen(js_name = verifyRecord)]
    pub fn verify_record(&self, record: &[u8]) -> Result<Object, Thrown> {
        let verified = self.scorer.verify_record(record);
        memory::wipe_stack();
        let (application, decision) = verified?;
        let object = Object::new();
        set(&object, "id", application.id());
        set(&object, "asOf", application.as_of().to_string());
        let others = self.scorer.decide().others().len();
        let mut numbers = Vec::new();
        convert::decision(&decision, others, &mut numbers);
        set(&object, "numbers", Int32Array::from(&numbers[..]));
        let terms = self.scorer.terms(&application, &decision);
        let terms = terms.iter().map(|term| {
            let object = Object::new();
            set(&object, "name", term.name.as_str());
            let text = term.text.as_deref();
            set(&object, "text", text.map_or(JsValue::NULL, JsValue::from));
            set(&object, "unit", term.unit.as_str());
            object
        });
        set(&object, "terms", list(terms));
        let trace = self.scorer.trace(&application, &decision);
        let trace = trace.iter().map(|tried| {
            let object = Object::new();
            set(&object, "table", tried.table.as_str());
            set(&object, "rule", tried.rule.as_str());
            let saw = tried.saw.iter().map(|(name, text)| (name, text.as_deref()));
            set(&object, "saw", pairs(saw));
            set(&object, "held", tried.held);
            let said = tried
                .said
                .iter()
                .map(|(name, text)| (name, Some(text.as_str())));
            set(&object, "said", pairs(said));
            object
        });
        set(&object, "trace", list(trace));
        if let Some(shadow) = decision.challenger {
            let own = Object::new();
            set(&own, "outcome", shadow.outcome.name());
            set(&own, "score", shadow.score);
            set(&own, "probabilityPpm", shadow.probability_ppm);
            set(&object, "challenger", own);
        }
        Ok(object)
    }
}
