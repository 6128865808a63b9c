//! The mobile crate with bundles made to be refused: the kinds of error that the golden bundle cannot
//! provoke, and a store that is updated, damaged and mended.

use std::path::Path;
use std::sync::Arc;

use fieldscore_mobile::{Application, BundleStore, Entry, FieldscoreError, Scored, Scorer, Value};
use fieldscore_models::keys::Signing;
use fieldscore_runtime::bundle::container::SectionKind;
use fieldscore_tests::fixture::{Parts, key, linear};
use fieldscore_tests::surgery;

fn keys() -> Vec<Vec<u8>> {
    vec![key().public().to_vec()]
}

fn code<T>(result: Result<T, FieldscoreError>) -> String {
    let Err(error) = result else {
        panic!("nothing was refused");
    };
    error.parts().0.to_owned()
}

fn release(product: &str, sequence: u64) -> Vec<u8> {
    let mut parts = Parts::small(1);
    parts.meta.product = product.to_owned();
    parts.meta.sequence = sequence;
    parts.with_answers(1).bundle()
}

fn wrong_answers() -> Vec<u8> {
    let mut parts = Parts::small(1).with_answers(1);
    parts.meta.sequence = 9;
    parts.answers = Parts::small(2).with_answers(1).answers;
    parts.bundle()
}

#[test]
fn bundles_made_to_be_refused_have_their_codes() {
    let sound = release("fixture", 1);
    let newer = surgery::assemble_for(&surgery::sections(&sound), &key(), (9, 0, 0));
    let malformed = surgery::with_section(&sound, SectionKind::PLAN, b"\xff", &key());
    let open = |bundle| code(Scorer::open(bundle, keys()));
    assert_eq!(open(newer), "bundle.unsupported");
    assert_eq!(open(malformed), "bundle.malformed");
    let scorer = Scorer::open(wrong_answers(), keys()).unwrap();
    assert_eq!(code(scorer.self_test()), "bundle.self_test");
}

#[test]
fn a_model_without_a_finite_answer_refuses_that_application_alone() {
    let mut parts = linear(&[("a", "G1", 1.0), ("b", "G2", 1.0)]);
    for at in 0..2 {
        parts.weights[64 + at * 64..][..4].copy_from_slice(&3e38f32.to_le_bytes());
    }
    let scorer = Scorer::open(parts.bundle(), keys()).unwrap();
    let with = |a: i64, b: i64| Application {
        id: "A".to_owned(),
        as_of: "2026-09-01".to_owned(),
        automation: true,
        values: [a, b]
            .into_iter()
            .zip(0..)
            .map(|(value, field)| Entry {
                field,
                value: Value::Integer { value },
            })
            .collect(),
    };
    let many = vec![with(0, 0), with(9, -9), with(0, 0)];
    let scored = scorer.score_many(many).unwrap();
    let decided = |scored: &Scored| matches!(scored, Scored::Decided { .. });
    assert!(decided(&scored[0]) && scored[0] == scored[2]);
    assert!(matches!(&scored[1], Scored::Refused { code, .. } if code == "model.not_finite"));
}

fn store(folder: &Path) -> Arc<BundleStore> {
    BundleStore::new(folder.to_str().unwrap(), "fixture", keys()).unwrap()
}

fn current(folder: &Path) -> u64 {
    store(folder).open().unwrap().info().unwrap().sequence
}

#[test]
fn a_store_refuses_what_is_older_foreign_or_wrong_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).install(release("fixture", 1)).unwrap();
    store(folder.path()).install(release("fixture", 2)).unwrap();
    let stranger = Signing::generate().unwrap();
    let foreign = surgery::assemble(&surgery::sections(&release("fixture", 9)), &stranger);
    for (bundle, expected) in [
        (release("fixture", 1), "store.refused"),
        (release("another", 9), "store.refused"),
        (foreign, "bundle.untrusted_key"),
        (wrong_answers(), "bundle.self_test"),
        (
            release("fixture", 9)[..2000].to_vec(),
            "bundle.not_a_bundle",
        ),
    ] {
        let refused = store(folder.path()).install(bundle);
        assert_eq!(code(refused), expected);
        assert_eq!(current(folder.path()), 2);
    }
}

#[test]
fn a_damaged_bundle_falls_back_and_is_installed_again() {
    let folder = tempfile::tempdir().unwrap();
    store(folder.path()).install(release("fixture", 1)).unwrap();
    store(folder.path()).install(release("fixture", 2)).unwrap();
    let newest = release("fixture", 2);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::read(&path).unwrap() == newest {
            std::fs::write(&path, &newest[..3000]).unwrap();
        }
    }
    assert_eq!(current(folder.path()), 1);
    store(folder.path()).install(newest).unwrap();
    assert_eq!(current(folder.path()), 2);
}
