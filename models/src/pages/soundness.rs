//! The sections on soundness, of `build --report` and `evaluate --report` alike.

use crate::evaluate::report::{Cell, Column, NoteKind, Section, Table, Tone};
use crate::evaluate::soundness::Soundness;

/// Calibration, monotone fields, each field by itself, lift by decile.
pub(super) fn sections(soundness: &Soundness) -> Vec<Section> {
    let mut all = vec![calibration(soundness)];
    if !soundness.monotone.is_empty() {
        all.push(monotone(soundness));
    }
    all.push(fields(soundness));
    all.push(lift(soundness));
    all
}

fn calibration(soundness: &Soundness) -> Section {
    let check = &soundness.calibration;
    let kind = match check.holds {
        true => NoteKind::Good,
        false => NoteKind::Warning,
    };
    let mut text = format!(
        "The calibration error is {:.4}; {} % of perfectly calibrated models have at most {:.4} on as many rows.",
        check.ece,
        check.chance * 100.0,
        check.limit
    );
    if let Some([added, limit]) = check.int8 {
        text += &format!(" int8 adds {added:+.4}, and may add {limit}.");
    }
    if !check.gate {
        text += " This is no gate.";
    }
    Section::new("Calibration").note(kind, text)
}

fn monotone(soundness: &Soundness) -> Section {
    let mut table = Table::new(
        "Fields that the recipe calls monotone",
        [
            Column::text("Field"),
            Column::text("Score"),
            Column::text("Verdict"),
        ],
    );
    for field in &soundness.monotone {
        let tone = match field.holds() {
            true => Tone::Good,
            false => Tone::Bad,
        };
        let direction = format!("{:?}", field.direction).to_lowercase();
        table = table.row([
            Cell::from(field.field.as_str()),
            Cell::from(direction),
            Cell::toned(tone, field.said()),
        ]);
    }
    Section::new("Monotone fields")
        .intro("Of the compressed model. What is not proved is searched among drawn and real applicants.")
        .table(table)
}

fn fields(soundness: &Soundness) -> Section {
    let mut table = Table::new(
        "Information value, and stability against the training part",
        [
            Column::text("Field"),
            Column::number("Bins"),
            Column::number("IV, training"),
            Column::number("IV, here"),
            Column::number("IV by chance"),
            Column::number("PSI"),
            Column::number("PSI by chance"),
            Column::text("Values"),
        ],
    );
    for field in &soundness.fields {
        let moved = match field.psi.is_more() {
            true => Cell::toned(Tone::Warning, "moved"),
            false => Cell::from("as trained on"),
        };
        table = table.row([
            Cell::from(field.field.as_str()),
            Cell::from(field.bins.len().to_string()),
            Cell::from(format!("{:.3}", field.iv_train.value)),
            Cell::from(format!("{:.3}", field.iv.value)),
            Cell::from(format!("{:.3}", field.iv.by_chance)),
            Cell::from(format!("{:.3}", field.psi.value)),
            Cell::from(format!("{:.3}", field.psi.by_chance)),
            moved,
        ]);
    }
    Section::new("Fields")
        .intro("By chance: what 95 of 100 samples stay below where nothing differs. One field in twenty is above it even so.")
        .table(table)
}

fn lift(soundness: &Soundness) -> Section {
    let mut table = Table::new(
        "Lift by decile, the riskiest first, 95 % intervals",
        [
            Column::number("Decile"),
            Column::number("Rows"),
            Column::number("Bad"),
            Column::number("Bad rate"),
            Column::number("Lift"),
            Column::number("Bad so far"),
            Column::number("Lift so far"),
        ],
    );
    for (at, decile) in soundness.lift.iter().enumerate() {
        table = table.row([
            (at + 1).to_string(),
            decile.rows.to_string(),
            decile.bad.to_string(),
            decile.bad_rate.percent(1),
            format!("{:.2}", decile.lift),
            format!("{:.1} %", decile.captured * 100.0),
            format!("{:.2}", decile.cumulative_lift),
        ]);
    }
    Section::new("Lift").table(table)
}
