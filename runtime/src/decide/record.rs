//! The record: a decision with its envelope and the fields as given, in one canonical encoding.
//! `docs/bundle-format.md`, "The record", has its CDDL.

use minicbor::Encoder;

use crate::bundle::cbor::{self, Read, Reader, major};
#[cfg(feature = "casework")]
use crate::decide::Shadow;
#[cfg(feature = "casework")]
use crate::decide::policy::{Facts, Numbers};
use crate::decide::{Decision, Flags, Other, Outcome, Policy, Reasons};
use crate::error::{Error, ErrorKind, Result};
use crate::explain::Explanation;
use crate::schema::{Application, Date, Field, FieldKind, Given, Schema};
#[cfg(feature = "casework")]
use crate::scorer::Alternative;

/// The version that this runtime writes.
pub const RECORD_VERSION: u32 = 1;
/// The version where the schema has tables, tensors or lists of words.
#[cfg(feature = "tables")]
pub const RECORD_VERSION_TABLES: u32 = 2;

/// The version where something is added behind the explanation: terms and the trace of tables, alternatives,
/// what a challenger says.
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
    /// What surrounds the decision; none where nothing does.
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
    /// What would change the decision, where that was asked for.
    pub alternatives: Option<Vec<RecordAlternative<S>>>,
    /// What the challenger said, where it scored the application.
    pub challenger: Option<RecordShadow>,
}

/// Changes that lead to a better outcome.
#[cfg(feature = "casework")]
#[derive(Clone, PartialEq, Eq)]
pub struct RecordAlternative<S = String> {
    /// New values by field name: numbers, booleans as 0 or 1, categories' codes as text.
    pub changes: Vec<(S, RecordValue<S>)>,
    /// The score with them.
    pub score: i32,
    /// The outcome with them.
    pub outcome: Outcome,
}

/// A challenger's part of a record.
#[cfg(feature = "casework")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordShadow {
    /// The challenger's own bundle id.
    pub bundle_id: [u8; 32],
    /// What it said.
    pub shadow: Shadow,
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
    let reference = Recorded {
        application,
        decision: &decision,
        explained: None,
        policy: &policy,
        others: &[],
        #[cfg(feature = "casework")]
        alternatives: None,
        #[cfg(feature = "casework")]
        challenger: None,
    };
    encode_record(&reference, &mut out);
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

/// What a record is made of.
pub(crate) struct Recorded<'a> {
    pub application: &'a Application,
    pub decision: &'a Decision,
    pub explained: Option<Explained<'a>>,
    pub policy: &'a Policy,
    pub others: &'a [Other],
    #[cfg(feature = "casework")]
    pub alternatives: Option<&'a [Alternative]>,
    /// The id of the challenger's bundle.
    #[cfg(feature = "casework")]
    pub challenger: Option<&'a [u8; 32]>,
}

/// Writes the record into `out`, which is emptied first.
pub(crate) fn encode_record(of: &Recorded<'_>, out: &mut Vec<u8>) {
    out.clear();
    let written = write(&mut Encoder::new(out), of);
    // A vector takes whatever is written.
    debug_assert!(written.is_ok());
}

fn write(e: &mut Encoder<&mut Vec<u8>>, of: &Recorded<'_>) -> Encoding {
    let Recorded {
        application,
        decision,
        policy,
        others,
        ..
    } = *of;
    let schema = &application.schema;
    #[cfg(feature = "casework")]
    let additions = of.additions();
    #[cfg(not(feature = "casework"))]
    let additions = 0;
    let version = match schema.features() {
        #[cfg(feature = "casework")]
        _ if additions > 0 => RECORD_VERSION_ADDITIONS,
        #[cfg(feature = "tables")]
        crate::bundle::container::features::TABLES => RECORD_VERSION_TABLES,
        _ => RECORD_VERSION,
    };
    e.array(8 + u64::from(additions > 0))?
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
    write_explanation(e, schema, policy, of.explained.as_ref())?;
    #[cfg(feature = "casework")]
    if additions > 0 {
        e.map(additions)?;
        write_additions(e, of)?;
    }
    Ok(())
}

fn write_explanation(
    e: &mut Encoder<&mut Vec<u8>>,
    schema: &Schema,
    policy: &Policy,
    explained: Option<&Explained<'_>>,
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

#[cfg(feature = "casework")]
impl Recorded<'_> {
    /// The trace stands in records of explanations.
    fn traced(&self) -> bool {
        self.policy.features() != 0 && self.explained.is_some()
    }

    /// The challenger's bundle and what it says.
    fn shadow(&self) -> Option<(&[u8; 32], Shadow)> {
        self.challenger.zip(self.decision.challenger)
    }

    /// How many entries the map of additions has.
    fn additions(&self) -> u64 {
        u64::from(self.policy.features() != 0)
            + u64::from(self.traced())
            + u64::from(self.alternatives.is_some())
            + u64::from(self.shadow().is_some())
    }
}

/// The entries of a map of what there is: 0 terms, 1 the trace, 2 alternatives, 3 what the challenger says.
#[cfg(feature = "casework")]
fn write_additions(e: &mut Encoder<&mut Vec<u8>>, of: &Recorded<'_>) -> Encoding {
    let policy = of.policy;
    if policy.features() != 0 {
        let numbers = policy.numbers(Facts::of(of.application, of.decision));
        write_terms(e.u8(0)?, policy, &numbers)?;
        if of.traced() {
            write_trace(e.u8(1)?, policy, &numbers)?;
        }
    }
    if let Some(alternatives) = of.alternatives {
        write_alternatives(e.u8(2)?, &of.application.schema, alternatives)?;
    }
    if let Some((bundle_id, shadow)) = of.shadow() {
        e.u8(3)?.array(4)?.bytes(bundle_id)?;
        e.i32(shadow.score)?.u32(shadow.probability_ppm)?;
        e.encode(shadow.outcome)?;
    }
    Ok(())
}

#[cfg(feature = "casework")]
fn write_terms(e: &mut Encoder<&mut Vec<u8>>, policy: &Policy, numbers: &Numbers) -> Encoding {
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
    Ok(())
}

#[cfg(feature = "casework")]
fn write_trace(e: &mut Encoder<&mut Vec<u8>>, policy: &Policy, numbers: &Numbers) -> Encoding {
    e.array(2)?.map(policy.values.len() as u64)?;
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

#[cfg(feature = "casework")]
fn write_alternatives(
    e: &mut Encoder<&mut Vec<u8>>,
    schema: &Schema,
    alternatives: &[Alternative],
) -> Encoding {
    e.array(alternatives.len() as u64)?;
    for alternative in alternatives {
        e.array(3)?.map(alternative.changes.len() as u64)?;
        for change in &alternative.changes {
            let field = &schema.fields()[usize::from(change.field)];
            e.str(&field.name)?;
            match &field.kind {
                FieldKind::Category { codes } => e.str(&codes[change.value as usize])?,
                _ => e.i64(change.value)?,
            };
        }
        e.i32(alternative.decision.score)?
            .encode(alternative.decision.outcome)?;
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

impl<S> Record<S> {
    /// Whether an explanation stands in it, and whether alternatives do.
    pub(crate) fn extent(&self) -> (bool, bool) {
        #[cfg(feature = "casework")]
        let alternatives = self
            .additions
            .as_ref()
            .is_some_and(|own| own.alternatives.is_some());
        #[cfg(not(feature = "casework"))]
        let alternatives = false;
        (self.explanation.is_some(), alternatives)
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
    let mut entries = from.map()?;
    let terms = match from.find(&mut entries, 0)? {
        true => pairs(from, some)?,
        false => Vec::new(),
    };
    let trace = match from.find(&mut entries, 1)? {
        true => {
            from.tuple(2)?;
            Some(RecordTrace {
                values: pairs(from, Option::read)?,
                hits: pairs(from, rules)?,
            })
        }
        false => None,
    };
    let alternatives = match from.find(&mut entries, 2)? {
        true => Some(read_alternatives(from)?),
        false => None,
    };
    let challenger = match from.find(&mut entries, 3)? {
        true => {
            from.tuple(4)?;
            let bundle_id = from.string(major::BYTES)?.try_into().ok()?;
            let shadow = Shadow {
                score: i32::read(from)?,
                probability_ppm: u32::read(from)?,
                outcome: Outcome::read(from)?,
            };
            Some(RecordShadow { bundle_id, shadow })
        }
        false => None,
    };
    from.end(entries)?;
    Some(RecordAdditions {
        terms,
        trace,
        alternatives,
        challenger,
    })
}

#[cfg(feature = "casework")]
fn read_alternatives<'b, S: From<&'b str>>(
    from: &mut Reader<'b>,
) -> Option<Vec<RecordAlternative<S>>> {
    let count = from.head(major::ARRAY)?;
    let one = |_| {
        from.tuple(3)?;
        Some(RecordAlternative {
            changes: pairs(from, value)?,
            score: i32::read(from)?,
            outcome: Outcome::read(from)?,
        })
    };
    (0..count).map(one).collect()
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
