//! Every kind of error that the golden bundle can provoke, with its code; the others are provoked with
//! bundles made for it, in `tests/`.

use crate::common::{Form, applications, golden, keys, scorer};
use fieldscore_mobile::{Application, BundleStore, Entry, FieldscoreError, Scored, Scorer, Value};

const SECRET: &str = "S3CR3T-4711";

/// An error's code, once it has been seen to show no value.
fn code<T>(result: Result<T, FieldscoreError>) -> String {
    let Err(error) = result else {
        panic!("nothing was refused");
    };
    for shown in [error.to_string(), format!("{error:?}")] {
        assert!(!shown.contains(SECRET), "{shown}");
    }
    error.parts().0.to_owned()
}

#[test]
fn bundles_that_must_not_be_opened() {
    let bundle = golden("credit.fsb");
    let open = |bytes: Vec<u8>| code(Scorer::open(bytes, keys()));
    let damaged = |at: usize| {
        let mut bytes = bundle.clone();
        bytes[at] ^= 1;
        bytes
    };
    assert_eq!(open(Vec::new()), "bundle.not_a_bundle");
    assert_eq!(open(bundle[..2000].to_vec()), "bundle.not_a_bundle");
    assert_eq!(open(damaged(0)), "bundle.not_a_bundle");
    assert_eq!(open(damaged(bundle.len() - 1)), "bundle.altered");
    // The table's last entry ends where the signature begins: whichever byte of it, it is signed.
    let codes: Vec<String> = (64..256).map(|at| open(damaged(at))).collect();
    assert!(codes.contains(&"bundle.signature".to_owned()), "{codes:?}");
    let open = |keys| code(Scorer::open(bundle.clone(), keys));
    assert_eq!(open(vec![vec![7; 32]]), "bundle.untrusted_key");
    assert_eq!(open(Vec::new()), "field.type");
    assert_eq!(open(vec![vec![7; 31]]), "field.type");
    assert_eq!(code(Scorer::open_path("no/such/file", keys())), "io");
}

/// An application that is taken, with one value changed.
fn with(scorer: &Scorer, name: &str, value: Value) -> Application {
    let mut application = applications(scorer, Form::Typed, 1).remove(0);
    let field = scorer.field(name).unwrap();
    application.values.retain(|entry| entry.field != field);
    application.values.push(Entry { field, value });
    application
}

fn written(value: &str) -> Value {
    Value::Written {
        value: value.to_owned(),
        comma: false,
    }
}

#[test]
fn applications_that_are_refused_name_the_field() {
    let scorer = scorer();
    for (name, value, expected) in [
        ("income", written(SECRET), "field.type"),
        ("income", Value::Number { value: f64::NAN }, "field.type"),
        ("income", Value::Boolean { value: true }, "field.type"),
        ("time", Value::Integer { value: 5 }, "field.range"),
        ("time", written(""), "field.missing"),
        ("records", written(SECRET), "field.category"),
    ] {
        let application = with(&scorer, name, value);
        assert_eq!(code(scorer.score(&application)), expected, "{name}");
        let error = scorer.explain(&application, "en").unwrap_err();
        assert!(error.parts().1.contains(name), "{error}");
    }
}

#[test]
fn fields_that_are_not_there_and_days_that_are_none() {
    let scorer = scorer();
    assert_eq!(code(scorer.field("imcome")), "field.unknown");
    let mut application = with(&scorer, "time", Value::Integer { value: 12 });
    application.values[0].field = u16::MAX;
    assert_eq!(code(scorer.score(&application)), "field.unknown");
    for day in ["", "2026-02-30", "1.9.2026", SECRET] {
        let mut application = with(&scorer, "time", Value::Integer { value: 12 });
        application.as_of = day.to_owned();
        assert_eq!(code(scorer.score(&application)), "field.type");
    }
}

#[test]
fn one_of_many_is_refused_and_the_others_are_not() {
    let scorer = scorer();
    let mut many = applications(&scorer, Form::Typed, 3);
    let alone: Vec<_> = many.iter().map(|a| scorer.score(a).unwrap()).collect();
    many[1] = with(&scorer, "income", written(SECRET));
    let scored = scorer.score_many(many).unwrap();
    let [first, refused, last] = &scored[..] else {
        panic!("three were given");
    };
    for (scored, decision) in [(first, &alone[0]), (last, &alone[2])] {
        let decision = decision.clone();
        assert_eq!(*scored, Scored::Decided { decision });
    }
    let Scored::Refused { code, place, .. } = refused else {
        panic!("it was decided");
    };
    assert_eq!(
        (code.as_str(), place.contains("income")),
        ("field.type", true)
    );
    assert!(!format!("{refused:?}").contains(SECRET));
    assert_eq!(scorer.score_many(Vec::new()).unwrap(), []);
}

#[test]
fn records_that_are_damaged_or_anothers() {
    let scorer = scorer();
    let application = applications(&scorer, Form::Typed, 1).remove(0);
    let record = scorer.score(&application).unwrap().record;
    assert_eq!(code(scorer.replay(Vec::new())), "record.malformed");
    assert_eq!(
        code(scorer.replay(record[..40].to_vec())),
        "record.malformed"
    );
    let id = scorer.info().unwrap().bundle_id;
    let at = record.windows(32).position(|bytes| bytes == id).unwrap();
    let mut foreign = record.clone();
    foreign[at] ^= 1;
    assert_eq!(code(scorer.replay(foreign)), "application.bundle");
}

#[test]
fn what_is_shown_of_a_decision_holds_no_record() {
    let scorer = scorer();
    let mut application = applications(&scorer, Form::Typed, 1).remove(0);
    application.id = SECRET.to_owned();
    let explanation = scorer.explain(&application, "en").unwrap();
    let decision = scorer.score(&application).unwrap();
    assert!(decision.record.windows(11).any(|b| b == SECRET.as_bytes()));
    let bytes: Vec<String> = SECRET.bytes().map(|b| b.to_string()).collect();
    for shown in [format!("{decision:?}"), format!("{explanation:?}")] {
        assert!(!shown.contains(&bytes.join(", ")), "{shown}");
    }
}

#[test]
fn a_store_says_what_it_has_not_and_what_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let store = BundleStore::new(&path("bundles"), "credit", keys()).unwrap();
    assert_eq!(code(store.open()), "store.empty");
    let scorer = store.install(golden("credit.fsb")).unwrap();
    assert_eq!(scorer.info().unwrap().sequence, 1);
    assert_eq!(store.open().unwrap().self_test().unwrap(), 16);
    let other = BundleStore::new(&path("others"), "savings", keys()).unwrap();
    assert_eq!(code(other.install(golden("credit.fsb"))), "store.refused");
    std::fs::write(path("file"), b"in the way").unwrap();
    assert_eq!(
        code(BundleStore::new(&path("file/x"), "credit", keys())),
        "io"
    );
    assert_eq!(
        code(BundleStore::new(&path("y"), "credit", Vec::new())),
        "field.type"
    );
}
