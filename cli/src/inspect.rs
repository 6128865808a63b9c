//! `fieldscore inspect`: what is in a bundle.

use std::fmt::Write;

use comfy_table::Cell;
use fieldscore_runtime::bundle::EngineKind;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::decide::Test;
use fieldscore_runtime::plan::Executable;
use fieldscore_runtime::schema::FieldKind;
use serde_json::Value;

use crate::error::Result;
use crate::inspect_json::{self, Scale, StepFacts};
pub use crate::inspect_json::{document, object};
use crate::open::{Opened, Signature, hex};
pub use crate::score::language;
use crate::table::{plain, render, right};
use crate::{BundleArgs, Exit, Sink, words};

/// Show what is in a bundle: schema, plan, sizes, policy, provenance
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore inspect credit.fsb
  fieldscore inspect credit.fsb --key keys/credit/public.pem --json

A bundle of a key that --key does not give is shown all the same, marked as NOT VERIFIED.")]
pub struct InspectArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Language of labels, a BCP-47 tag [default: the bundle's first]
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// Shows a bundle.
///
/// # Errors
/// Where the file cannot be read, or does not hold what a bundle must.
pub fn run(args: InspectArgs) -> Result<Exit> {
    let opened = args.bundle.look()?;
    let language = language(args.language.as_deref(), &opened.scorer);
    let text = match args.json {
        true => format!("{:#}\n", object(&opened, language)),
        false => text(&opened, language),
    };
    Sink::stdout().print(&text)?;
    Ok(Exit::Done)
}

// Writing to a string cannot fail: the results of `writeln!` below are dropped for that.

fn text(opened: &Opened, language: &str) -> String {
    let mut out = String::new();
    head(&mut out, opened, language);
    fields(&mut out, opened, language);
    model(&mut out, opened);
    decisions(&mut out, opened, language);
    sections(&mut out, opened);
    for (kind, title) in [
        (SectionKind::CARD, "Card"),
        (SectionKind::PROVENANCE, "Provenance"),
    ] {
        if let Some(value) = document(&opened.scorer, kind) {
            let _ = writeln!(out, "\n{title}");
            tree(&mut out, &value, 1);
        }
    }
    out
}

fn head(out: &mut String, opened: &Opened, language: &str) {
    let scorer = &opened.scorer;
    let (meta, container) = (scorer.meta(), scorer.container());
    let product = scorer.texts().text("product.name", language);
    let signature = match opened.signature {
        Signature::Verified => "verified",
        Signature::Development => "of the development key: proves nothing",
        Signature::NotVerified => "NOT VERIFIED: nothing below is sure to be the signer's word",
    };
    let day = |date: Option<fieldscore_runtime::Date>| {
        date.map_or_else(|| "any day".to_owned(), |date| date.to_string())
    };
    let dates = format!("{} to {}", day(meta.not_before), day(meta.not_after));
    let rows = [
        (
            "product",
            format!("{} ({})", meta.product, product.unwrap_or("no name")),
        ),
        ("sequence", meta.sequence.to_string()),
        ("holds", dates),
        (
            "format",
            format!(
                "{}.{}, runtime {} or newer",
                container.format.0, container.format.1, container.least_runtime
            ),
        ),
        (
            "engine",
            match meta.engine {
                EngineKind::Plan => format!(
                    "plan, kernels {} on this machine; the same bytes on every device",
                    scorer.kernels()
                ),
                other => format!(
                    "{other}: native builds with it built in only; only plan promises the same \
                     bytes everywhere"
                ),
            },
        ),
        (
            "score",
            match meta.score_as_typed {
                true => "shown to staff as they type",
                false => "shown once an application is complete and handed in",
            }
            .to_owned(),
        ),
        ("key", hex(&container.key_id)),
        ("signature", signature.to_owned()),
        ("bundle id", hex(scorer.bundle_id())),
        ("size", format!("{} bytes", opened.bytes)),
        ("languages", scorer.texts().languages.join(", ")),
        (
            "texts",
            match scorer.texts().text("texts.version", language) {
                Some(version) => format!("version {version}"),
                None => "without a version".to_owned(),
            },
        ),
    ];
    for (name, value) in rows {
        let _ = writeln!(out, "{name:<11}{value}");
    }
}

fn fields(out: &mut String, opened: &Opened, language: &str) {
    let scorer = &opened.scorer;
    let mut table = plain();
    let header = [
        "field", "type", "range", "missing", "group", "reason", "label",
    ];
    table.set_header(header.map(Cell::new).to_vec());
    for field in scorer.schema().fields() {
        let range = field.range.map(|(low, high)| {
            format!("{} to {}", words::raw(field, low), words::raw(field, high))
        });
        let group = scorer.schema().groups().get(usize::from(field.group));
        table.add_row(vec![
            Cell::new(&field.name),
            Cell::new(kind(&field.kind)),
            Cell::new(range.unwrap_or_default()),
            Cell::new(field.missing.name()),
            Cell::new(group.map_or("", |group| &group.name)),
            Cell::new(&field.reason_code),
            Cell::new(words::label(scorer, field, language)),
        ]);
    }
    let _ = write!(out, "\nFields\n{}", render(&table, " "));
    let mut table = plain();
    let header = [
        "field",
        "out of range",
        "unlisted",
        "sensitivity",
        "changeable",
        "unit",
    ];
    table.set_header(header.map(Cell::new).to_vec());
    for field in scorer.schema().fields() {
        let category = matches!(field.kind, FieldKind::Category { .. });
        let ranged = field.range.map_or("", |_| field.out_of_range.name());
        table.add_row(vec![
            Cell::new(&field.name),
            Cell::new(ranged),
            Cell::new(if category { field.unknown.name() } else { "" }),
            Cell::new(field.sensitivity.name()),
            Cell::new(match &field.change {
                Some(leeway) => leeway.direction.name(),
                None if field.changeable => "yes",
                None => "no",
            }),
            Cell::new(&field.unit),
        ]);
    }
    let _ = write!(out, "\nAnswers and classes\n{}", render(&table, " "));
}

/// A kind with its particulars.
fn kind(kind: &FieldKind) -> String {
    match kind {
        FieldKind::Decimal { decimals } => format!("decimal({decimals})"),
        FieldKind::Money { currency, decimals } => format!("money({currency}, {decimals})"),
        FieldKind::Category { codes } => format!("category({})", codes.len()),
        FieldKind::Text { buckets } => format!("text({buckets})"),
        FieldKind::Table {
            columns, max_rows, ..
        } => format!("table({} columns, {max_rows} rows)", columns.len()),
        FieldKind::Tensor { shape } => {
            let axes: Vec<String> = shape.iter().map(u32::to_string).collect();
            format!("tensor({})", axes.join(" × "))
        }
        FieldKind::Words { buckets, count } => format!("words({count} of {buckets})"),
        other => other.name().to_owned(),
    }
}

fn model(out: &mut String, opened: &Opened) {
    let scorer = &opened.scorer;
    let blocks = scorer.transforms().blocks().len();
    let _ = writeln!(
        out,
        "\nModel: {} features in {}",
        scorer.transforms().width(),
        words::count(blocks as u64, "block", "blocks"),
    );
    match scorer.executable() {
        Some(executable) => plan(out, executable),
        None => {
            let file = scorer.section(SectionKind::MODEL).unwrap_or_default();
            let _ = writeln!(
                out,
                "  a model file of {} bytes, executed as it is by {}",
                file.len(),
                scorer.meta().engine,
            );
            let _ = writeln!(
                out,
                "  about {} multiply-adds a score",
                scorer.multiply_adds()
            );
        }
    }
    let _ = writeln!(
        out,
        "  an explanation costs {} evaluations, {} multiply-adds",
        scorer.explanation_cost(),
        scorer.explanation_work()
    );
}

fn plan(out: &mut String, executable: &Executable) {
    let mut table = plain();
    table.set_header(vec![
        Cell::new("step"),
        right("in"),
        right("out"),
        right("weight bytes"),
        right("multiply-adds"),
    ]);
    let plan = executable.plan();
    for index in 0..plan.models.len() {
        for (step, facts) in StepFacts::all(executable, index) {
            table.add_row(vec![
                Cell::new(step.name()),
                right(facts.inputs),
                right(facts.outputs),
                right(facts.weight_bytes),
                right(facts.multiply_adds),
            ]);
        }
    }
    let _ = write!(out, "{}", render(&table, " "));
    for (index, model) in plan.models.iter().enumerate() {
        let _ = writeln!(
            out,
            "  {}: {} multiply-adds a score, {} bytes of arena",
            model.name,
            executable.multiply_adds(index),
            model.arena_bytes
        );
    }
}

fn decisions(out: &mut String, opened: &Opened, language: &str) {
    let scorer = &opened.scorer;
    let (policy, scale) = (scorer.policy(), Scale::of(&scorer.decide().scale));
    let _ = writeln!(out, "\nDecisions");
    let _ = writeln!(
        out,
        "  score {} to {}, {:.0} points double the odds, even odds at {:.0}",
        scale.floor, scale.ceiling, scale.points_to_double_odds, scale.even_odds
    );
    if let Ok((_, reference)) = scorer.reference() {
        let _ = writeln!(
            out,
            "  the reference applicant scores {} ({})",
            reference.score, reference.outcome
        );
    }
    let _ = writeln!(
        out,
        "  approve from {}, refer from {}, decline below",
        policy.approve_from, policy.refer_from
    );
    if let (Some(own), Some(assignment)) = (scorer.challenger(), scorer.assignment()) {
        let _ = writeln!(
            out,
            "  challenger {} {} ({}), in shadow, of {} of the applications",
            own.meta().product,
            own.meta().sequence,
            hex(own.bundle_id()),
            words::percent(assignment.share_ppm)
        );
    }
    for rule in &policy.knock_outs {
        let key = format!("rule.{}", rule.code);
        let text = scorer.texts().text(&key, language).unwrap_or_default();
        let when: Vec<String> = rule
            .when
            .iter()
            .map(|condition| {
                let fields = scorer.schema().fields();
                let field = fields.get(usize::from(condition.field));
                field.map_or(String::new(), |field| {
                    let value = |raw: i64| inspect_json::value(field, raw);
                    match condition.test {
                        Test::Above(limit) => format!("{} > {}", field.name, value(limit)),
                        Test::Below(limit) => format!("{} < {}", field.name, value(limit)),
                        Test::Is(limit) => format!("{} = {}", field.name, value(limit)),
                        Test::Missing => format!("{} missing", field.name),
                    }
                })
            })
            .collect();
        let _ = writeln!(
            out,
            "  {}: {} if {}",
            rule.code,
            rule.outcome,
            when.join(" and ")
        );
        if !text.is_empty() {
            let _ = writeln!(out, "      {text}");
        }
    }
    for (number, code) in scorer.override_reasons().enumerate() {
        if number == 0 {
            let _ = writeln!(out, "  staff may override, with a reason:");
        }
        let text = scorer.texts().text(&format!("override.{code}"), language);
        let _ = writeln!(out, "  {code}: {}", text.unwrap_or_default());
    }
}

fn sections(out: &mut String, opened: &Opened) {
    let mut table = plain();
    table.set_header(vec![
        Cell::new("section"),
        right("bytes"),
        Cell::new("critical"),
        Cell::new("SHA-256"),
    ]);
    for section in &opened.scorer.container().sections {
        table.add_row(vec![
            Cell::new(section.kind),
            right(section.len),
            Cell::new(if section.critical { "yes" } else { "no" }),
            Cell::new(format!("{}…", hex(&section.sha256[..8]))),
        ]);
    }
    let _ = write!(out, "\nSections\n{}", render(&table, " "));
}

/// A JSON document as an indented list; long lists are counted, not shown.
fn tree(out: &mut String, value: &Value, depth: usize) {
    let Value::Object(entries) = value else {
        let _ = writeln!(out, "{}{}", "  ".repeat(depth), brief(value));
        return;
    };
    for (key, value) in entries {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(inner) if !is_short(inner) && depth < 8 => {
                let _ = writeln!(out, "{indent}{key}");
                tree(out, value, depth + 1);
            }
            _ => {
                let _ = writeln!(out, "{indent}{key}: {}", brief(value));
            }
        }
    }
}

/// Whether an object is a few numbers, such as a value with its interval.
fn is_short(entries: &serde_json::Map<String, Value>) -> bool {
    entries.len() <= 4
        && entries
            .values()
            .all(|value| value.is_number() || value.is_boolean())
}

fn brief(value: &Value) -> String {
    let is_nested = |item: &Value| item.is_object() || item.is_array();
    match value {
        Value::String(text) if text.chars().count() > 160 => {
            let cut: String = text.chars().take(160).collect();
            let words = cut
                .rsplit_once(' ')
                .map_or(cut.as_str(), |(words, _)| words);
            format!("{words} …")
        }
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.4}", number.as_f64().unwrap_or_default());
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        Value::Array(items) if items.len() > 6 || items.iter().any(is_nested) => {
            words::count(items.len() as u64, "entry", "entries")
        }
        Value::Array(items) => items.iter().map(brief).collect::<Vec<_>>().join(", "),
        Value::Object(entries) if is_short(entries) => {
            let each = entries
                .iter()
                .map(|(key, value)| format!("{key} {}", brief(value)));
            each.collect::<Vec<_>>().join(", ")
        }
        Value::Object(entries) => words::count(entries.len() as u64, "entry", "entries"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;
    use crate::keys::Signing;
    use crate::open;

    #[test]
    fn a_bundle_of_a_foreign_key_is_shown_as_not_verified() {
        let bytes = sample::bundle(&Signing::generate().unwrap());
        let opened = open::open_unverified(bytes).unwrap();
        assert!(text(&opened, "en").contains("NOT VERIFIED"));
        let object = object(&opened, "en");
        assert_eq!(object["signature"], "not verified");
    }

    #[test]
    fn text_and_object_show_what_the_bundle_holds() {
        let bytes = sample::bundle(&Signing::development());
        let opened = open::open_bytes(bytes, &[]).unwrap();
        let text = text(&opened, "zh");
        for part in [
            "sample",
            "development key",
            "收入",
            "dense f32",
            "WGTS",
            "auc: 0.8125",
            "K1: refer if rate > 9.0",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let object = object(&opened, "en");
        assert_eq!(object["signature"], "development key");
        assert_eq!(object["sequence"], 7);
        assert_eq!(object["fields"][0]["label"], "Income");
        assert_eq!(
            object["fields"][0]["range"],
            serde_json::json!(["0", "10000"])
        );
        assert_eq!(object["models"][0]["steps"][0]["inputs"], 4);
        assert_eq!(object["score"]["points_to_double_odds"], 50.0);
        assert_eq!(object["card"]["auc"], 0.8125);
    }
}
