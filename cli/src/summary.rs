//! `fieldscore summary`: what many devices have decided, beside the training part.

use std::path::PathBuf;

use comfy_table::Cell;
use fieldscore_runtime::{Outcome, Scorer, Summary};
use serde_json::{Value, json};

use crate::drift::{Moved, Thresholds};
use crate::error::{Error, Result};
use crate::open::hex;
use crate::table::{plain, render, right};
use crate::{BundleArgs, Exit, Sink, say, watch, words, write_whole};

/// Merge the summaries of many devices and compare them with the training part
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore score credit.fsb applications.csv -o decisions.csv --summary branch-1.summary
  fieldscore summary credit.fsb branch-1.summary branch-2.summary --key lender.pem
  fieldscore summary credit.fsb *.summary --json -o region.summary

A summary has counts only: of each field in bins, of scores and of outcomes. PSI says how far they
have moved from the training part; it is an alarm above a threshold that takes the number of
decisions into account, which one report in fifty exceeds where nothing has moved.

The exit status is 1 when something has moved so far.")]
pub struct SummaryArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Summaries that this bundle has made
    #[arg(required = true, value_name = "SUMMARY")]
    summaries: Vec<PathBuf>,
    /// Write the merged summary to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// One JSON object instead of tables
    #[arg(long)]
    json: bool,
}

/// Merges summaries and reports.
///
/// # Errors
/// Where the bundle does not open or has no histogram, a file is no summary of it, or nothing was decided.
pub fn run(args: SummaryArgs) -> Result<Exit> {
    let opened = args.bundle.open()?;
    let scorer = &opened.scorer;
    let mut summary = Summary::new(scorer)?;
    for path in &args.summaries {
        summary.merge(&watch::read(scorer, path)?)?;
    }
    if summary.decisions() == 0 {
        return Err(Error::input("summaries", "at least one decision"));
    }
    if let Some(path) = &args.output {
        write_whole(path, &summary.encode())?;
    }
    let thresholds = Thresholds::new(summary.histogram(), summary.decisions());
    let report = Report {
        scorer,
        files: args.summaries.len() as u64,
        lists: thresholds.compare(&summary),
        summary: &summary,
    };
    let sink = Sink::stdout();
    match args.json {
        true => sink.print(&format!("{}\n", report.json()))?,
        false => sink.print(&report.text())?,
    }
    let moved: Vec<&str> = report.alarms().collect();
    if moved.is_empty() {
        return Ok(Exit::Done);
    }
    say::error_text(format!(
        "moved from the training part: {}",
        moved.join(", ")
    ));
    say::hint("look at whom the bundle is used on, and at how these fields are filled in");
    Ok(Exit::Failed)
}

/// What is shown.
struct Report<'a> {
    scorer: &'a Scorer,
    summary: &'a Summary,
    /// How many summaries were merged.
    files: u64,
    /// The fields', the score's, the outcomes'.
    lists: Vec<Moved<'a>>,
}

const OUTCOMES: [Outcome; 3] = [Outcome::Approve, Outcome::Refer, Outcome::Decline];

impl Report<'_> {
    /// What each list is of.
    fn names(&self) -> impl Iterator<Item = &str> {
        let fields = self.scorer.schema().fields().iter();
        fields
            .map(|field| field.name.as_str())
            .chain(["score", "outcome"])
    }

    fn alarms(&self) -> impl Iterator<Item = &str> {
        let lists = self.names().zip(&self.lists);
        lists
            .filter(|(_, list)| list.alarms())
            .map(|(name, _)| name)
    }

    /// How many of the lists are fields'.
    fn fields(&self) -> usize {
        self.scorer.schema().fields().len()
    }

    fn text(&self) -> String {
        let meta = self.scorer.meta();
        let mut out = format!(
            "{} {}: {} from {}, oldest runtime {}\n\n",
            meta.product,
            meta.sequence,
            words::count(self.summary.decisions(), "decision", "decisions"),
            words::count(self.files, "summary", "summaries"),
            self.summary.runtime(),
        );
        let mut outcomes = plain();
        outcomes.set_header([Cell::new("outcome"), right("training"), right("now")]);
        if let Some(list) = self.lists.last() {
            for (at, outcome) in OUTCOMES.iter().enumerate() {
                let share = |counts| right(percent(share(counts, at)));
                outcomes.add_row([Cell::new(outcome), share(list.training), share(list.found)]);
            }
        }
        out.push_str(&render(&outcomes, ""));
        out.push('\n');
        let mut fields = plain();
        fields.set_header([
            Cell::new("field"),
            right("missing"),
            right("now"),
            right("outside"),
            right("now"),
            right("PSI"),
            right("alarm above"),
            Cell::new(""),
        ]);
        for (number, (name, list)) in self.names().zip(&self.lists).enumerate() {
            let at = |back: usize, counts: &[u32]| match number < self.fields() {
                true => right(percent(share(counts, counts.len().saturating_sub(back)))),
                false => right(""),
            };
            fields.add_row([
                Cell::new(name),
                at(2, list.training),
                at(2, list.found),
                at(1, list.training),
                at(1, list.found),
                right(format!("{:.3}", list.index)),
                right(format!("{:.3}", list.threshold)),
                Cell::new(if list.alarms() { "ALARM" } else { "" }),
            ]);
        }
        out.push_str(&render(&fields, ""));
        out
    }

    fn json(&self) -> Value {
        let meta = self.scorer.meta();
        let places = &self.summary.histogram().places;
        let lists = self.names().zip(&self.lists).enumerate();
        let all: Vec<Value> = lists
            .map(|(number, (name, list))| {
                let mut value = json!({
                    "name": name,
                    "psi": list.index,
                    "threshold": list.threshold,
                    "alarm": list.alarms(),
                    "training": list.training,
                    "now": list.found,
                });
                if let Some(places) = places.get(number) {
                    value["places"] = json!(places);
                }
                if number < self.fields() {
                    let ends = |counts: &[u32]| {
                        let from_end =
                            |back: usize| share(counts, counts.len().saturating_sub(back));
                        json!({ "missing": from_end(2), "outside": from_end(1) })
                    };
                    value["shares"] =
                        json!({ "training": ends(list.training), "now": ends(list.found) });
                }
                value
            })
            .collect();
        let (fields, rest) = all.split_at(self.fields().min(all.len()));
        json!({
            "product": meta.product,
            "sequence": meta.sequence,
            "bundle_id": hex(self.scorer.bundle_id()),
            "engine": meta.engine.to_string(),
            "oldest_runtime": self.summary.runtime().to_string(),
            "summaries": self.files,
            "decisions": self.summary.decisions(),
            "fields": fields,
            "score": rest.first(),
            "outcome": rest.last(),
            "alarm": self.alarms().next().is_some(),
        })
    }
}

/// The share of the count at `at`.
fn share(counts: &[u32], at: usize) -> f64 {
    let all: u64 = counts.iter().map(|&count| u64::from(count)).sum();
    let own = counts.get(at).copied().unwrap_or_default();
    f64::from(own) / (all.max(1) as f64)
}

fn percent(share: f64) -> String {
    words::percent((share * 1e6).round() as u32)
}
