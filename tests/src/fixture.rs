//! A small bundle made in memory: every field type, five groups, a random net.

use std::sync::Arc;

use fieldscore_models::keys::Signing;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::bundle::{EngineKind, Meta, encode};
use fieldscore_runtime::decide::{
    Calibration, Condition, DecideParts, KnockOut, LOG_ODDS_ONE, MAX_LOG_ODDS, OutputKind, Policy,
    ScoreScale, Test, reference_record,
};
use fieldscore_runtime::kernels::{pack_dense_float, pack_dense_i8};
use fieldscore_runtime::plan::ensemble::Split;
use fieldscore_runtime::plan::{Buffer, ElementType, Model, PLAN_VERSION, Plan, Port, Step};
use fieldscore_runtime::schema::transform::{
    Block, Column, Encoding, Operation, TransformParts, Transforms,
};
use fieldscore_runtime::schema::{
    Answer, Field, FieldKind, Group, Schema, SchemaParts, Sensitivity, TextEntry, Texts,
};
use fieldscore_runtime::{Application, Date, KnownAnswers, Outcome, Scorer, Value};

use crate::forest::{self, Likeness};
use crate::naive;
use crate::random::Random;
use crate::surgery::{self, Part};

/// The key that signs the fixtures.
pub fn key() -> Signing {
    Signing::development()
}

/// A day on which the fixtures hold.
pub fn today() -> Date {
    Date::from_ymd(2026, 9, 1).expect("a date")
}

/// Everything that a bundle says, to be changed before it is packed.
#[derive(Debug, Clone)]
pub struct Parts {
    /// META
    pub meta: Meta,
    /// SCHM
    pub schema: SchemaParts,
    /// TRNS
    pub transforms: TransformParts,
    /// PLAN
    pub plan: Plan,
    /// WGTS
    pub weights: Vec<u8>,
    /// DCDE
    pub decide: DecideParts,
    /// PLCY
    pub policy: Policy,
    /// TEXT
    pub texts: Texts,
    /// KATV
    pub answers: KnownAnswers,
}

/// A field of the fixtures' usual kind, to be changed.
pub fn field(name: &str, kind: FieldKind, group: u16, reason_code: &str) -> Field {
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
        reason_code: reason_code.to_owned(),
        group,
        change: None,
    }
}

/// A block of features that imputes 0 and has no missing flag, to be changed.
pub fn block(name: &str, source: u16, encode: Encoding) -> Block {
    Block {
        name: name.to_owned(),
        source,
        impute: Some(0.0),
        missing_flag: false,
        clip: None,
        log: false,
        encode,
    }
}

/// The fields: `income`, `expenses` (group 0), `home` (1), `employed`, `since` (2), `years` (3),
/// `note` (4).
fn schema() -> SchemaParts {
    let money = FieldKind::Money {
        currency: "EUR".to_owned(),
        decimals: 2,
    };
    let home = ["owner", "rent", "other"].map(str::to_owned).to_vec();
    let mut fields = vec![
        field("income", money, 0, "R1"),
        field("expenses", FieldKind::Decimal { decimals: 1 }, 0, "R2"),
        field("home", FieldKind::Category { codes: home }, 1, "R3"),
        field("employed", FieldKind::Boolean, 2, "R4"),
        field("since", FieldKind::Date, 2, "R5"),
        field("years", FieldKind::Integer, 3, "R6"),
        field("note", FieldKind::Text { buckets: 4 }, 4, "R7"),
    ];
    fields[0].range = Some((0, 1_000_000));
    fields[1].range = Some((0, 50_000));
    fields[5].range = Some((0, 60));
    let groups = (1..=5)
        .map(|n| Group {
            name: format!("group{n}"),
            code: format!("G{n}"),
        })
        .collect();
    SchemaParts { fields, groups }
}

fn transforms() -> TransformParts {
    let standardise = |mean, deviation| Encoding::Standardise { mean, deviation };
    let mut income = block(
        "income",
        0,
        Encoding::Piecewise {
            edges: vec![0.0, 800.0, 1500.0, 3000.0, 10_000.0],
        },
    );
    income.missing_flag = true;
    let mut spare = block("spare", 7, standardise(900.0, 1500.0));
    spare.clip = Some((-5000.0, 10_000.0));
    let mut share = block("share", 8, Encoding::Plain);
    share.clip = Some((0.0, 4.0));
    let mut since = block("since", 4, standardise(60.0, 40.0));
    since.clip = Some((0.0, 480.0));
    let mut years = block("years", 5, standardise(2.0, 1.0));
    years.log = true;
    TransformParts {
        columns: vec![Column::Difference(0, 1), Column::Ratio(1, 0)],
        blocks: vec![
            income,
            spare,
            share,
            block("home", 2, Encoding::OneHot { categories: 3 }),
            block(
                "employed",
                3,
                Encoding::Ordinal {
                    values: vec![-1.0, 1.0],
                },
            ),
            since,
            years,
            block("note", 6, Encoding::OneHot { categories: 4 }),
        ],
    }
}

fn texts(schema: &SchemaParts) -> Texts {
    let mut entries: Vec<TextEntry> = Vec::new();
    let mut add = |key: String, en: &str, zh: &str| {
        entries.push(TextEntry {
            key,
            texts: vec![en.to_owned(), zh.to_owned()],
        });
    };
    for field in &schema.fields {
        let name = &field.name;
        add(format!("field.{name}.label"), &format!("{name} label"), "");
        add(
            format!("field.{name}.reason"),
            &format!("{name} is low"),
            "较低",
        );
    }
    for code in ["S1", "S2", "S3", "S4", "S5", "S6"] {
        add(format!("system.{code}"), &format!("person: {code}"), "人工");
    }
    add("rule.K1".to_owned(), "too large", "过大");
    entries.sort_by(|a, b| a.key.cmp(&b.key));
    Texts {
        languages: vec!["en".to_owned(), "zh-Hans".to_owned()],
        entries,
    }
}

/// How the layers of a random net compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// int8 throughout.
    Int8,
    /// f32 throughout.
    F32,
}

impl Parts {
    /// The small bundle's parts; the net follows from `seed`.
    pub fn small(seed: u64) -> Self {
        Self::with_net(seed, &[8, 4], Arithmetic::Int8)
    }

    /// As [`Parts::small`], with hidden layers of these widths.
    pub fn with_net(seed: u64, hidden: &[usize], arithmetic: Arithmetic) -> Self {
        let schema = schema();
        let transforms = transforms();
        let fields = Transforms::new(transforms.clone(), &schema.fields).expect("sound");
        let (plan, weights) = net(&mut Random::new(seed), fields.width(), hidden, arithmetic);
        let texts = texts(&schema);
        let rule = KnockOut {
            code: "K1".to_owned(),
            when: vec![Condition {
                field: 0,
                test: Test::Above(900_000),
            }],
            outcome: Outcome::Decline,
        };
        let policy = Policy::new(560, 480, vec![rule]);
        let mut parts = Self {
            meta: Meta {
                product: "fixture".to_owned(),
                sequence: 1,
                not_before: Date::from_ymd(2026, 1, 1),
                not_after: Date::from_ymd(2026, 12, 31),
                engine: EngineKind::Plan,
                score_as_typed: false,
            },
            schema,
            transforms,
            plan,
            weights,
            decide: DecideParts {
                blend: None,
                others: Vec::new(),
                output: OutputKind::Logit,
                calibration: Calibration {
                    knots: vec![
                        (-12 * LOG_ODDS_ONE, -MAX_LOG_ODDS),
                        (0, 0),
                        (11 * LOG_ODDS_ONE, MAX_LOG_ODDS),
                    ],
                },
                scale: ScoreScale::new(550.0, 1.0, 50.0, 300, 850),
                reference: Vec::new(),
                budget: 4096,
            },
            policy,
            texts,
            answers: KnownAnswers {
                records: Vec::new(),
            },
        };
        let reference = parts.ordinary("reference");
        parts.set_reference(&reference);
        // The reference applicant's odds come out even: random nets then score in mid-scale.
        let transforms = Transforms::new(parts.transforms.clone(), &parts.schema.fields);
        let features = transforms.and_then(|t| t.features(&reference));
        let all = naive::run(
            &parts.plan.models[0],
            &parts.weights,
            &features.expect("features"),
        );
        if let Some(Some(naive::Values::Floats(out))) = all.last() {
            let shift = (out[0] * LOG_ODDS_ONE as f32) as i32;
            for knot in &mut parts.decide.calibration.knots {
                knot.0 = knot.0.saturating_add(shift);
            }
        }
        parts
    }

    /// As [`Parts::small`], as a scorecard: random points for bins of every field and column, the
    /// floor and the ceiling within reach.
    pub fn scorecard(seed: u64) -> Self {
        let mut parts = Self::small(seed);
        let mut random = Random::new(seed);
        let mut points = |count: usize| -> Vec<f64> {
            let one = |random: &mut Random| {
                f64::from(random.float(-60.0, 60.0) * 1024.0).round() / 1024.0
            };
            (0..count).map(|_| one(&mut random)).collect()
        };
        let mut blocks = Vec::new();
        let mut add = |name: &str, source: u16, first: Operation, missing: f64| {
            let impute = Operation::Impute { value: missing };
            let operations = vec![first, impute];
            let mut block = block(name, source, Encoding::Chain { operations });
            block.impute = None;
            blocks.push(block);
        };
        for (name, source, edges) in [
            ("income", 0, [800.0, 1500.0, 3000.0]),
            ("spare", 7, [0.0, 700.0, 2000.0]),
            ("share", 8, [0.25, 0.5, 0.9]),
            ("since", 4, [12.0, 48.0, 120.0]),
            ("years", 5, [2.0, 5.0, 12.0]),
        ] {
            let values = points(4);
            let edges = edges.to_vec();
            add(
                name,
                source,
                Operation::Bins { edges, values },
                points(1)[0],
            );
        }
        for (name, source, count) in [("home", 2, 3), ("employed", 3, 2), ("note", 6, 4)] {
            let values = points(count);
            add(name, source, Operation::Lookup { values }, points(1)[0]);
        }
        let width = blocks.len();
        parts.transforms.blocks = blocks;
        parts.weights = pack_dense_float(width, &vec![1.0; width], &[550.5], false);
        let buffer = |len: usize, offset| Buffer {
            element: ElementType::F32,
            len: len as u32,
            offset,
        };
        let model = &mut parts.plan.models[0];
        model.buffers = vec![buffer(width, 0), buffer(1, 64)];
        model.arena_bytes = 128;
        model.steps = vec![Step::DenseFloat {
            input: 0,
            output: 1,
            weights: 0,
            half: false,
            relu: false,
        }];
        (model.inputs[0].buffer, model.outputs[0].buffer) = (0, 1);
        parts.decide.output = OutputKind::Points;
        parts.decide.scale = ScoreScale::new(550.0, 1.0, 50.0, 450, 650);
        parts
    }

    /// As [`Parts::small`], with a random forest instead of the net, which takes missing values itself.
    pub fn with_forest(seed: u64, trees: usize, leaves: usize, element: ElementType) -> Self {
        let mut parts = Self::small(seed);
        for block in &mut parts.transforms.blocks {
            block.impute = Some(f64::NAN);
        }
        let mut random = Random::new(seed);
        let fields = Transforms::new(parts.transforms.clone(), &parts.schema.fields);
        let features = fields.expect("sound").width();
        let likeness = Likeness {
            features,
            trees,
            leaves,
            outputs: 1,
            input: element,
            sum: element,
        };
        let mut ensemble = forest::ensemble(&mut random, &likeness);
        while ensemble.slots.len() < features {
            ensemble = forest::ensemble(&mut random, &likeness);
        }
        // Every feature counts, and thresholds are where the fixtures' features are.
        for (at, slot) in ensemble.slots.iter_mut().enumerate() {
            slot.feature = (at % features) as u32;
            if let Split::Thresholds { values, .. } = &mut slot.split {
                let count = values.len() as f64;
                for (at, value) in values.iter_mut().enumerate() {
                    *value = forest::held(at as f64 / count * 1.2 - 0.1, element);
                }
            }
        }
        (ensemble.divisor, ensemble.factor) = (1.0, 1.0);
        (parts.plan, parts.weights) = forest::plan(&ensemble, features);
        parts.decide.calibration = Calibration {
            knots: vec![(-MAX_LOG_ODDS, -MAX_LOG_ODDS), (MAX_LOG_ODDS, MAX_LOG_ODDS)],
        };
        parts
    }

    /// An application for these parts outside any bundle.
    pub fn application(&self, id: &str) -> Application {
        let schema = Schema::new(self.schema.clone(), [0; 32]).expect("a sound schema");
        Application::new(Arc::new(schema), id, today())
    }

    /// [`fill`] for these parts outside any bundle.
    pub fn ordinary(&self, id: &str) -> Application {
        let mut application = self.application(id);
        fill(&mut application);
        application
    }

    /// Makes `application` the reference applicant.
    pub fn set_reference(&mut self, application: &Application) {
        self.decide.reference = reference_record(application);
    }

    /// The sections.
    pub fn sections(&self) -> Vec<Part> {
        vec![
            (SectionKind::META, true, encode(&self.meta)),
            (SectionKind::SCHEMA, true, encode(&self.schema)),
            (SectionKind::TRANSFORMS, true, encode(&self.transforms)),
            (SectionKind::PLAN, true, encode(&self.plan)),
            (SectionKind::WEIGHTS, true, self.weights.clone()),
            (SectionKind::DECIDE, true, encode(&self.decide)),
            (SectionKind::POLICY, true, encode(&self.policy)),
            (SectionKind::TEXTS, true, encode(&self.texts)),
            (SectionKind::KNOWN_ANSWERS, true, encode(&self.answers)),
            (SectionKind::CARD, false, b"{}".to_vec()),
        ]
    }

    /// The bundle, signed.
    pub fn bundle(&self) -> Vec<u8> {
        surgery::assemble(&self.sections(), &key())
    }

    /// The bundle, opened.
    pub fn scorer(&self) -> Scorer {
        Scorer::open(self.bundle(), &[key().public()]).expect("a sound bundle")
    }

    /// Computes `count` known answers on the bundle itself.
    #[must_use]
    pub fn with_answers(mut self, count: usize) -> Self {
        let scorer = self.scorer();
        let mut random = Random::new(4711);
        self.answers.records = (0..count)
            .map(|number| {
                let application = draw(&scorer, &format!("known-{number}"), &mut random);
                let mut explanation = scorer.explain(&application).expect("a decision");
                explanation.decision.bundle_id = [0; 32];
                let mut record = Vec::new();
                scorer.record_explained(&application, &explanation, &mut record);
                record.into()
            })
            .collect();
        self
    }
}

/// Sets every field to an ordinary value.
pub fn fill(application: &mut Application) {
    let date = Date::from_ymd(2019, 5, 20).expect("a date");
    let values: [(&str, Value<'_>); 7] = [
        ("income", Value::Minor(180_000)),
        ("expenses", Value::Number(912.5)),
        ("home", Value::Text("rent")),
        ("employed", Value::Boolean(true)),
        ("since", Value::Date(date)),
        ("years", Value::Integer(6)),
        ("note", Value::Text("none")),
    ];
    for (name, value) in values {
        application.set(name, value).expect("an ordinary value");
    }
}

/// A random application: missing, unlisted and out-of-range values now and then.
pub fn draw(scorer: &Scorer, id: &str, random: &mut Random) -> Application {
    let mut application = scorer.application(id, today());
    let fields = scorer.schema().fields().to_vec();
    for (index, field) in fields.iter().enumerate() {
        if random.once_in(6) {
            continue;
        }
        let text: String;
        let (low, high) = field.range.unwrap_or((0, 1000));
        let raw = random.whole(low - 5, high + (high - low) / 8);
        let value = match &field.kind {
            FieldKind::Integer => Value::Integer(raw),
            FieldKind::Decimal { decimals } => {
                Value::Number(raw as f64 / 10f64.powi(i32::from(*decimals)))
            }
            FieldKind::Money { .. } => Value::Minor(raw),
            FieldKind::Boolean => Value::Boolean(random.once_in(2)),
            FieldKind::Category { codes } => {
                text = codes
                    .get(random.below(codes.len() + 1))
                    .cloned()
                    .unwrap_or_else(|| "boat".to_owned());
                Value::Text(&text)
            }
            FieldKind::Date => {
                Value::Date(Date::from_days(random.whole(10_000, 20_600)).expect("a date"))
            }
            FieldKind::Text { .. } | FieldKind::Words { .. } => {
                text = format!("note {}", random.below(50));
                Value::Text(&text)
            }
            FieldKind::Table { .. } | FieldKind::Tensor { .. } => Value::Missing,
        };
        application
            .set_at(index, value)
            .expect("a value of its type");
    }
    application
}

/// Builds a plan step by step over an arena in which no two buffers share a byte.
#[derive(Debug, Clone)]
pub struct PlanBuilder {
    model: Model,
    weights: Vec<u8>,
    last: u16,
}

impl PlanBuilder {
    /// A model of `inputs` f32 inputs.
    pub fn new(inputs: usize) -> Self {
        let mut builder = Self {
            model: Model {
                name: "model".to_owned(),
                inputs: vec![Port {
                    name: "features".to_owned(),
                    buffer: 0,
                }],
                outputs: Vec::new(),
                buffers: Vec::new(),
                arena_bytes: 0,
                steps: Vec::new(),
            },
            weights: Vec::new(),
            last: 0,
        };
        builder.buffer(ElementType::F32, inputs);
        builder
    }

    /// A new buffer; the last one is what the next step reads.
    fn buffer(&mut self, element: ElementType, len: usize) -> (u16, u16) {
        let buffer = Buffer {
            element,
            len: len as u32,
            offset: self.model.arena_bytes,
        };
        self.model.arena_bytes += buffer.row_bytes() as u32;
        self.model.buffers.push(buffer);
        let output = (self.model.buffers.len() - 1) as u16;
        (std::mem::replace(&mut self.last, output), output)
    }

    fn store(&mut self, bytes: &[u8]) -> u64 {
        let at = self.weights.len() as u64;
        self.weights.extend_from_slice(bytes);
        at
    }

    /// Elements of the last buffer.
    pub fn width(&self) -> usize {
        self.model.buffers[usize::from(self.last)].len as usize
    }

    /// f32 to bytes.
    pub fn quantise(&mut self, factors: &[f32], offsets: &[f32]) {
        let constants: Vec<u8> = factors
            .iter()
            .chain(offsets)
            .flat_map(|x| x.to_le_bytes())
            .collect();
        let weights = self.store(&constants);
        let (input, output) = self.buffer(ElementType::U8, factors.len());
        self.model.steps.push(Step::Quantise {
            input,
            output,
            weights,
        });
    }

    /// int8 to bytes.
    pub fn dense_u8(
        &mut self,
        weights: &[i8],
        bias: &[i32],
        scale: &[f32],
        input_high: u8,
        [zero, low, high]: [u8; 3],
    ) {
        let weights = self.store(&pack_dense_i8(self.width(), weights, bias, scale));
        let (input, output) = self.buffer(ElementType::U8, bias.len());
        self.model.steps.push(Step::DenseU8 {
            input,
            output,
            weights,
            input_high,
            zero,
            low,
            high,
        });
    }

    /// int8 to f32.
    pub fn dense_f32(
        &mut self,
        weights: &[i8],
        bias: &[i32],
        scale: &[f32],
        input_high: u8,
        relu: bool,
    ) {
        let weights = self.store(&pack_dense_i8(self.width(), weights, bias, scale));
        let (input, output) = self.buffer(ElementType::F32, bias.len());
        self.model.steps.push(Step::DenseF32 {
            input,
            output,
            weights,
            input_high,
            relu,
        });
    }

    /// f32 to f32.
    pub fn dense_float(&mut self, weights: &[f32], bias: &[f32], half: bool, relu: bool) {
        let weights = self.store(&pack_dense_float(self.width(), weights, bias, half));
        let (input, output) = self.buffer(ElementType::F32, bias.len());
        self.model.steps.push(Step::DenseFloat {
            input,
            output,
            weights,
            half,
            relu,
        });
    }

    /// The plan, whose output is the last buffer, and its weights.
    pub fn finish(mut self) -> (Plan, Vec<u8>) {
        self.model.outputs = vec![Port {
            name: "output".to_owned(),
            buffer: self.last,
        }];
        let plan = Plan {
            version: PLAN_VERSION,
            models: vec![self.model],
        };
        (plan, self.weights)
    }
}

/// A random net that ends in one log-odds of a sensible size.
fn net(
    random: &mut Random,
    inputs: usize,
    hidden: &[usize],
    arithmetic: Arithmetic,
) -> (Plan, Vec<u8>) {
    let mut builder = PlanBuilder::new(inputs);
    if arithmetic == Arithmetic::Int8 {
        builder.quantise(&vec![24.0; inputs], &vec![40.0; inputs]);
    }
    for (at, &width) in hidden.iter().chain([&1]).enumerate() {
        let (inputs, last) = (builder.width(), at == hidden.len());
        if arithmetic == Arithmetic::F32 {
            let spread = (3.0 / inputs as f32).sqrt() * if last { 2.0 } else { 1.0 };
            let weights: Vec<f32> = (0..inputs * width)
                .map(|_| random.float(-spread, spread))
                .collect();
            let bias: Vec<f32> = (0..width).map(|_| random.float(-0.3, 0.3)).collect();
            builder.dense_float(&weights, &bias, false, !last);
            continue;
        }
        let weights: Vec<i8> = (0..inputs * width)
            .map(|_| random.whole(-127, 127) as i8)
            .collect();
        let bias: Vec<i32> = (0..width)
            .map(|_| random.whole(-3000, 9000) as i32)
            .collect();
        let spread = 40.0 * 73.0 * (inputs as f32).sqrt();
        let scale: Vec<f32> = (0..width)
            .map(|_| random.float(0.8, 1.2) * if last { 1.5 } else { 40.0 } / spread)
            .collect();
        if last {
            builder.dense_f32(&weights, &bias, &scale, 127, false);
        } else {
            builder.dense_u8(&weights, &bias, &scale, 127, [0, 0, 127]);
        }
    }
    builder.finish()
}

/// A bundle whose log-odds of bad are a weighted sum of integer fields, each in a group of its
/// own: name, reason code, weight. One log-odds is 72.13 points; the reference applicant is all
/// zeros at 550 points. The group codes are the reason codes.
pub fn linear(fields: &[(&str, &str, f32)]) -> Parts {
    let mut parts = Parts::small(1);
    parts.schema.fields = (0u16..)
        .zip(fields)
        .map(|(at, (name, code, _))| field(name, FieldKind::Integer, at, code))
        .collect();
    parts.schema.groups = fields
        .iter()
        .map(|(name, code, _)| Group {
            name: (*name).to_owned(),
            code: (*code).to_owned(),
        })
        .collect();
    parts.transforms = TransformParts {
        columns: Vec::new(),
        blocks: (0u16..)
            .zip(fields)
            .map(|(at, (name, _, _))| block(name, at, Encoding::Plain))
            .collect(),
    };
    let mut builder = PlanBuilder::new(fields.len());
    let weights: Vec<f32> = fields.iter().map(|(_, _, weight)| *weight).collect();
    builder.dense_float(&weights, &[0.0], false, false);
    (parts.plan, parts.weights) = builder.finish();
    parts.decide.calibration = Calibration {
        knots: vec![(-MAX_LOG_ODDS, -MAX_LOG_ODDS), (MAX_LOG_ODDS, MAX_LOG_ODDS)],
    };
    parts.policy.knock_outs.clear();
    parts.texts = texts(&parts.schema);
    let mut reference = parts.application("reference");
    for (name, _, _) in fields {
        reference.set(name, 0).expect("an integer");
    }
    parts.set_reference(&reference);
    parts
}
