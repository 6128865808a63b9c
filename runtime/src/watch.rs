//! Watching a bundle in the field: what its decisions come to, in counts that name nobody.
//!
//! A bundle's section HIST has the histogram of its training part; a [`Summary`] counts a device's
//! applications in the same bins. Counts of many devices add up; how far they have moved from the training
//! part is worked out where the summaries come together (`fieldscore summary`).
#![forbid(unsafe_code)]

use minicbor::{Encode, Encoder};

use crate::bundle::cbor::{self, Read, Reader, structure};
use crate::bundle::container::{MAX_STRUCTURED_BYTES, SectionKind, Version};
use crate::decide::{Decision, Record, restore};
use crate::error::{Error, ErrorKind, Result};
use crate::schema::{Application, Date, FieldKind, Given, Schema};
use crate::scorer::Scorer;

/// No field and no score has more bins.
pub const MAX_BINS: usize = 16;
/// A summary leaves a device only with so many decisions.
pub const MIN_SHARED: u64 = 20;
/// No summary is longer, in bytes.
pub const MAX_SUMMARY_BYTES: usize = 64 << 10;
/// The version of the encoding.
const VERSION: u32 = 1;

/// HIST as it is stored: bins, and how many rows of the training part lie in each.
///
/// A list of counts is a field's bins, then how many had no value, then how many had one outside of the
/// field's range or list; behind the fields' lists come the score's bins, then the outcomes (approve,
/// refer, decline).
#[derive(Debug, Clone, PartialEq, Eq, Encode)]
#[cfg_attr(test, derive(minicbor::Decode))]
#[cbor(map)]
pub struct Histogram {
    /// For each field, then for the score: of numbers the edges, rising, where a value that is an edge lies
    /// above it (in raw units; of dates whole months until `as_of`); of categories each code's bin; of
    /// booleans nothing, their bins are false and true; of all else nothing, its one bin is any value.
    #[n(0)]
    pub places: Vec<Vec<i64>>,
    /// The counts.
    #[n(1)]
    pub counts: Vec<Vec<u32>>,
}

structure!(Histogram {
    0: places,
    1: counts
});

impl Histogram {
    /// The histogram of a bundle.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] where the bundle has none, [`ErrorKind::Malformed`] where it is not one of
    /// the bundle's fields.
    pub fn of(scorer: &Scorer) -> Result<Self> {
        const PLACE: &str = "section HIST";
        let section = scorer.section(SectionKind::HISTOGRAM);
        let bytes = section.ok_or_else(|| {
            let expected = "a bundle that was built with a histogram of its training part";
            Error::new(ErrorKind::Unsupported, PLACE, expected)
        })?;
        let found = match bytes.len() > MAX_STRUCTURED_BYTES {
            true => None,
            false => Some(cbor::decode::<Self>(bytes, PLACE)?),
        };
        found
            .filter(|found| found.is_sound(scorer.schema()))
            .ok_or_else(|| {
                Error::malformed(PLACE, "rising edges and as many counts, for every field")
            })
    }

    /// Whether there are bins for each of the fields, the score and the outcomes.
    fn is_sound(&self, schema: &Schema) -> bool {
        let fields = schema.fields();
        let (Some((score, places)), Some((outcomes, counts))) =
            (self.places.split_last(), self.counts.split_last())
        else {
            return false;
        };
        let Some((score_bins, counts)) = counts.split_last() else {
            return false;
        };
        let rising = |edges: &[i64], bins: usize| {
            edges.len() + 1 == bins && edges.windows(2).all(|pair| pair[0] < pair[1])
        };
        let field = |((kind, places), counts): ((&FieldKind, &Vec<i64>), &Vec<u32>)| {
            let bins = counts.len().saturating_sub(2);
            let sound = match kind {
                FieldKind::Category { codes } => {
                    places.len() == codes.len()
                        && places.iter().all(|at| (0..bins as i64).contains(at))
                }
                FieldKind::Boolean => places.is_empty() && bins == 2,
                kind if kind.is_numeric() => rising(places, bins),
                _ => places.is_empty() && bins == 1,
            };
            sound && bins <= MAX_BINS
        };
        let kinds = fields.iter().map(|field| &field.kind);
        places.len() == fields.len()
            && counts.len() == fields.len()
            && kinds.zip(places).zip(counts).all(field)
            && rising(score, score_bins.len())
            && score_bins.len() <= MAX_BINS
            && outcomes.len() == 3
    }

    /// Counts a decided application, in lists as [`Histogram::counts`] has them; what the lists have no
    /// room for is left out. Allocates nothing.
    pub fn count(&self, application: &Application, decision: &Decision, counts: &mut [Vec<u32>]) {
        let fields = application.given.len();
        let all = self.places.iter().map(Vec::as_slice).chain([&[][..]]);
        for ((index, places), counts) in all.enumerate().zip(counts) {
            let at = match index.checked_sub(fields) {
                None => place(application, decision, index, places, counts.len()),
                Some(0) => above(places, decision.score.into()),
                Some(_) => decision.outcome as usize,
            };
            if let Some(count) = counts.get_mut(at) {
                *count = count.saturating_add(1);
            }
        }
    }
}

/// The number that a field is counted by: in raw units, of a date the whole months from it to `as_of`, of a
/// category its index, of a boolean 0 or 1. None where there is no value, or one that is no number.
pub fn counted(application: &Application, index: usize) -> Option<i64> {
    match *application.given.get(index)? {
        Given::Truth(truth) => Some(truth.into()),
        Given::Category(at) => Some(at.into()),
        Given::Number(raw) => {
            let date = matches!(application.schema.fields()[index].kind, FieldKind::Date);
            let date = Date::from_days(raw).filter(|_| date);
            Some(date.map_or(raw, |date| date.months_until(application.as_of)))
        }
        _ => None,
    }
}

/// Where in a list of `len` counts the field at `index` lies.
fn place(
    application: &Application,
    decision: &Decision,
    index: usize,
    places: &[i64],
    len: usize,
) -> usize {
    let given = application.given[index];
    if given == Given::Missing {
        return len.wrapping_sub(2);
    }
    if decision.out_of_range.contains(index) || decision.unlisted.contains(index) {
        return len.wrapping_sub(1);
    }
    match (given, counted(application, index)) {
        (Given::Number(_), Some(number)) => above(places, number),
        (Given::Category(_), Some(at)) => places.get(at as usize).map_or(len, |&bin| bin as usize),
        (_, number) => number.unwrap_or(0) as usize,
    }
}

/// How many of these rising edges a number is not below.
fn above(edges: &[i64], number: i64) -> usize {
    edges.partition_point(|&edge| edge <= number)
}

/// What a device's decisions with one bundle come to: counts, and which bundle, engine and runtime made
/// them. No id, no date, no value.
///
/// ```no_run
/// # fn main() -> fieldscore_runtime::Result<()> {
/// # let scorer = fieldscore_runtime::Scorer::open_path("credit.fsb", &[[0; 32]])?;
/// # let application = scorer.reference()?.0;
/// let mut summary = fieldscore_runtime::Summary::new(&scorer)?;
/// let decision = scorer.score(&application)?;
/// summary.add(&application, &decision)?;
/// let kept = summary.encode();
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct Summary {
    scorer: Scorer,
    histogram: Histogram,
    runtime: Version,
    counts: Vec<Vec<u32>>,
}

impl Summary {
    /// A summary of no decision yet.
    ///
    /// # Errors
    /// As [`Histogram::of`].
    pub fn new(scorer: &Scorer) -> Result<Self> {
        let histogram = Histogram::of(scorer)?;
        let zeros = |counts: &Vec<u32>| vec![0; counts.len()];
        Ok(Self {
            scorer: scorer.clone(),
            counts: histogram.counts.iter().map(zeros).collect(),
            runtime: Version::of_this_runtime(),
            histogram,
        })
    }

    /// Counts a decision. Allocates nothing.
    ///
    /// # Errors
    /// [`ErrorKind::WrongBundle`] where another bundle decided.
    pub fn add(&mut self, application: &Application, decision: &Decision) -> Result<()> {
        let id = self.scorer.bundle_id();
        self.check(application.schema.bundle_id() == id && decision.bundle_id == *id)?;
        self.histogram
            .count(application, decision, &mut self.counts);
        Ok(())
    }

    /// Counts the application of a record, decided again.
    ///
    /// # Errors
    /// [`ErrorKind::BadRecord`], [`ErrorKind::WrongBundle`], or as [`Scorer::score`].
    pub fn add_record(&mut self, record: &[u8]) -> Result<()> {
        let record = Record::borrow(record)?;
        self.check(record.bundle_id == *self.scorer.bundle_id())?;
        let application = restore(&record, self.scorer.schema())?;
        let decision = self.scorer.score(&application)?;
        self.add(&application, &decision)
    }

    /// Adds what another device has counted. In whatever order summaries are merged, the same comes out.
    ///
    /// # Errors
    /// [`ErrorKind::WrongBundle`] where it is another bundle's.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        self.check(self.scorer.bundle_id() == other.scorer.bundle_id())?;
        self.runtime = self.runtime.min(other.runtime);
        let others = other.counts.iter().flatten();
        for (count, other) in self.counts.iter_mut().flatten().zip(others) {
            *count = count.saturating_add(*other);
        }
        Ok(())
    }

    /// How many decisions it counts.
    pub fn decisions(&self) -> u64 {
        sum(self.counts.last())
    }

    /// The bins, with the training part's counts.
    pub fn histogram(&self) -> &Histogram {
        &self.histogram
    }

    /// The counts, in lists as [`Histogram::counts`] has them.
    pub fn counts(&self) -> &[Vec<u32>] {
        &self.counts
    }

    /// The oldest runtime that has counted.
    pub fn runtime(&self) -> Version {
        self.runtime
    }

    /// Its one encoding, to keep on the device. Few decisions show what each was like: what leaves the
    /// device is [`Summary::encode_for_sharing`].
    pub fn encode(&self) -> Vec<u8> {
        let mut out = head(&self.scorer);
        let Version {
            major,
            minor,
            patch,
        } = self.runtime;
        let mut to = Encoder::new(&mut out);
        // A vector takes whatever is written.
        let written = to
            .encode([major, minor, patch])
            .map(|to| to.encode(&self.counts).is_ok());
        debug_assert!(written.is_ok());
        out
    }

    /// As [`Summary::encode`], to send. Start a new summary once it has been sent: whoever has two of the same
    /// applications can subtract them.
    ///
    /// # Errors
    /// [`ErrorKind::TooFew`] below [`MIN_SHARED`] decisions.
    pub fn encode_for_sharing(&self) -> Result<Vec<u8>> {
        if self.decisions() < MIN_SHARED {
            let expected = "at least 20 decisions before it leaves the device";
            return Err(Error::new(ErrorKind::TooFew, "summary", expected));
        }
        Ok(self.encode())
    }

    /// Reads a summary that the same bundle made.
    ///
    /// # Errors
    /// [`ErrorKind::BadSummary`]; [`ErrorKind::WrongBundle`] where it is another bundle's; as
    /// [`Summary::new`].
    pub fn decode(scorer: &Scorer, bytes: &[u8]) -> Result<Self> {
        let mut summary = Self::new(scorer)?;
        let bad = || {
            let expected = "a whole summary, version 1, whose counts agree";
            Error::new(ErrorKind::BadSummary, "summary", expected)
        };
        let head = head(scorer);
        let Some(mut from) = bytes.strip_prefix(&head[..]).map(Reader) else {
            // Another bundle's begins alike: how many items, which version, how long an id.
            let id = bytes.get(ID..ID + 32).unwrap_or(scorer.bundle_id());
            summary.check(id == scorer.bundle_id() || !bytes.starts_with(&head[..ID]))?;
            return Err(bad());
        };
        if bytes.len() > MAX_SUMMARY_BYTES {
            return Err(bad());
        }
        let [major, minor, patch] = Read::read(&mut from).ok_or_else(bad)?;
        let counts: Vec<Vec<u32>> = Read::read(&mut from).ok_or_else(bad)?;
        summary.runtime = Version {
            major,
            minor,
            patch,
        };
        let sound = (counts.iter().map(Vec::len)).eq(summary.counts.iter().map(Vec::len));
        summary.counts = counts;
        // A list in which nothing has stopped at its greatest count adds up to all decisions.
        let all = summary.decisions();
        let agree = |counts| sum(Some(counts)) == all || all >= u32::MAX.into();
        match sound && summary.counts.iter().all(agree) && summary.encode() == bytes {
            true => Ok(summary),
            false => Err(bad()),
        }
    }

    fn check(&self, same: bool) -> Result<()> {
        if same {
            return Ok(());
        }
        let expected = "decisions and summaries of one bundle";
        Err(Error::new(ErrorKind::WrongBundle, "summary", expected))
    }
}

/// Where the bundle's id begins in a summary.
const ID: usize = 4;

/// The beginning of each summary of a bundle: all but the oldest runtime and the counts.
fn head(scorer: &Scorer) -> Vec<u8> {
    let (meta, id) = (scorer.meta(), scorer.bundle_id());
    let mut out = Vec::new();
    let mut to = Encoder::new(&mut out);
    let mut write = || {
        to.array(7)?.u32(VERSION)?.bytes(id)?;
        to.str(&meta.product)?
            .u64(meta.sequence)?
            .encode(meta.engine)
            .map(|_| ())
    };
    let written: std::result::Result<(), minicbor::encode::Error<std::convert::Infallible>> =
        write();
    // A vector takes whatever is written.
    debug_assert!(written.is_ok());
    out
}

fn sum(counts: Option<&Vec<u32>>) -> u64 {
    counts.into_iter().flatten().copied().map(u64::from).sum()
}

#[cfg(test)]
mod tests;
