//! The trace of a decision: each rule tried, what it saw, what it said. It is made when it is asked for,
//! of the application and its decision alone.

use super::{ColumnKind, Facts, Numbers, Outcome, Policy, Source};
use crate::decide::{Decision, Flags};
use crate::schema::{Date, Field, FieldKind, Given, Schema, show_decimal};

/// A rule that was tried. Its `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Tried {
    /// What it belongs to: `score`, `flags`, `fields`, `knock_out`, or a table's name.
    pub table: String,
    /// Its code, or its number in its table, from 1.
    pub rule: String,
    /// What it looked at, by name, as text; `None` where there was no value.
    pub saw: Vec<(String, Option<String>)>,
    /// Whether it held.
    pub held: bool,
    /// What it said, by name, as text; nothing where it did not hold.
    pub said: Vec<(String, String)>,
}

impl std::fmt::Debug for Tried {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tried(values not shown)")
    }
}

/// A number or word that comes out with a decision: an instalment, a tier. Its `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub struct Term {
    /// Its name.
    pub name: String,
    /// Its number without the decimal mark; a word's index.
    pub number: Option<i64>,
    /// The number or word as text, with a decimal point.
    pub text: Option<String>,
    /// The unit that is shown beside it; may be empty.
    pub unit: String,
}

impl std::fmt::Debug for Term {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Term(values not shown)")
    }
}

fn date(days: i64) -> String {
    Date::from_days(days).map_or_else(String::new, |date| date.to_string())
}

/// A field's number as text.
fn of_field(field: &Field, number: i64) -> String {
    match &field.kind {
        FieldKind::Category { codes } => {
            let code = usize::try_from(number).ok().and_then(|at| codes.get(at));
            code.cloned().unwrap_or_default()
        }
        FieldKind::Boolean => (number != 0).to_string(),
        FieldKind::Date => date(number),
        kind if kind.is_numeric() => show_decimal(number, kind.decimals()),
        _ => "given".to_owned(),
    }
}

impl ColumnKind {
    /// A number of the column as text.
    pub fn text_of(&self, number: i64, decimals: u8) -> String {
        let word = self.word(number).map(str::to_owned);
        word.unwrap_or_else(|| show_decimal(number, decimals))
    }
}

impl Policy {
    /// A number of the value with this index as text: with its decimals, or as the code, word, date or
    /// truth that it is.
    pub fn text_of(&self, schema: &Schema, at: u16, number: i64) -> String {
        let Some(value) = self.values.get(usize::from(at)) else {
            return String::new();
        };
        match &value.source {
            Source::Field(at) => {
                let field = schema.fields().get(usize::from(*at));
                field.map_or_else(String::new, |field| of_field(field, number))
            }
            Source::AsOf => date(number),
            Source::Flag(_) => (number != 0).to_string(),
            Source::Output { table, column } => {
                let table = self.tables.get(usize::from(*table));
                let column = table.and_then(|t| t.columns.get(usize::from(*column)));
                column.map_or_else(String::new, |c| c.kind.text_of(number, value.decimals))
            }
            _ => show_decimal(number, value.decimals),
        }
    }

    /// A value's name, and what it is as text.
    fn show(&self, facts: Facts<'_>, numbers: &Numbers, at: u16) -> (String, Option<String>) {
        let value = self.values.get(usize::from(at));
        let number = numbers.get(usize::from(at)).copied().flatten();
        let text = number.map(|number| self.text_of(&facts.application.schema, at, number));
        (
            value.map_or_else(String::new, |value| value.name.clone()),
            text,
        )
    }

    /// What comes out beside score and outcome.
    pub(crate) fn terms_of(&self, facts: Facts<'_>) -> Vec<Term> {
        let numbers = self.numbers(facts);
        let term = |&at: &u16| {
            let (name, text) = self.show(facts, &numbers, at);
            let value = self.values.get(usize::from(at));
            Term {
                name,
                number: numbers[usize::from(at)],
                text,
                unit: value.map_or_else(String::new, |value| value.unit.clone()),
            }
        };
        self.terms.iter().map(term).collect()
    }

    /// Each rule that was tried: the score's bands, what a person must decide, fields, knock-out rules,
    /// tables.
    pub(crate) fn trace(&self, facts: Facts<'_>, decision: &Decision) -> Vec<Tried> {
        let outcome = |outcome: Outcome| vec![("outcome".to_owned(), outcome.name().to_owned())];
        let mut all = Vec::new();
        let mut tried = |table: &str, rule: &str, saw, said: Option<Vec<_>>| {
            all.push(Tried {
                table: table.to_owned(),
                rule: rule.to_owned(),
                saw,
                held: said.is_some(),
                said: said.unwrap_or_default(),
            });
        };
        let score = vec![("score".to_owned(), Some(facts.score.to_string()))];
        let band = self.band(facts.score);
        tried("score", band.name(), score, Some(outcome(band)));
        for flag in Flags::PERSON {
            let set = facts.flags.contains(flag);
            let name = flag.names().next().unwrap_or_default();
            let saw = vec![(name.to_owned(), Some(set.to_string()))];
            tried("flags", name, saw, set.then(|| outcome(Outcome::Refer)));
        }
        let application = facts.application;
        let fields = application.schema.fields();
        let given = |at: usize| {
            let number = Source::Field(at as u16).number(facts, &[]);
            let unlisted = matches!(application.given.get(at), Some(Given::Unlisted { .. }));
            let field = &fields[at];
            let text = number.map(|number| of_field(field, number));
            (
                field.name.clone(),
                text.or(unlisted.then(|| "unlisted".to_owned())),
            )
        };
        for at in (0..fields.len()).filter(|&at| decision.referred.contains(at)) {
            let said = Some(outcome(Outcome::Refer));
            tried("fields", &fields[at].name, vec![given(at)], said);
        }
        for (index, rule) in self.knock_outs.iter().enumerate() {
            let known = rule
                .when
                .iter()
                .map(|condition| usize::from(condition.field));
            let saw = known.filter(|&at| at < fields.len()).map(given).collect();
            let fired = decision.fired >> (index & 63) & 1 == 1;
            tried(
                "knock_out",
                &rule.code,
                saw,
                fired.then(|| outcome(rule.outcome)),
            );
        }
        let numbers = self.numbers(facts);
        for table in &self.tables {
            let hits = table.hits(&numbers);
            let inputs = table.inputs.iter();
            let saw: Vec<_> = inputs.map(|&at| self.show(facts, &numbers, at)).collect();
            for (index, rule) in table.rules.iter().enumerate() {
                let number = (index + 1).to_string();
                let code = rule.code.as_deref().unwrap_or(&number);
                let says = table.columns.iter().zip(&rule.then);
                let said = hits.contains(index).then(|| {
                    says.map(|(column, &then)| (column.name.clone(), column.kind.text_of(then, 0)))
                        .collect()
                });
                let held = said.is_some();
                tried(&table.name, code, saw.clone(), said);
                if held && table.hit == super::HitPolicy::First {
                    break;
                }
            }
        }
        all
    }
}
