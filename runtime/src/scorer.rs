//! The one entrance: open a bundle, score applications.

#[cfg(feature = "casework")]
mod alternatives;
#[cfg(feature = "casework")]
mod challenger;

#[cfg(feature = "casework")]
pub use alternatives::{
    Alternative, Alternatives, Change, MAX_ALTERNATIVE_SCORES, MAX_ALTERNATIVES, MAX_CHANGES,
};

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::bundle::container::{Container, MAX_STRUCTURED_BYTES, Section, SectionKind, Trust};
use crate::bundle::{EngineKind, Meta, cbor};
use crate::decide::{
    DecideParts, Decision, Facts, Flags, MAX_OTHERS, Others, POINT, Policy, Reason, Reasons,
    Record, Recorded, encode_record, probability_ppm, restore, round_points,
};
use crate::engine::{Engine, Memory};
use crate::error::{Error, ErrorKind, Result};
use crate::explain::{Explainer, Explanation};
use crate::kernels::{Kernels, arch::fp_state::DefaultFpState};
use crate::memory::{Aligned, is_aligned, wipe};
use crate::plan::Executable;
use crate::schema::transform::Transforms;
use crate::schema::{Application, Date, LazyTexts, Resolved, Schema, Texts, resolve};

/// An opened bundle: immutable, cheap to clone, usable from any thread.
///
/// # Example
/// ```no_run
/// use fieldscore_runtime::{Date, Scorer};
/// # fn main() -> fieldscore_runtime::Result<()> {
/// let key: [u8; 32] = [0; 32]; // the lender's public key, pinned in the app
/// let scorer = Scorer::open_path("credit.fsb", &[key])?;
/// let as_of = Date::from_ymd(2026, 9, 1).ok_or_else(|| {
///     fieldscore_runtime::Error::new(fieldscore_runtime::ErrorKind::WrongType, "as_of", "a date")
/// })?;
/// let mut application = scorer.application("A-0001", as_of);
/// application.set("income", 1200)?;
/// application.set("home", "owner")?;
/// let decision = scorer.score(&application)?;
/// println!("{} points: {}", decision.score, decision.outcome);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Scorer {
    inner: Arc<Inner>,
}

/// The bundle's bytes, and who owns them.
enum Bytes {
    Owned(Aligned),
    Static(&'static [u8]),
    #[cfg(feature = "mmap")]
    Mapped(crate::map::Mapping),
}

impl Bytes {
    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes.as_slice(),
            Self::Static(bytes) => bytes,
            #[cfg(feature = "mmap")]
            Self::Mapped(mapping) => mapping.as_slice(),
        }
    }
}

struct Inner {
    bytes: Bytes,
    container: Container,
    meta: Meta,
    schema: Arc<Schema>,
    transforms: Transforms,
    engine: Engine,
    /// Of the plan's weights, or of the model file.
    weights: Section,
    decide: DecideParts,
    policy: Policy,
    texts: LazyTexts,
    explainer: Explainer,
    kernels: Kernels,
    #[cfg(feature = "casework")]
    challenger: Option<challenger::Challenger>,
    pool: Mutex<Vec<Scratch>>,
}

/// The longest application id, in bytes.
pub const MAX_ID_BYTES: usize = 1024;

/// How many idle scratches a scorer keeps at most; threads above that allocate their own.
const POOL: usize = 16;

/// The memory of one evaluation at a time; nothing of an applicant stays in it.
pub(crate) struct Scratch {
    /// Fields, then their cells and columns.
    pub numbers: Vec<f64>,
    features: Vec<f64>,
    one: Memory,
    many: Option<Memory>,
    found: Vec<Resolved>,
    pub explain: Option<Box<crate::explain::Scratch>>,
}

/// No bundle has more known-answer vectors: each is scored or explained.
pub const MAX_KNOWN_ANSWERS: usize = 256;

/// Nor do they take more multiply-adds, if all of them were explained.
const MAX_SELF_TEST_WORK: u64 = 1 << 36;

/// What a brief self-test spends on contributions, in multiply-adds: some milliseconds.
const BRIEF_SELF_TEST_WORK: u64 = 1 << 21;

/// How a bundle is opened, beyond the defaults.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    kernels: Option<Kernels>,
    unverified: bool,
}

impl OpenOptions {
    /// Forces a kernel path: for tests and measurements. Every path gives the same bytes.
    #[must_use]
    pub fn kernels(mut self, kernels: Kernels) -> Self {
        self.kernels = Some(kernels);
        self
    }

    /// Leaves signature and hashes unchecked: for fuzzing what lies behind them, and for measuring
    /// what they cost. **Never for a bundle that decides about anybody.**
    #[must_use]
    pub fn dangerously_unverified(mut self) -> Self {
        self.unverified = true;
        self
    }

    /// Opens a bundle from its bytes.
    ///
    /// # Errors
    /// As [`Scorer::open`].
    pub fn open(self, bytes: impl Into<Vec<u8>>, keys: &[[u8; 32]]) -> Result<Scorer> {
        let bytes: Vec<u8> = bytes.into();
        self.open_bytes(Bytes::Owned(Aligned::copy_of(&bytes)), keys)
    }

    fn open_bytes(self, bytes: Bytes, keys: &[[u8; 32]]) -> Result<Scorer> {
        let _state = DefaultFpState::enter();
        let trust = if self.unverified {
            Trust::DangerouslyUnverified
        } else {
            Trust::Keys(keys)
        };
        let inner = Inner::open(bytes, trust, self.kernels.unwrap_or_else(Kernels::detect))?;
        log::info!(
            "bundle opened: product {}, sequence {}, engine {}, kernels {}",
            inner.meta.product,
            inner.meta.sequence,
            inner.meta.engine,
            inner.kernels.name
        );
        if self.unverified {
            log::warn!("signature and hashes of the bundle were not checked");
        }
        Ok(Scorer {
            inner: Arc::new(inner),
        })
    }
}

impl Inner {
    fn open(bytes: Bytes, trust: Trust<'_>, kernels: Kernels) -> Result<Self> {
        let all = bytes.as_slice();
        let container = Container::read(all, trust)?;
        let body = |kind| -> Result<&[u8]> {
            let section = container.section(kind)?;
            let raw = [SectionKind::WEIGHTS, SectionKind::MODEL].contains(&kind);
            if section.len > MAX_STRUCTURED_BYTES && !raw {
                return Err(Error::malformed(
                    format!("section {kind}"),
                    format!("at most {MAX_STRUCTURED_BYTES} bytes"),
                ));
            }
            Ok(&all[section.offset..section.offset + section.len])
        };
        let meta = Meta::decode(body(SectionKind::META)?)?;
        let schema = Arc::new(Schema::decode(
            body(SectionKind::SCHEMA)?,
            container.bundle_id,
        )?);
        let transforms = Transforms::decode(body(SectionKind::TRANSFORMS)?, schema.fields())?;
        #[cfg_attr(not(feature = "outputs"), allow(unused_mut))]
        let (mut engine, weights) = match meta.engine {
            EngineKind::Plan => {
                let weights = body(SectionKind::WEIGHTS)?;
                let engine = Engine::plan(body(SectionKind::PLAN)?, weights, kernels)?;
                (engine, SectionKind::WEIGHTS)
            }
            other => (
                Engine::file(other, || body(SectionKind::MODEL))?,
                SectionKind::MODEL,
            ),
        };
        let weights = container.section(weights)?;
        if engine.input_len()? != transforms.width() {
            return Err(Error::malformed(
                engine.place(),
                "an input as wide as the features",
            ));
        }
        let missing = engine
            .executable()
            .is_some_and(|e| e.plan().takes_missing());
        if transforms.keep_missing() && !missing {
            return Err(Error::malformed(
                "section TRNS",
                "numbers for missing values, which trees and nets that ask for them alone take",
            ));
        }
        let decide: DecideParts = cbor::decode(body(SectionKind::DECIDE)?, "section DCDE")?;
        decide.check(|output| engine.output_len(output))?;
        let needed = engine.features() | transforms.parts().features() | decide.features();
        let policy: Policy = cbor::decode(body(SectionKind::POLICY)?, "section PLCY")?;
        let needed = needed | schema.features() | policy.features();
        #[cfg(feature = "casework")]
        let needed = needed | challenger::features(&container);
        if needed & !container.features != 0 {
            return Err(Error::malformed(
                "header",
                "required features that cover the plan's steps, fields, transforms, output, policy and challenger",
            ));
        }
        #[cfg(feature = "outputs")]
        engine.set_blend(decide.blend())?;
        policy.check(&schema)?;
        let texts = LazyTexts::check(body(SectionKind::TEXTS)?)?;
        let floats = &all[weights.offset..weights.offset + weights.len];
        let explainer = Explainer::new(&schema, &transforms, &decide, &engine, floats)?;
        #[cfg(feature = "casework")]
        let challenger = match container.find(SectionKind::CHALLENGER) {
            Some(found) => {
                let own = &all[found.offset..found.offset + found.len];
                let schema = (&schema, body(SectionKind::SCHEMA)?);
                Some(challenger::Challenger::open(own, schema, kernels)?)
            }
            None => None,
        };
        Ok(Self {
            container,
            meta,
            schema,
            transforms,
            engine,
            weights,
            decide,
            policy,
            texts,
            explainer,
            kernels,
            #[cfg(feature = "casework")]
            challenger,
            pool: Mutex::new(Vec::with_capacity(POOL)),
            bytes,
        })
    }

    fn section(&self, kind: SectionKind) -> Option<&[u8]> {
        let section = self.container.find(kind)?;
        Some(&self.bytes.as_slice()[section.offset..section.offset + section.len])
    }

    fn weights(&self) -> &[u8] {
        &self.bytes.as_slice()[self.weights.offset..self.weights.offset + self.weights.len]
    }

    fn decision(
        &self,
        application: &Application,
        found: &Resolved,
        (exact, odds): (i64, i32),
        others: Others,
    ) -> Decision {
        let score = round_points(exact);
        let scale = self.decide.scale;
        let as_of = application.as_of;
        let mut flags = Flags::default();
        flags.set(Flags::MISSING, !found.missing.is_empty());
        flags.set(Flags::OUT_OF_RANGE, !found.out_of_range.is_empty());
        flags.set(Flags::UNLISTED, !found.unknown.is_empty());
        #[cfg(feature = "tables")]
        flags.set(Flags::TRUNCATED, found.truncated);
        flags.set(
            Flags::EXPIRED,
            self.meta.not_after.is_some_and(|last| as_of > last),
        );
        flags.set(
            Flags::NOT_YET_VALID,
            self.meta.not_before.is_some_and(|first| as_of < first),
        );
        flags.set(Flags::AUTOMATION_REFUSED, !application.automation);
        flags.set(
            Flags::SCORE_CLAMPED,
            exact <= i64::from(scale.floor) * POINT || exact >= i64::from(scale.ceiling) * POINT,
        );
        let person_decides = Flags::PERSON.into_iter().any(|flag| flags.contains(flag));
        let probability_ppm = probability_ppm(odds);
        let facts = Facts::new(application, score, probability_ppm, flags);
        let (fired, outcome) = self.policy.decide(facts, found, person_decides);
        Decision {
            score,
            probability_ppm,
            others,
            outcome,
            flags,
            missing: found.missing,
            out_of_range: found.out_of_range,
            unlisted: found.unknown,
            referred: found.referred,
            fired,
            #[cfg(feature = "casework")]
            challenger: None,
            bundle_id: self.container.bundle_id,
        }
    }

    fn scratch(&self) -> Scratch {
        let pooled = self
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        pooled.unwrap_or_else(|| Scratch {
            numbers: vec![0.0; self.transforms.sources()],
            features: vec![0.0; self.transforms.width()],
            one: self.engine.memory(1),
            many: None,
            found: Vec::new(),
            explain: None,
        })
    }

    fn give_back(&self, scratch: Scratch) {
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() < POOL {
            pool.push(scratch);
        }
    }

    fn check(&self, application: &Application) -> Result<()> {
        if application.id.len() > MAX_ID_BYTES {
            return Err(Error::new(
                ErrorKind::WrongType,
                "application id",
                format!("at most {MAX_ID_BYTES} bytes"),
            ));
        }
        if application.schema.bundle_id() == self.schema.bundle_id() {
            Ok(())
        } else {
            Err(Error::new(
                ErrorKind::WrongBundle,
                "application",
                "an application made by this bundle's scorer",
            ))
        }
    }

    fn score(&self, application: &Application, scratch: &mut Scratch) -> Result<Decision> {
        let inputs = self.transforms.inputs();
        let found = resolve(application, &mut scratch.numbers[..inputs])?;
        self.transforms
            .run(&mut scratch.numbers, &mut scratch.features);
        self.engine
            .write(&mut scratch.one, 0, 0, &scratch.features)?;
        self.engine.run(self.weights(), 1, &mut scratch.one)?;
        let exact = self.decide.exact(self.engine.output(&scratch.one, 0)?)?;
        let others = self.others(&scratch.one, 0)?;
        Ok(self.decision(application, &found, exact, others))
    }

    /// The further probabilities of a row.
    #[inline]
    fn others(&self, memory: &Memory, row: usize) -> Result<Others> {
        let mut found = [0; MAX_OTHERS];
        for (ppm, other) in found.iter_mut().zip(self.decide.others()) {
            let number = self
                .engine
                .number(memory, row, other.output, other.element)?;
            *ppm = other.ppm(number)?;
        }
        Ok(found)
    }

    /// Scores at most [`Engine::rows`] applications in one walk over the plan.
    fn score_rows(
        &self,
        applications: &[Application],
        scratch: &mut Scratch,
        out: &mut Vec<Result<Decision>>,
    ) -> Result<()> {
        let inputs = self.transforms.inputs();
        let memory = scratch
            .many
            .get_or_insert_with(|| self.engine.memory(self.engine.rows()));
        let first = out.len();
        let mut rows = 0;
        scratch.found.clear();
        // An error in its place would allocate.
        let placeholder = Explanation::empty(self.container.bundle_id).decision;
        for application in applications {
            let resolved = self
                .check(application)
                .and_then(|()| resolve(application, &mut scratch.numbers[..inputs]));
            match resolved {
                Err(error) => out.push(Err(error)),
                Ok(found) => {
                    self.transforms
                        .run(&mut scratch.numbers, &mut scratch.features);
                    self.engine.write(memory, rows, 0, &scratch.features)?;
                    scratch.found.push(found);
                    rows += 1;
                    out.push(Ok(placeholder));
                }
            }
        }
        self.engine.run(self.weights(), rows, memory)?;
        let mut row = 0;
        for (application, slot) in applications.iter().zip(&mut out[first..]) {
            if slot.is_err() {
                continue;
            }
            let exact = self
                .engine
                .output(memory, row)
                .and_then(|output| Ok((self.decide.exact(output)?, self.others(memory, row)?)));
            *slot = exact.map(|(exact, others)| {
                self.decision(application, &scratch.found[row], exact, others)
            });
            row += 1;
        }
        Ok(())
    }
}

impl Scratch {
    fn wipe(&mut self) {
        wipe(&mut self.numbers, 0.0);
        wipe(&mut self.features, 0.0);
        self.one.wipe();
    }

    fn wipe_many(&mut self) {
        if let Some(many) = &mut self.many {
            many.wipe();
        }
        if let Some(explain) = &mut self.explain {
            explain.wipe();
        }
        self.found.clear();
    }
}

impl Scorer {
    /// Opens a bundle from its bytes: verifies its signature under one of the pinned public
    /// `keys`, checks hashes, validates everything.
    ///
    /// # Errors
    /// [`ErrorKind::NotABundle`], [`ErrorKind::UntrustedKey`], [`ErrorKind::BadSignature`],
    /// [`ErrorKind::Altered`], [`ErrorKind::Unsupported`] or [`ErrorKind::Malformed`].
    pub fn open(bytes: impl Into<Vec<u8>>, keys: &[[u8; 32]]) -> Result<Self> {
        OpenOptions::default().open(bytes, keys)
    }

    /// As [`Scorer::open`], for bytes that are part of the program. They are used where they lie if
    /// that is at a multiple of 64, and else copied: weights are read in lines of the cache.
    ///
    /// # Errors
    /// As [`Scorer::open`].
    pub fn open_static(bytes: &'static [u8], keys: &[[u8; 32]]) -> Result<Self> {
        let bytes = if is_aligned(bytes) {
            Bytes::Static(bytes)
        } else {
            Bytes::Owned(Aligned::copy_of(bytes))
        };
        OpenOptions::default().open_bytes(bytes, keys)
    }

    /// Reads the file into memory and opens it.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], or as [`Scorer::open`].
    pub fn open_path(path: impl AsRef<Path>, keys: &[[u8; 32]]) -> Result<Self> {
        Self::open(read_bundle(path.as_ref())?, keys)
    }

    /// Maps the file instead of reading it.
    ///
    /// # Safety
    /// While any clone of the scorer lives, nobody may change or truncate the file: what was
    /// verified must be what is executed, and a truncated mapping ends the process.
    ///
    /// # Errors
    /// [`ErrorKind::Io`], or as [`Scorer::open`].
    #[cfg(feature = "mmap")]
    #[allow(unsafe_code)]
    pub unsafe fn open_mapped(path: impl AsRef<Path>, keys: &[[u8; 32]]) -> Result<Self> {
        // SAFETY: the caller promises that the file does not change while it is mapped.
        let mapping = unsafe { crate::map::Mapping::new(path.as_ref())? };
        OpenOptions::default().open_bytes(Bytes::Mapped(mapping), keys)
    }

    /// An application for this bundle's schema, every value missing.
    pub fn application(&self, id: &str, as_of: Date) -> Application {
        Application::new(Arc::clone(&self.inner.schema), id, as_of)
    }

    /// Scores one application. Allocates nothing once warm.
    ///
    /// # Errors
    /// [`ErrorKind::WrongBundle`], [`ErrorKind::NotFinite`], or what a field refuses:
    /// [`ErrorKind::Missing`], [`ErrorKind::OutOfRange`], [`ErrorKind::UnknownCategory`].
    pub fn score(&self, application: &Application) -> Result<Decision> {
        self.inner.check(application)?;
        let _state = DefaultFpState::enter();
        let mut scratch = self.inner.scratch();
        #[cfg_attr(not(feature = "casework"), allow(unused_mut))]
        let mut decision = self.inner.score(application, &mut scratch);
        scratch.wipe();
        self.inner.give_back(scratch);
        #[cfg(feature = "casework")]
        if let Ok(decision) = &mut decision {
            self.inner.challenge(application, decision);
        }
        decision
    }

    /// Scores many applications, in their order, and appends a result for each to `out`. The same
    /// decisions as one by one, faster.
    pub fn score_many(&self, applications: &[Application], out: &mut Vec<Result<Decision>>) {
        let _state = DefaultFpState::enter();
        let mut scratch = self.inner.scratch();
        out.reserve(applications.len());
        for rows in applications.chunks(self.inner.engine.rows()) {
            let first = out.len();
            if let Err(error) = self.inner.score_rows(rows, &mut scratch, out) {
                out.truncate(first);
                out.extend(rows.iter().map(|_| Err(error.clone())));
            }
            #[cfg(feature = "casework")]
            for (application, decision) in rows.iter().zip(&mut out[first..]) {
                if let Ok(decision) = decision {
                    self.inner.challenge(application, decision);
                }
            }
        }
        scratch.wipe();
        scratch.wipe_many();
        self.inner.give_back(scratch);
    }

    /// Scores one application with contributions and reasons.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn explain(&self, application: &Application) -> Result<Explanation> {
        let mut explanation = Explanation::empty(self.inner.container.bundle_id);
        self.explain_into(application, &mut explanation)?;
        Ok(explanation)
    }

    /// As [`Scorer::explain`], into an explanation whose memory is used again: allocates nothing
    /// once warm.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn explain_into(&self, application: &Application, out: &mut Explanation) -> Result<()> {
        self.inner.check(application)?;
        let _state = DefaultFpState::enter();
        let mut scratch = self.inner.scratch();
        let done = self.inner.explain(application, &mut scratch, out);
        scratch.wipe();
        scratch.wipe_many();
        self.inner.give_back(scratch);
        #[cfg(feature = "casework")]
        if done.is_ok() {
            self.inner.challenge(application, &mut out.decision);
        }
        done
    }

    /// Each rule of the policy that was tried on an application, what it saw, and what it said.
    #[cfg(feature = "casework")]
    pub fn trace(
        &self,
        application: &Application,
        decision: &Decision,
    ) -> Vec<crate::decide::Tried> {
        let policy = &self.inner.policy;
        policy.trace(Facts::of(application, decision), decision)
    }

    /// The amounts and tiers that come out with a decision, as the policy names them.
    #[cfg(feature = "casework")]
    pub fn terms(
        &self,
        application: &Application,
        decision: &Decision,
    ) -> Vec<crate::decide::Term> {
        self.inner.policy.terms_of(Facts::of(application, decision))
    }

    /// The canonical record of a decision, written into `out`, which is emptied first.
    pub fn record(&self, application: &Application, decision: &Decision, out: &mut Vec<u8>) {
        encode_record(&self.inner.recorded(application, decision), out);
    }

    /// The canonical record of a decision with its explanation.
    pub fn record_explained(
        &self,
        application: &Application,
        explanation: &Explanation,
        out: &mut Vec<u8>,
    ) {
        let recorded = Recorded {
            explained: Some(explanation.for_record()),
            ..self.inner.recorded(application, &explanation.decision)
        };
        encode_record(&recorded, out);
    }

    /// The canonical record of a decision with its explanation and [`alternatives`](Self::alternatives).
    #[cfg(feature = "casework")]
    pub fn record_with_alternatives(
        &self,
        application: &Application,
        explanation: &Explanation,
        alternatives: &Alternatives,
        out: &mut Vec<u8>,
    ) {
        let recorded = Recorded {
            explained: Some(explanation.for_record()),
            alternatives: Some(&alternatives.found),
            ..self.inner.recorded(application, &explanation.decision)
        };
        encode_record(&recorded, out);
    }

    /// Scores a record's application again and says whether the same record comes out, byte for
    /// byte.
    ///
    /// # Errors
    /// [`ErrorKind::BadRecord`], [`ErrorKind::WrongBundle`] where another bundle decided, or as
    /// [`Scorer::score`].
    pub fn replay<'r>(&self, record: &'r [u8]) -> Result<Replay<'r>> {
        let decoded = Record::borrow(record)?;
        self.check_bundle(&decoded.bundle_id)?;
        let again = self.again(&decoded, decoded.bundle_id, decoded.extent())?;
        Ok(Replay {
            same: again == record,
            record: decoded,
            again,
        })
    }

    /// That a record's bundle is this one.
    pub(crate) fn check_bundle(&self, bundle_id: &[u8; 32]) -> Result<()> {
        if *bundle_id == self.inner.container.bundle_id {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::WrongBundle,
            "record",
            "a record of this bundle",
        ))
    }

    /// Scores a record's application again, and gives it with its decision where the same record comes out:
    /// a server need not trust whoever sent it.
    ///
    /// # Errors
    /// As [`Scorer::replay`], and [`ErrorKind::BadRecord`] where another record comes out.
    #[cfg(feature = "casework")]
    pub fn verify_record(&self, record: &[u8]) -> Result<(Application, Decision)> {
        let decoded = self.decided_here(record)?;
        let application = restore(&decoded, self.schema())?;
        let decision = self.score(&application)?;
        Ok((application, decision))
    }

    /// A record of this bundle that comes out again.
    #[cfg(feature = "casework")]
    pub(crate) fn decided_here<'r>(&self, record: &'r [u8]) -> Result<Record<&'r str>> {
        let decoded = Record::borrow(record)?;
        self.check_bundle(&decoded.bundle_id)?;
        if self.again(&decoded, decoded.bundle_id, decoded.extent())? == record {
            return Ok(decoded);
        }
        Err(Error::new(
            ErrorKind::BadRecord,
            "record",
            "a decision that comes out again",
        ))
    }

    /// The record of a decision on record with what would change it, [`alternatives`](Self::alternatives), in it
    /// too: what an applicant was shown, for whoever asks later. It replays like any other.
    ///
    /// # Errors
    /// As [`Scorer::verify_record`].
    #[cfg(feature = "casework")]
    pub fn record_alternatives(&self, record: &[u8]) -> Result<Vec<u8>> {
        let decoded = self.decided_here(record)?;
        let explained = decoded.explanation.is_some();
        self.again(&decoded, decoded.bundle_id, (explained, true))
    }

    /// The record that this scorer makes of a record's application, under a bundle id, with an explanation and
    /// alternatives if asked for.
    fn again<S: AsRef<str>>(
        &self,
        record: &Record<S>,
        bundle_id: [u8; 32],
        (explained, alternatives): (bool, bool),
    ) -> Result<Vec<u8>> {
        let application = restore(record, &self.inner.schema)?;
        let explanation = match explained {
            true => Some(self.explain(&application)?),
            false => None,
        };
        let mut decision = match &explanation {
            Some(explanation) => explanation.decision,
            None => self.score(&application)?,
        };
        decision.bundle_id = bundle_id;
        #[cfg(feature = "casework")]
        let found = match alternatives {
            true => Some(self.alternatives(&application)?),
            false => None,
        };
        #[cfg(not(feature = "casework"))]
        let _ = alternatives;
        let recorded = Recorded {
            explained: explanation.as_ref().map(Explanation::for_record),
            #[cfg(feature = "casework")]
            alternatives: found.as_ref().map(|all| &all.found[..]),
            ..self.inner.recorded(&application, &decision)
        };
        let mut out = Vec::new();
        encode_record(&recorded, &mut out);
        Ok(out)
    }

    /// Runs the bundle's known-answer vectors on this device and says how many there are.
    ///
    /// # Errors
    /// [`ErrorKind::SelfTest`] with the vector's number where one comes out differently.
    pub fn self_test(&self) -> Result<usize> {
        self.known_answers(u64::MAX)
    }

    /// As [`Scorer::self_test`], for who waits: every vector's decision is compared, the contributions
    /// and reasons of the first one, and of as many more as a few million multiply-adds allow.
    ///
    /// # Errors
    /// As [`Scorer::self_test`].
    pub fn brief_self_test(&self) -> Result<usize> {
        self.known_answers(BRIEF_SELF_TEST_WORK)
    }

    /// Compares the known answers, explained for so long as `budget` multiply-adds last.
    fn known_answers(&self, mut budget: u64) -> Result<usize> {
        let bytes = self
            .inner
            .section(SectionKind::KNOWN_ANSWERS)
            .unwrap_or_default();
        let vectors: KnownAnswers = cbor::decode(bytes, "section KATV")?;
        // An evaluation of a net that does nothing still takes its features.
        let features = self.explanation_cost() as u64 * self.inner.transforms.width() as u64;
        let each = self.explanation_work().saturating_add(features);
        let work = (vectors.records.len() as u64).saturating_mul(each);
        if vectors.records.len() > MAX_KNOWN_ANSWERS || work > MAX_SELF_TEST_WORK {
            return Err(Error::malformed(
                "section KATV",
                format!(
                    "at most {MAX_KNOWN_ANSWERS} known-answer vectors and {MAX_SELF_TEST_WORK} multiply-adds and features"
                ),
            ));
        }
        for (number, vector) in vectors.records.iter().enumerate() {
            let record = Record::borrow(vector)?;
            let whole = number == 0 || each <= budget;
            let explained = whole && record.explanation.is_some();
            let again = self.again(&record, [0; 32], (explained, record.extent().1))?;
            let same = match explained == record.explanation.is_some() {
                true => again == **vector,
                false => Record::borrow(&again)?.decision == record.decision,
            };
            // Only the plan engine promises the same bytes everywhere.
            #[cfg(feature = "files")]
            let same = same
                || self.inner.meta.engine != EngineKind::Plan
                    && Record::borrow(&again)?
                        .decision
                        .score
                        .abs_diff(record.decision.score)
                        <= 1;
            budget = budget.saturating_sub(each);
            if !same {
                return Err(Error::new(
                    ErrorKind::SelfTest,
                    format!("known-answer vector {number}"),
                    "the signed answer, byte for byte",
                ));
            }
        }
        log::info!(
            "self-test passed: {} known-answer vectors",
            vectors.records.len()
        );
        Ok(vectors.records.len())
    }

    /// The fields and groups.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.inner.schema
    }

    /// The texts.
    pub fn texts(&self) -> &Texts {
        let bytes = self.inner.section(SectionKind::TEXTS);
        self.inner.texts.of(bytes.unwrap_or_default())
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.inner.policy
    }

    /// Calibration, score scale and reference.
    pub fn decide(&self) -> &DecideParts {
        &self.inner.decide
    }

    /// The transforms from fields to features.
    pub fn transforms(&self) -> &Transforms {
        &self.inner.transforms
    }

    /// Product, sequence number, dates, engine.
    pub fn meta(&self) -> &Meta {
        &self.inner.meta
    }

    /// Header and section table.
    pub fn container(&self) -> &Container {
        &self.inner.container
    }

    /// The bundle's identity: SHA-256 over header and section table.
    pub fn bundle_id(&self) -> &[u8; 32] {
        &self.inner.container.bundle_id
    }

    /// The plan; none where the bundle carries a model file for another engine.
    pub fn executable(&self) -> Option<&Executable> {
        self.inner.engine.executable()
    }

    /// Multiply-adds of one score; for a model file an estimate.
    pub fn multiply_adds(&self) -> u64 {
        self.inner.engine.multiply_adds()
    }

    /// The kernel path in use.
    pub fn kernels(&self) -> &'static str {
        self.inner.kernels.name
    }

    /// How many evaluations an explanation costs.
    pub fn explanation_cost(&self) -> usize {
        self.inner.explainer.evaluations()
    }

    /// Multiply-adds of an explanation, what its evaluations share counted once.
    pub fn explanation_work(&self) -> u64 {
        self.inner.explainer.work()
    }

    /// The bytes of a section, if the bundle has it.
    pub fn section(&self, kind: SectionKind) -> Option<&[u8]> {
        self.inner.section(kind)
    }

    /// The score of the reference applicant that contributions are measured against.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn reference(&self) -> Result<(Application, Decision)> {
        let record = Record::borrow(&self.inner.decide.reference)?;
        let application = restore(&record, &self.inner.schema)?;
        let decision = self.score(&application)?;
        Ok((application, decision))
    }

    /// The features that the model reads for an application: for tests that compare them with the
    /// training code's own.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn features(&self, application: &Application) -> Result<Vec<f32>> {
        self.inner.check(application)?;
        self.inner.transforms.features(application)
    }

    /// As [`Scorer::features`], for models that read f64.
    ///
    /// # Errors
    /// As [`Scorer::score`].
    pub fn features_f64(&self, application: &Application) -> Result<Vec<f64>> {
        self.inner.check(application)?;
        self.inner.transforms.features_f64(application)
    }

    /// A reason's stable code.
    pub fn reason_code(&self, reason: Reason) -> &str {
        reason.code(&self.inner.schema, &self.inner.policy)
    }

    /// A reason's text in the language that serves `language` best.
    pub fn reason_text(&self, reason: Reason, language: &str) -> String {
        reason.text(
            &self.inner.schema,
            &self.inner.policy,
            self.texts(),
            language,
        )
    }
}

impl std::fmt::Debug for Scorer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Scorer({}, {})",
            self.inner.meta.product, self.inner.meta.sequence
        )
    }
}

/// What replaying a record found. Its `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Replay<'r> {
    /// Whether the same bytes came out.
    pub same: bool,
    /// The record that was replayed, its words where they lie.
    pub record: Record<&'r str>,
    /// The record that came out.
    pub again: Vec<u8>,
}

impl std::fmt::Debug for Replay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replay(same: {}, values not shown)", self.same)
    }
}

/// KATV as it is stored: records whose bundle id is zero.
#[derive(Debug, Clone, PartialEq, Eq, minicbor::Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct KnownAnswers {
    /// The records.
    #[n(0)]
    pub records: Vec<minicbor::bytes::ByteVec>,
}

cbor::structure!(KnownAnswers { 0: records });

/// Reads a bundle file, never more than a bundle's greatest length.
pub(crate) fn read_bundle(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let io = |what: std::io::Error| {
        Error::new(
            ErrorKind::Io,
            path.display().to_string(),
            format!("a readable file ({})", what.kind()),
        )
    };
    let mut bytes = Vec::new();
    let limit = crate::bundle::container::MAX_FILE_BYTES as u64 + 1;
    std::fs::File::open(path)
        .map_err(io)?
        .take(limit)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok(bytes)
}

impl Inner {
    /// What a decision's record is made of, without an explanation.
    fn recorded<'a>(
        &'a self,
        application: &'a Application,
        decision: &'a Decision,
    ) -> Recorded<'a> {
        Recorded {
            application,
            decision,
            explained: None,
            policy: &self.policy,
            others: self.decide.others(),
            #[cfg(feature = "casework")]
            alternatives: None,
            #[cfg(feature = "casework")]
            challenger: self
                .challenger
                .as_ref()
                .map(challenger::Challenger::bundle_id),
        }
    }

    fn explain(
        &self,
        application: &Application,
        scratch: &mut Scratch,
        out: &mut Explanation,
    ) -> Result<()> {
        let inputs = self.transforms.inputs();
        let found = resolve(application, &mut scratch.numbers[..inputs])?;
        let memory = scratch
            .many
            .get_or_insert_with(|| self.engine.memory(self.engine.rows()));
        let explain = scratch
            .explain
            .get_or_insert_with(|| Box::new(self.explainer.scratch()));
        let mut odds = 0;
        let whole = self.explainer.whole();
        self.explainer
            .prepare(&self.transforms, &scratch.numbers[..inputs], explain);
        let each = |v: &mut [i64], index: usize, output: f64| {
            let (exact, row_odds) = self.decide.exact(output)?;
            v[index] = exact;
            if index == whole {
                odds = row_odds;
            }
            Ok(())
        };
        self.explainer
            .evaluate(&self.engine, self.weights(), memory, explain, each)?;
        out.decision = self.decision(
            application,
            &found,
            (explain.v[whole], odds),
            [0; MAX_OTHERS],
        );
        out.reference_score = round_points(explain.v[0]);
        self.explainer.attribute(&explain.v, out);
        out.reasons = Reasons::of(&out.decision, &out.fields, self.explainer.field_ranks());
        if !self.decide.others().is_empty() {
            out.decision.others = self.score(application, scratch)?.others;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const GOLDEN: &[u8] = include_bytes!("../../tests/golden/credit/credit.fsb");

    fn open(bytes: &[u8]) -> Scorer {
        let options = OpenOptions::default().dangerously_unverified();
        options.open(bytes, &[]).unwrap()
    }

    #[test]
    fn a_brief_self_test_finds_every_wrong_decision() {
        let scorer = open(GOLDEN);
        assert_eq!(scorer.known_answers(0).unwrap(), 16);
        assert_eq!(scorer.brief_self_test().unwrap(), 16);
        let section = scorer
            .inner
            .container
            .find(SectionKind::KNOWN_ANSWERS)
            .unwrap();
        let answers = &GOLDEN[section.offset..section.offset + section.len];
        let vectors: KnownAnswers = cbor::decode(answers, "section KATV").unwrap();
        let (mut both, mut full_only) = (0, 0);
        for number in [0, 1, 15] {
            let vector: &[u8] = &vectors.records[number];
            let start = answers.windows(vector.len()).position(|at| at == vector);
            let start = section.offset + start.unwrap();
            for at in start..start + vector.len() {
                let mut bytes = GOLDEN.to_vec();
                bytes[at] ^= 1;
                let scorer = open(&bytes);
                let (full, brief) = (scorer.self_test(), scorer.known_answers(0));
                match (full.is_err(), brief.is_err()) {
                    (true, true) => both += 1,
                    (true, false) => {
                        // The first is compared whole.
                        assert_ne!(number, 0, "byte {at}");
                        full_only += 1;
                    }
                    (false, brief) => assert!(!brief, "byte {at}"),
                }
            }
        }
        assert!(both > 100 && full_only > 100, "{both} {full_only}");
    }

    /// The golden bundle, but for the engine that its META asks for.
    fn for_engine(engine: u8) -> Result<Scorer> {
        let mut bytes = GOLDEN.to_vec();
        let container = Container::read(&bytes, Trust::DangerouslyUnverified).unwrap();
        let meta = container.find(SectionKind::META).unwrap();
        let meta = &mut bytes[meta.offset..meta.offset + meta.len];
        let at = meta.windows(2).rposition(|at| at == [4, 0]).unwrap();
        meta[at + 1] = engine;
        OpenOptions::default()
            .dangerously_unverified()
            .open(bytes, &[])
    }

    #[test]
    fn an_engine_that_is_not_built_in_is_named() {
        assert!(for_engine(0).is_ok());
        let built_in = [
            ("tract", cfg!(feature = "tract")),
            ("tflite", cfg!(feature = "tflite")),
        ];
        for (engine, (name, built_in)) in (1..).zip(built_in) {
            let error = for_engine(engine).unwrap_err();
            let found = (error.kind(), error.place());
            if built_in {
                // It has a plan and no model file.
                assert_eq!(found, (ErrorKind::Malformed, "section MODL"));
            } else {
                assert_eq!(found, (ErrorKind::Unsupported, "section META"));
                assert_eq!(
                    error.expected(),
                    format!("a runtime with the {name} engine built in")
                );
            }
        }
    }
}
