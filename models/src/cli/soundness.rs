//! Soundness in a terminal: one short table a subject.

use comfy_table::Table;

use super::build::new_table;
use super::say;
use crate::evaluate::soundness::{CalibrationCheck, Soundness};
use crate::evaluate::what_if::WhatIf;

/// Cut-offs that a terminal shows.
const SHOWN: usize = 12;

/// What is said of a bundle, each part with a heading and an empty line before it.
pub(super) fn text(soundness: &Soundness) -> String {
    let mut parts = vec![
        (
            "calibration".to_owned(),
            calibration(&soundness.calibration),
        ),
        (
            "fields: information value and stability against the training part".to_owned(),
            fields(soundness),
        ),
        (
            "lift by decile, the riskiest first".to_owned(),
            lift(soundness),
        ),
        (
            "what other cut-offs would have meant".to_owned(),
            what_if(&soundness.what_if),
        ),
    ];
    if !soundness.monotone.is_empty() {
        parts.insert(1, ("monotone fields".to_owned(), monotone(soundness)));
    }
    let parts = parts.into_iter();
    parts
        .map(|(heading, table)| format!("\n\n{heading}\n{table}"))
        .collect()
}

/// Says which of these gates failed, and what would mend it.
pub(super) fn explain_failure(soundness: &Soundness) {
    let check = &soundness.calibration;
    if check.gate && !check.holds {
        say::error_text(format!("gate calibration: expected {}", expected(check)));
        say::hint(match check.ece > check.limit {
            true => {
                "in recipe.toml: another probability.calibration; or a validation part that is more like the test part"
            }
            false => "in recipe.toml: a finer compile.precision",
        });
    }
    for field in soundness.monotone.iter().filter(|field| !field.holds()) {
        say::error_text(format!(
            "gate monotone: expected the score {} with {}; {}",
            direction(field.direction),
            field.field,
            field.said()
        ));
        say::hint("train the model with this constraint, or leave the field's monotone out");
    }
}

fn direction(direction: crate::evaluate::monotone::Direction) -> &'static str {
    match direction {
        crate::evaluate::monotone::Direction::Rising => "rising",
        crate::evaluate::monotone::Direction::Falling => "falling",
    }
}

fn expected(check: &CalibrationCheck) -> String {
    let mut text = format!(
        "ECE ≤ {:.4} (what {} % of perfectly calibrated models have); measured {:.4}",
        check.limit,
        check.chance * 100.0,
        check.ece
    );
    if let Some([added, limit]) = check.int8 {
        text += &format!("; int8 − float ≤ {limit}; measured {added:+.4}");
    }
    text
}

fn calibration(check: &CalibrationCheck) -> String {
    let verdict = match (check.holds, check.gate) {
        (true, true) => "holds",
        (false, true) => "FAILS",
        (true, false) => "holds (no gate)",
        (false, false) => "is above it (no gate)",
    };
    format!("{}: {verdict}", expected(check))
}

fn monotone(soundness: &Soundness) -> String {
    let mut table = new_table(["field", "score", ""]);
    left(&mut table, &[1, 2]);
    for field in &soundness.monotone {
        let shown = [
            field.field.as_str(),
            direction(field.direction),
            &field.said(),
        ];
        table.add_row(shown);
    }
    trimmed(&table)
}

fn fields(soundness: &Soundness) -> String {
    let mut table = new_table([
        "field",
        "bins",
        "IV training",
        "IV here",
        "by chance",
        "PSI",
        "by chance",
        "",
    ]);
    for field in &soundness.fields {
        table.add_row([
            field.field.clone(),
            field.bins.len().to_string(),
            format!("{:.3}", field.iv_train.value),
            format!("{:.3}", field.iv.value),
            format!("{:.3}", field.iv.by_chance),
            format!("{:.3}", field.psi.value),
            format!("{:.3}", field.psi.by_chance),
            match field.psi.is_more() {
                true => "moved".to_owned(),
                false => String::new(),
            },
        ]);
    }
    trimmed(&table)
}

fn lift(soundness: &Soundness) -> String {
    let mut table = new_table([
        "decile",
        "rows",
        "bad",
        "bad rate",
        "lift",
        "bad so far",
        "lift so far",
    ]);
    for (at, decile) in soundness.lift.iter().enumerate() {
        table.add_row([
            (at + 1).to_string(),
            decile.rows.to_string(),
            decile.bad.to_string(),
            decile.bad_rate.percent(1),
            format!("{:.2}", decile.lift),
            format!("{:.1} %", decile.captured * 100.0),
            format!("{:.2}", decile.cumulative_lift),
        ]);
    }
    trimmed(&table)
}

fn what_if(rows: &[WhatIf]) -> String {
    let has_profit = rows.iter().any(|row| row.profit.is_some());
    let mut titles = vec!["approve from", "approved", "approval rate", "bad rate"];
    if has_profit {
        titles.extend(["profit", "an application", ""]);
    }
    let mut table = new_table(titles);
    let step = rows.len().div_ceil(SHOWN).max(1);
    for (at, row) in rows.iter().enumerate() {
        if at % step != 0 && !row.best {
            continue;
        }
        let mut cells = vec![
            row.at.cut_off.to_string(),
            row.at.approved.to_string(),
            row.at.approval_rate.percent(1),
            row.at
                .bad_rate
                .map_or_else(|| "–".to_owned(), |rate| rate.percent(1)),
        ];
        if let (Some(all), Some(each)) = (row.profit, row.profit_per_application) {
            let best = if row.best { "best" } else { "" };
            cells.extend([format!("{all:.0}"), format!("{each:.2}"), best.to_owned()]);
        }
        table.add_row(cells);
    }
    trimmed(&table)
}

fn left(table: &mut Table, columns: &[usize]) {
    for &at in columns {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(comfy_table::CellAlignment::Left);
        }
    }
}

/// A table without blanks at line ends.
fn trimmed(table: &Table) -> String {
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}
