//! `fieldscore compare`: two bundles on the same applications.

use std::path::PathBuf;

use fieldscore_cli::applications::{Batch, Reader};
use fieldscore_cli::{InputArgs, Opened, raw_text};
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::decide::{Record, RecordValue};
use fieldscore_runtime::schema::Field;
use fieldscore_runtime::{Application, Decision, Outcome, Scorer};
use serde_json::Value;

use crate::build::hex;
use crate::cli::build::write_whole;
use crate::cli::{BundleArgs, Exit, Sink, say};
use crate::compare::{Migration, Row, changes, sections};
use crate::data::band_of;
use crate::error::{Error, Result};
use crate::pages::comparison_page;

/// Compare two bundles: what changed in model, policy and texts, and how outcomes migrate
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore compare old.fsb new.fsb applications.csv
  fieldscore compare old.fsb new.fsb loans.csv --group age:25,35,45 --label status --bad bad
  fieldscore compare old.fsb new.fsb applications.csv --json --fail-above 0.02

Each bundle reads the applications by its own schema: a field that only one of them has is fine.
The exit status is 1 only where --fail-above says so: 1 where a greater share of the rows that
either bundle scores has another outcome.")]
pub struct CompareArgs {
    /// The bundle that is in use (.fsb)
    old: PathBuf,
    /// The bundle that is to follow it (.fsb)
    new: PathBuf,
    #[command(flatten)]
    input: InputArgs,
    /// Public key of whoever may have signed either; may be given several times. Without it only
    /// bundles of the development key open, with a warning
    #[arg(long = "key", value_name = "PUBLIC.pem")]
    keys: Vec<PathBuf>,
    /// A column of FILE whose groups are shown, a numeric one cut into bands; may be given several
    /// times
    #[arg(long = "group", value_name = "COLUMN[:BANDS]", value_parser = group)]
    groups: Vec<GroupArg>,
    /// The column of FILE with the label, to show the share of bad loans among those that move
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The label's value for a bad loan [default: as the new bundle was built]
    #[arg(long, value_name = "VALUE", requires = "label")]
    bad: Option<String>,
    /// End with status 1 where a greater share of rows than this has another outcome
    #[arg(long, value_name = "SHARE", value_parser = share)]
    fail_above: Option<f64>,
    /// Write an HTML report into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// One JSON object instead of text
    #[arg(long)]
    json: bool,
}

/// A column of groups.
#[derive(Debug, Clone, PartialEq)]
struct GroupArg {
    column: String,
    bands: Vec<f64>,
}

fn group(text: &str) -> std::result::Result<GroupArg, &'static str> {
    let numbers = |bands: &str| -> Option<Vec<f64>> {
        let each = bands.split(',').map(|band| band.trim().parse().ok());
        each.collect()
    };
    let (column, bands) = match text.rsplit_once(':') {
        Some((column, bands)) => match numbers(bands) {
            Some(bands) => (column, bands),
            None => (text, Vec::new()),
        },
        None => (text, Vec::new()),
    };
    let rising = bands.windows(2).all(|pair| pair[0] < pair[1]);
    match rising && bands.iter().all(|band| band.is_finite()) && !column.is_empty() {
        true => Ok(GroupArg {
            column: column.to_owned(),
            bands,
        }),
        false => Err("expected a column, or a column and rising numbers, as age:25,35,45"),
    }
}

fn share(text: &str) -> std::result::Result<f64, &'static str> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or("expected a share from 0 to 1")
}

/// Compares two bundles.
///
/// # Errors
/// Where a bundle does not open, the file cannot be read, or a column that is asked for is not in it.
pub fn run(args: CompareArgs) -> Result<Exit> {
    if args.input.is_stdin() {
        return Err(Error::input("FILE", "a file, because it is read twice"));
    }
    let open = |bundle: &PathBuf| {
        let bundle = bundle.clone();
        let keys = args.keys.clone();
        BundleArgs { bundle, keys }.open()
    };
    let (old, new) = (open(&args.old)?, open(&args.new)?);
    let products = [&old, &new].map(|opened| &opened.scorer.meta().product);
    if products[0] != products[1] {
        say::warn(format!(
            "{} and {} are different products: a store takes no update from one to the other",
            products[0], products[1]
        ));
    }
    let rows = rows(&args, &old, &new)?;
    let columns: Vec<String> = args.groups.iter().map(|own| own.column.clone()).collect();
    let migration = Migration::of(&rows, &columns);
    let (sections, changes) = (sections(&old.scorer, &new.scorer), changes(&old, &new));
    let title = format!("{} → {}", release(&old.scorer), release(&new.scorer));
    let file = args.input.file.file_name();
    let file = file.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let facts = [
        ("Old bundle".to_owned(), hex(old.scorer.bundle_id())),
        ("New bundle".to_owned(), hex(new.scorer.bundle_id())),
        ("Applications".to_owned(), file),
        ("Rows".to_owned(), migration.rows.to_string()),
    ];
    let page = comparison_page(&title, &facts, &sections, &changes, &migration);
    let failed = |e| {
        Error::check(
            "comparison",
            format!("a comparison that can be written ({e})"),
        )
    };
    if let Some(folder) = &args.report {
        let path = folder.join("compare.html");
        write_whole(&path, page.to_html().map_err(failed)?.as_bytes())?;
        say::note(format!("report: {}", path.display()));
    }
    let text = match args.json {
        true => {
            let side = |opened: &Opened| {
                let scorer = &opened.scorer;
                serde_json::json!({
                    "product": scorer.meta().product,
                    "sequence": scorer.meta().sequence,
                    "bundle": hex(scorer.bundle_id()),
                    "signature": opened.signature.name(),
                })
            };
            let all = serde_json::json!({
                "old": side(&old),
                "new": side(&new),
                "sections": sections,
                "changes": changes,
                "migration": migration,
            });
            format!("{all}\n")
        }
        false => page.to_markdown().map_err(failed)?,
    };
    Sink::stdout().print(&text)?;
    let moved = migration.moved_share.map_or(0.0, |share| share.value);
    match args.fail_above {
        Some(limit) if moved > limit => {
            say::error_text(format!(
                "expected at most a share of {limit} with another outcome; it is {moved:.4}"
            ));
            Ok(Exit::Failed)
        }
        _ => Ok(Exit::Done),
    }
}

fn release(scorer: &Scorer) -> String {
    format!("{} {}", scorer.meta().product, scorer.meta().sequence)
}

/// Every row of the file under both bundles.
fn rows(args: &CompareArgs, old: &Opened, new: &Opened) -> Result<Vec<Row>> {
    let mut columns: Vec<&str> = args.groups.iter().map(|own| own.column.as_str()).collect();
    columns.extend(args.label.as_deref());
    let bad = bad_value(args, &new.scorer)?;
    let before = read(args, &old.scorer, &columns, "old")?;
    let after = read(args, &new.scorer, &columns, "new")?;
    for (at, column) in columns.iter().enumerate() {
        let has = |row: &Seen| row.cells[at].is_some();
        if !before.is_empty() && !before.iter().chain(&after).any(has) {
            let place = format!("{}, header", args.input.file.display());
            return Err(Error::input(place, format!("a column {column}")));
        }
    }
    let both = before.into_iter().zip(after).enumerate();
    both.map(|(number, (before, after))| {
        // What is a field of one bundle may be passed through by the other.
        let cells = before.cells.into_iter().zip(after.cells);
        let cells: Vec<String> = cells
            .map(|(before, after)| before.or(after).unwrap_or_default())
            .collect();
        let groups = args.groups.iter().zip(&cells);
        let groups = groups.map(|(group, cell)| {
            let place = || format!("{}, row {}", args.input.file.display(), number + 1);
            group.of(cell).map_err(|e| e.within(place()))
        });
        let label = cells.get(args.groups.len()).filter(|cell| !cell.is_empty());
        Ok(Row {
            old: before.decided,
            new: after.decided,
            bad: label.zip(bad.as_ref()).map(|(label, bad)| label == bad),
            groups: groups.collect::<Result<_>>()?,
        })
    })
    .collect()
}

/// The label's value for a bad loan, where a label is asked for.
fn bad_value(args: &CompareArgs, scorer: &Scorer) -> Result<Option<String>> {
    let Some(label) = &args.label else {
        return Ok(None);
    };
    let built = || -> Option<String> {
        let provenance = scorer.section(SectionKind::PROVENANCE)?;
        let provenance: Value = serde_json::from_slice(provenance).ok()?;
        let own = provenance["label"][0].as_str()? == label;
        own.then(|| provenance["label"][1].as_str().map(str::to_owned))?
    };
    let bad = args.bad.clone().or_else(built);
    let unknown = || Error::input("--bad", "the label's value for a bad loan");
    bad.ok_or_else(unknown).map(Some)
}

impl GroupArg {
    /// The group of a cell.
    fn of(&self, cell: &str) -> Result<String> {
        if cell.is_empty() || cell == "NA" {
            return Ok("(missing)".to_owned());
        }
        if self.bands.is_empty() {
            return Ok(cell.to_owned());
        }
        let number = cell.trim().parse().map_err(|_| {
            let place = format!("column {}", self.column);
            Error::input(place, "a number, because --group gives it bands")
        })?;
        Ok(band_of(&self.bands, number))
    }
}

/// A row under one bundle.
struct Seen {
    decided: Option<(Outcome, i32)>,
    /// The columns asked for; `None` where the row has not got it.
    cells: Vec<Option<String>>,
}

/// Scores a whole file under one bundle, which messages call `side`.
fn read(args: &CompareArgs, scorer: &Scorer, columns: &[&str], side: &str) -> Result<Vec<Seen>> {
    let mut reader = args.input.read(scorer.schema())?;
    let mut batch = Batch::default();
    let (mut decisions, mut record) = (Vec::new(), Vec::new());
    let (mut seen, mut refused) = (Vec::new(), 0usize);
    while reader.fill(&mut batch)? {
        decisions.clear();
        scorer.score_many(batch.applications(), &mut decisions);
        for row in batch.rows() {
            let at = row.application.as_ref().ok().copied();
            let decision = at.and_then(|at| decisions[at].as_ref().ok().map(|own| (at, own)));
            refused += usize::from(decision.is_none());
            let cells = columns.iter().map(|column| {
                let mut extras = batch.extras(row);
                if let Some(extra) = extras.find(|extra| extra.name == *column) {
                    return Some(plain(extra.value, extra.json));
                }
                let (at, decision) = decision?;
                let application = &batch.applications()[at];
                given(scorer, column, (application, decision), &mut record)
            });
            seen.push(Seen {
                cells: cells.collect(),
                decided: decision.map(|(_, own)| (own.outcome, own.score)),
            });
        }
    }
    tell(args, &reader, side, refused);
    Ok(seen)
}

/// Says on stderr what a reader did not find, and how many rows have no decision.
fn tell(args: &CompareArgs, reader: &Reader, side: &str, refused: usize) {
    let absent = reader.absent();
    if !absent.is_empty() {
        let some = absent
            .iter()
            .take(12)
            .cloned()
            .collect::<Vec<_>>()
            .join(", ");
        say::note(format!(
            "absent for the {side} bundle, so missing in every row: {some}"
        ));
    }
    if reader.undated() > 0 && args.input.as_of.is_none() {
        say::note("scored as of today where a row has no as_of; --as-of sets another");
    }
    if refused > 0 {
        say::warn(format!("the {side} bundle does not score {refused} rows"));
    }
}

/// The text of a column that is passed through: of JSON a string's own text.
fn plain(value: &str, json: bool) -> String {
    let parsed = || serde_json::from_str::<Value>(value).ok();
    match json.then(parsed).flatten() {
        Some(Value::String(text)) => text,
        Some(Value::Null) => String::new(),
        _ => value.to_owned(),
    }
}

/// A field's value as given, as text; empty where it has none. `None` of what is no field of one value.
fn given(
    scorer: &Scorer,
    column: &str,
    (application, decision): (&Application, &Decision),
    record: &mut Vec<u8>,
) -> Option<String> {
    let fields = scorer.schema().fields();
    let field: &Field = fields.iter().find(|field| field.name == column)?;
    record.clear();
    scorer.record(application, decision, record);
    let record = Record::decode(record).ok()?;
    let own = record.values.into_iter().find(|(name, _)| name == column);
    match own.map(|(_, value)| value) {
        None => Some(String::new()),
        Some(RecordValue::Number(raw)) => Some(raw_text(field, raw)),
        Some(RecordValue::Truth(truth)) => Some(if truth { "yes" } else { "no" }.to_owned()),
        Some(RecordValue::Text(text)) => Some(text),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn groups_have_bands_or_none() {
        let age = group("age:25,35.5").unwrap();
        assert_eq!((age.column.as_str(), age.bands.len()), ("age", 2));
        assert_eq!(age.of("25").unwrap(), "25 to below 35.5");
        assert_eq!(age.of("").unwrap(), "(missing)");
        let error = age.of("4711").and(age.of("secret")).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(group("kind:of").unwrap().column, "kind:of");
        assert_eq!(group("marital").unwrap().of("single").unwrap(), "single");
        assert!(group("age:35,25").is_err() && group(":1").is_err());
        assert!(share("1.5").is_err() && share("0.02").is_ok());
    }
}
