//! What `inspect --json` shows: one object.

use fieldscore_runtime::Scorer;
use fieldscore_runtime::bundle::EngineKind;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::decide::{
    Cell, ColumnKind, Flags, HitPolicy, LOG_ODDS_ONE, OutputColumn, POINT, ScoreScale, Source,
    Table, Test,
};
use fieldscore_runtime::plan::{Executable, Model, Step};
use fieldscore_runtime::schema::{Field, FieldKind, Keep, Leeway};
use serde_json::{Value, json};

use crate::open::{Opened, hex};
use crate::tight::loose;
use crate::words;

/// One object with everything that a bundle says, texts in `language`.
pub fn object(opened: &Opened, language: &str) -> Value {
    let scorer = &opened.scorer;
    let (meta, container) = (scorer.meta(), scorer.container());
    let day = |date: Option<fieldscore_runtime::Date>| date.map(|date| date.to_string());
    let text = |key: &str| scorer.texts().text(key, language);
    json!({
        "product": meta.product,
        "name": text("product.name"),
        "purpose": text("product.purpose"),
        "sequence": meta.sequence,
        "not_before": day(meta.not_before),
        "not_after": day(meta.not_after),
        "format": format!("{}.{}", container.format.0, container.format.1),
        "least_runtime": container.least_runtime.to_string(),
        "engine": meta.engine.to_string(),
        "score_as_typed": meta.score_as_typed,
        "kernels": scorer.kernels(),
        "key_id": hex(&container.key_id),
        "signature": opened.signature.name(),
        "bundle_id": hex(scorer.bundle_id()),
        "bytes": opened.bytes,
        "languages": scorer.texts().languages,
        "texts_version": text("texts.version"),
        "override_reasons": override_reasons(scorer, language),
        "fields": scorer.schema().fields().iter().map(|f| field(scorer, f, language)).collect::<Vec<_>>(),
        "groups": groups(scorer, language),
        "transforms": transforms(scorer),
        "models": models(scorer),
        "same_bytes_everywhere": meta.engine == EngineKind::Plan,
        "model_file_bytes": scorer.section(SectionKind::MODEL).map(<[u8]>::len),
        "multiply_adds": scorer.multiply_adds(),
        "explanation_evaluations": scorer.explanation_cost(),
        "explanation_multiply_adds": scorer.explanation_work(),
        "score": score(scorer),
        "policy": policy(scorer, language),
        "challenger": challenger(scorer),
        "sections": sections(scorer),
        "card": document(scorer, SectionKind::CARD),
        "provenance": document(scorer, SectionKind::PROVENANCE),
    })
}

/// The bundle that is scored in shadow, and of which applications.
fn challenger(scorer: &Scorer) -> Option<Value> {
    let (own, assignment) = (scorer.challenger()?, scorer.assignment()?);
    Some(json!({
        "product": own.meta().product,
        "sequence": own.meta().sequence,
        "bundle_id": hex(own.bundle_id()),
        "share": f64::from(assignment.share_ppm) / 1e6,
        "key": assignment.key,
    }))
}

/// Why staff may override a decision.
fn override_reasons(scorer: &Scorer, language: &str) -> Vec<Value> {
    let codes = scorer.override_reasons();
    codes
        .map(|code| {
            let text = scorer.texts().text(&format!("override.{code}"), language);
            json!({ "code": code, "text": text })
        })
        .collect()
}

fn field(scorer: &Scorer, field: &Field, language: &str) -> Value {
    let text = |what: &str| {
        scorer
            .texts()
            .text(&format!("field.{}.{what}", field.name), language)
    };
    let groups = scorer.schema().groups();
    let range = field
        .range
        .map(|(low, high)| [words::raw(field, low), words::raw(field, high)]);
    let mut object = json!({
        "name": field.name,
        "type": field.kind.name(),
        "unit": field.unit,
        "range": range,
        "missing": field.missing.name(),
        "out_of_range": field.out_of_range.name(),
        "unknown": field.unknown.name(),
        "sensitivity": field.sensitivity.name(),
        "changeable": field.changeable,
        "change": field.change.as_ref().map(|leeway| change(field, leeway)),
        "group": groups.get(usize::from(field.group)).map(|group| &group.name),
        "reason_code": field.reason_code,
        "label": text("label"),
        "help": text("help"),
        "reason": text("reason"),
    });
    particulars(&field.kind, &mut object);
    object
}

/// How far a field changes where alternatives are looked for, in the recipe's words.
fn change(field: &Field, leeway: &Leeway) -> Value {
    let (least, most) = leeway.range.or(field.range).unzip();
    let code = |at: &u16| match &field.kind {
        FieldKind::Category { codes } => codes.get(usize::from(*at)),
        _ => None,
    };
    let to = leeway.codes.as_ref();
    json!({
        "direction": leeway.direction.name(),
        "step": field.kind.is_numeric().then(|| words::raw(field, leeway.step)),
        "least": least.map(|raw| words::raw(field, raw)),
        "most": most.map(|raw| words::raw(field, raw)),
        "to": to.map(|codes| codes.iter().filter_map(code).collect::<Vec<_>>()),
    })
}

/// A column of a table.
fn column(column: &Field) -> Value {
    let range = column
        .range
        .map(|(low, high)| [words::raw(column, low), words::raw(column, high)]);
    let mut object = json!({
        "name": column.name,
        "type": column.kind.name(),
        "unit": column.unit,
        "range": range,
        "missing": column.missing.name(),
        "out_of_range": column.out_of_range.name(),
        "unknown": column.unknown.name(),
    });
    particulars(&column.kind, &mut object);
    object
}

/// What only some kinds of fields have.
fn particulars(kind: &FieldKind, object: &mut Value) {
    match kind {
        FieldKind::Decimal { decimals } => object["decimals"] = json!(decimals),
        FieldKind::Money { currency, decimals } => {
            object["currency"] = json!(currency);
            object["decimals"] = json!(decimals);
        }
        FieldKind::Category { codes } => object["categories"] = json!(codes),
        FieldKind::Text { buckets } => object["buckets"] = json!(buckets),
        FieldKind::Integer | FieldKind::Boolean | FieldKind::Date => {}
        FieldKind::Table {
            columns,
            order,
            max_rows,
            keep,
        } => {
            let name = |at: u16| columns.get(usize::from(at)).map(|column| &column.0.name);
            object["columns"] = columns.iter().map(|one| column(&one.0)).collect();
            object["order_by"] = json!(order.and_then(name));
            object["max_rows"] = json!(max_rows);
            object["keep"] = json!(match keep {
                Keep::First => "first",
                Keep::Last => "last",
            });
        }
        FieldKind::Tensor { shape } => object["shape"] = json!(shape),
        FieldKind::Words { buckets, count } => {
            object["buckets"] = json!(buckets);
            object["count"] = json!(count);
        }
    }
}

fn groups(scorer: &Scorer, language: &str) -> Vec<Value> {
    let groups = scorer.schema().groups().iter();
    groups
        .map(|group| {
            let label = scorer
                .texts()
                .text(&format!("group.{}.label", group.name), language);
            json!({ "name": group.name, "code": group.code, "label": label })
        })
        .collect()
}

fn transforms(scorer: &Scorer) -> Value {
    let transforms = scorer.transforms();
    let blocks: Vec<Value> = transforms
        .blocks()
        .iter()
        .map(|block| {
            let source = usize::from(block.source);
            let field = scorer
                .schema()
                .fields()
                .get(source)
                .map(|field| &field.name);
            json!({ "name": block.name, "field": field, "features": block.width() })
        })
        .collect();
    json!({ "features": transforms.width(), "blocks": blocks })
}

/// What a step reads, writes, holds and does.
pub(crate) struct StepFacts {
    pub inputs: u64,
    pub outputs: u64,
    pub weight_bytes: u64,
    pub multiply_adds: u64,
}

impl StepFacts {
    /// Facts of the steps of the model at `index`.
    pub fn all(executable: &Executable, index: usize) -> Vec<(&Step, Self)> {
        let Ok(model) = executable.model(index) else {
            return Vec::new();
        };
        let steps = model.steps.iter().zip(executable.costs(index));
        steps
            .map(|(step, cost)| (step, Self::of(model, step, cost)))
            .collect()
    }

    fn of(model: &Model, step: &Step, (weight_bytes, multiply_adds): (usize, u64)) -> Self {
        let len = |buffer: u16| {
            model
                .buffers
                .get(usize::from(buffer))
                .map_or(0, |buffer| u64::from(buffer.len))
        };
        Self {
            inputs: len(step.input()),
            outputs: len(step.output()),
            weight_bytes: weight_bytes as u64,
            multiply_adds,
        }
    }
}

fn models(scorer: &Scorer) -> Vec<Value> {
    let Some(executable) = scorer.executable() else {
        return Vec::new();
    };
    let models = executable.plan().models.iter().enumerate();
    models
        .map(|(index, model)| {
            let steps: Vec<Value> = StepFacts::all(executable, index)
                .into_iter()
                .map(|(step, facts)| {
                    json!({
                        "step": step.name(),
                        "inputs": facts.inputs,
                        "outputs": facts.outputs,
                        "weight_bytes": facts.weight_bytes,
                        "multiply_adds": facts.multiply_adds,
                    })
                })
                .collect();
            json!({
                "name": model.name,
                "plan_version": executable.plan().version,
                "steps": steps,
                "multiply_adds": executable.multiply_adds(index),
                "arena_bytes": model.arena_bytes,
            })
        })
        .collect()
}

/// The score scale as a recipe states it.
pub(crate) struct Scale {
    pub floor: i32,
    pub ceiling: i32,
    pub points_to_double_odds: f64,
    pub even_odds: f64,
}

impl Scale {
    pub fn of(scale: &ScoreScale) -> Self {
        let point = POINT as f64 * 4_294_967_296.0;
        let per_log_odds = scale.slope as f64 * f64::from(LOG_ODDS_ONE) / point;
        Self {
            floor: scale.floor,
            ceiling: scale.ceiling,
            points_to_double_odds: thousandths(per_log_odds * std::f64::consts::LN_2),
            even_odds: thousandths(scale.offset as f64 / point),
        }
    }
}

fn thousandths(x: f64) -> f64 {
    (x * 1000.0).round() / 1000.0
}

fn score(scorer: &Scorer) -> Value {
    let scale = Scale::of(&scorer.decide().scale);
    let reference = scorer.reference().ok();
    json!({
        "floor": scale.floor,
        "ceiling": scale.ceiling,
        "points_to_double_odds": scale.points_to_double_odds,
        "even_odds": scale.even_odds,
        "reference_score": reference.map(|(_, decision)| decision.score),
        "calibration_knots": scorer.decide().calibration.knots.len(),
    })
}

/// A condition's raw number as text: a category's code, yes or no, a number, a date.
pub(crate) fn value(field: &Field, raw: i64) -> String {
    match &field.kind {
        FieldKind::Category { codes } => {
            let code = usize::try_from(raw).ok().and_then(|at| codes.get(at));
            code.cloned().unwrap_or_default()
        }
        FieldKind::Boolean => if raw == 0 { "no" } else { "yes" }.to_owned(),
        _ => words::raw(field, raw),
    }
}

fn policy(scorer: &Scorer, language: &str) -> Value {
    let policy = scorer.policy();
    let rules: Vec<Value> = policy
        .knock_outs
        .iter()
        .map(|rule| {
            let fields = scorer.schema().fields();
            let when: Vec<Value> = rule
                .when
                .iter()
                .filter_map(|condition| {
                    let field = fields.get(usize::from(condition.field))?;
                    let mut object = json!({ "field": field.name });
                    match condition.test {
                        Test::Above(limit) => object["above"] = json!(value(field, limit)),
                        Test::Below(limit) => object["below"] = json!(value(field, limit)),
                        Test::Is(own) => object["is"] = json!(value(field, own)),
                        Test::Missing => object["missing"] = json!(true),
                    }
                    Some(object)
                })
                .collect();
            json!({
                "code": rule.code,
                "when": when,
                "outcome": rule.outcome.name(),
                "text": scorer.texts().text(&format!("rule.{}", rule.code), language),
            })
        })
        .collect();
    let mut object = json!({
        "approve_from": policy.approve_from,
        "refer_from": policy.refer_from,
        "knock_outs": rules,
    });
    if policy.features() != 0 {
        let name = |at: &u16| policy.values.get(usize::from(*at)).map(|value| &value.name);
        let values = policy.values.iter().zip(0..).map(|(value, at)| {
            json!({
                "name": value.name,
                "source": source(scorer, at, &value.source),
                "decimals": value.decimals,
                "unit": value.unit,
            })
        });
        object["values"] = values.collect();
        object["tables"] = policy
            .tables
            .iter()
            .map(|t| table(scorer, t, language))
            .collect();
        object["terms"] = policy.terms.iter().filter_map(name).cloned().collect();
    }
    object
}

/// What the value with this index is made of: the kind of it, the names of what it reads, its numbers.
fn source(scorer: &Scorer, at: u16, source: &Source) -> Value {
    let policy = scorer.policy();
    let name = |at: &u16| policy.values.get(usize::from(*at)).map(|value| &value.name);
    let names = |all: &[u16]| -> Vec<&String> { all.iter().filter_map(name).collect() };
    let table = |at: &u16| policy.tables.get(usize::from(*at));
    let reads = names(&source.reads());
    match source {
        Source::Field(at) => {
            json!({ "field": scorer.schema().fields().get(usize::from(*at)).map(|field| &field.name) })
        }
        Source::Score => json!("score"),
        Source::Probability => json!("probability"),
        Source::AsOf => json!("as_of"),
        Source::Flag(bits) => {
            json!({ "flag": Flags::from_bits(*bits).names().collect::<Vec<_>>() })
        }
        Source::Constant(number) => {
            json!({ "constant": policy.text_of(scorer.schema(), at, *number) })
        }
        Source::Sum { plus, minus } => json!({ "sum": names(plus), "less": names(minus) }),
        Source::Product { by, rounding, .. } => {
            json!({ "product": reads, "by": by, "rounding": rounding.name() })
        }
        Source::Ratio {
            times, rounding, ..
        } => json!({ "ratio": reads, "times": times, "rounding": rounding.name() }),
        Source::Least(_) => json!({ "least": reads }),
        Source::Greatest(_) => json!({ "greatest": reads }),
        Source::Instalment {
            whole, rounding, ..
        } => json!({ "instalment": reads, "whole": whole, "rounding": rounding.name() }),
        Source::AnnualRate { kind, .. } => json!({ "annual_rate": reads, "kind": kind.name() }),
        Source::Months { .. } => json!({ "months": reads }),
        Source::Output { table: of, column } => {
            let table = table(of);
            let column = table.and_then(|table| table.columns.get(usize::from(*column)));
            json!({ "table": table.map(|table| &table.name), "output": column.map(|own| &own.name) })
        }
        Source::Hits(of) => json!({ "hits": table(of).map(|table| &table.name) }),
    }
}

/// A table as its rules read: `-`, values, and intervals from and to.
fn table(scorer: &Scorer, table: &Table, language: &str) -> Value {
    let policy = scorer.policy();
    let name = |at: u16| {
        policy
            .values
            .get(usize::from(at))
            .map(|value| value.name.clone())
    };
    let text = |at: u16, number: i64| policy.text_of(scorer.schema(), at, number);
    let cell = |(cell, &at): (&Option<Cell>, &u16)| {
        let Some(cell) = cell else {
            return "-".to_owned();
        };
        let ranges = cell.ranges.iter().map(|&range| match range {
            (i64::MIN, i64::MAX) => "not(missing)".to_owned(),
            (i64::MIN, to) => format!("<= {}", text(at, to)),
            (from, i64::MAX) => format!(">= {}", text(at, from)),
            (from, to) if from == to => text(at, from),
            (from, to) => format!("[{}..{}]", text(at, from), text(at, to)),
        });
        let missing = cell.missing.then(|| "missing".to_owned());
        ranges.chain(missing).collect::<Vec<_>>().join(", ")
    };
    let rules = table.rules.iter().map(|rule| {
        let when: Vec<String> = rule.when.iter().zip(&table.inputs).map(cell).collect();
        let said = table.columns.iter().zip(&rule.then);
        let then: Vec<String> = said.map(|(column, &x)| column.kind.text_of(x, 0)).collect();
        let mut object = json!({ "when": when, "then": then });
        if let Some(code) = &rule.code {
            object["code"] = json!(code);
            object["text"] = json!(scorer.texts().text(&format!("rule.{code}"), language));
        }
        object
    });
    let hit = match table.hit {
        HitPolicy::Unique => "unique",
        HitPolicy::First => "first",
        HitPolicy::Priority => "priority",
        HitPolicy::Collect => "collect",
        HitPolicy::CollectSum => "collect-sum",
    };
    json!({
        "name": table.name,
        "hit": hit,
        "inputs": table.inputs.iter().filter_map(|&at| name(at)).collect::<Vec<_>>(),
        "outputs": table.columns.iter().map(output).collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
    })
}

/// A column of a table's outputs: what stands in it, of words the list in its order.
fn output(column: &OutputColumn) -> Value {
    let of = match &column.kind {
        ColumnKind::Number => json!("number"),
        ColumnKind::Words(words) => json!(words),
        ColumnKind::Outcome => json!("outcome"),
    };
    json!({ "name": column.name, "of": of })
}

fn sections(scorer: &Scorer) -> Vec<Value> {
    let sections = scorer.container().sections.iter();
    sections
        .map(|section| {
            json!({
                "name": section.kind.to_string(),
                "bytes": section.len,
                "critical": section.critical,
                "sha256": hex(&section.sha256),
            })
        })
        .collect()
}

/// A section that holds JSON, if the bundle has it and it does.
pub fn document(scorer: &Scorer, kind: SectionKind) -> Option<Value> {
    serde_json::from_slice(scorer.section(kind)?)
        .ok()
        .map(loose)
}
