//! `fieldscore explain`: one decision, for a person to read.

use std::fmt::Write;

use comfy_table::Cell;
use fieldscore_runtime::decide::{Record, Tried};
use fieldscore_runtime::{Alternative, Application, Explanation, Reason, Scorer};

use crate::applications::{Answer, JsonlResults, RowError};
use crate::error::Result;
use crate::input::InputArgs;
use crate::score::language;
use crate::table::{plain, render, right};
use crate::{BundleArgs, Exit, Sink, chart, say, words};

/// Explain the decision on one row of a file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore explain credit.fsb applications.csv --row 3
  fieldscore explain credit.fsb applications.csv --row 3 --language zh

Points are Shapley values: what each field adds to or takes from the score, compared with the
bundle's reference applicant. They sum to the score minus the reference applicant's.")]
pub struct ExplainArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    input: InputArgs,
    /// Which row of data, from 1 (the header does not count)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    row: u64,
    /// Language of texts, a BCP-47 tag [default: the bundle's first]
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Text for people, or the JSON line that `score --explain --format jsonl` writes
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: ExplainFormat,
    /// Add to the JSON line what would change a decline or a referral, which text has anyhow
    #[arg(long)]
    alternatives: bool,
}

/// How an explanation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ExplainFormat {
    Text,
    Jsonl,
}

/// Explains one row.
///
/// # Errors
/// Where the bundle does not open, the file cannot be read or has no such row.
pub fn run(args: ExplainArgs) -> Result<Exit> {
    let opened = args.bundle.open()?;
    let scorer = &opened.scorer;
    let (reader, batch, at) = args.input.nth(scorer.schema(), args.row)?;
    let row = &batch.rows()[at];
    let explained = match &row.application {
        Err(error) => Err(error.clone()),
        Ok(at) => {
            let application = &batch.applications()[*at];
            let explained = scorer.explain(application).and_then(|explanation| {
                let wanted = args.alternatives || args.format == ExplainFormat::Text;
                let alternatives = wanted
                    .then(|| scorer.alternatives(application))
                    .transpose()?;
                Ok((application, explanation, alternatives))
            });
            explained.map_err(RowError::from)
        }
    };
    let sink = Sink::stdout();
    let write_error = sink.error();
    let language = language(args.language.as_deref(), scorer);
    if args.format == ExplainFormat::Jsonl {
        let answer = match &explained {
            Ok((application, explanation, alternatives)) => {
                Answer::Explained(application, explanation, alternatives.as_ref())
            }
            Err(error) => Answer::Error(error),
        };
        let mut out = JsonlResults::new(sink, language);
        out.write(scorer, reader.name(), &batch, row, answer)
            .and_then(|()| out.flush())
            .map_err(write_error)?;
    } else if let Ok((application, explanation, alternatives)) = &explained {
        let found = alternatives.as_ref().map_or(&[][..], |all| &all.found);
        sink.print(&text(scorer, application, explanation, found, language)?)?;
    }
    Ok(match explained {
        Ok(_) => Exit::Done,
        Err(error) => {
            say::error(&error.at(reader.name(), row));
            Exit::BadInput
        }
    })
}

fn text(
    scorer: &Scorer,
    application: &Application,
    explanation: &Explanation,
    alternatives: &[Alternative],
    language: &str,
) -> Result<String> {
    let mut bytes = Vec::new();
    scorer.record(application, &explanation.decision, &mut bytes);
    let record = Record::decode(&bytes)?;
    let mut out = String::new();
    head(&mut out, scorer, application, explanation);
    reasons(&mut out, scorer, explanation, language);
    would_change(&mut out, scorer, &record, alternatives, language);
    contributions(&mut out, scorer, &record, explanation, language);
    remarks(&mut out, scorer, explanation, language);
    tried(&mut out, &scorer.trace(application, &explanation.decision));
    Ok(out)
}

// Writing to a string cannot fail: the results of `writeln!` below are dropped for that.

fn head(out: &mut String, scorer: &Scorer, application: &Application, explanation: &Explanation) {
    let decision = &explanation.decision;
    let policy = scorer.policy();
    let difference = decision.score - explanation.reference_score;
    let _ = writeln!(
        out,
        "Application {}, as of {}",
        application.id(),
        application.as_of()
    );
    let _ = writeln!(out);
    let _ = writeln!(
        out,
        "  Outcome      {}",
        decision.outcome.name().to_uppercase()
    );
    let _ = writeln!(
        out,
        "  Score        {} (approve from {}, refer from {})",
        decision.score, policy.approve_from, policy.refer_from
    );
    let _ = writeln!(
        out,
        "  Reference    {} ({difference:+} against the reference applicant)",
        explanation.reference_score
    );
    let _ = writeln!(
        out,
        "  Probability  {} of default",
        words::percent(decision.probability_ppm)
    );
    for (other, ppm) in scorer.decide().others().iter().zip(decision.others) {
        let _ = writeln!(
            out,
            "               {} of {}",
            words::percent(ppm),
            other.name
        );
    }
    for term in scorer.terms(application, decision) {
        let text = term.text.as_deref().unwrap_or("none");
        let term = format!("               {} {text} {}", term.name, term.unit);
        let _ = writeln!(out, "{}", term.trim_end());
    }
    if let Some(shadow) = decision.challenger {
        let _ = writeln!(
            out,
            "  Challenger   {}, with a score of {}: in shadow, no part of the decision",
            shadow.outcome, shadow.score
        );
    }
}

/// The rules of the policy: what each saw, and what it said if it held.
fn tried(out: &mut String, all: &[Tried]) {
    let _ = writeln!(out, "\nRules tried");
    for tried in all {
        let saw = tried.saw.iter().map(|(name, text)| match text {
            Some(text) => format!("{name} {text}"),
            None => format!("{name} without a value"),
        });
        let said = tried.said.iter().map(|(name, text)| match name.as_str() {
            "outcome" => text.clone(),
            name => format!("{name} {text}"),
        });
        let said: Vec<String> = said.collect();
        let said = match tried.held {
            true => said.join(", "),
            false => "did not hold".to_owned(),
        };
        let saw: Vec<String> = saw.collect();
        let line = format!(
            "{} {}: {said} ({})",
            tried.table,
            tried.rule,
            saw.join(", ")
        );
        for (at, line) in wrapped(&line, 76).into_iter().enumerate() {
            let _ = writeln!(out, "{}{line}", if at == 0 { "  " } else { "    " });
        }
    }
}

/// Lines of at most so many characters, broken at spaces.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn reasons(out: &mut String, scorer: &Scorer, explanation: &Explanation, language: &str) {
    if explanation.reasons.iter().next().is_none() {
        return;
    }
    let mut table = plain();
    for reason in explanation.reasons.iter() {
        let points = match reason {
            Reason::Field(_, points) => format!("{points:+}"),
            _ => String::new(),
        };
        table.add_row(vec![
            Cell::new(scorer.reason_code(reason)),
            right(points),
            Cell::new(scorer.reason_text(reason, language)),
        ]);
    }
    let _ = write!(
        out,
        "\nReasons, the most important first\n{}",
        render(&table, " ")
    );
}

fn would_change(
    out: &mut String,
    scorer: &Scorer,
    record: &Record,
    alternatives: &[Alternative],
    language: &str,
) {
    if !alternatives.is_empty() {
        let _ = writeln!(out, "\nWhat would change it");
    }
    for Alternative { changes, decision } in alternatives {
        let (outcome, score) = (decision.outcome, decision.score);
        let _ = writeln!(out, "  {outcome}, with a score of {score}:");
        for change in changes {
            if let Ok(field) = scorer.schema().field_at(change.field.into()) {
                let label = words::label(scorer, field, language);
                let new = words::changed(scorer, field, *change, language);
                let now = words::value(scorer, record, field, language);
                let _ = writeln!(out, "    {label}: {new}, instead of {now}");
            }
        }
    }
}

fn contributions(
    out: &mut String,
    scorer: &Scorer,
    record: &Record,
    explanation: &Explanation,
    language: &str,
) {
    let schema = scorer.schema();
    let all = explanation.groups.iter().chain(&explanation.fields);
    let full = all.map(|points| points.unsigned_abs()).max().unwrap_or(1);
    let mut table = plain();
    for (group, (about, points)) in schema.groups().iter().zip(&explanation.groups).enumerate() {
        let key = format!("group.{}.label", about.name);
        let label = scorer.texts().text(&key, language).unwrap_or(&about.name);
        table.add_row(vec![
            Cell::new(label),
            Cell::new(""),
            right(format!("{points:+}")),
            Cell::new(chart::bar(*points, full)),
        ]);
        let fields = schema.fields().iter().zip(&explanation.fields);
        for (field, points) in fields.filter(|(field, _)| usize::from(field.group) == group) {
            table.add_row(vec![
                Cell::new(format!("  {}", words::label(scorer, field, language))),
                right(words::value(scorer, record, field, language)),
                right(format!("{points:+}")),
                Cell::new(chart::bar(*points, full)),
            ]);
        }
    }
    let _ = write!(
        out,
        "\nPoints against the reference applicant, by group and field\n{}",
        render(&table, " ")
    );
}

fn remarks(out: &mut String, scorer: &Scorer, explanation: &Explanation, language: &str) {
    let decision = &explanation.decision;
    let fields = scorer.schema().fields();
    let flags = words::flags(decision.flags);
    if !flags.is_empty() {
        let _ = writeln!(out, "\nFlags");
        for (name, words) in flags {
            let _ = writeln!(out, "  {name}: {words}");
        }
    }
    let sets = [
        ("Without a value", decision.missing),
        ("Out of range", decision.out_of_range),
        ("Not in its list", decision.unlisted),
        ("For a person to look at", decision.referred),
    ];
    for (title, set) in sets.iter().filter(|(_, set)| !set.is_empty()) {
        let names: Vec<&str> = set
            .iter()
            .filter_map(|index| fields.get(index))
            .map(|field| words::label(scorer, field, language))
            .collect();
        let _ = writeln!(out, "\n{title}\n  {}", names.join(", "));
    }
    if decision.fired != 0 {
        let _ = writeln!(out, "\nRules that fired");
        for index in (0..64).filter(|index| decision.fired >> index & 1 == 1) {
            let rule = Reason::Rule(index);
            let text = scorer.reason_text(rule, language);
            let outcome = scorer.policy().outcome_of(index);
            let _ = writeln!(out, "  {} ({outcome}): {text}", scorer.reason_code(rule));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;

    fn explained(language: &str) -> String {
        let scorer = sample::scorer();
        let mut application = scorer.application("A-1", sample::day());
        application.set("income", 500).unwrap();
        application.set("rate", 9.5).unwrap();
        application.set("home", "boat").unwrap();
        let explanation = scorer.explain(&application).unwrap();
        let found = scorer.alternatives(&application).unwrap().found;
        text(&scorer, &application, &explanation, &found, language).unwrap()
    }

    #[test]
    fn a_decision_is_explained_within_80_columns() {
        let text = explained("en");
        for part in [
            "Application A-1, as of 2026-09-01",
            "Outcome      DECLINE",
            "against the reference applicant",
            "Income is low",
            "What would change it",
            "instead of ",
            "K1 (refer): The rate needs a person",
            "unlisted: a category is not in its field's list",
            "Without a value\n  owner, since",
            "9.5",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn texts_come_in_the_language_asked_for() {
        let text = explained("zh-Hans");
        assert!(
            text.contains("收入较低") && text.contains("利率需人工审核"),
            "{text}"
        );
    }
}
