//! An opened bundle and the application that is being filled in.

use fieldscore_runtime::{
    Application, Date, DecimalMark, Error, ErrorKind, Explanation, Result, Scorer,
};
use js_sys::Object;
#[cfg(feature = "tables")]
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::error::{Thrown, argument};
use crate::{convert, memory};

/// An opened bundle. The application is set field by field, then decided, and is zeroed by that.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Session {
    pub(crate) scorer: Scorer,
    pub(crate) application: Application,
    explanation: Explanation,
    numbers: Vec<i32>,
    record: Vec<u8>,
    refusal: Option<Error>,
}

/// Pinned public keys, 32 bytes each, one behind the other.
pub fn keys(bytes: &[u8]) -> std::result::Result<Vec<[u8; 32]>, Thrown> {
    match bytes.as_chunks() {
        (keys, []) if !keys.is_empty() => Ok(keys.to_vec()),
        _ => Err(argument(
            "keys",
            "public keys of 32 bytes each, at least one",
        )),
    }
}

/// The day that an application or an override is of.
pub(crate) fn day(as_of: &str) -> std::result::Result<Date, Thrown> {
    Date::parse(as_of).ok_or_else(|| argument("asOf", "a date as YYYY-MM-DD between 1800 and 2399"))
}

impl Session {
    /// A session of an opened bundle.
    pub fn of(scorer: Scorer) -> std::result::Result<Self, Thrown> {
        let (application, decision) = scorer.reference()?;
        let day = application.as_of();
        Ok(Self {
            application: scorer.application("", day),
            explanation: Explanation::empty(decision.bundle_id),
            numbers: Vec::new(),
            record: Vec::new(),
            refusal: None,
            scorer,
        })
    }

    fn taken(&mut self, set: Result<()>) -> bool {
        self.refusal = set.err();
        self.refusal.is_none()
    }

    /// Runs `decide` and leaves nothing of the application behind.
    pub(crate) fn decided<T>(
        &mut self,
        decide: impl FnOnce(&mut Self) -> Result<T>,
    ) -> std::result::Result<T, Thrown> {
        let done = decide(self);
        self.clear();
        Ok(done?)
    }
}

#[wasm_bindgen]
impl Session {
    /// Opens a bundle with pinned public keys, 32 bytes each.
    ///
    /// # Errors
    /// As [`Scorer::open`].
    pub fn open(bundle: Vec<u8>, pinned: &[u8]) -> std::result::Result<Session, Thrown> {
        Self::of(Scorer::open(bundle, &keys(pinned)?)?)
    }

    /// Runs the known-answer vectors and says how many there are.
    ///
    /// # Errors
    /// As [`Scorer::self_test`].
    #[wasm_bindgen(js_name = selfTest)]
    pub fn self_test(&self) -> std::result::Result<u32, Thrown> {
        Ok(self.scorer.self_test()? as u32)
    }

    /// Runs as much of the self-test as an opening has time for, and says how many vectors there are.
    ///
    /// # Errors
    /// As [`Scorer::brief_self_test`].
    #[wasm_bindgen(js_name = briefSelfTest)]
    pub fn brief_self_test(&self) -> std::result::Result<u32, Thrown> {
        Ok(self.scorer.brief_self_test()? as u32)
    }

    /// The bundle, its fields and groups, and the words for what a decision's numbers mean.
    pub fn info(&self) -> Object {
        convert::info(&self.scorer)
    }

    /// A text of the bundle in the language that serves `language` best.
    pub fn text(&self, key: &str, language: &str) -> Option<String> {
        self.scorer.texts().text(key, language).map(str::to_owned)
    }

    /// Starts an application over.
    ///
    /// # Errors
    /// Where `as_of` is not a date.
    pub fn begin(
        &mut self,
        id: &str,
        as_of: &str,
        automation: bool,
    ) -> std::result::Result<(), Thrown> {
        let as_of = day(as_of)?;
        self.application.reset(id, as_of);
        self.application.set_automation_consent(automation);
        Ok(())
    }

    /// The index of a field.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownField`].
    pub fn field(&self, name: &str) -> std::result::Result<u32, Thrown> {
        Ok(self.scorer.schema().index_of(name)? as u32)
    }

    /// Sets a field to a number; whether it was taken. [`Session::refusal`] says why it wasn't.
    #[wasm_bindgen(js_name = setNumber)]
    pub fn set_number(&mut self, field: u32, value: f64) -> bool {
        let set = self.application.set_at(field as usize, value.into());
        self.taken(set)
    }

    /// Sets a field to true or false; whether it was taken.
    #[wasm_bindgen(js_name = setBoolean)]
    pub fn set_boolean(&mut self, field: u32, value: bool) -> bool {
        let set = self.application.set_at(field as usize, value.into());
        self.taken(set)
    }

    /// Sets a field from its text form; whether it was taken.
    #[wasm_bindgen(js_name = setText)]
    pub fn set_text(&mut self, field: u32, value: &str) -> bool {
        let mark = DecimalMark::Point;
        let set = self.application.set_text_at(field as usize, value, mark);
        self.taken(set)
    }

    /// Sets a field to a table's rows (an array of objects) or a tensor's bytes (a `Uint8Array`); whether
    /// it was taken.
    #[cfg(feature = "tables")]
    #[wasm_bindgen(js_name = setNested)]
    pub fn set_nested(&mut self, field: u32, value: &JsValue) -> bool {
        let set = convert::set_nested(&mut self.application, field as usize, value);
        self.taken(set)
    }

    /// Throws why the last value was not taken: an answer of one bit costs less than a result for
    /// each value.
    ///
    /// # Errors
    /// As [`Application::set_at`] and [`Application::set_text_at`].
    pub fn refusal(&mut self) -> std::result::Result<(), Thrown> {
        self.refusal
            .take()
            .map_or(Ok(()), |error| Err(error.into()))
    }

    /// Scores the application; [`Session::record`] then has the record.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn score(&mut self) -> std::result::Result<Vec<i32>, Thrown> {
        self.decided(|session| {
            let decision = session.scorer.score(&session.application)?;
            session
                .scorer
                .record(&session.application, &decision, &mut session.record);
            let others = session.scorer.decide().others().len();
            convert::decision(&decision, others, &mut session.numbers);
            Ok(session.numbers.clone())
        })
    }

    /// As [`Session::score`], with contributions and reasons.
    ///
    /// # Errors
    /// As [`Scorer::explain`].
    pub fn explain(&mut self) -> std::result::Result<Vec<i32>, Thrown> {
        self.decided(|session| {
            session
                .scorer
                .explain_into(&session.application, &mut session.explanation)?;
            session.scorer.record_explained(
                &session.application,
                &session.explanation,
                &mut session.record,
            );
            let others = session.scorer.decide().others().len();
            convert::explanation(&session.explanation, others, &mut session.numbers);
            Ok(session.numbers.clone())
        })
    }

    /// The record of the last decision, once.
    pub fn record(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.record)
    }

    /// Zeroes what has been set so far.
    pub fn clear(&mut self) {
        let day = self.application.as_of();
        self.application.reset("", day);
        memory::wipe_stack();
    }

    /// The stable code of a reason, given by its number in an explanation.
    ///
    /// # Errors
    /// Where no reason has that number.
    #[wasm_bindgen(js_name = reasonCode)]
    pub fn reason_code(&self, number: i32) -> std::result::Result<String, Thrown> {
        let reason = convert::reason(number).ok_or_else(unknown_reason)?;
        Ok(self.scorer.reason_code(reason).to_owned())
    }

    /// The text of a reason, given by its number in an explanation.
    ///
    /// # Errors
    /// Where no reason has that number.
    #[wasm_bindgen(js_name = reasonText)]
    pub fn reason_text(&self, number: i32, language: &str) -> std::result::Result<String, Thrown> {
        let reason = convert::reason(number).ok_or_else(unknown_reason)?;
        Ok(self.scorer.reason_text(reason, language))
    }

    /// The number of the reason that has a stable code.
    ///
    /// # Errors
    /// Where no reason has that code.
    #[wasm_bindgen(js_name = reasonNumber)]
    pub fn reason_number(&self, code: &str) -> std::result::Result<i32, Thrown> {
        convert::reason_of(&self.scorer, code)
            .map(convert::number)
            .ok_or_else(unknown_reason)
    }
}

fn unknown_reason() -> Thrown {
    Error::new(
        ErrorKind::WrongType,
        "reason",
        "the code of a reason of this bundle",
    )
    .into()
}
