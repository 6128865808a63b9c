//! `fieldscore evaluate`: a bundle on labelled rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use fieldscore_cli::applications::TableFile;
use fieldscore_cli::inspect::document;
use fieldscore_runtime::bundle::container::SectionKind;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::build::{hex, treatment};
use crate::cli::build::write_whole;
use crate::cli::fairness::{GroupArgs, tables as fairness_tables, warn};
use crate::cli::{BundleArgs, Exit, Sink, say, soundness};
use crate::data::{Reading, Table, has_reference, labels, tables};
use crate::error::{Error, Result};
use crate::evaluate::bootstrap::{Difference, Discrimination};
use crate::evaluate::curves::{Flips, flips};
use crate::evaluate::scored::Scored;
use crate::evaluate::soundness::{CalibrationCheck, Kept, Soundness};
use crate::evaluate::what_if::Profit;
use crate::pages::{COMPRESSED, Evaluated, cut_offs, evaluation_page};
use crate::recipe::{CalibrationLimits, GroupColumn, Label};

/// Measure a bundle on labelled rows: AUC, Gini, KS, Brier, ECE, with intervals; fields, lift, cut-offs
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  fieldscore evaluate credit.fsb new-loans.csv --report report

  fieldscore evaluate credit.fsb new-loans.csv --float credit-float.fsb --group sex

Label, bad value, missing cells and groups are those of the data that the bundle was built on,
unless given. Rows that cannot be scored are left out, counted on stderr, and make the exit status 2;
a field that the recipe calls monotone and is not makes it 1.")]
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
    /// The model that the bundle was made from, as `build --float` wrote it: figures, decisions and the
    /// treatment of groups are compared with its own
    #[arg(long, value_name = "FLOAT.fsb")]
    float: Option<PathBuf>,
    #[command(flatten)]
    groups: GroupArgs,
    /// What a good loan that is approved brings, in units of money [default: the recipe's evaluate.profit]
    #[arg(long, value_name = "MONEY", requires = "loss_bad")]
    profit_good: Option<f64>,
    /// What a bad loan that is approved costs, above 0
    #[arg(long, value_name = "MONEY", requires = "profit_good")]
    loss_bad: Option<f64>,
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
    let Scorable {
        rows,
        applications,
        scored,
        left_out,
    } = score(scorer, &reading, &table)?;
    let of_rows = |labels: &[bool]| -> Vec<bool> { rows.iter().map(|&row| labels[row]).collect() };
    let bad = of_rows(&bad);
    let table = table.select(&rows);
    let money = args.profit_good.zip(args.loss_bad);
    let soundness = soundness_of(scorer, applications, (&bad, &scored), money)?;
    let measured = scored.measure(&bad)?;
    let float = args.float.as_ref().map(|float| {
        let float = BundleArgs {
            bundle: float.clone(),
            ..args.bundle.clone()
        };
        Float::measure(&float, &reading, &table, &bad, &scored)
    });
    let float = float.transpose()?;
    let groups = args
        .groups
        .columns(groups(&provenance, &table, &reading.missing)?)?;
    let limits = serde_json::from_value(provenance["fairness"].clone()).unwrap_or_default();
    let limits = args.groups.limits(limits)?;
    let policy = scorer.policy();
    let fairness = treatment(
        (&table, &groups, &reading.missing),
        (float.as_ref().map(|float| &float.scored), &scored),
        [policy.refer_from, policy.approve_from],
        &bad,
        limits,
    )?;
    let named = scorer.decide().others().iter().enumerate();
    let further: Vec<Further<'_>> = named
        .map(|(at, other)| {
            let labels = others.get(&other.name);
            let measured = labels
                .map(|bad| scored.measure_other(at, &of_rows(bad)))
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
        let evaluated = Evaluated {
            bad: &bad,
            scored: &scored,
            measured: &measured,
            float: float.as_ref().map(|float| (&float.scored, &float.figures)),
            fairness: &fairness,
            soundness: &soundness,
            further: &further,
        };
        let page = evaluation_page(name, &facts, &evaluated)?;
        let path = folder.join("evaluate.html");
        write_whole(&path, page.as_bytes())?;
        say::note(format!("report: {}", path.display()));
    }
    let text = if args.json {
        let mut value = json(&measured, &further, &soundness, &bundle_id);
        value["fairness"] = serde_json::json!(fairness);
        if let Some(float) = &float {
            value["float"] = serde_json::json!(float);
        }
        format!("{value}\n")
    } else {
        [
            text(&measured, &further),
            float.as_ref().map_or_else(String::new, Float::text),
            soundness::text(&soundness),
            fairness_tables(&fairness, COMPRESSED),
            "\n".to_owned(),
        ]
        .concat()
    };
    Sink::stdout().print(&text)?;
    warn(&fairness, COMPRESSED);
    if left_out > 0 {
        say::warn(format!(
            "{left_out} rows could not be scored and were left out"
        ));
        return Ok(Exit::BadInput);
    }
    soundness::explain_failure(&soundness);
    Ok(match soundness.passed() {
        true => args.groups.exit(&fairness),
        false => Exit::Failed,
    })
}

/// Soundness on these rows against what the bundle's card keeps of its build. Calibration is a gate
/// of the build alone. `money` is what a good loan brings and what a bad one costs.
fn soundness_of(
    scorer: &fieldscore_runtime::Scorer,
    applications: Vec<fieldscore_runtime::Application>,
    (bad, scored): (&[bool], &Scored),
    money: Option<(f64, f64)>,
) -> Result<Soundness> {
    let card = document(scorer, SectionKind::CARD).unwrap_or_default();
    let kept = Kept::deserialize(&card["kept"]).unwrap_or_default();
    let kept = Kept {
        profit: money
            .map(|(good, cost)| Profit { good, bad: -cost })
            .or(kept.profit),
        ..kept
    };
    let chance = CalibrationLimits::default().chance;
    let calibration = CalibrationCheck::new(bad, &scored.probability, chance, None, false)?;
    let tried = cut_offs(&scored.score);
    kept.measure(scorer, applications, (bad, scored), &tried, calibration)
}

/// What could be scored.
struct Scorable {
    /// Which rows these are.
    rows: Vec<usize>,
    applications: Vec<fieldscore_runtime::Application>,
    scored: Scored,
    /// How many rows are not among them.
    left_out: usize,
}

/// The model that a bundle was made from, on the same rows.
#[derive(Serialize)]
struct Float {
    /// The first bytes of its bundle's id.
    bundle: String,
    /// How well it does.
    figures: Discrimination,
    /// The bundle's figures minus its own, with paired intervals.
    difference: Difference,
    /// Outcomes that differ.
    flips: Flips,
    #[serde(skip)]
    scored: Scored,
}

impl Float {
    /// Scores the rows with it, which the bundle has `scored` already.
    fn measure(
        float: &BundleArgs,
        reading: &Reading,
        table: &Table,
        bad: &[bool],
        bundle: &Scored,
    ) -> Result<Self> {
        let opened = float.open()?;
        let applications = reading.applications(table, opened.scorer.schema())?;
        let scored = Scored::of(&opened.scorer, &applications, |row| table.place(row, ""))?;
        let fault = |e| Error::input("data", format!("rows that can be measured ({e})"));
        Ok(Self {
            bundle: hex(&opened.scorer.bundle_id()[..8]),
            figures: scored.measure(bad)?,
            difference: Difference::measure(bad, &scored.probability, &bundle.probability)
                .map_err(fault)?,
            flips: flips(&scored.outcome, &bundle.outcome).map_err(fault)?,
            scored,
        })
    }

    /// Its figures and the differences, for people.
    fn text(&self) -> String {
        let mut out =
            String::from("\n\n                    handed in              the bundle's minus these");
        let (own, difference) = (&self.figures, &self.difference);
        for (name, own, difference) in [
            ("AUC", own.auc, difference.auc),
            ("Gini", own.gini, difference.gini),
            ("KS", own.ks, difference.ks),
            ("Brier score", own.brier, difference.brier),
            ("ECE", own.ece, difference.ece),
        ] {
            let own = format!("{own:.4}");
            out.push_str(&format!("\n{name:<19} {own:<22} {difference:.4}"));
        }
        let flips = &self.flips;
        out.push_str(&format!(
            "\noutcomes that differ: {} of {}, {}",
            flips.count,
            flips.rows,
            flips.share.percent(2)
        ));
        out
    }
}

/// The columns of groups that the bundle's provenance names. One that isn't there, and a group to compare
/// with that has no rows, are said on stderr.
fn groups(
    provenance: &serde_json::Value,
    table: &Table,
    missing: &[String],
) -> Result<IndexMap<String, GroupColumn>> {
    let known = serde_json::from_value(provenance["groups"].clone());
    let known: IndexMap<String, GroupColumn> = known.unwrap_or_default();
    let mut groups = IndexMap::new();
    for (name, mut column) in known {
        if table.column(&name).is_err() {
            say::warn(format!(
                "there is no column {name}: its groups are not compared"
            ));
            continue;
        }
        if !has_reference(table, &name, &column, missing)? {
            say::warn(format!(
                "{name}: the group to compare with has no rows, so the one approved most often is taken"
            ));
            column.reference = None;
        }
        groups.insert(name, column);
    }
    Ok(groups)
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
) -> Result<Scorable> {
    let mut rows = Vec::new();
    let (mut applications, mut left_out) = (Vec::new(), 0usize);
    for (number, application) in reading.each(table, scorer.schema())?.enumerate() {
        let scorable = application.and_then(|application| {
            scorer
                .score(&application)
                .map_err(|e| Error::from(e).within(table.place(number, "")))?;
            Ok(application)
        });
        match scorable {
            Ok(application) => {
                applications.push(application);
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
    Ok(Scorable {
        rows,
        applications,
        scored,
        left_out,
    })
}

fn text(measured: &Discrimination, further: &[Further<'_>]) -> String {
    let mut out = format!(
        "rows                {}\nbad                 {}",
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
        out.push_str(&format!("\n{name:<19} {interval:.4}"));
    }
    for (name, measured) in measured_of(further) {
        let (rows, bad) = (measured.rows, measured.bad);
        out.push_str(&format!("\n\n{name}: {bad} of {rows}"));
        let figures = [
            ("AUC", measured.auc),
            ("KS", measured.ks),
            ("Brier score", measured.brier),
        ];
        for (name, interval) in figures {
            out.push_str(&format!("\n{name:<19} {interval:.4}"));
        }
    }
    out
}

/// Those whose labels the table has.
fn measured_of<'f>(
    further: &'f [Further<'f>],
) -> impl Iterator<Item = (&'f str, &'f Discrimination)> {
    let all = further.iter();
    all.filter_map(|(name, measured)| Some((*name, measured.as_ref()?)))
}

fn json(
    measured: &Discrimination,
    further: &[Further<'_>],
    soundness: &Soundness,
    bundle: &str,
) -> serde_json::Value {
    let mut value = serde_json::json!({
        "bundle": bundle,
        "figures": measured,
        "soundness": soundness,
    });
    for (name, measured) in measured_of(further) {
        value["outputs"][name] = serde_json::json!(measured);
    }
    value
}
