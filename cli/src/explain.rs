//! `fieldscore explain`: one decision, for a person to read.

use std::fmt::Write;

use comfy_table::Cell;
use fieldscore_runtime::decide::Record;
use fieldscore_runtime::{Application, Explanation, Reason, Scorer};

use crate::applications::{Answer, Batch, JsonlResults, RowError};
use crate::error::{Error, Result};
use crate::input::{InputArgs, Notes};
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
    let mut reader = args.input.read(scorer.schema())?;
    let mut batch = Batch::default();
    let mut before = 0;
    loop {
        if !reader.fill(&mut batch)? {
            let rows = words::count(before, "row", "rows");
            return Err(Error::input(
                reader.name(),
                format!("a row {}: it has {rows} of data", args.row),
            ));
        }
        if args.row <= before + batch.rows().len() as u64 {
            break;
        }
        before += batch.rows().len() as u64;
    }
    Notes::default().after_batch(&reader, &args.input);
    let row = &batch.rows()[(args.row - before - 1) as usize];
    let explained = match &row.application {
        Err(error) => Err(error.clone()),
        Ok(at) => {
            let application = &batch.applications()[*at];
            scorer
                .explain(application)
                .map(|explanation| (application, explanation))
                .map_err(RowError::from)
        }
    };
    let sink = Sink::stdout();
    let write_error = sink.error();
    let language = language(args.language.as_deref(), scorer);
    if args.format == ExplainFormat::Jsonl {
        let answer = match &explained {
            Ok((application, explanation)) => Answer::Explained(application, explanation),
            Err(error) => Answer::Error(error),
        };
        let mut out = JsonlResults::new(sink, language);
        out.write(scorer, reader.name(), &batch, row, answer)
            .and_then(|()| out.flush())
            .map_err(write_error)?;
    } else if let Ok((application, explanation)) = &explained {
        sink.print(&text(scorer, application, explanation, language)?)?;
    }
    Ok(match explained {
        Ok(_) => Exit::Done,
        Err(error) => {
            let place = error.place(reader.name(), row);
            say::error(&Error::input(
                place,
                format!("{} [{}]", error.expected, error.code),
            ));
            Exit::BadInput
        }
    })
}

fn text(
    scorer: &Scorer,
    application: &Application,
    explanation: &Explanation,
    language: &str,
) -> Result<String> {
    let mut bytes = Vec::new();
    scorer.record(application, &explanation.decision, &mut bytes);
    let record = Record::decode(&bytes)?;
    let mut out = String::new();
    head(&mut out, scorer, application, explanation);
    reasons(&mut out, scorer, explanation, language);
    contributions(&mut out, scorer, &record, explanation, language);
    remarks(&mut out, scorer, explanation, language);
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
    let rules = scorer.policy().knock_outs.iter().enumerate();
    let mut fired = rules
        .filter(|(index, _)| decision.fired >> index & 1 == 1)
        .peekable();
    if fired.peek().is_some() {
        let _ = writeln!(out, "\nRules that fired");
        for (index, rule) in fired {
            let text = scorer.reason_text(Reason::Rule(index as u16), language);
            let _ = writeln!(out, "  {} ({}): {text}", rule.code, rule.outcome);
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
        text(&scorer, &application, &explanation, language).unwrap()
    }

    #[test]
    fn a_decision_is_explained_within_80_columns() {
        let text = explained("en");
        for part in [
            "Application A-1, as of 2026-09-01",
            "Outcome      DECLINE",
            "against the reference applicant",
            "Income is low",
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
