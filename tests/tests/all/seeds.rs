//! The seeds of the fuzz targets: made by an ignored test, and sound.

use std::path::{Path, PathBuf};

use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_runtime::bundle::encode;
use fieldscore_runtime::plan::{ElementType, Executable};
use fieldscore_runtime::watch::Summary;
use fieldscore_runtime::{Application, Date, DecimalMark, Outcome, Record, Scorer};
use fieldscore_tests::fixture::{Arithmetic, Parts, draw, key};
use fieldscore_tests::random::Random;
use fieldscore_tests::surgery;

use crate::tensors;

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(target)
}

fn files(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(folder(target))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect();
    all.sort();
    all
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden/families")
        .join(name)
}

/// A golden bundle without what only people read, which is the most of it.
fn of_golden(name: &str) -> Vec<u8> {
    let bundle = std::fs::read(golden(name).join(format!("{name}.fsb"))).unwrap();
    let mut sections = surgery::sections(&bundle);
    sections.retain(|part| ![SectionKind::CARD, SectionKind::PROVENANCE].contains(&part.0));
    surgery::assemble(&sections, &key())
}

/// The first applications of a golden bundle.
fn golden_applications(name: &str, scorer: &Scorer) -> Vec<Application> {
    let csv = std::fs::read_to_string(golden(name).join("applications.csv")).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().unwrap();
    let application = |cells: Vec<&str>| {
        let mut application = scorer.application(cells[0], Date::parse(cells[1]).unwrap());
        for (name, cell) in names.iter().zip(&cells).skip(2) {
            application.set_text(name, cell, DecimalMark::Point).ok()?;
        }
        scorer.score(&application).is_ok().then_some(application)
    };
    lines.filter_map(application).take(4).collect()
}

/// `cargo test -p fieldscore-tests --test all -- --ignored seeds::write_them`
#[test]
#[ignore = "writes files of the repository"]
fn write_them() {
    let write = |target: &str, name: &str, bytes: &[u8]| {
        std::fs::create_dir_all(folder(target)).unwrap();
        std::fs::write(folder(target).join(name), bytes).unwrap();
    };
    let int8 = Parts::with_net(1, &[4], Arithmetic::Int8).with_answers(1);
    let float = Parts::with_net(2, &[3], Arithmetic::F32).with_answers(1);
    let forest = Parts::with_forest(3, 4, 6, ElementType::F64).with_answers(1);
    let short = Parts::with_forest(4, 3, 40, ElementType::F32);
    write("bundle", "small.fsb", &int8.bundle());
    write("bundle", "float.fsb", &float.bundle());
    write("bundle", "forest.fsb", &forest.bundle());
    let of = |parts: &Parts| (parts.plan.clone(), parts.weights.clone());
    for (name, (plan, weights)) in [
        ("int8.plan", of(&int8)),
        ("float.plan", of(&float)),
        ("forest.plan", of(&forest)),
        ("forest-f32.plan", of(&short)),
        ("tensors.plan", tensors::sound()),
        ("embeddings.plan", tensors::case("embeddings_18")),
        ("convolutions.plan", tensors::case("tcn")),
    ] {
        let plan = encode(&plan);
        let len = u16::try_from(plan.len()).unwrap();
        write(
            "plan",
            name,
            &[&len.to_le_bytes()[..], &plan, &weights].concat(),
        );
    }
    let policy = of_golden("policy");
    write("bundle", "policy.fsb", &policy);
    write("bundle", "watched.fsb", &of_golden("watched"));
    let scorer = int8.scorer();
    let mut random = Random::new(3);
    let mut record = Vec::new();
    for n in 0..4 {
        let application = draw(&scorer, &format!("A-{n}"), &mut random);
        let explanation = scorer.explain(&application).unwrap();
        scorer.record(&application, &explanation.decision, &mut record);
        write("records", &format!("{n}.record"), &record);
        scorer.record_explained(&application, &explanation, &mut record);
        write("records", &format!("{n}-explained.record"), &record);
    }
    let scorer = Scorer::open(policy, &[key().public()]).unwrap();
    let mut summary = Summary::new(&scorer).unwrap();
    for (n, application) in golden_applications("policy", &scorer).iter().enumerate() {
        let explanation = scorer.explain(application).unwrap();
        scorer.record_explained(application, &explanation, &mut record);
        write("records", &format!("policy-{n}.record"), &record);
        summary.add(application, &explanation.decision).unwrap();
    }
    write("casework", "policy.summary", &summary.encode());
    let (reference, decision) = scorer.reference().unwrap();
    scorer.record(&reference, &decision, &mut record);
    let reason = scorer.override_reasons().next().unwrap();
    let made = scorer.override_decision(&record, "T-1", Outcome::Refer, reason, reference.as_of());
    write("casework", "policy.override", &made.unwrap());
    for (name, options, text) in [
        (
            "policy.csv",
            34u8,
            "id,as_of,seniority,home,time,records,job,expenses,income,assets,debt,amount,price\n1,2026-06-30,9,owner,18,no,fixed,45,195,3000,0,700,1422\n2,,9,,24,yes,,45,,,,3500,4000\n",
        ),
        (
            "plain.csv",
            0,
            "id,as_of,income,expenses,home,employed,since,years,note\n1,2026-09-01,1200.50,310.5,rent,yes,2019-05-20,6,none\n2,,,,,,,,\n",
        ),
        (
            "quoted.csv",
            2,
            "id,income,\"home\",extra\n\"a,\"\"b\"\"\",12,\"rent\",\"two\nlines\"\n",
        ),
        ("comma.csv", 14, "id;income;expenses\n1;1200,50;310,5\n"),
        (
            "strict.csv",
            18,
            "income,expenses,home,employed,since,years,note\n1,2,owner,no,2020-01-01,3,x\n",
        ),
        (
            "lines.jsonl",
            1,
            "{\"id\":\"1\",\"as_of\":\"2026-09-01\",\"income\":1200.5,\"home\":\"rent\",\"employed\":true,\"years\":6}\n{\"id\":2,\"income\":\"1200.50\",\"note\":null,\"more\":{\"a\":[1,2]}}\n",
        ),
        (
            "bad.jsonl",
            0,
            "{\"income\":1e999,\"years\":-0,\"home\":\"\\ud83d\\ude00\"}\n{\"income\":1,\"income\":2}\n{\n[]\n",
        ),
    ] {
        write(
            "applications",
            name,
            &[&[options][..], text.as_bytes()].concat(),
        );
    }
}

#[test]
fn seed_bundles_open_and_pass_their_self_test() {
    for (path, bytes) in files("bundle") {
        let scorer = Scorer::open(bytes, &[key().public()]).unwrap();
        assert!(scorer.self_test().unwrap() > 0, "{}", path.display());
        assert!(scorer.section(SectionKind::PLAN).is_some());
        assert!(scorer.reference().is_ok());
    }
}

#[test]
fn seed_plans_are_sound() {
    for (path, bytes) in files("plan") {
        let len = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        let (plan, weights) = bytes[2..].split_at(len);
        let sound = Executable::decode(plan, weights);
        assert!(sound.is_ok(), "{}: {:?}", path.display(), sound.err());
    }
}

#[test]
fn seed_records_decode() {
    assert!(!files("records").is_empty());
    for (path, bytes) in files("records") {
        assert!(Record::decode(&bytes).is_ok(), "{}", path.display());
    }
}

#[test]
fn seeds_of_casework_decode() {
    let bundle = std::fs::read(folder("bundle").join("policy.fsb")).unwrap();
    let scorer = Scorer::open(bundle, &[key().public()]).unwrap();
    let read = |name: &str| std::fs::read(folder("casework").join(name)).unwrap();
    let summary = Summary::decode(&scorer, &read("policy.summary")).unwrap();
    assert_eq!(summary.decisions(), 4);
    let (reference, decision) = scorer.reference().unwrap();
    let mut record = Vec::new();
    scorer.record(&reference, &decision, &mut record);
    let checked = scorer.check_override(&record, &read("policy.override"));
    assert_eq!(checked.unwrap().outcome, Outcome::Refer);
}
