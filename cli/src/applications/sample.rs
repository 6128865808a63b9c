//! A small bundle for the tests of this crate's readers, writers and verbs.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use fieldscore_runtime::bundle::container::{SectionKind, Version, write_container};
use fieldscore_runtime::bundle::{EngineKind, Meta, encode};
use fieldscore_runtime::decide::{
    Calibration, Condition, DecideParts, KnockOut, Other, OutputKind, Policy, ScoreScale, Test,
    reference_record,
};
use fieldscore_runtime::kernels::pack_dense_float;
use fieldscore_runtime::plan::{Buffer, ElementType, Model, PLAN_VERSION, Plan, Port, Step};
use fieldscore_runtime::schema::transform::{Block, Encoding, TransformParts};
use fieldscore_runtime::schema::{
    Answer, Field, FieldKind, Group, Schema, SchemaParts, Sensitivity, TextEntry, Texts,
};
use fieldscore_runtime::{Application, Date, DecimalMark, KnownAnswers, Outcome, Scorer};

use super::{InputFormat, ReadOptions, Reader, Source};
use crate::keys::Signing;

pub(crate) fn day() -> Date {
    Date::from_ymd(2026, 9, 1).unwrap()
}

pub(crate) fn options() -> ReadOptions {
    ReadOptions {
        mark: DecimalMark::Point,
        separator: b',',
        as_of: day(),
        strict: false,
    }
}

pub(crate) fn field(name: &str, code: &str, kind: FieldKind, group: u16) -> Field {
    Field {
        name: name.to_owned(),
        kind,
        unit: String::new(),
        range: None,
        missing: Answer::Accept,
        out_of_range: Answer::Clip,
        unknown: Answer::AsMissing,
        sensitivity: Sensitivity::Personal,
        changeable: true,
        reason_code: code.to_owned(),
        group,
        change: None,
    }
}

fn parts() -> SchemaParts {
    let homes = ["owner", "rent"].map(str::to_owned).to_vec();
    let income = Field {
        missing: Answer::Refuse,
        out_of_range: Answer::Refuse,
        range: Some((0, 10_000)),
        unit: "EUR".to_owned(),
        ..field("income", "R1", FieldKind::Integer, 0)
    };
    SchemaParts {
        fields: vec![
            income,
            field("rate", "R2", FieldKind::Decimal { decimals: 1 }, 0),
            field("home", "R3", FieldKind::Category { codes: homes }, 1),
            field("owner", "R4", FieldKind::Boolean, 1),
            field("since", "R5", FieldKind::Date, 1),
        ],
        groups: [("means", "G1"), ("living", "G2")]
            .map(|(name, code)| Group {
                name: name.to_owned(),
                code: code.to_owned(),
            })
            .to_vec(),
    }
}

/// income (whole number 0 to 10000, never missing), rate (one decimal), home (owner, rent), owner
/// (boolean), since (date).
pub(crate) fn schema() -> Arc<Schema> {
    Arc::new(Schema::new(parts(), [0; 32]).unwrap())
}

pub(crate) fn reader(text: &str, options: ReadOptions) -> crate::Result<Reader> {
    reader_of(text, options, &schema())
}

pub(crate) fn reader_of(
    text: &str,
    options: ReadOptions,
    schema: &Arc<Schema>,
) -> crate::Result<Reader> {
    let source = Source::new("in", std::io::Cursor::new(text.as_bytes().to_vec()))?;
    let format = Some(match text.trim_start().starts_with('{') {
        true => InputFormat::Jsonl,
        false => InputFormat::Csv,
    });
    Reader::new(source, format, Arc::clone(schema), options)
}

fn block(name: &str, source: u16, encode: Encoding) -> Block {
    Block {
        name: name.to_owned(),
        source,
        impute: None,
        missing_flag: false,
        clip: None,
        log: false,
        encode,
    }
}

/// A bundle over [`schema`]: one dense step over income, rate and home, signed with `key`.
pub(crate) fn bundle(key: &Signing) -> Vec<u8> {
    bundle_naming(key, &[])
}

/// The same with further probabilities of these names, all of them the score's own number.
fn bundle_naming(key: &Signing, others: &[&str]) -> Vec<u8> {
    let schema = schema();
    let mut reference = Application::new(Arc::clone(&schema), "reference", day());
    reference.set("income", 2000).unwrap();
    let income = Encoding::Standardise {
        mean: 2000.0,
        deviation: 1000.0,
    };
    let transforms = TransformParts {
        columns: Vec::new(),
        blocks: vec![
            block("income", 0, income),
            block("rate", 1, Encoding::Plain),
            block("home", 2, Encoding::OneHot { categories: 2 }),
        ],
    };
    let buffer = |len, offset| Buffer {
        element: ElementType::F32,
        len,
        offset,
    };
    let port = |name: &str, buffer| Port {
        name: name.to_owned(),
        buffer,
    };
    let plan = Plan {
        version: PLAN_VERSION,
        models: vec![Model {
            name: "main".to_owned(),
            inputs: vec![port("features", 0)],
            outputs: vec![port("logit", 1)],
            buffers: vec![buffer(4, 0), buffer(1, 64)],
            arena_bytes: 128,
            steps: vec![Step::DenseFloat {
                input: 0,
                output: 1,
                weights: 0,
                half: false,
                relu: false,
            }],
        }],
    };
    let decide = DecideParts {
        blend: None,
        others: others.iter().map(|name| other(name)).collect(),
        output: OutputKind::Logit,
        calibration: Calibration {
            knots: vec![(-9_657_637, -9_657_637), (9_657_637, 9_657_637)],
        },
        scale: ScoreScale::new(600.0, 19.0, 50.0, 300, 850),
        reference: reference_record(&reference),
        budget: 64,
    };
    let rule = KnockOut {
        code: "K1".to_owned(),
        when: vec![Condition {
            field: 1,
            test: Test::Above(90),
        }],
        outcome: Outcome::Refer,
    };
    let policy = Policy::new(560, 480, vec![rule]);
    let text = |key: &str, en: &str, zh: &str| TextEntry {
        key: key.to_owned(),
        texts: vec![en.to_owned(), zh.to_owned()],
    };
    let texts = Texts {
        languages: vec!["en".to_owned(), "zh".to_owned()],
        entries: vec![
            text("field.home.reason", "Housing", "居住情况"),
            text("field.income.label", "Income", "收入"),
            text("field.income.reason", "Income is low", "收入较低"),
            text("field.rate.reason", "The rate is high", "利率较高"),
            text("rule.K1", "The rate needs a person", "利率需人工审核"),
        ],
    };
    let meta = Meta {
        product: "sample".to_owned(),
        sequence: 7,
        not_before: Date::from_ymd(2026, 1, 1),
        not_after: Date::from_ymd(2036, 12, 31),
        engine: EngineKind::Plan,
        score_as_typed: false,
    };
    let answers = KnownAnswers {
        records: Vec::new(),
    };
    let weights = pack_dense_float(4, &[-1.2, 0.08, -0.7, 0.4], &[-2.0], false);
    let sections = [
        (SectionKind::META, encode(&meta)),
        (SectionKind::SCHEMA, encode(&parts())),
        (SectionKind::TRANSFORMS, encode(&transforms)),
        (SectionKind::PLAN, encode(&plan)),
        (SectionKind::WEIGHTS, weights),
        (SectionKind::DECIDE, encode(&decide)),
        (SectionKind::POLICY, encode(&policy)),
        (SectionKind::TEXTS, encode(&texts)),
        (SectionKind::KNOWN_ANSWERS, encode(&answers)),
        (
            SectionKind::CARD,
            br#"{"auc":0.8125,"rows":[1,2]}"#.to_vec(),
        ),
    ];
    let sections: Vec<(SectionKind, bool, &[u8])> = sections
        .iter()
        .map(|(kind, body)| (*kind, *kind != SectionKind::CARD, body.as_slice()))
        .collect();
    let sign = |message: &[u8]| Ok::<_, std::convert::Infallible>(key.sign(message));
    let features = decide.features();
    write_container(
        &sections,
        features,
        Version::of_this_runtime(),
        key.id(),
        sign,
    )
    .unwrap()
}

fn other(name: &str) -> Other {
    Other {
        name: name.to_owned(),
        output: 0,
        element: 0,
        kind: OutputKind::Logit,
        calibration: Calibration {
            knots: vec![(-9_657_637, -9_657_637), (9_657_637, 9_657_637)],
        },
    }
}

/// The sample bundle with further probabilities, opened.
pub(crate) fn scorer_naming(others: &[&str]) -> Scorer {
    let key = Signing::development();
    Scorer::open(bundle_naming(&key, others), &[key.public()]).unwrap()
}

/// The sample bundle, opened.
pub(crate) fn scorer() -> Scorer {
    let key = Signing::development();
    Scorer::open(bundle(&key), &[key.public()]).unwrap()
}
