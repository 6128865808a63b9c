//! The reference model: what the issue promises of it, measured on the committed files.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fieldscore_models::build::{Built, build};
use fieldscore_models::data::{Reading, Table};
use fieldscore_models::evaluate::metrics::auc;
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe;
use fieldscore_runtime::schema::Schema;
use fieldscore_runtime::schema::transform::Transforms;

fn zoo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/credit")
}

fn built(folder: &Path) -> Built {
    build(folder, &Signing::development(), &mut |_| {}).unwrap()
}

/// The five splits' builds: made once.
static SPLITS: LazyLock<Vec<Built>> = LazyLock::new(|| {
    (1..=5)
        .map(|split| built(&zoo().join(format!("splits/{split}"))))
        .collect()
});

/// A little-endian f32 array of two axes from a `.npy` file (format version 1.0).
fn npy(path: &Path) -> (usize, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = std::str::from_utf8(&bytes[10..header]).unwrap();
    assert!(
        text.contains("'descr': '<f4'") && text.contains("'fortran_order': False"),
        "{text}"
    );
    let shape = text
        .split("'shape': (")
        .nth(1)
        .unwrap()
        .split(')')
        .next()
        .unwrap();
    let width = shape.split(',').nth(1).unwrap().trim().parse().unwrap();
    let values = bytes[header..].chunks_exact(4);
    (
        width,
        values
            .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
            .collect(),
    )
}

#[test]
fn features_equal_the_training_codes_on_every_row() {
    let loaded = recipe::load(&zoo()).unwrap();
    let lowered = recipe::lower(&loaded.recipe).unwrap();
    let schema = std::sync::Arc::new(Schema::new(lowered.schema, [0; 32]).unwrap());
    let transforms = Transforms::new(lowered.transforms, schema.fields()).unwrap();
    let table = Table::read(&loaded.recipe.data.file).unwrap();
    let reading = Reading::of(&loaded.recipe).unwrap();
    let applications = reading.applications(&table, &schema).unwrap();
    let (width, expected) = npy(&zoo().join("features.npy"));
    assert_eq!(width, transforms.width());
    assert_eq!(expected.len(), applications.len() * width);
    for (row, (application, expected)) in applications
        .iter()
        .zip(expected.chunks_exact(width))
        .enumerate()
    {
        let found = transforms.features(application).unwrap();
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            assert!(
                (found - expected).abs() <= 1e-6,
                "row {}, feature {at}: {found}, {expected}",
                row + 1
            );
        }
    }
}

#[test]
fn building_twice_gives_the_same_bytes() {
    let [one, two] = [(); 2].map(|()| built(&zoo()).bundle.expect("gates hold"));
    assert!(one == two);
}

#[test]
fn gates_hold_on_every_split() {
    let mut beyond_chance = Vec::new();
    for (split, built) in (1..).zip(SPLITS.iter()) {
        let gates = &built.summary.gates;
        let shown = serde_json::to_string(gates).unwrap();
        assert!(
            gates.iter().all(|gate| gate.passed),
            "split {split}: {shown}"
        );
        assert_eq!(gates.len(), 2);
        let sound = built.summary.soundness.passed();
        assert_eq!(built.bundle.is_some(), sound, "split {split}");
        let check = &built.summary.soundness.calibration;
        assert!(
            check.int8.is_some_and(|[added, limit]| added <= limit),
            "{check:?}"
        );
        beyond_chance.extend((!sound).then_some((split, check.ece, check.limit)));
    }
    // A perfectly calibrated model is beyond its limit on one split in twenty: on two or more of five
    // in 2.3 % of all cases. The bundle that ships is split 1's, which is not.
    assert!(beyond_chance.len() <= 1, "{beyond_chance:?}");
    assert!(SPLITS[0].bundle.is_some());
}

#[test]
fn hidden_widths_are_at_least_halved() {
    for (split, built) in (1..).zip(SPLITS.iter()) {
        let widths = |shape: &str| -> Vec<usize> {
            shape
                .split('-')
                .map(|width| width.parse().unwrap())
                .collect()
        };
        let (before, after) = (&built.summary.float.shape, &built.summary.bundle.shape);
        let (before, after) = (widths(before), widths(after));
        assert_eq!(before.len(), after.len());
        for (before, after) in before.iter().zip(&after).skip(1).rev().skip(1) {
            assert!(*after * 2 <= *before, "split {split}: {before} to {after}");
        }
    }
}

#[test]
fn plan_weights_and_biases_are_at_most_35_percent_of_the_float_initialisers() {
    for (split, built) in (1..).zip(SPLITS.iter()) {
        let (before, after) = (built.summary.float.bytes, built.summary.bundle.bytes);
        let share = after as f64 / before as f64;
        assert!(
            share <= 0.35,
            "split {split}: {after} of {before} bytes, {share:.3}"
        );
    }
}

/// The baselines' predictions of a split's test part: labels, LightGBM's probabilities.
fn lightgbm(split: usize) -> (Vec<bool>, Vec<f64>) {
    let table = Table::read(&zoo().join(format!("splits/{split}/predictions.csv"))).unwrap();
    let (status, probability) = (
        table.column("status").unwrap(),
        table.column("lightgbm").unwrap(),
    );
    let row = |row: &[&str]| {
        (
            row[status] == "bad",
            row[probability].parse::<f64>().unwrap(),
        )
    };
    table
        .rows()
        .iter()
        .map(|cells| row(&cells.iter().collect::<Vec<_>>()))
        .unzip()
}

#[test]
fn mean_auc_of_the_bundles_is_not_below_lightgbms() {
    let (mut ours, mut theirs) = (0.0, 0.0);
    for (split, built) in (1..).zip(SPLITS.iter()) {
        let (bad, probability) = lightgbm(split);
        assert_eq!(bad, built.test.bad, "the same rows in the same order");
        let own = auc(&built.test.bad, &built.test.scored.bundle.probability).unwrap();
        let other = auc(&bad, &probability).unwrap();
        eprintln!("split {split}: bundle {own:.5}, LightGBM {other:.5}");
        ours += own / 5.0;
        theirs += other / 5.0;
    }
    eprintln!("mean: bundle {ours:.5}, LightGBM {theirs:.5}");
    assert!(ours >= theirs, "bundle {ours:.5}, LightGBM {theirs:.5}");
}
