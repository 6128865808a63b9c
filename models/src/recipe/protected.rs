//! Fields by which the law protects people from being decided upon: what reads them, and the words that
//! say why it may.

use std::collections::BTreeSet;

use fieldscore_runtime::decide::Source;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::recipe::{Lowered, Recipe, Text};

/// Words in a field's name that say what the law often protects, as data in several languages are
/// headed: sex, age, family, nationality, origin, religion, disability, orientation.
const NAMES: &[&str] = &[
    // English
    "sex",
    "gender",
    "age",
    "born",
    "birth",
    "birthday",
    "birthdate",
    "dob",
    "marital",
    "married",
    "nationality",
    "citizen",
    "citizenship",
    "origin",
    "ethnic",
    "ethnicity",
    "race",
    "caste",
    "tribe",
    "religion",
    "disability",
    "disabled",
    "pregnant",
    "pregnancy",
    "orientation",
    // Spanish, Portuguese
    "sexo",
    "genero",
    "género",
    "gênero",
    "edad",
    "idade",
    "nacimiento",
    "nascimento",
    "civil",
    "nacionalidad",
    "nacionalidade",
    "etnia",
    "raza",
    "raça",
    "religión",
    "religião",
    "discapacidad",
    "deficiência",
    // French
    "sexe",
    "âge",
    "naissance",
    "matrimoniale",
    "matrimonial",
    "nationalité",
    "ethnie",
    "handicap",
    // German
    "geschlecht",
    "alter",
    "geburtsdatum",
    "familienstand",
    "staatsangehörigkeit",
    "nationalität",
    "herkunft",
    "behinderung",
    "konfession",
    // Swahili, Indonesian
    "jinsia",
    "umri",
    "ndoa",
    "uraia",
    "kabila",
    "dini",
    "ulemavu",
    "kelamin",
    "usia",
    "umur",
    "agama",
    "suku",
    // Russian, Turkish
    "пол",
    "возраст",
    "cinsiyet",
    "yas",
    "yaş",
    "medeni",
];

/// The same where words are not parted.
const PARTS: &[&str] = &[
    "性别", "性別", "年龄", "年齡", "婚姻", "民族", "种族", "国籍", "宗教", "残疾", "出生", "籍贯",
];

/// A protected field, as a bundle's card has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProtectedField {
    /// The field.
    pub field: String,
    /// The blocks of features that read it, by themselves or through columns.
    pub features: Vec<String>,
    /// The rules that test it, and the policy's values that are made of it.
    pub rules: Vec<String>,
    /// Why it may be used, in the recipe's languages; empty where nothing uses it.
    pub justification: Text,
}

/// Whether a field's name has a word that says what the law often protects: `customer_age`, `maritalStatus`.
pub(crate) fn is_protected_name(name: &str) -> bool {
    let mut parted = String::new();
    let mut before = false;
    for letter in name.chars() {
        if letter.is_uppercase() && before {
            parted.push(' ');
        }
        before = letter.is_lowercase();
        parted.extend(letter.to_lowercase());
    }
    let mut words = parted.split(|letter: char| !letter.is_alphabetic());
    words.any(|word| NAMES.contains(&word)) || PARTS.iter().any(|part| name.contains(part))
}

/// Fields whose names say that they may be protected, and of which the recipe doesn't say whether they are.
pub(crate) fn unstated(recipe: &Recipe) -> Vec<String> {
    let fields = recipe.fields.iter();
    let open = fields.filter(|(name, field)| field.protected.is_none() && is_protected_name(name));
    open.map(|(name, _)| name.clone()).collect()
}

/// The justifications that are given, with their keys.
pub(super) fn justifications(recipe: &Recipe) -> Vec<(String, &Text)> {
    let given = recipe
        .fields
        .iter()
        .filter(|(_, field)| !field.justification.is_empty());
    given
        .map(|(name, field)| (format!("fields.{name}.justification"), &field.justification))
        .collect()
}

pub(super) fn check_justifications(recipe: &Recipe) -> Result<()> {
    let stray = recipe
        .fields
        .iter()
        .find(|(_, field)| field.protected != Some(true) && !field.justification.is_empty());
    match stray {
        Some((name, _)) => Err(Error::input(
            format!("fields.{name}.justification"),
            "protected = true beside it, or no justification",
        )),
        None => Ok(()),
    }
}

/// The protected fields and what reads them.
///
/// # Errors
/// Where something reads one, and the recipe doesn't say why it may.
pub(crate) fn protected(recipe: &Recipe, lowered: &Lowered) -> Result<Vec<ProtectedField>> {
    let fields = lowered.schema.fields.len();
    // The fields behind each field and column.
    let mut behind: Vec<BTreeSet<usize>> = (0..fields).map(|at| BTreeSet::from([at])).collect();
    for column in &lowered.transforms.columns {
        let operands = column.operands().into_iter();
        let all = operands.filter_map(|at| behind.get(usize::from(at)));
        let all = all.flatten().copied().collect();
        behind.push(all);
    }
    let mut found = Vec::new();
    for (at, (name, field)) in recipe.fields.iter().enumerate() {
        if field.protected != Some(true) {
            continue;
        }
        let reads = |source: u16| {
            let behind = behind.get(usize::from(source));
            behind.is_some_and(|fields| fields.contains(&at))
        };
        let blocks = lowered.transforms.blocks.iter();
        let mut features: Vec<String> = blocks
            .filter(|block| reads(block.source))
            .map(|block| block.name.clone())
            .collect();
        features.dedup();
        let rules = recipe.policy.knock_out.iter();
        let rules = rules
            .filter(|rule| {
                rule.when
                    .iter()
                    .any(|when| when.field.as_ref() == Some(name))
            })
            .map(|rule| rule.code.clone());
        // Tables look at values, and at fields through them.
        let values = lowered.policy.values.iter();
        let values = values
            .filter(|value| value.source == Source::Field(at as u16))
            .map(|value| format!("value {}", value.name));
        let rules: Vec<String> = rules.chain(values).collect();
        let used = !features.is_empty() || !rules.is_empty();
        let todo = |text: &String| text.trim_start().starts_with("TODO");
        let justified = !field.justification.is_empty() && !field.justification.values().any(todo);
        if used && !justified {
            return Err(Error::input(
                format!("fields.{name}.protected"),
                format!(
                    "no use of a protected field without a justification, but {} it",
                    users(&features, &rules)
                ),
            )
            .hint(format!(
                "train without {name} and keep it in data.groups, which evaluation alone reads; or say why it may \
                 be used, in words for the bundle's card: fields.{name}.justification = {{ {} = \"…\" }}",
                recipe.texts.languages.first().map_or("en", String::as_str)
            )));
        }
        found.push(ProtectedField {
            field: name.clone(),
            features,
            rules,
            justification: field.justification.clone(),
        });
    }
    Ok(found)
}

/// Features and rules in words, with their verb.
fn users(features: &[String], rules: &[String]) -> String {
    let some = |one: &str, many: &str, names: &[String], verb: [&str; 2]| match names {
        [] => None,
        [name] => Some(format!("{one} {name} {}", verb[0])),
        _ => Some(format!("{many} {} {}", names.join(", "), verb[1])),
    };
    let features = some("feature", "features", features, ["reads", "read"]);
    let rules = some("rule", "rules", rules, ["tests", "test"]);
    let all: Vec<String> = features.into_iter().chain(rules).collect();
    all.join(" and ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_by_their_words() {
        for name in [
            "sex",
            "Age",
            "customer_age",
            "maritalStatus",
            "estado_civil",
            "客户年龄",
            "AGE",
            "date-of-birth",
        ] {
            assert!(is_protected_name(name), "{name}");
        }
        for name in [
            "percentage",
            "agent",
            "amount",
            "home",
            "wage",
            "language",
            "trace",
            "sextant",
            "收入",
        ] {
            assert!(!is_protected_name(name), "{name}");
        }
    }

    #[test]
    fn users_are_told_in_words() {
        let words = |all: &[&str]| {
            all.iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(users(&words(&["age"]), &[]), "feature age reads");
        let both = users(&words(&["a", "b"]), &words(&["K1"]));
        assert_eq!(both, "features a, b read and rule K1 tests");
    }
}
