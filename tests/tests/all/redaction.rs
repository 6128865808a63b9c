//! No error, no `Debug` and no line of the log shows what an applicant gave.

use std::fmt::{Debug, Display};
use std::io::Cursor;

use fieldscore_models::applications::{Batch, InputFormat, ReadOptions, Reader, Source};
use fieldscore_models::data::Table;
use fieldscore_runtime::schema::Answer;
use fieldscore_runtime::{
    BundleStore, Date, DecimalMark, ErrorKind, Outcome, Record, Scorer, Value,
};
use fieldscore_tests::fixture::{Parts, fill, key, linear, today};
use fieldscore_tests::logs;
use fieldscore_tests::project::{Project, data};
use fieldscore_tests::storage::Failing;

const TEXT: &str = "S3CR3T-4711";
const NUMBER: f64 = 987_654_321.125;
/// The number's digits, without a mark, however it is written.
const DIGITS: &str = "987654321";

fn clean(what: &str, shown: &str) {
    let plain: String = shown.chars().filter(|c| !"_, '".contains(*c)).collect();
    for secret in ["S3CR3T", "CR3T-47", DIGITS] {
        assert!(!plain.contains(secret), "{what} shows {secret}: {shown}");
    }
    // Nor as a list of bytes.
    let bytes: Vec<String> = TEXT.bytes().take(6).map(|b| b.to_string()).collect();
    assert!(
        !plain.contains(&bytes.concat()),
        "{what} shows bytes: {shown}"
    );
}

/// Both faces of an error, then its kind.
fn refused<T, E: Display + Debug>(what: &str, result: Result<T, E>) -> E {
    let Err(error) = result else {
        panic!("{what}: taken");
    };
    clean(what, &error.to_string());
    clean(what, &format!("{error:?}"));
    error
}

/// Refuses whatever can be refused.
fn strict() -> Scorer {
    let mut parts = Parts::small(1);
    for field in &mut parts.schema.fields {
        field.out_of_range = Answer::Refuse;
        field.unknown = Answer::Refuse;
    }
    parts.schema.fields[5].missing = Answer::Refuse;
    parts.scorer()
}

#[test]
fn values_of_the_wrong_type_are_not_shown() {
    let scorer = strict();
    let long = TEXT.repeat(200);
    for name in [
        "income", "expenses", "home", "employed", "since", "years", "note",
    ] {
        let mut application = scorer.application(TEXT, today());
        for text in [
            TEXT,
            &long,
            "987654321.125",
            "987,654,321",
            "987654321987654321",
        ] {
            for mark in [DecimalMark::Point, DecimalMark::Comma] {
                if application.set_text(name, text, mark).is_err() {
                    let error = refused(name, application.set_text(name, text, mark));
                    assert_eq!(error.kind(), ErrorKind::WrongType);
                }
            }
        }
        let days = Value::Date(Date::from_ymd(1987, 6, 5).unwrap());
        for value in [
            Value::Text(&long),
            Value::Number(NUMBER),
            Value::Number(NUMBER * 1e9),
            days,
        ] {
            if application.set(name, value).is_err() {
                refused(name, application.set(name, value));
            }
        }
        clean("an application", &format!("{application:?}"));
    }
}

#[test]
fn values_that_a_policy_refuses_are_not_shown() {
    let scorer = strict();
    let mut application = scorer.application(TEXT, today());
    fill(&mut application);
    application.set("years", 987_654_321).unwrap();
    let error = refused("out of range", scorer.score(&application));
    assert_eq!(error.kind(), ErrorKind::OutOfRange);
    refused("explaining", scorer.explain(&application));
    refused("features", scorer.features(&application));

    fill(&mut application);
    application.set("home", TEXT).unwrap();
    let error = refused("unlisted", scorer.score(&application));
    assert_eq!(error.kind(), ErrorKind::UnknownCategory);

    fill(&mut application);
    application.set("years", Value::Missing).unwrap();
    let error = refused("missing", scorer.score(&application));
    assert_eq!(error.kind(), ErrorKind::Missing);

    let other = Parts::small(2).scorer();
    let error = refused("another bundle", other.score(&application));
    assert_eq!(error.kind(), ErrorKind::WrongBundle);
}

#[test]
fn what_overflows_a_model_is_not_shown() {
    let mut parts = linear(&[("a", "R1", 1.0)]);
    parts.weights[64..68].copy_from_slice(&3e38f32.to_le_bytes());
    let scorer = parts.scorer();
    let mut application = scorer.application(TEXT, today());
    application.set("a", 987_654_321).unwrap();
    let error = refused("not finite", scorer.score(&application));
    assert_eq!(error.kind(), ErrorKind::NotFinite);
}

/// A record full of markers, of a lenient bundle.
fn record() -> (Scorer, Vec<u8>) {
    let scorer = Parts::small(1).scorer();
    let mut application = scorer.application(TEXT, today());
    fill(&mut application);
    application.set("note", TEXT).unwrap();
    application.set("home", TEXT).unwrap();
    application.set("years", 987_654_321).unwrap();
    let explanation = scorer.explain(&application).unwrap();
    let mut record = Vec::new();
    scorer.record_explained(&application, &explanation, &mut record);
    clean("an explanation", &format!("{explanation:?}"));
    clean("a decision", &format!("{:?}", explanation.decision));
    (scorer, record)
}

#[test]
fn records_and_their_replays_show_nothing() {
    let (scorer, record) = record();
    let decoded = Record::decode(&record).unwrap();
    clean("a record", &format!("{decoded:?}"));
    clean(
        "a replay",
        &format!("{:?}", scorer.replay(&record).unwrap()),
    );
    let other = Parts::small(2).scorer();
    refused("another bundle's record", other.replay(&record));
}

#[test]
fn broken_records_are_not_shown() {
    let (scorer, record) = record();
    for len in 0..record.len() {
        refused("a cut record", Record::decode(&record[..len]));
    }
    for at in 0..record.len() {
        for value in [0x00, 0x3b, 0x60, 0x7f, 0xf6, 0xff] {
            let mut record = record.clone();
            // Field names are the schema's: one that was changed is shown, so leave the strings.
            record[at] = value;
            if let Err(error) = Record::decode(&record) {
                clean("an altered record", &format!("{error} {error:?}"));
            } else if let Err(error) = scorer.replay(&record)
                && error.kind() != ErrorKind::UnknownField
            {
                clean("an altered record's replay", &format!("{error} {error:?}"));
            }
        }
    }
}

#[test]
fn a_failing_self_test_shows_no_record() {
    let (_, record) = record();
    let mut parts = Parts::small(3);
    parts.answers.records = vec![record.into()];
    let error = refused("a self-test", parts.scorer().self_test());
    assert_eq!(error.kind(), ErrorKind::SelfTest);
}

#[test]
fn bad_tables_show_no_cell() {
    let header = "id,status,a\n";
    for (what, rows) in [
        ("ragged", format!("{TEXT},{DIGITS}\n").into_bytes()),
        (
            "too long",
            format!("{TEXT},bad,{DIGITS},more\n").into_bytes(),
        ),
        ("not UTF-8", [TEXT.as_bytes(), b",bad,\xff\n"].concat()),
    ] {
        let bytes = [header.as_bytes(), &rows].concat();
        refused(what, Table::parse("data.csv", &bytes));
    }
}

#[test]
fn failing_builds_show_no_cell() {
    let spoiled = [
        ("a field", format!("{TEXT},good,north,{TEXT},0.50,own")),
        ("a decimal", format!("{TEXT},good,north,50,{NUMBER},own")),
        ("a range", format!("{TEXT},good,north,{DIGITS},0.50,own")),
        ("a missing value", format!("{TEXT},good,north,,0.50,own")),
        ("a ragged row", format!("{TEXT},{DIGITS}")),
    ];
    for (what, row) in spoiled {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path());
        project.write("data.csv", data(600) + &row + "\n");
        refused(what, project.build().map(|_| ()));
    }
}

#[test]
fn failing_columns_of_a_build_show_no_cell() {
    let build = |what: &str, from: &str, to: &str, csv: String| {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::new(folder.path());
        project.change(from, to);
        project.write("data.csv", csv);
        refused(what, project.build().map(|_| ()));
    };
    let bands = "groups = { region = { bands = [1, 2] } }";
    let marked = data(600).replace("north", TEXT);
    build(
        "a band column",
        "groups = { region = {} }",
        bands,
        marked.clone(),
    );
    build(
        "a date column",
        "id = \"id\"",
        "date = \"region\"",
        marked.clone(),
    );
    build("the label", "bad = \"bad\"", "bad = \"other\"", marked);
}

fn reader_errors(format: InputFormat, text: &[u8]) -> usize {
    let scorer = strict();
    let options = ReadOptions {
        mark: DecimalMark::Point,
        separator: b',',
        as_of: today(),
        strict: false,
    };
    let source = Source::new("people", Cursor::new(text.to_vec())).unwrap();
    let mut reader = match Reader::new(source, Some(format), scorer.schema().clone(), options) {
        Ok(reader) => reader,
        Err(error) => {
            clean("a header", &format!("{error} {error:?}"));
            return 1;
        }
    };
    let mut batch = Batch::default();
    let mut errors = 0;
    while reader.fill(&mut batch).unwrap() {
        clean("a batch", &format!("{batch:?}"));
        for row in batch.rows() {
            clean("a row", &format!("{row:?}"));
            if let Err(error) = &row.application {
                errors += 1;
                clean("a row's place", &error.place("people", row));
                clean("what was expected", &error.expected);
            }
        }
        let mut out = Vec::new();
        scorer.score_many(batch.applications(), &mut out);
        for error in out.into_iter().filter_map(Result::err) {
            errors += 1;
            clean("a decision", &format!("{error} {error:?}"));
        }
    }
    errors
}

#[test]
fn bad_rows_of_applications_are_not_shown() {
    let header = "id,as_of,income,expenses,home,employed,since,years,note\n";
    for row in [
        format!("{TEXT},2026-09-01,{TEXT},1,rent,yes,2019-01-01,4,x"),
        format!("{TEXT},2026-09-01,1,{NUMBER},rent,yes,2019-01-01,4,x"),
        format!("{TEXT},2026-09-01,1,1,{TEXT},yes,2019-01-01,4,x"),
        format!("{TEXT},2026-09-01,1,1,rent,{TEXT},2019-01-01,4,x"),
        format!("{TEXT},2026-09-01,1,1,rent,yes,{TEXT},4,x"),
        format!("{TEXT},2026-09-01,1,1,rent,yes,2019-01-01,{DIGITS},x"),
        format!("{TEXT},{TEXT},1,1,rent,yes,2019-01-01,4,x"),
        format!(
            "{TEXT},2026-09-01,1,1,rent,yes,2019-01-01,4,{}",
            TEXT.repeat(100)
        ),
        format!("{TEXT},{TEXT},{DIGITS}"),
        format!("\"{TEXT},2026-09-01,1,1,rent,yes,2019-01-01,4,x"),
    ] {
        let csv = format!("{header}{row}\n");
        assert_ne!(reader_errors(InputFormat::Csv, csv.as_bytes()), 0, "{row}");
    }
    let not_utf8 = [
        header.as_bytes(),
        TEXT.as_bytes(),
        b",2026-09-01,\xff,,,,,,\n",
    ]
    .concat();
    assert_ne!(reader_errors(InputFormat::Csv, &not_utf8), 0);
}

#[test]
fn bad_json_of_applications_is_not_shown() {
    for line in [
        format!(r#"{{"id":"{TEXT}","income":"{TEXT}"}}"#),
        format!(r#"{{"id":"{TEXT}","years":{NUMBER}}}"#),
        format!(r#"{{"id":"{TEXT}","years":{DIGITS}}}"#),
        format!(r#"{{"id":"{TEXT}","years":4,"home":"{TEXT}"}}"#),
        format!(r#"{{"id":"{TEXT}","years":["{TEXT}"]}}"#),
        format!(r#"{{"id":"{TEXT}","years":{{"x":"{TEXT}"}}}}"#),
        format!(r#"{{"id":"{TEXT}","as_of":"{TEXT}"}}"#),
        format!(r#"{{"id":["{TEXT}"]}}"#),
        format!(r#"{{"id":"{TEXT}","years":"#),
        format!(r#"{{"id":"{TEXT}" "{TEXT}"}}"#),
        format!(r#"{{"income":"{TEXT}","income":"{TEXT}"}}"#),
        format!(r#"["{TEXT}"]"#),
        TEXT.to_owned(),
        format!(r#"{{"id":"\u{{4711}}","years":"{TEXT}\x"}}"#),
    ] {
        assert_ne!(
            reader_errors(InputFormat::Jsonl, line.as_bytes()),
            0,
            "{line}"
        );
    }
}

#[test]
fn the_log_shows_no_applicant() {
    logs::start();
    let (scorer, record) = record();
    let mut store = BundleStore::new(Failing::default(), "fixture", vec![key().public()]);
    store
        .install(&Parts::small(1).with_answers(1).bundle())
        .unwrap();
    scorer.self_test().unwrap();
    let _ = scorer.replay(&record);
    let _ = scorer.replay(&record[..50]);
    let mut application = scorer.application(TEXT, today());
    application.set("note", TEXT).unwrap();
    application.set("years", 987_654_321).unwrap();
    application.set_automation_consent(false);
    assert_eq!(scorer.score(&application).unwrap().outcome, Outcome::Refer);
    let _ = application.set_text("income", TEXT, DecimalMark::Point);
    let mut out = Vec::new();
    scorer.score_many(&[application], &mut out);
    values_that_a_policy_refuses_are_not_shown();
    let lines = logs::lines();
    assert!(
        lines.iter().any(|line| line.starts_with("bundle opened")),
        "something is logged"
    );
    for line in lines {
        clean("the log", &line);
    }
}
