//! The record: a decision with its envelope and the fields as given, in one canonical encoding.
//! `docs/bundle-format.md`, "The record", has its CDDL.

use minicbor::Encoder;

use crate::bundle::cbor::{self, Read, Reader, major};
#[cfg(feature = "casework")]
use crate::decide::policy::{Facts, Numbers};
use crate::decide::{Decision, Flags, Other, Outcome, Policy, Reasons};
use crate::error::{Error, ErrorKind, Result};
use crate::explain::Explanation;
use crate::schema::{Application, Date, Field, FieldKind, Given, Schema};

/// The version that this runtime writes.
pub const RECORD_VERSION: u32 = 1;
/// The version where the schema has tables, tensors or lists of words.
#[cfg(feature = "tables")]
pub const RECORD_VERSION_TABLES: u32 = 2;

/// The version where something is added behind the explanation: terms and the trace of tables.
#[cfg(feature = "casework")]
pub const RECORD_VERSION_ADDITIONS: u32 = 3;

/// Records are never longer.
pub const MAX_RECORD_BYTES: usize = 2 << 20;

/// A decoded record. Its `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Record<S = String> {
    /// The bundle that decided.
    pub bundle_id: [u8; 32],
    /// The application's id.
    pub id: S,
    /// The date as of which it was scored.
    pub as_of: Date,
    /// Whether the applicant consented to an automated decision.
    pub automation: bool,
    /// The values as given, by field name; fields without a value are left out.
    pub values: Vec<(S, RecordValue<S>)>,
    /// What came out.
    pub decision: RecordDecision<S>,
    /// Contributions and reasons, where they were asked for.
    pub explanation: Option<RecordExplanation<S>>,
    /// What the policy's tables said; none where there are no tables.
    #[cfg(feature = "casework")]
    pub additions: Option<RecordAdditions<S>>,
}

impl<S> std::fmt::Debug for Record<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Record(values not shown)")
    }
}

/// A value as given.
#[derive(Clone, PartialEq, Eq)]
pub enum RecordValue<S = String> {
    /// A number in units of 10^-decimals of the field, or days since 1970-01-01.
    Number(i64),
    /// True or false.
    Truth(bool),
    /// A category's code, listed or not, or text.
    Text(S),
    /// A tensor's bytes.
    #[cfg(feature = "tables")]
    Bytes(Vec<u8>),
    /// A table's rows in the order given, each with a cell for every column.
    #[cfg(feature = "tables")]
    Rows(Vec<Vec<Option<Self>>>),
}

/// The decision's part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordDecision<S = String> {
    /// The score in points.
    pub score: i32,
    /// The probability of default in parts per million.
    pub probability_ppm: u32,
    /// What the policy said.
    pub outcome: Outcome,
    /// How it came about.
    pub flags: Flags,
    /// The codes of the knock-out rules that fired.
    pub rules: Vec<S>,
    /// Probabilities beside that of default, in parts per million, by name.
    #[cfg(feature = "outputs")]
    pub others: Vec<(S, u32)>,
}

/// The explanation's part of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordExplanation<S = String> {
    /// The reference applicant's score.
    pub reference_score: i32,
    /// Points for each group, by code.
    pub groups: Vec<(S, i32)>,
    /// Points for each field, by name.
    pub fields: Vec<(S, i32)>,
    /// The codes of the reasons, in order.
    pub reasons: Vec<S>,
}

/// What stands behind a record's explanation.
#[cfg(feature = "casework")]
#[derive(Clone, PartialEq, Eq)]
pub struct RecordAdditions<S = String> {
    /// Amounts and tiers by name: a number in the value's units, or a word.
    pub terms: Vec<(S, Option<RecordValue<S>>)>,
    /// What the tables saw and which of their rules held, where the decision was explained.
    pub trace: Option<RecordTrace<S>>,
}

/// What a policy's tables saw, and which of their rules held.
#[cfg(feature = "casework")]
#[derive(Clone, PartialEq, Eq)]
pub struct RecordTrace<S = String> {
    /// The policy's values by name.
    pub values: Vec<(S, Option<i64>)>,
    /// For each table, by name, the rules that held, numbered from 1.
    pub hits: Vec<(S, Vec<u16>)>,
}

#[cfg(feature = "casework")]
impl<S> std::fmt::Debug for RecordAdditions<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordAdditions(values not shown)")
    }
}

#[cfg(feature = "casework")]
impl<S> std::fmt::Debug for RecordTrace<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecordTrace(values not shown)")
    }
}

/// The record that stands for a reference applicant: values without a decision.
pub fn reference_record(application: &Application) -> Vec<u8> {
    let decision = Explanation::empty([0; 32]).decision;
    let policy = Policy::new(0, 0, Vec::new());
    let mut out = Vec::new();
    encode_record(application, &decision, None, &policy, &[], &mut out);
    out
}

/// What of an explanation goes into a record.
pub(crate) struct Explained<'a> {
    pub reference_score: i32,
    pub groups: &'a [i32],
    pub fields: &'a [i32],
    pub reasons: &'a Reasons,
}

type Encoding = std::result::Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Writes the record into `out`, which is emptied first.
pub(crate) fn encode_record(
    application: &Application,
    decision: &Decision,
    explained: Option<Explained<'_>>,
    policy: &Policy,
    others: &[Other],
    out: &mut Vec<u8>,
) {
    out.clear();
    let written = write(
        &mut Encoder::new(out),
        application,
        decision,
        explained,
        policy,
        others,
    );
    // A vector takes whatever is written.
    debug_assert!(written.is_ok());
}

fn write(
    e: &mut Encoder<&mut Vec<u8>>,
    application: &Application,
    decision: &Decision,
    explained: Option<Explained<'_>>,
    policy: &Policy,
    others: &[Other],
) -> Encoding {
    let schema = &application.schema;
    let additions = policy.features() != 0;
    let version = match schema.features() {
        #[cfg(feature = "casework")]
        _ if additions => RECORD_VERSION_ADDITIONS,
        #[cfg(feature = "tables")]
        crate::bundle::container::features::TABLES => RECORD_VERSION_TABLES,
        _ => RECORD_VERSION,
    };
    e.array(8 + u64::from(additions))?
        .u32(version)?
        .bytes(&decision.bundle_id)?;
    e.str(&application.id)?
        .i32(application.as_of.days())?
        .bool(application.automation)?;
    let given = application
        .given
        .iter()
        .filter(|g| !matches!(g, Given::Missing))
        .count();
    e.map(given as u64)?;
    for (field, given) in schema.fields().iter().zip(&application.given) {
        if *given != Given::Missing {
            write_value(e.str(&field.name)?, application, field, *given)?;
        }
    }
    e.array(5 + u64::from(!others.is_empty()))?
        .i32(decision.score)?
        .u32(decision.probability_ppm)?;
    e.encode(decision.outcome)?.u32(decision.flags.bits())?;
    e.array(policy.fired_codes(decision.fired).count() as u64)?;
    for code in policy.fired_codes(decision.fired) {
        e.str(code)?;
    }
    if !others.is_empty() {
        e.map(others.len() as u64)?;
        for (other, ppm) in others.iter().zip(decision.others) {
            e.str(&other.name)?.u32(ppm)?;
        }
    }
    #[cfg(feature = "casework")]
    let traced = explained.is_some();
    write_explanation(e, schema, policy, explained)?;
    #[cfg(feature = "casework")]
    if additions {
        let numbers = policy.numbers(Facts::of(application, decision));
        write_additions(e, policy, &numbers, traced)?;
    }
    Ok(())
}

fn write_explanation(
    e: &mut Encoder<&mut Vec<u8>>,
    schema: &Schema,
    policy: &Policy,
    explained: Option<Explained<'_>>,
) -> Encoding {
    let Some(explained) = explained else {
        e.null()?;
        return Ok(());
    };
    e.array(4)?
        .i32(explained.reference_score)?
        .map(explained.groups.len() as u64)?;
    for (group, points) in schema.groups().iter().zip(explained.groups) {
        e.str(&group.code)?.i32(*points)?;
    }
    e.map(explained.fields.len() as u64)?;
    for (field, points) in schema.fields().iter().zip(explained.fields) {
        e.str(&field.name)?.i32(*points)?;
    }
    e.array(explained.reasons.iter().count() as u64)?;
    for reason in explained.reasons.iter() {
        e.str(reason.code(schema, policy))?;
    }
    Ok(())
}

/// A map of what there is: 0 terms, 1 the trace.
#[cfg(feature = "casework")]
fn write_additions(
    e: &mut Encoder<&mut Vec<u8>>,
    policy: &Policy,
    numbers: &Numbers,
    traced: bool,
) -> Encoding {
    e.map(1 + u64::from(traced))?.u8(0)?;
    e.map(policy.terms.len() as u64)?;
    for &at in &policy.terms {
        let at = usize::from(at);
        let value = &policy.values[at];
        e.str(&value.name)?;
        match (numbers[at], policy.word(&value.source, numbers[at])) {
            (_, Some(word)) => e.str(word)?,
            (Some(number), None) => e.i64(number)?,
            (None, None) => e.null()?,
        };
    }
    if !traced {
        return Ok(());
    }
    e.u8(1)?.array(2)?.map(policy.values.len() as u64)?;
    for (value, number) in policy.values.iter().zip(numbers) {
        e.str(&value.name)?.encode(number)?;
    }
    e.map(policy.tables.len() as u64)?;
    for table in &policy.tables {
        let hits = table.hits(numbers);
        e.str(&table.name)?.array(hits.count().into())?;
        for rule in (0..table.rules.len()).filter(|&rule| hits.contains(rule)) {
            e.u64(rule as u64 + 1)?;
        }
    }
    Ok(())
}

fn write_value(
    e: &mut Encoder<&mut Vec<u8>>,
    application: &Application,
    field: &Field,
    given: Given,
) -> Encoding {
    match given {
        Given::Missing => e.null()?,
        Given::Number(raw) => e.i64(raw)?,
        Given::Truth(truth) => e.bool(truth)?,
        Given::Category(at) => match &field.kind {
            FieldKind::Category { codes } => e.str(&codes[at as usize])?,
            _ => e.null()?,
        },
        #[cfg(feature = "tables")]
        Given::Text { start, len } if matches!(field.kind, FieldKind::Tensor { .. }) => {
            e.bytes(application.bytes_at(start, len))?
        }
        Given::Unlisted { start, len } | Given::Text { start, len } => {
            e.str(application.text_at(start, len))?
        }
        #[cfg(feature = "tables")]
        Given::Rows(at) => {
            let columns = field.kind.columns();
            let rows = application.given_rows(at, columns.len());
            e.array(rows.len() as u64)?;
            for row in rows {
                e.array(row.len() as u64)?;
                for (given, column) in row.iter().zip(columns) {
                    write_value(e, application, &column.0, *given)?;
                }
            }
            e
        }
    };
    Ok(())
}

impl Record {
    /// Decodes a record.
    ///
    /// # Errors
    /// [`ErrorKind::BadRecord`]; an error never shows what the record holds.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        Self::decode_from(bytes)
    }
}

impl<'b> Record<&'b str> {
    /// As [`Record::decode`], with the words where they lie.
    ///
    /// # Errors
    /// As [`Record::decode`].
    pub fn borrow(bytes: &'b [u8]) -> Result<Self> {
        Self::decode_from(bytes)
    }
}

impl<'b, S: From<&'b str>> Record<S> {
    fn decode_from(bytes: &'b [u8]) -> Result<Self> {
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(bad("at most 2 MiB".to_owned()));
        }
        let mut from = Reader(bytes);
        match read(&mut from) {
            Some(record) if from.0.is_empty() => Ok(record),
            read => Err(bad(cbor::expected(read.is_some(), bytes, from))),
        }
    }
}

fn bad(expected: String) -> Error {
    Error::new(ErrorKind::BadRecord, "record", expected)
}

fn read<'b, S: From<&'b str>>(from: &mut Reader<'b>) -> Option<Record<S>> {
    let parts = from.head(major::ARRAY)?;
    let additions = match u32::read(from)? {
        RECORD_VERSION => false,
        #[cfg(feature = "tables")]
        RECORD_VERSION_TABLES => false,
        #[cfg(feature = "casework")]
        RECORD_VERSION_ADDITIONS => true,
        _ => return None,
    };
    if parts != 8 + u64::from(additions) {
        return None;
    }
    let bundle_id = from.string(major::BYTES)?.try_into().ok()?;
    let id = word(from)?;
    let as_of = Date::read(from)?;
    let automation = bool::read(from)?;
    let values = pairs(from, field_value)?;
    #[cfg(feature = "outputs")]
    let others = from
        .head(major::ARRAY)?
        .checked_sub(5)
        .filter(|&more| more <= 1)?
        == 1;
    #[cfg(not(feature = "outputs"))]
    from.tuple(5)?;
    let decision = RecordDecision {
        score: i32::read(from)?,
        probability_ppm: u32::read(from)?,
        outcome: Outcome::read(from)?,
        flags: Flags::from_bits(u32::read(from)?),
        rules: words(from)?,
        #[cfg(feature = "outputs")]
        others: if others {
            pairs(from, u32::read)?
        } else {
            Vec::new()
        },
    };
    let explanation = if from.null() {
        None
    } else {
        from.tuple(4)?;
        Some(RecordExplanation {
            reference_score: i32::read(from)?,
            groups: pairs(from, i32::read)?,
            fields: pairs(from, i32::read)?,
            reasons: words(from)?,
        })
    };
    #[cfg(feature = "casework")]
    let additions = match additions {
        true => Some(read_additions(from)?),
        false => None,
    };
    Some(Record {
        bundle_id,
        id,
        as_of,
        automation,
        values,
        decision,
        explanation,
        #[cfg(feature = "casework")]
        additions,
    })
}

#[cfg(feature = "casework")]
fn read_additions<'b, S: From<&'b str>>(from: &mut Reader<'b>) -> Option<RecordAdditions<S>> {
    let some = |from: &mut Reader<'b>| match from.null() {
        true => Some(None),
        false => value(from).map(Some),
    };
    let rules = |from: &mut Reader<'b>| {
        let count = from.head(major::ARRAY)?;
        (0..count).map(|_| u16::read(from)).collect()
    };
    let count = from.head(major::MAP)?;
    (u64::read(from)? == 0).then_some(())?;
    let terms = pairs(from, some)?;
    let trace = match count {
        1 => None,
        2 => {
            (u64::read(from)? == 1).then_some(())?;
            from.tuple(2)?;
            Some(RecordTrace {
                values: pairs(from, Option::read)?,
                hits: pairs(from, rules)?,
            })
        }
        _ => return None,
    };
    Some(RecordAdditions { terms, trace })
}

fn word<'b, S: From<&'b str>>(from: &mut Reader<'b>) -> Option<S> {
    <&str>::read(from).map(S::from)
}

fn value<'b, S: From<&'b str>>(from: &mut Reader<'b>) -> Option<RecordValue<S>> {
    Some(match from.peek()? {
        0xf4 | 0xf5 => RecordValue::Truth(bool::read(from)?),
        first if first & !31 == major::TEXT => RecordValue::Text(word(from)?),
        #[cfg(feature = "tables")]
        first if first & !31 == major::BYTES => {
            RecordValue::Bytes(from.string(major::BYTES)?.to_vec())
        }
        _ => RecordValue::Number(i64::read(from)?),
    })
}

/// What a field holds: a value, or a table's rows.
fn field_value<'b, S: From<&'b str>>(from: &mut Reader<'b>) -> Option<RecordValue<S>> {
    #[cfg(feature = "tables")]
    if from.peek()? & !31 == major::ARRAY {
        let rows = from.head(major::ARRAY)?;
        let cell = |from: &mut Reader<'b>| match from.null() {
            true => Some(None),
            false => value(from).map(Some),
        };
        let row = |_| {
            let cells = from.head(major::ARRAY)?;
            (0..cells).map(|_| cell(from)).collect()
        };
        return (0..rows)
            .map(row)
            .collect::<Option<_>>()
            .map(RecordValue::Rows);
    }
    value(from)
}

// Lists grow as items are read: a stated length allocates nothing.

fn pairs<'b, S: From<&'b str>, T>(
    from: &mut Reader<'b>,
    item: impl Fn(&mut Reader<'b>) -> Option<T>,
) -> Option<Vec<(S, T)>> {
    let count = from.head(major::MAP)?;
    (0..count)
        .map(|_| Some((word(from)?, item(from)?)))
        .collect()
}

fn words<'b, S: From<&'b str>>(from: &mut Reader<'b>) -> Option<Vec<S>> {
    let count = from.head(major::ARRAY)?;
    (0..count).map(|_| word(from)).collect()
}

/// The application that a record is of.
pub(crate) fn restore<S: AsRef<str>>(
    record: &Record<S>,
    schema: &std::sync::Arc<Schema>,
) -> Result<Application> {
    let id = record.id.as_ref();
    let mut application = Application::new(std::sync::Arc::clone(schema), id, record.as_of);
    application.set_automation_consent(record.automation);
    for (name, value) in &record.values {
        let index = schema.index_of(name.as_ref())?;
        application.restore_at(index, value)?;
    }
    Ok(application)
}
