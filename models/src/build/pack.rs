//! Packing: sections laid out, known answers computed on the bundle itself, signed.

use std::sync::Arc;

use fieldscore_runtime::bundle::container::{SectionKind, Version, features, write_container};
use fieldscore_runtime::bundle::{Meta, encode};
use fieldscore_runtime::decide::DecideParts;
use fieldscore_runtime::schema::{Answer, Field, FieldKind, Schema};
use fieldscore_runtime::watch::{Histogram, Summary};
use fieldscore_runtime::{Application, Date, KnownAnswers, OpenOptions, Scorer, Value};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::compile::Program;
use crate::error::Result;
use crate::keys::Signing;
use crate::recipe::{self, Recipe};

/// What a bundle is packed from.
#[derive(Debug, Clone, Copy)]
pub struct Contents<'a> {
    /// The recipe.
    pub recipe: &'a Recipe,
    /// The recipe's part of the bundle.
    pub lowered: &'a recipe::Lowered,
    /// The model's part.
    pub model: &'a Program,
    /// Calibration, scale, reference.
    pub decide: &'a DecideParts,
    /// The card, if it is known yet.
    pub card: Option<&'a serde_json::Value>,
    /// Where everything came from.
    pub provenance: Option<&'a serde_json::Value>,
    /// The histogram of the training part, where devices are to count against it.
    pub histogram: Option<&'a Histogram>,
    /// The section of a second bundle that is scored in shadow.
    pub challenger: Option<&'a [u8]>,
}

/// How many known-answer vectors a bundle carries.
const KNOWN_ANSWERS: usize = 16;

/// None, before there is a bundle to compute them.
const NO_ANSWERS: KnownAnswers = KnownAnswers {
    records: Vec::new(),
};

/// Packs and signs a bundle. The same contents and key give the same bytes.
///
/// # Errors
/// Where the runtime would refuse the bundle.
pub fn pack(contents: Contents<'_>, key: &Signing) -> Result<Vec<u8>> {
    // Known answers need a bundle to compute them; a bundle id of zeros stands in them.
    let draft = assemble(contents, &NO_ANSWERS, key);
    let scorer = Scorer::open(draft, &[key.public()])?;
    let answers = known_answers(&scorer, contents.lowered.dates.0)?;
    let bundle = assemble(contents, &answers, key);
    let scorer = Scorer::open(bundle.clone(), &[key.public()])?;
    scorer.self_test()?;
    if contents.histogram.is_some() {
        Summary::new(&scorer)?;
    }
    Ok(bundle)
}

/// What the name of a model handed in ends with, after its product's.
const FLOAT: &str = "-float";

/// Signs the model handed in as a bundle of its own, for `evaluate --float` to compare with. It has no known
/// answers and another product name, so that no store takes it for an update of the product.
///
/// # Errors
/// Where the runtime would refuse the bundle, for instance because the product's name is too long for that.
pub fn pack_float(contents: Contents<'_>, key: &Signing) -> Result<Vec<u8>> {
    let mut recipe = contents.recipe.clone();
    recipe.product.id.push_str(FLOAT);
    let contents = Contents {
        recipe: &recipe,
        ..contents
    };
    let bundle = assemble(contents, &NO_ANSWERS, key);
    Scorer::open(bundle.clone(), &[key.public()])?;
    Ok(bundle)
}

/// A bundle for measuring while a model is built: no known answers, no card, and no dates, because
/// past loans are from before its first day and would all be referred.
///
/// # Errors
/// Where the runtime would refuse the bundle.
pub fn scorer(contents: Contents<'_>) -> Result<Scorer> {
    let key = Signing::development();
    let dateless = recipe::Lowered {
        dates: (None, None),
        ..contents.lowered.clone()
    };
    let contents = Contents {
        lowered: &dateless,
        ..contents
    };
    let bytes = assemble(contents, &NO_ANSWERS, &key);
    Ok(OpenOptions::default().open(bytes, &[key.public()])?)
}

fn assemble(contents: Contents<'_>, answers: &KnownAnswers, key: &Signing) -> Vec<u8> {
    let Contents {
        recipe,
        lowered,
        model,
        decide,
        card,
        provenance,
        histogram,
        challenger,
    } = contents;
    let meta = Meta {
        product: recipe.product.id.clone(),
        sequence: recipe.product.sequence,
        not_before: lowered.dates.0,
        not_after: lowered.dates.1,
        engine: model.engine(),
        score_as_typed: recipe.product.score_as_typed,
    };
    let mut sections = vec![
        (SectionKind::META, true, encode(&meta)),
        (SectionKind::SCHEMA, true, encode(&lowered.schema)),
        (SectionKind::TRANSFORMS, true, encode(&lowered.transforms)),
    ];
    let features = match model {
        Program::Plan(lowered) => {
            sections.extend([
                (SectionKind::PLAN, true, encode(&lowered.plan)),
                (SectionKind::WEIGHTS, true, lowered.weights.clone()),
            ]);
            lowered.plan.features()
        }
        Program::File(file) => {
            sections.push((SectionKind::MODEL, true, file.bytes().to_vec()));
            0
        }
    };
    sections.extend([
        (SectionKind::DECIDE, true, encode(decide)),
        (SectionKind::POLICY, true, encode(&lowered.policy)),
        (SectionKind::TEXTS, true, encode(&lowered.texts)),
        (SectionKind::KNOWN_ANSWERS, true, encode(answers)),
    ]);
    let json = |value: &serde_json::Value| value.to_string().into_bytes();
    sections.extend(card.map(|card| (SectionKind::CARD, false, json(card))));
    sections.extend(provenance.map(|p| (SectionKind::PROVENANCE, false, json(p))));
    sections.extend(histogram.map(|h| (SectionKind::HISTOGRAM, false, encode(h))));
    let sections: Vec<(SectionKind, bool, &[u8])> = sections
        .iter()
        .map(|(kind, critical, body)| (*kind, *critical, &body[..]))
        .chain(challenger.map(|own| (SectionKind::CHALLENGER, true, own)))
        .collect();
    let least = Version {
        major: 0,
        minor: 1,
        patch: 0,
    };
    let sign = |bytes: &[u8]| Ok::<_, std::convert::Infallible>(key.sign(bytes));
    let features = features
        | challenger.map_or(0, |_| features::CHALLENGER)
        | lowered.transforms.features()
        | decide.features()
        | lowered.policy.features();
    match write_container(&sections, features, least, key.id(), sign) {
        Ok(bytes) => bytes,
        Err(never) => match never {},
    }
}

/// Applications drawn from the schema, not from anybody's data, with their explained records.
fn known_answers(scorer: &Scorer, first_day: Option<Date>) -> Result<KnownAnswers> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let day = first_day.or(Date::from_ymd(2026, 1, 1)).into_iter();
    let mut records = Vec::new();
    for as_of in day.cycle().take(KNOWN_ANSWERS * 4) {
        let id = format!("known-answer-{}", records.len());
        let application = draw(scorer.schema(), &id, as_of, &mut random)?;
        // One that a field refuses has no record; draw another.
        let Ok(mut explanation) = scorer.explain(&application) else {
            continue;
        };
        explanation.decision.bundle_id = [0; 32];
        let mut record = Vec::new();
        scorer.record_explained(&application, &explanation, &mut record);
        records.push(record.into());
        if records.len() == KNOWN_ANSWERS {
            break;
        }
    }
    Ok(KnownAnswers { records })
}

/// A random application of a schema: values inside the ranges, now and then outside or missing
/// where the field's policy takes that.
///
/// # Errors
/// Never for a schema that has been checked.
pub fn draw(
    schema: &Arc<Schema>,
    id: &str,
    as_of: Date,
    random: &mut ChaCha8Rng,
) -> Result<Application> {
    let mut application = Application::new(Arc::clone(schema), id, as_of);
    for (index, field) in schema.fields().iter().enumerate() {
        let dice = random.next_u32() % 16;
        let draw = random.next_u64();
        if dice == 0 && field.missing != Answer::Refuse {
            continue;
        }
        match &field.kind {
            FieldKind::Table {
                columns, max_rows, ..
            } => {
                application.start_rows_at(index)?;
                // Now and then more than are read, where that is taken.
                let more = if field.out_of_range == Answer::Refuse {
                    1
                } else {
                    4
                };
                for _ in 0..draw % (u64::from(*max_rows) + more) {
                    application.add_row_at(index)?;
                    for (at, column) in columns.iter().enumerate() {
                        let (dice, draw) = (random.next_u32() % 16, random.next_u64());
                        if dice != 0 || column.0.missing == Answer::Refuse {
                            let set = |value: Value<'_>| application.set_cell_at(index, at, value);
                            draw_value(&column.0, as_of, (dice, draw), set)?;
                        }
                    }
                }
            }
            FieldKind::Tensor { .. } => {
                let mut bytes = vec![0; field.kind.cells()];
                random.fill_bytes(&mut bytes);
                application.set_at(index, Value::Bytes(&bytes))?;
            }
            FieldKind::Words { count, .. } => {
                let words: Vec<String> = (0..=draw % u64::from(*count))
                    .map(|_| format!("word{}", random.next_u32() % 1000))
                    .collect();
                application.set_at(index, Value::Text(&words.join(" ")))?;
            }
            _ => {
                let set = |value: Value<'_>| application.set_at(index, value);
                draw_value(field, as_of, (dice, draw), set)?;
            }
        }
    }
    Ok(application)
}

/// Hands a value for a field, or for a column of a table, to `set`.
fn draw_value(
    field: &Field,
    as_of: Date,
    (dice, draw): (u32, u64),
    set: impl FnOnce(Value<'_>) -> fieldscore_runtime::Result<()>,
) -> Result<()> {
    let (low, high) = field.range.unwrap_or((0, 100_000));
    let span = (high - low) as u64 + 1;
    // Half of the draws near the low end, where most amounts of a wide range lie.
    let narrow = if dice.is_multiple_of(2) {
        span
    } else {
        (span / 50).max(1)
    };
    let inside = low + (draw % narrow) as i64;
    let outside = high.saturating_add((draw % span) as i64 / 4 + 1);
    let refuses = field.out_of_range == Answer::Refuse || field.range.is_none();
    let raw = if dice == 1 && !refuses {
        outside
    } else {
        inside
    };
    match &field.kind {
        FieldKind::Decimal { decimals } | FieldKind::Money { decimals, .. } => {
            let unit = 10f64.powi(i32::from(*decimals));
            set(Value::Number(raw as f64 / unit))?;
        }
        FieldKind::Boolean => set(Value::Boolean(draw.is_multiple_of(2)))?,
        FieldKind::Date => {
            let date = field
                .range
                .and_then(|_| Date::from_days(inside))
                .unwrap_or(as_of);
            set(Value::Date(date))?;
        }
        FieldKind::Category { codes } => {
            let unlisted = dice == 1 && field.unknown != Answer::Refuse;
            let code = &codes[(draw % codes.len() as u64) as usize];
            set(Value::Text(if unlisted { "(unlisted)" } else { code }))?;
        }
        FieldKind::Text { .. } => set(Value::Text(&format!("text {}", draw % 1000)))?,
        _ => set(Value::Integer(raw))?,
    }
    Ok(())
}
