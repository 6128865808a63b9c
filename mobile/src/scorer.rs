//! An opened bundle.

use std::sync::Arc;

use fieldscore_runtime as runtime;

use crate::error::{FieldscoreError, argument};
use crate::types::{Alternative, Application, BundleInfo, Decision, Explanation, Reason, Scored};

/// An opened bundle: immutable, and usable from any thread at once.
#[derive(Debug, uniffi::Object)]
pub struct Scorer {
    pub(crate) scorer: runtime::Scorer,
}

/// Pinned public keys.
pub(crate) fn pinned(keys: &[Vec<u8>]) -> Result<Vec<[u8; 32]>, FieldscoreError> {
    let wrong = || argument("keys", "public keys of 32 bytes each, at least one");
    if keys.is_empty() {
        return Err(wrong());
    }
    keys.iter()
        .map(|key| key.as_slice().try_into().map_err(|_| wrong()))
        .collect()
}

impl Scorer {
    /// What is behind it, for Kotlin and Swift.
    pub(crate) fn of(scorer: runtime::Scorer) -> Arc<Self> {
        Arc::new(Self { scorer })
    }

    /// An application of this bundle, empty; its day is any.
    fn empty(&self) -> Result<runtime::Application, FieldscoreError> {
        let (reference, _) = self.scorer.reference()?;
        Ok(self.scorer.application("", reference.as_of()))
    }

    /// How many probabilities beside that of default the bundle has.
    pub(crate) fn others(&self) -> usize {
        self.scorer.decide().others().len()
    }

    fn decide(&self, application: &runtime::Application) -> Result<Decision, FieldscoreError> {
        let decision = self.scorer.score(application)?;
        // Large enough for most: growing costs as much as the record itself.
        let mut record = Vec::with_capacity(512);
        self.scorer.record(application, &decision, &mut record);
        Ok(Decision::of(&decision, self.others(), record))
    }
}

#[uniffi::export]
impl Scorer {
    /// Opens a bundle from its bytes: verifies it under one of the pinned Ed25519 public keys of 32
    /// bytes each, and validates all of it.
    ///
    /// # Errors
    /// The kinds whose codes start with `bundle.`; [`FieldscoreError::WrongType`] for a key of another
    /// length.
    #[uniffi::constructor]
    pub fn open(bundle: Vec<u8>, keys: Vec<Vec<u8>>) -> Result<Arc<Self>, FieldscoreError> {
        Ok(Self::of(runtime::Scorer::open(bundle, &pinned(&keys)?)?))
    }

    /// As `open`, from a file, which is read and closed.
    ///
    /// # Errors
    /// As `open`, and [`FieldscoreError::Io`].
    #[uniffi::constructor]
    pub fn open_path(path: &str, keys: Vec<Vec<u8>>) -> Result<Arc<Self>, FieldscoreError> {
        Ok(Self::of(runtime::Scorer::open_path(path, &pinned(&keys)?)?))
    }

    /// Runs the bundle's known-answer vectors on this device and says how many there are.
    ///
    /// # Errors
    /// [`FieldscoreError::SelfTest`] where one comes out differently.
    pub fn self_test(&self) -> Result<u32, FieldscoreError> {
        Ok(u32::try_from(self.scorer.self_test()?).unwrap_or(u32::MAX))
    }

    /// The bundle, its fields and groups.
    ///
    /// # Errors
    /// None today.
    pub fn info(&self) -> Result<BundleInfo, FieldscoreError> {
        Ok((&self.scorer).into())
    }

    /// A text of the bundle in the language that serves `language` best.
    ///
    /// # Errors
    /// None today.
    pub fn text(&self, key: &str, language: &str) -> Result<Option<String>, FieldscoreError> {
        Ok(self.scorer.texts().text(key, language).map(str::to_owned))
    }

    /// The index of the field with this name.
    ///
    /// # Errors
    /// [`FieldscoreError::UnknownField`].
    pub fn field(&self, name: &str) -> Result<u16, FieldscoreError> {
        Ok(self.scorer.schema().index_of(name)? as u16)
    }

    /// Scores one application.
    ///
    /// # Errors
    /// The kinds whose codes start with `field.`, naming the field.
    pub fn score(&self, application: &Application) -> Result<Decision, FieldscoreError> {
        let mut filled = self.empty()?;
        application.fill(&mut filled)?;
        self.decide(&filled)
    }

    /// Scores many applications; one that is refused keeps none of the others up.
    ///
    /// # Errors
    /// None for an application: its place in the list says what was wrong with it.
    pub fn score_many(
        &self,
        applications: Vec<Application>,
    ) -> Result<Vec<Scored>, FieldscoreError> {
        let mut filled = self.empty()?;
        let scored = applications.iter().map(|application| {
            application
                .fill(&mut filled)
                .and_then(|()| self.decide(&filled))
                .into()
        });
        Ok(scored.collect())
    }

    /// Scores one application with contributions and reasons, their texts in the language that
    /// serves `language` best.
    ///
    /// # Errors
    /// As `score`.
    pub fn explain(
        &self,
        application: &Application,
        language: &str,
    ) -> Result<Explanation, FieldscoreError> {
        let mut filled = self.empty()?;
        application.fill(&mut filled)?;
        let explanation = self.scorer.explain(&filled)?;
        let mut record = Vec::new();
        self.scorer
            .record_explained(&filled, &explanation, &mut record);
        let reasons = explanation.reasons.iter();
        Ok(Explanation {
            decision: Decision::of(&explanation.decision, self.others(), record),
            reference_score: explanation.reference_score,
            reasons: reasons
                .map(|reason| Reason::of(&self.scorer, reason, language))
                .collect(),
            groups: explanation.groups,
            fields: explanation.fields,
        })
    }

    /// Up to three alternatives for a declined or referred applicant, those with the fewest changes first:
    /// each has been scored with its changes and reaches a better outcome.
    ///
    /// # Errors
    /// As `score`.
    pub fn alternatives(
        &self,
        application: &Application,
    ) -> Result<Vec<Alternative>, FieldscoreError> {
        let mut filled = self.empty()?;
        application.fill(&mut filled)?;
        let all = self.scorer.alternatives(&filled)?.found;
        let schema = self.scorer.schema();
        all.iter().map(|one| Alternative::of(one, schema)).collect()
    }

    /// A decision's record with what would change it in it too.
    ///
    /// # Errors
    /// As `verify_record`.
    pub fn record_alternatives(&self, record: Vec<u8>) -> Result<Vec<u8>, FieldscoreError> {
        Ok(self.scorer.record_alternatives(&record)?)
    }

    /// Scores a record's application again and says whether the same bytes come out.
    ///
    /// # Errors
    /// [`FieldscoreError::BadRecord`]; [`FieldscoreError::WrongBundle`] for another bundle's record.
    pub fn replay(&self, record: Vec<u8>) -> Result<bool, FieldscoreError> {
        Ok(self.scorer.replay(&record)?.same)
    }

    /// A summary, a new one where there is none yet, that counts these records' applications too.
    ///
    /// # Errors
    /// [`FieldscoreError::Unsupported`] where the bundle has no histogram; [`FieldscoreError::BadRecord`];
    /// [`FieldscoreError::WrongBundle`] for another bundle's; [`FieldscoreError::BadSummary`].
    pub fn summarise(
        &self,
        summary: Option<Vec<u8>>,
        records: Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, FieldscoreError> {
        let mut summary = match summary {
            None => runtime::Summary::new(&self.scorer)?,
            Some(bytes) => runtime::Summary::decode(&self.scorer, &bytes)?,
        };
        for record in records {
            summary.add_record(&record)?;
        }
        Ok(summary.encode())
    }

    /// A summary that may leave the device.
    ///
    /// # Errors
    /// [`FieldscoreError::TooFew`] below 20 decisions; as `summarise`.
    pub fn share_summary(&self, summary: Vec<u8>) -> Result<Vec<u8>, FieldscoreError> {
        Ok(runtime::Summary::decode(&self.scorer, &summary)?.encode_for_sharing()?)
    }
}
