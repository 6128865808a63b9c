//! The page of `build --report`: what compression cost.

use crate::build::{Built, Gate, Summary};
use crate::error::Result;
use crate::evaluate::report::{Cell, Column, NoteKind, Report, Section, Table, Tone};
use crate::pages::{
    COMPRESSED, FIGURES, cut_off_rows, discrimination_table, failed, fairness, figures, outputs,
    soundness,
};

/// The page of a build.
///
/// # Errors
/// Where the rows cannot be drawn.
pub fn build_page(built: &Built) -> Result<String> {
    let summary = &built.summary;
    let test = &built.test;
    let passed = built.bundle.is_some();
    let [train, validation, rows] = summary.rows;
    let mut report = Report::new(
        format!("Build of {}", summary.product),
        "Float model against bundle, on the test part",
    )
    .fact("Sequence", summary.sequence.to_string())
    .fact("Engine", &summary.engine)
    .fact(
        "Rows",
        format!("{train} train, {validation} validation, {rows} test"),
    )
    .fact("Model", &summary.provenance.model_sha256[..16])
    .fact("Data", &summary.provenance.data_sha256[..16])
    .fact("Recipe", &summary.provenance.recipe_sha256[..16])
    .fact("Tool", &summary.provenance.tool);
    let mut gates = Section::new("Gates");
    gates = if passed {
        gates.note(
            NoteKind::Good,
            if summary.gates.is_empty() {
                "Nothing was compressed: the bundle is the model, bit by bit."
            } else {
                "Every gate holds: the bundle was packed."
            },
        )
    } else {
        gates.note(NoteKind::Warning, "A gate failed: no bundle was packed.")
    };
    if !summary.open_texts.is_empty() {
        gates = gates.note(
            NoteKind::Warning,
            format!(
                "Texts still to be written: {}",
                summary.open_texts.join(", ")
            ),
        );
    }
    if !summary.protection_unstated.is_empty() {
        gates = gates.note(
            NoteKind::Warning,
            format!(
                "The recipe doesn't say whether these fields are protected: {}",
                summary.protection_unstated.join(", ")
            ),
        );
    }
    if let Some(native) = &summary.native {
        gates = gates.note(
            if native.rows_that_change_leaf == 0 {
                NoteKind::Good
            } else {
                NoteKind::Warning
            },
            format!(
                "Against the {} file that the model was converted from: {} of {} test rows end in another leaf; \
                 log-odds differ by {:.2e} at most.",
                native.library, native.rows_that_change_leaf, native.rows, native.largest_difference
            ),
        );
    }
    if !summary.gates.is_empty() {
        gates = gates.table(gate_table(&summary.gates));
    }
    report = report.section(gates);
    let models = summary.discrimination.named();
    let scored = test.scored.named();
    report = report
        .section(Section::new("Figures").table(discrimination_table(FIGURES, &models)))
        .section(figures(&test.bad, &scored)?)
        .sections(soundness::sections(&summary.soundness))
        .sections(further(summary))
        .section(Section::new("Size").table(size_table(summary)));
    if !summary.layers.is_empty() {
        report = report.section(
            Section::new("Layers")
                .intro("What int8 costs in one layer alone, the others in f32, on the validation part.")
                .table(layer_table(summary)),
        );
    }
    report
        .sections(fairness::section(&summary.fairness, COMPRESSED))
        .section(Section::new("Cut-offs").table(cut_off_rows(&summary.soundness.what_if)))
        .to_html()
        .map_err(failed)
}

/// The probabilities beside the score's, on the test part.
fn further(summary: &Summary) -> Option<Section> {
    outputs(summary.outputs.iter().map(|output| {
        let models = output.float.as_ref().zip(output.bundle.as_ref());
        let models = models.map(|(float, bundle)| vec![("Float", float), ("Bundle", bundle)]);
        (output.name.as_str(), models)
    }))
}

fn gate_table(gates: &[Gate]) -> Table {
    let mut table = Table::new(
        "What compression cost, against the recipe's limits",
        [
            Column::text("Gate"),
            Column::text("Figure"),
            Column::number("Measured, 95 % interval"),
            Column::number("Limit"),
            Column::text("Result"),
        ],
    );
    for gate in gates {
        let flips = &gate.flips;
        let lines = [
            (
                "AUC",
                format!("{:.4}", gate.difference.auc),
                gate.difference.auc.value.abs(),
                gate.limits.auc,
            ),
            (
                "KS",
                format!("{:.4}", gate.difference.ks),
                gate.difference.ks.value.abs(),
                gate.limits.ks,
            ),
            (
                "Flips",
                format!(
                    "{} of {}: {}",
                    flips.count,
                    flips.rows,
                    flips.share.percent(2)
                ),
                flips.share.value,
                gate.limits.flips,
            ),
        ];
        for (figure, shown, measured, limit) in lines {
            let result = if measured <= limit {
                Cell::toned(Tone::Good, "holds")
            } else {
                Cell::toned(Tone::Bad, "fails")
            };
            table = table.row([
                Cell::from(gate.name),
                Cell::from(figure),
                Cell::from(shown),
                Cell::from(format!("{limit}")),
                result,
            ]);
        }
    }
    table
}

fn size_table(summary: &Summary) -> Table {
    let (float, bundle) = (&summary.float, &summary.bundle);
    Table::new(
        "Size",
        [
            Column::text("What"),
            Column::number("Float"),
            Column::number("Bundle"),
        ],
    )
    .row([
        "Shape".to_owned(),
        float.shape.clone(),
        bundle.shape.clone(),
    ])
    .row([
        "Parameters".to_owned(),
        float.parameters.to_string(),
        bundle.parameters.to_string(),
    ])
    .row([
        "Bytes of plan and weights".to_owned(),
        float.bytes.to_string(),
        bundle.bytes.to_string(),
    ])
    .row([
        "Multiply-adds".to_owned(),
        float.multiply_adds.to_string(),
        bundle.multiply_adds.to_string(),
    ])
}

fn layer_table(summary: &Summary) -> Table {
    let mut table = Table::new(
        "Cost per layer",
        [
            Column::text("Layer"),
            Column::number("Shape"),
            Column::text("In the bundle"),
            Column::number("ΔAUC"),
            Column::number("Flips"),
        ],
    );
    for layer in &summary.layers {
        table = table.row([
            layer.name.clone(),
            format!("{} → {}", layer.shape[0], layer.shape[1]),
            layer.precision.to_owned(),
            format!("{:+.4}", layer.auc),
            format!("{:.2} %", layer.flips * 100.0),
        ]);
    }
    table
}
