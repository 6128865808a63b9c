//! `fieldscore notice`: a decision as the applicant takes it home.

use std::path::{Path, PathBuf};

use fieldscore_runtime::{Notice, Scorer};
use serde_json::json;

use crate::applications::RowError;
use crate::error::{Error, Result};
use crate::input::InputArgs;
use crate::score::language;
use crate::{BundleArgs, Exit, Sink, records};

/// Write the notice of one decision: outcome, reasons, how to have a person review it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore notice credit.fsb applications.csv --row 3
  fieldscore notice credit.fsb decisions.jsonl --row 3 --language zh --format text

FILE holds applications, or records: one as it is stored, or JSON lines that
`score --format jsonl` wrote. A record is scored again first, and refused where another decision
comes out. No value that the applicant gave is on the notice.")]
pub struct NoticeArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    input: InputArgs,
    /// Which row of data, from 1 (the header does not count)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    row: u64,
    /// Language, a BCP-47 tag [default: the bundle's first]
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Plain text, a page to print, or one JSON object
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: NoticeFormat,
    /// Where the notice goes [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How a notice is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum NoticeFormat {
    Text,
    #[cfg(feature = "pages")]
    Html,
    Json,
}

/// Writes the notice of one row.
///
/// # Errors
/// Where the bundle does not open, the file cannot be read or has no such row, or a record's decision
/// does not come out again.
pub fn run(args: NoticeArgs) -> Result<Exit> {
    let opened = args.bundle.open()?;
    let scorer = &opened.scorer;
    let language = language(args.language.as_deref(), scorer);
    let record = match args.input.is_stdin() {
        true => None,
        false => records::read(&args.input.file, args.row)?,
    };
    let notice = match record {
        Some(record) => scorer
            .notice_of(&record, language)
            .map_err(|error| Error::from(error).within(args.input.file.display()))?,
        None => of_row(&args, scorer, language)?,
    };
    let text = match args.format {
        NoticeFormat::Text => notice.to_text(),
        #[cfg(feature = "pages")]
        NoticeFormat::Html => page(&notice)?,
        NoticeFormat::Json => format!("{:#}\n", object(&notice)),
    };
    Sink::create(args.output.as_deref(), Some(Path::new(&args.input.file)))?.print(&text)?;
    Ok(Exit::Done)
}

/// The notice of an application.
fn of_row(args: &NoticeArgs, scorer: &Scorer, language: &str) -> Result<Notice> {
    let (reader, batch, at) = args.input.nth(scorer.schema(), args.row)?;
    let row = &batch.rows()[at];
    let explained = match &row.application {
        Err(error) => Err(error.clone()),
        Ok(at) => {
            let application = &batch.applications()[*at];
            let explanation = scorer.explain(application).map_err(RowError::from);
            explanation.map(|explanation| scorer.notice(application, &explanation, language))
        }
    };
    explained.map_err(|error| error.at(reader.name(), row))
}

/// A notice for programs.
fn object(notice: &Notice) -> serde_json::Value {
    let facts = notice.facts.iter();
    json!({
        "language": notice.language,
        "right_to_left": notice.right_to_left,
        "title": notice.title,
        "outcome": notice.outcome.name(),
        "statement": notice.statement,
        "facts": facts.map(|(label, value)| json!({ "label": label, "value": value })).collect::<Vec<_>>(),
        "reasons_title": notice.reasons_title,
        "reasons": notice.reasons,
        "review_title": notice.review_title,
        "review": notice.review,
    })
}

/// The page to print.
#[cfg(feature = "pages")]
fn page(notice: &Notice) -> Result<String> {
    use minijinja::syntax::SyntaxConfig;
    use minijinja::{AutoEscape, Environment, context};
    let failed = |e: minijinja::Error| Error::check("notice", format!("a page ({e})"));
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .keep_trailing_newline(true)
        .build();
    environment.set_syntax(syntax.map_err(failed)?);
    environment
        .add_template("notice.html", include_str!("notice.html"))
        .map_err(failed)?;
    let template = environment.get_template("notice.html").map_err(failed)?;
    let fact = |(label, value): &(String, String)| context! { label, value };
    let page = context! {
        language => &notice.language,
        direction => if notice.right_to_left { "rtl" } else { "ltr" },
        title => &notice.title,
        facts => notice.facts.iter().map(fact).collect::<Vec<_>>(),
        statement => &notice.statement,
        reasons_title => &notice.reasons_title,
        reasons => &notice.reasons,
        review_title => &notice.review_title,
        review => &notice.review,
    };
    template.render(page).map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;

    fn notice(id: &str) -> Notice {
        let scorer = sample::scorer();
        let mut application = scorer.application(id, sample::day());
        application.set("income", 500).unwrap();
        let explanation = scorer.explain(&application).unwrap();
        scorer.notice(&application, &explanation, "en")
    }

    #[test]
    fn programs_get_every_part() {
        let object = object(&notice("A-1"));
        assert_eq!(object["outcome"], "decline");
        assert_eq!(object["reasons"][0], "Income is low");
        assert_eq!(
            object["facts"][1],
            json!({"label": "Application", "value": "A-1"})
        );
    }
}
