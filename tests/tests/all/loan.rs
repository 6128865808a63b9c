//! The loan reference model: trees and a net of two tasks in one bundle.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use fieldscore_models::build::{Built, build};
use fieldscore_models::data::{Reading, Table};
use fieldscore_models::evaluate::metrics::auc;
use fieldscore_models::keys::Signing;
use fieldscore_models::recipe;
use fieldscore_runtime::Scorer;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/zoo/loan")
}

fn built() -> Built {
    build(&folder(), &Signing::development(), &mut |_| {}).unwrap()
}

static BUILT: LazyLock<Built> = LazyLock::new(built);

fn scorer() -> Scorer {
    let bundle = BUILT.bundle.clone().expect("gates hold");
    Scorer::open(bundle, &[Signing::development().public()]).unwrap()
}

/// A column of the training script's predictions of the test part, and one of its labels.
fn predicted(label: &str, bad: &str, name: &str) -> (Vec<bool>, Vec<f64>) {
    let table = Table::read(&folder().join("predictions.csv")).unwrap();
    let (label, column) = (table.column(label).unwrap(), table.column(name).unwrap());
    let rows = table.rows().iter();
    rows.map(|row| (&row[label] == bad, row[column].parse::<f64>().unwrap()))
        .unzip()
}

#[test]
fn building_twice_gives_the_same_bytes_and_gates_hold() {
    assert!(BUILT.bundle.is_some(), "{:?}", BUILT.summary.gates);
    assert!(BUILT.bundle == built().bundle);
    let summary = &BUILT.summary;
    assert_eq!((summary.family, summary.gates.len()), ("blend", 1));
    assert_eq!(scorer().self_test().unwrap(), 16);
}

#[test]
fn trees_stay_exact_and_the_net_is_f16() {
    let scorer = scorer();
    let model = scorer.executable().unwrap().model(0).unwrap();
    let names: Vec<&str> = model.steps.iter().map(|step| step.name()).collect();
    let net = ["dense f16", "dense f16", "dense f16"];
    assert_eq!(names, [&["rank", "trees"][..], &net].concat());
    assert_eq!((model.inputs.len(), model.outputs.len()), (2, 2));
}

#[test]
fn it_ranks_loans_as_the_training_script_does() {
    let (bad, blend) = predicted("status", "bad", "blend");
    assert_eq!(bad, BUILT.test.bad, "the same rows in the same order");
    let of = |scored: &[f64]| auc(&bad, scored).unwrap();
    let scored = &BUILT.test.scored;
    let (script, float, bundle) = (
        of(&blend),
        of(&scored.float.probability),
        of(&scored.bundle.probability),
    );
    assert!((float - script).abs() < 1e-4, "{float}, script {script}");
    assert!((bundle - script).abs() < 2e-3, "{bundle}, script {script}");
    // Neither of its members is ahead of the blend.
    for member in ["lightgbm", "net"] {
        let own = of(&predicted("status", "bad", member).1);
        assert!(script > own, "{script}, {member} {own}");
    }
}

#[test]
fn the_second_answer_is_the_nets() {
    let (late, script) = predicted("delinquent", "yes", "second_task");
    let others = &BUILT.test.scored.bundle.others;
    assert_eq!(others.len(), 1);
    let (own, script) = (
        auc(&late, &others[0]).unwrap(),
        auc(&late, &script).unwrap(),
    );
    assert!((own - script).abs() < 5e-3, "{own}, script {script}");
    let measured = &BUILT.summary.outputs[0];
    assert_eq!(measured.name, "delinquent");
    assert!((measured.bundle.as_ref().unwrap().auc.value - own).abs() < 1e-12);
}

#[test]
fn what_the_second_answer_is_about_is_no_input_of_the_net() {
    let loaded = recipe::load(&folder()).unwrap();
    let net = &loaded.recipe.models[1];
    assert_eq!(net.name, "net");
    let features = &loaded.recipe.features;
    assert!(
        net.features
            .iter()
            .all(|name| features[name].from != "delinq_2yrs")
    );
}

#[test]
fn the_sample_applications_are_scored_and_explained() {
    let scorer = scorer();
    let loaded = recipe::load(&folder()).unwrap();
    let table = Table::read(&folder().join("applications.csv")).unwrap();
    let reading = Reading::of(&loaded.recipe).unwrap();
    let applications = reading.applications(&table, scorer.schema()).unwrap();
    assert_eq!(applications.len(), 24);
    let mut outcomes = std::collections::BTreeSet::new();
    for application in &applications {
        let explanation = scorer.explain(application).unwrap();
        let decision = explanation.decision;
        assert_eq!(decision, scorer.score(application).unwrap());
        let sum: i32 = explanation.groups.iter().sum();
        assert_eq!(sum, decision.score - explanation.reference_score);
        let mut record = Vec::new();
        scorer.record_explained(application, &explanation, &mut record);
        assert!(scorer.replay(&record).unwrap().same);
        outcomes.insert(decision.outcome.name());
    }
    assert_eq!(outcomes.len(), 3, "{outcomes:?}");
}
