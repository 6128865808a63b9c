//! What a recipe says to people beyond labels: reasons that tell them something, the notice of a
//! decision, and why staff may override one.

use fieldscore_runtime::decide::{built_in, notice_keys};

use crate::error::{Error, Result};
use crate::recipe::{Recipe, Text};

/// What says nothing but that the score is low, without case and full stops.
const EMPTY_WORDS: &[&str] = &[
    "score too low",
    "score is too low",
    "the score is too low",
    "your score is too low",
    "the score is low",
    "low score",
    "low credit score",
    "insufficient score",
    "insufficient credit score",
    "did not meet our criteria",
    "评分过低",
    "评分较低",
    "评分不足",
    "综合评分不足",
];

/// The texts of `[notice]` that are given, with their keys behind `notice.` in the bundle.
fn words(recipe: &Recipe) -> Vec<(String, &Text)> {
    let notice = &recipe.notice;
    let mut all = vec![
        ("lender".to_owned(), &notice.lender),
        ("review".to_owned(), &notice.review),
        ("approve".to_owned(), &notice.approve),
        ("refer".to_owned(), &notice.refer),
        ("decline".to_owned(), &notice.decline),
    ];
    let labels = notice.words.iter().filter(|(name, _)| *name != "score");
    all.extend(labels.map(|(name, text)| (format!("word.{name}"), text)));
    all.retain(|(_, text)| !text.is_empty());
    all
}

/// All texts of people's notices and overrides that a recipe gives, with their keys in it.
pub(super) fn given(recipe: &Recipe) -> Vec<(String, &Text)> {
    let score = recipe.notice.words.get_key_value("score").into_iter();
    let words = words(recipe)
        .into_iter()
        .map(|(key, text)| (format!("notice.{}", key.replace("word.", "words.")), text));
    let overrides = recipe.policy.override_reason.iter();
    let overrides = overrides.map(|reason| {
        let key = format!("policy.override_reason {}, text", reason.code);
        (key, &reason.text)
    });
    words
        .chain(score.map(|(name, text)| (format!("notice.words.{name}"), text)))
        .chain(overrides)
        .collect()
}

/// The same as entries of a bundle's texts.
pub(super) fn entries(recipe: &Recipe) -> Vec<(String, Text)> {
    let words = words(recipe).into_iter();
    let mut all: Vec<(String, Text)> = words
        .map(|(key, text)| (format!("notice.{key}"), text.clone()))
        .collect();
    let languages = &recipe.texts.languages;
    if recipe.notice.score {
        let built_in = languages
            .iter()
            .map(|language| (language.clone(), built_in("score", language).to_owned()));
        let given = recipe.notice.words.get("score").cloned();
        let label = given.unwrap_or_else(|| built_in.collect());
        all.push(("notice.score".to_owned(), label));
    }
    if let (Some(version), Some(first)) = (&recipe.texts.version, languages.first()) {
        let text = Text::from([(first.clone(), version.clone())]);
        all.push(("texts.version".to_owned(), text));
    }
    let overrides = recipe.policy.override_reason.iter();
    all.extend(overrides.map(|r| (format!("override.{}", r.code), r.text.clone())));
    all
}

pub(super) fn check(recipe: &Recipe) -> Result<()> {
    let version = recipe.texts.version.as_deref();
    if version.is_some_and(|v| !(1..=64).contains(&v.len()) || v.contains(char::is_control)) {
        return Err(Error::input(
            "texts.version",
            "1 to 64 bytes on one line, as 2026-09",
        ));
    }
    let labels: Vec<&str> = notice_keys()
        .filter_map(|key| key.strip_prefix("word."))
        .chain(["score"])
        .collect();
    if let Some(name) = recipe
        .notice
        .words
        .keys()
        .find(|name| !labels.contains(&name.as_str()))
    {
        return Err(Error::input(
            format!("notice.words.{name}"),
            format!("one of {}", labels.join(", ")),
        ));
    }
    let reasons = &recipe.policy.override_reason;
    for (at, reason) in reasons.iter().enumerate() {
        let code = &reason.code;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let sound = (1..=32).contains(&code.len()) && code.chars().all(plain);
        if !sound || reasons[..at].iter().any(|earlier| earlier.code == *code) {
            return Err(Error::input(
                format!("policy.override_reason {code}, code"),
                "1 to 32 letters, digits, '-', '_' or '.', and each code once",
            ));
        }
    }
    check_reasons(recipe)
}

/// A text as it is compared: without case, blanks around it and a full stop.
fn plain(text: &str) -> String {
    let text = text.trim().trim_end_matches(['.', '。', '!', '！']);
    text.trim_end().to_lowercase()
}

/// That every reason says something of its own: what the fields' reasons and the rules say is all that
/// an applicant learns.
fn check_reasons(recipe: &Recipe) -> Result<()> {
    let fields = recipe.fields.iter().map(|(name, field)| {
        let key = format!("fields.{name}.reason.text");
        (key, &field.reason.text, Some(&field.label))
    });
    let rules = recipe.policy.knock_out.iter().map(|rule| {
        let key = format!("policy.knock_out {}, text", rule.code);
        (key, &rule.text, None)
    });
    for all in [fields.collect::<Vec<_>>(), rules.collect()] {
        for (at, (key, text, label)) in all.iter().enumerate() {
            for (language, said) in text.iter() {
                let said = plain(said);
                // What `init` drafts is listed as still to be written.
                if said.starts_with("todo") {
                    continue;
                }
                let fault = |expected: String| {
                    Err(Error::input(format!("{key}.{language}"), expected)
                        .hint("a reason tells the applicant what it was in their application that counted against it"))
                };
                let same = |text: &Text| text.get(language).is_some_and(|text| plain(text) == said);
                if label.is_some_and(same) {
                    return fault("a reason that says more than the field's label".to_owned());
                }
                if EMPTY_WORDS.contains(&said.as_str()) {
                    return fault("a reason that says more than that the score is low".to_owned());
                }
                if let Some((other, ..)) = all[..at].iter().find(|(_, text, _)| same(text)) {
                    return fault(format!("a reason of its own, not that of {other}"));
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_compared_without_case_and_full_stops() {
        assert_eq!(plain(" Score too low. "), "score too low");
        assert_eq!(plain("评分过低。"), "评分过低");
        assert!(EMPTY_WORDS.iter().all(|words| plain(words) == *words));
    }
}
