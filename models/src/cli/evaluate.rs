//! `fieldscore evaluate`: a bundle on labelled rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fieldscore_cli::applications::TableFile;
use fieldscore_runtime::bundle::container::SectionKind;

use crate::build::hex;
use crate::cli::build::write_whole;
use crate::cli::{BundleArgs, Exit, Sink, say};
use crate::data::{Reading, Table, labels, tables};
use crate::error::{Error, Result};
use crate::evaluate::bootstrap::Discrimination;
use crate::evaluate::curves::cut_off_table;
use crate::evaluate::scored::Scored;
use crate::pages::{cut_offs, evaluation_page};
use crate::recipe::Label;

/// Measure a bundle on labelled rows: AUC, Gini, KS, Brier, ECE, cut-offs, with intervals
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  fieldscore evaluate credit.fsb new-loans.csv --report report

Label, bad value and missing cells are those of the data that the bundle was built on, unless
given. Rows that cannot be scored are left out, counted on stderr, and make the exit status 2.")]
pub struct EvaluateArgs {
    #[command(flatten)]
    bundle: BundleArgs,
    /// Labelled rows (CSV)
    labelled: PathBuf,
    /// A table's rows in a CSV file of their own, by the same id column as LABELLED; once for each table
    #[arg(long = "table", value_name = "FIELD=FILE")]
    tables: Vec<TableFile>,
    /// The column with the label
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The label's value for a bad loan
    #[arg(long, value_name = "VALUE")]
    bad: Option<String>,
    /// Write an HTML report into this folder
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
}

/// Evaluates a bundle.
///
/// # Errors
/// Where the bundle does not open or the rows cannot be read or measured.
pub fn run(args: EvaluateArgs) -> Result<Exit> {
    let opened = args.bundle.open()?;
    let scorer = &opened.scorer;
    let provenance: serde_json::Value = scorer
        .section(SectionKind::PROVENANCE)
        .and_then(|bytes| serde_json::from_slice(bytes).ok())
        .unwrap_or_default();
    let known = |given: &Option<String>, at: usize, flag: &str| {
        given
            .clone()
            .or_else(|| provenance["label"][at].as_str().map(str::to_owned))
            .ok_or_else(|| {
                Error::input("bundle", "provenance that names the label")
                    .hint(format!("give {flag}"))
            })
    };
    let label = Label {
        column: known(&args.label, 0, "--label")?,
        bad: known(&args.bad, 1, "--bad")?,
    };
    let table = Table::read(&args.labelled)?;
    let bad = labels(&table, &label)?;
    let missing = provenance["missing"].as_array().into_iter().flatten();
    let mut missing: Vec<String> = missing
        .filter_map(|m| m.as_str().map(str::to_owned))
        .collect();
    missing.push(String::new());
    let id = provenance["id"]
        .as_str()
        .filter(|id| table.column(id).is_ok())
        .map(str::to_owned);
    let tables = tables(&args.tables, id.as_deref())?;
    let reading = Reading {
        missing,
        id,
        date: None,
        day: scorer.meta().not_before,
        tables,
    };
    let others = others(&provenance, &table)?;
    let (bad, others, scored, left_out) = score(scorer, &reading, &table, &bad, &others)?;
    let measured = scored.measure(&bad)?;
    let named = scorer.decide().others().iter().enumerate();
    let further: Vec<Further<'_>> = named
        .map(|(at, other)| {
            let labels = others.get(&other.name);
            let measured = labels
                .map(|bad| scored.measure_other(at, bad))
                .transpose()?;
            Ok((other.name.as_str(), measured))
        })
        .collect::<Result<_>>()?;
    let bundle_id = hex(&scorer.bundle_id()[..8]);
    if let Some(folder) = &args.report {
        let facts = [
            (
                "Product".to_owned(),
                format!("{} {}", scorer.meta().product, scorer.meta().sequence),
            ),
            ("Bundle".to_owned(), bundle_id.clone()),
            ("Data".to_owned(), hex(&table.sha256()[..8])),
            (
                "Rows".to_owned(),
                format!("{} ({} bad)", measured.rows, measured.bad),
            ),
        ];
        let name = scorer
            .texts()
            .text("product.name", "")
            .unwrap_or(&scorer.meta().product);
        let page = evaluation_page(name, &facts, &bad, &scored, &measured, &further)?;
        let path = folder.join("evaluate.html");
        write_whole(&path, page.as_bytes())?;
        say::note(format!("report: {}", path.display()));
    }
    let text = if args.json {
        json(&bad, &scored, &measured, &further, &bundle_id)?
    } else {
        text(&bad, &scored, &measured, &further)?
    };
    Sink::stdout().print(&text)?;
    if left_out > 0 {
        say::warn(format!(
            "{left_out} rows could not be scored and were left out"
        ));
        return Ok(Exit::BadInput);
    }
    Ok(Exit::Done)
}

/// A probability beside the score's, and its figures where the table has its labels.
type Further<'a> = (&'a str, Option<Discrimination>);

/// Labels of the probabilities beside the score's, by name, as far as the table has their columns.
type Others = BTreeMap<String, Vec<bool>>;

/// The labels that the bundle's provenance names; a column that isn't there is said on stderr.
fn others(provenance: &serde_json::Value, table: &Table) -> Result<Others> {
    let mut all = Others::new();
    for (name, label) in provenance["outputs"].as_object().into_iter().flatten() {
        let [Some(column), Some(bad)] = [label[0].as_str(), label[1].as_str()] else {
            continue;
        };
        if table.column(column).is_err() {
            say::warn(format!(
                "there is no column {column}: {name} is not measured"
            ));
            continue;
        }
        let (column, bad) = (column.to_owned(), bad.to_owned());
        all.insert(name.clone(), labels(table, &Label { column, bad })?);
    }
    Ok(all)
}

/// Scores what can be scored; says on stderr what the first ten others lack.
fn score(
    scorer: &fieldscore_runtime::Scorer,
    reading: &Reading,
    table: &Table,
    bad: &[bool],
    others: &Others,
) -> Result<(Vec<bool>, Others, Scored, usize)> {
    let mut rows = Vec::new();
    let (mut kept, mut applications, mut left_out) = (Vec::new(), Vec::new(), 0usize);
    for (number, (application, &bad)) in reading.each(table, scorer.schema())?.zip(bad).enumerate()
    {
        let scorable = application.and_then(|application| {
            scorer
                .score(&application)
                .map_err(|e| Error::from(e).within(table.place(number, "")))?;
            Ok(application)
        });
        match scorable {
            Ok(application) => {
                applications.push(application);
                kept.push(bad);
                rows.push(number);
            }
            Err(error) => {
                left_out += 1;
                if left_out <= 10 {
                    say::warn(error);
                }
            }
        }
    }
    let scored = Scored::of(scorer, &applications, |_| table.name().to_owned())?;
    let of_rows = |labels: &Vec<bool>| rows.iter().map(|&row| labels[row]).collect();
    let others = others
        .iter()
        .map(|(name, labels)| (name.clone(), of_rows(labels)));
    Ok((kept, others.collect(), scored, left_out))
}

fn text(
    bad: &[bool],
    scored: &Scored,
    measured: &Discrimination,
    further: &[Further<'_>],
) -> Result<String> {
    let mut out = format!(
        "rows                {}\nbad                 {}\n",
        measured.rows, measured.bad
    );
    let figures = [
        ("AUC", measured.auc),
        ("Gini", measured.gini),
        ("KS", measured.ks),
        ("Brier score", measured.brier),
        ("ECE", measured.ece),
        ("ECE if calibrated", measured.ece_if_calibrated),
    ];
    for (name, interval) in figures {
        out.push_str(&format!("{name:<19} {interval:.4}\n"));
    }
    for (name, measured) in measured_of(further) {
        let (rows, bad) = (measured.rows, measured.bad);
        out.push_str(&format!("\n{name}: {bad} of {rows}\n"));
        let figures = [
            ("AUC", measured.auc),
            ("KS", measured.ks),
            ("Brier score", measured.brier),
        ];
        for (name, interval) in figures {
            out.push_str(&format!("{name:<19} {interval:.4}\n"));
        }
    }
    out.push_str("\napprove from   approved   approval rate          bad rate among them\n");
    for row in curve(bad, scored)? {
        let rate = row
            .bad_rate
            .map_or_else(|| "–".to_owned(), |rate| rate.percent(1));
        out.push_str(&format!(
            "{:>12} {:>10}   {:<22} {rate}\n",
            row.cut_off,
            row.approved,
            row.approval_rate.percent(1)
        ));
    }
    Ok(out)
}

/// Those whose labels the table has.
fn measured_of<'f>(
    further: &'f [Further<'f>],
) -> impl Iterator<Item = (&'f str, &'f Discrimination)> {
    let all = further.iter();
    all.filter_map(|(name, measured)| Some((*name, measured.as_ref()?)))
}

fn curve(bad: &[bool], scored: &Scored) -> Result<Vec<crate::evaluate::curves::CutOff>> {
    cut_off_table(bad, &scored.score, &cut_offs(&scored.score))
        .map_err(|e| Error::input("data", format!("rows that can be measured ({e})")))
}

fn json(
    bad: &[bool],
    scored: &Scored,
    measured: &Discrimination,
    further: &[Further<'_>],
    bundle: &str,
) -> Result<String> {
    let mut value = serde_json::json!({
        "bundle": bundle,
        "figures": measured,
        "cut_offs": curve(bad, scored)?,
    });
    for (name, measured) in measured_of(further) {
        value["outputs"][name] = serde_json::json!(measured);
    }
    Ok(format!("{value}\n"))
}
