//! What changed between two bundles, part by part.

use std::collections::BTreeMap;

use fieldscore_cli::Opened;
use fieldscore_cli::inspect::object;
use fieldscore_runtime::Scorer;
use fieldscore_runtime::bundle::container::{Section, SectionKind};
use fieldscore_runtime::bundle::encode;
use fieldscore_runtime::schema::transform::Block;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::build::hex;

/// What of a bundle changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Product, sequence, dates, engine, key, languages.
    Bundle,
    /// Plan, weights, precision, calibration, score scale, reference applicant.
    Model,
    /// From fields to features.
    Transforms,
    /// What an applicant is asked.
    Fields,
    /// Groups of reasons.
    Groups,
    /// Cut-offs, rules, amounts, tables, terms, and why staff may decide otherwise.
    Policy,
    /// Words, by language and key.
    Texts,
    /// What the card states of use, data and compression.
    Card,
}

impl Part {
    /// All parts, in the order of a report.
    pub const ALL: [Self; 8] = [
        Self::Bundle,
        Self::Model,
        Self::Transforms,
        Self::Fields,
        Self::Groups,
        Self::Policy,
        Self::Texts,
        Self::Card,
    ];

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bundle => "Bundle",
            Self::Model => "Model",
            Self::Transforms => "Transforms",
            Self::Fields => "Fields",
            Self::Groups => "Groups of reasons",
            Self::Policy => "Policy",
            Self::Texts => "Texts",
            Self::Card => "Card",
        }
    }
}

/// One change: what was there before, and what is there now. Where one of them is absent, something
/// was added or removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    /// The part.
    pub part: Part,
    /// Where in it: names and codes, joined by points.
    pub place: String,
    /// The old value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Value>,
    /// The new value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Value>,
}

/// A section of the two files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SectionChange {
    /// Its name.
    pub name: String,
    /// Its bytes in the old file, if that has it.
    pub old: Option<u64>,
    /// Its bytes in the new file, if that has it.
    pub new: Option<u64>,
    /// Whether both have the same bytes there.
    pub same: bool,
}

/// The sections of both files, in the order of the old one.
pub fn sections(old: &Scorer, new: &Scorer) -> Vec<SectionChange> {
    let (old, new) = (&old.container().sections, &new.container().sections);
    let find = |all: &[Section], kind| all.iter().find(|own| own.kind == kind).copied();
    let added = new.iter().filter(|own| find(old, own.kind).is_none());
    old.iter()
        .chain(added)
        .map(|one| {
            let (old, new) = (find(old, one.kind), find(new, one.kind));
            SectionChange {
                name: one.kind.to_string(),
                old: old.map(|own| own.len as u64),
                new: new.map(|own| own.len as u64),
                same: old.map(|own| own.sha256) == new.map(|own| own.sha256),
            }
        })
        .collect()
}

/// Everything that changed from `old` to `new`, in the order of [`Part::ALL`].
pub fn changes(old: &Opened, new: &Opened) -> Vec<Change> {
    let (old, new) = (parts(old), parts(new));
    let mut all = Vec::new();
    for (part, (old, new)) in Part::ALL.into_iter().zip(old.iter().zip(&new)) {
        differ(part, "", Some(old), Some(new), &mut all);
    }
    all
}

/// What a bundle says, in the order of [`Part::ALL`].
fn parts(opened: &Opened) -> [Value; 8] {
    let scorer = &opened.scorer;
    let mut all = object(opened, "");
    let mut take = |key: &str| all[key].take();
    let card = take("card");
    let mut policy = without(take("policy"), &["text"]);
    policy["override_reasons"] = without(take("override_reasons"), &["text"]);
    let words = ["label", "help", "reason"];
    let (fields, groups) = (
        without(take("fields"), &words),
        without(take("groups"), &words),
    );
    let bundle = [
        "product",
        "sequence",
        "not_before",
        "not_after",
        "format",
        "least_runtime",
        "engine",
        "score_as_typed",
        "key_id",
        "languages",
        "challenger",
    ];
    let bundle: Map<String, Value> = bundle
        .iter()
        .map(|key| ((*key).to_owned(), take(key)))
        .collect();
    let model = model(scorer, &card, &mut all);
    let mut stated: Map<String, Value> = ["statement", "data", "compression", "protected"]
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), card.get(key)?.clone())))
        .collect();
    stated.insert("monotone".to_owned(), monotone(&card));
    [
        Value::Object(bundle),
        model,
        transforms(scorer),
        fields,
        groups,
        policy,
        texts(scorer),
        Value::Object(stated),
    ]
}

/// Which way the score goes in fields that the card calls monotone.
fn monotone(card: &Value) -> Value {
    let all = card["soundness"]["monotone"].as_array();
    all.into_iter()
        .flatten()
        .map(|one| json!({ "field": one["field"], "direction": one["direction"] }))
        .collect()
}

/// A value without entries of these names, at any depth.
fn without(mut value: Value, names: &[&str]) -> Value {
    fn walk(value: &mut Value, names: &[&str]) {
        match value {
            Value::Object(entries) => {
                entries.retain(|key, _| !names.contains(&key.as_str()));
                entries.values_mut().for_each(|value| walk(value, names));
            }
            Value::Array(items) => items.iter_mut().for_each(|item| walk(item, names)),
            _ => {}
        }
    }
    walk(&mut value, names);
    value
}

fn model(scorer: &Scorer, card: &Value, all: &mut Value) -> Value {
    let mut scale = all["score"].take();
    let reference = scale["reference_score"].take();
    if let Value::Object(entries) = &mut scale {
        entries.retain(|key, _| !["reference_score", "calibration_knots"].contains(&key.as_str()));
    }
    let layers = card["layers"].as_array().into_iter().flatten();
    let precision: Map<String, Value> = layers
        .filter_map(|layer| {
            Some((
                layer["name"].as_str()?.to_owned(),
                layer["precision"].clone(),
            ))
        })
        .collect();
    let section = |kind| scorer.section(kind).map(digest);
    let decide = scorer.decide();
    let others: Map<String, Value> = decide
        .others()
        .iter()
        .map(|other| (other.name.clone(), json!(digest(&encode(other)))))
        .collect();
    json!({
        "family": card["family"],
        "plan": section(SectionKind::PLAN),
        "weights": section(SectionKind::WEIGHTS),
        "model_file": section(SectionKind::MODEL),
        "plans": all["models"].as_array().into_iter().flatten().map(plan).collect::<Vec<_>>(),
        "multiply_adds": all["multiply_adds"],
        "explanation_evaluations": all["explanation_evaluations"],
        "explanation_multiply_adds": all["explanation_multiply_adds"],
        "precision": precision,
        "calibration": knots(&decide.calibration.knots),
        "blend": decide.blend().map(|blend| digest(&encode(blend))),
        "outputs": others,
        "scale": scale,
        "reference": digest(&decide.reference),
        "reference_score": reference,
    })
}

/// A plan in short: its steps by their kinds, in the order in which these come.
fn plan(of: &Value) -> Value {
    let steps = of["steps"].as_array();
    let kinds = || {
        steps
            .into_iter()
            .flatten()
            .filter_map(|step| step["step"].as_str())
    };
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for kind in kinds() {
        match counts.iter_mut().find(|(own, _)| *own == kind) {
            Some((_, count)) => *count += 1,
            None => counts.push((kind, 1)),
        }
    }
    let counts = counts.iter().map(|(kind, count)| format!("{count} {kind}"));
    let weights = steps.into_iter().flatten();
    let weights = weights.filter_map(|step| step["weight_bytes"].as_u64());
    json!({
        "name": of["name"],
        "plan_version": of["plan_version"],
        "steps": counts.collect::<Vec<_>>(),
        "weight_bytes": weights.sum::<u64>(),
        "multiply_adds": of["multiply_adds"],
        "arena_bytes": of["arena_bytes"],
    })
}

/// A calibration's knots: how many, from where to where, and which.
fn knots(knots: &[(i32, i32)]) -> Value {
    let bytes: Vec<u8> = knots
        .iter()
        .flat_map(|(x, y)| [x.to_le_bytes(), y.to_le_bytes()].concat())
        .collect();
    json!({ "knots": knots.len(), "digest": digest(&bytes) })
}

/// The first bytes of a SHA-256.
fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)[..8])
}

fn transforms(scorer: &Scorer) -> Value {
    let fields = scorer.schema().fields();
    let transforms = scorer.transforms();
    let block = |block: &Block| {
        let source = usize::from(block.source);
        let from = match fields.get(source) {
            Some(field) => field.name.clone(),
            None => format!("column {}", source - fields.len() + 1),
        };
        let encode = format!("{:?}", block.encode);
        json!({
            "name": block.name,
            "from": from,
            "impute": block.impute.map(|x| x.to_string()),
            "missing_flag": block.missing_flag,
            "clip": block.clip,
            "log": block.log,
            "encode": encoding(&encode),
            "numbers": digest(encode.as_bytes()),
            "features": block.width(),
        })
    };
    json!({
        "features": transforms.width(),
        "blocks": transforms.blocks().iter().map(block).collect::<Vec<_>>(),
    })
}

/// The name of an encoding, without its numbers.
fn encoding(shown: &str) -> String {
    let end = shown.find(|c: char| !c.is_alphanumeric());
    shown[..end.unwrap_or(shown.len())].to_lowercase()
}

/// Every text by language and key.
fn texts(scorer: &Scorer) -> Value {
    let texts = scorer.texts();
    let mut all: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
    for entry in &texts.entries {
        for (language, text) in texts.languages.iter().zip(&entry.texts) {
            if !text.is_empty() {
                all.entry(language).or_default().insert(&entry.key, text);
            }
        }
    }
    json!(all)
}

/// What names an object in a list.
const NAMES: [&str; 4] = ["name", "code", "id", "field"];

/// The key that names every object of both lists, each in its list by a text of its own.
fn identity(old: &[Value], new: &[Value]) -> Option<&'static str> {
    let names = |items: &[Value], key: &str| {
        let names: Option<Vec<&str>> = items.iter().map(|item| item.get(key)?.as_str()).collect();
        names.is_some_and(|mut names| {
            names.sort_unstable();
            names.windows(2).all(|pair| pair[0] != pair[1])
        })
    };
    NAMES
        .into_iter()
        .find(|key| names(old, key) && names(new, key))
}

/// Adds what differs between two values: objects key by key; lists of named objects by these names,
/// of others place by place; whatever else as a whole.
fn differ(
    part: Part,
    place: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    out: &mut Vec<Change>,
) {
    let inner = |name: &str| match place {
        "" => name.to_owned(),
        place => format!("{place}.{name}"),
    };
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|key| !old.contains_key(*key));
            for key in old.keys().chain(added) {
                differ(part, &inner(key), old.get(key), new.get(key), out);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new)))
            if old.iter().chain(new).all(Value::is_object) =>
        {
            match identity(old, new) {
                Some(key) => named(part, key, &inner, (old, new), out),
                None => {
                    for at in 0..old.len().max(new.len()) {
                        differ(
                            part,
                            &inner(&(at + 1).to_string()),
                            old.get(at),
                            new.get(at),
                            out,
                        );
                    }
                }
            }
        }
        (old, new) => {
            let is = |value: &&Value| !value.is_null();
            let (old, new) = (old.filter(is).cloned(), new.filter(is).cloned());
            if old != new {
                let place = place.to_owned();
                out.push(Change {
                    part,
                    place,
                    old,
                    new,
                });
            }
        }
    }
}

/// As [`differ`], of lists of objects that `key` names; and their order, where those that both have
/// stand in another one.
fn named(
    part: Part,
    key: &str,
    inner: &dyn Fn(&str) -> String,
    (old, new): (&[Value], &[Value]),
    out: &mut Vec<Change>,
) {
    let find = |all: &'_ [Value], name: &Value| all.iter().position(|own| own[key] == *name);
    let added = new.iter().filter(|own| find(old, &own[key]).is_none());
    for one in old.iter().chain(added) {
        let at = |all: &[Value]| find(all, &one[key]);
        let (before, after) = (at(old).map(|at| &old[at]), at(new).map(|at| &new[at]));
        differ(
            part,
            &inner(one[key].as_str().unwrap_or_default()),
            before,
            after,
            out,
        );
    }
    let order = |all: &[Value], other: &[Value]| -> Vec<Value> {
        let both = all.iter().filter(|own| find(other, &own[key]).is_some());
        both.map(|own| own[key].clone()).collect()
    };
    let (before, after) = (order(old, new), order(new, old));
    if before != after {
        out.push(Change {
            part,
            place: inner("(order)"),
            old: Some(Value::Array(before)),
            new: Some(Value::Array(after)),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(old: Value, new: Value) -> Vec<(String, Option<Value>, Option<Value>)> {
        let mut out = Vec::new();
        differ(Part::Policy, "", Some(&old), Some(&new), &mut out);
        let plain = out.into_iter();
        plain.map(|own| (own.place, own.old, own.new)).collect()
    }

    #[test]
    fn rules_are_found_by_their_codes() {
        let old = json!({ "rules": [{ "code": "A", "when": [{ "field": "x", "above": 1 }] }, { "code": "B", "n": 1 }] });
        let new = json!({ "rules": [{ "code": "C", "n": 2 }, { "code": "A", "when": [{ "field": "x", "above": 2 }] }] });
        let found = all(old, new);
        let places: Vec<&str> = found.iter().map(|own| own.0.as_str()).collect();
        assert_eq!(places, ["rules.A.when.x.above", "rules.B", "rules.C"]);
        assert_eq!(found[0].1, Some(json!(1)));
        assert!(found[1].2.is_none() && found[2].1.is_none());
    }

    #[test]
    fn another_order_is_a_change() {
        let (one, two) = (json!({ "code": "A" }), json!({ "code": "B" }));
        let found = all(
            json!({ "rules": [one, two] }),
            json!({ "rules": [two, one] }),
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "rules.(order)");
        assert_eq!(found[0].2, Some(json!(["B", "A"])));
    }

    #[test]
    fn the_same_is_no_change_and_null_is_nothing() {
        let value = json!({ "a": [1, { "b": [true] }], "c": null });
        assert!(all(value.clone(), value).is_empty());
        assert!(all(json!({ "c": null }), json!({})).is_empty());
        assert_eq!(all(json!({ "c": [1, 2] }), json!({ "c": [2, 1] })).len(), 1);
    }
}
