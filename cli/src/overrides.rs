//! `fieldscore override`: a person's decision, kept beside the record.

use std::io::Write;
use std::path::{Path, PathBuf};

use fieldscore_runtime::{Date, Outcome, Override, Scorer};

use crate::error::{Error, Result, io};
use crate::input::date;
use crate::{BundleArgs, Exit, Sink, records, say};

/// No override is longer: a hash, a staff id, a code.
const MAX_BYTES: u64 = 4096;

/// Override a recorded decision: who decided what instead, and for which reason of the bundle's list
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore score credit.fsb applications.csv --format jsonl -o decisions.jsonl
  fieldscore override credit.fsb decisions.jsonl --row 2 --by T-17 --outcome approve \\
      --reason O1 --date 2026-09-02 -o 0002.override
  fieldscore replay credit.fsb decisions.jsonl --override 0002.override

The record stays as it is: the override names it by its SHA-256. `fieldscore inspect` lists the
reasons; a bundle without any allows no override.")]
pub struct OverrideArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// The record: as it is stored, or JSON lines that `score --format jsonl` wrote
    record: PathBuf,
    /// Which line of JSON lines, from 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    row: u64,
    /// The id of who decides
    #[arg(long, value_name = "ID")]
    by: String,
    /// What they decide
    #[arg(long, value_parser = outcome)]
    outcome: Outcome,
    /// Why: the code of one of the bundle's reasons
    #[arg(long, value_name = "CODE")]
    reason: String,
    /// The day (YYYY-MM-DD)
    #[arg(long, value_name = "DATE", value_parser = date)]
    date: Date,
    /// Where the override goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

fn outcome(name: &str) -> std::result::Result<Outcome, &'static str> {
    Outcome::parse(name).ok_or("expected approve, refer or decline")
}

/// Writes an override.
///
/// # Errors
/// Where the bundle does not open, there is no record of it, or the override does not hold.
pub fn run(args: OverrideArgs) -> Result<Exit> {
    let opened = args.bundle.open()?;
    let scorer = &opened.scorer;
    let place = args.record.display();
    let record = records::read(&args.record, args.row)?.ok_or_else(|| {
        Error::input(
            place.to_string(),
            "a record, or JSON lines that `score --format jsonl` wrote",
        )
    })?;
    if !scorer.replay(&record)?.same {
        return Err(Error::check(
            place.to_string(),
            "a decision that comes out again",
        ));
    }
    let made = scorer
        .override_decision(&record, &args.by, args.outcome, &args.reason, args.date)
        .map_err(|error| {
            let codes: Vec<&str> = scorer.override_reasons().collect();
            let error = Error::from(error);
            match codes.is_empty() {
                true => error.hint(
                    "the bundle lists no reason: [[policy.override_reason]] in its recipe allows overrides",
                ),
                false => error.hint(format!("the bundle's reasons are {}", codes.join(", "))),
            }
        })?;
    let mut sink = Sink::create(Some(&args.output), Some(&args.record))?;
    let error = sink.error();
    sink.write_all(&made)
        .and_then(|()| sink.flush())
        .map_err(error)?;
    let words = in_words(scorer, &Override::decode(&made)?, "");
    say::note(format!("override: {}: {words}", args.output.display()));
    Ok(Exit::Done)
}

/// The bytes of an override's file.
///
/// # Errors
/// Where it cannot be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|e| io(path, &e))?;
    file.take(MAX_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|e| io(path, &e))?;
    Ok(bytes)
}

/// An override in a line.
pub(crate) fn in_words(scorer: &Scorer, found: &Override, language: &str) -> String {
    let key = format!("override.{}", found.reason);
    let text = scorer.texts().text(&key, language).unwrap_or_default();
    format!(
        "{} by {} on {}: {} {text}",
        found.outcome, found.by, found.as_of, found.reason
    )
}
