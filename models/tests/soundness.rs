//! `docs/soundness.md` shows what the commands print; gates on calibration and monotone fields end
//! builds, and values that have moved are told from chance.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "tests: what goes wrong fails the test"
)]

mod common;

use std::path::Path;

use common::{Shown, fieldscore, folder, hold_commands, recipe, root, section, text};
use fieldscore_models::evaluate::monotone::{Direction, Search, Verdict};
use fieldscore_models::keys::Signing;
use fieldscore_runtime::Scorer;

const SHOWN: [Shown<'_>; 9] = [
    (
        "platt",
        "build models/zoo/credit -o platt.fsb",
        &["calibration"],
    ),
    (
        "isotonic",
        "build models/tests/soundness/isotonic -o isotonic.fsb",
        &["calibration"],
    ),
    (
        "ranking",
        "build models/tests/soundness/isotonic -o ranking.fsb",
        &[" AUC "],
    ),
    (
        "proved",
        "build models/zoo/credit-scorecard -o card.fsb",
        &["monotone fields"],
    ),
    (
        "trees",
        "build models/tests/soundness/trees -o trees.fsb",
        &["monotone fields"],
    ),
    (
        "refused",
        "build models/tests/soundness/monotone -o monotone.fsb",
        &["monotone fields"],
    ),
    (
        "fields",
        "build models/zoo/credit -o fields.fsb",
        &["fields"],
    ),
    ("lift", "build models/zoo/credit -o lift.fsb", &["lift"]),
    (
        "what-if",
        "evaluate platt.fsb models/zoo/credit/data.csv --profit-good 100 --loss-bad 800",
        &["what other cut-offs"],
    ),
];

#[test]
fn the_page_shows_what_the_commands_print() {
    hold_commands("soundness.md", "soundness", &SHOWN);
}

#[test]
fn a_counter_example_is_of_nobody() {
    let output = fieldscore("build models/tests/soundness/monotone -o nobody.fsb --json");
    assert_eq!(output.status.code(), Some(1));
    assert!(!folder().join("nobody.fsb").exists());
    let figures: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let [debt, amount] = [0, 1].map(|at| &figures["soundness"]["monotone"][at]);
    assert_eq!(
        (&amount["field"], &debt["field"]),
        (&"amount".into(), &"debt".into())
    );
    assert!(debt["verdict"]["searched"]["pairs"].as_u64().unwrap() > 10_000);
    let example = &amount["verdict"]["broken"];
    let scores = [0, 1].map(|at| example["scores"][at].as_i64().unwrap());
    assert!(scores[0] < scores[1], "falling, and it rose");
    let others: Vec<(String, String)> = serde_json::from_value(example["others"].clone()).unwrap();
    assert_eq!(others.len(), 10, "all but the amount");
    let data = std::fs::read_to_string(root().join("models/zoo/credit/data.csv")).unwrap();
    let mut rows = data.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = rows.next().unwrap();
    let of_row = |row: &Vec<&str>| {
        others.iter().all(|(name, value)| {
            let at = header.iter().position(|title| title == name).unwrap();
            row[at] == value
        })
    };
    assert!(!rows.any(|row| of_row(&row)));
}

/// The search has no part in the proof: it finds nothing where that holds, and finds what there is where
/// the same trees were grown without constraints.
#[test]
fn a_search_denies_no_proof() {
    let broken = |recipe: &str, bundle: &str| -> Vec<&'static str> {
        let output = fieldscore(&format!("build {recipe} -o {bundle}"));
        assert!(output.status.success(), "{}", text(&output.stderr));
        let key = Signing::development().public();
        let scorer = Scorer::open_path(folder().join(bundle), &[key]).unwrap();
        let fields = ["seniority", "income", "assets", "debt", "expenses"];
        let directions = [Direction::Rising; 3]
            .into_iter()
            .chain([Direction::Falling; 2]);
        let each = fields.into_iter().zip(directions);
        let found = each.filter(|&(field, direction)| {
            let index = scorer.schema().index_of(field).unwrap();
            let mut search = Search::new(&scorer, Vec::new()).unwrap();
            let verdict = search.run(&scorer, index, direction, fields.len()).unwrap();
            matches!(verdict, Verdict::Broken(_))
        });
        found.map(|(field, _)| field).collect()
    };
    assert!(broken("models/tests/soundness/trees", "held.fsb").is_empty());
    let free = broken("models/zoo/credit-lightgbm", "free.fsb");
    assert_eq!(free, ["seniority", "income", "debt", "expenses"]);
}

#[test]
fn a_calibration_beyond_chance_ends_a_build() {
    // Only one perfect model in a hundred is as near.
    let strict = recipe("strict", "[gates]\ncalibration = { chance = 0.01 }\n");
    let output = fieldscore(&format!("build {strict} -o strict.fsb"));
    assert_eq!(output.status.code(), Some(1));
    let errors = text(&output.stderr);
    assert!(
        errors.contains("gate calibration: expected ECE ≤"),
        "{errors}"
    );
    assert!(!folder().join("strict.fsb").exists());
    let unfitted =
        "[gates]\ncalibration = { chance = 0.01 }\n[probability]\ncalibration = \"none\"\n";
    let unfitted = recipe("unfitted", unfitted);
    let output = fieldscore(&format!("build {unfitted} -o unfitted.fsb"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(section(&text(&output.stdout), "calibration").ends_with("(no gate)"));
}

#[test]
fn what_cannot_be_monotone_is_refused() {
    let words = recipe("words", "[fields.home]\nmonotone = \"rising\"\n");
    let output = fieldscore(&format!("build {words} -o words.fsb"));
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(errors.contains("fields.home.monotone"), "{errors}");
}

#[test]
fn a_field_that_has_moved_is_told_from_chance() {
    let built = fieldscore("build models/zoo/credit -o moved.fsb");
    assert!(built.status.success());
    let data = std::fs::read_to_string(root().join("models/zoo/credit/data.csv")).unwrap();
    let (header, rows) = data.split_once('\n').unwrap();
    let income = header.split(',').position(|name| name == "income").unwrap();
    let mut raised = format!("{header}\n");
    for row in rows.lines() {
        let mut cells: Vec<String> = row.split(',').map(str::to_owned).collect();
        if let Ok(before) = cells[income].parse::<u32>() {
            cells[income] = (before * 2).min(900).to_string();
        }
        raised += &format!("{}\n", cells.join(","));
    }
    let file = folder().join("raised.csv");
    std::fs::write(&file, raised).unwrap();
    let moved = |file: &Path| -> Vec<String> {
        let output = fieldscore(&format!("evaluate moved.fsb {} --json", file.display()));
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let fields = found["soundness"]["fields"].as_array().unwrap();
        assert_eq!(fields.len(), 11);
        let is_more = |field: &&serde_json::Value| {
            field["psi"]["value"].as_f64().unwrap() > field["psi"]["by_chance"].as_f64().unwrap()
        };
        let names = fields.iter().filter(is_more);
        names
            .map(|field| field["field"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(moved(&file), ["income"]);
    assert!(moved(&root().join("models/zoo/credit/data.csv")).is_empty());
}
