//! The pages of `build --report`, `evaluate --report`, `card` and `compare`.

mod build;
mod card;
mod compare;
mod evaluate;
mod fairness;
mod soundness;
mod values;
mod words;

pub use build::build_page;
pub use card::card;
pub use compare::comparison_page;
pub use evaluate::{Evaluated, evaluation_page};
pub use fairness::{COMPRESSED, Names, fairness_tables, findings};

use crate::error::{Error, Result};
use crate::evaluate::bootstrap::Discrimination;
use crate::evaluate::curves::{calibration_bins, cut_off_table, roc_curve, score_histogram};
use crate::evaluate::intervals::Interval;
use crate::evaluate::plots::{self, Series};
use crate::evaluate::report::{Cell, Column, Section, Table, Tone};
use crate::evaluate::scored::Scored;
use crate::evaluate::what_if::WhatIf;

/// The title of the score's own figures.
const FIGURES: &str = "Discrimination and calibration with 95 % intervals";

fn failed(what: impl std::fmt::Display) -> Error {
    Error::check("report", format!("rows that can be drawn ({what})"))
}

/// Cut-offs that a table or plot of approval against bad rate goes through: every ten points over
/// the scores seen, at most about forty.
pub fn cut_offs(score: &[i32]) -> Vec<i32> {
    let (Some(&least), Some(&greatest)) = (score.iter().min(), score.iter().max()) else {
        return Vec::new();
    };
    let span = (greatest - least).max(1);
    let step = (span / 40 / 10 * 10).max(10);
    let first = least.div_euclid(step) * step;
    (first..=greatest).step_by(step as usize).collect()
}

/// The plots of one or several models on the same labelled rows; the score distribution is the
/// last one's.
fn figures(bad: &[bool], models: &[(&str, &Scored)]) -> Result<Section> {
    let mut section =
        Section::new("Plots").intro("Bad is the positive class; a higher score is safer.");
    let rocs = each(models, |scored| roc_curve(bad, &scored.probability))?;
    let bins = each(models, |scored| calibration_bins(bad, &scored.probability))?;
    let offs = each(models, |scored| {
        cut_off_table(bad, &scored.score, &cut_offs(&scored.score))
    })?;
    section = section.figure(
        plots::roc(&series(models, &rocs)).map_err(failed)?,
        "Receiver operating characteristic.",
    );
    if let Some((name, scored)) = models.last() {
        let histogram = score_histogram(bad, &scored.score).map_err(failed)?;
        let caption = format!("Scores of good and bad loans ({name}).");
        section = section.figure(
            plots::score_distribution(&histogram).map_err(failed)?,
            caption,
        );
    }
    Ok(section
        .figure(
            plots::calibration(&series(models, &bins)).map_err(failed)?,
            "Predicted against observed share of bad loans, ten bins of equal mass, 95 % intervals.",
        )
        .figure(
            plots::approval(&series(models, &offs)).map_err(failed)?,
            "Approval rate against bad rate among the approved, by cut-off.",
        ))
}

fn each<T, E: std::fmt::Display>(
    models: &[(&str, &Scored)],
    of: impl Fn(&Scored) -> std::result::Result<Vec<T>, E>,
) -> Result<Vec<Vec<T>>> {
    models
        .iter()
        .map(|(_, scored)| of(scored).map_err(failed))
        .collect()
}

fn series<'a, T>(models: &[(&'a str, &Scored)], points: &'a [Vec<T>]) -> Vec<Series<'a, T>> {
    models
        .iter()
        .zip(points)
        .map(|((name, _), points)| Series { name, points })
        .collect()
}

/// The probabilities beside the score's, each with the figures of several models on its own labels; none
/// where it has no label. No section where there are no further probabilities.
fn outputs<'o>(
    all: impl IntoIterator<Item = (&'o str, Option<Vec<(&'o str, &'o Discrimination)>>)>,
) -> Option<Section> {
    let tables = all.into_iter().map(|(name, models)| match models {
        Some(models) => discrimination_table(&format!("{name}, 95 % intervals"), &models),
        None => Table::new(format!("{name}: not measured"), [Column::text("Figure")])
            .row(["It has no label, or the data have not its column."]),
    });
    let section = Section::new("Further outputs")
        .intro("Probabilities beside the score's, each on its own labels.");
    let mut tables = tables.peekable();
    tables.peek()?;
    Some(tables.fold(section, Section::table))
}

/// Figures of several models side by side.
fn discrimination_table(title: &str, models: &[(&str, &Discrimination)]) -> Table {
    let mut columns = vec![Column::text("Figure")];
    columns.extend(models.iter().map(|(name, _)| Column::number(*name)));
    let mut table = Table::new(title, columns);
    type Pick = fn(&Discrimination) -> Interval;
    let figures: [(&str, Pick); 6] = [
        ("AUC", |d| d.auc),
        ("Gini", |d| d.gini),
        ("KS", |d| d.ks),
        ("Brier score", |d| d.brier),
        ("Calibration error (ECE)", |d| d.ece),
        ("ECE of a perfectly calibrated model", |d| {
            d.ece_if_calibrated
        }),
    ];
    for (name, pick) in figures {
        let cells = models.iter().map(|(_, d)| format!("{:.3}", pick(d)));
        table = table.row([name.to_owned()].into_iter().chain(cells));
    }
    table
}

/// Approval, bad rate and profit at each cut-off.
fn cut_off_rows(rows: &[WhatIf]) -> Table {
    let has_profit = rows.iter().any(|row| row.profit.is_some());
    let mut columns = vec![
        Column::number("Approve from"),
        Column::number("Approved"),
        Column::number("Approval rate"),
        Column::number("Bad rate among them"),
    ];
    if has_profit {
        columns.push(Column::number("Profit"));
        columns.push(Column::number("Profit per application"));
    }
    let mut table = Table::new(
        "What other cut-offs would have meant, 95 % intervals",
        columns,
    );
    for row in rows {
        let mut cells = vec![
            Cell::from(row.at.cut_off.to_string()),
            Cell::from(row.at.approved.to_string()),
            Cell::from(row.at.approval_rate.percent(1)),
            Cell::from(
                row.at
                    .bad_rate
                    .map_or_else(|| "–".to_owned(), |rate| rate.percent(1)),
            ),
        ];
        if let (Some(all), Some(each)) = (row.profit, row.profit_per_application) {
            let all = match row.best {
                true => Cell::toned(Tone::Good, format!("{all:.0}, the most")),
                false => Cell::from(format!("{all:.0}")),
            };
            cells.extend([all, Cell::from(format!("{each:.2}"))]);
        }
        table = table.row(cells);
    }
    table
}
