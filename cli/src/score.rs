//! `fieldscore score`: many applications, in constant memory.

use std::path::{Path, PathBuf};

use comfy_table::Cell;
use fieldscore_runtime::decide::Other;
use fieldscore_runtime::{Decision, Explanation, Result as RuntimeResult, Scorer};
use sha2::{Digest, Sha256};

use crate::applications::{Answer, Batch, CsvResults, Extras, JsonlResults, Reader, Row, RowError};
use crate::error::{Error, Result};
use crate::input::{InputArgs, Notes};
use crate::open::hex;
use crate::table::{Stream, right};
use crate::{BundleArgs, Exit, Progress, Sink, output, say, watch, words};

/// Score applications from a CSV or JSON lines file
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore score credit.fsb applications.csv
  fieldscore score credit.fsb applications.csv -o decisions.jsonl --explain
  cat rows.jsonl | fieldscore score credit.fsb - --format jsonl --key lender.pem
  fieldscore score credit.fsb export.csv --separator ';' --decimal-comma --as-of 2026-09-01
  fieldscore score credit.fsb applications.csv --summary branch.summary

Columns are found by name: the bundle's fields, and id, as_of and consent (yes or no to an
automated decision). Other columns are passed through as they are; a spreadsheet may take
text that begins with = + - @ for a formula, so open results in it as text.

A row that cannot be scored comes out with the outcome `error`, the place and what was
expected there; the others are scored, and the exit status is 2.

JSON lines carry the canonical record of each decision; `fieldscore replay` scores it again.")]
pub struct ScoreArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    #[command(flatten)]
    input: InputArgs,
    /// Write to this file [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write results [default: by the output's extension; table on a terminal, else csv]
    #[arg(long)]
    format: Option<OutputFormat>,
    /// Add contributions and reasons to each decision
    #[arg(long)]
    explain: bool,
    /// Add to each JSON line what would change a decline or a referral: `alternatives`, a list
    #[arg(long, requires = "explain")]
    alternatives: bool,
    /// Language of texts, a BCP-47 tag [default: the bundle's first]
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Count the decisions in this summary, which names nobody; it is made if it isn't there. `fieldscore
    /// summary` says what summaries come to
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// For people.
    Table,
    /// Comma-separated values.
    Csv,
    /// One JSON object per line, with the canonical record.
    Jsonl,
    /// One line: how many rows, and the SHA-256 over their canonical records (of a row without one,
    /// its error's code). Two machines that print the same have decided the same.
    Digest,
}

impl ScoreArgs {
    fn format(&self) -> OutputFormat {
        let extension = |path: &Path| {
            let extension = path.extension()?.to_str()?.to_ascii_lowercase();
            match extension.as_str() {
                "csv" => Some(OutputFormat::Csv),
                "jsonl" | "ndjson" => Some(OutputFormat::Jsonl),
                "txt" => Some(OutputFormat::Table),
                _ => None,
            }
        };
        let by_name = || self.output.as_deref().and_then(extension);
        self.format.or_else(by_name).unwrap_or_else(|| {
            match self.output.is_none() && output::stdout_is_terminal() {
                true => OutputFormat::Table,
                false => OutputFormat::Csv,
            }
        })
    }

    fn shows_progress(&self) -> bool {
        self.output.is_some() || !output::stdout_is_terminal()
    }
}

/// Scores a file.
///
/// # Errors
/// Where the bundle does not open, the file cannot be read or its header does not fit, or results
/// cannot be written. Bad rows are part of the results, and of the exit status.
pub fn run(args: ScoreArgs) -> Result<Exit> {
    if args.alternatives && args.format() != OutputFormat::Jsonl {
        return Err(Error::input(
            "--alternatives",
            "--format jsonl: no other form has a place for them",
        ));
    }
    let opened = args.bundle.open()?;
    let scorer = &opened.scorer;
    let mut summary = match args.summary.as_deref() {
        Some(path) => Some((path, watch::read_or_new(scorer, path)?)),
        None => None,
    };
    let mut reader = args.input.read(scorer.schema())?;
    let mut notes = Notes::default();
    notes.after_batch(&reader, &args.input);
    let mut batch = Batch::default();
    let mut more = reader.fill(&mut batch)?;
    notes.after_batch(&reader, &args.input);
    let input = (!args.input.is_stdin()).then_some(args.input.file.as_path());
    let sink = Sink::create(args.output.as_deref(), input)?;
    let (closed, write_error) = (sink.watch(), sink.error());
    let mut results = Results::new(&args, sink, scorer, &reader).map_err(&write_error)?;
    let mut progress = Progress::bytes(args.input.length());
    let mut decider = Decider::new(scorer, args.explain, args.alternatives);
    let mut counts = Counts::default();
    while more && !closed() {
        notes.after_batch(&reader, &args.input);
        decider
            .decide(&batch, |row, answer| {
                counts.add(answer);
                if let (Some((_, summary)), Some((application, decision))) =
                    (&mut summary, answer.decision())
                {
                    // It is this scorer's own.
                    let _ = summary.add(application, decision);
                }
                results.write(scorer, reader.name(), &batch, row, answer)
            })
            .map_err(&write_error)?;
        if args.shows_progress() {
            progress.at(reader.bytes(), || format!("{} rows", counts.rows()));
        }
        more = reader.fill(&mut batch)?;
    }
    results.flush().map_err(&write_error)?;
    let taken = progress.finish();
    if closed() {
        return Ok(Exit::Done);
    }
    if let Some((path, summary)) = &summary {
        watch::keep(summary, path)?;
    }
    notes.at_end(&reader, counts.rows());
    results.name_late_extras(&reader);
    Ok(counts.summary(taken))
}

/// Scores batches, with memory that is used again.
struct Decider<'a> {
    scorer: &'a Scorer,
    decisions: Vec<RuntimeResult<Decision>>,
    explanation: Option<Explanation>,
    alternatives: bool,
}

impl<'a> Decider<'a> {
    fn new(scorer: &'a Scorer, explain: bool, alternatives: bool) -> Self {
        Self {
            scorer,
            decisions: Vec::new(),
            explanation: explain.then(|| Explanation::empty(*scorer.bundle_id())),
            alternatives,
        }
    }

    fn decide(
        &mut self,
        batch: &Batch,
        mut each: impl FnMut(&Row, Answer<'_>) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        self.decisions.clear();
        if self.explanation.is_none() {
            self.scorer
                .score_many(batch.applications(), &mut self.decisions);
        }
        for row in batch.rows() {
            let at = match &row.application {
                Ok(at) => *at,
                Err(error) => {
                    each(row, Answer::Error(error))?;
                    continue;
                }
            };
            let application = &batch.applications()[at];
            let mut alternatives = None;
            let answered = match &mut self.explanation {
                Some(explanation) => {
                    self.scorer
                        .explain_into(application, explanation)
                        .and_then(|()| {
                            if self.alternatives {
                                alternatives = Some(self.scorer.alternatives(application)?);
                            }
                            let alternatives = alternatives.as_ref();
                            Ok(Answer::Explained(application, explanation, alternatives))
                        })
                }
                None => match &self.decisions[at] {
                    Ok(decision) => Ok(Answer::Decided(application, decision)),
                    Err(error) => Err(error.clone()),
                },
            };
            match answered {
                Ok(answer) => each(row, answer)?,
                Err(error) => each(row, Answer::Error(&RowError::from(error)))?,
            }
        }
        Ok(())
    }
}

/// Where results go, in which form.
enum Results {
    Csv(Box<CsvResults<Sink>>, Vec<String>),
    Jsonl(JsonlResults<Sink>),
    Table(Box<TableResults>),
    Digest(Box<DigestResults>),
}

impl Results {
    fn new(
        args: &ScoreArgs,
        sink: Sink,
        scorer: &Scorer,
        reader: &Reader,
    ) -> std::io::Result<Self> {
        let language = language(args.language.as_deref(), scorer).to_owned();
        Ok(match args.format() {
            OutputFormat::Csv => {
                // Of JSON lines, the keys of the first batch: a header cannot grow later.
                let names = reader.passed_through();
                let extras = Extras::new(names.clone());
                for (name, title) in extras.renamed() {
                    say::note(format!(
                        "column {name} of the input is {title} in the output"
                    ));
                }
                Self::Csv(
                    Box::new(CsvResults::new(sink, extras, args.explain, scorer)?),
                    names,
                )
            }
            OutputFormat::Jsonl => Self::Jsonl(JsonlResults::new(sink, language)),
            OutputFormat::Digest => Self::Digest(Box::new(DigestResults::new(sink))),
            OutputFormat::Table => Self::Table(Box::new(TableResults::new(
                sink,
                language,
                args.explain,
                scorer.decide().others(),
            ))),
        })
    }

    fn write(
        &mut self,
        scorer: &Scorer,
        file: &str,
        batch: &Batch,
        row: &Row,
        answer: Answer<'_>,
    ) -> std::io::Result<()> {
        match self {
            Self::Csv(out, _) => out.write(scorer, file, batch, row, answer),
            Self::Jsonl(out) => out.write(scorer, file, batch, row, answer),
            Self::Table(out) => out.write(scorer, file, batch, row, answer),
            Self::Digest(out) => {
                out.add(scorer, answer);
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Csv(out, _) => out.flush(),
            Self::Jsonl(out) => out.flush(),
            Self::Table(out) => out.flush(),
            Self::Digest(out) => out.flush(),
        }
    }

    /// Keys of JSON lines that came too late for the header of CSV.
    fn name_late_extras(&self, reader: &Reader) {
        let Self::Csv(_, columns) = self else { return };
        let late = reader.passed_through().split_off(columns.len());
        if !late.is_empty() {
            let names: Vec<String> = late
                .iter()
                .map(|name| crate::applications::shown(name))
                .collect();
            say::warn(format!(
                "first seen after the header was written, so not in it: {}",
                names.join(", ")
            ));
            say::hint("--format jsonl keeps every key");
        }
    }
}

/// The language that is asked for, else the bundle's first.
pub fn language<'a>(asked: Option<&'a str>, scorer: &'a Scorer) -> &'a str {
    let first = || scorer.texts().languages.first().map_or("", String::as_str);
    asked.unwrap_or_else(first)
}

struct DigestResults {
    out: Sink,
    hash: Sha256,
    rows: u64,
    record: Vec<u8>,
}

impl DigestResults {
    fn new(out: Sink) -> Self {
        Self {
            out,
            hash: Sha256::new(),
            rows: 0,
            record: Vec::new(),
        }
    }

    fn add(&mut self, scorer: &Scorer, answer: Answer<'_>) {
        self.rows += 1;
        match answer {
            Answer::Error(error) => self.hash.update(error.code),
            decided => {
                decided.record(scorer, &mut self.record);
                self.hash.update(&self.record);
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        use std::io::Write;
        let digest = hex(&self.hash.clone().finalize());
        writeln!(self.out, "{} {digest}", self.rows)?;
        self.out.flush()
    }
}

struct TableResults {
    out: Sink,
    stream: Stream,
    language: String,
    explain: bool,
}

impl TableResults {
    fn new(out: Sink, language: String, explain: bool, others: &[Other]) -> Self {
        let last = if explain { "reasons" } else { "flags" };
        let mut header = vec![Cell::new("id"), right("score"), right("probability")];
        header.extend(others.iter().map(|other| right(&other.name)));
        header.extend([Cell::new("outcome"), Cell::new(last)]);
        Self {
            out,
            stream: Stream::new(header),
            language,
            explain,
        }
    }

    fn write(
        &mut self,
        scorer: &Scorer,
        file: &str,
        batch: &Batch,
        row: &Row,
        answer: Answer<'_>,
    ) -> std::io::Result<()> {
        use std::io::Write;
        let last = match answer {
            Answer::Error(error) => {
                format!("{}: expected {}", error.place(file, row), error.expected)
            }
            Answer::Explained(_, explanation, _) if self.explain => {
                let reasons = explanation.reasons.iter().take(2);
                let texts: Vec<String> = reasons
                    .map(|reason| scorer.reason_text(reason, &self.language))
                    .collect();
                texts.join("; ")
            }
            _ => answer.decision().map_or(String::new(), |(_, decision)| {
                decision.flags.names().collect::<Vec<_>>().join(" ")
            }),
        };
        let number = |text: &dyn Fn(&Decision) -> String| {
            right(
                answer
                    .decision()
                    .map_or(String::new(), |(_, decision)| text(decision)),
            )
        };
        let mut cells = vec![
            Cell::new(batch.id(row)),
            number(&|decision| decision.score.to_string()),
            number(&|decision| words::percent(decision.probability_ppm)),
        ];
        let others = scorer.decide().others().len();
        cells.extend((0..others).map(|at| number(&|decision| words::percent(decision.others[at]))));
        cells.extend([Cell::new(answer.outcome()), Cell::new(last)]);
        match self.stream.add(cells) {
            Some(text) => self.out.write_all(text.as_bytes()),
            None => Ok(()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        use std::io::Write;
        let rest = self.stream.flush();
        self.out.write_all(rest.as_bytes())?;
        self.out.flush()
    }
}

/// How many rows came out how.
#[derive(Debug, Default)]
struct Counts {
    approve: u64,
    refer: u64,
    decline: u64,
    error: u64,
}

impl Counts {
    fn add(&mut self, answer: Answer<'_>) {
        match answer.outcome() {
            "approve" => self.approve += 1,
            "refer" => self.refer += 1,
            "decline" => self.decline += 1,
            _ => self.error += 1,
        }
    }

    fn rows(&self) -> u64 {
        self.approve + self.refer + self.decline + self.error
    }

    fn summary(&self, taken: std::time::Duration) -> Exit {
        let seconds = taken.as_secs_f64();
        say::plain(format!(
            "{} in {seconds:.2} s ({:.0} rows per second): {} approve, {} refer, {} decline",
            words::count(self.rows(), "application", "applications"),
            self.rows() as f64 / seconds.max(1e-6),
            self.approve,
            self.refer,
            self.decline,
        ));
        if self.error == 0 {
            return Exit::Done;
        }
        say::error_text(format!(
            "{} could not be scored: the output says where and why",
            words::count(self.error, "row", "rows")
        ));
        Exit::BadInput
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::applications::sample;
    use crate::keys::Signing;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: ScoreArgs,
    }

    /// Scores `rows` from a file with these arguments; what came out, and how it ended.
    fn score(name: &str, rows: &str, more: &[&str]) -> (String, Result<Exit>) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(path("b.fsb"), sample::bundle(&Signing::development())).unwrap();
        std::fs::write(path(name), rows).unwrap();
        std::fs::write(path("out"), "as it was").unwrap();
        let (bundle, input, output) = (path("b.fsb"), path(name), path("out"));
        let mut line = vec!["score", &bundle, &input, "-o", &output];
        line.extend(more);
        let args = <Line as clap::Parser>::try_parse_from(line).unwrap().args;
        let exit = run(args);
        let out = std::fs::read_to_string(path("out")).unwrap();
        (
            out.replace(&folder.path().display().to_string(), "DIR"),
            exit,
        )
    }

    #[test]
    fn every_row_comes_out_and_a_bad_one_makes_the_status_2() {
        let rows = "id,income\nA,4000\nB,\nC,4000\n";
        let (out, exit) = score("in.csv", rows, &["--as-of", "2026-09-01"]);
        assert_eq!(exit.unwrap(), Exit::BadInput);
        let outcomes: Vec<&str> = out
            .lines()
            .skip(1)
            .map(|line| line.split(',').nth(4).unwrap())
            .collect();
        assert_eq!(outcomes, ["approve", "error", "approve"]);
        assert!(
            out.contains("field.missing DIR/in.csv:3: row 2, field income: expected a value"),
            "{out}"
        );
        let (_, exit) = score("in.csv", "id,income\nA,4000\n", &[]);
        assert_eq!(exit.unwrap(), Exit::Done);
    }

    #[test]
    fn a_bad_header_leaves_the_output_alone() {
        let (out, exit) = score("in.csv", "id,income,income\nA,1,2\n", &[]);
        assert!(exit.is_err());
        assert_eq!(out, "as it was");
    }

    #[test]
    fn csv_and_json_lines_give_the_same_records() {
        let record = |name: &str, rows: &str| {
            let (out, exit) = score(
                name,
                rows,
                &["--as-of", "2026-09-01", "--format", "jsonl", "--explain"],
            );
            assert_eq!(exit.unwrap(), Exit::Done);
            let line: serde_json::Value = serde_json::from_str(&out).unwrap();
            line["record"].as_str().unwrap().to_owned()
        };
        let csv = record("in.csv", "id,income,rate,since\nA,4000,2.5,2020-01-01\n");
        let json = record(
            "in.jsonl",
            r#"{"since":"2020-01-01","rate":2.5,"income":4000,"id":"A"}"#,
        );
        assert_eq!(csv, json);
    }

    #[test]
    fn consent_and_date_come_from_the_row() {
        let rows =
            "id,income,as_of,consent\nA,4000,2026-09-01,no\nB,4000,2040-01-01,\nC,4000,,yes\n";
        let (out, _) = score("in.csv", rows, &["--as-of", "2026-02-03"]);
        let lines: Vec<&str> = out.lines().collect();
        assert!(
            lines[1].contains("refer,missing automation_refused"),
            "{out}"
        );
        assert!(lines[2].contains("refer,missing expired"), "{out}");
        assert!(lines[3].starts_with("C,2026-02-03,"), "{out}");
    }

    #[test]
    fn alternatives_are_written_where_they_are_asked_for() {
        let rows = "id,income,rate\nA,500,9.5\n";
        let lines = ["--format", "jsonl", "--explain", "--alternatives"];
        let (out, exit) = score("in.csv", rows, &lines);
        assert_eq!(exit.unwrap(), Exit::Done);
        assert!(out.contains("\"alternatives\":[{\"changes\":[{"), "{out}");
        let (out, _) = score("in.csv", rows, &lines[..3]);
        assert!(!out.contains("alternatives"), "{out}");
        let (out, exit) = score("in.csv", rows, &["--explain", "--alternatives"]);
        assert!(exit.is_err() && out == "as it was", "{out}");
    }

    #[test]
    fn a_table_is_plain_text() {
        let (out, _) = score(
            "in.csv",
            "id,income\nA,4000\nB,x\n",
            &["--format", "table", "--explain"],
        );
        assert!(
            out.contains("probability") && out.contains("error") && !out.contains('\x1b'),
            "{out}"
        );
    }
}
