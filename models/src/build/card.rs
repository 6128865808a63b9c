//! What CARD says of data and compression beyond the build's figures. `docs/bundle-format.md` has its
//! keys.

use fieldscore_runtime::Date;
use serde::Serialize;

use super::{Workshop, hex};
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
