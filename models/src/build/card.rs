//! What CARD says of data and compression beyond the build's figures. `docs/bundle-format.md` has its
//! keys.

use fieldscore_cli::tight::tight;
use fieldscore_runtime::Date;
use serde::Serialize;
use serde_json::{Value, json};

use super::gate::Gate;
use super::{Workshop, hex};
use crate::evaluate::fairness::{Fairness, Gap};
use crate::evaluate::intervals::{Interval, wilson};
use crate::recipe::{CalibrationMethod, Precision, Recipe};

/// The version of CARD's layout: it rises when a key changes its meaning, not when one is added.
pub(super) const VERSION: u32 = 1;

/// The labelled rows that the bundle was made from.
#[derive(Debug, Serialize)]
pub(super) struct DataFacts {
    /// The file's name, without its folder.
    file: String,
    /// SHA-256 of its bytes, of further files of the split behind it.
    sha256: String,
    /// The label's column and its bad value.
    label: [String; 2],
    /// Dates of the rows, where they have some.
    dates: Option<Dates>,
    /// The parts of the split.
    parts: [PartFacts; 3],
}

#[derive(Debug, Serialize)]
struct Dates {
    column: String,
    first: String,
    last: String,
}

#[derive(Debug, Serialize)]
struct PartFacts {
    part: &'static str,
    rows: usize,
    bad: usize,
    /// Share of bad rows with Wilson's 95 % interval.
    bad_rate: Option<Interval>,
}

impl DataFacts {
    pub fn of(workshop: &Workshop<'_>) -> Self {
        let data = &workshop.recipe.data;
        let parts = [
            ("train", &workshop.train),
            ("validation", &workshop.validation),
            ("test", &workshop.test),
        ];
        let name = data.file.file_name();
        Self {
            file: name.map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            sha256: hex(&workshop.table.sha256()),
            label: [data.label.column.clone(), data.label.bad.clone()],
            dates: data
                .date
                .as_deref()
                .and_then(|column| Dates::of(workshop, column)),
            parts: parts.map(|(part, rows)| {
                let bad = rows.iter().filter(|&&row| workshop.bad[row]).count();
                PartFacts {
                    part,
                    rows: rows.len(),
                    bad,
                    bad_rate: wilson(bad, rows.len()),
                }
            }),
        }
    }
}

impl Dates {
    fn of(workshop: &Workshop<'_>, column: &str) -> Option<Self> {
        let at = workshop.table.column(column).ok()?;
        let rows = workshop.table.rows().iter();
        let dates = || rows.clone().filter_map(|row| Date::parse(row[at].trim()));
        Some(Self {
            column: column.to_owned(),
            first: dates().min()?.to_string(),
            last: dates().max()?.to_string(),
        })
    }
}

/// What the compiler was asked to do.
#[derive(Debug, Serialize)]
pub(super) struct CompressionFacts {
    /// The arithmetic of layers that `layers` does not name.
    precision: Precision,
    /// Share of hidden units removed.
    prune: f64,
    /// Rows of the training part that ranges and corrections were fitted on, at most.
    calibration_rows: usize,
    /// How the probability was calibrated.
    probability: CalibrationMethod,
}

impl CompressionFacts {
    pub fn of(recipe: &Recipe) -> Self {
        let compile = &recipe.compile;
        Self {
            precision: compile.precision,
            prune: compile.prune,
            calibration_rows: compile.calibration_rows,
            probability: recipe.probability.calibration,
        }
    }
}

/// What gates compared, of the figures that have a limit.
pub(super) fn gates(gates: &[Gate]) -> Vec<Value> {
    let shown = gates.iter().map(|gate| {
        json!({
            "name": gate.name,
            "limits": gate.limits,
            "difference": { "auc": gate.difference.auc, "ks": gate.difference.ks },
            "flips": gate.flips,
            "unlabelled": gate.unlabelled,
            "passed": gate.passed,
        })
    });
    shown.collect()
}

/// How groups are treated, without what `groups` says of them already.
pub(super) fn fairness(fairness: &Fairness) -> Value {
    let gap = |class: Option<Gap>| json!({ "gap": class.and_then(|class| class.gap) });
    let columns = fairness.columns.iter().map(|column| {
        let groups = column.groups.iter().map(|group| {
            json!({
                "group": group.group,
                "before": { "ratio": group.before.and_then(|before| before.ratio) },
                "now": {
                    "ratio": group.now.ratio,
                    "opportunity": gap(group.now.opportunity),
                    "false_approval": gap(group.now.false_approval),
                },
                "change": { "ratio": group.change.and_then(|change| change.ratio) },
                "finding": group.finding,
            })
        });
        json!({ "column": column.column, "reference": column.reference, "groups": groups.collect::<Vec<_>>() })
    });
    let bands = fairness.bands.iter().map(|bands| {
        let rows = bands.bands.iter().map(|band| {
            json!({
                "band": band.band,
                "rows": band.flips.rows,
                "count": band.flips.count,
                "gained": band.gained,
                "lost": band.lost,
            })
        });
        json!({ "by": bands.by, "bands": rows.collect::<Vec<_>>() })
    });
    json!({
        "limits": fairness.limits,
        "columns": columns.collect::<Vec<_>>(),
        "bands": bands.collect::<Vec<_>>(),
        "passed": fairness.passed,
    })
}

/// What is kept to the last digit: what the recipe asks for, and what `evaluate` computes with.
const EXACT: [&str; 3] = ["limits", "compression", "kept"];

/// A card as it is written: figures with the digits that its page shows, objects of the same keys as tables.
pub(super) fn written(card: Value) -> Value {
    tight(rounded(card, 4))
}

/// With so many decimals, three where there is an interval beside the figure; below .01 with three digits.
fn rounded(mut value: Value, decimals: usize) -> Value {
    match &mut value {
        Value::Number(number) if number.is_f64() => {
            let digits = number.as_f64().map(|x| match x.abs() < 0.01 {
                true => format!("{x:.2e}"),
                false => format!("{x:.decimals$}"),
            });
            let number = digits.and_then(|digits| digits.parse::<f64>().ok());
            value = json!(number);
        }
        Value::Array(items) => {
            let items = items.iter_mut();
            items.for_each(|v| *v = rounded(v.take(), decimals));
        }
        Value::Object(entries) => {
            let decimals = if entries.contains_key("low") { 3 } else { 4 };
            let entries = entries.iter_mut();
            entries
                .filter(|(key, _)| !EXACT.contains(&key.as_str()))
                .for_each(|(_, v)| *v = rounded(v.take(), decimals));
        }
        _ => {}
    }
    value
}
