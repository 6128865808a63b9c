//! From the model's output to a decision: calibration, score scale, policy, contributions,
//! reasons, and the record of all that.
#![forbid(unsafe_code)]

#[cfg(feature = "casework")]
mod challenger;
pub(crate) mod contribution;
#[cfg(feature = "casework")]
mod notice;
mod outputs;
#[cfg(feature = "casework")]
mod overrides;
mod policy;
mod reason;
mod record;
mod scale;

#[cfg(feature = "casework")]
pub use challenger::{Assignment, ChallengerParts, MAX_ASSIGNMENT_KEY_BYTES, Shadow};
#[cfg(feature = "casework")]
pub use notice::{Notice, built_in, notice_keys};
pub use outputs::{Blend, MAX_MEMBERS, MAX_OTHERS, Member, Other, Others};
#[cfg(feature = "casework")]
pub use overrides::{MAX_STAFF_ID_BYTES, OVERRIDE_VERSION, Override};
pub(crate) use policy::Facts;
#[cfg(feature = "casework")]
pub use policy::{
    AnnualRate, Cell, ColumnKind, HitPolicy, MAX_TABLE_RULES, MAX_TABLES, MAX_TERM, MAX_TERMS,
    MAX_VALUES, OutputColumn, PolicyValue, Rounding, Rule, Source, Table,
};
pub use policy::{Condition, KnockOut, MAX_RULES, Outcome, Policy, Test};
#[cfg(feature = "casework")]
pub use policy::{Term, Tried};
pub use reason::{MAX_REASONS, Reason, Reasons, SystemReason};
#[cfg(feature = "tables")]
pub use record::RECORD_VERSION_TABLES;
pub(crate) use record::{Explained, Recorded, encode_record, restore};
pub use record::{
    MAX_RECORD_BYTES, RECORD_VERSION, Record, RecordDecision, RecordExplanation, RecordValue,
    reference_record,
};
#[cfg(feature = "casework")]
pub use record::{
    RECORD_VERSION_ADDITIONS, RecordAdditions, RecordAlternative, RecordShadow, RecordTrace,
};
pub use scale::{
    Calibration, LOG_ODDS_ONE, MAX_LOG_ODDS, OutputKind, POINT, ScoreScale, probability_ppm,
    round_points,
};

use minicbor::Encode;
use minicbor::bytes::ByteVec;

use crate::bundle::cbor::{Read, Reader};
use crate::error::{Error, Result};
use crate::schema::FieldSet;

/// DCDE as it is stored.
#[derive(Debug, Clone, PartialEq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct DecideParts {
    /// What the score is made of: the first number of the model's first output, or its blend.
    #[n(0)]
    pub output: OutputKind,
    /// From the model's log-odds to calibrated ones.
    #[n(1)]
    pub calibration: Calibration,
    /// From log-odds to the score.
    #[n(2)]
    pub scale: ScoreScale,
    /// The reference applicant that contributions are measured against, as a record.
    #[n(3)]
    #[cbor(with = "minicbor::bytes")]
    pub reference: Vec<u8>,
    /// The most evaluations that an explanation may cost.
    #[n(4)]
    pub budget: u32,
    /// How the numbers of the model's outputs make the one that the score is made of.
    #[cfg(feature = "outputs")]
    #[n(5)]
    pub blend: Option<Blend>,
    /// Probabilities beside it; at most [`MAX_OTHERS`].
    #[cfg(feature = "outputs")]
    #[n(6)]
    #[cbor(skip_if = "Vec::is_empty")]
    pub others: Vec<Other>,
}

impl<'b> Read<'b> for DecideParts {
    fn read(from: &mut Reader<'b>) -> Option<Self> {
        let mut entries = from.map()?;
        let parts = Self {
            output: from.entry(&mut entries, 0)?,
            calibration: from.entry(&mut entries, 1)?,
            scale: from.entry(&mut entries, 2)?,
            reference: from.entry::<ByteVec>(&mut entries, 3)?.into(),
            budget: from.entry(&mut entries, 4)?,
            #[cfg(feature = "outputs")]
            blend: from.entry(&mut entries, 5)?,
            #[cfg(feature = "outputs")]
            others: from.entry_or(&mut entries, 6, || Some(Vec::new()))?,
        };
        from.end(entries)?;
        Some(parts)
    }
}

impl DecideParts {
    /// The feature bits that a bundle of it must require
    /// ([`features`](crate::bundle::container::features)).
    pub fn features(&self) -> u64 {
        use crate::bundle::container::features;
        let points = match self.output {
            OutputKind::Points => features::LINES,
            OutputKind::Logit | OutputKind::Probability => 0,
        };
        let several = self.blend().is_some() || !self.others().is_empty();
        points | if several { features::OUTPUTS } else { 0 }
    }

    /// The blend that the score is made of.
    #[cfg(feature = "outputs")]
    pub fn blend(&self) -> Option<&Blend> {
        self.blend.as_ref()
    }

    /// The blend that the score is made of: this runtime knows none.
    #[cfg(not(feature = "outputs"))]
    #[allow(clippy::unused_self)]
    pub fn blend(&self) -> Option<&Blend> {
        None
    }

    /// The probabilities beside the one that the score is made of.
    #[cfg(feature = "outputs")]
    pub fn others(&self) -> &[Other] {
        &self.others
    }

    /// The probabilities beside the one that the score is made of: this runtime knows none.
    #[cfg(not(feature = "outputs"))]
    #[allow(clippy::unused_self)]
    pub fn others(&self) -> &[Other] {
        &[]
    }

    /// Checks everything; `len` says how many numbers an output of the model has, if there is one.
    pub(crate) fn check(&self, len: impl Fn(u16) -> Option<u32>) -> Result<()> {
        self.calibration.check()?;
        self.scale.check()?;
        if let Some(blend) = self.blend() {
            blend.check(&len)?;
            let sum = match blend.probabilities {
                true => OutputKind::Probability,
                false => OutputKind::Logit,
            };
            if self.output != sum {
                return Err(Error::malformed(
                    "section DCDE",
                    "a blend whose sum is what the output is said to be",
                ));
            }
        }
        let others = self.others();
        for (at, other) in others.iter().enumerate() {
            other.check(&len)?;
            let twice = others[..at].iter().any(|before| before.name == other.name);
            if twice || others.len() > MAX_OTHERS {
                return Err(Error::malformed(
                    "section DCDE",
                    format!("at most {MAX_OTHERS} further outputs, each name once"),
                ));
            }
        }
        Ok(())
    }

    /// The score in 1/1024 points, clamped, and the calibrated log-odds of a model's output. A
    /// scorecard's points are the score as they are: calibration moves only the probability.
    pub(crate) fn exact(&self, output: f64) -> Result<(i64, i32)> {
        if self.output == OutputKind::Points {
            let exact = scale::points(output)?;
            let odds = self.calibration.apply(self.scale.log_odds(exact));
            return Ok((self.scale.clamp(exact), odds));
        }
        let odds = scale::log_odds(output, self.output)?;
        let odds = self.calibration.apply(odds);
        Ok((self.scale.exact(odds), odds))
    }
}

/// What a decision says about how it came about, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Flags(u32);

impl Flags {
    /// A field had no value.
    pub const MISSING: Self = Self(1);
    /// A field's value was outside its range.
    pub const OUT_OF_RANGE: Self = Self(2);
    /// A field's category was not in its list.
    pub const UNLISTED: Self = Self(4);
    /// `as_of` is after the bundle's last day.
    pub const EXPIRED: Self = Self(8);
    /// `as_of` is before the bundle's first day.
    pub const NOT_YET_VALID: Self = Self(16);
    /// The applicant does not consent to an automated decision.
    pub const AUTOMATION_REFUSED: Self = Self(32);
    /// The score was raised to the scale's floor or lowered to its ceiling.
    pub const SCORE_CLAMPED: Self = Self(64);

    /// A table or a text has more rows or words than the model reads.
    #[cfg(feature = "tables")]
    pub const TRUNCATED: Self = Self(128);

    /// Those that only a person may decide with.
    pub const PERSON: [Self; 3] = [Self::AUTOMATION_REFUSED, Self::EXPIRED, Self::NOT_YET_VALID];

    const NAMES: &'static [(Self, &'static str)] = &[
        (Self::MISSING, "missing"),
        (Self::OUT_OF_RANGE, "out_of_range"),
        (Self::UNLISTED, "unlisted"),
        (Self::EXPIRED, "expired"),
        (Self::NOT_YET_VALID, "not_yet_valid"),
        (Self::AUTOMATION_REFUSED, "automation_refused"),
        (Self::SCORE_CLAMPED, "score_clamped"),
        #[cfg(feature = "tables")]
        (Self::TRUNCATED, "truncated"),
    ];

    /// The bits, as a record stores them.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The flags of these bits.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Whether all of `other` are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn set(&mut self, other: Self, on: bool) {
        if on {
            self.0 |= other.0;
        }
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .iter()
            .filter(move |(flag, _)| self.contains(*flag))
            .map(|(_, name)| *name)
    }
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

/// What comes out of scoring one application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The score in points on the bundle's scale.
    pub score: i32,
    /// The probability of default in parts per million, 100 to 999 900.
    pub probability_ppm: u32,
    /// The bundle's further probabilities, named by [`DecideParts::others`].
    pub others: Others,
    /// What the policy says.
    pub outcome: Outcome,
    /// How it came about.
    pub flags: Flags,
    /// Fields without a value.
    pub missing: FieldSet,
    /// Fields whose value was outside their range.
    pub out_of_range: FieldSet,
    /// Fields whose category was not in their list.
    pub unlisted: FieldSet,
    /// Fields whose policy referred the application.
    pub referred: FieldSet,
    /// The rules that fired, one bit each in the order of [`Policy::codes`].
    pub fired: u64,
    /// What the bundle's challenger says, where it has one and that scored this application. It is no part of
    /// the decision.
    #[cfg(feature = "casework")]
    pub challenger: Option<Shadow>,
    /// The bundle that decided.
    pub bundle_id: [u8; 32],
}
